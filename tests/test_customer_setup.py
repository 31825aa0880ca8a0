# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt

from trytond.pool import Pool

from .setup_case import SetupTestCase
from .tools import browse


class AddTestCase(SetupTestCase):
    "Test saving payment methods"

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
