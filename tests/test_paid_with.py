# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""With what a payment was paid, as staff see it."""
from decimal import Decimal

from trytond.modules.account_payment_stripe.paid_with import PaidWith
from trytond.pool import Pool
from trytond.tests.test_tryton import TestCase

from .case import StripeTestCase

PAYMENT = 'account.payment'


class LabelTestCase(TestCase):
    "Test how it is called"

    def label(self, type_, **details):
        return PaidWith.from_charge({
                'payment_method_details': {'type': type_, type_: details},
                }).label

    def test_label(self):
        for expected, type_, details in [
                ("Visa ****4242", 'card', {
                        'brand': 'visa', 'last4': '4242', 'exp_month': 12,
                        'exp_year': 2034, 'wallet': None}),
                ("Mastercard ****4444, Google Pay", 'card', {
                        'brand': 'mastercard', 'last4': '4444',
                        'wallet': {'type': 'google_pay', 'google_pay': {}}}),
                # Not known yet
                ("newbrand ****1111, New Wallet", 'card', {
                        'brand': 'newbrand', 'last4': '1111',
                        'wallet': {'type': 'new_wallet'}}),
                ("SEPA Direct Debit ****3000", 'sepa_debit', {
                        'last4': '3000'}),
                ("iDEAL", 'ideal', {'bank': 'ing'}),
                ("New Method", 'new_method', {}),
                ]:
            with self.subTest(expected):
                self.assertEqual(self.label(type_, **details), expected)

    def test_nothing(self):
        "Test a charge need not tell"
        for details in [{}, {'payment_method_details': None}]:
            self.assertEqual(PaidWith.from_charge(details), PaidWith())
        self.assertEqual(
            PaidWith.from_charge({
                    'payment_method_details': {'type': 'klarna'},
                    'outcome': None, 'receipt_url': None}).label,
            "Klarna")


class PaidWithTestCase(StripeTestCase):
    "Test what the payment shows"

    def paid(self, token='tok_visa', **values):
        "Return the id of a payment that was charged"
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            payment = self.create_payment(
                stripe_token=token, stripe_chargeable=True, **values)
            Payment.process([payment], self.group)
        return payment.id

    def test_card(self):
        "Test a card is shown as soon as it is charged, and found"
        id_ = self.paid()
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            payment = Payment(id_)
            self.assertEqual(payment.state, 'succeeded')
            self.assertEqual(payment.stripe_method_type, 'card')
            self.assertEqual(payment.stripe_paid_with, "Visa ****4242")
            self.assertEqual(payment.stripe_risk_level, 'normal')
            self.assertIsNone(payment.stripe_three_d_secure)
            self.assertTrue(payment.stripe_paid_at)
            self.assertEqual(
                payment.stripe_receipt_url,
                'https://pay.stripe.com/receipts/payment/%s'
                % payment.stripe_charge_id)
            self.assertEqual(
                payment.stripe_dashboard_url,
                'https://dashboard.stripe.com/test/payments/%s'
                % payment.stripe_payment_intent_id)
            self.assertEqual(
                Payment.search([
                        ('stripe_paid_with', 'ilike', '%4242%'),
                        ('id', '=', id_),
                        ]),
                [payment])

    def test_by_event(self):
        "Test a wallet is shown, also if only events tell of it"
        self.world.set(wallet='apple_pay')
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            payment = self.create_payment()
            Payment.stripe_checkout([payment])
        intent = self.world.find(self.intent(payment.id))
        self.world.pay(intent['id'])
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            account = Account(self.account)
            Account.webhook([account], self.payload(
                    'payment_intent.succeeded'))
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'succeeded')
            Account.webhook([account], self.payload('charge.succeeded'))
            payment = self.reload(payment)
            self.assertEqual(
                payment.stripe_paid_with, "Visa ****4242, Apple Pay")
            # What does not tell changes nothing
            Account.webhook([account], self.payload(
                    'payment_intent.succeeded', id=intent['id']))
            self.assertEqual(
                self.reload(payment).stripe_paid_with,
                "Visa ****4242, Apple Pay")

    def test_risk(self):
        "Test a word of Stripe that is not known yet is no error"
        id_ = self.paid()
        charge = self.world.find(self.charge(id_))
        charge['outcome'] = dict(charge['outcome'], risk_level='very_new')
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            Payment.stripe_do_pull([Payment(id_)])
            self.assertEqual(Payment(id_).stripe_risk_level, 'unknown')

    def test_refund(self):
        "Test refunds and customers link to the dashboard too"
        id_ = self.paid()
        with self.transaction():
            pool = Pool()
            Refund = pool.get('account.payment.stripe.refund')
            refund, = Refund.create([{'payment': id_, 'amount': Decimal(1)}])
            self.assertIsNone(refund.stripe_dashboard_url)
            Refund.submit([refund])
            Refund.approve([refund])
        with self.transaction():
            refund = Pool().get('account.payment.stripe.refund')(refund.id)
            self.assertEqual(
                refund.stripe_dashboard_url,
                'https://dashboard.stripe.com/test/refunds/%s'
                % refund.stripe_refund_id)
            self.assertEqual(refund.stripe_paid_with, "Visa ****4242")
            self.assertEqual(refund.search([
                        ('id', '=', refund.id),
                        ('stripe_paid_with', 'like', '%4242'),
                        ]), [refund])
            customer, _ = self.create_customer()
            self.assertEqual(
                customer.stripe_dashboard_url,
                'https://dashboard.stripe.com/test/customers/%s'
                % customer.stripe_customer_id)

    def test_draft(self):
        "Test nothing is left of it on a draft or a copy"
        id_ = self.paid('tok_chargeDeclined')
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            Payment.stripe_do_pull([Payment(id_)])
            payment = Payment(id_)
            self.assertEqual(payment.stripe_paid_with, "Visa ****0002")
            copy, = Payment.copy([payment])
            for name in [
                    'stripe_paid_with', 'stripe_paid_at', 'stripe_risk_level',
                    'stripe_receipt_url', 'stripe_dashboard_url']:
                self.assertIsNone(getattr(copy, name))

    def intent(self, id_):
        with self.transaction():
            return Pool().get(PAYMENT)(id_).stripe_payment_intent_id

    def charge(self, id_):
        with self.transaction():
            return Pool().get(PAYMENT)(id_).stripe_charge_id
