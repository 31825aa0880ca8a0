# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The figures of Stripe's balance.

The numbers are those of the edge cases for which the accounting is designed.
"""
from decimal import Decimal

from trytond.pool import Pool

from .ledger_case import DAY, LedgerTestCase


class FiguresTestCase(LedgerTestCase):
    "Test the sums, currencies and digits"

    def test_fees(self):
        "12, 13: fees and taxes apart, and in the fee of a charge"
        self.world.set(fee_tax=19)
        with self.transaction():
            self.charged()
        self.world.fee(120, self.code)
        self.world.fee(40, self.code, 'network_cost')
        self.world.tax(30, self.code)
        self.advance(3 * DAY)
        self.world.payout()
        self.advance()
        self.fetch()
        with self.transaction():
            charge, = self.transactions(('category', '=', 'charge'))
            self.assertEqual(
                (charge.fee, charge.fee_tax),
                (Decimal('3.81'), Decimal('0.61')))
            payout, = self.payouts()
            self.assertEqual(payout.fees, Decimal('-5.71'))
            self.check()

    def test_reserve(self):
        "20, 21, 22, 33: reserve, minimum, top-up and nothing at all"
        self.world.set(minimum_balance={self.code: 100})
        self.world.topup(1000, self.code)
        self.world.reserve(300, self.code)
        self.world.adjust(
            0, self.code, 'charge', 'validation')
        self.world.payout()
        self.advance()
        self.fetch()
        with self.transaction():
            payout, = self.payouts()
            self.assertEqual(payout.amount, Decimal('6.00'))
            self.assertEqual(len(payout.movements), 3)
            self.check()
        self.world.release_reserve(300, self.code)
        self.fetch()
        with self.transaction():
            self.check()

    def test_currencies(self):
        "10, 11: each currency has a balance, one without is told"
        other = 'eur' if self.code != 'eur' else 'usd'
        self.world.topup(1000, self.code)
        self.world.topup(700, other)
        self.fetch()
        with self.transaction():
            self.assertEqual(self.read().other_currencies, other.upper())
            self.check()
            self.assertEqual(len(self.transactions()), 1)
            second = self.create_balance(other).id
        self.world.payout()
        self.advance()
        self.fetch(self.balance, second)
        with self.transaction():
            self.assertIsNone(self.read().other_currencies)
            self.assertEqual(
                sorted(p.amount for p in self.payouts()),
                [Decimal('7.00'), Decimal('10.00')])
            self.check()

    def test_converted(self):
        "8, 9: a charge in another currency is in the one of the balance"
        other = 'eur' if self.code != 'eur' else 'usd'
        with self.transaction():
            payment = self.charged()
            second = self.create_balance(other).id
        self.world.set(settlement_currency=other, settlement_rate='0.9')
        with self.transaction():
            payment = self.charged()
        self.fetch(self.balance, second)
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(
                payment.stripe_balance_currency.code, other.upper())
            transaction, = payment.stripe_transactions
            self.assertEqual(transaction.amount, Decimal('90.00'))
            self.assertEqual(transaction.exchange_rate, Decimal('0.9'))
            self.check()

    def test_digits(self):
        "Amounts of more digits than the currency has are shown as they are"
        self.world.topup(1000, 'gbp')
        self.world.topup(1055, 'gbp')
        self.world.topup(500, 'jpy')
        self.world.topup(1234560, 'kwd')
        with self.transaction():
            ids = [self.create_balance(c).id for c in ['gbp', 'jpy', 'kwd']]
            for id_, digits in zip(ids, [0, 0, 3]):
                self.set_digits(id_, digits)
        self.addCleanup(self.restore_digits, ids[0])
        self.fetch(*ids)
        with self.transaction():
            gbp, jpy, kwd = [self.read(id=i) for i in ids]
            self.assertEqual(gbp.stripe_amount, Decimal('20.55'))
            self.assertEqual(jpy.stripe_amount, Decimal('500'))
            self.assertEqual(kwd.stripe_amount, Decimal('1234.560'))
            self.assertEqual(
                [b.difference for b in (gbp, jpy, kwd)], [0, 0, 0])
            odd, = self.transactions(('error_message', '!=', None))
            self.assertEqual(odd.net, Decimal('10.55'))
            self.assertEqual(odd.balance, gbp)

    def set_digits(self, id, digits):
        Pool().get('currency.currency').write([self.read(id=id).currency], {
                'digits': digits,
                'rounding': Decimal(1).scaleb(-digits),
                })

    def restore_digits(self, id):
        with self.transaction():
            self.set_digits(id, 2)

    def test_wrong_sum(self):
        "A transaction whose figures do not tie is shown"
        row = self.world.topup(1000, self.code)
        self.world._row(row['id']).update(fee=10)
        self.fetch()
        with self.transaction():
            transaction, = self.transactions()
            self.assertIn('1000', transaction.error_message)
            balance = self.read()
            self.assertEqual(balance.difference, 0)
        self.world._row(row['id']).update(fee=0)
