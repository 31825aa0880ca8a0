# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import logging
import time

from sql.conditionals import Coalesce

from trytond import backend, config
from trytond.model import (
    Index, ModelSQL, ModelView, Unique, dualmethod, fields)
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If, TimeDelta
from trytond.rpc import RPC
from trytond.transaction import (
    Transaction, TransactionError, without_check_access)

from .account_alert import AlertMixin
from .account_check import CheckMixin
from .account_compare import CompareMixin
from .account_connect import ConnectMixin
from .account_endpoint import EndpointMixin
from .account_find import FindMixin
from .account_keys import KeysMixin
from .account_page import PageMixin
from .account_place import PlaceMixin
from .account_webhook import WebhookMixin
from .attempt import attempt
from .connect import connect, is_hurried
from .convert import from_timestamp, new_key
from .gateway import (
    API_BASE, MAX_NETWORK_RETRIES, RATE_ENDPOINT, TIMEOUT, StripeDenied,
    StripeFailure)
from .keys import key_mode
from .secret import PublishableKey, Secret

SECTION = 'account_payment_stripe'
# In seconds
QUICK_TIMEOUT = 5
# Cron reads the events more often
PAUSE = dt.timedelta(hours=1)
STRIPE_JS = 'https://js.stripe.com/endive/stripe.js'

logger = logging.getLogger(__name__)


