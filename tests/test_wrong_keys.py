# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What happens when the keys of an account are not the right ones."""
import uuid
from decimal import Decimal

from trytond.modules.account_payment_stripe.exceptions import StripeError
from trytond.pool import Pool
from trytond.transaction import Transaction

from .case import StripeTestCase


class WrongKeysTestCase(StripeTestCase):
    "Test nothing is lost or done twice while the keys are wrong"

    def set_key(self, world):
        "Give the account the secret key of the world"
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.write([Account(self.account)], {
                    'secret_key': world.secret_key,
                    'publishable_key': world.publishable_key,
                    })

    def other_world(self):
        return self.simulator.account('other-%s' % uuid.uuid4().hex)

    def process(self, **values):
        Payment = Pool().get('account.payment')
        payment = self.create_payment(**values)
        Payment.process([payment])
        return payment

    def charge(self):
        with self.transaction():
            Pool().get('account.payment').stripe_charge()

    def send(self):
        with self.transaction():
            Pool().get('account.payment.stripe.refund').stripe_create()

    def approve(self, payment, amount=10):
        pool = Pool()
        Refund = pool.get('account.payment.stripe.refund')
        refund, = Refund.create([{
                    'payment': payment.id, 'amount': Decimal(amount)}])
        Refund.submit([refund])
        Refund.approve([refund])
        Transaction().tasks.clear()
        return refund

    def test_key_of_other_account(self):
        "Test payments with a saved card wait for the right key"
        with self.transaction():
            customer, method = self.create_customer()
        self.set_key(self.other_world())
        with self.transaction():
            payment = self.process(
                stripe_customer=customer.id,
                stripe_customer_payment_method=method)
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'processing')
            self.assertEqual(payment.stripe_waiting_for, 'check')
            self.assertIn("No such customer", payment.stripe_error_message)
            self.assertTrue(payment.stripe_try_at)
        self.set_key(self.world)
        self.charge()
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'succeeded')
            self.assertIsNone(payment.stripe_error_message)

    def test_key_swapped_for_an_hour(self):
        "Test what was paid is not forgotten while another key is entered"
        with self.transaction():
            payment = self.process(
                stripe_token='tok_visa', stripe_chargeable=True)
        with self.transaction():
            refund = self.approve(self.reload(payment))
            opened = self.create_payment()
            opened.stripe_checkout([opened])
            intent = opened.stripe_payment_intent_id
        self.world.pay(intent)
        self.set_key(self.other_world())
        self.send()
        with self.transaction():
            Payment = Pool().get('account.payment')
            with self.assertRaises(StripeError):
                Payment.draft([self.reload(opened)])
            Transaction().rollback()
            refund = refund.__class__(refund.id)
            self.assertIn(refund.state, {'approved', 'processing'})
            self.assertTrue(refund.stripe_error_message)
        self.set_key(self.world)
        self.send()
        with self.transaction():
            self.assertEqual(
                refund.__class__(refund.id).state, 'succeeded')
            self.assertEqual(self.reload(payment).amount, Decimal('32.00'))

    def test_failed_event_not_forgotten(self):
        "Test a failed event that another key does not find is tried again"
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            payment = self.create_payment()
            payment.stripe_checkout([payment])
            intent = payment.stripe_payment_intent_id
        self.world.pay(intent)
        self.simulator.faults.add('down')
        with self.transaction():
            # Its payload has another version so it has to be read
            event = self.payload('payment_intent.succeeded')
            event['api_version'] = '2020-08-27'
            self.assertIs(
                Account.webhook([Account(self.account)], event), False)
        self.simulator.faults.clear()
        self.set_key(self.other_world())
        with self.transaction():
            Event = Pool().get('account.payment.stripe.event')
            Event.try_failed(Account(self.account))
        with self.transaction():
            record, = Event.search([('identifier', '=', event['id'])])
            self.assertEqual(record.state, 'failed')
            self.assertTrue(record.try_at)
        self.set_key(self.world)
        with self.transaction():
            Event.try_failed(Account(self.account))
        with self.transaction():
            self.assertEqual(Event(record.id).state, 'applied')
            self.assertEqual(Event(record.id).record, self.reload(payment))
            self.assertEqual(self.reload(payment).state, 'succeeded')

    def test_journal_of_other_account(self):
        "Test what is at Stripe is looked up with its own account"
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Journal = pool.get('account.payment.journal')
            payment = self.process(
                stripe_token='tok_visa', stripe_chargeable=True)
            opened = self.create_payment()
            opened.stripe_checkout([opened])
            intent = opened.stripe_payment_intent_id
        other = self.other_world()
        with self.transaction():
            account, = Account.create([{
                        'name': "Other",
                        'secret_key': other.secret_key,
                        'publishable_key': other.publishable_key,
                        }])
            Journal.write([Journal(self.journal)], {
                    'stripe_account': account.id})
        with self.transaction():
            refund = self.approve(self.reload(payment))
        self.send()
        with self.transaction():
            self.assertEqual(
                refund.__class__(refund.id).state, 'succeeded')
            self.assertEqual(self.reload(payment).amount, Decimal('32.00'))
        self.world.pay(intent)
        with self.transaction():
            Account.fetch_events([Account(self.account)])
        with self.transaction():
            opened = self.reload(opened)
            self.assertEqual(opened.state, 'succeeded')
            self.assertEqual(opened.stripe_own_account.id, self.account)
            # A refund in the dashboard arrives as well
            self.client.refunds.create(
                payment_intent=opened.stripe_payment_intent_id, amount=100)
            Account.fetch_events([Account(self.account)])
        with self.transaction():
            self.assertEqual(self.reload(opened).amount, Decimal('41.00'))
            new = self.process(
                stripe_token='tok_visa', stripe_chargeable=True)
        with self.transaction():
            self.assertEqual(self.reload(new).stripe_own_account, account)
        self.assertEqual([m['amount'] for m in other.ledger()], [4200])
        self.assertEqual(
            [m['amount'] for m in self.world.ledger()],
            [4200, -1000, 4200, -100])

    def test_method_of_token(self):
        "Test a method that was made of a token waits for the right keys"
        self.simulator.faults.add('401', 'POST /v1/payment_intents')
        with self.transaction():
            payment = self.process(
                stripe_token='tok_visa', stripe_chargeable=True)
        with self.transaction():
            self.assertTrue(self.reload(payment).stripe_payment_method_id)
            self.assertEqual(
                self.reload(payment).stripe_waiting_for, 'account')
        self.simulator.faults.clear()
        self.set_key(self.other_world())
        self.charge()
        with self.transaction():
            waiting = self.reload(payment)
            self.assertEqual(waiting.state, 'processing')
            self.assertEqual(waiting.stripe_waiting_for, 'check')
            self.assertIn('No such', waiting.stripe_error_message)
        self.set_key(self.world)
        self.charge()
        with self.transaction():
            self.assertEqual(self.reload(payment).state, 'succeeded')
        self.assertEqual([m['amount'] for m in self.world.ledger()], [4200])

    def test_missing_permission(self):
        "Test what needs no missing permission goes on"
        with self.transaction():
            Payment = Pool().get('account.payment')
            paid = self.process(
                stripe_token='tok_visa', stripe_chargeable=True)
        with self.transaction():
            refunds = [
                self.approve(self.reload(paid), amount=1) for _ in range(5)]
            customer, method = self.create_customer()
            payments = self.create_payments(
                10, stripe_token='tok_visa', stripe_chargeable=True)
            others = self.create_payments(
                10, stripe_customer=customer.id,
                stripe_customer_payment_method=method)
            Payment.process(payments + others)
            Transaction().tasks.clear()
        self.simulator.faults.add('403', 'POST /v1/payment_methods')
        self.charge()
        self.send()
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            self.assertEqual(
                {r.__class__(r.id).state for r in refunds}, {'succeeded'})
            self.assertEqual(
                {self.reload(p).stripe_waiting_for for p in payments},
                {'account'})
            self.assertEqual(
                {self.reload(p).state for p in others}, {'succeeded'})
            self.assertTrue(Account(self.account).error_message)
        # It was asked for once in the run
        self.assertEqual(
            len([r for r in self.requests('POST', '/v1/payment_methods')
                    if r['status'] == 403]), 1)
        self.simulator.faults.clear()
        self.charge()
        with self.transaction():
            self.assertEqual(
                {self.reload(p).state for p in payments}, {'succeeded'})
            self.assertIsNone(Account(self.account).error_message)

    def test_refused_key_mended(self):
        "Test the next run goes on after a key that was refused for long"
        with self.transaction():
            paid = self.process(
                stripe_token='tok_visa', stripe_chargeable=True)
        with self.transaction():
            refund = self.approve(self.reload(paid))
        self.simulator.faults.add('401')
        for _ in range(6):
            self.send()
        self.simulator.faults.clear()
        self.send()
        with self.transaction():
            self.assertEqual(
                refund.__class__(refund.id).state, 'succeeded')
