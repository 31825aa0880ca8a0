# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Records that strangers want to reach, and what may never happen."""
import hashlib
import hmac
import json
import logging
import re
import time
from itertools import count

import stripe
from sql import Table
from werkzeug.exceptions import HTTPException
from werkzeug.test import run_wsgi_app

from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction
from trytond.wsgi import app

from ..case import StripeTestCase
from .inputs import FOREIGN_HOST, Call

PREFIX = '/%s/r/account_payment_stripe' % DB_NAME.replace(':', '%3A')
TABLES = [
    'account_payment', 'account_payment_stripe_customer',
    'account_payment_stripe_refund', 'account_payment_stripe_account',
    'account_payment_stripe_event']
HINTS = {'webhook_refused', 'webhook_refused_at'}
# A single one takes some milliseconds of CPU, and machines may stand still
SECONDS = 5
HANGS = 60
TOLD = re.compile(
    r'Traceback|File &?#?\w*;?"|\.py\b|site-packages|sqlite3?\.|psycopg'
    r'|SELECT |syntax error', re.I)


class FuzzTestCase(StripeTestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # What is refused is logged, thousands of times
        logging.disable(logging.CRITICAL)
        cls.addClassCleanup(logging.disable, logging.NOTSET)

    def setUp(self):
        super().setUp()
        self.slowest = 0
        self.statuses = {}
        self._number = count(1)
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Customer = pool.get('account.payment.stripe.customer')
            Payment = pool.get('account.payment')
            account = Account(self.account)
            other, = Account.create([{
                        'name': "Other",
                        'secret_key': account.secret_key,
                        'publishable_key': account.publishable_key,
                        }])
            Account.new_identifier([account, other])
            self.secret = 'whsec_%s' % self.world.name
            account.webhook_signing_secret = self.secret
            account.save()
            payments = self.create_payments(4)
            customer, = Customer.create([{
                        'party': self.party,
                        'stripe_account': self.account,
                        }])
            Payment.stripe_checkout(payments)
            Customer.stripe_checkout([customer])
            self.payments = [p.id for p in payments]
            self.customer = customer.id
            self.intents = [p.stripe_payment_intent_id for p in payments]
            self.checkouts = [payments[0].stripe_checkout_id,
                payments[1].stripe_checkout_id, customer.stripe_checkout_id]
            self.webhooks = [
                account.webhook_identifier, other.webhook_identifier]
            self.secrets = [
                account.secret_key, self.secret,
                *(p.stripe_idempotency_key for p in payments)]

    def play_at_stripe(self):
        "Let things happen at Stripe, return the dictionaries of the events"
        client = stripe.StripeClient(
            self.world.secret_key,
            base_addresses={'api': self.simulator.url}).v1
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            setup = Customer(self.customer).stripe_setup_intent_id
        for intent, number in zip(self.intents[1:], [
                    '4242424242424242', '4000000000000259',
                    '4000000000000002']):
            try:
                self.world.pay(intent, number=number)
            except Exception:
                self.assertEqual(number, '4000000000000002')
        self.world.pay(setup)
        client.refunds.create({
                'payment_intent': self.intents[1], 'amount': 100})
        events = self.world.objects('event').values()
        return [json.loads(json.dumps(e)) for e in events]

    def rows(self):
        "Return all that is stored, by table"
        with Transaction().start(DB_NAME, 0, readonly=True) as transaction:
            cursor = transaction.connection.cursor()
            result = {}
            for name in TABLES:
                cursor.execute(*Table(name).select())
                names = [d[0] for d in cursor.description]
                # That a signature was refused is a hint for who checks
                result[name] = sorted((
                        tuple(
                            (n, v) for n, v in zip(names, r)
                            if n not in HINTS)
                        for r in cursor.fetchall()),
                    key=lambda r: dict(r)['id'])
        return result

    def restore(self, rows):
        "Store the rows of payments and customers again, without new events"
        now = self.rows()
        with Transaction().start(DB_NAME, 0) as transaction:
            cursor = transaction.connection.cursor()
            for name in TABLES[:-1]:
                table = Table(name)
                for old in set(rows[name]) - set(now[name]):
                    values = dict(old)
                    cursor.execute(*table.update(
                            [getattr(table, n) for n in values],
                            list(values.values()),
                            where=table.id == values['id']))
            table = Table(TABLES[-1])
            known = [dict(r)['id'] for r in rows[TABLES[-1]]]
            where = ~table.id.in_(known) if known else table.id > 0
            cursor.execute(*table.delete(where=where))

    def send(self, call):
        "Return the status, headers and text of the answer, checked"
        environ = call.environ()
        started, cpu = time.monotonic(), time.thread_time()
        try:
            chunks, status, headers = run_wsgi_app(app, environ, buffered=True)
        except HTTPException as e:
            # trytond itself refuses some hosts and origins that way
            response = e.get_response(environ)
            chunks, status, headers = run_wsgi_app(
                response, environ, buffered=True)
        content = b''.join(chunks)
        seconds = time.monotonic() - started
        cpu = time.thread_time() - cpu
        status = int(status.split()[0])
        self.slowest = max(self.slowest, seconds)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        text = content.decode('utf-8')
        told = '%s\n%s %s' % (call, status, text[:2000])
        self.assertLess(cpu, SECONDS, told)
        self.assertLess(seconds, HANGS, told)
        for secret in self.secrets:
            self.assertNotIn(secret, text + str(headers), told)
        page = headers.get('Content-Type', '').startswith('text/html')
        if not (status == 200 and page):
            # The page has a script of its own
            self.assertNotRegex(text, TOLD, told)
            self.assertNotIn('_secret_', text, told)
            if page:
                self.assertNotIn('<script', text, told)
                self.assertNotIn('<img', text, told)
        else:
            self.assertNotIn(FOREIGN_HOST, text, told)
        return status, headers, text, environ['wsgi.errors'].getvalue()

    def request(self, call):
        """Return the status and text of a route.

        Of what is refused nothing is stored, or logged as an error."""
        before = self.rows()
        status, headers, text, errors = self.send(call)
        self.assertFalse(errors, call)
        self.assertTrue(status < 500, '%s %s' % (call, status))
        if status >= 300 or call.method == 'OPTIONS':
            self.assertEqual(self.rows(), before, call)
        return status, text

    def webhook(self, body, header=None, identifier=None, **values):
        "Return the call of the webhook, signed unless there is a header"
        if isinstance(body, str):
            body = body.encode()
        if header is None:
            header = 't=%d,v1=%s' % (time.time(), self.sign(body))
        headers = {'Stripe-Signature': header, **values}
        headers.setdefault('Content-Type', 'application/json')
        return Call(
            'POST', ('%s/webhook/%s' % (
                    PREFIX, identifier or self.webhooks[0])).encode(),
            headers=headers, body=body)

    def sign(self, body, secret=None, timestamp=None):
        signed = b'%d.%s' % (int(timestamp or time.time()), body)
        return hmac.new(
            (secret or self.secret).encode(), signed, hashlib.sha256
            ).hexdigest()

    def assertUsable(self):
        "The next valid requests are served"
        for checkout, model in [
                (self.checkouts[0], 'account.payment'),
                (self.checkouts[2], 'account.payment.stripe.customer')]:
            status, text = self.request(Call('GET', ('%s/checkout/%s/%s' % (
                            PREFIX, model, checkout)).encode()))
            self.assertEqual(status, 200)
            self.assertIn('_secret_', text)
        self.world.pay(self.intents[0])
        event = self.payload('payment_intent.succeeded')
        status, _ = self.request(self.webhook(json.dumps(event)))
        self.assertEqual(status, 204)
        with self.transaction():
            Payment = Pool().get('account.payment')
            self.assertEqual(Payment(self.payments[0]).state, 'succeeded')

    def next_id(self):
        return 'evt_fuzz%d' % next(self._number)
