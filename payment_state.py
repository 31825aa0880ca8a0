# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
from contextlib import contextmanager
from itertools import groupby
from weakref import WeakKeyDictionary

from trytond.i18n import gettext
from trytond.model import ModelView
from trytond.pool import Pool
from trytond.transaction import Transaction

from .amount import AmountError
from .batch import Batch
from .call import Call
from .convert import from_timestamp, to_timestamp
from .error import failure_message
from .exceptions import StripeCurrencyError, StripeError
from .gateway import StripeFailure
from .state import FINAL, KNOWN, OPEN, PaymentState
from .store import insert_log, read_employee

WAITING_FOR = {
    'requires_payment_method': 'payer',
    'requires_action': 'payer',
    'requires_confirmation': 'stripe',
    'processing': 'settlement',
    'requires_capture': 'capture',
    }
# The reasons of a cancellation that nobody has asked for
TOO_LATE = {'automatic', 'expired'}
AMOUNTS = frozenset([
        'amount', 'stripe_captured_amount', 'stripe_capturable_amount',
        'stripe_transferred_amount', 'stripe_refunded_amount',
        'stripe_lost_amount', 'stripe_disputed_amount'])
# When to look at Stripe whether a payment went on without an event
FIRST_LOOK = dt.timedelta(hours=1)
LAST_LOOK = dt.timedelta(days=1)


# The context is no place for it, as the tasks that are queued inherit it
_told = WeakKeyDictionary()


def is_told_by_stripe():
    "If payments take the state that Stripe told, without asking it again"
    return bool(_told.get(Transaction()))


