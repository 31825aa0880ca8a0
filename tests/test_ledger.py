# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Stripe's balance transactions and payouts.

The numbers are those of the edge cases for which the accounting is designed.
"""
import datetime as dt
from decimal import Decimal

from trytond.model.exceptions import AccessError, SQLConstraintError
from trytond.modules.company.tests import create_company
from trytond.pool import Pool
from trytond.transaction import Transaction

from .ledger_case import BALANCE, DAY, TRANSACTION, LedgerTestCase


class TransactionsTestCase(LedgerTestCase):
    "Test what moved the balance"

    def test_none(self):
        "Without a balance nothing is asked or shown"
        with self.transaction():
            Balance = Pool().get(BALANCE)
            Balance.delete(Balance.search([
                        ('stripe_account', '=', self.account)]))
        with self.transaction():
            payment = self.charged()
            sent = len(self.requests())
            Balance = Pool().get(BALANCE)
            Balance.stripe_fetch(Balance.search([
                        ('stripe_account', '=', self.account)]))
            self.assertEqual(len(self.requests()), sent)
            payment = self.reload(payment)
            self.assertEqual(payment.stripe_transactions, ())
            self.assertIsNone(payment.stripe_fee)
            self.assertIsNone(payment.stripe_payout)

    def test_payment(self):
        "A payment shows its fee, net and payout"
        with self.transaction():
            payment = self.charged()
        self.fetch()
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.stripe_fee, Decimal('3.20'))
            self.assertEqual(payment.stripe_net, Decimal('96.80'))
            self.assertIsNone(payment.stripe_payout)
            transaction, = payment.stripe_transactions
            self.assertEqual(transaction.source, payment.stripe_charge_id)
            self.assertEqual(
                transaction.fee_description, "Stripe processing fees")
            self.check()
        self.advance(3 * DAY)
        made, = self.world.payout()
        self.advance()
        self.fetch()
        with self.transaction():
            payout = self.reload(payment).stripe_payout
            self.assertEqual(payout.identifier, made['id'])
            self.assertEqual(payout.amount, Decimal('96.80'))
            self.assertTrue(payout.explained)
            self.assertEqual(
                (payout.gross, payout.fees),
                (Decimal('100.00'), Decimal('-3.20')))
            self.assertIn(payout.identifier, payout.rec_name)
            self.check()

    def test_nothing_new(self):
        "Nothing new costs as many requests and rows however much is known"
        with self.transaction():
            self.charged()
        self.fetch()
        counts = []
        for _ in range(2):
            before = len(self.requests())
            self.fetch()
            counts.append(len(self.requests()) - before)
            for _ in range(5):
                self.world.topup(100, self.code)
            self.fetch()
        self.assertEqual(counts, [3, 3])

    def test_pages(self):
        "28: transactions are stored page by page"
        for i in range(230):
            self.world.topup(100 + i, self.code)
        self.fetch()
        with self.transaction():
            self.check()
            self.assertEqual(len(self.transactions()), 230)
        for i in range(120):
            self.world.topup(100 + i, self.code)
        self.fetch()
        with self.transaction():
            self.check()

    def test_interrupted(self):
        "28: what was stopped goes on where it was stopped"
        for i in range(350):
            self.world.topup(100 + i, self.code)
        self.simulator.faults.add(
            '503', 'GET /v1/balance_transactions', after=2)
        self.fetch()
        with self.transaction():
            self.assertEqual(len(self.transactions()), 200)
            balance = self.read()
            self.assertIn('balance_transactions.list', balance.error_message)
            self.assertIsNone(balance.opening_amount)
        self.world.topup(7, self.code)
        self.simulator.faults.clear()
        before = self.listed('/v1/balance_transactions')
        self.fetch()
        with self.transaction():
            self.check()
            self.assertEqual(len(self.transactions()), 351)
            self.assertIsNone(self.read().error_message)
        # The first two pages were not asked for again
        self.assertLessEqual(
            self.listed('/v1/balance_transactions') - before, 4)

    def test_started_later(self):
        "25: what happened before the start is counted in its payout only"
        old = self.world.topup(500, self.code)
        self.advance(2 * DAY)
        with self.transaction():
            Balance = Pool().get(BALANCE)
            balance = Balance(self.balance)
            balance.start_date += dt.timedelta(days=1)
            balance.save()
        self.world.topup(200, self.code)
        self.fetch()
        with self.transaction():
            balance = self.read()
            self.assertEqual(balance.opening_amount, Decimal('5.00'))
            self.assertEqual(len(self.transactions()), 1)
            self.assertEqual(balance.difference, 0)
        self.world.payout()
        self.advance()
        self.fetch()
        with self.transaction():
            payout, = self.payouts()
            self.assertEqual(payout.amount, Decimal('7.00'))
            self.assertIn(
                old['id'], [t.identifier for t in payout.transactions])
            self.check()

    def test_fixed(self):
        "What the transactions depend on cannot be changed"
        self.fetch()
        with self.transaction():
            balance = self.read()
            balance.start_date -= dt.timedelta(days=1)
            with self.assertRaises(AccessError):
                balance.save()
            Transaction().rollback()
            balance = self.read()
            balance.name = "Other"
            balance.start_date = self.start_date
            balance.save()
            with self.assertRaises(SQLConstraintError):
                self.create_balance()
            Transaction().rollback()

    def test_restored(self):
        "34: what a restored database forgot is fetched again"
        with self.transaction():
            payment = self.charged()
        self.fetch()
        with self.transaction():
            Payment = Pool().get('account.payment')
            Model = Pool().get(TRANSACTION)
            Model.delete(self.transactions())
            balance = self.read()
            Pool().get(BALANCE).write([balance], {
                    'last_transaction': None,
                    'walked_at': None,
                    })
            Payment.write([Payment(payment.id)], {'stripe_charge_id': None})
        self.fetch()
        with self.transaction():
            transaction, = self.transactions()
            self.assertIsNone(transaction.payment)
            self.assertTrue(transaction.unlinked)
            Payment = Pool().get('account.payment')
            Payment.write([Payment(payment.id)], {
                    'stripe_charge_id': transaction.source})
        self.fetch()
        with self.transaction():
            transaction, = self.transactions()
            self.assertEqual(transaction.payment.id, payment.id)
            self.assertFalse(transaction.unlinked)
            self.check()

    def test_unknown_cursor(self):
        "34: a last transaction that Stripe does not know is not believed"
        self.world.topup(100, self.code)
        self.fetch()
        with self.transaction():
            Pool().get(BALANCE).write([self.read()], {
                    'last_transaction': 'txn_other'})
        self.world.topup(200, self.code)
        self.fetch()
        with self.transaction():
            self.check()
            self.assertEqual(len(self.transactions()), 2)
            self.assertNotEqual(self.read().last_transaction, 'txn_other')


class LinkTestCase(LedgerTestCase):
    "Test of what the transactions are"

    def linked(self):
        return sorted(
            (t.category, t.net) for t in self.reload(
                self.payment).stripe_transactions)

    def test_refund(self):
        "1, 3: refunds and those that fail belong to the payment"
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            self.payment = payment = self.charged()
            refund, = Refund.create([{
                        'payment': payment.id,
                        'amount': Decimal('30.00'),
                        }])
            Refund.submit([refund])
            Refund.approve([refund])
        with self.transaction():
            identifier = Refund(refund.id).stripe_refund_id
            charge = self.reload(payment).stripe_charge_id
        elsewhere = self.client.refunds.create(charge=charge, amount=1000)
        self.world.fail_refund(elsewhere.id)
        self.fetch()
        with self.transaction():
            self.assertEqual(self.linked(), [
                    ('charge', Decimal('96.80')),
                    ('refund', Decimal('-30.00')),
                    ('refund', Decimal('-10.00')),
                    ('refund_failure', Decimal('10.00')),
                    ])
            of_record, = self.transactions(('refund', '=', refund.id))
            self.assertEqual(of_record.source, identifier)
            self.check()
        # Only that was asked for which nobody knows
        self.assertEqual(self.listed('/v1/refunds/' + identifier), 0)
        self.assertGreater(self.listed('/v1/refunds/' + elsewhere.id), 0)
        asked = len(self.requests('GET'))
        self.fetch()
        self.assertEqual(len(self.requests('GET')) - asked, 3)

    def test_all_refunded(self):
        "2: all that moved for a payment that is refunded adds up to the fee"
        with self.transaction():
            self.payment = payment = self.charged()
        self.client.refunds.create(charge=payment.stripe_charge_id)
        self.fetch()
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(
                sum(t.amount for t in payment.stripe_transactions), 0)
            self.assertEqual(payment.stripe_net, -payment.stripe_fee)
            self.check()

    def test_pending(self):
        "23: a debit moves the balance while pending, and back if it fails"
        self.world.set(pending_rows=True)
        with self.transaction():
            euro = self.create_balance('eur').id
            payment = self.create_payment(amount=Decimal('100.00'))
            self.payment = payment
        for method, categories in [
                ('pm_sepaDebit_success_at', ['charge']),
                ('pm_sepaDebit_failed_at', ['charge', 'charge_failure'])]:
            with self.subTest(method=method):
                charge = self.pay(method, currency='eur', mandate_data={
                        'customer_acceptance': {'type': 'offline'}})
                with self.transaction():
                    Payment = Pool().get('account.payment')
                    Payment.write([Payment(payment.id)], {
                            'stripe_charge_id': charge})
                self.fetch(self.balance, euro)
                with self.transaction():
                    self.assertEqual(
                        [c for c, _ in self.linked()][-1:], ['charge'])
                    self.check()
                self.advance()
                self.fetch(self.balance, euro)
                with self.transaction():
                    rows = self.transactions(('charge_id', '=', charge))
                    self.assertEqual(
                        sorted(t.category for t in rows), categories)
                    self.assertEqual(
                        {t.payment.id for t in rows}, {payment.id})
                    self.assertEqual(
                        sum(t.amount for t in rows),
                        Decimal('100.00') if len(categories) == 1 else 0)
                    self.check()

    def test_dispute(self):
        "4, 5, 6: disputes, their fee and what they give back"
        with self.transaction():
            self.payment = payment = self.charged()
        dispute = self.world.dispute(payment.stripe_charge_id)
        self.fetch()
        with self.transaction():
            self.assertEqual(self.linked(), [
                    ('charge', Decimal('96.80')),
                    ('dispute', Decimal('-115.00')),
                    ])
            self.assertEqual(
                self.reload(payment).stripe_fee, Decimal('18.20'))
            self.check()
        self.world.settle_dispute(dispute['id'], won=True)
        self.fetch()
        with self.transaction():
            self.assertIn('dispute_reversal', dict(self.linked()))
            self.check()

    def test_foreign(self):
        "24: the charge of another system is listed and asked for once"
        charge = self.pay()
        refund = self.client.refunds.create(charge=charge, amount=1000)
        self.fetch()
        with self.transaction():
            self.assertEqual(
                [(t.payment, t.unlinked) for t in self.transactions()],
                [(None, True)] * 2)
            self.check()
        self.fetch()
        self.assertEqual(self.listed('/v1/refunds/' + refund.id), 1)

    def test_other_company(self):
        "24: a payment of another company is not linked"
        with self.transaction():
            payment = self.charged()
            company = create_company("Company %s" % payment.id)
            Pool().get(BALANCE).write([self.read()], {'company': company.id})
        self.fetch()
        with self.transaction():
            transaction, = self.transactions()
            self.assertIsNone(transaction.payment)
