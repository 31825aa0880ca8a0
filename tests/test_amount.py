# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import unittest
from decimal import Decimal

import pycountry
from hypothesis import assume, given
from hypothesis import strategies as st

from trytond.modules.account_payment_stripe.amount import (
    AmountError, from_stripe, is_code, max_digits, to_stripe, unit)

CURRENCIES = sorted(c.alpha_3 for c in pycountry.currencies)
currencies = st.sampled_from(CURRENCIES)


class AmountTestCase(unittest.TestCase):
    "Test the conversion of amounts"

    @given(currencies, st.integers(min_value=0, max_value=10 ** 9))
    def test_round_trip(self, currency, units):
        "What Stripe can express comes back the same"
        amount = units * unit(currency)
        stripe_amount = to_stripe(amount, currency, charged=True)
        self.assertIsInstance(stripe_amount, int)
        self.assertEqual(from_stripe(stripe_amount, currency), amount)

    @given(currencies, st.decimals(
            min_value=0, max_value=10 ** 12, places=5))
    def test_exact_or_refused(self, currency, amount):
        "Any amount is either sent exactly or refused"
        try:
            stripe_amount = to_stripe(amount, currency)
        except AmountError as e:
            self.assertIn(currency, str(e))
            self.assertTrue(
                amount % unit(currency)
                or amount >= from_stripe(
                    10 ** max_digits(currency), currency))
        else:
            self.assertEqual(from_stripe(stripe_amount, currency), amount)
            self.assertLess(stripe_amount, 10 ** max_digits(currency))

    @given(currencies, st.integers(0, 10 ** 8), st.integers(0, 4))
    def test_digits(self, currency, stripe_amount, digits):
        "What is read has the digits of the currency and is the same amount"
        known = from_stripe(stripe_amount, currency)
        try:
            amount = from_stripe(stripe_amount, currency, digits)
        except AmountError as e:
            self.assertTrue(known % Decimal(1).scaleb(-digits))
            self.assertIn(str(known), str(e))
        else:
            self.assertEqual(amount, known)
            self.assertGreaterEqual(amount.as_tuple().exponent, -digits)

    @given(currencies, st.integers(0, 10 ** 7), st.integers(0, 4))
    def test_sent_can_be_read(self, currency, units, digits):
        "What can be sent in a currency can be read in it also"
        amount = units * Decimal(1).scaleb(-digits)
        try:
            stripe_amount = to_stripe(amount, currency)
        except AmountError:
            return
        self.assertEqual(
            from_stripe(stripe_amount, currency, digits), amount)

    @given(currencies, st.decimals(
            min_value=0, max_value=10 ** 6, places=4))
    def test_refused_is_no_multiple(self, currency, amount):
        "What is no multiple of the unit is refused"
        assume(amount % unit(currency))
        with self.assertRaises(AmountError):
            to_stripe(amount, currency)

    def test_table(self):
        "The examples of Stripe's page of currencies"
        for amount, currency, stripe_amount in [
                ('10.99', 'USD', 1099),
                ('10.99', 'EUR', 1099),
                ('500', 'JPY', 500),
                ('5', 'MGA', 5),
                ('5.12', 'KWD', 5120),
                ('5.13', 'TND', 5130),
                ('5', 'ISK', 500),
                ('5', 'UGX', 500),
                ('10.45', 'HUF', 1045),
                ('800.45', 'TWD', 80045),
                ('999999.99', 'EUR', 99999999),
                ('9999999999.99', 'IDR', 999999999999),
                ('99999999', 'JPY', 99999999),
                ('500', 'jpy', 500),
                ]:
            with self.subTest(amount=amount, currency=currency):
                self.assertEqual(
                    to_stripe(Decimal(amount), currency), stripe_amount)
                self.assertEqual(
                    from_stripe(stripe_amount, currency), Decimal(amount))

    def test_refused(self):
        "What Stripe cannot express is refused"
        for amount, currency in [
                ('10.999', 'USD'),
                ('0.5', 'JPY'),
                ('5.124', 'KWD'),
                ('5.50', 'ISK'),
                ('5.01', 'UGX'),
                ('1.2', 'MGA'),
                ('1000000', 'USD'),
                ('1000000', 'ISK'),
                ('100000', 'KWD'),
                ('100000000', 'JPY'),
                ('10000000000', 'IDR'),
                ('1E+40', 'USD'),
                ]:
            with self.subTest(amount=amount, currency=currency):
                with self.assertRaises(AmountError):
                    to_stripe(Decimal(amount), currency)

    def test_charged(self):
        "What has been charged can be given back, whatever its digits"
        self.assertEqual(
            to_stripe(Decimal('12345678.90'), 'EUR', charged=True),
            1234567890)

    def test_code(self):
        "Stripe knows codes of three letters"
        for code, known in [
                ('EUR', True), ('eur', True), ('EU', False), ('EURO', False),
                ('E1R', False), ('€€€', False), ('', False)]:
            with self.subTest(code=code):
                self.assertEqual(is_code(code), known)
