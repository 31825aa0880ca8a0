# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from trytond.model import fields

from .mail import MailMixin


class MailMixin(MailMixin):
    "Ask the payer by e-mail to pay at the checkout page"
    __slots__ = ()

    stripe_mail_allowed = fields.Function(
        fields.Boolean("Send by E-mail Allowed"),
        'get_stripe_mail_allowed')

    def get_stripe_mail_allowed(self, name):
        return self.stripe_is_payable

    @property
    def stripe_mail_kind(self):
        if not (self.stripe_waiting_for == 'payer' or self.stripe_is_payable):
            return
        return 'declined' if self.stripe_error_message else 'request'
