# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
from collections import defaultdict
from decimal import Decimal

from sql.aggregate import Sum

from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.modules.currency.fields import Monetary
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.transaction import Transaction

from .amount import from_stripe
from .attempt import attempt
from .balance import rounded
from .balance_fetch import CHANGES
from .convert import UNKNOWN, from_timestamp, one_line, to_timestamp
from .gateway import StripeRefused
from .listing import pages

# Which can still change
OPEN = ['pending', 'in_transit', UNKNOWN]
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


class Payout(ModelSQL, ModelView):
    __name__ = 'account.payment.stripe.payout'

    balance = fields.Many2One(
        'account.payment.stripe.balance', "Stripe Balance", required=True,
        readonly=True, ondelete='RESTRICT')
    identifier = fields.Char(
        "Identifier", required=True, readonly=True, strip=False)
    currency = fields.Function(
        fields.Many2One('currency.currency', "Currency"),
        'on_change_with_currency')
    company = fields.Function(
        fields.Many2One('company.company', "Company"),
        'on_change_with_company', searcher='search_balance_field')
    digits = fields.Function(
        fields.Integer("Digits"), 'on_change_with_digits')
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

    @classmethod
    def fetch(cls, account_id, balances):
        """Bring the payouts of the balances to what Stripe lists.

        Commits page by page. Raises StripeFailure.
        Source: https://docs.stripe.com/api/payouts/list
        """
        pool = Pool()
        Account = pool.get('account.payment.stripe.account')
        Balance = pool.get('account.payment.stripe.balance')
        account = Account(account_id)
        gateway = account.gateway
        since = min(
            max(b.started_at, b.payouts_at - CHANGES) if b.payouts_at
            else b.started_at for b in Balance.browse(balances))
        now = None
        for page in pages(
                gateway.payouts.list, created={'gte': to_timestamp(since)}):
            now = now or account.stripe_now
            attempt(cls.store, balances, page)
        now = now or account.stripe_now
        # They are not listed anymore
        for identifier in cls._to_read(balances, since):
            try:
                payout = gateway.payouts.retrieve(identifier)
            except StripeRefused as e:
                if not e.missing:
                    raise
                continue
            attempt(cls.store, balances, [payout])

        def note():
            Balance.write(Balance.browse(balances), {'payouts_at': now})
        attempt(note)

    @classmethod
    def _to_read(cls, balances, since):
        "Return the ids at Stripe of older payouts that may have changed"
        return [
            p.identifier for p in cls.search([
                    ('balance', 'in', balances),
                    ['OR', [
                            ('created', '<', since),
                            ['OR',
                                ('state', 'in', OPEN),
                                ('reconciliation_status', '=', 'in_progress'),
                                ],
                            ], [
                            # It failed later than they do
                            ('state', 'not in', ['failed', 'canceled']),
                            ('created', '<', since),
                            ('movements.category', '=', 'payout_reversal'),
                            ],
                        ],
                    ], order=[('created', 'ASC')])]

    @classmethod
    def store(cls, balances, payouts):
        "Store Stripe's dictionaries of payouts of the balances"
        Balance = Pool().get('account.payment.stripe.balance')
        by_code = {b.code: b for b in Balance.browse(balances)}
        known = {
            (p.balance.id, p.identifier): p for p in cls.search([
                    ('balance', 'in', balances),
                    ('identifier', 'in', [p['id'] for p in payouts]),
                    ])}
        records = []
        for payout in reversed(payouts):
            if not (balance := by_code.get(payout['currency'])):
                # Shown as another currency
                continue
            record = known.get((balance.id, payout['id'])) or cls(
                balance=balance.id, identifier=payout['id'])
            changed = False
            for name, value in cls._stripe_values(balance, payout).items():
                if not record.id or getattr(record, name) != value:
                    setattr(record, name, value)
                    changed = True
            if changed:
                records.append(record)
        cls.save(records)
        cls._relate(balances, [
                p for p in payouts
                if p.get('original_payout') or p.get('reversed_by')])

    @classmethod
    def _stripe_values(cls, balance, payout):
        def known(name, value):
            selection = dict(cls._fields[name].selection)
            return value if value in selection else UNKNOWN

        def text(value):
            return one_line(value) if value else None
        trace_id = payout.get('trace_id') or {}
        return {
            'amount': from_stripe(payout['amount'], balance.currency.code),
            'created': from_timestamp(payout['created']),
            'arrival_date': from_timestamp(payout['arrival_date']).date(),
            'automatic': bool(payout['automatic']),
            'method': text(payout.get('method')),
            'state': known('state', payout['status']),
            'reconciliation_status': known(
                'reconciliation_status', payout.get('reconciliation_status')),
            'failure_code': text(payout.get('failure_code')),
            'failure_message': text(payout.get('failure_message')),
            'trace_id': text(trace_id.get('value')),
            'statement_descriptor': text(payout.get('statement_descriptor')),
            'balance_transaction': payout.get('balance_transaction'),
            }

    @classmethod
    def _relate(cls, balances, payouts):
        "Link the payouts that take back another"
        if not payouts:
            return
        ids = {
            i for p in payouts for i in [
                p['id'], p.get('original_payout'), p.get('reversed_by')] if i}
        known = {
            p.identifier: p for p in cls.search([
                    ('balance', 'in', balances),
                    ('identifier', 'in', list(ids)),
                    ])}
        for payout in payouts:
            if record := known.get(payout['id']):
                for name in ['original_payout', 'reversed_by']:
                    setattr(record, name, known.get(payout.get(name)))
                record.save()

    @classmethod
    def to_explain(cls, balances):
        """Return (id, id of the balance) of those of which Stripe can tell the
        content now, also again if it was lately another sum.
        """
        lately = dt.datetime.now() - CHANGES
        return [(p.id, p.balance.id) for p in cls.search([
                    ('balance', 'in', balances),
                    ('automatic', '=', True),
                    ('reconciliation_status', '=', 'completed'),
                    ['OR',
                        ('explained', '!=', True),
                        [
                            ('difference', '!=', 0),
                            ('created', '>=', lately),
                            ],
                        ],
                    ], order=[('created', 'ASC'), ('id', 'ASC')])]

    @classmethod
    def explain(cls, payout_id):
        """Read of what the payout consists.

        Commits page by page. Raises StripeFailure.
        Source: https://docs.stripe.com/payouts/reconciliation
        """
        Balance = Pool().get('account.payment.stripe.balance')
        payout = cls(payout_id)
        balance_id = payout.balance.id
        gateway = payout.balance.stripe_account.gateway
        for page in pages(
                gateway.balance_transactions.list, payout=payout.identifier):
            Balance.store_page(balance_id, page, payout_id)
        attempt(cls._note_explained, payout_id)

    @classmethod
    def _note_explained(cls, payout_id):
        payout = cls(payout_id)
        sums = cls._sums([payout])[payout_id]
        difference = payout.amount - sums['net']
        cls.write([payout], {
                'explained': True,
                # Its own transaction takes as much from the balance
                'difference': difference or payout.amount + sums['own'],
                })
