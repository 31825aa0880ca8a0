# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Payouts: money that leaves the balance for the bank account.

An automatic payout takes all that is available and not paid out yet, also
what manual payouts took. What each consists of is only told of automatic
ones, once their reconciliation is completed.

https://docs.stripe.com/payouts/reconciliation
https://docs.stripe.com/api/payouts
https://docs.stripe.com/payouts/instant-payouts-with-advance-funding"""
from decimal import Decimal

from . import balance
from .api import endpoint, get, listing, merge_metadata, metadata_of
from .checks import check_currency, display
from .errors import invalid
from .objects import random_text
from .settings import DAY

# An instant payout is typically there within it
INSTANT = 30 * 60
_FAILURES = {
    'account_closed': "The bank account has been closed.",
    'could_not_process': "The bank could not process this payout.",
    'debit_not_authorized':
    "Debit transactions are not approved on this bank account.",
    'insufficient_funds': "The bank account has insufficient funds.",
    'no_account': "The bank account could not be located.",
    }


def schedule(world):
    "Plan the next automatic payout, if there are any"
    settings = world.settings
    if settings.payout_schedule == 'manual' or world.scheduled:
        return
    world.scheduled = True
    now = world.now()
    when = now - now % DAY + settings.payout_time
    while when <= now:
        when += DAY
    world.clock.at(when, world._execute, _run, ())


def _run(world):
    world.scheduled = False
    if world.settings.payout_schedule != 'manual':
        run(world)
        schedule(world)


def run(world):
    "Make the automatic payouts of today and return them"
    if any(r['status'] == 'pending' and r['available_on'] <= world.now()
            for r in _visible(world)):
        for row in _visible(world):
            balance.current(world, row)
        world.emit('balance.available', balance.balance_of(world))
    waiting = {}
    for row in _visible(world):
        if row['status'] == 'available' and 'payout' not in row.private:
            waiting.setdefault(row['currency'], []).append(row)
    result = []
    for currency, rows in sorted(waiting.items()):
        amount = sum(r['net'] for r in rows)
        hold = world.settings.minimum_balance.get(currency, 0)
        if amount > 0:
            amount -= hold
            if amount <= 0:
                continue
        elif not amount or not world.settings.payout_debits:
            continue
        else:
            hold = 0
        result.append(_automatic(world, currency, amount, hold, rows))
    return result


def _visible(world):
    return (
        r for r in world.rows
        if 'hidden' not in r.private and r['balance_type'] == 'payments')


def _automatic(world, currency, amount, hold, rows):
    payout = _make(
        world, amount, currency, automatic=True, description=None,
        reconciliation_status='in_progress')
    if hold:
        rows.append(balance.entry(
                world, 'payout_minimum_balance_hold', -hold, currency,
                payout))
    rows.append(_own(world, payout))
    if hold:
        balance.entry(
            world, 'payout_minimum_balance_release', hold, currency, payout)
    for row in rows:
        row.private['payout'] = payout['id']
    # What is told before it is completed is a part of it
    half = len(rows) // 2
    _tell(world, payout, rows[:half])
    world.later(
        world.settings.payout_explained_after, _explained, payout,
        rows[half:])
    _start(world, payout)
    return payout


def _make(world, amount, currency, **values):
    now = world.now()
    arrival = now + world.settings.payout_arrives_after
    values.setdefault('arrival_date', arrival - arrival % DAY)
    values.setdefault('metadata', {})
    values.setdefault('method', 'standard')
    return world.create(
        'payout',
        amount=amount,
        currency=currency,
        destination='ba_1' + world.fingerprint('bank account'),
        source_type='card',
        status='pending',
        trace_id={'status': 'pending', 'value': None},
        type='bank_account',
        **values)


def _own(world, payout, fee=0):
    row = balance.entry(
        world, 'payout', -payout['amount'], payout['currency'], payout, fee,
        description=payout['description'] or "STRIPE PAYOUT",
        fee_text="Instant payout fee")
    payout['balance_transaction'] = row['id']
    return row


def _start(world, payout):
    world.emit('payout.created', payout)
    delay = world.settings.payout_sent_after
    arrival = max(payout['arrival_date'], world.now() + delay)
    if payout['method'] == 'instant':
        delay, arrival = 0, world.now() + INSTANT
    if delay:
        world.later(delay, _send, payout)
    else:
        _send(world, payout)
    world.clock.at(arrival, world._execute, _arrive, (payout,))


def _change(world, payout, status, *events):
    world.table('payout').set(payout, 'status', status)
    for type in events:
        world.emit(type, payout)


def _send(world, payout):
    if payout['status'] == 'pending':
        _change(world, payout, 'in_transit', 'payout.updated')


def _arrive(world, payout):
    if payout['status'] in {'pending', 'in_transit'}:
        payout['trace_id'] = {
            'status': 'supported', 'value': random_text(15).upper()}
        _change(world, payout, 'paid', 'payout.paid', 'payout.updated')


def _tell(world, payout, rows):
    table = world.table('balance_transaction')
    for row in rows:
        table.mark(row, 'payout', payout['id'])


def _explained(world, payout, rows):
    _tell(world, payout, rows)
    payout['reconciliation_status'] = 'completed'
    world.emit('payout.reconciliation_completed', payout)


def _give_back(world, payout, type):
    payout['failure_balance_transaction'] = balance.entry(
        world, type, payout['amount'], payout['currency'], payout,
        category='payout_reversal',
        description=payout['description'] or "STRIPE PAYOUT")['id']


