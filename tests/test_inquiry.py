# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Who posts to a webhook, or opens a page, does not keep the server busy."""
import threading
import time
import unittest
import uuid
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

from trytond import backend, config
from trytond.pool import Pool
from trytond.transaction import Transaction

from .. import inquiry
from ..account import QUICK_TIMEOUT
from ..connect import connect
from ..inquiry import BURST, RATE, WAITING, InquiryLimit, inquire
from .test_routes import PREFIX, RoutesCase
from .tools import SECTION

# What answers at once, and after what is not waited for any longer
SOON = 2
PATIENCE = QUICK_TIMEOUT + SOON


class PatienceCase(RoutesCase):

    def setUp(self):
        super().setUp()
        for name, value in {
                'timeout': '30', 'max_network_retries': '3'}.items():
            before = config.get(SECTION, name)
            config.set(SECTION, name, value)
            self.addCleanup(config.set, SECTION, name, before)

    def unknown(self):
        return {
            'object': 'event',
            'id': 'evt_%s' % uuid.uuid4().hex,
            'type': 'charge.succeeded',
            'created': 1,
            'data': {'object': {'id': 'ch_1'}},
            }

    def asked(self):
        return len([
                r for r in self.requests('GET')
                if r['path'].startswith('/v1/events/')])

    def timed(self, func, *args):
        "Return the result and the seconds that it took"
        started = time.monotonic()
        result = func(*args)
        return result, time.monotonic() - started


class InquiryTestCase(PatienceCase):
    "Test a webhook without a signing secret"

    def test_silent(self):
        "It does not wait long for a Stripe that is silent"
        path = self.webhook()
        rule = self.simulator.faults.add(
            'timeout_before', match='GET /v1/events/*', seconds=10)
        status, seconds = self.timed(self.post, path, self.unknown())
        self.assertEqual(status, 503)
        self.assertLess(seconds, PATIENCE)
        # The others do not wait at all
        for _ in range(5):
            status, seconds = self.timed(self.post, path, self.unknown())
            self.assertEqual(status, 503)
            self.assertLess(seconds, SOON)
        self.assertEqual(rule.hits, 1)

    def test_broken(self):
        "It does not try again by itself, Stripe does"
        path = self.webhook()
        _, event = self.paid()
        for fault in ['500_before', '429', 'drop_before', 'malformed']:
            with self.subTest(fault):
                before = self.asked()
                self.simulator.faults.add(
                    fault, match='GET /v1/events/*', times=1)
                status, seconds = self.timed(self.post, path, event)
                self.assertEqual(status, 503)
                self.assertLess(seconds, SOON)
                self.assertLessEqual(self.asked(), before + 1)
        self.assertEqual(self.post(path, event), 204)

    def test_unknown(self):
        "What Stripe does not know is not asked again for a while"
        path = self.webhook()
        event = self.unknown()
        for _ in range(5):
            self.assertEqual(self.post(path, event), 400)
        self.assertEqual(self.asked(), 1)
        with patch.object(inquiry, 'REMEMBER', 0):
            other = self.unknown()
            for _ in range(2):
                self.assertEqual(self.post(path, other), 400)
        self.assertEqual(self.asked(), 3)

    def test_applied(self):
        "What has been applied is not asked again"
        path = self.webhook()
        _, event = self.paid()
        self.assertEqual(self.post(path, event), 204)
        self.assertEqual(self.asked(), 1)
        for _ in range(3):
            self.assertEqual(self.post(path, event), 204)
        self.assertEqual(self.asked(), 1)

    def test_limit(self):
        "Stripe is not asked as often as strangers like"
        path = self.webhook()
        _, event = self.paid()
        # However slow the machine of the test is
        rate = 1
        with patch.object(inquiry, 'RATE', rate):
            started = time.monotonic()
            statuses = [
                self.post(path, self.unknown()) for _ in range(BURST + 50)]
            seconds = time.monotonic() - started
        self.assertEqual(set(statuses), {400, 429})
        self.assertEqual(self.asked(), statuses.count(400))
        self.assertLessEqual(self.asked(), BURST + rate * seconds + 1)
        while True:
            # Stripe posts again what was refused
            status = self.post(path, event)
            if status != 429:
                break
            time.sleep(1 / RATE)
        self.assertEqual(status, 204)

    def test_other(self):
        "The limit of one account is not that of another"
        path = self.webhook()
        world = self.simulator.account(uuid.uuid4().hex)
        gateway = connect(world.secret_key, self.simulator.url, 0, 1)
        with self.assertRaises(InquiryLimit):
            for _ in range(BURST * 2):
                try:
                    inquire(gateway, 'evt_%s' % uuid.uuid4().hex)
                except ValueError:
                    pass
        self.assertEqual(self.post(path, self.unknown()), 400)

    def test_waiting(self):
        "Few wait for an answer at the same time"
        gateway = connect(self.world.secret_key, self.simulator.url, 0, 10)
        self.simulator.faults.add(
            'latency', match='GET /v1/events/*', seconds=1)
        barrier = threading.Barrier(WAITING * 4)

        def ask(_):
            barrier.wait()
            try:
                inquire(gateway, 'evt_%s' % uuid.uuid4().hex)
            except (ValueError, InquiryLimit) as e:
                return type(e)
        with ThreadPoolExecutor(barrier.parties) as executor:
            results = list(executor.map(ask, range(barrier.parties)))
        self.assertEqual(results.count(ValueError), WAITING)
        self.assertEqual(results.count(InquiryLimit), 3 * WAITING)
        # They have ended
        with self.assertRaises(ValueError):
            inquire(gateway, 'evt_%s' % uuid.uuid4().hex)

    def test_memory(self):
        "However many are unknown, few of them are remembered"
        inquiries = inquiry._Inquiries()
        for i in range(inquiry.REMEMBERED * 2):
            inquiries.remember('evt_%s' % i)
        self.assertEqual(len(inquiries._unknown), inquiry.REMEMBERED)
        with self.assertRaises(ValueError):
            inquiries.start('evt_%s' % i)
        inquiries.start('evt_0')

    @unittest.skipIf(
        backend.name != 'postgresql', "SQLite has no other sessions")
    def test_transaction(self):
        "No transaction waits for Stripe"
        path = self.webhook()
        _, event = self.paid()
        rule = self.simulator.faults.add(
            'latency', match='GET /v1/events/*', seconds=2)
        with ThreadPoolExecutor(1) as executor:
            post = executor.submit(self.post, path, event)
            while not rule.hits:
                time.sleep(.05)
            with self.transaction():
                cursor = Transaction().connection.cursor()
                cursor.execute(
                    "SELECT state, query FROM pg_stat_activity "
                    "WHERE datname = current_database() "
                    "AND pid != pg_backend_pid() "
                    "AND state != 'idle'")
                self.assertEqual(cursor.fetchall(), [])
            self.assertFalse(post.done())
            self.assertEqual(post.result(), 204)


