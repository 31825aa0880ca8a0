# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import logging
import os
import unittest
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from operator import attrgetter
from threading import Thread

import stripe

from trytond.modules.account_payment_stripe.connect import connect
from trytond.modules.account_payment_stripe.gateway import (
    OPERATIONS, StripeDenied, StripeFailure, StripeKeyReused, StripeRefused,
    StripeUnavailable, classify)

from .simulator import Simulator


class GatewayTestCase(unittest.TestCase):
    "Test the door to Stripe"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.simulator = Simulator().start()
        cls.addClassCleanup(cls.simulator.stop)
        cls.world = cls.simulator.account('gateway')

    def setUp(self):
        super().setUp()
        self.addCleanup(self.simulator.faults.clear)

    def gateway(self, key=None, retries=0, timeout=2):
        return connect(
            key or self.world.secret_key, self.simulator.url, retries,
            timeout)

    def fault(self, fault, **kwargs):
        return self.simulator.faults.add(
            fault, match='POST /v1/customers', times=1, **kwargs)

    def failure(self, call, *args, **kwargs):
        with self.assertRaises(Exception) as cm:
            call(*args, **kwargs)
        # What the library knows of the request must not get into a traceback
        self.assertIsNone(cm.exception.__cause__)
        self.assertIsNone(cm.exception.__context__)
        return cm.exception

    def test_answer(self):
        customer = self.gateway().customers.create(
            name="Customer", idempotency_key='answer')
        self.assertEqual(customer['name'], "Customer")
        again = self.gateway().customers.create(
            name="Customer", idempotency_key='answer')
        self.assertEqual(again['id'], customer['id'])

    def test_answered_at(self):
        "An answer was made within the time noted"
        gateway = self.gateway()
        before = self.simulator.clock.now()
        created = gateway.customers.create()['created']
        self.assertLessEqual(gateway.answered_at.first, created)
        self.assertGreaterEqual(gateway.answered_at.last, created)
        self.assertGreaterEqual(gateway.answered_at.first, int(before) - 2)

    def test_meanings(self):
        "Each failure has one meaning"
        for fault, meaning, saved in [
                ('drop_before', StripeUnavailable, False),
                ('drop_after', StripeUnavailable, False),
                ('500_before', StripeUnavailable, True),
                ('500_after', StripeUnavailable, True),
                ('409', StripeUnavailable, False),
                ('429', StripeUnavailable, False),
                ('429_lock_timeout', StripeUnavailable, False),
                ('malformed', StripeUnavailable, False),
                ('401', StripeDenied, False),
                ('403', StripeDenied, False),
                ]:
            with self.subTest(fault=fault):
                rule = self.fault(fault)
                failure = self.failure(
                    self.gateway().customers.create, name="Customer")
                self.assertIs(type(failure), meaning)
                self.assertEqual(failure.saved, saved)
                self.assertEqual(rule.hits, 1)

    def test_unreadable(self):
        "What cannot be read is not repeated"
        self.fault('malformed')
        failure = self.failure(
            self.gateway().customers.create, name="Private")
        self.assertEqual(failure.message, 'HTTP 200')

    def test_not_stripe(self):
        "Nothing but Stripe says no"
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response_only(status)
                self.send_header('Date', date)
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass
        server = HTTPServer(('127.0.0.1', 0), Handler)
        self.addCleanup(server.server_close)
        Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        gateway = connect(
            'sk_test_x', 'http://127.0.0.1:%s' % server.server_port, 0, 2)
        for status in [200, 400, 402, 404, 502]:
            for body in [
                    b'<html>', b'[]', b'null', b'{"message": "no"}' if (
                        status != 200) else b'""', b'{"error": "text"}' if (
                        status != 200) else b'1', b'\xff']:
                for date in ['Mon, 23 Nov 2026 05:00:00 GMT', 'now']:
                    with self.subTest(status=status, body=body, date=date):
                        failure = self.failure(
                            gateway.payment_intents.retrieve, 'pi_x')
                        self.assertIs(type(failure), StripeUnavailable)

    def test_path(self):
        "An id cannot be another path"
        for id_ in ['', '.', '..']:
            with self.subTest(id_):
                failure = self.failure(
                    self.gateway().customers.payment_sources.delete,
                    'cus_1', id_)
                self.assertTrue(failure.missing)

    def test_timeout(self):
        self.fault('timeout_before', seconds=3)
        failure = self.failure(
            self.gateway(timeout=1).customers.create, name="Customer")
        self.assertIs(type(failure), StripeUnavailable)

    def test_not_reached(self):
        gateway = connect('sk_test_x', 'http://127.0.0.1:1', 0, 1)
        failure = self.failure(gateway.customers.create)
        self.assertIs(type(failure), StripeUnavailable)

    def test_refused(self):
        failure = self.failure(
            self.gateway().payment_intents.create, amount=0, currency='usd')
        self.assertIs(type(failure), StripeRefused)
        self.assertEqual(failure.param, 'amount')
        self.assertFalse(failure.card)

        failure = self.failure(
            self.gateway().payment_intents.retrieve, 'pi_unknown')
        self.assertIs(type(failure), StripeRefused)
        self.assertTrue(failure.missing)
        self.assertTrue(failure.of_intent)

    def test_declined(self):
        failure = self.failure(
            self.gateway().payment_intents.create, amount=100, currency='usd',
            payment_method='pm_card_visa_chargeDeclined', confirm=True,
            automatic_payment_methods={
                'enabled': True, 'allow_redirects': 'never'})
        self.assertIs(type(failure), StripeRefused)
        self.assertTrue(failure.card)
        self.assertEqual(failure.code, 'card_declined')
        self.assertEqual(
            failure.intent['status'], 'requires_payment_method')

    def test_key_reused(self):
        self.gateway().customers.create(name="A", idempotency_key='reused')
        failure = self.failure(
            self.gateway().customers.create, name="B",
            idempotency_key='reused')
        self.assertIs(type(failure), StripeKeyReused)

    def test_key_in_use(self):
        "A key that another request is using may not be replaced"
        for status, code in [
                (409, None), (409, 'idempotency_key_in_use'),
                (400, 'idempotency_key_in_use')]:
            with self.subTest(status=status, code=code):
                failure = classify(stripe.IdempotencyError(
                        "In use", code=code, http_status=status,
                        json_body={'error': {
                                'type': 'idempotency_error',
                                'message': "In use",
                                'code': code,
                                }}))
                self.assertIs(type(failure), StripeUnavailable)
                self.assertFalse(failure.saved)

    def test_wrong_key(self):
        failure = self.failure(
            self.gateway(key='sk_live_secret').customers.create)
        self.assertIs(type(failure), StripeDenied)
        self.assertNotIn('sk_live_secret', str(failure))

    def test_no_key(self):
        failure = self.failure(self.gateway(key=' ').customers.create)
        self.assertIs(type(failure), StripeDenied)

    def test_retries(self):
        "The library tries again with the same key"
        rule = self.simulator.faults.add(
            'drop_after', match='POST /v1/customers', times=1)
        customers = len(self.world.objects('customer'))
        self.gateway(retries=1).customers.create(name="Once")
        self.assertEqual(rule.hits, 1)
        self.assertEqual(
            len(self.world.objects('customer')), customers + 1)

    def test_log(self):
        "Nothing secret is logged whatever the level"
        for name in ['stripe', 'trytond', 'urllib3', '']:
            logger = logging.getLogger(name)
            level = logger.level
            logger.setLevel(logging.DEBUG)
            self.addCleanup(logger.setLevel, level)
        with self.assertLogs(level='DEBUG') as cm:
            intent = self.gateway().payment_intents.create(
                amount=100, currency='usd', description="Private")
            self.failure(self.gateway().payment_intents.confirm, intent['id'])
            self.failure(
                self.gateway().payment_methods.create, type='card',
                card={'token': 'tok_private'})
        log = '\n'.join(cm.output)
        self.assertIn(intent['id'], log)
        for secret in [
                self.world.secret_key, intent['client_secret'], "Private",
                'tok_private']:
            self.assertNotIn(secret, log)

    @unittest.skipUnless(hasattr(os, 'fork'), "no processes are forked")
    def test_fork(self):
        "A forked process has connections of its own"
        before = self.gateway()
        self.assertIs(self.gateway(), before)
        pid = os.fork()
        if not pid:
            os._exit(self.gateway() is before)
        _, status = os.waitpid(pid, 0)
        self.assertEqual(status, 0)

    def test_own_clients(self):
        "Each key has a client of its own"
        other = self.simulator.account('gateway_other')
        self.gateway(key=other.secret_key).customers.create(name="Other")
        names = {c['name'] for c in self.world.objects('customer').values()}
        self.assertNotIn("Other", names)
        self.assertIsNone(stripe.api_key)

    def test_operations(self):
        "Each operation asks for the same as that of the library"
        client = stripe.StripeClient(
            self.world.secret_key,
            base_addresses={'api': self.simulator.url}).v1
        for operation, (method, path) in OPERATIONS.items():
            with self.subTest(operation):
                service, _, name = operation.rpartition('.')
                ids = ['id?a/b', 'ü#'][:path.count('{}')]
                with suppress(stripe.StripeError):
                    getattr(attrgetter(service)(client), name)(*ids, params={})
                with suppress(StripeFailure):
                    attrgetter(operation)(self.gateway())(*ids)
                theirs, ours = list(self.simulator.requests)[-2:]
                self.assertEqual(ours['method'], method.upper())
                for key in ['method', 'path']:
                    self.assertEqual(ours[key], theirs[key])
