# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Others who book at the same time, and hold what is needed to book."""
import threading
import unittest
from contextlib import contextmanager

from trytond import backend
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from .book_case import BookTestCase
from .tools import browse

EVENT = 'account.payment.stripe.event'
SHORT = .6


@unittest.skipIf(backend.name == 'sqlite', "SQLite waits by itself")
class BusyTestCase(BookTestCase):
    "Test who books the first move of a month keeps nobody from booking"

    @contextmanager
    def busy(self, seconds=None):
        """Hold the table in which the first move of a month adds a row

        seconds: for how long, None: as long as the with statement takes.
        """
        held, released = threading.Event(), threading.Event()

        def hold():
            with Transaction().start(DB_NAME, 0) as transaction:
                transaction.database.lock(
                    transaction.connection, 'account_journal_period')
                held.set()
                released.wait(seconds)
                transaction.rollback()
        thread = threading.Thread(target=hold)
        thread.start()
        try:
            held.wait()
            yield
        finally:
            released.set()
            thread.join()

    def paid(self):
        "Return the payment that is paid but not told, its event and page"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            Payment.stripe_checkout([payment])
        with self.transaction():
            payment = self.reload(payment)
            url = payment.stripe_checkout_url
            self.world.pay(payment.stripe_payment_intent_id)
        return payment, self.payload('payment_intent.succeeded'), url

    def receive(self, event):
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            return pool.get(EVENT).receive_alone(
                Account(self.account), event)

    def charge(self, payment):
        with self.transaction():
            Payment = Pool().get('account.payment')
            Payment.stripe_charge([Payment(payment.id)])

    def process(self):
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process([payment])
            # Not by the queue
            Transaction().tasks.clear()
        return payment

    def read(self, payment):
        "Return the state, what is waited for and the error"
        with self.transaction():
            payment = self.reload(payment)
            return (payment.state, payment.stripe_waiting_for,
                payment.stripe_error_message)

    def test_event(self):
        "Test an event waits for its turn"
        payment, event, _ = self.paid()
        with self.busy(SHORT):
            self.assertIs(self.receive(event), True)
        self.assertEqual(self.read(payment), ('succeeded', None, None))

    def test_event_later(self):
        "Test it is not about the payment that the database is busy"
        payment, event, _ = self.paid()
        with self.busy():
            self.assertIs(self.receive(event), False)
        self.assertIsNone(self.read(payment)[2])
        with self.transaction():
            record, = Pool().get(EVENT).search([
                    ('account', '=', self.account),
                    ('identifier', '=', event['id']),
                    ])
            self.assertEqual(record.state, 'failed')
            self.assertIn("busy", record.error_message)
        self.assertIs(self.receive(event), True)
        self.assertEqual(self.read(payment), ('succeeded', None, None))

    def test_page(self):
        "Test who has paid is told so"
        payment, _, url = self.paid()
        with self.busy(SHORT):
            response = browse(url + '/end')
        self.assertEqual(response.status_code, 200)
        self.assertIn("Payment received", response.text)

    def test_charge(self):
        "Test a run waits for its turn"
        payment = self.process()
        with self.busy(SHORT):
            self.charge(payment)
        self.assertEqual(self.read(payment), ('succeeded', None, None))

    def test_charge_later(self):
        "Test the next run goes on where the database was busy"
        payment = self.process()
        with self.busy():
            self.charge(payment)
        state, _, error = self.read(payment)
        self.assertEqual((state, error), ('processing', None))
        self.charge(payment)
        self.assertEqual(self.read(payment), ('succeeded', None, None))
        self.assertEqual(len(self.requests('POST', '/confirm')), 1)
