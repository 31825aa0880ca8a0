# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What else is booked of Stripe's balance.

The numbers are those of the edge cases for which the accounting is designed.
"""
import datetime as dt
from decimal import Decimal

from trytond.modules.account_payment_stripe.attempt import attempt
from trytond.pool import Pool

from .book_case import BookTestCase
from .ledger_case import DAY


class BookOtherTestCase(BookTestCase):
    "Test the booking of what is no payment"

    def test_payout(self):
        "A payout is in transit, one that failed is back on the balance"
        with self.transaction():
            self.charged()
        self.advance(3 * DAY)
        made, = self.world.payout()
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertEqual(self.sums(), {
                    'transit': Decimal('96.80'),
                    'fees': Decimal('3.20'),
                    })
            payout, = self.payouts()
            self.assertFalse(payout.reconciled)
            self.assertEqual(
                self.payouts(('reconciled', '=', False)), [payout])
        self.advance(2 * DAY)
        self.world.fail_payout(made['id'])
        self.fetch()
        with self.transaction():
            self.check_books()
            payout, = self.payouts()
            self.assertEqual(self.open_lines('transit'), [])
            self.assertEqual(self.sums()['stripe'], Decimal('96.80'))
            self.assertTrue(payout.reconciled)

    def test_other_categories(self):
        "Cases 12, 13, 20 and 21: fees, taxes, reserves, corrections"
        self.world.fee(500, self.code)
        self.world.fee(70, self.code, category='network_cost')
        self.world.tax(95, self.code)
        self.world.adjust(-1000, self.code)
        self.world.reserve(200, self.code)
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertEqual(self.sums(), {
                    'stripe': Decimal('-18.65'),
                    'fees': Decimal('5.70'),
                    'taxes': Decimal('0.95'),
                    'suspense': Decimal('12.00'),
                    })
        self.world.release_reserve(200, self.code)
        self.world.topup(3000, self.code)
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertEqual(self.sums()['suspense'], Decimal('10.00'))
            self.assertEqual(self.sums()['transit'], Decimal('-30.00'))

    def test_start(self):
        "Case 25: what was before the start is not booked"
        with self.transaction():
            Balance = Pool().get('account.payment.stripe.balance')
            self.charged()
            later = self.start_date + dt.timedelta(days=1)
            Balance.write([self.read()], {'start_date': later})
        self.advance(2 * DAY)
        with self.transaction():
            self.charged(Decimal('50.00'))
        self.fetch()
        with self.transaction():
            balance = self.read()
            self.assertEqual(balance.opening_amount, Decimal('96.80'))
            self.assertEqual(balance.booked_amount, Decimal('48.25'))
            # Until the opening entry is made
            self.assertEqual(balance.book_difference, Decimal('96.80'))

    def test_not_configured(self):
        "Without a journal nothing is booked, with one all or nothing is set"
        with self.transaction():
            Balance = Pool().get('account.payment.stripe.balance')
            Balance.write([self.read()], dict.fromkeys(self.books))
            payment = self.charged()
        self.fetch()
        with self.transaction():
            self.assertEqual(self.moves(), [])
            balance = self.read()
            self.assertIsNone(balance.booked_amount)
            self.assertEqual(self.transactions(('to_book', '=', True)), [])
            self.assertFalse(self.reload(payment).clearing_reconciled)
        with self.transaction():
            from trytond.model.exceptions import RequiredValidationError
            Balance = Pool().get('account.payment.stripe.balance')
            for name in ['journal', 'account', 'fee_account']:
                with self.assertRaises(RequiredValidationError):
                    Balance.write(
                        [self.read()], {name: self.books[name]})
            Balance.write([self.read()], self.books)
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertTrue(self.reload(payment).clearing_reconciled)

    def test_manual(self):
        "A payment that is not of Stripe is cleared as by Tryton alone"
        with self.transaction():
            pool = Pool()
            Group = pool.get('account.payment.group')
            Payment = pool.get('account.payment')
            PaymentJournal = pool.get('account.payment.journal')
            self.charged()
            journal, = PaymentJournal.copy(
                [PaymentJournal(self.journal)], default={
                    'process_method': 'manual',
                    'stripe_account': None,
                    })
            payment = self.create_payment(journal=journal.id)
            Payment.process([payment], lambda: Group.create([{
                            'company': self.company,
                            'journal': journal.id,
                            'kind': 'receivable',
                            }])[0])
            Payment.succeed([payment])
            self.assertEqual(
                len(list(payment.clearing_lines)), 1)
            Payment.fail([payment])
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'failed')
            self.assertIsNone(payment.clearing_move)
            # Nor if nothing clears any more
            PaymentJournal.write(PaymentJournal.browse([self.journal]), {
                    'clearing_account': None,
                    'clearing_journal': None,
                    })
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertEqual(self.sums()['suspense'], Decimal('-100.00'))

    def test_one_wrong(self):
        "What cannot be booked does not stop the others of its day"
        with self.transaction():
            Account = Pool().get('account.account')
            self.charged()
            today = dt.date.today()
            Account.write([Account(self.accounts['clearing'])], {
                    'end_date': today - dt.timedelta(days=5)})
        self.world.fee(500, self.code)
        self.fetch()
        with self.transaction():
            balance = self.read()
            self.assertIn("Clearing", balance.error_message)
            self.assertEqual(balance.booked_amount, Decimal('-5.00'))
            self.assertEqual(balance.to_book_amount, Decimal('96.80'))
            Account.write([Account(self.accounts['clearing'])], {
                    'end_date': None})
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertEqual(self.open_lines('clearing'), [])

    def test_error(self):
        "One that cannot be booked is told and does not block the others"
        with self.transaction():
            self.charged()
        self.fetch()
        with self.transaction():
            pool = Pool()
            Move = pool.get('account.move')
            Period = pool.get('account.period')
            attempt(Move.post, Move.search([('company', '=', self.company)]))
            attempt(
                Period.close, Period.search([('company', '=', self.company)]))
        self.world.fee(500, self.code)
        self.fetch()
        with self.transaction():
            balance = self.read()
            self.assertIn("period", balance.error_message)
            self.assertEqual(balance.to_book_amount, Decimal('-5.00'))
            self.assertEqual(balance.difference, 0)


del BookTestCase
