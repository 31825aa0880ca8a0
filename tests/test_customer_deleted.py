# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import uuid

from trytond.pool import Pool
from trytond.transaction import Transaction

from .setup_case import SetupTestCase
from .tools import browse


class DeletedTestCase(SetupTestCase):
    "Test customers that are deleted at Stripe"

    def create_card(self):
        "Return the payment method of the customer"
        self.write(stripe_token='tok_visa')
        self.call('stripe_create')
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            (method, _), = Customer(self.customer).payment_methods()
        return method

    def delete(self):
        customer_id = self.read('stripe_customer_id')
        self.client.customers.delete(customer_id)
        return customer_id

    def assert_forgotten(self, customer_id):
        name, message = self.read('stripe_customer_id', 'stripe_error_message')
        self.assertIsNone(name)
        self.assertIn(customer_id, message)

    def test_deleted_by_event(self):
        "Test the event that a customer is deleted"
        self.create_card()
        customer_id = self.delete()
        self.fetch()
        self.assert_forgotten(customer_id)
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            with self.assertRaises(Exception):
                Payment.process([payment])
            self.assertFalse(payment.stripe_customer)
            Transaction().rollback()
        # History knows it
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            table = Customer.__table_history__()
            cursor = Transaction().connection.cursor()
            cursor.execute(*table.select(
                    table.stripe_customer_id,
                    where=table.id == self.customer))
            self.assertIn((customer_id,), cursor.fetchall())

    def test_deleted_and_made_again(self):
        "Test Add Card makes another customer, whoever tells of it"
        for told in [True, False]:
            with self.subTest(told=told):
                self.setUp()
                self.create_card()
                former = self.delete()
                if told:
                    self.fetch()
                url, intent = self.open()
                self.world.pay(intent)
                self.assert_page(url + '/end', "Payment method saved")
                self.assertNotIn(
                    self.read('stripe_customer_id'), {None, former})
                self.assertEqual(self.methods(), ['card'])

    def test_deleted_while_adding(self):
        "Test a customer that is deleted while the page is open"
        url, intent = self.open()
        former = self.delete()
        self.assertEqual(browse(url).status_code, 200)
        self.fetch()
        self.assertEqual(browse(url).status_code, 200)
        customer_id = self.read('stripe_customer_id')
        self.assertNotIn(customer_id, {None, former})
        self.assertEqual(
            self.world.objects('setup_intent')[intent]['customer'],
            customer_id)
        self.world.pay(intent)
        self.assert_page(url + '/end', "Payment method saved")
        self.assertEqual(self.methods(), ['card'])

    def test_deleted_on_the_page(self):
        "Test the payer pays though the customer is deleted"
        for opened in [True, False]:
            for told in [True, False]:
                with self.subTest(opened=opened, told=told):
                    self.setUp()
                    self.create_card()
                    with self.transaction():
                        Payment = Pool().get('account.payment')
                        payment = self.create_payment(
                            stripe_customer=self.customer)
                        url = None
                        if opened:
                            Payment.stripe_checkout([payment])
                            url = payment.stripe_checkout_url
                            first = payment.stripe_payment_intent_id
                    customer_id = self.delete()
                    if told:
                        self.fetch()
                    with self.transaction():
                        payment = Payment(payment.id)
                        if not url:
                            Payment.stripe_checkout([payment])
                            url = payment.stripe_checkout_url
                    self.assertEqual(browse(url).status_code, 200)
                    self.assert_forgotten(customer_id)
                    with self.transaction():
                        intent = Payment(payment.id).stripe_payment_intent_id
                    if opened:
                        self.assertEqual(
                            self.world.objects('payment_intent')[first][
                                'status'], 'canceled')
                    self.world.pay(intent)
                    self.assertEqual(browse(url + '/end').status_code, 200)
                    with self.transaction():
                        self.assertEqual(
                            Payment(payment.id).state, 'succeeded')
                    self.assertEqual(len(self.world.ledger()), 1)

    def test_deleted_and_charged(self):
        "Test a payment with what was saved of a deleted customer"
        method = self.create_card()
        customer_id = self.delete()
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                stripe_customer=self.customer,
                stripe_customer_payment_method=method)
            Payment.process([payment])
        with self.transaction():
            payment = Payment(payment.id)
            self.assertEqual(payment.state, 'failed')
            self.assertTrue(payment.stripe_error_message)
        self.assert_forgotten(customer_id)
        self.assertEqual(self.world.ledger(), [])

    def test_deleted_and_updated(self):
        "Test the update of a customer that is deleted"
        self.create_card()
        customer_id = self.delete()
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            Customer.stripe_update([Customer(self.customer)])
        self.assert_forgotten(customer_id)

    def test_other_keys(self):
        "Test nothing is forgotten while the account has other keys"
        method = self.create_card()
        url, intent = self.open()
        customer_id = self.read('stripe_customer_id')
        other = self.simulator.account(uuid.uuid4().hex)
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.write([Account(self.account)], {
                    'secret_key': other.secret_key,
                    'publishable_key': other.publishable_key,
                    })
        for name in ['stripe_intent_update', 'stripe_delete']:
            self.call(name)
        browse(url)
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            Customer.stripe_update([Customer(self.customer)])
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                stripe_customer=self.customer,
                stripe_customer_payment_method=method)
            Payment.process([payment])
        self.assertEqual(self.read(
                'stripe_customer_id', 'stripe_setup_intent_id'),
            [customer_id, intent])
        self.assertTrue(self.read('stripe_error_message'))
        with self.transaction():
            self.assertEqual(Payment(payment.id).state, 'processing')
        # Neither when it is deleted meanwhile
        self.write(active=False, stripe_try_at=None)
        self.call('stripe_delete')
        self.assertEqual(self.read('stripe_customer_id'), customer_id)
        asked = len(self.simulator.requests)
        self.call('stripe_delete')
        self.assertEqual(len(self.simulator.requests), asked)
        with self.transaction():
            Account.write([Account(self.account)], {
                    'secret_key': self.world.secret_key,
                    'publishable_key': self.world.publishable_key,
                    })
            Payment.stripe_charge([Payment(payment.id)])
        self.write(stripe_try_at=None)
        self.call('stripe_delete')
        self.assertIsNone(self.read('stripe_customer_id'))
        self.assertTrue(self.client.customers.retrieve(customer_id).deleted)
        with self.transaction():
            self.assertEqual(Payment(payment.id).state, 'succeeded')
