# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from sql import Literal, Null

from trytond.i18n import gettext
from trytond.model import Index, fields
from trytond.modules.account.exceptions import AccountMissing
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval
from trytond.transaction import Transaction, TransactionError

# https://docs.stripe.com/reports/reporting-categories
TRANSIT = {'payout', 'payout_reversal', 'topup', 'topup_reversal'}
FEES = {'fee', 'network_cost'}
TAXES = {'tax'}


class BalanceTransaction(metaclass=PoolMeta):
    "Say how it is booked"
    __name__ = 'account.payment.stripe.transaction'

    move = fields.Many2One(
        'account.move', "Move", readonly=True, ondelete='SET NULL',
        states={
            'invisible': ~Eval('move'),
            },
        help="In which it is booked.")
    line = fields.Many2One(
        'account.move.line', "Counterpart", readonly=True,
        ondelete='SET NULL',
        states={
            'invisible': ~Eval('line'),
            })
    to_match = fields.Boolean(
        "To Match", readonly=True,
        help="If it has not yet been matched since it was booked.")
    to_book = fields.Function(
        fields.Boolean("To Book"), 'get_booking', searcher='search_to_book')
    in_suspense = fields.Function(
        fields.Boolean(
            "On Suspense", help="If it is open on the suspense account."),
        'get_booking', searcher='search_in_suspense')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.move, Index.Range())),
                Index(t, (t.line, Index.Range())),
                Index(
                    t, (t.balance, Index.Range()), (t.date, Index.Range()),
                    where=t.move == Null),
                Index(t, (t.balance, Index.Range()), where=t.to_match),
                })

    @classmethod
    def get_booking(cls, transactions, names):
        ids = [t.id for t in transactions]
        values = {}
        for name in names:
            found = set(map(int, cls.search([
                            ('id', 'in', ids), (name, '=', True)])))
            values[name] = {i: i in found for i in ids}
        return values

    @classmethod
    def search_to_book(cls, name, clause):
        Balance = Pool().get('account.payment.stripe.balance')
        table = cls.__table__()
        where = Literal(False)
        for balance in Balance.search([('journal', '!=', None)]):
            where |= cls.where_to_book(table, balance)
        return [_in(clause, table.select(table.id, where=where))]

    @classmethod
    def search_in_suspense(cls, name, clause):
        pool = Pool()
        Balance = pool.get('account.payment.stripe.balance')
        Line = pool.get('account.move.line')
        table = cls.__table__()
        balance = Balance.__table__()
        line = Line.__table__()
        return [_in(clause, table
                .join(balance, condition=table.balance == balance.id)
                .join(line, condition=table.line == line.id)
                .select(
                    table.id,
                    where=(line.account == balance.suspense_account)
                    & (line.reconciliation == Null)))]

    @classmethod
    def where_to_book(cls, table, balance):
        "Return the SQL expression for what has to be in the books and is not"
        return (
            (table.balance == balance.id)
            & (table.move == Null)
            & (table.date >= balance.start_date)
            # Of reserves Stripe has a balance of its own
            & (table.balance_type == Literal('payments'))
            & ((table.amount != Literal(0)) | (table.fee != Literal(0))))

    @classmethod
    def _where_can(cls, table, balance):
        return cls.where_to_book(table, balance) & (
            table.error_message == Null)

    @classmethod
    def dates_to_book(cls, balance_id):
        "Return the dates of the transactions of the balance to be booked"
        Balance = Pool().get('account.payment.stripe.balance')
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                table.date, where=cls._where_can(table, Balance(balance_id)),
                group_by=[table.date], order_by=[table.date]))
        return [date for date, in cursor]

    @classmethod
    def ids_to_book(cls, balance_id, date):
        "Return those of the balance that are to be booked on the date"
        Balance = Pool().get('account.payment.stripe.balance')
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                table.id,
                where=cls._where_can(table, Balance(balance_id))
                & (table.date == date),
                order_by=[table.created, table.id]))
        return [id_ for id_, in cursor]

    @classmethod
    def note_booked(cls, transactions, move):
        """Keep in which move the transactions are, whose line is set.

        Raises TransactionError if another process has booked one of them.
        """
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        for transaction in transactions:
            cursor.execute(*table.update(
                    [table.move, table.line, table.to_match],
                    [move.id, transaction.line and transaction.line.id,
                        transaction.is_matched],
                    where=(table.id == transaction.id)
                    & (table.move == Null)))
            if cursor.rowcount != 1:
                raise TransactionError()

    @property
    def is_matched(self):
        "If its line is matched with others"
        return bool(self.line and (self.payment or self.of_payout))

    def get_line(self, move):
        """Return the line of the counterpart in the move, None if there is
        nothing for it."""
        if not self.amount:
            return
        balance = self.balance
        company = balance.company.currency
        amount, _, _ = self.company_amounts
        account, currency, second = (
            self._get_account(), balance.currency, self.amount)
        if account is None:
            payment = self.payment
            account = self._get_clearing_account(move.date)
            if payment.currency != currency:
                currency, second = (
                    payment.currency, self._get_original(payment.currency))
        elif account in {balance.fee_account, balance.tax_account}:
            currency = company
        line = balance.get_line(move, account, -amount, currency, -second)
        line.origin = self
        line.description = self.description
        return line

    def _get_clearing_account(self, date):
        journal = self.payment.journal
        account = journal.clearing_account.current(date)
        if not account:
            raise AccountMissing(gettext(
                    'account_payment_clearing'
                    '.msg_payment_clearing_account_missing_journal',
                    payment=self.payment.rec_name,
                    account=journal.clearing_account.rec_name,
                    journal=journal.rec_name))
        return account

    def _get_account(self):
        "Return the account of the counterpart, None for the clearing account"
        balance = self.balance
        if self.category in FEES:
            return balance.fee_account
        elif self.category in TAXES:
            return balance.tax_account or balance.fee_account
        elif self.category in TRANSIT:
            return balance.transit_account
        elif self.payment and self.payment.journal.clearing_account:
            return
        return balance.suspense_account

    @property
    def company_amounts(self):
        """The Decimals of amount, fee and tax in it in the currency of the
        company, at the rate of the date."""
        pool = Pool()
        Currency = pool.get('currency.currency')
        balance = self.balance
        company = balance.company.currency
        amounts = [self.amount, self.fee, self.fee_tax or 0]
        if balance.currency == company:
            return amounts
        with Transaction().set_context(date=self.date):
            amount, fee, tax = [
                Currency.compute(balance.currency, a, company)
                for a in amounts]
        if self.payment and self.payment.currency == company:
            amount = self._get_original(company)
        return [amount, fee, tax]

    def get_parts(self):
        """Return (account, amount of the company, amount of the balance) of
        what is booked besides of the counterpart, debit less credit."""
        balance = self.balance
        amount, fee, tax = self.company_amounts
        yield balance.account, amount - fee, self.net
        yield balance.fee_account, fee - tax, 0
        yield balance.tax_account or balance.fee_account, tax, 0

    def _get_original(self, currency):
        """Return the Decimal amount in the currency of the payment, in which
        it was charged, refunded or disputed.

        Stripe tells it only of the source. What nobody knows is converted.
        """
        Currency = Pool().get('currency.currency')
        amount = None
        original = self.original_currency
        if original and original.code.upper() == currency.code.upper():
            amount = self.original_amount
        elif self.refund:
            amount = self.refund.amount
        elif self.category == 'charge':
            amount = (
                self.payment.stripe_captured_amount or self.payment.amount)
        elif self.category == 'charge_failure':
            charges = self.search([
                    ('balance', '=', self.balance.id),
                    ('charge_id', '=', self.charge_id),
                    ('category', '=', 'charge'),
                    ('line', '!=', None),
                    ], limit=1)
            for charge in charges:
                line = charge.line
                amount = line.amount_second_currency
                if currency == line.currency:
                    amount = line.debit - line.credit
        if amount is None:
            with Transaction().set_context(date=self.date):
                amount = Currency.compute(
                    self.balance.currency, self.amount, currency)
        return abs(amount).copy_sign(self.amount)

    @classmethod
    def to_match_of(cls, balance_id, name):
        "Return the ids of the records of the field whose lines are to match"
        table = cls.__table__()
        column = getattr(table, name)
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                column,
                where=(table.balance == balance_id)
                & (table.to_match == Literal(True))
                & (column != Null),
                group_by=[column], order_by=[column]))
        return [id_ for id_, in cursor]

    @classmethod
    def note_matched(cls, name, ids):
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.update(
                [table.to_match], [False],
                where=fields.SQL_OPERATORS['in'](getattr(table, name), ids)
                & (table.to_match == Literal(True))))

    @classmethod
    def match_again(cls, name, ids):
        "Match the lines of the records of the field when the balance is next"
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.update(
                [table.to_match], [True],
                where=fields.SQL_OPERATORS['in'](getattr(table, name), ids)
                & (table.line != Null)))


def _in(clause, query):
    "Return the clause for those that the boolean clause is true of"
    _, operator, value = clause
    operator = 'in' if (operator == '=') == bool(value) else 'not in'
    return ('id', operator, query)
