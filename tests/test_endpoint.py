# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The webhook at Stripe: which it is, where it posts to, who signs it."""
import datetime as dt
from unittest.mock import patch
from urllib.parse import urlsplit

from trytond.modules.account_payment_stripe.connection import (
    is_public, is_same_host, wanted_url)
from trytond.modules.account_payment_stripe.exceptions import (
    StripeError, StripeWebhookMovedWarning)
from trytond.pool import Pool
from trytond.tests.test_tryton import TestCase as BaseTestCase
from trytond.transaction import Transaction

from .connect_case import HOST, PERMISSIONS, ConnectTestCase
from .simulator import webhooks
from .simulator.errors import invalid

HTTP = {'is_secure': False, 'http_host': HOST['http_host']}
NEW = {'is_secure': True, 'http_host': 'new.example.com'}
INSIDE = {'is_secure': False, 'http_host': '10.0.0.7:8000'}
PLACE = 'trytond.modules.account_payment_stripe.account_webhook.PAUSE'


class URLTestCase(BaseTestCase):
    "Test what is told of URLs"

    def test_public(self):
        for host, expected in [
                ('shop.example.com', True),
                ('shop.example.com.', True),
                ('8.8.8.8', True),
                ('2001:4860:4860::8888', True),
                ('localhost', False),
                ('erp', False),
                ('erp.lan', False),
                ('ERP.Local', False),
                ('127.0.0.1', False),
                ('192.168.1.5', False),
                ('::1', False),
                ('', False),
                (None, False),
                ]:
            with self.subTest(host):
                self.assertIs(is_public(host), expected)

    def test_same_host(self):
        for first, second, expected in [
                ('https://a.com/x', 'http://a.com/y', True),
                ('https://a.com:443', 'https://A.com', True),
                ('http://a.com:8000', 'http://a.com', False),
                ('https://a.com', 'https://b.com', False),
                ('https://a.com:x', 'https://a.com:x', True),
                ]:
            with self.subTest(first=first, second=second):
                self.assertIs(is_same_host(first, second), expected)

    def test_wanted(self):
        for current, url, host, expected in [
                # What is not known does not change it
                ('https://a.com/x', 'http://b/x', False, 'https://a.com/x'),
                ('https://a.com/x', 'http://a.com/x', True, 'https://a.com/x'),
                ('http://a.com/x', 'https://b/x', False, 'https://a.com/x'),
                ('http://a.com/x', 'https://a.com/x', True, 'https://a.com/x'),
                ('https://a.com/x', 'https://b.com/x', True,
                    'https://b.com/x'),
                ('https://a.com/x', 'https://a.com/y', True,
                    'https://a.com/y'),
                ]:
            with self.subTest(current=current, url=url, host=host):
                self.assertEqual(wanted_url(current, url, host), expected)


