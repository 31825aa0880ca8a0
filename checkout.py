# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What payments and customers share of the checkout page."""
from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.report import Report
from trytond.transaction import Transaction

from .address import AddressMixin
from .error import failure_message
from .exceptions import StripeError
from .gateway import StripeFailure


class CheckoutMixin(AddressMixin):
    __slots__ = ()

    stripe_checkout_needed = fields.Function(
        fields.Boolean("Stripe Checkout Needed"),
        'on_change_with_stripe_checkout_needed')

    @classmethod
    @ModelView.button_action('account_payment_stripe.url_checkout')
    def stripe_checkout(cls, records):
        """Return the action that opens the checkout page of the record.

        Raises StripeError if Stripe refuses or cannot be asked.
        """
        url = None
        for record in cls.stripe_lock(records):
            record.stripe_ensure_intent()
            record.stripe_keep_address()
            url = url or record.stripe_checkout_url
        return {
            'url': url,
            }

    def stripe_ensure_intent(self):
        """Return the dictionary of the intent of the checkout page, made at
        Stripe if there is none to go on with.

        Commits, when it raises StripeError because Stripe cannot be asked.
        """
        try:
            return self._stripe_ensure_intent(self.stripe_own_account.gateway)
        except StripeFailure as e:
            attempt = self.stripe_next_attempt(e)
            if attempt != self.stripe_attempt:
                # Stripe repeats the failure for the same idempotency key
                self.stripe_store(stripe_attempt=attempt)
                Transaction().commit()
            raise StripeError(gettext(
                    'account_payment_stripe.msg_stripe_failure',
                    record=self.rec_name,
                    error=failure_message(e)), code=e.code) from None

    def _stripe_ensure_intent(self, gateway):
        raise NotImplementedError

    def stripe_end_checkout(self):
        """Bring the record on according to what Stripe says of the intent.

        Return what the page tells instead of stripe_checkout_result, if any.
        Raises StripeFailure.
        """
        raise NotImplementedError

    @classmethod
    def stripe_queue_mail(cls, records):
        "Queue the e-mails that what Stripe said makes necessary, commits"

    @property
    def stripe_checkout_result(self):
        """Return what the payer is told: 'open', 'waiting', 'succeeded',
        'processing', 'authorized', 'closed' or 'unavailable'."""
        raise NotImplementedError


class CheckoutPage(Report):
    __name__ = 'account.payment.stripe.checkout'


class CheckoutEmail(Report):
    __name__ = 'account.payment.stripe.email_checkout'


class RequestEmail(Report):
    __name__ = 'account.payment.stripe.email_request'


class CardEmail(Report):
    __name__ = 'account.payment.stripe.email_card'
