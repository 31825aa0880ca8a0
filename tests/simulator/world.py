# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The state of one Stripe account."
import fnmatch
import hashlib
import threading
from contextlib import contextmanager

from . import history
from .events import EventTable
from .idempotency import Keys
from .limits import RateLimits
from .objects import fresh, new_id
from .settings import Settings
from .store import Table
from .webhooks import Webhooks

INDEXES = {
    'balance_transaction': ['source', 'type', 'payout'],
    'card': ['customer'],
    'charge': ['payment_intent', 'customer'],
    'customer': ['email'],
    'customer_session': [],
    'dispute': ['charge', 'payment_intent'],
    'mandate': ['payment_method'],
    'payment_intent': ['customer'],
    'payment_method': ['customer'],
    'payment_method_domain': ['domain_name', 'enabled'],
    'payout': ['status'],
    'radar.early_fraud_warning': ['charge', 'payment_intent'],
    'refund': ['charge', 'payment_intent'],
    'setup_attempt': ['setup_intent'],
    'setup_intent': ['customer', 'payment_method'],
    'source': ['customer'],
    'token': [],
    'webhook_endpoint': [],
    }
ID_KINDS = {
    'acct': 'account',
    'card': 'card',
    'ch': 'charge',
    'cus': 'customer',
    'dp': 'dispute',
    'du': 'dispute',
    'evt': 'event',
    'issfr': 'radar.early_fraud_warning',
    'mandate': 'mandate',
    'pi': 'payment_intent',
    'pm': 'payment_method',
    'pmd': 'payment_method_domain',
    'po': 'payout',
    'py': 'charge',
    're': 'refund',
    'pyr': 'refund',
    'setatt': 'setup_attempt',
    'seti': 'setup_intent',
    'src': 'source',
    'tok': 'token',
    'txn': 'balance_transaction',
    'we': 'webhook_endpoint',
    }


class World:
    "An account of Stripe: its keys, objects, events and money"

    def __init__(self, simulator, name):
        self.simulator = simulator
        self.clock = simulator.clock
        self.name = name
        self.lock = threading.RLock()
        self.secret_key = 'sk_test_' + name
        self.publishable_key = 'pk_test_' + name
        self.restricted_key = 'rk_test_' + name
        self.tables = {k: Table(k, i) for k, i in INDEXES.items()}
        self.events = self.tables['event'] = EventTable()
        self.keys = Keys(self.clock)
        self.webhooks = Webhooks(self)
        self.limits = RateLimits()
        self.settings = Settings()
        # Types of events that Stripe fails to make
        self.missed = ()
        # The request that is being executed
        self.call = None
        # Balance rows in the order in which the money moved
        self.rows = []
        self.unsettled = {}
        # Fees to be billed apart, by currency
        self.unbilled = {}
        # Whether the daily payouts are planned
        self.scheduled = False
        # What became of requests that were answered by 500 first
        self.completions = []
        self.account = fresh(
            'account', id=new_id('account')[:21], type='standard',
            business_profile={'name': name}, business_type=None,
            capabilities={'card_payments': 'active'}, charges_enabled=True,
            controller={'type': 'account'}, country='US',
            created=self.now(), default_currency='usd',
            details_submitted=True, email='%s@example.com' % name,
            metadata={}, payouts_enabled=True,
            settings={'dashboard': {
                    'display_name': name, 'timezone': 'Etc/UTC'}})

    def now(self):
        "Return the simulated time as integer"
        return int(self.clock.now())

    def table(self, kind):
        return self.tables[kind]

    def find(self, id):
        "Return the object with the id, or None"
        kind = ID_KINDS.get(str(id).partition('_')[0])
        if kind == 'account':
            return self.account
        if kind:
            return self.tables[kind].get(id)

    def create(self, kind, **values):
        "Return a new object that is stored"
        return self.tables[kind].add(self.draft(kind, **values))

    def draft(self, kind, **values):
        "Return a new object that isn't stored"
        row = fresh(kind, **values)
        if 'created' in row:
            if row['created'] is None:
                table = self.tables.get(kind)
                row['created'] = (
                    table.place[1] if table and table.place else self.now())
        else:
            row.private['created'] = self.now()
        return row

    def emit(self, type, row, previous=None):
        "Create an event about the object and have it delivered"
        if row['object'] == 'payment_intent':
            history.remember(row, self.now())
        if any(fnmatch.fnmatch(type, m) for m in self.missed):
            return
        event = self.events.record(self, type, row, previous)
        self.webhooks.dispatch(event)
        return event

    def later(self, delay, function, *args):
        "Plan function for this account in delay seconds"
        self.clock.after(delay, self._execute, function, args)

    def _execute(self, function, args):
        with self.lock, self.calling(None):
            function(self, *args)

    @contextmanager
    def calling(self, call):
        previous, self.call = self.call, call
        try:
            yield
        finally:
            self.call = previous

    def fingerprint(self, number):
        "Return what identifies a number within the account"
        digest = hashlib.sha256(('%s %s' % (self.name, number)).encode())
        return digest.hexdigest()[:16]
