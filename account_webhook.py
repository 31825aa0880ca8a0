# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import json

import stripe

from trytond.model import dualmethod
from trytond.pool import Pool

from .convert import is_key
from .inquiry import inquire


class WebhookMixin:
    "Receive what is posted to the webhook"
    __slots__ = ()

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
        except (stripe.SignatureVerificationError,
                ValueError, TypeError, KeyError, RecursionError):
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
            if self.webhook_former_id:
                self.__class__.__queue__.stripe_retire_webhook([self])

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
            Event.receive_alone(account, event)
            for account in accounts} - {None}
        return all(results) if results else None


def _verify(body, signature, secret):
    stripe.WebhookSignature.verify_header(
        body, signature, secret, tolerance=stripe.Webhook.DEFAULT_TOLERANCE)
