# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The figures of the simulator tie, whatever happens to an account."
import random
from uuid import uuid4

import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .simulator import ledger
from .simulator.testing import SimulatorTestCase

HOUR = 60 * 60
STEPS = [
    'charge', 'charge', 'charge', 'refund', 'dispute', 'decide',
    'fail_refund', 'advance', 'advance', 'payout', 'fail_payout', 'manual',
    'instant', 'cancel', 'fee', 'tax', 'bill', 'reserve', 'release',
    'topup', 'adjust', 'hide', 'show', 'rate']


class Story:
    "Random things that happen to an account"

    def __init__(self, case, seed):
        self.case = case
        self.account = case.simulator.account(uuid4().hex)
        self.client = case.connect(self.account.secret_key)
        self.random = random.Random(seed)
        self.hidden = []
        self.account.set(
            settlement_currency='eur', settlement_currencies=['gbp'],
            settlement_rates={'usd': .88},
            payout_schedule=self.random.choice(['daily', 'manual']),
            payout_debits=self.random.random() < .5,
            minimum_balance=self.random.choice([{}, {'eur': 500}]),
            fee_tax=self.random.choice([0, 20]),
            fees_apart=self.random.random() < .3)

    def listed(self):
        "Return the ids of the rows that somebody has read"
        return set()

    def some(self, kind, keep=lambda row: True):
        rows = [
            r for r in self.account.objects(kind).values() if keep(r)]
        return self.random.choice(rows)['id'] if rows else None

    def do(self, step):
        amount = self.random.randrange(100, 5000)
        currency = self.random.choice(['eur', 'usd', 'gbp'])
        settled = 'eur' if currency == 'usd' else currency
        account, client = self.account, self.client
        try:
            if step == 'charge':
                client.payment_intents.create({
                        'amount': amount, 'currency': currency,
                        'payment_method': 'pm_card_visa', 'confirm': True,
                        'return_url': 'https://example.com/',
                        'capture_method': self.random.choice(
                            ['automatic', 'automatic_async'])})
            elif step == 'refund':
                id = self.some('charge')
                id and client.refunds.create({'charge': id, 'amount': 50})
            elif step == 'dispute':
                id = self.some('charge', lambda r: not r['disputed'])
                id and account.dispute(id)
            elif step == 'decide':
                id = self.some('dispute')
                id and account.settle_dispute(
                    id, self.random.random() < .5)
            elif step == 'fail_refund':
                id = self.some('refund')
                id and account.fail_refund(id)
            elif step == 'advance':
                self.case.simulator.clock.advance(
                    self.random.choice([1, 20, 60]) * HOUR)
            elif step == 'payout':
                account.payout()
            elif step == 'fail_payout':
                id = self.some('payout', lambda r: r['status'] not in {
                        'failed', 'canceled'})
                id and account.fail_payout(id)
            elif step in {'manual', 'instant'}:
                client.payouts.create({
                        'amount': amount, 'currency': settled,
                        'method': 'instant' if step == 'instant'
                        else 'standard'})
            elif step == 'cancel':
                id = self.some('payout', lambda r: not r['automatic'])
                id and client.payouts.cancel(id)
            elif step == 'hide':
                # What was listed once stays listed
                listed = self.listed()
                id = self.some(
                    'balance_transaction', lambda r: r['id'] not in listed)
                account.hide_row(id)
                self.hidden.append(id)
            elif step == 'show':
                account.show_row(self.hidden.pop() if self.hidden else '')
            elif step == 'rate':
                account.set(settlement_rates={
                        'usd': self.random.randrange(80, 120) / 100})
            elif step == 'bill':
                account.bill_fees()
            else:
                name = {'release': 'release_reserve'}.get(step, step)
                getattr(account, name)(amount, settled)
        except (stripe.InvalidRequestError, ValueError):
            # Refused: what can't be at the moment
            return False
        return True


class LedgerTestCase(SimulatorTestCase):
    "Test that the figures tie, as they are read over HTTP"

    def books(self, client):
        "Return all that can be read, as compare() takes it"
        def read(operation, **params):
            return list(operation.list(
                    dict(params, limit=100)).auto_paging_iter())
        payouts = read(client.payouts)
        return (
            read(client.balance_transactions), client.balance.retrieve(),
            payouts, {
                p.id: read(client.balance_transactions, payout=p.id)
                for p in payouts if p.automatic})

    @settings(
        max_examples=40, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck))
    @given(
        st.lists(st.sampled_from(STEPS), min_size=10, max_size=30),
        st.integers(0, 10 ** 6))
    def test_random(self, steps, seed):
        "Test that V1 to V3 hold after each thing that happens"
        story = Story(self, seed)
        for i, step in enumerate(steps):
            story.do(step)
            self.assertEqual(story.account.ledger_troubles(), [], steps[:i])
        self.assertEqual(ledger.compare(*self.books(story.client)), [])
        self.assertEqual(self.simulator.errors, [])

    def test_steps(self):
        "Test that each kind of step of the stories does something"
        story = Story(self, 7)
        story.account.topup(100000)
        story.account.topup(100000, 'gbp')
        done = {
            step for _ in range(6) for step in STEPS if story.do(step)}
        self.assertEqual(set(STEPS) - done, set())
        self.assertEqual(ledger.compare(*self.books(story.client)), [])
        types = {m['type'] for m in story.account.ledger()}
        self.assertGreaterEqual(types, {
                'charge', 'refund', 'dispute', 'payout', 'payout_reversal',
                'fee', 'tax', 'topup', 'risk_reserved_funds'})

    def settled(self):
        "Return the books of an account with an explained payout"
        self.account.topup(1000)
        self.paid(capture_method='automatic')
        self.simulator.clock.advance(60 * HOUR)
        self.account.payout()
        self.account.fee(10)
        self.simulator.clock.advance(60 * HOUR)
        return self.books(self.client)

    def test_broken(self):
        "Test that what is wrong is found, in the copy of the figures"
        def fee(rows, balance, payouts, content):
            next(r for r in rows if r.fee)['fee'] += 1

        def part(rows, balance, payouts, content):
            next(r for r in rows if r.fee).fee_details[0]['amount'] += 1

        def payout(rows, balance, payouts, content):
            payouts[0]['amount'] += 1

        def lost(rows, balance, payouts, content):
            content[payouts[0].id].pop()

        def row(rows, balance, payouts, content):
            rows.pop()

        def amount(rows, balance, payouts, content):
            balance.available[0]['amount'] += 1

        def currency(rows, balance, payouts, content):
            balance.available[:] = []
        self.assertEqual(ledger.compare(*self.settled()), [])
        for break_, expected in [
                (fee, 'V1'), (part, 'V1'), (payout, 'V2'), (lost, 'V2'),
                (row, 'V3'), (amount, 'V3'), (currency, 'V3')]:
            with self.subTest(broken=break_.__name__):
                books = self.books(self.client)
                break_(*books)
                self.assertIn(
                    expected, {t[:2] for t in ledger.compare(*books)})

    def test_broken_world(self):
        "Test that the world's own books are checked"
        self.settled()
        self.assertEqual(self.account.ledger_troubles(), [])
        row = self.account.rows[0]
        row['net'] += 5
        troubles = self.account.ledger_troubles()
        self.assertEqual({t[:2] for t in troubles}, {'V1', 'V2'})
        row['net'] -= 5
        row.private['hidden'] = True
        self.addCleanup(row.private.pop, 'hidden')
        self.assertEqual(
            ledger.compare(*self.books(self.client)),
            ["V3 eur available: -1010, the rows say -10"])


del SimulatorTestCase
