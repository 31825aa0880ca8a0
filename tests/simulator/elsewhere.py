# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Payers who pay elsewhere: vouchers, QR codes, transfers, micro-deposits.

The intent requires an action that lasts: the payer has done what there is to
do on the page, the money comes hours or days later, in part, or never.

https://docs.stripe.com/payments/vouchers
https://docs.stripe.com/payments/bank-transfers/accept-a-payment
https://docs.stripe.com/payments/ach-direct-debit/accept-a-payment"""
import stripe

from . import cards, methods
from .api import endpoint, get
from .errors import invalid
from .method_types import type_of
from .objects import random_text, shape
from .schema import String

_Action = stripe.PaymentIntent.NextAction
_Transfer = _Action.DisplayBankTransferInstructions
_EXPIRED = cards.Failure(
    'payment_intent_payment_attempt_expired',
    message="The latest payment attempt of this PaymentIntent has expired. "
    "You can provide payment_method_data or a new PaymentMethod to attempt "
    "to fulfill this PaymentIntent again.")
_UNVERIFIED = cards.Failure(
    'payment_method_microdeposit_verification_timeout',
    message="Microdeposit verification timed out.")
DEPOSITS = [32, 45]
DESCRIPTOR = 'SM11AA'


def must_wait(method):
    "Return whether the payer has to do something elsewhere first"
    return bool(type_of(method).waits) and not method.private.get('verified')


def check(intent, method, error):
    "Raise the error about a bank transfer of nobody"
    if method['type'] == 'customer_balance' and not intent['customer']:
        raise error(
            intent,
            "You must provide a customer to use the customer_balance "
            "payment method.", 'parameter_missing', 'customer')


def wait(world, intent, method):
    "Make the intent wait for what the payer does elsewhere"
    token = random_text(32)
    intent.private['waits'] = token
    world.simulator.waits[token] = (world, intent)
    name, lasts = type_of(method).waits, type_of(method).lasts
    expires = world.now() + lasts if lasts else None
    url = '%s/instructions/%s' % (world.simulator.url, token)
    build = _ACTIONS.get(name, _display)
    intent.update(
        next_action={name: build(name, intent, url, expires), 'type': name},
        payment_method=method['id'], status='requires_action')
    world.emit(intent['object'] + '.requires_action', intent)
    if lasts:
        world.later(lasts, _expire, intent, token)
    if method['type'] == 'customer_balance':
        intent.private['received'] = 0
        _fund(world, intent, 0)


def _display(name, intent, url, expires):
    class_ = getattr(_Action, ''.join(p.capitalize() for p in name.split('_')))
    details = shape(class_)
    for key, value in {
            'data': 'simulator:' + url,
            'entity': '11854',
            'expires_after': expires,
            'expires_at': expires,
            'hosted_instructions_url': url,
            'hosted_voucher_url': url,
            'image_data_url': 'data:image/png;base64,',
            'image_url_png': url + '?png',
            'image_url_svg': url + '?svg',
            'number': '12345678901234657890123456789012',
            'pdf': url + '?pdf',
            'reference': '999 999 999',
            }.items():
        if key in details:
            details[key] = value
    if name == 'konbini_display_details':
        details['stores'] = {
            'familymart': {
                'confirmation_number': '400008', 'payment_code': '123456'},
            'lawson': {
                'confirmation_number': '400008', 'payment_code': '234567'},
            'ministop': None,
            'seicomart': None}
    return details


def _transfer(name, intent, url, expires):
    return shape(
        _Transfer,
        amount_remaining=intent['amount'],
        currency=intent['currency'],
        financial_addresses=[{
                'iban': shape(
                    _Transfer.FinancialAddress.Iban,
                    account_holder_name="Simulator", bic='SIMUDE22',
                    country='DE', iban='DE11243461634856865605'),
                'supported_networks': ['sepa'],
                'type': 'iban'}],
        hosted_instructions_url=url,
        reference=random_text(12).upper(),
        type='eu_bank_transfer')


def _deposits(name, intent, url, expires):
    return {
        'arrival_date': expires - 8 * 24 * 60 * 60,
        'hosted_verification_url': url,
        'microdeposit_type': 'amounts'}


_ACTIONS = {
    'display_bank_transfer_instructions': _transfer,
    'verify_with_microdeposits': _deposits,
    }


def waiting(intent):
    "Return whether the intent waits for something elsewhere"
    action = intent['next_action'] or {}
    return bool(
        intent['status'] == 'requires_action' and intent.private.get('waits')
        and action.get('type') not in {'redirect_to_url', 'use_stripe_sdk'})


