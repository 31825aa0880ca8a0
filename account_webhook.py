# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import json
import logging

import stripe

from trytond import backend
from trytond.model import dualmethod, fields
from trytond.pool import Pool
from trytond.transaction import Transaction, TransactionError

from .attempt import attempt
from .convert import from_timestamp, is_key
from .gateway import StripeFailure
from .inquiry import inquire

# How often it is written at most that a signature was refused, as anybody can
# post
PAUSE = dt.timedelta(minutes=1)

logger = logging.getLogger(__name__)


class WebhookMixin:
    "Receive what is posted to the webhook"
    __slots__ = ()

    webhook_refused = fields.Char(
        "Refused Event", readonly=True, strip=False,
        states={
            'invisible': True,
            },
        help="The last event whose signature was refused, "
        "if it is one of Stripe.")
    webhook_refused_at = fields.Timestamp(
        "Refused at", readonly=True,
        states={
            'invisible': True,
            })

    @classmethod
    def copy(cls, accounts, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('webhook_refused')
        default.setdefault('webhook_refused_at')
        return super().copy(accounts, default=default)

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'write' and 'webhook_signing_secret' in values:
            values.setdefault('webhook_refused')
            values.setdefault('webhook_refused_at')
        return values

    @classmethod
    def from_identifier(cls, identifier):
        "Return the account of the webhook identifier or None"
        if not is_key(identifier):
            return
        holders = cls.webhook_identifier.holders(cls, identifier)
        accounts = cls.search([('id', 'in', holders)], limit=1)
        return accounts[0] if accounts else None

    def read_webhook(self, body, signature):
        """Return the dictionary of the event posted to the webhook and None,
        or the function that returns what Stripe says of it.

        The function needs no transaction, and raises ValueError if Stripe
        does not know the event, StripeFailure if it cannot answer and
        InquiryLimit if it has been asked too often.
        body: the bytes as received.
        Raises ValueError if it is not an event that Stripe sent.
        Source: https://docs.stripe.com/webhooks#verify-events
        """
        Event = Pool().get('account.payment.stripe.event')
        secret = self.webhook_signing_secret
        try:
            body = body.decode('utf-8')
            if secret:
                self._verify_signature(body, signature or '')
            event = json.loads(body)
            Event.check(event)
        except stripe.SignatureVerificationError:
            self._note_refused(body, signature or '')
            raise ValueError("Not an event of Stripe") from None
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ValueError("Not an event of Stripe") from None
        known = not secret and Event.search_known(self, [event])
        if secret or any(e.state == 'applied' for e in known.values()):
            return event, None
        # Without a secret anybody could have posted it
        gateway = self.quick_gateway
        return event, lambda: inquire(gateway, event['id'])

    def _verify_signature(self, body, signature):
        """Verify that Stripe signed the body.

        After the webhook has been replaced the former one posts too.
        Raises stripe.SignatureVerificationError.
        """
        former = self.webhook_former_secret
        try:
            _verify(body, signature, self.webhook_signing_secret)
        except stripe.SignatureVerificationError:
            if not former:
                raise
            _verify(body, signature, former)
        else:
            if former or self.webhook_former_id:
                self.__class__.__queue__.stripe_retire_webhook([self])

    def _note_refused(self, body, signature):
        """Remember the event whose signature was refused.

        Whether Stripe knows it is asked by who checks the account.
        """
        Event = Pool().get('account.payment.stripe.event')
        now = dt.datetime.now()
        at = self.webhook_refused_at
        if at and now - PAUSE < at <= now:
            return
        try:
            _verify(
                body, signature, self.webhook_signing_secret, tolerance=None)
            # It was signed too long ago, or the clock is wrong
            return
        except stripe.SignatureVerificationError:
            pass
        try:
            event = json.loads(body)
            Event.check(event)
        except (ValueError, TypeError, KeyError, RecursionError):
            return
        table = self.__table__()

        def note():
            # Not waiting for who checks the account
            self.__class__.lock([self])
            # Who edits the account must not be told that it has changed
            Transaction().connection.cursor().execute(*table.update(
                    [table.webhook_refused, table.webhook_refused_at],
                    [event['id'], now], where=table.id == self.id))
        try:
            attempt(note)
        except (TransactionError, backend.DatabaseOperationalError):
            logger.info("webhook of account %s: busy", self.id)

    def _is_refused(self, gateway, received):
        """Return if Stripe signs what it posts with another secret.

        Nobody else knows the identifier of an event that Stripe knows.
        received: the newest event that was posted and accepted, or None.
        """
        Event = Pool().get('account.payment.stripe.event')
        if not self.webhook_refused or not self.webhook_signing_secret:
            return False
        if Event.search([
                    ('account', '=', self.id),
                    ('identifier', '=', self.webhook_refused),
                    ('by_webhook', '=', True),
                    ], limit=1):
            # The former webhook has posted it too, or it was tried again
            return False
        try:
            event = gateway.events.retrieve(self.webhook_refused)
        except StripeFailure:
            return False
        if received and received.happened_at > from_timestamp(
                event['created']):
            return False
        return bool(event.get('pending_webhooks', True))

    @dualmethod
    def webhook(cls, accounts, event):
        """Apply the event once on the records of the accounts.

        event: the dictionary of a Stripe event.
        Return True when it is applied, False if it must be sent again and
        None if it is of no interest.
        Commits.
        """
        Event = Pool().get('account.payment.stripe.event')
        results = {
            Event.receive_alone(account, event, by_webhook=True)
            for account in accounts} - {None}
        return all(results) if results else None


def _verify(body, signature, secret,
        tolerance=stripe.Webhook.DEFAULT_TOLERANCE):
    stripe.WebhookSignature.verify_header(
        body, signature, secret, tolerance=tolerance)
