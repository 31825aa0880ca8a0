# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Stripe's published test data: what each number and token does."
import re
from typing import NamedTuple, Optional


class Failure(NamedTuple):
    "Why a payment method was refused"
    code: str
    decline_code: Optional[str] = None
    message: str = "Your card was declined."
    param: Optional[str] = None
    network_decline_code: Optional[str] = None
    advice_code: Optional[str] = None
    outcome: str = 'issuer_declined'


class Behaviour(NamedTuple):
    """What a number does.

    authenticate is unless_setup, always or on_session; dispute is the
    reason; refund is pending or failing; later is the outcome of an
    asynchronous method; failed_checks the results of checks that don't
    pass."""
    number: str
    names: tuple = ()
    brand: str = 'visa'
    country: str = 'US'
    funding: str = 'credit'
    decline: Optional[Failure] = None
    attachable: bool = True
    authenticate: Optional[str] = None
    dispute: Optional[str] = None
    refund: Optional[str] = None
    delay: int = 60
    failed_checks: tuple = ()

    def check(self, name):
        "Return the result of the bank's check of what came with the card"
        if name == 'cvc_check' and self.decline and (
                self.decline.code == 'incorrect_cvc'):
            return 'fail'
        return dict(self.failed_checks).get(name, 'pass')


def declined(decline_code, advice_code='try_again_later', **values):
    return Failure(
        'card_declined', decline_code, advice_code=advice_code,
        network_decline_code='01', **values)


GENERIC = declined('generic_decline')
INSUFFICIENT_FUNDS = Failure(
    'card_declined', 'insufficient_funds',
    "Your card has insufficient funds.", advice_code='try_again_later',
    network_decline_code='51')
AUTHENTICATION_REQUIRED = Failure(
    'authentication_required', 'authentication_required',
    "Your card was declined. This transaction requires authentication.")

_DECLINED = dict(attachable=False)

CARDS = [
    Behaviour('4242424242424242', ('visa', 'us')),
    Behaviour('4000056655665556', ('visa_debit',), funding='debit'),
    Behaviour('5555555555554444', ('mastercard',), 'mastercard'),
    Behaviour('2223003122003222', ('mastercard_2_series',), 'mastercard'),
    Behaviour('5200828282828210', ('mastercard_debit',), 'mastercard',
        funding='debit'),
    Behaviour('378282246310005', ('amex',), 'amex'),
    Behaviour('6011111111111117', ('discover',), 'discover'),
    Behaviour('3056930009020004', ('diners',), 'diners'),
    Behaviour('3566002020360505', ('jcb',), 'jcb', 'JP'),
    Behaviour('6200000000000005', ('unionpay',), 'unionpay', 'CN'),
    Behaviour('4000002500000003', ('fr',), country='FR'),
    Behaviour('4000002760000016', ('de',), country='DE'),
    Behaviour('4000000560000004', ('be',), country='BE'),
    Behaviour('4000008260000000', ('gb',), country='GB'),

    Behaviour('4000000000000002', ('chargeDeclined',),
        decline=GENERIC, **_DECLINED),
    Behaviour('4000000000009995', ('chargeDeclinedInsufficientFunds',),
        decline=INSUFFICIENT_FUNDS, **_DECLINED),
    Behaviour('4000000000009987', ('chargeDeclinedLostCard',),
        decline=declined('lost_card', 'do_not_try_again'), **_DECLINED),
    Behaviour('4000000000009979', ('chargeDeclinedStolenCard',),
        decline=declined('stolen_card', 'do_not_try_again'), **_DECLINED),
    Behaviour('4000000000000069', ('chargeDeclinedExpiredCard',),
        decline=Failure('expired_card', 'expired_card',
            message="Your card has expired.", param='exp_month'),
        **_DECLINED),
    Behaviour('4000000000000127', ('chargeDeclinedIncorrectCvc',),
        decline=Failure('incorrect_cvc',
            message="Your card's security code is incorrect.", param='cvc'),
        **_DECLINED),
    Behaviour('4000000000000119', ('chargeDeclinedProcessingError',),
        decline=Failure('processing_error',
            message="An error occurred while processing your card. Try "
            "again in a little bit."),
        **_DECLINED),
    Behaviour('4000000000006975', ('chargeDeclinedVelocityLimitExceeded',),
        decline=declined('card_velocity_exceeded'), **_DECLINED),
    Behaviour('4000000000000341', ('chargeCustomerFail',),
        decline=GENERIC),
    Behaviour('4100000000000019', ('radarBlock', 'chargeDeclinedFraudulent'),
        decline=Failure('card_declined', 'fraudulent', outcome='blocked')),

    Behaviour('4000002500003155', ('authenticationRequiredOnSetup',),
        country='FR', authenticate='unless_setup'),
    Behaviour('4000002760003184', ('authenticationRequired',),
        country='DE', authenticate='always'),
    Behaviour('4000003800000446',
        ('authenticationRequiredSetupForOffSession',),
        country='IT', authenticate='on_session'),
    Behaviour('4000008260003178',
        ('authenticationRequiredChargeDeclinedInsufficientFunds',),
        country='GB', authenticate='unless_setup',
        decline=INSUFFICIENT_FUNDS),
    Behaviour('4000000000003220', ('threeDSecure2Required',),
        country='IE', authenticate='always'),
    Behaviour('4000000000003063', ('threeDSecureRequired',),
        authenticate='always'),
    Behaviour('4000008400001629', ('threeDSecureRequiredChargeDeclined',),
        authenticate='always', decline=GENERIC),
    Behaviour('4000000000003055', ('threeDSecureOptional',)),
    Behaviour('378282246310005', ('amex_threeDSecureNotSupported',), 'amex'),

    Behaviour('4000000000000259', ('createDispute',), dispute='fraudulent'),
    Behaviour('4000000000002685', ('createDisputeProductNotReceived',),
        dispute='product_not_received'),
    Behaviour('4000000000001976', ('createDisputeInquiry',),
        dispute='inquiry'),
    Behaviour('4000000000005423',
        ('createIssuerFraudRecord', 'createEarlyFraudWarning')),
    Behaviour('4000000000007726', ('pendingRefund',), refund='pending'),
    Behaviour('4000000000005126', ('refundFail',), refund='failing'),
    Behaviour('4000000000000077', ('bypassPending',)),
    Behaviour('4000000000000101', ('cvcCheckFail',),
        failed_checks=(('cvc_check', 'fail'),)),
    Behaviour('4000000000000010', ('avsFail',),
        failed_checks=(
            ('address_line1_check', 'fail'),
            ('address_postal_code_check', 'fail'))),
    Behaviour('4000000000000028', ('avsLine1Fail',),
        failed_checks=(('address_line1_check', 'fail'),)),
    Behaviour('4000000000000036', ('avsZipFail',),
        failed_checks=(('address_postal_code_check', 'fail'),)),
    Behaviour('4000000000000044', ('avsUnchecked',),
        failed_checks=(
            ('address_line1_check', 'unavailable'),
            ('address_postal_code_check', 'unavailable'))),
    ]

