# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What tests of the connection to Stripe need."""
import datetime as dt
import json
from contextlib import contextmanager
from unittest.mock import patch

from werkzeug.test import Client

from trytond import config
from trytond.modules.account_payment_stripe.event_handlers import HANDLERS
from trytond.modules.account_payment_stripe.gateway import STRIPE_VERSION
from trytond.modules.account_payment_stripe.tests.simulator.webhooks import (
    signature)
from trytond.pool import Pool
from trytond.protocols.wrappers import Response
from trytond.tests.test_tryton import DB_NAME
from trytond.wsgi import app

from .case import StripeTestCase

UNDER_WAY = 'trytond.modules.account_payment_stripe.account_find.UNDER_WAY'
NAME = 'shop.example.com'
HOST = {'is_secure': True, 'http_host': NAME}
# What a restricted key needs, but for webhooks
PERMISSIONS = dict(
    charges='write', customers='write', customer_sessions='write',
    disputes='read', events='read', payment_intents='write',
    payment_methods='write', payment_method_domains='write',
    refunds='write', setup_intents='write')


class ConnectTestCase(StripeTestCase):
    "Test with the buttons of an account"

    def setUp(self):
        super().setUp()
        self.server(NAME, 'True')
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.write([Account(self.account)], {
                    'contact': "shop@example.com",
                    })

    def server(self, name, certificate):
        "Let the server know the name of its machine, and that it has TLS"
        former = config.get('ssl', 'certificate') or ''
        config.set('ssl', 'certificate', certificate)
        self.addCleanup(config.set, 'ssl', 'certificate', former)
        # It is read when the server starts
        patched = patch('trytond.url.HOSTNAME', name)
        patched.start()
        self.addCleanup(patched.stop)

    def configure(self, name):
        "Set [web] hostname"
        config.set('web', 'hostname', name)
        self.addCleanup(config.set, 'web', 'hostname', '')

    def endpoints(self):
        return list(self.world.objects('webhook_endpoint').values())

    def press(self, button, host=HOST, **values):
        with self.transaction(_request=host):
            Account = Pool().get('account.payment.stripe.account')
            if values:
                Account.write([Account(self.account)], values)
            getattr(Account, button)([Account(self.account)])

    def cron(self):
        with self.transaction(user=0):
            Account = Pool().get('account.payment.stripe.account')
            Account.stripe_check_connections()

    def read(self):
        "Return the account and its checks: state and message by name"
        Account = Pool().get('account.payment.stripe.account')
        account = Account(self.account)
        return account, {c.name: (c.state, c.message) for c in account.checks}

    def states(self):
        with self.transaction():
            _, checks = self.read()
            return {n: s for n, (s, _) in checks.items()}

    def post(self, type_, secret, status=204):
        "Post the newest event of the type, signed with the secret"
        event = self.payload(type_)
        body = json.dumps(event).encode()
        with self.transaction():
            account, _ = self.read()
            path = '/%s/r/account_payment_stripe/webhook/%s' % (
                DB_NAME, account.webhook_identifier)
        response = Client(app, Response).post(path, data=body, headers={
                'Stripe-Signature': signature(
                    int(self.world.clock.now()), body, secret)})
        self.assertEqual(response.status_code, status)

    def restrict(self, **permissions):
        "Use the restricted key, with the permissions"
        self.world.restrict(**permissions)
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.write([Account(self.account)], {
                    'secret_key': self.world.restricted_key,
                    })

    def make(self, **values):
        "Make a webhook by hand, as in the dashboard"
        with self.transaction(_request=HOST):
            account, _ = self.read()
            if not account.webhook_identifier:
                account.new_identifier([account])
                account, _ = self.read()
            values.setdefault('url', account.webhook_endpoint)
        values.setdefault('enabled_events', list(HANDLERS))
        return self.client.webhook_endpoints.create(
            api_version=STRIPE_VERSION, **values)

    def enter(self, secret):
        "Enter the signing secret"
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.write([Account(self.account)], {
                    'webhook_signing_secret': secret,
                    })

    def signing_secret(self):
        with self.transaction():
            return self.read()[0].webhook_signing_secret

    def secret_at_stripe(self, endpoint):
        with self.world.lock:
            return self.world.table('webhook_endpoint').get(
                endpoint['id']).private['secret']

    def pay(self):
        "Let a payer pay, later than what happened before"
        self.world.clock.advance(5)
        with self.transaction():
            payment = self.create_payment()
            payment.stripe_checkout([payment])
            intent = payment.stripe_payment_intent_id
        self.world.pay(intent)

    def fetch(self):
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.fetch_events([Account(self.account)])

    @contextmanager
    def later(self):
        "As if nothing were under way anymore"
        with patch(UNDER_WAY, -dt.timedelta(hours=1)):
            yield
