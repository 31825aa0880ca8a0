# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import logging

from .attempt import attempt
from .convert import to_timestamp
from .gateway import StripeRefused
from .listing import pages

# Stripe tries that long to deliver an event
# https://docs.stripe.com/webhooks#automatic-retries
DELIVERY = dt.timedelta(days=4)
# An event may be listed some time after it was created, behind others
LATE = dt.timedelta(minutes=10)
# Stripe knows none of this id, so that all are read that it keeps
UNKNOWN_EVENT = 'evt_unknown'

logger = logging.getLogger(__name__)


class FetchMixin:
    "Read the events from Stripe"
    __slots__ = ()

    @classmethod
    def fetch_new(cls, account):
        """Apply the events since the last one of the account, oldest first.

        Commits some events at a time, those that fail do not undo others.
        Raises StripeFailure if they cannot be read.
        """
        Account = account.__class__

        def move_on(event):
            Account.write([Account(account.id)], {'last_event': event['id']})

        last, params = account.last_event, {}
        if not last and account.fetched_at:
            # When it was last read there was no event yet
            params['created'] = {
                'gte': to_timestamp(account.fetched_at - LATE),
                }
        elif not last and account.webhook_identifier:
            # What happened before has been delivered, or is undelivered
            newest = account.gateway.events.list(limit=1)['data']
            if newest:
                attempt(move_on, newest[0])
            return
        elif last and account.fetched_at:
            cls._fetch_late(account)
        # Of all types: several lists, since one takes few types, would each
        # be read though nothing happened, and their events be in no order
        for page in _pages_since(account.gateway, last, **params):
            for events in cls._grouped(page):
                results = cls.receive_all(account, events, after=move_on)
                for event, result in zip(events, results):
                    if result is not None:
                        last = event['id']
            if last != page[-1]['id']:
                # Foreign events cost one write per page
                attempt(move_on, page[-1])
                last = page[-1]['id']

    @classmethod
    def _fetch_late(cls, account):
        "Apply the events that are listed before the last though they are new"
        since = account.fetched_at - LATE
        if any(e.happened_at < since for e in cls.search([
                        ('account', '=', account.id),
                        ('identifier', '=', account.last_event),
                        ])):
            # What happened since then is listed after it
            return
        handlers = cls.handlers()
        late = []
        try:
            for page in pages(
                    account.gateway.events.list,
                    starting_after=account.last_event,
                    created={'gte': to_timestamp(since)}):
                events = [e for e in page if e['type'] in handlers]
                known = events and cls.search_known(account, events)
                late.extend(e for e in events if e['id'] not in known)
        except StripeRefused as e:
            if not e.missing:
                raise
        for events in cls._grouped(late[::-1]):
            cls.receive_all(account, events)

    @classmethod
    def fetch_undelivered(cls, account):
        """Apply the events that Stripe could not deliver, oldest first.

        Commits some events at a time, those that fail do not undo others.
        Raises StripeFailure if they cannot be read.
        """
        params = {}
        if account.fetched_at:
            # The older ones have been read before
            params['created'] = {
                'gte': to_timestamp(account.fetched_at - DELIVERY),
                }
        # Only of our types, another system may be down for long. The order
        # does not matter, as they are late anyway
        for types in cls.type_lists():
            for page in _pages_since(
                    account.gateway, None, types=types,
                    delivery_success=False, **params):
                for events in cls._grouped(page):
                    cls.receive_all(account, events)


def _pages_since(gateway, last, **params):
    """Yield lists of dictionaries of the events since the last, oldest first.

    All that Stripe keeps if the last is None or unknown to it.
    """
    if last:
        try:
            yield from pages(
                gateway.events.list, ending_before=last, **params)
            return
        except StripeRefused as e:
            if not e.missing:
                raise
            logger.warning("event %s is not kept by Stripe anymore", last)
    oldest = None
    for page in pages(gateway.events.list, **params):
        oldest = page
    if oldest:
        # It may be short, so it moves on from the newest of them
        yield oldest[::-1]
        yield from pages(
            gateway.events.list, ending_before=oldest[0]['id'], **params)
