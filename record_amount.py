# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The amounts of records as Stripe has them."""
from trytond.i18n import gettext
from trytond.model import fields
from trytond.pyson import Eval

from .amount import AmountError, from_stripe, max_digits, to_stripe
from .exceptions import StripeAmountError


def stripe_amount(amount, currency, record, charged=False):
    """Return the integer in Stripe's minor unit of the Decimal amount.

    charged: if it is of what Stripe has taken before, whatever its digits.
    Raises StripeAmountError, in words, if Stripe cannot express it.
    """
    try:
        return to_stripe(amount, currency.code, charged=charged)
    except AmountError as e:
        raise StripeAmountError(gettext(
                'account_payment_stripe.msg_stripe_amount',
                record=record.rec_name,
                currency=currency.rec_name,
                unit=e.unit,
                digits=max_digits(currency.code))) from None


def inexact_message(error):
    "Return the text about the AmountError of what Stripe said"
    return gettext(
        'account_payment_stripe.msg_stripe_inexact',
        amount=error.amount, currency=error.currency, unit=error.unit)


class AmountMixin:
    __slots__ = ()

    stripe_amount = fields.Function(
        fields.Integer(
            "Stripe Amount",
            states={
                'readonly': Eval('state') != 'draft',
                }),
        'get_stripe_amount', setter='set_stripe_amount')

    def get_stripe_amount(self, name):
        try:
            return to_stripe(self.amount, self.currency.code, charged=True)
        except AmountError:
            return None

    @classmethod
    def set_stripe_amount(cls, records, name, value):
        """Set the amount to the integer of Stripe's minor unit.

        Raises StripeAmountError if the currency has not enough digits for it.
        """
        if value is None:
            return
        for record in records:
            currency = record.currency
            try:
                record.amount = from_stripe(
                    value, currency.code, currency.digits)
            except AmountError as e:
                raise StripeAmountError(inexact_message(e)) from None
        cls.save(records)
