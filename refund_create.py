# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt

from sql import Null

from trytond.i18n import gettext
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction

from .common import next_pause, stripe_amount
from .exceptions import StripeCurrencyError
from .gateway import (
    StripeDenied, StripeFailure, StripeKeyReused, StripeRefused)
from .pace import paced
from .run import Run
from .state import PaymentState

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
FIRST_RETRY = dt.timedelta(minutes=5)
LAST_RETRY = dt.timedelta(days=1)


class Refund(metaclass=PoolMeta):
    """Send refunds to Stripe.

    A refund names the record in its metadata. The refunds of the payment are
    listed before it is sent again, so that it is never sent twice.
    """
    __name__ = 'account.payment.stripe.refund'

    @classmethod
    def stripe_create(cls, refunds=None):
        """Send the approved refunds and look at those in processing.

        Commits refund by refund.
        """
        now = dt.datetime.now()

        def where(table):
            condition = table.state.in_(['approved', 'processing'])
            if refunds is None:
                condition &= (
                    (table.stripe_try_at == Null)
                    | (table.stripe_try_at <= now)
                    # The clock of the server was set back
                    | (table.stripe_try_at > now + LAST_RETRY))
            return condition
        Run(cls, cls._stripe_steps).carry(where, refunds)

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
        return params

    @property
    def stripe_create_key(self):
        # Another key once Stripe has saved a failure under the old one,
        # but never while a request may still be under way
        if self.stripe_attempt is None:
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
    def _stripe_hold(cls, id_):
        for refund in cls.stripe_lock([id_]):
            if refund.state in {'approved', 'processing'}:
                return refund

    @classmethod
    def _stripe_steps(cls, id_, run):
        refund = cls(id_)
        account = refund.payment.journal.stripe_account
        if account.id in run.denied:
            return
        try:
            yield from cls._stripe_send(id_, account.gateway)
            run.accepted.add(account.id)
        except StripeFailure as e:
            if isinstance(e, StripeDenied):
                run.denied.add(account.id)
                Account = account.__class__
                Account.note_denied([Account(account.id)], e)
            refund = cls._stripe_hold(id_)
            if not refund:
                return
            refund.stripe_store(**refund.stripe_error_values(e))
            if (isinstance(e, StripeRefused)
                    and not e.missing
                    and not e.reading
                    and not refund.stripe_refund_id):
                refund.save()
                cls.fail([refund])
            else:
                if e.saved and not (
                        refund.stripe_attempt is None
                        and isinstance(e, StripeKeyReused)):
                    refund.stripe_attempt = (refund.stripe_attempt or 0) + 1
                refund._stripe_try_later()

    @classmethod
    def stripe_note_error(cls, id_, error):
        super().stripe_note_error(id_, error)
        if refund := cls._stripe_hold(id_):
            refund._stripe_try_later()

    def _stripe_try_later(self):
        self.stripe_tries = tries = (self.stripe_tries or 0) + 1
        self.stripe_try_at = dt.datetime.now() + next_pause(
            tries, FIRST_RETRY, LAST_RETRY)
        self.save()

    @classmethod
    def _stripe_send(cls, id_, gateway):
        refund = cls._stripe_hold(id_)
        if not refund:
            return
        payment = refund.payment
        ids = {
            'intent': payment.stripe_payment_intent_id,
            'charge': payment.stripe_charge_id,
            }
        if refund.stripe_refund_id:
            answer = yield paced(
                gateway.refunds.retrieve, refund.stripe_refund_id)
        else:
            answer = yield from cls._stripe_find_or_send(id_, gateway, ids)
            refund = cls._stripe_hold(id_)
            if not answer or not refund:
                # An event was faster
                return
            refund.stripe_store(stripe_refund_id=answer['id'])
        # The sum of all refunds is what counts for the payment
        state = yield paced(
            gateway.payment_intents.retrieve, gateway, **ids,
            func=PaymentState.read)
        refund = cls._stripe_hold(id_)
        for payment in payment.__class__.stripe_lock([payment]):
            payment.stripe_apply(state)
        if refund:
            refund.stripe_apply(answer)
            if refund.state == 'processing':
                refund._stripe_try_later()

    @classmethod
    def _stripe_find_or_send(cls, id_, gateway, ids):
        "Return the dictionary of the refund at Stripe"
        # It may have been sent without that the answer arrived, or after the
        # backup from which the database is restored
        answer = yield paced(
            gateway.refunds.list, gateway, cls(id_)._stripe_is_mine(),
            **ids, func=_find)
        if answer:
            return answer
        yield from cls._stripe_check_currency(id_, gateway, ids)
        refund = cls._stripe_hold(id_)
        if not refund:
            return
        if refund.state != 'processing':
            refund.stripe_store(stripe_try_at=None)
            # Committed before it is sent
            cls.process([refund])
        return (yield paced(
                gateway.refunds.create, **refund.stripe_create_params,
                idempotency_key=refund.stripe_create_key))

    @classmethod
    def _stripe_check_currency(cls, id_, gateway, ids):
        "Refuse to send it if the payment is in another currency at Stripe"
        payment = cls(id_).payment
        currency = payment.stripe_currency
        if not currency:
            # Made by an earlier version
            state = yield paced(
                gateway.payment_intents.retrieve, gateway, **ids,
                func=PaymentState.read)
            currency = state.currency
        try:
            cls(id_).payment.stripe_check_currency(currency)
        except StripeCurrencyError as e:
            raise StripeRefused(e.message) from None

    def _stripe_is_mine(self):
        "Return the function that tells if Stripe's refund is the record"
        key = self.stripe_idempotency_key
        known = amount = None
        if self.stripe_attempt is None:
            # The earlier version named no record, so that one of the same
            # amount which is no other's must be taken for it
            amount = stripe_amount(
                self.amount, self.currency, self, charged=True)
            known = {
                r.stripe_refund_id for r in self.payment.stripe_refunds}

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
        # What has no meaning here changes nothing but that it was sent
        state = STATES.get(refund['status'])
        if not state:
            self.stripe_error_message = gettext(
                'account_payment_stripe.msg_stripe_unknown',
                word=refund['status'])
            self.stripe_error_code = None
            state = (
                self.state if self.state in set(STATES.values())
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
    def stripe_update(cls, payments, refund_id):
        """Bring the records to what Stripe says of the refund.

        Raises StripeFailure.
        """
        refunds = cls.search([
                ('payment', 'in', [p.id for p in payments]),
                ('state', '!=', 'draft'),
                ])
        if not refunds:
            # Made in the dashboard of Stripe
            return
        gateway = payments[0].journal.stripe_account.gateway
        answer = gateway.refunds.retrieve(refund_id)
        key = (answer.get('metadata') or {}).get(METADATA)
        for refund in cls.stripe_lock(refunds):
            if (refund.stripe_refund_id == refund_id
                    or (key and refund.stripe_idempotency_key == key)):
                refund.stripe_apply(answer)


def _readable(reason):
    "Return Stripe's identifier of a reason as a person would write it"
    return reason.replace('_', ' ').capitalize() if reason else None


def _find(gateway, is_mine, intent=None, charge=None):
    "Return the dictionary of the refund that is mine or None"
    params = {'payment_intent': intent} if intent else {'charge': charge}
    page = gateway.refunds.list(limit=100, **params)
    while True:
        for refund in page['data']:
            if is_mine(refund):
                return refund
        if not page['has_more']:
            return None
        page = gateway.refunds.list(
            limit=100, starting_after=page['data'][-1]['id'], **params)
