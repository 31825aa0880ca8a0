# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The jobs of the benchmark that are about Stripe's balance."""
import datetime as dt
import resource
import time

from bench_child import Calls, Statements, transaction

__all__ = ['create', 'fetch', 'fetch_nothing']

BALANCE = 'account.payment.stripe.balance'
TRANSACTION = 'account.payment.stripe.transaction'


def _balance(base, code='EUR'):
    from trytond.pool import Pool
    pool = Pool()
    Balance = pool.get(BALANCE)
    Currency = pool.get('currency.currency')
    currencies = Currency.search([('code', '=', code)]) or Currency.create([{
                'name': code, 'code': code, 'symbol': code}])
    balances = Balance.search([('currency', '=', currencies[0].id)])
    if balances:
        return balances[0].id
    balance, = Balance.create([{
                'name': "Balance",
                'company': base['company'],
                'stripe_account': base['account'],
                'currency': currencies[0].id,
                'start_date': dt.date.today() - dt.timedelta(days=1),
                }])
    return balance.id


def _memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fetch(base, **_):
    "Fetch all transactions"
    from trytond.pool import Pool
    with transaction(base):
        balance = _balance(base)
    with transaction(base):
        pool = Pool()
        Balance = pool.get(BALANCE)
        before = _memory()
        started, cpu = time.monotonic(), time.process_time()
        with Calls() as calls:
            Balance.stripe_fetch([balance])
        seconds = time.monotonic() - started
        cpu = time.process_time() - cpu
        memory = _memory() - before
        balance = Balance(balance)
        if balance.error_message or balance.difference:
            raise ValueError(balance.error_message or balance.difference)
        count = pool.get(TRANSACTION).search([], count=True)
    return {
        'count': count,
        'seconds': seconds,
        'cpu': cpu,
        'memory': memory,
        'requests': calls.count,
        }


def fetch_nothing(base, **_):
    "Fetch when there is nothing new"
    from trytond.pool import Pool
    with transaction(base):
        Balance = Pool().get(BALANCE)
        balance = _balance(base)
        Balance.stripe_fetch([balance])
        with Calls() as calls, Statements() as statements:
            Balance.stripe_fetch([balance])
    return {
        'requests': calls.count,
        'statements': len(statements.queries),
        }


def create(base, count, **_):
    "Create as many rows by the ORM, a page in each transaction"
    from trytond.pool import Pool
    with transaction(base):
        # One that is never fetched
        balance = _balance(base, 'XTS')
    with transaction(base) as transaction_:
        Transaction = Pool().get(TRANSACTION)
        seen = Transaction.search([], limit=1)[0]
        names = [
            n for n, f in Transaction._fields.items()
            if not hasattr(f, 'set') and n not in {
                'id', 'create_uid', 'create_date', 'write_uid', 'write_date',
                'balance', 'identifier'}]
        values = {}
        for name in names:
            value = getattr(seen, name)
            values[name] = getattr(value, 'id', value)
        started, cpu = time.monotonic(), time.process_time()
        for page in range(count // 100):
            Transaction.create([{
                        **values,
                        'balance': balance,
                        'identifier': 'txn_%d_%d' % (page, i),
                        } for i in range(100)])
            transaction_.commit()
        seconds = time.monotonic() - started
        cpu = time.process_time() - cpu
    return {
        'count': count // 100 * 100,
        'seconds': seconds,
        'cpu': cpu,
        }
