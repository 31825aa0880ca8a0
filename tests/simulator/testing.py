# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What tests against the simulator share."
import json
import threading
import unittest
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import stripe

from .simulator import Simulator

RETURN_URL = 'https://example.com/return'
# How a bank debit is agreed to without a browser
OFFLINE = {'customer_acceptance': {'type': 'offline', 'offline': {}}}


class Receiver:
    """A webhook endpoint.

    secret is the one of its registration, events what arrived and verified;
    status is what it answers."""

    def __init__(self):
        self.status = 200
        self.secret = None
        self.events = []
        self.refused = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers['Content-Length'])
                receiver.receive(
                    self.rfile.read(length),
                    self.headers.get('Stripe-Signature'))
                self.send_response(receiver.status)
                if 300 <= receiver.status < 400:
                    self.send_header('Location', '/elsewhere')
                self.send_header('Content-Length', '0')
                self.end_headers()

            def log_message(self, format, *args):
                pass
        self._server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.url = 'http://127.0.0.1:%d/hook' % self._server.server_port
        threading.Thread(
            target=self._server.serve_forever, args=(0.05,),
            daemon=True).start()

    def receive(self, content, header):
        try:
            event = stripe.Webhook.construct_event(
                content.decode(), header, self.secret)
        except (ValueError, stripe.SignatureVerificationError) as e:
            self.refused.append(e)
            return
        self.events.append(event)

    @property
    def types(self):
        return [e.type for e in self.events]

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class SimulatorTestCase(unittest.TestCase):
    "A simulator for the class, an account of its own for each test"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.simulator = Simulator().start()
        cls.addClassCleanup(cls.simulator.stop)

    def setUp(self):
        super().setUp()
        self.account = self.simulator.account(uuid4().hex)
        self.client = self.connect(self.account.secret_key)
        self.addCleanup(self.simulator.faults.clear)

    def tearDown(self):
        errors, self.simulator.errors[:] = self.simulator.errors[:], []
        self.assertEqual(errors, [])
        super().tearDown()

    def connect(self, key, **options):
        "Return a client of the stripe package"
        return stripe.StripeClient(
            key, base_addresses={'api': self.simulator.url}, **options).v1

    def request(self, method, path, params=None, key=None, **headers):
        "Send a request as is, return its status, answer and headers"
        body = urllib.parse.urlencode(params or {})
        url, data = self.simulator.url + path, None
        if method == 'POST':
            data = body.encode()
        elif body:
            url += '?' + body
        headers = {k.replace('_', '-'): v for k, v in headers.items()}
        headers.setdefault(
            'Authorization', 'Bearer ' + (key or self.account.secret_key))
        request = urllib.request.Request(
            url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                content = response.read()
                return (
                    response.status, json.loads(content) if content else None,
                    response.headers)
        except urllib.error.HTTPError as e:
            with e:
                return e.code, json.loads(e.read()), e.headers

    def receiver(self, events=('*',), **params):
        "Return a registered webhook endpoint"
        receiver = Receiver()
        self.addCleanup(receiver.stop)
        endpoint = self.client.webhook_endpoints.create({
                'url': receiver.url, 'enabled_events': list(events),
                **params})
        receiver.secret = endpoint.secret
        receiver.id = endpoint.id
        return receiver

    def customer(self, method=None, **params):
        "Return a new customer, maybe with a saved payment method"
        customer = self.client.customers.create(params)
        if method:
            method = self.client.payment_methods.attach(
                method, {'customer': customer.id})
            return customer, method
        return customer

    def intent(self, **params):
        "Return a new payment intent"
        params.setdefault('amount', 1000)
        params.setdefault('currency', 'eur')
        if params.get('confirm'):
            params.setdefault('return_url', RETURN_URL)
        return self.client.payment_intents.create(params)

    def paid(self, method='pm_card_visa', **params):
        "Return a payment intent that is confirmed"
        return self.intent(
            payment_method=method, confirm=True, **params)

    def types(self, since=None):
        "Return the types of the account's events, oldest first"
        params = {'limit': 100}
        if since:
            params['ending_before'] = since
        return [
            e.type for e in self.client.events.list(params).data][::-1]

    def refused(self, function, *args, **kwargs):
        "Return the error that a call raises"
        with self.assertRaises(stripe.StripeError) as cm:
            function(*args, **kwargs)
        return cm.exception
