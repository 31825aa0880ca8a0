# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Refunds: money that goes back, now, later or not at all."
import stripe

from . import balance, radar, refund_claims
from .api import (
    check_filters, endpoint, get, listing, merge_metadata, metadata_of)
from .checks import check_email, check_multiple, display
from .errors import invalid, missing
from .objects import shape

_Destination = stripe.Refund.DestinationDetails


def refundable(world, charge):
    "Return the amount that wasn't given back nor is about to be"
    pending = sum(
        r['amount'] for r in world.table('refund').find(
            'charge', charge['id'])
        if r['status'] in {'pending', 'requires_action'})
    return (
        charge['amount_captured'] + charge.private.get('release', 0)
        - charge['amount_refunded'] - pending)


def create(world, charge, params):
    "Give money of the charge back and return the refund"
    id, currency = charge['id'], charge['currency']
    amount = params.get('amount')
    if amount is not None and amount < 1:
        raise invalid(
            "This value must be greater than or equal to 1.",
            'parameter_invalid_integer', 'amount')
    check_email(params.get('instructions_email'), 'instructions_email')
    if charge['status'] == 'failed':
        raise invalid("Charge %s did not succeed." % id)
    if not charge['captured']:
        if charge['payment_intent']:
            raise invalid(
                "This uncaptured Charge was created by a PaymentIntent (%s). "
                "You must cancel the PaymentIntent to reverse the "
                "authorization instead of refunding the Charge directly. For "
                "more information, see https://stripe.com/docs/payments/"
                "place-a-hold-on-a-payment-method" % charge['payment_intent'])
        if amount is not None and amount != charge['amount']:
            raise invalid(
                "An uncaptured charge can only be refunded in full.",
                param='amount')
    if charge['disputed'] and not all(
            d['is_charge_refundable']
            for d in world.table('dispute').find('charge', id)):
        raise invalid(
            "Charge %s has been charged back; cannot issue a refund." % id,
            'charge_disputed')
    remaining = (
        refundable(world, charge) if charge['captured']
        else charge['amount'])
    if charge['refunded'] or not remaining:
        raise invalid(
            "Charge %s has already been refunded." % id,
            'charge_already_refunded')
    if amount is None:
        amount = remaining
    check_multiple(amount, currency)
    if amount > remaining:
        raise invalid(
            "Refund amount (%s) is greater than unrefunded amount on charge "
            "(%s)" % (
                display(amount, currency), display(remaining, currency)),
            param='amount')
    if charge['captured']:
        refund_claims.email_of(charge, params)
    balance.settle(world, charge)
    return execute(world, charge, amount, params)


def execute(world, charge, amount, params):
    "Refund the amount and return the refund, nothing is checked"
    behaviour = charge.private['behaviour']
    status, pending_reason = 'succeeded', None
    if behaviour.refund == 'pending':
        status, pending_reason = 'pending', 'processing'
    elif charge['status'] == 'pending':
        status, pending_reason = 'pending', 'charge_pending'
    elif charge['captured'] and refund_claims.needed(charge):
        status = 'requires_action'
    row = _make(world, charge, amount, status, params)
    if pending_reason:
        row['pending_reason'] = pending_reason
    if params.get('instructions_email'):
        row['instructions_email'] = params['instructions_email']
    if status == 'requires_action':
        refund_claims.ask(world, charge, row, params)
    if not charge['captured']:
        charge.private['released'] = True
        charge.update(
            amount_captured=0, amount_refunded=amount, refunded=True)
    elif pending_reason != 'charge_pending':
        _move(world, charge, row)
        if status == 'succeeded':
            _count(world, charge, amount)
    world.emit('refund.created', row)
    if status == 'succeeded':
        world.emit('charge.refunded', charge)
    delay = world.settings.refund_delay
    if behaviour.refund == 'pending':
        world.later(delay, succeed, row)
    elif behaviour.refund == 'failing':
        world.later(delay, fail, row)
    return row


