# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What Stripe does not say, or says and does otherwise later."""
import datetime as dt
from decimal import Decimal

from trytond.pool import Pool
from trytond.transaction import Transaction

from .case import StripeTestCase

HOUR = 60 * 60


class UnsureTestCase(StripeTestCase):
    "Test money is moved once though Stripe answers that it failed"

    def process(self, **values):
        "Return a payment that is being processed, without its tasks"
        Payment = Pool().get('account.payment')
        payment = self.create_payment(**values)
        Payment.process([payment])
        Transaction().tasks.clear()
        Transaction().commit()
        return payment

    def approve(self, amount='10.00'):
        "Return an approved refund of a payment that succeeded"
        pool = Pool()
        Payment = pool.get('account.payment')
        Refund = pool.get('account.payment.stripe.refund')
        payment = self.process(
            stripe_token='tok_visa', stripe_chargeable=True)
        Payment.stripe_charge([payment])
        refund, = Refund.create([{
                    'payment': payment.id, 'amount': Decimal(amount)}])
        Refund.submit([refund])
        Refund.approve([refund])
        Transaction().tasks.clear()
        Transaction().commit()
        return refund

    def pass_time(self, seconds, refund):
        "Let the time pass at Stripe and for the refund"
        self.simulator.clock.advance(seconds)
        past = dt.timedelta(seconds=seconds)
        with self.transaction() as transaction:
            refund = refund.__class__(refund.id)
            table = refund.__table__()
            transaction.connection.cursor().execute(*table.update(
                    [table.stripe_sent_at, table.stripe_try_at],
                    [refund.stripe_sent_at - past, None],
                    where=table.id == refund.id))

    def send(self):
        with self.transaction():
            Pool().get('account.payment.stripe.refund').stripe_create()

    def sent(self):
        "Return the idempotency keys under which refunds were sent"
        return {
            r['idempotency_key']
            for r in self.requests('POST', '/v1/refunds')}

    def test_reading_fails(self):
        "Test no other key is used because the refunds could not be listed"
        for fault in ['503', '500_before']:
            with self.subTest(fault=fault):
                self.simulator.requests.clear()
                # It may still be under way
                self.simulator.faults.add('drop_before', 'POST /v1/refunds')
                with self.transaction():
                    refund = self.approve()
                self.send()
                self.simulator.faults.clear()
                self.simulator.faults.add(fault, 'GET /v1/refunds')
                self.pass_time(HOUR, refund)
                self.send()
                self.simulator.faults.clear()
                self.pass_time(HOUR, refund)
                self.send()
                with self.transaction():
                    refund = refund.__class__(refund.id)
                    self.assertEqual(refund.state, 'succeeded')
                self.assertEqual(len(self.sent()), 1)

    def test_refund_later(self):
        "Test a refund that Stripe makes hours after it failed is found"
        self.simulator.faults.add(
            '500_later', 'POST /v1/refunds', seconds=5 * HOUR)
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            refund = self.approve()
        self.send()
        self.simulator.faults.clear()
        count = len(self.requests('POST', '/v1/refunds'))
        for _ in range(4):
            self.pass_time(HOUR, refund)
            self.send()
            with self.transaction():
                refund = Refund(refund.id)
                self.assertEqual(refund.state, 'processing')
                self.assertTrue(refund.stripe_error_message)
                self.assertTrue(refund.stripe_try_at)
        self.assertEqual(len(self.requests('POST', '/v1/refunds')), count)
        self.pass_time(2 * HOUR, refund)
        self.send()
        with self.transaction():
            refund = Refund(refund.id)
            self.assertEqual(refund.state, 'succeeded')
            self.assertIsNone(refund.stripe_error_message)
            self.assertEqual(refund.payment.amount, Decimal('32.00'))
        self.assertEqual(
            [m['amount'] for m in self.world.ledger()], [4200, -1000])

    def test_refund_never(self):
        "Test a refund that Stripe never made is sent again after a day"
        self.simulator.faults.add('500_before', 'POST /v1/refunds')
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            refund = self.approve()
        self.send()
        self.simulator.faults.clear()
        first = self.sent()
        self.pass_time(23 * HOUR, refund)
        self.send()
        with self.transaction():
            refund = Refund(refund.id)
            self.assertEqual(refund.state, 'processing')
            left = refund.stripe_try_at - dt.datetime.now()
            self.assertLess(left, dt.timedelta(hours=1.01))
        self.assertEqual(self.sent(), first)
        self.pass_time(1.1 * HOUR, refund)
        self.send()
        self.assertEqual(len(self.sent()), 2)
        with self.transaction():
            self.assertEqual(Refund(refund.id).state, 'succeeded')
        self.assertEqual(
            [m['amount'] for m in self.world.ledger()], [4200, -1000])

    def test_refund_answer_lost(self):
        "Test a refund without an answer is sent again under the same key"
        self.simulator.faults.add('drop_before', 'POST /v1/refunds')
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            refund = self.approve()
        self.send()
        self.simulator.faults.clear()
        self.pass_time(10 * 60, refund)
        self.send()
        with self.transaction():
            self.assertEqual(Refund(refund.id).state, 'succeeded')
        self.assertEqual(
            [m['amount'] for m in self.world.ledger()], [4200, -1000])

    def test_confirm_and_capture_keys(self):
        "Test what moves money has a key for the intent and each attempt"
        for path, values in [
                ('confirm', {}), ('capture', {'stripe_capture': False})]:
            with self.subTest(path):
                match = 'POST /v1/payment_intents/*/%s' % path
                self.simulator.faults.add('500_before', match)
                with self.transaction():
                    Payment = Pool().get('account.payment')
                    payment = self.process(
                        stripe_token='tok_visa', stripe_chargeable=True,
                        **values)
                    Payment.stripe_charge([payment])
                    if path == 'capture':
                        payment.stripe_do_capture([payment])
                        Transaction().tasks.clear()
                        Payment.stripe_capture_([payment])
                self.simulator.faults.clear()
                with self.transaction():
                    Payment.stripe_charge([self.reload(payment)])
                    Payment.stripe_capture_([self.reload(payment)])
                with self.transaction():
                    payment = self.reload(payment)
                    self.assertEqual(payment.state, 'succeeded')
                    intent = payment.stripe_payment_intent_id
                keys = [
                    r['idempotency_key']
                    for r in self.requests('POST', '/%s' % path)
                    if intent in r['path']]
                self.assertEqual(len(set(keys)), 2)
                for key in keys:
                    self.assertIn('%s-%s-' % (intent, path), key)

    def test_confirm_later(self):
        "Test a charge that Stripe makes hours after it failed is the only one"
        self.simulator.faults.add(
            '500_later', 'POST /v1/payment_intents/*/confirm', times=4,
            seconds=HOUR)
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.process(
                stripe_token='tok_visa', stripe_chargeable=True)
            Payment.stripe_charge([payment])
        with self.transaction():
            Payment.stripe_charge([self.reload(payment)])
        self.simulator.clock.advance(2 * HOUR)
        with self.transaction():
            Payment.stripe_charge([self.reload(payment)])
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'succeeded')
        self.assertEqual([m['amount'] for m in self.world.ledger()], [4200])

    def test_cause_mended(self):
        "Test what Stripe refused is not repeated once its cause is mended"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(stripe_token='tok_visa')
            key = '%s-0' % payment.stripe_idempotency_key
            # Stripe's answer to the same, saved while it was refused
            payment.stripe_chargeable = True
            payment.stripe_token = 'src_unknown'
            payment.save()
            Payment.process([payment])
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'failed')
            self.assertTrue(payment.stripe_error_message)
            self.assertNotEqual(payment.stripe_create_key, key)

    def test_error_cleared(self):
        "Test what was refused is not tried again once its error is cleared"
        with self.transaction():
            Payment = Pool().get('account.payment')
            customer, method = self.create_customer(
                token='tok_chargeCustomerFail')
            payment = self.process(
                stripe_customer=customer.id,
                stripe_customer_payment_method=method)
            Payment.stripe_charge([payment])
            intent = self.reload(payment).stripe_payment_intent_id
        self.client.payment_intents.update(
            intent, description="Edited in the dashboard")
        row = self.world.objects('payment_intent')[intent]
        self.assertIsNone(row['last_payment_error'])
        row['latest_charge'] = None
        for _ in range(2):
            with self.transaction():
                Payment.stripe_charge([self.reload(payment)])
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.stripe_waiting_for, 'payer')
        self.assertEqual(len(self.requests('POST', '/confirm')), 1)

    def test_off_session(self):
        "Test a saved source is charged as if nobody were there"
        with self.transaction():
            Payment = Pool().get('account.payment')
            customer, method = self.create_customer()
            payment = self.process(
                stripe_customer=customer.id, stripe_customer_source=method)
            Payment.stripe_charge([payment])
            self.assertEqual(self.reload(payment).state, 'succeeded')
        request, = self.requests('POST', '/confirm')
        self.assertTrue(request['params']['off_session'])
        self.assertTrue(request['params']['error_on_requires_action'])
