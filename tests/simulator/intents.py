# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What payment and setup intents share: methods, authentication, errors."
from urllib.parse import urlencode

from . import cards, methods
from .api import get_customer
from .errors import DOC_URL, StripeError, invalid, missing
from .method_types import offered, redirects, type_of
from .objects import random_text

_LABELS = {'payment_intent': 'PaymentIntent', 'setup_intent': 'SetupIntent'}
_RETURN_URL = (
    "A `return_url` must be specified because this %s is configured to "
    "automatically accept the payment methods enabled in the Dashboard, some "
    "of which may require a full page redirect to succeed. If you do not "
    "want to accept redirect-based payment methods, set "
    "`automatic_payment_methods[enabled]` to `true` and "
    "`automatic_payment_methods[allow_redirects]` to `never` when creating "
    "Setup Intents and Payment Intents.")
_MISSING = (
    "You cannot confirm this %(label)s because it's missing a payment "
    "method. ")
_MISSING_BARE = (
    "You can either update the %(label)s with a payment method and then "
    "confirm it again, or confirm it again directly with a payment method or "
    "ConfirmationToken.")
_MISSING_CUSTOMER = (
    "To confirm the %(label)s with %(customer)s, specify a payment method "
    "attached to this customer along with the customer ID.")


def label(intent):
    return _LABELS[intent['object']]


def refuse(intent, message, code=None, param=None):
    "Return a 400 that shows the intent"
    return invalid(message, code, param, **{intent['object']: intent})


def unexpected(intent, message, param=None):
    return refuse(intent, message, intent['object'] + '_unexpected_state',
        param)


def check_secret(call, intent, params):
    "Check what a browser has to know, and drop it from the parameters"
    if call.public:
        if params.get('client_secret') != intent['client_secret']:
            if not params.get('client_secret'):
                raise invalid(
                    "Missing required param: client_secret.",
                    'parameter_missing', 'client_secret')
            raise invalid(
                "The client_secret provided does not match the client_secret "
                "associated with this %s." % label(intent),
                intent['object'] + '_invalid_parameter', 'client_secret')
    elif params.get('client_secret') not in {None, intent['client_secret']}:
        raise invalid(
            "The client_secret provided does not match the client_secret "
            "associated with this %s." % label(intent),
            intent['object'] + '_invalid_parameter', 'client_secret')
    params.pop('client_secret', None)


# Types of payment methods ---------------------------------------------------

_TYPES = ['allowed_payment_method_types', 'excluded_payment_method_types',
    'automatic_payment_methods']


def apply_types(world, intent, params, currency=None):
    "Set what the intent can be paid with, what isn't said stays"
    if not any(params.get(n) for n in _TYPES):
        params = {n: intent[n] for n in _TYPES}
    allowed, excluded, automatic = map(params.get, _TYPES)
    if allowed and (
            excluded or automatic
            or params.get('payment_method_configuration')):
        raise invalid(
            "You may only specify one of these parameters: "
            "allowed_payment_method_types, automatic_payment_methods, "
            "excluded_payment_method_types, payment_method_configuration.",
            param='allowed_payment_method_types')
    types = offered(
        world, currency, set_up=bool(
            intent['object'] == 'setup_intent'
            or intent['setup_future_usage']))
    if allowed:
        intent['allowed_payment_method_types'] = list(allowed)
        intent['automatic_payment_methods'] = None
        types = [t for t in types if t in allowed] or list(allowed)
    elif automatic and not automatic['enabled']:
        intent['automatic_payment_methods'] = None
        types = ['card']
    else:
        allow = (automatic or {}).get('allow_redirects', 'always')
        intent['automatic_payment_methods'] = {
            'allow_redirects': allow, 'enabled': True}
        if allow == 'never':
            types = [t for t in types if not redirects(t)]
        if excluded:
            intent['excluded_payment_method_types'] = list(excluded)
            types = [t for t in types if t not in excluded]
    intent['payment_method_types'] = types


