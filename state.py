# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What Stripe says of a payment, reduced to what matters.

Knows no Tryton model. Amounts are in Stripe's minor unit.
"""
from dataclasses import dataclass
from typing import Optional

from .gateway import Moment, StripeDenied, StripeRefused
from .listing import listed
from .paid_with import PaidWith
from .taken import find_release, is_booked_whole, of_disputes

__all__ = ['PaymentState', 'instructions']

# Nothing follows them: a capture and a cancellation happen only once
# https://docs.stripe.com/payments/paymentintents/lifecycle
FINAL = frozenset(['succeeded', 'canceled'])
# Nobody has tried to pay them, or it failed
OPEN = frozenset(['requires_payment_method', 'requires_confirmation'])
UNPAID = OPEN | {'requires_action'}
# Stripe may add others
KNOWN = FINAL | OPEN | {'requires_action', 'processing', 'requires_capture'}
# https://docs.stripe.com/api/refunds/object
REFUND_STATUS = frozenset(
    ['pending', 'requires_action', 'succeeded', 'failed', 'canceled'])

# The next actions that last, as the payer has done all there is to do at the
# page: what is waited for, and until when it can be used
# https://docs.stripe.com/api/payment_intents/object
# #payment_intent_object-next_action
LASTING = {
    'boleto_display_details': ('voucher', 'expires_at'),
    'cashapp_handle_redirect_or_display_qr_code': ('code', None),
    'display_bank_transfer_instructions': ('transfer', None),
    'klarna_display_qr_code': ('code', 'expires_at'),
    'konbini_display_details': ('voucher', 'expires_at'),
    'multibanco_display_details': ('voucher', 'expires_at'),
    'oxxo_display_details': ('voucher', 'expires_after'),
    'paynow_display_qr_code': ('code', None),
    'pix_display_qr_code': ('code', 'expires_at'),
    'promptpay_display_qr_code': ('code', None),
    'swish_handle_redirect_or_display_qr_code': ('code', None),
    'upi_handle_redirect_or_display_qr_code': ('code', None),
    'verify_with_microdeposits': ('deposits', None),
    'wechat_pay_display_qr_code': ('code', None),
    }
# What is not paid in time
EXPIRED = frozenset([
        'payment_intent_payment_attempt_expired',
        'payment_method_microdeposit_failed',
        'payment_method_microdeposit_verification_attempts_exceeded',
        'payment_method_microdeposit_verification_timeout',
        ])

_CHARGE_STATUS = {
    'succeeded': 'succeeded',
    'pending': 'processing',
    'failed': 'canceled',
    }


def instructions(intent):
    """Return what the dictionary of an intent tells of a next action that
    lasts, empty if none does.

    intent: a payment intent or a setup intent.
    The keys are those of PaymentState, amounts are in the minor unit.
    """
    if intent['status'] != 'requires_action':
        return {}
    action = intent.get('next_action') or {}
    type_ = action.get('type')
    details = action.get(type_)
    if not isinstance(details, dict):
        details = {}
    url = next((
            value for key, value in details.items()
            if value
            and key.startswith('hosted_') and key.endswith('_url')), None)
    if type_ in LASTING:
        waits_for, until = LASTING[type_]
    elif url:
        # One that is not known yet, but to which the payer can come back
        waits_for, until = 'other', 'expires_at'
    else:
        return {}
    remaining = details.get('amount_remaining')
    return {
        'waits_for': waits_for,
        'instructions_url': url,
        'waits_until': details.get(until),
        'amount_remaining': remaining,
        'transferred': (
            0 if remaining is None else intent['amount'] - remaining),
        }


@dataclass
class PaymentState:
    """status: of the intent, charges without one are translated to it
    at: the Moment at which it was so
    currency: the code in capitals
    complete: if refunded and lost are known
    released: the refund that is the release of what was not captured
    advice: Stripe's word for what the bank advises after it has declined
    at_risk: what is withdrawn by disputes that nobody has decided
    unknown: a word of Stripe that has no meaning here, or None
    refunds, disputes: all dictionaries of Stripe, None if they are not known
    paid_with: what was charged, empty if it is not known
    waits_for: what the payer has still to do elsewhere, a kind of LASTING or
    'other'
    instructions_url: where Stripe tells the payer of it
    waits_until: the timestamp until when it can be done
    amount_remaining: what has not arrived of a bank transfer
    transferred: what has
    """
    status: str
    at: Optional[Moment] = None
    intent: Optional[str] = None
    charge: Optional[str] = None
    capturable: int = 0
    captured: int = 0
    refunded: int = 0
    lost: int = 0
    at_risk: int = 0
    currency: Optional[str] = None
    error_message: Optional[str] = None
    error_code: Optional[str] = None
    error_param: Optional[str] = None
    advice: Optional[str] = None
    dispute_reason: Optional[str] = None
    dispute_status: Optional[str] = None
    complete: bool = False
    released: Optional[str] = None
    unknown: Optional[str] = None
    refunds: Optional[list] = None
    disputes: Optional[list] = None

    def __post_init__(self):
        if self.status not in KNOWN:
            self.unknown = self.status
    paid_with: PaidWith = PaidWith()
    waits_for: Optional[str] = None
    instructions_url: Optional[str] = None
    waits_until: Optional[int] = None
    amount_remaining: Optional[int] = None
    transferred: int = 0

    @property
    def final(self):
        return self.status in FINAL

    @property
    def expired(self):
        "If what the payer had to do elsewhere cannot be done anymore"
        return (self.status == 'requires_payment_method'
            and self.error_code in EXPIRED)

    @classmethod
    def from_intent(cls, intent, at=None):
        "Return the state that the dictionary of an intent tells"
        charge = intent.get('latest_charge')
        paid_with = PaidWith()
        if isinstance(charge, dict):
            paid_with = PaidWith.from_charge(charge)
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
            error_param=error.get('param'),
            advice=error.get('advice_code'),
            paid_with=paid_with,
            **instructions(intent))

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
            error_code=charge.get('failure_code'),
            paid_with=PaidWith.from_charge(charge))

    @classmethod
    def read(cls, gateway, intent=None, charge=None, disputed=False):
        """Return the complete state of the intent, or else of the charge.

        intent, charge: their ids.
        disputed: if it is known to be, though the charge may not tell.
        Raises StripeFailure.
        """
        # Only what is read by its id is always up to date
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
                return cls.read(
                    gateway, intent=charge['payment_intent'],
                    disputed=disputed)
            state = cls.from_charge(charge, at=gateway.answered_at)
        state.complete = True
        if charge and state.captured:
            refunds = state._read_refunds(gateway, charge)
            if disputed or charge.get('disputed') or charge.get('dispute'):
                state._read_disputes(gateway, charge, refunds)
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
        "Return the dictionaries of the refunds"
        refunds = charge['refunds']
        data = list(refunds['data'])
        if refunds['has_more']:
            data.extend(listed(
                    gateway.refunds.list, charge=charge['id'],
                    starting_after=data[-1]['id']))
        release, sure = find_release(charge, self.captured, data)
        if release and (sure or self._is_booked_whole(gateway, charge)):
            # The rest of the authorization, which was never taken
            data = [r for r in data if r is not release]
            self.released = release['id']
        # The charge may count refunds that are pending or have failed
        self.refunded = sum(
            r['amount'] for r in data if r['status'] == 'succeeded')
        for refund in data:
            if refund['status'] not in REFUND_STATUS:
                self.unknown = 'refund %s' % refund['status']
        self.refunds = data
        return data

    def _is_booked_whole(self, gateway, charge):
        try:
            charge = gateway.charges.retrieve(
                charge['id'], expand=['balance_transaction'])
        except StripeDenied as e:
            if not e.forbidden:
                raise
        # An earlier version of the module is more likely than somebody who
        # refunds just as much
        return is_booked_whole(charge, self.captured) is not False

    def _read_disputes(self, gateway, charge, refunds):
        disputes = list(listed(gateway.disputes.list, charge=charge['id']))
        self.disputes = disputes
        self.lost, self.at_risk, shown = of_disputes(disputes, refunds)
        if shown:
            self.dispute_reason = shown['reason']
            self.dispute_status = shown['status']


def _currency(object_):
    currency = object_.get('currency')
    return currency.upper() if currency else None
