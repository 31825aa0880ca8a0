# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Requests that the simulator completes after it answered 500."
from .simulator.testing import SimulatorTestCase

HOUR = 60 * 60


class LaterTestCase(SimulatorTestCase):
    "Test requests completed later"

    def later(self, match, seconds=HOUR, **options):
        self.simulator.faults.add(
            '500_later', match, seconds=seconds, times=1,
            account=self.account.name, **options)

    def post(self, path, params, key):
        status, answer, headers = self.request(
            'POST', path, params, Idempotency_Key=key)
        return status, answer, headers

    def refunds(self, intent):
        return self.client.refunds.list({'payment_intent': intent.id}).data

    def test_refund(self):
        "Test a refund that is seen an hour later"
        intent = self.paid(amount=1000, capture_method='automatic')
        last, = self.client.events.list({'limit': 1}).data
        self.later('POST /v1/refunds')
        params = {'payment_intent': intent.id, 'amount': 300}
        status, answer, headers = self.post('/v1/refunds', params, 'one')
        self.assertEqual(
            (status, answer['error']['type']), (500, 'api_error'))
        self.assertEqual(headers['Stripe-Should-Retry'], 'false')
        asked = self.account.now()
        self.simulator.clock.advance(HOUR - 60)
        self.assertEqual(self.refunds(intent), [])
        self.assertEqual(self.types(last.id), [])
        self.assertEqual([r['type'] for r in self.account.ledger()], [
                'charge'])
        self.simulator.clock.advance(120)
        refund, = self.refunds(intent)
        self.assertEqual((refund.amount, refund.status), (300, 'succeeded'))
        # It has been made when it was asked for
        self.assertAlmostEqual(refund.created, asked, delta=5)
        self.assertEqual(
            self.types(last.id), ['refund.created', 'charge.refunded'])
        event = self.client.events.list({'limit': 1}).data[0]
        self.assertGreater(event.created, asked + HOUR - 60)
        self.assertEqual(event.request.idempotency_key, 'one')
        done, = self.account.completed()
        self.assertEqual((done['status'], done['path']), (200, '/v1/refunds'))

    def test_replayed(self):
        "Test that the key answers 500 for a day, and nothing is done twice"
        intent = self.paid(amount=1000)
        self.later('POST /v1/refunds')
        params = {'payment_intent': intent.id, 'amount': 300}
        self.post('/v1/refunds', params, 'one')
        for wait in [0, 2 * HOUR, 20 * HOUR]:
            self.simulator.clock.advance(wait)
            status, _, headers = self.post('/v1/refunds', params, 'one')
            self.assertEqual(status, 500)
            self.assertEqual(headers['Idempotent-Replayed'], 'true')
        self.assertEqual(len(self.refunds(intent)), 1)
        self.simulator.clock.advance(3 * HOUR)
        status, answer, _ = self.post('/v1/refunds', params, 'one')
        self.assertEqual((status, answer['object']), (200, 'refund'))
        self.assertEqual(len(self.refunds(intent)), 2)

    def test_other_key(self):
        "Test that another key refunds a second time"
        intent = self.paid(amount=1000)
        self.later('POST /v1/refunds')
        params = {'payment_intent': intent.id, 'amount': 300}
        self.post('/v1/refunds', params, 'one')
        _, second, _ = self.post('/v1/refunds', params, 'two')
        self.simulator.clock.advance(2 * HOUR)
        # The place is the one of the request
        self.assertEqual(
            [r.id for r in self.refunds(intent)][0], second['id'])
        self.assertEqual(
            [r.amount for r in self.refunds(intent)], [300, 300])
        charge = self.client.charges.retrieve(intent.latest_charge)
        self.assertEqual(charge.amount_refunded, 600)
        error = self.refused(self.client.refunds.create, {
                'payment_intent': intent.id, 'amount': 401})
        self.assertEqual(error.http_status, 400)

    def test_too_much(self):
        "Test that what no longer fits comes to nothing"
        intent = self.paid(amount=1000)
        self.later('POST /v1/refunds')
        params = {'payment_intent': intent.id}
        self.post('/v1/refunds', params, 'one')
        self.post('/v1/refunds', params, 'two')
        self.simulator.clock.advance(2 * HOUR)
        refund, = self.refunds(intent)
        self.assertEqual(refund.amount, 1000)
        done, = self.account.completed()
        self.assertEqual(done['status'], 400)

    def test_created(self):
        "Test lists by time of what was completed later"
        begin = self.account.now()
        self.later('POST /v1/customers')
        self.refused(self.client.customers.create, {'name': "Late"})
        self.simulator.clock.advance(10)
        self.client.customers.create({'name': "Early"})
        self.simulator.clock.advance(2 * HOUR)
        found = self.client.customers.list({
                'created': {'gte': begin, 'lte': begin + 5}})
        self.assertEqual([c.name for c in found.data], ["Late"])
        found = self.client.customers.list({})
        self.assertEqual([c.name for c in found.data], ["Early", "Late"])

    def test_intent(self):
        "Test an intent that is charged later"
        self.later('POST /v1/payment_intents', seconds=600)
        self.refused(self.paid, metadata={'a': 'b'})
        self.assertEqual(self.client.payment_intents.list({}).data, [])
        self.assertEqual(self.client.charges.list({}).data, [])
        self.simulator.clock.advance(601)
        intent, = self.client.payment_intents.list({}).data
        self.assertEqual(intent.status, 'succeeded')
        self.assertEqual(len(self.client.charges.list({}).data), 1)

    def test_search(self):
        "Test that a search finds what appeared only after its delay"
        self.later('POST /v1/payment_intents', seconds=600)
        self.refused(self.intent, metadata={'a': 'b'})

        def found():
            return len(self.client.payment_intents.search(
                    {'query': "metadata['a']:'b'"}).data)
        self.simulator.clock.advance(605)
        self.assertEqual(len(self.client.payment_intents.list({}).data), 1)
        self.assertEqual(found(), 0)
        self.simulator.clock.advance(60)
        self.assertEqual(found(), 1)

    def test_declined(self):
        "Test a confirmation that is declined later"
        intent = self.intent()
        self.later('POST /v1/payment_intents/*/confirm')
        params = {
            'payment_method': 'pm_card_chargeCustomerFail',
            'return_url': 'https://example.com/'}
        path = '/v1/payment_intents/%s/confirm' % intent.id
        self.assertEqual(self.post(path, params, 'one')[0], 500)
        self.simulator.clock.advance(2 * HOUR)
        intent = self.client.payment_intents.retrieve(intent.id)
        self.assertEqual(intent.status, 'requires_payment_method')
        self.assertEqual(intent.last_payment_error.code, 'card_declined')
        self.assertEqual(self.types()[-1], 'payment_intent.payment_failed')

    def test_capture(self):
        "Test that an intent is captured once, whatever the key"
        intent = self.paid(capture_method='manual')
        path = '/v1/payment_intents/%s/capture' % intent.id
        self.later('POST /v1/payment_intents/*/capture')
        self.assertEqual(self.post(path, {}, 'one')[0], 500)
        intent = self.client.payment_intents.retrieve(intent.id)
        self.assertEqual(intent.status, 'requires_capture')
        self.simulator.clock.advance(2 * HOUR)
        status, answer, _ = self.post(path, {}, 'two')
        self.assertEqual(
            (status, answer['error']['code']),
            (400, 'payment_intent_unexpected_state'))
        self.assertEqual(
            [r['type'] for r in self.account.ledger()], ['charge'])

    def test_captured_before(self):
        "Test that the capture of another key makes the first one nothing"
        intent = self.paid(capture_method='manual')
        path = '/v1/payment_intents/%s/capture' % intent.id
        self.later('POST /v1/payment_intents/*/capture')
        self.post(path, {'amount_to_capture': 400}, 'one')
        self.assertEqual(self.post(path, {}, 'two')[0], 200)
        self.simulator.clock.advance(2 * HOUR)
        intent = self.client.payment_intents.retrieve(intent.id)
        self.assertEqual(intent.amount_received, 1000)
        self.assertEqual(
            [r['amount'] for r in self.account.ledger()], [1000])

    def test_cancel(self):
        "Test an intent that is canceled later"
        intent = self.intent()
        self.later('POST /v1/payment_intents/*/cancel')
        self.refused(self.client.payment_intents.cancel, intent.id)
        self.simulator.clock.advance(2 * HOUR)
        intent = self.client.payment_intents.retrieve(intent.id)
        self.assertEqual(intent.status, 'canceled')

    def test_browser(self):
        "Test a payer's confirmation that is completed later"
        intent = self.intent()
        self.later('POST /v1/payment_intents/*/confirm')
        with self.assertRaises(Exception):
            self.account.pay(intent.id)
        self.simulator.clock.advance(2 * HOUR)
        intent = self.client.payment_intents.retrieve(intent.id)
        self.assertEqual(intent.status, 'succeeded')

    def test_invalid(self):
        "Test that what can't be executed is refused at once"
        self.later('POST /v1/refunds')
        error = self.refused(self.client.refunds.create, {
                'charge': 'ch_1', 'amount': 'x'})
        self.assertEqual(error.http_status, 400)
        self.simulator.clock.advance(2 * HOUR)
        self.assertEqual(self.account.completed(), [])


