# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Whatever happens at Stripe, and to who reads it, all of it is found."""
import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trytond.pool import Pool

from .ledger_case import BALANCE, DAY, LedgerTestCase
from .test_simulator_ledger import STEPS, Story
from .tools import StripeClient

# Fetch in between, perhaps while something fails
FETCHES = ['fetch', 'fetch', 'fail', 'one']
FAULTS = ['503', 'drop_after', 'malformed', '429', '403', '500_before']


class StoryMixin:
    "Play stories on an account of their own"

    def connect(self, key):
        # For the stories
        import stripe
        return stripe.StripeClient(
            key, base_addresses={'api': self.simulator.url}).v1

    def begin(self, seed):
        "Return a story whose account at Stripe is the one of the test"
        story = Story(self, seed)
        story.listed = self.listed
        self.world = story.account
        self.client = StripeClient(
            self.world.secret_key, self.simulator.url)
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            account, = Account.create([{
                        'name': "Story",
                        'secret_key': self.world.secret_key,
                        'publishable_key': self.world.publishable_key,
                        }])
            self.account = account.id
            self.balances = self.create_balances()
        return story

    def listed(self):
        with self.transaction():
            return {t.identifier for t in self.transactions()}

    def create_balances(self):
        return [self.create_balance(c).id for c in ['eur', 'gbp']]

    def do(self, story, step):
        if step not in FETCHES:
            story.do(step)
            return
        chosen = self.balances
        if step == 'one':
            chosen = [story.random.choice(self.balances)]
        elif step == 'fail':
            self.simulator.faults.add(
                story.random.choice(FAULTS), story.random.choice([
                        'GET /v1/balance_transactions', 'GET /v1/balance',
                        'GET /v1/payouts', 'GET /v1/refunds/*',
                        'GET /v1/disputes/*']),
                after=story.random.randrange(3))
        self.fetch(*chosen)
        self.simulator.faults.clear()

    def finish(self, story):
        "Let all that is late appear, be read, and compare"
        for id_ in story.hidden:
            story.account.show_row(id_)
        story.hidden.clear()
        for _ in range(3):
            self.fetch(*self.balances)
            self.advance(DAY + 60)
        # What is paid out daily goes on, so that nothing moves meanwhile
        story.account.set(payout_schedule='manual')
        self.advance()
        self.fetch(*self.balances)
        with self.transaction():
            for balance in Pool().get(BALANCE).browse(self.balances):
                self.assertFalse(balance.error_message)
                self.assertFalse(balance.differing)
                self.assertEqual(balance.opening_amount, 0)
            self.check()


class RandomTestCase(StoryMixin, LedgerTestCase):
    "Test V1 to V3 after random stories"

    @settings(
        max_examples=12, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck))
    @given(
        st.lists(
            st.sampled_from([*STEPS, *FETCHES, *FETCHES]),
            min_size=10, max_size=40),
        st.integers(0, 10 ** 6))
    def test_random(self, steps, seed):
        "V1 to V3 hold in the end, as in the books of Stripe"
        story = self.begin(seed)
        for step in steps:
            self.do(story, step)
        self.finish(story)

    def test_long(self):
        "V1 to V3 hold after a long story"
        story = self.begin(11)
        choose = random.Random(11)
        for _ in range(150):
            self.do(story, choose.choice([*STEPS, 'charge', *FETCHES]))
        self.finish(story)
        with self.transaction():
            self.assertTrue(self.payouts(('explained', '=', True)))
            self.assertTrue(self.payouts(('state', '=', 'failed')))
            self.assertTrue(self.transactions(('category', '=', 'dispute')))
