# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import logging

from trytond.i18n import gettext
from trytond.pool import PoolMeta

from .common import is_key
from .exceptions import PaymentPaidError
from .gateway import StripeFailure, StripeRefused
from .pace import paced
from .state import PaymentState

# Stripe keeps idempotency keys for a day
# https://docs.stripe.com/api/idempotent_requests
KEPT = dt.timedelta(days=1)
# The dates of the records may be of another time zone than those of Stripe
ZONES = dt.timedelta(hours=14)
METADATA = 'tryton_key'

logger = logging.getLogger(__name__)


class Payment(metaclass=PoolMeta):
    """Find what was charged after the backup from which a database is restored

    Intents have the key of the payment in their metadata.
    """
    __name__ = 'account.payment'

    @property
    def stripe_metadata(self):
        return {
            **super().stripe_metadata,
            METADATA: self.stripe_idempotency_key,
            }

    @property
    def _stripe_may_be_forgotten(self):
        """If the payment, which knows no intent, may have one.

        A young one would get the same intent again with its idempotency key,
        and while the events are read all the time nothing is forgotten.
        """
        if dt.datetime.now() - self.create_date < KEPT - ZONES:
            return False
        account = self.journal.stripe_account
        return account.is_behind or bool(
            account.resumed_at
            and self.create_date < account.resumed_at + ZONES)

    @classmethod
    def _stripe_recover(cls, id_, gateway):
        "Remember the intent of the payment that was forgotten, if any"
        payment = cls.stripe_browse(id_)
        if not (payment.stripe_idempotency_key
                and payment._stripe_may_be_forgotten):
            return
        intent = yield paced(
            gateway.payment_intents.search, gateway,
            payment.stripe_idempotency_key, func=_search)
        if intent and (payment := cls._stripe_hold(id_)):
            payment.stripe_set_intent(intent)

    def stripe_knows(self):
        """Return if there is an intent, or charge, of the payment, which is
        locked, also if it had been forgotten.

        Raises StripeFailure.
        """
        if self.stripe_payment_intent_id or self.stripe_charge_id:
            return True
        if (self.process_method == 'stripe'
                and self.stripe_idempotency_key
                and self._stripe_may_be_forgotten):
            intent = _search(
                self.journal.stripe_account.gateway,
                self.stripe_idempotency_key)
            if intent:
                self.stripe_set_intent(intent)
                return True
        return False

    @classmethod
    def _stripe_adopt(cls, account, intent):
        """Return the locked payments that remember the intent from now on.

        intent: the dictionary of an intent that no payment knows.
        An intent is not confirmed before it is remembered, so one that was is
        of a database that has been restored since.
        Raises PaymentPaidError if another intent has been paid meanwhile, and
        StripeFailure.
        """
        metadata = intent.get('metadata')
        key = metadata.get(METADATA) if isinstance(metadata, dict) else None
        payments = [
            p for p in is_key(key) and cls.stripe_lock(cls.search([
                        ('stripe_idempotency_key', '=', key),
                        ])) or []
            if p.journal.stripe_account == account]
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

    def _stripe_replace_intent(self, gateway, intent):
        former = self.stripe_payment_intent_id
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
    "Return the dictionary of the intent with the key that is used, or None"
    try:
        found = gateway.payment_intents.search(
            query="metadata['%s']:'%s'" % (METADATA, key), limit=100)
    except StripeFailure as e:
        if isinstance(e, StripeRefused) or e.forbidden:
            # Stripe does not offer it everywhere
            logger.warning("can not search intents: %s (%s)",
                e.code, e.request_id)
            return
        raise
    # Others were left over when their answer was lost
    return next(filter(_is_used, found['data']), None)


def _is_used(intent):
    "Return if the intent was confirmed and is not cancelled"
    return intent['status'] in {
        'requires_action', 'processing', 'requires_capture', 'succeeded'}