class KeptTestCase(SimulatorTestCase):
    "Test what is kept under an idempotency key"

    def post(self, path, params, key='one'):
        status, answer, headers = self.request(
            'POST', path, params, Idempotency_Key=key)
        return status, answer, headers['Idempotent-Replayed']

    def kept(self, path, params):
        first = self.post(path, params, path)
        self.simulator.clock.advance(23 * HOUR)
        again = self.post(path, params, path)
        self.assertEqual(again, first[:2] + ('true',))
        self.simulator.clock.advance(2 * HOUR)
        self.assertIsNone(self.post(path, params, path)[2])
        return first[0]

    def test_400(self):
        "Test that a refusal by the state of an object is kept"
        intent = self.paid(capture_method='manual')
        path = '/v1/payment_intents/%s/capture' % intent.id
        self.assertEqual(self.kept(path, {'amount_to_capture': 2000}), 400)

    def test_400_mended(self):
        "Test that a cause mended at Stripe is still refused"
        intent = self.paid(capture_method='manual')
        params = {'payment_intent': intent.id, 'amount': 300}
        self.assertEqual(self.post('/v1/refunds', params)[0], 400)
        self.client.payment_intents.capture(intent.id)
        self.assertEqual(self.post('/v1/refunds', params)[0], 400)
        self.assertEqual(self.post('/v1/refunds', params, 'two')[0], 200)

    def test_402(self):
        "Test that a decline is kept"
        self.assertEqual(self.kept('/v1/payment_intents', {
                    'amount': 1000, 'currency': 'eur', 'confirm': 'true',
                    'payment_method': 'pm_card_chargeDeclined',
                    'return_url': 'https://example.com/'}), 402)

    def test_404(self):
        "Test that an unknown object is kept"
        self.assertEqual(
            self.kept('/v1/refunds', {'charge': 'ch_unknown'}), 404)
        self.assertEqual(
            self.kept('/v1/payment_intents/pi_unknown/cancel', {}), 404)

    def test_parameters(self):
        "Test that refused parameters don't use the key"
        customer = self.client.customers.create({})
        for path, wrong, right in [
                ('/v1/refunds', {'nothing': 'x'}, None),
                ('/v1/payment_methods', {}, {
                        'type': 'card', 'card[token]': 'tok_visa'}),
                ('/v1/payment_intents', {'amount': 1000}, {
                        'amount': 1000, 'currency': 'eur'}),
                ('/v1/customers/%s' % customer.id, {'unknown': 'x'}, {
                        'name': "Jenny"})]:
            with self.subTest(path=path):
                self.assertEqual(self.post(path, wrong, path)[0], 400)
                self.assertEqual(
                    self.post(path, wrong, path)[2], None)
                if right:
                    self.assertEqual(self.post(path, right, path)[0], 200)

    def test_refused_before(self):
        "Test that 401, 403, 409, 429 and 503 don't use the key"
        for fault, status in [
                ('401', 401), ('403', 403), ('409', 409), ('429', 429),
                ('429_lock_timeout', 429), ('503', 503)]:
            with self.subTest(fault=fault):
                self.simulator.faults.add(
                    fault, 'POST /v1/customers', times=1)
                self.assertEqual(
                    self.post('/v1/customers', {}, fault)[0], status)
                self.assertEqual(
                    self.post('/v1/customers', {}, fault)[0], 200)
