# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import json
import re
import time

import stripe
from werkzeug.test import Client

from trytond.pool import Pool
from trytond.protocols.wrappers import Response
from trytond.tests.test_tryton import DB_NAME
from trytond.wsgi import app

from .case import StripeTestCase

PREFIX = '/%s/r/account_payment_stripe' % DB_NAME


class RoutesCase(StripeTestCase):

    def setUp(self):
        super().setUp()
        self.client = Client(app, Response)

    def checkout(self):
        "Return the id and path of a payment that can be paid"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            Payment.stripe_checkout([payment])
            return payment.id, '%s/checkout/account.payment/%s' % (
                PREFIX, payment.stripe_checkout_id)

    def payment(self, id_):
        Payment = Pool().get('account.payment')
        payment = Payment(id_)
        return payment.state, payment.stripe_payment_intent_id

    def webhook(self, secret=None):
        "Return the path of the webhook of the account"
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            account = Account(self.account)
            Account.new_identifier([account])
            account.webhook_signing_secret = secret
            account.save()
            return '%s/webhook/%s' % (PREFIX, account.webhook_identifier)

    def post(self, path, event, secret=None, timestamp=None, body=None):
        if body is None:
            body = json.dumps(event)
        headers = {}
        if secret:
            headers['Stripe-Signature'] = (
                stripe.WebhookSignature.generate_signature_header(
                    body, secret, timestamp=timestamp or int(time.time())))
        return self.client.post(
            path, data=body, headers=headers,
            content_type='application/json').status_code

    def paid(self):
        "Return the id of a payment that is paid but not told and its event"
        id_, _ = self.checkout()
        with self.transaction():
            _, intent = self.payment(id_)
        self.world.pay(intent)
        return id_, self.payload('payment_intent.succeeded')


