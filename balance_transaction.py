# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
from decimal import Decimal

from sql import Literal, Null
from sql.aggregate import Min
from sql.conditionals import Coalesce
from sql.operators import Exists

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.modules.currency.fields import Monetary
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.transaction import Transaction

from .amount import AmountError, exact, from_stripe
from .balance_part import BalancePartMixin
from .convert import from_timestamp, is_key, one_line
from .record_amount import inexact_message
from .shown_time import ShownTime
from .store import insert

# What its source can be, by the first characters of its id
CHARGES = ('ch_', 'py_')
REFUNDS = ('re_', 'pyr_')
DISPUTES = ('du_', 'dp_')
PAYOUTS = ('po_',)
# How long after the answer about a charge it may move the balance
# https://docs.stripe.com/payments/payment-intents/asynchronous-capture
DELAY = dt.timedelta(minutes=5)
# https://docs.stripe.com/api/balance_transactions/object
TAXES = frozenset(['tax', 'withheld_tax'])


class BalanceTransaction(BalancePartMixin, ModelSQL, ModelView):
    __name__ = 'account.payment.stripe.transaction'
    _rec_name = 'identifier'

    identifier = fields.Char(
        "Identifier", required=True, readonly=True, strip=False)
    date = fields.Date(
        "Date", required=True, readonly=True,
        help="The day on which it moved the balance, for the company.")
    created = fields.Timestamp("Created", readonly=True)
    available_on = ShownTime(
        "Available on", readonly=True,
        help="When the money can be paid out.")
    type = fields.Char(
        "Type", readonly=True, strip=False,
        help="Stripe's name of what moved the balance.")
    category = fields.Char(
        "Category", readonly=True, strip=False,
        help="Stripe's name of what it is in reports.")
    balance_type = fields.Char("Balance Type", readonly=True, strip=False)
    description = fields.Char("Description", readonly=True, strip=False)
    amount = Monetary(
        "Amount", currency='currency', digits=(16, Eval('digits', 2)),
        readonly=True,
        help="What was paid, refunded or paid out, before Stripe's fee.")
    fee = Monetary(
        "Fee", currency='currency', digits=(16, Eval('digits', 2)),
        readonly=True,
        help="What Stripe took from the amount, with the tax on it.")
    fee_tax = Monetary(
        "Tax in Fee", currency='currency', digits=(16, Eval('digits', 2)),
        readonly=True,
        states={
            'invisible': ~Eval('fee_tax'),
            })
    net = Monetary(
        "Net", currency='currency', digits=(16, Eval('digits', 2)),
        readonly=True,
        help="By what the balance has changed.")
    fee_description = fields.Char(
        "What the Fee is for", readonly=True, strip=False,
        states={
            'invisible': ~Eval('fee_description'),
            })
    original_amount = Monetary(
        "Original Amount", currency='original_currency',
        digits='original_currency', readonly=True,
        states={
            'invisible': ~Eval('original_amount'),
            },
        help="The amount before Stripe converted it, if it is told only "
        "by its source.")
    original_currency = fields.Many2One(
        'currency.currency', "Original Currency", readonly=True,
        states={
            'invisible': ~Eval('original_currency'),
            })
    exchange_rate = fields.Numeric(
        "Exchange Rate", readonly=True,
        states={
            'invisible': ~Eval('exchange_rate'),
            },
        help="Stripe's rate, if it converted the amount and tells it.")
    source = fields.Char(
        "Source", readonly=True, strip=False,
        states={
            'invisible': ~Eval('source'),
            },
        help="The identifier of what moved the balance at Stripe.")
    charge_id = fields.Char(
        "Stripe Charge", readonly=True, strip=False,
        states={
            'invisible': ~Eval('charge_id'),
            })
    payment = fields.Many2One(
        'account.payment', "Payment", readonly=True, ondelete='SET NULL',
        states={
            'invisible': ~Eval('payment'),
            })
    refund = fields.Many2One(
        'account.payment.stripe.refund', "Stripe Refund", readonly=True,
        ondelete='SET NULL',
        states={
            'invisible': ~Eval('refund'),
            })
    payout = fields.Many2One(
        'account.payment.stripe.payout', "Paid out by", readonly=True,
        ondelete='RESTRICT',
        states={
            'invisible': ~Eval('payout'),
            },
        help="The payout of which it is a part.")
    of_payout = fields.Many2One(
        'account.payment.stripe.payout', "Payout", readonly=True,
        ondelete='RESTRICT',
        states={
            'invisible': ~Eval('of_payout'),
            },
        help="The payout that moved the balance.")
    unlinked = fields.Boolean(
        "Unlinked", readonly=True,
        help="If nothing is known here of its source.")
    to_be_asked = fields.Boolean(
        "To Be Asked", readonly=True,
        help="If Stripe has to be asked of which charge its source is.")
    error_message = fields.Char(
        "Error", readonly=True,
        states={
            'invisible': ~Eval('error_message'),
            })

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints = [
            ('identifier_unique', Unique(t, t.balance, t.identifier),
                'account_payment_stripe.msg_balance_transaction_unique'),
            ]
        cls._sql_indexes.update({
                Index(
                    t, (t.balance, Index.Range()), (t.date, Index.Range()),
                    include=[t.net, t.balance_type]),
                Index(t, (t.created, Index.Range()), (t.id, Index.Range())),
                Index(t, (t.payment, Index.Range())),
                Index(t, (t.refund, Index.Range())),
                Index(t, (t.payout, Index.Range())),
                Index(t, (t.of_payout, Index.Range())),
                Index(
                    t, (t.balance, Index.Range()),
                    where=t.unlinked),
                Index(
                    t, (t.balance, Index.Range()),
                    where=t.error_message != Null),
                })
        cls._order = [('created', 'DESC'), ('id', 'DESC')]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Bool(Eval('error_message')), 'danger', '')),
            ]

    @classmethod
    def store(cls, balance, rows, payout_id=None):
        """Store those of Stripe's rows that are not known.

        payout_id: of what paid them out, kept also on those that are known.
        Return how many were not known.
        """
        # In another currency it is of another balance
        code = balance.code
        rows = {r['id']: r for r in rows if r['currency'] == code}
        if not rows:
            return 0
        cursor = Transaction().connection.cursor()
        table = cls.__table__()
        of_rows = (
            (table.balance == balance.id)
            & fields.SQL_OPERATORS['in'](table.identifier, list(rows)))
        cursor.execute(*table.select(table.identifier, where=of_rows))
        known = {i for i, in cursor}
        new = [
            cls(**cls._stripe_values(balance, r), payout=payout_id)
            for i, r in rows.items() if i not in known]
        if payout_id and known:
            # What one payout has taken no other takes
            cursor.execute(*table.update(
                    [table.payout], [payout_id],
                    where=of_rows & (table.payout == Null)))
        balance.note_late(new)
        insert(new)
        return len(new)

    @classmethod
    def _stripe_values(cls, balance, row):
        "Return the values of Stripe's dictionary"
        code = balance.currency.code
        details = row.get('fee_details') or []
        parts = sum(d['amount'] for d in details)
        created = from_timestamp(row['created'])
        source = row.get('source')
        source = source if isinstance(source, str) else None
        error = None
        if (row['net'] != row['amount'] - row['fee']
                or parts != row['fee']):
            error = gettext(
                'account_payment_stripe.msg_balance_transaction_sum',
                amount=row['amount'], fee=row['fee'], net=row['net'],
                parts=parts)
        try:
            for name in ['amount', 'fee', 'net']:
                exact(
                    from_stripe(row[name], code), balance.currency.digits,
                    code)
        except AmountError as e:
            error = inexact_message(e)
        rate = row.get('exchange_rate')

        def text(value):
            return one_line(value) if value else None
        values = {
            'balance': balance.id,
            'identifier': row['id'],
            'created': created,
            'date': balance.local_date(created),
            'available_on': (
                from_timestamp(row['available_on'])
                if row.get('available_on') is not None else None),
            'type': text(row['type']),
            'category': text(row.get('reporting_category') or row['type']),
            'balance_type': text(row.get('balance_type') or 'payments'),
            'description': text(row.get('description')),
            'fee_tax': from_stripe(
                sum(d['amount'] for d in details if d['type'] in TAXES),
                code),
            'fee_description': text(', '.join(
                    d.get('description') or d['type'] for d in details)),
            'exchange_rate': None if rate is None else Decimal(str(rate)),
            'source': text(source),
            'unlinked': bool(source) and source.startswith(
                CHARGES + REFUNDS + DISPUTES + PAYOUTS),
            'to_be_asked': bool(source) and source.startswith(
                REFUNDS + DISPUTES),
            'charge_id': (
                source if source and source.startswith(CHARGES) else None),
            'error_message': text(error),
            }
        for name in ['amount', 'fee', 'net']:
            values[name] = from_stripe(row[name], code)
        return values

    @classmethod
    def link(cls, balances):
        """Set what is known here of the sources of the transactions.

        Also of those which were not known before: payments are found again
        after a restore of the database.
        """
        pool = Pool()
        Balance = pool.get('account.payment.stripe.balance')
        Payment = pool.get('account.payment')
        Payout = pool.get('account.payment.stripe.payout')
        Refund = pool.get('account.payment.stripe.refund')
        table = cls.__table__()
        payment = Payment.__table__()
        payout = Payout.__table__()
        refund = Refund.__table__()
        for balance in Balance.browse(list(map(int, balances))):
            of_company = payment.company == balance.company.id
            to_link = (
                (table.balance == balance.id)
                & (table.unlinked == Literal(True)))
            # Refunds before charges, the latter are asked for
            by_refund = (
                (Coalesce(refund.stripe_refund_id, '') == table.source)
                & of_company)
            joined = refund.join(
                payment, condition=refund.payment == payment.id)
            cls._update(
                [table.refund, table.payment, table.unlinked,
                    table.to_be_asked],
                [joined.select(Min(refund.id), where=by_refund),
                    joined.select(Min(payment.id), where=by_refund),
                    False, False],
                to_link & (table.to_be_asked == Literal(True)),
                joined.select(refund.id, where=by_refund))
            by_charge = (
                (Coalesce(payment.stripe_charge_id, '') == table.charge_id)
                & of_company)
            cls._update(
                [table.payment, table.unlinked],
                [payment.select(Min(payment.id), where=by_charge), False],
                to_link & (table.charge_id != Null),
                payment.select(payment.id, where=by_charge))
            by_payout = (
                (payout.balance == table.balance)
                & (payout.identifier == table.source))
            cls._update(
                [table.of_payout, table.unlinked],
                [payout.select(Min(payout.id), where=by_payout), False],
                to_link & (table.charge_id == Null)
                & (table.to_be_asked == Literal(False)),
                payout.select(payout.id, where=by_payout))

    @classmethod
    def _update(cls, columns, values, where, linked):
        table = columns[0].table
        Transaction().connection.cursor().execute(*table.update(
                columns, values, where=where & Exists(linked)))

    @classmethod
    def missed(cls, balances, since, until, limit):
        """Return some (id of payment, id of balance) of the transactions that
        were created between the UTC datetimes, after the state that the
        payment shows."""
        payment = Pool().get('account.payment').__table__()
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.join(
                payment, condition=table.payment == payment.id).select(
                payment.id, table.balance, table.created,
                payment.stripe_state_at,
                where=fields.SQL_OPERATORS['in'](
                    table.balance, list(map(int, balances)))
                & (table.date >= since.date())
                & (table.created < until)
                & (table.created > payment.stripe_state_at),
                order_by=[table.created]))
        missed = {
            id_: balance for id_, balance, created, at in cursor
            if created - at > DELAY}
        return list(missed.items())[:limit]

    @classmethod
    def to_ask(cls, balances, limit):
        "Return some ids of those of which Stripe has to be asked"
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                table.id,
                where=fields.SQL_OPERATORS['in'](
                    table.balance, list(map(int, balances)))
                & (table.unlinked == Literal(True))
                & (table.to_be_asked == Literal(True)),
                order_by=[table.id], limit=limit))
        return [id_ for id_, in cursor]

    @classmethod
    def store_sources(cls, sources):
        """Keep of which charges and amounts the transactions are.

        sources: Stripe's dictionaries of refunds and disputes by id, empty if
        Stripe does not know it.
        """
        transactions = cls.browse(list(sources))
        for transaction in transactions:
            source = sources[transaction.id]
            charge = source.get('charge')
            transaction.charge_id = charge if is_key(charge) else None
            transaction.to_be_asked = False
            code = (source.get('currency') or '').upper()
            if code and code != transaction.currency.code.upper():
                transaction._set_original(source['amount'], code)
        cls.save(transactions)

    def _set_original(self, amount, code):
        "Keep Stripe's integer in the currency, if it is known here"
        Currency = Pool().get('currency.currency')
        for currency in Currency.search([('code', 'ilike', code)], limit=1):
            try:
                amount = from_stripe(amount, code, currency.digits)
            except AmountError:
                return
            self.original_currency = currency
            self.original_amount = abs(amount).copy_sign(self.amount)
