# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the simulator's banks check of cards, and what a refund shows at once."
from .simulator.testing import RETURN_URL, SimulatorTestCase


class ChecksTestCase(SimulatorTestCase):
    "Test that a card is checked when it is used, not before"

    def card(self, token='tok_visa', **params):
        method = self.client.payment_methods.create(
            dict(params, type='card', card={'token': token}))
        return method.id

    def cvc_check(self, id):
        method = self.client.payment_methods.retrieve(id)
        return method.card.checks.cvc_check

    def test_attached(self):
        "Test a method that is attached"
        id = self.card()
        self.assertEqual(self.cvc_check(id), 'unchecked')
        method = self.client.payment_methods.attach(
            id, {'customer': self.customer().id})
        self.assertEqual(method.card.checks.cvc_check, 'pass')
        event, = self.client.events.list(
            {'type': 'payment_method.attached'}).data
        self.assertEqual(event.data.object.card.checks.cvc_check, 'pass')
        self.client.payment_methods.detach(id)
        self.assertEqual(self.cvc_check(id), 'pass')

    def test_new_customer(self):
        "Test a method that a customer is created with"
        id = self.card()
        self.customer(payment_method=id)
        self.assertEqual(self.cvc_check(id), 'pass')

    def test_payment(self):
        "Test a method that is confirmed or only set"
        id = self.card()
        intent = self.intent(payment_method=id)
        self.assertEqual(self.cvc_check(id), 'unchecked')
        intent = self.client.payment_intents.confirm(
            intent.id, {'return_url': RETURN_URL})
        self.assertEqual(self.cvc_check(id), 'pass')
        charge = self.client.charges.retrieve(intent.latest_charge)
        self.assertEqual(
            charge.payment_method_details.card.checks.cvc_check, 'pass')

    def test_set_up(self):
        "Test a method that is set up"
        id = self.card()
        self.client.setup_intents.create({
                'payment_method': id, 'confirm': True,
                'return_url': RETURN_URL})
        self.assertEqual(self.cvc_check(id), 'pass')

    def test_challenge(self):
        "Test that the payer's challenge comes before the check"
        id = self.card('tok_threeDSecure2Required')
        intent = self.paid(id)
        self.assertEqual(intent.status, 'requires_action')
        self.assertEqual(self.cvc_check(id), 'unchecked')
        self.account.authenticate(intent.id)
        self.assertEqual(self.cvc_check(id), 'pass')

    def test_failed(self):
        "Test checks that fail"
        id = self.card('tok_visa_chargeDeclinedIncorrectCvc')
        self.refused(self.paid, id)
        self.assertEqual(self.cvc_check(id), 'fail')
        id = self.card('tok_cvcCheckFail')
        self.assertEqual(self.paid(id).status, 'succeeded')
        self.assertEqual(self.cvc_check(id), 'fail')

    def test_address(self):
        "Test that an address is checked where there is one"
        details = {'billing_details': {
                'address': {'line1': "Main Street 1", 'postal_code': '1'}}}
        for token, params, checks in [
                ('tok_visa', {}, (None, None)),
                ('tok_visa', details, ('pass', 'pass')),
                ('tok_avsZipFail', details, ('pass', 'fail')),
                ('tok_avsFail', details, ('fail', 'fail')),
                ('tok_avsFail', {}, (None, None))]:
            id = self.card(token, **params)
            self.paid(id)
            found = self.client.payment_methods.retrieve(id).card.checks
            self.assertEqual((
                    found.address_line1_check,
                    found.address_postal_code_check), checks)

    def test_without(self):
        "Test a number without security code, and its token"
        self.account.set(raw_card_data=True)
        card = {'number': '4242424242424242', 'exp_month': 1,
            'exp_year': 2034}
        method = self.client.payment_methods.create(
            {'type': 'card', 'card': card})
        self.assertIsNone(method.card.checks.cvc_check)
        self.paid(method.id)
        self.assertIsNone(self.cvc_check(method.id))
        token = self.client.tokens.create({'card': dict(card, cvc='123')})
        self.assertEqual(token.card.cvc_check, 'unchecked')


class RefundedChargeTestCase(SimulatorTestCase):
    "Test the charge that the refund of a charge answers"

    def test_balance(self):
        "Test that what became of the money shows later"
        intent = self.paid()
        path = '/v1/charges/' + intent.latest_charge
        _, charge, _ = self.request('POST', path + '/refund', {'amount': 100})
        self.assertEqual(charge['amount_refunded'], 100)
        self.assertIsNone(charge['balance_transaction'])
        _, charge, _ = self.request('GET', path)
        self.assertTrue(charge['balance_transaction'])
        _, charge, _ = self.request('POST', path + '/refund', {'amount': 100})
        self.assertEqual(charge['amount_refunded'], 200)
        self.assertTrue(charge['balance_transaction'])


del SimulatorTestCase
