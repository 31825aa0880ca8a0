# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Stripe's payouts.

The numbers are those of the edge cases for which the accounting is designed.
"""
from decimal import Decimal

from trytond.pool import Pool

from .ledger_case import DAY, PAYOUT, LedgerTestCase


class PayoutsTestCase(LedgerTestCase):
    "Test payouts"

    def create_payout(self, amount, **params):
        return self.client.payouts.create(
            amount=amount, currency=self.code, **params)

    def read_payout(self, payout):
        record, = self.payouts(('identifier', '=', payout['id']))
        return record

    def test_growing(self):
        "29: a payout whose list still grows is not explained"
        self.world.topup(1000, self.code)
        self.world.topup(500, self.code)
        made, = self.world.payout()
        self.fetch()
        with self.transaction():
            payout = self.read_payout(made)
            self.assertEqual(payout.state, 'pending')
            self.assertEqual(payout.reconciliation_status, 'in_progress')
            self.assertFalse(payout.explained)
            self.assertIsNone(payout.difference)
            self.assertEqual(payout.transactions, ())
            movement, = payout.movements
            self.assertEqual(movement.net, Decimal('-15.00'))
        self.advance(3 * DAY)
        self.fetch()
        with self.transaction():
            payout = self.read_payout(made)
            self.assertEqual(payout.state, 'paid')
            self.assertTrue(payout.trace_id)
            self.assertEqual(len(payout.transactions), 3)
            self.check()

    def test_content_interrupted(self):
        "28: a payout is explained only after its last page"
        for i in range(230):
            self.world.topup(100 + i, self.code)
        self.fetch()
        made, = self.world.payout()
        # Not a day, or the older are read again too
        self.advance(DAY * 3 // 4)
        # The first is of the new transactions, then two pages of the payout
        self.simulator.faults.add(
            '500_before', 'GET /v1/balance_transactions', after=3)
        self.fetch()
        with self.transaction():
            payout = self.read_payout(made)
            self.assertFalse(payout.explained)
            self.assertIsNone(payout.difference)
            self.assertEqual(len(payout.transactions), 200)
        self.simulator.faults.clear()
        self.fetch()
        with self.transaction():
            payout = self.read_payout(made)
            self.assertEqual(len(payout.transactions), 231)
            self.check()

    def test_manual(self):
        "14: Stripe cannot tell what a manual payout consists of"
        self.world.topup(1000, self.code)
        made = self.create_payout(400, statement_descriptor="MANUAL")
        self.advance(3 * DAY)
        self.fetch()
        with self.transaction():
            payout = self.read_payout(made)
            self.assertFalse(payout.automatic)
            self.assertFalse(payout.explained)
            self.assertEqual(payout.reconciliation_status, 'not_applicable')
            self.assertEqual(payout.state, 'paid')
            self.assertEqual(
                self.payouts(('rec_name', 'ilike', 'man%')), [payout])
            self.check()
        automatic, = self.world.payout()
        self.advance()
        self.fetch()
        with self.transaction():
            payout = self.read_payout(automatic)
            self.assertEqual(
                (payout.other, payout.net), (Decimal('6.00'),) * 2)
            self.check()

    def test_instant(self):
        "15: an instant payout above what is available"
        self.world.topup(1000, self.code)
        self.pay(amount=10000)
        self.advance(60)
        made = self.create_payout(5000, method='instant')
        self.advance(3 * DAY)
        self.fetch()
        with self.transaction():
            payout = self.read_payout(made)
            self.assertEqual(payout.method, 'instant')
            advances = [
                t for t in payout.movements
                if t.category.startswith('advance')]
            self.assertEqual(len(advances), 2)
            self.assertEqual(sum(t.net for t in advances), 0)
            self.check()

    def test_failed(self):
        "16: a payout that fails, before and after it is paid"
        for days in [0, 5]:
            with self.subTest(days=days):
                self.world.topup(1000, self.code)
                made, = self.world.payout()
                self.advance(days * DAY)
                self.fetch()
                self.world.fail_payout(made['id'])
                self.fetch()
                with self.transaction():
                    payout = self.read_payout(made)
                    self.assertEqual(payout.state, 'failed')
                    self.assertEqual(payout.failure_code, 'account_closed')
                    self.assertTrue(payout.failure_message)
                    self.assertEqual(
                        sum(t.net for t in payout.movements), 0)
                    self.check()
                again, = self.world.payout()
                self.advance()
                self.fetch()
                with self.transaction():
                    payout = self.read_payout(again)
                    self.assertEqual(payout.net, Decimal('10.00'))
                    self.check()

    def test_failed_late(self):
        "16: a payout that fails when it is not listed anymore"
        self.world.topup(1000, self.code)
        made, = self.world.payout()
        self.advance(40 * DAY)
        self.fetch()
        self.advance(40 * DAY)
        self.fetch()
        self.world.fail_payout(made['id'])
        self.fetch()
        self.fetch()
        with self.transaction():
            self.assertEqual(self.read_payout(made).state, 'failed')
            self.check()
        read = self.listed('/v1/payouts/' + made['id'])
        self.fetch()
        self.assertEqual(self.listed('/v1/payouts/' + made['id']), read)

    def test_canceled(self):
        "17: a manual payout that is canceled"
        self.world.topup(1000, self.code)
        made = self.create_payout(400)
        self.fetch()
        self.client.payouts.cancel(made.id)
        self.fetch()
        with self.transaction():
            payout = self.read_payout(made)
            self.assertEqual(payout.state, 'canceled')
            self.assertEqual(sum(t.net for t in payout.movements), 0)
            self.check()

    def test_reversed(self):
        "A payout that is taken back knows the other"
        self.world.topup(1000, self.code)
        made = self.create_payout(400)
        self.advance(3 * DAY)
        self.fetch()
        back = self.client.payouts.reverse(made.id)
        self.fetch()
        with self.transaction():
            payout = self.read_payout(made)
            self.assertEqual(payout.reversed_by, self.read_payout(back))
            self.assertEqual(
                self.read_payout(back).original_payout, payout)
            self.check()

    def test_negative(self):
        "18, 19: a negative balance is debited, or kept"
        self.world.fee(300, self.code)
        self.fetch()
        with self.transaction():
            self.assertEqual(self.read().stripe_amount, Decimal('-3.00'))
            self.assertEqual(self.payouts(), [])
            self.check()
        self.world.set(payout_debits=True)
        made, = self.world.payout()
        self.advance()
        self.fetch()
        with self.transaction():
            payout = self.read_payout(made)
            self.assertEqual(payout.amount, Decimal('-3.00'))
            self.assertEqual(payout.fees, Decimal('-3.00'))
            self.check()
        self.world.fail_payout(made['id'], 'debit_not_authorized')
        self.world.set(payout_debits=False)
        self.world.topup(1000, self.code)
        made, = self.world.payout()
        self.advance()
        self.fetch()
        with self.transaction():
            self.assertEqual(self.read_payout(made).amount, Decimal('7.00'))
            self.check()

    def test_equal(self):
        "31: two payouts of the same amount and day are two"
        for _ in range(2):
            self.world.topup(1000, self.code)
            self.world.payout()
        self.advance()
        self.fetch()
        with self.transaction():
            payouts = self.payouts()
            self.assertEqual(len(payouts), 2)
            self.assertEqual(len({p.rec_name for p in payouts}), 2)
            self.check()

    def test_difference(self):
        "A payout that is not what it consists of is found by its tab"
        self.world.topup(1000, self.code)
        made, = self.world.payout()
        self.advance()
        row = self.world.table('payout').get(made['id'])
        row['amount'] = 1100
        try:
            self.fetch()
            with self.transaction():
                payout, = self.payouts(('difference', 'not in', [None, 0]))
                self.assertEqual(payout.difference, Decimal('1.00'))
                self.assertEqual(payout.net, Decimal('10.00'))
        finally:
            row['amount'] = 1000
        self.fetch()
        with self.transaction():
            self.assertEqual(self.payouts(('difference', '!=', 0)), [])
            self.check()

    def test_unknown_state(self):
        "A state that Stripe has added does not stop the others"
        self.world.topup(1000, self.code)
        made = self.create_payout(400)
        self.world.table('payout').set(
            self.world.table('payout').get(made.id), 'status', 'held')
        self.create_payout(500)
        self.fetch()
        with self.transaction():
            self.assertEqual(self.read_payout(made).state, 'unknown')
            self.assertEqual(len(self.payouts()), 2)
            self.check()

    def test_form(self):
        "28: the form of a payout costs the same however much is in it"
        counts = []
        for count in [5, 60]:
            for i in range(count):
                self.world.topup(100 + i, self.code)
            self.world.payout()
            self.advance()
            self.fetch()
            with self.transaction():
                payout = self.payouts()[0]
                names = [
                    n for n in payout._fields if n not in {
                        'create_uid', 'write_uid', 'xml_id'}]
                Pool().get(PAYOUT).read([payout.id], names)
            with self.transaction() as transaction:
                with _Counted(transaction) as counted:
                    values, = Pool().get(PAYOUT).read([payout.id], names)
                self.assertEqual(len(values['transactions']), count + 1)
                counts.append(counted.count)
        self.assertEqual(*counts)
        self.assertGreater(counts[0], 0)


class _Counted:
    "Counts what is executed in the transaction"

    def __init__(self, transaction):
        self.transaction = transaction
        self.count = 0

    def __enter__(self):
        connection = self.transaction.connection
        self._cursor = connection.cursor

        def cursor(*args, **kwargs):
            self.count += 1
            return self._cursor(*args, **kwargs)
        self.transaction.connection = _Connection(connection, cursor)
        self.connection = connection
        return self

    def __exit__(self, *args):
        self.transaction.connection = self.connection


class _Connection:

    def __init__(self, connection, cursor):
        self._connection = connection
        self.cursor = cursor

    def __getattr__(self, name):
        return getattr(self._connection, name)
