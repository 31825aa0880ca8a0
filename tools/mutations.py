# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Break the module on purpose and see that a test fails.

    python tools/mutations.py [-j JOBS] [-l | --check] [NAME ...]

Each mutation replaces text in a temporary copy of the module and runs the
tests that must fail. Prints a table and fails if a mutation survives.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import mutations_access
import mutations_ledger
import mutations_page
import mutations_payment

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODULE = 'trytond.modules.account_payment_stripe'
LEFT_OUT = shutil.ignore_patterns(
    '.git', '.cache', '.venv', '__pycache__', '*.egg-info', 'build')
# Python finds the copy before any other installation of the module
FINDER = '''
import sys
from importlib.machinery import PathFinder
from importlib.util import spec_from_file_location

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == %(module)r:
            return spec_from_file_location(
                name, %(root)r + '/__init__.py',
                submodule_search_locations=[%(root)r])
        if name.rpartition('.')[0] == %(module)r:
            return PathFinder.find_spec(name, [%(root)r])

sys.meta_path.insert(0, Finder)
'''

# Name: file, (text, replacement) ..., tests that must fail
LISTS = [
    mutations_payment, mutations_access, mutations_ledger, mutations_page]
MUTATIONS = {n: m for list_ in LISTS for n, m in list_.MUTATIONS.items()}


def mutated(name):
    """Return the source of the file with the mutation.

    Raises ValueError if a text that it replaces is not there exactly once,
    SyntaxError if what comes out is no Python."""
    file, replacements, _ = MUTATIONS[name]
    source = (ROOT / file).read_text()
    for text, replacement in replacements:
        if source.count(text) != 1:
            raise ValueError("%s: found %s times in %s:\n%s" % (
                    name, source.count(text), file, text))
        source = source.replace(text, replacement)
    compile(source, file, 'exec')
    return source


def check(names):
    "Print which mutations do not fit the code, return whether there are any"
    wrong = 0
    for name in names:
        try:
            mutated(name)
        except (OSError, SyntaxError, ValueError) as e:
            print("%s\n" % e)
            wrong += 1
    print("%s mutations, %s do not fit the code" % (len(names), wrong))
    return bool(wrong)


def prepare(folder, name):
    "Return the copy of the module with the mutation"
    file = MUTATIONS[name][0]
    source = mutated(name)
    copy = folder / re.sub(r'\W+', '-', name)
    root = copy / 'module'
    shutil.copytree(ROOT, root, ignore=LEFT_OUT)
    (root / file).write_text(source)
    (copy / 'usercustomize.py').write_text('')
    return copy


def run(copy, name, tests, cache):
    "Return the exit code and the output of the mutation's tests of the copy"
    cases = next(list_.TESTS for list_ in LISTS if name in list_.MUTATIONS)
    root = copy / 'module'
    start = FINDER % {'module': MODULE, 'root': str(root)} + (
        "\nimport unittest\nunittest.main(module=None)\n")
    env = dict(
        os.environ, TRYTOND_DATABASE__URI='sqlite://', DB_NAME=':memory:',
        DB_CACHE=str(cache), PYTHONWARNINGS='ignore',
        PYTHONDONTWRITEBYTECODE='1')
    process = subprocess.run(
        [sys.executable, '-c', start, '-f',
            *('%s.tests.%s' % (MODULE, c) for c in cases),
            *('-k=*.' + t for t in tests)],
        cwd=root, env=env, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return process.returncode, process.stdout


def outcome(output):
    "Return the first test that failed and why"
    failed = re.search(r'^(?:FAIL|ERROR): (\w+)', output, re.M)
    why = re.search(
        r'Violation: ([\w -]+):|^(\w*Error\b.*)$', output, re.M)
    why = next(filter(None, why.groups()), '') if why else ''
    return failed and failed.group(1), why[:40]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('names', nargs='*', metavar='NAME')
    parser.add_argument(
        '-j', '--jobs', type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        '-l', '--list', action='store_true', help="only list them")
    parser.add_argument(
        '--check', action='store_true',
        help="only check that they fit the code")
    args = parser.parse_args()
    names = args.names or list(MUTATIONS)
    if args.list:
        print('\n'.join(names))
        return
    if args.check:
        return check(names)
    folder = pathlib.Path(tempfile.mkdtemp(prefix='stripe-mutations-'))
    cache = folder / 'cache'
    survivors = []
    try:
        copies = {name: prepare(folder, name) for name in names}
        # The sound module passes the same tests, and makes the database
        sound = folder / 'sound'
        shutil.copytree(ROOT, sound / 'module', ignore=LEFT_OUT)
        for list_ in LISTS:
            ours = [n for n in names if n in list_.MUTATIONS]
            if not ours:
                continue
            tests = sorted({t for n in ours for t in MUTATIONS[n][2]})
            code, output = run(sound, ours[0], tests, cache)
            if code or 'Ran %d test' % len(tests) not in output:
                print(output)
                print(
                    "the tests fail, or are not all there, without any "
                    "mutation")
                return 1
        print('%-42s %-34s %s' % ('mutation', 'failed', 'because'))

        def play(name):
            started = time.monotonic()
            # What the database holds may be mutated too
            database = cache if 'Unique' not in str(
                MUTATIONS[name][1]) else folder / 'mutated'
            code, output = run(
                copies[name], name, MUTATIONS[name][2], database)
            return name, code, output, time.monotonic() - started
        with ThreadPoolExecutor(args.jobs) as executor:
            for job in as_completed(executor.submit(play, n) for n in names):
                name, code, output, seconds = job.result()
                test, why = outcome(output)
                if not code or not test:
                    survivors.append(name)
                    test, why = 'SURVIVED', ''
                print('%-42s %-34s %s' % (name, test, why), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("%s mutations, %s survived" % (len(names), len(survivors)))
    return bool(survivors)


if __name__ == '__main__':
    sys.exit(main())
