# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Play random schedules of payments and faults and check the invariants.

    python tools/faults.py [-s SEED] [-j JOBS] [--ledger] [N]

Prints for each fault how many of the schedules hit it, and how many ended
with money doubled or lost, a payment failed though it is charged, a payment
that is stuck or one with a wrong amount.

With --ledger the schedules are of Stripe's balance and of who books it, with
crashes between commits. After each the balances and the books must be as at
Stripe, each transaction booked once, and what is paid reconciled.
"""
import argparse
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import unittest

CHUNK = 50
KINDS = [
    'doubled', 'lost', 'failed but charged', 'stuck', 'wrong amount', 'other']

_stage = None


def start(cache, ledger):
    "Prepare the process"
    global _stage
    os.environ['TRYTOND_DATABASE__URI'] = 'sqlite://'
    os.environ['DB_NAME'] = ':memory:'
    os.environ['DB_CACHE'] = cache
    if ledger:
        return
    from trytond.modules.account_payment_stripe.tests.stories import machine
    _stage = machine.Stage()


def play(number, seed):
    "Return the schedules, the hits of each fault and what was broken"
    from trytond.modules.account_payment_stripe.tests.stories import machine
    results = machine.Results()
    broken = []
    while results.schedules < number:
        try:
            machine.play(
                _stage, number - results.schedules, results,
                seed=seed + results.schedules, shrink=False)
            break
        except Exception as e:
            broken.append((
                    _kind(e), sorted(_faults(results)), _text(e)))
    return results.schedules, results.hits, broken


def play_ledger(number, seed):
    """Return the schedules, those with each step and what was broken, of the
    balance"""
    from trytond.modules.account_payment_stripe.tests.test_book_random import (
        FETCHES, OURS, STEPS, BookRandomTestCase)
    hits, broken = {}, []
    for i in range(number):
        choose = random.Random(seed + i)
        steps = [
            choose.choice([*STEPS, *FETCHES, *OURS, *OURS])
            for _ in range(choose.randrange(15, 60))]

        class Story(BookRandomTestCase):
            def runTest(self):
                self.play(steps, seed + i)
        result = unittest.TestResult()
        unittest.TestSuite([Story()]).run(result)
        for _, text in result.errors + result.failures:
            broken.append(('other', sorted(set(steps)), text))
        for name in set(steps):
            hits[name] = hits.get(name, 0) + 1
    return number, hits, broken


def _violation(error):
    "Return the violation, which may not happen the second time"
    for cause in getattr(error, 'exceptions', [error]):
        if hasattr(cause, 'kind'):
            return cause
    return error


def _kind(error):
    return getattr(_violation(error), 'kind', 'other')


def _text(error):
    error = _violation(error)
    if hasattr(error, 'kind'):
        return str(error)
    return ''.join(traceback.format_exception(error))


def _faults(results):
    return [n for n, hit in results.last.items() if hit]


def work(cache, number, seed, ledger):
    "Play the number of schedules and print a line of JSON for each chunk"
    start(cache, ledger)
    func, chunk = (play_ledger, 5) if ledger else (play, CHUNK)
    for i in range(0, number, chunk):
        print(json.dumps(func(min(chunk, number - i), seed + i)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('number', nargs='?', type=int, default=200)
    parser.add_argument('-s', '--seed', type=int, default=0)
    parser.add_argument(
        '-j', '--jobs', type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        '--ledger', action='store_true',
        help="of Stripe's balance and who books it")
    parser.add_argument('--work', metavar='CACHE', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        return work(args.work, args.number, args.seed, args.ledger)
    started = time.monotonic()
    cache = tempfile.mkdtemp(prefix='stripe-faults-')
    schedules, hits, broken, failed = 0, {}, [], 0
    lines = queue.Queue()

    def run(number, seed):
        with subprocess.Popen(
                [sys.executable, __file__, '--work', cache,
                    '-s', str(seed), str(number),
                    *(['--ledger'] if args.ledger else [])],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                text=True) as process:
            for line in process.stdout:
                lines.put(line)
        lines.put(process.returncode)
    try:
        # Makes the database
        run(0, 0)
        if lines.get():
            return 1
        share, rest = divmod(args.number, args.jobs)
        jobs, seed = 0, args.seed
        for i in range(args.jobs):
            number = share + (i < rest)
            if number:
                threading.Thread(
                    target=run, args=(number, seed), daemon=True).start()
                jobs += 1
            seed += number
        while jobs:
            line = lines.get()
            if isinstance(line, int):
                failed += bool(line)
                jobs -= 1
                continue
            number, more_hits, more_broken = json.loads(line)
            schedules += number
            for name, count in more_hits.items():
                hits[name] = hits.get(name, 0) + count
            for found in more_broken:
                print("\n%s" % found[2], flush=True)
            broken.extend(more_broken)
            print("%s schedules, %s broken, %d s" % (
                    schedules, len(broken), time.monotonic() - started),
                flush=True)
    finally:
        shutil.rmtree(cache, ignore_errors=True)
    print_table(schedules, hits, broken)
    if failed:
        print("%s of the processes failed" % failed)
    return bool(broken or failed)


def print_table(schedules, hits, broken):
    line = '%-29s %9s' + ' %9s' * len(KINDS)
    heads = [k.replace('failed but charged', 'failed but') for k in KINDS]
    print()
    print(line % ('fault', 'schedules', *(h[:9] for h in heads)))

    def counts(found):
        return [
            sum(1 for kind, _, _ in found
                if kind == k or k == 'other' and kind not in KINDS)
            for k in KINDS]
    for name, number in hits.items():
        print(line % (
                name, number, *counts([b for b in broken if name in b[1]])))
    print(line % ('all', schedules, *counts(broken)))


if __name__ == '__main__':
    sys.exit(main())
