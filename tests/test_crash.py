# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Processes killed with SIGKILL at each step, and many processes at once.

On PostgreSQL only; SQLite is used by one process."""
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import stripe

from trytond import backend, config
from trytond.tests.test_tryton import DB_NAME

from .stories.case import StageTestCase

PACKAGE = 'trytond.modules.account_payment_stripe.tests.'
SECTION = 'account_payment_stripe'


class Children:
    "A process that forks one for each job"

    def __init__(self, stage):
        # The options of the test but the threads
        options = dict(
            (name, config.get(SECTION, name))
            for name in ['api_base', 'stripe_js', 'max_network_retries',
                'timeout'])
        options['threads'] = '2'
        self.context = {
            'company': stage.company, '_skip_warnings': True}
        self.errors = tempfile.TemporaryFile('w+')
        self.process = subprocess.Popen(
            [sys.executable, '-m', PACKAGE + 'crash_child',
                json.dumps(options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.errors, text=True, env=os.environ)
        if self.process.stdout.readline() != 'ready\n':
            raise RuntimeError(self.read_errors())

    def read_errors(self):
        self.errors.seek(0)
        return self.errors.read()

    def unexpected(self):
        "Return what was logged with a traceback that is not of the database"
        return [
            text for text in re.split(
                r'^(?=\w.*\nTraceback)', self.read_errors(), flags=re.M)
            if 'Traceback' in text and (
                'psycopg' not in text or 'UniqueViolation' in text)]

    def run(self, *jobs):
        "Run the jobs at once, return their exit codes"
        for job in jobs:
            job.setdefault('kind', 'call')
            job.setdefault('context', self.context)
        self.process.stdin.write(json.dumps(jobs) + '\n')
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(self.read_errors())
        return json.loads(answer)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()
        self.errors.close()


def call(model, method, ids=None, **values):
    return dict(values, model=model, method=method, ids=ids)


PAYMENT = 'account.payment'
REFUND = 'account.payment.stripe.refund'
CUSTOMER = 'account.payment.stripe.customer'
ACCOUNT = 'account.payment.stripe.account'


@unittest.skipUnless(
    backend.name == 'postgresql', "several processes need PostgreSQL")
class CrashTestCase(StageTestCase):
    "A process that is gone and many at once never charge twice"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.children = Children(cls.stage)
        cls.addClassCleanup(cls.children.stop)
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)

    def steps(self, job):
        "Return the names of the steps of the job, run to its end"
        path = os.path.join(self.folder.name, 'steps')
        self.assertEqual(
            self.children.run(dict(job, path=path)), [0],
            msg=self.children.read_errors()[-3000:])
        with open(path) as file:
            return json.load(file)

    def crash_everywhere(self, prepare, how='kill', **options):
        """Run what prepare(story) returns, a job, once to its end and then
        once for each step, where it is killed, and verify each."""
        story = self.story(**options)
        steps = self.steps(prepare(story))
        story.verify()
        killed = 0
        for at, name in enumerate(steps, 1):
            with self.subTest(at=at, step=name):
                story = self.story(**options)
                job = prepare(story)
                story.tell("%s at step %s, %s", how, at, name)
                code, = self.children.run(dict(job, at=at, how=how))
                killed += code == -signal.SIGKILL
                story.verify()
        if how == 'kill':
            # The last steps are not always the same
            self.assertGreaterEqual(killed, len(steps) - 2)
        return steps

    def charge(self, way, **values):
        def prepare(story):
            id_ = story.add_payment(way, later=True, **values)
            return call(PAYMENT, 'stripe_charge', [id_])
        return prepare

    def test_charge_token(self):
        "Killed while a token is charged"
        steps = self.crash_everywhere(self.charge('token'))
        self.assertTrue(any(s.endswith('/confirm') for s in steps), steps)

    def test_charge_saved(self):
        "Killed while a saved payment method is charged"
        self.crash_everywhere(self.charge('saved'), hook='polled')

    def test_charge_declined(self):
        "Killed while a token is declined"
        self.crash_everywhere(self.charge('token declined'))

    def test_charge_mailed(self):
        "Killed while a saved payment method is declined"
        self.crash_everywhere(self.charge('saved challenged'))

    def test_capture(self):
        "Killed while an authorized payment is captured"
        def prepare(story):
            id_ = story.add_payment('token', capture=False)
            story.capture(id_, 50, later=True)
            return call(PAYMENT, 'stripe_capture_', [id_])
        steps = self.crash_everywhere(prepare)
        self.assertTrue(any(s.endswith('/capture') for s in steps), steps)

    def test_refund(self):
        "Killed while a refund is sent"
        def prepare(story):
            id_ = story.add_payment('saved')
            story.add_refund(id_, 50, later=True)
            return call(REFUND, 'stripe_create', story.refunds)
        steps = self.crash_everywhere(prepare)
        self.assertIn('POST refunds', steps)

    def test_customer(self):
        "Killed while a customer is created"
        def prepare(story):
            # A payment is not what is tested, but a story has one
            story.add_payment('page', process=False)
            story.add_customer()
            return call(CUSTOMER, 'stripe_create', story.customers)
        steps = self.crash_everywhere(prepare)
        self.assertIn('POST customers', steps)

    def test_events(self):
        "Killed while events are read"
        def prepare(story):
            id_ = story.add_payment('page', process=False)
            story.checkout(id_)
            story.pay(id_, card='declined')
            story.pay(id_)
            story.dashboard('refund some', id_)
            return call(ACCOUNT, 'fetch_events', [story.account])
        self.crash_everywhere(prepare, hook='polled')

    def test_webhook(self):
        "Killed while webhooks are received"
        def prepare(story):
            id_ = story.add_payment('page', process=False)
            story.checkout(id_)
            story.pay(id_)
            story.dashboard('refund some', id_)
            return self.webhooks(story)
        self.crash_everywhere(prepare)

    def test_buttons(self):
        "Killed while a user presses buttons"
        for button in ['draft', 'stripe_checkout', 'fail', 'stripe_do_pull']:
            def prepare(story):
                if button in {'draft', 'stripe_checkout'}:
                    id_ = story.add_payment('page', process=False)
                    if button == 'draft':
                        story.checkout(id_)
                else:
                    id_ = story.add_payment(
                        'saved challenged' if button == 'fail' else 'saved')
                story.may_fail[id_].add(button)
                return call(PAYMENT, button, [id_], user=1)
            with self.subTest(button=button):
                self.crash_everywhere(prepare)

    def test_connection_lost(self):
        "The connection to the database is lost at each step"
        self.crash_everywhere(self.charge('token'), how='disconnect')

    def webhooks(self, story, seed=0):
        "Return the job that posts all the events there are"
        requests = []
        for event in story.world.objects('event').values():
            body = json.dumps(dict(event, api_version=stripe.api_version))
            header = self.engine.signature(
                int(time.time()), body.encode(), story.secret)
            requests.append((
                    '/%s/r/account_payment_stripe/webhook/%s' % (
                        DB_NAME, story.identifier), body, header))
        return {'kind': 'webhooks', 'requests': requests, 'seed': seed}

    def test_failing_at_once(self):
        "The events that fail arrive at many processes"
        for round_ in range(4):
            story = self.story()
            id_ = story.add_payment('page', process=False)
            story.checkout(id_)
            story.pay(id_)
            for _ in range(3):
                story.dashboard('refund some', id_)
            self.stage.simulator.faults.add(
                '503', 'GET **', account=story.name, times=60)
            self.children.run(
                *(self.webhooks(story, seed) for seed in range(6)))
            self.assertEqual(self.children.unexpected(), [])
            story.verify()

    def test_at_once(self):
        "Crons, workers, users and webhooks on the same payments"
        for seed in range(int(os.environ.get('STRIPE_CRASH_ROUNDS', 2))):
            with self.subTest(seed=seed):
                self.at_once(seed)

    def at_once(self, seed):
        chance = random.Random(seed)
        story = self.story()
        ways = list(self.engine.WAYS)
        for i in range(24):
            way = 'token' if i % 3 == 0 else 'saved' if i % 3 == 1 else (
                chance.choice(ways))
            story.add_payment(
                way, minor=chance.randrange(100, 10000) * 10,
                capture=chance.random() < .7, later=True)
        for fault in ['drop_after', 'drop_before', '500_after', '500_before',
                '503', '409', '429', '429_lock_timeout', 'malformed']:
            story.rules.append(self.stage.simulator.faults.add(
                    fault, account=story.name, share=.02, seed=seed))
        self.stage.simulator.faults.add(
            'latency', account=story.name, seconds=.02)
        for round_ in range(3):
            ids = list(story.payments)
            chance.shuffle(ids)
            for id_ in ids:
                story.may_fail[id_].add('buttons')
            jobs = [
                call(PAYMENT, 'stripe_charge'),
                call(PAYMENT, 'stripe_charge'),
                call(PAYMENT, 'stripe_charge', ids),
                call(PAYMENT, 'stripe_charge', ids[::-1]),
                call(PAYMENT, 'stripe_charge', ids[:12]),
                call(PAYMENT, 'stripe_capture_'),
                call(PAYMENT, 'stripe_capture_'),
                call(REFUND, 'stripe_create'),
                call(REFUND, 'stripe_create'),
                call(ACCOUNT, 'fetch_events'),
                call(ACCOUNT, 'fetch_events'),
                self.webhooks(story, seed),
                self.webhooks(story, seed + 1),
                dict(call(PAYMENT, 'fail', user=1), each=ids[:3]),
                dict(call(PAYMENT, 'stripe_do_pull', user=1), each=ids[3:9]),
                ]
            if round_ == 1:
                # One of them does not survive
                jobs[0].update(at=15, how='kill')
                jobs[2].update(at=25, how='kill')
            story.expire()
            self.children.run(*jobs)
            self.assertEqual(self.children.unexpected(), [])
            for id_ in chance.sample(story.payments, 6):
                story.capture(id_, 50, later=True)
                story.add_refund(id_, 50, later=True)
            story.clock.advance(3600)
        story.verify()
        paid = [i for i in story.payments if story._charged(i)]
        self.assertGreater(len(paid), 5)