# Payment methods ------------------------------------------------------------

def method_of(world, call, intent, params, use_default):
    "Return the payment method to confirm with, drafted or stored, or None"
    if params.get('confirmation_token'):
        raise missing(
            'confirmationtoken', params['confirmation_token'],
            'confirmation_token')
    if params.get('payment_method'):
        return methods.find(world, params['payment_method'])
    if params.get('payment_method_data'):
        return methods.from_params(
            world, call, params['payment_method_data'],
            'payment_method_data')
    if intent['payment_method']:
        return methods.find(world, intent['payment_method'])
    if use_default and intent['customer']:
        customer = world.table('customer').get(intent['customer'])
        default = (
            customer['invoice_settings']['default_payment_method']
            or customer['default_source'])
        if default:
            return methods.find(world, default)


def check_method(intent, method, error=refuse):
    "Raise the error about a payment method that the intent can't use"
    owner, customer = method['customer'], intent['customer']
    setup = intent['object'] == 'setup_intent'
    if owner and not customer and setup:
        raise error(
            intent,
            "The payment method supplied (%s) belongs to the Customer %s. "
            "Please include the Customer in the `customer` parameter on the "
            "SetupIntent." % (method['id'], owner), None, 'payment_method')
    elif owner and not customer:
        raise error(
            intent,
            "The `payment_method` parameter supplied %s belongs to the "
            "Customer %s. Please include the Customer in the `customer` "
            "parameter on the %s." % (method['id'], owner, label(intent)),
            'parameter_missing', 'source')
    elif owner and owner != customer:
        raise error(
            intent,
            "The PaymentMethod %s does not belong to the Customer you "
            "supplied %s. Please use this PaymentMethod with the Customer "
            "that it belongs to instead." % (method['id'], customer),
            None, 'payment_method')
    elif not owner and (
            method.private.get('used') or method.private.get('detached')):
        raise error(
            intent, methods.USED, None, 'payment_method' if setup else None)
    if method['type'] not in intent['payment_method_types']:
        raise error(
            intent,
            "The PaymentMethod provided (%s) is not allowed for this %s. "
            "Please attach a PaymentMethod of one of the following types: "
            "%s." % (
                method['type'], label(intent),
                ', '.join(intent['payment_method_types'])),
            None, 'payment_method')


def missing_method(intent):
    "Return the error about a confirmation without payment method"
    text = _MISSING + (
        _MISSING_CUSTOMER if intent['customer'] else _MISSING_BARE)
    return unexpected(intent, text % {
            'label': label(intent), 'customer': intent['customer']})


def check_return_url(call, intent, params, method, error=refuse):
    automatic = intent['automatic_payment_methods']
    needed = (
        automatic and automatic['allow_redirects'] != 'never'
        and any(map(redirects, intent['payment_method_types']))
        or type_of(method).redirects)
    if (needed and not params.get('return_url') and not call.public
            and not params.get('use_stripe_sdk')):
        raise error(
            intent, _RETURN_URL % (
                label(intent).replace('Intent', ' Intent')))


def check_customer(world, intent):
    "Raise the error about a customer that was deleted since"
    if intent['customer']:
        get_customer(world, intent['customer'])


def check_mandate(world, call, intent, params, method, error=refuse):
    "Direct debits need the payer's acceptance"
    if method['type'] != 'sepa_debit' or method.private.get('mandate'):
        return
    if not params.get('mandate_data') and not call.public:
        raise error(
            intent,
            "`mandate_data` is required when confirming with a payment "
            "method of type sepa_debit that has no mandate.",
            'parameter_missing', 'mandate_data')


