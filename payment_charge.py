# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt

from sql import Literal

from trytond.i18n import gettext
from trytond.model import ModelView
from trytond.modules.account_payment.exceptions import PaymentValidationError
from trytond.pool import Pool
from trytond.transaction import Transaction

from .call import Call
from .gateway import StripeRefused
from .payment_state import FIRST_LOOK, LAST_LOOK
from .policy import Meaning, meaning_of
from .record_amount import stripe_amount
from .run import Run
from .state import OPEN, PaymentState

# How often to read again without the row locked
READS = 3
FIRST_RETRY = dt.timedelta(minutes=5)
LAST_RETRY = dt.timedelta(hours=6)
WAITS_FOR = {
    Meaning.LATER: 'stripe',
    Meaning.REVIEW: 'check',
    Meaning.DENIED: 'account',
    Meaning.FORBIDDEN: 'account',
    }


class ChargeMixin:
    """Charge payments.

    The intent is the lock: it is created unconfirmed, its id is committed and
    only then it is confirmed. As it can succeed only once and always tells
    what happened to it, nothing is charged twice whatever happens in between.
    """
    __slots__ = ()
    _stripe_pauses = (FIRST_RETRY, LAST_RETRY)
    _stripe_longest_pause = LAST_LOOK

    @classmethod
    def stripe_charge(cls, payments=None):
        """Charge the payments in processing, and look at those which Stripe
        did not tell about for a while.

        Commits payment by payment.
        """
        def where(table):
            condition = cls._stripe_where(table)
            if payments is None:
                condition &= cls._stripe_where_company(table)
                condition &= cls.stripe_due(table)
            return condition
        Run(cls, cls._stripe_charge_one).carry(where, payments)
        cls.stripe_mail()
        if payments is None:
            cls._stripe_review()

    @classmethod
    def _stripe_where(cls, table):
        Journal = Pool().get('account.payment.journal')
        journal = Journal.__table__()
        return (
            (table.state == 'processing')
            & table.journal.in_(journal.select(
                    journal.id, where=journal.process_method == 'stripe')))

    @classmethod
    def _stripe_where_company(cls, table):
        if company := Transaction().context.get('company'):
            return table.company == company
        return Literal(True)

    @classmethod
    def stripe_domain_account(cls, accounts):
        "Return the domain of the payments that are at the accounts"
        ids = [a.id for a in accounts]
        return ['OR',
            ('stripe_intent_account', 'in', ids),
            [
                ('stripe_intent_account', '=', None),
                ('journal.stripe_account', 'in', ids),
                ],
            ]

    @classmethod
    def stripe_domain_stopped(cls, accounts):
        return [
            ('state', '=', 'processing'),
            ('stripe_waiting_for', 'in', list(set(WAITS_FOR.values()))),
            cls.stripe_domain_account(accounts),
            ]

    @property
    def stripe_is_carried(self):
        return self.state == 'processing'

    def stripe_meaning(self, failure):
        # The method that was made of a token is known to the right keys
        return meaning_of(failure, given_once=bool(
                self.stripe_token and not self.stripe_payment_method_id))

    def _stripe_wait_values(self, failure, meaning):
        return {
            'stripe_waiting_for': WAITS_FOR[meaning],
            **super()._stripe_wait_values(failure, meaning)}

    @classmethod
    def stripe_note_error(cls, id_, error):
        super().stripe_note_error(id_, error)
        for payment in cls.stripe_lock([id_]):
            payment.stripe_store(
                stripe_waiting_for='check', **payment._stripe_pause_values())

    def _stripe_look_later(self, **values):
        self.stripe_store(
            **self._stripe_pause_values((FIRST_LOOK, LAST_LOOK)), **values)

    @classmethod
    def stripe_refuse(cls, job, failure):
        "Fail the payment for which Stripe said no"
        payment = job.record
        payment.stripe_store(
            stripe_attempt=payment.stripe_next_attempt(failure),
            # Or the cancellation would take the error for one of the
            # connection, which is over
            stripe_waiting_for=None,
            **payment.stripe_error_values(failure))
        if payment.stripe_payment_intent_id:
            yield from cls._stripe_cancel(job)
        else:
            with payment._stripe_moving():
                cls.fail([payment])

    @classmethod
    def _stripe_cancel(cls, job):
        "Fail the payment after its intent cannot be paid anymore"
        state = yield Call(
            job.gateway.payment_intents.cancel, job.gateway,
            job.record.stripe_payment_intent_id, func=PaymentState.cancel)
        job.record.stripe_apply(state)

    @classmethod
    def _stripe_charge_one(cls, job):
        state = None
        if not job.record.stripe_is_known:
            yield from cls._stripe_look(job)
        if not job.record.stripe_is_known:
            state = yield from cls._stripe_create(job)
            if not job.record.stripe_is_known:
                return
        if not state:
            state = yield from cls._stripe_read(job)
            state = job.record.stripe_apply(state)
            if not state:
                return
            if state.status in OPEN:
                yield from cls._stripe_make_method(job)
        if job.record._stripe_may_confirm(state):
            state = yield from cls._stripe_confirm(job, state)
        if not state or state.final:
            return
        if job.record._stripe_is_refused(state):
            yield from cls._stripe_cancel(job)
        else:
            job.record._stripe_look_later()

    @classmethod
    def _stripe_read(cls, job):
        "Return the state that is read for the payment"
        for _ in range(READS):
            state = yield job.record.stripe_reading(job.gateway)
            if not job.record._stripe_may_be_old(state):
                break
            # Applying it would read it again, with the row locked
        return state

    def _stripe_may_confirm(self, state):
        """If there is what to confirm and it never was.

        Stripe clears the error of a refusal with any update, so what was tried
        is also remembered here.
        """
        return bool(
            self.stripe_payment_intent_id == state.intent
            and self.stripe_method
            and not state.error_message
            and not state.charge
            and (state.status == 'requires_confirmation'
                or (state.status == 'requires_payment_method'
                    and not self.stripe_confirmed)))

    @classmethod
    def _stripe_confirm(cls, job, state):
        "Return the state that follows, None if the payment has moved on"
        yield from cls._stripe_look_customer(job)
        gateway = job.gateway
        try:
            if state.status == 'requires_payment_method':
                # It was made for the checkout page. With a payment method its
                # status tells if it was confirmed
                payment = job.record
                params = {
                    'payment_method': payment.stripe_method,
                    # Other code may have changed it since
                    'amount': stripe_amount(
                        payment.amount, payment.currency, payment),
                    }
                customer = payment.stripe_customer
                if customer and customer.stripe_usable_id:
                    params['customer'] = customer.stripe_usable_id
                yield Call(
                    gateway.payment_intents.update, state.intent, **params)
            payment = job.record
            if payment.stripe_payment_intent_id != state.intent:
                return
            # Stripe asks where a payer may have to be sent back to
            payment.stripe_keep_address()
            payment.stripe_store(
                # A refusal of this attempt is known by it from one of the
                # payer
                stripe_intent_status='requires_confirmation',
                stripe_confirmed=True)
            intent, at = yield Call(
                gateway.payment_intents.confirm, gateway, state.intent,
                payment._stripe_confirm_params(), func=_confirm)
        except StripeRefused as e:
            if not (e.intent and (e.card or e.unexpected_state)):
                raise
            intent, at = e.intent, e.at
        state = job.record.stripe_apply(
            PaymentState.from_intent(intent, at=at))
        job.record._stripe_add_fingerprint(intent)
        return state

    def _stripe_confirm_params(self):
        params = {
            'payment_method': self.stripe_method,
            # Stripe wants it though nobody is there to be sent back
            'return_url': self.stripe_return_url,
            'expand': ['latest_charge'],
            'idempotency_key': '%s-confirm-%s' % (
                self.stripe_payment_intent_id, self.stripe_attempt or 0),
            }
        if not self.stripe_token:
            params['off_session'] = True
        if self.stripe_fails_at_once:
            params['error_on_requires_action'] = True
        return params

    def _stripe_add_fingerprint(self, intent):
        charge = intent.get('latest_charge')
        if self.stripe_customer and isinstance(charge, dict):
            details = charge.get('payment_method_details') or {}
            fingerprint = (details.get('card') or {}).get('fingerprint')
            if fingerprint:
                self.stripe_customer.add_fingerprints([fingerprint])

    def _stripe_is_refused(self, state):
        "If the token or source is refused and nothing else is asked for"
        return (self.stripe_fails_at_once
            and state.status == 'requires_payment_method'
            and bool(state.error_message or self.stripe_confirmed))

    @classmethod
    def stripe_capture_(cls, payments=None):
        """Capture the authorized payments for which it was asked.

        Commits payment by payment.
        """
        def where(table):
            condition = (
                cls._stripe_where(table)
                & (table.stripe_capture == Literal(True))
                & (table.stripe_capturable == Literal(True))
                & (table.stripe_captured == Literal(False)))
            if payments is None:
                condition &= cls._stripe_where_company(table)
            return condition
        Run(cls, cls._stripe_capture_one).carry(where, payments)

    @classmethod
    @ModelView.button_action('account_payment_stripe.wizard_payment_capture')
    def stripe_capture_wizard(cls, payments):
        pass

    @classmethod
    @ModelView.button
    def stripe_do_capture(cls, payments):
        for payment in payments:
            if not payment.amount:
                raise PaymentValidationError(gettext(
                        'account_payment_stripe.msg_stripe_capture_nothing',
                        payment=payment.rec_name))
            stripe_amount(
                payment.amount, payment.currency, payment, charged=True)
        cls.write(payments, {'stripe_capture': True})
        cls.__queue__.stripe_capture_(payments)

    @classmethod
    def _stripe_capture_one(cls, job):
        gateway = job.gateway
        state = yield from cls._stripe_read(job)
        payment = job.record
        state = payment.stripe_apply(state)
        if not state or state.status != 'requires_capture':
            return
        amount = stripe_amount(
            payment.amount, payment.currency, payment, charged=True)
        key = '%s-capture-%s' % (
            state.intent or state.charge, payment.stripe_attempt or 0)
        try:
            state = yield Call(
                gateway.payment_intents.capture if state.intent
                else gateway.charges.capture,
                gateway, state, amount, key, func=_capture)
        except StripeRefused as e:
            if not e.unexpected_state:
                payment = job.record
                payment.stripe_store(
                    stripe_capture=False,
                    # With another amount it is another request
                    stripe_attempt=payment.stripe_next_attempt(e),
                    **payment.stripe_error_values(e))
                return
            state = yield from cls._stripe_read(job)
        job.record.stripe_apply(state)


def _confirm(gateway, intent, params):
    "Return the dictionary of the confirmed intent and when it was so"
    intent = gateway.payment_intents.confirm(intent, **params)
    return intent, gateway.answered_at


def _capture(gateway, state, amount, key):
    "Return the state after the amount, in the minor unit, is captured"
    if state.intent:
        answer = gateway.payment_intents.capture(
            state.intent, amount_to_capture=amount, idempotency_key=key)
        return PaymentState.from_intent(answer, at=gateway.answered_at)
    # Charged by an earlier version
    answer = gateway.charges.capture(
        state.charge, amount=amount, idempotency_key=key)
    return PaymentState.from_charge(answer, at=gateway.answered_at)
