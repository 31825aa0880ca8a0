# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Setup intents: payment methods kept for later."
import stripe

from . import elsewhere, intents, methods, redirects
from .api import (
    check_filters, endpoint, get, get_customer, listing, merge_metadata,
    metadata_of)
from .errors import invalid
from .intents import refuse, unexpected
from .objects import new_id, random_text
from .payment_intents import DATA, PUBLIC
from .schema import String

_PATH = '/v1/setup_intents'
_OPEN = [
    'requires_payment_method', 'requires_confirmation', 'requires_action']


@endpoint('POST', _PATH, 'SetupIntentCreateParams', 'setup_intent',
    extra=DATA)
def create(world, call, params):
    if params.get('customer'):
        get_customer(world, params['customer'])
    confirm = params.get('confirm')
    for name in ['return_url', 'mandate_data']:
        if params.get(name) and not confirm:
            raise invalid(
                "%s can only be specified when confirm is true." % name,
                param=name)
    id = new_id('setup_intent')
    intent = world.draft(
        'setup_intent',
        id=id,
        client_secret='%s_secret_%s' % (id, random_text(33)),
        customer=params.get('customer'),
        description=params.get('description'),
        managed_payments={'enabled': False},
        metadata=metadata_of(params),
        payment_method_options={
            'card': {
                'mandate_options': None,
                'network': None,
                'request_three_d_secure': 'automatic',
                }},
        status='requires_payment_method',
        # Recorded: whatever is asked for
        usage='off_session')
    intents.apply_types(world, intent, params)
    if intent['automatic_payment_methods']:
        intent['payment_method_configuration_details'] = {
            'id': 'pmc_1' + world.account['id'][-8:], 'parent': None}

    def error(intent, message, code=None, param=None):
        return invalid(message, code, param)
    method = intents.method_of(world, call, intent, params, False)
    if method:
        intents.check_method(intent, method, error)
    if confirm:
        if method is None:
            raise invalid(
                "You cannot confirm this SetupIntent because it's missing a "
                "payment method. You can either update the SetupIntent with "
                "a payment method and then confirm it again, or confirm it "
                "again directly with a payment method or ConfirmationToken.",
                'setup_intent_unexpected_state')
        _check(world, call, intent, method, params, error)
    if method:
        methods.store(world, method)
        intent.update(
            payment_method=method['id'], status='requires_confirmation')
    world.table('setup_intent').add(intent)
    world.emit('setup_intent.created', intent)
    if confirm:
        _confirm(world, call, intent, method, params)
    return intent


@endpoint('GET', _PATH, 'SetupIntentListParams', 'setup_intent', many=True)
def list_intents(world, call, params):
    check_filters(world, params, 'customer')
    where = None
    for name in ['payment_method', 'customer']:
        if params.get(name):
            where = (name, [params[name]])

    def keep(row):
        return all(
            not params.get(k) or row[k] == params[k]
            for k in ['payment_method', 'customer'])
    return listing(world, call, params, 'setup_intent', where, keep)


def get_intent(world, id):
    return get(world, 'setup_intent', id, 'intent')


@endpoint('GET', _PATH + '/{id}', 'SetupIntentRetrieveParams',
    'setup_intent', public={'client_secret': String()})
def retrieve(world, call, params, id):
    intent = get_intent(world, id)
    intents.check_secret(call, intent, params)
    return intent


@endpoint('POST', _PATH + '/{id}', 'SetupIntentUpdateParams', 'setup_intent',
    extra=DATA)
def update(world, call, params, id):
    intent = get_intent(world, id)
    for name in ['payment_method', 'payment_method_data',
            'allowed_payment_method_types', 'excluded_payment_method_types']:
        if name in params and intent['status'] not in _OPEN:
            raise _ended(intent, 'update')
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
        world.table('setup_intent').set(
            intent, 'customer', draft['customer'])
    if 'description' in params:
        intent['description'] = params['description']
    if {'allowed_payment_method_types',
            'excluded_payment_method_types'} & set(params):
        intents.apply_types(world, intent, params)
    if method:
        methods.store(world, method)
        world.table('setup_intent').set(
            intent, 'payment_method', method['id'])
        intent.update(next_action=None, status='requires_confirmation')
    return intent


@endpoint('POST', _PATH + '/{id}/confirm', 'SetupIntentConfirmParams',
    'setup_intent', public=PUBLIC,
    extra=dict(DATA, client_secret=String()))
def confirm(world, call, params, id):
    intent = get_intent(world, id)
    intents.check_secret(call, intent, params)
    method = intents.method_of(world, call, intent, params, False)
    if method is None:
        raise intents.missing_method(intent)
    elif intent['status'] not in _OPEN:
        raise _ended(intent, 'confirm')
    intents.check_method(intent, method)
    _check(world, call, intent, method, params, refuse)
    methods.store(world, method)
    _confirm(world, call, intent, method, params)
    return intent