def make_mandate(world, method, params):
    if method['type'] == 'sepa_debit' and not method.private.get('mandate'):
        data = params.get('mandate_data') or {}
        acceptance = dict({
                'accepted_at': world.now(), 'type': 'online',
                'offline': None, 'online': None},
            **(data.get('customer_acceptance') or {}))
        row = world.create(
            'mandate',
            customer_acceptance=acceptance,
            multi_use={},
            payment_method=method['id'],
            payment_method_details={
                'sepa_debit': {
                    'reference': random_text(16).upper(),
                    'url': 'https://hooks.stripe.com/adapter/sepa_debit/'},
                'type': 'sepa_debit'},
            status='active',
            type='multi_use')
        method.private['mandate'] = row['id']


# Authentication -------------------------------------------------------------

def needs_authentication(method, off_session=False, setup=False):
    "Return whether the payer has to authenticate first"
    behaviour = method.private['behaviour']
    when = behaviour.authenticate
    if when == 'always' or type_of(method).redirects:
        return True
    elif when == 'unless_setup':
        return not (off_session and method.private.get('set_up'))
    elif when == 'on_session':
        return not off_session and not setup
    return False


def challenge(world, call, intent, method, params):
    "Make the intent wait for the payer"
    token = 'payatt_3' + random_text(23)
    intent.private['challenge'] = token
    url = '%s/challenge/%s' % (call.base_url, token)
    world.simulator.challenges[token] = (world, intent)
    return_url = params.get('return_url') or intent.private.get('return_url')
    intent.private['return_url'] = return_url
    if return_url and (
            type_of(method).redirects
            or not call.public and not params.get('use_stripe_sdk')):
        action = {
            'redirect_to_url': {'return_url': return_url, 'url': url},
            'type': 'redirect_to_url'}
    else:
        action = {
            'type': 'use_stripe_sdk',
            'use_stripe_sdk': {
                'source': token,
                'stripe_js': url,
                'type': 'three_d_secure_redirect'}}
    intent.update(
        next_action=action, payment_method=method['id'],
        status='requires_action')
    world.emit(intent['object'] + '.requires_action', intent)


def return_url(intent, succeeded):
    "Return where the payer goes after the challenge, or None"
    url = intent.private.get('return_url')
    if url:
        name = intent['object']
        status = 'succeeded' if intent['status'] in {
            'succeeded', 'requires_capture'} else (
            intent['status'] if intent['status'] == 'processing'
            else 'failed')
        query = urlencode({
                name: intent['id'],
                name + '_client_secret': intent['client_secret'],
                'redirect_status': status})
        return url + ('&' if '?' in url else '?') + query


# Refused payments -----------------------------------------------------------

AUTHENTICATION_FAILED = cards.Failure(
    'payment_intent_authentication_failure',
    message="The provided PaymentMethod has failed authentication. You can "
    "provide payment_method_data or a new PaymentMethod to attempt to "
    "fulfill this PaymentIntent again.")
SETUP_FAILED = cards.Failure(
    'setup_intent_authentication_failure',
    message="The latest attempt to set up the payment method has failed "
    "because authentication failed.")


def error_of(failure, method, charge=None):
    "Return the error that an intent keeps, null keys are absent"
    type = 'card_error'
    if failure.code.startswith((
                'payment_intent_', 'setup_intent_', 'payment_method_')):
        type = 'invalid_request_error'
    error = {
        'advice_code': failure.advice_code,
        'charge': charge['id'] if charge else None,
        'code': failure.code,
        'decline_code': failure.decline_code,
        'doc_url': DOC_URL + failure.code.replace('_', '-'),
        'message': failure.message,
        'network_decline_code': failure.network_decline_code,
        'param': failure.param,
        'payment_method': methods.snapshot(method),
        'type': type,
        }
    return {k: v for k, v in error.items() if v is not None}


def refusal(intent, failure, method, charge=None):
    "Return the 402 of a payment method that was refused"
    return StripeError(
        402, 'card_error', failure.message, failure.code, failure.param,
        advice_code=failure.advice_code,
        charge=charge['id'] if charge else None,
        decline_code=failure.decline_code,
        network_decline_code=failure.network_decline_code,
        payment_method=methods.snapshot(method),
        **{intent['object']: intent})
