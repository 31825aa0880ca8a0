# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Stripe's balance in the books, in several currencies."""
from decimal import Decimal

from trytond.pool import Pool

from .book_case import BookTestCase


class BookCurrencyTestCase(BookTestCase):
    "Test payments in another currency than the company or the balance"

    def setUp(self):
        super().setUp()
        with self.transaction():
            self.currencies()

    def configure(self, **values):
        Configuration = Pool().get('account.configuration')
        configuration = Configuration(1)
        for name, value in values.items():
            setattr(configuration, name, value)
        configuration.save()

    def test_settled_in_company(self):
        "Case 8: a charge and a refund at another rate close the clearing"
        with self.transaction():
            self.pay_in('EUR')
        self.world.set(settlement_currency='usd', settlement_rates={
                'eur': 1.1})
        with self.transaction():
            payment = self.charged(Decimal('60.00'))
        self.fetch()
        with self.transaction():
            self.check_books()
            # 75.00 by Tryton's rate, 66.00 by Stripe's
            self.assertEqual(self.open_lines('clearing'), [])
            self.assertNotIn('clearing', self.sums())
            self.assertTrue(self.reload(payment).clearing_reconciled)
            line, = [
                x for x in self.moves()[0].lines
                if x.account.id == self.accounts['clearing']]
            self.assertEqual(line.amount_second_currency, Decimal('-60.00'))
            self.assertEqual(line.credit, Decimal('66.00'))
        self.world.set(settlement_rates={'eur': 1.2})
        with self.transaction():
            self.refund(payment, Decimal('60.00'))
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertEqual(self.reload(payment).state, 'failed')
            self.assertEqual(self.open_lines('clearing'), [])
            self.assertNotIn('clearing', self.sums(second=True))
            # The charge was worth 66.00, the refund 72.00, and what Stripe
            # took for the charge
            self.assertEqual(
                self.sums()['stripe'],
                Decimal('-6.00') - self.fee(payment))

    def fee(self, payment):
        return sum(t.fee for t in self.transactions(
                ('payment', '=', payment.id)))

    def test_refunded_at_stripe(self):
        "A refund that was made at Stripe is in the currency of the payment"
        with self.transaction():
            self.pay_in('EUR')
        self.world.set(settlement_currency='usd', settlement_rates={
                'eur': 1.1})
        with self.transaction():
            payment = self.charged(Decimal('60.00'))
            charge = payment.stripe_charge_id
        self.fetch()
        self.world.set(settlement_rates={'eur': 1.3})
        self.client.refunds.create(charge=charge, amount=2000)
        self.fetch()
        with self.transaction():
            self.pull(payment)
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertEqual(
                self.reload(payment).amount, Decimal('40.00'))
            transaction, = self.transactions(('category', '=', 'refund'))
            self.assertEqual(
                (transaction.amount, transaction.original_amount),
                (Decimal('-26.00'), Decimal('-20.00')))
            self.assertEqual(self.open_lines('clearing'), [])

    def test_dispute(self):
        "Case 7: a dispute at another rate than the charge"
        with self.transaction():
            self.pay_in('EUR')
        self.world.set(settlement_currency='usd', settlement_rates={
                'eur': 1.1})
        with self.transaction():
            payment = self.charged(Decimal('60.00'))
            charge = payment.stripe_charge_id
        self.world.set(settlement_rates={'eur': 1.25})
        dispute = self.world.dispute(charge)['id']
        self.fetch()
        self.world.settle_dispute(dispute, won=False)
        with self.transaction():
            self.pull(payment)
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertEqual(self.open_lines('clearing'), [])
            self.assertNotIn('clearing', self.sums())

    def test_settled_in_other(self):
        "Case 9: a charge in the currency of the company, settled in another"
        with self.transaction():
            second = self.settle_in('EUR')
        self.world.set(settlement_currency='eur', settlement_rates={
                'usd': .9})
        with self.transaction():
            payment = self.charged()
        self.fetch(self.balance, second)
        with self.transaction():
            self.check_books()
            self.assertEqual(self.open_lines('clearing'), [])
            transaction, = self.transactions(('balance', '=', second))
            # What was paid is 100.00, not 112.50 by Tryton's rate
            self.assertEqual(transaction.line.credit, Decimal('100.00'))
            self.assertIsNone(transaction.line.second_currency)
            self.assertEqual(
                self.sums(second=True)['stripe EUR'], transaction.net)
            self.assertTrue(self.reload(payment).clearing_reconciled)

    def test_three(self):
        "Company, payment and balance are each in another currency"
        with self.transaction():
            second = self.settle_in('EUR')
            self.pay_in('GBP')
        self.world.set(settlement_currency='eur', settlement_rates={
                'gbp': 1.7})
        with self.transaction():
            payment = self.charged()
        self.fetch(self.balance, second)
        with self.transaction():
            self.refund(payment, Decimal('33.33'))
        self.fetch(self.balance, second)
        with self.transaction():
            self.check_books()
            self.assertEqual(self.open_lines('clearing'), [])
            self.assertNotIn('clearing', self.sums())
            self.assertNotIn('clearing', self.sums(second=True))
        self.advance(8 * 24 * 60 * 60)
        self.world.payout()
        self.fetch(self.balance, second)
        with self.transaction():
            self.check_books()
            self.assertNotIn('stripe EUR', self.sums(second=True))

    def test_no_exchange(self):
        "Without accounts for exchange differences it is told, and mended"
        with self.transaction():
            self.pay_in('EUR')
            self.configure(**dict.fromkeys(self.exchange))
        self.world.set(settlement_currency='usd', settlement_rates={
                'eur': 1.1})
        with self.transaction():
            payment = self.charged(Decimal('60.00'))
        self.fetch()
        with self.transaction():
            self.assertIn("exchange", self.read().error_message)
            self.assertEqual(len(self.open_lines('clearing')), 2)
            # It does not prevent what Stripe says
            self.refund(payment, Decimal('10.00'))
        with self.transaction():
            self.assertEqual(
                self.reload(payment).amount, Decimal('50.00'))
            refunded = self.charged(Decimal('40.00'))
            charge = refunded.stripe_charge_id
        self.world.set(settlement_rates={'eur': 1.2})
        self.client.refunds.create(charge=charge)
        # Booked before the payment takes it
        self.fetch()
        with self.transaction():
            self.pull(refunded)
            self.assertEqual(self.reload(refunded).state, 'failed')
            self.configure(**self.exchange)
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertEqual(self.open_lines('clearing'), [])

    def test_no_rate(self):
        "Without a rate it is told, and the others are booked"
        with self.transaction():
            Rate = Pool().get('currency.currency.rate')
            second = self.settle_in('GBP')
            gbp = self.currencies()['GBP']
            Rate.delete(Rate.search([('currency', '=', gbp.id)]))
            self.charged()
        self.world.topup(10000, 'gbp')
        self.fetch(self.balance, second)
        with self.transaction():
            self.assertTrue(self.read(id=second).error_message)
            self.assertEqual(self.read(id=second).booked_amount, 0)
            self.assertFalse(self.read().error_message)
            self.assertEqual(self.read().booked_amount, Decimal('96.80'))
        with self.transaction():
            self.currencies()
        self.fetch(self.balance, second)
        with self.transaction():
            self.check_books()


del BookTestCase