def _ended(intent, verb):
    "Return the error about a setup intent that is over"
    return unexpected(
        intent, "You cannot %s this SetupIntent because it has %s." % (
            verb, "already succeeded" if intent['status'] == 'succeeded'
            else "been canceled"))


def _check(world, call, intent, method, params, error):
    intents.check_customer(world, intent)
    intents.check_return_url(call, intent, params, method, error)
    intents.check_mandate(world, call, intent, params, method, error)


def _confirm(world, call, intent, method, params):
    intent.update(last_setup_error=None, next_action=None)
    intent.private['mandate_data'] = params.get('mandate_data')
    world.table('setup_intent').set(intent, 'payment_method', method['id'])
    attempt = _attempt(world, intent, method)
    intents.make_mandate(world, method, params)
    if elsewhere.must_wait(method):
        attempt['status'] = 'requires_action'
        elsewhere.wait(world, intent, method)
        return
    if intents.needs_authentication(method, setup=True):
        attempt['status'] = 'requires_action'
        intents.challenge(world, call, intent, method, params)
        return
    set_up(world, intent, method, raising=True)


def _attempt(world, intent, method):
    last = world.table('setup_attempt').get(intent['latest_attempt'])
    if last and last['status'] == 'requires_action':
        last['status'] = 'abandoned'
    row = world.create(
        'setup_attempt',
        customer=intent['customer'],
        payment_method=method['id'],
        payment_method_details=_details_of(method),
        setup_intent=intent['id'],
        status='requires_confirmation',
        usage=intent['usage'])
    intent['latest_attempt'] = row['id']
    return row


def _details_of(method):
    type = method['type']
    details = redirects.details_of(stripe.SetupAttempt, method)
    if type == 'card':
        details.update({
                k: v for k, v in method['card'].items() if k in details})
        details['network'] = method['card']['brand']
    return {type: details, 'type': type}


def set_up(world, intent, method, raising=False):
    "Keep the payment method, or refuse it"
    behaviour = method.private['behaviour']
    methods.use(method)
    refused = behaviour.decline and method['type'] == 'card' and (
        not behaviour.attachable)
    if refused:
        fail(world, intent, method, behaviour.decline)
        if raising:
            raise intents.refusal(intent, behaviour.decline, method)
        return
    attempt = world.table('setup_attempt').get(intent['latest_attempt'])
    attempt.update(
        payment_method_details=_details_of(method), status='succeeded')
    method.private['set_up'] = True
    saved = redirects.complete(
        world, intent, method, attempt, setup_attempt=attempt['id'])
    if saved is not method:
        # What redirects can't be used again
        method.private['used'] = True
    customer = world.table('customer').get(intent['customer'])
    if saved and customer and not customer.private.get('deleted'):
        methods.attach(world, saved, customer['id'])
    if (saved or method).private.get('mandate'):
        intent['mandate'] = (saved or method).private['mandate']
    intent.update(next_action=None, status='succeeded')
    world.emit('setup_intent.succeeded', intent)


def fail(world, intent, method, failure):
    "Give the intent back to the payer"
    error = intents.error_of(failure, method)
    world.table('setup_attempt').get(intent['latest_attempt']).update(
        setup_error=error, status='failed')
    world.table('setup_intent').set(intent, 'payment_method', None)
    intent.update(
        last_setup_error=error,
        next_action=None,
        status='requires_payment_method')
    world.emit('setup_intent.setup_failed', intent)


def authenticated(world, intent, succeed):
    "Continue the intent after the payer's challenge"
    method = methods.find(world, intent['payment_method'])
    intent['next_action'] = None
    intent.private['challenge'] = None
    if not succeed:
        fail(world, intent, method, intents.SETUP_FAILED)
    else:
        set_up(world, intent, method)


@endpoint('GET', '/v1/setup_attempts', 'SetupAttemptListParams',
    'setup_attempt', many=True)
def list_attempts(world, call, params):
    return listing(
        world, call, params, 'setup_attempt',
        ('setup_intent', [params['setup_intent']]))


@endpoint('POST', _PATH + '/{id}/cancel', 'SetupIntentCancelParams',
    'setup_intent')
def cancel(world, call, params, id):
    intent = get_intent(world, id)
    if intent['status'] == 'canceled':
        raise unexpected(
            intent, "You cannot cancel this SetupIntent because it is "
            "already canceled.")
    elif intent['status'] not in _OPEN:
        raise unexpected(
            intent,
            "You cannot cancel this SetupIntent because it has a status of "
            "%s. Only a SetupIntent with one of the following statuses may "
            "be canceled: `requires_payment_method`, "
            "`requires_confirmation`, or `requires_action`."
            % intent['status'])
    intent.update(
        cancellation_reason=params.get('cancellation_reason'),
        next_action=None,
        status='canceled')
    world.emit('setup_intent.canceled', intent)
    return intent