def receive(world, intent, amount=None):
    """Let the money come, or the deposits be verified.

    amount is what is transferred, without it all that is missing."""
    if not waiting(intent):
        raise ValueError("%s waits for nothing" % intent['id'])
    method = methods.find(world, intent['payment_method'])
    if method['type'] == 'customer_balance':
        if amount is None:
            amount = intent['amount'] - intent.private['received']
        return _fund(world, intent, amount)
    elif amount not in {None, intent.get('amount')}:
        raise ValueError("%s can't be paid in part" % method['type'])
    method.private['verified'] = True
    _go_on(world, intent, method)


def _go_on(world, intent, method):
    from . import payments, setup_intents
    world.simulator.waits.pop(intent.private.pop('waits', None), None)
    intent['next_action'] = None
    if intent['object'] == 'setup_intent':
        setup_intents.set_up(world, intent, method)
    else:
        payments.pay(world, intent, method)


def _fund(world, intent, amount):
    "Apply a transfer, and what the customer transferred before"
    cash = _cash(world, intent)
    currency = intent['currency']
    cash[currency] = cash.get(currency, 0) + amount
    missing = intent['amount'] - intent.private['received']
    applied = min(cash[currency], missing)
    if not applied:
        return
    cash[currency] -= applied
    intent.private['received'] += applied
    if applied == missing:
        return _go_on(
            world, intent, methods.find(world, intent['payment_method']))
    name = 'display_bank_transfer_instructions'
    action = intent['next_action']
    intent['next_action'] = dict(action, **{
            name: dict(action[name], amount_remaining=missing - applied)})
    world.emit('payment_intent.partially_funded', intent)


def _cash(world, intent):
    customer = world.table('customer').get(intent['customer'])
    return customer.private.setdefault('cash', {})


def give_up(world, intent):
    "Give the money of a canceled intent back to the customer's balance"
    world.simulator.waits.pop(intent.private.pop('waits', None), None)
    received = intent.private.pop('received', 0)
    if received and intent['customer']:
        cash = _cash(world, intent)
        currency = intent['currency']
        cash[currency] = cash.get(currency, 0) + received


def expire(world, intent):
    "Let the time to pay be over"
    from . import payments, setup_intents
    if not waiting(intent):
        raise ValueError("%s waits for nothing" % intent['id'])
    method = methods.find(world, intent['payment_method'])
    failure = _EXPIRED
    if type_of(method).waits == 'verify_with_microdeposits':
        failure = _UNVERIFIED
    give_up(world, intent)
    if intent['object'] == 'setup_intent':
        setup_intents.fail(world, intent, method, failure)
    else:
        payments.fail(world, intent, method, failure)


def _expire(world, intent, token):
    if waiting(intent) and intent.private['waits'] == token:
        expire(world, intent)


# Micro-deposits -------------------------------------------------------------

def account_details(world, type, params):
    "Return the details and the behaviour of a bank account"
    account = dict(params.get(type) or {})
    number = account.pop('account_number', None)
    if not number:
        name = type + '[account_number]'
        raise invalid(
            "Missing required param: %s." % name, 'parameter_missing', name,
            stored=False)
    class_ = getattr(
        stripe.PaymentMethod, 'UsBankAccount'
        if type == 'us_bank_account' else 'AcssDebit')
    details = shape(
        class_, bank_name="STRIPE TEST BANK",
        fingerprint=world.fingerprint(number), last4=number[-4:])
    details.update({k: v for k, v in account.items() if k in details})
    return details, cards.Behaviour(number)


def _verify(world, call, params, intent):
    from . import intents
    intents.check_secret(call, intent, params)
    action = intent['next_action'] or {}
    if (not waiting(intent)
            or action['type'] != 'verify_with_microdeposits'):
        raise intents.unexpected(
            intent, "You cannot verify microdeposits of this %s because it "
            "isn't waiting for that." % intents.label(intent))
    right = params.get('descriptor_code') == DESCRIPTOR
    if not params.get('descriptor_code'):
        right = sorted(params.get('amounts') or []) == DEPOSITS
    if not right:
        raise intents.refuse(
            intent,
            "The amounts provided do not match the amounts that were sent to "
            "the bank account.",
            'payment_method_microdeposit_verification_amounts_mismatch')
    receive(world, intent)
    return intent


_PUBLIC = {'client_secret': String()}


@endpoint('POST', '/v1/payment_intents/{id}/verify_microdeposits',
    'PaymentIntentVerifyMicrodepositsParams', 'payment_intent',
    public=_PUBLIC)
def verify_payment(world, call, params, id):
    return _verify(
        world, call, params, get(world, 'payment_intent', id, 'intent'))


@endpoint('POST', '/v1/setup_intents/{id}/verify_microdeposits',
    'SetupIntentVerifyMicrodepositsParams', 'setup_intent', public=_PUBLIC)
def verify_setup(world, call, params, id):
    return _verify(
        world, call, params, get(world, 'setup_intent', id, 'intent'))
