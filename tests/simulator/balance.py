# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Balance transactions: every movement of money."
from decimal import Decimal

from .api import endpoint, get, listing
from .checks import places

DISPUTE_FEE = 1500
AVAILABLE_AFTER = 2 * 24 * 60 * 60


def fee_of(world, charge, amount):
    "Return what Stripe takes for an amount of the charge, as settled"
    amount, _, _ = settled(world, amount, charge['currency'])
    return (amount * 29 + 500) // 1000 + 30


def settled(world, amount, currency):
    "Return the amount as it is settled, its currency and the rate"
    settlement = world.settings.settlement_currency
    if not settlement or settlement == currency:
        return amount, currency, None
    rate = Decimal(str(world.settings.settlement_rate))
    digits = places(settlement) - places(currency)
    return (
        int((amount * rate).scaleb(digits).to_integral_value()), settlement,
        float(rate))


def movement(world, type, charge, amount, source, fee=0, category=None,
        description=None, stored=True):
    """Record that money moved; return the balance transaction.

    The amount is in the currency of the charge, the fee in the one in which
    the account is settled."""
    now = world.now()
    amount, currency, rate = settled(world, amount, charge['currency'])
    details = []
    if fee:
        details.append({
                'amount': fee,
                'application': None,
                'currency': currency,
                'description': (
                    "Dispute fee" if type == 'adjustment'
                    else "Stripe processing fees"),
                'type': 'stripe_fee',
                })
    row = world.draft(
        'balance_transaction',
        amount=amount,
        available_on=now + AVAILABLE_AFTER,
        balance_type='payments',
        currency=currency,
        description=description,
        exchange_rate=rate,
        fee=fee,
        fee_details=details,
        net=amount - fee,
        reporting_category=category or type,
        source=source['id'],
        status='pending',
        type=type)
    row.private['charge'] = charge
    world.rows.append(row)
    if stored:
        world.table('balance_transaction').add(row)
    return row


def charged(world, charge, amount, stored=True):
    "Record the money of a captured charge"
    kind = 'payment' if charge['id'].startswith('py_') else 'charge'
    row = movement(
        world, kind, charge, amount, charge,
        fee_of(world, charge, amount), 'charge',
        charge['description'], stored=stored)
    behaviour = charge.private.get('behaviour')
    if behaviour and 'bypassPending' in behaviour.names:
        row.update(available_on=row['created'], status='available')
    return row


def settle(world, charge):
    "Make the balance transaction of an asynchronous capture visible"
    row = world.unsettled.pop(charge['id'], None)
    if row:
        row['created'] = world.now()
        world.table('balance_transaction').add(row)
        charge['balance_transaction'] = row['id']
        world.emit('charge.updated', charge)


def ledger(world):
    "Return the movements of money, oldest first"
    result = []
    for row in world.rows:
        charge = row.private['charge']
        intent = world.table('payment_intent').get(
            charge['payment_intent'] or '')
        type = row['reporting_category']
        result.append({
                'id': row['id'],
                'type': type,
                'amount': row['amount'],
                'fee': row['fee'],
                'currency': row['currency'],
                'charge': charge['id'],
                'payment_intent': charge['payment_intent'],
                'source': row['source'],
                'created': row['created'],
                'metadata': dict((intent or charge)['metadata']),
                })
    return result


def _current(world, row):
    if row['status'] == 'pending' and row['available_on'] <= world.now():
        row['status'] = 'available'
    return row


_PATH = '/v1/balance_transactions'


@endpoint('GET', _PATH, 'BalanceTransactionListParams',
    'balance_transaction', many=True)
def list_transactions(world, call, params):
    where = None
    if params.get('source'):
        where = ('source', [params['source']])
    elif params.get('type'):
        where = ('type', [params['type']])

    def keep(row):
        return all(
            not params.get(k) or row[k] == params[k]
            for k in ['currency', 'type', 'source']) and (
            not params.get('payout'))
    result = listing(
        world, call, params, 'balance_transaction', where, keep)
    for row in result['data']:
        _current(world, row)
    return result


@endpoint('GET', _PATH + '/{id}', 'BalanceTransactionRetrieveParams',
    'balance_transaction')
def retrieve_transaction(world, call, params, id):
    return _current(world, get(world, 'balance_transaction', id, 'id'))


@endpoint('GET', '/v1/balance', 'BalanceRetrieveParams', 'balance')
def retrieve_balance(world, call, params):
    amounts = {'available': {}, 'pending': {}}
    for row in world.rows:
        amount = amounts[_current(world, row)['status']]
        currency = row['currency']
        amount[currency] = amount.get(currency, 0) + row['net']
    currencies = set().union(*amounts.values()) or {'usd'}
    result = {'object': 'balance', 'livemode': False}
    for name, amount in amounts.items():
        result[name] = [{
                'amount': amount.get(c, 0),
                'currency': c,
                'source_types': {'card': amount.get(c, 0)},
                } for c in sorted(currencies)]
    return result


@endpoint('GET', '/v1/account', 'AccountRetrieveCurrentParams', 'account')
def retrieve_account(world, call, params):
    return world.account
