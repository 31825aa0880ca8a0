# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Processes of their own that run the module, and are killed.

Started with a file for the configuration; reads from its input a line of
JSON for each group of jobs, runs each job in a forked process, all at once,
and writes how they ended. A job has the model, method and ids, or None for a
cron, and may have at, the number of the step at which it is killed with
SIGKILL or loses its connection to the database. The steps are what can be
seen from outside: a request was executed at Stripe, a transaction committed.
"""
import json
import os
import random
import signal
import sys
import time
import traceback

SECTION = 'account_payment_stripe'


class Steps:
    "Count the steps of the process and end it at one of them"

    def __init__(self, at=None, how='kill', path=None):
        self.at = at
        self.how = how
        self.path = path
        self.count = 0
        self.names = []

    def install(self):
        import stripe

        from trytond.transaction import Transaction
        request, commit = stripe.RequestsClient.request, Transaction.commit

        def hooked_request(client, method, url, headers, post_data=None):
            answer = request(client, method, url, headers, post_data)
            self.reached(
                '%s %s' % (method.upper(), url.partition('/v1/')[2]))
            return answer

        def hooked_commit(transaction):
            commit(transaction)
            self.reached('commit')
        stripe.RequestsClient.request = hooked_request
        Transaction.commit = hooked_commit

    def reached(self, name):
        self.count += 1
        self.names.append(name)
        if self.path:
            with open(self.path, 'w') as file:
                json.dump(self.names, file)
        if self.count == self.at:
            if self.how == 'kill':
                os.kill(os.getpid(), signal.SIGKILL)
            self.disconnect()

    def disconnect(self):
        import psycopg

        from trytond import config
        from trytond.transaction import Transaction

        # Of whatever thread, the process has one transaction
        for transaction in list(Transaction._local.transactions) or (
                self.transactions):
            if transaction.connection:
                pid = transaction.connection.info.backend_pid
                with psycopg.connect(
                        config.get('database', 'uri')
                        + '&dbname=' + transaction.database.name,
                        autocommit=True) as connection:
                    connection.execute(
                        'SELECT pg_terminate_backend(%s)', (pid,))

    transactions = ()


def run(job):
    "Do the job as a cron, a worker, a user or a webhook does"
    from trytond import backend
    from trytond.exceptions import UserError, UserWarning
    from trytond.pool import Pool
    from trytond.transaction import Transaction, TransactionError
    name = os.environ['DB_NAME']
    steps = Steps(job.get('at'), job.get('how', 'kill'), job.get('path'))
    steps.install()
    if job['kind'] == 'webhooks':
        return post(job)
    extras = {}
    for id_ in job.get('each') or [None]:
        ids = job.get('ids') if id_ is None else [id_]
        for count in range(6):
            try:
                with Transaction().start(
                        name, job.get('user', 0),
                        context=job['context'], **extras) as transaction:
                    steps.transactions = [transaction]
                    Model = Pool().get(job['model'])
                    method = getattr(Model, job['method'])
                    if ids is None:
                        method()
                    else:
                        method(Model.browse(ids))
                break
            except TransactionError as e:
                e.fix(extras)
            except (UserError, UserWarning):
                break
            except backend.DatabaseOperationalError:
                if count == 5:
                    raise
                time.sleep(0.02 * count)


def post(job):
    "Post the events at once with others, doubled and shuffled"
    from werkzeug.test import Client

    from trytond.wsgi import app
    chance = random.Random(job['seed'])
    client = Client(app)
    deadline = time.monotonic() + 60
    requests = job['requests'] * 2
    chance.shuffle(requests)
    while requests and time.monotonic() < deadline:
        later = []
        for path, body, header in requests:
            response = client.post(
                path, data=body, content_type='application/json',
                headers={'Stripe-Signature': header})
            if not 200 <= response.status_code < 300:
                later.append((path, body, header))
        requests = later


def main():
    from trytond import backend, config
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    from .tools import MailServer
    options = json.loads(sys.argv[1])
    if not config.has_section(SECTION):
        config.add_section(SECTION)
    for option, value in options.items():
        config.set(SECTION, option, value)
    # What is sent is not what is looked at
    MailServer().start()
    name = os.environ['DB_NAME']
    Pool.start()
    pool = Pool(name)
    with Transaction().start(name, 0, readonly=True):
        pool.init()
    # The connections do not survive the fork
    backend.Database(name).close()
    print('ready', flush=True)
    for line in sys.stdin:
        children = {}
        for index, job in enumerate(json.loads(line)):
            pid = os.fork()
            if not pid:
                code = 1
                try:
                    run(job)
                    code = 0
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(code)
            children[pid] = index
        ends = {}
        while children:
            pid, status = os.wait()
            if pid in children:
                ends[children.pop(pid)] = os.waitstatus_to_exitcode(status)
        print(json.dumps([ends[i] for i in sorted(ends)]), flush=True)


if __name__ == '__main__':
    main()
