# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from trytond import config
from trytond.i18n import gettext
from trytond.model import ModelView, Workflow
from trytond.modules.account_payment.exceptions import (
    PaymentValidationError, ProcessError)
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction

from .common import (
    attempt, failure_message, is_told_by_stripe, new_key, stripe_amount)
from .customer_owner import NOT_OWNED
from .exceptions import (
    PaymentPaidError, StripeError, StripeIntentUnknownWarning)
from .gateway import StripeFailure
from .state import PaymentState


class Payment(metaclass=PoolMeta):
    "What a user does with payments"
    __name__ = 'account.payment'

    @classmethod
    def validate_fields(cls, payments, field_names):
        super().validate_fields(payments, field_names)
        cls._check_stripe_kind(payments, field_names)
        cls._check_stripe_capture_amount(payments, field_names)

    @classmethod
    def _check_stripe_kind(cls, payments, field_names):
        if field_names and not (field_names & {'kind', 'journal'}):
            return
        for payment in payments:
            if (payment.process_method == 'stripe'
                    and payment.kind != 'receivable'):
                raise PaymentValidationError(gettext(
                        'account_payment_stripe.msg_stripe_receivable',
                        journal=payment.journal.rec_name,
                        payment=payment.rec_name))

    @classmethod
    def _check_stripe_capture_amount(cls, payments, field_names):
        if field_names and 'amount' not in field_names:
            return
        for payment in payments:
            if (payment.state == 'processing'
                    and payment.stripe_capture_needed
                    and payment.stripe_capturable_amount is not None
                    and payment.amount > payment.stripe_capturable_amount):
                raise PaymentValidationError(gettext(
                        'account_payment_stripe.msg_stripe_capture_amount',
                        payment=payment.rec_name))

    @classmethod
    def _stripe(cls, payments):
        "Return those of the payments that are paid with Stripe"
        return [p for p in payments if p.process_method == 'stripe']

    @classmethod
    @ModelView.button
    @Workflow.transition('submitted')
    def submit(cls, payments):
        for payment in cls._stripe(payments):
            stripe_amount(payment.amount, payment.currency, payment)
        super().submit(payments)

    @classmethod
    @Workflow.transition('processing')
    def process(cls, payments, group=None):
        stripe_payments = cls._stripe(payments)
        cls._forget_canceled(stripe_payments)
        cls._set_stripe_key(stripe_payments)
        cls._set_stripe_customer(stripe_payments)
        result = super().process(payments, group=group)
        if stripe_payments:
            batch = config.getint(
                'account_payment_stripe', 'queue_batch', default=1000)
            with Transaction().set_context(queue_batch=batch):
                cls.__queue__.stripe_charge(stripe_payments)
        return result

    @classmethod
    def _forget_canceled(cls, payments):
        # They would fail at once
        for payment in payments:
            if payment.stripe_intent_status == 'canceled':
                payment.stripe_store(
                    stripe_payment_intent_id=None,
                    stripe_charge_id=None,
                    stripe_intent_status=None,
                    stripe_attempt=(payment.stripe_attempt or 0) + 1)

    @classmethod
    def _set_stripe_key(cls, payments):
        # Those made before the module have none
        for payment in payments:
            if not payment.stripe_idempotency_key:
                payment.stripe_store(
                    stripe_idempotency_key=new_key(), stripe_attempt=0)

    @classmethod
    def _set_stripe_customer(cls, payments):
        """Set the customer of the party on those which have nothing else.

        Raises ProcessError if the one of a payment is somebody else's.
        """
        Customer = Pool().get('account.payment.stripe.customer')
        chosen = {p.stripe_customer: p for p in payments if p.stripe_customer}
        payments = [
            p for p in payments if not (
                p.stripe_token
                or p.stripe_payment_intent_id
                or p.stripe_charge_id
                or p.stripe_customer)]
        found = Customer.search([
                ('party', 'in', list({p.party.id for p in payments})),
                ('stripe_customer_id', '!=', None),
                ], order=[('id', 'DESC')]) if payments else []
        failures = Customer.stripe_check([*chosen, *found])
        for customer, payment in chosen.items():
            failure = failures.get(customer)
            if failure and failure.code == NOT_OWNED:
                raise ProcessError(gettext(
                        'account_payment_stripe.msg_payment_customer',
                        payment=payment.rec_name,
                        error=failure_message(failure)))
        if not payments:
            return
        customers = {
            (c.party, c.stripe_account): c for c in found
            if c.stripe_usable_id and c not in failures}
        for payment in payments:
            payment.stripe_customer = customers.get(
                (payment.party, payment.journal.stripe_account))
        cls.save(payments)

    def process_stripe(self):
        "Raise ProcessError if there is nothing to pay with"
        if not (self.stripe_token
                or self.stripe_payment_intent_id
                or self.stripe_charge_id
                or self.stripe_customer):
            raise ProcessError(gettext(
                    'account_payment_stripe.msg_no_stripe_token',
                    payment=self.rec_name))
        stripe_amount(self.amount, self.currency, self)

    @classmethod
    @ModelView.button
    @Workflow.transition('draft')
    def draft(cls, payments):
        """Forget the intents after they have been cancelled at Stripe.

        Raises PaymentPaidError if some have been paid meanwhile, after they
        have been brought up to date and committed.
        """
        cls._stripe_release(cls._stripe(payments))
        super().draft(payments)
        stripe_payments = cls._stripe(payments)
        if stripe_payments:
            cls.write(stripe_payments, {
                    n: None for n in cls._stripe_own_fields()
                    if n != 'stripe_refunds'
                    } | {
                    'stripe_attempt': 0,
                    'stripe_tries': 0,
                    'stripe_chargeable': False,
                    })
            for payment in stripe_payments:
                # Another intent must not be taken for the one forgotten
                payment.stripe_idempotency_key = new_key()
            cls.save(stripe_payments)

    @classmethod
    @ModelView.button
    @Workflow.transition('failed')
    def fail(cls, payments):
        """Fail the payments after their intents have been cancelled.

        Raises PaymentPaidError if Stripe holds money of some, after they have
        been brought up to date and committed.
        """
        if not is_told_by_stripe():
            cls._stripe_release(cls._stripe(payments))
        super().fail(payments)

    @classmethod
    @ModelView.button
    def succeed(cls, payments):
        "Raises StripeError if Stripe does not say that they have succeeded"
        # Only those of the transition, which would read each event's payment
        # once more if it were checked here also
        if not is_told_by_stripe():
            stripe_payments = [
                p for p in cls._stripe(payments)
                if p.state in {'processing', 'failed'}]
            cls.stripe_do_pull(stripe_payments)
            for payment in cls.browse(stripe_payments):
                if payment.state != 'succeeded':
                    raise StripeError(gettext(
                            'account_payment_stripe'
                            '.msg_payment_not_succeeded',
                            payment=payment.rec_name))
        super().succeed(payments)

    @classmethod
    def _stripe_release(cls, payments):
        """Make sure that nothing can be paid for the payments anymore.

        Raises PaymentPaidError if some have been paid, after they have been
        brought up to date and committed, and StripeError if Stripe can not be
        asked.
        """
        payments = [
            p for p in cls.stripe_lock(payments)
            if cls._stripe_asked(p, cls.stripe_knows)]
        if len(payments) > 1:
            # None is cancelled for who is then refused because of another
            payments = [
                p for p, _ in cls._stripe_unpaid(payments, cls.stripe_read)]
        for payment, state in cls._stripe_unpaid(
                payments, cls._stripe_end_intent, keep=True):
            payment.stripe_apply(state, sure=True)

    @classmethod
    def _stripe_unpaid(cls, payments, ask, keep=False):
        """Return the payments that are not paid, with the state that ask tells

        keep: commit what it told of them also when another is refused.
        """
        unpaid, paid = [], []
        for payment in payments:
            try:
                state = cls._stripe_asked(payment, ask)
            except StripeError:
                if keep:
                    cls._stripe_keep(unpaid)
                raise
            if not state:
                continue
            if state.captured or state.status == 'processing':
                paid.append(payment)
            else:
                unpaid.append((payment, state))
        if paid:
            if keep:
                cls._stripe_keep(unpaid)
            cls._stripe_tell_paid(paid)
        return unpaid

    @classmethod
    def _stripe_asked(cls, payment, ask):
        "Return what ask says of the payment, None if its intent is unknown"
        try:
            return ask(payment)
        except StripeFailure as e:
            if payment.stripe_payment_intent_id and e.of_intent:
                cls._stripe_warn_unknown(payment)
                return
            raise StripeError(gettext(
                    'account_payment_stripe.msg_payment_not_released',
                    payment=payment.rec_name,
                    error=failure_message(e))) from None

    @classmethod
    def _stripe_keep(cls, states):
        "Apply the states of the payments and nothing else of the transaction"
        states = [(payment.id, state) for payment, state in states]
        Transaction().rollback()

        def apply():
            for id_, state in states:
                for payment in cls.stripe_lock([id_]):
                    payment.stripe_apply(state)
        attempt(apply)

    def _stripe_end_intent(self):
        """Return the PaymentState after nothing can be paid anymore, unless it
        is too late for it.

        Raises StripeFailure.
        """
        gateway = self.journal.stripe_account.gateway
        if self.stripe_payment_intent_id:
            return PaymentState.cancel(gateway, self.stripe_payment_intent_id)
        state = self.stripe_read()
        if state.status == 'requires_capture':
            # https://docs.stripe.com/refunds#cancel-payment
            gateway.refunds.create(
                charge=state.charge,
                idempotency_key='%s-release' % state.charge)
            state = self.stripe_read()
        return state

    @classmethod
    def _stripe_warn_unknown(cls, payment):
        "The intent may be one of another account, so it could still be paid"
        Warning = Pool().get('res.user.warning')
        key = Warning.format('stripe_intent_unknown', [payment])
        if Warning.check(key):
            raise StripeIntentUnknownWarning(key, gettext(
                    'account_payment_stripe.msg_stripe_intent_unknown',
                    payment=payment.rec_name,
                    intent=payment.stripe_payment_intent_id))

    @classmethod
    def _stripe_tell_paid(cls, payments):
        names = ', '.join(p.rec_name for p in payments[:5])
        if len(payments) > 5:
            names += '...'
        ids = [p.id for p in payments]
        # What Stripe said must stay though the button is refused, but nothing
        # else of the transaction
        Transaction().rollback()
        attempt(lambda: cls.stripe_do_pull(cls.browse(ids)))
        raise PaymentPaidError(gettext(
                'account_payment_stripe.msg_payment_paid', payments=names))