def fail(world, payout, code='account_closed'):
    "Let the bank refuse a payout, also one that counts as paid"
    if payout['status'] in {'failed', 'canceled'}:
        raise ValueError("%(id)s is %(status)s" % payout)
    _give_back(world, payout, 'payout_failure')
    payout.update(
        failure_code=code,
        failure_message=_FAILURES.get(code, "The payout failed."))
    _change(world, payout, 'failed', 'payout.failed', 'payout.updated')
    reversing = world.table('payout').get(payout['reversed_by'] or '')
    if reversing and reversing['status'] == 'pending':
        _cancel(world, reversing)


def _cancel(world, payout):
    _give_back(world, payout, 'payout_cancel')
    _change(world, payout, 'canceled', 'payout.canceled', 'payout.updated')


def amounts(world, currency):
    "Return what is available, and what will be by day"
    available, later = 0, {}
    for row in _visible(world):
        if row['currency'] != currency:
            continue
        if balance.current(world, row)['status'] == 'available':
            available += row['net']
        else:
            day = row['available_on']
            later[day] = later.get(day, 0) + row['net']
    return available, later


def manual(world, amount, currency, method='standard', **values):
    "Make a payout that the account asked for"
    available, later = amounts(world, currency)
    instant = method == 'instant'
    fee = 0
    if instant:
        percent = Decimal(str(world.settings.instant_fee)) / 100
        fee = int((amount * percent).to_integral_value())
        tax = Decimal(str(world.settings.fee_tax)) / 100
        needed = amount + fee + int((fee * tax).to_integral_value())
    else:
        needed = amount
    missing = needed - max(available, 0)
    plan = []
    if instant and missing > 0:
        for day, net in sorted(later.items()):
            part = min(net, missing - sum(p for _, p in plan))
            if part > 0:
                plan.append((day, part))
    if available + sum(p for _, p in plan) < needed:
        raise invalid(
            "You have insufficient funds in your Stripe account for this "
            "payout: %s is available." % display(available, currency),
            'balance_insufficient', 'amount')
    if instant:
        values['arrival_date'] = world.now()
    payout = _make(
        world, amount, currency, automatic=False, method=method,
        reconciliation_status='not_applicable', **values)
    if plan:
        balance.entry(
            world, 'advance', sum(p for _, p in plan), currency, payout)
        for day, part in plan:
            balance.entry(
                world, 'advance_funding', -part, currency, payout,
                available_on=day)
    _own(world, payout, fee)
    _start(world, payout)
    return payout


_PATH = '/v1/payouts'


@endpoint('GET', _PATH, 'PayoutListParams', 'payout', many=True)
def list_payouts(world, call, params):
    where = None
    if params.get('status'):
        where = ('status', [params['status']])

    def keep(row):
        return (
            not params.get('destination')
            or row['destination'] == params['destination']) and _within(
                row['arrival_date'], params.get('arrival_date'))
    return listing(world, call, params, 'payout', where, keep)


def _within(value, range):
    if range is None:
        return True
    if not isinstance(range, dict):
        return value == range
    return (
        value > range.get('gt', value - 1)
        and value >= range.get('gte', value)
        and value < range.get('lt', value + 1)
        and value <= range.get('lte', value))


@endpoint('GET', _PATH + '/{id}', 'PayoutRetrieveParams', 'payout')
def retrieve(world, call, params, id):
    return get(world, 'payout', id, 'payout')


@endpoint('POST', _PATH, 'PayoutCreateParams', 'payout')
def create(world, call, params):
    check_currency(params['currency'])
    if params['amount'] < 1:
        raise invalid(
            "This value must be greater than or equal to 1.",
            'parameter_invalid_integer', 'amount')
    return manual(
        world, params['amount'], params['currency'],
        params.get('method') or 'standard',
        description=params.get('description'),
        metadata=metadata_of(params),
        statement_descriptor=params.get('statement_descriptor'))


@endpoint('POST', _PATH + '/{id}', 'PayoutUpdateParams', 'payout')
def update(world, call, params, id):
    payout = get(world, 'payout', id, 'payout')
    merge_metadata(payout, params)
    world.emit('payout.updated', payout)
    return payout


@endpoint('POST', _PATH + '/{id}/cancel', 'PayoutCancelParams', 'payout')
def cancel(world, call, params, id):
    payout = get(world, 'payout', id, 'payout')
    if payout['automatic'] or payout['status'] != 'pending':
        raise invalid(
            "Payouts can only be canceled while they are pending, automatic "
            "ones can't be: %(id)s is %(status)s." % payout)
    _cancel(world, payout)
    return payout


@endpoint('POST', _PATH + '/{id}/reverse', 'PayoutReverseParams', 'payout')
def reverse(world, call, params, id):
    payout = get(world, 'payout', id, 'payout')
    if (payout['amount'] < 0 or payout['method'] == 'instant'
            or payout['reversed_by']
            or payout['status'] not in {'in_transit', 'paid'}
            or payout['arrival_date'] < world.now() - 90 * DAY):
        raise invalid("Payout %s can't be reversed." % id)
    row = _make(
        world, -payout['amount'], payout['currency'], automatic=False,
        metadata=metadata_of(params), original_payout=id,
        reconciliation_status='not_applicable')
    payout['reversed_by'] = row['id']
    world.emit('payout.updated', payout)
    _own(world, row)
    _start(world, row)
    return row
