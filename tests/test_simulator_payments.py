# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Payment intents of the simulator: creating and paying them."
import threading

import stripe

from .simulator.errors import StripeError
from .simulator.testing import OFFLINE, RETURN_URL, SimulatorTestCase

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
    ('chargeDeclinedExpiredCard', 'expired_card', 'expired_card',
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
