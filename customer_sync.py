# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import hashlib
import json

from sql import Literal, Null

from trytond.model import ModelView
from trytond.pool import Pool
from trytond.transaction import Transaction

from .call import Call
from .customer_owner import NOT_OWNED
from .gateway import StripeFailure, StripeKeyReused, StripeRefused
from .party import PartyChanges
from .policy import Meaning
from .run import Run
from .sources import read_saved

# How long a customer waits for the records that use the same at Stripe
PAUSE = dt.timedelta(days=1)


class SyncMixin:
    "Keep customers the same in Tryton and at Stripe"
    __slots__ = ()

    @property
    def stripe_party_params(self):
        "The parameters that tell Stripe of the party"
        party = self.party
        # Of all companies because Stripe's customer is of none
        languages = dict.fromkeys(
            lang.lang.code for lang in party.langs if lang.lang)
        params = {
            'email': party.email or '',
            'name': (party.full_name or '')[:256],
            'phone': (party.phone or party.mobile or '')[:20],
            'preferred_locales': [c.replace('_', '-') for c in languages],
            }
        if self.stripe_account.send_address:
            # The field is of the module of invoices
            kind = 'invoice' if 'invoice' in Pool().get(
                'party.address')._fields else None
            params['address'] = _address_params(party.address_get(kind))
        return params

    @property
    def stripe_has_changed(self):
        "If Stripe knows something else of the party"
        return self.stripe_sent != self._digest(self.stripe_party_params)

    @property
    def _party_refused(self):
        "If the error that is shown is about what Stripe refused of the party"
        name, _, _ = (self.stripe_error_param or '').partition('[')
        return name in self.stripe_create_params

    @property
    def stripe_create_params(self):
        params = {k: v for k, v in self.stripe_party_params.items() if v}
        params['metadata'] = {
            'tryton_database': Transaction().database.name,
            'tryton_record': str(self),
            'tryton_party': self.party.code or str(self.party.id),
            }
        return params

    @staticmethod
    def _digest(params):
        return hashlib.sha256(
            json.dumps(params, sort_keys=True).encode()).hexdigest()

    @property
    def stripe_create_key(self):
        # Restored databases must not get the customers of the original
        return 'customer-%s-%s-%s-%s' % (
            self.id, int(self.create_date.timestamp() * 1e6),
            self.party.id, self.stripe_attempt or 0)

    def _next_attempt(self):
        self.stripe_store(stripe_attempt=(self.stripe_attempt or 0) + 1)

    @classmethod
    def stripe_create(cls, customers=None):
        """Create at Stripe the customers which have a token but no id.

        Without customers also send again what could not be sent of parties,
        and the e-mails that wait.
        Commits customer by customer.
        """
        def where(table):
            return (
                (table.stripe_token != Null)
                & (table.stripe_token != '')
                & (table.stripe_customer_id == Null)
                & (table.active == Literal(True)))
        Run(cls, cls._create_one).carry(where, customers)
        if customers is None:
            cls._send_again()
            cls.stripe_announce()
            cls.stripe_mail()

    @classmethod
    def stripe_delete(cls, customers=None):
        """Delete at Stripe the inactive customers that no other record has.

        Commits customer by customer.
        """
        def where(table):
            condition = (
                (table.stripe_customer_id != Null)
                & (table.active == Literal(False)))
            if customers is None:
                condition &= cls.stripe_due(table)
            return condition
        Run(cls, cls._delete_one).carry(where, customers)

    @classmethod
    @ModelView.button
    def stripe_update(cls, customers):
        "Queue to send again what Stripe shall know of the parties"
        cls.write(customers, {'stripe_sent': None})
        cls.__queue__.stripe_send(customers)

    @classmethod
    def stripe_send(cls, customers):
        """Send what has changed of the parties.

        Commits customer by customer.
        """
        def where(table):
            return (
                (table.stripe_customer_id != Null)
                & (table.active == Literal(True)))
        Run(cls, cls._send_one).carry(where, customers)

    @classmethod
    def _send_again(cls):
        "Send what has changed of the parties and Stripe did not take"
        def where(table):
            return (
                (table.stripe_error_message != Null)
                & (table.stripe_customer_id != Null)
                & (table.active == Literal(True))
                # That is when to look at the setup intent, if there is one
                & ((table.stripe_setup_intent_id != Null)
                    | cls.stripe_due(table)))
        # Those of which nothing has changed cost no request
        Run(cls, cls._send_one).carry(where)

    def _stripe_wait_values(self, failure, meaning):
        if meaning is Meaning.LATER:
            # The pause between two runs of cron is long enough
            return {'stripe_try_at': None}
        return super()._stripe_wait_values(failure, meaning)

    @classmethod
    def stripe_refuse(cls, job, failure):
        "Show what Stripe refused, forget what it refused to charge"
        customer = job.record
        # Not written, to not grow the history with each try
        customer.stripe_store(
            stripe_attempt=customer.stripe_next_attempt(failure),
            **customer.stripe_error_values(failure))
        if failure.card or (failure.param or '').startswith(
                ('card', 'payment_method', 'source')):
            # The token or payment method is of no use anymore
            customer.stripe_token = None
            customer.stripe_payment_method_id = None
            customer.save()
        return
        yield

    @classmethod
    def _create(cls, job):
        """Create the customer at Stripe with its token or new payment method,
        if any.

        Return the StripeRefused about what is left out of the party, or None.
        """
        customer, gateway = job.record, job.gateway
        params = customer.stripe_create_params
        party = {k: v for k, v in params.items() if k != 'metadata'}
        params = {'metadata': params['metadata']}
        sent = cls._digest(customer.stripe_party_params)
        created = refused = saved = None
        method = customer.stripe_payment_method_id
        if method:
            params['payment_method'] = method
            # Of a former creation whose answer was lost
            saved = yield Call(gateway.payment_methods.retrieve, method)
            if saved['customer']:
                created = yield Call(
                    gateway.customers.retrieve, saved['customer'])
                sent = None
        elif customer.stripe_token:
            params['source'] = customer.stripe_token
        while not created:
            key = job.record.stripe_create_key
            try:
                created, refused = yield from _without_refused(
                    party, lambda left: Call(
                        gateway.customers.create, **params, **left,
                        idempotency_key='-without-'.join(
                            [key, *sorted(party.keys() - left.keys())])))
            except StripeKeyReused:
                # What was made under it is not known to anybody
                job.record._next_attempt()
        customer = job.record
        if created.get('deleted') or not customer._is_owner(created):
            # The payment method is of somebody else
            raise customer._not_owned(created['id'])
        customer.stripe_customer_id = created['id']
        customer.stripe_owned_id = created['id']
        customer.stripe_token = None
        customer.stripe_payment_method_id = None
        customer.stripe_sent = sent
        customer.stripe_store(**customer.stripe_error_values(refused))
        customer.save()
        if saved:
            customer.stripe_keep_default(saved)
        return refused

    @classmethod
    def _find_identical(cls, job):
        "Keep what the customer has saved, and return it, None if unknown"
        customers = job.gateway.customers
        customer_id = job.record.stripe_usable_id
        if not customer_id:
            return
        try:
            saved = yield Call(
                customers.payment_methods.list, job.gateway, customer_id,
                func=read_saved, also=[customers.payment_sources.list])
        except StripeFailure:
            # A user can still look for them with the button
            return
        job.record.stripe_keep_saved(saved)
        return saved

    @classmethod
    def _create_one(cls, job):
        customer = job.record
        if customer.stripe_customer_id or not customer.stripe_token:
            return
        if (customer.stripe_token.startswith('tok_')
                and not customer.stripe_payment_method_id):
            # Stripe does not take the token of a card for a customer anymore
            method = yield Call(
                job.gateway.payment_methods.create,
                type='card', card={'token': customer.stripe_token},
                idempotency_key='%s-method' % customer.stripe_create_key)
            job.record.stripe_payment_method_id = method['id']
            job.record.save()
        yield from cls._create(job)
        saved = (yield from cls._find_identical(job)) or []
        if len(saved) == 1 and saved[0]['object'] in {'card', 'source'}:
            # Of another token. A bank account has yet to be verified
            job.record.stripe_keep_default(saved[0])

    @classmethod
    def _delete_one(cls, job):
        customer = job.record
        customer_id = customer.stripe_customer_id
        # Of two records of one customer each would leave it to the other
        others = [
            c for c in cls.stripe_lock(
                cls._by_stripe_id([customer_id])[customer_id])
            if c.stripe_customer_id == customer_id and c != customer]
        if not customer_id:
            return
        if others and customer.stripe_usable_id and not any(
                c.stripe_usable_id for c in others):
            # This one is deleted once the others are
            customer.stripe_store(stripe_try_at=dt.datetime.now() + PAUSE)
            return
        if not others:
            found = None
            try:
                found = yield from cls.stripe_look(customer.id, job.gateway)
                if found:
                    yield Call(job.gateway.customers.delete, customer_id)
            except StripeRefused as e:
                # What is not found may be of the keys that the account had
                # before, and is looked at later
                if e.code != NOT_OWNED and not (e.missing and found):
                    raise
        customer = job.record
        if customer.stripe_customer_id == customer_id:
            customer.stripe_token = None
            customer._forget_stripe_id()

    @classmethod
    def _send_one(cls, job):
        if not (job.record.stripe_customer_id
                and job.record.stripe_has_changed):
            return
        found = yield from cls.stripe_look(job.record.id, job.gateway)
        if not found:
            return
        customer = job.record
        party = customer.stripe_party_params
        digest = cls._digest(party)
        params = {}
        metadata = customer.stripe_create_params['metadata']
        if metadata.items() - (found.get('metadata') or {}).items():
            # The metadata say whose the customer is
            params['metadata'] = metadata
        _, refused = yield from _without_refused(
            party, lambda left: Call(
                job.gateway.customers.update, found['id'], **left, **params))
        customer = job.record
        customer.stripe_sent = digest
        customer.stripe_store(**customer.stripe_error_values(refused))
        customer.save()

    @classmethod
    def on_modification(cls, mode, customers, field_names=None):
        super().on_modification(mode, customers, field_names=field_names)
        if mode == 'write' and 'party' in field_names:
            # Stripe is told of the other party
            PartyChanges.add({c.party for c in customers})


def _address_params(address):
    """Return the parameters that tell Stripe of the address of a party.

    https://docs.stripe.com/api/customers/object#customer_object-address
    """
    if not address:
        return ''
    lines = [x for x in (address.street or '').splitlines() if x.strip()]
    params = {
        'line1': lines[0] if lines else None,
        'line2': ', '.join(lines[1:]),
        'postal_code': address.postal_code,
        'city': address.city,
        'state': address.subdivision and address.subdivision.name,
        'country': address.country and address.country.code,
        }
    return {k: v for k, v in params.items() if v} or ''


def _without_refused(party, call):
    """Yield the calls with the parameters of the party, less and less of
    them as long as Stripe refuses one.

    Return the answer and the StripeRefused about what was left out, or None.
    Raises StripeRefused if it is about something else.
    """
    party = dict(party)
    refused = None
    while True:
        try:
            answer = yield call(party)
        except StripeRefused as e:
            name = (e.param or '').partition('[')[0]
            if name in party:
                del party[name]
            elif party and not (e.param or e.card or e.missing):
                # Stripe does not say which parameter it refuses
                party.clear()
            else:
                raise
            refused = e
        else:
            return answer, refused
