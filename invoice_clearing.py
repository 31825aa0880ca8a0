# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Invoices that were paid in parts are paid."""
from trytond.pool import Pool, PoolMeta

from .attempt import attempt
from .reconcile import can_close, is_complete


class Invoice(metaclass=PoolMeta):
    __name__ = 'account.invoice'

    @classmethod
    def stripe_follow(cls, invoices):
        super().stripe_follow(invoices)
        # The last part may have come by bank
        attempt(lambda: cls.stripe_reconcile_parts(cls.browse(invoices)))

    @classmethod
    def stripe_reconcile_parts(cls, invoices):
        """Reconcile what is to pay of the invoices once it has been paid in
        parts, one of them through Stripe.

        Tryton does it for a line that is paid by one payment.
        """
        Line = Pool().get('account.move.line')
        for invoice in invoices:
            to_pay = [x for x in invoice.lines_to_pay if not x.reconciliation]
            if not to_pay or not any(
                    p.process_method == 'stripe' and p.clearing_move
                    for x in invoice.lines_to_pay for p in x.payments):
                continue
            parts = {x for line in to_pay for x in _parts_of(line)}
            parts.update(
                x for x in invoice.payment_lines if not x.reconciliation)
            lines = [*to_pay, *sorted(parts, key=lambda x: x.id)]
            if _can_reconcile(lines):
                Line.reconcile(lines)
                continue
            for line in to_pay:
                parts = _parts_of(line)
                if parts and _can_reconcile([line, *parts]):
                    Line.reconcile([line, *parts])


class Payment(metaclass=PoolMeta):
    __name__ = 'account.payment'

    @classmethod
    def succeed(cls, payments):
        Invoice = Pool().get('account.invoice')
        super().succeed(payments)
        Invoice.stripe_reconcile_parts(Invoice.browse({
                    p.line.move.origin.id for p in cls._stripe(payments)
                    if p.line and isinstance(p.line.move.origin, Invoice)}))


def _parts_of(line):
    "Return the lines by which payments have paid a part of the line"
    return [
        x for p in line.payments if p.clearing_move
        for x in p.clearing_move.lines
        if x.account == line.account and not x.reconciliation]


def _can_reconcile(lines):
    return (len({(x.account, x.party) for x in lines}) == 1
        and is_complete(lines)
        and can_close(lines, strict=False))
