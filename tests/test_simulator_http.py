# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Keys and idempotency of the simulator."
import threading
import time
from uuid import uuid4

import stripe

from .simulator.testing import SimulatorTestCase


class KeysTestCase(SimulatorTestCase):
    "Test the keys of an account"

    def test_no_key(self):
        "Test a request without key"
        status, answer, _ = self.request(
            'GET', '/v1/customers', Authorization='')
        self.assertEqual(status, 401)
        self.assertIn(
            "You did not provide an API key", answer['error']['message'])

    def test_live_key(self):
        "Test a key of live mode"
        error = self.refused(self.connect('sk_live_x').customers.list)
        self.assertIsInstance(error, stripe.AuthenticationError)
        self.assertEqual(
            error.error.message, "Invalid API Key provided: sk_live_***")

    def test_revoked(self):
        "Test a key that is revoked and restored"
        self.account.revoke_key()
        error = self.refused(self.client.customers.list)
        self.assertIsInstance(error, stripe.AuthenticationError)
        self.account.expire_key()
        error = self.refused(self.client.customers.list)
        self.assertEqual(error.error.code, 'api_key_expired')
        self.account.restore_key()
        self.client.customers.list()

    def test_restricted(self):
        "Test a restricted key"
        client = self.connect(self.account.restricted_key)
        client.customers.create({})
        self.account.restrict(customers='read')
        client.customers.list()
        error = self.refused(client.customers.create, {})
        self.assertIsInstance(error, stripe.PermissionError)
        self.assertEqual(error.http_status, 403)
        error = self.refused(client.accounts.retrieve_current)
        self.assertIsInstance(error, stripe.PermissionError)

    def test_publishable(self):
        "Test that a publishable key reads nothing"
        client = self.connect(self.account.publishable_key)
        intent = self.intent()
        error = self.refused(client.customers.list)
        self.assertEqual(error.error.code, 'secret_key_required')
        self.refused(client.payment_intents.retrieve, intent.id)
        self.refused(
            client.payment_intents.retrieve, intent.id,
            {'client_secret': intent.id + '_secret_x'})
        seen = client.payment_intents.retrieve(
            intent.id, {'client_secret': intent.client_secret})
        self.assertEqual(seen.id, intent.id)
        self.assertNotIn('metadata', seen)
        self.assertNotIn('customer', seen)

    def test_worlds(self):
        "Test that accounts don't see each other"
        customer = self.customer()
        other = self.connect('sk_test_' + uuid4().hex)
        error = self.refused(other.customers.retrieve, customer.id)
        self.assertEqual(error.http_status, 404)

    def test_unrecognized(self):
        "Test a URL that Stripe doesn't have"
        status, answer, headers = self.request('GET', '/v1/nothing')
        self.assertEqual(status, 404)
        self.assertIn(
            "Unrecognized request URL (GET: /v1/nothing).",
            answer['error']['message'])
        self.assertRegex(headers['Request-Id'], 'req_')
        self.assertEqual(headers['Stripe-Version'], stripe.api_version)

    def test_browser(self):
        "Test the preflight request of a browser"
        status, _, headers = self.request(
            'OPTIONS', '/v1/payment_intents', Origin='http://localhost')
        self.assertEqual(status, 204)
        self.assertEqual(headers['Access-Control-Allow-Origin'], '*')
        self.assertIn(
            'Authorization', headers['Access-Control-Allow-Headers'])

    def test_request_log(self):
        "Test that requests are logged without secrets"
        self.account.pay(self.intent().id, number='4242424242424242')
        log = [
            r for r in self.simulator.requests
            if r['account'] == self.account.name]
        self.assertEqual(
            [(r['method'], r['key'], r['status']) for r in log],
            [('POST', 'sk_test', 200), ('POST', 'pk_test', 200)])
        self.assertNotIn('4242424242424242', str(log))
        self.assertNotIn('_secret_', str(log))


