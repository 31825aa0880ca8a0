# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The payment that is made on the page of an invoice follows the invoice."""
import datetime as dt
import logging
from urllib.parse import urlencode

from sql import Literal

from trytond.exceptions import UserError, UserWarning
from trytond.model import Index, fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval
from trytond.transaction import Transaction

from .attempt import attempt
from .gateway import StripeFailure
from .invoice_pay import OPEN

# It can be taken back to draft
IDLE = ['submitted', 'approved']
# The payer has paid, or may have
UNDER_WAY = ['processing', 'requires_capture', 'succeeded']
# Who has only looked at the page opens the address again
FORGOTTEN = dt.timedelta(days=1)

logger = logging.getLogger(__name__)


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
        return super().copy(payments, default=default)

    def _stripe_set_method(self):
        # The payer has not chosen to be charged
        if not self.stripe_of_invoice:
            super()._stripe_set_method()

    @property
    def stripe_is_idle(self):
        "If the payer has not paid, but only looked at the page"
        return bool(
            self.stripe_of_invoice
            and self.state in OPEN
            and self.stripe_intent_status not in UNDER_WAY
            # Money may be on its way
            and self.stripe_waiting_for in {None, 'payer'})

    @property
    def stripe_is_covered(self):
        Invoice = Pool().get('account.invoice')
        if super().stripe_is_covered:
            return True
        invoice = self.line and self.line.move.origin
        return (isinstance(invoice, Invoice)
            and invoice.currency == self.currency
            # What is paid but not reconciled is not known of the line
            and invoice.stripe_left < self.amount)

    @property
    def stripe_online_amount(self):
        "The Decimal of what is left to be paid with the payment"
        Invoice = Pool().get('account.invoice')
        invoice = self.line and self.line.move.origin
        if isinstance(invoice, Invoice):
            for _, payment, amount in invoice.stripe_lines_online:
                if payment == self:
                    return (
                        min(amount, self.amount) if self.stripe_part
                        else amount)
        return self.amount * 0

    @property
    def stripe_checkout_result(self):
        result = super().stripe_checkout_result
        if (result in {'open', 'waiting'} and self.stripe_of_invoice
                and self.line
                and (self.line.reconciliation or self.line.payment_blocked)):
            return 'closed'
        return result

    def stripe_checkout_page(self, other=False):
        if self.stripe_is_idle:
            amount = self.stripe_online_amount
            if not amount or (
                    self.amount != amount and self.state not in IDLE):
                return {'result': 'closed'}
            if self.amount != amount:
                # The intent follows
                self.amount = amount
                self.save()
        return super().stripe_checkout_page(other=other)

    def stripe_fit_amount(self, amount, part=None):
        """Let the payment, which is locked, be of the amount, 0: of nothing.

        part: if the payer has chosen it, None: as before.
        Return it, or None if it is withdrawn. What the payer has paid, or
        somebody else has made, stays as it is.
        Raises the same as draft or fail.
        """
        cls = self.__class__
        if not self.stripe_is_idle:
            return self
        if self.amount == amount:
            if part is not None:
                self.stripe_store(stripe_part=part)
            return self
        if self.state not in IDLE:
            cls.fail([self])
            return
        cls._stripe_release([self])
        if not amount:
            # No draft may be of a line that is reconciled
            cls.write([self], {'line': None})
        cls.draft([self])
        payment = cls(self.id)
        if not amount:
            cls.delete([payment])
            return
        payment.amount = amount
        if part is not None:
            payment.stripe_part = part
        payment.save()
        cls.submit([payment])
        return payment

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

    @classmethod
    def stripe_follow(cls, payments):
        """Let the payments be of what is left of their invoices.

        Commits payment by payment, raises nothing.
        """
        for id_ in map(int, payments):
            try:
                attempt(cls._stripe_follow_one, id_)
            except (UserError, UserWarning, StripeFailure) as e:
                # Who has been faster than the bank sees it on the payment
                logger.warning("%s,%s does not follow its invoice: %s",
                    cls.__name__, id_, e)

    @classmethod
    def _stripe_follow_one(cls, id_, forget=False):
        for payment in cls.stripe_lock([id_]):
            with Transaction().set_context(company=payment.company.id):
                payment.stripe_fit_amount(
                    payment.amount * 0 if forget
                    else payment.stripe_online_amount)

    @classmethod
    def stripe_charge(cls, payments=None):
        super().stripe_charge(payments)
        if payments is None:
            cls._stripe_follow_again()

    @classmethod
    def _stripe_follow_again(cls):
        """Withdraw the payments that could not be when their invoice was
        settled, and those whose payers have only looked at the page: they
        would keep the invoice from being paid otherwise."""
        domain = [
            ('stripe_of_invoice', '=', True),
            ('state', 'in', OPEN),
            ]
        cls.stripe_follow(cls.search([
                    domain,
                    ('line.reconciliation', '!=', None),
                    ]))
        for payment in cls.search([
                    domain,
                    ('create_date', '<', dt.datetime.now() - FORGOTTEN),
                    ('stripe_confirmed', '!=', True),
                    ]):
            try:
                attempt(cls._stripe_follow_one, payment.id, forget=True)
            except (UserError, UserWarning, StripeFailure) as e:
                logger.warning("%s cannot be withdrawn: %s", payment, e)
