# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt

from trytond.i18n import gettext
from trytond.modules.account_payment.exceptions import PaymentValidationError
from trytond.pool import Pool

from .amount import exact, from_stripe
from .exceptions import StripeCurrencyError
from .payment_state import AMOUNTS, FIRST_LOOK, LAST_LOOK
from .policy import next_pause
from .record_amount import inexact_message
from .run import Run
from .state import KNOWN


class ReviewMixin:
    """Let a person look at what Stripe says and cannot be applied

    Nothing is sent or booked of it, and nothing else waits for it.
    """
    __slots__ = ()

    @classmethod
    def validate_fields(cls, payments, field_names):
        super().validate_fields(payments, field_names)
        if not field_names or 'journal' in field_names:
            for payment in payments:
                try:
                    payment.stripe_check_currency()
                except StripeCurrencyError as e:
                    raise PaymentValidationError(e.message) from None
                if payment.stripe_is_known and (
                        payment.process_method != 'stripe'):
                    # Nobody would cancel it or look at it anymore
                    raise PaymentValidationError(gettext(
                            'account_payment_stripe'
                            '.msg_payment_journal_method',
                            payment=payment.rec_name,
                            journal=payment.journal.rec_name))

    @classmethod
    def _stripe_review(cls):
        """Look again at the payments that are not in processing and for which
        something could not be applied, commits payment by payment."""
        now = dt.datetime.now()
        Journal = Pool().get('account.payment.journal')

        def where(table):
            journal = Journal.__table__()
            return (
                (table.stripe_waiting_for == 'check')
                & (table.stripe_try_at <= now)
                & (table.state != 'processing')
                & table.journal.in_(journal.select(
                        journal.id,
                        where=journal.process_method == 'stripe'))
                & cls._stripe_where_company(table))
        Run(
            cls, cls._stripe_review_one,
            goes_on=lambda payment: payment.stripe_waiting_for == 'check',
            ).carry(where)

    @classmethod
    def _stripe_review_one(cls, job):
        if job.record.stripe_is_known:
            state = yield job.record.stripe_reading(job.gateway)
            job.record.stripe_apply(state)

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

    def _stripe_amount_values(self, state):
        """Return the values of the amounts in the currency of the payment.

        Raises StripeCurrencyError if they are in another at Stripe, and
        AmountError if it has not the digits to express one.
        """
        if state.status != 'canceled':
            self.stripe_check_currency(state.currency)
        amounts = {
            'stripe_captured_amount': state.captured,
            'stripe_capturable_amount': state.capturable,
            'stripe_transferred_amount': state.transferred,
            }
        if state.complete:
            amounts['stripe_refunded_amount'] = state.refunded
            if self._stripe_tells_disputes(state):
                amounts.update({
                        'stripe_lost_amount': state.lost,
                        'stripe_disputed_amount': state.at_risk,
                        })
        code, digits = self.currency.code, self.currency.digits
        values = {
            n: from_stripe(a, code, digits) for n, a in amounts.items()}
        if not state.transferred:
            values['stripe_transferred_amount'] = None
        # The currency may have had more digits when the others were stored
        for name in AMOUNTS - values.keys():
            amount = getattr(self, name)
            values[name] = (
                None if amount is None else exact(amount, digits, code))
        return values

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
        tries = 1
        if self.stripe_waiting_for == 'check':
            tries += self.stripe_tries or 0
        return {
            'stripe_waiting_for': 'check',
            'stripe_tries': tries,
            'stripe_try_at': dt.datetime.now() + next_pause(
                tries, FIRST_LOOK, LAST_LOOK),
            'stripe_error_message': message,
            'stripe_error_code': None,
            'stripe_error_param': None,
            }
