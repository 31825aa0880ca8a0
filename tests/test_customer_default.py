# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What is said of what is charged by default, and what becomes the default."""
import datetime as dt

from trytond.pool import Pool

from .method_case import CUSTOMER, PAYMENT, MethodCase


class DefaultTestCase(MethodCase):
    "Test nobody is surprised by what is, or is not, charged"

    def notices(self, user=1, **values):
        "Return what the form of a payment with the values says"
        with self.transaction(user, _check_access=True):
            payment = Pool().get(PAYMENT)(**{
                    'process_method': 'stripe',
                    'state': 'submitted',
                    'party': self.party,
                    'journal': self.journal,
                    **values})
            return payment.on_change_notify()

    def test_notify_taken(self):
        "Test it is said of the customer that Process takes too"
        (kind, text), = self.notices()
        self.assertEqual(kind, 'warning')
        self.assertIn("Nothing will be charged", text)
        self.choose()
        (kind, text), = self.notices()
        self.assertEqual(kind, 'info')
        self.assertIn("Visa ****4242", text)
        self.assertEqual(self.notices(stripe_token='tok_visa'), [])
        with self.transaction():
            party, = Pool().get('party.party').create([{'name': "Other"}])
        self.assertEqual(self.notices(party=party.id), [])

    def test_notify_nobody(self):
        "Test it tells nothing of customers to who may not read them"
        self.choose()
        with self.transaction():
            pool = Pool()
            user, = pool.get('res.user').create([{
                        'name': "Approval",
                        'login': 'approval%s' % self.customer,
                        'companies': [('add', [self.company])],
                        'company': self.company,
                        'groups': [('add', [pool.get('ir.model.data').get_id(
                                        'account_payment',
                                        'group_payment_approval')])],
                        }])
        for values in [{}, {'stripe_customer': self.customer}]:
            self.assertTrue(self.notices(**values))
            self.assertEqual(self.notices(user.id, **values), [])

    def test_nothing_charged(self):
        "Test those that Process does not charge say so, until they are sent"
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            payments = self.create_payments(2)
            Payment.process(payments, self.group)
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            for payment in Payment.browse(payments):
                self.assertEqual(payment.stripe_customer.id, self.customer)
                self.assertEqual(payment.stripe_waiting_for, 'payer')
                self.assertIn("Nothing has been", payment.stripe_trouble)
                (_, text), = payment.on_change_notify()
                self.assertEqual(text, payment.stripe_trouble)
            Payment.stripe_checkout([payment])
            self.assertIn("Nothing has been", payment.stripe_trouble)
            Payment.write([payment], {'stripe_mailed_at': dt.datetime.now()})
            payment = Payment(payment.id)
            self.assertFalse(payment.stripe_trouble)
            self.assertEqual(payment.on_change_notify(), [])
        declined = self.process(
            stripe_customer=self.customer,
            stripe_customer_payment_method=self.client.payment_methods.attach(
                'pm_card_chargeCustomerFail', customer=self.stripe_id).id)
        with self.transaction():
            payment = Pool().get(PAYMENT)(declined)
            self.assertEqual(
                payment.stripe_trouble, payment.stripe_error_message)

    def test_source_is_default(self):
        "Test also the source of a token of the older kind"
        source = self.client.sources.create(
            type='card', token='tok_mastercard')
        with self.transaction():
            Customer = Pool().get(CUSTOMER)
            party, = Pool().get('party.party').create([{'name': "Other"}])
            other, = Customer.create([{
                        'party': party.id,
                        'stripe_account': self.account,
                        'stripe_token': source.id,
                        }])
        with self.transaction():
            Customer.stripe_create([other])
        with self.transaction():
            self.assertEqual(
                Customer(other.id).stripe_default_method
                .stripe_payment_method_id, source.id)
        charged = self.process(party=party.id)
        with self.transaction():
            self.assertEqual(Pool().get(PAYMENT)(charged).state, 'succeeded')

    def test_token_is_default(self):
        "Test what was entered for the customer is charged, if nothing else"
        with self.transaction():
            Customer = Pool().get(CUSTOMER)
            party, = Pool().get('party.party').create([{'name': "Other"}])
            other, = Customer.create([{
                        'party': party.id,
                        'stripe_account': self.account,
                        'stripe_token': 'tok_mastercard',
                        }])
        with self.transaction():
            Customer.stripe_create([other])
        with self.transaction():
            self.assertRegex(
                Customer(other.id).stripe_default_method.label,
                "Mastercard")
        charged = self.process(party=party.id)
        with self.transaction():
            payment = Pool().get(PAYMENT)(charged)
            self.assertEqual(payment.state, 'succeeded')
            self.assertEqual(payment.stripe_paid_with, "Mastercard ****4444")
