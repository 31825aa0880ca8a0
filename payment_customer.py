# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from trytond.i18n import gettext
from trytond.model import fields
from trytond.modules.account_payment.exceptions import ProcessError
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import inactive_records

from .access import is_readable, may_read
from .customer_owner import NOT_OWNED
from .error import failure_message
from .gateway import StripeRefused
from .state import PaymentState

CUSTOMER = 'account.payment.stripe.customer'
# The states in which one can choose what to pay with
CHOOSING = ['draft', 'submitted', 'approved']


class CustomerMixin:
    "Choose a customer, but none that is deleted or of somebody else"
    __slots__ = ()

    stripe_trouble = fields.Function(
        fields.Char("Stripe Error Message"), 'get_stripe_trouble')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        for name in [
                'stripe_customer', 'stripe_customer_source',
                'stripe_customer_source_selection',
                'stripe_customer_payment_method',
                'stripe_customer_payment_method_selection']:
            field = getattr(cls, name)
            field.states['readonly'] = ~Eval('state').in_(CHOOSING)
        # It is about what can be chosen, and must not stop what Stripe says
        # once the journal has another account
        cls.stripe_customer.domain = [
            If(Eval('state').in_(CHOOSING), cls.stripe_customer.domain, []),
            ]

    @fields.depends('party')
    def on_change_party(self):
        super().on_change_party()
        self.stripe_customer = None
        self.stripe_customer_source = None
        self.stripe_customer_source_selection = None
        self.stripe_customer_payment_method = None
        self.stripe_customer_payment_method_selection = None

    def get_stripe_trouble(self, name):
        return self.stripe_error_message or (
            gettext('account_payment_stripe.msg_payment_nothing_charged')
            if self._stripe_nothing_charged else None)

    @classmethod
    def _stripe_found(cls, parties):
        "Return the customers of which one of each party may be taken"
        if not parties:
            return []
        return Pool().get(CUSTOMER).search([
                ('party', 'in', [p.id for p in parties]),
                ('stripe_customer_id', '!=', None),
                ], order=[('id', 'DESC')])

    @staticmethod
    def _stripe_taken(found, failures=()):
        """Return the customers that Process takes if none is chosen, by party
        and account: of several the first one.

        failures: those of which Stripe said that they cannot be used.
        """
        return {
            (c.party, c.stripe_account): c for c in found
            if c.stripe_usable_id and c not in failures}

    @classmethod
    def stripe_customer_of(cls, party, account):
        "Return the customer that Process takes if none is chosen, or None"
        return cls._stripe_taken(cls._stripe_found([party])).get(
            (party, account))

    @classmethod
    def _set_stripe_customer(cls, payments):
        """Set the customer of the party on those which have nothing else.

        Raises ProcessError if the one of a payment is somebody else's.
        """
        Customer = Pool().get(CUSTOMER)
        chosen = {p.stripe_customer: p for p in payments if p.stripe_customer}
        with_customer = [p for p in payments if p.stripe_customer]
        payments = [
            p for p in payments if not (
                p.stripe_token
                or p.stripe_payment_intent_id
                or p.stripe_charge_id
                or p.stripe_customer)]
        found = cls._stripe_found({p.party for p in payments})
        failures = Customer.stripe_check([*chosen, *found])
        for customer, payment in chosen.items():
            failure = failures.get(customer)
            if failure and failure.code == NOT_OWNED:
                raise ProcessError(gettext(
                        'account_payment_stripe.msg_payment_customer',
                        payment=payment.rec_name,
                        error=failure_message(failure)))
        customers = cls._stripe_taken(found, failures)
        for payment in payments:
            payment.stripe_customer = customers.get(
                (payment.party, payment.journal.stripe_account))
        for payment in [*payments, *with_customer]:
            payment._stripe_set_method()
        cls.save([*payments, *with_customer])

    def _stripe_set_method(self):
        "Choose the default method of the customer if nothing is chosen"
        if self._stripe_has_method or not self.stripe_customer:
            return
        method = self._stripe_default_of(self.stripe_customer)
        if not method:
            return
        if method.stripe_payment_method_id.startswith('pm_'):
            self.stripe_customer_payment_method = (
                method.stripe_payment_method_id)
        else:
            self.stripe_customer_source = method.stripe_payment_method_id

    def _stripe_default_of(self, customer):
        "Return what Process charges with the customer alone, or None"
        # The field is of the module of invoices: their payers choose
        if customer.active and not getattr(self, 'stripe_of_invoice', False):
            return customer.stripe_default_method

    @property
    def _stripe_has_method(self):
        return bool(
            self.stripe_token
            or self.stripe_payment_intent_id
            or self.stripe_charge_id
            or self.stripe_customer_source
            or self.stripe_customer_payment_method)

    @property
    @fields.depends(
        'process_method', 'state', 'stripe_waiting_for', 'stripe_token',
        'stripe_customer_source', 'stripe_customer_payment_method',
        'stripe_error_message', 'stripe_mailed_at')
    def _stripe_nothing_charged(self):
        "If it is processed, and nobody was charged or asked for it"
        return bool(
            self.process_method == 'stripe'
            and self.state == 'processing'
            and self.stripe_waiting_for == 'payer'
            and not (self.stripe_token
                or self.stripe_customer_source
                or self.stripe_customer_payment_method
                or self.stripe_error_message
                or self.stripe_mailed_at))

    @fields.depends(
        'process_method', 'state', 'stripe_token', 'stripe_payment_intent_id',
        'stripe_charge_id', 'stripe_customer_source',
        'stripe_customer_payment_method', 'stripe_customer', 'party',
        'journal', 'stripe_account',
        '_parent_stripe_customer.stripe_default_method',
        methods=['_stripe_nothing_charged'])
    def on_change_notify(self):
        notifications = super().on_change_notify()
        if self._stripe_nothing_charged:
            notifications.append(('warning', gettext(
                        'account_payment_stripe.msg_payment_nothing_charged')))
        if (self.process_method == 'stripe'
                and self.state in {'draft', 'submitted', 'approved'}
                and not self._stripe_has_method):
            if customer := self._stripe_next_customer:
                notifications.append(self._stripe_notice(customer))
        return notifications

    @property
    def _stripe_next_customer(self):
        """The customer that Process will use, None without one and for who may
        not know it"""
        if self.stripe_customer:
            if is_readable(self.stripe_customer):
                return self.stripe_customer
        elif (self.party and self.journal and self.journal.stripe_account
                and may_read(CUSTOMER)):
            return self.stripe_customer_of(
                self.party, self.journal.stripe_account)

    def _stripe_notice(self, customer):
        "Return the notification of what will be charged with the customer"
        if method := self._stripe_default_of(customer):
            return ('info', gettext(
                    'account_payment_stripe.msg_payment_default',
                    method=method.rec_name))
        return ('warning', gettext(
                'account_payment_stripe.msg_payment_nothing_chosen'))

    @classmethod
    def _stripe_look_customer(cls, job):
        """Yield the call to find out whose the customer is, if not known.

        Raises StripeRefused if it is somebody else's.
        """
        customer = job.record.stripe_customer
        if customer and customer.stripe_look_needed:
            yield from customer.__class__.stripe_look(
                customer.id, job.gateway)

    @classmethod
    def _stripe_create_intent(cls, job, **params):
        try:
            yield from cls._stripe_look_customer(job)
        except StripeRefused as e:
            if params or e.code != NOT_OWNED:
                raise
            # The payer goes on without it
        try:
            return (yield from super()._stripe_create_intent(job, **params))
        except StripeRefused as e:
            customer = job.record.stripe_customer
            if not (customer and e.missing and e.param == 'customer') or (
                    yield from customer.__class__.stripe_look(
                        customer.id, job.gateway)):
                raise
            # It is deleted, so the payment goes on without it
            job.record.stripe_store(
                stripe_attempt=job.record.stripe_next_attempt(e))
        return (yield from super()._stripe_create_intent(job, **params))

    def _stripe_customer_is_gone(self, gateway, intent):
        "Return if the intent is to be paid but its customer is deleted"
        customer = self.stripe_customer
        if (not intent['customer']
                or intent['status'] != 'requires_payment_method'
                or (customer
                    and customer.stripe_usable_id == intent['customer'])):
            return False
        found = gateway.customers.retrieve(intent['customer'])
        return bool(found.get('deleted'))

    def _stripe_remake_intent(self, gateway, intent):
        "Return another intent, or the same if it cannot be cancelled anymore"
        self.stripe_store(stripe_attempt=(self.stripe_attempt or 0) + 1)
        # It moves no money and is not shown before the former is cancelled
        remade = self.stripe_now(self._stripe_create_intent)
        if not remade:
            return intent
        state = PaymentState.cancel(gateway, intent['id'])
        if state.status != 'canceled':
            self.stripe_apply(state, fresh=True)
            return gateway.payment_intents.retrieve(intent['id'])
        self.stripe_set_intent(remade, stripe_waiting_for='payer')
        return remade

    def _stripe_session_customer(self, intent):
        """Return the customer whose session the page of the intent has.

        None if the one of the intent is not known to be of the party.
        """
        Customer = Pool().get(CUSTOMER)
        if not intent['customer']:
            return
        with inactive_records():
            for customer in Customer.search([
                        ('stripe_customer_id', '=', intent['customer']),
                        ('party', '=', self.party.id),
                        ]):
                if customer.stripe_usable_id:
                    return customer
