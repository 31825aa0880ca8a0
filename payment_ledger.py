# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
from collections import defaultdict
from decimal import Decimal

from sql import Literal
from sql.conditionals import Coalesce

from trytond.model import Index, fields
from trytond.modules.currency.fields import Monetary
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import Transaction

# After that it is not only late what explains a payment
EXPLAINED = dt.timedelta(days=3)
# How many payments are found missing at once
MISSING = 1000

_SHOWN = {
    'invisible': ~Eval('stripe_transactions'),
    }


class LedgerMixin:
    """Show what Stripe's balance knows of the payment.

    Without a Stripe Balance nothing is read.
    """
    __slots__ = ()

    stripe_transactions = fields.Function(
        fields.Many2Many(
            'account.payment.stripe.transaction', None, None,
            "Stripe Transactions", states=_SHOWN),
        'get_stripe_ledger')
    stripe_balance_currency = fields.Function(
        fields.Many2One(
            'currency.currency', "Currency of the Stripe Balance",
            states={
                'invisible': True,
                }),
        'get_stripe_ledger')
    stripe_fee = fields.Function(
        Monetary(
            "Stripe Fee", currency='stripe_balance_currency',
            digits='stripe_balance_currency', states=_SHOWN,
            help="What Stripe took for the payment, its refunds and "
            "disputes."),
        'get_stripe_ledger')
    stripe_net = fields.Function(
        Monetary(
            "Net at Stripe", currency='stripe_balance_currency',
            digits='stripe_balance_currency', states=_SHOWN,
            help="By what the payment, its refunds and disputes have changed "
            "the balance at Stripe."),
        'get_stripe_ledger')
    stripe_payout = fields.Function(
        fields.Many2One(
            'account.payment.stripe.payout', "Stripe Payout",
            states={
                'invisible': ~Eval('stripe_payout'),
                },
            help="By which Stripe paid out what was charged."),
        'get_stripe_ledger')

    stripe_missing = fields.Boolean(
        "Not in Stripe Balance", readonly=True,
        states={
            'invisible': ~Eval('stripe_missing'),
            },
        help="If nothing has moved the balance at Stripe for it "
        "though it was paid days ago.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(
                t, (t.id, Index.Range()),
                where=t.stripe_missing == Literal(True)))

    @classmethod
    def stripe_note_missing(cls, balances, now):
        """Keep which payments have money that no transaction explains, and
        which have no more.

        balances: all of an account.
        now: the UTC datetime of Stripe.
        """
        account = balances[0].stripe_account
        table = cls.__table__()
        transaction = Pool().get(
            'account.payment.stripe.transaction').__table__()
        has_money = (
            (table.stripe_captured_amount > 0)
            & ~table.id.in_(transaction.select(
                    transaction.payment,
                    where=transaction.payment == table.id)))
        was_missing = table.stripe_missing == Literal(True)
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                table.id,
                where=(table.stripe_intent_account == account.id)
                & ((was_missing & ~has_money)
                    | (~Coalesce(was_missing, Literal(False)) & has_money
                        # Of what was before the start nothing is fetched
                        & (table.date >= max(b.start_date for b in balances))
                        & (table.stripe_state_at < now - EXPLAINED))),
                order_by=[table.id], limit=MISSING))
        for payment in cls.stripe_lock([id_ for id_, in cursor]):
            payment.stripe_store(stripe_missing=not payment.stripe_missing)

    @classmethod
    def get_stripe_ledger(cls, payments, names):
        pool = Pool()
        Balance = pool.get('account.payment.stripe.balance')
        StripeTransaction = pool.get('account.payment.stripe.transaction')
        found = defaultdict(list)
        if Balance.is_used():
            for transaction in StripeTransaction.search([
                        ('payment', 'in', [p.id for p in payments]),
                        ], order=[('created', 'ASC'), ('id', 'ASC')]):
                found[transaction.payment.id].append(transaction)
        values = {p.id: _told(found[p.id]) for p in payments}
        return {n: {i: v[n] for i, v in values.items()} for n in names}


def _told(transactions):
    "Return the values that the transactions of a payment tell"
    values = dict.fromkeys([
            'stripe_balance_currency', 'stripe_fee', 'stripe_net',
            'stripe_payout'])
    values['stripe_transactions'] = [t.id for t in transactions]
    currencies = {t.currency for t in transactions}
    if len(currencies) == 1:
        currency, = currencies
        values['stripe_balance_currency'] = currency.id
        values['stripe_fee'] = sum(
            (t.fee for t in transactions), Decimal(0))
        values['stripe_net'] = sum(
            (t.net for t in transactions), Decimal(0))
    values['stripe_payout'] = next((
            t.payout.id for t in transactions
            if t.payout and t.category == 'charge'), None)
    return values
