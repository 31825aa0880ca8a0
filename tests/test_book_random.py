# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Whatever happens at Stripe, and to who books it, all is booked once."""
import random
from decimal import Decimal

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from trytond.modules.account_payment_stripe.attempt import attempt
from trytond.pool import Pool
from trytond.transaction import Transaction

from .book_case import BookTestCase
from .test_ledger_random import FETCHES, StoryMixin
from .test_simulator_ledger import STEPS

# What Tryton does in between
OURS = ['pay', 'pay', 'refund_ours', 'pull', 'post', 'delete', 'crash']


class BookRandomTestCase(StoryMixin, BookTestCase):
    "Test V1 to V7 after random stories"

    def create_balances(self):
        PaymentJournal = Pool().get('account.payment.journal')
        self.currencies()
        PaymentJournal.write(PaymentJournal.browse([self.journal]), {
                'stripe_account': self.account,
                })
        return [self.settle_in(c) for c in ['EUR', 'GBP']]

    def do(self, story, step):
        if step in OURS:
            with self.transaction():
                getattr(self, '_do_' + step)(story)
        else:
            super().do(story, step)

    def _payments(self, *domain):
        Payment = Pool().get('account.payment')
        return Payment.search([
                ('company', '=', self.company),
                # Those of the former stories are of another Stripe account
                ('reference', '=', None),
                *domain])

    def _do_pay(self, story):
        Payment = Pool().get('account.payment')
        payment = self.create_payment(
            amount=Decimal(story.random.randrange(100, 5000)) / 100,
            stripe_token='tok_visa', stripe_chargeable=True)
        Payment.process([payment])

    def _do_refund_ours(self, story):
        payments = self._payments(
            ('state', '=', 'succeeded'), ('stripe_dispute_status', '=', None))
        if payments:
            payment = story.random.choice(payments)
            self.refund(payment, min(payment.amount, Decimal('0.70')))

    def _do_pull(self, story):
        Payment = Pool().get('account.payment')
        for payment in self._payments():
            if payment.stripe_charge_id:
                attempt(Payment.stripe_do_pull, [payment])

    def _do_post(self, story):
        Move = Pool().get('account.move')
        attempt(Move.post, Move.search([
                    ('company', '=', self.company), ('state', '=', 'draft')]))

    def _do_delete(self, story):
        "As who deletes a draft move and what was reconciled with it"
        pool = Pool()
        Move = pool.get('account.move')
        Reconciliation = pool.get('account.move.reconciliation')
        moves = [
            m for b in self.balances
            for m in self.moves(('state', '=', 'draft'), balance=b)]

        def delete(move):
            with Transaction().set_context(_skip_warnings=True):
                Reconciliation.delete({
                        x.reconciliation for x in move.lines
                        if x.reconciliation})
                Move.delete([move])
        if moves:
            attempt(delete, story.random.choice(moves))

    def _do_crash(self, story):
        "The next fetch dies somewhere"
        count = story.random.randrange(1, 25)

        class Died(BaseException):
            pass
        commit = Transaction.commit

        def die(transaction):
            nonlocal count
            count -= 1
            if not count:
                raise Died
            commit(transaction)
        Transaction.commit = die
        try:
            Pool().get('account.payment.stripe.balance').stripe_fetch(
                self.balances)
        except Died:
            Transaction().rollback()
        finally:
            Transaction.commit = commit

    @settings(
        max_examples=8, deadline=None, derandomize=True, database=None,
        # To look for a shorter story takes long
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck))
    @given(
        st.lists(
            st.sampled_from([*STEPS, *FETCHES, *FETCHES, *OURS, *OURS]),
            min_size=15, max_size=40),
        st.integers(0, 10 ** 6))
    def test_random(self, steps, seed):
        "V1 to V7 hold in the end, as in the books of Stripe"
        self.play(steps, seed)

    def test_long(self):
        "V1 to V7 hold after a long story"
        choose = random.Random(5)
        self.play([
                choose.choice([*STEPS, *FETCHES, *OURS])
                for _ in range(120)], 5)

    def play(self, steps, seed):
        with self.transaction():
            Payment = Pool().get('account.payment')
            Payment.write(self._payments(), {'reference': "Former"})
        story = self.begin(seed)
        for step in steps:
            self.do(story, step)
        self.finish(story)

    def finish(self, story):
        super().finish(story)
        with self.transaction():
            self._do_pull(story)
        self.fetch(*self.balances)
        with self.transaction():
            self.check_books()
            # V5
            for payment in self._payments():
                lines = [
                    x for x in payment.clearing_lines if not x.reconciliation]
                disputed = (
                    payment.stripe_disputed_amount or payment.state
                    == 'processing')
                # By a refund and a dispute of the same money
                more = (
                    (payment.stripe_refunded_amount or 0)
                    + (payment.stripe_lost_amount or 0)
                    > (payment.stripe_captured_amount or 0))
                if lines and not disputed and not more:
                    self.fail((payment, payment.state, payment.amount, [
                                (x.debit, x.credit) for x in lines]))


del BookTestCase
