# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""How an account is connected to Stripe, and what is found out about it."""
from urllib.parse import urlsplit

from trytond.modules.account_payment_stripe.event_handlers import HANDLERS
from trytond.modules.account_payment_stripe.exceptions import (
    StripeWebhookMovedWarning)
from trytond.modules.account_payment_stripe.gateway import STRIPE_VERSION
from trytond.pool import Pool

from . import connect_case as case
from .connect_case import HOST


class ConnectTestCase(case.ConnectTestCase):
    "Test connecting"

    def test_connect(self):
        "Test one button makes the webhook and registers the host"
        self.press('stripe_connect')
        endpoint, = self.endpoints()
        self.assertEqual(endpoint['api_version'], STRIPE_VERSION)
        self.assertEqual(set(endpoint['enabled_events']), set(HANDLERS))
        url = urlsplit(endpoint['url'])
        self.assertEqual(url.scheme, 'https')
        self.assertEqual(url.netloc, HOST['http_host'])
        with self.transaction(_request=HOST):
            account, checks = self.read()
            self.assertEqual(account.webhook_id, endpoint['id'])
            self.assertTrue(account.webhook_signing_secret)
            self.assertEqual(account.webhook_endpoint, endpoint['url'])
            self.assertEqual(account.mode, 'test')
            self.assertTrue(account.checked_at)
            self.assertEqual(
                {n: s for n, (s, _) in checks.items()}, {
                    'secret_key': 'ok', 'publishable_key': 'ok',
                    'permissions': 'ok', 'webhook': 'ok', 'https': 'ok',
                    'wallets': 'ok', 'delivery': 'warning', 'events': 'ok',
                    'cron': 'warning', 'contact': 'ok'})
            self.assertEqual(account.check_state, 'warning')
        domain, = self.world.objects('payment_method_domain').values()
        self.assertEqual(domain['domain_name'], HOST['http_host'])
        # What looked at the keys has been cancelled
        setup, = self.world.objects('setup_intent').values()
        self.assertEqual(setup['status'], 'canceled')
        # The events come through it
        with self.transaction():
            account, _ = self.read()
            payment = self.create_payment()
            payment.stripe_checkout([payment])
            intent = payment.stripe_payment_intent_id
            secret = account.webhook_signing_secret
        self.world.pay(intent)
        self.post('payment_intent.succeeded', secret)
        with self.transaction():
            self.assertEqual(self.reload(payment).state, 'succeeded')
            Account = Pool().get('account.payment.stripe.account')
            Account.fetch_events([Account(self.account)])
        # What is just being delivered is not lost
        self.press('stripe_check_connection')
        self.assertEqual(set(self.states().values()), {'ok'})
        # Nobody answers at this host
        self.pay()
        with self.later():
            self.press('stripe_check_connection')
        states = self.states()
        self.assertEqual(states.pop('delivery'), 'warning')
        self.assertEqual(set(states.values()), {'ok'})

    def test_check_changes_nothing(self):
        "Test only Connect makes something that stays"
        self.press('stripe_check_connection')
        self.press('new_identifier')
        self.press('stripe_check_connection')
        self.assertEqual(self.endpoints(), [])
        self.assertEqual(self.world.objects('payment_method_domain'), {})
        states = self.states()
        self.assertEqual(states['webhook'], 'error')
        self.assertEqual(states['wallets'], 'warning')

    def test_again(self):
        "Test there are never two for one URL"
        for _ in range(3):
            self.press('stripe_connect')
        self.assertEqual(len(self.endpoints()), 1)
        self.assertEqual(
            len(self.world.objects('payment_method_domain')), 1)
        # The answer of one was lost
        endpoint, = self.endpoints()
        self.client.webhook_endpoints.create(
            url=endpoint['url'], enabled_events=['*'],
            metadata={'tryton_database': 'x'})
        self.press('stripe_connect')
        self.assertEqual([e['id'] for e in self.endpoints()], [endpoint['id']])

    def test_made_by_hand(self):
        "Test what was made in the dashboard is taken over"
        self.press('new_identifier')
        with self.transaction(_request=HOST):
            account, _ = self.read()
            url = account.webhook_endpoint
        made = self.client.webhook_endpoints.create(
            url=url, enabled_events=['charge.succeeded'],
            api_version=STRIPE_VERSION)
        self.press(
            'stripe_check_connection', webhook_signing_secret=made.secret)
        self.assertEqual(self.states()['webhook'], 'error')
        self.press('stripe_connect')
        endpoint, = self.endpoints()
        self.assertEqual(endpoint['id'], made.id)
        self.assertEqual(set(endpoint['enabled_events']), set(HANDLERS))
        with self.transaction():
            account, checks = self.read()
            self.assertEqual(account.webhook_signing_secret, made.secret)
            self.assertEqual(checks['webhook'], ('ok', None))

    def test_made_by_hand_without_secret(self):
        "Test one whose signatures cannot be verified is replaced"
        self.press('new_identifier')
        with self.transaction(_request=HOST):
            account, _ = self.read()
            url = account.webhook_endpoint
        made = self.client.webhook_endpoints.create(
            url=url, enabled_events=['*'], api_version=STRIPE_VERSION)
        self.press('stripe_connect')
        endpoint, = self.endpoints()
        self.assertNotEqual(endpoint['id'], made.id)
        with self.transaction():
            account, _ = self.read()
            self.assertTrue(account.webhook_signing_secret)

    def test_new_version(self):
        "Test no event is lost or doubled when the version changes"
        self.press('stripe_connect')
        former, = self.endpoints()
        with self.world.lock:
            self.world.table('webhook_endpoint').get(former['id'])[
                'api_version'] = '2020-08-27'
        with self.transaction():
            account, _ = self.read()
            old = account.webhook_signing_secret
        self.press('stripe_check_connection')
        self.assertEqual(self.states()['webhook'], 'error')
        self.cron()
        self.assertEqual(len(self.endpoints()), 2)
        self.assertEqual(self.states()['webhook'], 'ok')
        with self.transaction():
            account, _ = self.read()
            new = account.webhook_signing_secret
            self.assertNotEqual(new, old)
            payment = self.create_payment()
            payment.stripe_checkout([payment])
            intent = payment.stripe_payment_intent_id
        self.world.pay(intent)
        self.post('payment_intent.succeeded', old)
        with self.transaction():
            self.assertEqual(self.reload(payment).state, 'succeeded')
        self.assertEqual(len(self.endpoints()), 2)
        self.cron()
        self.assertEqual(len(self.endpoints()), 2)
        self.post('payment_intent.succeeded', new)
        endpoint, = self.endpoints()
        self.assertNotEqual(endpoint['id'], former['id'])
        self.post('payment_intent.succeeded', old, status=400)
        with self.transaction():
            account, _ = self.read()
            self.assertIsNone(account.webhook_former_id)

    def test_wrong_keys(self):
        "Test keys of two accounts are found out, and a refused one"
        other = self.simulator.account('other-keys')
        self.press(
            'stripe_connect', publishable_key=other.publishable_key)
        self.assertEqual(self.states()['publishable_key'], 'error')
        self.world.revoke_key()
        self.press('stripe_connect')
        self.assertEqual(self.states(), {'secret_key': 'error'})
        with self.transaction():
            _, checks = self.read()
            self.assertIn("Invalid API Key", checks['secret_key'][1])
            self.assertIn(". Copy it again", checks['secret_key'][1])
            self.assertNotIn(self.world.secret_key, str(checks))

    def test_silent(self):
        "Test Stripe that does not answer is said"
        self.simulator.faults.add('drop_before')
        self.press('stripe_check_connection')
        self.assertEqual(self.states(), {'secret_key': 'warning'})

    def test_restricted(self):
        "Test what a restricted key lacks is named, for what it is needed"
        self.world.restrict(
            payment_intents='write', payment_methods='write', charges='read',
            customers='write', setup_intents='write', events='read',
            refunds='read', disputes='read', customer_sessions='write')
        self.press('stripe_connect', secret_key=self.world.restricted_key)
        with self.transaction():
            account, checks = self.read()
            state, message = checks['permissions']
            self.assertEqual(state, 'error')
            self.assertIn("To refund: ", message)
            self.assertIn("refunds_write", message)
            self.assertNotIn("To charge", message)
            state, message = checks['webhook']
            self.assertEqual(state, 'warning')
            for text in [STRIPE_VERSION, *HANDLERS]:
                self.assertIn(text, message)
            self.assertNotIn(account.webhook_identifier, message)
        self.assertEqual(self.endpoints(), [])
        # Nothing was done by asking
        self.assertEqual(self.world.objects('refund'), {})
        self.assertEqual(self.world.objects('customer'), {})

    def test_gone(self):
        "Test a webhook that is disabled or deleted at Stripe is told"
        self.press('stripe_connect')
        endpoint, = self.endpoints()
        self.client.webhook_endpoints.update(endpoint['id'], disabled=True)
        self.press('stripe_check_connection')
        with self.transaction():
            _, checks = self.read()
            self.assertIn("it is disabled", checks['webhook'][1])
        self.press('stripe_connect')
        self.assertEqual(self.states()['webhook'], 'ok')
        self.client.webhook_endpoints.delete(endpoint['id'])
        self.press('stripe_check_connection')
        self.assertEqual(self.states()['webhook'], 'error')
        self.press('stripe_connect')
        self.assertEqual(self.states()['webhook'], 'ok')
        self.assertEqual(len(self.endpoints()), 1)

    def test_disconnect(self):
        "Test it is deleted at Stripe, also if it is gone already"
        for gone in [False, True]:
            self.press('stripe_connect')
            if gone:
                endpoint, = self.endpoints()
                self.client.webhook_endpoints.delete(endpoint['id'])
            self.press('stripe_disconnect')
            self.assertEqual(self.endpoints(), [])
            with self.transaction():
                account, checks = self.read()
                self.assertEqual(checks, {})
                self.assertIsNone(account.webhook_id)
                self.assertIsNone(account.webhook_signing_secret)

    def test_copy_of_database(self):
        "Test a copy on another host does not take the webhook silently"
        self.press('stripe_connect')
        endpoint, = self.endpoints()
        self.configure('copy.example.com')
        self.server('copy.example.com', 'True')
        with self.assertRaises(StripeWebhookMovedWarning):
            self.press('stripe_connect')
        self.press('stripe_check_connection')
        self.assertEqual(self.states()['webhook'], 'error')
        # Nor does cron
        self.cron()
        self.assertEqual(self.states()['webhook'], 'error')
        self.assertEqual(self.endpoints(), [endpoint])

    def test_cron_keeps_url(self):
        "Test cron, which knows no host, corrects all but the URL"
        self.press('stripe_connect')
        endpoint, = self.endpoints()
        self.client.webhook_endpoints.update(
            endpoint['id'], enabled_events=['charge.succeeded'])
        self.cron()
        self.assertEqual(self.endpoints(), [endpoint])
        self.client.webhook_endpoints.delete(endpoint['id'])
        self.cron()
        self.assertEqual(self.endpoints(), [])
        self.assertEqual(self.states()['webhook'], 'error')

    def test_without_https(self):
        "Test that a server without https cannot be reached is said"
        self.server('localhost', '')
        self.press('stripe_connect', host={'http_host': 'localhost:8000'})
        states = self.states()
        self.assertEqual(states['https'], 'warning')
        self.assertNotIn('wallets', states)

    def test_copy(self):
        "Test the copy of an account is not connected"
        self.press('stripe_connect')
        with self.transaction():
            account, _ = self.read()
            copy, = account.copy([account])
            self.assertIsNone(copy.webhook_id)
            self.assertEqual(copy.checks, ())

    def test_not_connected(self):
        "Test cron asks nothing for who has not connected"
        self.simulator.requests.clear()
        self.cron()
        self.assertEqual(self.requests(), [])
