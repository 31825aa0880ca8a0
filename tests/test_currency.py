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

from .case import StripeTestCase

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


class CurrencyTestCase(StripeTestCase):
    "A currency has other digits in Tryton than at Stripe, or is changed"

    def set_currency(self, code, digits):
        "Let the journal be in the currency"
        pool = Pool()
        Currency = pool.get('currency.currency')
        Journal = pool.get('account.payment.journal')
        Transaction().set_context(active_test=False)
        currencies = Currency.search([('code', '=', code)])
        if not currencies:
            currencies = Currency.create([{
                        'name': code,
                        'code': code,
                        'digits': 4,
                        'rounding': Decimal('.0001'),
                        }])
        Currency.write(currencies, {
                'rounding': Decimal(1).scaleb(-digits),
                'digits': digits,
                })
        journal = Journal(self.journal)
        if journal.currency != currencies[0]:
            journal, = Journal.copy([journal], default={
                    'currency': currencies[0].id,
                    })
            self.journal = journal.id
        return currencies[0]

    def pay(self, code='EUR', digits=2, amount='42.00', **values):
        "Return the id of the payment that is charged with a token"
        Payment = Pool().get('account.payment')
        self.set_currency(code, digits)
        payment = self.create_payment(
            amount=Decimal(amount), stripe_token='tok_visa',
            stripe_chargeable=True, **values)
        self.process(payment)
        Transaction().commit()
        Payment.stripe_charge([payment])
        return payment.id

    def process(self, payment):
        pool = Pool()
        Payment = pool.get('account.payment')
        Group = pool.get('account.payment.group')
        group, = Group.create([{
                    'company': self.company,
                    'journal': self.journal,
                    'kind': 'receivable',
                    }])
        Payment.process([payment], group=lambda: group)

    def get(self, id_):
        return Pool().get('account.payment')(id_)

    def pull(self, id_):
        Payment = Pool().get('account.payment')
        Payment.stripe_do_pull([Payment(id_)])
        return self.get(id_)

    def force_journal(self, code, digits=2):
        "Change the currency of the journal, as nobody can in Tryton"
        pool = Pool()
        Currency = pool.get('currency.currency')
        table = pool.get('account.payment.journal').__table__()
        currencies = Currency.search([('code', 'ilike', code)]) or (
            Currency.create([{'name': code, 'code': code}]))
        Currency.write(currencies, {
                'rounding': Decimal(1).scaleb(-digits),
                'digits': digits,
                })
        Transaction().connection.cursor().execute(*table.update(
                [table.currency], [currencies[0].id],
                where=table.id == self.journal))
        Transaction().commit()

    def assertAccepted(self, record):
        "What is stored would be accepted if a person wrote it"
        record.__class__._validate([record])

    def assertReview(self, payment, *words):
        self.assertEqual(payment.stripe_waiting_for, 'check')
        for word in words:
            self.assertIn(word, payment.stripe_error_message)

    # Digits

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

    # The currency of the journal

    def test_journal_currency(self):
        "Test the currency of a journal with payments at Stripe stays"
        with self.transaction():
            pool = Pool()
            Currency = pool.get('currency.currency')
            Journal = pool.get('account.payment.journal')
            currency, = Currency.create([{'name': "Other", 'code': 'USD'}])
            journal = Journal(self.journal)
            journal.currency = currency
            journal.save()
            self.pay()
            journal = Journal(self.journal)
            former = journal.currency
            self.assertNotEqual(former, currency)
            journal.currency = currency
            with self.assertRaises(ValidationError) as cm:
                journal.save()
            self.assertIn(journal.name, cm.exception.message)
            journal = Journal(self.journal)
            journal.name = "Other name"
            journal.currency = former
            journal.save()

    def test_journal_currency_before(self):
        "Test the currency of a journal stays once a payment is submitted"
        with self.transaction():
            pool = Pool()
            Currency = pool.get('currency.currency')
            Journal = pool.get('account.payment.journal')
            currency, = Currency.create([{'name': "Other", 'code': 'USD'}])
            payment = self.create_payment()
            Transaction().commit()
            with self.assertRaises(ValidationError):
                Journal.write([Journal(self.journal)], {
                        'currency': currency.id,
                        })
            Transaction().rollback()
            payment.draft([self.get(payment.id)])
            Journal.write([Journal(self.journal)], {'currency': currency.id})

    def test_journal_of_payment(self):
        "Test a payment at Stripe does not get a journal in another currency"
        with self.transaction():
            pool = Pool()
            Payment = pool.get('account.payment')
            id_ = self.pay(stripe_capture=False)
            self.set_currency('USD', 2)
            with self.assertRaises(ValidationError):
                Payment.write([Payment(id_)], {'journal': self.journal})

    def test_journal_code(self):
        "Test Stripe is not asked for a currency that it cannot have"
        with self.transaction():
            for code in ['€', 'EU', 'E1R']:
                with self.subTest(code=code):
                    with self.assertRaises(ValidationError) as cm:
                        self.set_currency(code, 2)
                    self.assertIn(code, cm.exception.message)

    def test_journal_digits(self):
        "Test who makes a journal is told what its digits cannot express"
        with self.transaction():
            pool = Pool()
            Journal = pool.get('account.payment.journal')
            for code, digits, told in [
                    ('HUF', 0, True), ('HUF', 2, False), ('KWD', 2, False),
                    ('KWD', 1, True), ('ISK', 0, False), ('JPY', 0, False),
                    ('EUR', 4, False)]:
                with self.subTest(code=code, digits=digits):
                    currency = self.set_currency(code, digits)
                    journal = Journal(
                        process_method='stripe', currency=currency)
                    notifications = journal.on_change_notify()
                    self.assertEqual(len(notifications), told)
                    for type_, message in notifications:
                        self.assertEqual(type_, 'warning')
                        self.assertIn(currency.rec_name, message)
                    journal.process_method = 'manual'
                    self.assertFalse(journal.on_change_notify())

    def test_lower_case(self):
        "Test the case of the code does not change what is charged"
        with self.transaction():
            self.pay('jpy', 0, '4200')
            intent, = self.world.objects('payment_intent').values()
            self.assertEqual(
                (intent['amount'], intent['currency']), (4200, 'jpy'))

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
