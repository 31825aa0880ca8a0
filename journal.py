# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Bool, Eval, TimeDelta
from trytond.transaction import without_check_access

from .access import is_readable
from .amount import is_code, unit
from .exceptions import StripeCurrencyError, StripeMethodError

# Stripe's own choice for its subscriptions is 8 in two weeks, and networks
# charge for excess
# https://docs.stripe.com/billing/revenue-recovery/smart-retries
AGAIN_AT_MOST = 8


class Journal(metaclass=PoolMeta):
    __name__ = 'account.payment.journal'

    stripe_account = fields.Many2One(
        'account.payment.stripe.account', "Stripe Account",
        ondelete='RESTRICT',
        states={
            'required': Eval('process_method') == 'stripe',
            'invisible': Eval('process_method') != 'stripe',
            })
    stripe_mode = fields.Function(
        fields.Selection('get_stripe_modes', "Mode",
            states={
                'invisible': ~Eval('stripe_mode'),
                }),
        'on_change_with_stripe_mode')
    stripe_statement = fields.Selection([
            (None, ""),
            ('document', "Number of the Document"),
            ('reference', "Reference"),
            ('number', "Number of the Payment"),
            ], "On Card Statements", sort=False,
        states={
            'invisible': Eval('process_method') != 'stripe',
            },
        help="What payers read on the statement of their card after the name "
        "that is set at Stripe, so that they recognize the payment.")
    stripe_charge_again = fields.Integer(
        "Charge Again",
        domain=['OR',
            ('stripe_charge_again', '=', None),
            [
                ('stripe_charge_again', '>=', 0),
                ('stripe_charge_again', '<=', AGAIN_AT_MOST),
                ],
            ],
        states={
            'invisible': Eval('process_method') != 'stripe',
            },
        help="How many times a saved payment method is charged again if its "
        "bank declines it for now and advises to try again later, before the "
        "payer is asked for another one.\n"
        "Leave empty to ask at once.")
    stripe_charge_again_after = fields.TimeDelta(
        "Charge Again after",
        domain=['OR',
            ('stripe_charge_again_after', '=', None),
            ('stripe_charge_again_after', '>=', TimeDelta(0, 60 * 60)),
            ],
        states={
            'invisible': (
                (Eval('process_method') != 'stripe')
                | ~Eval('stripe_charge_again')),
            'required': (
                (Eval('process_method') == 'stripe')
                & Bool(Eval('stripe_charge_again'))),
            },
        help="How long to wait after each refusal.")
    stripe_charge_again_days = fields.MultiSelection(
        'get_stripe_days', "Charge Again on", sort=False,
        states={
            'invisible': (
                (Eval('process_method') != 'stripe')
                | ~Eval('stripe_charge_again')),
            },
        help="The days of the week on which it may be charged again, in the "
        "time zone of the company.\n"
        "Leave empty for any day.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        stripe_method = ('stripe', "Stripe")
        if stripe_method not in cls.process_method.selection:
            cls.process_method.selection.append(stripe_method)

    @fields.depends('process_method', 'stripe_account')
    def on_change_process_method(self):
        Account = Pool().get('account.payment.stripe.account')
        try:
            on_change = super().on_change_process_method
        except AttributeError:
            pass
        else:
            on_change()
        if self.process_method == 'stripe' and not self.stripe_account:
            accounts = Account.search([], limit=2)
            if len(accounts) == 1:
                self.stripe_account, = accounts

    @classmethod
    def get_stripe_modes(cls):
        Account = Pool().get('account.payment.stripe.account')
        return Account.fields_get(['mode'])['mode']['selection']

    @fields.depends('process_method', 'stripe_account')
    def on_change_with_stripe_mode(self, name=None):
        account = self.stripe_account
        if (self.process_method == 'stripe'
                and account
                and is_readable(account, 'mode')):
            return account.mode

    @classmethod
    def default_stripe_charge_again_after(cls):
        return dt.timedelta(days=3)

    @classmethod
    def get_stripe_days(cls):
        "Return the selection of the days of the week"
        Day = Pool().get('ir.calendar.day')
        return [
            (str(d.index), d.name)
            for d in Day.search([], order=[('index', 'ASC')])]

    @fields.depends('process_method', 'currency')
    def on_change_notify(self):
        notifications = super().on_change_notify()
        if self.process_method == 'stripe' and self.currency:
            smallest = unit(self.currency.code)
            if self.currency.digits < -smallest.as_tuple().exponent:
                notifications.append(('warning', gettext(
                            'account_payment_stripe.msg_journal_digits',
                            currency=self.currency.rec_name,
                            unit=smallest)))
        return notifications

    @classmethod
    def validate_fields(cls, journals, field_names):
        super().validate_fields(journals, field_names)
        cls._check_stripe_code(journals, field_names)

    @classmethod
    def _check_stripe_code(cls, journals, field_names):
        if field_names and not (field_names & {'process_method', 'currency'}):
            return
        for journal in journals:
            if (journal.process_method == 'stripe'
                    and not is_code(journal.currency.code)):
                raise StripeCurrencyError(gettext(
                        'account_payment_stripe.msg_journal_code',
                        journal=journal.rec_name,
                        code=journal.currency.code))

    @classmethod
    def check_modification(cls, mode, journals, values=None, external=False):
        super().check_modification(
            mode, journals, values=values, external=external)
        if mode == 'write' and values.get('currency'):
            Currency = Pool().get('currency.currency')
            currency = Currency(values['currency'])
            cls._check_stripe_currency([
                    j for j in journals if j.currency != currency], currency)
        if mode == 'write' and (
                values.get('process_method', 'stripe') != 'stripe'):
            cls._check_stripe_method([
                    j for j in journals if j.process_method == 'stripe'])

    @classmethod
    @without_check_access
    def _check_stripe_method(cls, journals):
        """Check that there is nothing at Stripe which nobody would cancel,
        refund or look at anymore.

        Raises StripeMethodError.
        """
        Payment = Pool().get('account.payment')
        payments = journals and Payment.search([
                ('journal', 'in', [j.id for j in journals]),
                ['OR',
                    ('stripe_payment_intent_id', '!=', None),
                    ('stripe_charge_id', '!=', None),
                    ('stripe_former_intent_id', '!=', None),
                    # It may have been charged and the answer lost
                    ('state', '=', 'processing'),
                    ],
                ], limit=1)
        for payment in payments:
            raise StripeMethodError(gettext(
                    'account_payment_stripe.msg_journal_method',
                    journal=payment.journal.rec_name,
                    payment=payment.rec_name))

    @classmethod
    @without_check_access
    def _check_stripe_currency(cls, journals, currency):
        """Check that nothing which is, or may be, at Stripe would be taken for
        the other currency.

        What is in that currency at Stripe already lets it be set back.
        """
        Payment = Pool().get('account.payment')
        payments = journals and Payment.search([
                ('journal', 'in', [j.id for j in journals]),
                ['OR',
                    ('stripe_currency', '=', None),
                    ('stripe_currency', '!=', (currency.code or '').upper()),
                    ],
                ['OR',
                    ('stripe_payment_intent_id', '!=', None),
                    ('stripe_charge_id', '!=', None),
                    [
                        ('process_method', '=', 'stripe'),
                        ('state', 'not in', ['draft', 'failed']),
                        ],
                    ],
                ], limit=1)
        for payment in payments:
            raise StripeCurrencyError(gettext(
                    'account_payment_stripe.msg_journal_currency',
                    journal=payment.journal.rec_name,
                    currency=payment.currency.rec_name,
                    payment=payment.rec_name))


class Group(metaclass=PoolMeta):
    __name__ = 'account.payment.group'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._buttons['succeed']['invisible'] |= (
            Eval('process_method') == 'stripe')

    def process_stripe(self):
        "Raise ProcessError if a payment has nothing to pay with"
        for payment in self.payments:
            payment.process_stripe()
