# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from trytond.pool import Pool

from .setup_case import SetupTestCase


class RefusedEmailTestCase(SetupTestCase):
    "Test e-mail addresses that Stripe refuses"

    def test_refused_email(self):
        "Test the card is saved though Stripe refuses the e-mail address"
        for made in ['first', 'with the card']:
            with self.subTest(made):
                self.setUp()
                self.set_email('payer@example')
                url, intent = self.open()
                if made != 'first':
                    intent = self.client.setup_intents.create().id
                    self.write(
                        stripe_customer_id=None,
                        stripe_setup_intent_id=intent)
                self.assertEqual(
                    self.read('stripe_error_code', 'stripe_error_param'),
                    ['email_invalid', 'email'])
                self.world.pay(intent)
                self.assert_page(url + '/end', "Payment method saved")
                self.assertEqual(self.methods(), ['card'])
                self.assertEqual(self.read('stripe_error_param'), 'email')
                customer_id = self.read('stripe_customer_id')
                known = self.client.customers.retrieve(customer_id)
                self.assertEqual(known.name, "Customer")
                self.assertFalse(known.email)
                # Once it is mended Stripe is told
                self.set_email('payer@example.com')
                known = self.client.customers.retrieve(customer_id)
                self.assertEqual(known.email, 'payer@example.com')
                self.assertIsNone(self.read('stripe_error_message'))

    def test_refused_email_of_token(self):
        "Test the customer of a token is made without a refused address"
        self.set_email('payer@example')
        self.write(stripe_token='tok_visa')
        self.call('stripe_create')
        self.assertEqual(self.methods(), ['card'])
        self.assertEqual(self.read('stripe_error_param'), 'email')

    def test_refused_email_of_update(self):
        "Test the name is sent though Stripe refuses the e-mail address"
        self.open()
        self.set_email('payer@example')
        with self.transaction():
            Party = Pool().get('party.party')
            Party.write([Party(self.party)], {'name': "Renamed"})
        known = self.world.objects('customer')[self.read('stripe_customer_id')]
        self.assertEqual(known['name'], "Renamed")
        self.assertEqual(self.read('stripe_error_param'), 'email')
        self.simulator.requests.clear()
        with self.transaction():
            Party.write([Party(self.party)], {'name': "Renamed"})
        self.assertEqual(self.requests('POST'), [])
