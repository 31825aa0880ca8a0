# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What Stripe checks of amounts, currencies and e-mail addresses."
import re
from decimal import Decimal

from .errors import invalid

# https://docs.stripe.com/currencies
CURRENCIES = (
    'usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd '
    'bnd bob brl bsd bwp byn bzd cad cdf chf clp cny cop crc cve czk djf dkk '
    'dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf '
    'idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr '
    'lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio '
    'nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd '
    'scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah '
    'ugx uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw').split()
_KNOWN = frozenset(CURRENCIES)
ZERO_DECIMAL = frozenset(
    'bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf'.split())
THREE_DECIMAL = frozenset('bhd jod kwd omr tnd'.split())
# What the cards' statements begin with, as set in the Dashboard
PREFIX = 'SIMULATOR'
WHOLE = frozenset(['isk', 'ugx'])
MINIMUM = {
    'aed': 200, 'czk': 1500, 'dkk': 250, 'gbp': 30, 'hkd': 400,
    'huf': 17500, 'jpy': 50, 'krw': 50, 'mxn': 1000, 'myr': 200, 'nok': 300,
    'pln': 200, 'ron': 200, 'sek': 300, 'thb': 1000}
MAXIMUM = 10 ** 8 - 1
_MAXIMUM = {'idr': 10 ** 12 - 1}
_SIGNS = {'usd': '$', 'eur': '€', 'gbp': '£', 'jpy': '¥'}
_MINIMUM_URL = (
    "https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts")
_SMALL = (
    "The amount must be greater than or equal to the minimum charge amount "
    "allowed for your account and the currency set (%s).  If you want to "
    "save a Payment Method for future use without an immediate payment, use "
    "a Setup Intent instead: "
    "https://docs.stripe.com/payments/setup-intents" % _MINIMUM_URL)

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r'[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?'
_EMAIL = re.compile(r'%s(?:\.%s)*@(?:%s\.)+[A-Za-z][A-Za-z0-9-]*\Z' % (
        _ATOM, _ATOM, _LABEL))


def places(currency):
    "Return the digits of Stripe's minor unit"
    return (
        0 if currency in ZERO_DECIMAL
        else 3 if currency in THREE_DECIMAL else 2)


def display(amount, currency):
    "Return the amount as Stripe writes it in its messages"
    digits = places(currency)
    text = '{:,.{}f}'.format(Decimal(amount) / 10 ** digits, digits)
    sign = _SIGNS.get(currency)
    return sign + text if sign else '%s %s' % (text, currency.upper())


def check_currency(currency):
    if currency not in _KNOWN:
        raise invalid(
            "Invalid currency: %s. Stripe currently supports these "
            "currencies: %s" % (currency, ', '.join(CURRENCIES)),
            param='currency')


def check_multiple(amount, currency, param='amount', **shown):
    "Raise the error about a fraction that the currency doesn't have"
    if currency in WHOLE and amount % 100:
        raise invalid(
            "Invalid amount. Currency %s has become effectively "
            "zero-decimal and charged amounts must be evenly divisible by "
            "100. See https://stripe.com/docs/currencies#zero-decimal for "
            "more information." % currency.upper(), param=param, **shown)
    elif currency in THREE_DECIMAL and amount % 10:
        raise invalid(
            "Invalid amount. Amounts in %s must be rounded to the nearest "
            "ten: the last digit must be 0. See "
            "https://stripe.com/docs/currencies#three-decimal for more "
            "information." % currency.upper(), param=param, **shown)


def check_amount(amount, currency):
    "Raise the error about an amount that can't be charged"
    if amount < 1:
        raise invalid(_SMALL, 'parameter_invalid_integer', 'amount')
    if amount < MINIMUM.get(currency, 50):
        raise invalid(_SMALL, 'amount_too_small', 'amount')
    maximum = _MAXIMUM.get(currency, MAXIMUM)
    if amount > maximum:
        raise invalid(
            "Amount must be no more than %s" % display(maximum, currency),
            'amount_too_large', 'amount')
    check_multiple(amount, currency)


def check_suffix(suffix):
    """Raise the error about a suffix that cannot be on a statement

    https://docs.stripe.com/get-started/account/statement-descriptors"""
    if not suffix:
        return
    problem = None
    if any(c in suffix for c in '<>\\\'"*'):
        problem = "may not include the characters < > \\ ' \" *"
    elif not re.search('[A-Za-z]', suffix):
        problem = "must contain at least one letter"
    if problem:
        raise invalid(
            "The statement descriptor suffix %s." % problem,
            param='statement_descriptor_suffix')


def check_email(email, param='email'):
    "Raise the error about something that is no e-mail address"
    if email and not _EMAIL.match(email):
        raise invalid(
            "Invalid email address: %s" % email, 'email_invalid', param)
