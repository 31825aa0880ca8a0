# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from trytond.model import fields

from .mail import MailMixin


class MailMixin(MailMixin):
    "Ask the customer by e-mail to save a payment method"
    __slots__ = ()

    stripe_mail_allowed = fields.Function(
        fields.Boolean("Send by E-mail Allowed"),
        'get_stripe_mail_allowed')

    def get_stripe_mail_allowed(self, name):
        return self.on_change_with_stripe_checkout_needed()

    @property
    def stripe_mail_kind(self):
        if self.active and self.stripe_setup_intent_id:
            return 'expiring' if self.stripe_expiring else 'card'

    def stripe_prepare_mail(self):
        # Without it the page only tells that something is saved
        self.stripe_ensure_intent()
        super().stripe_prepare_mail()
