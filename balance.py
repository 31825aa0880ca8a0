# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
from decimal import Decimal

from sql import Literal
from sql.aggregate import Sum

from trytond.cache import Cache
from trytond.i18n import gettext
from trytond.model import DeactivableMixin, ModelSQL, ModelView, Unique, fields
from trytond.model.exceptions import AccessError
from trytond.modules.currency.fields import Monetary
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.tools import timezone as tz
from trytond.transaction import Transaction

from .amount import digits_of
from .balance_fetch import FetchMixin
from .convert import from_timestamp
from .shown_time import ShownTime

# What the amounts depend on
FIXED = ['company', 'stripe_account', 'currency', 'start_date']
_FIXED_STATES = {
    'readonly': Bool(Eval('walked_at')) | Bool(Eval('walk_oldest')),
    }


class Balance(FetchMixin, DeactivableMixin, ModelSQL, ModelView):
    __name__ = 'account.payment.stripe.balance'

    name = fields.Char("Name", required=True)
    company = fields.Many2One(
        'company.company', "Company", required=True, ondelete='RESTRICT',
        states=_FIXED_STATES)
    stripe_account = fields.Many2One(
        'account.payment.stripe.account', "Stripe Account", required=True,
        ondelete='RESTRICT', states=_FIXED_STATES)
    currency = fields.Many2One(
        'currency.currency', "Currency", required=True, ondelete='RESTRICT',
        states=_FIXED_STATES,
        help="The currency in which Stripe keeps the balance "
        "and pays it out.")
    start_date = fields.Date(
        "Start Date", required=True, states=_FIXED_STATES,
        help="What moved the balance before this date is not fetched, "
        "unless it is paid out later.")
    opening_amount = Monetary(
        "Opening", currency='currency', digits=(16, Eval('digits', 2)),
        readonly=True,
        help="What the balance at Stripe was on the start date.")
    opened_at = fields.Timestamp(
        "Opened at", readonly=True,
        help="When Stripe told the balance of which the opening is the rest.")
    late_amount = Monetary(
        "Late", currency='currency', digits=(16, Eval('digits', 2)),
        readonly=True,
        help="The net of what had moved the balance before the opening was "
        "known and was listed later.")
    stripe_amount = Monetary(
        "At Stripe", currency='currency', digits=(16, Eval('digits', 2)),
        readonly=True,
        help="The balance that Stripe tells, available and pending.")
    recorded_amount = Monetary(
        "Recorded", currency='currency', digits=(16, Eval('digits', 2)),
        readonly=True,
        help="The opening and the net of all transactions since then, "
        "when the balance was last compared.")
    difference = fields.Function(
        Monetary(
            "Difference", currency='currency',
            digits=(16, Eval('digits', 2)),
            help="What is at Stripe less what is recorded."),
        'on_change_with_difference')
    differing = fields.Boolean(
        "Differing", readonly=True,
        states={
            'invisible': True,
            },
        help="If there was a difference at the last two comparisons.")
    other_currencies = fields.Char(
        "Without Stripe Balance", readonly=True,
        states={
            'invisible': ~Eval('other_currencies'),
            },
        help="Other currencies in which Stripe keeps money of the account "
        "that is not fetched.")
    digits = fields.Function(
        fields.Integer("Digits"), 'on_change_with_digits')
    last_transaction = fields.Char(
        "Last Transaction", readonly=True, strip=False,
        states={
            'invisible': ~Eval('last_transaction'),
            },
        help="The newest transaction that was read from Stripe.")
    walk_newest = fields.Char("Newest", readonly=True, strip=False)
    walk_oldest = fields.Char(
        "Oldest", readonly=True, strip=False,
        help="How far the reading of older transactions has come.")
    walked_at = fields.Timestamp(
        "Older Read at", readonly=True,
        help="When older transactions were last read.")
    payouts_at = fields.Timestamp(
        "Payouts Read at", readonly=True,
        help="When the payouts were last read.")
    fetched_at = ShownTime(
        "Fetched at", readonly=True,
        states={
            'invisible': ~Eval('fetched_at'),
            },
        help="When the balance was last compared with Stripe.")
    missing_payments = fields.Function(
        fields.Integer(
            "Payments Missing",
            states={
                'invisible': ~Eval('missing_payments'),
                },
            help="How many payments of the account were paid days ago, and "
            "have not moved any balance."),
        'get_missing_payments')
    error_message = fields.Text(
        "Error", readonly=True,
        states={
            'invisible': ~Eval('error_message'),
            },
        help="What could not be fetched the last time.")

    _used = Cache('account_payment_stripe.balance.used', context=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        table = cls.__table__()
        cls._sql_constraints = [
            ('currency_unique',
                Unique(table, table.stripe_account, table.currency),
                'account_payment_stripe.msg_balance_unique'),
            ]
        cls._buttons.update({
                'fetch': {
                    'icon': 'tryton-refresh',
                    },
                })

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Bool(Eval('error_message')), 'danger', '')),
            ('/tree/field[@name="missing_payments"]', 'visual',
                If(Eval('missing_payments', 0) > 0, 'danger', '')),
            ('/tree/field[@name="difference"]', 'visual',
                If(Bool(Eval('differing')), 'danger', '')),
            ]

    @classmethod
    def default_company(cls):
        return Transaction().context.get('company')

    @classmethod
    def default_start_date(cls):
        Date = Pool().get('ir.date')
        return Date.today()

    @fields.depends('currency')
    def on_change_with_digits(self, name=None):
        if self.currency:
            # An amount that the currency cannot express is shown as it is
            return max(self.currency.digits, digits_of(self.currency.code))
        return 2

    @fields.depends('stripe_amount', 'recorded_amount')
    def on_change_with_difference(self, name=None):
        if self.stripe_amount is None or self.recorded_amount is None:
            return
        return self.stripe_amount - self.recorded_amount

    @classmethod
    def get_missing_payments(cls, balances, name):
        Payment = Pool().get('account.payment')
        counts = {
            account: Payment.search([
                    ('stripe_missing', '=', True),
                    ('stripe_intent_account', '=', account.id),
                    ], count=True)
            for account in {b.stripe_account for b in balances}}
        return {b.id: counts[b.stripe_account] for b in balances}

    @classmethod
    def is_used(cls):
        "Return if there is any balance, without a query after the first time"
        used = cls._used.get('any')
        if used is None:
            with Transaction().set_context(active_test=False):
                used = bool(cls.search([], limit=1, order=[]))
            cls._used.set('any', used)
        return used

    @classmethod
    def copy(cls, balances, default=None):
        default = default.copy() if default is not None else {}
        for name in [
                'opening_amount', 'opened_at', 'late_amount',
                'stripe_amount', 'recorded_amount',
                'last_transaction', 'walk_newest', 'walk_oldest', 'walked_at',
                'payouts_at', 'fetched_at', 'error_message',
                'other_currencies']:
            default.setdefault(name)
        default.setdefault('differing', False)
        return super().copy(balances, default=default)

    @classmethod
    def check_modification(cls, mode, balances, values=None, external=False):
        super().check_modification(
            mode, balances, values=values, external=external)
        if mode == 'write':
            for balance in balances:
                if (balance.walked_at or balance.walk_oldest) and any(
                        getattr(balance, n) != _loaded(cls, n, values[n])
                        for n in FIXED if n in values):
                    raise AccessError(gettext(
                            'account_payment_stripe.msg_balance_fixed',
                            balance=balance.rec_name))

    @classmethod
    def on_modification(cls, mode, balances, field_names=None):
        super().on_modification(mode, balances, field_names=field_names)
        if mode in {'create', 'delete'}:
            cls._used.clear()

    @classmethod
    @ModelView.button
    def fetch(cls, balances):
        # A first time takes longer than a client waits
        cls.__queue__.stripe_fetch(balances)

    @property
    def code(self):
        "The code of the currency as in Stripe's answers"
        return self.currency.code.lower()

    @property
    def timezone(self):
        "The time zone in which the company counts its days"
        return (
            tz.get_tzinfo(self.company.timezone) if self.company.timezone
            else tz.UTC)

    @property
    def started_at(self):
        "The UTC datetime at which the start date begins for the company"
        start = dt.datetime.combine(
            self.start_date, dt.time(), tzinfo=self.timezone)
        return start.astimezone(tz.UTC).replace(tzinfo=None)

    def local_date(self, datetime):
        "Return the date for the company of the UTC datetime"
        return datetime.replace(
            tzinfo=tz.UTC).astimezone(self.timezone).date()

    def sum_net(self):
        "Return the Decimal sum of what moved the balance since the start"
        table = Pool().get('account.payment.stripe.transaction').__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                Sum(table.net),
                where=(table.balance == self.id)
                # Of reserves there is a balance of its own
                & (table.balance_type == Literal('payments'))
                & (table.date >= self.start_date)))
        sum_, = cursor.fetchone()
        return rounded(sum_, self.digits)

    def ties(self, stripe_amount):
        "Return if the Decimal that Stripe tells is what is recorded"
        return (
            self.opening_amount is not None
            and self.opening_amount + self.sum_net() == stripe_amount)

    def compare(self, stripe_amount, at=None):
        """Keep the Decimal that Stripe tells and what is recorded.

        at: the Moment at which it was so.
        The first time the rest becomes the opening, so that nothing must have
        moved between the reading of the transactions and of the balance. What
        Stripe counted then and listed later is taken off it.
        """
        sum_ = self.sum_net()
        opening, opened_at = self.opening_amount, self.opened_at
        late = self.late_amount
        if opening is None:
            opening = stripe_amount - sum_
            opened_at = from_timestamp(at.first) if at else None
        elif late and stripe_amount - (opening + sum_) == -late:
            opening -= late
        if opening + sum_ == stripe_amount:
            late = None
        values = {
            'opening_amount': opening,
            'opened_at': opened_at,
            'late_amount': late,
            'stripe_amount': stripe_amount,
            'recorded_amount': opening + sum_,
            # They are not read at one instant
            'differing': bool(
                self.difference and opening + sum_ != stripe_amount),
            }
        self.__class__.write([self], {
                n: v for n, v in values.items() if getattr(self, n) != v})

    def note_late(self, transactions):
        """Keep the net of the new transactions that had moved the balance
        before the opening was known."""
        if not self.opened_at:
            return
        late = sum(
            t.net for t in transactions
            if t.created <= self.opened_at
            and t.date >= self.start_date
            and t.balance_type == 'payments')
        if late:
            self.__class__.write([self], {
                    'late_amount': (self.late_amount or 0) + late})


def rounded(value, digits):
    "Return the Decimal of what the database summed up"
    # SQLite adds floats
    return Decimal(str(value or 0)).quantize(Decimal(1).scaleb(-digits))


def _loaded(cls, name, value):
    field = cls._fields[name]
    if isinstance(field, fields.Many2One) and value is not None:
        return field.get_target()(int(value))
    return value
