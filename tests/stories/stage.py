# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Where the stories are played: the database, the simulator, the clock."""
import datetime as dt
import logging
import sys
import time
import types
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from decimal import Decimal

import stripe

from trytond import backend
from trytond import config as trytond_config
from trytond.modules.account_payment_stripe.tests.simulator import Simulator
from trytond.modules.account_payment_stripe.tests.stories.mail import Post
from trytond.modules.account_payment_stripe.tests.tools import use_stripe
from trytond.modules.company.tests import create_company
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME, activate_module
from trytond.transaction import Transaction

MODULE = 'trytond.modules.account_payment_stripe.'
# How long the module waits for Stripe, in seconds
TIMEOUT = .4
TABLES = [
    'ir_queue', 'ir_error', 'account_payment_stripe_refund',
    'account_payment_stripe_dispute', 'account_payment_stripe_event',
    'account_payment',
    'account_payment_group', 'account_payment_stripe_customer_fingerprint',
    'account_payment_stripe_customer',
    'account_payment_stripe_customer__history', 'account_payment_journal',
    'account_payment_stripe_account', 'res_user_warning',
    ]
# How many are made at once, which takes little more than one
PARTIES = 10
# Digits at Stripe
EXPONENTS = {'eur': 2, 'usd': 2, 'jpy': 0, 'kwd': 3, 'huf': 2, 'isk': 2}
# What is multiplied to have an amount of some value
WORTH = {'huf': 100, 'isk': 100}
# Digits in Tryton by name, which starts with the code
DIGITS = {
    'eur': 2, 'usd': 2, 'jpy': 0, 'kwd': 3,
    'kwd less': 2, 'huf less': 0, 'isk less': 0, 'jpy more': 2,
    'eur more': 4}


def code_of(currency):
    "Return the code of the currency of the name, as Stripe writes it"
    return currency.partition(' ')[0]


def modules():
    "Return the modules of the package, without its tests"
    return [
        m for n, m in sorted(sys.modules.items())
        if n.startswith(MODULE) and not n.startswith(MODULE + 'tests')]


class Killed(BaseException):
    "The process is gone"


class Violation(AssertionError):
    "An invariant doesn't hold"

    def __init__(self, kind, message='', story=()):
        super().__init__(kind, message, story)
        self.kind = kind

    def __str__(self):
        kind, message, story = self.args
        return '%s: %s\n%s' % (
            kind, message, '\n'.join('    ' + line for line in story))


class _Watch(logging.Handler):
    "Keep the log to look for secrets and for what nobody expected"

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []
        self.unexpected = []

    def emit(self, record):
        if record.name.startswith(('trytond.backend', 'hypothesis')):
            return
        try:
            text = self.format(record)
        except Exception as e:
            text = 'unformatted %s: %r' % (e, record.msg)
        self.lines.append(text)
        if record.exc_info and record.levelno >= logging.WARNING:
            error = record.exc_info[1]
            if not isinstance(error, (
                        backend.DatabaseOperationalError, Killed)):
                self.unexpected.append(text)


