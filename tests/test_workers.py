# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The commands trytond-cron and trytond-worker, several of each at once.

On PostgreSQL only; SQLite is used by one process."""
import configparser
import datetime as dt
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

from trytond import backend
from trytond import config as trytond_config
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME

from .stories.case import StageTestCase

SECTION = 'account_payment_stripe'
PAYMENTS = 60
LIMIT = 120


@unittest.skipUnless(
    backend.name == 'postgresql', "several processes need PostgreSQL")
class WorkersTestCase(StageTestCase):
    "Workers and crons share the payments, and some of them are killed"

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for section, name, value in [
                ('queue', 'worker', 'True'), (SECTION, 'queue_batch', '5')]:
            before = trytond_config.get(section, name)
            if not trytond_config.has_section(section):
                trytond_config.add_section(section)
            trytond_config.set(section, name, value)
            self.addCleanup(
                trytond_config.set, section, name, before or '')
        config = configparser.ConfigParser(interpolation=None)
        config['database'] = {'uri': trytond_config.get('database', 'uri')}
        config['queue'] = {'worker': 'True'}
        config[SECTION] = {
            name: trytond_config.get(SECTION, name)
            for name in ['api_base', 'stripe_js', 'max_network_retries']}
        config[SECTION]['threads'] = '4'
        self.config = self.folder / 'trytond.conf'
        with self.config.open('w') as file:
            config.write(file)

    def start(self, command, *options):
        "Start the command of trytond, return the process"
        log = (self.folder / ('%s.log' % len(list(
                        self.folder.iterdir())))).open('w')
        self.addCleanup(log.close)
        env = {
            k: v for k, v in os.environ.items()
            if not k.startswith('TRYTOND')}
        process = subprocess.Popen(
            [sys.executable, '-c',
                'import sys\n'
                'from trytond.cli.%s import main\n'
                'sys.exit(main())' % command,
                '-c', str(self.config), '-d', DB_NAME, '-n', '1', '-v',
                *options],
            env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            # With the processes that it starts
            start_new_session=True)
        self.addCleanup(self.kill, process)
        return process

    def kill(self, process):
        "End the process with SIGKILL and those that it has started"
        try:
            os.killpg(process.pid, 9)
        except ProcessLookupError:
            return
        finally:
            process.wait()

    def wait(self, condition):
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            if condition():
                return True
            time.sleep(.2)

    def logs(self):
        return '\n'.join(
            p.read_text() for p in sorted(self.folder.glob('*.log')))

    def test_workers_and_crons(self):
        "Three workers and two crons charge, one of each is killed"
        story = self.engine.Story(self.stage, hook='polled')
        self.stage.simulator.faults.add(
            'latency', account=story.name, seconds=.1)
        with story.outside():
            for i in range(PAYMENTS):
                story.add_payment(
                    'saved' if i % 3 else 'token', process=False)
        self.process_all(story)
        self.assertEqual(len(story.world.ledger()), 0)

        workers = [self.start('worker', '-t', '1') for _ in range(3)]
        crons = [self.start('cron', '--once') for _ in range(2)]
        # Each of them is at work on some payments when two are killed
        self.assertTrue(
            self.wait(lambda: len(story.world.ledger()) >= PAYMENTS // 4),
            msg=self.logs())
        self.kill(workers[0])
        self.kill(crons[0])
        self.assertLess(len(story.world.ledger()), PAYMENTS)

        def left():
            "Return those that nobody has begun"
            return [
                r for r in map(story._read, story.payments)
                if r['state'] == 'processing' and not r['stripe_leased_until']]
        self.assertTrue(
            self.wait(lambda: not left()), msg=self.logs())
        done = [
            i for i in story.payments
            if story._read(i)['state'] == 'succeeded']
        self.assertGreater(len(done), PAYMENTS // 2)
        for process in [*workers, *crons]:
            self.kill(process)
        logs = self.logs()
        self.assertNotIn('Traceback', logs)
        self.assertIsNone(self.engine.SECRETS.search(logs))

        # What the killed ones had taken goes on when their leases have ended
        story.verify()
        for id_ in story.payments:
            self.assertEqual(len(story._charged(id_)), 1)
            self.assertEqual(story._read(id_)['state'], 'succeeded')

    def process_all(self, story):
        "Process the payments, which leaves tasks and crons that are due"
        with self.stage.transaction(
                user=1, company=self.stage.company) as transaction:
            pool = Pool()
            Cron = pool.get('ir.cron')
            Group = pool.get('account.payment.group')
            Payment = pool.get('account.payment')
            payments = Payment.browse(story.payments)
            group = Group(
                company=self.stage.company, journal=payments[0].journal,
                kind='receivable')
            group.save()
            # A part is left to the crons
            Payment.process(payments, group=lambda: group)
            crons = Cron.search([])
            Cron.write(crons, {'next_call': None})
            Cron.write([
                    c for c in crons if c.method in {
                        'account.payment|stripe_charge',
                        'account.payment.stripe.account|fetch_events'}],
                {'next_call': dt.datetime.now() - dt.timedelta(minutes=1)})
            transaction.commit()
