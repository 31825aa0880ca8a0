# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from trytond.model import fields


class BalancePartMixin:
    "What is a part of a Stripe Balance, in its currency"
    __slots__ = ()

    balance = fields.Many2One(
        'account.payment.stripe.balance', "Stripe Balance", required=True,
        readonly=True, ondelete='RESTRICT')
    currency = fields.Function(
        fields.Many2One('currency.currency', "Currency"),
        'on_change_with_currency')
    company = fields.Function(
        fields.Many2One('company.company', "Company"),
        'on_change_with_company', searcher='search_balance_field')
    digits = fields.Function(
        fields.Integer("Digits"), 'on_change_with_digits')

    @fields.depends('balance', '_parent_balance.currency')
    def on_change_with_currency(self, name=None):
        return self.balance.currency if self.balance else None

    @fields.depends('balance', '_parent_balance.company')
    def on_change_with_company(self, name=None):
        return self.balance.company if self.balance else None

    @fields.depends('balance', '_parent_balance.digits')
    def on_change_with_digits(self, name=None):
        return self.balance.digits if self.balance else 2

    @classmethod
    def search_balance_field(cls, name, clause):
        return [('balance.' + clause[0], *clause[1:])]
