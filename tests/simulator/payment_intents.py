# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Payment intents: created, confirmed, captured or canceled."
from . import charges, elsewhere, history, intents, methods
from .api import (
    check_filters, endpoint, get, get_customer, listing, merge_metadata,
    metadata_of)
from .cards import AUTHENTICATION_REQUIRED
from .checks import (
    check_amount, check_currency, check_email, check_multiple, check_suffix)
from .errors import invalid
from .intents import refuse, unexpected
from .methods import RAW_CARD
from .objects import new_id, random_text
from .payments import capture_intent, fail, pay
from .schema import Boolean, String, compile_params

_PLAIN = ['description', 'receipt_email', 'setup_future_usage', 'shipping',
    'statement_descriptor', 'statement_descriptor_suffix', 'transfer_group']
_UPDATABLE = [
    'requires_payment_method', 'requires_confirmation', 'requires_action']
_AUTHORIZED = ['requires_capture', 'requires_reauthorization', 'expired']
_CANCELABLE = (
    'requires_payment_method, requires_capture, requires_reauthorization, '
    'requires_confirmation, requires_action, expired, processing')

_PATH = '/v1/payment_intents'
_DATA = compile_params('PaymentIntentConfirmParams').fields[
    'payment_method_data'][1]
PUBLIC = {
    'client_secret': String(),
    'payment_method_data': _DATA.extended(
        card=RAW_CARD, payment_user_agent=String(),
        referrer=String(), time_on_page=String(),
        # The package's enumeration leaves card out
        type=String()),
    'expected_payment_method_type': String(),
    'use_stripe_sdk': Boolean(),
    }
# Numbers are refused by what they are, not as an unknown parameter
DATA = {'payment_method_data': PUBLIC['payment_method_data']}


@endpoint('POST', _PATH, 'PaymentIntentCreateParams', 'payment_intent',
    extra=DATA)
def create(world, call, params):
    currency = params['currency'].lower()
    check_currency(currency)
    check_amount(params['amount'], currency)
    check_email(params.get('receipt_email'), 'receipt_email')
    check_suffix(params.get('statement_descriptor_suffix'))
    if params.get('customer'):
        get_customer(world, params['customer'])
    confirm = params.get('confirm')
    for name in ['off_session', 'error_on_requires_action', 'return_url',
            'mandate_data']:
        if params.get(name) and not confirm:
            raise invalid(
                "%s can only be specified when confirm is true." % name
                if name != 'off_session' else
                "You cannot specify `off_session` without setting "
                "`confirm=true`.", param=name)
    id = new_id('payment_intent')
    intent = world.draft(
        'payment_intent',
        id=id,
        amount=params['amount'],
        amount_capturable=0,
        amount_details={'tip': {}},
        amount_received=0,
        capture_method=params.get('capture_method') or 'automatic_async',
        client_secret='%s_secret_%s' % (id, random_text(25)),
        confirmation_method=params.get('confirmation_method', 'automatic'),
        currency=currency,
        customer=params.get('customer'),
        managed_payments={'enabled': False},
        metadata=metadata_of(params),
        payment_method_options=_options(params),
        status='requires_payment_method')
    for name in _PLAIN:
        intent[name] = params.get(name)
    if params.get('statement_descriptor'):
        raise invalid(
            "The statement descriptor is not supported for card charges. Use "
            "`statement_descriptor_suffix` instead.",
            param='statement_descriptor')
    intents.apply_types(world, intent, params, currency)
    if intent['automatic_payment_methods']:
        intent['payment_method_configuration_details'] = {
            'id': 'pmc_1' + world.account['id'][-8:], 'parent': None}

    def error(intent, message, code=None, param=None):
        # The intent of a refused creation never existed
        return invalid(message, code, param)
    method = None
    if (params.get('payment_method') or params.get('payment_method_data')
            or confirm):
        method = intents.method_of(world, call, intent, params, confirm)
    if method:
        intents.check_method(intent, method, error)
    if confirm:
        if method is None:
            raise invalid(
                "You cannot confirm this PaymentIntent because it's missing "
                "a payment method. You can either update the PaymentIntent "
                "with a payment method and then confirm it again, or confirm "
                "it again directly with a payment method or "
                "ConfirmationToken.", 'payment_intent_unexpected_state')
        _check_confirm(world, call, intent, method, params, error)
    if method:
        methods.store(world, method)
        intent.update(
            payment_method=method['id'], status='requires_confirmation')
    world.table('payment_intent').add(intent)
    world.emit('payment_intent.created', intent)
    if confirm:
        _confirm(world, call, intent, method, params)
    return intent


