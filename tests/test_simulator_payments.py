# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Payment intents of the simulator: test numbers, challenges, captures."
import threading
import urllib.error
import urllib.request

import stripe

from .simulator.errors import StripeError
from .simulator.testing import RETURN_URL, SimulatorTestCase

DAY = 24 * 60 * 60
OFFLINE = {'customer_acceptance': {'type': 'offline', 'offline': {}}}

# alias of the payment method, code, decline code, message
DECLINES = [
    ('visa_chargeDeclined', 'card_declined', 'generic_decline',
        "Your card was declined."),
    ('visa_chargeDeclinedInsufficientFunds', 'card_declined',
        'insufficient_funds', "Your card has insufficient funds."),
    ('visa_chargeDeclinedLostCard', 'card_declined', 'lost_card',
        "Your card was declined."),
    ('visa_chargeDeclinedStolenCard', 'card_declined', 'stolen_card',
        "Your card was declined."),
    ('chargeDeclinedExpiredCard', 'expired_card', None,
        "Your card has expired."),
    ('chargeDeclinedIncorrectCvc', 'incorrect_cvc', None,
        "Your card's security code is incorrect."),
    ('chargeDeclinedProcessingError', 'processing_error', None,
        "An error occurred while processing your card. Try again in a "
        "little bit."),
    ('visa_chargeDeclinedVelocityLimitExceeded', 'card_declined',
        'card_velocity_exceeded', "Your card was declined."),
    ('chargeCustomerFail', 'card_declined', 'generic_decline',
        "Your card was declined."),
    ('radarBlock', 'card_declined', 'fraudulent',
        "Your card was declined."),
    ]
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


class CreateTestCase(SimulatorTestCase):
    "Test intents until they are confirmed"

    def test_statuses(self):
        "Test intents with and without payment method"
        self.assertEqual(self.intent().status, 'requires_payment_method')
        intent = self.intent(payment_method='pm_card_visa')
        self.assertEqual(intent.status, 'requires_confirmation')
        self.assertRegex(intent.payment_method, r'\Apm_1')
        self.assertEqual(intent.capture_method, 'automatic_async')
        self.assertRegex(
            intent.client_secret, r'\A%s_secret_' % intent.id)

    def test_amounts(self):
        "Test amounts that are refused"
        for amount, currency, code in [
                (0, 'usd', 'parameter_invalid_integer'),
                (49, 'usd', 'amount_too_small'),
                (49, 'jpy', 'amount_too_small'),
                (29, 'gbp', 'amount_too_small'),
                (10 ** 9, 'usd', 'amount_too_large')]:
            error = self.refused(
                self.intent, amount=amount, currency=currency)
            self.assertEqual(
                (error.error.code, error.error.param), (code, 'amount'))
        self.intent(amount=50, currency='jpy')
        self.assertEqual(len(self.account.objects('payment_intent')), 1)

    def test_only_with_confirm(self):
        "Test parameters of the confirmation without confirmation"
        for params in [{'off_session': True}, {'return_url': RETURN_URL}]:
            self.refused(self.intent, **params)

    def test_return_url(self):
        "Test that automatic payment methods ask for a return URL"
        intent = self.intent(payment_method='pm_card_visa')
        for params in [{}, {'off_session': True}]:
            error = self.refused(
                self.client.payment_intents.confirm, intent.id, params)
            self.assertEqual(error.http_status, 400)
            self.assertIn("`return_url`", error.error.message)
            self.assertEqual(error.error.payment_intent.id, intent.id)
        self.client.payment_intents.confirm(
            intent.id, {'return_url': RETURN_URL})
        for params in [
                {'automatic_payment_methods': {
                        'enabled': True, 'allow_redirects': 'never'}},
                {'allowed_payment_method_types': ['card']}]:
            intent = self.intent(payment_method='pm_card_visa', **params)
            intent = self.client.payment_intents.confirm(intent.id)
            self.assertEqual(intent.status, 'succeeded')

    def test_types(self):
        "Test what an intent can be paid with"
        self.assertIn('sepa_debit', self.intent().payment_method_types)
        self.assertNotIn(
            'sepa_debit', self.intent(currency='usd').payment_method_types)
        intent = self.intent(allowed_payment_method_types=['card'])
        self.assertEqual(intent.payment_method_types, ['card'])
        self.assertIsNone(intent.automatic_payment_methods)
        error = self.refused(
            self.client.payment_intents.confirm, intent.id, {
                'payment_method': 'pm_sepaDebit_success_at',
                'mandate_data': OFFLINE})
        self.assertEqual(error.error.param, 'payment_method')
        self.refused(
            self.intent, allowed_payment_method_types=['card'],
            automatic_payment_methods={'enabled': True})

    def test_raw_number(self):
        "Test that only a browser may send numbers"
        error = self.refused(self.client.payment_methods.create, {
                'type': 'card', 'card': {
                    'number': '4242424242424242', 'exp_month': 1,
                    'exp_year': 2034, 'cvc': '123'}})
        self.assertIn("credit card numbers directly", error.error.message)
        client = self.connect(self.account.publishable_key)
        method = client.payment_methods.create({
                'type': 'card', 'card': {
                    'number': '4242424242424242', 'exp_month': 1,
                    'exp_year': 2034, 'cvc': '123'}})
        self.assertEqual(method.card.last4, '4242')
        self.assertNotIn('fingerprint', method.card)
        self.assertEqual(
            self.paid(method.id).status, 'succeeded')

    def test_search(self):
        "Test that intents are found by metadata, a while later"
        intent = self.intent(metadata={'payment': '7'})
        self.intent(metadata={'payment': '8'})
        query = {'query': "metadata['payment']:'7'"}
        self.assertEqual(
            self.client.payment_intents.search(query).data, [])
        self.simulator.clock.advance(61)
        result = self.client.payment_intents.search(query)
        self.assertEqual(result.object, 'search_result')
        self.assertEqual([i.id for i in result.data], [intent.id])
        self.refused(self.client.payment_intents.search, {'query': 'what'})

    def test_customer(self):
        "Test customers that aren't there"
        error = self.refused(self.intent, customer='cus_nope')
        self.assertEqual(
            (error.error.code, error.error.param, error.http_status),
            ('resource_missing', 'customer', 400))
        customer = self.customer()
        self.client.customers.delete(customer.id)
        self.refused(self.intent, customer=customer.id)


