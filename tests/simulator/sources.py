# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The older API: tokens, cards and sources."
import itertools

import stripe

from . import cards, methods
from .api import (
    endpoint, get, get_customer, merge_metadata, metadata_of, page_of,
    sources_of)
from .charges import end_of_life
from .errors import invalid, missing
from .methods import RAW_CARD
from .objects import Row, new_id, random_text, shape

_order = itertools.count()
_Source = stripe.Source


def new_card(world, behaviour, exp_month=None, exp_year=None,
        cvc_check='pass'):
    "Return a legacy card that isn't stored"
    month, year = methods.default_expiry(world)
    row = world.draft(
        'card',
        brand={
            'visa': 'Visa', 'mastercard': 'MasterCard',
            'amex': 'American Express', 'discover': 'Discover',
            'diners': 'Diners Club', 'jcb': 'JCB', 'unionpay': 'UnionPay',
            }.get(behaviour.brand, 'Unknown'),
        country=behaviour.country,
        cvc_check=cvc_check,
        exp_month=exp_month or month,
        exp_year=exp_year or year,
        fingerprint=world.fingerprint(behaviour.number),
        funding=behaviour.funding,
        last4=behaviour.number[-4:],
        metadata={},
        networks={'preferred': None},
        regulated_status='unregulated')
    row.private.update(behaviour=behaviour, order=next(_order))
    return row


def check_card_token(world, source):
    "Refuse a card token where the older API isn't enabled"
    if isinstance(source, dict) or (
            source.startswith('tok_') and not world.settings.charges_api):
        raise end_of_life()


def add_source(world, customer, source):
    "Attach a token or a source to the customer and return it"
    check_card_token(world, source)
    if source.startswith('tok_'):
        row = new_card(world, *methods.token_card(world, source, 'source'))
        kind = 'card'
    else:
        row = get(world, 'source', source, 'source', 400)
        kind = 'source'
        if row['customer']:
            raise invalid(
                "The source you provided has already been attached to a "
                "customer.", 'resource_already_exists', 'source')
        if row['status'] != 'chargeable':
            raise _not_chargeable(row)
    behaviour = row.private['behaviour']
    if not behaviour.attachable:
        from .payment_methods import check_attachable
        check_attachable(row)
    if kind == 'card':
        row['customer'] = customer['id']
        world.table('card').add(row)
    else:
        world.table('source').set(row, 'customer', customer['id'])
    world.emit('customer.source.created', row)
    if not customer['default_source']:
        customer['default_source'] = row['id']
    return row


def consume(world, row):
    "Check a source that is charged; a single-use one is consumed"
    if row['object'] != 'source':
        return
    if row['status'] != 'chargeable':
        raise _not_chargeable(row)
    if row['usage'] == 'single_use' and not row['customer']:
        row['status'] = 'consumed'


def _not_chargeable(row):
    return invalid(
        "The source you provided is not in a chargeable state.",
        'source_not_chargeable' if row['status'] != 'consumed' else None,
        'source')


_PATH = '/v1/customers/{id}/sources'


@endpoint('GET', _PATH, 'CustomerPaymentSourceListParams', 'card', many=True)
def list_sources(world, call, params, id):
    customer = get_customer(world, id, 'id', 404)
    rows = [
        r for r in sources_of(world, customer)
        if params.get('object') in {None, r['object']}]
    return page_of(call, params, rows, 'source')


@endpoint('POST', _PATH, 'CustomerPaymentSourceCreateParams', 'card')
def create_source_of_customer(world, call, params, id):
    customer = get_customer(world, id, 'id', 404)
    return add_source(world, customer, params['source'])


def _of_customer(world, id, source):
    get_customer(world, id, 'id', 404)
    row = world.find(source)
    if not row or row['object'] not in {'card', 'source'} or (
            row['customer'] != id):
        raise invalid(
            "No such source: '%s'" % source, 'resource_missing', 'id',
            status=404)
    return row


@endpoint('GET', _PATH + '/{source}', 'CustomerPaymentSourceRetrieveParams',
    'card')
def retrieve_source_of_customer(world, call, params, id, source):
    return _of_customer(world, id, source)


@endpoint('POST', _PATH + '/{source}', 'CustomerPaymentSourceUpdateParams',
    'card')
def update_source_of_customer(world, call, params, id, source):
    row = _of_customer(world, id, source)
    merge_metadata(row, params)
    for name, value in params.items():
        if name in row and name not in {'metadata', 'owner'}:
            row[name] = int(value) if name.startswith('exp_') else value
    if row['object'] == 'source' and params.get('owner'):
        row['owner'] = dict(row['owner'], **params['owner'])
    row.private.pop('method', None)
    world.emit('customer.source.updated', row)
    return row


@endpoint('DELETE', _PATH + '/{source}', 'CustomerPaymentSourceDeleteParams',
    'card')
