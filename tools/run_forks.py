# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Run test modules, each in a fork of a process that has loaded what they use.

Started by run_tests.py, one for each database. To load the code takes three
seconds of CPU, a fork none, and no test sees what another has left in the
memory.

Reads a job as a line of JSON, with the environment, the arguments of unittest,
and the files for the output and for the times, and writes another when it has
ended, with its exit code and its seconds of CPU. Once the input ends, also
because run_tests.py was killed, nothing of it is left.
"""
import atexit
import gc
import importlib
import json
import os
import signal
import sys
import threading
import traceback
from collections import defaultdict
from unittest.mock import patch

import run_module

PACKAGE = 'trytond.modules.account_payment_stripe.tests'
# What most tests import, none of it knows the name of the database
LOADED = [
    'doctest', 'hypothesis.stateful', 'lxml.etree', 'proteus', 'stripe',
    'stripe.params', 'trytond.wsgi', 'werkzeug.test', PACKAGE + '.simulator']
# These reach all processes of a terminal, but what was forked must end first
ENDS = [signal.SIGHUP, signal.SIGINT, signal.SIGTERM]
STATES = ('activated', 'to upgrade', 'to remove')


class Pools:
    """The pools by the modules that are activated.

    Nothing in them but the addresses of pages depends on the database, and to
    make one takes a second."""

    def __init__(self):
        from trytond.pool import Pool
        from trytond.wsgi import app
        self.made = {}
        # Those without a database
        self.app = app
        self.rules = [r.empty() for r in app.url_map.iter_rules()]
        self._init = Pool.init
        Pool.init = lambda *args, **kwargs: self.init(*args, **kwargs)

    def init(self, pool, update=None, **options):
        if update or options:
            return self._init(pool, update=update, **options)
        names = self.activated(pool.database_name)
        if names not in self.made:
            self._init(pool)
            self.made[names] = pool._pool, pool._modules
            return
        made, modules = self.made[names]
        with pool._lock:
            pool._pool = defaultdict(dict)
            for type_, classes in made.items():
                pool._pool[type_] = dict(classes)
            pool._modules = list(modules)
            pool._pools[pool.database_name] = pool._pool
            pool._pool_modules[pool.database_name] = pool._modules
            pool._pool_instances.clear()
            pool._pool_instances.add(pool)
            # Not those of the other database
            self.app.url_map = type(self.app.url_map)(
                [r.empty() for r in self.rules],
                converters=dict(self.app.url_map.converters))
            for _, router in pool.iterobject('router'):
                router.rules.clear()
            pool.setup_routers()
            pool.ready = True

    def activated(self, name):
        from trytond.modules import ir_module
        from trytond.transaction import Transaction
        with Transaction().start(name, 0, readonly=True) if (
                not Transaction().connection) else (
                Transaction().new_transaction(readonly=True)) as transaction:
            cursor = transaction.connection.cursor()
            cursor.execute(*ir_module.select(
                    ir_module.name, where=ir_module.state.in_(STATES)))
            return frozenset(name for name, in cursor)


def load():
    "Load the code, and the pools of the databases that are ready"
    from trytond import backend
    from trytond.pool import Pool
    Pool.test = True
    Pool.start()
    # The classes are registered once
    Pool.start = classmethod(lambda cls: None)
    for name in LOADED:
        importlib.import_module(name)
    pools = Pools()
    for i, modules in enumerate(run_module.READY):
        name = '%s_ready_%d' % (os.environ['DB_NAME'], i)
        if wait(fork(make_ready, name, modules))[0]:
            raise SystemExit("the database of %s is not made" % modules)
        # Nobody listens to what changes
        with patch.object(
                backend.Database, 'has_channel', return_value=False):
            Pool(name).init()
        assert len(pools.made) == i + 1
        backend.Database(name).close()
        Pool.stop(name)
    Pool._local.__dict__.clear()
    assert threading.active_count() == 1, threading.enumerate()


def make_ready(name, modules):
    "Make the database, and the one with a stock of companies from it"
    use_database(name)
    from trytond.tests import test_tryton
    run_module.ready(set(modules))
    test_tryton.drop_db()
    importlib.import_module(PACKAGE + '.stock').activate(
        modules, run_module.from_ready(test_tryton.activate_module))


def use_database(name):
    os.environ['DB_NAME'] = name


def fork(function, *args):
    "Return the id of a process that calls the function"
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        # What it starts ends with it
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in ENDS:
            signal.signal(number, signal.SIG_DFL)
        code = function(*args) or 0
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            # What was loaded before is not taken apart
            os._exit(code)


def wait(pid, options=0):
    "Return the exit code and the seconds of CPU, or None"
    pid, status, usage = os.wait4(pid, options)
    if pid:
        return (os.waitstatus_to_exitcode(status),
            usage.ru_utime + usage.ru_stime)


def run(job):
    output = os.open(job['output'], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in [(nothing, 0), (output, 1), (output, 2)]:
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)
    use_database(job['database'])
    return not run_module.main(job['times'], job['args'])


def main():
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)
    answers = os.dup(1)
    # Whatever else is printed
    os.dup2(2, 1)
    load()
    # What is loaded stays, to look through it for garbage takes a seventh of
    # the CPU of the tests
    gc.collect()
    gc.freeze()
    gc.set_threshold(20000, 20, 50)
    running = {}

    def tell(**answer):
        os.write(answers, json.dumps(answer).encode() + b'\n')

    def ended(*args):
        for pid in list(running):
            if end := wait(pid, os.WNOHANG):
                tell(job=running.pop(pid), code=end[0], CPU=end[1])
                kill(pid)

    signal.signal(signal.SIGCHLD, ended)
    tell(job=None, CPU=sum(os.times()[:4]))
    for line in sys.stdin:
        job = json.loads(line)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        running[fork(run, job)] = job['output']
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for pid in running:
        kill(pid)


def kill(pid):
    "Kill the process and what it has started"
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


if __name__ == '__main__':
    sys.path[0] = os.getcwd()
    main()
