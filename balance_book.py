# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from collections import defaultdict
from decimal import Decimal

from sql.aggregate import Sum
from sql.conditionals import Coalesce

from trytond.cache import Cache
from trytond.exceptions import UserError
from trytond.model import fields
from trytond.modules.account.exceptions import PeriodNotFoundError
from trytond.modules.currency.fields import Monetary
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Bool, Eval, If, TimeDelta
from trytond.tools import grouped_slice
from trytond.transaction import Transaction

from .balance import rounded
from .balance_match import MatchMixin, together

# How many transactions are booked in one transaction of the database
SIZE = 1000
# What has to be set to book, together
REQUIRED = [
    'journal', 'account', 'transit_account', 'fee_account',
    'suspense_account']
ACCOUNTS = [
    'account', 'transit_account', 'fee_account', 'tax_account',
    'suspense_account']
_BOOKED = {
    'invisible': ~Eval('journal'),
    }
_OF_CURRENCY = [
    ['OR',
        ('second_currency', '=', None),
        ('second_currency', '=', Eval('currency', -1)),
        ],
    ]
_OF_COMPANY = [('second_currency', '=', None)]


def _required(name):
    others = [Bool(Eval(n)) for n in REQUIRED if n != name]
    required = others[0]
    for other in others[1:]:
        required |= other
    return required


def _account(name, string, help, domain):
    return fields.Many2One(
        'account.account', string, ondelete='RESTRICT',
        domain=[
            ('company', '=', Eval('company', -1)),
            ('type', '!=', None),
            ('closed', '!=', True),
            *domain,
            ],
        states={
            'required': _required(name) if name in REQUIRED else False,
            },
        help=help)


def _amount(string, help):
    return fields.Function(
        Monetary(
            string, currency='currency', digits=(16, Eval('digits', 2)),
            states=_BOOKED, help=help),
        'get_booked')


