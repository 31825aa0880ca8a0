# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What Stripe says of a payment, reduced to what matters.

Knows no Tryton model. Amounts are in Stripe's minor unit.
"""
from dataclasses import dataclass
from typing import Optional

from .gateway import Moment, StripeRefused

__all__ = ['PaymentState']

# Nothing follows them: a capture and a cancellation happen only once
# https://docs.stripe.com/payments/paymentintents/lifecycle
FINAL = frozenset(['succeeded', 'canceled'])
# Nobody has tried to pay them, or it failed
OPEN = frozenset(['requires_payment_method', 'requires_confirmation'])
# Stripe may add others
KNOWN = FINAL | OPEN | {'requires_action', 'processing', 'requires_capture'}
# https://docs.stripe.com/api/refunds/object
REFUND_STATUS = frozenset(
    ['pending', 'requires_action', 'succeeded', 'failed', 'canceled'])

_CHARGE_STATUS = {
    'succeeded': 'succeeded',
    'pending': 'processing',
    'failed': 'canceled',
    }


@dataclass
class PaymentState:
    """status: of the intent, charges without one are translated to it
    at: the Moment at which it was so
    currency: the code in capitals
    complete: if refunded and lost are known
    unknown: a word of Stripe that has no meaning here, or None
    """
    status: str
    at: Optional[Moment] = None
    intent: Optional[str] = None
    charge: Optional[str] = None
    capturable: int = 0
    captured: int = 0
    refunded: int = 0
    lost: int = 0
    currency: Optional[str] = None
    error_message: Optional[str] = None
    error_code: Optional[str] = None
    error_param: Optional[str] = None
    dispute_reason: Optional[str] = None
    dispute_status: Optional[str] = None
    complete: bool = False
    unknown: Optional[str] = None

    def __post_init__(self):
        if self.status not in KNOWN:
            self.unknown = self.status

    @property
    def final(self):
        return self.status in FINAL

    @classmethod
    def from_intent(cls, intent, at=None):
        "Return the state that the dictionary of an intent tells"
        charge = intent.get('latest_charge')
        if isinstance(charge, dict):
            charge = charge['id']
        error = intent.get('last_payment_error') or {}
        status = intent['status']
        if status == 'canceled' and not error:
            error = {
                'message': intent.get('cancellation_reason'),
                'code': intent.get('cancellation_reason'),
                }
        return cls(
            status=status,
            at=at,
            intent=intent['id'],
            charge=charge,
            capturable=intent.get('amount_capturable') or 0,
            captured=intent.get('amount_received') or 0,
            currency=_currency(intent),
            error_message=error.get('message'),
            error_code=error.get('code'),
            error_param=error.get('param'))

    @classmethod
    def from_charge(cls, charge, at=None):
        "Return the state that the dictionary of a charge tells"
        status = charge['status']
        # One that is not known must not be taken for one of an intent
        status = _CHARGE_STATUS.get(status, 'charge %s' % status)
        capturable = captured = 0
        if status == 'succeeded':
            if charge['captured']:
                captured = charge['amount_captured']
            elif charge.get('refunded') or (
                    charge.get('amount_refunded') == charge['amount']):
                # An authorization released or expired
                status = 'canceled'
            else:
                status = 'requires_capture'
                capturable = charge['amount']
        intent = charge.get('payment_intent')
        if isinstance(intent, dict):
            intent = intent['id']
        return cls(
            status=status,
            at=at,
            intent=intent,
            charge=charge['id'],
            capturable=capturable,
            captured=captured,
            currency=_currency(charge),
            error_message=charge.get('failure_message'),
            error_code=charge.get('failure_code'))

    @classmethod
    def read(cls, gateway, intent=None, charge=None):
        """Return the complete state of the intent, or else of the charge.

        intent, charge: their ids.
        Raises StripeFailure.
        """
        # Only by its id a read is always consistent
        if intent:
            intent = gateway.payment_intents.retrieve(
                intent, expand=['latest_charge.refunds'])
            at = gateway.answered_at
            state = cls.from_intent(intent, at=at)
            charge = intent.get('latest_charge')
        else:
            charge = gateway.charges.retrieve(
                charge, expand=['refunds'])
            if charge.get('payment_intent'):
                return cls.read(gateway, intent=charge['payment_intent'])
            state = cls.from_charge(charge, at=gateway.answered_at)
        state.complete = True
        if charge and state.captured:
            state._read_refunds(gateway, charge)
            state._read_disputes(gateway, charge)
        return state

    @classmethod
    def cancel(cls, gateway, intent):
        """Return the state of the intent after it has been cancelled.

        It is another than canceled if it is too late for it.
        Raises StripeFailure.
        """
        try:
            canceled = gateway.payment_intents.cancel(intent)
        except StripeRefused as e:
            if not e.unexpected_state:
                raise
            return cls.read(gateway, intent=intent)
        return cls.from_intent(canceled, at=gateway.answered_at)

    def _read_refunds(self, gateway, charge):
        refunds = charge['refunds']
        data = refunds['data']
        while refunds['has_more']:
            refunds = gateway.refunds.list(
                charge=charge['id'], starting_after=data[-1]['id'],
                limit=100)
            data.extend(refunds['data'])
        # The charge may count refunds that are pending or have failed
        self.refunded = sum(
            r['amount'] for r in data if r['status'] == 'succeeded')
        for refund in data:
            if refund['status'] not in REFUND_STATUS:
                self.unknown = 'refund %s' % refund['status']

    def _read_disputes(self, gateway, charge):
        if not charge.get('disputed'):
            return
        disputes = gateway.disputes.list(
            charge=charge['id'], limit=100)['data']
        self.lost = sum(d['amount'] for d in disputes if d['status'] == 'lost')
        if disputes:
            # Newest first
            self.dispute_reason = disputes[0]['reason']
            self.dispute_status = disputes[0]['status']


def _currency(object_):
    currency = object_.get('currency')
    return currency.upper() if currency else None
