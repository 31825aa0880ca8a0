# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from trytond.model import fields
from trytond.pyson import Eval

from .access import is_readable


class PaymentPartMixin:
    "What is about a payment, of its party and in its currency"
    __slots__ = ()

    company = fields.Function(
        fields.Many2One('company.company', "Company"),
        'on_change_with_company', searcher='search_payment_field')
    party = fields.Function(
        fields.Many2One(
            'party.party', "Party",
            context={
                'company': Eval('company', -1),
                },
            depends=['company']),
        'on_change_with_party', searcher='search_payment_field')
    currency = fields.Function(
        fields.Many2One('currency.currency', "Currency"),
        'on_change_with_currency')
    stripe_paid_with = fields.Function(
        fields.Char(
            "Paid with",
            states={
                'invisible': ~Eval('stripe_paid_with'),
                },
            help="The card, bank account or service that was charged."),
        'on_change_with_stripe_paid_with', searcher='search_payment_field')

    @fields.depends('payment', '_parent_payment.company')
    def on_change_with_company(self, name=None):
        return self._payment_value('company')

    @fields.depends('payment', '_parent_payment.party')
    def on_change_with_party(self, name=None):
        return self._payment_value('party')

    @classmethod
    def search_payment_field(cls, name, clause):
        nested = clause[0][len(name):]
        return [('payment.' + name + nested, *clause[1:])]

    @fields.depends('payment', '_parent_payment.currency')
    def on_change_with_currency(self, name=None):
        return self._payment_value('currency')

    @fields.depends('payment', '_parent_payment.stripe_paid_with')
    def on_change_with_stripe_paid_with(self, name=None):
        return self._payment_value('stripe_paid_with')

    def _payment_value(self, name):
        if self.payment and is_readable(self.payment, name):
            return getattr(self.payment, name)

    @classmethod
    def view_attributes(cls):
        # On the payment they are those of the payment
        of_payment = Eval('stripe_of_payment', False)
        return super().view_attributes() + [
            ('/tree/field[@name="company"]', 'tree_invisible', of_payment),
            ('/tree/field[@name="party"]', 'tree_invisible', of_payment),
            ]
