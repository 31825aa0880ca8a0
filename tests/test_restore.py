# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A database that is restored from a backup."""
import datetime as dt
from decimal import Decimal

from sql import Table

from trytond.pool import Pool
from trytond.transaction import Transaction

from .case import DAY, StripeTestCase


class RestoreTestCase(StripeTestCase):
    "Test what was done after the backup is not done again"

    def backup(self, record):
        "Return what restores the record as it is, written two days ago"
        table = Table(record.__table__()._name)
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(where=table.id == record.id))
        row = dict(zip((d[0] for d in cursor.description), cursor.fetchone()))
        row['create_date'] = row['write_date'] = (
            dt.datetime.now() - dt.timedelta(days=2))

        def restore():
            with self.transaction() as transaction:
                transaction.connection.cursor().execute(*table.update(
                        [getattr(table, n) for n in row], list(row.values()),
                        where=table.id == row['id']))
            # The keys are forgotten
            self.simulator.clock.advance(2 * DAY)
        return restore

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

    def leave_over(self, payment, count=1):
        "Create intents as when the answer is lost"
        for _ in range(count):
            self.client.payment_intents.create(
                amount=4200, currency='usd', metadata=payment.stripe_metadata)

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

    def test_search_refused(self):
        "Test a payment that has waited is charged without the search"
        self.simulator.faults.add('403', 'GET /v1/payment_intents/search')
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process([payment])
            Transaction().tasks.clear()
            Transaction().commit()
            restore = self.backup(payment)
        restore()
        with self.transaction():
            Payment.stripe_charge()
        with self.transaction():
            self.assertEqual(self.reload(payment).state, 'succeeded')
        self.assertTrue([
                r for r in self.simulator.requests
                if r['account'] == self.world.name
                and r['path'].endswith('/search')])

    def test_event(self):
        "Test a payment that was paid on the page is found by its event"
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Payment = pool.get('account.payment')
            payment = self.create_payment()
            draft, = Payment.copy([payment])
            Transaction().commit()
            restores = [
                self.backup(payment), self.backup(Account(self.account)),
                self.backup(draft)]
            Payment.stripe_checkout([payment])
            self.world.pay(payment.stripe_payment_intent_id)
            self.leave_over(draft)
        for restore in restores:
            restore()
        with self.transaction():
            self.assertIsNone(self.reload(payment).stripe_payment_intent_id)
            Account.fetch_events([Account(self.account)])
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'succeeded')
            self.assertEqual(payment.amount, Decimal('42.00'))
            self.assertIsNone(self.reload(draft).stripe_payment_intent_id)
            Payment.stripe_charge()
        self.assertEqual([m['amount'] for m in self.world.ledger()], [4200])

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