def delete_source(world, call, params, id, source):
    customer = get_customer(world, id, 'id', 404)
    row = _of_customer(world, id, source)
    if customer['default_source'] == source:
        customer['default_source'] = None
    world.table(row['object']).set(row, 'customer', None)
    if row['object'] == 'source':
        row['status'] = 'consumed'
    world.emit('customer.source.deleted', row)
    if customer['default_source'] is None:
        others = sources_of(world, customer)
        if others:
            customer['default_source'] = others[0]['id']
    if row['object'] == 'source':
        return row
    return {'id': source, 'object': 'card', 'deleted': True}


# Tokens ---------------------------------------------------------------------

@endpoint('POST', '/v1/tokens', 'TokenCreateParams', 'token',
    public={'card': RAW_CARD})
def create_token(world, call, params):
    card = params.get('card')
    if not card:
        raise invalid("You must supply either a card, customer, or bank "
            "account to create a token.")
    if isinstance(card, dict):
        card = dict(
            card, **{
                k: int(card[k]) for k in ['exp_month', 'exp_year']
                if k in card})
    method = methods.from_params(
        world, call, {'type': 'card', 'card': card})
    behaviour = method.private['behaviour']
    row = world.draft(
        'token', client_ip=None, type='card', used=False,
        card=new_card(
            world, behaviour, method['card']['exp_month'],
            method['card']['exp_year'],
            method['card']['checks']['cvc_check']))
    row.private['behaviour'] = behaviour
    return world.table('token').add(row)


@endpoint('GET', '/v1/tokens/{id}', 'TokenRetrieveParams', 'token')
def retrieve_token(world, call, params, id):
    row = world.table('token').get(id)
    if row is None:
        behaviour = cards.by_name(id) if id.startswith('tok_') else None
        if behaviour is None:
            raise missing('token', id, 'token', 404)
        # Test tokens exist without being created
        return world.draft(
            'token', id=id, type='card', used=False,
            card=new_card(world, behaviour, cvc_check='unchecked'))
    return row


# Sources --------------------------------------------------------------------

@endpoint('POST', '/v1/sources', 'SourceCreateParams', 'source')
def create_source(world, call, params):
    type = params.get('type') or 'card'
    id = new_id('source')
    month, year = methods.default_expiry(world)
    row = world.draft(
        'source',
        id=id,
        allow_redisplay='unspecified',
        amount=params.get('amount'),
        client_secret='src_client_secret_' + random_text(24),
        currency=params.get('currency'),
        flow='none',
        metadata=metadata_of(params),
        owner=dict(shape(_Source.Owner), **(params.get('owner') or {})),
        statement_descriptor=params.get('statement_descriptor'),
        status='chargeable',
        type=type,
        usage=params.get('usage') or 'reusable')
    if type == 'card':
        token = params.get('token')
        if not token:
            raise invalid(
                "Missing required param: token.", 'parameter_missing',
                'token')
        behaviour, exp_month, exp_year = methods.token_card(
            world, token, 'token')
        row['card'] = shape(
            _Source.Card,
            brand=behaviour.brand.capitalize(), country=behaviour.country,
            cvc_check='pass',
            exp_month=exp_month or month, exp_year=exp_year or year,
            fingerprint=world.fingerprint(behaviour.number),
            funding=behaviour.funding, last4=behaviour.number[-4:],
            three_d_secure='optional')
    elif type == 'sepa_debit':
        method = methods.from_params(
            world, call, {
                'type': type,
                'sepa_debit': params.get('sepa_debit'),
                'billing_details': {
                    'name': row['owner']['name'] or "Owner",
                    'email': row['owner']['email'] or 'owner@example.com'}})
        behaviour = method.private['behaviour']
        sepa = method['sepa_debit']
        row['sepa_debit'] = shape(
            _Source.SepaDebit,
            bank_code=sepa['bank_code'], country=sepa['country'],
            fingerprint=sepa['fingerprint'], last4=sepa['last4'],
            mandate_reference=random_text(16).upper())
    else:
        behaviour = cards.Behaviour(type)
        row.update(flow='redirect', status='pending', usage='single_use')
        row[type] = {}
    row.private.update(behaviour=behaviour, order=next(_order))
    world.table('source').add(row)
    if row['status'] == 'chargeable':
        world.emit('source.chargeable', row)
    return row


@endpoint('GET', '/v1/sources/{id}', 'SourceRetrieveParams', 'source')
def retrieve_source(world, call, params, id):
    return get(world, 'source', id, 'source')


@endpoint('POST', '/v1/sources/{id}', 'SourceUpdateParams', 'source')
def update_source(world, call, params, id):
    row = get(world, 'source', id, 'source')
    merge_metadata(row, params)
    if params.get('owner'):
        row['owner'] = dict(row['owner'], **params['owner'])
    return row


def chargeable(world, id, status='chargeable'):
    "Let the payer complete or refuse a source that waits for it"
    row = world.table('source').get(id)
    row['status'] = status
    world.emit('source.' + status, row)
    return Row(row)
