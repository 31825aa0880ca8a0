# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from trytond.pool import Pool
from trytond.transaction import Transaction

from .connection import (
    Finding, endpoints_of, is_same_url, is_too_many, problems_of, wanted_url)
from .error import key_message
from .gateway import (
    STRIPE_VERSION, StripeDenied, StripeFailure, StripeRefused,
    StripeUnavailable)


class EndpointMixin:
    "Find the webhook at Stripe, and make it as it must be"
    __slots__ = ()

    def _find_webhook(self, gateway, repair, all_, received, superseded):
        """Yield the Finding, return the dictionary of the endpoint or None.

        all_: also what cron leaves as it is: it must not take the webhook from
        the server that it posts to, nor make one for a host that only a
        request tells.
        received: the newest event that was posted and accepted, or None.
        Raises StripeUnavailable.
        """
        Event = Pool().get('account.payment.stripe.event')
        if not self.webhook_identifier:
            yield Finding('webhook', 'warning', 'webhook_none')
            return
        types = list(Event.handlers())
        url, host = self._webhook_url, self._is_host_known
        refused = self._is_refused(gateway, received)
        endpoints, known, same = None, None, []
        try:
            endpoints = endpoints_of(gateway)
            known = next(
                (e for e in endpoints if e['id'] == self.webhook_id), None)
            same = [
                e for e in endpoints if is_same_url(e['url'], url, host)]
            if repair and all_:
                known = self._repair_webhook(
                    gateway, known, same, types, url, refused, superseded)
                refused = False
            elif repair and known and is_same_url(known['url'], url, host):
                known = self._repair_webhook(
                    gateway, known, same, types, known['url'], False,
                    superseded)
        except StripeDenied as e:
            yield self._find_denied(
                e, endpoints is None, types, received, refused)
            return known or next(iter(same), None)
        except StripeUnavailable:
            raise
        except StripeFailure as e:
            too_many = (
                isinstance(e, StripeRefused) and is_too_many(e, endpoints))
            yield Finding(
                'webhook', 'error',
                'webhook_limit' if too_many else 'webhook_refused', {
                    # Not everybody who sees the checks may know the URL
                    'error': key_message(e).replace(
                        self.webhook_identifier, '...'),
                    })
            return known
        known = known or next(iter(same), None)
        if not known:
            yield Finding('webhook', 'error', 'webhook_gone')
            return
        problems = problems_of(known, url, types, host)
        if {e['id'] for e in same} - {
                known['id'], self.webhook_former_id, *superseded}:
            problems.append('several')
        if refused:
            yield Finding('webhook', 'error', 'webhook_secret')
        elif problems:
            yield Finding('webhook', 'error', 'webhook_wrong', {
                    'problems': [
                        {'message': 'msg_webhook_' + p} for p in problems],
                    })
        elif self.webhook_id != known['id'] or (
                not self.webhook_signing_secret):
            yield Finding('webhook', 'warning', 'webhook_foreign')
        else:
            yield Finding('webhook', 'ok')
        return known

    def _find_denied(self, failure, unseen, types, received, refused):
        """Return the Finding if the key may not manage webhooks.

        unseen: if it may not even look at them.
        """
        if refused:
            return Finding('webhook', 'error', 'webhook_secret')
        elif not unseen or not self.webhook_signing_secret:
            return Finding('webhook', 'warning', 'webhook_manual', {
                    'version': STRIPE_VERSION,
                    'events': types,
                    'error': failure.message,
                    })
        elif received:
            return Finding('webhook', 'ok', 'webhook_by_hand', {
                    'version': STRIPE_VERSION,
                    })
        return Finding('webhook', 'warning', 'webhook_unseen')

    def _repair_webhook(
            self, gateway, known, same, types, url, refused, superseded):
        """Return the dictionary of the webhook endpoint of the account, made
        or changed as it should be.

        A new version needs a new endpoint. The former one is kept until an
        event has come through the new one, so that none is lost.

        known: that of the account at Stripe, or None.
        same: those that lead here.
        refused: if it is not signed with the secret that is known.
        superseded: gets the ids of those that are not needed.
        """
        host = self._is_host_known
        secret = None if refused else self.webhook_signing_secret
        others = [e for e in same if e['id'] != self.webhook_former_id]
        if not known and secret and len(others) == 1:
            # Somebody made it by hand, the secret of ours would be known. Of
            # several nobody can tell of which the secret is
            known = next(
                (e for e in others
                    if 'tryton_database' not in (e['metadata'] or {})), None)
        if current := known or next(iter(others), None):
            url = wanted_url(current['url'], url, host)
        former = None
        if known and (not secret or known['api_version'] != STRIPE_VERSION):
            former, known = known, None
        if not known:
            known = gateway.webhook_endpoints.create(
                url=url,
                enabled_events=types,
                api_version=STRIPE_VERSION,
                description="Tryton",
                metadata={
                    'tryton_database': Transaction().database.name,
                    'tryton_record': str(self),
                    })
            if not secret:
                # Nothing could be made of its signatures
                superseded.extend([former['id']] if former else [])
            elif former or others:
                superseded.extend(filter(None, [self.webhook_former_id]))
                self.webhook_former_id = former['id'] if former else None
                # What is being posted was signed with it
                self.webhook_former_secret = secret
            self.webhook_signing_secret = known['secret']
        elif problems_of(known, url, types, host):
            known = gateway.webhook_endpoints.update(
                known['id'], url=url, enabled_events=types, disabled=False)
        self.webhook_id = known['id']
        self.save()
        # There must never be two endpoints for one URL
        kept = {self.webhook_id, self.webhook_former_id, *superseded}
        superseded.extend(e['id'] for e in same if e['id'] not in kept)
        return known