class IdempotencyTestCase(SimulatorTestCase):
    "Test idempotency keys"

    def post(self, params=None, key=None, path='/v1/customers'):
        return self.request(
            'POST', path, params, Idempotency_Key=key or 'key')

    def count(self):
        return len(self.account.objects('customer'))

    def test_replay(self):
        "Test that the answer is replayed"
        _, first, headers = self.post({'name': 'a'})
        self.assertIsNone(headers['Idempotent-Replayed'])
        _, second, again = self.post({'name': 'a'})
        self.assertEqual(second, first)
        self.assertEqual(again['Idempotent-Replayed'], 'true')
        self.assertEqual(again['Original-Request'], headers['Request-Id'])
        self.assertNotEqual(again['Request-Id'], headers['Request-Id'])
        self.assertEqual(self.count(), 1)

    def test_other_params(self):
        "Test a key with other parameters or another path"
        self.post({'name': 'a'})
        status, answer, _ = self.post({'name': 'b'})
        self.assertEqual(
            (status, answer['error']['type']), (400, 'idempotency_error'))
        status, answer, _ = self.post(
            {'name': 'a'}, path='/v1/payment_intents')
        self.assertEqual(answer['error']['type'], 'idempotency_error')
        self.assertIn("same endpoint", answer['error']['message'])
        # The key isn't spoilt
        self.assertEqual(self.post({'name': 'a'})[0], 200)
        self.assertEqual(self.count(), 1)

    def test_accounts(self):
        "Test that keys are of an account"
        self.post({'name': 'a'})
        status, _, headers = self.request(
            'POST', '/v1/customers', {'name': 'b'}, 'sk_test_' + uuid4().hex,
            Idempotency_Key='key')
        self.assertEqual(status, 200)

    def test_validation_not_stored(self):
        "Test that a refused parameter leaves the key free"
        self.assertEqual(self.post({'wat': '1'})[0], 400)
        self.assertEqual(self.post({'name': 'a'})[0], 200)

    def test_execution_stored(self):
        "Test that a refusal of the execution is replayed"
        form = {'amount': '1000', 'currency': 'eur', 'confirm': 'true',
            'payment_method': 'pm_card_visa_chargeDeclined',
            'return_url': 'https://example.com/'}
        path = '/v1/payment_intents'
        status, first, _ = self.post(form, path=path)
        self.assertEqual(status, 402)
        status, second, headers = self.post(form, path=path)
        self.assertEqual((status, second), (402, first))
        self.assertEqual(headers['Idempotent-Replayed'], 'true')
        self.assertEqual(len(self.account.objects('charge')), 1)
        status, first, _ = self.post(
            {}, 'other', '/v1/payment_intents/pi_nope/cancel')
        _, _, headers = self.post(
            {}, 'other', '/v1/payment_intents/pi_nope/cancel')
        self.assertEqual(
            (status, headers['Idempotent-Replayed']), (404, 'true'))

    def test_error_saved(self):
        "Test that a 500 is replayed"
        for fault, count in [('500_before', 0), ('500_after', 1)]:
            self.simulator.faults.add(
                fault, 'POST /v1/customers', times=1,
                account=self.account.name)
            status, answer, headers = self.post({'name': 'a'}, fault)
            self.assertEqual(status, 500)
            self.assertEqual(answer['error']['type'], 'api_error')
            self.assertEqual(self.count(), count)
            status, again, headers = self.post({'name': 'a'}, fault)
            self.assertEqual((status, again), (500, answer))
            self.assertEqual(headers['Idempotent-Replayed'], 'true')
            self.assertEqual(self.count(), count)

    def test_not_stored(self):
        "Test that conflicts, limits and wrong keys leave the key free"
        for fault in ['429', '429_lock_timeout', '401', '403', '409', '503']:
            self.simulator.faults.add(
                fault, 'POST /v1/customers', times=1,
                account=self.account.name)
            status, _, _ = self.post({'name': fault}, fault)
            self.assertEqual(str(status), fault[:3])
            self.assertEqual(self.post({'name': fault}, fault)[0], 200)

    def test_in_use(self):
        "Test a key that another request uses"
        self.simulator.faults.add(
            'latency', times=1, seconds=0.5, account=self.account.name)
        answers = []
        thread = threading.Thread(
            target=lambda: answers.append(self.post({'name': 'a'})))
        thread.start()
        time.sleep(0.15)
        status, answer, _ = self.post({'name': 'a'})
        self.assertEqual(status, 409)
        self.assertEqual(answer['error']['code'], 'idempotency_key_in_use')
        thread.join()
        self.assertEqual(answers[0][0], 200)
        self.assertEqual(self.count(), 1)

    def test_pruned(self):
        "Test that keys are forgotten after a day"
        self.post({'name': 'a'})
        self.simulator.clock.advance(23 * 3600)
        self.post({'name': 'a'})
        self.assertEqual(self.count(), 1)
        self.simulator.clock.advance(2 * 3600)
        self.assertEqual(self.post({'name': 'b'})[0], 200)
        self.assertEqual(self.count(), 2)

    def test_too_long(self):
        "Test a key that is too long"
        self.assertEqual(self.post({}, 'x' * 256)[0], 400)


del SimulatorTestCase
