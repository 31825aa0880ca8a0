# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Payment intents that take their time: challenges, captures, bank debits."
import urllib.error
import urllib.request

import stripe

from .simulator.errors import StripeError
from .simulator.testing import OFFLINE, RETURN_URL, SimulatorTestCase

DAY = 24 * 60 * 60

# number, on session, off session, off session after a setup
# (ok, asks or the code of the refusal)
CHALLENGES = [
    ('4242424242424242', 'ok', 'ok', 'ok'),
    ('4000002500003155', 'asks', 'authentication_required', 'ok'),
    ('4000002760003184', 'asks', 'authentication_required',
        'authentication_required'),
    ('4000003800000446', 'asks', 'ok', 'ok'),
    ('4000000000003220', 'asks', 'authentication_required',
        'authentication_required'),
    ]
IBANS = [
    ('AT611904300234573201', 60, 'succeeded'),
    ('AT321904300235473204', 180, 'succeeded'),
    ('AT861904300235473202', 60, 'requires_payment_method'),
    ('AT051904300235473205', 180, 'requires_payment_method'),
    ('AT591904300235473203', 60, 'succeeded'),
    ('AT981904300000002222227', 60, 'requires_payment_method'),
    ('AT981904300000343434', 60, 'requires_payment_method'),
    ('AT601904300000121212', 60, 'requires_payment_method'),
    ]


class ChallengeTestCase(SimulatorTestCase):
    "Test authentication"

    def outcome(self, function, *args, **kwargs):
        try:
            intent = function(*args, **kwargs)
        except (stripe.CardError, StripeError) as e:
            return getattr(e, 'code', None) or e.error['code']
        return {'succeeded': 'ok', 'requires_action': 'asks'}[
            intent['status']]

    def test_cards(self):
        "Test when each card asks for authentication"
        for number, on_session, off_session, after in CHALLENGES:
            with self.subTest(number=number):
                self.assertEqual(
                    self.outcome(
                        self.account.pay, self.intent().id, number,
                        authenticate=None), on_session)
                customer = self.customer()
                client = self.connect(self.account.publishable_key)
                method = client.payment_methods.create({
                        'type': 'card', 'card': {
                            'number': number, 'exp_month': 1,
                            'exp_year': 2034, 'cvc': '123'}})
                self.client.payment_methods.attach(
                    method.id, {'customer': customer.id})
                options = {'customer': customer.id, 'off_session': True}
                self.assertEqual(
                    self.outcome(self.paid, method.id, **options),
                    off_session)
                setup = self.client.setup_intents.create({
                        'customer': customer.id,
                        'payment_method': method.id, 'confirm': True,
                        'return_url': RETURN_URL})
                if setup.status == 'requires_action':
                    self.account.authenticate(setup.id)
                self.assertEqual(
                    self.outcome(self.paid, method.id, **options), after)

    def test_completed(self):
        "Test a challenge that the payer completes"
        intent = self.intent()
        self.account.pay(intent.id, '4000002760003184', authenticate=None)
        waiting = self.client.payment_intents.retrieve(intent.id)
        self.assertEqual(waiting.status, 'requires_action')
        self.assertEqual(waiting.next_action.type, 'use_stripe_sdk')
        self.assertIsNone(waiting.latest_charge)
        self.account.authenticate(intent.id)
        self.assertEqual(self.types(), [
                'payment_intent.created', 'payment_intent.requires_action',
                'charge.succeeded', 'payment_intent.succeeded'])

    def test_failed(self):
        "Test a challenge that the payer fails"
        intent = self.intent()
        answer = self.account.pay(
            intent.id, '4000002760003184', authenticate=False)
        self.assertEqual(answer['status'], 'requires_payment_method')
        intent = self.client.payment_intents.retrieve(intent.id)
        self.assertEqual(
            intent.last_payment_error.code,
            'payment_intent_authentication_failure')
        self.assertIsNone(intent.latest_charge)
        self.assertEqual(
            self.types()[-1], 'payment_intent.payment_failed')
        self.assertNotIn('charge.failed', self.types())

    def test_declined_after(self):
        "Test cards that are refused after the challenge"
        for number, code in [
                ('4000008260003178', 'insufficient_funds'),
                ('4000008400001629', 'generic_decline')]:
            intent = self.intent()
            self.account.pay(intent.id, number)
            intent = self.client.payment_intents.retrieve(intent.id)
            self.assertEqual(intent.status, 'requires_payment_method')
            self.assertEqual(
                intent.last_payment_error.decline_code, code)

    def test_off_session(self):
        "Test the refusal of an off-session payment"
        customer, method = self.customer('pm_card_authenticationRequired')
        error = self.refused(
            self.paid, method.id, customer=customer.id, off_session=True)
        self.assertEqual(error.http_status, 402)
        self.assertEqual(error.code, 'authentication_required')
        body = error.json_body['error']
        self.assertEqual(body['decline_code'], 'authentication_required')
        self.assertNotIn('charge', body)
        self.assertEqual(self.types()[-2:], [
                'payment_intent.created', 'payment_intent.payment_failed'])

    def test_error_on_requires_action(self):
        "Test a payment that may not ask"
        error = self.refused(
            self.paid, 'pm_card_authenticationRequired',
            error_on_requires_action=True)
        self.assertEqual(error.code, 'authentication_required')

    def test_redirect(self):
        "Test the page of the challenge, and the way back"
        intent = self.paid('pm_card_threeDSecure2Required')
        self.assertEqual(intent.next_action.type, 'redirect_to_url')
        redirect = intent.next_action.redirect_to_url
        self.assertEqual(redirect.return_url, RETURN_URL)
        with urllib.request.urlopen(redirect.url) as page:
            self.assertIn(b'Complete', page.read())

        class Stop(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *args):
                return None
        opener = urllib.request.build_opener(Stop)
        with self.assertRaises(urllib.error.HTTPError) as cm:
            opener.open(redirect.url, b'succeed=true')
        with cm.exception as answer:
            self.assertEqual(answer.code, 303)
            self.assertEqual(
                answer.headers['Location'],
                '%s?payment_intent=%s&payment_intent_client_secret=%s'
                '&redirect_status=succeeded' % (
                    RETURN_URL, intent.id, intent.client_secret))
        intent = self.client.payment_intents.retrieve(intent.id)
        self.assertEqual(intent.status, 'succeeded')


