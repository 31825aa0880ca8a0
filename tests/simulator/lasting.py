# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Payments whose next action lasts: vouchers, bank transfers, codes and
micro-deposits.

What the payer and the bank do to them: give(), fund(), pay(), expire()."""
from . import cards, methods, payments, setup_intents

DAY = 24 * 60 * 60
HOSTED = 'https://payments.stripe.com'
# Type of payment method: of next action, name of the URL, of the expiry
TYPES = {
    'boleto': ('boleto_display_details', 'voucher', 'expires_at'),
    'cashapp': (
        'cashapp_handle_redirect_or_display_qr_code', 'instructions', None),
    'customer_balance': (
        'display_bank_transfer_instructions', 'instructions', None),
    'konbini': ('konbini_display_details', 'voucher', 'expires_at'),
    'multibanco': ('multibanco_display_details', 'voucher', 'expires_at'),
    'oxxo': ('oxxo_display_details', 'voucher', 'expires_after'),
    'paynow': ('paynow_display_qr_code', 'instructions', None),
    'pix': ('pix_display_qr_code', 'instructions', 'expires_at'),
    'promptpay': ('promptpay_display_qr_code', 'instructions', None),
    'us_bank_account': (
        'verify_with_microdeposits', 'verification', 'arrival_date'),
    'wechat_pay': ('wechat_pay_display_qr_code', 'instructions', None),
    }
EXPIRED = cards.Failure(
    'payment_intent_payment_attempt_expired',
    message="The latest attempt to pay the PaymentIntent has expired or been "
    "canceled. You can provide payment_method_data or a new PaymentMethod to "
    "attempt to fulfill this PaymentIntent again.")
UNVERIFIED = cards.Failure(
    'payment_method_microdeposit_verification_attempts_exceeded',
    message="You have exceeded the number of allowed verification attempts.")


def give(world, intent_id, type, url=None, days=7):
    "Let the payer choose the type of payment method, return the intent"
    with world.lock, world.calling(None):
        intent = world.find(intent_id)
        method = methods.draft(world, type, {}, cards.Behaviour(type))
        methods.store(world, method)
        action, hosted, until = TYPES[type]
        details = {
            'hosted_%s_url' % hosted:
            url or '%s/%s/%s' % (HOSTED, hosted, intent_id)}
        if until:
            details[until] = world.now() + days * DAY
        if type == 'customer_balance':
            details.update(
                amount_remaining=intent['amount'],
                currency=intent['currency'],
                financial_addresses=[],
                reference='REF' + intent_id[-6:],
                type='eu_bank_transfer')
        table = world.table(intent['object'])
        if intent['object'] == 'setup_intent':
            table.set(intent, 'payment_method', method['id'])
            intent['last_setup_error'] = None
        else:
            intent['payment_method'] = method['id']
            intent['last_payment_error'] = None
        intent.update(
            next_action={action: details, 'type': action},
            payment_method_types=sorted({
                    *intent['payment_method_types'], type}),
            status='requires_action')
        world.emit(intent['object'] + '.requires_action', intent)
        return dict(intent)


def fund(world, intent_id, amount):
    "Let an amount in the minor unit arrive by bank transfer"
    with world.lock, world.calling(None):
        intent = world.find(intent_id)
        action = intent['next_action']['display_bank_transfer_instructions']
        remaining = action['amount_remaining'] - amount
        if remaining <= 0:
            _pay(world, intent)
            return
        # The events that were made keep what they say
        intent['next_action'] = dict(
            intent['next_action'],
            display_bank_transfer_instructions=dict(
                action, amount_remaining=remaining))
        world.emit('payment_intent.partially_funded', intent)


def pay(world, intent_id):
    "Let the voucher be paid, the code be scanned, the account be verified"
    with world.lock, world.calling(None):
        _pay(world, world.find(intent_id))


def _pay(world, intent):
    if intent['object'] == 'setup_intent':
        intent.private['challenge'] = None
        setup_intents.authenticated(world, intent, True)
        return
    payments.pay(
        world, intent, methods.find(world, intent['payment_method']))


def expire(world, intent_id):
    "Let the voucher or code expire, or the verification fail"
    with world.lock, world.calling(None):
        intent = world.find(intent_id)
        method = methods.find(world, intent['payment_method'])
        failure = EXPIRED
        if method['type'] == 'us_bank_account':
            failure = UNVERIFIED
        payments.fail(world, intent, method, failure)
