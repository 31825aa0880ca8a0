# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What Stripe's balance knows before a debit has succeeded, in the books.

Case 23: of a debit by SEPA there is a transaction while it is pending.
https://docs.stripe.com/reports/balance-transaction-types
"""
import datetime as dt
from decimal import Decimal

from trytond.pool import Pool

from .book_case import BookTestCase

# 100.00 EUR in the currency of the company
AMOUNT = Decimal('125.00')
DAY = dt.timedelta(days=1)
SUCCEEDS = 'AT321904300235473204'
FAILS = 'AT051904300235473205'
DISPUTED = 'AT591904300235473203'


class PendingTestCase(BookTestCase):
    "Test debits that are pending"

    def setUp(self):
        super().setUp()
        # The rate of Tryton too
        self.world.set(
            pending_rows=True, settlement_currency='usd',
            settlement_rates={'eur': 1.25})
        with self.transaction():
            self.pay_in('EUR')

    def debit(self, iban):
        "Return the id of a payment that the payer let be debited"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(amount=Decimal('100.00'))
            Payment.stripe_checkout([payment])
            self.intent = payment.stripe_payment_intent_id
        self.world.pay(self.intent, iban)
        self.fetch_events()
        self.fetch()
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'processing')
            self.assertEqual(payment.stripe_waiting_for, 'settlement')
            # The money is on the balance, and open on the clearing account
            self.check_books()
            row, = self.transactions()
            self.assertEqual(row.payment, payment)
            self.assertEqual(row.category, 'charge')
            self.assertEqual(self.sums()['clearing'], -AMOUNT)
            self.assertEqual(len(self.open_lines('clearing')), 1)
        return payment

    def fetch_events(self):
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.fetch_events([Account(self.account)])

    def go_on(self):
        "Let happen what happens within a day"
        self.advance()
        self.fetch_events()
        self.fetch()

    def assertClosed(self, payment, state, count):
        with self.transaction():
            self.check_books()
            payment = self.reload(payment)
            self.assertEqual(payment.state, state)
            self.assertEqual(len(self.transactions()), count)
            self.assertNotIn('clearing', self.sums())
            self.assertEqual(self.open_lines('clearing'), [])
            self.assertFalse(payment.stripe_missing)

    def test_succeeded(self):
        "What is debited closes once the payment succeeds"
        payment = self.debit(SUCCEEDS)
        self.go_on()
        self.assertClosed(payment, 'succeeded', 1)
        with self.transaction():
            self.assertTrue(self.reload(payment).clearing_reconciled)

    def test_failed(self):
        "What is debited and fails is closed by what gives it back"
        payment = self.debit(FAILS)
        self.go_on()
        # The payer is asked to pay otherwise
        self.assertClosed(payment, 'processing', 2)
        with self.transaction():
            self.assertEqual(self.sums(), {})
        self.world.pay(self.intent)
        self.fetch_events()
        self.go_on()
        self.assertClosed(payment, 'succeeded', 3)
        with self.transaction():
            self.assertTrue(self.reload(payment).clearing_reconciled)

    def test_failed_next_month(self):
        "The month of the debit stays as it was"
        now = dt.datetime.fromtimestamp(
            self.simulator.clock.now(), dt.timezone.utc)
        month = (now + dt.timedelta(days=32)).replace(
            day=1, hour=0, minute=0, second=0)
        # It fails within three minutes
        self.advance((month - now).total_seconds() - 60)
        payment = self.debit(FAILS)
        last = (month - DAY).date()
        with self.transaction():
            before = self.sums(until=last)
            self.assertEqual(before['clearing'], -AMOUNT)
        self.go_on()
        self.assertClosed(payment, 'processing', 2)
        with self.transaction():
            self.assertEqual(self.sums(until=last), before)
            self.assertEqual(self.sums(), {})

    def test_disputed(self):
        "What the bank takes back later closes on its day"
        payment = self.debit(DISPUTED)
        self.go_on()
        with self.transaction():
            self.check_books()
            payment = self.reload(payment)
            self.assertTrue(payment.stripe_dispute_status)
            self.assertEqual(self.sums().get('clearing', 0), sum(
                    x.debit - x.credit for x in self.open_lines('clearing')))