# Shared by the intents, never changed
_DEFAULT_OPTIONS = {
    'card': {
        'installments': None,
        'mandate_options': None,
        'network': None,
        'request_three_d_secure': 'automatic',
        }}


def _options(params):
    if not params.get('payment_method_options'):
        return _DEFAULT_OPTIONS
    options = dict(_DEFAULT_OPTIONS)
    for type, values in (params.get('payment_method_options') or {}).items():
        options[type] = dict(options.get(type, {}), **(values or {}))
    return options


@endpoint('GET', _PATH, 'PaymentIntentListParams', 'payment_intent',
    many=True)
def list_intents(world, call, params):
    where = None
    check_filters(world, params, 'customer')
    if params.get('customer'):
        where = ('customer', [params['customer']])
    return listing(world, call, params, 'payment_intent', where)


def get_intent(world, id):
    return get(world, 'payment_intent', id, 'intent')


@endpoint('GET', _PATH + '/{id}', 'PaymentIntentRetrieveParams',
    'payment_intent', public={'client_secret': String()})
def retrieve(world, call, params, id):
    intent = get_intent(world, id)
    intents.check_secret(call, intent, params)
    return intent


@endpoint('POST', _PATH + '/{id}', 'PaymentIntentUpdateParams',
    'payment_intent', extra=DATA)
def update(world, call, params, id):
    intent = get_intent(world, id)
    status = intent['status']
    limited = [
        'amount', 'currency', 'customer', 'payment_method',
        'payment_method_data', 'capture_method', 'setup_future_usage',
        'allowed_payment_method_types', 'excluded_payment_method_types']
    for name in limited:
        if name in params and status not in _UPDATABLE:
            raise unexpected(
                intent,
                "This PaymentIntent's %s could not be updated because it "
                "has a status of %s. You may only update the %s of a "
                "PaymentIntent with one of the following statuses: %s."
                % (name, status, name, ', '.join(_UPDATABLE)), name)
    currency = (params.get('currency') or intent['currency']).lower()
    check_currency(currency)
    if {'amount', 'currency'} & set(params):
        check_amount(params.get('amount', intent['amount']), currency)
    check_email(params.get('receipt_email'), 'receipt_email')
    check_suffix(params.get('statement_descriptor_suffix'))
    if params.get('customer'):
        get_customer(world, params['customer'])
    draft = dict(intent, customer=params.get('customer', intent['customer']))
    method = None
    if params.get('payment_method') or params.get('payment_method_data'):
        method = intents.method_of(world, call, draft, params, False)
        intents.check_method(
            draft, method, lambda _, *args: refuse(intent, *args))
    merge_metadata(intent, params)
    if draft['customer'] != intent['customer']:
        world.table('payment_intent').set(
            intent, 'customer', draft['customer'])
    for name in _PLAIN + ['amount', 'capture_method']:
        if name in params:
            intent[name] = params[name]
    intent['currency'] = currency
    if {'currency', 'setup_future_usage', 'allowed_payment_method_types',
            'excluded_payment_method_types'} & set(params):
        intents.apply_types(world, intent, params, currency)
    if params.get('payment_method_options'):
        intent['payment_method_options'] = _options(params)
    if method:
        methods.store(world, method)
        intent['payment_method'] = method['id']
    if status in _UPDATABLE and (method or status == 'requires_action'
            and {'amount', 'currency'} & set(params)):
        intent.update(next_action=None, status='requires_confirmation')
    # "Cleared if the PaymentIntent is later updated for any reason"
    intent['last_payment_error'] = None
    history.remember(intent, world.now())
    return intent


@endpoint('POST', _PATH + '/{id}/confirm', 'PaymentIntentConfirmParams',
    'payment_intent', public=PUBLIC,
    extra=dict(DATA, client_secret=String()))
