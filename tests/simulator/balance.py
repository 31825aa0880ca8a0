# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Balance transactions: every movement of money."
from decimal import Decimal

from .api import check_filters, endpoint, get, listing
from .checks import places
from .errors import invalid


def _rounded(value):
    return int(Decimal(value).to_integral_value())


def fee_of(world, charge, amount):
    "Return what Stripe takes for an amount of the charge, as settled"
    amount, _, _ = settled(world, amount, charge['currency'])
    settings = world.settings
    return (amount * settings.fee_rate + 500) // 1000 + settings.fee_fixed


def settled(world, amount, currency):
    "Return the amount as it is settled, its currency and the rate"
    settings = world.settings
    settlement = settings.settlement_currency
    if (not settlement or settlement == currency
            or currency in settings.settlement_currencies):
        return amount, currency, None
    rate = Decimal(str(
            settings.settlement_rates.get(
                currency, settings.settlement_rate)))
    digits = places(settlement) - places(currency)
    return _rounded((amount * rate).scaleb(digits)), settlement, float(rate)


def entry(world, type, amount, currency, source=None, fee=0, category=None,
        description=None, rate=None, available_on=None, fee_text=None,
        balance_type='payments', stored=True):
    """Record that money moved; return the balance transaction.

    Without available_on it is available at once."""
    now = world.now()
    details = []
    if fee:
        tax = _rounded(fee * Decimal(str(world.settings.fee_tax)) / 100)
        for part, kind, text in [
                (fee, 'stripe_fee', fee_text or "Stripe processing fees"),
                (tax, 'tax', "Tax on Stripe fees")]:
            if part:
                details.append({
                        'amount': part,
                        'application': None,
                        'currency': currency,
                        'description': text,
                        'type': kind,
                        })
        fee += tax
    row = world.draft(
        'balance_transaction',
        amount=amount,
        available_on=now if available_on is None else available_on,
        balance_type=balance_type,
        currency=currency,
        description=description,
        exchange_rate=rate,
        fee=fee,
        fee_details=details,
        net=amount - fee,
        reporting_category=category or type,
        source=source and source['id'],
        status='available' if available_on is None else 'pending',
        type=type)
    row.private['charge'] = None
    world.rows.append(row)
    if stored:
        world.table('balance_transaction').add(row)
    else:
        row.private['hidden'] = True
    return row


def movement(world, type, charge, amount, source, fee=0, category=None,
        description=None, stored=True):
    """Record that money of a charge moved; return the balance transaction.

    The amount is in the currency of the charge, the fee in the one in which
    the account is settled."""
    amount, currency, rate = settled(world, amount, charge['currency'])
    text = None
    if type == 'adjustment':
        text = "Dispute fee"
    elif fee and world.settings.fees_apart:
        world.unbilled[currency] = world.unbilled.get(currency, 0) + fee
        fee = 0
    row = entry(
        world, type, amount, currency, source, fee, category, description,
        rate if world.settings.settlement_rate_shown else None,
        world.now() + world.settings.available_after, text, stored=stored)
    row.private['charge'] = charge
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
        del row.private['hidden']
        world.table('balance_transaction').add(row)
        charge['balance_transaction'] = row['id']
        world.emit('charge.updated', charge)


def current(world, row):
    "Return the row with the status of now"
    if row['status'] == 'pending' and row['available_on'] <= world.now():
        row['status'] = 'available'
    return row


_PATH = '/v1/balance_transactions'


@endpoint('GET', _PATH, 'BalanceTransactionListParams',
    'balance_transaction', many=True)
def list_transactions(world, call, params):
    check_filters(world, params, 'payout')
    where = None
    if params.get('payout'):
        where = ('payout', [params['payout']])
        payout = world.table('payout').get(params['payout'])
        if (not payout['automatic']
                and world.settings.manual_content_refused):
            raise invalid(
                "Balance transaction history can only be filtered on "
                "automatic transfers, not manual.", param='payout')
    elif params.get('source'):
        where = ('source', [params['source']])
    elif params.get('type'):
        where = ('type', [params['type']])

    def keep(row):
        return all(
            not params.get(k) or row[k] == params[k]
            for k in ['currency', 'type', 'source'])
    result = listing(
        world, call, params, 'balance_transaction', where, keep)
    for row in result['data']:
        current(world, row)
    return result


@endpoint('GET', _PATH + '/{id}', 'BalanceTransactionRetrieveParams',
    'balance_transaction')
def retrieve_transaction(world, call, params, id):
    return current(world, get(world, 'balance_transaction', id, 'id'))


@endpoint('GET', '/v1/balance', 'BalanceRetrieveParams', 'balance')
def retrieve_balance(world, call, params):
    return balance_of(world)


def balance_of(world):
    "Return the balance: what is in the rows that can be seen"
    amounts = {'available': {}, 'pending': {}}
    for row in world.rows:
        if 'hidden' in row.private or row['balance_type'] != 'payments':
            continue
        amount = amounts[current(world, row)['status']]
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
