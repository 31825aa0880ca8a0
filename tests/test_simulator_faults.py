# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Misbehaviour and limits of the simulator, and one that runs elsewhere."
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import stripe

from .simulator import Remote, Simulator
from .simulator.testing import SimulatorTestCase


class FaultsTestCase(SimulatorTestCase):
    "Test misbehaviour on demand"

    def fault(self, fault, match='POST /v1/customers', **options):
        return self.simulator.faults.add(
            fault, match=match, account=self.account.name, **options)

    def count(self):
        return len(self.account.objects('customer'))

    def test_drop(self):
        "Test connections that are dropped"
        for fault, count in [('drop_before', 0), ('drop_after', 1)]:
            rule = self.fault(fault, times=1)
            error = self.refused(self.client.customers.create, {})
            self.assertIsInstance(error, stripe.APIConnectionError)
            self.assertEqual(self.count(), count)
            self.assertEqual(rule.hits, 1)

    def test_drop_retried(self):
        "Test that the package's own retry finds the saved answer"
        self.fault('drop_after', times=1)
        client = self.connect(
            self.account.secret_key, max_network_retries=2)
        customer = client.customers.create({'name': 'a'})
        self.assertEqual(
            list(self.account.objects('customer')), [customer.id])

    def test_timeout(self):
        "Test answers that don't come"
        for fault, count in [('timeout_before', 0), ('timeout_after', 1)]:
            self.fault(fault, times=1, seconds=0.3)
            start = time.monotonic()
            error = self.refused(self.client.customers.create, {})
            self.assertIsInstance(error, stripe.APIConnectionError)
            self.assertGreater(time.monotonic() - start, 0.25)
            self.assertEqual(self.count(), count)

    def test_classes(self):
        "Test how the package sees the faults"
        for fault, class_ in [
                ('409', stripe.APIError),
                ('429', stripe.RateLimitError),
                ('429_lock_timeout', stripe.RateLimitError),
                ('401', stripe.AuthenticationError),
                ('403', stripe.PermissionError),
                ('500_before', stripe.APIError),
                ('500_after', stripe.APIError),
                ('503', stripe.APIError),
                ('malformed', stripe.APIError),
                ('down', stripe.APIConnectionError)]:
            with self.subTest(fault=fault):
                self.fault(fault, times=1)
                error = self.refused(self.client.customers.create, {})
                self.assertIs(type(error), class_)
                if fault == '429':
                    self.assertEqual(
                        error.headers['Stripe-Rate-Limited-Reason'],
                        'endpoint-rate')
                elif fault == '429_lock_timeout':
                    self.assertEqual(error.error.code, 'lock_timeout')
                    self.assertNotIn(
                        'Stripe-Rate-Limited-Reason', error.headers)

    def test_latency(self):
        "Test that a slow request holds nobody up"
        self.fault('latency', seconds=1)
        start = time.monotonic()
        threads = [
            threading.Thread(
                target=self.connect(
                    self.account.secret_key).customers.create, args=({},))
            for _ in range(20)]
        for thread in threads:
            thread.start()
        self.client.customers.list()
        self.assertLess(time.monotonic() - start, 0.9)
        for thread in threads:
            thread.join()
        self.assertLess(time.monotonic() - start, 5)
        self.assertEqual(self.count(), 20)

    def test_match(self):
        "Test which requests a rule hits"
        intent = self.intent()
        rule = self.fault('drop_before', 'POST /v1/payment_intents/*/cancel')
        any_ = self.fault('503', 'GET /v1/payment_intents/**')
        self.client.payment_intents.update(intent.id, {'description': 'a'})
        self.assertEqual((rule.hits, any_.hits), (0, 0))
        self.refused(self.client.payment_intents.cancel, intent.id)
        self.refused(self.client.payment_intents.retrieve, intent.id)
        self.assertEqual((rule.hits, any_.hits), (1, 1))

    def test_other_account(self):
        "Test that a rule spares other accounts"
        self.fault('down')
        self.connect('sk_test_' + uuid4().hex).customers.create({})

    def test_share(self):
        "Test a rule that hits at random, the same way each time"
        results = []
        for _ in range(2):
            rule = self.fault('503', share=0.5, seed=7)
            results.append([
                    self.request('POST', '/v1/customers')[0]
                    for _ in range(20)])
            self.assertTrue(4 < rule.hits < 16)
            self.simulator.faults.clear()
        self.assertEqual(results[0], results[1])

    def test_keep_alive(self):
        "Test that a connection serves many requests"
        connection = http.client.HTTPConnection(
            urlsplit(self.simulator.url).netloc)
        ports = set()
        for _ in range(3):
            connection.request('GET', '/v1/customers', headers={
                    'Authorization': 'Bearer ' + self.account.secret_key})
            connection.getresponse().read()
            ports.add(connection.sock.getsockname())
        connection.close()
        self.assertEqual(len(ports), 1)

    def test_rate_limits(self):
        "Test the limits that Stripe enforces"
        self.account.rate_limits(endpoint=5, total=8)

        def until_limited(*paths):
            for count in range(100):
                path = paths[count % len(paths)]
                status, answer, headers = self.request('GET', path)
                if status == 429:
                    self.assertEqual(answer['error']['code'], 'rate_limit')
                    return count, headers['Stripe-Rate-Limited-Reason']
        count, reason = until_limited('/v1/customers')
        self.assertGreaterEqual(count, 5)
        self.assertEqual(reason, 'endpoint-rate')
        _, reason = until_limited('/v1/charges', '/v1/refunds')
        self.assertEqual(reason, 'global-rate')
        self.account.rate_limits(None)
        self.client.customers.list()


