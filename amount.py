# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Amounts between Tryton (Decimal) and Stripe (integer in the minor unit).

One table, used in both directions.
Source: https://docs.stripe.com/currencies
"""
from decimal import Decimal

__all__ = ['AmountError', 'from_stripe', 'to_stripe']

ZERO_DECIMAL = frozenset([
        'BIF', 'CLP', 'DJF', 'GNF', 'JPY', 'KMF', 'KRW', 'MGA', 'PYG', 'RWF',
        'VND', 'VUV', 'XAF', 'XOF', 'XPF'])
THREE_DECIMAL = frozenset(['BHD', 'JOD', 'KWD', 'OMR', 'TND'])
# Currencies without decimals that Stripe still counts in hundredths
WHOLE_IN_HUNDREDTHS = frozenset(['ISK', 'UGX'])
# Stripe takes at most 12 digits whatever the payment method
MAX_DIGITS = 12


class AmountError(ValueError):
    "An amount that Stripe can not express in the currency"

    def __init__(self, amount, currency, unit):
        super().__init__(
            "%s %s is not a multiple of %s up to %s digits" % (
                amount, currency, unit, MAX_DIGITS))
        self.amount = amount
        self.currency = currency
        self.unit = unit


def _exponent(currency):
    if currency in ZERO_DECIMAL:
        return 0
    elif currency in THREE_DECIMAL:
        return 3
    return 2


def unit(currency):
    """Return the smallest Decimal that Stripe can express in the currency.

    currency: the ISO 4217 code.
    """
    exponent = _exponent(currency)
    if currency in WHOLE_IN_HUNDREDTHS:
        return Decimal(1)
    elif currency in THREE_DECIMAL:
        # The last digit must be 0
        return Decimal('0.01')
    return Decimal(1).scaleb(-exponent)


def to_stripe(amount, currency):
    """Return the integer of Stripe's minor unit for the Decimal amount.

    Raises AmountError if it can not be expressed exactly.
    """
    smallest = unit(currency)
    if abs(amount) >= Decimal(10) ** MAX_DIGITS or amount % smallest:
        raise AmountError(amount, currency, smallest)
    value = amount.scaleb(_exponent(currency))
    if abs(value) >= Decimal(10) ** MAX_DIGITS:
        raise AmountError(amount, currency, smallest)
    return int(value)


def from_stripe(stripe_amount, currency):
    "Return the Decimal for the integer of Stripe's minor unit"
    return Decimal(stripe_amount).scaleb(-_exponent(currency))
