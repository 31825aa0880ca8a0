# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the clearing of payments has to do with Stripe's balance."""
from collections import defaultdict
from contextlib import contextmanager

from sql import Null

from trytond.model import ModelView, Workflow, fields
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction

from .payment_state import is_told_by_stripe
from .reconcile import can_close, is_complete


class Payment(metaclass=PoolMeta):
    __name__ = 'account.payment'

    @classmethod
    @ModelView.button
    @Workflow.transition('processing')
    def proceed(cls, payments):
        with cls._stripe_undo(payments):
            super().proceed(payments)

    @classmethod
    @ModelView.button
    @Workflow.transition('failed')
    def fail(cls, payments):
        with cls._stripe_undo(payments):
            super().fail(payments)
        # What was charged and refunded is left without a clearing move
        cls._stripe_reconcile_clearing(payments)

    @classmethod
    @contextmanager
    def _stripe_undo(cls, payments):
        "Undo also what else follows from the clearing that is undone inside"
        Line = Pool().get('account.move.line')
        differences = [
            line for p in payments for line in p._stripe_exchange_lines()]
        if is_told_by_stripe():
            cls._stripe_undo_earlier(payments)
        yield
        to_reconcile = []
        for line in Line.browse(differences):
            # Those that are still reconciled are still needed
            if not line.reconciliation:
                cancel = line.move.cancel()
                to_reconcile.append([line, *(
                            x for x in cancel.lines
                            if x.account == line.account)])
        Line.reconcile(*to_reconcile)

    def _stripe_exchange_lines(self):
        "Return the lines of exchange differences of what is booked for it"
        if not self.stripe_clearing_lines:
            return []
        lines = set(self.clearing_lines)
        return {
            line for known in lines
            if known.reconciliation and known.second_currency
            for line in known.reconciliation.lines
            if line not in lines and not line.second_currency
            and line.move.journal.type == 'write-off'}

    @classmethod
    def _stripe_undo_earlier(cls, payments):
        """Undo what is cleared in draft on an earlier day, dated today.

        A refund or a dispute must not change the days before it, but a draft
        would be deleted.
        """
        pool = Pool()
        Date = pool.get('ir.date')
        Line = pool.get('account.move.line')
        Reconciliation = pool.get('account.move.reconciliation')
        undone, to_reconcile = [], []
        with Reconciliation.bulk_delete(auto=False) as unreconcile:
            for payment in payments:
                move = payment.clearing_move
                with Transaction().set_context(company=payment.company.id):
                    today = Date.today()
                if not move or move.state != 'draft' or move.date >= today:
                    continue
                by_account = defaultdict(list)
                for line in move.lines + move.cancel().lines:
                    if line.reconciliation:
                        unreconcile.push(line.reconciliation)
                    if line.account.reconcile:
                        by_account[line.account, line.party].append(line)
                to_reconcile.extend(by_account.values())
                undone.append(payment)
            cls.write(undone, {'clearing_move': None})
        Line.reconcile(*to_reconcile)

    @property
    def stripe_open_lines(self):
        lines = super().stripe_open_lines
        if self.clearing_move:
            lines.extend(
                x for x in self.clearing_move.lines if not x.reconciliation)
        return lines

    @property
    def clearing_lines(self):
        yield from super().clearing_lines
        yield from self.stripe_clearing_lines

    @property
    def stripe_clearing_lines(self):
        "The lines on the clearing account by which Stripe's balance is booked"
        pool = Pool()
        Balance = pool.get('account.payment.stripe.balance')
        Line = pool.get('account.move.line')
        StripeTransaction = pool.get('account.payment.stripe.transaction')
        account = self.stripe_own_account
        clearing_account = self.journal.clearing_account
        if (not account or not clearing_account
                or not Balance.books_of(account)):
            return []
        table = StripeTransaction.__table__()
        return Line.search([
                ('id', 'in', table.select(
                        table.line, where=table.payment == self.id)),
                ('account', '=', clearing_account.id),
                ], order=[('id', 'ASC')])

    @classmethod
    def reconcile_clearing(cls, payments):
        super().reconcile_clearing(payments)
        cls._stripe_reconcile_clearing(payments)

    @classmethod
    def stripe_match(cls, payments):
        """Reconcile what is booked for the payments as far as it is complete.

        Raises UserError if the exchange difference cannot be booked.
        """
        payments = cls.stripe_lock(payments)
        super().reconcile_clearing(payments)
        cls._stripe_reconcile_clearing(payments, strict=True)
        cls.update_reconciled(payments)

    @classmethod
    def _stripe_reconcile_clearing(cls, payments, strict=False):
        """Reconcile what is left of the payments: without a clearing move, or
        with a sum of zero in the currency of the payments.

        strict: if it raises when the accounting is not ready for a difference
        of currencies, else they are left to what matches the balance.
        """
        pool = Pool()
        Line = pool.get('account.move.line')
        StripeTransaction = pool.get('account.payment.stripe.transaction')
        to_reconcile = []
        for payment in payments:
            account = payment.journal.clearing_account
            if (not account or not account.reconcile
                    or not payment.stripe_clearing_lines):
                continue
            lines = [
                line for line in payment.clearing_lines
                if not line.reconciliation]
            if not is_complete(lines):
                continue
            elif not can_close(lines, strict):
                StripeTransaction.match_again('payment', [payment.id])
            else:
                to_reconcile.append(lines)
        Line.reconcile(*to_reconcile)