class PageTestCase(PatienceCase):
    "Test pages while Stripe is silent"

    def paths(self):
        with self.transaction():
            pool = Pool()
            Customer = pool.get('account.payment.stripe.customer')
            Payment = pool.get('account.payment')
            payment = self.create_payment()
            customer, = Customer.create([{
                        'party': self.party,
                        'stripe_account': self.account,
                        }])
            for record in [payment, customer]:
                record.stripe_checkout([record])
            Payment.write([payment], {'stripe_customer': customer.id})
            return ['%s/checkout/%s/%s%s' % (
                    PREFIX, r.__name__, r.stripe_checkout_id, end)
                for r in [payment, customer] for end in ['', '/end']]

    def get(self, path):
        return self.client.get(path).status_code

    def test_silent(self):
        "The payer waits some seconds, and reads to try again"
        for path in self.paths():
            with self.subTest(path):
                rule = self.simulator.faults.add(
                    'timeout_before', match='GET /v1/**', seconds=10)
                status, seconds = self.timed(self.get, path)
                self.assertEqual(status, 503)
                self.assertLess(seconds, PATIENCE)
                # Who opens it again waits not at all
                status, seconds = self.timed(self.get, path)
                self.assertEqual(status, 503)
                self.assertLess(seconds, SOON)
                self.assertEqual(rule.hits, 1)
                self.simulator.faults.clear()
                connect.cache_clear()
                self.assertEqual(self.get(path), 200)

    def test_patient(self):
        "Cron and people who press buttons still wait and try again"
        self.get(self.paths()[0])
        with self.transaction():
            account = Pool().get('account.payment.stripe.account')(
                self.account)
            gateway = account.gateway
            self.assertEqual(gateway.timeout, 30)
            self.assertEqual(gateway.max_network_retries, 3)

    @unittest.skipIf(
        backend.name != 'postgresql', "SQLite has no other sessions")
    def test_many(self):
        "Those who open the same page do not wait for each other"
        path = self.paths()[0]
        self.simulator.faults.add(
            'timeout_before', match='GET /v1/**', seconds=10)
        with ThreadPoolExecutor(4) as executor:
            for status, seconds in executor.map(
                    self.timed, [self.get] * 4, [path] * 4):
                self.assertEqual(status, 503)
                self.assertLess(seconds, PATIENCE)
