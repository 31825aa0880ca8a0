# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt

from trytond.pool import PoolMeta

from .common import is_key
from .gateway import StripeFailure, StripeRefused
from .pace import paced

# Stripe keeps idempotency keys for a day, the dates of records may be those
# of another time zone
# https://docs.stripe.com/api/idempotent_requests
OLD = dt.timedelta(hours=10)
METADATA = 'tryton_key'


class Payment(metaclass=PoolMeta):
    "Find what was charged after the backup from which a database is restored"
    __name__ = 'account.payment'

    @property
    def stripe_metadata(self):
        return {
            **super().stripe_metadata,
            METADATA: self.stripe_idempotency_key,
            }

    @classmethod
    def _stripe_recover(cls, id_, gateway):
        """Remember the intent that Stripe has for the payment, if any.

        Only for payments that have been waiting for long, as before that the
        idempotency key leads to the same intent.
        """
        payment = cls.stripe_browse(id_)
        if not (payment.stripe_token and payment.stripe_chargeable
                or payment.stripe_method):
            # There is nothing to charge again
            return
        at = payment.write_date or payment.create_date
        if dt.datetime.now() - at < OLD:
            return
        query = "metadata['%s']:'%s'" % (
            METADATA, payment.stripe_idempotency_key)
        try:
            found = yield paced(
                gateway.payment_intents.search, query=query, limit=100)
        except StripeFailure as e:
            if isinstance(e, StripeRefused) or e.forbidden:
                # Stripe does not offer it everywhere
                return
            raise
        intents = [i for i in found['data'] if i['status'] != 'canceled']
        if intents and (payment := cls._stripe_hold(id_)):
            # Others were left over when their answer was lost
            payment.stripe_set_intent(max(intents, key=_is_used))

    @classmethod
    def _stripe_adopt(cls, account, intent):
        """Return the locked payments that remember the intent from now on.

        intent: the dictionary of an intent that no payment knows.
        An intent is not confirmed before it is remembered, so one that was is
        of a database that has been restored since.
        """
        metadata = intent.get('metadata')
        key = metadata.get(METADATA) if isinstance(metadata, dict) else None
        if not is_key(key) or not _is_used(intent):
            return []
        payments = [
            p for p in cls.stripe_lock(cls.search([
                        ('stripe_idempotency_key', '=', key),
                        ]))
            if p.state in {'submitted', 'approved', 'processing'}
            and p.journal.stripe_account == account
            and not (p.stripe_payment_intent_id or p.stripe_charge_id)]
        for payment in payments:
            payment.stripe_set_intent(intent)
        return payments


def _is_used(intent):
    "Return if somebody has confirmed the intent"
    return intent['status'] in {
        'requires_action', 'processing', 'requires_capture', 'succeeded'}
