# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import logging
from urllib.parse import urlsplit

from trytond import config
from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import Transaction

from .common import attempt, failure_message, new_key, to_timestamp
from .connection import (
    Finding, belongs, endpoints_of, missing_permissions, problems_of,
    register_domain)
from .exceptions import StripeError, StripeWebhookMovedWarning
from .gateway import (
    API_BASE, STRIPE_VERSION, StripeDenied, StripeFailure, StripeUnavailable,
    connect)
from .keys import key_mode
from .secret import Secret

# Stripe tells of events that it could not deliver
DELIVERY = dt.timedelta(days=4)
# Cron reads the events more often
PAUSE = dt.timedelta(hours=1)
CHECKS = [
    ('secret_key', "Secret Key"),
    ('publishable_key', "Publishable Key"),
    ('permissions', "Permissions of the Key"),
    ('webhook', "Webhook"),
    ('https', "Address of the Server"),
    ('wallets', "Wallets"),
    ('delivery', "Delivery of Events"),
    ('cron', "Scheduled Actions"),
    ]
STATES = [
    ('ok', "OK"),
    ('warning', "Warning"),
    ('error', "Error"),
    ]

logger = logging.getLogger(__name__)


class Check(ModelSQL, ModelView):
    __name__ = 'account.payment.stripe.account.check'

    account = fields.Many2One(
        'account.payment.stripe.account', "Stripe Account", required=True,
        readonly=True, ondelete='CASCADE')
    name = fields.Selection(CHECKS, "Check", readonly=True, sort=False)
    state = fields.Selection(STATES, "State", readonly=True, sort=False)
    message = fields.Text("What to Do", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('account')
        cls._order = [('account', 'ASC'), ('id', 'ASC')]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree/field[@name="state"]', 'visual',
                If(Eval('state') == 'error', 'danger',
                    If(Eval('state') == 'warning', 'warning', 'success'))),
            ]


