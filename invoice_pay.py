# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Pay an invoice online, at an address that stands on it."""
import datetime as dt
import logging

from sql import Literal
from sql.conditionals import Coalesce

from trytond.exceptions import UserError, UserWarning
from trytond.i18n import gettext
from trytond.model import Index, fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, If
from trytond.transaction import Transaction

from .address import AddressMixin
from .attempt import attempt
from .gateway import StripeFailure
from .lease import LockMixin

JOURNAL = 'account.payment.journal'
# The payment can still be made by the payer
OPEN = ['submitted', 'approved', 'processing']
# It can be taken back to draft
IDLE = ['submitted', 'approved']
# The payer has paid, or may have
UNDER_WAY = ['processing', 'requires_capture', 'succeeded']
# Who has only looked at the page opens the address again
FORGOTTEN = dt.timedelta(days=1)

logger = logging.getLogger(__name__)


def is_stripe(instrument):
    "Return if the instrument, which may be gone, is a journal of Stripe"
    return bool(
        instrument
        and instrument.__name__ == JOURNAL
        and instrument.process_method == 'stripe')


class PaymentMeanRule(metaclass=PoolMeta):
    __name__ = 'account.invoice.payment.mean.rule'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.instrument.domain[JOURNAL] = [
            ('process_method', '=', 'stripe'),
            ('company', '=', Eval('company', -1)),
            If(Eval('currency'),
                ('currency', '=', Eval('currency', -1)),
                ()),
            ]

    @classmethod
    def _get_instruments(cls):
        yield from super()._get_instruments()
        yield JOURNAL

    def match(self, pattern, match_none=False):
        if (is_stripe(self.instrument)
                and self.instrument.currency.id != pattern.get('currency')):
            return False
        return super().match(pattern, match_none=match_none)


class PaymentMean(metaclass=PoolMeta):
    __name__ = 'account.invoice.payment.mean'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.instrument.domain[JOURNAL] = [
            ('process_method', '=', 'stripe'),
            ('company', '=', Eval('company', -1)),
            ]

    def is_valid_with_payment(self, payment):
        if is_stripe(self.instrument):
            return self.instrument == payment.journal
        return super().is_valid_with_payment(payment)

    def get_rec_name(self, name):
        if not is_stripe(self.instrument):
            return super().get_rec_name(name)
        # It is what stands on the printed invoice
        address = self.invoice.stripe_checkout_address
        return address and gettext(
            'account_payment_stripe.msg_invoice_pay_online', address=address)