class Stage:
    "What all stories share; one at a time in a process"

    def __init__(self):
        self.story = None
        self._patches = []
        activate_module('account_payment_stripe')
        self.simulator = Simulator().start()
        use_stripe(
            self.simulator.url, self.simulator.stripe_js, threads='3',
            timeout=TIMEOUT)
        self.base = {}
        self._parties = []
        for section, name in [
                ('email', 'from'), ('email', 'uri'), ('database', 'retry')]:
            self.base[section, name] = trytond_config.get(section, name)
        trytond_config.set('email', 'from', 'company@example.com')
        self.post = Post().start()
        self.watch = _Watch()
        self._patch_all()
        with self.transaction(user=1):
            self._make_company()

    def close(self):
        for owner, name, value in reversed(self._patches):
            setattr(owner, name, value)
        for (section, name), value in self.base.items():
            if value is not None:
                trytond_config.set(section, name, value)
        logging.getLogger().removeHandler(self.watch)
        self.post.stop()
        self.simulator.stop()

    def _patch(self, owner, name, value):
        self._patches.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    def _patch_all(self):
        stage = self
        root = logging.getLogger()
        root.addHandler(self.watch)
        for name in ['trytond.modules.account_payment_stripe', 'stripe']:
            logging.getLogger(name).setLevel(logging.DEBUG)

        class Now(dt.datetime):
            @classmethod
            def now(cls, tz=None):
                return dt.datetime.now(tz) + stage.shift
        shim = types.SimpleNamespace(**{
                n: getattr(dt, n) for n in dir(dt) if n[0] != '_'})
        shim.datetime = Now
        for module in modules():
            # Each that looks at the clock of the server
            if getattr(module, 'dt', None) is dt:
                self._patch(module, 'dt', shim)
            if getattr(module, 'time', None) is time:
                self._patch(module, 'time', types.SimpleNamespace(
                        # Nobody waits for the rate limits
                        sleep=lambda seconds: None,
                        monotonic=time.monotonic,
                        time=lambda: Now.now().timestamp()))

        class Inline(Executor):
            "Calls Stripe at once, in the thread of the story"

            def __init__(self, threads):
                pass

            def submit(self, function, *args, **kwargs):
                future = Future()
                try:
                    future.set_result(function(*args, **kwargs))
                except Exception as e:
                    future.set_exception(e)
                return future
        self._patch(
            sys.modules[MODULE + 'run'], 'ThreadPoolExecutor', Inline)

        request = stripe.RequestsClient.request

        def hooked(client, method, url, headers, post_data=None):
            story = stage.story
            if story is None:
                return request(client, method, url, headers, post_data)
            story.at_point('before', method, url)
            answer = request(client, method, url, headers, post_data)
            story.at_point('after', method, url)
            return answer
        self._patch(stripe.RequestsClient, 'request', hooked)

        commit = Transaction.commit

        def hooked_commit(transaction):
            story = stage.story
            if story is None:
                return commit(transaction)
            try:
                story.at_commit('before')
            except Killed:
                raise
            except Exception:
                transaction.rollback()
                raise
            commit(transaction)
            story.at_commit('after')
        self._patch(Transaction, 'commit', hooked_commit)

    @property
    def shift(self):
        seconds = self.simulator.clock.offset
        if self.story:
            seconds += self.story.skew
        return dt.timedelta(seconds=seconds)

    @contextmanager
    def transaction(self, user=0, **context):
        "A transaction as the outermost, whatever waits in this thread"
        local = Transaction._local
        transactions, tasks = local.transactions, local.tasks
        local.transactions, local.tasks = [], []
        try:
            with Transaction().start(
                    DB_NAME, user, context=context) as transaction:
                yield transaction
        finally:
            local.transactions, local.tasks = transactions, tasks

    def _make_company(self):
        pool = Pool()
        Company = pool.get('company.company')
        Currency = pool.get('currency.currency')
        companies = Company.search([])
        company = companies[0] if companies else create_company()
        self.company = company.id
        self.currencies = {}
        for name, digits in DIGITS.items():
            code = code_of(name)
            currencies = Currency.search([
                    ('name', '=', name),
                    ('digits', '=', digits),
                    ], limit=1)
            if currencies:
                currency, = currencies
            else:
                currency = Currency(
                    name=name, symbol=code, code=code.upper(),
                    rounding=Decimal(1).scaleb(-digits), digits=digits)
                currency.save()
            self.currencies[name] = currency.id

    def take_party(self):
        "Take the party of the next story, what was done to the last may stay"
        if not self._parties:
            Party = Pool().get('party.party')
            self._parties.extend(p.id for p in Party.create([{
                            'name': "Payer",
                            'addresses': [('create', [{}])],
                            'contact_mechanisms': [('create', [{
                                            'type': 'email',
                                            'value': 'payer@example.com',
                                            }])],
                            }] * PARTIES))
        self.party = self._parties.pop()

    def clean(self):
        "Forget the story before"
        self.story = None
        simulator = self.simulator
        simulator.reset()
        with simulator.clock._changed:
            simulator.clock._heap.clear()
            simulator.clock.offset = 0.0
        simulator.errors.clear()
        self.post.clear()
        self.watch.lines.clear()
        self.watch.unexpected.clear()
        with self.transaction() as transaction:
            cursor = transaction.connection.cursor()
            for table in TABLES:
                cursor.execute('DELETE FROM "%s"' % table)
