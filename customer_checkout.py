# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
from functools import partial

from sql import Null

from trytond.i18n import gettext
from trytond.model import Index, fields
from trytond.pool import Pool
from trytond.transaction import Transaction

from .call import Call
from .convert import from_timestamp
from .gateway import StripeKeyReused, StripeRefused
from .run import Run
from .sources import label, reusable_method
from .state import KNOWN, instructions

# How long a setup intent is left alone is that many times its age
PAUSES = 3
FIRST_PAUSE = dt.timedelta(minutes=15)
# How long the end of the page tells what has been saved
JUST_SAVED = dt.timedelta(minutes=5)
EXPAND = ['latest_attempt']


class PageMixin:
    "Let the customer save a payment method at the checkout page"
    __slots__ = ()
    _stripe_longest_pause = dt.timedelta(days=30)

    stripe_setup_refused = fields.Boolean(
        "Setup Refused", readonly=True,
        states={
            'invisible': True,
            },
        help="If Stripe refused to attach the last payment method.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(
            Index(
                t, (t.stripe_try_at, Index.Range()), (t.id, Index.Range()),
                where=t.stripe_setup_intent_id != Null))

    @classmethod
    def default_stripe_setup_refused(cls):
        return False

    @classmethod
    def copy(cls, customers, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('stripe_setup_refused', False)
        return super().copy(customers, default=default)

    @classmethod
    def stripe_intent_update(cls, customers=None):
        """Attach the payment methods of the setup intents that succeeded and
        cancel those which are too old.

        Without customers only those which are due, rarely, as the events tell
        of them.
        Commits customer by customer.
        """
        def where(table):
            condition = table.stripe_setup_intent_id != Null
            if customers is None:
                condition &= cls.stripe_due(table)
            return condition
        Run(cls, cls._intent_update_one).carry(where, customers)

    @classmethod
    def stripe_look_again(cls, accounts):
        "Let cron look soon at the setup intents of the accounts"
        table = cls.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.stripe_try_at], [None],
                where=(table.stripe_setup_intent_id != Null)
                & fields.SQL_OPERATORS['in'](
                    table.stripe_account, list(map(int, accounts)))))

    @classmethod
    def _intent_update_one(cls, job):
        gateway = job.gateway
        intent_id = job.record.stripe_setup_intent_id
        if not intent_id:
            return
        try:
            intent = yield Call(
                gateway.setup_intents.retrieve, intent_id, expand=EXPAND)
        except StripeRefused as e:
            if not e.missing or not (
                    yield from cls._missing(job, intent_id)):
                raise
            return
        if intent['status'] == 'succeeded':
            yield from cls._attach(job, intent)
            yield from cls._find_identical(job)
            return
        elif intent['status'] == 'canceled':
            job.record._forget_intent(intent_id, close=True)
            return
        old = from_timestamp(intent['created']) + (
            job.record.stripe_account.setup_intent_delay)
        if intent['status'] != 'processing' and old < dt.datetime.now():
            try:
                yield Call(gateway.setup_intents.cancel, intent_id)
            except StripeRefused as e:
                if not e.unexpected_state:
                    raise
                # It has just succeeded, the next run attaches
            else:
                job.record._forget_intent(intent_id, close=True)
            return
        job.record._look_later(intent, old)

    def _look_later(self, intent, old):
        """Leave the unfinished intent alone for a while.

        old: the datetime from which it is too old.
        """
        now = dt.datetime.now()
        pause = max((now - from_timestamp(intent['created'])) * PAUSES,
            FIRST_PAUSE)
        if now < old:
            pause = min(pause, old - now)
        values = {}
        if intent['status'] not in KNOWN:
            values = {
                'stripe_error_message': gettext(
                    'account_payment_stripe.msg_stripe_unknown',
                    word=intent['status']),
                'stripe_error_code': None,
                'stripe_error_param': None,
                }
        self.stripe_store(**values, stripe_tries=0, stripe_try_at=now + min(
                pause, self._stripe_longest_pause))

    @classmethod
    def _missing(cls, job, intent_id):
        """Forget the intent that Stripe does not know, if it knows the
        customer, so that the keys are those with which it was made.

        Return if it is forgotten.
        """
        customer_id = job.record.stripe_usable_id
        if customer_id and (
                yield Call(job.gateway.customers.retrieve, customer_id)):
            job.record._forget_intent(intent_id, close=True)
            return True

    @classmethod
    def _attach(cls, job, intent):
        """Attach what the intent has set up and forget the intent.

        A refusal is kept on the customer.
        """
        method = reusable_method(intent)
        refused = saved = None
        try:
            if job.record.stripe_look_needed:
                yield from cls.stripe_look(job.record.id, job.gateway)
            if customer_id := job.record.stripe_usable_id:
                try:
                    # Stripe answers the same when it is attached already
                    saved = yield Call(
                        job.gateway.payment_methods.attach,
                        method, customer=customer_id)
                except StripeRefused as e:
                    # It may have been deleted, then another one is made
                    if (not e.missing
                            or (yield from cls.stripe_look(
                                    job.record.id, job.gateway))):
                        raise
            customer = job.record
            if not customer.stripe_usable_id:
                customer.stripe_payment_method_id = method
                customer.save()
                refused = yield from cls._create(job)
        except StripeRefused as e:
            if e.reading:
                # Stripe does not know it with these keys
                raise
            # Once detached, or of a kind that is used once, it is of no use
            job.record.stripe_payment_method_id = None
            job.record.save()
            job.record._forget_intent(intent['id'], e, failed=True)
        else:
            if saved:
                # It was saved to be charged
                job.record.stripe_keep_default(saved)
            job.record._forget_intent(intent['id'], refused)

    def _forget_intent(
            self, intent_id, failure=None, failed=False, close=False):
        """Forget the intent, once. The customer is locked.

        failure: the StripeFailure to show.
        failed: if nothing has been saved.
        close: if the page ends.
        """
        if self.stripe_setup_intent_id != intent_id:
            return
        if close:
            # Who has only the link must not learn that it succeeded
            self.stripe_drop_address()
        self.stripe_setup_intent_id = None
        self.stripe_setup_refused = failed
        self.stripe_try_at = None
        self.stripe_tries = 0
        # The next intent must be another one
        self.stripe_attempt = (self.stripe_attempt or 0) + 1
        if failure or not self._party_refused:
            self.stripe_store(**self.stripe_error_values(failure))
        self.save()

    def _stripe_ensure_intent(self, gateway):
        return self.stripe_now(self._ensure_intent)

    @classmethod
    def _ensure_intent(cls, job):
        "Return the dictionary of the intent of the page"
        intent = None
        if intent_id := job.record.stripe_setup_intent_id:
            try:
                intent = yield Call(
                    job.gateway.setup_intents.retrieve, intent_id,
                    expand=EXPAND)
            except StripeRefused as e:
                if not e.missing or not (
                        yield from cls._missing(job, intent_id)):
                    raise
        if intent and intent['status'] == 'succeeded':
            yield from cls._attach(job, intent)
            intent = None
        elif intent and intent['status'] == 'canceled':
            job.record._forget_intent(intent_id)
            intent = None
        if intent and intent['status'] == 'processing':
            return intent
        return (yield from cls._with_customer(
                job,
                partial(cls._update_intent, intent=intent) if intent
                else cls._create_intent))

    @classmethod
    def _with_customer(cls, job, steps):
        "Return what the steps do, after the customer is made at Stripe"
        for again in [True, False]:
            if job.record.stripe_look_needed:
                yield from cls.stripe_look(job.record.id, job.gateway)
            if not job.record.stripe_usable_id:
                yield from cls._create(job)
            try:
                return (yield from steps(job))
            except StripeRefused as e:
                # It may have been deleted, then another one is made
                if not (again and e.missing and e.param == 'customer'):
                    raise
                yield from cls.stripe_look(job.record.id, job.gateway)

    @classmethod
    def _create_intent(cls, job):
        while True:
            customer = job.record
            try:
                intent = yield Call(
                    job.gateway.setup_intents.create,
                    usage='off_session',
                    automatic_payment_methods={'enabled': True},
                    customer=customer.stripe_usable_id,
                    metadata=customer.stripe_create_params['metadata'],
                    idempotency_key='%s-setup' % customer.stripe_create_key)
            except StripeKeyReused:
                # The former intent has not been shown to anybody
                job.record._next_attempt()
            else:
                break
        customer = job.record
        customer.stripe_setup_intent_id = intent['id']
        customer.stripe_setup_refused = False
        customer.stripe_try_at = None
        customer.save()
        return intent

    @classmethod
    def _update_intent(cls, job, intent):
        customer = job.record
        # Whoever opens the page may finish soon
        customer.stripe_store(stripe_try_at=None)
        if intent['customer'] != customer.stripe_usable_id and (
                intent['status'] == 'requires_payment_method'):
            # Made before the customer was, or for one that is deleted
            intent = yield Call(
                job.gateway.setup_intents.update, intent['id'],
                customer=customer.stripe_usable_id)
        return intent

    def stripe_end_checkout(self):
        if not self.stripe_setup_intent_id:
            # The webhook may have been faster than the payer
            since = dt.datetime.now() - JUST_SAVED
            saved = [m for m in self.stripe_methods if m.create_date > since]
            return {'saved': saved[-1].label} if saved else None
        gateway = self.stripe_account.gateway
        intent = gateway.setup_intents.retrieve(
            self.stripe_setup_intent_id, expand=[*EXPAND, 'payment_method'])
        method = intent['payment_method']
        if isinstance(method, dict):
            intent = {**intent, 'payment_method': method['id']}
        if intent['status'] == 'succeeded':
            self.stripe_now(self._attach, intent=intent)
            self.__class__.__queue__.find_identical([self])
            # Nobody reads it who opens the page again
            return {'saved': label(method) if method else None}
        elif intent['status'] not in KNOWN:
            return {'result': 'unavailable'}
        elif intent['status'] == 'processing':
            return {'result': 'processing'}
        elif waiting := instructions(intent):
            return {'result': 'waiting', **waiting}

    @property
    def stripe_language(self):
        for lang in self.party.langs:
            if lang.lang:
                return lang.lang

    @property
    def stripe_payee(self):
        return self.stripe_account.name

    @property
    def stripe_payee_company(self):
        Journal = Pool().get('account.payment.journal')
        companies = {
            j.company for j in Journal.search([
                    ('stripe_account', '=', self.stripe_account.id),
                    ])}
        return companies.pop() if len(companies) == 1 else None

    @property
    def stripe_is_payable(self):
        return self.stripe_checkout_result == 'open'

    @property
    def stripe_checkout_result(self):
        if not self.active:
            return 'closed'
        elif self.stripe_setup_intent_id or self.stripe_setup_refused:
            return 'open'
        return 'succeeded'

    def stripe_checkout_page(self, other=False):
        """Return what the checkout page needs from Stripe.

        other: if another payment method shall be saved than the one that
        waits.
        """
        intent = self.stripe_ensure_intent()
        if intent['status'] == 'processing':
            return {'result': 'processing'}
        elif intent['status'] not in KNOWN:
            return {'result': 'unavailable'}
        waiting = instructions(intent)
        if waiting and not other:
            return {'result': 'waiting', **waiting}
        return {
            'mode': 'setup',
            'client_secret': intent['client_secret'],
            'customer_secret': None,
            }

    @classmethod
    def stripe_on_setup_intent(cls, account, event):
        intent_id = event['data']['object']['id']
        customers = cls.search([
                ('stripe_account', '=', account.id),
                ('stripe_setup_intent_id', '=', intent_id),
                ])
        for customer in cls.stripe_lock(customers):
            if event['type'] == 'setup_intent.canceled':
                customer._forget_intent(intent_id, close=True)
            else:
                customer.stripe_end_checkout()
        return customers

    @classmethod
    def stripe_of_event(cls, account, event):
        "Return the customers that the event is about"
        object_ = event['data']['object']
        name, id_ = 'stripe_customer_id', object_['id']
        if object_['object'] == 'setup_intent':
            name = 'stripe_setup_intent_id'
        elif object_['object'] == 'payment_method':
            # Of the one from which it has been detached only this tells
            before = event['data'].get('previous_attributes') or {}
            id_ = object_.get('customer') or before.get('customer')
        if not id_:
            return []
        return cls.search([
                ('stripe_account', '=', account.id),
                (name, '=', id_),
                ])
