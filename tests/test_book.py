# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Stripe's balance in the books.

The numbers are those of the edge cases for which the accounting is designed.
"""
import datetime as dt
from decimal import Decimal

from trytond.modules.account_payment_stripe.attempt import attempt
from trytond.pool import Pool

from .book_case import BookTestCase
from .ledger_case import DAY


class BookPaymentTestCase(BookTestCase):
    "Test the booking of payments"

    def test_charge_booked(self):
        "A charge is booked and matched with the clearing of its payment"
        with self.transaction():
            payment = self.charged()
            self.assertEqual(self.sums(), {'clearing': Decimal('100.00')})
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertEqual(self.sums(), {
                    'stripe': Decimal('96.80'),
                    'fees': Decimal('3.20'),
                    })
            self.assertTrue(self.reload(payment).clearing_reconciled)
            self.assertEqual(self.open_lines('clearing'), [])
            move, = self.moves()
            self.assertEqual(move.state, 'draft')
            self.assertEqual(move.origin, self.read())
            self.assertEqual(len(move.lines), 3)

    def test_succeed_after(self):
        "A payment that succeeds after its charge was booked is matched"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                amount=Decimal('100.00'), stripe_token='tok_visa',
                stripe_chargeable=True)
            Payment.process([payment])
        self.client.payment_intents.create(
            amount=5000, currency=self.code, confirm=True,
            payment_method='pm_card_visa', return_url='https://example.com')
        with self.transaction():
            Payment = Pool().get('account.payment')
            Payment.stripe_charge([Payment(payment.id)])
        self.fetch()
        self.advance()
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertEqual(
                self.sums()['suspense'], Decimal('-50.00'))
            self.assertTrue(self.reload(payment).clearing_reconciled)

    def test_same_day(self):
        "What comes later on the day is added to the draft move"
        with self.transaction():
            self.charged()
        self.fetch()
        with self.transaction():
            self.charged(Decimal('50.00'))
        self.fetch()
        with self.transaction():
            self.check_books()
            move, = self.moves()
            self.assertEqual(len(move.lines), 4)
            Move = Pool().get('account.move')
            attempt(Move.post, [move])
        with self.transaction():
            self.charged(Decimal('20.00'))
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertEqual(len(self.moves()), 2)

    def test_refund(self):
        "Case 1: a partial refund after the payout closes the clearing"
        with self.transaction():
            payment = self.charged()
        self.advance(3 * DAY)
        self.world.payout()
        self.fetch()
        with self.transaction():
            before = self.moves()
            self.refund(payment, Decimal('30.00'))
        self.fetch()
        with self.transaction():
            self.check_books()
            payment = self.reload(payment)
            self.assertEqual(payment.amount, Decimal('70.00'))
            self.assertEqual(self.open_lines('clearing'), [])
            self.assertTrue(payment.clearing_reconciled)
            self.assertEqual(self.sums()['stripe'], Decimal('-30.00'))
            self.assertEqual(self.moves()[:len(before)], before)

    def test_full_refund(self):
        "Case 2: what is refunded wholly closes without a clearing move"
        with self.transaction():
            payment = self.charged()
        self.fetch()
        with self.transaction():
            self.refund(payment, Decimal('100.00'))
        self.fetch()
        with self.transaction():
            self.check_books()
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'failed')
            self.assertIsNone(payment.clearing_move)
            self.assertEqual(self.open_lines('clearing'), [])
            self.assertNotIn('clearing', self.sums())

    def test_refund_before(self):
        "The refund is booked before the payment knows of it"
        with self.transaction():
            payment = self.charged()
            charge = payment.stripe_charge_id
        self.client.refunds.create(charge=charge, amount=3000)
        self.fetch()
        with self.transaction():
            self.assertEqual(self.sums()['clearing'], Decimal('30.00'))
            self.pull(payment)
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertEqual(self.open_lines('clearing'), [])

    def test_dispute_lost(self):
        "Case 4: a dispute is open on the clearing account until it is lost"
        with self.transaction():
            payment = self.charged()
            charge = payment.stripe_charge_id
        self.fetch()
        dispute = self.world.dispute(charge)['id']
        with self.transaction():
            self.pull(payment)
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertEqual(self.sums()['clearing'], Decimal('100.00'))
            self.assertEqual(self.sums()['fees'], Decimal('18.20'))
            self.assertTrue(self.open_lines('clearing'))
        self.world.settle_dispute(dispute, won=False)
        with self.transaction():
            self.pull(payment)
            self.assertEqual(self.reload(payment).state, 'failed')
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertEqual(self.open_lines('clearing'), [])

    def test_dispute_won(self):
        "Case 5: what is given back closes the clearing"
        with self.transaction():
            payment = self.charged()
            charge = payment.stripe_charge_id
        self.fetch()
        dispute = self.world.dispute(charge)['id']
        self.fetch()
        self.world.settle_dispute(dispute)
        self.fetch()
        with self.transaction():
            self.pull(payment)
            self.check_books()
            self.assertEqual(self.reload(payment).state, 'succeeded')
            self.assertEqual(self.open_lines('clearing'), [])
            self.assertEqual(self.sums()['fees'], Decimal('18.20'))

    def test_earlier_day(self):
        "A refund never changes the days before it, posted or not"
        for posted in [False, True]:
            with self.subTest(posted=posted):
                self._test_earlier_day(posted)

    def _test_earlier_day(self, posted):
        earlier = dt.date.today().replace(day=1) - dt.timedelta(days=10)
        with self.transaction(clearing_date=earlier):
            payment = self.charged()
        with self.transaction():
            payment = self.reload(payment)
            move = payment.clearing_move
            self.assertEqual(move.date, earlier)
            if posted:
                attempt(move.__class__.post, [move])
        self.fetch()
        with self.transaction():
            before = self.sums(until=earlier)
            self.assertTrue(before['clearing'])
            self.refund(payment, Decimal('30.00'))
        self.fetch()
        with self.transaction():
            self.check_books()
            payment = self.reload(payment)
            self.assertEqual(
                payment.clearing_move.date, dt.date.today())
            self.assertEqual(self.open_lines('clearing'), [])
            self.assertEqual(self.sums(until=earlier), before)

    def test_deleted_move(self):
        "Case 26: a draft that was deleted is booked anew, a posted one stays"
        with self.transaction():
            payment = self.charged()
        self.fetch()
        with self.transaction():
            pool = Pool()
            Move = pool.get('account.move')
            Reconciliation = pool.get('account.move.reconciliation')
            move, = self.moves()
            Reconciliation.delete([
                    x.reconciliation for x in move.lines if x.reconciliation])
            Move.delete([move])
        with self.transaction():
            self.assertEqual(
                self.read().to_book_amount, Decimal('96.80'))
            to_book, = self.transactions(('to_book', '=', True))
            self.assertTrue(to_book.to_book)
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertTrue(self.reload(payment).clearing_reconciled)
            self.assertEqual(self.transactions(('to_book', '=', True)), [])
            Move = Pool().get('account.move')
            move, = self.moves()
            attempt(Move.post, [move])
            cancel = move.cancel()
            self.assertEqual(cancel.date, move.date)
        self.fetch()
        with self.transaction():
            self.assertEqual(
                self.read().book_difference, Decimal('96.80'))

    def test_closed_period(self):
        "Case 27: what belongs into a closed period is booked today"
        with self.transaction():
            self.charged()
            Period = Pool().get('account.period')
            now = dt.datetime.fromtimestamp(self.simulator.clock.now())
            if now.date() <= dt.date.today():
                self.advance(40 * DAY)
        with self.transaction():
            self.charged(Decimal('50.00'))
        with self.transaction():
            Period = Pool().get('account.period')
            later = Period.search([
                    ('company', '=', self.company),
                    ('start_date', '>', dt.date.today()),
                    ])
            attempt(Period.close, later)
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertEqual(
                max(m.date for m in self.moves()), dt.date.today())

    def test_linked_later(self):
        "Case 24: what is explained later goes from suspense to clearing"
        for posted in [False, True]:
            with self.subTest(posted=posted):
                self._test_linked_later(posted)

    def _test_linked_later(self, posted):
        with self.transaction():
            payment = self.charged()
            charge = payment.stripe_charge_id
            payment.stripe_store(stripe_charge_id=None)
        self.fetch()
        with self.transaction():
            self.assertEqual(self.sums()['suspense'], Decimal('-100.00'))
            transaction, = self.transactions(('in_suspense', '=', True))
            self.assertTrue(transaction.in_suspense)
            if posted:
                Move = Pool().get('account.move')
                attempt(
                    Move.post, self.moves(('state', '=', 'draft')))
        with self.transaction():
            self.reload(payment).stripe_store(stripe_charge_id=charge)
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertEqual(self.open_lines('suspense'), [])
            self.assertEqual(self.open_lines('clearing'), [])
            self.assertTrue(self.reload(payment).clearing_reconciled)
            self.assertEqual(self.transactions(('in_suspense', '=', True)), [])

    def test_post(self):
        "The moves of days that are over are posted after the delay"
        with self.transaction():
            Balance = Pool().get('account.payment.stripe.balance')
            self.read().posting_delay = dt.timedelta(0)
            Balance.write([self.read()], {'posting_delay': dt.timedelta(0)})
            self.charged()
        self.fetch()
        with self.transaction():
            move, = self.moves()
            self.assertEqual(move.state, 'draft')
            # As if the day was over
            table = move.__table__()
            from trytond.transaction import Transaction
            period = Pool().get('account.period').find(
                self.company, date=dt.date.today() - dt.timedelta(days=40))
            Transaction().connection.cursor().execute(*table.update(
                    [table.date, table.period],
                    [period.start_date, period.id],
                    where=table.id == move.id))
        self.fetch()
        with self.transaction():
            move, = self.moves()
            self.assertEqual(move.state, 'posted')
            self.assertTrue(move.number)


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
