# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import hashlib
import json

from sql import Literal, Null

from trytond.i18n import gettext
from trytond.model import ModelView
from trytond.pool import PoolMeta
from trytond.transaction import Transaction

from .gateway import StripeFailure, StripeRefused
from .pace import paced
from .run import Run
from .sources import read_fingerprints, read_owner
from .state import KNOWN


class Customer(metaclass=PoolMeta):
    "Keep customers the same in Tryton and at Stripe"
    __name__ = 'account.payment.stripe.customer'

    @property
    def stripe_party_params(self):
        "The parameters that tell Stripe of the party"
        party = self.party
        # Of all companies because Stripe's customer is of none
        languages = dict.fromkeys(
            lang.lang.code for lang in party.langs if lang.lang)
        return {
            'email': party.email or '',
            'name': (party.full_name or '')[:256],
            'phone': (party.phone or party.mobile or '')[:20],
            'preferred_locales': [c.replace('_', '-') for c in languages],
            }

    @property
    def stripe_has_changed(self):
        "If Stripe knows something else of the party"
        return self.stripe_sent != self._digest(self.stripe_party_params)

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

    @classmethod
    def stripe_create(cls, customers=None):
        """Create at Stripe the customers which have a token but no id.

        Commits customer by customer.
        """
        def where(table):
            return (
                (table.stripe_token != Null)
                & (table.stripe_token != '')
                & (table.stripe_customer_id == Null)
                & (table.active == Literal(True)))
        Run(cls, cls._create_one).carry(where, customers)

    @classmethod
    def stripe_intent_update(cls, customers=None):
        """Attach the payment methods of the setup intents that succeeded and
        cancel those which are too old.

        Commits customer by customer.
        """
        def where(table):
            return table.stripe_setup_intent_id != Null
        Run(cls, cls._intent_update_one).carry(where, customers)

    @classmethod
    def stripe_delete(cls, customers=None):
        """Delete at Stripe the inactive customers.

        Commits customer by customer.
        """
        def where(table):
            return (
                (table.stripe_customer_id != Null)
                & (table.active == Literal(False)))
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
    def stripe_refuse(cls, id_, gateway, failure):
        "Show what Stripe refused, forget what it refused to charge"
        for customer in cls.stripe_lock([id_]):
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
    def _create(cls, id_, gateway):
        "Create the customer at Stripe with its new payment method, if any"
        customer = cls(id_)
        params = customer.stripe_create_params
        sent = cls._digest(customer.stripe_party_params)
        key = customer.stripe_create_key
        customer_id = None
        if customer.stripe_payment_method_id:
            params['payment_method'] = customer.stripe_payment_method_id
            # Of a former creation whose answer was lost
            customer_id = yield paced(
                gateway.payment_methods.retrieve,
                gateway, customer.stripe_payment_method_id, func=read_owner)
        elif customer.stripe_token:
            params['source'] = customer.stripe_token
        if customer_id:
            sent = None
        else:
            created = yield paced(
                gateway.customers.create, **params, idempotency_key=key)
            customer_id = created['id']
        customer, = cls.stripe_lock([id_])
        customer.stripe_customer_id = customer_id
        customer.stripe_token = None
        customer.stripe_payment_method_id = None
        customer.stripe_sent = sent
        customer.stripe_store(**customer.stripe_error_values(None))
        customer.save()
        yield from cls._find_identical(id_, gateway)

    @classmethod
    def _find_identical(cls, id_, gateway):
        customer = cls(id_)
        customer_id = customer.stripe_customer_id
        try:
            found = yield paced(
                gateway.customers.payment_methods.list,
                gateway, customer_id, func=read_fingerprints)
        except StripeFailure:
            # It can be done with the button
            return
        for customer in cls.stripe_lock([id_]):
            customer.add_fingerprints(found)

    @classmethod
    def _create_one(cls, id_, gateway):
        customer, = cls.stripe_lock([id_])
        if customer.stripe_customer_id or not customer.stripe_token:
            return
        if (customer.stripe_token.startswith('tok_')
                and not customer.stripe_payment_method_id):
            # Stripe does not take the token of a card for a customer anymore
            method = yield paced(
                gateway.payment_methods.create,
                type='card', card={'token': customer.stripe_token},
                idempotency_key='%s-method' % customer.stripe_create_key)
            customer, = cls.stripe_lock([id_])
            customer.stripe_payment_method_id = method['id']
            customer.save()
        yield from cls._create(id_, gateway)

    @classmethod
    def _intent_update_one(cls, id_, gateway):
        customer, = cls.stripe_lock([id_])
        intent_id = customer.stripe_setup_intent_id
        if not intent_id:
            return
        try:
            intent = yield paced(gateway.setup_intents.retrieve, intent_id)
        except StripeRefused as e:
            if e.missing:
                cls._forget_intent(id_, intent_id, close=True)
                return
            raise
        if intent['status'] == 'succeeded':
            yield from cls._attach(
                id_, gateway, intent_id, intent['payment_method'])
        elif intent['status'] == 'canceled':
            cls._forget_intent(id_, intent_id, close=True)
        elif (intent['status'] != 'processing'
                and cls._is_old(intent, cls(id_).stripe_account)):
            try:
                yield paced(gateway.setup_intents.cancel, intent_id)
            except StripeRefused as e:
                if e.unexpected_state:
                    # It has just succeeded, the next run attaches
                    return
                raise
            cls._forget_intent(id_, intent_id, close=True)
        elif intent['status'] not in KNOWN:
            for customer in cls.stripe_lock([id_]):
                customer.stripe_store(
                    stripe_error_message=gettext(
                        'account_payment_stripe.msg_stripe_unknown',
                        word=intent['status']),
                    stripe_error_code=None,
                    stripe_error_param=None)

    @classmethod
    def _is_old(cls, intent, account):
        created = dt.datetime.fromtimestamp(
            intent['created'], dt.timezone.utc).replace(tzinfo=None)
        return dt.datetime.now() - created > account.setup_intent_delay

    @classmethod
    def _attach(cls, id_, gateway, intent_id, method):
        customer, = cls.stripe_lock([id_])
        customer_id = customer.stripe_customer_id
        if customer_id:
            try:
                # Stripe answers the same when it is attached already
                yield paced(
                    gateway.payment_methods.attach,
                    method, customer=customer_id)
            except StripeRefused as e:
                # Once detached, or without its customer, it is of no use
                cls._forget_intent(id_, intent_id, close=True)
                for customer in cls.stripe_lock([id_]):
                    customer.stripe_store(**customer.stripe_error_values(e))
                return
        else:
            customer.stripe_payment_method_id = method
            customer.save()
            yield from cls._create(id_, gateway)
        cls._forget_intent(id_, intent_id)
        if customer_id:
            yield from cls._find_identical(id_, gateway)

    @classmethod
    def _forget_intent(cls, id_, intent_id, close=False):
        for customer in cls.stripe_lock([id_]):
            if customer.stripe_setup_intent_id == intent_id:
                if close:
                    # The link must not tell that it succeeded
                    customer.stripe_store(stripe_checkout_id=None)
                customer._end_intent()

    def _end_intent(self):
        "Forget the setup intent and save"
        self.stripe_setup_intent_id = None
        # The next intent must be another one
        self.stripe_attempt = (self.stripe_attempt or 0) + 1
        self.stripe_store(**self.stripe_error_values(None))
        self.save()

    @classmethod
    def _delete_one(cls, id_, gateway):
        customer_id = cls(id_).stripe_customer_id
        try:
            yield paced(gateway.customers.delete, customer_id)
        except StripeRefused as e:
            if not e.missing:
                raise
        for customer in cls.stripe_lock([id_]):
            customer.stripe_token = None
            customer.stripe_customer_id = None
            customer.stripe_sent = None
            customer.save()

    @classmethod
    def _send_one(cls, id_, gateway):
        customer = cls(id_)
        params = customer.stripe_party_params
        if not customer.stripe_has_changed:
            return
        digest = cls._digest(params)
        yield paced(
            gateway.customers.update, customer.stripe_customer_id, **params)
        for customer in cls.stripe_lock([id_]):
            customer.stripe_sent = digest
            customer.stripe_store(**customer.stripe_error_values(None))
            customer.save()
