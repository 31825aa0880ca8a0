# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
from contextlib import contextmanager
from itertools import groupby

from trytond.i18n import gettext
from trytond.model import ModelView
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction

from .amount import AmountError
from .batch import all_locked, later, settle
from .common import (
    failure_message, from_timestamp, to_timestamp, told_by_stripe)
from .event_handlers import is_current
from .exceptions import StripeCurrencyError, StripeError
from .gateway import Moment, StripeFailure
from .insert import insert_log
from .state import FINAL, KNOWN, OPEN, PaymentState

WAITING_FOR = {
    'requires_payment_method': 'payer',
    'requires_action': 'payer',
    'requires_confirmation': 'stripe',
    'processing': 'settlement',
    'requires_capture': 'capture',
    }
AMOUNTS = frozenset([
        'amount', 'stripe_captured_amount', 'stripe_capturable_amount',
        'stripe_transferred_amount', 'stripe_refunded_amount',
        'stripe_lost_amount', 'stripe_disputed_amount'])
# When to look at Stripe whether a payment went on without an event
FIRST_LOOK = dt.timedelta(hours=1)
LAST_LOOK = dt.timedelta(days=1)


class Payment(metaclass=PoolMeta):
    "Bring payments to the state that Stripe tells"
    __name__ = 'account.payment'

    def stripe_apply(self, state, sure=False):
        """Bring the payment, which is locked, to the PaymentState and save it.

        sure: if it was read after the payment has been locked.
        Any order and repetition of states ends in the same as the last one
        alone: what is final at Stripe is never taken back and what may be
        older than what is known is read again.
        Return the PaymentState that is applied, None if nothing is, because
        of a later one or because it says what is to be reviewed.
        Raises StripeFailure if it has to be and can not be read again.
        """
        if not state.complete and not state.final and (
                self.stripe_intent_status in FINAL):
            return
        if not sure and self._stripe_may_be_old(state):
            state = self.stripe_read()
        refused = (
            state.status == 'requires_payment_method'
            and state.error_message
            # Those at the checkout page are told there
            and (self.stripe_intent_status in {
                    'requires_confirmation', 'processing'}
                or (self.stripe_waiting_for == 'transfer'
                    and state.expired)))
        values = self._stripe_state_values(state)
        if refused:
            if self.stripe_fails_at_once:
                values['stripe_try_at'] = None
            else:
                # Nothing that may fail is part of this transaction
                values['stripe_to_mail'] = True
        self.stripe_store(**values)
        if AMOUNTS - values.keys() or state.status not in KNOWN:
            # It is to be reviewed
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
        if state.method_type or state.charge != self.stripe_charge_id:
            values['stripe_method_type'] = state.method_type
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
                # It was an error of ours
                or self.stripe_waiting_for in {'stripe', 'check'}):
            values.update({
                    'stripe_error_message': state.error_message,
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

    def _stripe_tells_disputes(self, state):
        "Return if the disputes were looked for: none is ever gone"
        return state.dispute_status or not self.stripe_dispute_status

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
        left = self.stripe_left_amount
        if (state.status == 'succeeded'
                and left
                and self.amount == left
                and self.state in {'processing', 'failed'}):
            later(cls._stripe_succeed, self)
            return
        settle(self)
        with self._stripe_moving():
            if self.state == 'draft' and state.status not in OPEN | {
                    'canceled'}:
                # It was not one when it was paid, before a restore
                cls.submit([self])
            if state.status == 'succeeded':
                if self.amount != left or (
                        self.state in {'submitted', 'approved'}):
                    # For the modules which made something of the old amount
                    cls.proceed([self])
                    self.amount = left
                    self.save()
                if left:
                    if self.state != 'succeeded':
                        later(cls._stripe_succeed, self)
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
        # Neither the routes nor the events have a company
        with told_by_stripe(), Transaction().set_context(
                _skip_warnings=True, company=self.company.id):
            yield

    @classmethod
    def _stripe_succeed(cls, payments):
        payments = sorted(payments, key=lambda p: p.company.id)
        for _, payments in groupby(payments, key=lambda p: p.company):
            payments = list(payments)
            with payments[0]._stripe_moving():
                cls.succeed(payments)
        insert_log()

    def stripe_read(self, disputed=False):
        """Return the complete PaymentState.

        disputed: if there is a dispute that may not be known yet.
        Raises StripeFailure.
        """
        return PaymentState.read(
            self.stripe_own_account.gateway,
            intent=self.stripe_payment_intent_id,
            charge=self.stripe_charge_id,
            disputed=disputed or bool(self.stripe_dispute_status))

    @classmethod
    def stripe_note_unapplied(cls, id_, error):
        for payment in cls.stripe_lock([id_]):
            if payment.stripe_is_known:
                payment.stripe_store(
                    **payment._stripe_state_values(payment.stripe_read()))
        super().stripe_note_unapplied(id_, error)

    @classmethod
    @ModelView.button
    def stripe_do_pull(cls, payments):
        """Bring the payments to the state that Stripe tells now.

        Raises StripeError if Stripe can not be asked.
        """
        for payment in cls.browse(payments):
            payment, = cls.stripe_lock([payment])
            try:
                if payment.stripe_knows():
                    payment.stripe_apply(payment.stripe_read(), sure=True)
            except StripeFailure as e:
                raise StripeError(gettext(
                        'account_payment_stripe.msg_stripe_failure',
                        record=payment.rec_name,
                        error=failure_message(e))) from None

    @classmethod
    def stripe_lock_of(cls, events):
        "Return the locked payments that most of the events are about"
        intents = set()
        for event in events:
            object_ = event['data']['object']
            if object_['object'] == 'payment_intent':
                intents.add(object_['id'])
            elif isinstance(object_.get('payment_intent'), str):
                intents.add(object_['payment_intent'])
        return cls._stripe_lock_where(
            ('stripe_payment_intent_id', 'in', list(intents))) if (
                intents) else []

    @classmethod
    def _stripe_lock_where(cls, clause):
        "Return the locked payments of the clause, read once: when locked"
        cursor = Transaction().connection.cursor()
        cursor.execute(*cls.search([clause], order=[], query=True))
        ids = [id_ for id_, in cursor]
        return cls.stripe_lock(ids) if ids else []

    @classmethod
    def _stripe_find(cls, account, intent=None, charge=None):
        "Return the locked payments of the account with the ids of Stripe"
        clauses = []
        if intent:
            clauses.append(('stripe_payment_intent_id', '=', intent))
        if charge:
            clauses.append(('stripe_charge_id', '=', charge))
        payments = []
        # Two searches use an index each
        for clause in clauses:
            name, _, value = clause
            payments = [
                p for p in all_locked(cls.__name__)
                if getattr(p, name) == value] or cls._stripe_lock_where(clause)
            if payments:
                break
        return [p for p in payments if p.stripe_own_account == account]

    @classmethod
    def _stripe_apply_event(cls, payments, event, state_of=None):
        """Apply the state of the event, or without one what Stripe tells now.

        state_of: function of the dictionary of the object of the event, it
        is only called if its shape is known here.
        """
        if not payments:
            return
        state = None
        if state_of and is_current(event):
            state = state_of(event['data']['object'])
        for payment in payments:
            if state:
                state.at = Moment(event['created'], event['created'])
                payment.stripe_apply(state)
            else:
                payment.stripe_apply(payment.stripe_read(), sure=True)
        return payments

    @classmethod
    def stripe_of_event(cls, account, event):
        "Return the locked payments that the event is about"
        object_ = event['data']['object']
        kind = object_.get('object')
        if kind == 'source':
            return cls._stripe_find_token(account, object_['id'])
        intent, charge = object_.get('payment_intent'), object_.get('charge')
        if kind == 'payment_intent':
            intent, charge = object_['id'], None
        elif kind == 'charge':
            charge = object_['id']
        return (
            cls._stripe_find(account, intent=intent, charge=charge)
            or cls._stripe_find_key(account, object_))

    @classmethod
    def _stripe_find_token(cls, account, token):
        holders = cls.stripe_token.holders(cls, token)
        payments = [
            p for p in cls.search([('id', 'in', holders)])
            if p.stripe_own_account == account]
        return cls.stripe_lock(payments) if payments else []

    @classmethod
    def stripe_on_payment_intent(cls, account, event):
        intent = event['data']['object']
        if payments := cls._stripe_find(account, intent=intent['id']):
            return cls._stripe_apply_event(
                payments, event, PaymentState.from_intent)
        return cls._stripe_apply_event(
            cls._stripe_adopt(account, intent), event)

    @classmethod
    def stripe_on_charge(cls, account, event):
        charge = event['data']['object']
        intent = charge.get('payment_intent')
        if intent:
            payments = cls._stripe_find(account, intent=intent)
            return cls._stripe_apply_event(payments, event, _of_captured)
        payments = cls._stripe_find(account, charge=charge['id'])
        return cls._stripe_apply_event(payments, event)

    @classmethod
    def stripe_on_refund(cls, account, event):
        Refund = Pool().get('account.payment.stripe.refund')
        object_ = event['data']['object']
        refund_id = None
        if object_['object'] == 'refund':
            charge = object_.get('charge')
            refund_id = object_['id']
        else:
            charge = object_['id']
        payments = cls._stripe_find(
            account, intent=object_.get('payment_intent'), charge=charge)
        if not payments:
            return
        # A refund can fail weeks later so only Stripe knows the sum
        result = cls._stripe_apply_event(payments, event)
        if refund_id:
            Refund.stripe_update(payments, refund_id)
        return result

    @classmethod
    def stripe_on_dispute(cls, account, event):
        dispute = event['data']['object']
        payments = cls._stripe_find(
            account, intent=dispute.get('payment_intent'),
            charge=dispute.get('charge'))
        if not payments:
            return
        # The event may be old, and not the only dispute
        for payment in payments:
            payment.stripe_apply(
                payment.stripe_read(disputed=True), sure=True)
        return True

    @classmethod
    def stripe_on_source(cls, account, event):
        source = event['data']['object']
        payments = cls._stripe_find_token(account, source['id'])
        if not payments:
            return
        if event['type'] == 'source.chargeable':
            cls.write(payments, {'stripe_chargeable': True})
            cls.__queue__.stripe_charge(
                [p for p in payments if p.state == 'processing'])
        else:
            # An intent has events of its own
            failed = [
                p for p in payments
                if p.state == 'processing'
                and not p.stripe_payment_intent_id
                and not p.stripe_charge_id]
            for payment in failed:
                with payment._stripe_moving():
                    cls.fail([payment])
        return payments


def _of_captured(charge):
    "Return the state of the charge if it is final for its intent also"
    if charge['status'] == 'succeeded' and charge['captured']:
        return PaymentState.from_charge(charge)
