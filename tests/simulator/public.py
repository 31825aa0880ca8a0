# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a browser may do with a publishable key.

With the client secret of an intent it may retrieve and confirm that intent
(GET and POST /v1/payment_intents/{id}[/confirm], the same for setup_intents),
with card numbers or IBANs in payment_method_data; it may create payment
methods and tokens; and there are, of the simulator's own design:

GET /v1/elements/sessions?client_secret=...&customer_session_client_secret=...
    what the Payment Element needs. Answers {object: 'elements_session',
    payment_intent | setup_intent: the public view, mode: payment|setup,
    payment_method_types: [...], customer: null or {id, payment_methods: [the
    saved ones, as the session's features filter and limit them],
    features: {...}}}.

POST /v1/3ds2/authenticate  source=payatt_...&client_secret=...&succeed=true
    ends a challenge: source is next_action.use_stripe_sdk.source, or the last
    segment of next_action.redirect_to_url.url. Answers the intent."""
from .api import endpoint
from .errors import invalid, missing
from .method_types import TYPES
from .schema import Boolean, Hash, String

_INTENT = ['id', 'object', 'amount', 'amount_details',
    'automatic_payment_methods', 'canceled_at', 'cancellation_reason',
    'capture_method', 'client_secret', 'confirmation_method', 'created',
    'currency', 'description', 'last_payment_error', 'last_setup_error',
    'livemode', 'next_action', 'payment_method', 'payment_method_types',
    'processing', 'receipt_email', 'setup_future_usage', 'shipping',
    'source', 'status', 'usage']
FIELDS = {
    'payment_intent': _INTENT,
    'setup_intent': _INTENT,
    'payment_method': ['id', 'object', 'allow_redisplay', 'billing_details',
        'created', 'customer', 'livemode', 'type', *TYPES],
    'token': ['id', 'object', 'card', 'created', 'livemode', 'type', 'used'],
    }
_CARD = ['brand', 'checks', 'country', 'display_brand', 'exp_month',
    'exp_year', 'funding', 'last4', 'networks', 'three_d_secure_usage',
    'wallet']


def public_view(world, row):
    "Return what a browser may see of the object"
    fields = FIELDS.get(row.get('object'))
    if not fields:
        return row
    view = {k: row[k] for k in fields if k in row}
    if row['object'] == 'payment_method' and 'card' in view:
        view['card'] = {k: view['card'].get(k) for k in _CARD}
    for name in ['last_payment_error', 'last_setup_error']:
        error = view.get(name)
        if error:
            view[name] = public_error(world, error)
    return view


def public_error(world, error):
    "Return the error with the objects that it shows made public"
    return {
        k: public_view(world, v) if isinstance(v, dict) else v
        for k, v in error.items()}


def _own(world, secret):
    id, _, _ = (secret or '').partition('_secret_')
    row = world.find(id)
    if (not row or row['object'] not in {'payment_intent', 'setup_intent'}
            or row['client_secret'] != secret):
        raise missing('payment_intent', id, 'client_secret')
    return row


class _Schema:
    "Parameters of endpoints that Stripe doesn't publish"
    sessions = Hash({
            'client_secret': (True, String()),
            'customer_session_client_secret': (False, String()),
            'locale': (False, String()),
            'type': (False, String()),
            })
    authenticate = Hash({
            'source': (True, String()),
            'client_secret': (False, String()),
            'succeed': (False, Boolean()),
            })


@endpoint('GET', '/v1/elements/sessions', _Schema.sessions,
    'elements_session', public={})
def elements_session(world, call, params):
    intent = _own(world, params['client_secret'])
    kind = intent['object']
    result = {
        'object': 'elements_session',
        'mode': kind.partition('_')[0],
        kind: public_view(world, intent),
        'payment_method_types': [
            t for t in intent['payment_method_types']
            if t != 'customer_balance' or intent['customer']],
        'livemode': False,
        'customer': None,
        }
    secret = params.get('customer_session_client_secret')
    if secret:
        result['customer'] = _customer(world, intent, secret)
    return result


def _customer(world, intent, secret):
    session = world.table('customer_session').get(secret)
    if not session or session['expires_at'] < world.now():
        raise invalid(
            "The customer session has expired or doesn't exist.",
            'customer_session_expired', 'customer_session_client_secret')
    if intent['customer'] not in {None, session['customer']}:
        raise invalid(
            "The customer of the customer session isn't the customer of the "
            "intent.", param='customer_session_client_secret')
    element = session['components']['payment_element']
    features = element.get('features') or {}
    saved = []
    if element['enabled'] and features.get(
            'payment_method_redisplay') == 'enabled':
        filters = features['payment_method_allow_redisplay_filters']
        rows = world.table('payment_method').find(
            'customer', session['customer'])
        saved = [
            public_view(world, r) for r in reversed(rows)
            if r['allow_redisplay'] in filters
            and r['type'] in intent['payment_method_types']
            ][:features['payment_method_redisplay_limit'] or 3]
    return {
        'id': session['customer'],
        'payment_methods': saved,
        'features': features,
        }


@endpoint('POST', '/v1/3ds2/authenticate', _Schema.authenticate,
    'payment_intent', public={})
def authenticate(world, call, params):
    intent = challenged(world.simulator, params['source'])
    if intent[0] is not world:
        raise missing('source', params['source'], 'source')
    complete(world, intent[1], params.get('succeed', True))
    return intent[1]


def challenged(simulator, token):
    "Return the world and intent that wait for a challenge"
    world, intent = simulator.challenges.get(token, (None, None))
    if not intent or intent.private.get('challenge') != token:
        raise missing('source', token, 'source')
    return world, intent


def complete(world, intent, succeed):
    "End the challenge of an intent as the payer does"
    from . import payments, setup_intents
    if intent['status'] != 'requires_action':
        raise invalid(
            "The intent %s has a status of %s, there is no challenge."
            % (intent['id'], intent['status']))
    token = intent.private.get('challenge')
    if intent['object'] == 'payment_intent':
        payments.authenticated(world, intent, succeed)
    else:
        setup_intents.authenticated(world, intent, succeed)
    world.simulator.challenges.pop(token, None)
