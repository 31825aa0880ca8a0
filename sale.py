# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""An authorized payment confirms the sale, and pays its invoices."""
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
        return super().stripe_is_settled or bool(
            not self.line
            and isinstance(self.origin, Sale)
            and self.origin.invoice_state == 'paid')

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
        # Of a sale with several invoices each counts it: who is asked for too
        # little can still be asked for the rest
        return super().stripe_paid_ahead + sum(
            p.amount for p in self._stripe_sale_payments
            if not self._stripe_is_booked(p))

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
                if p.process_method == 'stripe'), None)
