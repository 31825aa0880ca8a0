# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What payments and customers share of the checkout page."""

from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.pool import Pool
from trytond.report import Report
from trytond.transaction import Transaction, without_check_access

from .convert import is_key, new_key
from .error import failure_message
from .exceptions import StripeError
from .gateway import StripeFailure
from .secret import Secret

MODULE = 'account_payment_stripe'


class CheckoutMixin:
    __slots__ = ()

    stripe_checkout_needed = fields.Function(
        fields.Boolean("Stripe Checkout Needed"),
        'on_change_with_stripe_checkout_needed')
    stripe_checkout_id = Secret(
        "Stripe Checkout ID", readonly=True, strip=False)

    @classmethod
    def copy(cls, records, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('stripe_checkout_id')
        return super().copy(records, default=default)

    @classmethod
    @ModelView.button_action('account_payment_stripe.url_checkout')
    def stripe_checkout(cls, records):
        """Return the action that opens the checkout page of the record.

        Raises StripeError if Stripe refuses or cannot be asked.
        """
        url = None
        for record in cls.stripe_lock(records):
            record.stripe_ensure_intent()
            record.stripe_store(stripe_checkout_id=new_key())
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
                    error=failure_message(e))) from None

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

    @property
    def stripe_language(self):
        "The language, an ir.lang, of the party or None"
        raise NotImplementedError

    @property
    def stripe_checkout_url(self):
        "The URL of the page, empty if it has not been opened"
        return self._stripe_checkout_url('checkout')

    @property
    def stripe_return_url(self):
        "The URL to which Stripe sends the payer back"
        return self._stripe_checkout_url('checkout_end')

    # Whatever the user may read
    @without_check_access
    def _stripe_checkout_url(self, endpoint):
        if not self.stripe_checkout_id:
            return ''
        Router = Pool().get(MODULE, type='router')
        return Router.url_for(
            endpoint, model=self.__class__.__name__,
            id=self.stripe_checkout_id)

    @classmethod
    def from_checkout_id(cls, checkout_id):
        "Return the record of the checkout page or None"
        if not is_key(checkout_id):
            return
        holders = cls.stripe_checkout_id.holders(cls, checkout_id)
        records = cls.search([('id', 'in', holders)], limit=1)
        return records[0] if records else None


class CheckoutPage(Report):
    __name__ = 'account.payment.stripe.checkout'


class CheckoutEmail(Report):
    __name__ = 'account.payment.stripe.email_checkout'
