# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The jobs of the benchmark that are about events."""
import json
import os
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

from trytond.modules.account_payment_stripe.tests.simulator import webhooks

from bench_child import Statements, median, transaction

__all__ = ['one_by_one', 'poll', 'prepare', 'webhook', 'write']


def prepare(base, events, ids, **_):
    "Let the payments wait for the event that pays them"
    from trytond.pool import Pool
    with transaction(base) as transaction_:
        Payment = Pool().get('account.payment')
        Event = Pool().get('account.payment.stripe.event')
        cursor = transaction_.connection.cursor()
        table = Payment.__table__()
        cursor.execute(*table.update(
                [table.state, table.stripe_intent_status,
                    table.stripe_captured, table.stripe_captured_amount,
                    table.stripe_state_at, table.stripe_refunded_amount,
                    table.stripe_lost_amount],
                ['processing', 'processing', False, 0, None, 0, 0],
                where=table.id.in_(ids) if ids else table.state == 'succeeded'
                ))
        if not events:
            event = Event.__table__()
            cursor.execute(*event.delete())
    return {}


def webhook(base, event, ids, write=True, **_):
    """Post an event for each of the payments.

    write: write a field of each too.
    """
    from werkzeug.test import Client

    from trytond.pool import Pool
    from trytond.wsgi import app

    with transaction(base):
        Account = Pool().get('account.payment.stripe.account')
        Payment = Pool().get('account.payment')
        intents = {
            p.id: p.stripe_payment_intent_id for p in Payment.browse(ids)}
        path = urlsplit(Account(base['account']).webhook_endpoint).path
    client = Client(app)
    object_ = event['data']['object']

    def post(i, id_):
        event['id'] = 'evt_%s_%s' % (os.getpid(), i)
        event['created'] = int(time.time())
        object_['id'] = intents[id_]
        object_['latest_charge'] = 'ch_' + intents[id_][3:]
        body = json.dumps(event).encode()
        headers = {
            'Stripe-Signature': webhooks.signature(
                int(time.time()), body, base['secret']),
            }
        with measured(posts):
            response = client.post(
                path, data=body, headers=headers,
                content_type='application/json')
        if response.status_code != 204:
            raise ValueError(response.status)

    # In turn, as the machine is not always as fast
    posts, writes = [], []
    *others, last = ids
    for i, id_ in enumerate(others):
        post(i, id_)
        if write:
            _write(base, id_, writes)
    # Counting has its price
    with Statements() as statements:
        post(len(others), last)
    with transaction(base):
        applied = Payment.search([
                ('id', 'in', ids), ('state', '=', 'succeeded')], count=True)
    if applied != len(ids):
        raise ValueError("%s events not applied" % (len(ids) - applied))
    posts.pop()
    # The first fill the caches
    seconds, cpu = zip(*posts[10:])
    return {
        'event': median(seconds),
        'cpu': median(cpu),
        'write_cpu': median(c for _, c in writes[10:]) if write else None,
        'seconds': sum(s for s, _ in posts),
        'statements': len(statements.queries),
        'commits': statements.commits,
        }


def write(base, count=200, **_):
    "Write a field of each of some payments, the plain write of the ratios"
    from trytond.pool import Pool
    with transaction(base):
        ids = [p.id for p in Pool().get('account.payment').search(
                [], limit=count)]
    writes = []
    for _ in range(count // len(ids) + 1):
        for id_ in ids:
            _write(base, id_, writes)
    return {'cpu': median(c for _, c in writes[10:])}


def _write(base, id_, results):
    from trytond.pool import Pool
    with measured(results), transaction(base):
        Payment = Pool().get('account.payment')
        Payment.write([Payment(id_)], {'reference': str(time.time())})


@contextmanager
def measured(results):
    "Append the seconds, and those of the CPU, that it takes"
    started, cpu = time.perf_counter(), time.process_time()
    yield
    results.append((
            time.perf_counter() - started, time.process_time() - cpu))


def poll(base, last, **_):
    "Read the events after the last"
    from trytond.pool import Pool
    with transaction(base):
        Account = Pool().get('account.payment.stripe.account')
        Payment = Pool().get('account.payment')
        Event = Pool().get('account.payment.stripe.event')
        Account.write([Account(base['account'])], {
                'last_event': last,
                'webhook_identifier': None,
                })
        before = Payment.search([('state', '=', 'succeeded')], count=True)
    with transaction(base):
        with Statements() as statements:
            started, cpu = time.perf_counter(), time.process_time()
            Account.fetch_events([Account(base['account'])])
            cpu = time.process_time() - cpu
            seconds = time.perf_counter() - started
    with transaction(base):
        return {
            'seconds': seconds,
            'cpu': cpu,
            'writes': statements.writes,
            'kept': Event.search([], count=True),
            'applied': Payment.search(
                [('state', '=', 'succeeded')], count=True) - before,
            'last': Account(base['account']).last_event,
            }


def one_by_one(base, count, **_):
    "One search, save and commit for each of the payments"
    from trytond.pool import Pool
    with transaction(base) as transaction_:
        Payment = Pool().get('account.payment')
        intents = [
            p.stripe_payment_intent_id for p in Payment.search([
                    ('stripe_payment_intent_id', '!=', None),
                    ], limit=count)]
        transaction_.commit()
        started, cpu = time.perf_counter(), time.process_time()
        for intent in intents:
            payment, = Payment.search([
                    ('stripe_payment_intent_id', '=', intent),
                    ])
            payment.reference = str(time.perf_counter())
            payment.save()
            transaction_.commit()
        return {
            'seconds': time.perf_counter() - started,
            'cpu': time.process_time() - cpu,
            'count': len(intents),
            }
