# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a customer has saved at Stripe.

Knows no Tryton model.
"""
from .listing import listed

BRANDS = {
    'amex': "American Express",
    'diners': "Diners Club",
    'discover': "Discover",
    'jcb': "JCB",
    'mastercard': "Mastercard",
    'unionpay': "UnionPay",
    'visa': "Visa",
    }
# Those of the types of payment method that are not spelled like a title
TYPES = {
    'acss_debit': "Pre-authorized Debit",
    'alipay': "Alipay",
    'au_becs_debit': "BECS Direct Debit",
    'bacs_debit': "Bacs Direct Debit",
    'blik': "BLIK",
    'cashapp': "Cash App Pay",
    'customer_balance': "Bank Transfer",
    'eps': "EPS",
    'fpx': "FPX",
    'ideal': "iDEAL",
    'mb_way': "MB WAY",
    'mobilepay': "MobilePay",
    'oxxo': "OXXO",
    'p24': "Przelewy24",
    'paynow': "PayNow",
    'paypal': "PayPal",
    'promptpay': "PromptPay",
    'sepa_debit': "SEPA Direct Debit",
    'twint': "TWINT",
    'upi': "UPI",
    'us_bank_account': "US Bank Account",
    'wechat_pay': "WeChat Pay",
    }


def read_sources(gateway, customer):
    "Return the dictionaries of the sources of the customer at Stripe"
    return list(listed(gateway.customers.payment_sources.list, customer))


def read_payment_methods(gateway, customer):
    "Return the dictionaries of the payment methods of the customer at Stripe"
    # Stripe lists cards that are sources also as payment methods
    return [
        m for m in listed(gateway.customers.payment_methods.list, customer)
        if m['id'].startswith('pm_')]


def read_saved(gateway, customer):
    "Return the dictionaries of all that the customer has saved at Stripe"
    return (
        read_sources(gateway, customer)
        + read_payment_methods(gateway, customer))


def fingerprints_of(objects):
    "Return the set of the fingerprints of the cards among the dictionaries"
    return set(filter(None, map(_fingerprint, objects)))


def reusable_method(intent):
    """Return the id of the payment method that the setup intent, with its
    latest attempt, lets be charged again.

    Of a payment through the payer's bank it is the direct debit that it
    generates, its own payment method can be used once.
    Source: https://docs.stripe.com/payments/bancontact/set-up-payment
    """
    attempt = intent.get('latest_attempt')
    details = attempt.get('payment_method_details') if (
        isinstance(attempt, dict)) else None
    for detail in (details or {}).values():
        if isinstance(detail, dict):
            generated = detail.get('generated_sepa_debit')
            if isinstance(generated, dict):
                generated = generated['id']
            if generated:
                return generated
    return intent['payment_method']


def _details(object_):
    "Return the part of the source or payment method that tells of it"
    if object_['object'] in {'card', 'bank_account'}:
        return object_
    return object_.get(object_.get('type')) or {}


def _fingerprint(object_):
    if object_['object'] == 'card' or object_.get('type') == 'card':
        return _details(object_).get('fingerprint')


def label(object_):
    "Return how a person recognizes the source or payment method"
    details = _details(object_)
    items = []
    if brand := details.get('brand'):
        # Card objects spell them otherwise than payment methods
        items.append(BRANDS.get(brand.lower(), brand))
    if last4 := details.get('last4'):
        items.append('****%s' % last4)
    if details.get('exp_month') and details.get('exp_year'):
        items.append('%02d/%d' % (details['exp_month'], details['exp_year']))
    if not items:
        items.append(type_name(object_.get('type') or object_['object']))
        if email := details.get('email'):
            items.append(email)
    return ' '.join(items)


def type_name(type_):
    "Return the name of the type of payment method"
    return TYPES.get(type_) or type_.replace('_', ' ').title()
