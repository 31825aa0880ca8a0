# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the payer gets besides the page: card statements and receipts."""
import datetime as dt
import re

from hypothesis import given
from hypothesis import strategies as st

from trytond.modules.account_payment_stripe.descriptor import (
    MAX, descriptor_suffix)
from trytond.pool import Pool
from trytond.tests.test_tryton import TestCase

from .case import StripeTestCase

PAYMENT = 'account.payment'


class DescriptorTestCase(TestCase):
    "Test the suffix of the statement descriptor"

    def test_suffix(self):
        for text, expected in [
                ("INV-2026/17", "NV-2026/17"),
                ("42", "NO 42"),
                ("2026-000017", "NO 000017"),
                ("INV-2026-000123", "NO 000123"),
                ("Course -- 7 to 12", "7 to 12"),
                ("12-------", None),
                ("- -", None),
                ("Café 12", "Cafe 12"),
                ("Größe", "Groesse"),
                ("A\u0308rzte", "Aerzte"),
                ("Łódź", "Lodz"),
                ("Smørrebrød", "Smorrebrod"),
                ("Ж12", "NO 12"),
                ("a*b<c>'\"\\", "abc"),
                ("***", None),
                ("", None),
                (None, None),
                ]:
            with self.subTest(text):
                self.assertEqual(descriptor_suffix(text), expected)

    @given(st.text())
    def test_accepted(self, text):
        "Test Stripe accepts any suffix that is made"
        suffix = descriptor_suffix(text)
        if suffix is not None:
            self.assertLessEqual(len(suffix), MAX)
            self.assertRegex(suffix, '^[A-Za-z0-9].*')
            self.assertRegex(suffix, '[A-Za-z]')
            self.assertFalse(re.search(r'''[^ -~]|[<>\\'"*]''', suffix))
            self.assertEqual(suffix, suffix.strip())


class BesidesTestCase(StripeTestCase):
    "Test what is asked of Stripe"

    def setUp(self):
        super().setUp()
        with self.transaction():
            pool = Pool()
            Journal = pool.get('account.payment.journal')
            journal = Journal(self.journal)
            journal.stripe_statement = 'reference'
            journal.save()
            Account = pool.get('account.payment.stripe.account')
            account = Account(self.account)
            account.receipt_email = True
            account.save()

    def opened(self, **values):
        "Return the intent of the payment"
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            payment = self.create_payment(**values)
            Payment.stripe_checkout([payment])
            return self.world.find(payment.stripe_payment_intent_id)

    def test_asked(self):
        "Test the reference is on the statement, and the receipt is sent"
        intent = self.opened(reference="Course 7")
        self.assertEqual(intent['statement_descriptor_suffix'], "Course 7")
        self.assertEqual(intent['receipt_email'], 'payer@example.com')
        self.world.pay(intent['id'])
        charge = self.world.find(intent['latest_charge'])
        self.assertEqual(
            charge['calculated_statement_descriptor'],
            "SIMULATOR* Course 7")

    def test_number(self):
        "Test the number of the payment is taken without a reference"
        intent = self.opened()
        self.assertEqual(
            intent['statement_descriptor_suffix'],
            descriptor_suffix(intent['metadata']['tryton_number']))

    def test_not_asked(self):
        "Test nothing is asked unless it is set"
        with self.transaction():
            pool = Pool()
            Journal = pool.get('account.payment.journal')
            Journal.write([Journal(self.journal)], {'stripe_statement': None})
            Account = pool.get('account.payment.stripe.account')
            Account.write([Account(self.account)], {'receipt_email': False})
        intent = self.opened(reference="Course 7")
        self.assertIsNone(intent['statement_descriptor_suffix'])
        self.assertIsNone(intent['receipt_email'])

    def test_refused(self):
        "Test the payment is made though Stripe refuses the address"
        with self.transaction():
            Party = Pool().get('party.party')
            party, = Party.create([{
                        'name': "Customer",
                        'contact_mechanisms': [('create', [{
                                        'type': 'email',
                                        'value': 'payer@localhost',
                                        }])],
                        }])
        with self.assertLogs('trytond.modules.account_payment_stripe') as log:
            intent = self.opened(party=party.id, reference="Course 7")
        self.assertIsNone(intent['receipt_email'])
        self.assertEqual(intent['statement_descriptor_suffix'], "Course 7")
        self.assertIn('receipt_email', '\n'.join(log.output))
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            payment, = Payment.search([
                    ('stripe_payment_intent_id', '=', intent['id'])])
            payment = self.create_payment(
                party=party.id, date=dt.date.today(),
                stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process([payment], self.group)
        with self.transaction():
            self.assertEqual(self.reload(payment).state, 'succeeded')
        self.assertEqual(
            len([r for r in self.world.ledger() if r['amount'] > 0]), 1)

    def test_website(self):
        "Test only addresses of pages are taken"
        from trytond.modules.account_payment_stripe.exceptions import (
            StripeURLError)
        for url in [
                'www.example.com', 'javascript:alert(1)', 'https://',
                'http://[', 'mailto:a@example.com', 'data:text/html,x',
                'https://exa mple.com', 'https://example.com/a b',
                'https://example.com/\u00a0a', 'https://exam\u200bple.com',
                'https://example.com/\x07a', 'https://exam\x7fple.com']:
            for name in ['website', 'terms_url']:
                with self.subTest(url), self.transaction():
                    Account = Pool().get('account.payment.stripe.account')
                    with self.assertRaisesRegex(
                            StripeURLError, 'https://www.example.com'):
                        Account.write([Account(self.account)], {name: url})
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.write([Account(self.account)], {
                    'website': 'https://www.example.com/shop?a=b',
                    'terms_url': None})
