# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from trytond.model.exceptions import ValidationError
from trytond.modules.account_payment_stripe import amount as amounts
from trytond.modules.account_payment_stripe.amount import (
    AmountError, from_stripe)
from trytond.pool import Pool
from trytond.transaction import Transaction

from .currency_case import CurrencyTestCase

CODES = sorted(
    amounts.ZERO_DECIMAL | amounts.THREE_DECIMAL
    | amounts.WHOLE_IN_HUNDREDTHS | {'EUR', 'HUF', 'IDR', 'TWD', 'COP'})
# As trytond_import_currencies leaves them, and with more
DIGITS = [
    ('BHD', 2, '42.50'), ('JOD', 2, '42.50'), ('KWD', 2, '42.50'),
    ('OMR', 2, '42.50'), ('TND', 2, '42.50'), ('ISK', 0, '4200'),
    ('UGX', 0, '42000'), ('HUF', 0, '4200'), ('TWD', 0, '4200'),
    ('IDR', 0, '420000'), ('COP', 0, '42000'), ('KWD', 3, '42.500'),
    ('KWD', 0, '42'), ('EUR', 0, '42'), ('EUR', 1, '42.5'),
    ('EUR', 4, '42.5000'), ('JPY', 2, '4200.00'), ('ISK', 2, '4200.00'),
    ]


