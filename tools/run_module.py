# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Run a test module as unittest does and write where its time goes.

Called by run_forks.py in a process of its own. What is written is JSON: the
seconds until the tests began, those in which databases were made, copied and
dropped, and the seconds of each test.

A test that wants other modules too has them activated in a copy of the
database of this one, instead of in an empty one, that takes twice as long.
"""
import contextlib
import faulthandler
import fcntl
import functools
import hashlib
import json
import os
import pathlib
import sys
import time
import unittest
from unittest.mock import patch

MODULE = 'account_payment_stripe'
# The modules whose databases and pools are ready before the tests start,
# those that are wanted together with others are copied from the last that fits
READY = [
    [MODULE],
    [MODULE, 'account_payment_clearing'],
    ]
# Of trytond.tests.test_tryton
DATABASE = ['restore_db_cache', 'backup_db_cache', 'create_db', 'drop_db']
# A test that takes as many seconds hangs, its process ends and tells where
HANGS = 900


class Clock:
    "Add up the seconds in which the functions run, also within each other"

    def __init__(self):
        self.seconds = 0
        self.depth = 0

    def wrap(self, function):
        @functools.wraps(function)
        def timed(*args, **kwargs):
            started = time.monotonic()
            self.depth += 1
            try:
                return function(*args, **kwargs)
            finally:
                self.depth -= 1
                if not self.depth:
                    self.seconds += time.monotonic() - started
        return timed


@contextlib.contextmanager
def locked(name, how):
    "Hold the lock of the cached database of the name"
    folder = pathlib.Path(os.environ['DB_LOCKS'])
    path = folder / hashlib.sha256(name.encode()).hexdigest()[:16]
    with path.open('a') as file:
        fcntl.flock(file, how)
        yield


def cached(name, make):
    """Restore the database of the name, or make it and keep it.

    What another process is making is waited for."""
    from trytond.tests import test_tryton
    with locked(name, fcntl.LOCK_SH):
        if test_tryton.restore_db_cache(name):
            return
    with locked(name, fcntl.LOCK_EX):
        if not test_tryton.restore_db_cache(name):
            make()
            test_tryton.backup_db_cache(name)


def name_of(modules, setup=()):
    return ' '.join(['from', *sorted(modules), *setup])


def start_from(names):
    "Make the database with the modules from one that has some of them"
    from trytond.pool import Pool
    from trytond.tests import test_tryton
    from trytond.transaction import Transaction
    for modules in reversed(READY):
        if set(modules) < names:
            break
    else:
        return test_tryton.activate_module(sorted(names))
    ready(set(modules))
    with Transaction().start(
            test_tryton.DB_NAME, 1, close=True) as transaction:
        pool = Pool()
        Activate = pool.get('ir.module.activate_upgrade', type='wizard')
        Module = pool.get('ir.module')
        records = Module.search([
                ('name', 'in', list(names)),
                ('state', '!=', 'activated'),
                ])
        assert len(records) == len(names - set(modules)), names
        Module.activate(records)
        transaction.commit()
        session, _, _ = Activate.create()
        transaction.commit()
        Activate(session).transition_upgrade()
        Activate.delete(session)


def ready(names):
    "Have the database with the modules"
    cached(name_of(names), lambda: start_from(names))


def from_ready(activate_module):
    "Return activate_module of trytond that starts from what there is"
    from trytond.tests import test_tryton

    @functools.wraps(activate_module)
    def activate(modules, lang='en'):
        names = {modules} if isinstance(modules, str) else set(modules)
        if MODULE not in names or lang != 'en' or test_tryton.db_exist():
            return activate_module(modules, lang=lang)
        ready(names)
    return activate


def with_setup(activate_modules):
    "Return activate_modules of trytond that starts from what there is"
    from trytond.tests import test_tryton, tools

    @functools.wraps(activate_modules)
    def activate(modules, *setup):
        names = {modules} if isinstance(modules, str) else set(modules)
        if MODULE not in names:
            return activate_modules(modules, *setup)

        def make():
            ready(names)
            config = tools._get_config()
            for function in setup:
                function(config=config)
        test_tryton.drop_db()
        if setup:
            cached(name_of(names, map(tools._func_name, setup)), make)
        else:
            ready(names)
        return tools._get_config()
    return activate


class Loader(unittest.TestLoader):
    "Let what is loaded start from the databases that are ready, by the clock"

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def loadTestsFromNames(self, names, module=None):
        from trytond.tests import test_tryton, tools
        for name in DATABASE:
            timed = self.clock.wrap(getattr(test_tryton, name))
            for owner in [test_tryton, tools]:
                if hasattr(owner, name):
                    setattr(owner, name, timed)
        # Scenarios import it once they run
        tools.activate_modules = with_setup(tools.activate_modules)
        # ModuleTestCase still activates all at once in an empty database
        with patch.object(
                test_tryton, 'activate_module',
                from_ready(test_tryton.activate_module)):
            return super().loadTestsFromNames(names, module)


class Result(unittest.TextTestResult):

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.tests = []

    def startTest(self, test):
        self._started = time.monotonic()
        faulthandler.dump_traceback_later(HANGS, exit=True)
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        faulthandler.cancel_dump_traceback_later()
        name = test.id().split('.tests.')[-1]
        self.tests.append((name, time.monotonic() - self._started))


class Runner(unittest.TextTestRunner):
    resultclass = Result
    began = None

    def run(self, test):
        Runner.began = time.monotonic()
        return super().run(test)


def main(file, args):
    "Run unittest with the arguments, return if all is well"
    from hypothesis import HealthCheck, settings
    faulthandler.enable()
    # A busy machine is no fault of the code
    settings.register_profile('tests', deadline=None, suppress_health_check=[
            HealthCheck.too_slow])
    settings.load_profile('tests')
    started = time.monotonic()
    clock = Clock()
    program = unittest.main(
        module=None, argv=[sys.argv[0], *args], exit=False,
        testLoader=Loader(clock), testRunner=Runner)
    result = program.result
    with open(file, 'w') as output:
        json.dump({
                'load': Runner.began - started,
                'database': clock.seconds,
                'tests': result.tests,
                }, output)
    return result.wasSuccessful()
