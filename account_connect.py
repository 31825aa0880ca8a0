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
from .connection import endpoints_of, is_public, is_same_host, wanted_url
from .convert import new_key
from .error import key_message
from .exceptions import StripeError, StripeWebhookMovedWarning
from .gateway import StripeFailure
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
            cls._check_alone(id_, repair=True, all_=True)

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
                })
        cls._forget_checks(accounts)

    @classmethod
    def stripe_retire_webhook(cls, accounts):
        "Delete the former webhook, as an event came through the new one"
        for account in accounts:
            try:
                if account.webhook_former_id:
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
                    error=key_message(e))) from None

    @classmethod
    def _ensure_identifier(cls, id_):
        account = cls(id_)
        if not account.webhook_identifier:
            account.webhook_identifier = new_key()
            account.webhook_signing_secret = None
            account.save()

    @property
    def _is_host_known(self):
        """If it is configured, or the one at which a person asks. One inside
        of the network says nothing of where Stripe reaches this server."""
        request = Transaction().context.get('_request') or {}
        return bool(config.get('web', 'hostname')) or is_public(
            urlsplit('//' + (request.get('http_host') or '')).hostname)

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
        if not config.get('web', 'hostname') and request.get('http_host'):
            asked['http_host'] = request['http_host']
        with Transaction().set_context(_request=asked):
            return Router.url_for(
                'webhooks_endpoint', _method='POST',
                account=self.webhook_identifier)

    def _warn_moved(self):
        """Warn if Connect lets the webhook post to another server, as of a
        copied database"""
        Warning = Pool().get('res.user.warning')
        if not self.webhook_id:
            return
        try:
            endpoints = endpoints_of(self.gateway)
        except StripeFailure:
            # The check shows what is wrong with it
            return
        for endpoint in endpoints:
            url = endpoint['url']
            if endpoint['id'] == self.webhook_id and not is_same_host(
                    url, wanted_url(
                        url, self._webhook_url, self._is_host_known)):
                key = Warning.format('stripe_webhook_moved', [self])
                if Warning.check(key):
                    raise StripeWebhookMovedWarning(key, gettext(
                            'account_payment_stripe.msg_stripe_webhook_moved',
                            account=self.rec_name,
                            host=urlsplit(url).netloc))