def confirm(world, call, params, id):
    intent = get_intent(world, id)
    intents.check_secret(call, intent, params)
    status = intent['status']
    if status == 'succeeded':
        raise unexpected(
            intent, "You cannot confirm this PaymentIntent because it has "
            "already succeeded after being previously confirmed.")
    elif status not in _UPDATABLE:
        raise unexpected(
            intent,
            "You cannot confirm this PaymentIntent because it has a status "
            "of %s. Only a PaymentIntent with one of the following statuses "
            "may be confirmed: requires_confirmation, requires_action."
            % status)
    method = intents.method_of(world, call, intent, params, True)
    if method is None:
        raise intents.missing_method(intent)
    intents.check_method(intent, method)
    check_email(params.get('receipt_email'), 'receipt_email')
    check_suffix(params.get('statement_descriptor_suffix'))
    _check_confirm(world, call, intent, method, params, refuse)
    methods.store(world, method)
    for name in ['setup_future_usage', 'receipt_email', 'shipping',
            'capture_method']:
        if params.get(name):
            intent[name] = params[name]
    _confirm(world, call, intent, method, params)
    return intent


def _check_confirm(world, call, intent, method, params, error):
    intents.check_customer(world, intent)
    intents.check_return_url(call, intent, params, method, error)
    intents.check_mandate(world, call, intent, params, method, error)
    elsewhere.check(intent, method, error)


def _confirm(world, call, intent, method, params):
    off_session = params.get('off_session') in {
        True, 'one_off', 'recurring'}
    intent.update(
        last_payment_error=None, next_action=None,
        payment_method=method['id'])
    elsewhere.give_up(world, intent)
    intent.private['off_session'] = off_session
    intent.private['mandate_data'] = params.get('mandate_data')
    intents.make_mandate(world, method, params)
    waits = elsewhere.must_wait(method)
    if waits or intents.needs_authentication(method, off_session):
        if off_session or params.get('error_on_requires_action'):
            fail(world, intent, method, AUTHENTICATION_REQUIRED)
            raise intents.refusal(intent, AUTHENTICATION_REQUIRED, method)
        if waits:
            elsewhere.wait(world, intent, method)
        else:
            intents.challenge(world, call, intent, method, params)
        return
    pay(world, intent, method, raising=True)


@endpoint('POST', _PATH + '/{id}/cancel', 'PaymentIntentCancelParams',
    'payment_intent')
def cancel(world, call, params, id):
    intent = get_intent(world, id)
    status = intent['status']
    if status not in _UPDATABLE + _AUTHORIZED:
        raise unexpected(
            intent,
            "You cannot cancel this PaymentIntent because it has a status of "
            "%s. Only a PaymentIntent with one of the following statuses may "
            "be canceled: %s." % (status, _CANCELABLE))
    charge = world.table('charge').get(intent['latest_charge'])
    if status in _AUTHORIZED and charge and not charge['captured']:
        charges.release(world, charge)
    elsewhere.give_up(world, intent)
    intent.update(
        amount_capturable=0,
        canceled_at=world.now(),
        cancellation_reason=params.get('cancellation_reason'),
        next_action=None,
        status='canceled')
    world.emit('payment_intent.canceled', intent)
    return intent


@endpoint('POST', _PATH + '/{id}/capture', 'PaymentIntentCaptureParams',
    'payment_intent')
def capture(world, call, params, id):
    intent = get_intent(world, id)
    status = intent['status']
    if status == 'succeeded' and intent['capture_method'] == 'manual':
        raise unexpected(
            intent,
            "The remaining amount on this PaymentIntent could not be "
            "captured because the remainder of the authorized amount has "
            "been released.")
    elif status != 'requires_capture':
        raise unexpected(
            intent,
            "This PaymentIntent could not be captured because it has a "
            "status of %s. Only a PaymentIntent with one of the following "
            "statuses may be captured: requires_capture." % status)
    amount = params.get('amount_to_capture', intent['amount_capturable'])
    if amount < 0:
        raise refuse(
            intent, "Invalid non-negative integer",
            param='amount_to_capture')
    elif amount == 0:
        raise refuse(
            intent, "This value must be greater than or equal to 1.",
            'parameter_invalid_integer', 'amount')
    elif amount > intent['amount_capturable']:
        raise refuse(
            intent,
            "The payment could not be captured because the requested capture "
            "amount is greater than the amount you can capture for this "
            "charge. Contact us via https://support.stripe.com/contact/ for "
            "help.", 'amount_too_large')
    check_multiple(
        amount, intent['currency'], 'amount_to_capture',
        payment_intent=intent)
    merge_metadata(intent, params)
    capture_intent(world, intent, amount)
    return intent
