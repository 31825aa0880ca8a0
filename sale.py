# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""An authorized payment confirms the sale, and pays its invoices."""
from collections import defaultdict
from decimal import Decimal

from trytond.pool import Pool, PoolMeta

from .payment_waiting import OPEN


class Payment(metaclass=PoolMeta):
    __name__ = 'account.payment'

    @property
    def is_authorized(self):
        return super().is_authorized or bool(
            self.process_method == 'stripe'
            and self.state == 'processing'
            and self.stripe_capturable)

    @property
    def stripe_is_settled(self):
        Sale = Pool().get('sale.sale')
        sale = self.origin
        return super().stripe_is_settled or bool(
            not self.line
            and isinstance(sale, Sale)
            and sale.invoice_state == 'paid'
            and (sale.state == 'done'
                # Of what is not shipped yet there may be no invoice yet
                or all(
                    x.invoice_progress >= 1 for x in sale.line_lines
                    if x.invoice_progress is not None)))

    def stripe_apply(self, state, fresh=False):
        authorized = self.is_authorized
        result = super().stripe_apply(state, fresh=fresh)
        if not authorized and self.is_authorized:
            # What Stripe says is stored without on_write
            self.__class__.trigger_authorized([self])
        return result


class Invoice(metaclass=PoolMeta):
    __name__ = 'account.invoice'

    @property
    def _stripe_sale_payments(self):
        """The payments of its sales that are of no line, as Tryton does not
        spread one over several lines, newest first."""
        payments = {
            p for sale in self.sales for p in sale.payments
            if p.kind == 'receivable'
            and p.state in {*OPEN, 'succeeded'}
            and not p.line
            and p.currency == self.currency}
        return sorted(payments, key=lambda p: p.id, reverse=True)

    @property
    def stripe_paid_ahead(self):
        # It is of the earlier invoices of a sale first
        earlier = sorted(
            {i for s in self.sales for i in s.invoices if i.id < self.id},
            key=lambda i: i.id)
        ahead = defaultdict(Decimal)
        for payment in {
                p for i in [*earlier, self] for p in i._stripe_sale_payments}:
            if not self._stripe_is_booked(payment):
                ahead[payment.origin] += payment.amount
        for invoice in earlier:
            if not any(ahead.values()):
                break
            room = invoice._stripe_room
            # What other sales have paid is for nothing else
            for sale in sorted(
                    invoice.sales, key=lambda s: (s in self.sales, s.id)):
                taken = min(ahead[sale], room)
                ahead[sale] -= taken
                room -= taken
        return super().stripe_paid_ahead + sum(
            ahead[sale] for sale in self.sales)

    @property
    def _stripe_room(self):
        "The Decimal of what payments of its sales can be for"
        if (self.type, self.state) != ('out', 'posted'):
            return Decimal(0)
        return max(self.amount_to_pay + sum(
                p.amount_line_paid for x in self.lines_to_pay
                if not x.reconciliation
                for p in x.payments if p.stripe_is_idle), Decimal(0))

    def _stripe_is_booked(self, payment):
        "If it was settled in the books with what it is for"
        move = getattr(payment, 'clearing_move', None)
        return bool(move) and not any(
            x.account == self.account
            and not x.reconciliation
            and not x.invoice_payment
            for x in move.lines)

    @property
    def stripe_under_way(self):
        return super().stripe_under_way or next((
                p for p in self._stripe_sale_payments
                if p.state in OPEN and not p.stripe_is_idle), None)

    @property
    def stripe_last_payment(self):
        return super().stripe_last_payment or next((
                p for p in self._stripe_sale_payments
                if p.process_method == 'stripe'
                # Nothing is asked for at the page of what is paid
                and (self.state == 'posted' or p.state == 'succeeded')), None)
