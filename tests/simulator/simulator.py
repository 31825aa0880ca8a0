# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The simulator: a server, a clock, faults, and a world for each account."
import threading
import time

from . import (  # noqa: F401
    balance, charges, customers, disputes, domains, elsewhere, events,
    payment_intents, payment_methods, payouts, public, radar, refunds, search,
    setup_intents, sources, webhooks)
from .account import Account
from .clock import Clock
from .dispatch import Dispatcher, redacted
from .faults import Faults
from .server import Server
from .store import Log

LOGGED = 10000


class Simulator:
    """A stand-in for Stripe that listens on a port of its own.

    It is a context manager; port 0 takes a free one."""

    def __init__(self, port=0, host='127.0.0.1'):
        self.clock = Clock()
        self.faults = Faults()
        self.challenges = {}
        # The names of the accounts that have a key of the live mode
        self.live = set()
        # Intents that wait for payers who pay elsewhere
        self.waits = {}
        # Tracebacks of the simulator's own defects
        self.errors = []
        self.requests = Log(maxlen=LOGGED)
        self.dispatcher = Dispatcher(self)
        self._accounts = {}
        self._lock = threading.Lock()
        self._server = Server((host, port), self)
        self._thread = None
        self.clock.steps.append(self._flush)
        self.url = 'http://%s:%d' % (host, self._server.server_address[1])
        self.stripe_js = self.url + '/endive/stripe.js'

    def __enter__(self):
        return self.start()

    def __exit__(self, *args):
        self.stop()

    def start(self):
        "Serve in background threads and return self"
        self.clock.start()
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,),
            name='simulator', daemon=True)
        self._thread.start()
        return self

    def stop(self):
        "Stop serving; what was not delivered is dropped"
        if self._thread:
            self._server.shutdown()
            self._thread.join(5)
            self._thread = None
        self._server.server_close()
        self.clock.stop()
        for account in list(self._accounts.values()):
            account.webhooks.stop()

    def account(self, name):
        "Return the world of sk_test_<name>, created on first use"
        with self._lock:
            world = self._accounts.get(name)
            if world is None:
                world = self._accounts[name] = Account(self, name)
        return world

    def reset(self):
        "Forget every account, rule and request"
        with self._lock:
            accounts, self._accounts = self._accounts, {}
        for account in accounts.values():
            account.webhooks.stop()
        self.challenges.clear()
        self.waits.clear()
        self.faults.clear()
        self.requests.clear()

    def is_down(self):
        "Return whether a rule refuses everything"
        return any(
            r.fault == 'down' and not r.account for r in self.faults.rules)

    def log(self, call):
        "Keep a request in the bounded log"
        self.requests.append({
                'method': call.method,
                'path': call.path,
                'params': redacted(call.params),
                'key': call.kind and call.kind + '_test',
                'idempotency_key': call.idempotency_key,
                'status': call.status,
                'request_id': call.id,
                'account': call.account,
                'time': time.time()})

    def _flush(self):
        for account in list(self._accounts.values()):
            account.webhooks.flush(webhooks.TIMEOUT)
