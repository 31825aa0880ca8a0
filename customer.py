# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import logging

from sql import Literal, Null
from sql.conditionals import Coalesce

from trytond import config
from trytond.cache import MemoryCache
from trytond.i18n import gettext
from trytond.model import DeactivableMixin, Index, ModelSQL, ModelView, fields
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .access import is_readable
from .batch import Batch
from .checkout import CheckoutMixin
from .customer_checkout import PageMixin
from .customer_mail import MailMixin
from .customer_method import MethodsMixin
from .customer_owner import OwnerMixin
from .customer_sync import SyncMixin
from .dashboard import DashboardMixin
from .error import ErrorMixin, failure_message
from .exceptions import StripeError
from .gateway import StripeFailure
from .retry import RetryMixin
from .secret import Secret
from .sources import (
    fingerprints_of, label, read_payment_methods, read_saved, read_sources)
from .store import LeaseMixin

SECTION = 'account_payment_stripe'

logger = logging.getLogger(__name__)

# Cannot be changed once the customer exists at Stripe
_READONLY = {
    'readonly': (Eval('id', -1) >= 0) & (
        Bool(Eval('stripe_customer_id'))
        | Bool(Eval('stripe_token'))
        | Bool(Eval('stripe_setup_intent_id'))),
    }


class Customer(
        PageMixin, MailMixin, MethodsMixin, SyncMixin, OwnerMixin,
        RetryMixin, LeaseMixin, CheckoutMixin, ErrorMixin, DashboardMixin,
        DeactivableMixin, ModelSQL, ModelView):
    __name__ = 'account.payment.stripe.customer'
    _history = True
    _rec_name = 'stripe_customer_id'

    party = fields.Many2One(
        'party.party', "Party", required=True,
        states={
            **_READONLY,
            },
        help="The party that is registered at Stripe.")
    stripe_account = fields.Many2One(
        'account.payment.stripe.account', "Stripe Account", required=True,
        states={
            **_READONLY,
            })
    stripe_customer_id = fields.Char(
        "Stripe Customer ID", strip=False,
        states={
            'readonly': (
                (Eval('id', -1) >= 0) & Bool(Eval('stripe_customer_id'))),
            })
    stripe_token = Secret(
        "Stripe Token", strip=False,
        states={
            'readonly': (
                (Eval('id', -1) >= 0) & Bool(Eval('stripe_customer_id'))),
            'invisible': ~Eval('stripe_token'),
            })
    stripe_setup_intent_id = fields.Char(
        "Stripe Setup Intent", readonly=True, strip=False,
        states={
            'invisible': ~Eval('stripe_setup_intent_id'),
            })
    stripe_payment_method_id = fields.Char(
        "Stripe Payment Method", readonly=True, strip=False,
        states={
            'invisible': True,
            },
        help="The payment method to attach.")
    stripe_sent = fields.Char(
        "Stripe Sent", readonly=True, strip=False,
        states={
            'invisible': True,
            },
        help="The digest of what was last sent of the party.")
    stripe_payment_methods = fields.Function(
        fields.Text(
            "Payment Methods",
            states={
                'invisible': ~Eval('stripe_payment_methods'),
                },
            help="The payment methods saved for the customer at Stripe."),
        'get_stripe_payment_methods')
    fingerprints = fields.One2Many(
        'account.payment.stripe.customer.fingerprint', 'customer',
        "Fingerprints", readonly=True)
    identical_customers = fields.Many2Many(
        'account.payment.stripe.customer.identical',
        'source', 'target', "Identical Customers", readonly=True,
        states={
            'invisible': ~Eval('identical_customers'),
            })

    _sources_cache = MemoryCache(
        'account_payment_stripe_customer.sources',
        duration=config.getint(SECTION, 'sources_cache', default=15 * 60),
        context=False)
    _payment_methods_cache = MemoryCache(
        'account_payment_stripe_customer.payment_methods',
        duration=config.getint(SECTION, 'payment_methods', default=15 * 60),
        context=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                # As they are searched, a range keeps many empty ones well
                Index(t, (Coalesce(t.stripe_checkout_id, ''), Index.Range())),
                Index(t, (Coalesce(t.stripe_customer_id, ''), Index.Range())),
                Index(
                    t,
                    (Coalesce(t.stripe_setup_intent_id, ''), Index.Range())),
                Index(
                    t, (t.id, Index.Range()),
                    where=t.stripe_setup_intent_id != Null),
                Index(
                    t, (t.id, Index.Range()),
                    where=(t.stripe_token != Null)
                    & (t.stripe_customer_id == Null)),
                Index(
                    t, (t.id, Index.Range()),
                    where=(t.stripe_error_message != Null)
                    & (t.stripe_customer_id != Null)),
                Index(
                    t, (t.id, Index.Range()),
                    where=(t.active == Literal(False))
                    & (t.stripe_customer_id != Null)),
                })
        cls._buttons.update({
                'stripe_checkout': {
                    'invisible': ~Eval('stripe_checkout_needed', False),
                    'icon': 'tryton-public',
                    'depends': ['stripe_checkout_needed'],
                    },
                'stripe_update': {
                    'invisible': ~Eval('stripe_customer_id'),
                    'icon': 'tryton-refresh',
                    'depends': ['stripe_customer_id'],
                    },
                'detach_source': {
                    'invisible': ~Eval('stripe_customer_id'),
                    'icon': 'tryton-remove',
                    'depends': ['stripe_customer_id'],
                    },
                'find_identical': {
                    'invisible': ~Eval('stripe_customer_id'),
                    'icon': 'tryton-search',
                    'depends': ['stripe_customer_id'],
                    },
                })

    @property
    def _stripe_dashboard(self):
        return (
            'customers', self.stripe_customer_id,
            self.stripe_account.mode == 'live')

    @classmethod
    def default_stripe_account(cls):
        Account = Pool().get('account.payment.stripe.account')
        accounts = Account.search([], limit=2)
        if len(accounts) == 1:
            return accounts[0].id

    def get_rec_name(self, name):
        if self.stripe_doubles:
            # They may have the same party, and have the same methods
            return '%s - %s' % (self.stripe_customer_id, self.party.rec_name)
        method = self.stripe_usual_method
        return '%s (%s)' % (
            self.party.rec_name,
            method.label if method else self.stripe_customer_id or self.id)

    @classmethod
    def search_rec_name(cls, name, clause):
        operator = clause[1]
        bool_op = 'AND' if operator.startswith(('!', 'not ')) else 'OR'
        return [bool_op,
            ('stripe_customer_id', *clause[1:]),
            ('party.rec_name', *clause[1:]),
            ('stripe_methods.label', *clause[1:]),
            ]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual', If(~Eval('active', True), 'muted',
                    If(Bool(Eval('stripe_error_message'))
                        | Bool(Eval('stripe_doubles')), 'warning', ''))),
            ]

    def get_stripe_payment_methods(self, name):
        return '\n'.join(
            label for _, label in self.sources() + self.payment_methods())

    @fields.depends('active', 'stripe_token', 'stripe_customer_id')
    def on_change_with_stripe_checkout_needed(self, name=None):
        return bool(
            is_readable(self)
            and self.active
            and not (self.stripe_token and not self.stripe_customer_id))

    @classmethod
    def copy(cls, customers, default=None):
        default = default.copy() if default is not None else {}
        for name in [
                'stripe_customer_id', 'stripe_token',
                'stripe_setup_intent_id', 'stripe_payment_method_id',
                'stripe_sent', 'fingerprints', 'identical_customers']:
            default.setdefault(name)
        return super().copy(customers, default=default)

    @classmethod
    def delete(cls, customers):
        # They are kept for the payments and deleted at Stripe by cron
        cls.write(customers, {
                'active': False,
                })

    @classmethod
    def on_modification(cls, mode, customers, field_names=None):
        super().on_modification(mode, customers, field_names=field_names)
        if mode == 'write':
            cls.clear_stripe_caches()

    @classmethod
    def clear_stripe_caches(cls):
        "Forget what Stripe said of the sources and payment methods"
        cls._sources_cache.clear()
        cls._payment_methods_cache.clear()

    def sources(self):
        """Return the list of id and label of the sources of the customer.

        It is empty if Stripe cannot be asked or the user has no access.
        """
        return self._cached(self._sources_cache, read_sources)

    def payment_methods(self):
        """Return the list of id and label of the payment methods.

        It is empty if Stripe cannot be asked or the user has no access.
        """
        return self._cached(self._payment_methods_cache, read_payment_methods)

    def _cached(self, cache, read):
        # Anybody can call the methods of selections, with any customer
        if not (is_readable(self, 'stripe_customer_id')
                and self.stripe_customer_id):
            return []
        labels = cache.get(self.id)
        if labels is None:
            gateway = self.stripe_account.quick_gateway
            try:
                # It may have to be read only, so what is found is not kept
                if self.stripe_look_needed and not self._is_owner(
                        gateway.customers.retrieve(self.stripe_customer_id)):
                    return []
                labels = [
                    (o['id'], label(o))
                    for o in read(gateway, self.stripe_customer_id)]
            except StripeFailure as e:
                logger.warning("cannot list what customer %s has: %s (%s)",
                    self.id, e.code, e.request_id)
                return []
            cache.set(self.id, labels)
        return list(labels)

    @classmethod
    @ModelView.button_action(
        'account_payment_stripe.wizard_customer_source_detach')
    def detach_source(cls, customers):
        return {}

    @classmethod
    @ModelView.button
    def find_identical(cls, customers):
        """Store the fingerprints of the cards of the customers.

        Raises StripeError if Stripe cannot be asked.
        """
        for customer in customers:
            try:
                if customer.stripe_look_needed:
                    customer.stripe_look_now()
                if not customer.stripe_usable_id:
                    continue
                saved = read_saved(
                    customer.stripe_account.gateway,
                    customer.stripe_usable_id)
            except StripeFailure as e:
                raise StripeError(gettext(
                        'account_payment_stripe.msg_stripe_failure',
                        record=customer.rec_name,
                        error=failure_message(e))) from None
            customer.stripe_keep_saved(saved)

    def stripe_keep_saved(self, objects):
        "Keep what the dictionaries of all that is saved tell"
        self.stripe_keep_methods(objects)
        self.add_fingerprints(fingerprints_of(objects))

    def add_fingerprints(self, fingerprints):
        "Store those of the fingerprints that are new"
        Fingerprint = Pool().get('account.payment.stripe.customer.fingerprint')
        for fingerprint in fingerprints:
            Batch.current().defer(Fingerprint.add, (self.id, fingerprint))


