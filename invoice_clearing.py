# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Invoices that were paid in parts are paid."""
from trytond.pool import Pool, PoolMeta

from .reconcile import can_close, is_complete


class Payment(metaclass=PoolMeta):
    __name__ = 'account.payment'

    @classmethod
    def succeed(cls, payments):
        super().succeed(payments)
        cls._stripe_reconcile_parts(cls._stripe(payments))

    @classmethod
    def _stripe_reconcile_parts(cls, payments):
        """Reconcile what is to pay of the invoices once it has been paid in
        parts, also if some of them did not come through Stripe.

        Tryton does it for a line that is paid by one payment.
        """
        pool = Pool()
        Invoice = pool.get('account.invoice')
        Line = pool.get('account.move.line')
        invoices = dict.fromkeys(
            p.line.move.origin for p in payments
            if p.line and isinstance(p.line.move.origin, Invoice))
        for invoice in Invoice.browse(list(invoices)):
            to_pay = [x for x in invoice.lines_to_pay if not x.reconciliation]
            if not to_pay:
                continue
            parts = {
                line for x in to_pay for p in x.payments if p.clearing_move
                for line in p.clearing_move.lines
                if line.account == x.account and not line.reconciliation}
            parts.update(
                x for x in invoice.payment_lines if not x.reconciliation)
            lines = [*to_pay, *sorted(parts, key=lambda x: x.id)]
            if _can_reconcile(lines):
                Line.reconcile(lines)
            else:
                Line.reconcile(*cls._stripe_paid_lines(to_pay))

    @staticmethod
    def _stripe_paid_lines(lines):
        "Yield the lists of a line and the parts by which all of it is paid"
        for line in lines:
            parts = [
                x for p in line.payments if p.clearing_move
                for x in p.clearing_move.lines
                if x.account == line.account and not x.reconciliation]
            if parts and _can_reconcile([line, *parts]):
                yield [line, *parts]


def _can_reconcile(lines):
    return (len({(x.account, x.party) for x in lines}) == 1
        and is_complete(lines)
        and can_close(lines, strict=False))