def _make(world, charge, amount, status, params):
    type = charge['payment_method_details']['type']
    destination = {'type': type}
    if type == 'card':
        destination['card'] = shape(
            _Destination.Card, reference_status='pending',
            reference_type='acquirer_reference_number', type='refund')
    else:
        destination[type] = {}
    return world.create(
        'refund',
        amount=amount,
        charge=charge['id'],
        currency=charge['currency'],
        customer=charge['customer'],
        destination_details=destination,
        metadata=metadata_of(params),
        payment_intent=charge['payment_intent'],
        payment_method=charge['payment_method'],
        reason=params.get('reason'),
        status=status)


def release(world, charge, amount, fee=None):
    """Make the Refund of what was authorized but isn't taken.

    That was so until 2025-03-31.basil, for partial captures (where the whole
    amount is taken and the rest, with its fee, given back) and for payments
    that are canceled or expire (where no money moves). Such refunds stay,
    also in the answers of newer versions: amount_refunded counts them,
    amount_captured (and amount_received of the intent) doesn't. Nothing but
    the amount (amount less amount_captured of the charge), the time and the
    lack of a reason tells them from others.
    https://docs.stripe.com/changelog/basil/2025-03-31/"""
    if not world.settings.release_refunds or not amount:
        return
    row = _make(world, charge, amount, 'succeeded', {})
    row.private['release'] = True
    if fee is not None:
        _move(world, charge, row, -fee)
        charge.private['release'] = amount
    charge['amount_refunded'] += amount
    charge['refunded'] = charge['amount_refunded'] >= charge['amount']
    world.emit('refund.created', row)
    world.emit('charge.refunded', charge)


def _move(world, charge, row, fee=0):
    type = charge['payment_method_details']['type']
    row['balance_transaction'] = balance.movement(
        world, 'refund' if type == 'card' else 'payment_refund', charge,
        -row['amount'], row, fee, category='refund',
        description="REFUND FOR CHARGE")['id']


def charge_completed(world, charge):
    "Go on with the refunds that waited for the charge"
    for row in world.table('refund').find('charge', charge['id']):
        if row.get('pending_reason') != 'charge_pending':
            continue
        if charge['status'] == 'succeeded':
            _move(world, charge, row)
            succeed(world, row)
        else:
            row['status'] = 'canceled'
            del row['pending_reason']
            world.emit('refund.updated', row)


def _count(world, charge, amount):
    charge['amount_refunded'] += amount
    charge['refunded'] = (
        charge['amount_refunded']
        >= charge['amount_captured'] + charge.private.get('release', 0))
    radar.charge_changed(world, charge)


def succeed(world, row):
    "Complete a refund that is under way"
    if row['status'] not in {'pending', 'requires_action'}:
        return
    charge = world.table('charge').get(row['charge'])
    row['status'] = 'succeeded'
    row.pop('pending_reason', None)
    row.pop('next_action', None)
    _count(world, charge, row['amount'])
    world.emit('refund.updated', row)
    world.emit('charge.refund.updated', row)
    world.emit('charge.refunded', charge)


def fail(world, row, reason='expired_or_canceled_card'):
    "Let a refund fail: the money comes back to the account"
    if row.private.get('release'):
        raise ValueError("nothing was sent to the payer with %s" % row['id'])
    if row['status'] not in {'pending', 'requires_action', 'succeeded'}:
        return
    charge = world.table('charge').get(row['charge'])
    if row['status'] == 'succeeded':
        charge['amount_refunded'] -= row['amount']
        charge['refunded'] = False
    row['status'] = 'failed'
    row['failure_reason'] = reason
    _take_back(world, charge, row)
    world.emit('refund.failed', row)
    world.emit('refund.updated', row)
    world.emit('charge.refund.updated', row)


def _take_back(world, charge, row):
    row.pop('pending_reason', None)
    row.pop('next_action', None)
    row['failure_balance_transaction'] = balance.movement(
        world, 'refund_failure', charge, row['amount'], row,
        description="REFUND FAILURE")['id']


