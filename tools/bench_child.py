# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A process of the benchmark: does one job and prints what it measured.

The argument is JSON: job is the name of the function, database and options
of the module, and what else the function takes.
"""
import json
import os
import resource
import statistics
import sys
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

SECTION = 'account_payment_stripe'


def median(values):
    return statistics.median(values) * 1000


@contextmanager
def transaction(base=None, user=0):
    from trytond.transaction import Transaction
    context = {'company': base['company']} if base else {}
    with Transaction().start(
            os.environ['DB_NAME'], user, context=context) as transaction:
        yield transaction
        transaction.commit()
        transaction.tasks.clear()


class Statements:
    "Count the SQL statements and the commits"

    def __init__(self):
        self.queries = []
        self.commits = 0

    def __enter__(self):
        import psycopg
        self.execute = execute = psycopg.Cursor.execute

        def counted(cursor, query, *args, **kwargs):
            self.queries.append(str(query))
            return execute(cursor, query, *args, **kwargs)
        psycopg.Cursor.execute = counted
        self.commit = commit = psycopg.Connection.commit

        def committed(connection):
            self.commits += 1
            return commit(connection)
        psycopg.Connection.commit = committed
        return self

    def __exit__(self, *args):
        import psycopg
        psycopg.Cursor.execute = self.execute
        psycopg.Connection.commit = self.commit

    @property
    def writes(self):
        return sum(
            q.startswith(('INSERT', 'UPDATE', 'DELETE'))
            for q in self.queries)


class Calls:
    "Count the requests to Stripe"

    def __init__(self):
        self.count = 0

    def __enter__(self):
        import stripe
        self.request = request = stripe.RequestsClient.request

        def counted(*args, **kwargs):
            self.count += 1
            return request(*args, **kwargs)
        stripe.RequestsClient.request = counted
        return self

    def __exit__(self, *args):
        import stripe
        stripe.RequestsClient.request = self.request


def setup(url, **_):
    "Create the database and what all the others need"
    from proteus import config

    from trytond.modules.account_payment_stripe.tests.large_tables import (
        create_base)
    from trytond.modules.account_payment_stripe.tests.simulator import Remote
    from trytond.tests.tools import activate_modules
    activate_modules('account_payment_stripe')
    config.get_config()
    with transaction(user=1):
        return create_base(Remote(url))


def fill(base, due=0, past=0, **_):
    "Add payments to charge and those of the past"
    from trytond.modules.account_payment_stripe.tests.large_tables import (
        CHARGED, DUE, analyze, multiply)
    from trytond.pool import Pool
    with transaction(base):
        pool = Pool()
        Payment = pool.get('account.payment')
        first = None
        if past:
            first = multiply(Payment, base['payment'], past, **CHARGED, **{
                    'stripe_captured': 'true',
                    'stripe_captured_amount': 'amount',
                    'stripe_refunded_amount': '0',
                    'stripe_lost_amount': '0',
                    })
        if due:
            multiply(Payment, base['payment'], due, **DUE)
        analyze(Payment)
    return {'first': first}


def rates(base, endpoint, total, **_):
    "Set the limits of the account"
    from trytond.pool import Pool
    with transaction(base):
        Account = Pool().get('account.payment.stripe.account')
        Account.write([Account(base['account'])], {
                'rate_endpoint': endpoint,
                'rate_total': total,
                })
    return {}


def charge(base, ids=None, **_):
    "Charge the payments that are due"
    from trytond.pool import Pool
    with transaction(base):
        Payment = Pool().get('account.payment')
        started, cpu = time.monotonic(), time.process_time()
        Payment.stripe_charge(ids)
        seconds = time.monotonic() - started
        cpu = time.process_time() - cpu
        done = Payment.search([('state', '=', 'succeeded')], count=True)
    return {
        'seconds': seconds,
        'cpu': cpu,
        'memory': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        'done': done,
        }


def checkout(base, **_):
    "Open the checkout page"
    from werkzeug.test import Client

    from trytond.modules.account_payment_stripe.tests.large_tables import (
        DUE, multiply)
    from trytond.pool import Pool
    from trytond.wsgi import app
    count = 40
    with transaction(base):
        Payment = Pool().get('account.payment')
        first = multiply(Payment, base['payment'], count, **{
                **DUE,
                'stripe_customer_payment_method': 'NULL',
                'stripe_checkout_id': "md5('open' || i)",
                })
        paths = [
            urlsplit(p.stripe_checkout_url).path
            for p in Payment.browse(range(first, first + count))]
    client = Client(app)
    seconds, calls = [], []
    for path in paths:
        with Calls() as counted:
            started = time.process_time()
            response = client.get(path)
            seconds.append(time.process_time() - started)
        if response.status_code != 200:
            raise ValueError(response.status)
        calls.append(counted.count)
    return {
        'calls': max(calls),
        'cpu': median(seconds[5:]),
        'size': len(response.data) / 1024,
        }


def buttons(base, count, **_):
    "Press buttons on many payments, return the number of queries of each"
    import datetime as dt

    from trytond.pool import Pool
    result = {}
    with transaction(base, user=1) as transaction_:
        Payment = Pool().get('account.payment')
        payments = Payment.create([{
                    'company': base['company'],
                    'journal': base['journal'],
                    'kind': 'receivable',
                    'party': base['party'],
                    'amount': 42,
                    'date': dt.date.today(),
                    'stripe_customer': base['customer'],
                    'stripe_customer_payment_method': base['method'],
                    }] * count)
        transaction_.commit()
        ids = [p.id for p in payments]

        def press(name, func):
            transaction_.commit()
            records = Payment.browse(ids)
            with Statements() as statements:
                func(records)
                transaction_.commit()
            result[name] = len(statements.queries)
        press('submit', Payment.submit)
        press('process', Payment.process)
        press('capture', Payment.stripe_do_capture)
        transaction_.tasks.clear()
    return result


def main():
    arguments = json.loads(sys.argv[1])
    from trytond import config

    from bench_profile import profiled
    if not config.has_section(SECTION):
        config.add_section(SECTION)
    for name, value in arguments.pop('options').items():
        config.set(SECTION, name, str(value))
    job = arguments.pop('job')
    functions = dict(globals())
    if job not in functions:
        import bench_events
        import bench_ledger
        functions = {**vars(bench_events), **vars(bench_ledger)}
    if job != 'setup':
        from trytond.pool import Pool
        Pool.start()
        Pool(os.environ['DB_NAME']).init()
        # Import what the first request would
        import trytond.wsgi  # noqa: F401
    print('ready', flush=True)
    if arguments.pop('wait', False):
        sys.stdin.readline()
    with profiled(job):
        result = functions[job](**arguments)
    print(json.dumps(result), flush=True)


if __name__ == '__main__':
    main()
