# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The older API of the simulator: tokens, sources and charges."
import json

from .simulator.errors import StripeError
from .simulator.testing import SimulatorTestCase


class LegacyTestCase(SimulatorTestCase):
    "Test tokens, cards, sources and charges of the older API"

    def test_end_of_life(self):
        "Test that the older API refuses tokens"
        for function, args in [
                (self.client.charges.create,
                    [{'amount': 1000, 'currency': 'eur',
                            'source': 'tok_visa'}]),
                (self.client.customers.create, [{'source': 'tok_visa'}]),
                (self.client.customers.payment_sources.create,
                    [self.customer().id, {'source': 'tok_visa'}])]:
            error = self.refused(function, *args)
            self.assertIn("end of life", error.error.message)
        self.assertEqual(len(self.account.objects('customer')), 1)

    def test_token(self):
        "Test that a token is made into one payment method"
        client = self.connect(self.account.publishable_key)
        token = client.tokens.create({'card': {
                    'number': '4242424242424242', 'exp_month': 1,
                    'exp_year': 2034, 'cvc': '123'}})
        params = {'type': 'card', 'card': {'token': token.id}}
        method = self.client.payment_methods.create(params)
        self.assertEqual(
            (method.card.exp_month, method.card.exp_year), (1, 2034))
        error = self.refused(self.client.payment_methods.create, params)
        self.assertEqual(error.error.code, 'token_already_used')
        self.assertTrue(self.client.tokens.retrieve(token.id).used)
        error = self.refused(
            self.client.payment_methods.create,
            {'type': 'card', 'card': {'token': 'tok_nope'}})
        self.assertEqual(error.error.code, 'resource_missing')

    def test_charge(self):
        "Test charges where they are enabled"
        self.account.enable_charges_api()
        charge = self.client.charges.create(
            {'amount': 1000, 'currency': 'eur', 'source': 'tok_visa'})
        self.assertEqual(
            (charge.status, charge.captured, charge.source.object),
            ('succeeded', True, 'card'))
        self.assertIsNone(charge.payment_intent)
        self.client.refunds.create({'charge': charge.id})
        charge = self.client.charges.create({
                'amount': 1000, 'currency': 'eur', 'source': 'tok_visa',
                'capture': False})
        self.assertFalse(charge.captured)
        charge = self.client.charges.capture(charge.id, {'amount': 500})
        self.assertEqual(charge.amount_captured, 500)
        error = self.refused(self.client.charges.capture, charge.id)
        self.assertEqual(error.error.code, 'charge_already_captured')
        error = self.refused(self.client.charges.create, {
                'amount': 1000, 'currency': 'eur',
                'source': 'tok_visa_chargeDeclined'})
        self.assertEqual(error.code, 'card_declined')
        self.assertEqual(
            [r['amount'] for r in self.account.ledger()],
            [1000, -1000, 500])

    def test_sources(self):
        "Test the cards and sources of a customer"
        self.account.enable_charges_api()
        receiver = self.receiver(['source.chargeable'])
        customer = self.client.customers.create({'source': 'tok_visa'})
        card = customer.default_source
        self.assertRegex(card, r'\Acard_')
        source = self.client.sources.create(
            {'type': 'card', 'token': 'tok_mastercard'})
        self.account.webhooks.flush()
        self.assertEqual(receiver.types, ['source.chargeable'])
        self.client.customers.payment_sources.create(
            customer.id, {'source': source.id})
        listed = self.client.customers.payment_sources.list(customer.id)
        self.assertEqual([s.id for s in listed.data], [card, source.id])
        customer = self.client.customers.retrieve(
            customer.id, {'expand': ['sources', 'default_source']})
        self.assertEqual(customer.sources.total_count, 2)
        self.assertEqual(customer.default_source.object, 'card')
        self.client.customers.payment_sources.delete(customer.id, card)
        customer = self.client.customers.retrieve(customer.id)
        self.assertEqual(customer.default_source, source.id)
        self.client.sources.detach(customer.id, source.id)
        self.assertEqual(
            self.client.sources.retrieve(source.id).status, 'consumed')

    def test_legacy_ids(self):
        "Test that intents take cards and sources by their ids"
        self.account.enable_charges_api()
        customer = self.client.customers.create({'source': 'tok_visa'})
        source = self.client.sources.create(
            {'type': 'card', 'token': 'tok_visa'})
        self.client.customers.payment_sources.create(
            customer.id, {'source': source.id})
        for id in [customer.default_source, source.id]:
            intent = self.paid(
                id, customer=customer.id, off_session=True)
            self.assertEqual(intent.status, 'succeeded')
            self.assertEqual(intent.payment_method, id)
            self.assertEqual(
                self.client.payment_methods.retrieve(id).id, id)
        listed = self.client.payment_methods.list(
            {'customer': customer.id, 'type': 'card'})
        self.assertEqual(
            {m.id for m in listed.data},
            {customer.default_source, source.id})
        self.account.set(legacy_ids=False)
        self.refused(
            self.paid, source.id, customer=customer.id, off_session=True)

    def test_pending_source(self):
        "Test a source that waits for the payer"
        self.account.enable_charges_api()
        source = self.client.sources.create(
            {'type': 'ideal', 'amount': 1000, 'currency': 'eur'})
        self.assertEqual(source.status, 'pending')
        params = {'amount': 1000, 'currency': 'eur', 'source': source.id}
        self.refused(self.client.charges.create, params)
        self.account.chargeable(source.id)
        self.client.charges.create(params)
        self.assertEqual(
            self.client.sources.retrieve(source.id).status, 'consumed')
        self.refused(self.client.charges.create, params)

    def test_redirected_source(self):
        "Test that an intent charges a source without another redirect"
        source = self.client.sources.create(
            {'type': 'ideal', 'amount': 1000, 'currency': 'eur'})
        self.account.chargeable(source.id)
        intent = self.intent(
            payment_method=source.id, confirm=True,
            allowed_payment_method_types=['ideal'])
        self.assertEqual(intent.status, 'succeeded')

    def test_browser_error(self):
        "Test that a browser's errors show no secrets of the merchant"
        intent = self.intent(metadata={'private': 'value'})
        with self.assertRaises(StripeError) as cm:
            self.account.pay(intent.id, '4000000000000002')
        text = json.dumps(cm.exception.error)
        self.assertNotIn('private', text)
        self.assertNotIn('fingerprint', text)