class PayTestCase(SimulatorTestCase):
    "Test payments"

    def test_automatic(self):
        "Test the events of a payment"
        intent = self.paid(metadata={'payment': '1'})
        charge = self.client.charges.retrieve(intent.latest_charge)
        self.assertEqual(charge.metadata.to_dict(), {'payment': '1'})
        self.assertIsNone(charge.balance_transaction)
        self.assertEqual(self.types(), [
                'payment_intent.created', 'charge.succeeded',
                'payment_intent.succeeded'])
        self.simulator.clock.advance(5)
        self.assertEqual(self.types()[3:], ['charge.updated'])
        charge = self.client.charges.retrieve(
            charge.id, {'expand': ['balance_transaction']})
        row = charge.balance_transaction
        self.assertEqual((row.amount, row.net), (1000, 1000 - row.fee))
        self.assertEqual(row.source, charge.id)

    def test_ledger(self):
        "Test that the ledger has the money at once"
        intent = self.paid(metadata={'payment': '1'})
        row, = self.account.ledger()
        self.assertEqual(
            (row['type'], row['amount'], row['payment_intent']),
            ('charge', 1000, intent.id))
        self.assertEqual(row['metadata'], {'payment': '1'})

    def test_declined(self):
        "Test the cards that are refused"
        for alias, code, decline_code, message in DECLINES:
            with self.subTest(alias=alias):
                error = self.refused(self.paid, 'pm_card_' + alias)
                self.assertIsInstance(error, stripe.CardError)
                body = error.json_body['error']
                self.assertEqual(
                    (error.code, body.get('decline_code'), body['message']),
                    (code, decline_code, message))
                self.assertNotIn(None, body.values())
                intent = self.client.payment_intents.retrieve(
                    body['payment_intent']['id'])
                self.assertEqual(intent.status, 'requires_payment_method')
                self.assertIsNone(intent.payment_method)
                self.assertEqual(intent.last_payment_error.code, code)
                charge = self.client.charges.retrieve(intent.latest_charge)
                self.assertEqual(
                    (charge.status, charge.paid, charge.failure_code),
                    ('failed', False, code))
        self.assertEqual(self.account.ledger(), [])
        self.assertEqual(self.types()[:3], [
                'payment_intent.created', 'charge.failed',
                'payment_intent.payment_failed'])

    def test_declined_then_paid(self):
        "Test an intent that is paid after a refusal"
        intent = self.intent()
        with self.assertRaises(StripeError):
            self.account.pay(intent.id, '4000000000000002')
        self.assertEqual(
            self.account.pay(intent.id)['status'], 'succeeded')
        intent = self.client.payment_intents.retrieve(intent.id)
        self.assertIsNone(intent.last_payment_error)
        charges = self.client.charges.list({'payment_intent': intent.id})
        self.assertEqual(
            [c.status for c in charges.data], ['succeeded', 'failed'])
        self.assertEqual(len(self.account.ledger()), 1)

    def test_once(self):
        "Test that an intent is paid once"
        intent = self.paid()
        error = self.refused(
            self.client.payment_intents.confirm, intent.id)
        self.assertEqual(
            error.error.code, 'payment_intent_unexpected_state')
        self.assertEqual(error.error.payment_intent.status, 'succeeded')

    def test_racing(self):
        "Test that of many confirmations at once one succeeds"
        intent = self.intent(payment_method='pm_card_visa')
        results = []

        def confirm():
            client = self.connect(self.account.secret_key)
            try:
                result = client.payment_intents.confirm(
                    intent.id, {'return_url': RETURN_URL}).status
            except stripe.InvalidRequestError as e:
                result = e.code
            results.append(result)
        threads = [threading.Thread(target=confirm) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(
            sorted(results),
            ['payment_intent_unexpected_state'] * 9 + ['succeeded'])
        self.assertEqual(len(self.account.ledger()), 1)

    def test_single_use(self):
        "Test a payment method that isn't attached"
        intent = self.paid()
        error = self.refused(self.paid, intent.payment_method)
        self.assertEqual(error.http_status, 400)
        self.assertIn("previously used", error.error.message)
        self.refused(
            self.client.payment_methods.attach, intent.payment_method,
            {'customer': self.customer().id})

    def test_saved(self):
        "Test that setup_future_usage keeps the payment method"
        customer = self.customer()
        intent = self.paid(
            customer=customer.id, setup_future_usage='off_session')
        self.assertIn('payment_method.attached', self.types())
        for _ in range(2):
            again = self.paid(
                intent.payment_method, customer=customer.id,
                off_session=True)
            self.assertEqual(again.status, 'succeeded')

    def test_default(self):
        "Test that a payment falls back to the customer's default"
        customer, method = self.customer('pm_card_visa')
        self.client.customers.update(customer.id, {
                'invoice_settings': {'default_payment_method': method.id}})
        intent = self.intent(customer=customer.id)
        intent = self.client.payment_intents.confirm(
            intent.id, {'return_url': RETURN_URL})
        self.assertEqual(intent.payment_method, method.id)

    def test_fingerprint(self):
        "Test that a number has one fingerprint in an account"
        def fingerprint(client, alias):
            method = client.payment_methods.retrieve(alias)
            return method.card.fingerprint
        visa = fingerprint(self.client, 'pm_card_visa')
        self.assertEqual(fingerprint(self.client, 'pm_card_visa'), visa)
        self.assertNotEqual(
            fingerprint(self.client, 'pm_card_mastercard'), visa)
        other = self.connect('sk_test_other')
        self.assertNotEqual(fingerprint(other, 'pm_card_visa'), visa)

    def test_browser(self):
        "Test numbers that a browser gets refused"
        for params, code in [
                ({'number': '4242424242424241'}, 'incorrect_number'),
                ({'exp_month': 13}, 'invalid_expiry_month'),
                ({'exp_year': 2020}, 'invalid_expiry_year'),
                ({'number': '4000000000000002'}, 'card_declined')]:
            with self.assertRaises(StripeError) as cm:
                self.account.pay(self.intent().id, **params)
            self.assertEqual(cm.exception.status, 402)
            self.assertEqual(cm.exception.error['code'], code)


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


del SimulatorTestCase
