# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The module between a Stripe that misbehaves and people who press buttons.

A Stage is made once: the database, the simulator and the points at which
something can go wrong. A Story is played on it: payments of its own and what
happens to them, ending with verify(), which heals everything, runs the crons
a bounded number of times and compares Tryton with the simulator's ledger.

Everything runs in one thread, so that a story is the same each time: the
webhooks are posted with the WSGI client, time passes on demand, and whatever
happens at the same moment is played at the points where the module waits for
Stripe.
"""
import datetime as dt
import json
import logging
import re
import sys
import time
import types
import uuid
from collections import Counter
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from decimal import Decimal

import stripe
from werkzeug.test import Client

import trytond.sendmail
from trytond import backend
from trytond import config as trytond_config
from trytond.exceptions import UserError, UserWarning
from trytond.modules.account_payment_stripe.tests.simulator import Simulator
from trytond.modules.account_payment_stripe.tests.simulator import (
    errors as simulator_errors)
from trytond.modules.account_payment_stripe.tests.simulator.webhooks import (
    signature)
from trytond.modules.account_payment_stripe.tests.tools import use_stripe
from trytond.modules.company.tests import create_company
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME, activate_module
from trytond.transaction import Transaction, TransactionError
from trytond.worker import run_task
from trytond.wsgi import app

MODULE = 'trytond.modules.account_payment_stripe.'
# Modules that look at the clock of the server
CLOCKS = [
    'account', 'run', 'event', 'payment_charge', 'refund_create',
    'customer_sync']
ROUNDS = 5
# How long the module waits for Stripe, in seconds
TIMEOUT = .4
TABLES = [
    'ir_queue', 'ir_error', 'account_payment_stripe_refund',
    'account_payment_stripe_event', 'account_payment',
    'account_payment_group', 'account_payment_stripe_customer_fingerprint',
    'account_payment_stripe_customer',
    'account_payment_stripe_customer__history', 'account_payment_journal',
    'account_payment_stripe_account', 'res_user_warning',
    ]
DIGITS = {'eur': 2, 'usd': 2, 'jpy': 0, 'kwd': 3}
CARDS = {
    'visa': '4242424242424242',
    'declined': '4000000000000002',
    'challenge': '4000002760003184',
    'challenge_declined': '4000008400001629',
    'dispute': '4000000000000259',
    'inquiry': '4000000000001976',
    'pending_refund': '4000000000007726',
    'failing_refund': '4000000000005126',
    'debit': 'AT611904300234573201',
    }
# How a payment is paid: by a token, a saved payment method, a source or page
WAYS = {
    'token': ('token', 'tok_visa'),
    'token declined': ('token', 'tok_chargeDeclined'),
    'token challenged': ('token', 'tok_threeDSecure2Required'),
    'token disputed': ('token', 'tok_createDispute'),
    'token refunded late': ('token', 'tok_pendingRefund'),
    'token refund bounces': ('token', 'tok_refundFail'),
    'saved': ('saved', 'pm_card_visa'),
    'saved declined': ('saved', 'pm_card_chargeCustomerFail'),
    'saved challenged': ('saved', 'pm_card_authenticationRequired'),
    'saved debit': ('saved', 'pm_sepaDebit_success_at'),
    'saved debit fails': ('saved', 'pm_sepaDebit_failed_at'),
    'source': ('source', None),
    'page': ('page', None),
    }
GOOD = {
    'token', 'token disputed', 'token refunded late', 'token refund bounces',
    'saved'}
HTTP_FAULTS = [
    'drop_before', 'drop_after', 'timeout_before', 'timeout_after',
    '500_before', '500_after', '503', '409', '429', '429_lock_timeout',
    '401', '403', 'malformed', 'down']
OTHER_FAULTS = [
    'killed', 'database conflict', 'database lost', 'key revoked',
    'gone three days', 'server clock', 'lease expired', 'at the same time',
    'webhook lost', 'webhook doubled', 'webhook shuffled', 'webhook late',
    'webhook early', 'newer version', 'forged webhook', 'foreign objects',
    'polled and posted', 'user meanwhile', 'declined']
SECRETS = re.compile('|'.join([
            r'sk_test_\w+', r'whsec_\w+', r'_secret_\w{8,}',
            *CARDS.values()]))

logger = logging.getLogger(__name__)


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
        for section, name in [
                ('email', 'from'), ('email', 'uri'), ('database', 'retry')]:
            self.base[section, name] = trytond_config.get(section, name)
        trytond_config.set('email', 'from', 'company@example.com')
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
        for name in CLOCKS:
            module = sys.modules[MODULE + name]
            self._patch(module, 'dt', shim)

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

        # Nobody waits for the rate limits
        self._patch(
            sys.modules[MODULE + 'run'], 'time', types.SimpleNamespace(
                sleep=lambda seconds: None, monotonic=time.monotonic))

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

        class Post:
            uri = 'smtp://'

            def quit(self):
                pass
            close = quit

        def send(message, from_addr=None, to_addrs=None, server=None, **_):
            if stage.story:
                stage.story.mails.append(message)
            return server
        self._patch(
            trytond.sendmail, 'get_smtp_server', lambda *a, **k: Post())
        self._patch(trytond.sendmail, 'send_message', send)

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
        Party = pool.get('party.party')
        companies = Company.search([])
        company = companies[0] if companies else create_company()
        self.company = company.id
        self.currencies = {}
        for code, digits in DIGITS.items():
            currencies = Currency.search([('code', '=', code.upper())])
            if currencies:
                currency, = currencies
            else:
                currency = Currency(
                    name=code, symbol=code, code=code.upper(),
                    rounding=Decimal(1).scaleb(-digits), digits=digits)
                currency.save()
            self.currencies[code] = currency.id
        party, = Party.create([{
                    'name': "Payer",
                    'addresses': [('create', [{}])],
                    'contact_mechanisms': [('create', [{
                                    'type': 'email',
                                    'value': 'payer@example.com',
                                    }])],
                    }])
        self.party = party.id

    def clean(self):
        "Forget the story before"
        self.story = None
        simulator = self.simulator
        simulator.reset()
        with simulator.clock._changed:
            simulator.clock._heap.clear()
            simulator.clock.offset = 0.0
        simulator.errors.clear()
        self.watch.lines.clear()
        self.watch.unexpected.clear()
        with self.transaction() as transaction:
            cursor = transaction.connection.cursor()
            for table in TABLES:
                cursor.execute('DELETE FROM "%s"' % table)


class Story:
    """Payments and what happens to them.

    The methods are what somebody does or what goes wrong; each can be called
    at any time. told is the story in words, hits the faults that really
    happened."""

    def __init__(self, stage, hook='signed', pace=0):
        stage.clean()
        self.stage = stage
        self.simulator = stage.simulator
        self.clock = self.simulator.clock
        self.told = []
        self.hits = Counter()
        self.mails = []
        self.pages = []
        self.skew = self.ahead = 0
        self.pace = pace
        self.hook = hook
        self.payments = []
        self.refunds = []
        self.customers = []
        self.ways = {}
        self.seen = {}
        self.may_fail = {}
        self.tasks = []
        self.rules = []
        self.plan = None
        self.commit_plan = None
        self._depth = 0
        self._in_run = 0
        self.name = uuid.uuid4().hex[:16]
        self.world = self.simulator.account(self.name)
        self.world.webhooks.hold()
        self.secret = None
        self._saved = {}
        self._make()
        stage.story = self

    # The beginning

    def _make(self):
        with self.stage.transaction(user=1, company=self.stage.company):
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Journal = pool.get('account.payment.journal')
            account = Account(name="Stripe")
            account.secret_key = self.world.secret_key
            account.publishable_key = self.world.publishable_key
            account.save()
            self.journals = {}
            for code, currency in self.stage.currencies.items():
                journal = Journal(
                    name="Stripe", process_method='stripe', currency=currency,
                    company=self.stage.company, stripe_account=account)
                journal.save()
                self.journals[code] = journal.id
            if self.hook != 'polled':
                account.webhook_identifier = uuid.uuid4().hex
                account.save()
                endpoint = self._client().webhook_endpoints.create({
                        'url': 'http://tryton.invalid/',
                        'enabled_events': ['*']})
                if self.hook == 'signed':
                    account.webhook_signing_secret = endpoint.secret
                    account.save()
                self.secret = endpoint.secret
                self.identifier = account.webhook_identifier
            self.account = account.id

    def _client(self):
        return stripe.StripeClient(
            self.world.secret_key,
            base_addresses={'api': self.simulator.url},
            max_network_retries=0).v1

    @contextmanager
    def outside(self):
        "What somebody else than the module does"
        story, self.stage.story = self.stage.story, None
        rules, self.simulator.faults.rules = self.simulator.faults.rules, []
        settings = self.world.settings
        keys, settings.key_state = settings.key_state, {}
        try:
            yield self._client()
        finally:
            self.stage.story = story
            self.simulator.faults.rules = rules
            settings.key_state = keys

    def tell(self, text, *args):
        self.told.append('  ' * self._depth + text % args)

    def violation(self, kind, text, *args):
        raise Violation(kind, text % args, tuple(self.told))

    # Points where something can happen

    def at_point(self, where, method, url):
        if self.pace:
            self.clock.advance(self.pace)
        if not self.plan or self.plan[0] != where:
            return
        _, count, action = self.plan
        if count > 1:
            self.plan = (where, count - 1, action)
            return
        if action == 'kill':
            self.plan = None
            self.tell("killed %s %s %s", where, method, _path(url))
            self.hits['killed'] += 1
            raise Killed()
        if (not self._in_run
                or Transaction().connection is None
                or not self._is_free()):
            # The module holds the lock, others would wait for it
            return
        self.plan = None
        self.tell("meanwhile, %s %s %s", where, method, _path(url))
        self.hits['at the same time'] += 1
        self._depth += 1
        try:
            action()
        finally:
            self._depth -= 1

    def _is_free(self):
        connection = Transaction().connection
        if backend.name == 'sqlite':
            return not connection.in_transaction
        return connection.info.transaction_status.name == 'IDLE'

    def at_commit(self, where):
        plan = self.commit_plan
        if not plan:
            return
        kind, count = plan
        if (where == 'after') != (kind in {'kill_after', 'lost_after'}):
            return
        if count > 1:
            self.commit_plan = (kind, count - 1)
            return
        self.commit_plan = None
        self.tell("%s at a commit", kind)
        if kind.startswith('kill'):
            self.hits['killed'] += 1
            raise Killed()
        self.hits['database lost' if where == 'after'
            else 'database conflict'] += 1
        raise backend.DatabaseOperationalError("injected")

    # How Tryton runs what it runs

    def _played(self, function):
        try:
            return function()
        except Killed:
            self.tell("the process is gone")
            with self.stage.transaction() as transaction:
                transaction.rollback()
        finally:
            self.plan = self.commit_plan = None
            self._safety()

    def _transaction(self, function, user=1, company=True, later=False):
        """Run the function as the dispatcher does, return its result or the
        error for the user."""
        context = {'company': self.stage.company} if company else {}
        context['_skip_warnings'] = True
        extras = {}
        local = Transaction._local
        transactions, tasks = local.transactions, local.tasks
        local.transactions, local.tasks = [], []
        try:
            for count in range(6):
                try:
                    with Transaction().start(
                            DB_NAME, user, context=context, **extras):
                        result = function()
                    break
                except TransactionError as e:
                    local.tasks.clear()
                    e.fix(extras)
                except backend.DatabaseOperationalError:
                    local.tasks.clear()
                    if count == 5:
                        raise
                except (UserError, UserWarning) as e:
                    local.tasks.clear()
                    self._check_secret(str(e), "an error message")
                    self.tell("the user reads: %s", e.message)
                    return e
            self.tasks.extend(local.tasks)
            local.tasks.clear()
            if not later:
                self._run_tasks()
            return result
        finally:
            local.transactions, local.tasks = transactions, tasks

    def _run_tasks(self):
        local = Transaction._local
        transactions, tasks = local.transactions, local.tasks
        local.transactions, local.tasks = [], []
        self._in_run += 1
        try:
            while self.tasks:
                run_task(Pool(DB_NAME), self.tasks.pop(0))
                self.tasks.extend(local.tasks)
                local.tasks.clear()
        finally:
            self._in_run -= 1
            local.transactions, local.tasks = transactions, tasks

    def _cron(self, model, method):
        def run():
            getattr(Pool().get(model), method)()
        self._in_run += 1
        try:
            self._transaction(run, user=0)
        finally:
            self._in_run -= 1

    # What users do

    def add_payment(self, way, minor=4200, currency='eur', capture=True,
            process=True, later=False):
        kind, what = WAYS[way]
        if 'debit' in way:
            currency, capture = 'eur', True
        amount = Decimal(minor).scaleb(-DIGITS[currency])
        if currency == 'kwd':
            amount = amount.quantize(Decimal('.01'))
            minor = int(amount * 1000)
        values = {
            'kind': 'receivable',
            'journal': self.journals[currency],
            'company': self.stage.company,
            'party': self.stage.party,
            'amount': amount,
            'stripe_capture': capture,
            }
        if kind == 'token':
            values.update(stripe_token=what, stripe_chargeable=True)
        elif kind == 'saved':
            customer, method = self._save_method(what)
            values.update(
                stripe_customer=customer,
                stripe_customer_payment_method=method)
        elif kind == 'source':
            source = self._make_source(minor, currency)
            values.update(stripe_token=source, stripe_chargeable=False)

        def create():
            Payment = Pool().get('account.payment')
            payment, = Payment.create([values])
            Payment.submit([payment])
            return payment.id
        id_ = self._transaction(create)
        if isinstance(id_, Exception):
            raise id_
        self.payments.append(id_)
        self.ways[id_] = way
        self.may_fail[id_] = set()
        self.tell("payment %s of %s %s by %s%s", id_, amount, currency, way,
            '' if capture else ', to be captured later')
        if process:
            self.process(id_, later)
        return id_

    def _save_method(self, name):
        if name not in self._saved:
            with self.outside() as client:
                customer = client.customers.create({
                        'email': 'payer@example.com'})
                if name.startswith('pm_sepa'):
                    number = {
                        'pm_sepaDebit_success_at': 'AT611904300234573201',
                        'pm_sepaDebit_failed_at': 'AT861904300235473202',
                        }[name]
                    method = client.payment_methods.create({
                            'type': 'sepa_debit',
                            'sepa_debit': {'iban': number},
                            'billing_details': {
                                'name': "Payer",
                                'email': 'payer@example.com'}}).id
                    client.setup_intents.create({
                            'customer': customer.id,
                            'payment_method': method,
                            'confirm': True,
                            'return_url': 'https://example.com/',
                            'mandate_data': {
                                'customer_acceptance': {
                                    'type': 'offline',
                                    'offline': {}}}})
                else:
                    method = client.payment_methods.attach(
                        name, {'customer': customer.id}).id

            def create():
                Customer = Pool().get('account.payment.stripe.customer')
                record, = Customer.create([{
                            'party': self.stage.party,
                            'stripe_account': self.account,
                            'stripe_customer_id': customer.id,
                            }])
                return record.id
            with self.stage.transaction(company=self.stage.company):
                self._saved[name] = create(), method
        return self._saved[name]

    def _make_source(self, minor, currency):
        with self.outside() as client:
            return client.sources.create({
                    'type': 'bancontact',
                    'amount': minor, 'currency': currency,
                    'owner': {'name': "Payer"},
                    'redirect': {'return_url': 'https://example.com/'}}).id

    def process(self, id_, later=False):
        def run():
            pool = Pool()
            Payment = pool.get('account.payment')
            payment = Payment(id_)
            if payment.state != 'submitted':
                return
            Group = pool.get('account.payment.group')
            group, = Group.create([{
                        'company': self.stage.company,
                        'journal': payment.journal.id,
                        'kind': 'receivable',
                        }])
            Payment.process([payment], group=lambda: group)
            return payment
        self.tell("process payment %s%s", id_, ', queued' if later else '')
        self._in_run += 1
        try:
            return self._played(lambda: self._transaction(run, later=later))
        finally:
            self._in_run -= 1

    def press(self, button, id_, later=False):
        "Press a button of the payment"
        self.tell("press %s on payment %s", button, id_)
        if button in {'draft', 'fail'}:
            self.may_fail[id_].add(button)
        self._user_meanwhile()

        def run():
            Payment = Pool().get('account.payment')
            return getattr(Payment, button)([Payment(id_)])
        return self._played(lambda: self._transaction(run, later=later))

    def _user_meanwhile(self):
        if self._depth or self.tasks:
            self.hits['user meanwhile'] += 1

    def capture(self, id_, share=100, later=False):
        "Capture a part of the payment"
        self.tell("capture %s %% of payment %s", share, id_)
        self._user_meanwhile()

        def run():
            Payment = Pool().get('account.payment')
            payment = Payment(id_)
            if (payment.state != 'processing'
                    or not payment.stripe_capture_needed):
                return
            payment.amount = payment.currency.round(
                payment.amount * share / 100) or payment.amount
            if payment.currency.code == 'KWD':
                payment.amount = payment.amount.quantize(Decimal('.01'))
            payment.save()
            Payment.stripe_do_capture([payment])
        return self._played(lambda: self._transaction(run, later=later))

    def checkout(self, id_, by='button'):
        "Open the checkout page and remember what it pays"
        self.tell("open the checkout of payment %s", id_)
        self._user_meanwhile()

        def button():
            Payment = Pool().get('account.payment')
            payment = Payment(id_)
            if (payment.state not in {'submitted', 'approved', 'processing'}
                    or not payment.stripe_checkout_needed):
                return
            return Payment.stripe_checkout([payment])

        def read():
            Payment = Pool().get('account.payment')
            return Payment(id_).stripe_checkout_id
        self._played(lambda: self._transaction(button))
        checkout_id = self._played(lambda: self._transaction(read))
        if checkout_id:
            response = self._played(lambda: self._get(checkout_id))
            if response is not None:
                self._see(id_, response)

    def _get(self, checkout_id, end=False):
        return self._http('GET',
            '/%s/r/account_payment_stripe/checkout/account.payment/%s%s' % (
                DB_NAME, checkout_id, '/end' if end else ''))

    def _http(self, method, path, **options):
        local = Transaction._local
        transactions, tasks = local.transactions, local.tasks
        local.transactions, local.tasks = [], []
        self._in_run += 1
        try:
            return Client(app).open(path, method=method, **options)
        finally:
            self._in_run -= 1
            local.transactions, local.tasks = transactions, tasks

    def _see(self, id_, response):
        text = response.get_data(as_text=True)
        self.pages.append(text)
        for intent in re.findall(r'(pi_\w+?)_secret_\w+', text):
            self.seen.setdefault(id_, []).append(intent)

    def end_page(self, id_):
        "The payer comes back from Stripe"
        def read():
            return Pool().get('account.payment')(id_).stripe_checkout_id
        checkout_id = self._transaction(read)
        if checkout_id:
            self.tell("the payer of payment %s comes back", id_)
            response = self._played(lambda: self._get(checkout_id, end=True))
            if response is not None:
                self.pages.append(response.get_data(as_text=True))

    def pay(self, id_, which=0, card='visa', authenticate=True):
        "The payer pays in one of the browsers"
        seen = self.seen.get(id_)
        if not seen:
            return
        intent = seen[which % len(seen)]
        self.tell("the payer of payment %s pays %s with %s", id_, intent, card)
        with self.outside():
            try:
                answer = self.world.pay(
                    intent, number=CARDS[card], authenticate=authenticate)
                self.tell("the payer sees: %s", answer['status'])
            except simulator_errors.StripeError as e:
                self.hits['declined'] += 1
                self.tell("the payer reads: %s", e.error.get('message')
                    if hasattr(e, 'error') else e)

    def add_refund(self, id_, share=100, approve=True, later=False):
        self.tell("refund %s %% of payment %s", share, id_)

        def run():
            pool = Pool()
            Payment = pool.get('account.payment')
            Refund = pool.get('account.payment.stripe.refund')
            payment = Payment(id_)
            if payment.state != 'succeeded' or not payment.amount:
                return
            amount = payment.currency.round(
                payment.amount * share / 100) or payment.amount
            if payment.currency.code == 'KWD':
                amount = amount.quantize(Decimal('.01')) or payment.amount
            refund, = Refund.create([{'payment': id_, 'amount': amount}])
            Refund.submit([refund])
            if approve:
                Refund.approve([refund])
            return refund.id
        refund = self._played(lambda: self._transaction(run, later=later))
        if isinstance(refund, int):
            self.refunds.append(refund)

    def press_refund(self, button, index):
        if not self.refunds:
            return
        id_ = self.refunds[index % len(self.refunds)]
        self.tell("press %s on refund %s", button, id_)
        self._user_meanwhile()

        def run():
            Refund = Pool().get('account.payment.stripe.refund')
            getattr(Refund, button)([Refund(id_)])
        self._played(lambda: self._transaction(run))

    def add_customer(self, token='tok_visa'):
        def create():
            Customer = Pool().get('account.payment.stripe.customer')
            customer, = Customer.create([{
                        'party': self.stage.party,
                        'stripe_account': self.account,
                        'stripe_token': token,
                        }])
            return customer.id
        id_ = self._transaction(create)
        self.tell("customer %s of %s", id_, token)
        self.customers.append(id_)

    # What Tryton does

    CRONS = {
        'charge': ('account.payment', 'stripe_charge'),
        'capture': ('account.payment', 'stripe_capture_'),
        'refund': ('account.payment.stripe.refund', 'stripe_create'),
        'customer': ('account.payment.stripe.customer', 'stripe_create'),
        'events': ('account.payment.stripe.account', 'fetch_events'),
        }

    def cron(self, name):
        self.tell("cron %s", name)
        if name == 'events' and self.hook != 'polled':
            self.hits['polled and posted'] += 1
        self._played(lambda: self._cron(*self.CRONS[name]))

    def work(self):
        "The worker runs what is queued"
        if self.tasks:
            self.tell("worker")
            self._played(self._run_tasks)

    # Webhooks

    @property
    def deliveries(self):
        return self.world.webhooks._held or []

    def deliver(self, count=1, order='first', double=False, version=None,
            type=None):
        "Post some of the events that wait"
        with self.world.lock:
            held = [
                d for d in self.deliveries if type in {None, d.event.type}]
            if not held:
                return
            if order == 'last':
                chosen = held[::-1][:count]
                self.hits['webhook shuffled'] += len(held) > 1
            elif order == 'middle':
                middle = len(held) // 2
                chosen = (held[middle:] + held[:middle])[:count]
                self.hits['webhook shuffled'] += len(held) > 1
            else:
                chosen = held[:count]
        for delivery in chosen:
            if self._depth:
                self.hits['webhook early'] += 1
            if double:
                self.hits['webhook doubled'] += 1
            self._post(delivery, version, double)

    def _post(self, delivery, version, double):
        event = delivery.event
        body = event.render(version or stripe.api_version)
        if version:
            self.hits['newer version'] += 1
            # Nothing but the identifiers can be counted on
            body['data']['object'] = {
                k: v for k, v in body['data']['object'].items()
                if k in {'id', 'object', 'payment_intent', 'charge'}}
            if body['data']['object']['object'] == 'charge':
                body['data']['object']['status'] = 'moved'
        if self.clock.now() - event.created > 24 * 3600:
            self.hits['webhook late'] += 1
        self.tell("webhook %s of %s%s%s", event.type,
            body['data']['object'].get('id'),
            ', newer version' if version else '', ', twice' if double else '')
        for _ in range(2 if double else 1):
            status = self._played(lambda: self._post_body(body))
        if status is not None and 200 <= status < 300:
            with self.world.lock:
                if delivery in self.deliveries:
                    self.deliveries.remove(delivery)
                    self.world.webhooks._finish(delivery, True)
        else:
            self.tell("answered %s", status)

    def _post_body(self, body, secret=None):
        content = json.dumps(body).encode()
        # The tolerance is against the clock of the server
        header = signature(
            int(time.time()), content, secret or self.secret)
        response = self._http(
            'POST', '/%s/r/account_payment_stripe/webhook/%s' % (
                DB_NAME, self.identifier),
            data=content, content_type='application/json',
            headers={'Stripe-Signature': header})
        return response.status_code

    def lose(self, count=1):
        "Stripe gives up some of the deliveries"
        webhooks = self.world.webhooks
        with self.world.lock:
            for delivery in self.deliveries[:count]:
                self.deliveries.remove(delivery)
                webhooks._lose(delivery)
                self.hits['webhook lost'] += 1
                self.tell("webhook %s is lost", delivery.event.type)

    def forge(self, index=0):
        "Somebody posts what Stripe never sent"
        if self.hook == 'polled' or not self.payments:
            return
        id_ = self.payments[index % len(self.payments)]
        intent = self._read(id_)['stripe_payment_intent_id'] or 'pi_none'
        self.tell("forged webhook: payment %s is paid", id_)
        self.hits['forged webhook'] += 1
        status = self._played(lambda: self._post_body({
                    'id': 'evt_forged', 'object': 'event',
                    'type': 'payment_intent.succeeded',
                    'created': int(self.clock.now()),
                    'api_version': stripe.api_version,
                    'data': {'object': {
                            'id': intent, 'object': 'payment_intent',
                            'status': 'succeeded', 'amount_received': 1,
                            'amount_capturable': 0}},
                    }, secret='whsec_wrong'))
        if status is not None and not 400 <= status < 600:
            self.violation('forged', "a forged event was answered %s", status)

    # What happens at Stripe

    def dashboard(self, what, id_):
        "Somebody does it in Stripe's dashboard or at the bank"
        intent = self._intent_of(id_)
        if not intent:
            return
        charge = intent['latest_charge']
        self.tell("at Stripe: %s payment %s", what, id_)
        with self.outside() as client:
            try:
                if what == 'cancel':
                    client.payment_intents.cancel(intent['id'])
                    self.may_fail[id_].add('dashboard')
                elif what == 'refund':
                    client.refunds.create({'payment_intent': intent['id']})
                elif what == 'refund some':
                    client.refunds.create({
                            'payment_intent': intent['id'],
                            'amount': max(
                                intent['amount_received'] // 30 * 10, 10)})
                elif what == 'capture':
                    client.payment_intents.capture(intent['id'])
                elif what == 'dispute' and charge:
                    self.world.dispute(charge)
                elif what == 'dispute some' and charge:
                    self.world.dispute(
                        charge, amount=max(
                            intent['amount_received'] // 20 * 10, 10))
                elif what in {'lose', 'win'}:
                    for dispute in self.world.objects('dispute').values():
                        if dispute['payment_intent'] == intent['id']:
                            self.world.settle_dispute(
                                dispute['id'], won=what == 'win')
                elif what == 'bounce':
                    for refund in self.world.objects('refund').values():
                        if refund['payment_intent'] == intent['id']:
                            self.world.fail_refund(refund['id'])
            except (stripe.StripeError, ValueError) as e:
                self.tell("Stripe says: %s", e)

    def source(self, id_, status='chargeable'):
        "The payer completes the source"
        token = self._read(id_)['stripe_token']
        if token and token.startswith('src_'):
            self.tell("the source of payment %s is %s", id_, status)
            if status != 'chargeable':
                self.may_fail[id_].add('source')
            with self.outside():
                try:
                    self.world.chargeable(token, status)
                except Exception as e:
                    self.tell("Stripe says: %s", e)

    def foreign(self):
        "Another system uses the same account of Stripe"
        self.tell("another system is paid and refunds")
        self.hits['foreign objects'] += 1
        with self.outside() as client:
            intent = client.payment_intents.create({
                    'amount': 1000, 'currency': 'eur',
                    'payment_method': 'pm_card_visa', 'confirm': True,
                    'return_url': 'https://example.com/',
                    'metadata': {
                        'tryton_record': 'sale.sale,1',
                        'tryton_database': 'other'}})
            client.refunds.create({'payment_intent': intent.id})

    # Faults

    def fault(self, name, times=1, match=None):
        "Let the next requests fail"
        self.tell("Stripe: %s, %s times%s", name, times,
            ' on ' + match if match else '')
        self.rules.append(self.simulator.faults.add(
                name, match, times=times, account=self.name,
                seconds=TIMEOUT + .1 if name.startswith('timeout') else 0))

    def kill(self, where, count):
        "Kill the process at a point of the next action"
        self.tell("(to be killed %s %s)", where, count)
        if where in {'before', 'after'}:
            self.plan = (where, count, 'kill')
        else:
            self.commit_plan = ('kill_' + where[len('commit_'):], count)

    def disturb(self, kind, count):
        "Let the database fail at a commit of the next action"
        self.tell("(the database fails, %s %s)", kind, count)
        self.commit_plan = (kind, count)

    def meanwhile(self, where, count, action):
        "Play the action while the next one waits for Stripe"
        self.plan = (where, count, action)

    def calm(self):
        "Forget what was to happen during an action that did not get there"
        self.plan = self.commit_plan = None

    def key(self, works):
        self.tell("the key %s", "works" if works else "is revoked")
        if works:
            self.world.restore_key()
        else:
            self.world.revoke_key()
            self.hits['key revoked'] += 1

    def gone(self):
        "Stripe can't be reached for three days, then it can"
        self.tell("Stripe is gone for three days")
        rule = self.simulator.faults.add('down', account=self.name)
        for _ in range(3):
            for name in ['charge', 'capture', 'refund', 'customer']:
                self._played(lambda: self._cron(*self.CRONS[name]))
            self.clock.advance(25 * 3600)
        self.simulator.faults.remove(rule)
        if rule.hits:
            self.hits['gone three days'] += 1

    def wait(self, seconds):
        self.tell("%s s later", seconds)
        self.clock.advance(seconds)

    def jump(self, seconds):
        "The clock of the server jumps"
        self.tell("the clock of the server jumps by %s s", seconds)
        self.skew += seconds
        self.ahead = max(self.ahead, self.skew)
        self.hits['server clock'] += 1

    def expire(self):
        "The leases end while the records are still carried"
        self.tell("the leases expire")
        if self._depth:
            self.hits['lease expired'] += 1
        with self.stage.transaction() as transaction:
            cursor = transaction.connection.cursor()
            for table in ['account_payment', 'account_payment_stripe_refund',
                    'account_payment_stripe_customer']:
                cursor.execute(
                    'UPDATE %s SET stripe_leased_until = NULL' % table)

    # What must hold

    def _read(self, id_, model='account.payment'):
        with self.stage.transaction():
            table = Pool().get(model).__table__()
            cursor = Transaction().connection.cursor()
            cursor.execute(*table.select(where=table.id == id_))
            names = [c[0] for c in cursor.description]
            row = cursor.fetchone()
            return dict(zip(names, row)) if row else None

    def first(self, state, capturable=False):
        "Return the first payment in the state"
        for id_ in self.payments:
            row = self._read(id_)
            if row['state'] == state and (
                    not capturable or row['stripe_capturable']):
                return id_

    def _intents_of(self, id_):
        record = 'account.payment,%s' % id_
        return [
            i for i in self.world.objects('payment_intent').values()
            if i['metadata'].get('tryton_record') == record]

    def _intent_of(self, id_):
        current = self._read(id_)['stripe_payment_intent_id']
        for intent in self._intents_of(id_):
            if intent['id'] == current:
                return intent

    def _charged(self, id_):
        record = 'account.payment,%s' % id_
        return [
            m for m in self.world.ledger()
            if m['type'] == 'charge'
            and m['metadata'].get('tryton_record') == record]

    def _safety(self):
        "What must hold at any time"
        for id_ in self.payments:
            if len(self._charged(id_)) > 1:
                self.violation('doubled', "payment %s is charged twice", id_)
        keys = Counter(
            r['metadata']['tryton_refund']
            for r in self.world.objects('refund').values()
            if 'tryton_refund' in r['metadata'])
        for key, count in keys.items():
            if count > 1:
                self.violation('doubled', "refund %s is sent twice", key)
        if self.stage.watch.unexpected:
            self.violation(
                'traceback', "nobody expected\n%s",
                '\n'.join(self.stage.watch.unexpected))
        if self.simulator.errors:
            self.violation(
                'simulator', "%s", '\n'.join(self.simulator.errors))

    def heal(self):
        "End all faults and let the crons run a bounded number of times"
        self.tell("all faults end")
        self._count_hits()
        self.simulator.faults.clear()
        self.plan = self.commit_plan = None
        self.world.restore_key()
        self.skew = 0
        self.work()
        for round_ in range(ROUNDS):
            if round_:
                self.clock.advance(25 * 3600)
            # First without the help of the events
            for name in self.CRONS:
                self._played(lambda: self._cron(*self.CRONS[name]))
            self._deliver_all()
            if round_ and self._is_quiet():
                break

    def _deliver_all(self):
        for delivery in list(self.deliveries):
            self._post(delivery, None, False)

    def _is_quiet(self):
        "If another round could change nothing"
        if self.deliveries or self.tasks:
            return False
        for id_ in self.payments:
            row = self._read(id_)
            if row['state'] == 'processing' and not (
                    row['stripe_waiting_for'] in {'payer', 'capture'}
                    and row['stripe_tries'] and row['stripe_tries'] > 1):
                return False
            if row['stripe_leased_until']:
                return False
        if any(r['status'] == 'pending'
                for r in self.world.objects('refund').values()):
            return False
        for id_ in self.refunds:
            row = self._read(id_, 'account.payment.stripe.refund')
            if row['state'] in {'approved', 'processing'}:
                return False
        for id_ in self.customers:
            row = self._read(id_, 'account.payment.stripe.customer')
            if row['stripe_token'] or row['stripe_leased_until']:
                return False
        with self.stage.transaction() as transaction:
            cursor = transaction.connection.cursor()
            cursor.execute("SELECT count(*) FROM account_payment_stripe_event "
                "WHERE state = 'failed'")
            return not cursor.fetchone()[0]

    def _count_hits(self):
        for rule in self.rules:
            if rule.hits:
                self.hits[rule.fault] += 1

    def verify(self):
        "Heal and compare Tryton with Stripe"
        self.heal()
        self._safety()
        for id_ in self.payments:
            self._check_payment(id_)
        for id_ in self.refunds:
            self._check_refund(id_)
        for id_ in self.customers:
            self._check_customer(id_)
        self._check_events()
        self._check_mails()
        self._check_secrets()

    def _check_payment(self, id_):
        row = self._read(id_)
        way = self.ways[id_]
        charged = self._charged(id_)
        intents = self._intents_of(id_)
        current = row['stripe_payment_intent_id']
        code = next(
            c for c, j in self.journals.items() if j == row['journal'])
        told = "payment %s is %s (%s, %s, %s)" % (
            id_, row['state'], row['amount'], row['stripe_waiting_for'],
            row['stripe_error_message'])
        if charged:
            movement, = charged
            if movement['payment_intent'] != current:
                self.violation('lost', "%s, charged by %s", told,
                    movement['payment_intent'])
            left = self._left(movement)
            if left:
                if row['state'] == 'failed':
                    self.violation('failed but charged', "%s", told)
                elif row['state'] != 'succeeded':
                    self.violation('stuck', "%s, charged", told)
            elif row['state'] != 'failed':
                self.violation('wrong amount', "%s, nothing left", told)
            amount = Decimal(left).scaleb(-DIGITS[code])
            if Decimal(str(row['amount'])) != amount:
                self.violation('wrong amount', "%s, %s left", told, amount)
            return
        if row['state'] == 'succeeded':
            self.violation('succeeded but not charged', "%s", told)
        by_id = {i['id']: i for i in intents}
        for intent in intents:
            if intent['id'] == current:
                continue
            if intent['status'] in {'requires_capture', 'processing'}:
                self.violation('lost', "%s, but %s is %s", told,
                    intent['id'], intent['status'])
            if (intent['id'] in self.seen.get(id_, [])
                    and intent['status'] != 'canceled'):
                self.violation('lost', "%s, but a browser can pay %s", told,
                    intent['id'])
        intent = by_id.get(current)
        status = intent and intent['status']
        if row['state'] == 'processing':
            if row['stripe_waiting_for'] not in {
                    'payer', 'capture', 'settlement'}:
                self.violation('stuck', "%s", told)
            if row['stripe_intent_status'] != status:
                self.violation('stuck', "%s, %s is %s at Stripe", told,
                    row['stripe_intent_status'], status)
            if (row['stripe_waiting_for'] == 'payer'
                    and way in GOOD
                    and not (intent and intent['last_payment_error'])
                    and status != 'requires_action'):
                self.violation('stuck', "%s, was never tried", told)
            if (row['stripe_waiting_for'] == 'capture'
                    and row['stripe_capture']
                    and intent['capture_method'] == 'manual'
                    and not row['stripe_error_message']):
                self.violation('stuck', "%s, was never captured", told)
        elif row['state'] == 'failed':
            if intent and status != 'canceled':
                self.violation('lost', "%s, but %s is %s", told, current,
                    status)
            if (way in GOOD and not self.may_fail[id_]
                    and not self._was_refused(intents)):
                self.violation('failed without reason', "%s", told)
        elif row['state'] == 'draft':
            if current:
                self.violation('lost', "%s, has %s", told, current)
        elif row['state'] == 'submitted':
            if status in {'requires_capture', 'processing'}:
                self.violation('stuck', "%s, %s is %s", told, current, status)

    def _was_refused(self, intents):
        return any(
            i['last_payment_error'] or i['cancellation_reason'] == 'expired'
            for i in intents)

    def _left(self, movement):
        refunded = sum(
            r['amount'] for r in self.world.objects('refund').values()
            if r['charge'] == movement['charge']
            and r['status'] == 'succeeded')
        lost = sum(
            d['amount'] for d in self.world.objects('dispute').values()
            if d['charge'] == movement['charge'] and d['status'] == 'lost')
        return max(movement['amount'] - refunded - lost, 0)

    def _check_refund(self, id_):
        row = self._read(id_, 'account.payment.stripe.refund')
        key = row['stripe_idempotency_key']
        sent = [
            r for r in self.world.objects('refund').values()
            if r['metadata'].get('tryton_refund') == key]
        told = "refund %s is %s (%s, %s)" % (
            id_, row['state'], row['amount'], row['stripe_error_message'])
        if not sent:
            if row['state'] in {'approved', 'processing'}:
                self.violation('stuck', "%s, not sent", told)
            elif row['state'] == 'succeeded':
                self.violation('wrong amount', "%s, not sent", told)
            elif row['state'] == 'failed' and not row['stripe_error_message']:
                self.violation('failed without reason', "%s", told)
            return
        refund, = sent
        state = {
            'succeeded': 'succeeded', 'failed': 'failed',
            'canceled': 'failed'}.get(refund['status'], 'processing')
        if row['state'] != state:
            self.violation('stuck' if row['state'] == 'processing'
                else 'wrong amount', "%s, %s at Stripe", told,
                refund['status'])
        places = DIGITS[refund['currency']]
        amount = Decimal(refund['amount']).scaleb(-places)
        if Decimal(str(row['amount'])) != amount:
            self.violation('wrong amount', "%s, %s at Stripe", told, amount)

    def _check_customer(self, id_):
        row = self._read(id_, 'account.payment.stripe.customer')
        record = 'account.payment.stripe.customer,%s' % id_
        made = [
            c['id'] for c in self.world.objects('customer').values()
            if c['metadata'].get('tryton_record') == record]
        told = "customer %s has %s (%s)" % (
            id_, row['stripe_customer_id'], row['stripe_error_message'])
        if len(made) > 1:
            self.violation('doubled', "%s, Stripe has %s", told, made)
        if made != list(filter(None, [row['stripe_customer_id']])):
            self.violation('lost', "%s, Stripe has %s", told, made)
        if not made and not row['stripe_error_message']:
            self.violation('stuck', "%s", told)

    def _check_events(self):
        "Each event of ours is applied once, nothing foreign is kept"
        from trytond.modules.account_payment_stripe.event import HANDLERS
        with self.stage.transaction() as transaction:
            cursor = transaction.connection.cursor()
            cursor.execute('SELECT identifier, state, error_message '
                'FROM account_payment_stripe_event')
            rows = list(cursor)
        known = Counter(r[0] for r in rows)
        for identifier, count in known.items():
            if count > 1:
                self.violation('doubled', "event %s is there %s times",
                    identifier, count)
        for identifier, state, error in rows:
            if state != 'applied':
                self.violation('lost', "event %s is %s: %s", identifier,
                    state, error)
        ours = {
            self._read(p)['stripe_payment_intent_id'] for p in self.payments}
        events = self.world.objects('event')
        for id_, event in events.items():
            if event['type'] not in HANDLERS or self.ahead > 30 * 86400:
                # The rows of old events are deleted
                continue
            object_ = event['data']['object']
            intent = object_.get('payment_intent')
            if object_['object'] == 'payment_intent':
                intent = object_['id']
            if intent in ours and intent and id_ not in known:
                self.violation('lost', "event %s %s was dropped", id_,
                    event['type'])
        foreign = {
            i['id'] for i in self.world.objects('payment_intent').values()
            if i['metadata'].get('tryton_record') == 'sale.sale,1'}
        for id_ in known:
            object_ = events[id_]['data']['object']
            if foreign & {object_['id'], object_.get('payment_intent')}:
                self.violation('foreign', "event %s is not ours", id_)

    def _check_mails(self):
        refusals = sum(
            1 for e in self.world.objects('event').values()
            if e['type'] == 'payment_intent.payment_failed')
        if len(self.mails) > refusals:
            self.violation('e-mail', "%s e-mails for %s refusals",
                len(self.mails), refusals)
        for mail in self.mails:
            self._check_secret(mail.as_string(), "an e-mail")

    def _check_secrets(self):
        self._check_secret('\n'.join(self.stage.watch.lines), "the log")
        for page in self.pages:
            # The page of the payer needs the secret of the intent
            self._check_secret(
                re.sub(r'(pi|cuss)_\w*secret_\w+', '', page), "a page")
        with self.stage.transaction() as transaction:
            cursor = transaction.connection.cursor()
            cursor.execute('SELECT * FROM ir_error')
            for row in cursor:
                self._check_secret(str(row), "ir.error")
            cursor.execute('SELECT * FROM account_payment_stripe_event')
            for row in cursor:
                self._check_secret(str(row), "an event")

    def _check_secret(self, text, where):
        if found := SECRETS.search(text):
            start = max(found.start() - 200, 0)
            self.violation('secret', "%s is in %s: %s", found.group()[:12],
                where, text[start:start + 300])


def _path(url):
    return re.sub(r'https?://[^/]*|\?.*', '', url)
