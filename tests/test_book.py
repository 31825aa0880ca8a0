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
