# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What is at Stripe stays in a journal of Stripe.

In another nobody would cancel it, so that a payer could pay on a page of a
payment that is drafted, deleted or failed.
"""
from trytond.model.exceptions import ValidationError
from trytond.pool import Pool
from trytond.transaction import Transaction

from .case import StripeTestCase


class JournalTestCase(StripeTestCase):

    def assertStays(self, stays=True, method='manual'):
        "Check if the journal may not get another process method"
        with self.transaction():
            Journal = Pool().get('account.payment.journal')
            journal = Journal(self.journal)
            journal.process_method = method
            try:
                journal.save()
            except ValidationError as e:
                self.assertIn('"Stripe"', e.message)
                refused = True
            else:
                refused = False
            Transaction().rollback()
        self.assertEqual(refused, stays)

    def test_open_page(self):
        "Test a journal stays while a payment can be paid on its page"
        self.assertStays(False)
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
        self.assertStays(False)
        with self.transaction():
            Payment.stripe_checkout([self.reload(payment)])
        self.assertStays()
        self.assertStays(False, method='stripe')
        with self.transaction():
            Payment.draft([self.reload(payment)])
        self.assertStays(False)

    def test_answer_lost(self):
        "Test a journal stays while it is not known if a payment is charged"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process([payment])
            Transaction().tasks.clear()
        for match in [
                'POST /v1/payment_intents',
                'POST /v1/payment_intents/*/confirm']:
            with self.subTest(match):
                self.simulator.faults.add('drop_after', match=match, times=1)
                with self.transaction():
                    Payment.stripe_charge([payment])
                self.assertStays()

    def test_paid(self):
        "Test a journal stays after its payment, which may be disputed"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process([payment])
        with self.transaction():
            self.assertEqual(self.reload(payment).state, 'succeeded')
        self.assertStays()

    def test_moved(self):
        "Test a payment at Stripe is not moved to a journal of no Stripe"
        with self.transaction() as transaction:
            pool = Pool()
            Journal = pool.get('account.payment.journal')
            Payment = pool.get('account.payment')
            payment = self.create_payment()
            Payment.stripe_checkout([payment])
            manual, = Journal.copy([Journal(self.journal)], default={
                    'process_method': 'manual',
                    'stripe_account': None,
                    })
            transaction.commit()
            with self.assertRaises(ValidationError):
                Payment.write([self.reload(payment)], {'journal': manual.id})
            transaction.rollback()
            Payment.draft([self.reload(payment)])
            Payment.write([self.reload(payment)], {'journal': manual.id})
