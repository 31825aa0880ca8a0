# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Reminders say where the invoice can be paid online."""
from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval
from trytond.transaction import Transaction


class Dunning(metaclass=PoolMeta):
    __name__ = 'account.dunning'

    stripe_checkout_address = fields.Function(
        fields.Char(
            "Address of the Page",
            states={
                'invisible': ~Eval('stripe_checkout_address'),
                },
            help="Where the invoice can be paid online."),
        'get_stripe_checkout_address')

    def get_stripe_checkout_address(self, name):
        Invoice = Pool().get('account.invoice')
        invoice = self.line.move_origin
        if isinstance(invoice, Invoice) and invoice.stripe_lines_online:
            return invoice.stripe_checkout_address

    @property
    def stripe_pay_online(self):
        """What the reminder says of it, in the language of the party, None if
        the invoice cannot be paid online."""
        address = self.stripe_checkout_address
        if not address:
            return
        lang = self.party.get_multivalue('lang', company=self.company.id)
        with Transaction().set_context(
                language=lang.code if lang else Transaction().language):
            return gettext(
                'account_payment_stripe.msg_invoice_pay_online',
                address=address)
