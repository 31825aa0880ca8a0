# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The oracle of tests: what moved, and whether the figures tie."
from . import balance


def ledger(world):
    "Return the movements of money, oldest first"
    result = []
    for row in world.rows:
        charge = row.private['charge'] or {}
        intent = world.table('payment_intent').get(
            charge.get('payment_intent') or '')
        result.append({
                'id': row['id'],
                'type': row['reporting_category'],
                'amount': row['amount'],
                'fee': row['fee'],
                'net': row['net'],
                'currency': row['currency'],
                'balance_type': row['balance_type'],
                'charge': charge.get('id'),
                'payment_intent': charge.get('payment_intent'),
                'payout': row.private.get('payout'),
                'source': row['source'],
                'created': row['created'],
                'metadata': dict(
                    (intent or charge or {}).get('metadata') or {}),
                })
    return result


def troubles(world):
    "Return what is wrong with the world's own books"
    rows = [
        balance.current(world, r) for r in world.rows
        if 'hidden' not in r.private]
    payouts = list(world.table('payout').rows.values())
    content = {
        p['id']: world.table('balance_transaction').find('payout', p['id'])
        for p in payouts}
    return compare(rows, balance.balance_of(world), payouts, content)


def compare(rows, balance, payouts, content):
    """Return as texts what doesn't tie.

    rows are all balance transactions, content those listed by payout. Each
    row's net is its amount less the parts of its fee (V1), an automatic
    payout that is explained is the sum of what it lists (V2), the balance is
    the sum of the rows (V3), and no row is paid out twice."""
    result = []
    for row in rows:
        parts = sum(d['amount'] for d in row['fee_details'])
        if row['net'] != row['amount'] - row['fee'] or parts != row['fee']:
            result.append("V1 %(id)s: %(amount)s, %(fee)s, %(net)s" % row)
    paid = {}
    for payout in payouts:
        if payout['reconciliation_status'] != 'completed':
            continue
        own = [
            r for r in content[payout['id']]
            if r['id'] == payout['balance_transaction']]
        others = [
            r for r in content[payout['id']]
            if r['id'] != payout['balance_transaction']]
        for row in others:
            if row['id'] in paid:
                result.append("V2 %s is paid out twice" % row['id'])
            paid[row['id']] = payout['id']
        if ([r['net'] for r in own] != [-payout['amount']]
                or sum(r['net'] for r in others) != payout['amount']):
            result.append("V2 %(id)s: %(amount)s isn't its rows" % payout)
    sums = {}
    for row in rows:
        if row['balance_type'] == 'payments':
            key = row['currency'], row['status']
            sums[key] = sums.get(key, 0) + row['net']
    for status in ['available', 'pending']:
        for item in balance[status]:
            expected = sums.pop((item['currency'], status), 0)
            if item['amount'] != expected:
                result.append("V3 %s %s: %s, the rows say %s" % (
                        item['currency'], status, item['amount'], expected))
    result.extend(
        "V3 %s %s is missing" % k for k, v in sums.items() if v)
    return result
