# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import unittest
from decimal import Decimal

import pycountry
from hypothesis import assume, given
from hypothesis import strategies as st

from trytond.modules.account_payment_stripe.amount import (
    AmountError, from_stripe, to_stripe, unit)

CURRENCIES = sorted(c.alpha_3 for c in pycountry.currencies)
currencies = st.sampled_from(CURRENCIES)


class AmountTestCase(unittest.TestCase):
    "Test the conversion of amounts"

    @given(currencies, st.integers(min_value=0, max_value=10 ** 9))
    def test_round_trip(self, currency, units):
        "What Stripe can express comes back the same"
        amount = units * unit(currency)
        stripe_amount = to_stripe(amount, currency)
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
                amount % unit(currency) or stripe_digits(amount) > 9)
        else:
            self.assertEqual(from_stripe(stripe_amount, currency), amount)
            self.assertLess(stripe_amount, 10 ** 12)

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
                ]:
            with self.subTest(amount=amount, currency=currency):
                self.assertEqual(
                    to_stripe(Decimal(amount), currency), stripe_amount)
                self.assertEqual(
                    from_stripe(stripe_amount, currency), Decimal(amount))

    def test_refused(self):
        "What Stripe can not express is refused"
        for amount, currency in [
                ('10.999', 'USD'),
                ('0.5', 'JPY'),
                ('5.124', 'KWD'),
                ('5.50', 'ISK'),
                ('5.01', 'UGX'),
                ('1.2', 'MGA'),
                ('10000000000', 'USD'),
                ('1000000000000', 'JPY'),
                ('1E+40', 'USD'),
                ]:
            with self.subTest(amount=amount, currency=currency):
                with self.assertRaises(AmountError):
                    to_stripe(Decimal(amount), currency)


def stripe_digits(amount):
    return len(str(int(amount)))
