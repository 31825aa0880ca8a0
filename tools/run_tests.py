# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Run the tests on SQLite and on PostgreSQL.

    python tools/run_tests.py [-k PATTERN] [--backend NAME] [module ...]

Each test module, and each scenario, runs in processes of its own: one for
each database, one alone if it does not use any. They are forks of a process
for the database that has loaded what they use (run_forks.py). One more than
there are cores run at once, as some wait, those first that took longest the
last time. With --times it tells where the time went.

Several runs in the same folder do not disturb each other, and what a run that
was killed has left is removed by the next.
"""
import argparse
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from fnmatch import fnmatch

from run_server import (
    PREFIX, cpu_of, drop, drop_run, is_running, set_up, start_postgresql,
    stop_left)

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = ROOT / '.cache'
PACKAGE = 'trytond.modules.account_payment_stripe.tests'
DATABASES = ['sqlite', 'postgresql']
USES_DATABASE = re.compile(
    r'trytond\.tests|proteus'
    r'|from \.(tools|browser|stories|fuzz|\w*case)')
# The longest first, so that the cores are busy to the end: until it is known
# how long each took the last time, these
FIRST = [
    'test_faults', 'test_crash', 'test_faults_money', 'test_compare',
    'test_secrets', 'test_book_statement', 'test_book_random', 'test_workers',
    'test_web_shop', 'test_locale_source', 'test_scenario', 'test_fuzz',
    'test_browser_trouble', 'test_browser_wait', 'test_browser_pay',
    'test_dispute', 'test_currency']
# How many are told of by --times
SLOWEST = 25
# The folder of a run begins so, followed by the id of its process
WORK = 'stripe-tests-'
# Their threads and processes don't share a database in the memory
ALONE = 'test_browser'


def fingerprint():
    "Return what changes when the databases in the cache are of no use"
    digest = hashlib.sha256(sys.version.encode())
    files = [
        *ROOT.glob('*.py'), *ROOT.glob('*.xml'), *ROOT.glob('*.html'),
        *ROOT.glob('view/*.xml'), *ROOT.glob('locale/*.po'),
        ROOT / 'tryton.cfg']
    for path in sorted(files):
        digest.update(path.name.encode() + b'\0' + path.read_bytes())
    from importlib.metadata import distributions
    for dist in sorted(
            '%s %s' % (d.name, d.version) for d in distributions()
            if (d.name or '').lower().startswith('trytond')):
        digest.update(dist.encode())
    return digest.hexdigest()[:16]


def environment(database, uri, cache, name, folder):
    env = dict(os.environ)
    env.update({
            'TRYTOND_DATABASE__URI': uri,
            'DB_NAME': name,
            'DB_CACHE': cache,
            'PYTHONWARNINGS': env.get('PYTHONWARNINGS', 'ignore'),
            })
    if database == 'sqlite':
        env['TRYTOND_DATABASE__PATH'] = str(folder)
    return env


class Forks:
    "The process that runs the jobs of a database in forks of it"

    def __init__(self, backend, uri, cache, work, prefix):
        self.backend = backend
        self.uri = uri
        self.waiting = {}
        self.ready = Future()
        locks = cache / 'locks'
        locks.mkdir(parents=True, exist_ok=True)
        env = environment(
            backend,
            uri if backend == 'postgresql' else 'sqlite://',
            'postgresql://' if backend == 'postgresql' else str(
                cache / 'sqlite'),
            prefix, work)
        env['DB_LOCKS'] = str(locks)
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / 'tools' / 'run_forks.py')],
            cwd=ROOT, env=env, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            answer = json.loads(line)
            if answer['job'] is None:
                self.ready.set_result(answer['CPU'])
            else:
                self.waiting.pop(answer['job']).set_result(
                    (answer['code'], answer['CPU']))
        for future in [self.ready, *self.waiting.values()]:
            if not future.done():
                future.set_exception(RuntimeError("run_forks.py has ended"))

    def database(self, name, alone):
        """Return the database to use for the job of the name.

        alone: it shall not be in the memory."""
        return ':memory:' if self.backend == 'sqlite' and not alone else name

    def run(self, **job):
        "Run the job, return its exit code and its seconds of CPU"
        future = self.waiting[job['output']] = Future()
        self.process.stdin.write(json.dumps(job) + '\n')
        self.process.stdin.flush()
        code, CPU = future.result()
        if self.backend == 'postgresql':
            drop(self.uri, job['database'])
        return code, CPU

    def stop(self):
        if not self.process.stdin.closed:
            self.process.stdin.close()
        self.process.wait()


def run(forks, job, database, args, path):
    """Run the job in a fork.

    Return it with its exit code, output, seconds and what it tells of them."""
    started = time.monotonic()
    output, times = path.with_suffix('.txt'), path.with_suffix('.json')
    code, CPU = forks.run(
        database=database, output=str(output), times=str(times),
        args=['-v', *args, '%s.%s' % (PACKAGE, job[0])])
    told = json.loads(times.read_text()) if times.exists() else {
        'load': 0, 'database': 0, 'tests': []}
    return (job, code, output.read_text(errors='replace'),
        time.monotonic() - started, dict(told, CPU=CPU))


def count(output):
    "Return how many tests passed, failed and were skipped"
    def number(name):
        found = re.findall(r'%s=(\d+)' % name, output)
        return sum(map(int, found))
    ran = sum(map(int, re.findall(r'^Ran (\d+) test', output, re.M)))
    failed = number('failures') + number('errors')
    skipped = number('skipped')
    return max(ran - failed - skipped, 0), failed, skipped


def parts(name, patterns):
    "Yield what runs alone of the module, None for all"
    if name != 'test_scenario':
        yield None
        return
    for path in (ROOT / 'tests').glob('scenario_*.rst'):
        if not patterns or any(
                fnmatch(path.name, p if '*' in p else '*%s*' % p)
                for p in patterns):
            yield path.name


def list_jobs(names, databases, patterns, lengths):
    """Return the jobs, the longest first.

    Each is a module, what runs of it or None for all, and a database."""
    tests = ROOT / 'tests'
    jobs = []
    for name in names or [p.stem for p in tests.glob('test_*.py')]:
        source = (tests / ('%s.py' % name)).read_text()
        uses = USES_DATABASE.search(source)
        jobs.extend(
            (name, part, d)
            for part in parts(name, patterns)
            for d in (databases if uses else ['-']))

    def length(job):
        unknown = 1000 - FIRST.index(job[0]) if job[0] in FIRST else 0
        return -lengths.get(label(job), unknown), label(job)
    return sorted(jobs, key=length)


def label(job):
    module, part, database = job
    return '%s %s' % (part and pathlib.Path(part).stem or module, database)


def print_times(times, servers):
    """Print where the seconds of the jobs went.

    servers: the seconds of CPU of what served the jobs, by name"""
    line = '%-40s %8s %8s %8s %8s'
    print('\n' + line % (
            'module or scenario', 'seconds', 'load', 'database', 'CPU'))
    rows, tests = [], []
    for job, (seconds, parts) in times.items():
        rows.append((seconds, job, parts))
        tests.extend((s, job[-1], t) for t, s in parts['tests'])
    for seconds, job, parts in sorted(rows, key=lambda r: -r[2]['CPU']):
        print(line % (label(job), *('%.1f' % s for s in [
                        seconds, parts['load'], parts['database'],
                        parts['CPU']])))
    for name, CPU in servers.items():
        print(line % (name, '', '', '', '%.1f' % CPU))
    print(line % ('all', *('%.0f' % s for s in [
                    sum(r[0] for r in rows),
                    *(sum(r[2][p] for r in rows)
                        for p in ['load', 'database']),
                    sum(r[2]['CPU'] for r in rows) + sum(servers.values())])))
    print('\nslowest tests')
    for seconds, database, test in sorted(tests, reverse=True)[:SLOWEST]:
        print('%7.1f %-10s %s' % (seconds, database, test))
    print()


def clean(cache):
    "Remove what killed runs and other versions of the code have left"
    for old in pathlib.Path(tempfile.gettempdir()).glob(WORK + '*'):
        owner = re.match(WORK + r'(\d+)-', old.name)
        if owner and not is_running(int(owner[1])):
            shutil.rmtree(old, ignore_errors=True)
    for old in CACHE.glob('*/'):
        if (old != cache
                and re.fullmatch(r'[0-9a-f]{16}', old.name)
                and stop_left(old / 'postgresql')):
            shutil.rmtree(old, ignore_errors=True)


def play(args, forks, known, work, prefix):
    "Yield what run returns of all jobs, as they end"
    with ThreadPoolExecutor(args.jobs) as executor:
        playing = []
        for number, job in enumerate(
                list_jobs(args.modules, list(forks), args.patterns, known)):
            module, part, backend = job
            fork = forks.get(backend) or list(forks.values())[0]
            name = '%s_%d' % (prefix, number)
            patterns = [part] if part else args.patterns
            playing.append(executor.submit(run,
                    fork, job,
                    fork.database(name, alone=module.startswith(ALONE)),
                    ['-k=%s' % p for p in patterns], work / name))
        try:
            for future in as_completed(playing):
                yield future.result()
        finally:
            for future in playing:
                future.cancel()
            for fork in forks.values():
                fork.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('modules', nargs='*')
    parser.add_argument(
        '-k', action='append', default=[], metavar='PATTERN', dest='patterns',
        help="only the tests whose name contains it, as of unittest")
    parser.add_argument('--backend', choices=DATABASES, action='append')
    parser.add_argument(
        '--jobs', type=int, default=(os.cpu_count() or 1) + 1)
    parser.add_argument(
        '--times', action='store_true', help="tell where the time went")
    args = parser.parse_args()
    for name in args.modules:
        if not (ROOT / 'tests' / ('%s.py' % name)).exists():
            parser.error("there is no tests/%s.py" % name)
    started = time.monotonic()

    cache = CACHE / fingerprint()
    clean(cache)
    prefix = '%s%d' % (PREFIX, os.getpid())
    work = pathlib.Path(tempfile.mkdtemp(
            prefix='%s%d-' % (WORK, os.getpid())))
    lengths = CACHE / 'lengths.json'
    try:
        known = json.loads(lengths.read_text())
    except (OSError, ValueError):
        known = {}
    total = [0, 0, 0]
    failures, times, servers = set(), {}, {}
    forks, server, uri = {}, None, None
    try:
        for backend in args.backend or DATABASES:
            if backend == 'postgresql':
                server, uri = start_postgresql(cache / 'postgresql')
                set_up(uri)
            forks[backend] = Forks(backend, uri, cache, work, prefix)
        for backend, fork in forks.items():
            servers['loading of ' + backend] = fork.ready.result()
        print("databases ready after %d s" % (
                time.monotonic() - started), flush=True)
        for job, code, output, seconds, told in play(
                args, forks, known, work, prefix):
            numbers = count(output)
            if args.patterns and re.search(r'^Ran 0 tests', output, re.M):
                continue
            times[job] = seconds, told
            total = [a + b for a, b in zip(total, numbers)]
            print("%-40s %3d passed %3d failed %3d skipped %5d s" % (
                    label(job), *numbers, seconds), flush=True)
            for line in re.findall(r'^.* skipped .*$', output, re.M):
                print("    " + line)
            if code or not sum(numbers):
                failures.add(label(job).split()[0])
                print(output, flush=True)
    finally:
        for fork in forks.values():
            fork.stop()
        if server:
            servers['PostgreSQL'] = cpu_of(server)
            drop_run(uri, prefix)
            server._cleanup()
        shutil.rmtree(work, ignore_errors=True)
    if not args.patterns:
        known.update((label(j), told['CPU']) for j, (_, told) in times.items())
        lengths.write_text(json.dumps(known))
    if args.times:
        print_times(times, servers)
    if args.patterns and not any(total):
        print("no test has such a name")
        return 1
    if failures:
        print("failed: " + ', '.join(sorted(failures)))
        total[1] = max(total[1], 1)
    print("after %d s" % (time.monotonic() - started))
    print("%d passed, %d failed, %d skipped" % tuple(total))
    return bool(failures)


if __name__ == '__main__':
    sys.exit(main())
