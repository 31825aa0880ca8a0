# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Refund through Stripe what a credit note credits."""
from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.modules.account_payment.exceptions import PaymentValidationError
from trytond.modules.currency.fields import Monetary
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval
from trytond.transaction import Transaction
from trytond.wizard import (
    Button, StateAction, StateTransition, StateView, Wizard)

from .reconcile import can_close, is_complete
from .refund import OPEN
from .store import touch

# The states of refunds that count for a credit note
COUNTED = [*OPEN, 'succeeded']


class Refund(metaclass=PoolMeta):
    __name__ = 'account.payment.stripe.refund'

    @classmethod
    def _get_origin(cls):
        return super()._get_origin() + ['account.invoice']

    @classmethod
    def succeed(cls, refunds):
        super().succeed(refunds)
        # What Stripe says must not depend on it
        cls.__queue__.stripe_reconcile(
            [r for r in refunds if r.state == 'succeeded' and r.origin])

    @classmethod
    def stripe_reconcile(cls, refunds):
        """Reconcile the credit notes of the refunds with what is open again of
        the invoices whose payments are refunded."""
        Invoice = Pool().get('account.invoice')
        Invoice.stripe_reconcile_refunds(list({
                    r.origin for r in refunds
                    if isinstance(r.origin, Invoice)}))


class Invoice(metaclass=PoolMeta):
    __name__ = 'account.invoice'

    @property
    def stripe_refunds(self):
        "The refunds that count for the credit note"
        return Pool().get('account.payment.stripe.refund').search([
                ('origin', '=', str(self)),
                ('state', 'in', COUNTED),
                ], order=[('id', 'ASC')])

    @property
    def stripe_refundable_amount(self):
        """The Decimal of what is left of the credit note to be refunded, none
        if it is not one."""
        if self.type != 'out' or self.state != 'posted':
            return self.total_amount * 0
        open_ = [r for r in self.stripe_refunds if r.state != 'succeeded']
        done = [r for r in self.stripe_refunds if r.state == 'succeeded']
        left = -self.amount_to_pay - sum(r.amount for r in open_)
        # They may not be reconciled yet
        left = min(left, -self.total_amount - sum(
                r.amount for r in [*open_, *done]))
        return max(left, left * 0)

    @property
    def stripe_payments_credited(self):
        """The payments through Stripe of what is credited, or else of the
        party, newest first."""
        pool = Pool()
        InvoiceLine = pool.get('account.invoice.line')
        Payment = pool.get('account.payment')
        domain = [
            ('company', '=', self.company.id),
            ('journal.process_method', '=', 'stripe'),
            ('kind', '=', 'receivable'),
            ('currency', '=', self.currency.id),
            ('stripe_captured_amount', '>', 0),
            ]
        credited = {
            line.origin.invoice for line in self.lines
            if isinstance(line.origin, InvoiceLine) and line.origin.invoice}
        lines = [x.id for i in credited for x in i.lines_to_pay]
        payments = lines and Payment.search(
            domain + [('line', 'in', lines)],
            order=[('date', 'DESC'), ('id', 'DESC')])
        return payments or Payment.search(
            domain + [('party', '=', self.party.id)],
            order=[('date', 'DESC'), ('id', 'DESC')])

    @classmethod
    def stripe_reconcile_refunds(cls, invoices):
        """Reconcile the credit notes with the lines that their refunds opened
        again, as far as their sum is zero."""
        Line = Pool().get('account.move.line')
        for invoice in cls.browse(invoices):
            lines = {x for x in invoice.lines_to_pay if not x.reconciliation}
            if not lines:
                continue
            refunds = [
                r for r in invoice.stripe_refunds if r.state == 'succeeded']
            for payment in {
                    p for r in refunds for p in [
                        r.payment, *(
                            r.payment.line.payments if r.payment.line
                            else [])]}:
                lines.update(
                    x for x in payment.stripe_open_lines
                    if x.account == invoice.account)
            lines = sorted(lines, key=int)
            if (len({x.party for x in lines}) == 1
                    and is_complete(lines)
                    and can_close(lines, strict=False)):
                # What Stripe tells comes without a company
                with Transaction().set_context(company=invoice.company.id):
                    Line.reconcile(lines)