class Account(
        WebhookMixin, ConnectMixin, EndpointMixin, CheckMixin, FindMixin,
        KeysMixin, PlaceMixin, PageMixin, CompareMixin, AlertMixin,
        ModelSQL, ModelView):
    __name__ = 'account.payment.stripe.account'

    name = fields.Char("Name", required=True)
    secret_key = Secret(
        "Secret Key", required=True,
        help="The key with which Tryton asks Stripe, "
        "sk_… or a restricted one: rk_….\n"
        "It is in the Stripe dashboard under API Keys.")
    publishable_key = PublishableKey(
        "Publishable Key", required=True,
        help="The key of the page on which payers pay, pk_….\n"
        "It is in the Stripe dashboard under API Keys.")
    webhook_identifier = Secret("Webhook Identifier", readonly=True)
    webhook_endpoint = fields.Function(
        fields.Char(
            "Webhook Endpoint",
            help="The URL to be called by Stripe."),
        'get_webhook_endpoint')
    webhook_signing_secret = Secret(
        "Webhook Signing Secret",
        states={
            'invisible': ~Eval('webhook_identifier'),
            },
        help="The signing secret of the webhook at Stripe.")
    last_event = fields.Char(
        "Last Event", readonly=True,
        states={
            'invisible': ~Eval('last_event'),
            },
        help="The last event that was read from Stripe.")
    setup_intent_delay = fields.TimeDelta(
        "Setup Intent Delay", required=True,
        domain=[
            ('setup_intent_delay', '>=', TimeDelta()),
            ],
        help="The delay after which a setup intent that has not succeeded "
        "is canceled.")
    payment_method_remove = fields.Boolean(
        "Payers May Remove Payment Methods",
        help="Check to let payers remove saved payment methods "
        "on the checkout page.")
    refund_second_person = fields.Boolean(
        "Refunds Approved by a Second Person",
        help="Check to let nobody approve the refunds that they submitted.")
    rate_endpoint = fields.Integer(
        "Requests per Endpoint",
        domain=['OR',
            ('rate_endpoint', '=', None),
            ('rate_endpoint', '>', 0),
            ],
        help="The maximum number of requests per second "
        "for each kind of request.\n"
        "Leave empty for the default.")
    rate_total = fields.Integer(
        "Requests in Total",
        domain=['OR',
            ('rate_total', '=', None),
            ('rate_total', '>', 0),
            ],
        help="The maximum number of requests per second in total.\n"
        "Leave empty for the default.")
    error_message = fields.Char(
        "Error", readonly=True,
        states={
            'invisible': ~Eval('error_message'),
            },
        help="The answer of Stripe when it last refused the secret key.")
    error_operation = fields.Char(
        "Error Operation", readonly=True,
        states={
            'invisible': True,
            },
        help="What the secret key lacks the permission for.")
    fetched_at = fields.Timestamp(
        "Fetched at", readonly=True,
        states={
            'invisible': True,
            },
        help="When the events were last read.")
    resumed_at = fields.Timestamp(
        "Resumed at", readonly=True,
        states={
            'invisible': True,
            },
        help="When the events were read again after a pause, "
        "such as after a restore of the database.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        table = cls.__table__()
        cls._sql_constraints = [
            ('webhook_identifier_unique',
                Unique(table, table.webhook_identifier),
                'account_payment_stripe.msg_webhook_identifier_unique'),
            ]
        cls._sql_indexes.add(
            Index(
                table,
                (Coalesce(table.webhook_identifier, ''), Index.Range())))
        cls._buttons.update({
                'new_identifier': {
                    'icon': 'tryton-refresh',
                    },
                'create_identifier': {
                    'invisible': Bool(Eval('webhook_endpoint')),
                    'icon': 'tryton-add',
                    'depends': ['webhook_endpoint'],
                    },
                'remove_identifier': {
                    'invisible': ~Eval('webhook_endpoint'),
                    'icon': 'tryton-remove',
                    'depends': ['webhook_endpoint'],
                    },
                })
        if Pool.test:
            cls.__rpc__['webhook'] = RPC(
                readonly=False, instantiate=0, check_access=False)

    @classmethod
    def __register__(cls, module):
        table_h = cls.__table_handler__(module)
        had_remove = table_h.column_exist('payment_method_remove')

        super().__register__(module)

        if not had_remove:
            table = cls.__table__()
            Transaction().connection.cursor().execute(*table.update(
                    [table.payment_method_remove], [True]))

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Bool(Eval('error_message')), 'danger', '')),
            ]

    @classmethod
    def default_setup_intent_delay(cls):
        return dt.timedelta(days=30)

    @classmethod
    def default_payment_method_remove(cls):
        return True

    def get_webhook_endpoint(self, name):
        if not self.webhook_identifier:
            return ''
        Router = Pool().get(SECTION, type='router')
        return Router.url_for(
            'webhooks_endpoint', _method='POST',
            account=self.webhook_identifier)

    @classmethod
    def copy(cls, accounts, default=None):
        default = default.copy() if default is not None else {}
        for name in [
                'webhook_identifier', 'webhook_signing_secret', 'last_event',
                'error_message', 'error_operation', 'fetched_at',
                'resumed_at']:
            default.setdefault(name)
        return super().copy(accounts, default=default)

    @classmethod
    def on_modification(cls, mode, accounts, field_names=None):
        super().on_modification(mode, accounts, field_names=field_names)
        if mode == 'write' and 'setup_intent_delay' in field_names:
            Customer = Pool().get('account.payment.stripe.customer')
            Customer.stripe_look_again(accounts)

    @classmethod
    @ModelView.button
    def create_identifier(cls, accounts):
        cls.new_identifier([a for a in accounts if not a.webhook_identifier])

    @classmethod
    @ModelView.button
    def remove_identifier(cls, accounts):
        cls.new_identifier([a for a in accounts if a.webhook_identifier])

    @classmethod
    @ModelView.button
    def new_identifier(cls, accounts):
        "Create the URL of the webhook, or remove it if there is one"
        for account in accounts:
            if account.webhook_identifier:
                account.webhook_identifier = None
                # The next webhook at Stripe gets another secret
                account.webhook_signing_secret = None
            else:
                account.webhook_identifier = new_key()
        cls.save(accounts)

    @property
    def gateway(self):
        "The door to Stripe of this account, the quick one in a hurry"
        if is_hurried():
            return self.quick_gateway
        return self._connect(
            max_network_retries=config.getint(
                SECTION, 'max_network_retries', default=MAX_NETWORK_RETRIES),
            timeout=config.getfloat(SECTION, 'timeout', default=TIMEOUT))

    @property
    def quick_gateway(self):
        "The same that gives up soon, for who waits or can do without"
        timeout = config.getfloat(SECTION, 'timeout', default=TIMEOUT)
        return self._connect(
            max_network_retries=0, timeout=min(timeout, QUICK_TIMEOUT),
            quick=True)

    @property
    @without_check_access
    def is_live(self):
        "If the secret key is one of the live mode"
        return key_mode(self.secret_key or '') == 'live'

    # Whoever the user is
    @without_check_access
    def _connect(self, **options):
        return connect(
            self.secret_key,
            closed=self.elsewhere_message if self.is_elsewhere else None,
            api_base=config.get(SECTION, 'api_base', default=API_BASE),
            rate_endpoint=self.rate_endpoint or config.getfloat(
                SECTION, 'rate_endpoint', default=RATE_ENDPOINT),
            rate_total=self.rate_total or config.getfloat(
                SECTION, 'rate_total', default=0),
            **options)

    @property
    def stripe_js(self):
        "The URL of Stripe.js"
        return config.get(SECTION, 'stripe_js', default=STRIPE_JS)

    @dualmethod
    def note_denied(cls, accounts, failure):
        """Show on the accounts what Stripe said of the key.

        Writes only a change, of which the people in charge are told.
        """
        new = [a for a in accounts if not a.error_message]
        cls._note(accounts,
            error_message=failure.message,
            error_operation=failure.operation if failure.forbidden else None)
        for account in new:
            account.alert('msg_alert_denied', error=failure.message)

    @classmethod
    def note_accepted(cls, accounts, since):
        """Show nothing anymore on the accounts whose key is accepted.

        since: the monotonic time after which the operation must have
        succeeded for which a permission was missing.
        """
        cls._note([
                a for a in accounts
                if not a.error_operation
                or a.gateway.succeeded.get(a.error_operation, 0) >= since],
            error_message=None, error_operation=None)

    @classmethod
    def _note(cls, accounts, **values):
        if changed := [
                a for a in accounts
                if any(getattr(a, n) != v for n, v in values.items())]:
            cls.write(changed, values)

    @classmethod
    def _note_fetched(cls, account_id, since):
        account = cls(account_id)
        # The clock of the server may jump and events must not be left out
        if not account.connected_database:
            # Since before this was kept
            cls._connect_place([account])
        if at := account.gateway.answered_at:
            values = {'fetched_at': from_timestamp(at.first)}
            if account.is_behind:
                values['resumed_at'] = values['fetched_at']
            cls.write([account], values)
        cls.note_accepted([account], since)

    @property
    def is_behind(self):
        "If the events have not been read for long, or nobody can tell"
        if not self.fetched_at:
            # There is nothing to forget of a new account
            age = dt.datetime.now() - self.create_date
        else:
            # The date is one of Stripe's clock
            now = dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)
            age = now - self.fetched_at
        # The clock of the server may have been set back
        return not -PAUSE <= age <= PAUSE

    @classmethod
    def fetch_events(cls, accounts=None):
        """Apply what happened at Stripe, oldest first.

        Also for accounts with a webhook: it may have been registered late, or
        been disabled.
        Commits event by event.
        Source: https://docs.stripe.com/webhooks/process-undelivered-events
        """
        pool = Pool()
        Event = pool.get('account.payment.stripe.event')
        if accounts is None:
            accounts = cls.search([])
        for account_id in list(map(int, accounts)):
            account = cls(account_id)
            since = time.monotonic()
            try:
                Event.try_failed(account)
                if account.webhook_identifier:
                    Event.fetch_undelivered(account)
                Event.fetch_new(account)
            except (TransactionError, backend.DatabaseOperationalError):
                raise
            except StripeFailure as e:
                logger.warning(
                    "cannot read the events of account %s: %s (%s)",
                    account_id, e.code, e.request_id)
                if isinstance(e, StripeDenied):
                    attempt(cls.note_denied, [cls(account_id)], e)
                if not e.forbidden:
                    continue
                # The webhook may be all that is used, and miss one
            except Exception:
                # One account that fails must not stop the others
                Transaction().rollback()
                logger.exception(
                    "cannot read the events of account %s", account_id)
                continue
            else:
                attempt(cls._note_fetched, account_id, since)
            if cls(account_id).is_compare_due:
                cls.compare([account_id])
        Event.clean()
