# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from sql import Literal

from trytond.model import ModelView
from trytond.pool import PoolMeta

from .common import stripe_amount
from .gateway import StripeRefused
from .pace import paced
from .run import Run
from .state import PaymentState


class Payment(metaclass=PoolMeta):
    "Capture authorized payments"
    __name__ = 'account.payment'

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
    @ModelView.button
    def stripe_do_capture(cls, payments):
        for payment in payments:
            stripe_amount(
                payment.amount, payment.currency, payment, charged=True)
        cls.write(payments, {'stripe_capture': True})
        cls.__queue__.stripe_capture_(payments)

    @classmethod
    def _stripe_capture_one(cls, id_, gateway):
        payment = cls._stripe_hold(id_)
        if not payment:
            return
        payment, state = yield from cls._stripe_read(id_, gateway)
        if not payment:
            return
        state = payment.stripe_apply(state)
        if not state or state.status != 'requires_capture':
            return
        amount = stripe_amount(
            payment.amount, payment.currency, payment, charged=True)
        key = '%s-capture-%s' % (
            state.intent or state.charge, payment.stripe_attempt or 0)

        def capture():
            if state.intent:
                answer = gateway.payment_intents.capture(
                    state.intent, amount_to_capture=amount,
                    idempotency_key=key)
                return PaymentState.from_intent(
                    answer, at=gateway.answered_at)
            # Charged by an earlier version
            answer = gateway.charges.capture(
                state.charge, amount=amount, idempotency_key=key)
            return PaymentState.from_charge(answer, at=gateway.answered_at)
        try:
            state = yield paced(
                gateway.payment_intents.capture, func=capture)
        except StripeRefused as e:
            payment = cls._stripe_hold(id_)
            if not payment:
                return
            if not e.unexpected_state:
                payment.stripe_store(
                    stripe_capture=False,
                    # With another amount it is another request
                    stripe_attempt=payment.stripe_next_attempt(e),
                    **payment.stripe_error_values(e))
                return
            _, state = yield from cls._stripe_read(id_, gateway)
        payment = cls._stripe_hold(id_)
        if payment:
            payment.stripe_apply(state)