class ConnectMixin:
    "Connect the account to Stripe, and look if it still is"
    __slots__ = ()

    mode = fields.Function(
        fields.Selection([
                (None, ""),
                ('test', "Test"),
                ('live', "Live"),
                ], "Mode", sort=False),
        'on_change_with_mode')
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
    checks = fields.One2Many(
        'account.payment.stripe.account.check', 'account', "Checks",
        readonly=True,
        states={
            'invisible': ~Eval('checks'),
            })
    checked_at = fields.Timestamp(
        "Checked at", readonly=True,
        states={
            'invisible': ~Eval('checked_at'),
            })
    check_state = fields.Function(
        fields.Selection([(None, ""), *STATES], "Connection", sort=False),
        'get_check_state')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._buttons.update({
                'stripe_connect': {
                    'icon': 'tryton-launch',
                    },
                'stripe_check_connection': {
                    'icon': 'tryton-refresh',
                    },
                'stripe_disconnect': {
                    'invisible': ~Eval('webhook_id'),
                    'icon': 'tryton-cancel',
                    'depends': ['webhook_id'],
                    },
                })

    @fields.depends('publishable_key')
    def on_change_with_mode(self, name=None):
        return key_mode(self.publishable_key or '')

    @classmethod
    def get_check_state(cls, accounts, name):
        worst = dict.fromkeys([a.id for a in accounts])
        ranks = [s for s, _ in STATES]
        for account in accounts:
            states = [c.state for c in account.checks]
            if states:
                worst[account.id] = max(states, key=ranks.index)
        return worst

    @classmethod
    def copy(cls, accounts, default=None):
        default = default.copy() if default is not None else {}
        for name in [
                'webhook_id', 'webhook_former_id', 'webhook_former_secret',
                'checks', 'checked_at']:
            default.setdefault(name)
        return super().copy(accounts, default=default)

    @classmethod
    @ModelView.button
    def stripe_connect(cls, accounts):
        """Test the keys, make the webhook at Stripe and register the host.

        Commits account by account.
        Raises StripeWebhookMovedWarning if the webhook posts to elsewhere.
        """
        for account in cls.browse(accounts):
            account._warn_moved()
        for id_ in list(map(int, accounts)):
            # Stripe may post to it at once
            attempt(cls._ensure_identifier, id_)
            attempt(cls._check, id_, repair=True, all_=True)

    @classmethod
    @ModelView.button
    def stripe_check_connection(cls, accounts):
        """Look whether the accounts are well connected, change nothing.

        Commits account by account.
        """
        for id_ in list(map(int, accounts)):
            attempt(cls._check, id_, all_=True)

    @classmethod
    def stripe_check_connections(cls):
        """Look whether the accounts that were connected still are, and bring
        their webhooks to what this version needs. For cron.

        Commits account by account.
        """
        for account in cls.search([('webhook_id', '!=', None)]):
            id_ = account.id
            try:
                attempt(cls._check, id_, repair=True)
            except Exception:
                # It must not stop the other accounts
                logger.exception("cannot check account %s", id_)

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
        for account in cls.browse(accounts):
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

    def _warn_moved(self):
        "Warn if the webhook posts to another server, as of a copied database"
        Warning = Pool().get('res.user.warning')
        if not self.webhook_id:
            return
        try:
            endpoints = endpoints_of(self.gateway)
        except StripeFailure:
            # The check tells
            return
        for endpoint in endpoints:
            if (endpoint['id'] == self.webhook_id
                    and endpoint['url'] != self.webhook_endpoint):
                key = Warning.format('stripe_webhook_moved', [self])
                if Warning.check(key):
                    raise StripeWebhookMovedWarning(key, gettext(
                            'account_payment_stripe.msg_stripe_webhook_moved',
                            account=self.rec_name,
                            host=urlsplit(endpoint['url']).netloc))

    @classmethod
    def _check(cls, id_, repair=False, all_=False):
        """Look at everything and keep what was found.

        repair: if the webhook shall be made, or made as it should be.
        all_: also what leaves something at Stripe, which is only done for a
        person; what was found of it before is kept.
        """
        Check = Pool().get('account.payment.stripe.account.check')
        cls.lock([cls(id_)])
        account = cls(id_)
        findings = {}
        for finding in account._findings(repair, all_):
            findings[finding.name] = finding
        former = {c.name: c for c in account.checks}
        to_save, keep = [], set()
        for name, _ in CHECKS:
            if name == 'publishable_key' and not all_:
                keep.add(former.get(name))
            if finding := findings.get(name):
                check = former.get(name) or Check(account=account, name=name)
                check.state = finding.state
                check.message = finding.code and gettext(
                    'account_payment_stripe.msg_check_' + finding.code,
                    **finding.values)
                to_save.append(check)
                keep.add(check)
        Check.save(to_save)
        Check.delete([c for c in former.values() if c not in keep])
        account.checked_at = dt.datetime.now()
        account.save()

    def _findings(self, repair, all_):
        "Yield the Findings"
        gateway = self.gateway
        try:
            missing = {}
            if self.secret_key.startswith('rk_'):
                missing = missing_permissions(gateway)
            else:
                gateway.events.list(limit=1)
        except StripeUnavailable as e:
            yield Finding('secret_key', 'warning', 'unavailable')
            return
        except StripeFailure as e:
            yield Finding('secret_key', 'error', 'secret_key', {
                    'error': e.message,
                    })
            return
        yield Finding('secret_key', 'ok')
        if missing:
            yield Finding('permissions', 'error', 'permissions', {
                    'missing': '\n'.join(
                        '%s: %s' % (
                            gettext('account_payment_stripe'
                                '.msg_purpose_' + purpose), text)
                        for purpose, text in missing.items()),
                    })
        else:
            yield Finding('permissions', 'ok')
        if all_:
            yield self._find_publishable(gateway)
        yield from self._find_webhook(gateway, repair)
        yield from self._find_host(gateway)
        yield from self._find_delivery(gateway)
        yield self._find_cron()

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
                    'error': e.message,
                    })
        return Finding('publishable_key', 'error', 'publishable_key')

    def _find_webhook(self, gateway, repair):
        Event = Pool().get('account.payment.stripe.event')
        types = list(Event.handlers())
        url = self.webhook_endpoint
        if not url:
            yield Finding('webhook', 'warning', 'webhook_none')
            return
        try:
            endpoints = endpoints_of(gateway)
            known = next(
                (e for e in endpoints if e['id'] == self.webhook_id), None)
            same = [e for e in endpoints if e['url'] == url]
            if repair:
                known = self._repair_webhook(gateway, known, same, types)
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
        elif problems := problems_of(known, url, types):
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

    def _repair_webhook(self, gateway, known, same, types):
        """Return the dictionary of the webhook endpoint of the account, made
        or changed as it should be.

        A new version needs a new endpoint. The former one is kept until an
        event has come through the new one, so that none is lost.
        """
        if not known and self.webhook_signing_secret:
            # Made by hand: of one of ours the secret would be known
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
                url=self.webhook_endpoint,
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
        elif problems_of(known, self.webhook_endpoint, types):
            known = gateway.webhook_endpoints.update(
                known['id'], url=self.webhook_endpoint, enabled_events=types,
                disabled=False)
        self.webhook_id = known['id']
        self.save()
        # Never two for one URL
        kept = {self.webhook_id, self.webhook_former_id}
        for other in same:
            if other['id'] not in kept and other is not former:
                gateway.webhook_endpoints.delete(other['id'])
        return known

    def _find_host(self, gateway):
        url = urlsplit(self.webhook_endpoint)
        if not url.netloc:
            return
        if url.scheme != 'https':
            yield Finding('https', 'error' if self.mode == 'live'
                else 'warning', 'https', {'url': url.netloc})
            return
        yield Finding('https', 'ok')
        try:
            texts = register_domain(gateway, url.hostname)
        except StripeFailure as e:
            texts = [failure_message(e)]
        if texts:
            yield Finding('wallets', 'warning', 'wallets', {
                    'host': url.hostname, 'error': '\n'.join(texts)})
        else:
            yield Finding('wallets', 'ok')

    def _find_delivery(self, gateway):
        Event = Pool().get('account.payment.stripe.event')
        Lang = Pool().get('ir.lang')
        if not self.webhook_id:
            return
        since = to_timestamp(
            dt.datetime.now(dt.timezone.utc).replace(tzinfo=None) - DELIVERY)
        try:
            lost = [
                e for types in Event.type_lists()
                for e in gateway.events.list(
                    types=types, delivery_success=False, limit=1,
                    created={'gte': since})['data']]
        except StripeFailure:
            # The permissions tell
            return
        newest = Event.search([('account', '=', self.id)],
            order=[('happened_at', 'DESC')], limit=1)
        if lost:
            yield Finding('delivery', 'warning', 'delivery_failed')
        elif newest:
            yield Finding('delivery', 'ok', 'delivery_last', {
                    'date': Lang.get().strftime(newest[0].happened_at),
                    })
        else:
            yield Finding('delivery', 'warning', 'delivery_none')

    def _find_cron(self):
        Lang = Pool().get('ir.lang')
        now = dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)
        if self.fetched_at and now - self.fetched_at <= PAUSE:
            return Finding('cron', 'ok')
        return Finding('cron', 'error', 'cron', {
                'date': Lang.get().strftime(self.fetched_at)
                if self.fetched_at else '-',
                })