class SourceDetach(Wizard):
    __name__ = 'account.payment.stripe.customer.source.detach'

    start_state = 'ask'
    ask = StateView(
        'account.payment.stripe.customer.source.detach.ask',
        'account_payment_stripe.customer_source_detach_ask_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Detach", 'detach', 'tryton-ok', default=True),
            ])
    detach = StateTransition()

    def default_ask(self, fields):
        return {
            'customer': self.record.id,
            }

    def transition_detach(self):
        Customer = self.model
        customer = Customer(self.record.id)
        gateway = customer.stripe_account.gateway
        source = self.ask.source
        try:
            if customer.stripe_look_needed:
                customer.stripe_look_now()
            if source.startswith('pm_'):
                method = gateway.payment_methods.retrieve(source)
                if method['customer'] not in {
                        None, customer.stripe_usable_id}:
                    raise AccessError(gettext(
                            'account_payment_stripe.msg_source_customer',
                            customer=customer.rec_name))
                gateway.payment_methods.detach(source)
            else:
                gateway.customers.payment_sources.delete(
                    customer.stripe_usable_id or '', source)
        except StripeFailure as e:
            raise StripeError(gettext(
                    'account_payment_stripe.msg_stripe_failure',
                    record=customer.rec_name,
                    error=failure_message(e))) from None
        customer.stripe_drop_methods([source])
        customer.clear_stripe_caches()
        return 'end'


class SourceDetachAsk(ModelView):
    __name__ = 'account.payment.stripe.customer.source.detach.ask'

    customer = fields.Many2One(
        'account.payment.stripe.customer', "Customer", readonly=True)
    source = fields.Selection('get_sources', "Source", required=True)

    @fields.depends('customer')
    def get_sources(self):
        sources = [(None, "")]
        if self.customer:
            sources.extend(self.customer.sources())
            sources.extend(self.customer.payment_methods())
        return sources
