# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Two accounts at Stripe, as of the test and the live mode, in one company.

Case 30: each has a balance of its own in the same currency.
"""
import uuid
from decimal import Decimal

from trytond.pool import Pool

from .book_case import BookTestCase
from .tools import StripeClient


class AccountsTestCase(BookTestCase):
    "Test that nothing of the one account is taken for the other's"

    def setUp(self):
        super().setUp()
        self.first = (
            self.world, self.client, self.account, self.journal, self.balance)
        self.simulator.live.add(self.world.name)
        self.addCleanup(self.simulator.live.discard, self.world.name)
        world = self.simulator.account(uuid.uuid4().hex)
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            LedgerAccount = pool.get('account.account')
            PaymentJournal = pool.get('account.payment.journal')
            account, = Account.create([{
                        'name': "Stripe of the Tests",
                        'secret_key': world.secret_key,
                        'publishable_key': world.publishable_key,
                        }])
            journal, = PaymentJournal.copy(
                [PaymentJournal(self.journal)],
                default={'stripe_account': account.id})
            # Each balance has its own account in the books
            stripe, transit = LedgerAccount.copy(LedgerAccount.browse(
                    [self.accounts['stripe'], self.accounts['transit']]))
            self.account = account.id
            balance = self.create_balance(**dict(
                    self.books, account=stripe.id,
                    transit_account=transit.id))
        self.second_account = stripe.id
        self.second = (
            world, StripeClient(world.secret_key, self.simulator.url),
            account.id, journal.id, balance.id)

    def use(self, account):
        (self.world, self.client, self.account, self.journal,
            self.balance) = account

    def test_apart(self):
        "What each has is fetched, booked and matched in its own balance"
        payments = []
        for account, amount in [
                (self.first, '100.00'), (self.second, '30.00')]:
            self.use(account)
            with self.transaction():
                payments.append(self.charged(Decimal(amount)))
            # Something that Tryton does not know
            self.pay(amount=5000)
        self.advance(3 * 24 * 60 * 60)
        self.use(self.first)
        self.world.payout()
        # One run of cron for both
        self.fetch(self.first[-1], self.second[-1])
        stripe = self.accounts['stripe']
        for account, payment, used, rows in [
                (self.first, payments[0], stripe, 3),
                (self.second, payments[1], self.second_account, 2)]:
            self.use(account)
            self.accounts['stripe'] = used
            with self.transaction():
                self.check_books()
                found = self.transactions()
                self.assertEqual(len(found), rows)
                self.assertEqual({t.balance.id for t in found}, {
                        self.balance})
                self.assertEqual(
                    {t.payment.id for t in found if t.payment},
                    {payment.id})
                self.assertEqual(
                    {m.origin.id for m in self.moves()}, {self.balance})
                self.assertEqual(
                    self.sums()['stripe'] if rows == 2 else 0,
                    self.read().booked_amount)
                self.assertTrue(self.reload(payment).clearing_reconciled)
        # The payout of the one is none of the other
        with self.transaction():
            self.assertEqual(self.payouts(), [])
            self.use(self.first)
            self.assertEqual(len(self.payouts()), 1)

    def test_refused(self):
        "A key that is refused stops its own account only"
        for account in [self.first, self.second]:
            self.use(account)
            with self.transaction():
                self.charged()
        self.use(self.first)
        self.world.expire_key()
        self.fetch(self.first[-1], self.second[-1])
        with self.transaction():
            self.assertEqual(self.transactions(), [])
            self.use(self.second)
            self.assertEqual(len(self.transactions()), 1)
        self.use(self.first)
        self.world.restore_key()
        self.fetch(self.first[-1], self.second[-1])
        with self.transaction():
            self.check_books()
            self.assertEqual(len(self.transactions()), 1)
