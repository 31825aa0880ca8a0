# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from contextlib import suppress

from trytond import config
from trytond.i18n import gettext
from trytond.model import ModelView, Workflow
from trytond.modules.account_payment.exceptions import (
    PaymentValidationError, ProcessError)
from trytond.pool import Pool
from trytond.transaction import Transaction

from .amount import AmountError, from_stripe
from .attempt import attempt
from .convert import new_key
from .error import failure_message
from .exceptions import (
    PaymentPaidError, PaymentPartlyPaidError, StripeError,
    StripeTransferWarning)
from .gateway import StripeFailure
from .payment_state import AMOUNTS, is_told_by_stripe
from .record_amount import stripe_amount
from .state import PaymentState


class WorkflowMixin:
    "What a user does with payments"
    __slots__ = ()

    @classmethod
    def validate_fields(cls, payments, field_names):
        super().validate_fields(payments, field_names)
        cls._check_stripe_kind(payments, field_names)
        cls._check_stripe_capture_amount(payments, field_names)

    @classmethod
    def check_modification(cls, mode, payments, values=None, external=False):
        super().check_modification(
            mode, payments, values=values, external=external)
        if mode == 'delete':
            # It may have been paid after the backup that is restored
            cls._stripe_release(cls._stripe(payments))
        elif mode == 'write' and values.get('party'):
            cls._stripe_change_payer(payments, values['party'])

    @classmethod
    def _stripe_change_payer(cls, payments, party):
        "Let the former payer not see by the address what is not theirs"
        for payment in payments:
            if payment.party.id != int(party) and payment.stripe_checkout_id:
                payment.stripe_replace_address()

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
        for payment in cls._stripe(payments):
            if payment.stripe_checkout_needed:
                # To be sent before anybody opens it
                payment.stripe_keep_address()

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
        # With a cancelled intent they would fail at once
        for payment in payments:
            if payment.stripe_intent_status == 'canceled':
                payment.stripe_forget_intent()

    @classmethod
    def _set_stripe_key(cls, payments):
        # Payments that are older than the module have none
        for payment in payments:
            if not payment.stripe_idempotency_key:
                payment.stripe_store(
                    stripe_idempotency_key=new_key(), stripe_attempt=0)

    def process_stripe(self):
        "Raise ProcessError if there is nothing to pay with"
        if not (self.stripe_token
                or self.stripe_payment_intent_id
                or self.stripe_charge_id
                or self.stripe_customer):
            raise ProcessError(gettext(
                    'account_payment_stripe.msg_no_stripe_token',
                    payment=self.rec_name))
        stripe_amount(
            self.amount, self.currency, self,
            charged=bool(
                self.stripe_payment_intent_id or self.stripe_charge_id))

    @classmethod
    @ModelView.button
    @Workflow.transition('draft')
    def draft(cls, payments):
        """Forget the intents after they have been cancelled at Stripe.

        Raises PaymentPaidError if some have been paid meanwhile, and
        PaymentPartlyPaidError if a part of some has arrived, after they have
        been brought up to date and committed.
        """
        cls._stripe_release(cls._stripe(payments))
        cls._stripe_fit(cls._stripe(payments))
        super().draft(payments)
        stripe_payments = cls._stripe(payments)
        if not stripe_payments:
            return
        for payment in cls.browse(stripe_payments):
            if payment.stripe_is_known or payment.stripe_former_intent_id:
                # The next intent must be another. Without one the same key
                # tells if one is not known of
                payment.stripe_forget_intent()
        cls.write(stripe_payments, {
                n: None for n in cls._stripe_own_fields()
                # They name the payment at Stripe, and to the payer, as long
                # as it lives
                if n not in {
                    'stripe_refunds', 'stripe_idempotency_key',
                    'stripe_checkout_id'}
                } | {
                n: False for n in cls._stripe_own_flags()
                } | {
                'stripe_tries': 0,
                })

    @classmethod
    @ModelView.button
    @Workflow.transition('failed')
    def fail(cls, payments):
        """Fail the payments after their intents have been cancelled.

        Raises PaymentPaidError, or PaymentPartlyPaidError, if Stripe holds
        money of some, after they have been brought up to date and committed.
        """
        if not is_told_by_stripe():
            cls._stripe_release(cls._stripe(payments))
        cls._stripe_fit(cls._stripe(payments))
        super().fail(payments)

    @classmethod
    def _stripe_fit(cls, payments):
        "Give the amounts the digits that the currency has now, where exact"
        for payment in cls.browse(payments):
            # What does not fit is said by the model's own validation
            with suppress(AmountError):
                payment.stripe_store(
                    **{n: getattr(payment, n) for n in AMOUNTS})

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

        Raises PaymentPaidError, or PaymentPartlyPaidError, if some have been
        paid, after they have been brought up to date and committed,
        StripeTransferWarning if some may be about to, and StripeError if
        Stripe cannot be asked.
        """
        payments = [
            p for p in cls.stripe_lock(payments)
            if cls._stripe_asked(p, cls.stripe_knows)]
        # None is cancelled for who is then refused because of another, nor
        # one of which a part has arrived, which Stripe would not refuse
        unpaid = cls._stripe_unpaid(payments, cls.stripe_read)
        cls._stripe_warn_transfer(
            [p for p, s in unpaid if s.waits_for])
        payments = [p for p, _ in unpaid]
        for payment, state in cls._stripe_unpaid(
                payments, cls._stripe_end_intent, keep=True):
            payment.stripe_apply(state, fresh=True)

    @classmethod
    def _stripe_unpaid(cls, payments, ask, keep=False):
        """Return the payments that are not paid, with the state that ask tells

        keep: commit what it told of them also when another is refused.
        """
        unpaid, paid, partly = [], [], []
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
            elif state.transferred:
                partly.append((payment, state))
            elif keep and state.status != 'canceled':
                # Stripe did not cancel it, so it may still be paid
                cls._stripe_keep(unpaid + [(payment, state)])
                raise StripeError(gettext(
                        'account_payment_stripe.msg_payment_not_released',
                        payment=payment.rec_name,
                        error=gettext(
                            'account_payment_stripe.msg_stripe_unknown',
                            word=state.status)))
            else:
                unpaid.append((payment, state))
        if (paid or partly) and keep:
            cls._stripe_keep(unpaid)
        if paid:
            cls._stripe_tell_paid(paid)
        elif partly:
            cls._stripe_tell_partly(partly)
        return unpaid

    @classmethod
    def _stripe_asked(cls, payment, ask):
        "Return what ask says of the payment, None if nothing can be paid"
        try:
            return ask(payment)
        except StripeFailure as e:
            if payment.stripe_payment_intent_id and e.of_intent:
                if payment._stripe_was_test:
                    return
                raise StripeError(gettext(
                        'account_payment_stripe.msg_stripe_intent_unknown',
                        payment=payment.rec_name,
                        intent=payment.stripe_payment_intent_id,
                        account=payment.stripe_own_account.rec_name,
                        )) from None
            raise StripeError(gettext(
                    'account_payment_stripe.msg_payment_not_released',
                    payment=payment.rec_name,
                    error=failure_message(e))) from None

    @property
    def _stripe_was_test(self):
        "If no money was paid, as it was made with a key of the test mode"
        return bool(
            self.stripe_intent_account
            # It is not known of those made before
            and self.stripe_live is not None
            and not self.stripe_live
            and self.stripe_intent_account.gateway.is_live)

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
        gateway = self.stripe_own_account.gateway
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
    def _stripe_warn_transfer(cls, payments):
        "Warn that the payers may have paid though Stripe does not know it yet"
        if not payments:
            return
        Warning = Pool().get('res.user.warning')
        key = Warning.format('stripe_transfer', payments)
        if Warning.check(key):
            raise StripeTransferWarning(key, gettext(
                    'account_payment_stripe.msg_stripe_transfer',
                    payments=_names(payments)))

    @classmethod
    def _stripe_tell_paid(cls, payments):
        names = _names(payments)
        cls._stripe_pull_only(payments)
        raise PaymentPaidError(gettext(
                'account_payment_stripe.msg_payment_paid', payments=names))

    @classmethod
    def _stripe_tell_partly(cls, states):
        lang = Pool().get('ir.lang').get()
        names = ', '.join(
            '%s (%s / %s)' % (
                payment.rec_name,
                lang.currency(
                    from_stripe(state.transferred, payment.currency.code),
                    payment.currency),
                lang.currency(payment.amount, payment.currency))
            for payment, state in states[:5])
        cls._stripe_pull_only([payment for payment, _ in states])
        raise PaymentPartlyPaidError(gettext(
                'account_payment_stripe.msg_payment_partly_paid',
                payments=names))

    @classmethod
    def _stripe_pull_only(cls, payments):
        """Bring the payments to what Stripe tells, and commit.

        It must stay though the button is refused, but nothing else of the
        transaction.
        """
        ids = [p.id for p in payments]
        Transaction().rollback()
        attempt(lambda: cls.stripe_do_pull(cls.browse(ids)))


def _names(payments):
    "Return the names of some payments for a message"
    names = ', '.join(p.rec_name for p in payments[:5])
    return names + '...' if len(payments) > 5 else names
