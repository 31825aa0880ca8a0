# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import logging
import time

from trytond import backend
from trytond.exceptions import UserError
from trytond.i18n import gettext
from trytond.model.exceptions import SQLConstraintError
from trytond.pool import Pool
from trytond.transaction import Transaction, TransactionError

from .amount import from_stripe
from .attempt import attempt
from .convert import from_timestamp, to_timestamp
from .error import error_message, failure_message
from .gateway import (
    StripeDenied, StripeFailure, StripeRefused, StripeUnavailable)
from .listing import pages

# A transaction may be listed long after it was created
LATE = dt.timedelta(days=30)
# How far back they are read while the sums differ
FAR = dt.timedelta(days=365)
EVERY = dt.timedelta(days=1)
# A payout fails within 5 business days, its trace id is there after 10
# https://docs.stripe.com/api/payouts/object
CHANGES = dt.timedelta(days=30)
# How often the balance is read again while something moves
TRIES = 3
# What moved money is an event first
SOON = dt.timedelta(minutes=15)
# How many payments are brought to the state at Stripe each time
PULLED = 100
# How many answers are kept in one transaction
ASKED = 20

logger = logging.getLogger(__name__)


class FetchMixin:
    """Fetch what moved the balance, and the payouts, and compare the sums.

    All is found again by Stripe's ids, so it may stop anywhere.
    """
    __slots__ = ()

    @classmethod
    def stripe_fetch(cls, balances=None):
        """Bring the transactions and payouts of the balances to what Stripe
        lists.

        Commits page by page. What fails is shown on the balances and stops
        nothing else, but the rest of its account if the key is refused or
        Stripe is silent.
        Source: https://docs.stripe.com/api/balance_transactions/list
        """
        if balances is None:
            balances = cls.search([])
        by_account = {}
        for balance in cls.browse(list(map(int, balances))):
            by_account.setdefault(
                balance.stripe_account.id, []).append(balance.id)
        for account_id, ids in by_account.items():
            _Fetch(cls, account_id, ids).run()

    @classmethod
    def fetch_transactions(cls, balance_id):
        """Store the transactions that are new, and once a day the older ones
        that were not listed yet.

        Return how many there were. Commits page by page.
        Raises StripeFailure.
        """
        count = 0
        if cls(balance_id).last_transaction:
            try:
                count += cls._fetch_newer(balance_id)
            except StripeRefused as e:
                if not e.missing:
                    raise
                logger.warning(
                    "Stripe does not know the last transaction of balance %s",
                    balance_id)
                attempt(lambda: cls.write([cls(balance_id)], {
                            'last_transaction': None,
                            'walk_newest': None,
                            'walk_oldest': None,
                            }))
        balance = cls(balance_id)
        if not balance.last_transaction or not (
                balance.walked_at
                and dt.timedelta(0) <= (
                    balance.stripe_account.stripe_now - balance.walked_at)
                < EVERY):
            count += cls._fetch_older(balance_id)
        return count

    @classmethod
    def _fetch_newer(cls, balance_id):
        "Store what is listed before the last transaction, oldest first"
        balance = cls(balance_id)
        gateway, code = balance.stripe_account.gateway, balance.code
        return sum(
            cls.store_page(
                balance_id, rows, values={'last_transaction': rows[-1]['id']})
            for rows in pages(
                gateway.balance_transactions.list, currency=code,
                ending_before=balance.last_transaction))

    @classmethod
    def _fetch_older(cls, balance_id):
        """Store what was created since the start, or lately if that has been
        done, newest first.

        Goes on where it was stopped.
        """
        balance = cls(balance_id)
        account = balance.stripe_account
        since = balance.started_at
        if balance.last_transaction and balance.walked_at:
            since = max(
                since, balance.walked_at
                - (FAR if balance.differing else LATE))

        def walk(newest, oldest):
            count = 0
            params = {'starting_after': oldest} if oldest else {}
            for rows in pages(
                    account.gateway.balance_transactions.list,
                    currency=balance.code,
                    created={'gte': to_timestamp(since)}, **params):
                newest = newest or rows[0]['id']
                count += cls.store_page(balance_id, rows, values={
                        'walk_newest': newest,
                        'walk_oldest': rows[-1]['id'],
                        })
            values = {
                'walk_newest': None,
                'walk_oldest': None,
                'walked_at': account.stripe_now,
                }
            if not balance.last_transaction:
                values['last_transaction'] = newest
            cls.store_page(balance_id, [], values=values)
            return count
        try:
            return walk(balance.walk_newest, balance.walk_oldest)
        except StripeRefused as e:
            if not e.missing or not balance.walk_oldest:
                raise
            # Stripe does not know where it was stopped
            return walk(None, None)

    @classmethod
    def steps(cls, balance_id):
        """Yield what is done with the balance once all is fetched, each a
        function and its arguments.

        A step that raises stops none of the others.
        """
        return iter([])

    @classmethod
    def store_page(cls, balance_id, rows, payout_id=None, values=None):
        """Store those of Stripe's rows that are not known.

        payout_id: of what paid them out.
        values: of the balance, in the same transaction.
        Return how many were not known. Commits.
        """
        StripeTransaction = Pool().get('account.payment.stripe.transaction')

        def store():
            balance = cls(balance_id)
            count = StripeTransaction.store(balance, rows, payout_id)
            changed = {
                n: v for n, v in (values or {}).items()
                if getattr(balance, n) != v}
            if changed:
                cls.write([balance], changed)
            return count
        try:
            return attempt(store)
        except (SQLConstraintError, backend.DatabaseIntegrityError):
            # Another process was faster
            return attempt(store)