class EndpointTestCase(ConnectTestCase):
    "Test the webhook that is kept"

    def assert_connected(self):
        "Check that what Stripe posts now is accepted, by one webhook"
        endpoint, = self.endpoints()
        secret = self.signing_secret()
        self.assertEqual(secret, self.secret_at_stripe(endpoint))
        with self.transaction():
            account, checks = self.read()
            self.assertEqual(account.webhook_id, endpoint['id'])
            self.assertEqual(checks['webhook'], ('ok', None))
        self.pay()
        self.post('payment_intent.succeeded', secret)

    def model(self):
        with self.transaction():
            return Pool().get('account.payment.stripe.account')

    def test_several_by_hand(self):
        "Test of several nobody guesses to which the secret belongs"
        for which in [0, 1]:
            with self.subTest(which=which):
                self.press('stripe_disconnect')
                made = [self.make() for _ in range(2)]
                self.press(
                    'stripe_check_connection',
                    webhook_signing_secret=made[which].secret)
                with self.transaction():
                    _, checks = self.read()
                    state, message = checks['webhook']
                self.assertEqual(state, 'error')
                self.assertIn("others for the same URL", message)
                self.press('stripe_connect')
                endpoint, = self.endpoints()
                self.assertNotIn(endpoint['id'], [e.id for e in made])
                # What is under way was signed with it
                self.pay()
                self.post('payment_intent.succeeded', made[which].secret)
                self.assert_connected()
                self.post(
                    'payment_intent.succeeded', made[which].secret,
                    status=400)
                with self.transaction():
                    account, _ = self.read()
                    self.assertIsNone(account.webhook_former_secret)

    def test_several_without_database(self):
        "Test nothing is deleted before the secret of the new one is kept"
        made = [self.make() for _ in range(2)]
        self.enter(made[0].secret)
        Account = self.model()
        with patch.object(Account, '_find_cron', side_effect=MemoryError):
            with self.assertRaises(MemoryError):
                self.press('stripe_connect')
        self.assertLessEqual(
            {e.id for e in made}, {e['id'] for e in self.endpoints()})
        self.press('stripe_connect')
        self.assert_connected()

    def test_delete_later(self):
        "Test what could not be deleted is, the next time"
        self.press('stripe_connect')
        self.make()
        self.simulator.faults.add(
            '500_before', 'DELETE /v1/webhook_endpoints/*')
        self.press('stripe_connect')
        self.simulator.faults.clear()
        self.assertEqual(len(self.endpoints()), 2)
        self.press('stripe_check_connection')
        self.assertEqual(self.states()['webhook'], 'error')
        self.cron()
        self.assert_connected()

    def test_secret_rolled(self):
        "Test a secret that was rolled at Stripe is found out and replaced"
        self.press('stripe_connect')
        self.assert_connected()
        endpoint, = self.endpoints()
        self.world.webhooks.roll(endpoint['id'], 0)
        # Nothing tells
        self.press('stripe_check_connection')
        self.assertEqual(self.states()['webhook'], 'ok')
        self.pay()
        self.post(
            'payment_intent.succeeded', self.secret_at_stripe(endpoint), 400)
        self.press('stripe_check_connection')
        with self.transaction():
            _, checks = self.read()
            state, message = checks['webhook']
        self.assertEqual(state, 'error')
        self.assertIn("Webhook Signing Secret", message)
        # Who is asked is a person
        self.cron()
        self.assertEqual(self.endpoints(), [endpoint])
        self.assertEqual(self.states()['webhook'], 'error')
        self.press('stripe_connect')
        self.assert_connected()

    def test_secret_mistyped(self):
        "Test a wrong secret of a webhook made by hand is found out"
        made = self.make()
        self.press('stripe_connect', webhook_signing_secret='whsec_wrong')
        self.assertEqual([e['id'] for e in self.endpoints()], [made.id])
        self.pay()
        self.post('payment_intent.succeeded', made.secret, 400)
        self.press('stripe_check_connection')
        self.assertEqual(self.states()['webhook'], 'error')
        # It is entered
        self.enter(made.secret)
        self.press('stripe_check_connection')
        self.assertEqual(self.states()['webhook'], 'ok')
        self.enter('whsec_wrong')
        self.pay()
        self.post('payment_intent.succeeded', made.secret, 400)
        self.press('stripe_connect')
        self.assertNotEqual([e['id'] for e in self.endpoints()], [made.id])
        self.assert_connected()
        # What is known to be wrong verifies nothing anymore
        with self.transaction():
            account, _ = self.read()
            self.assertIsNone(account.webhook_former_secret)

    def test_strangers(self):
        "Test what strangers post tells nothing, and is seldom written"
        self.press('stripe_connect')
        self.assert_connected()
        self.pay()
        event = self.payload('payment_intent.succeeded')

        def refused(status=400, **values):
            with patch.object(
                    self, 'payload', return_value={**event, **values}):
                self.post('payment_intent.succeeded', 'whsec_x', status)
            with self.transaction():
                account, _ = self.read()
                return account.webhook_refused
        # None of Stripe
        for values in [{'object': 'x'}, {'id': '../x'}, {'data': None}]:
            self.assertIsNone(refused(**values))
        with self.transaction():
            changed = self.read()[0].write_date
        self.assertEqual(refused(id='evt_forged'), 'evt_forged')
        self.press('stripe_check_connection')
        self.assertEqual(self.states()['webhook'], 'ok')
        self.assertEqual(refused(id='evt_other'), 'evt_forged')
        with patch(PLACE, dt.timedelta()):
            self.assertEqual(refused(id='evt_other'), 'evt_other')
        # Who edits the account is not told that it has changed
        table = self.model().__table__()
        with self.transaction():
            cursor = Transaction().connection.cursor()
            cursor.execute(*table.update(
                    [table.write_date, table.webhook_refused_at],
                    [changed, None], where=table.id == self.account))
        self.assertEqual(refused(id='evt_third'), 'evt_third')
        with self.transaction():
            self.assertEqual(self.read()[0].write_date, changed)

    def test_signed_long_ago(self):
        "Test a clock that is wrong is not taken for a wrong secret"
        self.press('stripe_connect')
        self.pay()
        with patch.object(
                self.world.clock, 'now', return_value=1000000000):
            self.post(
                'payment_intent.succeeded', self.signing_secret(), status=400)
        with self.transaction():
            self.assertIsNone(self.read()[0].webhook_refused)

    def test_former_refused(self):
        "Test the last that a former webhook posts tells nothing"
        self.press('stripe_connect')
        endpoint, = self.endpoints()
        old = self.signing_secret()
        with self.world.lock:
            self.world.table('webhook_endpoint').get(endpoint['id'])[
                'api_version'] = '2020-08-27'
        self.cron()
        self.pay()
        self.post('payment_intent.succeeded', self.signing_secret())
        self.post('payment_intent.succeeded', old, status=400)
        with self.transaction():
            self.assertTrue(self.read()[0].webhook_refused)
        self.press('stripe_check_connection')
        self.assertEqual(self.states()['webhook'], 'ok')

    def test_https_later(self):
        "Test a webhook gets https once the server has it"
        self.server(HOST['http_host'], '')
        self.press('stripe_connect', host=HTTP)
        endpoint, = self.endpoints()
        self.assertEqual(urlsplit(endpoint['url']).scheme, 'http')
        self.assertEqual(self.states()['webhook'], 'ok')
        self.press('stripe_check_connection')
        with self.transaction():
            _, checks = self.read()
            self.assertIn("another URL", checks['webhook'][1])
        self.press('stripe_connect')
        endpoint, = self.endpoints()
        self.assertEqual(urlsplit(endpoint['url']).scheme, 'https')
        self.assertEqual(self.states()['webhook'], 'ok')
        # Who asks from inside does not take it away
        self.press('stripe_connect', host=HTTP)
        self.assertEqual(self.endpoints(), [endpoint])
        self.assertEqual(self.states()['webhook'], 'ok')

    def test_moved_without_hostname(self):
        "Test the host of who presses the button is compared"
        self.press('stripe_connect')
        endpoint, = self.endpoints()
        # From inside of the network nobody knows it
        for host in [INSIDE, {**INSIDE, 'http_host': 'localhost'}, {}]:
            self.press('stripe_check_connection', host=host)
            self.assertEqual(self.states()['webhook'], 'ok')
            self.press('stripe_connect', host=host)
            self.assertEqual(self.endpoints(), [endpoint])
        self.press('stripe_check_connection', host=NEW)
        with self.transaction():
            _, checks = self.read()
            self.assertIn("another URL", checks['webhook'][1])
        with self.assertRaises(StripeWebhookMovedWarning) as cm:
            self.press('stripe_connect', host=NEW)
        self.assertIn(HOST['http_host'], cm.exception.message)
        self.cron()
        self.assertEqual(self.endpoints(), [endpoint])
        self.assertEqual(self.states()['webhook'], 'ok')
        with self.transaction(_request=NEW, _skip_warnings=True):
            Account = Pool().get('account.payment.stripe.account')
            Account.stripe_connect([Account(self.account)])
        endpoint, = self.endpoints()
        self.assertEqual(
            urlsplit(endpoint['url']).netloc, NEW['http_host'])
        self.assertEqual(self.states()['webhook'], 'ok')

    def test_remove_url(self):
        "Test another URL of the same host is no other server"
        self.press('stripe_connect')
        former, = self.endpoints()
        self.press('remove_identifier')
        self.press('stripe_connect')
        endpoint, = self.endpoints()
        self.assertNotEqual(endpoint['url'], former['url'])
        self.assert_connected()

    def test_limit(self):
        "Test what to do is said if Stripe has too many webhooks"
        def refuse(url):
            raise invalid(
                "You have reached the maximum of 16 test webhook endpoints.",
                None, None)
        with patch.object(webhooks, '_check_url', refuse):
            self.press('stripe_connect')
            with self.transaction():
                _, checks = self.read()
                state, message = checks['webhook']
            self.assertEqual(state, 'error')
            self.assertIn("maximum of 16", message)
            self.assertIn("Delete one that is not used", message)
        self.press('stripe_connect')
        endpoint, = self.endpoints()
        with self.world.lock:
            self.world.table('webhook_endpoint').get(endpoint['id'])[
                'api_version'] = '2020-08-27'
        with patch.object(webhooks, '_check_url', refuse):
            self.cron()
        with self.transaction():
            _, checks = self.read()
            self.assertIn("Delete one that is not", checks['webhook'][1])
        self.assertEqual(len(self.endpoints()), 1)

    def test_silent(self):
        "Test it is not said to be wrong if Stripe does not answer"
        self.press('stripe_connect')
        self.simulator.faults.add('drop_before', 'GET /v1/webhook_endpoints')
        self.cron()
        states = self.states()
        self.assertEqual(states['webhook'], 'warning')
        self.assertNotIn('https', states)
        self.simulator.faults.clear()
        self.cron()
        self.assertEqual(self.states()['webhook'], 'ok')

    def test_refused_url(self):
        "Test the identifier of the URL is not told"
        def refuse(url):
            raise invalid("Invalid URL: %s" % url, 'url_invalid', 'url')
        with patch.object(webhooks, '_check_url', refuse):
            self.press('stripe_connect')
        with self.transaction():
            account, checks = self.read()
            self.assertIn("Invalid URL", checks['webhook'][1])
            self.assertNotIn(account.webhook_identifier, str(checks))

    def test_disconnect_denied(self):
        "Test Stripe's text names the permission that is missing"
        self.press('stripe_connect')
        self.restrict(webhook_endpoints='read', **PERMISSIONS)
        with self.assertRaises(StripeError) as cm:
            self.press('stripe_disconnect')
        self.assertIn("webhook_endpoints_write", cm.exception.message)
