# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The jobs of the benchmark that are about Stripe's balance."""
import datetime as dt
import resource
import time

from bench_child import Calls, Statements, transaction

__all__ = ['book', 'create', 'fetch', 'fetch_nothing']

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


def book(base, count, **_):
    "Book and match the charges of a day, and as many lines by Tryton alone"
    from trytond.modules.account_payment_stripe.attempt import attempt
    from trytond.modules.account_payment_stripe.tests.book_case import (
        create_accounting)
    from trytond.pool import Pool
    from trytond.tests.test_tryton import activate_module
    activate_module(['account_payment_stripe', 'account_payment_clearing'])
    with transaction(base):
        pool = Pool()
        Payment = pool.get('account.payment')
        payment = Payment(base['payment'])
        accounts, books, _ = attempt(
            create_accounting, base['company'], payment.journal.id)
        balance = _balance(base, payment.currency.code)
        pool.get(BALANCE).write([pool.get(BALANCE)(balance)], books)
        for start in range(0, count, 500):
            ids = range(start, min(count, start + 500))
            payments = Payment.copy([payment] * len(ids), default={
                    'stripe_charge_id': None,
                    'account': None,
                    })
            for i, one in zip(ids, payments):
                one.state = 'succeeded'
                one.stripe_charge_id = 'ch_book%d' % i
                one.stripe_captured_amount = one.amount
            Payment.save(payments)
            attempt(Payment.set_clearing_move, payments)
        _store_charges(balance, count, payment)
    with transaction(base), Statements() as statements:
        Balance = Pool().get(BALANCE)
        started, cpu = time.monotonic(), time.process_time()
        for func, *args in Balance.steps(balance):
            func(*args)
        seconds = time.monotonic() - started
        cpu = time.process_time() - cpu
        left = Payment.search([
                ('stripe_charge_id', 'like', 'ch_book%'),
                ('clearing_reconciled', '!=', True),
                ], count=True)
    plain = _plain_moves(base, accounts, books['journal'], count)
    return {
        'left': left,
        'seconds': seconds,
        'cpu': cpu,
        'statements': len(statements.queries),
        'plain': plain,
        }


def _store_charges(balance, count, payment):
    "Store the transactions as Stripe lists them"
    from trytond.pool import Pool
    pool = Pool()
    Transaction = pool.get(TRANSACTION)
    balance = pool.get(BALANCE)(balance)
    amount, now = int(payment.amount * 100), int(time.time())
    for start in range(0, count, 100):
        Transaction.store(balance, [{
                    'id': 'txn_book%d' % i,
                    'type': 'charge',
                    'reporting_category': 'charge',
                    'currency': balance.code,
                    'amount': amount,
                    'fee': 100,
                    'net': amount - 100,
                    'fee_details': [{'type': 'stripe_fee', 'amount': 100}],
                    'created': now,
                    'source': 'ch_book%d' % i,
                    } for i in range(start, start + 100)])
    Transaction.link([balance.id])


def _plain_moves(base, accounts, journal, count):
    "Return the CPU of what Tryton needs for as many lines"
    from trytond.pool import Pool
    cpu = 0
    for start in range(0, count, 1000):
        size = min(1000, count - start)
        with transaction(base) as transaction_:
            pool = Pool()
            Line = pool.get('account.move.line')
            first = _move(pool, base, accounts, journal, size, 'debit')
            transaction_.commit()
            begun = time.process_time()
            second = _move(pool, base, accounts, journal, size, 'credit')
            transaction_.commit()
            pairs = list(zip(*(
                        _lines(m, accounts['clearing'])
                        for m in [first, second])))
            for i in range(0, size, 100):
                Line.reconcile(*map(list, pairs[i:i + 100]))
                transaction_.commit()
            cpu += time.process_time() - begun
    return cpu


def _lines(move, account):
    return [x for x in move.lines if x.account.id == account]


def _move(pool, base, accounts, journal, size, side):
    Move = pool.get('account.move')
    Period = pool.get('account.period')
    today = dt.date.today()
    lines = [{'account': accounts['clearing'], side: 1}] * size
    other = 'credit' if side == 'debit' else 'debit'
    lines.append({'account': accounts['stripe'], other: size})
    move, = Move.create([{
                'company': base['company'],
                'journal': journal,
                'date': today,
                'period': Period.find(base['company'], date=today).id,
                'lines': [('create', lines)],
                }])
    return move
