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

from .attempt import attempt
from .connect import connect
from .connection import Finding, belongs, missing_permissions, register_domain
from .convert import to_timestamp
from .error import failure_message
from .gateway import API_BASE, StripeFailure, StripeUnavailable
from .shown_time import ShownTime

# Stripe tells of events that it could not deliver
DELIVERY = dt.timedelta(days=4)
# Stripe counts what it is just delivering, of which the check makes some, too
UNDER_WAY = dt.timedelta(minutes=10)
# Cron reads the events more often
PAUSE = dt.timedelta(hours=1)
CHECKS = [
    ('place', "Database"),
    ('secret_key', "Secret Key"),
    ('publishable_key', "Publishable Key"),
    ('permissions', "Permissions of the Key"),
    ('webhook', "Webhook"),
    ('https', "Address of the Server"),
    ('wallets', "Wallets"),
    ('delivery', "Delivery of Events"),
    ('events', "Failed Events"),
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
    _rec_name = 'message'

    account = fields.Many2One(
        'account.payment.stripe.account', "Stripe Account", required=True,
        readonly=True, ondelete='CASCADE')
    name = fields.Selection(CHECKS, "Check", readonly=True, sort=False)
    state = fields.Selection(STATES, "State", readonly=True, sort=False)
    name_string = name.translated('name')
    message = fields.Text("What to Do", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('account')
        cls._order = [('account', 'ASC'), ('id', 'ASC')]

    def get_rec_name(self, name):
        return self.name_string

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree/field[@name="state"]', 'visual',
                If(Eval('state') == 'error', 'danger',
                    If(Eval('state') == 'warning', 'warning', 'success'))),
            ]


class CheckMixin:
    "Look whether the account is well connected to Stripe"
    __slots__ = ()

    checks = fields.One2Many(
        'account.payment.stripe.account.check', 'account', "Checks",
        readonly=True,
        states={
            'invisible': ~Eval('checks'),
            })
    checked_at = ShownTime(
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
                'stripe_check_connection': {
                    'icon': 'tryton-refresh',
                    },
                })

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
        default.setdefault('checks')
        default.setdefault('checked_at')
        return super().copy(accounts, default=default)

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
                # One account that fails must not stop the others
                logger.exception("cannot check account %s", id_)

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
        to_save, keep, failed = [], set(), []
        for name, _ in CHECKS:
            if name == 'publishable_key' and not all_:
                keep.add(former.get(name))
            if finding := findings.get(name):
                check = former.get(name) or Check(account=account, name=name)
                if finding.state == 'error' and not (
                        check.id and check.state == 'error'):
                    failed.append(name)
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
        if failed and not all_:
            # Of what was not known before, who presses the button sees it
            account.alert('msg_alert_check', checks=lambda: ', '.join(
                    str(c.name_string)
                    for c in Check.browse(to_save) if c.name in failed))

    def _findings(self, repair, all_):
        "Yield the Findings"
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
                missing = missing_permissions(gateway)
            else:
                gateway.events.list(limit=1)
        except StripeUnavailable:
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
        yield from self._find_webhook(gateway, repair, all_)
        yield from self._find_host(gateway, repair)
        yield from self._find_delivery(gateway)
        yield self._find_events()
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

    def _find_host(self, gateway, repair):
        if not self.webhook_identifier:
            return
        url = urlsplit(self._webhook_url)
        if url.scheme != 'https':
            yield Finding('https', 'error' if self.mode == 'live'
                else 'warning', 'https', {'url': url.netloc})
            return
        yield Finding('https', 'ok')
        try:
            texts = register_domain(gateway, url.hostname, repair)
        except StripeFailure as e:
            texts = [failure_message(e)]
        if texts:
            yield Finding('wallets', 'warning', 'wallets', {
                    'host': url.hostname, 'error': '\n'.join(texts)})
        else:
            yield Finding('wallets', 'ok')

    def _find_delivery(self, gateway):
        Event = Pool().get('account.payment.stripe.event')
        if not self.webhook_id:
            return
        now = dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)
        created = {
            'gte': to_timestamp(now - DELIVERY),
            'lte': to_timestamp(now - UNDER_WAY),
            }
        try:
            lost = [
                e for types in Event.type_lists()
                for e in gateway.events.list(
                    types=types, delivery_success=False, limit=1,
                    created=created)['data']]
        except StripeFailure:
            # The permissions tell
            return
        newest = Event.search([('account', '=', self.id)],
            order=[('happened_at', 'DESC')], limit=1)
        if lost:
            yield Finding('delivery', 'warning', 'delivery_failed')
        elif newest:
            yield Finding('delivery', 'ok', 'delivery_last', {
                    'date': _utc(newest[0].happened_at),
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
                'date': _utc(self.fetched_at),
                })


def _utc(at):
    "Return the text of the datetime, which says that it is in UTC"
    Lang = Pool().get('ir.lang')
    return '%s UTC' % Lang.get().strftime(at)
