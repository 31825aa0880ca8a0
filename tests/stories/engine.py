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
import re
import uuid
from collections import Counter
from contextlib import contextmanager

import stripe

from trytond import backend
from trytond.exceptions import UserError, UserWarning
from trytond.modules.account_payment_stripe.tests.simulator.webhooks import (
    signature)
from trytond.modules.account_payment_stripe.tests.stories.at_stripe import (
    HTTP_FAULTS, OTHER_FAULTS, AtStripe)
from trytond.modules.account_payment_stripe.tests.stories.backup import Backups
from trytond.modules.account_payment_stripe.tests.stories.edits import Edits
from trytond.modules.account_payment_stripe.tests.stories.elsewhere import (
    Elsewhere)
from trytond.modules.account_payment_stripe.tests.stories.invariants import (
    SECRETS, Invariants)
from trytond.modules.account_payment_stripe.tests.stories.owners import Owners
from trytond.modules.account_payment_stripe.tests.stories.stage import (
    DIGITS, Killed, Stage, Violation)
from trytond.modules.account_payment_stripe.tests.stories.users import (
    CARDS, WAYS, Users)
from trytond.modules.account_payment_stripe.tests.stories.worlds import Worlds
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction, TransactionError
from trytond.worker import run_task

__all__ = [
    'CARDS', 'DIGITS', 'HTTP_FAULTS', 'OTHER_FAULTS', 'SECRETS', 'WAYS',
    'Stage', 'Story', 'Violation', 'signature']


class Story(
        Users, Edits, Owners, AtStripe, Elsewhere, Worlds, Backups,
        Invariants):
    """Payments and what happens to them.

    The methods are what somebody does or what goes wrong; each can be called
    at any time. told is the story in words, hits the faults that really
    happened."""

    def __init__(self, stage, hook='signed', pace=0, post='works',
            release=False):
        stage.clean()
        self.stage = stage
        self.simulator = stage.simulator
        self.clock = self.simulator.clock
        self.told = []
        self.hits = Counter()
        self.mails = stage.post.messages
        self.pages = []
        self.skew = self.ahead = 0
        self.pace = pace
        self.hook = hook
        self.payments = []
        self.refunds = []
        self.customers = []
        self.ways = {}
        self.seen = {}
        # The intents of pages that were opened before a restore
        self.tabs = {}
        # The customer at Stripe that another party may have, too
        self.owned = None
        # The intents of which a part has arrived
        self.partly = set()
        self.may_fail = {}
        self.tasks = []
        self.rules = []
        self.plan = None
        self.commit_plan = None
        self._depth = 0
        self._in_run = 0
        self.name = uuid.uuid4().hex[:16]
        # If the rest of a capture is released as before 2025-03-31
        self.release = release
        self.world = self._new_world(self.name)
        self.world.webhooks.hold()
        self.secret = None
        self._saved = {}
        # The journals whose currency was changed, and the right one
        self.changed = {}
        # The payments that succeeded meanwhile
        self.booked = set()
        self.mail(post)
        self._make()
        stage.story = self

    # The beginning

    def _make(self):
        with self.stage.transaction(user=1, company=self.stage.company):
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Journal = pool.get('account.payment.journal')
            self.stage.take_party()
            account = Account(name="Stripe")
            account.secret_key = self.world.secret_key
            account.publishable_key = self.world.publishable_key
            account.save()
            journals = Journal.create([{
                        'name': "Stripe",
                        'process_method': 'stripe',
                        'currency': currency,
                        'company': self.stage.company,
                        'stripe_account': account.id,
                        } for currency in self.stage.currencies.values()])
            self.journals = {
                c: j.id for c, j in zip(self.stage.currencies, journals)}
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

    def _client(self, world=None):
        return stripe.StripeClient(
            (world or self.world).secret_key,
            base_addresses={'api': self.simulator.url},
            max_network_retries=0).v1

    @contextmanager
    def outside(self, world=None):
        "What somebody else than the module does"
        story, self.stage.story = self.stage.story, None
        rules, self.simulator.faults.rules = self.simulator.faults.rules, []
        settings = self.world.settings
        keys, settings.key_state = settings.key_state, {}
        try:
            yield self._client(world)
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
        self.sessions = self.stage.post.sessions
        try:
            return function()
        except Killed:
            self.tell("the process is gone")
            with self.stage.transaction() as transaction:
                transaction.rollback()
        finally:
            self.plan = self.commit_plan = None
            self._safety()
            self._check_sessions()

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

    # What Tryton does

    CRONS = {
        'charge': ('account.payment', 'stripe_charge'),
        'capture': ('account.payment', 'stripe_capture_'),
        'refund': ('account.payment.stripe.refund', 'stripe_create'),
        'customer': ('account.payment.stripe.customer', 'stripe_create'),
        'delete': ('account.payment.stripe.customer', 'stripe_delete'),
        'events': ('account.payment.stripe.account', 'fetch_events'),
        }

    def cron(self, name):
        self.tell("cron %s", name)
        if name == 'events' and self.hook != 'polled':
            self.hits['polled and posted'] += 1
        self._played(lambda: self._cron(*self.CRONS[name]))

    def mail(self, mode):
        "The mail server is so from now on"
        post = self.stage.post
        self._count_post()
        if mode != post.mode:
            self.tell("the mail server: %s", mode)
            post.set(mode)

    def _count_post(self):
        post = self.stage.post
        if post.mode == 'absent':
            # It cannot tell whether somebody was there
            self.hits['mail server absent'] += any(
                'Connection refused' in line
                for line in self.stage.watch.lines)
        elif post.faults:
            self.hits['mail server %s' % post.mode] += 1
        post.faults = 0

    def work(self):
        "The worker runs what is queued"
        if self.tasks:
            self.tell("worker")
            self._played(self._run_tasks)


def _path(url):
    return re.sub(r'https?://[^/]*|\?.*', '', url)
