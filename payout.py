# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from collections import defaultdict
from decimal import Decimal

from sql.aggregate import Sum

from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.modules.currency.fields import Monetary
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.transaction import Transaction

from .balance import rounded
from .balance_part import BalancePartMixin
from .convert import UNKNOWN
from .payout_fetch import OPEN, FetchMixin

# https://docs.stripe.com/reports/reporting-categories
SUMS = {
    'charge': 'gross',
    'charge_failure': 'gross',
    'refund': 'refunded',
    'refund_failure': 'refunded',
    'partial_capture_reversal': 'refunded',
    'dispute': 'disputed',
    'dispute_reversal': 'disputed',
    'fee': 'fees',
    'network_cost': 'fees',
    'tax': 'fees',
    }
NAMES = ['gross', 'refunded', 'disputed', 'fees', 'other', 'net']
_CONTENT = {
    'invisible': ~Eval('explained'),
    }


def _amount(string, help=None):
    return fields.Function(
        Monetary(
            string, currency='currency', digits=(16, Eval('digits', 2)),
            states=_CONTENT, help=help or ''),
        'get_sums')


class Payout(FetchMixin, BalancePartMixin, ModelSQL, ModelView):
    __name__ = 'account.payment.stripe.payout'

    identifier = fields.Char(
        "Identifier", required=True, readonly=True, strip=False)
    amount = Monetary(
        "Amount", currency='currency', digits=(16, Eval('digits', 2)),
        readonly=True,
        help="What comes to the bank account, negative if Stripe takes it.")
    created = fields.Timestamp("Created", readonly=True)
    arrival_date = fields.Date(
        "Arrival Date", readonly=True,
        help="When Stripe expects the money at the bank.")
    automatic = fields.Boolean(
        "Automatic", readonly=True,
        help="If Stripe made the payout by its schedule. Of others Stripe "
        "cannot tell what they consist of.")
    method = fields.Char(
        "Method", readonly=True, strip=False,
        help="Stripe's name of how the money is sent.")
    state = fields.Selection([
            ('pending', "Pending"),
            ('in_transit', "In Transit"),
            ('paid', "Paid"),
            ('failed', "Failed"),
            ('canceled', "Canceled"),
            (UNKNOWN, "Unknown"),
            ], "State", readonly=True, sort=False)
    reconciliation_status = fields.Selection([
            (None, ""),
            ('in_progress', "In Progress"),
            ('completed', "Completed"),
            ('not_applicable', "Not Told by Stripe"),
            (UNKNOWN, "Unknown"),
            ], "Content", readonly=True, sort=False,
        help="If Stripe has told of what the payout consists.")
    failure_code = fields.Char(
        "Failure Code", readonly=True, strip=False,
        states={
            'invisible': ~Eval('failure_code'),
            })
    failure_message = fields.Char(
        "Failure", readonly=True,
        states={
            'invisible': ~Eval('failure_message'),
            },
        help="Why the bank refused the payout.")
    trace_id = fields.Char(
        "Trace ID", readonly=True, strip=False,
        states={
            'invisible': ~Eval('trace_id'),
            },
        help="The reference of the bank, to look for the payout there.")
    statement_descriptor = fields.Char(
        "Statement Descriptor", readonly=True, strip=False,
        states={
            'invisible': ~Eval('statement_descriptor'),
            },
        help="The text on the bank statement.")
    original_payout = fields.Many2One(
        'account.payment.stripe.payout', "Original Payout", readonly=True,
        states={
            'invisible': ~Eval('original_payout'),
            },
        help="The payout that this one takes back.")
    reversed_by = fields.Many2One(
        'account.payment.stripe.payout', "Reversed by", readonly=True,
        states={
            'invisible': ~Eval('reversed_by'),
            })
    balance_transaction = fields.Char(
        "Own Transaction", readonly=True, strip=False,
        help="The transaction by which it left the balance.")
    explained = fields.Boolean(
        "Explained", readonly=True,
        help="If all of which it consists has been read from Stripe.")
    difference = Monetary(
        "Difference", currency='currency', digits=(16, Eval('digits', 2)),
        readonly=True, states=_CONTENT,
        help="The amount less the net of what it consists of.")
    transactions = fields.One2Many(
        'account.payment.stripe.transaction', 'payout', "Transactions",
        readonly=True, states=_CONTENT)
    movements = fields.One2Many(
        'account.payment.stripe.transaction', 'of_payout', "Movements",
        readonly=True,
        help="How the payout itself moved the balance.")
    gross = _amount("Charges")
    refunded = _amount("Refunds")
    disputed = _amount("Disputes")
    fees = _amount("Fees", "With taxes on them.")
    other = _amount(
        "Other", "Such as corrections, reserves, and payouts that failed.")
    net = _amount("Net", "The sum, which should be the amount.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints = [
            ('identifier_unique', Unique(t, t.balance, t.identifier),
                'account_payment_stripe.msg_payout_unique'),
            ]
        cls._sql_indexes.update({
                Index(t, (t.created, Index.Range()), (t.id, Index.Range())),
                Index(
                    t, (t.state, Index.Equality(cardinality='low')),
                    where=t.state.in_(OPEN)),
                })
        cls._order = [('created', 'DESC'), ('id', 'DESC')]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree/field[@name="state"]', 'visual',
                If(Eval('state') == 'failed', 'danger',
                    If(Eval('state') == 'canceled', 'muted', ''))),
            ('/tree/field[@name="difference"]', 'visual',
                If(Bool(Eval('difference', 0)), 'danger', '')),
            ]

    def get_rec_name(self, name):
        pool = Pool()
        Lang = pool.get('ir.lang')
        lang = Lang.get()
        names = [
            self.identifier,
            lang.currency(self.amount, self.currency, symbol=False),
            self.currency.code]
        if self.arrival_date:
            names.append('(%s)' % lang.strftime(self.arrival_date))
        return ' '.join(names)

    @classmethod
    def search_rec_name(cls, name, clause):
        operator = clause[1]
        bool_op = 'AND' if operator.startswith(('!', 'not ')) else 'OR'
        return [bool_op,
            ('identifier', *clause[1:]),
            ('trace_id', *clause[1:]),
            ('statement_descriptor', *clause[1:]),
            ]

    @classmethod
    def get_sums(cls, payouts, names):
        sums = cls._sums(payouts)
        return {n: {p.id: sums[p.id][n] for p in payouts} for n in names}

    @classmethod
    def _sums(cls, payouts):
        """Return the Decimals of which the payouts consist, by id and name.

        own: what its own transaction took from the balance.
        """
        table = cls.__table__()
        transaction = Pool().get(
            'account.payment.stripe.transaction').__table__()
        is_own = transaction.identifier == table.balance_transaction
        cursor = Transaction().connection.cursor()
        sums = {
            p.id: defaultdict(Decimal, dict.fromkeys(
                    NAMES, Decimal(0).scaleb(-p.digits)))
            for p in payouts}
        digits = {p.id: p.digits for p in payouts}
        join = transaction.join(
            table, condition=transaction.payout == table.id)
        for own in [False, True]:
            cursor.execute(*join.select(
                    table.id, transaction.category,
                    Sum(transaction.amount), Sum(transaction.fee),
                    Sum(transaction.net),
                    where=fields.SQL_OPERATORS['in'](table.id, list(sums))
                    & (is_own if own else ~is_own),
                    group_by=[table.id, transaction.category]))
            for id_, category, *amounts in cursor:
                amount, fee, net = [rounded(a, digits[id_]) for a in amounts]
                if own:
                    sums[id_]['own'] += net
                    continue
                sums[id_][SUMS.get(category, 'other')] += amount
                sums[id_]['fees'] -= fee
                sums[id_]['net'] += net
        return sums
