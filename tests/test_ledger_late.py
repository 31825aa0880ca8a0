# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What Stripe's balance lists late, or what only one of both knows."""
import datetime as dt
from decimal import Decimal

from trytond.pool import Pool

from .ledger_case import DAY, LedgerTestCase


class MissedTestCase(LedgerTestCase):
    "Test what a payment, or the balance, does not know"

    def hide_charge(self, date):
        """Return a payment of the date that is paid, and the id of its row,
        which Stripe does not list."""
        with self.transaction():
            payment = self.charged()
            Payment = Pool().get('account.payment')
            Payment.write([payment], {'date': date})
            row = self.world.objects('charge')[
                payment.stripe_charge_id]['balance_transaction']
        self.world.hide_row(row)
        return payment, row

    def test_missed(self):
        "A payment takes what moved money and came with no event"
        with self.transaction():
            payment = self.charged()
            charge = payment.stripe_charge_id
        self.advance(6 * 60)
        self.client.refunds.create(charge=charge, amount=3000)
        self.advance(60)
        self.fetch()
        with self.transaction():
            # The event may still come
            self.assertEqual(self.reload(payment).amount, Decimal('100.00'))
        self.advance(60 * 60)
        asked = self.listed('/v1/payment_intents/' + (
                payment.stripe_payment_intent_id))
        self.fetch()
        with self.transaction():
            self.assertEqual(self.reload(payment).amount, Decimal('70.00'))
            self.check()
        self.advance(60 * 60)
        self.fetch()
        # Once is enough
        self.assertEqual(self.listed('/v1/payment_intents/' + (
                    payment.stripe_payment_intent_id)), asked + 1)

    def test_missing(self):
        "Money that no transaction explains after days is shown"
        hidden, row = self.hide_charge(self.start_date)
        with self.transaction():
            Payment = Pool().get('account.payment')
            listed = self.charged()
            Payment.write([listed], {'date': self.start_date})
        self.fetch()
        self.advance(2 * DAY)
        self.fetch()
        with self.transaction():
            self.assertFalse(self.read().missing_payments)
        self.advance(2 * DAY)
        self.fetch()
        with self.transaction():
            self.assertEqual(self.read().missing_payments, 1)
            self.assertEqual(
                [self.reload(p).stripe_missing for p in [hidden, listed]],
                [True, False])
            copy, = Payment.copy([Payment(hidden.id)])
            self.assertFalse(copy.stripe_missing)
        self.world.show_row(row)
        for _ in range(3):
            self.advance(2 * DAY)
            self.fetch()
        with self.transaction():
            self.assertFalse(self.read().missing_payments)

    def test_missing_elsewhere(self):
        "Money may be in a currency of which there is no balance"
        self.hide_charge(self.start_date)
        self.world.topup(100, 'eur')
        for _ in range(2):
            self.advance(4 * DAY)
            self.fetch()
        with self.transaction():
            self.assertEqual(self.read().other_currencies, 'EUR')
            self.assertFalse(self.read().missing_payments)

    def test_missing_before(self):
        "What was paid before the start is in no balance"
        self.hide_charge(self.start_date - dt.timedelta(days=1))
        for _ in range(2):
            self.advance(4 * DAY)
            self.fetch()
        with self.transaction():
            self.assertFalse(self.read().missing_payments)


class LateTestCase(LedgerTestCase):
    "Test what is listed later than it counts"

    def check_opened_with_nothing(self):
        with self.transaction():
            balance = self.read()
            self.assertEqual(balance.opening_amount, 0)
            self.assertEqual(balance.difference, 0)
            self.assertIsNone(balance.late_amount)
            self.check()

    def test_very_late(self):
        "What is listed very late is found because the sums differ"
        late = self.world.fee(30, self.code)
        self.world.hide_row(late['id'])
        self.fetch()
        self.advance(50 * DAY)
        self.fetch()
        self.world.show_row(late['id'])
        for _ in range(3):
            self.advance()
            self.fetch()
        with self.transaction():
            self.check()
            self.assertEqual(len(self.transactions()), 1)

    def test_late_opening(self):
        "What Stripe counted for the opening and listed later is taken off it"
        self.world.topup(500, self.code)
        late = self.world.fee(30, self.code)
        newest = self.world.fee(20, self.code)
        self.world.hide_row(late['id'])
        # It stops before the comparison
        self.simulator.faults.add('503', 'GET /v1/balance')
        self.fetch()
        self.simulator.faults.clear()
        with self.transaction():
            self.assertEqual(self.read().last_transaction, newest['id'])
        # It is listed where it belongs: behind what was read
        self.world.show_row(late['id'])
        self.advance(60)
        self.fetch()
        with self.transaction():
            self.assertEqual(self.read().opening_amount, Decimal('-0.30'))
        self.advance()
        self.fetch()
        self.check_opened_with_nothing()

    def test_late_counted(self):
        "What Stripe lists late and counts since then was not in the opening"
        self.world.topup(500, self.code)
        late = self.world.fee(30, self.code)
        self.world.hide_row(late['id'])
        self.advance(60)
        self.fetch()
        self.world.show_row(late['id'])
        self.world.fee(40, self.code)
        self.advance()
        self.fetch()
        self.check_opened_with_nothing()

    def test_late(self):
        "A transaction that is listed late is found within a day"
        self.world.topup(100, self.code)
        late = self.world.fee(30, self.code)
        self.world.hide_row(late['id'])
        self.world.topup(200, self.code)
        self.fetch()
        self.world.show_row(late['id'])
        self.fetch()
        with self.transaction():
            balance = self.read()
            self.assertEqual(balance.difference, Decimal('-0.30'))
            self.assertFalse(balance.differing)
        self.fetch()
        with self.transaction():
            self.assertTrue(self.read().differing)
        self.advance()
        self.fetch()
        with self.transaction():
            self.check()
            self.assertFalse(self.read().differing)
