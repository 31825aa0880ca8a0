# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Which events of Stripe are applied how, and what they tell by themselves.

Knows no Tryton model.
"""
from .convert import is_key
from .gateway import STRIPE_VERSION
from .state import FINAL

__all__ = ['HANDLERS', 'is_current', 'object_id_of', 'tells_all']

# Type of event: model, its method that applies it
# The method gets the account and the dictionary of the event and returns the
# list of the records on which it is applied, empty or None if it is not about
# one.
HANDLERS = {
    'charge.succeeded': ('account.payment', 'stripe_on_charge'),
    'charge.captured': ('account.payment', 'stripe_on_charge'),
    'charge.expired': ('account.payment', 'stripe_on_charge'),
    'charge.failed': ('account.payment', 'stripe_on_charge'),
    'charge.pending': ('account.payment', 'stripe_on_charge'),
    'charge.refunded': ('account.payment', 'stripe_on_refund'),
    'charge.refund.updated': ('account.payment', 'stripe_on_refund'),
    'refund.created': ('account.payment', 'stripe_on_refund'),
    'refund.updated': ('account.payment', 'stripe_on_refund'),
    'refund.failed': ('account.payment', 'stripe_on_refund'),
    'charge.dispute.created': ('account.payment', 'stripe_on_dispute'),
    'charge.dispute.updated': ('account.payment', 'stripe_on_dispute'),
    'charge.dispute.funds_withdrawn': (
        'account.payment', 'stripe_on_dispute'),
    'charge.dispute.funds_reinstated': (
        'account.payment', 'stripe_on_dispute'),
    'charge.dispute.closed': ('account.payment', 'stripe_on_dispute'),
    'radar.early_fraud_warning.created': (
        'account.payment', 'stripe_on_fraud_warning'),
    'radar.early_fraud_warning.updated': (
        'account.payment', 'stripe_on_fraud_warning'),
    'source.chargeable': ('account.payment', 'stripe_on_source'),
    'source.failed': ('account.payment', 'stripe_on_source'),
    'source.canceled': ('account.payment', 'stripe_on_source'),
    'payment_intent.succeeded': (
        'account.payment', 'stripe_on_payment_intent'),
    'payment_intent.amount_capturable_updated': (
        'account.payment', 'stripe_on_payment_intent'),
    'payment_intent.payment_failed': (
        'account.payment', 'stripe_on_payment_intent'),
    'payment_intent.canceled': (
        'account.payment', 'stripe_on_payment_intent'),
    'payment_intent.requires_action': (
        'account.payment', 'stripe_on_payment_intent'),
    'payment_intent.partially_funded': (
        'account.payment', 'stripe_on_payment_intent'),
    'payment_method.attached': (
        'account.payment.stripe.customer', 'stripe_on_payment_method'),
    'payment_method.updated': (
        'account.payment.stripe.customer', 'stripe_on_payment_method'),
    'payment_method.automatically_updated': (
        'account.payment.stripe.customer', 'stripe_on_payment_method'),
    'payment_method.detached': (
        'account.payment.stripe.customer', 'stripe_on_payment_method'),
    'setup_intent.succeeded': (
        'account.payment.stripe.customer', 'stripe_on_setup_intent'),
    'setup_intent.canceled': (
        'account.payment.stripe.customer', 'stripe_on_setup_intent'),
    'customer.deleted': (
        'account.payment.stripe.customer', 'stripe_on_deleted'),
    }


def object_id_of(event):
    "Return the id at Stripe of what the event is about, if it has one"
    id_ = event.get('data', {}).get('object', {}).get('id')
    return id_ if is_key(id_) else None


def tells_all(event):
    "Return if Stripe has not to be asked of what the event is about"
    if not is_current(event):
        return False
    object_ = event['data']['object']
    if object_.get('object') == 'payment_intent':
        return object_.get('status') in FINAL
    return bool(
        object_.get('object') == 'charge'
        and object_.get('payment_intent')
        and object_.get('status') == 'succeeded'
        and object_.get('captured')
        and not object_.get('amount_refunded'))


def is_current(event):
    "Return if the object of the event has the shape that is known here"
    return event.get('api_version') == STRIPE_VERSION