class CaptureTestCase(SimulatorTestCase):
    "Test manual capture"

    def authorized(self, **params):
        return self.paid(capture_method='manual', **params)

    def charge(self, intent):
        return self.client.charges.retrieve(intent.latest_charge)

    def test_partial(self):
        "Test a partial capture"
        intent = self.authorized()
        self.assertEqual(
            (intent.status, intent.amount_capturable),
            ('requires_capture', 1000))
        charge = self.charge(intent)
        self.assertEqual(
            (charge.paid, charge.captured, charge.status),
            (True, False, 'succeeded'))
        self.assertEqual(self.account.ledger(), [])
        intent = self.client.payment_intents.capture(
            intent.id, {'amount_to_capture': 700})
        self.assertEqual(
            (intent.status, intent.amount_capturable,
                intent.amount_received, intent.amount),
            ('succeeded', 0, 700, 1000))
        charge = self.charge(intent)
        self.assertEqual(
            (charge.amount_captured, charge.amount_refunded,
                charge.refunded), (700, 0, False))
        self.assertTrue(charge.balance_transaction)
        self.assertEqual(
            [r['amount'] for r in self.account.ledger()], [700])
        self.assertEqual(self.types(), [
                'payment_intent.created', 'charge.succeeded',
                'payment_intent.amount_capturable_updated',
                'charge.captured', 'payment_intent.succeeded'])

    def test_canceled(self):
        "Test an authorization that is released"
        intent = self.authorized()
        intent = self.client.payment_intents.cancel(
            intent.id, {'cancellation_reason': 'requested_by_customer'})
        self.assertEqual(
            (intent.status, intent.amount_capturable), ('canceled', 0))
        self.assertEqual(
            intent.cancellation_reason, 'requested_by_customer')
        self.assertFalse(self.charge(intent).refunded)
        self.assertEqual(self.types()[-1], 'payment_intent.canceled')
        self.refused(self.client.payment_intents.capture, intent.id)
        self.simulator.clock.advance(8 * DAY)
        self.assertNotIn('charge.expired', self.types())

    def test_expired(self):
        "Test an authorization that nobody captures"
        intent = self.authorized()
        before = self.charge(
            intent).payment_method_details.card.capture_before
        self.assertAlmostEqual(before, intent.created + 7 * DAY, delta=5)
        self.simulator.clock.advance(6 * DAY)
        self.assertEqual(
            self.client.payment_intents.retrieve(intent.id).status,
            'requires_capture')
        self.simulator.clock.advance(DAY)
        intent = self.client.payment_intents.retrieve(intent.id)
        self.assertEqual(
            (intent.status, intent.cancellation_reason),
            ('canceled', 'expired'))
        self.assertEqual(
            self.types()[-2:], ['charge.expired', 'payment_intent.canceled'])

    def test_window_off_session(self):
        "Test that merchants have less time"
        customer, method = self.customer('pm_card_visa')
        intent = self.client.payment_intents.create({
                'amount': 1000, 'currency': 'eur', 'customer': customer.id,
                'payment_method': method.id, 'capture_method': 'manual',
                'confirm': True, 'off_session': True,
                'return_url': RETURN_URL})
        before = self.charge(
            intent).payment_method_details.card.capture_before
        self.assertAlmostEqual(
            before, intent.created + 4 * DAY + 18 * 3600, delta=5)


