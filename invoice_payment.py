# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The payment that is made on the page of an invoice follows the invoice."""
import datetime as dt
from urllib.parse import urlencode

from sql import Literal

from trytond.model import Index, fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval

from .payment_waiting import OPEN

# It can be taken back to draft
IDLE = ['submitted', 'approved']
# The payer has paid, or may have
UNDER_WAY = ['processing', 'requires_capture', 'succeeded']
# How exactly is kept when the page was opened
OPENED = dt.timedelta(hours=1)


class Payment(metaclass=PoolMeta):
    __name__ = 'account.payment'

    stripe_of_invoice = fields.Boolean(
        "Made on the Page of the Invoice", readonly=True)
    stripe_part = fields.Boolean(
        "Part Chosen by the Payer", readonly=True,
        states={
            'invisible': ~Eval('stripe_part', False),
            },
        help="Its amount was chosen, and does not grow to all that is left.")
    stripe_opened_at = fields.Timestamp(
        "Page Opened at", readonly=True,
        states={
            'invisible': True,
            })

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(
            Index(
                t, (t.id, Index.Range()),
                where=t.stripe_of_invoice == Literal(True)))

    @classmethod
    def default_stripe_of_invoice(cls):
        return False

    @classmethod
    def default_stripe_part(cls):
        return False

    @classmethod
    def copy(cls, payments, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('stripe_of_invoice', False)
        default.setdefault('stripe_part', False)
        default.setdefault('stripe_opened_at')
        return super().copy(payments, default=default)

    @property
    def stripe_is_idle(self):
        """If the payer has not paid, and nothing is being charged: it can
        still be changed."""
        if self.state == 'draft':
            # Somebody has prepared it
            return self.stripe_checkout_needed
        return bool(
            self.state in OPEN
            and self.stripe_intent_status not in UNDER_WAY
            # Else money may be on its way
            and (self.stripe_waiting_for == 'again'
                or self.stripe_waiting_for in {None, 'payer'}
                and (self.stripe_of_invoice or self.stripe_checkout_needed)))

    @property
    def stripe_grows(self):
        "If it shall be of all that is left of the line"
        return self.stripe_of_invoice and not self.stripe_part

    @property
    def stripe_tells_payer(self):
        "If its page tells what is waited for"
        return bool(
            self.stripe_checkout_id
            and self.stripe_checkout_result in {
                'waiting', 'processing', 'authorized'})

    @property
    def stripe_is_covered(self):
        if super().stripe_is_covered:
            return True
        share = self.stripe_share
        return share is not None and share < self.amount

    @property
    def stripe_share(self):
        """The Decimal that it may take of what is left of its invoice, None if
        it has no invoice in its currency."""
        Invoice = Pool().get('account.invoice')
        invoice = self.line and self.line.move.origin
        if (not isinstance(invoice, Invoice)
                or invoice.type != 'out'
                or invoice.currency != self.currency):
            return
        for _, payments, room in invoice.stripe_rooms(self):
            for payment in payments:
                share = room if payment.stripe_grows else min(
                    payment.amount, room)
                if payment == self:
                    return share
                room -= share
        return self.amount * 0

    @property
    def stripe_online_amount(self):
        "The Decimal of what is left to be paid with the payment, as share"
        Invoice = Pool().get('account.invoice')
        invoice = self.line and self.line.move.origin
        if isinstance(invoice, Invoice) and invoice.stripe_is_payable:
            return self.stripe_share or self.amount * 0
        return self.amount * 0

    def stripe_checkout_page(self, other=False):
        if self.stripe_of_invoice:
            self._stripe_note_opened()
        share = self.stripe_share
        if share is not None and share != self.amount:
            if self.stripe_waiting_for == 'transfer':
                # It cannot be changed anymore
                other = False
            elif self.stripe_is_idle:
                if not share:
                    return {'result': 'closed'}
                elif share < self.amount or self.stripe_grows:
                    # The intent follows
                    self.amount = share
                    self.save()
        return super().stripe_checkout_page(other=other)

    def _stripe_note_opened(self):
        now = dt.datetime.now()
        opened_at = self.stripe_opened_at
        if not opened_at or not dt.timedelta() <= now - opened_at < OPENED:
            self.stripe_store(stripe_opened_at=now)

    def stripe_fit_amount(self, amount, part=None):
        """Let the payment, which is locked, be of the amount, 0: of nothing.

        part: if the payer has chosen it, None: as before.
        Return it, or None if it is withdrawn. What the payer has paid stays as
        it is, and what somebody else has made is only lowered.
        Raises the same as draft or fail.
        """
        cls = self.__class__
        if not self.stripe_is_idle:
            return self
        if not self.stripe_of_invoice:
            return self._stripe_lower(amount)
        if self.amount == amount and self.state != 'draft':
            if part is not None:
                self.stripe_store(stripe_part=part)
            return self
        if self.state not in ['draft', *IDLE]:
            if not amount:
                cls.fail([self])
                return
            self.amount = amount
            if part is not None:
                self.stripe_part = part
            self.save()
            # Nor can what was left before be paid anymore
            self.stripe_ensure_intent()
            return self
        cls._stripe_release([self])
        if not amount:
            self._stripe_delete()
            return
        if self.state != 'draft':
            cls.draft([self])
        payment = cls(self.id)
        payment.amount = amount
        if part is not None:
            payment.stripe_part = part
        payment.save()
        cls.submit([payment])
        return payment

    def _stripe_lower(self, amount):
        """Return the payment, which somebody has made, with at most the
        amount."""
        cls = self.__class__
        if amount and amount < self.amount:
            # The intent follows once the page is opened
            self.amount = amount
            self.save()
        if self.state == 'draft':
            cls.submit([self])
        return cls(self.id)

    def _stripe_delete(self):
        cls = self.__class__
        self._stripe_leave_address()
        # No draft may be of a line that is reconciled
        cls.write([self], {'line': None})
        if self.state != 'draft':
            cls.draft([self])
        cls.delete([cls(self.id)])

    @classmethod
    def check_modification(cls, mode, payments, values=None, external=False):
        super().check_modification(
            mode, payments, values=values, external=external)
        if mode == 'delete':
            for payment in payments:
                payment._stripe_leave_address()

    def _stripe_leave_address(self):
        "Let who has the address not read that there never was anything"
        pool = Pool()
        FormerAddress = pool.get('account.payment.stripe.former_address')
        Invoice = pool.get('account.invoice')
        invoice = self.line and self.line.move.origin
        if self.stripe_of_invoice and isinstance(invoice, Invoice):
            FormerAddress.move(self, invoice)

    def stripe_email_addresses(self):
        Invoice = Pool().get('account.invoice')
        if self.line and isinstance(self.line.move.origin, Invoice):
            mechanism = self.party.contact_mechanism_get(
                'email', usage='invoice')
            if mechanism:
                return [mechanism.email]
        return super().stripe_email_addresses()

    @property
    def stripe_invoice_url(self):
        """The URL of the page of its invoice, None if it was not made there
        or nothing can be paid there anymore."""
        Invoice = Pool().get('account.invoice')
        invoice = self.line and self.line.move.origin
        if (self.stripe_of_invoice
                and isinstance(invoice, Invoice)
                and invoice.stripe_lines_online):
            return invoice.stripe_checkout_url or None

    @property
    def stripe_other_url(self):
        "The URL where the payer chooses another amount, or None"
        url = self.stripe_invoice_url
        if not url:
            return
        invoice = self.line.move.origin
        for line, payment, amount in invoice.stripe_lines_online:
            if payment == self and invoice.stripe_takes_part(
                    line, payment, amount):
                return '%s?%s' % (
                    url, urlencode({'line': line.id, 'other': 1}))