class Balance(MatchMixin, metaclass=PoolMeta):
    """Book what moved the balance, and match it with the payments.

    Each transaction is in exactly one move: the row is changed together with
    the move in which it is booked, so that two processes cannot book it both.
    """
    __name__ = 'account.payment.stripe.balance'

    journal = fields.Many2One(
        'account.journal', "Journal", ondelete='RESTRICT',
        states={
            'required': _required('journal'),
            },
        context={
            'company': Eval('company', None),
            },
        depends={'company'},
        help="The journal of the moves.\n"
        "Leave empty to not book the transactions.")
    account = _account(
        'account', "Balance Account",
        "Where the company keeps the balance at Stripe.", _OF_CURRENCY)
    transit_account = _account(
        'transit_account', "In Transit Account",
        "Where a payout is kept until it is on the bank statement.",
        _OF_CURRENCY)
    fee_account = _account(
        'fee_account', "Fee Account", "For what Stripe takes.", _OF_COMPANY)
    tax_account = _account(
        'tax_account', "Tax Account",
        "For the taxes on Stripe's fees.\n"
        "Leave empty to use the fee account.", _OF_COMPANY)
    suspense_account = _account(
        'suspense_account', "Suspense Account",
        "For what no payment explains.", _OF_CURRENCY)
    party_required = fields.Function(
        fields.Boolean("Party Required"), 'on_change_with_party_required')
    party = fields.Many2One(
        'party.party', "Party", ondelete='RESTRICT',
        states={
            'required': Eval('party_required', False),
            'invisible': ~Eval('party_required'),
            },
        context={
            'company': Eval('company', None),
            },
        depends={'company'},
        help="The party for the accounts that require one.")
    posting_delay = fields.TimeDelta(
        "Posting Delay",
        domain=['OR',
            ('posting_delay', '=', None),
            ('posting_delay', '>=', TimeDelta()),
            ],
        states=_BOOKED,
        help="Post automatically the moves of days that are over after the "
        "delay.\n"
        "Leave empty for no posting.")
    booked_amount = _amount("In the Books", "The balance of the account.")
    to_book_amount = _amount(
        "To Book", "The net of the transactions that are not booked yet.")
    book_difference = _amount(
        "Difference to the Books",
        "What is recorded less what is in the books and to book.")

    _booking = Cache('account_payment_stripe.balance.booking', context=False)

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree/field[@name="book_difference"]', 'visual',
                If(Bool(Eval('book_difference', 0)), 'danger', '')),
            ]

    @fields.depends(*ACCOUNTS)
    def on_change_with_party_required(self, name=None):
        accounts = filter(None, (getattr(self, n) for n in ACCOUNTS))
        return any(a.party_required for a in accounts)

    @classmethod
    def get_booked(cls, balances, names):
        values = defaultdict(dict)
        for balance in balances:
            booked, to_book, difference = balance._get_booked()
            values['booked_amount'][balance.id] = booked
            values['to_book_amount'][balance.id] = to_book
            values['book_difference'][balance.id] = difference
        return {n: values[n] for n in names}

    def _get_booked(self):
        if not self.account:
            return None, None, None
        pool = Pool()
        Line = pool.get('account.move.line')
        StripeTransaction = pool.get('account.payment.stripe.transaction')
        cursor = Transaction().connection.cursor()
        line = Line.__table__()
        column = line.debit - line.credit
        if self.currency != self.company.currency:
            column = Coalesce(line.amount_second_currency, 0)
        cursor.execute(*line.select(
                Sum(column), where=line.account == self.account.id))
        booked, = cursor.fetchone()
        table = StripeTransaction.__table__()
        cursor.execute(*table.select(
                Sum(table.net),
                where=StripeTransaction.where_to_book(table, self)))
        to_book, = cursor.fetchone()
        booked, to_book = [rounded(a, self.digits) for a in [booked, to_book]]
        difference = None
        if self.recorded_amount is not None:
            difference = self.recorded_amount - booked - to_book
        return booked, to_book, difference

    @classmethod
    def books_of(cls, account):
        """Return if what moves the balances of the Stripe account is booked,
        without a query after the first time."""
        accounts = cls._booking.get('accounts')
        if accounts is None:
            with Transaction().set_context(active_test=False):
                accounts = list({
                        b.stripe_account.id for b in cls.search([
                                ('journal', '!=', None),
                                ])})
            cls._booking.set('accounts', accounts)
        return account.id in accounts

    @classmethod
    def on_modification(cls, mode, balances, field_names=None):
        super().on_modification(mode, balances, field_names=field_names)
        if field_names is None or field_names & {'journal', 'stripe_account'}:
            cls._booking.clear()

    @classmethod
    def copy(cls, balances, default=None):
        default = default.copy() if default is not None else {}
        # The accounts of another balance would hold both
        for name in {*REQUIRED, *ACCOUNTS}:
            default.setdefault(name)
        return super().copy(balances, default=default)

    @classmethod
    def steps(cls, balance_id):
        yield from super().steps(balance_id)
        pool = Pool()
        StripeTransaction = pool.get('account.payment.stripe.transaction')
        if not cls(balance_id).journal:
            return
        for date in StripeTransaction.dates_to_book(balance_id):
            yield cls.book, balance_id, date
        yield from cls.match_steps(balance_id)

    @classmethod
    def book(cls, balance_id, date):
        """Book the transactions of the day that are in no move.

        They are added to the draft move of the day if there is one. If the
        period is closed they are booked today.
        Commits some at a time. Raises UserError of the last that could not.
        """
        StripeTransaction = Pool().get('account.payment.stripe.transaction')
        ids = StripeTransaction.ids_to_book(balance_id, date)
        error = None
        for group in grouped_slice(ids, SIZE):
            try:
                together(cls._book, list(group), balance_id, date)
            except UserError as e:
                error = e
        if error:
            raise error

    @classmethod
    def _book(cls, ids, balance_id, date):
        pool = Pool()
        Line = pool.get('account.move.line')
        StripeTransaction = pool.get('account.payment.stripe.transaction')
        balance = cls(balance_id)
        with Transaction().set_context(company=balance.company.id):
            transactions = [
                t for t in StripeTransaction.browse(ids) if not t.move]
            if not transactions:
                return
            move = balance.get_move(date)
            lines = []
            # The rest of what is rounded goes to the fees
            sums = {
                a: (Decimal(0), Decimal(0))
                for a in [balance.account, balance.fee_account]}
            for transaction in transactions:
                line = transaction.get_line(move)
                if line:
                    lines.append(line)
                    transaction.line = line
                for account, amount, second in transaction.get_parts():
                    _add(sums, account, amount, second)
            Line.save(lines + balance._get_sum_lines(move, sums))
            StripeTransaction.note_booked(transactions, move)

    def get_move(self, date):
        "Return the move of the day, or of today, that can be changed"
        pool = Pool()
        Date = pool.get('ir.date')
        Move = pool.get('account.move')
        Period = pool.get('account.period')
        try:
            period = Period.find(self.company, date=date)
        except PeriodNotFoundError:
            date = Date.today()
            period = Period.find(self.company, date=date)
        moves = Move.search([
                ('origin', '=', str(self)),
                ('date', '=', date),
                ('journal', '=', self.journal.id),
                ('company', '=', self.company.id),
                ('state', '=', 'draft'),
                ], limit=1)
        if moves:
            move, = moves
        else:
            move = Move(
                company=self.company, journal=self.journal, origin=self,
                date=date, period=period)
            move.save()
        return move

    def _get_sum_lines(self, move, sums):
        """Return the lines of the move for the sums, of which those that are
        there are changed.

        sums: by account what to add, debit less credit, in the currency of the
        company and of the balance.
        """
        Line = Pool().get('account.move.line')
        lines = {
            x.account: x for x in Line.search([
                    ('move', '=', move.id),
                    ('origin', '=', None),
                    ('reconciliation', '=', None),
                    ('account', 'in', [a.id for a in sums]),
                    ])}
        for account, line in lines.items():
            _add(sums, account, line.debit - line.credit,
                line.amount_second_currency or 0)
        amount, second = sums[self.account]
        if (self.currency != self.company.currency
                and amount * second < 0):
            # By the rounding of the rates: a line cannot have both signs
            _add(sums, self.account, -amount, 0)
            _add(sums, self.fee_account, amount, 0)
        return [
            self.get_line(
                move, account, amount,
                self.currency if account == self.account else None, second,
                line=lines.get(account))
            for account, (amount, second) in sums.items()
            if amount or second or account in lines]

    def get_line(
            self, move, account, amount, currency=None, second=None,
            line=None):
        """Return the line of the move.

        amount: of the company, debit less credit.
        second: the same in the currency, if that is another.
        """
        Line = Pool().get('account.move.line')
        if line is None:
            line = Line(move=move, account=account)
            if account.party_required:
                line.party = self.party
        line.debit = max(amount, Decimal(0))
        line.credit = max(-amount, Decimal(0))
        if currency and currency != self.company.currency:
            line.second_currency = currency
            line.amount_second_currency = second
        return line


def _add(sums, account, amount, second):
    first, other = sums.get(account, (Decimal(0), Decimal(0)))
    sums[account] = (first + amount, other + second)