def _charge_of(world, params):
    if params.get('charge'):
        return get(world, 'charge', params['charge'], 'id')
    elif not params.get('payment_intent'):
        raise invalid(
            "One of the following params should be provided for this "
            "request: payment_intent or charge.")
    intent = get(
        world, 'payment_intent', params['payment_intent'], 'intent')
    charge = world.table('charge').get(intent['latest_charge'] or '')
    if charge is None or charge['status'] == 'failed':
        raise invalid(
            "This PaymentIntent (%s) does not have a successful charge to "
            "refund." % intent['id'])
    return charge


_PATH = '/v1/refunds'
_OF_CHARGE = '/v1/charges/{id}'


@endpoint('POST', _PATH, 'RefundCreateParams', 'refund')
def create_refund(world, call, params):
    return create(world, _charge_of(world, params), params)


@endpoint('POST', _OF_CHARGE + '/refund', 'RefundCreateParams', 'charge')
def refund_charge(world, call, params, id):
    charge = get(world, 'charge', id, 'id')
    before = charge['balance_transaction']
    create(world, charge, params)
    # Recorded: what became of the money is shown to who asks later
    return dict(charge, balance_transaction=before)


@endpoint('POST', _OF_CHARGE + '/refunds', 'RefundCreateParams', 'refund')
def create_refund_of_charge(world, call, params, id):
    return create(world, get(world, 'charge', id, 'id'), params)


@endpoint('GET', _PATH, 'RefundListParams', 'refund', many=True)
def list_refunds(world, call, params):
    check_filters(world, params, 'charge', 'payment_intent')
    where = None
    for name in ['charge', 'payment_intent']:
        if params.get(name):
            where = (name, [params[name]])

    def keep(row):
        return all(
            not params.get(k) or row[k] == params[k]
            for k in ['charge', 'payment_intent'])
    return listing(world, call, params, 'refund', where, keep)


@endpoint('GET', _OF_CHARGE + '/refunds', 'ChargeListRefundsParams',
    'refund', many=True)
def list_refunds_of_charge(world, call, params, id):
    get(world, 'charge', id, 'id')
    return listing(world, call, params, 'refund', ('charge', [id]))


@endpoint('GET', _OF_CHARGE + '/refunds/{refund}',
    'ChargeRetrieveRefundParams', 'refund')
def retrieve_refund_of_charge(world, call, params, id, refund):
    get(world, 'charge', id, 'id')
    row = get(world, 'refund', refund, 'refund')
    if row['charge'] != id:
        raise missing('refund', refund, 'refund', 404)
    return row


@endpoint('POST', _OF_CHARGE + '/refunds/{refund}', 'RefundUpdateParams',
    'refund')
def update_refund_of_charge(world, call, params, id, refund):
    row = retrieve_refund_of_charge(world, call, params, id, refund)
    return _update(world, row, params)


@endpoint('GET', _PATH + '/{id}', 'RefundRetrieveParams', 'refund')
def retrieve(world, call, params, id):
    return get(world, 'refund', id, 'refund')


@endpoint('POST', _PATH + '/{id}', 'RefundUpdateParams', 'refund')
def update(world, call, params, id):
    return _update(world, get(world, 'refund', id, 'refund'), params)


def _update(world, row, params):
    merge_metadata(row, params)
    world.emit('refund.updated', row)
    world.emit('charge.refund.updated', row)
    return row


@endpoint('POST', _PATH + '/{id}/cancel', 'RefundCancelParams', 'refund')
def cancel(world, call, params, id):
    row = get(world, 'refund', id, 'refund')
    if row['status'] != 'requires_action':
        raise invalid("Canceling this refund is unsupported.")
    row['status'] = 'canceled'
    _take_back(world, world.table('charge').get(row['charge']), row)
    world.emit('refund.updated', row)
    return row
