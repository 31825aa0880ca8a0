# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import unittest
from decimal import Decimal

from trytond import backend
from trytond.model.exceptions import DomainValidationError
from trytond.modules.account_payment.exceptions import PaymentValidationError
from trytond.pool import Pool
from trytond.transaction import Transaction

from .case import StripeTestCase


class RefundLeftTestCase(StripeTestCase):
    "Test that no more is refunded than is left of a payment"

    def setUp(self):
        super().setUp()
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process([payment])
            self.payment = payment.id
        with self.transaction():
            self.assertEqual(self.reload(payment).state, 'succeeded')

    def refunds(self, *amounts):
        Refund = Pool().get('account.payment.stripe.refund')
        return Refund.create([{
                    'payment': self.payment,
                    'amount': Decimal(a),
                    } for a in amounts])

    def set_state(self, refunds, state):
        Refund = Pool().get('account.payment.stripe.refund')
        Refund.write(refunds, {'state': state})

    def assertRefused(self, left, func, *args):
        with self.assertRaises(PaymentValidationError) as cm:
            func(*args)
        self.assertIn(left, cm.exception.message)

    def default(self):
        "Return the amount that a new refund of the payment gets"
        pool = Pool()
        Payment = pool.get('account.payment')
        Refund = pool.get('account.payment.stripe.refund')
        refund = Refund(payment=Payment(self.payment), amount=None)
        refund.on_change_payment()
        return refund.amount

    def test_not_paid(self):
        "Test a payment that waits for the payer cannot be chosen"
        with self.transaction():
            Payment = Pool().get('account.payment')
            customer, method = self.create_customer('tok_chargeCustomerFail')
            payment = self.create_payment(
                stripe_customer=customer,
                stripe_customer_payment_method=method)
            Payment.process([payment])
            self.payment = payment.id
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(
                (payment.state, payment.stripe_waiting_for),
                ('processing', 'payer'))
            with self.assertRaises(DomainValidationError):
                self.refunds(42)

    def test_of_earlier(self):
        "Test a payment of the earlier version, which kept no status"
        with self.transaction() as transaction:
            table = Pool().get('account.payment').__table__()
            transaction.connection.cursor().execute(*table.update(
                    [table.stripe_intent_status], [None],
                    where=table.id == self.payment))
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            Refund.submit(self.refunds(42))

    def test_submit_twice(self):
        "Test the whole payment is not submitted twice"
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            for state in ['submitted', 'approved', 'processing']:
                first, second = self.refunds(42, 42)
                self.set_state([first], state)
                self.assertRefused('0.00', Refund.submit, [second])
                self.set_state([first], 'draft')
                Refund.submit([second])
                self.set_state([first, second], 'failed')

    def test_submit_together(self):
        "Test refunds that are submitted at once are added up"
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            self.assertRefused(
                '12.00', Refund.submit, self.refunds(30, 13))
        with self.transaction():
            Refund.submit(self.refunds(30, 12))

    def test_submit_rest(self):
        "Test what is left after other refunds can be submitted"
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            first, second, third = self.refunds(20, 23, 22)
            Refund.submit([first])
            Refund.approve([first])
        with self.transaction():
            # It has been taken off the amount of the payment
            self.assertEqual(Refund(first.id).state, 'succeeded')
            self.assertRefused('22.00', Refund.submit, [Refund(second.id)])
            Refund.submit([Refund(third.id)])

    def test_approve_second(self):
        "Test only the first is approved if too many were submitted"
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            first, second = self.refunds(42, 42)
            self.set_state([first, second], 'submitted')
        with self.transaction():
            self.assertRefused(
                '0.00', Refund.approve, Refund.browse([first, second]))
        with self.transaction():
            Refund.approve([Refund(first.id)])
            self.assertRefused('0.00', Refund.approve, [Refund(second.id)])
        with self.transaction():
            self.assertEqual(Refund(first.id).state, 'succeeded')
            # The payment keeps its amount though nothing is left
            self.assertRefused('0.00', Refund.approve, [Refund(second.id)])
        self.assertEqual(len(self.requests('POST', '/v1/refunds')), 1)

    def test_approve_less_left(self):
        "Test what was refunded at Stripe meanwhile is no more left"
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            refund, = self.refunds(40)
            Refund.submit([refund])
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = Payment(self.payment)
            self.client.refunds.create(
                charge=payment.stripe_charge_id, amount=500)
            Payment.stripe_do_pull([payment])
        with self.transaction():
            self.assertRefused('37.00', Refund.approve, [Refund(refund.id)])

    def test_default(self):
        "Test a new refund gets what is left"
        with self.transaction():
            self.assertEqual(self.default(), Decimal('42'))
            refund, = self.refunds(30)
            self.assertEqual(self.default(), Decimal('42'))
            self.set_state([refund], 'approved')
            self.assertEqual(self.default(), Decimal('12'))
            other, = self.refunds(12)
            self.set_state([other], 'submitted')
            self.assertIsNone(self.default())

    @unittest.skipUnless(
        backend.name == 'postgresql', "SQLite has one writer at a time")
    def test_race(self):
        "Test two transactions that cannot see the refund of each other"
        for name, before in [('submit', 'draft'), ('approve', 'submitted')]:
            with self.subTest(name=name):
                with self.transaction():
                    Refund = Pool().get('account.payment.stripe.refund')
                    first, second = self.refunds(42, 42)
                    self.set_state([first, second], before)
                with self.transaction() as transaction:
                    second = Refund(second.id)
                    # From here on it sees nothing new
                    self.assertEqual(second.state, before)
                    with transaction.new_transaction() as other:
                        getattr(Refund, name)([Refund(first.id)])
                        other.tasks.clear()
                        other.commit()
                    with self.assertRaises(backend.DatabaseOperationalError):
                        getattr(Refund, name)([second])
                    Transaction().rollback()
                    self.assertRefused(
                        '0.00', getattr(Refund, name), [Refund(second.id)])
                    self.set_state(
                        Refund.browse([first.id, second.id]), 'failed')