class Payout(metaclass=PoolMeta):
    __name__ = 'account.payment.stripe.payout'

    reconciled = fields.Function(
        fields.Boolean(
            "Reconciled",
            help="If nothing of the payout is open on the in transit "
            "account."),
        'get_reconciled', searcher='search_reconciled')

    @classmethod
    def get_reconciled(cls, payouts, name):
        open_ = cls.search([
                ('id', 'in', [p.id for p in payouts]),
                ('reconciled', '=', False),
                ])
        return {p.id: p not in open_ for p in payouts}

    @classmethod
    def search_reconciled(cls, name, clause):
        pool = Pool()
        Line = pool.get('account.move.line')
        StripeTransaction = pool.get('account.payment.stripe.transaction')
        _, operator, value = clause
        table = StripeTransaction.__table__()
        line = Line.__table__()
        is_open = table.join(
            line, condition=table.line == line.id).select(
            table.of_payout,
            where=(table.of_payout != Null) & (line.reconciliation == Null))
        if (operator == '=') == bool(value):
            return [('id', 'not in', is_open)]
        return [('id', 'in', is_open)]

    @property
    def transit_lines(self):
        "The lines by which the payout is in transit"
        account = self.balance.transit_account
        for transaction in self.movements:
            if transaction.line and transaction.line.account == account:
                yield transaction.line

    @classmethod
    def stripe_match(cls, payouts):
        """Reconcile what is in transit of the payouts if the sum is zero.

        Raises UserError if the exchange difference cannot be booked.
        """
        Line = Pool().get('account.move.line')
        payouts = cls.browse(payouts)
        cls.lock(payouts)
        to_reconcile = []
        for payout in payouts:
            account = payout.balance.transit_account
            if not account or not account.reconcile:
                continue
            lines = [
                line for line in payout.transit_lines
                if not line.reconciliation]
            if is_complete(lines) and can_close(lines, strict=True):
                to_reconcile.append(lines)
        Line.reconcile(*to_reconcile)


class Move(metaclass=PoolMeta):
    __name__ = 'account.move'

    @classmethod
    def _get_origin(cls):
        return super()._get_origin() + ['account.payment.stripe.balance']

    def _cancel_default(self, reversal=False):
        pool = Pool()
        Date = pool.get('ir.date')
        Period = pool.get('account.period')
        default = super()._cancel_default(reversal=reversal)
        if is_told_by_stripe():
            # A refund or a dispute must not change the days before it
            with Transaction().set_context(company=self.company.id):
                date = Date.today()
            period = Period.find(self.company, date=date)
            default.update(date=date, period=period.id)
        return default


class MoveLine(metaclass=PoolMeta):
    __name__ = 'account.move.line'

    @classmethod
    def _get_origin(cls):
        return super()._get_origin() + ['account.payment.stripe.transaction']