class _Fetch:
    "The steps for the balances of an account"

    def __init__(self, Balance, account_id, ids):
        pool = Pool()
        self.Balance = Balance
        self.Account = pool.get('account.payment.stripe.account')
        self.Payment = pool.get('account.payment')
        self.Payout = pool.get('account.payment.stripe.payout')
        self.Transaction = pool.get('account.payment.stripe.transaction')
        self.account_id = account_id
        self.ids = ids
        self.errors = {id_: [] for id_ in ids}
        self.stopped = False

    @property
    def account(self):
        return self.Account(self.account_id)

    def run(self):
        since = time.monotonic()
        walked = self._walked()
        read = [
            id_ for id_ in self.ids
            if self.step([id_], self.Balance.fetch_transactions, id_)]
        if self.step(self.ids, self.Payout.fetch, self.account_id, self.ids):
            for payout_id, id_ in self.Payout.to_explain(self.ids):
                self.step([id_], self.Payout.explain, payout_id)
        self.step(self.ids, attempt, self.Transaction.link, self.ids)
        self.step(self.ids, self.ask)
        for payment_id, id_ in self.to_pull():
            self.step(
                [id_], attempt, self.Payment.stripe_do_pull, [payment_id])
        for id_ in self.ids:
            self.step([id_], self.go_on, id_)
        self.step(read, self.check, read)
        if walked != self._walked():
            # Once a day
            self.step(self.ids, attempt, self.note_missing)
        self.step(self.ids, attempt, self.note, since)

    def step(self, ids, func, *args):
        """Return if the step for the balances could be done, and keep for
        them why it could not"""
        if self.stopped or not ids:
            return False
        try:
            func(*args)
        except (TransactionError, backend.DatabaseOperationalError):
            raise
        except StripeFailure as e:
            logger.warning("cannot fetch balances %s: %s (%s)",
                ids, e.code, e.request_id)
            if isinstance(e, StripeDenied):
                attempt(self.Account.note_denied, [self.account], e)
            error = gettext(
                'account_payment_stripe.msg_balance_step',
                operation=e.operation, error=failure_message(e))
            # It would be the same for all other requests
            self.stopped = isinstance(e, StripeUnavailable) or (
                isinstance(e, StripeDenied) and not e.forbidden)
        except UserError as e:
            # Said to who can change it
            Transaction().rollback()
            logger.warning("cannot fetch balances %s: %s", ids, e.message)
            error = error_message(e)
        except Exception as e:
            # One step that fails must not stop the others
            Transaction().rollback()
            logger.exception("cannot fetch balances %s", ids)
            error = error_message(e)
        else:
            return True
        for id_ in ids:
            if error not in self.errors[id_]:
                self.errors[id_].append(error)
        if self.stopped:
            attempt(self._note_errors)
        return False

    def _walked(self):
        return [b.walked_at for b in self.Balance.browse(self.ids)]

    def note_missing(self):
        """Keep on the payments if the balances know nothing of their money,
        if it can be in no other currency."""
        balances = self.Balance.search([
                ('stripe_account', '=', self.account_id),
                ])
        if balances and all(
                b.opening_amount is not None and not b.other_currencies
                for b in balances):
            self.Payment.stripe_note_missing(
                balances, self.account.stripe_now)

    def _note_errors(self):
        for balance in self.Balance.browse(self.ids):
            error = '\n'.join(self.errors[balance.id]) or None
            if balance.error_message != error:
                self.Balance.write([balance], {'error_message': error})

    def note(self, since):
        "Show on the balances what could not be done"
        self._note_errors()
        self.Account.note_accepted([self.account], since)

    def to_pull(self):
        """Return (id of payment, id of balance) of what has moved money since
        the payment was brought to the state at Stripe"""
        now = self.account.stripe_now
        return self.Transaction.missed(
            self.ids, now - LATE, now - SOON, PULLED)

    def go_on(self, id_):
        for func, *args in self.Balance.steps(id_):
            self.step([id_], func, *args)

    def ask(self):
        """Ask Stripe of which charges the refunds and disputes are that
        nobody knows here.

        Commits some at a time.
        """
        gateway = self.account.gateway
        while ids := self.Transaction.to_ask(self.ids, ASKED):
            sources = {}
            for id_ in ids:
                source = self.Transaction(id_).source
                service = (
                    gateway.disputes if source.startswith(('du_', 'dp_'))
                    else gateway.refunds)
                try:
                    sources[id_] = service.retrieve(source)
                except StripeRefused as e:
                    if not e.missing:
                        raise
                    sources[id_] = {}
            attempt(self.Transaction.store_sources, sources)
            attempt(self.Transaction.link, self.ids)

    def check(self, ids):
        "Compare with what Stripe says of the balance, read last"
        for count in range(TRIES):
            amounts = self._read_amounts()
            moved = sum(
                self.Balance.fetch_transactions(id_) for id_ in ids
                if not self._ties(id_, amounts))
            if not moved:
                break
        attempt(self._compare, ids, amounts, not moved)
        if moved:
            attempt(self.Transaction.link, self.ids)

    def _read_amounts(self):
        "Return Stripe's integers by code of the currency"
        answer = self.account.gateway.balance.retrieve()
        amounts = {}
        for name in ['available', 'pending']:
            for item in answer.get(name) or []:
                code = item['currency']
                amounts[code] = amounts.get(code, 0) + item['amount']
        return amounts

    @staticmethod
    def _amount(balance, amounts):
        return from_stripe(
            amounts.get(balance.code, 0), balance.currency.code)

    def _ties(self, id_, amounts):
        balance = self.Balance(id_)
        return balance.ties(self._amount(balance, amounts))

    def _compare(self, ids, amounts, quiet):
        with Transaction().set_context(active_test=False):
            known = {
                b.code for b in self.Balance.search([
                        ('stripe_account', '=', self.account_id)])}
        others = ', '.join(sorted(
                c.upper() for c, a in amounts.items()
                if a and c not in known)) or None
        at = self.account.gateway.answered_at
        for balance in self.Balance.browse(ids):
            if quiet or balance.opening_amount is not None:
                balance.compare(self._amount(balance, amounts), at)
            values = {'other_currencies': others}
            if at:
                values['fetched_at'] = from_timestamp(at.last)
            self.Balance.write([balance], values)
