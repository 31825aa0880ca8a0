# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fees, rows and restricted keys of the simulator's balance."
from .simulator import Remote
from .simulator.testing import SimulatorTestCase

DAY = 24 * 60 * 60


class BalanceTestCase(SimulatorTestCase):
    "Test what moves the balance"

    def setUp(self):
        super().setUp()
        self.addCleanup(
            lambda: self.assertEqual(self.account.ledger_troubles(), []))

    def rows(self, **params):
        "Return the balance transactions, newest first"
        return list(self.client.balance_transactions.list(
                dict(params, limit=100)).auto_paging_iter())

    def balance(self, currency='eur'):
        "Return what is available and pending"
        balance = self.client.balance.retrieve()
        return tuple(
            next((a.amount for a in amounts if a.currency == currency), 0)
            for amounts in [balance.available, balance.pending])

    def charged(self, **params):
        return self.paid(capture_method='automatic', **params)

    def test_fees(self):
        "Test fees that are set, with tax"
        self.account.set(fee_rate=10, fee_fixed=5, fee_tax=20)
        self.charged(amount=10000)
        row, = self.rows()
        self.assertEqual((row.fee, row.net), (126, 9874))
        self.assertEqual(
            [(d.type, d.amount) for d in row.fee_details],
            [('stripe_fee', 105), ('tax', 21)])

    def test_fees_apart(self):
        "Test fees that charges don't show"
        self.account.set(fees_apart=True)
        self.charged()
        self.charged()
        self.assertEqual({r.fee for r in self.rows()}, {0})
        self.account.bill_fees()
        row = self.rows()[0]
        self.assertEqual(
            (row.type, row.reporting_category, row.amount, row.fee),
            ('stripe_fee', 'fee', -2 * 59, 0))
        self.assertEqual(self.account.bill_fees(), [])

    def test_dispute_fee(self):
        "Test the fee of a dispute"
        self.account.set(dispute_fee=2000)
        intent = self.charged()
        self.account.dispute(intent.latest_charge)
        self.assertEqual(self.rows()[0].fee, 2000)

    def test_other_rows(self):
        "Test fees, taxes, reserves, top-ups and adjustments"
        self.account.topup(5000)
        self.account.fee(100)
        self.account.fee(50, category='network_cost')
        self.account.tax(20)
        self.account.reserve(1000)
        self.account.adjust(-3)
        self.assertEqual(self.balance(), (3827, 0))
        self.account.release_reserve(400)
        self.account.topup(-500)
        self.assertEqual(self.balance(), (3727, 0))
        rows = self.rows()
        self.assertEqual(
            sum(r.net for r in rows if r.balance_type == 'payments'), 3727)
        self.assertEqual(
            sum(r.net for r in rows if r.balance_type == 'risk_reserved'),
            600)
        self.assertEqual({r.reporting_category for r in rows}, {
                'topup', 'topup_reversal', 'fee', 'network_cost', 'tax',
                'risk_reserved_funds', 'other_adjustment'})

    def test_currencies(self):
        "Test money that is converted, and that isn't"
        self.account.set(
            settlement_currency='eur', settlement_currencies=['gbp'],
            settlement_rates={'usd': .88, 'jpy': .006})
        self.charged(currency='usd')
        self.charged(currency='jpy')
        self.charged(currency='gbp')
        self.assertEqual(
            [(r.currency, r.amount, r.exchange_rate) for r in self.rows()],
            [('gbp', 1000, None), ('eur', 600, .006), ('eur', 880, .88)])
        self.assertEqual(len(self.rows(currency='eur')), 2)
        self.account.set(settlement_rate_shown=False)
        self.charged(currency='usd')
        self.assertIsNone(self.rows()[0].exchange_rate)

    def test_refund_at_other_rate(self):
        "Test the example of a refund at the rate of its day"
        self.account.set(
            settlement_currency='eur', settlement_rates={'usd': .88})
        intent = self.charged(amount=6000, currency='usd')
        self.account.set(settlement_rates={'usd': .86})
        self.client.refunds.create({'payment_intent': intent.id})
        self.assertEqual([r.amount for r in self.rows()], [-5160, 5280])

    def test_filters(self):
        "Test the filters and the paging"
        intents = [self.charged() for _ in range(3)]
        self.client.refunds.create({'payment_intent': intents[0].id})
        rows = self.rows()
        self.assertEqual(
            [r.id for r in self.rows(type='refund')], [rows[0].id])
        self.assertEqual(
            [r.id for r in self.rows(source=intents[1].latest_charge)],
            [rows[2].id])
        page = self.client.balance_transactions.list({
                'limit': 2, 'ending_before': rows[3].id})
        self.assertEqual(
            ([r.id for r in page.data], page.has_more),
            ([rows[1].id, rows[2].id], True))
        page = self.client.balance_transactions.list({
                'limit': 2, 'starting_after': rows[1].id})
        self.assertEqual(
            ([r.id for r in page.data], page.has_more),
            ([rows[2].id, rows[3].id], False))
        self.assertEqual(self.rows(created={'gt': rows[0].created}), [])
        error = self.refused(self.rows, payout='po_none')
        self.assertEqual(
            (error.code, error.param), ('resource_missing', 'payout'))

    def test_available(self):
        "Test when money becomes available"
        self.account.set(available_after=5 * DAY)
        self.charged()
        self.assertEqual(self.balance(), (0, 941))
        self.simulator.clock.advance(5 * DAY + 1)
        self.assertEqual(self.balance(), (941, 0))

    def test_asynchronous(self):
        "Test that a row that isn't there yet isn't in the balance"
        intent = self.paid()
        self.assertEqual((self.rows(), self.balance()), ([], (0, 0)))
        self.assertEqual(len(self.account.ledger()), 1)
        self.simulator.clock.advance(3)
        row, = self.rows()
        self.assertEqual(self.balance(), (0, row.net))
        event, = self.client.events.list({'type': 'charge.updated'}).data
        self.assertEqual(
            (event.data.object.id, event.data.object.balance_transaction),
            (intent.latest_charge, row.id))

    def test_late(self):
        "Test a row that appears behind what is listed already"
        self.account.topup(1000)
        late = self.account.topup(300)['id']
        self.account.topup(20)
        self.account.hide_row(late)
        self.assertEqual([r.amount for r in self.rows()], [20, 1000])
        self.assertEqual(self.balance(), (1020, 0))
        cursor = self.rows()[0].id
        self.account.show_row(late)
        self.assertEqual(self.rows(ending_before=cursor), [])
        self.assertEqual([r.amount for r in self.rows()], [20, 300, 1000])
        self.assertEqual(self.balance(), (1320, 0))
        with self.assertRaises(ValueError):
            self.account.show_row(late)

    def test_permissions(self):
        "Test restricted keys that lack the balance or the payouts"
        client = self.connect(self.account.restricted_key)
        self.account.restrict(balance='read')
        client.balance.retrieve()
        client.balance_transactions.list()
        error = self.refused(client.payouts.list)
        self.assertEqual(error.http_status, 403)
        self.assertIn("payouts_read", str(error))
        self.account.restrict(payouts='read')
        client.payouts.list()
        for function in [
                client.balance.retrieve, client.balance_transactions.list]:
            self.assertEqual(self.refused(function).http_status, 403)
        error = self.refused(
            client.payouts.create, {'amount': 1, 'currency': 'eur'})
        self.assertEqual(error.http_status, 403)

    def test_remote(self):
        "Test the controls from another process"
        account = Remote(self.simulator.url).account(self.account.name)
        row = account.topup(700, 'usd')
        account.hide_row(row['id'])
        account.show_row(row['id'])
        payout, = account.payout()
        account.fail_payout(payout['id'])
        self.assertEqual(account.ledger_troubles(), [])
        self.assertEqual(self.balance('usd'), (700, 0))


del SimulatorTestCase
