# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import logging
from urllib.parse import urlsplit

from trytond import config
from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import Transaction

from .attempt import attempt
from .connection import Finding, endpoints_of, is_same_url, problems_of
from .convert import new_key
from .error import failure_message
from .exceptions import StripeError, StripeWebhookMovedWarning
from .gateway import STRIPE_VERSION, StripeDenied, StripeFailure
from .keys import key_mode
from .secret import Secret

logger = logging.getLogger(__name__)


class ConnectMixin:
    "Keep the webhook at Stripe as this version needs it"
    __slots__ = ()

    mode = fields.Function(
        fields.Selection([
                (None, ""),
                ('test', "Test"),
                ('live', "Live"),
                ], "Mode", sort=False),
        'get_mode')
    webhook_id = fields.Char(
        "Stripe Webhook", readonly=True, strip=False,
        states={
            'invisible': ~Eval('webhook_id'),
            },
        help="The webhook endpoint at Stripe that Tryton keeps.")
    webhook_former_id = fields.Char(
        "Former Stripe Webhook", readonly=True, strip=False,
        states={
            'invisible': ~Eval('webhook_former_id'),
            },
        help="It is deleted once an event has come through the new one.")
    webhook_former_secret = Secret("Former Signing Secret", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._buttons.update({
                'stripe_connect': {
                    'icon': 'tryton-launch',
                    },
                'stripe_disconnect': {
                    'invisible': ~Eval('webhook_id'),
                    'icon': 'tryton-cancel',
                    'depends': ['webhook_id'],
                    },
                })

    def get_mode(self, name):
        return key_mode(self.publishable_key or '')

    @classmethod
    def copy(cls, accounts, default=None):
        default = default.copy() if default is not None else {}
        for name in [
                'webhook_id', 'webhook_former_id', 'webhook_former_secret']:
            default.setdefault(name)
        return super().copy(accounts, default=default)

    @classmethod
    @ModelView.button
    def stripe_connect(cls, accounts):
        """Test the keys, make the webhook at Stripe and register the host.

        Commits account by account.
        Raises StripeElsewhereWarning if the live key was connected elsewhere,
        and StripeWebhookMovedWarning if the webhook posts to elsewhere.
        """
        for account in cls.browse(accounts):
            account._warn_elsewhere()
            account._warn_moved()
        for id_ in list(map(int, accounts)):
            attempt(lambda: cls._connect_place([id_]))
            # Stripe may post to it at once
            attempt(cls._ensure_identifier, id_)
            attempt(cls._check, id_, repair=True, all_=True)

    @classmethod
    @ModelView.button
    def stripe_disconnect(cls, accounts):
        """Delete the webhook at Stripe and forget it.

        Raises StripeError if Stripe refuses, then nothing is forgotten.
        """
        for account in cls.browse(accounts):
            for id_ in [account.webhook_id, account.webhook_former_id]:
                if id_:
                    account._delete_endpoint(id_)
        cls.write(accounts, {
                'webhook_id': None,
                'webhook_signing_secret': None,
                'webhook_former_id': None,
                'webhook_former_secret': None,
                'checks': [('delete', [
                            c.id for a in accounts for c in a.checks])],
                'checked_at': None,
                })

    @classmethod
    def stripe_retire_webhook(cls, accounts):
        "Delete the former webhook, as an event came through the new one"
        for account in accounts:
            if not account.webhook_former_id:
                continue
            try:
                account._delete_endpoint(account.webhook_former_id)
            except StripeError as e:
                # The event must be answered, the next one comes
                logger.warning("account %s: %s", account.id, e.message)
                continue
            account.webhook_former_id = None
            account.webhook_former_secret = None
        cls.save(accounts)

    def _delete_endpoint(self, id_):
        try:
            self.gateway.webhook_endpoints.delete(id_)
        except StripeFailure as e:
            if e.missing:
                # Somebody has deleted it in the dashboard
                return
            raise StripeError(gettext(
                    'account_payment_stripe.msg_stripe_failure',
                    record=self.rec_name,
                    error=failure_message(e))) from None

    @classmethod
    def _ensure_identifier(cls, id_):
        account = cls(id_)
        if not account.webhook_identifier:
            account.webhook_identifier = new_key()
            account.webhook_signing_secret = None
            account.save()

    @property
    def _is_host_known(self):
        "If it is configured, and not only that of who asks"
        return bool(config.get('web', 'hostname'))

    @property
    def _webhook_url(self):
        """Where Stripe should post to.

        The host is the one that is configured, or else that of the request.
        Stripe posts live events only with https.
        """
        Router = Pool().get('account_payment_stripe', type='router')
        request = Transaction().context.get('_request') or {}
        asked = {
            'is_secure': request.get('is_secure') or self.mode == 'live'}
        if not self._is_host_known and 'http_host' in request:
            asked['http_host'] = request['http_host']
        with Transaction().set_context(_request=asked):
            return Router.url_for(
                'webhooks_endpoint', _method='POST',
                account=self.webhook_identifier)

    def _warn_moved(self):
        "Warn if the webhook posts to another server, as of a copied database"
        Warning = Pool().get('res.user.warning')
        if not self.webhook_id:
            return
        try:
            endpoints = endpoints_of(self.gateway)
        except StripeFailure:
            # The check shows what is wrong with it
            return
        for endpoint in endpoints:
            if endpoint['id'] == self.webhook_id and not is_same_url(
                    endpoint['url'], self._webhook_url, self._is_host_known):
                key = Warning.format('stripe_webhook_moved', [self])
                if Warning.check(key):
                    raise StripeWebhookMovedWarning(key, gettext(
                            'account_payment_stripe.msg_stripe_webhook_moved',
                            account=self.rec_name,
                            host=urlsplit(endpoint['url']).netloc))

    def _find_webhook(self, gateway, repair, all_):
        Event = Pool().get('account.payment.stripe.event')
        types = list(Event.handlers())
        if not self.webhook_identifier:
            yield Finding('webhook', 'warning', 'webhook_none')
            return
        url, host = self._webhook_url, self._is_host_known
        try:
            endpoints = endpoints_of(gateway)
            known = next(
                (e for e in endpoints if e['id'] == self.webhook_id), None)
            same = [
                e for e in endpoints if is_same_url(e['url'], url, host)]
            is_same = bool(known) and is_same_url(known['url'], url, host)
            # Cron must not take it from the server that it posts to, nor
            # make one for a host that only a request tells
            if repair and (all_ or is_same):
                known = self._repair_webhook(
                    gateway, known, same, types,
                    known['url'] if is_same else url)
        except StripeDenied as e:
            yield Finding('webhook', 'warning', 'webhook_manual', {
                    'version': STRIPE_VERSION,
                    'events': ', '.join(types),
                    'error': e.message,
                    })
            return
        except StripeFailure as e:
            # Not everybody who sees the checks may see the URL
            yield Finding('webhook', 'error', 'webhook_refused', {
                    'error': failure_message(e).replace(url, '...'),
                    })
            return
        known = known or next(iter(same), None)
        if not known:
            yield Finding('webhook', 'error', 'webhook_gone')
        elif problems := problems_of(known, url, types, host):
            yield Finding('webhook', 'error', 'webhook_wrong', {
                    'problems': ', '.join(
                        gettext('account_payment_stripe.msg_webhook_' + p)
                        for p in problems),
                    })
        elif self.webhook_id != known['id'] or (
                not self.webhook_signing_secret):
            yield Finding('webhook', 'warning', 'webhook_foreign')
        else:
            yield Finding('webhook', 'ok')

    def _repair_webhook(self, gateway, known, same, types, url):
        """Return the dictionary of the webhook endpoint of the account, made
        or changed as it should be.

        A new version needs a new endpoint. The former one is kept until an
        event has come through the new one, so that none is lost.
        """
        if not known and self.webhook_signing_secret:
            # Somebody made it by hand: the secret of ours would be known
            known = next(
                (e for e in same
                    if 'tryton_database' not in (e['metadata'] or {})), None)
        former = None
        if known and (
                not self.webhook_signing_secret
                or known['api_version'] != STRIPE_VERSION):
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
            if former and self.webhook_signing_secret:
                self.webhook_former_id = former['id']
                self.webhook_former_secret = self.webhook_signing_secret
            elif former:
                # Nothing could be made of its signatures
                gateway.webhook_endpoints.delete(former['id'])
            self.webhook_signing_secret = known['secret']
        elif problems_of(known, url, types, self._is_host_known):
            known = gateway.webhook_endpoints.update(
                known['id'], url=url, enabled_events=types, disabled=False)
        self.webhook_id = known['id']
        self.save()
        # There must never be two endpoints for one URL
        kept = {self.webhook_id, self.webhook_former_id}
        for other in same:
            if other['id'] not in kept and other is not former:
                gateway.webhook_endpoints.delete(other['id'])
        return known
