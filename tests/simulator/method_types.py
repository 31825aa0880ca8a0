# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The types of payment methods: what each can do, and which are offered."
from typing import NamedTuple, Optional


class Type(NamedTuple):
    """What payment methods of a type can do.

    currencies are those that can be paid with it (None: any); redirects that
    the payer is sent to another page; saved that it can be attached to a
    customer, by_intent that only the intent that it is confirmed with does;
    generates that it leaves a SEPA direct debit that can be;
    set_up that a setup intent takes it; delayed that the money shows later;
    waits names the next action after which the payer has left the page, to
    pay elsewhere within the seconds that it lasts (None: any time)."""
    currencies: Optional[tuple] = None
    redirects: bool = False
    saved: bool = True
    by_intent: bool = False
    generates: bool = False
    set_up: bool = True
    delayed: bool = False
    waits: Optional[str] = None
    lasts: Optional[int] = None


_EURO = ('eur',)
_BANK = Type(_EURO, redirects=True, saved=False, generates=True)
_ONCE = Type(_EURO, redirects=True, saved=False, set_up=False)

_DAY = 24 * 60 * 60


def _voucher(name, currency, days):
    return Type(
        (currency,), saved=False, set_up=False,
        waits=name + '_display_details', lasts=days * _DAY)


def _qr_code(name, currencies, lasts=None):
    return Type(
        currencies, saved=False, set_up=False,
        waits=name + '_display_qr_code', lasts=lasts)


def _account(*currencies):
    return Type(
        currencies, delayed=True, waits='verify_with_microdeposits',
        lasts=10 * _DAY)


# https://docs.stripe.com/payments/payment-methods/payment-method-support
TYPES = {
    'card': Type(),
    'sepa_debit': Type(_EURO, delayed=True),
    'klarna': Type(
        ('eur', 'usd', 'gbp', 'sek', 'nok', 'dkk', 'chf'), redirects=True),
    'bancontact': _BANK,
    'ideal': _BANK,
    'sofort': _BANK._replace(delayed=True),
    'eps': _ONCE,
    'giropay': _ONCE,
    'p24': _ONCE._replace(currencies=('eur', 'pln')),
    'link': Type(by_intent=True),
    'paypal': Type(
        ('eur', 'usd', 'gbp', 'sek', 'nok', 'dkk', 'chf', 'pln', 'czk'),
        redirects=True),
    'boleto': _voucher('boleto', 'brl', 3),
    'konbini': _voucher('konbini', 'jpy', 3),
    'multibanco': _voucher('multibanco', 'eur', 7),
    'oxxo': _voucher('oxxo', 'mxn', 3),
    'customer_balance': Type(
        ('eur', 'gbp', 'jpy', 'mxn', 'usd'), saved=False, set_up=False,
        waits='display_bank_transfer_instructions'),
    'pix': _qr_code('pix', ('brl',), _DAY),
    'wechat_pay': _qr_code('wechat_pay', ('cny', 'eur', 'gbp', 'usd')),
    'acss_debit': _account('cad', 'usd'),
    'us_bank_account': _account('usd'),
    'au_becs_debit': Type(('aud',), delayed=True),
    'bacs_debit': Type(('gbp',), delayed=True),
    'nz_bank_account': Type(('nzd',), delayed=True),
    }
# Others that redirect, or that are confirmed in an app
_SAVED = {
    'amazon_pay': 'eur gbp usd', 'cashapp': 'usd', 'kakao_pay': 'krw',
    'kr_card': 'krw', 'naver_pay': 'krw', 'payto': 'aud',
    'revolut_pay': 'eur gbp'}
_USED_ONCE = {
    'affirm': 'cad usd', 'afterpay_clearpay': 'aud cad gbp nzd usd',
    'alipay': 'aud cad cny eur gbp hkd jpy nzd sgd usd', 'alma': 'eur',
    'billie': 'eur gbp sek', 'bizum': 'eur', 'blik': 'pln', 'crypto': 'usd',
    'fpx': 'myr', 'grabpay': 'myr sgd', 'mb_way': 'eur',
    'mobilepay': 'dkk eur nok sek', 'pay_by_bank': 'gbp', 'payco': 'krw',
    'paynow': 'sgd', 'paypay': 'jpy', 'promptpay': 'thb',
    'samsung_pay': 'krw', 'satispay': 'eur', 'scalapay': 'eur',
    'sequra': 'eur', 'sunbit': 'usd', 'swish': 'sek', 'twint': 'chf',
    'upi': 'inr', 'zip': 'aud'}
TYPES.update({
        n: Type(tuple(c.split()), redirects=True)
        for n, c in _SAVED.items()})
TYPES.update({
        n: _ONCE._replace(currencies=tuple(c.split()))
        for n, c in _USED_ONCE.items()})
# What is turned on in the Dashboard if nothing else is said
DEFAULT = ['card', 'sepa_debit', 'klarna', 'bancontact', 'ideal']


def type_of(method):
    "Return what the payment method can do"
    type = TYPES.get(method['type'], _ONCE)
    if 'legacy' in method.private:
        # The payer has been there before a source is charged
        type = type._replace(redirects=False, generates=False, waits=None)
    return type


def redirects(name):
    "Return whether paying with the type may need another page"
    return TYPES.get(name, _ONCE).redirects


def check_names(names):
    "Return the names of types that can be turned on, or raise ValueError"
    unknown = [n for n in names if n not in TYPES]
    if unknown or not names:
        raise ValueError("unknown payment method types %s" % unknown)
    return list(names)


def offered(world, currency=None, set_up=False):
    "Return the names of the types that an intent can offer"
    return [
        n for n in world.settings.payment_method_types
        if (not currency or not TYPES[n].currencies
            or currency in TYPES[n].currencies)
        and (not set_up or TYPES[n].set_up)]