class RoutesTestCase(RoutesCase):
    "Test the answers of the routes"

    def test_slash(self):
        "Test an address that got a slash at its end is the same"
        _, path = self.checkout()
        for end, code in [('', 200), ('/end', 200), ('0', 404)]:
            with self.subTest(end):
                response, with_slash = [
                    self.client.get(path + end + s) for s in ['', '/']]
                self.assertEqual(response.status_code, code)
                self.assertEqual(with_slash.status_code, code)
                title, = set(re.findall(
                        '<h1>.*?</h1>', with_slash.get_data(as_text=True))[:1])
                self.assertIn(title, response.get_data(as_text=True))
        with self.transaction():
            payment = self.create_payment()
            self.assertFalse(payment.stripe_checkout_address.endswith('/'))

    def test_replaced(self):
        "Test a replaced address has the terms, and says if it is a test"
        id_, path = self.checkout()
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Account.write([Account(self.account)], {
                    'terms_url': 'https://www.example.com/terms'})
            Payment = pool.get('account.payment')
            Payment.stripe_new_address([Payment(id_)])
            key = Payment(id_).stripe_checkout_id
        response = self.client.get(path)
        self.assertEqual(response.status_code, 410)
        page = response.get_data(as_text=True)
        self.assertIn('https://www.example.com/terms', page)
        self.assertIn('class="test"', page)
        self.assertNotIn(key, page)

    def test_checkout(self):
        id_, path = self.checkout()

        response = self.client.get(path)

        self.assertEqual(response.status_code, 200)
        self.assertEqual(response.mimetype, 'text/html')
        page = response.get_data(as_text=True)
        self.assertIn(self.world.publishable_key, page)
        self.assertNotIn(self.world.secret_key, page)
        headers = response.headers
        self.assertIn("default-src 'none'", headers['Content-Security-Policy'])
        self.assertIn(
            "frame-ancestors 'none'", headers['Content-Security-Policy'])
        self.assertEqual(headers['Cache-Control'], 'no-store')
        self.assertEqual(headers['Referrer-Policy'], 'no-referrer')
        self.assertEqual(headers['X-Frame-Options'], 'DENY')

    def test_checkout_not_found(self):
        for path, status in [
                ('checkout/account.payment/unknown', 404),
                ('checkout/account.payment/', 404),
                ('checkout/account.payment.stripe.customer/unknown', 404),
                ('checkout/party.party/1', 403),
                ('checkout/unknown/1', 403),
                ('checkout/account.payment/unknown/end', 404),
                ('checkout/party.party/1/end', 403),
                ("checkout/account.payment/' OR 1=1 --", 404),
                ('checkout/account.payment/%', 404),
                ('checkout/account.payment/None', 404),
                ('checkout/account.payment/%00', 404),
                ('checkout/account.payment/<script>', 404),
                ]:
            with self.subTest(path=path):
                response = self.client.get('%s/%s' % (PREFIX, path))
                self.assertEqual(response.status_code, status)
                self.assertNotIn(
                    '<script>', response.get_data(as_text=True))

    def test_checkout_method(self):
        _, path = self.checkout()
        self.assertEqual(self.client.post(path).status_code, 404)

    def test_checkout_unavailable(self):
        id_, path = self.checkout()
        self.simulator.faults.add(
            'drop_before', match='GET /v1/payment_intents/*', times=1)
        response = self.client.get(path)
        self.assertEqual(response.status_code, 503)
        self.assertEqual(self.client.get(path).status_code, 200)

    def test_end_unpaid(self):
        "The end page without a payment changes nothing"
        id_, path = self.checkout()
        response = self.client.get(path + '/end')
        self.assertEqual(response.status_code, 200)
        with self.transaction():
            self.assertEqual(self.payment(id_)[0], 'submitted')

    def test_end_paid(self):
        id_, path = self.checkout()
        with self.transaction():
            _, intent = self.payment(id_)
        self.world.pay(intent)
        # What the URL tells is not believed
        response = self.client.get(path + '/end?redirect_status=failed')
        self.assertEqual(response.status_code, 200)
        with self.transaction():
            self.assertEqual(self.payment(id_)[0], 'succeeded')
        # The page is of no use anymore
        page = self.client.get(path).get_data(as_text=True)
        self.assertNotIn('_secret_', page)

    def test_end_lies(self):
        id_, path = self.checkout()
        self.client.get(path + '/end?redirect_status=succeeded')
        with self.transaction():
            self.assertEqual(self.payment(id_)[0], 'submitted')

    def test_webhook_signed(self):
        path = self.webhook('whsec_test')
        id_, event = self.paid()
        for secret, timestamp in [
                (None, None),
                ('whsec_other', None),
                ('whsec_test', int(time.time()) - 3600),
                ]:
            with self.subTest(secret=secret, timestamp=timestamp):
                self.assertEqual(
                    self.post(path, event, secret, timestamp), 400)
        with self.transaction():
            self.assertEqual(self.payment(id_)[0], 'submitted')

        self.assertEqual(self.post(path, event, 'whsec_test'), 204)
        with self.transaction():
            self.assertEqual(self.payment(id_)[0], 'succeeded')
        self.assertEqual(self.post(path, event, 'whsec_test'), 204)
        with self.transaction():
            Event = Pool().get('account.payment.stripe.event')
            self.assertEqual(Event.search([
                        ('identifier', '=', event['id']),
                        ], count=True), 1)

    def test_webhook_unsigned(self):
        "Without a secret the body is not believed"
        path = self.webhook()
        id_, _ = self.checkout()
        with self.transaction():
            _, intent = self.payment(id_)
        event = self.paid()[1]
        event['data']['object']['id'] = intent
        # Stripe tells of the other payment
        self.assertEqual(self.post(path, event), 204)
        with self.transaction():
            self.assertEqual(self.payment(id_)[0], 'submitted')
        event['id'] = 'evt_unknown'
        self.assertEqual(self.post(path, event), 400)

    def test_webhook_malformed(self):
        for secret in ['whsec_test', None]:
            path = self.webhook(secret)
            for body in [
                    '', 'null', '1', '[]', '{}', '{', '"evt_1"',
                    '{"object": "event"}', '{"object": "event", "id": 1}',
                    '{"object": "event", "id": "evt_1", "data": null}',
                    '{"object": "event", "id": "evt_1", '
                    '"data": {"object": null}}',
                    '[' * 100000,
                    ]:
                with self.subTest(secret=secret, body=body[:60]):
                    self.assertEqual(
                        self.post(path, None, secret, body=body), 400)
            with self.subTest(secret=secret, body="bytes"):
                self.assertEqual(self.client.post(
                        path, data=b'\xff\xfe\x00').status_code, 400)
            with self.transaction():
                Account = Pool().get('account.payment.stripe.account')
                Account.new_identifier([Account(self.account)])

    def test_webhook_path(self):
        "The id of an unsigned event is no path"
        path = self.webhook()
        for id_ in ['../account', 'evt/../../account', 'evt?x=1', '']:
            with self.subTest(id=id_):
                self.assertEqual(self.post(path, {
                            'object': 'event',
                            'id': id_,
                            'type': 'charge.succeeded',
                            'data': {'object': {'id': 'ch_1'}},
                            }), 400)

    def test_webhook_unknown(self):
        for identifier in ['unknown', '0' * 32, "' OR 1=1 --", '%']:
            with self.subTest(identifier=identifier):
                self.assertEqual(self.post(
                        '%s/webhook/%s' % (PREFIX, identifier), {}), 404)

    def test_webhook_taken_away(self):
        path = self.webhook('whsec_test')
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.new_identifier([Account(self.account)])
        self.assertEqual(self.post(path, {}, 'whsec_test'), 404)

    def test_webhook_unknown_database(self):
        response = self.client.post(
            '/unknown/r/account_payment_stripe/webhook/%s' % ('0' * 32))
        self.assertEqual(response.status_code, 404)

    def test_webhook_foreign(self):
        "Events of other systems are not asked for again and cost no row"
        path = self.webhook('whsec_test')
        client = stripe.StripeClient(
            self.world.secret_key,
            base_addresses={'api': self.simulator.url})
        client.v1.payment_intents.create({
                'amount': 100, 'currency': 'usd', 'confirm': True,
                'payment_method': 'pm_card_visa',
                'return_url': 'https://example.com/',
                })
        with self.transaction():
            Event = Pool().get('account.payment.stripe.event')
            before = Event.search([], count=True)
        for event in self.world.objects('event').values():
            self.assertEqual(self.post(path, event, 'whsec_test'), 204)
        with self.transaction():
            Event = Pool().get('account.payment.stripe.event')
            self.assertEqual(Event.search([], count=True), before)

    def test_webhook_later(self):
        "What cannot be applied now is asked for again and kept"
        path = self.webhook('whsec_test')
        id_, event = self.paid()
        # The payload cannot be trusted, and Stripe cannot be asked
        event['api_version'] = '2030-01-01.future'
        self.simulator.faults.add(
            'drop_before', match='GET /v1/payment_intents/*', times=1)
        self.assertEqual(self.post(path, event, 'whsec_test'), 503)
        with self.transaction():
            Event = Pool().get('account.payment.stripe.event')
            kept, = Event.search([('identifier', '=', event['id'])])
            self.assertEqual(kept.state, 'failed')
            self.assertTrue(kept.error_message)
            self.assertEqual(self.payment(id_)[0], 'submitted')
        self.assertEqual(self.post(path, event, 'whsec_test'), 204)
        with self.transaction():
            kept = Event(kept.id)
            self.assertEqual(kept.state, 'applied')
            self.assertFalse(kept.error_message)
            self.assertEqual(self.payment(id_)[0], 'succeeded')

    def test_webhook_older_path(self):
        path = self.webhook('whsec_test')
        identifier = path.rsplit('/', 1)[1]
        response = self.client.post('/%s/account_payment_stripe/webhook/%s' % (
                DB_NAME, identifier))
        self.assertEqual(response.status_code, 308)
        self.assertTrue(response.location.endswith(path))
