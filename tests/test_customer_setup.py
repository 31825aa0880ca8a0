# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import uuid

from trytond.pool import Pool
from trytond.transaction import Transaction

from .case import StripeTestCase
from .tools import browse


class SetupTestCase(StripeTestCase):
    "Test saving payment methods, and customers that are deleted at Stripe"

    def setUp(self):
        super().setUp()
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            customer, = Customer.create([{
                        'party': self.party,
                        'stripe_account': self.account,
                        }])
            self.customer = customer.id

    def open(self):
        "Return the URL of the page and the setup intent"
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            customer = Customer(self.customer)
            Customer.stripe_checkout([customer])
            return (
                customer.stripe_checkout_url, customer.stripe_setup_intent_id)

    def assert_page(self, url, text, there=True):
        "Check that the page has the text, or not"
        page = browse(url).text
        self.assertIs(
            text in page, there, page[page.index('<body'):][:2000])

    def read(self, *names):
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            values, = Customer.read([self.customer], list(names))
            return values[names[0]] if len(names) == 1 else [
                values[n] for n in names]

    def write(self, **values):
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            Customer.write([Customer(self.customer)], values)

    def call(self, name, *args):
        "Call the method as cron does"
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            return getattr(Customer, name)(*args)

    def fetch(self):
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.fetch_events([Account(self.account)])

    def methods(self):
        "Return the types of what the customer has saved at Stripe"
        customer_id = self.read('stripe_customer_id')
        return [
            m['type'] for m in self.world.objects('payment_method').values()
            if m['customer'] == customer_id]

    def set_email(self, email):
        with self.transaction():
            pool = Pool()
            Mechanism = pool.get('party.contact_mechanism')
            Party = pool.get('party.party')
            mechanism, = Party(self.party).contact_mechanisms
            Mechanism.write([mechanism], {'value': email})

    # What is saved

    def test_customer_first(self):
        "Test the setup intent is of the customer"
        _, intent = self.open()
        self.assertTrue(self.read('stripe_customer_id'))
        self.assertEqual(
            self.world.objects('setup_intent')[intent]['customer'],
            self.read('stripe_customer_id'))

    def test_bank(self):
        "Test the debit that a payer's bank generates is saved"
        self.world.set(payment_method_types=[
                'card', 'sepa_debit', 'bancontact', 'ideal'])
        for type_, made in [
                ('bancontact', 'now'), ('ideal', 'now'),
                ('bancontact', 'before'), ('ideal', 'cron')]:
            with self.subTest(type_, made=made):
                self.setUp()
                self.world.set(payment_method_types=[
                        'card', 'sepa_debit', 'bancontact', 'ideal'])
                url, intent = self.open()
                if made != 'now':
                    # By the earlier version, which gave it no customer
                    intent = self.client.setup_intents.create().id
                    self.write(
                        stripe_customer_id=None,
                        stripe_setup_intent_id=intent)
                self.world.pay(
                    intent, '', type_, return_url='https://example.com/')
                if made == 'cron':
                    self.call('stripe_intent_update')
                else:
                    self.assert_page(url + '/end', "Payment method saved")
                self.assertEqual(self.methods(), ['sepa_debit'])
                self.assertIsNone(self.read('stripe_error_message'))
                self.assertIsNone(self.read('stripe_setup_intent_id'))

    def test_bare_intent_is_given_the_customer(self):
        "Test the page of an intent of the earlier version"
        url, _ = self.open()
        bare = self.client.setup_intents.create().id
        self.write(stripe_setup_intent_id=bare)
        self.assertEqual(browse(url).status_code, 200)
        self.assertEqual(
            self.world.objects('setup_intent')[bare]['customer'],
            self.read('stripe_customer_id'))

    def test_refused(self):
        "Test the payer is told that nothing is saved, and goes on"
        for way in ['page', 'cron', 'event']:
            with self.subTest(way):
                self.setUp()
                url, intent = self.open()
                self.world.pay(intent)
                self.client.payment_methods.detach(
                    self.client.setup_intents.retrieve(intent).payment_method)
                if way == 'cron':
                    self.call('stripe_intent_update')
                elif way == 'event':
                    self.fetch()
                for _ in range(2):
                    self.assert_page(
                        url + '/end', "Payment method saved", False)
                    self.assert_page(url + '/end', "cannot be saved")
                self.assertTrue(self.read('stripe_error_message'))
                # The same address lets add another one
                self.assert_page(url, "Add a payment method")
                other = self.read('stripe_setup_intent_id')
                self.assertNotEqual(other, intent)
                self.world.pay(other)
                self.assert_page(url + '/end', "Payment method saved")
                self.assertEqual(self.methods(), ['card'])
                self.assertIsNone(self.read('stripe_error_message'))

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

    # Deleted at Stripe

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

    def test_setup_intent_gone(self):
        "Test a setup intent that Stripe does not know does not block"
        self.open()
        self.write(stripe_setup_intent_id='seti_gone')
        _, intent = self.open()
        self.assertIn(intent, self.world.objects('setup_intent'))
        self.write(stripe_setup_intent_id='seti_gone')
        self.call('stripe_intent_update')
        self.assertIsNone(self.read('stripe_setup_intent_id'))

    # How often Stripe is asked

    def test_unfinished(self):
        "Test setup intents that nobody finishes are read rarely"
        _, intent = self.open()
        row = self.world.find(intent)
        age, delay = dt.timedelta(minutes=15), dt.timedelta(days=30)
        self.simulator.requests.clear()
        looks = 0
        while self.read('stripe_setup_intent_id') and looks < 20:
            self.assertLess(age, delay + dt.timedelta(minutes=30))
            now = dt.datetime.now()
            row['created'] = int(
                (now - age - dt.datetime(1970, 1, 1)).total_seconds())
            self.write(stripe_try_at=now - dt.timedelta(seconds=1))
            self.call('stripe_intent_update')
            looks += 1
            if try_at := self.read('stripe_try_at'):
                before = len(self.simulator.requests)
                self.call('stripe_intent_update')
                self.assertEqual(len(self.simulator.requests), before)
                # Cron comes every 15 minutes
                age += try_at - now + dt.timedelta(minutes=5)
        self.assertEqual(row['status'], 'canceled')
        self.assertGreaterEqual(age, delay)
        self.assertLessEqual(looks, 10)
        self.assertEqual(len(self.requests('GET')), looks)

    def test_unfinished_is_opened(self):
        "Test a payer who comes back is looked after soon"
        url, intent = self.open()
        self.call('stripe_intent_update')
        self.assertTrue(self.read('stripe_try_at'))
        browse(url)
        self.assertIsNone(self.read('stripe_try_at'))
        self.world.pay(intent)
        self.call('stripe_intent_update')
        self.assertEqual(self.methods(), ['card'])

    def test_delay_is_changed(self):
        "Test a shorter delay counts also for what is left alone"
        _, intent = self.open()
        self.call('stripe_intent_update')
        self.write(stripe_try_at=dt.datetime.now() + dt.timedelta(days=20))
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.write([Account(self.account)], {
                    'setup_intent_delay': dt.timedelta(),
                    })
        row = self.world.find(intent)
        row['created'] -= 60
        self.call('stripe_intent_update')
        self.assertEqual(row['status'], 'canceled')

    def test_canceled_by_event(self):
        "Test the event that a setup intent is canceled"
        url, intent = self.open()
        self.client.setup_intents.cancel(intent)
        self.fetch()
        self.assertIsNone(self.read('stripe_setup_intent_id'))
        self.assertEqual(browse(url).status_code, 404)
