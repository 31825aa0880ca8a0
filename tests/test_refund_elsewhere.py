# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import threading
import time
from decimal import Decimal

from trytond.modules.account_payment.exceptions import PaymentValidationError
from trytond.pool import Pool
from trytond.transaction import Transaction

from .case import DAY, StripeTestCase

REFUND = 'account.payment.stripe.refund'


class RefundElsewhereTestCase(StripeTestCase):
    "Test refunds that were not made here get a record"

    def setUp(self):
        super().setUp()
        self.payment, self.charge = self.pay()

    def pay(self, token='tok_visa'):
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                stripe_token=token, stripe_chargeable=True)
            Payment.process([payment])
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'succeeded')
            return payment.id, payment.stripe_charge_id

    def fetch(self, days=0):
        self.simulator.clock.advance(days * DAY)
        self.simulator.requests.clear()
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.fetch_events([Account(self.account)])

    def records(self):
        return Pool().get(REFUND).search([
                ('payment', '=', self.payment),
                ], order=[('id', 'ASC')])

    def make(self, amount='5.00', **values):
        Refund = Pool().get(REFUND)
        refund, = Refund.create([{
                    'payment': self.payment,
                    'amount': Decimal(amount),
                    **values}])
        return refund

    def test_dashboard(self):
        "Test a refund of the dashboard is told and not sent"
        refund = self.client.refunds.create(
            charge=self.charge, amount=1200, reason='duplicate')
        self.fetch()
        self.fetch()
        with self.transaction():
            record, = self.records()
            self.assertTrue(record.made_at_stripe)
            self.assertEqual(
                (record.state, record.amount, record.reason,
                    record.stripe_refund_id),
                ('succeeded', Decimal(12), 'duplicate', refund.id))
            self.assertFalse(record.approved_by_user)
            Refund = Pool().get(REFUND)
            Refund.stripe_create()
        self.assertEqual(len(self.world.objects('refund')), 1)

    def test_pending_event(self):
        "Test a refund of the dashboard is told at once, also if it is pending"
        for token, state in [
                ('tok_pendingRefund', 'processing'),
                ('tok_visa', 'succeeded')]:
            with self.subTest(token):
                self.payment, self.charge = self.pay(token)
                self.client.refunds.create(charge=self.charge, amount=1200)
                event = self.payload('refund.created')
                with self.transaction():
                    Account = Pool().get('account.payment.stripe.account')
                    self.assertIs(
                        Account.webhook([Account(self.account)], event), True)
                with self.transaction():
                    record, = self.records()
                    self.assertEqual(record.state, state)

    def test_pending(self):
        "Test a refund of the dashboard that is pending, then succeeds"
        self.payment, self.charge = self.pay('tok_pendingRefund')
        self.client.refunds.create(charge=self.charge, amount=1200)
        self.fetch()
        with self.transaction():
            record, = self.records()
            self.assertEqual(record.state, 'processing')
            # What is under way cannot be refunded twice
            refund = self.make('31.00')
            with self.assertRaises(PaymentValidationError):
                refund.submit([refund])
        # Also without an event
        self.world.miss_events('*')
        self.simulator.clock.advance(DAY)
        with self.transaction():
            Pool().get(REFUND).stripe_create()
        with self.transaction():
            record = self.records()[0]
            self.assertEqual(record.state, 'succeeded')
            self.assertTrue(record.made_at_stripe)
            self.assertEqual(record.payment.amount, Decimal(30))

    def test_fails(self):
        "Test a refund of the dashboard that fails later"
        refund = self.client.refunds.create(charge=self.charge)
        self.fetch()
        self.world.fail_refund(refund.id)
        self.fetch()
        with self.transaction():
            record, = self.records()
            self.assertEqual(record.state, 'failed')
            self.assertTrue(record.stripe_error_message)
            self.assertEqual(record.payment.state, 'succeeded')
            self.assertEqual(record.payment.amount, Decimal(42))

    def test_gone_on(self):
        "Test what the payment knows of a refund is not undone by its answer"
        with self.transaction():
            Refund = Pool().get(REFUND)
            refund = self.make()
            Refund.submit([refund])
            refund_id = refund.id
        self.simulator.faults.add(
            'latency', 'GET /v1/payment_intents/*', times=1, seconds=1)

        def fail():
            while not self.world.objects('refund'):
                time.sleep(.01)
            refund, = self.world.objects('refund').values()
            self.world.fail_refund(refund['id'])
        thread = threading.Thread(target=fail)
        thread.start()
        with self.transaction():
            Refund = Pool().get(REFUND)
            Refund.approve([Refund(refund_id)])
        thread.join()
        with self.transaction():
            record, = self.records()
            self.assertEqual(record.state, 'failed')
            self.assertEqual(record.payment.amount, Decimal(42))

    def test_named(self):
        "Test what names a record is that record, whatever is known of it"
        with self.transaction():
            Refund = Pool().get(REFUND)
            refund = self.make()
            Refund.submit([refund])
            key = refund.stripe_idempotency_key
        # As after a crash, or a restore from a backup
        self.client.refunds.create(
            charge=self.charge, amount=500, metadata={'tryton_refund': key})
        self.fetch()
        with self.transaction():
            Refund = Pool().get(REFUND)
            record, = self.records()
            self.assertFalse(record.made_at_stripe)
            Refund.approve([record])
        with self.transaction():
            record, = self.records()
            self.assertEqual(record.state, 'succeeded')
        self.assertEqual(len(self.world.objects('refund')), 1)

    def test_named_twice(self):
        "Test of two refunds of a key each has its own record"
        with self.transaction():
            Refund = Pool().get(REFUND)
            refund = self.make()
            Refund.submit([refund])
            Refund.approve([refund])
            key = refund.stripe_idempotency_key
        with self.transaction():
            first = self.records()[0].stripe_refund_id
            self.assertTrue(first)
        # What Stripe completed after it had answered an error
        second = self.client.refunds.create(
            charge=self.charge, amount=500, metadata={'tryton_refund': key})
        for _ in range(2):
            self.fetch()
            with self.transaction():
                Payment = Pool().get('account.payment')
                Payment.stripe_do_pull([Payment(self.payment)])
        with self.transaction():
            self.assertEqual([
                    (r.stripe_refund_id, r.made_at_stripe)
                    for r in self.records()], [
                    (first, False), (second.id, True)])

    def test_named_gone(self):
        "Test a record that a restore took away comes back with its key"
        self.client.refunds.create(
            charge=self.charge, amount=500,
            metadata={'tryton_refund': 'a-key'})
        self.fetch()
        with self.transaction():
            record, = self.records()
            self.assertEqual(record.stripe_idempotency_key, 'a-key')
            self.assertEqual(record.state, 'succeeded')

    def test_of_earlier(self):
        "Test what the earlier version may have sent is not told as another"
        with self.transaction():
            Refund = Pool().get(REFUND)
            refund = self.make()
            Refund.submit([refund])
            Refund.write([refund], {'state': 'approved'})
            table = Refund.__table__()
            self.cursor().execute(*table.update(
                    [table.stripe_attempt], [None],
                    where=table.id == refund.id))
        self.client.refunds.create(charge=self.charge, amount=500)
        self.client.refunds.create(charge=self.charge, amount=700)
        self.fetch()
        with self.transaction():
            self.assertEqual(len(self.records()), 1)
            Pool().get(REFUND).stripe_create()
        with self.transaction():
            self.assertEqual([
                    (r.amount, r.made_at_stripe, r.state)
                    for r in self.records()], [
                    (Decimal(5), False, 'succeeded'),
                    (Decimal(7), True, 'succeeded')])
        self.assertEqual(len(self.world.objects('refund')), 2)

    def test_compared(self):
        "Test the daily comparison makes the records that are missing"
        self.fetch()
        self.world.miss_events('*')
        self.client.refunds.create(charge=self.charge, amount=700)
        self.client.refunds.create(charge=self.charge, amount=800)
        self.fetch(days=1)
        with self.transaction():
            self.assertEqual(
                [r.amount for r in self.records()], [Decimal(8), Decimal(7)])
            self.assertEqual(
                Pool().get('account.payment')(self.payment).amount,
                Decimal(27))
        with self.transaction():
            # As if it had been refunded before the update
            table = Pool().get(REFUND).__table__()
            self.cursor().execute(*table.delete(
                    where=table.payment == self.payment))
        self.fetch(days=1)
        with self.transaction():
            self.assertEqual(len(self.records()), 2)
        self.fetch(days=1)
        self.assertFalse([
                r for r in self.requests('GET')
                if r['path'].startswith('/v1/payment_intents/')])

    def test_other_currency(self):
        "Test no record is made of an amount in another currency"
        with self.transaction():
            table = Pool().get('account.payment').__table__()
            self.cursor().execute(*table.update(
                    [table.stripe_currency], ['JPY'],
                    where=table.id == self.payment))
        with self.transaction():
            Refund = Pool().get(REFUND)
            payment = Pool().get('account.payment')(self.payment)
            Refund.stripe_update(payment, [{
                        'id': 're_other',
                        'amount': 10,
                        'currency': 'jpy',
                        'created': 1,
                        'status': 'succeeded',
                        }])
            self.assertEqual(self.records(), [])

    def cursor(self):
        return Transaction().connection.cursor()
