# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Payment methods and their customers."
from . import methods
from .api import (
    endpoint, get_customer, listing, merge_metadata, page_of, sources_of)
from .checks import check_email
from .errors import StripeError, invalid, missing_param
from .method_types import type_of
from .methods import RAW_CARD
from .schema import String

_PATH = '/v1/payment_methods'


@endpoint('POST', _PATH, 'PaymentMethodCreateParams', 'payment_method',
    public={'card': RAW_CARD, 'payment_user_agent': String()})
def create(world, call, params):
    if not params.get('type'):
        raise missing_param('type')
    row = methods.from_params(world, call, params)
    return methods.store(world, row)


@endpoint('GET', _PATH, 'PaymentMethodListParams', 'payment_method',
    many=True)
def list_methods(world, call, params):
    if not params.get('customer'):
        # Stripe lists nothing without a customer
        return listing(
            world, call, params, 'payment_method', ('customer', []))
    get_customer(world, params['customer'])
    return list_of_customer(world, call, params, params['customer'])


def list_of_customer(world, call, params, customer_id):
    def keep(row):
        return all(
            params.get(k) in {None, row[k]}
            for k in ['type', 'allow_redisplay'])
    customer = world.table('customer').get(customer_id)
    legacy = sources_of(world, customer)
    if legacy and world.settings.legacy_ids:
        # Cards and sources of the older API are listed too
        rows = world.table('payment_method').find('customer', customer_id)
        rows = rows[::-1] + [
            methods.from_legacy(world, r) for r in legacy]
        rows.sort(key=lambda r: r['created'], reverse=True)
        return page_of(
            call, params, [r for r in rows if keep(r)], 'payment_method')
    return listing(
        world, call, params, 'payment_method', ('customer', [customer_id]),
        keep)


@endpoint('GET', _PATH + '/{id}', 'PaymentMethodRetrieveParams',
    'payment_method')
def retrieve(world, call, params, id):
    row = methods.find(world, id, status=404)
    return methods.store(world, row)


@endpoint('POST', _PATH + '/{id}', 'PaymentMethodUpdateParams',
    'payment_method')
def update(world, call, params, id):
    row = methods.find(world, id, status=404)
    if not row['customer']:
        raise invalid(
            "You must save this PaymentMethod to a customer before you can "
            "update it.")
    before = {k: row[k] for k in row}
    merge_metadata(row, params)
    if params.get('allow_redisplay'):
        row['allow_redisplay'] = params['allow_redisplay']
    if 'billing_details' in params:
        details = dict(row['billing_details'])
        check_email(
            (params['billing_details'] or {}).get('email'),
            'billing_details[email]')
        for name, value in (params['billing_details'] or {}).items():
            if name == 'address':
                value = dict(details['address'], **(value or {}))
            details[name] = value
        row['billing_details'] = details
    if params.get('card') and row['type'] == 'card':
        card = params['card']
        row['card'] = dict(row['card'], **{
                k: card[k] for k in ['exp_month', 'exp_year'] if k in card})
    previous = changes(before, row)
    if previous:
        world.emit('payment_method.updated', row, previous)
    return row


def changes(before, after):
    """Return the earlier values of what changed.

    A key of metadata that is new was null."""
    result = {}
    for key, value in before.items():
        now = after.get(key)
        if key not in after or value == now:
            continue
        if isinstance(value, dict) and isinstance(now, dict):
            if key == 'metadata':
                value = dict(dict.fromkeys(now), **value)
                now = dict(dict.fromkeys(value), **now)
            value = changes(value, now)
        result[key] = value
    return result


@endpoint('POST', _PATH + '/{id}/attach', 'PaymentMethodAttachParams',
    'payment_method')
def attach(world, call, params, id):
    row = methods.find(world, id, status=404)
    if not params.get('customer'):
        raise missing_param('customer')
    customer = get_customer(world, params['customer'])
    if row['customer'] == customer['id']:
        return row
    elif row['customer']:
        raise invalid(
            "The payment method you provided has already been attached to a "
            "customer.")
    elif type_of(row).saved and (
            row.private.get('used') or row.private.get('detached')):
        raise invalid(
            "This PaymentMethod was previously used without being attached "
            "to a Customer or was detached from a Customer, and may not be "
            "used again.")
    methods.use(row)
    check_attachable(row)
    methods.attach(world, row, customer['id'])
    return row


def check_attachable(row):
    "Raise the error of a payment method that can't be saved"
    if row['object'] == 'payment_method':
        type = type_of(row)
        if not type.saved or type.by_intent:
            raise invalid(
                "PaymentMethods of type '%s' cannot be saved to customers."
                % row['type'])
    behaviour = row.private['behaviour']
    if not behaviour.attachable:
        failure = behaviour.decline
        raise StripeError(
            402, 'card_error', failure.message, failure.code,
            failure.param or '', decline_code=failure.decline_code,
            advice_code=failure.advice_code,
            network_decline_code=failure.network_decline_code)


@endpoint('POST', _PATH + '/{id}/detach', 'PaymentMethodDetachParams',
    'payment_method')
def detach(world, call, params, id):
    row = methods.find(world, id, status=404)
    if not row['customer']:
        raise invalid(
            "The payment method you provided is not attached to a customer "
            "so detachment is impossible.")
    release(world, row)
    return row


def release(world, row, emit=True):
    "Take the payment method from its customer, for good"
    customer = row['customer']
    legacy = row.private.get('legacy')
    if legacy:
        world.table(legacy['object']).set(legacy, 'customer', None)
        row['customer'] = None
    else:
        world.table('payment_method').set(row, 'customer', None)
    row.private['detached'] = True
    owner = world.table('customer').get(customer)
    if owner:
        settings = owner['invoice_settings']
        if settings['default_payment_method'] == row['id']:
            owner['invoice_settings'] = dict(
                settings, default_payment_method=None)
        if owner['default_source'] == row['id']:
            owner['default_source'] = None
    if emit:
        world.emit('payment_method.detached', row, {'customer': customer})
