# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What an answer of Stripe must have to be one.

Something on the way may answer in its place. Knows no Tryton model.
"""

__all__ = ['is_answer', 'is_error', 'text']

# The kind of object that the service, without its list, answers
_OBJECTS = {
    'balance': 'balance',
    'charges': 'charge',
    'customer_sessions': 'customer_session',
    'customers': 'customer',
    'disputes': 'dispute',
    'events': 'event',
    'payment_intents': 'payment_intent',
    'payment_method_domains': 'payment_method_domain',
    'payment_methods': 'payment_method',
    'payouts': 'payout',
    'refunds': 'refund',
    'setup_intents': 'setup_intent',
    'webhook_endpoints': 'webhook_endpoint',
    }
# What is relied on of each kind
_MONEY = ['amount', 'created', 'currency', 'status']
_NEEDED = {
    'balance': ['available', 'pending'],
    'charge': [*_MONEY, 'amount_refunded', 'captured'],
    'customer_session': ['client_secret'],
    'dispute': [*_MONEY, 'charge'],
    'event': ['created', 'data', 'type'],
    'list': ['data', 'has_more'],
    'payment_intent': [*_MONEY, 'customer'],
    'payment_method': ['customer', 'type'],
    'payout': [*_MONEY, 'arrival_date', 'automatic'],
    'refund': _MONEY,
    'search_result': ['data', 'has_more'],
    # A browser does not see the customer
    'setup_intent': ['created', 'status'],
    'webhook_endpoint': ['api_version', 'enabled_events', 'status', 'url'],
    }
# https://docs.stripe.com/api/errors
_ERRORS = frozenset([
        'api_error', 'card_error', 'idempotency_error',
        'invalid_request_error'])


def is_answer(operation, ids, answer):
    """Return if the value is what Stripe answers to the operation.

    ids: those in the path, of which the last is that of the object.
    """
    if not isinstance(answer, dict):
        return False
    *services, verb = operation.split('.')
    if verb == 'list':
        kind = 'list'
    elif verb == 'search':
        kind = 'search_result'
    else:
        kind = _OBJECTS.get('.'.join(services))
        if ids and answer.get('id') != ids[-1]:
            return False
    if answer.get('deleted') is True and verb in {'delete', 'retrieve'}:
        return True
    return (kind is None or answer.get('object') == kind) and all(
        n in answer for n in _NEEDED.get(kind, [])) and (
        kind not in {'list', 'search_result'} or _is_list(answer))


def _is_list(answer):
    return isinstance(answer['data'], list) and all(
        isinstance(d, dict) and isinstance(d.get('id'), str)
        for d in answer['data'])


def is_error(error):
    "Return if the dictionary of an error is one of Stripe"
    return isinstance(error, dict) and error.get('type') in _ERRORS


def text(value):
    "Return the value if it is a text that is not empty, else None"
    return value if isinstance(value, str) and value else None
