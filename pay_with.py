# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from trytond.model import fields
from trytond.pyson import Bool, Eval

from .access import is_readable


def shown(name):
    "Return the states of a field of payments through Stripe with a value"
    return {
        'invisible': (
            (Eval('process_method') != 'stripe') | ~Eval(name)),
        }


class PayWithMixin:
    "Choose a Stripe customer and one of its sources or payment methods"
    __slots__ = ()

    stripe_account = fields.Function(
        fields.Many2One('account.payment.stripe.account', "Stripe Account"),
        'on_change_with_stripe_account')
    stripe_customer = fields.Many2One(
        'account.payment.stripe.customer', "Stripe Customer",
        ondelete='RESTRICT',
        domain=[
            ('party', '=', Eval('party', -1)),
            ('stripe_account', '=', Eval('stripe_account', -1)),
            ],
        states={
            'invisible': Eval('process_method') != 'stripe',
            })
    stripe_customer_source = fields.Char(
        "Stripe Customer Source",
        states={
            'invisible': (
                (Eval('process_method') != 'stripe')
                | ~Eval('stripe_customer')),
            })
    stripe_customer_source_selection = fields.Function(
        fields.Selection(
            'get_stripe_customer_sources', "Stripe Customer Source",
            states={
                'invisible': (
                    ~Eval('stripe_customer')
                    | Bool(Eval('stripe_customer_payment_method'))
                    | (Eval('process_method') != 'stripe')),
                }),
        'get_stripe_customer_source_selection',
        setter='set_stripe_customer_source_selection')
    stripe_customer_payment_method = fields.Char(
        "Stripe Payment Method",
        states={
            'invisible': (
                (Eval('process_method') != 'stripe')
                | ~Eval('stripe_customer')),
            })
    stripe_customer_payment_method_selection = fields.Function(
        fields.Selection(
            'get_stripe_customer_payment_methods', "Stripe Payment Method",
            states={
                'invisible': (
                    ~Eval('stripe_customer')
                    | Bool(Eval('stripe_customer_source'))
                    | (Eval('process_method') != 'stripe')),
                }),
        'get_stripe_customer_payment_method_selection',
        setter='set_stripe_customer_payment_method_selection')

    @fields.depends('journal')
    def on_change_with_stripe_account(self, name=None):
        if (self.journal
                and self.journal.process_method == 'stripe'
                and is_readable(self)
                and is_readable(self.journal.stripe_account)):
            return self.journal.stripe_account

    @fields.depends('stripe_customer', 'stripe_customer_source')
    def get_stripe_customer_sources(self):
        sources = [(None, "")]
        if self.stripe_customer:
            sources.extend(self.stripe_customer.sources())
        return self._with_value(sources, 'stripe_customer_source')

    @fields.depends('stripe_customer', 'stripe_customer_payment_method')
    def get_stripe_customer_payment_methods(self):
        methods = [(None, "")]
        if self.stripe_customer:
            methods.extend(self.stripe_customer.payment_methods())
        return self._with_value(methods, 'stripe_customer_payment_method')

    @fields.depends('stripe_customer_source_selection')
    def on_change_stripe_customer_source_selection(self):
        if not is_readable(self):
            return
        self.stripe_customer_source = (
            self.stripe_customer_source_selection or None)

    @fields.depends('stripe_customer_source')
    def on_change_stripe_customer_source(self):
        if not is_readable(self):
            return
        self.stripe_customer_source_selection = self.stripe_customer_source

    @fields.depends('stripe_customer_payment_method_selection')
    def on_change_stripe_customer_payment_method_selection(self):
        if not is_readable(self):
            return
        self.stripe_customer_payment_method = (
            self.stripe_customer_payment_method_selection or None)

    @fields.depends('stripe_customer_payment_method')
    def on_change_stripe_customer_payment_method(self):
        if not is_readable(self):
            return
        self.stripe_customer_payment_method_selection = (
            self.stripe_customer_payment_method)

    def get_stripe_customer_source_selection(self, name):
        return self.stripe_customer_source

    @classmethod
    def set_stripe_customer_source_selection(cls, records, name, value):
        cls._set_stripe_selection(records, name, value)

    def get_stripe_customer_payment_method_selection(self, name):
        return self.stripe_customer_payment_method

    @classmethod
    def set_stripe_customer_payment_method_selection(
            cls, records, name, value):
        cls._set_stripe_selection(records, name, value)

    @classmethod
    def _set_stripe_selection(cls, records, name, value):
        # The client clears the stored field itself
        if value:
            cls.write(records, {name[:-len('_selection')]: value})

    def _with_value(self, selection, name):
        value = is_readable(self, name) and getattr(self, name)
        if value and value not in dict(selection):
            selection.append((value, value))
        return selection