class Invoice(AddressMixin, LockMixin, metaclass=PoolMeta):
    __name__ = 'account.invoice'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(
            Index(t, (Coalesce(t.stripe_checkout_id, ''), Index.Range())))

    @classmethod
    def set_payment_means(cls, invoices):
        super().set_payment_means(invoices)
        for invoice in cls.browse(invoices):
            if invoice.stripe_journal:
                invoice.stripe_keep_address()

    @classmethod
    def on_modification(cls, mode, invoices, field_names=None):
        super().on_modification(mode, invoices, field_names=field_names)
        if mode == 'write' and field_names & {'state', 'payment_lines'}:
            _follow(('line.move.origin', 'in', [
                        str(i) for i in cls.browse(invoices)
                        if i.state in {'paid', 'cancelled'}
                        or 'payment_lines' in field_names]))

    @property
    def stripe_journal(self):
        "The payment journal of Stripe in which it is paid online, or None"
        for mean in self.payment_means:
            if (is_stripe(mean.instrument)
                    and mean.instrument.currency == self.currency):
                return mean.instrument

    @property
    def stripe_own_account(self):
        return self.stripe_journal and self.stripe_journal.stripe_account

    @property
    def stripe_is_payable(self):
        return bool(
            self.type == 'out'
            and self.state == 'posted'
            and self.stripe_journal
            and self._stripe_left > 0)

    @property
    def _stripe_left(self):
        "The Decimal of what is not paid yet, also if a payment is under way"
        with Transaction().set_context(with_payment=False):
            return self.__class__(self.id).amount_to_pay

    @property
    def stripe_language(self):
        return self.party.get_multivalue('lang', company=self.company.id)

    @property
    def stripe_payee(self):
        return self.company.rec_name

    @property
    def stripe_payee_company(self):
        return self.company

    @property
    def stripe_lines_online(self):
        """The list of tuples of a line that is left to pay, its payment that
        is under way or None, and the Decimal of what can be paid of it.

        It is empty if nothing can be paid online.
        """
        if not self.stripe_is_payable:
            return []
        lines = [x for x in self.lines_to_pay if not x.reconciliation]
        payments = {}
        for payment in Pool().get('account.payment').search([
                    ('line', 'in', [x.id for x in lines]),
                    ('journal.process_method', '=', 'stripe'),
                    ('journal.currency', '=', self.currency.id),
                    ('state', 'in', OPEN),
                    ], order=[('id', 'ASC')]):
            payments[payment.line] = payment
        # What is paid but not reconciled is not known of the lines
        left = self.amount_to_pay + sum(
            p.amount_line_paid for p in payments.values())
        result = []
        for line in lines:
            payment = payments.get(line)
            amount = line.payment_amount + (payment.amount if payment else 0)
            amount = min(amount, left)
            if amount > 0 and not line.payment_blocked:
                result.append((line, payment, amount))
                left -= amount
        return result

    @property
    def stripe_is_busy(self):
        "If what is left is covered by payments that somebody has made"
        return self.stripe_is_payable and any(
            p.state != 'failed'
            for x in self.lines_to_pay if not x.reconciliation
            for p in x.payments)

    def stripe_pay_online(self, line, payment, amount):
        """Return the payment of the line at whose page the amount is paid.

        The three are an item of stripe_lines_online. The invoice is locked.
        Raises the same as stripe_fit_amount.
        """
        Payment = Pool().get('account.payment')
        with Transaction().set_context(company=self.company.id):
            if payment:
                payment = payment.stripe_fit_amount(amount)
            if not payment:
                payment = Payment(
                    company=self.company, journal=self.stripe_journal,
                    kind='receivable', party=line.party or self.party,
                    line=line, amount=amount, stripe_of_invoice=True,
                    date=Pool().get('ir.date').today())
                payment.save()
                Payment.submit([payment])
        payment, = Payment.stripe_lock([payment])
        payment.stripe_keep_address()
        return payment

    @property
    def stripe_last_payment(self):
        "The payment through Stripe that settled the invoice last, or None"
        Payment = Pool().get('account.payment')
        payments = Payment.search([
                ('line.move.origin', '=', str(self)),
                ('journal.process_method', '=', 'stripe'),
                ('state', '=', 'succeeded'),
                ('stripe_of_invoice', '=', True),
                ], order=[('id', 'DESC')], limit=1)
        return payments[0] if payments else None


class Reconciliation(metaclass=PoolMeta):
    __name__ = 'account.move.reconciliation'

    @classmethod
    def on_modification(cls, mode, reconciliations, field_names=None):
        super().on_modification(mode, reconciliations, field_names=field_names)
        if mode == 'create':
            _follow(('line.reconciliation', 'in', [
                        r.id for r in reconciliations]))


def _follow(clause):
    "Queue that the payments of the clause follow their invoices"
    Payment = Pool().get('account.payment')
    payments = Payment.search([
            clause,
            ('stripe_of_invoice', '=', True),
            ('state', 'in', OPEN),
            ])
    if payments:
        Payment.__queue__.stripe_follow(payments)


class Payment(metaclass=PoolMeta):
    __name__ = 'account.payment'

    stripe_of_invoice = fields.Boolean(
        "Made on the Page of the Invoice", readonly=True)

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
    def copy(cls, payments, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('stripe_of_invoice', False)
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
    def stripe_online_amount(self):
        "The Decimal of what is left to be paid with the payment"
        Invoice = Pool().get('account.invoice')
        invoice = self.line and self.line.move.origin
        if isinstance(invoice, Invoice):
            for _, payment, amount in invoice.stripe_lines_online:
                if payment == self:
                    return amount
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

    def stripe_fit_amount(self, amount):
        """Let the payment, which is locked, be of the amount, 0: of nothing.

        Return it, or None if it is withdrawn. What the payer has paid, or
        somebody else has made, stays as it is.
        Raises the same as draft or fail.
        """
        cls = self.__class__
        if self.amount == amount or not self.stripe_is_idle:
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
        payment.save()
        cls.submit([payment])
        return payment

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