class StateMixin:
    "Bring payments to the state that Stripe tells"
    __slots__ = ()

    def stripe_apply(self, state, fresh=False):
        """Bring the payment, which is locked, to the PaymentState and save it.

        fresh: if it was read after the payment has been locked.
        Any order and repetition of states ends in the same as the last one
        alone: what is final at Stripe is never taken back and what may be
        older than what is known is read again.
        Return the PaymentState that is applied, None if nothing is, because
        of a later one or because it says what is to be reviewed.
        Raises StripeFailure if it has to be and cannot be read again.
        """
        if not state.complete and not state.final and (
                self.stripe_intent_status in FINAL):
            return
        if not fresh and self._stripe_may_be_old(state):
            state = self.stripe_read()
        refused = (
            state.status == 'requires_payment_method'
            and state.error_message
            # Who is at the checkout page reads it there
            and (self.stripe_intent_status in {
                    'requires_confirmation', 'processing'}
                or (self.stripe_waiting_for == 'transfer'
                    and state.expired)))
        values = self._stripe_state_values(state)
        if refused:
            values.update(self._stripe_refused_values(state))
        self.stripe_store(**values)
        pool = Pool()
        if state.refunds:
            Refund = pool.get('account.payment.stripe.refund')
            Refund.stripe_update(self, state.refunds)
        if state.disputes:
            Dispute = pool.get('account.payment.stripe.dispute')
            Dispute.stripe_update(self, state.disputes, at=state.at)
        if AMOUNTS - values.keys() or state.status not in KNOWN:
            # Something does not fit: a person has to look at it
            return
        self._stripe_move(state)
        return state

    def _stripe_may_be_old(self, state):
        if not state.complete and self.stripe_refunded_amount is None:
            # Made by the earlier version, so nothing is known of it
            return True
        if state.final and not state.complete:
            return False
        return self.stripe_state_at is not None and (
            state.at is None
            or state.at.first <= to_timestamp(self.stripe_state_at))

    def _stripe_state_values(self, state):
        values = {
            'stripe_intent_status': state.status,
            'stripe_captured': bool(state.captured),
            'stripe_capturable': state.status == 'requires_capture',
            }
        if state.currency:
            values['stripe_currency'] = state.currency
        values.update(self._stripe_paid_values(state))
        if state.intent:
            values['stripe_payment_intent_id'] = state.intent
            values['stripe_former_intent_id'] = state.intent
        if state.error_message or state.charge or state.status not in OPEN:
            values['stripe_confirmed'] = True
        if state.charge:
            values['stripe_charge_id'] = state.charge
        if state.at is not None:
            at = from_timestamp(state.at.last)
            values['stripe_state_at'] = max(self.stripe_state_at or at, at)
        if state.complete and self._stripe_tells_disputes(state):
            values.update({
                    'stripe_dispute_reason': state.dispute_reason,
                    'stripe_dispute_status': state.dispute_status,
                    })
        if (state.error_message
                or state.status == 'succeeded'
                # The error shown was one of the connection
                or self.stripe_waiting_for in {'stripe', 'check'}):
            values.update({
                    'stripe_error_message': self._stripe_error_text(state),
                    'stripe_error_code': state.error_code,
                    'stripe_error_param': state.error_param,
                    })
        # What the payment waits for
        waiting_for = (
            'transfer' if state.waits_for else WAITING_FOR.get(state.status))
        if waiting_for != self.stripe_waiting_for:
            values['stripe_tries'] = 0
        values['stripe_waiting_for'] = waiting_for
        if not waiting_for:
            values['stripe_try_at'] = None
        problem = None
        try:
            values.update(self._stripe_amount_values(state))
        except (AmountError, StripeCurrencyError) as e:
            problem = self._stripe_problem(e)
        if problem or state.unknown:
            values.update(self._stripe_review_values(
                    problem or self._stripe_unknown_message(state)))
        return values

    def _stripe_refused_values(self, state):
        "Return the values that make what follows from the refusal happen"
        if self.stripe_fails_at_once:
            return {'stripe_try_at': None}
        # Sent later: what may fail must not undo this transaction
        return {'stripe_to_mail': True}

    def stripe_store(self, **values):
        waiting_for = self.stripe_waiting_for
        if values.get('stripe_waiting_for', waiting_for) != waiting_for:
            values['stripe_waiting_since'] = dt.datetime.now()
        super().stripe_store(**values)

    def _stripe_tells_disputes(self, state):
        "Return if the disputes were looked for: none is ever gone"
        return state.dispute_status or not self.stripe_dispute_status

    @property
    def stripe_open_lines(self):
        """The lines of what is paid and of how it is booked that are not
        reconciled."""
        return [
            x for x in ([self.line] if self.line else [])
            if not x.reconciliation]

    @property
    def stripe_left_amount(self):
        "The Decimal of what is left with the company"
        left = (self.stripe_captured_amount
            - (self.stripe_refunded_amount or 0)
            - (self.stripe_lost_amount or 0))
        return max(left, left * 0)

    def _stripe_move(self, state):
        "Move to the state that follows from what is stored"
        cls = self.__class__
        batch = Batch.current()
        left = self.stripe_left_amount
        if (state.status == 'succeeded'
                and left
                and self.amount == left
                and self.state in {'processing', 'failed'}):
            batch.defer(cls._stripe_succeed, self)
            return
        # What is deferred of the payment comes before
        batch.finish(self)
        with self._stripe_moving():
            if self.state == 'draft' and state.status not in OPEN | {
                    'canceled'}:
                # A restore made it a draft again after it was paid
                cls.submit([self])
            if state.status == 'succeeded':
                if self.amount != left or (
                        self.state in {'submitted', 'approved'}):
                    # So that modules which booked the old amount undo that
                    cls.proceed([self])
                    self.amount = left
                    self.save()
                if left:
                    if self.state != 'succeeded':
                        batch.defer(cls._stripe_succeed, self)
                elif self.state != 'failed':
                    cls.fail([self])
            elif state.status == 'canceled':
                if self.state in {'processing', 'succeeded'}:
                    cls.fail([self])
            elif state.status in {'processing', 'requires_capture'}:
                if self.state != 'processing':
                    cls.proceed([self])

    @contextmanager
    def _stripe_moving(self):
        "Let the payment take the state that Stripe told, without asking again"
        transaction = Transaction()
        before = _told.get(transaction)
        _told[transaction] = True
        try:
            # Neither the routes nor the events have a company
            with transaction.set_context(
                    _skip_warnings=True, company=self.company.id):
                yield
        finally:
            _told[transaction] = before

    @classmethod
    def _stripe_succeed(cls, payments):
        payments = sorted(payments, key=lambda p: p.company.id)
        for _, payments in groupby(payments, key=lambda p: p.company):
            payments = list(payments)
            with payments[0]._stripe_moving():
                read_employee()
                cls.succeed(payments)
        insert_log()

    def stripe_read(self, disputed=False):
        """Return the complete PaymentState.

        disputed: if there is a dispute that may not be known yet.
        Raises StripeFailure.
        """
        return self.stripe_reading(self.stripe_own_account.gateway, disputed)()

    def stripe_reading(self, gateway, disputed=False):
        "Return the Call that returns the same"
        disputed = disputed or bool(self.stripe_dispute_status)
        return Call(
            gateway.payment_intents.retrieve if self.stripe_payment_intent_id
            else gateway.charges.retrieve,
            gateway,
            intent=self.stripe_payment_intent_id,
            charge=self.stripe_charge_id,
            disputed=disputed,
            func=PaymentState.read,
            also=[gateway.disputes.list] if disputed else [])

    @classmethod
    def stripe_note_unapplied(cls, id_, error):
        for payment in cls.stripe_lock([id_]):
            if payment.stripe_is_known:
                payment.stripe_store(
                    **payment._stripe_state_values(payment.stripe_read()))
        super().stripe_note_unapplied(id_, error)

    @staticmethod
    def _stripe_error_text(state):
        "Return what a person can read, for words of which Stripe has no text"
        if state.status == 'canceled' and state.error_code in TOO_LATE:
            return gettext('account_payment_stripe.msg_payment_too_late')
        return state.error_message

    @classmethod
    @ModelView.button
    def stripe_do_pull(cls, payments):
        """Bring the payments to the state that Stripe tells now.

        Raises StripeError if Stripe cannot be asked.
        """
        for payment in cls.browse(payments):
            payment, = cls.stripe_lock([payment])
            try:
                if payment.stripe_knows():
                    payment.stripe_apply(payment.stripe_read(), fresh=True)
            except StripeFailure as e:
                raise StripeError(gettext(
                        'account_payment_stripe.msg_stripe_failure',
                        record=payment.rec_name,
                        error=failure_message(e))) from None
