# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Measure the module on PostgreSQL against the simulator.

    python tools/bench.py [name ...]

Takes some minutes; SCALE in the environment is the number of payments of the
large table, 1000000 for the long run. Names choose what is measured: charge,
raised, loop, limit, linear, event, web, poll, checkout, buttons and
ledger.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import stripe

from trytond.modules.account_payment_stripe.tests.simulator import Remote

import bench_cases
from run_tests import ROOT, start_postgresql

CHILD = pathlib.Path(__file__).resolve().with_name('bench_child.py')
NAMES = ['charge', 'raised', 'loop', 'limit', 'linear', 'event', 'web',
    'poll', 'checkout', 'buttons', 'ledger', 'book']
INTENTS = '* /v1/payment_intents**'


class Bench:

    def __init__(self, scale):
        self.scale = scale
        self.rows = []
        self.measured = {}
        self._databases = 0
        self.server = self.process = None
        self.children = []

    def start(self, folder):
        self.server, self.uri = start_postgresql(folder / 'pg')
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'tests.simulator', '--port', '0'],
            cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        self.simulator = Remote(self.url)
        self.world = self.simulator.account('bench')
        self.client = stripe.StripeClient(
            self.world.secret_key, base_addresses={'api': self.url})
        self.base = self.child('setup', 'base', url=self.url)
        self.say("ready")

    def stop(self):
        for process in self.children:
            if process.poll() is None:
                process.kill()
        if self.process:
            self.process.terminate()
            self.process.wait()
        if self.server:
            self.server._cleanup()

    def say(self, message):
        print(message, file=sys.stderr, flush=True)

    def sql(self, statement):
        import psycopg
        with psycopg.connect(
                self.uri + '&dbname=postgres', autocommit=True) as connection:
            connection.execute(statement)

    def database(self):
        "Return the name of a new copy of the database"
        self._databases += 1
        name = 'bench_%d' % self._databases
        self.sql('CREATE DATABASE %s TEMPLATE base' % name)
        return name

    def spawn(self, job, database, threads=None, wait=False, **arguments):
        options = {
            'api_base': self.url,
            'stripe_js': self.simulator.stripe_js,
            'timeout': 30,
            }
        if threads:
            options['threads'] = threads
        if job != 'setup':
            arguments['base'] = self.base
        env = dict(
            os.environ, TRYTOND_DATABASE__URI=self.uri, DB_NAME=database,
            PYTHONWARNINGS='ignore')
        env.pop('DB_CACHE', None)
        process = subprocess.Popen(
            [sys.executable, str(CHILD), json.dumps({
                        'job': job, 'options': options, 'wait': wait,
                        **arguments})],
            env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.children.append(process)
        return process

    def result(self, process):
        output, _ = process.communicate()
        if process.returncode:
            raise SystemExit("a child failed")
        return json.loads(output.strip().splitlines()[-1])

    def child(self, job, database, **arguments):
        return self.result(self.spawn(job, database, **arguments))

    def together(self, *children):
        "Return the results of processes started at once, and the seconds"
        processes = [
            self.spawn(job, database, wait=True, **arguments)
            for job, database, arguments in children]
        for process in processes:
            while process.stdout.readline() != 'ready\n':
                if process.poll() is not None:
                    raise SystemExit("a child failed")
        started = time.monotonic()
        for process in processes:
            process.stdin.write('\n')
            process.stdin.flush()
        results = [self.result(p) for p in processes]
        return results, time.monotonic() - started

    def limits(self, endpoint=None, total=None, latency=0):
        self.simulator.faults.clear()
        if latency:
            self.simulator.faults.add('latency', INTENTS, seconds=latency)
        self.world.rate_limits(endpoint=endpoint, total=total)

    def requests(self, since):
        "Return the requests that arrived since"
        return [r for r in self.simulator.requests if r['time'] >= since]

    def charge(self, count, latency=0, limits=(None, None), rates=None,
            processes=1, threads=None, database=None):
        """Return what a charge run of so many payments took.

        The rate is that from the first to the last confirmation.
        """
        database = database or self.database()
        self.child('fill', database, due=count)
        if rates:
            self.child('rates', database, endpoint=rates[0], total=rates[1])
        self.limits(*limits, latency=latency)
        since = time.time()
        results, _ = self.together(
            *[('charge', database, {'threads': threads})] * processes)
        requests = self.requests(since)
        confirms = [
            r['time'] for r in requests if r['path'].endswith('/confirm')
            and r['status'] == 200]
        self.limits()
        done = max(r['done'] for r in results)
        if done != count:
            self.say("%d of %d payments charged" % (done, count))
        return {
            'rate': (len(confirms) - 1) / (max(confirms) - min(confirms)),
            'seconds': max(r['seconds'] for r in results),
            'cpu': sum(r['cpu'] for r in results),
            'memory': max(r['memory'] for r in results),
            'limited': sum(r['status'] == 429 for r in requests),
            'database': database,
            }

    def row(self, what, target, measured, ratio, passed):
        self.rows.append(
            (what, target, measured, '%.2f' % ratio,
                'PASS' if passed else 'short'))
        self.say('  '.join(self.rows[-1]))

    def at_least(self, what, target, measured, unit):
        self.row(what, '>= %g %s' % (target, unit),
            '%.4g %s' % (measured, unit), measured / target,
            measured >= target)

    def at_most(self, what, target, measured, unit):
        self.row(what, '<= %g %s' % (target, unit),
            '%.4g %s' % (measured, unit), measured / target,
            measured <= target)

    def print(self):
        titles = ('what', 'target', 'measured', 'ratio', '')
        widths = [
            max(len(row[i]) for row in [titles, *self.rows])
            for i in range(len(titles))]
        for row in [titles, *self.rows]:
            print('  '.join(c.ljust(w) for c, w in zip(row, widths)).rstrip())


def main():
    names = sys.argv[1:] or NAMES
    bench = Bench(int(os.environ.get('SCALE') or 50000))
    folder = pathlib.Path(tempfile.mkdtemp(prefix='stripe-bench-'))
    started = time.monotonic()
    # What it has started must end with it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        bench.start(folder)
        for name in names:
            getattr(bench_cases, name)(bench)
        bench.print()
        print("with %d payments in the large table, after %d s" % (
                bench.scale, time.monotonic() - started))
    finally:
        bench.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == '__main__':
    main()
