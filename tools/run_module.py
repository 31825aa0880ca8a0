# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Run a test module as unittest does and write where its time goes.

    python tools/run_module.py FILE [option of unittest ...] module

FILE gets JSON: the seconds until the tests began, those in which databases
were made, copied and dropped, the CPU time of the process and the seconds of
each test.

A scenario that wants other modules too has them activated in a copy of the
database of this one, instead of in an empty one, that takes twice as long.
"""
import faulthandler
import functools
import json
import os
import sys
import time
import unittest

MODULE = 'account_payment_stripe'
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


def replace(owner, name, make):
    "Replace the function wherever it was imported from the owner"
    function = getattr(owner, name)
    new = make(function)
    for module in list(sys.modules.values()):
        if getattr(module, '__dict__', {}).get(name) is function:
            setattr(module, name, new)


def from_module(activate_modules):
    "Return activate_modules of trytond that starts from this one's database"
    from proteus import Model, Wizard

    from trytond.tests import test_tryton, tools

    def activate(modules, *setup):
        names = {modules} if isinstance(modules, str) else set(modules)
        if MODULE not in names:
            return activate_modules(modules, *setup)
        cache = ' '.join(
            ['from', *sorted(names), *map(tools._func_name, setup)])
        if test_tryton.restore_db_cache(cache):
            return tools._get_config()
        test_tryton.drop_db()
        test_tryton.activate_module(MODULE)
        config = tools._get_config()
        if others := names - {MODULE}:
            Module = Model.get('ir.module')
            records = Module.find([
                    ('name', 'in', list(others)),
                    ('state', '=', 'not activated'),
                    ])
            assert len(records) == len(others), others
            Module.click(records, 'activate')
            Wizard('ir.module.activate_upgrade').execute('upgrade')
        for function in setup:
            function(config=config)
        test_tryton.backup_db_cache(cache)
        return config
    return activate


class Loader(unittest.TestLoader):
    "Let the clock run for what the module calls once it is imported"

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def loadTestsFromNames(self, names, module=None):
        suite = super().loadTestsFromNames(names, module)
        if test_tryton := sys.modules.get('trytond.tests.test_tryton'):
            for name in DATABASE:
                replace(test_tryton, name, self.clock.wrap)
            from trytond.tests import tools
            replace(tools, 'activate_modules', from_module)
        return suite


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


def main():
    file = sys.argv.pop(1)
    faulthandler.enable()
    # As for python -m unittest
    sys.path[0] = os.getcwd()
    started = time.monotonic()
    clock = Clock()
    program = unittest.main(
        module=None, exit=False, testLoader=Loader(clock),
        testRunner=Runner)
    times = os.times()
    result = program.result
    with open(file, 'w') as output:
        json.dump({
                'load': Runner.began - started,
                'database': clock.seconds,
                'CPU': sum(times[:4]),
                'tests': result.tests,
                }, output)
    sys.exit(not result.wasSuccessful())


if __name__ == '__main__':
    main()
