# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Send odd inputs to the routes and to what the clients can call.

    python tools/fuzz.py [-s SEED] [--backend BACKEND] [N]

Prints how many were tried of each kind, how long the slowest took and how
often each status was answered.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import run_tests as tests


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('number', nargs='?', type=int, default=800)
    parser.add_argument('-s', '--seed', type=int, default=0)
    parser.add_argument(
        '--backend', choices=tests.DATABASES, default='sqlite')
    args = parser.parse_args()

    cache = tests.CACHE / tests.fingerprint()
    cache.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix='stripe-fuzz-'))
    server = None
    try:
        if args.backend == 'sqlite':
            env = tests.environment('sqlite', 'sqlite://',
                str(cache / 'sqlite'), ':memory:', work)
        else:
            server, uri = tests.start_postgresql(cache / 'postgresql')
            env = tests.environment(
                'postgresql', uri, 'postgresql://', 'fuzz', work)
        env.update(FUZZ=str(args.number), FUZZ_SEED=str(args.seed))
        process = subprocess.Popen(
            [sys.executable, '-m', 'unittest',
                '%s.test_fuzz' % tests.PACKAGE],
            cwd=tests.ROOT, env=env, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        tried = 0
        for line in process.stdout:
            print(line, end='', flush=True)
            tried += sum(map(int, re.findall(r'(\d+) inputs', line)))
        failed = process.wait()
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if server:
            server._cleanup()
    print("%d inputs tried on %s, %s" % (
            tried, args.backend, "failed" if failed else "all refused or "
            "answered as they should"))
    return failed


if __name__ == '__main__':
    sys.exit(main())
