# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Refunds of methods that can't give money back themselves.

Stripe writes to the payer, who names a bank account; until then the refund
requires an action, and what nobody claims fails after 45 days.

https://docs.stripe.com/refunds, instructions_email of the package"""
from .errors import invalid

TYPES = {'boleto', 'konbini', 'multibanco', 'oxxo'}
CLAIMED_WITHIN = 45 * 24 * 60 * 60


def needed(charge):
    "Return whether the payer has to claim a refund of the charge"
    return charge['payment_method_details']['type'] in TYPES


def email_of(charge, params):
    "Return to whom Stripe writes, or raise the error about a lack of it"
    email = (
        params.get('instructions_email')
        or charge['billing_details']['email'])
    if needed(charge) and not email:
        raise invalid(
            "You must provide an email address with `instructions_email`, "
            "to send the instructions of this refund to.",
            param='instructions_email')
    return email


def ask(world, charge, row, params):
    "Ask the payer where the money is to go"
    expires = world.now() + CLAIMED_WITHIN
    row['next_action'] = {
        'display_details': {
            'email_sent': {
                'email_sent_at': world.now(),
                'email_sent_to': email_of(charge, params)},
            'expires_at': expires},
        'type': 'display_details'}
    world.later(CLAIMED_WITHIN, _expire, row)


def _expire(world, row):
    from .refunds import fail
    if row['status'] == 'requires_action':
        fail(world, row, 'unknown')
