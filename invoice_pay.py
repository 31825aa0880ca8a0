# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Pay an invoice online, at an address that stands on it."""
import re
from collections import defaultdict
from decimal import ROUND_DOWN, ROUND_UP, Decimal

from sql.conditionals import Coalesce

from trytond.i18n import gettext
from trytond.model import Index
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, If
from trytond.transaction import Transaction

from .address import AddressMixin
from .amount import AmountError, least, to_stripe, unit
from .payment_waiting import OPEN
from .store import LockMixin

JOURNAL = 'account.payment.journal'


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

    @property
    def stripe_journal(self):
        "The payment journal of Stripe in which it is paid online, or None"
        for mean in self.payment_means:
            if (is_stripe(mean.instrument)
                    and mean.instrument.active
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
            and any(
                is_chargeable(amount, self.currency)
                for amount in self._stripe_left_amounts))

    @property
    def stripe_is_due(self):
        "If something is left that no payment is for, also if it is a draft"
        if self.type != 'out' or self.state != 'posted':
            return False
        return self.amount_to_pay - self.stripe_paid_ahead + sum(
            p.amount_line_paid for x in self.lines_to_pay
            if not x.reconciliation
            for p in x.payments if p.state == 'draft') > 0

    @property
    def _stripe_left_amounts(self):
        "Yield the Decimals of what is left of the lines"
        left = self.stripe_left
        for line in self.lines_to_pay:
            if not line.reconciliation and left > 0:
                yield min(abs(
                        line.amount_second_currency if line.second_currency
                        else line.debit - line.credit), left)

    @property
    def stripe_left(self):
        "The Decimal of what is not paid yet, also if a payment is under way"
        with Transaction().set_context(with_payment=False):
            left = self.__class__(self.id).amount_to_pay
        return left - self.stripe_paid_ahead

    @property
    def stripe_paid_ahead(self):
        """The Decimal of what is paid of it by payments that Tryton does not
        know to be of it, also if they are under way.

        To be extended.
        """
        return self.total_amount * 0

    @property
    def stripe_lines_online(self):
        """The list of tuples of a line that is left to pay, its payment that
        is open or None, and the Decimal of what can be paid of it.

        It is empty if nothing can be paid online.
        """
        if not self.stripe_is_payable:
            return []
        result = []
        for line, payments, room in self.stripe_rooms():
            payment = payments[0] if payments else None
            if payment and not payment.stripe_of_invoice:
                room = min(room, payment.amount)
            if room > 0 and is_chargeable(room, self.currency):
                result.append((line, payment, room))
        return result

    def stripe_rooms(self, payment=None):
        """Return the list of tuples of a line that is left to pay, the list of
        its payments that can still be paid at their page, and the Decimal of
        what they may take of it together.

        Those come first that were made first.
        payment: it can be paid, whatever is known of it.
        """
        lines = [x for x in self.lines_to_pay if not x.reconciliation]
        open_ = defaultdict(list)
        for other in Pool().get('account.payment').search([
                    ('line', 'in', [x.id for x in lines]),
                    ('journal.process_method', '=', 'stripe'),
                    ('journal.currency', '=', self.currency.id),
                    ('state', 'in', ['draft', *OPEN]),
                    ], order=[('id', 'ASC')]):
            if other == payment or other.stripe_is_idle:
                open_[other.line].append(other)
        # What is paid but not reconciled is not known of the lines
        left = (self.__class__(self.id).amount_to_pay
            - self.stripe_paid_ahead
            + sum(p.amount_line_paid for x in open_.values() for p in x))
        result = []
        for line in lines:
            payments = open_[line]
            room = line.payment_amount + sum(
                p.amount_line_paid for p in payments)
            room = max(min(room, left), left * 0)
            if line.payment_blocked:
                room *= 0
            result.append((line, payments, room))
            left -= room
        return result

    @property
    def stripe_under_way(self):
        """The payment that is under way, None if none is.

        The first is one whose page tells what is waited for.
        """
        payments = sorted((
                p for x in self.lines_to_pay if not x.reconciliation
                for p in x.payments
                if p.state in OPEN and not p.stripe_is_idle),
            key=lambda p: (not p.stripe_tells_payer, p.id))
        return payments[0] if payments else None

    def stripe_pay_online(self, line, payment, amount, part=None):
        """Return the payment of the line at whose page the amount is paid.

        The three are an item of stripe_lines_online. The invoice is locked.
        part: the Decimal of what the payer wants to pay of it, None: all.
        Raises the same as stripe_fit_amount.
        """
        Payment = Pool().get('account.payment')
        with Transaction().set_context(company=self.company.id):
            if payment:
                payment = payment.stripe_fit_amount(
                    part or amount, part=bool(part))
            if not payment:
                payment = Payment(
                    company=self.company, journal=self.stripe_journal,
                    kind='receivable', party=line.party or self.party,
                    line=line, amount=part or amount,
                    stripe_of_invoice=True, stripe_part=bool(part),
                    date=Pool().get('ir.date').today())
                payment.save()
                Payment.submit([payment])
        payment, = Payment.stripe_lock([payment])
        payment.stripe_keep_address()
        return payment

    def stripe_takes_part(self, line, payment, amount):
        """Return if the payer chooses how much to pay.

        The three are an item of stripe_lines_online.
        """
        account = self.stripe_own_account
        return bool(
            account and account.part_payment
            and (not payment or payment.stripe_of_invoice)
            and self.stripe_part_limits(amount))

    def stripe_replace_address(self):
        Payment = Pool().get('account.payment')
        super().stripe_replace_address()
        # Who has got the former one may have opened their pages
        for payment in Payment.stripe_lock(Payment.search([
                        ('line.move.origin', '=', str(self)),
                        ('stripe_of_invoice', '=', True),
                        ('state', 'in', OPEN),
                        ])):
            if payment.stripe_checkout_id:
                payment.stripe_replace_address()

    def stripe_part(self, text, amount):
        """Return the Decimal that the payer has entered, None if it is all.

        amount: the Decimal of what can be paid at most.
        Raises ValueError if it cannot be paid.
        """
        limits = self.stripe_part_limits(amount)
        # As browsers send it in any language
        if not re.fullmatch(r'[0-9]{1,12}([.][0-9]*)?', text):
            raise ValueError("not an amount: %r" % text)
        part = Decimal(text)
        if part == amount:
            return
        if (part % self.stripe_part_step
                or not limits
                or not limits[0] <= part <= limits[1]):
            raise ValueError("cannot be paid: %s of %s" % (part, amount))
        return part.quantize(Decimal(1).scaleb(-self.currency.digits))

    def stripe_part_limits(self, amount):
        """Return the Decimals of the least and the most that can be paid of
        the amount to leave a rest, None if only all of it can be.

        Stripe would not charge a rest of less than its minimum.
        """
        step = self.stripe_part_step
        smallest = least(self.currency.code).quantize(step, ROUND_UP)
        most = (amount - smallest).quantize(step, ROUND_DOWN)
        if smallest <= most:
            return smallest, most

    @property
    def stripe_part_step(self):
        "The smallest Decimal that both Stripe and Tryton can express"
        return max(
            Decimal(1).scaleb(-self.currency.digits),
            unit(self.currency.code))

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


def is_chargeable(amount, currency):
    "Return if the Decimal amount can be asked for at Stripe"
    try:
        return to_stripe(amount, currency.code) > 0
    except AmountError:
        return False