class DigitsTestCase(CurrencyTestCase):
    "A currency has other digits in Tryton than at Stripe"

    def test_digits(self):
        "Test a payment in a currency with other digits, and its refund"
        for code, digits, amount in DIGITS:
            with self.subTest(code=code, digits=digits), self.transaction():
                Refund = Pool().get('account.payment.stripe.refund')
                id_ = self.pay(code, digits, amount)
                payment = self.get(id_)
                self.assertEqual(payment.state, 'succeeded')
                self.assertEqual(payment.amount, Decimal(amount))
                self.assertAccepted(payment)
                refund, = Refund.create([{
                            'payment': id_,
                            'amount': payment.currency.round(
                                payment.amount / 2),
                            }])
                Refund.submit([refund])
                Refund.approve([refund])
                Transaction().commit()
                Refund.stripe_create([refund])
                payment = self.pull(id_)
                self.assertEqual(payment.state, 'succeeded')
                self.assertEqual(
                    payment.amount, Decimal(amount) - refund.amount)
                self.assertAccepted(payment)
                self.assertAccepted(Refund(refund.id))

    def test_digits_by_event(self):
        "Test the events of a page in a currency with fewer digits"
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            self.set_currency('KWD', 2)
            payment = self.create_payment(amount=Decimal('42.50'))
            payment.stripe_checkout([payment])
            Transaction().commit()
            self.world.pay(
                self.get(payment.id).stripe_payment_intent_id,
                number='4242424242424242')
            event = self.payload('payment_intent.succeeded')
            self.assertTrue(Account.webhook([Account(self.account)], event))
            payment = self.get(payment.id)
            self.assertEqual(
                (payment.state, payment.amount),
                ('succeeded', Decimal('42.50')))
            self.assertAccepted(payment)

    def test_inexact(self):
        "Test what Stripe says cannot be expressed with the digits"
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            id_ = self.pay('HUF', 0, '4200')
            self.client.refunds.create(
                payment_intent=self.get(id_).stripe_payment_intent_id,
                amount=1250)
            event = self.payload('charge.refunded')
            self.assertTrue(Account.webhook([Account(self.account)], event))
            payment = self.get(id_)
            self.assertEqual(payment.state, 'succeeded')
            self.assertReview(payment, '12.50', 'HUF')
            self.assertAccepted(payment)
            Transaction().commit()

            self.set_currency('HUF', 2)
            # Once it is due
            payment.__class__.stripe_charge()
            self.assertEqual(self.get(id_).amount, 4200)
            self.get(id_).stripe_store(
                stripe_try_at=dt.datetime.now() - dt.timedelta(seconds=1))
            Transaction().commit()
            payment.__class__.stripe_charge()
            payment = self.get(id_)
            self.assertEqual(payment.amount, Decimal('4187.50'))
            self.assertFalse(payment.stripe_try_at)
            self.assertFalse(payment.stripe_waiting_for)
            self.assertFalse(payment.stripe_error_message)

    def test_inexact_does_not_block(self):
        "Test another is charged beside what cannot be expressed"
        with self.transaction():
            Payment = Pool().get('account.payment')
            self.set_currency('HUF', 0)
            payments = self.create_payments(2, amount=Decimal('4200'))
            for payment in payments:
                payment.stripe_checkout([payment])
                self.process(payment)
            Transaction().commit()
            for payment in payments:
                self.world.pay(
                    self.get(payment.id).stripe_payment_intent_id,
                    number='4242424242424242')
            self.client.refunds.create(
                payment_intent=self.get(
                    payments[0].id).stripe_payment_intent_id,
                amount=1250)
            Payment.stripe_charge(payments)
            first, second = map(self.get, payments)
            self.assertEqual(first.state, 'processing')
            self.assertReview(first, '12.50')
            self.assertTrue(first.stripe_try_at)
            self.assertEqual(second.state, 'succeeded')
            Payment.stripe_charge([first])
            self.assertEqual(self.get(first.id).stripe_tries, 2)
            self.assertEqual(len(self.world.objects('charge')), 2)

    def test_digits_are_reduced(self):
        "Test the digits of a currency are reduced after a payment"
        with self.transaction():
            id_ = self.pay('EUR', 2, '42.50')
            self.set_currency('EUR', 0)
            payment = self.pull(id_)
            self.assertReview(payment, '42.50')
            self.set_currency('EUR', 2)
            self.assertFalse(self.pull(id_).stripe_waiting_for)

    def test_digits_are_reduced_before(self):
        "Test the digits of a currency are reduced while a payment waits"
        with self.transaction():
            id_ = self.pay('EUR', 2, '42.00', stripe_capture=False)
            self.set_currency('EUR', 0)
            payment = self.pull(id_)
            payment.stripe_do_capture([payment])
            Transaction().commit()
            payment.stripe_capture_([payment])
            payment = self.get(id_)
            self.assertEqual(
                (payment.state, payment.amount), ('succeeded', 42))
            self.assertAccepted(payment)

    def test_digits_are_reduced_before_it_ends(self):
        "Test the digits of a currency are reduced before a payment ends"
        for button in ['draft', 'fail']:
            with self.subTest(button=button), self.transaction():
                self.set_currency('EUR', 2)
                Payment = Pool().get('account.payment')
                payment = self.create_payment(
                    amount=Decimal('42.00'), stripe_token='tok_visa')
                if button == 'fail':
                    self.process(payment)
                self.set_currency('EUR', 0)
                getattr(Payment, button)([self.get(payment.id)])
                payment = self.get(payment.id)
                self.assertEqual(payment.amount, 42)
                self.assertAccepted(payment)

    def test_upgrade(self):
        "Test a payment for which the version before stored too many digits"
        with self.transaction():
            Payment = Pool().get('account.payment')
            self.set_currency('KWD', 2)
            payment = self.create_payment(amount=Decimal('42.50'))
            payment.stripe_checkout([payment])
            self.process(payment)
            Transaction().commit()
            self.world.pay(
                self.get(payment.id).stripe_payment_intent_id,
                number='4242424242424242')
            table = Payment.__table__()
            too_many = Decimal('42.500')
            Transaction().connection.cursor().execute(*table.update(
                    [table.stripe_captured_amount,
                        table.stripe_refunded_amount,
                        table.stripe_intent_status, table.stripe_currency],
                    [too_many, too_many * 0, 'succeeded', None],
                    where=table.id == payment.id))
            Transaction().commit()
            Payment.stripe_charge([payment])
            payment = self.get(payment.id)
            self.assertEqual(
                (payment.state, payment.amount),
                ('succeeded', Decimal('42.50')))
            self.assertAccepted(payment)

    def test_stripe_amount(self):
        "Test the amount in Stripe's unit gets the digits of the currency"
        with self.transaction():
            self.set_currency('KWD', 2)
            payment = self.create_payment(amount=Decimal('42.50'))
            payment.draft([payment])
            self.assertEqual(payment.stripe_amount, 42500)
            payment.stripe_amount = 17250
            payment.save()
            self.assertEqual(str(self.get(payment.id).amount), '17.25')
            payment.stripe_amount = 17255
            with self.assertRaises(ValidationError) as cm:
                payment.save()
            self.assertIn('KWD', str(cm.exception))

    def test_stripe_amount_of_refund(self):
        "Test the amount of a refund in Stripe's unit"
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            id_ = self.pay('KWD', 2, '42.50')
            refund, = Refund.create([{
                        'payment': id_,
                        'amount': Decimal('42.50'),
                        }])
            self.assertEqual(refund.stripe_amount, 42500)
            refund.stripe_amount = 17250
            refund.save()
            self.assertEqual(str(Refund(refund.id).amount), '17.25')

    def test_too_many_digits(self):
        "Test an amount with more digits than Stripe takes is not submitted"
        for code, digits, amount in [
                ('EUR', 2, '1000000'), ('JPY', 0, '100000000'),
                ('KWD', 2, '100000'), ('IDR', 0, '10000000000')]:
            with self.subTest(code=code), self.transaction():
                self.set_currency(code, digits)
                Transaction().commit()
                with self.assertRaises(ValidationError) as cm:
                    self.create_payment(amount=Decimal(amount))
                self.assertIn(
                    '12' if code == 'IDR' else '8', cm.exception.message)
                Transaction().rollback()

    def test_partial_capture(self):
        "Test a part is captured in a currency with fewer digits"
        for code, digits, amount, part in [
                ('KWD', 2, '42.50', '20.25'), ('ISK', 0, '4200', '2100')]:
            with self.subTest(code=code), self.transaction():
                Payment = Pool().get('account.payment')
                id_ = self.pay(code, digits, amount, stripe_capture=False)
                payment = self.get(id_)
                self.assertEqual(payment.stripe_waiting_for, 'capture')
                payment.amount = Decimal(part)
                payment.save()
                Payment.stripe_do_capture([payment])
                Transaction().commit()
                Payment.stripe_capture_([payment])
                payment = self.get(id_)
                self.assertEqual(
                    (payment.state, payment.amount),
                    ('succeeded', Decimal(part)))
                self.assertAccepted(payment)

    def test_store(self):
        "Test what is stored without the model would be accepted by it"
        with self.transaction():
            ids = {}
            for digits in range(5):
                self.set_currency('EUR', digits)
                ids[digits] = self.create_payment(amount=Decimal(42)).id
            Transaction().commit()

            @settings(max_examples=150, deadline=None)
            @given(st.integers(0, 4), st.sampled_from(CODES),
                st.integers(0, 10 ** 8), st.text(max_size=20))
            def store(digits, code, minor, word):
                self.set_currency('EUR', digits)
                payment = self.get(ids[digits])
                amount = from_stripe(minor, code)
                try:
                    payment.stripe_store(
                        stripe_captured_amount=amount,
                        stripe_refunded_amount=amount)
                except AmountError:
                    self.assertTrue(amount % Decimal(1).scaleb(-digits))
                payment.stripe_store(
                    stripe_intent_status=word or None,
                    stripe_waiting_for='check',
                    stripe_error_message=word,
                    stripe_error_code=word)
                self.assertAccepted(payment)
                payment = self.get(payment.id)
                self.assertAccepted(payment)
                if payment.stripe_captured_amount:
                    self.assertFalse(
                        payment.stripe_captured_amount
                        % Decimal(1).scaleb(-digits))
                Transaction().rollback()
            store()
