# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"How an intent is paid, refused, or paid later."
from . import balance, charges, intents, methods, redirects, refunds
from .method_types import type_of


def pay(world, intent, method, raising=False, authenticated=False):
    """Charge the payment method for the intent.

    A refusal is raised if raising, otherwise it only changes the intent."""
    behaviour = method.private['behaviour']
    asynchronous = type_of(method).delayed
    capture = intent['capture_method'] != 'manual' or method['type'] not in {
        'card', 'klarna'}
    failure = None if asynchronous else behaviour.decline
    off_session = intent.private.get('off_session')
    if not method['customer']:
        method.private['used'] = True
    methods.use(method)
    charge = charges.build(
        world, method, intent['amount'], intent['currency'],
        failure=failure,
        status='pending' if asynchronous else 'succeeded',
        capture=capture,
        off_session=off_session,
        authenticated=authenticated,
        customer=intent['customer'],
        description=intent['description'],
        metadata=dict(intent['metadata']),
        payment_intent=intent['id'],
        receipt_email=intent['receipt_email'],
        shipping=intent['shipping'],
        statement_descriptor=intent['statement_descriptor'],
        statement_descriptor_suffix=intent['statement_descriptor_suffix'],
        transfer_group=intent['transfer_group'])
    intent.update(
        latest_charge=charge['id'], next_action=None,
        payment_method=method['id'])
    if failure:
        world.emit('charge.failed', charge)
        fail(world, intent, method, failure, charge)
        if raising:
            raise intents.refusal(intent, failure, method, charge)
        return
    saved = _save(world, intent, method, charge)
    if asynchronous:
        intent['status'] = 'processing'
        if world.settings.pending_rows:
            charges.capture_money(world, charge, charge['amount'])
        world.emit('charge.pending', charge)
        _attach(world, intent, saved)
        world.emit('payment_intent.processing', intent)
        world.later(behaviour.delay, complete, intent, method, charge)
        return
    if not capture:
        world.emit('charge.succeeded', charge)
        _attach(world, intent, saved)
        intent.update(
            amount_capturable=intent['amount'], status='requires_capture')
        world.emit('payment_intent.amount_capturable_updated', intent)
        return
    _take(world, intent, charge)
    world.emit('charge.succeeded', charge)
    charges.after_payment(world, charge)
    _attach(world, intent, saved)
    _succeed(world, intent, charge)


def _take(world, intent, charge):
    charges.capture_money(
        world, charge, charge['amount_captured'],
        asynchronous=intent['capture_method'] == 'automatic_async')


def _succeed(world, intent, charge):
    intent.update(
        amount_capturable=0,
        amount_received=charge['amount_captured'],
        status='succeeded')
    world.emit('payment_intent.succeeded', intent)


def _save(world, intent, method, charge):
    "Return what is to be kept for the future if that was asked for"
    usage = intent['setup_future_usage']
    if not usage:
        return
    if usage == 'off_session':
        method.private['set_up'] = True
        return redirects.complete(
            world, intent, method, charge, charge=charge['id'])
    return method if type_of(method).saved else None


def _attach(world, intent, method):
    customer = world.table('customer').get(intent['customer'])
    if method and customer and not customer.private.get('deleted'):
        methods.attach(world, method, customer['id'])


def fail(world, intent, method, failure, charge=None):
    "Give the intent back to the payer"
    intent.update(
        last_payment_error=intents.error_of(failure, method, charge),
        next_action=None,
        payment_method=None,
        status='requires_payment_method')
    if charge:
        intent['latest_charge'] = charge['id']
    world.emit('payment_intent.payment_failed', intent)


def complete(world, intent, method, charge):
    "Let the outcome of an asynchronous payment arrive"
    if charge['status'] != 'pending':
        return
    failure = method.private['behaviour'].decline
    if failure:
        charge.update(
            status='failed', failure_code=failure.code,
            failure_message=failure.message, captured=False,
            amount_captured=0, outcome=charges.outcome_of(failure))
        if world.settings.pending_rows:
            charge['failure_balance_transaction'] = balance.movement(
                world, 'payment_failure_refund', charge, -charge['amount'],
                charge, -balance.fee_of(world, charge, charge['amount']),
                'charge_failure')['id']
        world.emit('charge.failed', charge)
        fail(world, intent, method, failure, charge)
        refunds.charge_completed(world, charge)
        return
    charge.update(status='succeeded', paid=True)
    if not world.settings.pending_rows:
        charges.capture_money(world, charge, charge['amount'])
    world.emit('charge.succeeded', charge)
    _succeed(world, intent, charge)
    charges.after_payment(world, charge)
    refunds.charge_completed(world, charge)


def capture_intent(world, intent, amount):
    "Take an authorized amount, and release the rest"
    charge = world.table('charge').get(intent['latest_charge'])
    charges.capture_authorized(world, charge, amount)
    _succeed(world, intent, charge)


def authenticated(world, intent, succeed):
    "Continue the intent after the payer's challenge"
    method = methods.find(world, intent['payment_method'])
    intent['next_action'] = None
    intent.private['challenge'] = None
    if not succeed:
        fail(world, intent, method, intents.AUTHENTICATION_FAILED)
    else:
        pay(world, intent, method, authenticated=True)
