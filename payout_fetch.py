# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt

from trytond.pool import Pool

from .amount import from_stripe
from .attempt import attempt
from .balance_fetch import CHANGES
from .convert import UNKNOWN, from_timestamp, one_line, to_timestamp
from .gateway import StripeRefused
from .listing import pages

# Which can still change
OPEN = ['pending', 'in_transit', UNKNOWN]


class FetchMixin:
    "Fetch the payouts from Stripe, and of what they consist"
    __slots__ = ()

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
        # Those that may still change and are too old to be listed
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
                            # Payouts usually do not fail that late
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
