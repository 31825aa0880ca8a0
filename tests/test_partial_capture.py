# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from decimal import Decimal

from trytond.pool import Pool
from trytond.transaction import Transaction

from ..taken import BASIL
from .case import StripeTestCase


class PartialCaptureTestCase(StripeTestCase):
    "Test 30 captured of 42, by requests of old and of new API versions"

    def capture(self, amount=Decimal('30')):
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True,
                stripe_capture=False)
            Payment.process([payment])
        with self.transaction():
            payment = self.reload(payment)
            payment.amount = amount
            payment.save()
            Payment.stripe_do_capture([payment])
        with self.transaction():
            self.payment = payment.id
            self.charge = self.reload(payment).stripe_charge_id

    def release(self, booked=True, created=None, rate=None):
        """Make of the capture what Stripe made before 2025-03-31.

        https://docs.stripe.com/changelog/basil/2025-03-31/remove-refund-from-partial-capture-and-payment-cancellation-flow
        """
        with self.world.lock:
            charge = self.world.table('charge').get(self.charge)
            released = charge['amount'] - charge['amount_captured']
            if created:
                charge['created'] = created
            refund = self.world.create(
                'refund', amount=released, charge=charge['id'],
                currency=charge['currency'], metadata={},
                payment_intent=charge['payment_intent'],
                status='succeeded')
            if booked:
                refund['balance_transaction'] = 'txn_released'
                self.world.table('balance_transaction').get(
                    charge['balance_transaction'])['amount'] = charge[
                        'amount']
            if rate:
                row = self.world.table('balance_transaction').get(
                    charge['balance_transaction'])
                row.update(
                    amount=int(row['amount'] * rate), currency='cad',
                    exchange_rate=rate)
            charge['amount_refunded'] += released

    def refund(self, amount, **params):
        with self.world.lock:
            # Stripe does not count the release as given back
            charge = self.world.table('charge').get(self.charge)
            counted, charge['amount_refunded'] = charge['amount_refunded'], 0
        refund = self.client.refunds.create(
            charge=self.charge, amount=amount, **params)
        with self.world.lock:
            charge['amount_refunded'] += counted
        return refund

    def assertLeft(self, amount, refunded=0):
        "Assert what a pull tells"
        with self.transaction():
            Payment = Pool().get('account.payment')
            Payment.stripe_do_pull([Payment(self.payment)])
        with self.transaction():
            payment = Payment(self.payment)
            self.assertEqual(payment.stripe_captured_amount, Decimal('30'))
            self.assertEqual(
                payment.stripe_refunded_amount, Decimal(refunded))
            self.assertEqual(
                payment.state, 'succeeded' if amount else 'failed')
            if amount:
                self.assertEqual(payment.amount, Decimal(amount))

    def test_released(self):
        "Test the release of the rest is no refund"
        self.capture()
        self.release()
        self.assertLeft(30)

    def test_released_then_refunded(self):
        "Test a refund besides the release is counted"
        self.capture()
        self.release()
        self.refund(1000)
        self.assertLeft(20, 10)

    def test_released_then_refunded_as_much(self):
        "Test a refund of as much as the release is counted"
        self.capture()
        self.release()
        self.refund(1200)
        self.assertLeft(18, 12)

    def test_released_then_refunded_whole(self):
        "Test nothing is left when all that was captured is refunded"
        self.capture()
        self.release()
        self.refund(3000)
        self.assertLeft(0, 30)

    def test_released_without_booking(self):
        "Test the release that is not in the ledger"
        self.capture()
        self.release(booked=False)
        self.assertLeft(30)

    def test_released_long_ago(self):
        "Test nothing else is asked for when it cannot be otherwise"
        self.capture()
        self.release(created=BASIL - 1)
        count = len(self.requests('GET'))
        self.assertLeft(30)
        self.assertEqual(len(self.requests('GET')), count + 1)

    def test_released_in_settlement_currency(self):
        "Test the booking in another currency than that of the charge"
        self.capture()
        self.release(rate=1.25)
        self.assertLeft(30)

    def test_released_without_permission(self):
        "Test the ledger that cannot be asked"
        self.capture()
        self.release()
        self.simulator.faults.add('403', 'GET /v1/charges/%s' % self.charge)
        self.assertLeft(30)

    def test_refunded_as_much_as_not_captured(self):
        "Test a refund is counted that happens to be as much as the rest"
        self.capture()
        self.client.refunds.create(charge=self.charge, amount=1200)
        self.assertLeft(18, 12)

    def test_refunded_as_much_by_us(self):
        "Test our refund is counted without another request"
        self.capture()
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            refund, = Refund.create([{
                        'payment': self.payment,
                        'amount': Decimal('12'),
                        }])
            Refund.submit([refund])
            Refund.approve([refund])
        count = len(self.requests('GET'))
        self.assertLeft(18, 12)
        self.assertEqual(len(self.requests('GET')), count + 1)

    def test_release_of_charge(self):
        "Test the release of a charge without intent"
        self.world.enable_charges_api()
        charge = self.client.charges.create(
            amount=4200, currency='usd', source='tok_visa', capture=False)
        self.client.charges.capture(charge.id, amount=3000)
        self.charge = charge.id
        self.release()
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            table = Payment.__table__()
            Transaction().connection.cursor().execute(*table.update(
                    [table.state, table.stripe_charge_id],
                    ['processing', charge.id],
                    where=table.id == payment.id))
            self.payment = payment.id
        self.assertLeft(30)