class DirectDebitTestCase(SimulatorTestCase):
    "Test SEPA direct debit"

    def test_outcomes(self):
        "Test what becomes of each account"
        for iban, delay, status in IBANS:
            with self.subTest(iban=iban):
                intent = self.intent()
                answer = self.account.pay(intent.id, iban)
                self.assertEqual(answer['status'], 'processing')
                self.simulator.clock.advance(delay - 5)
                intent = self.client.payment_intents.retrieve(intent.id)
                self.assertEqual(intent.status, 'processing')
                self.simulator.clock.advance(10)
                intent = self.client.payment_intents.retrieve(intent.id)
                self.assertEqual(intent.status, status)

    def test_events(self):
        "Test the events of a debit"
        self.paid('pm_sepaDebit_success_at', mandate_data=OFFLINE)
        self.assertEqual(self.account.ledger(), [])
        self.simulator.clock.advance(61)
        self.assertEqual(self.types(), [
                'payment_intent.created', 'charge.pending',
                'payment_intent.processing', 'charge.succeeded',
                'payment_intent.succeeded'])
        self.assertEqual(len(self.account.ledger()), 1)

    def test_failed(self):
        "Test the events of a debit that fails"
        intent = self.paid('pm_sepaDebit_failed_at', mandate_data=OFFLINE)
        self.simulator.clock.advance(61)
        self.assertEqual(
            self.types()[-2:],
            ['charge.failed', 'payment_intent.payment_failed'])
        intent = self.client.payment_intents.retrieve(
            intent.id, {'expand': ['latest_charge']})
        self.assertEqual(intent.latest_charge.status, 'failed')
        self.assertEqual(self.account.ledger(), [])

    def test_mandate(self):
        "Test that a first debit needs a mandate, a later one doesn't"
        error = self.refused(self.paid, 'pm_sepaDebit_success_at')
        self.assertEqual(error.error.param, 'mandate_data')
        customer = self.customer()
        intent = self.paid(
            'pm_sepaDebit_success_at', mandate_data=OFFLINE,
            customer=customer.id, setup_future_usage='off_session')
        self.paid(
            intent.payment_method, customer=customer.id, off_session=True)

    def test_klarna(self):
        "Test a method that redirects"
        method = self.client.payment_methods.create({'type': 'klarna'})
        intent = self.paid(method.id)
        self.assertEqual(intent.next_action.type, 'redirect_to_url')
        self.account.authenticate(intent.id)
        intent = self.client.payment_intents.retrieve(intent.id)
        self.assertEqual(intent.status, 'succeeded')
