# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What fails while Stripe's balance is fetched.

The numbers are those of the edge cases for which the accounting is designed.
"""
import threading
import unittest
from decimal import Decimal

from trytond import backend
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from .ledger_case import BALANCE, LedgerTestCase


class FaultsTestCase(LedgerTestCase):
    "Test what fails"

    def test_forbidden(self):
        "32: without the permission for payouts the others are fetched"
        self.world.topup(1000, self.code)
        self.world.payout()
        self.advance()
        self.simulator.faults.add('403', 'GET /v1/payouts')
        for _ in range(2):
            self.fetch()
            with self.transaction():
                balance = self.read()
                self.assertIn('payouts.list', balance.error_message)
                self.assertEqual(
                    balance.error_message.count('payouts.list'), 1)
                self.assertEqual(balance.difference, 0)
                self.assertEqual(len(self.transactions()), 2)
                account = balance.stripe_account
                self.assertEqual(account.error_operation, 'payouts.list')
        with self.transaction():
            # What else is done with the account goes on
            self.charged()
        self.simulator.faults.clear()
        self.fetch()
        with self.transaction():
            balance = self.read()
            self.assertIsNone(balance.error_message)
            self.assertIsNone(balance.stripe_account.error_message)
            self.assertEqual(len(self.payouts()), 1)
            self.check()

    def test_forbidden_balance(self):
        "32: without the permission for the balance nothing is compared"
        self.world.topup(1000, self.code)
        self.simulator.faults.add('403', 'GET /v1/balance')
        self.fetch()
        with self.transaction():
            balance = self.read()
            self.assertIn('balance.retrieve', balance.error_message)
            self.assertIsNone(balance.opening_amount)
            self.assertIsNone(balance.difference)
            self.assertEqual(len(self.transactions()), 1)
        self.simulator.faults.clear()
        self.fetch()
        with self.transaction():
            self.assertEqual(self.read().opening_amount, 0)
            self.check()

    def test_denied(self):
        "A key that is refused is asked once"
        self.world.revoke_key()
        before = len(self.requests())
        self.fetch()
        self.assertEqual(len(self.requests()) - before, 1)
        with self.transaction():
            balance = self.read()
            self.assertTrue(balance.error_message)
            self.assertTrue(balance.stripe_account.error_message)
        self.world.restore_key()
        self.fetch()
        with self.transaction():
            balance = self.read()
            self.assertFalse(balance.error_message)
            self.assertFalse(balance.stripe_account.error_message)
            self.check()

    def test_malformed(self):
        "An answer that cannot be read stops the account and is shown"
        self.world.topup(1000, self.code)
        self.simulator.faults.add(
            'malformed', 'GET /v1/balance_transactions', times=1)
        self.fetch()
        with self.transaction():
            self.assertTrue(self.read().error_message)
        self.fetch()
        with self.transaction():
            self.check()

    def test_odd_row(self):
        "A row that nobody expects is shown and stops nothing else"
        second, code = self.create_second()
        row = self.world.topup(1000, self.code)
        self.world.topup(1000, code)
        stored = self.world._row(row['id'])
        stored['created'], created = None, stored['created']
        try:
            self.fetch(self.balance, second)
        finally:
            stored['created'] = created
        with self.transaction():
            self.assertTrue(self.read().error_message)
            second = self.read(id=second)
            self.assertFalse(second.error_message)
            self.assertEqual(second.stripe_amount, Decimal('10.00'))
        self.fetch(self.balance, second.id)
        with self.transaction():
            self.check()

    def create_second(self):
        code = 'eur' if self.code != 'eur' else 'usd'
        with self.transaction():
            return self.create_balance(code).id, code

    @unittest.skipUnless(
        backend.name == 'postgresql', "SQLite has one writer at a time")
    def test_twice_at_once(self):
        "Two runs at once store everything once"
        for i in range(150):
            self.world.topup(100 + i, self.code)
        errors = []

        def run():
            try:
                with Transaction().start(DB_NAME, 1):
                    Pool().get(BALANCE).stripe_fetch([self.balance])
            except Exception as e:
                errors.append(e)
        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.fetch()
        with self.transaction():
            self.assertEqual(len(self.transactions()), 150)
            self.check()
        self.assertEqual(errors, [])
