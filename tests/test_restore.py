# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A database that is restored from a backup."""
import datetime as dt
from decimal import Decimal

from trytond.modules.account_payment_stripe.exceptions import PaymentPaidError
from trytond.pool import Pool
from trytond.transaction import Transaction

from .restore_case import RestoreCase


class RestoreTestCase(RestoreCase):
    "Test what was done after the backup is not done again"

    def charge(self, left_over=0, **values):
        """Return a payment that is restored and charged again.

        left_over: how many intents of the payment nobody has confirmed.
        """
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True, **values)
            Payment.process([payment])
            Transaction().tasks.clear()
            Transaction().commit()
            restore = self.backup(payment)
            self.leave_over(payment, left_over)
            Payment.stripe_charge([payment])
            self.assertTrue(self.reload(payment).stripe_payment_intent_id)
            self.leave_over(payment, left_over)
        restore()
        with self.transaction():
            self.assertIsNone(self.reload(payment).stripe_payment_intent_id)
            Payment.stripe_charge()
        return payment

    def test_charged(self):
        "Test a payment that was charged is not charged again"
        for count in range(2):
            with self.subTest(left_over=count):
                before = len(self.world.ledger())
                payment = self.charge(count)
                with self.transaction():
                    payment = self.reload(payment)
                    self.assertEqual(payment.state, 'succeeded')
                    self.assertEqual(payment.amount, Decimal('42.00'))
                    self.assertEqual(
                        payment.stripe_captured_amount, Decimal('42.00'))
                self.assertEqual(
                    [m['amount'] for m in self.world.ledger()[before:]],
                    [4200])

    def test_authorized(self):
        "Test a payment that was authorized can be captured"
        payment = self.charge(stripe_capture=False)
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.stripe_waiting_for, 'capture')
            Pool().get('account.payment').stripe_do_capture([payment])
        with self.transaction():
            self.assertEqual(self.reload(payment).state, 'succeeded')
        self.assertEqual([m['amount'] for m in self.world.ledger()], [4200])

    def test_processed_again(self):
        "Test a payment that a user processes again is not charged again"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment, restore = self.submitted(
                stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process([payment])
        restore()
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'submitted')
            Payment.process([payment])
        self.assertPaidOnce(payment)

    def test_draft(self):
        "Test a draft that was paid is found by its event"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment, _ = self.submitted()
            Payment.draft([payment])
            payment.stripe_token = 'tok_visa'
            payment.stripe_chargeable = True
            payment.save()
            Transaction().commit()
            restore = self.backup(payment)
            Payment.submit([payment])
            Payment.process([payment])
        restore()
        with self.transaction():
            self.assertEqual(self.reload(payment).state, 'draft')
        self.fetch()
        self.assertPaidOnce(payment)

    def test_event(self):
        "Test a payment that was paid on the page is found by its event"
        payment = self.paid_on_page()
        self.fetch()
        self.assertPaidOnce(payment)

    def test_checkout(self):
        "Test the page of a payment that was paid tells it"
        payment = self.paid_on_page()
        with self.transaction():
            payment = self.reload(payment)
            payment.stripe_checkout([payment])
            self.assertEqual(payment.stripe_checkout_result, 'succeeded')
        self.fetch()
        self.assertPaidOnce(payment)

    def test_draft_again(self):
        "Test who sets back, or pulls, a payment that was paid is told"
        for name in ['draft', 'fail', 'stripe_do_pull', 'succeed']:
            with self.subTest(name):
                payment = self.paid_on_page()
                with self.transaction():
                    Payment = Pool().get('account.payment')
                    payment = self.reload(payment)
                    if name in {'fail', 'succeed'}:
                        Payment.proceed([payment])
                    Transaction().commit()
                    try:
                        getattr(Payment, name)([payment])
                    except PaymentPaidError:
                        self.assertIn(name, {'draft', 'fail'})
                        Transaction().rollback()
                with self.transaction():
                    self.assertEqual(self.reload(payment).state, 'succeeded')

    def other_intent(self, payment):
        "Return the id of another intent of the payment, of which it knows"
        with self.transaction():
            payment = self.reload(payment)
            intent = self.client.payment_intents.create(
                amount=4200, currency='usd')
            payment.stripe_set_intent(intent.to_dict())
            return intent.id

    def test_other_intent(self):
        "Test an intent that was made meanwhile is cancelled"
        payment = self.paid_on_page()
        other = self.other_intent(payment)
        self.fetch()
        self.assertEqual(
            self.client.payment_intents.retrieve(other).status, 'canceled')
        self.assertPaidOnce(payment)

    def test_paid_twice(self):
        "Test a person is told when both intents were paid"
        payment = self.paid_on_page()
        other = self.other_intent(payment)
        self.world.pay(other)
        self.fetch()
        with self.transaction():
            Event = Pool().get('account.payment.stripe.event')
            event, = Event.search([
                    ('account', '=', self.account),
                    ('state', '=', 'failed'),
                    ])
            self.assertEqual(event.type, 'payment_intent.succeeded')
            self.assertIn(other, event.error_message)
            self.assertIn("twice", event.error_message)
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'succeeded')
            self.assertEqual(payment.stripe_payment_intent_id, other)

    def test_no_event(self):
        "Test a payment is found of which Stripe made no event"
        self.fetch()
        self.world.miss_events('*')
        payment = self.paid_on_page()
        other = self.other_intent(payment)
        self.fetch()
        self.assertEqual(
            self.client.payment_intents.retrieve(other).status, 'canceled')
        self.assertPaidOnce(payment)

    def test_paid_twice_without_event(self):
        "Test the payment tells that it was paid twice without any event"
        self.fetch()
        self.world.miss_events('*')
        payment = self.paid_on_page()
        other = self.other_intent(payment)
        self.world.pay(other)
        with self.assertLogs(level='ERROR'):
            self.fetch()
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'succeeded')
            self.assertEqual(payment.stripe_payment_intent_id, other)
            self.assertIn(other, payment.stripe_error_message)

    def test_cancelled(self):
        "Test a late event of an intent that was cancelled replaces no other"
        payment = self.paid_on_page()
        other = self.other_intent(payment)
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            intent = self.client.payment_intents.create(
                amount=4200, currency='usd',
                metadata=self.reload(payment).stripe_metadata)
            self.client.payment_intents.cancel(intent.id)
            self.assertIsNone(Account.webhook(
                    [Account(self.account)],
                    self.payload('payment_intent.canceled',
                        status='requires_action')))
        with self.transaction():
            self.assertEqual(
                self.reload(payment).stripe_payment_intent_id, other)

    def test_no_search(self):
        "Test nothing is searched as long as the events are read"
        with self.transaction():
            Payment = Pool().get('account.payment')
            Account = Pool().get('account.payment.stripe.account')
            payment, restore = self.submitted(
                stripe_token='tok_visa', stripe_chargeable=True)
        restore()
        with self.transaction():
            table = Account.__table__()
            now = dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)
            Transaction().connection.cursor().execute(*table.update(
                    [table.fetched_at, table.resumed_at],
                    [now, now - dt.timedelta(days=9)],
                    where=table.id == self.account))
        with self.transaction():
            Payment.process([self.reload(payment)])
        self.assertPaidOnce(payment)
        self.assertFalse(self.requests(path='/search'))

    def test_search_refused(self):
        "Test nothing is charged that may be paid but cannot be searched"
        self.simulator.faults.add('403', 'GET /v1/payment_intents/search')
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process([payment])
            Transaction().tasks.clear()
            Transaction().commit()
            restores = [
                self.backup(payment), self.backup(payment.stripe_own_account)]
        for restore in restores:
            restore()
        with self.transaction():
            Payment.stripe_charge([payment])
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'processing')
            self.assertEqual(payment.stripe_waiting_for, 'check')
            self.assertTrue(payment.stripe_error_message)
            self.assertTrue(payment.stripe_try_at)
        self.assertTrue(self.requests(path='/search'))
        self.assertFalse(self.requests('POST'))
        self.simulator.faults.clear()
        with self.transaction():
            Payment.stripe_charge([payment])
        self.assertPaidOnce(payment)

    def test_refund(self):
        "Test a refund that was sent is not sent again"
        with self.transaction():
            pool = Pool()
            Payment = pool.get('account.payment')
            Refund = pool.get('account.payment.stripe.refund')
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process([payment])
        with self.transaction():
            refund, = Refund.create([{'payment': payment.id, 'amount': 20}])
            Refund.submit([refund])
            Refund.approve([refund])
            Transaction().tasks.clear()
            Transaction().commit()
            restores = [self.backup(refund), self.backup(payment)]
            Refund.stripe_create([refund])
        for restore in restores:
            restore()
        with self.transaction():
            refund = Refund(refund.id)
            self.assertEqual(refund.state, 'approved')
            Refund.stripe_create()
        with self.transaction():
            self.assertEqual(Refund(refund.id).state, 'succeeded')
            self.assertEqual(self.reload(payment).amount, Decimal('22.00'))
        self.assertEqual(
            [m['amount'] for m in self.world.ledger()], [4200, -2000])
