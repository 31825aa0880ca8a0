# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Amounts between Tryton (Decimal) and Stripe (integer in the minor unit).

One table, used in both directions. Knows no Tryton model.
Source: https://docs.stripe.com/currencies
"""
from decimal import Decimal

__all__ = [
    'AmountError', 'digits_of', 'exact', 'from_stripe', 'is_code', 'least',
    'max_digits', 'to_stripe', 'unit']

ZERO_DECIMAL = frozenset([
        'BIF', 'CLP', 'DJF', 'GNF', 'JPY', 'KMF', 'KRW', 'MGA', 'PYG', 'RWF',
        'VND', 'VUV', 'XAF', 'XOF', 'XPF'])
THREE_DECIMAL = frozenset(['BHD', 'JOD', 'KWD', 'OMR', 'TND'])
# Currencies without decimals that Stripe still counts in hundredths
WHOLE_IN_HUNDREDTHS = frozenset(['ISK', 'UGX'])
# How many digits of its minor unit Stripe takes to charge
MAX_DIGITS = 8
MORE_DIGITS = {'IDR': 12}
# The least that Stripe charges, of what is settled in the same currency
# https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
LEAST = {
    **dict.fromkeys([
            'USD', 'EUR', 'AUD', 'BRL', 'CAD', 'CHF', 'NZD', 'SGD', 'INR',
            'PHP', 'ZAR', 'ILS', 'ARS', 'COP', 'IDR', 'RUB'],
        Decimal('0.50')),
    'GBP': Decimal('0.30'),
    **dict.fromkeys(['AED', 'MYR', 'PLN', 'RON'], Decimal(2)),
    'DKK': Decimal('2.50'),
    **dict.fromkeys(['NOK', 'SEK'], Decimal(3)),
    'HKD': Decimal(4),
    **dict.fromkeys(['MXN', 'THB'], Decimal(10)),
    'CZK': Decimal(15),
    **dict.fromkeys(['JPY', 'KRW'], Decimal(50)),
    'HUF': Decimal(175),
    }
# No amount at all has more
LAST_DIGITS = 15


class AmountError(ValueError):
    "An amount that Stripe, or the currency in Tryton, cannot express"

    def __init__(self, amount, currency, unit):
        super().__init__(
            "%s %s is not a multiple of %s of at most %s digits" % (
                amount, currency, unit, max_digits(currency)))
        self.amount = amount
        self.currency = currency
        self.unit = unit


def is_code(currency):
    "Return if it is a code that Stripe can know, of whichever case"
    return len(currency) == 3 and currency.isascii() and currency.isalpha()


def max_digits(currency):
    "Return how many digits of its minor unit Stripe takes to charge"
    return MORE_DIGITS.get(currency.upper(), MAX_DIGITS)


def digits_of(currency):
    "Return how many digits after the point Stripe's minor unit has"
    currency = currency.upper()
    if currency in ZERO_DECIMAL:
        return 0
    elif currency in THREE_DECIMAL:
        return 3
    return 2


def unit(currency):
    """Return the smallest Decimal that Stripe can express in the currency.

    currency: the ISO 4217 code.
    """
    if currency.upper() in WHOLE_IN_HUNDREDTHS:
        return Decimal(1)
    elif currency.upper() in THREE_DECIMAL:
        # The last digit must be 0
        return Decimal('0.01')
    return Decimal(1).scaleb(-digits_of(currency))


def least(currency):
    """Return the least Decimal that Stripe charges in the currency.

    Of what it settles in another currency it may be more.
    currency: the ISO 4217 code.
    """
    return LEAST.get(currency.upper(), unit(currency))


def to_stripe(amount, currency, charged=False):
    """Return the integer of Stripe's minor unit for the Decimal amount.

    charged: if it is of what Stripe has taken before, whatever its digits.
    Raises AmountError if it cannot be expressed exactly.
    """
    smallest = unit(currency)
    digits = LAST_DIGITS if charged else max_digits(currency)
    if abs(amount) >= Decimal(10) ** LAST_DIGITS or amount % smallest:
        raise AmountError(amount, currency, smallest)
    value = amount.scaleb(digits_of(currency))
    if abs(value) >= Decimal(10) ** digits:
        raise AmountError(amount, currency, smallest)
    return int(value)


def from_stripe(stripe_amount, currency, digits=None):
    """Return the Decimal for the integer of Stripe's minor unit.

    digits: of the currency in Tryton, None: as many as at Stripe.
    Raises AmountError if it cannot be expressed exactly with them.
    """
    amount = Decimal(stripe_amount).scaleb(-digits_of(currency))
    return amount if digits is None else exact(amount, digits, currency)


def exact(amount, digits, currency=''):
    """Return the Decimal amount with at most so many digits after the point.

    Raises AmountError if it would be another amount.
    """
    if amount.as_tuple().exponent < -digits:
        smallest = Decimal(1).scaleb(-digits)
        if amount % smallest:
            raise AmountError(amount, currency, smallest)
        amount = amount.quantize(smallest)
    return amount