_FUNDS = Failure('insufficient_funds', message="The customer's account has "
    "insufficient funds to cover this payment.")
_REFUSED = Failure('generic_decline',
    message="The transaction can't be processed due to a decline.")
_LIMIT = Failure('charge_exceeds_source_limit',
    message="This payment exceeds the maximum amount of this account.")
_WEEKLY = Failure('charge_exceeds_weekly_limit',
    message="This payment exceeds the weekly limit of this account.")

IBANS = [
    Behaviour('AT611904300234573201', ('success_at',), country='AT'),
    Behaviour('DE89370400440532013000', ('success_de',), country='DE'),
    Behaviour('BE62510007547061', ('success_be',), country='BE'),
    Behaviour('FR1420041010050500013M02606', ('success_fr',), country='FR'),
    Behaviour('AT321904300235473204', ('successDelayed_at',), country='AT',
        delay=180),
    Behaviour('AT861904300235473202', ('failed_at',), country='AT',
        decline=_REFUSED),
    Behaviour('AT051904300235473205', ('failedDelayed_at',), country='AT',
        decline=_REFUSED, delay=180),
    Behaviour('AT591904300235473203', ('disputed_at',), country='AT',
        dispute='debit_not_authorized'),
    Behaviour('AT981904300000002222227', (), country='AT', decline=_FUNDS),
    Behaviour('AT981904300000343434', (), country='AT', decline=_LIMIT),
    Behaviour('AT601904300000121212', (), country='AT', decline=_WEEKLY),
    ]

BY_NUMBER = {c.number: c for c in CARDS + IBANS}
_BY_NAME = {n: c for c in CARDS for n in c.names}
_BY_SEPA_NAME = {n: c for c in IBANS for n in c.names}


def by_name(name):
    "Return the card of a tok_ or pm_card_ name, or None"
    name = re.sub(r'\A(tok|pm_card)_', '', name)
    return _BY_NAME.get(name) or _BY_NAME.get(
        re.sub(r'\Avisa_', '', name))


def iban_by_name(name):
    "Return the bank account of a pm_sepaDebit_ name, or None"
    return _BY_SEPA_NAME.get(name.replace('pm_sepaDebit_', ''))


def by_number(number):
    "Return the behaviour of a number; others than the published succeed"
    number = re.sub(r'[\s-]', '', number or '')
    if number in BY_NUMBER:
        return BY_NUMBER[number]
    if number[:2].isalpha():
        return Behaviour(number, country=number[:2].upper())
    for prefix, brand in [('34', 'amex'), ('37', 'amex'), ('4', 'visa'),
            ('6', 'discover'), ('5', 'mastercard'), ('2', 'mastercard')]:
        if number.startswith(prefix):
            return Behaviour(number, brand=brand)
    return Behaviour(number, brand='unknown')


def luhn(number):
    "Return whether a card number has a right check digit"
    digits = [int(d) for d in reversed(number)]
    total = sum(digits[::2])
    for digit in digits[1::2]:
        total += sum(divmod(digit * 2, 10))
    return total % 10 == 0
