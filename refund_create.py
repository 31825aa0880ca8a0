# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt

from trytond.i18n import gettext
from trytond.pool import Pool
from trytond.transaction import Transaction

from .amount import AmountError, from_stripe
from .call import Call
from .exceptions import StripeCurrencyError
from .gateway import StripeRefused, StripeUnavailable
from .listing import listed
from .policy import KEPT
from .record_amount import stripe_amount
from .run import Run

# Stripe's status: state here
# https://docs.stripe.com/refunds
STATES = {
    'pending': 'processing',
    'requires_action': 'processing',
    'succeeded': 'succeeded',
    'failed': 'failed',
    'canceled': 'failed',
    }
METADATA = 'tryton_refund'


class CreateMixin:
    """Send refunds to Stripe.

    A refund names the record in its metadata. The refunds of the payment are
    listed before it is sent again, so that it is never sent twice.
    """
    __slots__ = ()

    @classmethod
    def stripe_create(cls, refunds=None):
        """Send the approved refunds and look at those in processing.

        Commits refund by refund.
        """
        def where(table):
            condition = table.state.in_(['approved', 'processing'])
            if refunds is None:
                condition &= cls.stripe_due(table)
            return condition
        Run(cls, cls._stripe_send).carry(where, refunds)

    @property
    def stripe_metadata(self):
        return {
            'tryton_database': Transaction().database.name,
            'tryton_record': str(self),
            METADATA: self.stripe_idempotency_key,
            }

    @property
    def stripe_create_params(self):
        params = {
            'amount': stripe_amount(
                self.amount, self.currency, self, charged=True),
            'metadata': self.stripe_metadata,
            }
        if self.payment.stripe_payment_intent_id:
            params['payment_intent'] = self.payment.stripe_payment_intent_id
        else:
            params['charge'] = self.payment.stripe_charge_id
        if self.reason:
            params['reason'] = self.reason
        if self.stripe_instructions_email:
            params['instructions_email'] = self.stripe_instructions_email
        return params

    @property
    def stripe_create_key(self):
        # Another key only once nothing can come of the old one anymore
        if self.stripe_is_of_earlier:
            # The earlier version may have refunded with it, which Stripe tells
            return self.stripe_idempotency_key
        return '%s-%s' % (self.stripe_idempotency_key, self.stripe_attempt)

    @classmethod
    def stripe_lock(cls, refunds):
        # In the same order as events, which find refunds by the payment
        payments = {r.payment for r in cls.browse(refunds)}
        Pool().get('account.payment').stripe_lock(sorted(payments, key=int))
        return super().stripe_lock(refunds)

    @classmethod
    def stripe_domain_stopped(cls, accounts):
        Payment = Pool().get('account.payment')
        return [
            ('state', 'in', ['approved', 'processing']),
            ('payment', 'where', Payment.stripe_domain_account(accounts)),
            ]

    @property
    def stripe_own_account(self):
        return self.payment.stripe_own_account

    @property
    def stripe_is_carried(self):
        return self.state in {'approved', 'processing'}

    @classmethod
    def stripe_refuse(cls, job, failure):
        "Fail the refund for which Stripe said no"
        job.record.stripe_store(**job.record.stripe_error_values(failure))
        cls.fail([job.record])
        return
        yield

    def stripe_wait(self, failure, meaning):
        unsure = (
            failure.operation == 'refunds.create'
            and isinstance(failure, StripeUnavailable)
            and failure.saved)
        if unsure:
            self.stripe_store(stripe_unsure=True)
        super().stripe_wait(failure, meaning)
        if unsure:
            self.stripe_store(stripe_error_message=gettext(
                    'account_payment_stripe.msg_refund_unsure'))

    @property
    def _stripe_unsure_for(self):
        """How long Stripe may still complete what it was sent last and did not
        say what became of."""
        if not (self.stripe_unsure and self.stripe_sent_at):
            return dt.timedelta()
        return max(self.stripe_sent_at + KEPT - _utc_now(), dt.timedelta())

    def _stripe_pause_values(self, pauses=None):
        values = super()._stripe_pause_values(pauses)
        if left := self._stripe_unsure_for:
            # Not to wait longer than it takes to be sure
            values['stripe_try_at'] = min(
                values['stripe_try_at'], dt.datetime.now() + left)
        return values

    @classmethod
    def stripe_note_error(cls, id_, error):
        super().stripe_note_error(id_, error)
        for refund in cls.stripe_lock([id_]):
            if refund.stripe_is_carried:
                refund.stripe_store(**refund._stripe_pause_values())

    @classmethod
    def _stripe_send(cls, job):
        if job.record.stripe_refund_id:
            answer = yield Call(
                job.gateway.refunds.retrieve, job.record.stripe_refund_id)
        else:
            answer = yield from cls._stripe_find_or_send(job)
            if not answer:
                return
            job.record.stripe_store(stripe_refund_id=answer['id'])
        # The sum of all refunds is what counts for the payment
        state = yield job.record.payment.stripe_reading(job.gateway)
        refund = job.record
        for payment in refund.payment.__class__.stripe_lock([refund.payment]):
            payment.stripe_apply(state)
        # The refund may have gone on since
        refund.stripe_apply(next(
                (r for r in state.refunds or [] if r['id'] == answer['id']),
                answer))
        if refund.state == 'processing':
            refund.stripe_store(**refund._stripe_pause_values())

    @classmethod
    def _stripe_find_or_send(cls, job):
        "Return the dictionary of the refund at Stripe, None if it must wait"
        # It may have been sent and its answer lost, or have been sent after
        # the backup from which the database is restored
        gateway = job.gateway
        released = None
        if job.record.stripe_is_of_earlier:
            state = yield job.record.payment.stripe_reading(gateway)
            released = state.released
        payment = job.record.payment
        answer = yield Call(
            gateway.refunds.list, gateway,
            job.record._stripe_is_mine(released),
            intent=payment.stripe_payment_intent_id,
            charge=payment.stripe_charge_id,
            func=_find)
        if answer:
            return answer
        yield from cls._stripe_check_currency(job)
        refund = job.record
        if refund._stripe_unsure_for:
            # It may still appear, also if it is not sent again
            refund.stripe_store(**refund._stripe_pause_values())
            return
        if refund.stripe_unsure:
            # Stripe would repeat that it failed
            refund.stripe_store(
                stripe_attempt=(refund.stripe_attempt or 0) + 1,
                stripe_unsure=False)
        # Committed before the call, so that it is known if the answer is lost
        refund.stripe_store(stripe_sent_at=_utc_now(), stripe_try_at=None)
        if refund.state != 'processing':
            cls.process([refund])
        return (yield Call(
                gateway.refunds.create, **refund.stripe_create_params,
                idempotency_key=refund.stripe_create_key))

    @classmethod
    def _stripe_check_currency(cls, job):
        "Refuse to send it if the payment is in another currency at Stripe"
        currency = job.record.payment.stripe_currency
        if not currency:
            # Made by an earlier version
            state = yield job.record.payment.stripe_reading(job.gateway)
            currency = state.currency
        try:
            job.record.payment.stripe_check_currency(currency)
        except StripeCurrencyError as e:
            raise StripeRefused(e.message) from None

    def _stripe_is_mine(self, released=None):
        """Return the function that tells if Stripe's refund is the record.

        released: the id of the refund that is the release of what was not
        captured, and so nobody's.
        """
        key = self.stripe_idempotency_key
        known = amount = None
        if self.stripe_is_of_earlier:
            # The earlier version named no record, so that one of the same
            # amount which is no other's must be taken for it
            amount = stripe_amount(
                self.amount, self.currency, self, charged=True)
            known = {
                released,
                *(r.stripe_refund_id for r in self.payment.stripe_refunds)}

        def is_mine(refund):
            name = (refund.get('metadata') or {}).get(METADATA)
            if name:
                return name == key
            return (amount is not None
                and refund['amount'] == amount
                and refund['id'] not in known)
        return is_mine

    def stripe_apply(self, refund):
        "Bring the record to the state of the dictionary of Stripe's refund"
        cls = self.__class__
        self.stripe_refund_id = refund['id']
        payment = self.payment
        state = problem = None
        try:
            payment.stripe_check_currency(refund['currency'].upper())
            amount = from_stripe(
                refund['amount'], self.currency.code, self.currency.digits)
        except (AmountError, StripeCurrencyError) as e:
            problem = payment._stripe_problem(e)
        else:
            if self.amount != amount:
                # It was sent before a restore of the database, and then edited
                self.amount = amount
            state = STATES.get(refund['status'])
        if not state:
            # Only that it was sent is new
            self.stripe_error_message = problem or gettext(
                'account_payment_stripe.msg_stripe_unknown',
                word=refund['status'])
            self.stripe_error_code = None
            state = (
                self.state if self.state in STATES.values()
                else 'processing')
        elif state == 'failed':
            self.stripe_error_message = _readable(
                refund.get('failure_reason') or refund['status'])
            self.stripe_error_code = refund.get('failure_reason')
        else:
            self.stripe_error_message = _readable(
                refund.get('pending_reason'))
            self.stripe_error_code = None
        self.stripe_error_param = None
        if state != 'processing':
            self.stripe_try_at = None
        self.save()
        move = {
            'processing': cls.process,
            'succeeded': cls.succeed,
            'failed': cls.fail,
            }[state]
        if self.state != state:
            move([self])

    @classmethod
    def stripe_update(cls, payment, refunds):
        """Bring the records of the payment, which is locked, to what Stripe
        says: its dictionaries of all the refunds.

        Those that were made elsewhere get a record.
        """
        records = cls.stripe_lock(cls.search([
                    ('payment', '=', payment.id),
                    ], order=[('id', 'ASC')]))
        by_id = {r.stripe_refund_id: r for r in records if r.stripe_refund_id}
        by_key = {
            r.stripe_idempotency_key: r for r in records
            # Of two that Stripe made for a record it is the first
            if r.stripe_idempotency_key and not r.stripe_refund_id}
        keys = {r.stripe_idempotency_key for r in records}
        # One of the earlier version names no record, and may be any of these
        is_told = not any(
            r.stripe_is_of_earlier and r.stripe_is_carried
            and not r.stripe_refund_id for r in records)
        for refund in refunds:
            key = (refund.get('metadata') or {}).get(METADATA)
            record = by_id.get(refund['id']) or by_key.pop(key, None)
            if record:
                if record.state != 'draft':
                    record.stripe_apply(refund)
            elif is_told:
                cls._stripe_make(
                    payment, refund,
                    # Of a record that is gone since a restore of the database
                    key if key not in keys else None)

    @classmethod
    def _stripe_make(cls, payment, refund, key=None):
        """Make the record of the dictionary of a refund that was made
        elsewhere.

        key: of the record that it was.
        """
        try:
            payment.stripe_check_currency(refund['currency'].upper())
            amount = from_stripe(
                refund['amount'], payment.currency.code,
                payment.currency.digits)
        except (AmountError, StripeCurrencyError):
            # The payment says so
            return
        reason = refund.get('reason')
        record = cls(
            payment=payment,
            amount=amount,
            reason=reason if reason in dict(cls.reason.selection) else None,
            state='processing',
            made_at_stripe=True,
            stripe_refund_id=refund['id'])
        if key:
            record.stripe_idempotency_key = key
        record.save()
        record.stripe_apply(refund)


def _utc_now():
    # The hours of a local clock may be repeated
    return dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)


def _readable(reason):
    "Return Stripe's identifier of a reason as a person would write it"
    return reason.replace('_', ' ').capitalize() if reason else None


def _find(gateway, is_mine, intent=None, charge=None):
    "Return the dictionary of the refund that is mine or None"
    params = {'payment_intent': intent} if intent else {'charge': charge}
    return next(filter(is_mine, listed(gateway.refunds.list, **params)), None)
