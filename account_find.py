# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
from urllib.parse import urlsplit

from trytond import config
from trytond.pool import Pool
from trytond.transaction import Transaction
from trytond.url import http_host

from .connect import connect
from .connection import (
    LEDGER, PROBES, SOURCES, Finding, belongs, is_public, is_same_host,
    missing_permissions, register_domain)
from .convert import to_timestamp
from .error import key_message
from .gateway import API_BASE, StripeFailure, StripeUnavailable

# Stripe tells of events that it could not deliver
DELIVERY = dt.timedelta(days=4)
# Stripe counts what it is just delivering, of which the check makes some, too
UNDER_WAY = dt.timedelta(minutes=10)
# Cron reads the events more often
PAUSE = dt.timedelta(hours=1)


class FindMixin:
    "Find out whether the account is well connected to Stripe"
    __slots__ = ()

    def _findings(self, repair, all_, superseded):
        """Yield the Findings.

        superseded: a list that gets the ids of webhooks that are not needed.
        """
        if self.is_elsewhere:
            yield Finding(
                'place', 'error', 'elsewhere', self._elsewhere_values)
            return
        elif self.is_live:
            yield Finding('place', 'ok')
        gateway = self.gateway
        try:
            missing = {}
            if self.secret_key.startswith('rk_'):
                missing = missing_permissions(gateway, self._probes())
            else:
                gateway.events.list(limit=1)
        except StripeUnavailable:
            yield Finding('secret_key', 'warning', 'unavailable')
            return
        except StripeFailure as e:
            yield Finding('secret_key', 'error', 'secret_key', {
                    # Stripe does not end what it says of keys
                    'error': e.message.rstrip('.') + '.',
                    })
            return
        yield Finding('secret_key', 'ok')
        yield self._find_permissions(missing)
        if all_:
            yield self._find_publishable(gateway)
            yield from self._find_contact()
        received = self._last_received()
        try:
            endpoint = yield from self._find_webhook(
                gateway, repair, all_, received, superseded)
        except StripeUnavailable:
            # What it depends on would be said to be wrong
            yield Finding('webhook', 'warning', 'unavailable')
        else:
            yield from self._find_address(
                gateway, endpoint, received, repair)
            yield from self._find_delivery(gateway, endpoint, received)
        yield self._find_events()
        yield self._find_cron()

    def _probes(self):
        "Return what the key must be allowed to for what is used here"
        pool = Pool()
        Balance = pool.get('account.payment.stripe.balance')
        Method = pool.get('account.payment.stripe.customer.method')
        probes = list(PROBES)
        if Balance.search([('stripe_account', '=', self.id)], limit=1):
            probes += LEDGER
        if Method.search([
                    ('customer.stripe_account', '=', self.id),
                    ('stripe_payment_method_id', 'not like', 'pm\\_%'),
                    ], limit=1):
            probes += SOURCES
        return probes

    def _find_permissions(self, missing):
        if (self.webhook_identifier and self.webhook_signing_secret
                and not self.webhook_id):
            # It was made by hand
            missing.pop('webhook', None)
        if not missing:
            return Finding('permissions', 'ok')
        # All that happens is read without a webhook too
        state = 'error' if missing.keys() - {'webhook'} else 'warning'
        return Finding('permissions', state, 'permissions', {
                'missing': {
                    'lines': [
                        [{'message': 'msg_purpose_' + purpose}, text]
                        for purpose, text in missing.items()],
                    },
                })

    def _find_publishable(self, gateway):
        public = connect(
            self.publishable_key,
            api_base=config.get(
                'account_payment_stripe', 'api_base', default=API_BASE))
        try:
            if belongs(gateway, public):
                return Finding('publishable_key', 'ok')
        except StripeFailure as e:
            return Finding('publishable_key', 'warning', 'unknown', {
                    'error': error_value(e),
                    })
        return Finding('publishable_key', 'error', 'publishable_key')

    def _find_contact(self):
        "Look if payers are told whom to ask"
        Journal = Pool().get('account.payment.journal')
        parties = {
            j.company.party
            for j in Journal.search([('stripe_account', '=', self.id)])}
        if self.contact or (
                parties and all(p.email or p.phone for p in parties)):
            yield Finding('contact', 'ok')
        elif parties:
            yield Finding('contact', 'warning', 'contact')

    def _last_received(self):
        "Return the newest event that was accepted by the webhook, or None"
        Event = Pool().get('account.payment.stripe.event')
        events = Event.search([
                ('account', '=', self.id),
                ('by_webhook', '=', True),
                ], order=[('happened_at', 'DESC')], limit=1)
        return events[0] if events else None

    def _find_address(self, gateway, endpoint, received, repair):
        """Yield the Findings about where Stripe and payers are sent.

        It is judged by what Stripe has, and by the configuration: that is the
        same by whatever way somebody came here.
        """
        if not self.webhook_identifier:
            return
        with Transaction().set_context(_request={}):
            pages = http_host()
        posted = endpoint and endpoint['url']
        url = urlsplit(posted or pages)
        state, code = 'error' if self.mode == 'live' else 'warning', None
        if received and not posted:
            # Only the addresses of the pages are wrong
            state = 'warning'
        if not is_public(url.hostname):
            code = 'private'
        elif posted and url.scheme != 'https':
            code = 'https'
        elif posted and not is_same_host(
                posted, urlsplit(pages)._replace(scheme=url.scheme).geturl()):
            state, code = 'warning', 'pages_host'
        elif urlsplit(pages).scheme != 'https':
            state, code = 'warning' if posted else state, 'pages_https'
        yield Finding('https', state if code else 'ok', code, {
                'host': url.netloc,
                'pages': urlsplit(pages).netloc,
                })
        # Wallets are for where the pages are
        for url in map(urlsplit, filter(None, [pages, posted])):
            if url.scheme == 'https' and is_public(url.hostname):
                yield self._find_wallets(gateway, url.hostname, repair)
                break

    def _find_wallets(self, gateway, host, repair):
        try:
            texts = register_domain(gateway, host, repair)
        except StripeFailure as e:
            texts = [error_value(e)]
        if texts:
            return Finding('wallets', 'warning', 'wallets', {
                    'host': host,
                    'error': {'lines': texts},
                    })
        return Finding('wallets', 'ok')

    def _find_delivery(self, gateway, endpoint, received):
        Event = Pool().get('account.payment.stripe.event')
        if not self.webhook_identifier or not (
                endpoint or self.webhook_signing_secret):
            return
        now = dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)
        since, until = now - DELIVERY, now - UNDER_WAY
        if received:
            # What is wrong no more is of no interest
            since = max(since, received.happened_at + dt.timedelta(seconds=1))
        try:
            lost = since < until and [
                e for types in Event.type_lists()
                for e in gateway.events.list(
                    types=types, delivery_success=False, limit=1,
                    created={
                        'gte': to_timestamp(since),
                        'lte': to_timestamp(until),
                        })['data']]
        except StripeFailure:
            # The permissions tell
            return
        if lost:
            yield Finding('delivery', 'warning', 'delivery_failed')
        elif received:
            yield Finding('delivery', 'ok', 'delivery_last', {
                    'date': {'at': to_timestamp(received.happened_at)},
                    })
        else:
            yield Finding('delivery', 'warning', 'delivery_none')

    def _find_events(self):
        Event = Pool().get('account.payment.stripe.event')
        failed = Event.search([
                ('account', '=', self.id),
                ('state', '=', 'failed'),
                ], count=True)
        if failed:
            return Finding(
                'events', 'warning', 'events', {'number': failed})
        return Finding('events', 'ok')

    def _find_cron(self):
        now = dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)
        if self.fetched_at and now - self.fetched_at <= PAUSE:
            return Finding('cron', 'ok')
        if not self.fetched_at:
            # It runs each quarter of an hour
            new = now - self.create_date <= PAUSE
            return Finding(
                'cron', 'warning' if new else 'error', 'cron_never')
        return Finding('cron', 'error', 'cron', {
                'date': {'at': to_timestamp(self.fetched_at)},
                })


def error_value(failure):
    "Return the value of a Finding that says what Stripe, or nobody, answered"
    if isinstance(failure, StripeUnavailable):
        return {'message': 'msg_stripe_unavailable'}
    return key_message(failure)
