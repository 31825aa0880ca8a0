# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from decimal import Decimal

from trytond.pool import Pool
from trytond.transaction import Transaction

from ..taken import BASIL
from .case import StripeTestCase


class PartialCaptureTestCase(StripeTestCase):
    "Test 30 captured of 42, by requests of old and of new API versions"

    def capture(self, release=False):
        """Capture 30 of 42.

        release: as Stripe did before 2025-03-31.
        https://docs.stripe.com/changelog/basil/2025-03-31/remove-refund-from-partial-capture-and-payment-cancellation-flow
        """
        self.world.set(release_refunds=release)
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True,
                stripe_capture=False)
            Payment.process([payment])
        with self.transaction():
            payment = self.reload(payment)
            payment.amount = Decimal('30')
            payment.save()
            Payment.stripe_do_capture([payment])
        with self.transaction():
            self.payment = payment.id
            self.charge = self.reload(payment).stripe_charge_id

    def update(self, kind, id_, **values):
        with self.world.lock:
            self.world.table(kind).get(id_).update(values)

    def refund(self, amount):
        self.client.refunds.create(charge=self.charge, amount=amount)

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
        self.capture(release=True)
        self.assertLeft(30)

    def test_released_then_refunded(self):
        "Test a refund besides the release is counted"
        self.capture(release=True)
        self.refund(1000)
        self.assertLeft(20, 10)

    def test_released_then_refunded_as_much(self):
        "Test a refund of as much as the release is counted"
        self.capture(release=True)
        self.refund(1200)
        self.assertLeft(18, 12)

    def test_released_then_refunded_whole(self):
        "Test nothing is left when all that was captured is refunded"
        self.capture(release=True)
        self.refund(3000)
        self.assertLeft(0, 30)

    def test_released_without_booking(self):
        "Test the release that is not in the ledger"
        self.capture(release=True)
        refund, = self.world.objects('refund')
        charge = self.world.objects('charge')[self.charge]
        self.update('refund', refund, balance_transaction=None)
        self.update(
            'balance_transaction', charge['balance_transaction'],
            amount=3000)
        self.assertLeft(30)

    def test_released_long_ago(self):
        "Test nothing else is asked for when it cannot be otherwise"
        self.capture(release=True)
        self.update('charge', self.charge, created=BASIL - 1)
        count = len(self.requests('GET'))
        self.assertLeft(30)
        self.assertEqual(len(self.requests('GET')), count + 1)

    def test_released_in_settlement_currency(self):
        "Test the booking in another currency than that of the charge"
        for currency, rate in [('cad', 1.25), ('jpy', 150), ('kwd', .3)]:
            with self.subTest(currency=currency):
                self.world.set(
                    settlement_currency=currency, settlement_rate=rate)
                self.capture(release=True)
                self.assertLeft(30)

    def test_released_at_unknown_rate(self):
        "Test the booking in another currency whose rate is not told"
        self.world.set(settlement_currency='cad', settlement_rate=1.25)
        self.capture(release=True)
        charge = self.world.objects('charge')[self.charge]
        self.update(
            'balance_transaction', charge['balance_transaction'],
            exchange_rate=None)
        self.assertLeft(30)

    def test_released_without_permission(self):
        "Test the ledger that cannot be asked"
        self.capture(release=True)
        self.simulator.faults.add('403', 'GET /v1/charges/%s' % self.charge)
        self.assertLeft(30)

    def test_refunded_as_much_as_not_captured(self):
        "Test a refund is counted that happens to be as much as the rest"
        self.capture()
        self.refund(1200)
        self.assertLeft(18, 12)

    def test_refunded_as_much_in_settlement_currency(self):
        "Test the same with a booking in another currency"
        self.world.set(settlement_currency='jpy', settlement_rate=150)
        self.capture()
        self.refund(1200)
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
        self.world.set(release_refunds=True)
        charge = self.client.charges.create(
            amount=4200, currency='usd', source='tok_visa', capture=False)
        self.client.charges.capture(charge.id, amount=3000)
        self.charge = charge.id
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

    def test_refund_of_the_earlier_module(self):
        "Test the release is not taken for a refund of the same amount"
        self.capture(release=True)
        with self.transaction() as transaction:
            Refund = Pool().get('account.payment.stripe.refund')
            refund, = Refund.create([{
                        'payment': self.payment, 'amount': Decimal('12')}])
            # As it is after the update
            table = refund.__table__()
            transaction.connection.cursor().execute(*table.update(
                    [table.stripe_attempt], [None],
                    where=table.id == refund.id))
        with self.transaction():
            refund = Refund(refund.id)
            Refund.submit([refund])
            Refund.approve([refund])
        with self.transaction():
            self.assertEqual(Refund(refund.id).state, 'succeeded')
            self.assertEqual(
                Pool().get('account.payment')(self.payment).amount,
                Decimal('18'))
        self.assertEqual(len(self.requests('POST', '/v1/refunds')), 1)