class RemoteTestCase(SimulatorTestCase):
    "Test the controls over HTTP"

    def test_remote(self):
        "Test that Remote controls as Simulator does"
        remote = Remote(self.simulator.url)
        account = remote.account(self.account.name)
        self.assertEqual(account.secret_key, self.account.secret_key)
        intent = self.intent(metadata={'payment': '1'})
        self.assertEqual(account.pay(intent.id)['status'], 'succeeded')
        self.assertEqual(account.ledger(), self.account.ledger())
        self.assertIn(intent.id, account.objects('payment_intent'))
        now = remote.clock.now()
        remote.clock.advance(1000)
        self.assertGreater(remote.clock.now(), now + 999)
        rule = remote.faults.add('503', match='GET /v1/customers', times=1)
        self.assertEqual(rule['fault'], '503')
        self.refused(self.client.customers.list)
        self.assertEqual(remote.faults.rules[0]['hits'], 1)
        remote.faults.clear()
        self.assertTrue(remote.requests)
        account.webhooks.hold()
        self.assertEqual(account.webhooks.pending(), [])
        account.webhooks.release()
        self.assertEqual(account.webhooks.log, [])
        with self.assertRaises(Exception):
            account.webhooks.stop()

    def test_process(self):
        "Test the simulator in a process of its own"
        package = Simulator.__module__.rpartition('.')[0]
        root = Path(__file__).resolve().parents[1]
        process = subprocess.Popen(
            [sys.executable, '-m', package, '--port', '0'],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(
                    [str(root)] + [p for p in sys.path if p])))
        try:
            url = process.stdout.readline().strip()
            remote = Remote(url)
            remote.clock.advance(10)
            self.assertEqual(remote.account('a').objects('customer'), {})
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=10)
            self.assertEqual((process.returncode, errors), (0, ''))
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()

    def test_stop(self):
        "Test that a simulator that stopped doesn't answer"
        simulator = Simulator().start()
        client = stripe.StripeClient(
            'sk_test_a', base_addresses={'api': simulator.url}).v1
        client.customers.list()
        simulator.stop()
        error = self.refused(client.customers.list)
        self.assertIsInstance(error, stripe.APIConnectionError)


del SimulatorTestCase
