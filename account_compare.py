# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import logging
import time
from collections import defaultdict

from trytond import backend
from trytond.model import fields
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, TransactionError

from .amount import from_stripe
from .attempt import attempt
from .convert import from_timestamp, is_key, to_timestamp
from .gateway import StripeDenied, StripeFailure, StripeUnavailable
from .listing import listed
from .payment_intent import METADATA as PAYMENT
from .refund_create import STATES
from .state import UNPAID
from .taken import of_disputes

EVERY = dt.timedelta(days=1)
# When to compare again if a permission was missing
AGAIN = dt.timedelta(hours=1)
# A refund may fail up to 30 days after it was created
# https://docs.stripe.com/refunds#failed-refunds
REFUNDS = dt.timedelta(days=35)
# The bank may decide, and change its mind, months later. There are few
# https://docs.stripe.com/disputes/how-disputes-work
DISPUTES = dt.timedelta(days=365)
# A charge of the days before may have become known since, or has succeeded
CHARGES = dt.timedelta(days=1)
# How long they are looked for if they were not compared for a while
CHARGES_AT_MOST = dt.timedelta(days=30)
# How often Stripe may be silent before the others are left for later
SILENCES = 3

logger = logging.getLogger(__name__)


class CompareMixin:
    """Compare once a day what changed at Stripe with what is known here.

    Stripe may fail to make an event. What is listed is compared without
    another request, only what differs is read.
    Source: https://docs.stripe.com/webhooks/process-undelivered-events
    """
    __slots__ = ()

    compared_at = fields.Timestamp(
        "Compared at", readonly=True,
        states={
            'invisible': True,
            },
        help="When the charges, refunds and disputes were last compared "
        "with those at Stripe.")

    @classmethod
    def copy(cls, accounts, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('compared_at')
        return super().copy(accounts, default=default)

    @property
    def stripe_now(self):
        "The UTC datetime of Stripe's clock, or else of the server's"
        at = self.gateway.answered_at
        return from_timestamp(
            at.last if at is not None else int(time.time()))

    @property
    def is_compare_due(self):
        return not (
            self.compared_at
            and dt.timedelta(0) <= self.stripe_now - self.compared_at < EVERY)

    @classmethod
    def compare(cls, accounts):
        """Bring the payments and refunds which are not as Stripe lists them to
        what Stripe says.

        Commits payment by payment, those that fail do not undo others.
        """
        for account_id in list(map(int, accounts)):
            account = cls(account_id)
            now = account.stripe_now
            since = time.monotonic()
            done, forbidden = True, False
            for compare in [
                    cls._compare_charges, cls._compare_refunds,
                    cls._compare_disputes]:
                try:
                    compare(account_id, now)
                except (TransactionError, backend.DatabaseOperationalError):
                    raise
                except StripeFailure as e:
                    logger.warning(
                        "cannot compare account %s: %s (%s)",
                        account_id, e.code, e.request_id)
                    if isinstance(e, StripeDenied):
                        attempt(cls.note_denied, [cls(account_id)], e)
                    # A permission may be missing for good
                    done &= e.forbidden
                    forbidden |= e.forbidden
                except Exception:
                    Transaction().rollback()
                    logger.exception("cannot compare account %s", account_id)
            if done:
                attempt(
                    cls._note_compared, account_id,
                    now - EVERY + AGAIN if forbidden else now, since)

    @classmethod
    def _note_compared(cls, account_id, at, since):
        account = cls(account_id)
        cls.write([account], {'compared_at': at})
        cls.note_accepted([account], since)

    @classmethod
    def _compare_charges(cls, account_id, now):
        account = cls(account_id)
        since = max(
            min(account.compared_at or now, now) - CHARGES,
            now - CHARGES_AT_MOST)
        charges = {
            _paid_by(charge): (charge.get('metadata') or {}).get(PAYMENT)
            for charge in listed(
                account.gateway.charges.list, created=_since(since))
            if charge['status'] != 'failed'}
        cls._compare_with(account_id, charges, cls._different_charges)
        cls._adopt_charges(account_id, {
                key: intent for (intent, _), key in charges.items()
                if intent and is_key(key)})

    @classmethod
    def _adopt_charges(cls, account_id, intents):
        """Let the payments remember the intents which charged them, by key,
        and which they do not know since the database was restored.

        Commits payment by payment.
        """
        Payment = Pool().get('account.payment')
        for keys in map(list, grouped_slice(list(intents), 500)):
            keys_of = {intents[k]: k for k in keys}
            unknown = [
                (p.id, intents[p.stripe_idempotency_key])
                for p in Payment.search([
                        ('stripe_idempotency_key', 'in', keys),
                        ], order=[('id', 'ASC')])
                if p.stripe_payment_intent_id
                != intents[p.stripe_idempotency_key]]
            for payment_id, intent in unknown:
                try:
                    attempt(cls._adopt_charge, account_id, {
                            'id': intent,
                            'metadata': {PAYMENT: keys_of[intent]},
                            })
                except (StripeDenied, TransactionError):
                    raise
                except StripeFailure as e:
                    logger.warning(
                        "payment %s does not know of %s: %s (%s)",
                        payment_id, intent, e.code, e.request_id)
                except Exception as e:
                    logger.exception(
                        "payment %s does not know of %s", payment_id, intent)
                    attempt(Payment.stripe_note_unapplied, payment_id, e)

    @classmethod
    def _adopt_charge(cls, account_id, intent):
        Payment = Pool().get('account.payment')
        for payment in Payment.stripe_adopt(cls(account_id), intent):
            payment.stripe_apply(payment.stripe_read(), fresh=True)

    @classmethod
    def _compare_refunds(cls, account_id, now):
        refunds = defaultdict(dict)
        for refund in listed(
                cls(account_id).gateway.refunds.list,
                created=_since(now - REFUNDS)):
            refunds[_paid_by(refund)][refund['id']] = {
                n: refund.get(n) for n in ['amount', 'created', 'status']}
        cls._compare_with(account_id, refunds, cls._different_refunds)

    @classmethod
    def _compare_disputes(cls, account_id, now):
        disputes = defaultdict(list)
        for dispute in listed(
                cls(account_id).gateway.disputes.list,
                created=_since(now - DISPUTES)):
            # Without the evidence, which may be large
            disputes[_paid_by(dispute)].append({
                    n: v for n, v in dispute.items() if n != 'evidence'})
        cls._compare_with(
            account_id, disputes, cls._different_disputes, disputed=True)

    @classmethod
    def _compare_with(cls, account_id, listed, different, disputed=False):
        """Apply what Stripe says of the payments that are different.

        listed: what is listed of each (intent, charge).
        different: gets a dictionary of it by payment and yields the ids of
        payments.
        disputed: if the payments are disputed.
        """
        # Those that became known while it was listed are not different
        Transaction().commit()
        silences = 0
        for keys in grouped_slice(list(listed), 500):
            payments = cls._payments_of(account_id, list(keys))
            found = list(different({
                        p: listed[k] for k, ps in payments.items()
                        for p in ps}))
            for payment_id in found:
                try:
                    cls._apply_compared(payment_id, disputed)
                except TransactionError:
                    raise
                except StripeFailure as e:
                    logger.warning(
                        "payment %s is not as at Stripe: %s (%s)",
                        payment_id, e.code, e.request_id)
                    silences += isinstance(e, StripeUnavailable)
                    # It would be the same for all others
                    if isinstance(e, StripeDenied) or silences == SILENCES:
                        raise
                except Exception:
                    # One payment that fails must not stop the others
                    logger.exception(
                        "payment %s is not as at Stripe", payment_id)
                else:
                    logger.info(
                        "payment %s was not as at Stripe", payment_id)

    @classmethod
    def _payments_of(cls, account_id, keys):
        "Return the lists of payments of the account by (intent, charge)"
        Payment = Pool().get('account.payment')
        payments = defaultdict(list)
        for name, position in [
                ('stripe_payment_intent_id', 0), ('stripe_charge_id', 1)]:
            by_id = {
                k[position]: k for k in keys
                if k[position] and k not in payments}
            if not by_id:
                continue
            for payment in Payment.search([
                        (name, 'in', list(by_id)),
                        ], order=[('id', 'ASC')]):
                if payment.stripe_own_account.id == account_id:
                    payments[by_id[getattr(payment, name)]].append(payment)
        return payments

    @classmethod
    def _different_charges(cls, charges):
        for payment in charges:
            if payment.stripe_intent_status in UNPAID:
                yield payment.id

    @classmethod
    def _different_refunds(cls, refunds):
        Refund = Pool().get('account.payment.stripe.refund')
        records = defaultdict(list)
        for record in Refund.search([
                    ('payment', 'in', [p.id for p in refunds]),
                    ('state', '!=', 'draft'),
                    ], order=[]):
            records[record.payment].append(record)
        for payment, ours in refunds.items():
            states = {r.stripe_refund_id: r.state for r in records[payment]}
            if any(
                    states.get(id_) != STATES.get(
                        refund['status'], 'processing')
                    for id_, refund in ours.items()) or cls._is_other_sum(
                        payment, ours, records[payment]):
                yield payment.id

    @staticmethod
    def _is_other_sum(payment, refunds, records):
        "Return if the refunds that are known of the payment are not those"
        known = payment.stripe_refunded_amount
        if known is None or not payment.stripe_state_at:
            return True
        sum_ = from_stripe(sum(
                r['amount'] for r in refunds.values()
                if r['status'] == 'succeeded'), payment.currency.code)
        # Refunds which are too old to be listed
        sum_ += sum(
            r.amount for r in records
            if r.state == 'succeeded'
            and r.stripe_refund_id
            and r.stripe_refund_id not in refunds)
        if known > sum_:
            # By older ones that were made in Stripe's dashboard, unless
            # one has failed
            return any(
                STATES.get(r['status']) == 'failed'
                for r in refunds.values())
        return known < sum_

    @classmethod
    def _different_disputes(cls, disputes):
        Dispute = Pool().get('account.payment.stripe.dispute')
        records = Dispute.stripe_known(disputes)
        for payment, ours in disputes.items():
            lost, at_risk, shown = of_disputes(ours)
            code = payment.currency.code
            known = [records.get((payment.id, d['id'])) for d in ours]
            if (not all(k and k.stripe_is_same(d) for k, d in zip(known, ours))
                    or payment.stripe_lost_amount != from_stripe(lost, code)
                    or payment.stripe_disputed_amount != from_stripe(
                        at_risk, code)
                    or payment.stripe_dispute_status != shown['status']):
                yield payment.id

    @classmethod
    def _apply_compared(cls, payment_id, disputed):
        "Apply what Stripe says of the payment, commits"
        Payment = Pool().get('account.payment')

        def apply():
            for payment in Payment.stripe_lock([payment_id]):
                payment.stripe_apply(
                    payment.stripe_read(disputed), fresh=True)
        attempt(apply)


def _since(datetime):
    "Return the parameter to list what was created since then"
    return {'gte': to_timestamp(datetime)}


def _paid_by(object_):
    """Return the ids of the intent and of the charge of the dictionary, which
    may be the charge"""
    return (
        object_.get('payment_intent'),
        object_['id'] if object_['object'] == 'charge'
        else object_.get('charge'))
