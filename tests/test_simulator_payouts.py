# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Payouts of the simulator."
from .simulator.testing import SimulatorTestCase

DAY = 24 * 60 * 60
MISSING = 'balance_insufficient'


class PayoutsTestCase(SimulatorTestCase):
    "Test payouts"

    def setUp(self):
        super().setUp()
        self.addCleanup(
            lambda: self.assertEqual(self.account.ledger_troubles(), []))

    def rows(self, **params):
        return list(self.client.balance_transactions.list(
                dict(params, limit=100)).auto_paging_iter())

    def available(self, currency='eur'):
        return next((
                a.amount for a in self.client.balance.retrieve().available
                if a.currency == currency), 0)

    def payouts(self, **params):
        return self.client.payouts.list(params).data

    def read(self, payout):
        return self.client.payouts.retrieve(payout['id'])

    def create(self, amount, **params):
        return self.client.payouts.create(
            dict(params, amount=amount, currency='eur'))

    def advance(self, seconds):
        self.simulator.clock.advance(seconds)

    def events(self, payout):
        "Return the types of the events about a payout, oldest first"
        return [
            e.type.removeprefix('payout.') for e in self.client.events.list({
                    'type': 'payout.*', 'limit': 100}).data[::-1]
            if e.data.object.id == payout['id']]

    def test_none(self):
        "Test that nothing is paid out unless it is asked for"
        self.account.topup(1000)
        self.advance(5 * DAY)
        self.assertEqual(self.payouts(), [])

    def test_daily(self):
        "Test automatic payouts, from the charge to the bank"
        self.account.set(payout_schedule='daily')
        intent = self.paid()
        self.advance(DAY)
        self.assertEqual(self.payouts(), [])
        self.advance(2 * DAY)
        payout, = self.payouts()
        self.assertEqual(
            (payout.amount, payout.automatic, payout.method),
            (941, True, 'standard'))
        self.assertEqual(payout.created % DAY, 0)
        self.assertEqual(payout.arrival_date, payout.created + 2 * DAY)
        self.assertEqual(self.available(), 0)
        self.advance(2 * DAY)
        payout = self.read(payout)
        self.assertEqual(
            (payout.status, payout.reconciliation_status),
            ('paid', 'completed'))
        self.assertTrue(payout.trace_id.value)
        own, row = self.rows(payout=payout.id)
        self.assertEqual(
            (own.id, own.type, own.net, own.status),
            (payout.balance_transaction, 'payout', -941, 'available'))
        self.assertEqual(row.source, intent.latest_charge)
        self.assertEqual(self.events(payout), [
                'created', 'updated', 'reconciliation_completed', 'paid',
                'updated'])
        self.assertIn('balance.available', self.types())
        self.assertEqual(len(self.payouts()), 1)

    def test_growing(self):
        "Test the content of a payout that isn't explained yet"
        for _ in range(3):
            self.account.topup(1000)
        payout, = self.account.payout()
        self.assertEqual(payout['reconciliation_status'], 'in_progress')
        self.assertEqual(len(self.rows(payout=payout['id'])), 2)
        self.advance(DAY)
        rows = self.rows(payout=payout['id'])
        self.assertEqual(len(rows), 4)
        self.assertEqual(sum(r.net for r in rows), 0)

    def test_currencies(self):
        "Test that each currency is paid out by itself"
        self.account.topup(1000)
        self.account.topup(700, 'usd')
        self.account.fee(50, 'gbp')
        self.assertEqual(
            [(p['currency'], p['amount']) for p in self.account.payout()],
            [('eur', 1000), ('usd', 700)])

    def test_failed(self):
        "Test payouts that fail before and after they are paid"
        for wait in [0, 5 * DAY]:
            with self.subTest(wait=wait):
                self.account.topup(1000)
                payout, = self.account.payout()
                self.advance(wait)
                failed = self.account.fail_payout(payout['id'])
                self.assertEqual(
                    (failed['status'], failed['failure_code']),
                    ('failed', 'account_closed'))
                row = self.client.balance_transactions.retrieve(
                    failed['failure_balance_transaction'])
                self.assertEqual(
                    (row.type, row.reporting_category, row.net, row.source),
                    ('payout_failure', 'payout_reversal', 1000,
                        payout['id']))
                self.assertEqual(self.available(), 1000)
                again, = self.account.payout()
                self.advance(5 * DAY)
                self.assertEqual(self.read(payout).status, 'failed')
                self.assertIn(
                    row.id, [r.id for r in self.rows(payout=again['id'])])
                self.assertEqual(
                    sum(r.net for r in self.rows(payout=payout['id'])), 0)
                self.assertIn('failed', self.events(payout))

    def test_negative(self):
        "Test a balance below zero, with and without debits"
        self.account.fee(300)
        self.assertEqual(self.account.payout(), [])
        self.account.set(payout_debits=True)
        payout, = self.account.payout()
        self.assertEqual((payout['amount'], self.available()), (-300, 0))
        self.account.fail_payout(payout['id'], 'debit_not_authorized')
        self.assertEqual(self.available(), -300)
        self.account.set(payout_debits=False)
        self.account.topup(1000)
        payout, = self.account.payout()
        self.assertEqual(payout['amount'], 700)

    def test_minimum(self):
        "Test the documented example of a minimum balance"
        self.account.set(minimum_balance={'eur': 100})
        self.account.topup(100)
        self.assertEqual(self.account.payout(), [])
        self.account.topup(900)
        payout, = self.account.payout()
        self.assertEqual((payout['amount'], self.available()), (900, 100))
        self.advance(DAY)
        rows = self.rows(payout=payout['id'])
        self.assertEqual(
            [r.net for r in rows if r.type == 'payout_minimum_balance_hold'],
            [-100])
        release = self.rows()[0]
        self.assertEqual(
            (release.type, release.net),
            ('payout_minimum_balance_release', 100))
        self.assertNotIn(release.id, [r.id for r in rows])

    def test_manual(self):
        "Test a manual payout, and that nobody can tell what is in it"
        self.account.topup(1000)
        error = self.refused(self.create, 1001)
        self.assertEqual((error.code, error.param), (MISSING, 'amount'))
        self.assertEqual(self.refused(self.create, 0).param, 'amount')
        payout = self.create(600, metadata={'a': 'b'})
        self.assertEqual(
            (payout.automatic, payout.reconciliation_status, payout.status),
            (False, 'not_applicable', 'pending'))
        self.assertIn(
            "automatic", str(self.refused(self.rows, payout=payout.id)))
        self.account.set(manual_content_refused=False)
        self.assertEqual(self.rows(payout=payout.id), [])
        self.advance(3 * DAY)
        self.assertEqual(self.read(payout).status, 'paid')
        rest, = self.account.payout()
        self.assertEqual(rest['amount'], 400)

    def test_canceled(self):
        "Test manual payouts that are canceled, and that can't be"
        self.account.topup(1000)
        payout = self.client.payouts.cancel(self.create(600).id)
        self.assertEqual((payout.status, self.available()), (
                'canceled', 1000))
        row = self.client.balance_transactions.retrieve(
            payout.failure_balance_transaction)
        self.assertEqual((row.type, row.net), ('payout_cancel', 600))
        self.assertEqual(
            self.events(payout), ['created', 'canceled', 'updated'])
        self.refused(self.client.payouts.cancel, payout.id)
        automatic, = self.account.payout()
        self.refused(self.client.payouts.cancel, automatic['id'])
        self.advance(3 * DAY)
        self.assertEqual(self.read(payout).status, 'canceled')

    def test_instant(self):
        "Test the documented example of an instant payout in advance"
        self.account.set(fee_rate=0, fee_fixed=0, instant_fee=0)
        self.paid(amount=2500, capture_method='automatic')
        self.advance(DAY)
        self.paid(amount=1500, capture_method='automatic')
        self.assertEqual(self.refused(self.create, 4000).code, MISSING)
        payout = self.create(4000, method='instant')
        rows = self.rows()[:4]
        self.assertEqual([(r.type, r.net) for r in rows], [
                ('payout', -4000), ('advance_funding', -1500),
                ('advance_funding', -2500), ('advance', 4000)])
        self.assertEqual({r.source for r in rows}, {payout.id})
        self.advance(31 * 60)
        self.assertEqual(self.read(payout).status, 'paid')
        self.advance(3 * DAY)
        self.assertEqual(self.available(), 0)
        self.assertEqual(self.account.payout(), [])

    def test_instant_fee(self):
        "Test what an instant payout costs"
        self.account.topup(1000)
        self.assertEqual(
            self.refused(self.create, 1000, method='instant').code, MISSING)
        payout = self.create(900, method='instant')
        row = self.client.balance_transactions.retrieve(
            payout.balance_transaction)
        self.assertEqual((row.amount, row.fee, row.net), (-900, 9, -909))

    def test_reversed(self):
        "Test that a payout is taken back"
        self.account.topup(1000)
        payout = self.create(1000)
        self.refused(self.client.payouts.reverse, payout.id)
        self.advance(3 * DAY)
        reversing = self.client.payouts.reverse(payout.id)
        self.assertEqual(
            (reversing.amount, reversing.original_payout),
            (-1000, payout.id))
        self.assertEqual(self.read(payout).reversed_by, reversing.id)
        self.assertEqual(self.available(), 1000)
        self.refused(self.client.payouts.reverse, payout.id)
        # The original fails meanwhile: its reversal is given up
        self.account.fail_payout(payout.id)
        self.assertEqual(self.read(reversing).status, 'canceled')
        self.assertEqual(self.available(), 1000)

    def test_list(self):
        "Test the list of payouts"
        self.account.topup(1000)
        payouts = [self.create(10) for _ in range(3)]
        self.client.payouts.cancel(payouts[0].id)
        self.assertEqual(
            [p.id for p in self.payouts(limit=2)],
            [payouts[2].id, payouts[1].id])
        self.assertEqual(
            [p.id for p in self.payouts(status='canceled')],
            [payouts[0].id])
        date = payouts[0].arrival_date
        self.assertEqual(len(self.payouts(arrival_date=date)), 3)
        self.assertEqual(self.payouts(arrival_date={'gt': date}), [])
        self.assertEqual(len(self.payouts(arrival_date={'gte': date})), 3)
        self.assertEqual(self.payouts(arrival_date={'lt': date}), [])
        self.assertEqual(self.payouts(destination='ba_none'), [])
        self.assertEqual(
            [p.id for p in self.payouts(starting_after=payouts[1].id)],
            [payouts[0].id])
        self.client.payouts.update(payouts[1].id, {'metadata': {'a': 'b'}})
        self.assertEqual(self.read(payouts[1]).metadata.a, 'b')
        own = self.client.balance_transactions.retrieve(
            payouts[1].balance_transaction, {'expand': ['source']})
        self.assertEqual(own.source.id, payouts[1].id)


del SimulatorTestCase
