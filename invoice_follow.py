# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What is open of an invoice follows how the invoice is paid."""
import datetime as dt
import logging

from trytond.exceptions import UserError, UserWarning
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction

from .attempt import attempt
from .exceptions import StripeError
from .gateway import StripeFailure
from .invoice_payment import IDLE
from .payment_waiting import OPEN

# Who has only looked at the page opens the address again
FORGOTTEN = dt.timedelta(days=1)

logger = logging.getLogger(__name__)


class Invoice(metaclass=PoolMeta):
    __name__ = 'account.invoice'

    @classmethod
    def on_modification(cls, mode, invoices, field_names=None):
        super().on_modification(mode, invoices, field_names=field_names)
        if mode != 'write' or not field_names & {'state', 'payment_lines'}:
            return
        changed = [
            i for i in cls.browse(invoices)
            if i.type == 'out' and (
                i.state in {'paid', 'cancelled'}
                or 'payment_lines' in field_names)]
        # A page may just be opened for the first time: which payments there
        # are is looked at after this is committed
        if known := [
                i for i in changed
                if 'payment_lines' in field_names and i.stripe_checkout_id
                or _payments_of(('line.move.origin', '=', str(i)))]:
            cls.__queue__.stripe_follow(known)

    @classmethod
    def stripe_follow(cls, invoices):
        "Let the open payments of the invoices be of what is left, commits"
        Pool().get('account.payment').stripe_follow(_payments_of(
                ('line.move.origin', 'in', [str(i) for i in invoices])))


class Reconciliation(metaclass=PoolMeta):
    __name__ = 'account.move.reconciliation'

    @classmethod
    def on_modification(cls, mode, reconciliations, field_names=None):
        super().on_modification(mode, reconciliations, field_names=field_names)
        if mode == 'create':
            _follow(('line.reconciliation', 'in', [
                        r.id for r in reconciliations]))


class MoveLine(metaclass=PoolMeta):
    __name__ = 'account.move.line'

    @classmethod
    def on_modification(cls, mode, lines, field_names=None):
        super().on_modification(mode, lines, field_names=field_names)
        if mode == 'write' and 'payment_blocked' in field_names:
            _follow(('line', 'in', [
                        x.id for x in cls.browse(lines) if x.payment_blocked]))


class Payment(metaclass=PoolMeta):
    __name__ = 'account.payment'

    @classmethod
    def stripe_follow(cls, payments):
        """Let the payments be of what is left of their invoices.

        Commits payment by payment, raises nothing.
        """
        for id_ in map(int, payments):
            cls._stripe_try(cls._stripe_follow_one, id_)

    @classmethod
    def _stripe_try(cls, func, id_):
        try:
            attempt(func, id_)
        except (UserError, UserWarning, StripeFailure) as e:
            # Who has been faster than the bank sees it on the payment
            logger.warning("%s,%s does not follow its invoice: %s",
                cls.__name__, id_, e)

    @classmethod
    def _stripe_follow_one(cls, id_):
        for payment in cls.stripe_lock([id_]):
            with Transaction().set_context(company=payment.company.id):
                if payment.stripe_of_invoice:
                    payment.stripe_fit_amount(payment.stripe_online_amount)
                else:
                    payment._stripe_withdraw()

    def _stripe_withdraw(self):
        """Let nobody pay what somebody of the company asked for and is no more
        left, such as at a page that is still open."""
        cls = self.__class__
        if not self.stripe_is_idle or not self.stripe_is_covered:
            return
        if self.state == 'processing':
            # Without its intent it would be charged as if it were new
            if self.line.reconciliation:
                cls.fail([self])
            elif (self.stripe_waiting_for == 'payer'
                    and self.stripe_payment_intent_id):
                self._stripe_shrink()
        elif self.stripe_payment_intent_id:
            self._stripe_release([self])
            cls(self.id).stripe_forget_intent()

    def _stripe_shrink(self):
        "Let no more than what is left be paid at a page that is still open"
        cls = self.__class__
        share = self.stripe_share
        if not share:
            return
        self.amount = share
        self.save()
        try:
            self.stripe_ensure_intent()
        except StripeError as e:
            if e.code != 'amount_too_small':
                raise
            cls.fail([self])

    @classmethod
    def stripe_charge(cls, payments=None):
        super().stripe_charge(payments)
        if payments is None:
            cls._stripe_follow_again()

    @classmethod
    def _stripe_follow_again(cls):
        """Let those follow that could not when their invoice was paid, and
        withdraw those whose payers have only looked at the page: they would
        keep the invoice from being paid otherwise."""
        cls.stripe_follow([
                p for p in _payments_of(('stripe_of_invoice', '=', True))
                if p.stripe_is_idle
                and p.stripe_online_amount != p.amount])
        cls.stripe_follow([
                p for p in _payments_of(
                    ('stripe_of_invoice', '!=', True),
                    ['OR',
                        ('line.reconciliation', '!=', None),
                        [
                            ('line', '!=', None),
                            ('state', 'in', IDLE),
                            ],
                        ],
                    ('stripe_payment_intent_id', '!=', None))
                if p.stripe_is_idle and p.stripe_is_covered])
        cls.stripe_follow([
                p for p in _payments_of(
                    ('stripe_of_invoice', '!=', True),
                    ('line', '!=', None),
                    ('state', '=', 'processing'),
                    ('stripe_waiting_for', '=', 'payer'))
                if _is_paid_in_part(p) and p.stripe_is_covered])
        for payment in _payments_of(
                ('stripe_of_invoice', '=', True),
                ('state', '=', 'submitted')):
            if payment._stripe_is_forgotten:
                cls._stripe_try(cls._stripe_forget, payment.id)

    @property
    def _stripe_is_forgotten(self):
        "If nobody has looked at the page for long, nor was asked to"
        opened_at = self.stripe_opened_at or self.create_date
        return (
            not -FORGOTTEN <= dt.datetime.now() - opened_at <= FORGOTTEN
            and not (self.stripe_mailed_at or self.stripe_to_mail))

    @classmethod
    def _stripe_forget(cls, id_):
        for payment in cls.stripe_lock([id_]):
            if payment._stripe_is_forgotten:
                with Transaction().set_context(company=payment.company.id):
                    payment.stripe_fit_amount(payment.amount * 0)


def _payments_of(*clauses):
    "Return the open payments through Stripe of the clauses"
    return Pool().get('account.payment').search([
            *clauses,
            ('journal.process_method', '=', 'stripe'),
            ('state', 'in', OPEN),
            ])


def _is_paid_in_part(payment):
    "Return if others have paid a part of the invoice of the payment"
    invoice = payment.line.move.origin
    return bool(
        isinstance(invoice, Pool().get('account.invoice'))
        and invoice.payment_lines)


def _follow(clause):
    "Queue that the payments of the clause follow their invoices"
    if payments := _payments_of(
            clause, ('line.move.origin', 'like', 'account.invoice,%')):
        Pool().get('account.payment').__queue__.stripe_follow(payments)
