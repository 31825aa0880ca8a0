# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt

from trytond.i18n import gettext

from .call import Call
from .convert import is_key
from .exceptions import PaymentPaidError
from .gateway import StripeFailure, StripeRefused
from .payment_intent import METADATA, METADATA_ATTEMPT
from .policy import KEPT
from .state import OPEN, PaymentState

# The dates of the records may be of another time zone than those of Stripe
ZONES = dt.timedelta(hours=14)
# Those that come first are kept
_RANK = ['succeeded', 'requires_capture', 'processing', 'requires_action']


class RestoreMixin:
    """Find the intents of which the payment does not know: those made after
    the backup from which a database is restored, and left over.

    Intents have the key of the payment in their metadata, which it keeps as
    long as it lives. Whatever is found is read by its id, then it is taken
    over or cancelled, so that it is never skipped.
    """
    __slots__ = ()

    @property
    def _stripe_may_be_forgotten(self):
        """If the payment, which knows no intent, may have one.

        While the events are read all the time nothing is forgotten.
        """
        account = self.stripe_own_account
        if not account.fetched_at:
            # Within a day the key alone finds the intent, if there is one
            age = dt.datetime.now() - self.create_date
            # The clock of the server may have been set back
            return not -ZONES <= age <= KEPT - ZONES
        return account.is_behind or bool(
            account.resumed_at
            and self.create_date < account.resumed_at + ZONES)

    @classmethod
    def _stripe_look(cls, job, reused=False, made=None):
        """Yield the calls that find the intents of the payment, which knows
        none, and remember the one that counts.

        reused: if Stripe said that there is one for the current attempt.
        made: its id if it is known.
        Without one that counts, the attempt advances if those for it are
        cancelled.
        """
        payment, gateway = job.record, job.gateway
        key, attempt = payment.stripe_idempotency_key, payment.stripe_attempt
        former = payment.stripe_former_intent_id
        ids = [i for i in [former, made] if i]
        if key and (reused or payment._stripe_may_be_forgotten):
            ids.extend((yield Call(
                        gateway.payment_intents.search, gateway, key,
                        func=_search)))
        if not ids:
            return
        intents = []
        for intent in dict.fromkeys(ids):
            intents.append((yield Call(
                        gateway.payment_intents.retrieve, intent)))
        kept, cancel = job.record._stripe_choose(intents)
        for intent in cancel:
            state = yield Call(
                gateway.payment_intents.cancel, gateway, intent['id'],
                func=PaymentState.cancel)
            if state.status != 'canceled' and (
                    not kept or kept['status'] in OPEN):
                # It was paid before it could be cancelled
                kept = yield Call(
                    gateway.payment_intents.retrieve, intent['id'])
        payment = job.record
        if payment.stripe_is_known:
            # An event has told of another one meanwhile
            return
        if kept:
            payment.stripe_set_intent(kept)
        elif payment.stripe_attempt == attempt and any(
                _attempt_of(i) in {None, attempt} for i in intents):
            payment.stripe_forget_intent()

    def _stripe_choose(self, intents):
        """Return the intent to keep, or None, and those to cancel, of the
        dictionaries of intents."""
        alive = sorted(
            (i for i in intents if i['status'] != 'canceled'), key=_rank)
        kept = None
        for intent in alive:
            if _is_used(intent) or self._stripe_may_take(intent):
                kept = intent
                break
        return kept, [
            i for i in alive
            if i is not kept and i['status'] not in _RANK[:1]]

    def _stripe_may_take(self, intent):
        "If the intent, that nobody has tried to pay, is as a new one would be"
        params = self.stripe_intent_params()
        return (not intent.get('last_payment_error')
            and not intent.get('latest_charge')
            and all(intent[n] == params[n]
                for n in ['amount', 'currency', 'capture_method'])
            and intent.get('customer') in {None, params.get('customer')})

    def stripe_knows(self):
        """Return if there is an intent, or charge, of the payment, which is
        locked, also if it had been forgotten.

        Raises StripeFailure.
        """
        if self.stripe_is_known:
            return True
        if self.process_method != 'stripe' or not (
                self.stripe_former_intent_id
                or (self.stripe_idempotency_key
                    and self._stripe_may_be_forgotten)):
            return False
        self.stripe_now(self._stripe_look)
        return self.stripe_is_known

    @classmethod
    def stripe_adopt(cls, account, intent):
        """Return the locked payments that remember the intent from now on.

        intent: the dictionary of an intent that no payment knows.
        An intent is not confirmed before it is remembered, so one that was is
        of a database that has been restored since.
        Raises PaymentPaidError if another intent has been paid meanwhile, and
        StripeFailure.
        """
        payments = cls._stripe_find_key(account, intent)
        if not payments:
            return []
        # The event may be older than its cancellation
        intent = account.gateway.payment_intents.retrieve(intent['id'])
        if not _is_used(intent):
            return []
        for payment in payments:
            payment._stripe_replace_intent(account.gateway, intent)
            if payment.state == 'draft':
                cls.submit([payment])
        return payments

    @classmethod
    def _stripe_find_key(cls, account, object_):
        "Return the locked payments that the metadata of the object names"
        metadata = object_.get('metadata')
        key = metadata.get(METADATA) if isinstance(metadata, dict) else None
        return [
            p for p in is_key(key) and cls.stripe_lock(cls.search([
                        ('stripe_idempotency_key', '=', key),
                        ])) or []
            if p.stripe_own_account == account]

    def _stripe_replace_intent(self, gateway, intent):
        former = self.stripe_payment_intent_id or self.stripe_former_intent_id
        if self.stripe_charge_id or former:
            state = former and PaymentState.cancel(gateway, former)
            if not state or state.status != 'canceled':
                raise PaymentPaidError(gettext(
                        'account_payment_stripe.msg_payment_paid_twice',
                        payment=self.rec_name,
                        first=intent['id'],
                        second=former or self.stripe_charge_id))
        self.stripe_set_intent(intent)


def _search(gateway, key):
    """Return the ids of the intents with the key.

    Raises StripeFailure, which never tells that the key of the account lacks
    a permission: what is not found must not be charged.
    """
    query = "metadata['%s']:'%s'" % (METADATA, key)
    ids, params = [], {}
    try:
        while True:
            found = gateway.payment_intents.search(
                query=query, limit=100, **params)
            ids.extend(i['id'] for i in found['data'])
            if not found['has_more']:
                return ids
            params['page'] = found['next_page']
    except StripeFailure as e:
        if not e.forbidden:
            raise
        failure = e
    refused = StripeRefused(
        failure.message, code=failure.code, request_id=failure.request_id)
    refused.operation, refused.reading = failure.operation, True
    raise refused


def _rank(intent):
    status = intent['status']
    if status in OPEN:
        rank = len(_RANK) + 1
    else:
        rank = _RANK.index(status) if status in _RANK else len(_RANK)
    # Of two that wait for a transfer the one to which some has come
    return rank, -PaymentState.from_intent(intent).transferred


def _is_used(intent):
    "Return if the intent was confirmed and is not cancelled"
    return intent['status'] not in OPEN and intent['status'] != 'canceled'


def _attempt_of(intent):
    "Return the number of the attempt that made the intent, None if not told"
    attempt = (intent.get('metadata') or {}).get(METADATA_ATTEMPT)
    return int(attempt) if (attempt or '').isdigit() else None
