# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Pay an invoice online, at an address that stands on it."""
import logging

from sql.conditionals import Coalesce

from trytond.exceptions import UserError
from trytond.i18n import gettext
from trytond.model import Index, fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, If
from trytond.transaction import Transaction

from .address import AddressMixin
from .attempt import attempt
from .lease import LockMixin

JOURNAL = 'account.payment.journal'
# The payment can still be made by the payer
OPEN = ['submitted', 'approved', 'processing']
# Nothing has been charged of it, so that it may be taken back
IDLE = ['draft', 'submitted', 'approved']

logger = logging.getLogger(__name__)


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
        if (self.instrument.__name__ == JOURNAL
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

    @property
    def is_stripe(self):
        return (self.instrument.__name__ == JOURNAL
            and self.instrument.process_method == 'stripe')

    def is_valid_with_payment(self, payment):
        if self.is_stripe:
            return self.instrument == payment.journal
        return super().is_valid_with_payment(payment)

    def get_rec_name(self, name):
        if not self.is_stripe:
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
    def paid(cls, invoices):
        super().paid(invoices)
        cls.__queue__.stripe_withdraw(invoices)

    @classmethod
    def cancel(cls, invoices):
        super().cancel(invoices)
        cls.__queue__.stripe_withdraw(invoices)

    @property
    def stripe_journal(self):
        "The payment journal of Stripe in which it is paid online, or None"
        for mean in self.payment_means:
            if mean.is_stripe and mean.instrument.currency == self.currency:
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
        lines = [
            x for x in self.lines_to_pay
            if not (x.reconciliation or x.payment_blocked)]
        payments = {}
        for payment in Pool().get('account.payment').search([
                    ('line', 'in', [x.id for x in lines]),
                    ('journal.process_method', '=', 'stripe'),
                    ('state', 'in', OPEN),
                    ], order=[('id', 'ASC')]):
            payments[payment.line] = payment
        left = self._stripe_left
        result = []
        for line in lines:
            payment = payments.get(line)
            amount = line.payment_amount + (payment.amount if payment else 0)
            # What is paid but not reconciled is not known of the line
            amount = min(amount, left)
            if amount > 0:
                result.append((line, payment, amount))
                left -= amount
        return result

    def stripe_pay_online(self, line, payment, amount):
        """Return the payment of the line at whose page the amount is paid.

        The three are an item of stripe_lines_online. The invoice is locked.
        Raises the same as the draft of a payment.
        """
        Payment = Pool().get('account.payment')
        with Transaction().set_context(company=self.company.id):
            if (payment and payment.stripe_of_invoice
                    and payment.amount != amount and payment.state in IDLE):
                # The invoice was paid in part otherwise meanwhile
                Payment.draft([payment])
                payment = Payment(payment.id)
                payment.amount = amount
                payment.save()
                Payment.submit([payment])
            elif not payment:
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

    @classmethod
    def stripe_withdraw(cls, invoices):
        """Let nobody pay online anymore what has been settled.

        Commits payment by payment, raises nothing.
        """
        Payment = Pool().get('account.payment')
        payments = Payment.search([
                ('line.move.origin', 'in', [str(i) for i in invoices]),
                ('stripe_of_invoice', '=', True),
                ('state', 'in', IDLE),
                ])
        for payment in payments:
            try:
                attempt(Payment.stripe_withdraw_one, payment.id)
            except UserError as e:
                # Who has been faster than the bank sees it on the payment
                logger.warning("%s cannot be withdrawn: %s", payment, e)


class Payment(metaclass=PoolMeta):
    __name__ = 'account.payment'

    stripe_of_invoice = fields.Boolean(
        "Made on the Page of the Invoice", readonly=True)

    @classmethod
    def default_stripe_of_invoice(cls):
        return False

    @classmethod
    def copy(cls, payments, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('stripe_of_invoice', False)
        return super().copy(payments, default=default)

    @property
    def stripe_checkout_result(self):
        result = super().stripe_checkout_result
        if (result == 'open' and self.stripe_of_invoice
                and self.line and self.line.reconciliation):
            # Not withdrawn yet
            return 'closed'
        return result

    @classmethod
    def stripe_withdraw_one(cls, id_):
        for payment in cls.stripe_lock([id_]):
            if payment.state in IDLE:
                cls._stripe_release([payment])
                # No draft may be of a line that is reconciled
                cls.write([payment], {'line': None})
                cls.draft([payment])
                cls.delete([payment])
