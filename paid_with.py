# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a charge was paid with, and what Stripe thinks of it.

Knows no Tryton model.
Source: https://docs.stripe.com/api/charges/object
"""
from dataclasses import dataclass
from typing import Optional

from .sources import BRANDS, type_name

__all__ = ['PaidWith']

WALLETS = {
    'amex_express_checkout': "Amex Express Checkout",
    'apple_pay': "Apple Pay",
    'google_pay': "Google Pay",
    'link': "Link",
    'masterpass': "Masterpass",
    'samsung_pay': "Samsung Pay",
    'visa_checkout': "Visa Checkout",
    }


@dataclass(frozen=True)
class PaidWith:
    """type: Stripe's name of the type of payment method
    label: how a person recognizes it, such as Visa ****4242, Apple Pay
    risk_level: Stripe's word for how likely it is a fraud
    three_d_secure: Stripe's word for the result of 3-D Secure, None if the
    payer was not asked
    receipt_url: of the receipt that Stripe shows to the payer
    at: the timestamp of when it was charged
    capture_before: the timestamp of when an authorization ends
    """
    type: Optional[str] = None
    label: Optional[str] = None
    risk_level: Optional[str] = None
    three_d_secure: Optional[str] = None
    receipt_url: Optional[str] = None
    at: Optional[int] = None
    capture_before: Optional[int] = None

    @classmethod
    def from_charge(cls, charge):
        "Return what the dictionary of the charge tells"
        details = charge.get('payment_method_details') or {}
        type_ = details.get('type')
        if not type_:
            return cls()
        method = details.get(type_) or {}
        return cls(
            type=type_,
            label=_label(type_, method),
            risk_level=(charge.get('outcome') or {}).get('risk_level'),
            three_d_secure=(method.get('three_d_secure') or {}).get('result'),
            receipt_url=charge.get('receipt_url'),
            at=charge.get('created'),
            capture_before=method.get('capture_before'))


def _label(type_, method):
    brand, last4 = method.get('brand'), method.get('last4')
    items = [BRANDS.get(brand.lower(), brand) if brand else type_name(type_)]
    if last4:
        items.append('****%s' % last4)
    name = ' '.join(items)
    wallet = (method.get('wallet') or {}).get('type')
    if wallet:
        name += ', %s' % WALLETS.get(wallet, wallet.replace('_', ' ').title())
    return name
