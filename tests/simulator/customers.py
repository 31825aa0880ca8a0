# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Customers, and the sessions that show a customer's saved methods."
import stripe

from . import methods
from .api import endpoint, get, get_customer, listing, merge_metadata
from .checks import check_email
from .errors import invalid, unstored
from .objects import random_text, shape
from .payment_methods import (
    changes, check_attachable, list_of_customer, release)

_PATH = '/v1/customers'
_Customer = stripe.Customer
_Session = stripe.CustomerSession
_PLAIN = ['balance', 'description', 'email', 'invoice_prefix', 'name',
    'next_invoice_sequence', 'phone', 'preferred_locales', 'tax_exempt']
SESSION_AGE = 30 * 60


@endpoint('POST', _PATH, 'CustomerCreateParams', 'customer')
def create(world, call, params):
    row = world.draft(
        'customer',
        balance=0,
        delinquent=False,
        invoice_prefix=random_text(8).upper(),
        invoice_settings=shape(_Customer.InvoiceSettings),
        metadata={},
        next_invoice_sequence=1,
        preferred_locales=[],
        tax_exempt='none')
    method = None
    if params.get('payment_method'):
        method = methods.find(world, params['payment_method'])
        if method['customer']:
            raise invalid(
                "The payment method you provided has already been attached "
                "to a customer.")
        check_attachable(method)
    if params.get('source'):
        from .sources import check_card_token
        check_card_token(world, params['source'])
    _apply(world, row, params)
    world.table('customer').add(row)
    world.emit('customer.created', row)
    if method:
        methods.attach(world, method, row['id'])
    _add_source(world, row, params)
    return row


def _add_source(world, row, params):
    if params.get('source'):
        from .sources import add_source
        source = add_source(world, row, params['source'])
        row['default_source'] = source['id']


def _apply(world, row, params):
    check_email(params.get('email'))
    merge_metadata(row, params)
    for name in _PLAIN:
        if name in params:
            row[name] = params[name]
    for name in ['address', 'shipping']:
        if name in params:
            value = params[name]
            class_ = getattr(_Customer, name.capitalize())
            if value is not None:
                value = shape(class_, **value)
            row[name] = value
    if params.get('invoice_settings') is not None:
        settings = dict(row['invoice_settings'])
        settings.update(params['invoice_settings'])
        default = settings.get('default_payment_method')
        if default:
            method = methods.find(
                world, default, 'invoice_settings[default_payment_method]')
            if method['customer'] != row['id']:
                raise invalid(
                    "The customer does not have a payment method with the "
                    "ID %s. The payment method must be attached to the "
                    "customer." % default, 'resource_missing',
                    'invoice_settings[default_payment_method]')
            settings['default_payment_method'] = method['id']
        row['invoice_settings'] = settings


@endpoint('GET', _PATH, 'CustomerListParams', 'customer', many=True)
def list_customers(world, call, params):
    where = ('email', [params['email']]) if 'email' in params else None
    return listing(world, call, params, 'customer', where)


@endpoint('GET', _PATH + '/{id}', 'CustomerRetrieveParams', 'customer')
def retrieve(world, call, params, id):
    return get(world, 'customer', id, 'id')


@endpoint('POST', _PATH + '/{id}', 'CustomerUpdateParams', 'customer')
def update(world, call, params, id):
    row = get_customer(world, id, 'id', 404)
    if params.get('source'):
        from .sources import check_card_token
        check_card_token(world, params['source'])
    if params.get('default_source'):
        source = world.find(params['default_source'])
        if not source or source.get('customer') != id:
            raise invalid(
                "No such source: '%s'" % params['default_source'],
                'resource_missing', 'default_source')
    before = dict(row)
    draft = dict(row)
    _apply(world, draft, params)
    if draft['email'] != row['email']:
        world.table('customer').set(row, 'email', draft['email'])
    row.update(draft)
    if params.get('default_source'):
        row['default_source'] = params['default_source']
    _add_source(world, row, params)
    previous = changes(before, row)
    if previous:
        world.emit('customer.updated', row, previous)
    return row


@endpoint('DELETE', _PATH + '/{id}', 'CustomerDeleteParams', 'customer')
def delete(world, call, params, id):
    row = get_customer(world, id, 'id', 404)
    for method in world.table('payment_method').find('customer', id):
        release(world, method, emit=False)
    for kind in ['card', 'source']:
        for source in world.table(kind).find('customer', id):
            world.table(kind).set(source, 'customer', None)
    world.emit('customer.deleted', row)
    row.private['deleted'] = True
    world.table('customer').hide(row)
    return row


@endpoint('GET', _PATH + '/{id}/payment_methods',
    'CustomerPaymentMethodListParams', 'payment_method', many=True)
def list_payment_methods(world, call, params, id):
    get_customer(world, id, 'id', 404)
    return list_of_customer(world, call, params, id)


@endpoint('GET', _PATH + '/{id}/payment_methods/{method}',
    'CustomerPaymentMethodRetrieveParams', 'payment_method')
def retrieve_payment_method(world, call, params, id, method):
    get_customer(world, id, 'id', 404)
    row = methods.find(world, method, status=404)
    if row['customer'] != id:
        raise invalid("Invalid request", param='customer', status=404)
    return row


# Sessions -------------------------------------------------------------------

_COMPONENTS = {
    'payment_element': _Session.Components.PaymentElement,
    'mobile_payment_element': _Session.Components.MobilePaymentElement,
    'customer_sheet': _Session.Components.CustomerSheet,
    'buy_button': _Session.Components.BuyButton,
    'pricing_table': _Session.Components.PricingTable,
    }


@endpoint('POST', '/v1/customer_sessions', 'CustomerSessionCreateParams',
    'customer_session')
def create_session(world, call, params):
    if not params.get('customer'):
        raise invalid(
            "Missing required param: customer.", 'parameter_missing',
            'customer')
    get_customer(world, params['customer'])
    asked = params['components']
    if not any((asked.get(k) or {}).get('enabled') for k in asked):
        raise unstored(
            "At least one component must be enabled.", param='components')
    components = shape(_Session.Components)
    for name, class_ in _COMPONENTS.items():
        component = shape(class_, enabled=False)
        component.update(asked.get(name) or {})
        components[name] = component
    element = components['payment_element']
    if element['enabled']:
        element['features'] = features = dict({
                'payment_method_allow_redisplay_filters': ['always'],
                'payment_method_redisplay': 'disabled',
                'payment_method_redisplay_limit': 3,
                'payment_method_remove': 'disabled',
                'payment_method_save': 'disabled',
                'payment_method_save_usage': None,
                }, **(element['features'] or {}))
        limit = features['payment_method_redisplay_limit']
        if limit and not 1 <= limit <= 10:
            raise unstored(
                "This value must be less than or equal to 10.",
                'parameter_invalid_integer', 'components[payment_element]'
                '[features][payment_method_redisplay_limit]')
        if (features['payment_method_save'] == 'disabled'
                and features['payment_method_save_usage']):
            raise unstored(
                "`payment_method_save_usage` can only be set when "
                "`payment_method_save` is enabled.",
                param='components[payment_element][features]'
                '[payment_method_save_usage]')
    now = world.now()
    # Sessions have no id, their secret tells them apart
    secret = 'cuss_secret_' + random_text(40)
    row = world.draft(
        'customer_session',
        client_secret=secret,
        components=components,
        customer=params['customer'],
        expires_at=now + SESSION_AGE)
    world.table('customer_session').rows[secret] = row
    return row
