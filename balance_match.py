# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from trytond.exceptions import UserError
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction

from .attempt import attempt

# How many transactions are explained, and records matched, in one transaction
# of the database
EXPLAINED = 1000
MATCHED = 100


class MatchMixin:
    "Match what is booked of the balance, and post it"
    __slots__ = ()

    @classmethod
    def match_steps(cls, balance_id):
        "Yield each step, a function and its arguments"
        StripeTransaction = Pool().get('account.payment.stripe.transaction')
        yield attempt, cls.explain, balance_id
        for name in ['payment', 'of_payout']:
            ids = StripeTransaction.to_match_of(balance_id, name)
            for group in grouped_slice(ids, MATCHED):
                yield cls.match, balance_id, name, list(group)
        for move_id in cls._to_post(balance_id):
            yield attempt, cls._post, move_id

    @classmethod
    def explain(cls, balance_id):
        """Book on the clearing account what was on the suspense account
        before its payment was known."""
        pool = Pool()
        Date = pool.get('ir.date')
        Line = pool.get('account.move.line')
        StripeTransaction = pool.get('account.payment.stripe.transaction')
        balance = cls(balance_id)
        with Transaction().set_context(company=balance.company.id):
            date = Date.today()
            for transaction in StripeTransaction.search([
                        ('balance', '=', balance.id),
                        ('payment.journal.clearing_account', '!=', None),
                        ('line.account', '=', balance.suspense_account.id),
                        ('line.reconciliation', '=', None),
                        ], limit=EXPLAINED):
                old = transaction.line
                if old.move.state == 'draft':
                    move = old.move
                else:
                    move = balance.get_move(date)
                line = transaction.get_line(move)
                if line.account == old.account:
                    continue
                if move == old.move:
                    Line.delete([old])
                    line.save()
                else:
                    back = balance.get_line(
                        move, old.account, old.credit - old.debit,
                        old.second_currency,
                        -(old.amount_second_currency or 0))
                    back.origin = transaction
                    Line.save([line, back])
                    if old.account.reconcile:
                        Line.reconcile([old, back])
                transaction.line = line
                transaction.to_match = True
                transaction.save()

    @classmethod
    def match(cls, balance_id, name, ids):
        """Reconcile the lines of the records to which the field of the
        transactions refers.

        Commits. Raises UserError of the last that could not.
        """
        together(cls._match, ids, balance_id, name)

    @classmethod
    def _match(cls, ids, balance_id, name):
        StripeTransaction = Pool().get('account.payment.stripe.transaction')
        Model = StripeTransaction._fields[name].get_target()
        with Transaction().set_context(company=cls(balance_id).company.id):
            Model.stripe_match(ids)
        StripeTransaction.note_matched(name, ids)

    @classmethod
    def _to_post(cls, balance_id):
        "Return the ids of the draft moves that are old enough"
        pool = Pool()
        Date = pool.get('ir.date')
        Move = pool.get('account.move')
        balance = cls(balance_id)
        if balance.posting_delay is None:
            return []
        with Transaction().set_context(company=balance.company.id):
            today = Date.today()
        return [m.id for m in Move.search([
                    ('origin', '=', str(balance)),
                    ('company', '=', balance.company.id),
                    ('state', '=', 'draft'),
                    # More may come in the course of the day
                    ('date', '<', today),
                    ('date', '<=', today - balance.posting_delay),
                    ], order=[('date', 'ASC'), ('id', 'ASC')])]

    @classmethod
    def _post(cls, move_id):
        Move = Pool().get('account.move')
        move = Move(move_id)
        with Transaction().set_context(company=move.company.id):
            Move.post([move])


def together(func, ids, *args):
    """Call func with the ids and commit, or with each alone if they cannot be
    together: one that is wrong must not stop the others.

    Raises UserError of the last that could not.
    """
    try:
        attempt(func, ids, *args)
    except UserError:
        if len(ids) == 1:
            raise
        error = None
        for id_ in ids:
            try:
                attempt(func, [id_], *args)
            except UserError as e:
                error = e
        if error:
            raise error from None
