# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from trytond.model.exceptions import ValidationError
from trytond.pool import Pool
from trytond.transaction import Transaction

from .currency_case import CurrencyTestCase


class JournalCurrencyTestCase(CurrencyTestCase):
    "The currency of a journal stays, and is one that Stripe can have"

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