class RefundStart(ModelView):
    __name__ = 'account.invoice.stripe_refund.start'

    invoice = fields.Many2One(
        'account.invoice', "Credit Note", readonly=True)
    currency = fields.Many2One(
        'currency.currency', "Currency", readonly=True)
    amount = Monetary(
        "Left to Refund", currency='currency', digits='currency',
        readonly=True,
        help="What is open of the credit note and not yet refunded.")
    refunds = fields.Many2Many(
        'account.payment.stripe.refund', None, None, "Refunds Made before",
        domain=[
            ('id', 'in', Eval('proposed', [])),
            ],
        states={
            'invisible': ~Eval('proposed', []),
            },
        help="Those that are for the credit note.")
    proposed = fields.Many2Many(
        'account.payment.stripe.refund', None, None, "Proposed Refunds",
        states={
            'invisible': True,
            })
    payments = fields.One2Many(
        'account.invoice.stripe_refund.payment', None, "Payments",
        help="The amounts that are refunded now.")


class RefundPayment(ModelView):
    __name__ = 'account.invoice.stripe_refund.payment'

    payment = fields.Many2One(
        'account.payment', "Payment", readonly=True, required=True)
    currency = fields.Many2One(
        'currency.currency', "Currency", readonly=True)
    left = Monetary(
        "Left", currency='currency', digits='currency', readonly=True,
        help="What is left of the payment after its other refunds.")
    amount = Monetary(
        "Amount", currency='currency', digits='currency',
        domain=[
            ['OR',
                ('amount', '=', None),
                [('amount', '>=', 0), ('amount', '<=', Eval('left', 0))],
                ],
            ],
        help="What is refunded of the payment.")


class RefundWizard(Wizard):
    __name__ = 'account.invoice.stripe_refund'

    start = StateView(
        'account.invoice.stripe_refund.start',
        'account_payment_stripe.credit_note_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Refund", 'refund', 'tryton-ok', default=True),
            ])
    refund = StateTransition()
    open_ = StateAction('account_payment_stripe.act_refund_form')

    def default_start(self, fields):
        Refund = Pool().get('account.payment.stripe.refund')
        invoice = self.record
        amount = invoice.stripe_refundable_amount
        payments = invoice.stripe_payments_credited
        proposed = self._propose(payments)
        if not amount:
            raise PaymentValidationError(gettext(
                    'account_payment_stripe.msg_credit_note_nothing',
                    invoice=invoice.rec_name))
        left = Refund.stripe_left(payments)
        payments = [p for p in payments if left[p.id] > 0]
        if not payments and not proposed:
            raise PaymentValidationError(gettext(
                    'account_payment_stripe.msg_credit_note_no_payment',
                    invoice=invoice.rec_name))
        rows, rest = [], amount
        for payment in payments:
            part = min(rest, left[payment.id])
            rest -= part
            rows.append({
                    'payment': payment.id,
                    'payment.': {'rec_name': payment.rec_name},
                    'currency': invoice.currency.id,
                    'left': left[payment.id],
                    'amount': part or None,
                    })
        return {
            'invoice': invoice.id,
            'currency': invoice.currency.id,
            'amount': amount,
            'proposed': [r.id for r in proposed],
            'payments': rows,
            }

    @staticmethod
    def _propose(payments):
        "Return the refunds of the payments that are for no credit note yet"
        return Pool().get('account.payment.stripe.refund').search([
                ('payment', 'in', [p.id for p in payments]),
                ('origin', '=', None),
                ('state', 'in', COUNTED),
                ], order=[('id', 'DESC')])

    def transition_refund(self):
        Refund = Pool().get('account.payment.stripe.refund')
        invoice = self.record
        # The same credit note may be refunded by somebody else just now
        touch(invoice.__class__, [invoice])
        rows = [p for p in self.start.payments if p.amount]
        payments = invoice.stripe_payments_credited
        # The client may send others than it was told
        if not ({r.payment for r in rows} <= set(payments)
                and set(self.start.refunds) <= set(self._propose(payments))):
            raise PaymentValidationError(gettext(
                    'account_payment_stripe.msg_credit_note_no_payment',
                    invoice=invoice.rec_name))
        total = sum(x.amount for x in [*rows, *self.start.refunds])
        if total > invoice.stripe_refundable_amount:
            raise PaymentValidationError(gettext(
                    'account_payment_stripe.msg_credit_note_amount',
                    invoice=invoice.rec_name))
        made = list(self.start.refunds)
        Refund.write(made, {'origin': str(invoice)})
        refunds = Refund.create([{
                    'payment': p.payment.id,
                    'amount': p.amount,
                    'reason': 'requested_by_customer',
                    'origin': str(invoice),
                    } for p in rows])
        Refund.submit(refunds)
        Refund.__queue__.stripe_reconcile(
            [r for r in made if r.state == 'succeeded'])
        self.refunds = [*made, *refunds]
        return 'open_' if self.refunds else 'end'

    def do_open_(self, action):
        action['domains'] = []
        return action, {
            'res_id': [r.id for r in self.refunds],
            }
