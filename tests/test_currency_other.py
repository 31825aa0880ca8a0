# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from decimal import Decimal

from trytond.model.exceptions import ValidationError
from trytond.pool import Pool
from trytond.transaction import Transaction

from .currency_case import CurrencyTestCase


class OtherCurrencyTestCase(CurrencyTestCase):
    "A payment is in another currency at Stripe"

    def test_refund_in_other_currency(self):
        "Test no refund is sent in another currency than was paid"
        for stored in [True, False]:
            with self.subTest(stored=stored), self.transaction():
                Refund = Pool().get('account.payment.stripe.refund')
                id_ = self.pay('JPY', 0, '4200')
                if not stored:
                    # It was made by an earlier version
                    self.get(id_).stripe_store(stripe_currency=None)
                refund, late = Refund.create([{
                            'payment': id_,
                            'amount': Decimal('10'),
                            }] * 2)
                Refund.submit([refund])
                Refund.approve([refund])
                self.force_journal('EUR')
                if stored:
                    with self.assertRaises(ValidationError):
                        Refund.submit([Refund(late.id)])
                Refund.stripe_create([refund])
                refund = Refund(refund.id)
                self.assertIn('JPY', refund.stripe_error_message)
                self.assertEqual(refund.state, 'failed')
                self.assertFalse(self.requests('POST', '/refunds'))
                self.force_journal('JPY')

    def test_capture_in_other_currency(self):
        "Test nothing is captured in another currency than was authorized"
        with self.transaction():
            Payment = Pool().get('account.payment')
            id_ = self.pay('JPY', 0, '4200', stripe_capture=False)
            self.force_journal('EUR')
            Payment.write([self.get(id_)], {'stripe_capture': True})
            Transaction().commit()
            Payment.stripe_capture_([self.get(id_)])
            self.assertFalse(self.requests('POST', '/capture'))
            self.assertReview(self.get(id_), 'JPY', 'EUR')

    def test_paid_in_other_currency(self):
        "Test what is paid in another currency is not booked"
        with self.transaction():
            pool = Pool()
            Payment = pool.get('account.payment')
            Account = pool.get('account.payment.stripe.account')
            payment = self.create_payment(amount=Decimal('42.00'))
            payment.stripe_checkout([payment])
            id_ = payment.id
            Transaction().commit()
            self.world.pay(
                self.get(id_).stripe_payment_intent_id,
                number='4242424242424242')
            code = self.get(id_).currency.code.upper()
            self.force_journal('JPY')
            event = self.payload('payment_intent.succeeded')
            self.assertTrue(Account.webhook([Account(self.account)], event))
            payment = self.get(id_)
            self.assertEqual(payment.state, 'submitted')
            self.assertReview(payment, 'JPY', code)
            self.assertEqual(payment.stripe_currency, code)
            Payment.stripe_do_pull([payment])
            self.assertReview(self.get(id_), 'JPY', code)
            # A person may set it back to what it is at Stripe
            Journal = pool.get('account.payment.journal')
            Journal.write([Journal(self.journal)], {
                    'currency': pool.get('currency.currency').search([
                            ('code', 'ilike', code)])[0].id})
            payment = self.pull(id_)
            self.assertEqual(
                (payment.state, payment.amount), ('succeeded', 42))
            self.assertFalse(payment.stripe_waiting_for)

    def test_page_in_other_currency(self):
        "Test the payer is not asked for another currency"
        with self.transaction():
            payment = self.create_payment(amount=Decimal('42.00'))
            payment.stripe_checkout([payment])
            Transaction().commit()
            self.force_journal('JPY', 0)
            payment = self.get(payment.id)
            page = payment.stripe_checkout_page()
            self.assertNotIn('client_secret', page)
            self.assertEqual(page['result'], 'unavailable')
            Transaction().commit()
            # Then the intent can be given up
            payment = self.get(payment.id)
            payment.draft([payment])
            payment = self.get(payment.id)
            self.assertEqual(payment.state, 'draft')
            self.assertFalse(payment.stripe_currency)
