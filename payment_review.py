# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt

from trytond.i18n import gettext
from trytond.modules.account_payment.exceptions import PaymentValidationError
from trytond.pool import PoolMeta

from .common import inexact_message, next_pause
from .exceptions import StripeCurrencyError
from .payment_state import FIRST_LOOK, LAST_LOOK
from .state import KNOWN


class Payment(metaclass=PoolMeta):
    """Let a person look at what Stripe says and cannot be applied

    Nothing is sent or booked of it, and nothing else waits for it.
    """
    __name__ = 'account.payment'

    @classmethod
    def validate_fields(cls, payments, field_names):
        super().validate_fields(payments, field_names)
        if not field_names or 'journal' in field_names:
            for payment in payments:
                try:
                    payment.stripe_check_currency()
                except StripeCurrencyError as e:
                    raise PaymentValidationError(e.message) from None

    def stripe_set_intent(self, intent, **values):
        super().stripe_set_intent(
            intent, stripe_currency=intent['currency'].upper(), **values)

    def stripe_check_currency(self, currency=None):
        """Check that the payment is in the same currency at Stripe.

        currency: the code that Stripe says, None: the last that it said.
        Raises StripeCurrencyError.
        """
        currency = currency or self.stripe_currency
        if currency and currency != self.currency.code.upper():
            raise StripeCurrencyError(gettext(
                    'account_payment_stripe.msg_stripe_currency',
                    payment=self.rec_name,
                    stripe=currency,
                    journal=self.journal.rec_name,
                    currency=self.currency.code))

    @property
    def stripe_is_clear(self):
        "If it is known what the intent, if any, means for the payer"
        try:
            self.stripe_check_currency()
        except StripeCurrencyError:
            return False
        return self.stripe_intent_status in KNOWN | {None}

    @staticmethod
    def _stripe_problem(error):
        "Return the text about the StripeCurrencyError or AmountError"
        if isinstance(error, StripeCurrencyError):
            return error.message
        return inexact_message(error)

    @staticmethod
    def _stripe_unknown_message(state):
        return gettext(
            'account_payment_stripe.msg_stripe_unknown', word=state.unknown)

    def _stripe_review_values(self, message):
        "Return the values that show the text, and when to look again"
        tries = try_at = None
        if self.state == 'processing':
            tries = 1
            if self.stripe_waiting_for == 'check':
                tries += self.stripe_tries or 0
            try_at = dt.datetime.now() + next_pause(
                tries, FIRST_LOOK, LAST_LOOK)
        return {
            'stripe_waiting_for': 'check',
            'stripe_tries': tries,
            'stripe_try_at': try_at,
            'stripe_error_message': message,
            'stripe_error_code': None,
            'stripe_error_param': None,
            }
