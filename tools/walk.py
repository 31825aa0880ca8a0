#!/usr/bin/env python3
# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Print which functions of the module one charge and one event pass.

    python tools/walk.py [-q] [FOLDER]

FOLDER: another version of the module, to compare.

Counted are the calls of functions of the module, in all threads, without its
tests. A charge and an event of the same kind come before, so that what is
done once for a process is not counted.
"""
import argparse
import json
import os
import pathlib
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import spec_from_file_location
from urllib.parse import urlsplit

MODULE = 'trytond.modules.account_payment_stripe'


class Finder:
    "Find the module in the folder, before any other installation of it"

    def __init__(self, root):
        self.root = str(root)

    def find_spec(self, name, path=None, target=None):
        if name == MODULE:
            return spec_from_file_location(
                name, self.root + '/__init__.py',
                submodule_search_locations=[self.root])
        if name.rpartition('.')[0] == MODULE:
            return PathFinder.find_spec(name, [self.root])


class Walk:
    "Count the calls of the functions of the module"

    def __init__(self, root):
        self.root = str(root) + os.sep
        self.calls = Counter()
        # To come back to a generator is no call
        self._known = {}

    def _profile(self, frame, event, arg):
        if event != 'call':
            return
        code = frame.f_code
        if (not code.co_filename.startswith(self.root)
                or os.sep in code.co_filename[len(self.root):]
                or code.co_name.startswith('<')
                or frame in self._known):
            return
        self._known[frame] = None
        self.calls[code] += 1

    @contextmanager
    def taken(self):
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        try:
            yield self
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            self._known.clear()

    def print(self, title, quiet):
        by_file = {}
        for code, count in self.calls.items():
            name = os.path.basename(code.co_filename)
            by_file.setdefault(name, []).append((code, count))
        print("%s: %d calls, %d functions, %d files" % (
                title, self.calls.total(), len(self.calls), len(by_file)))
        if quiet:
            return
        for name, codes in sorted(by_file.items()):
            print("  %s" % name)
            for code, count in sorted(
                    codes, key=lambda c: c[0].co_firstlineno):
                print("    %4d  %s" % (
                        count, getattr(code, 'co_qualname', code.co_name)))


def walk(root, quiet):
    from werkzeug.test import Client

    from trytond.pool import Pool
    from trytond.transaction import Transaction

    tests = MODULE + '.tests'
    StripeTestCase = import_module(tests + '.case').StripeTestCase
    signature = import_module(tests + '.simulator.webhooks').signature

    class Stage(StripeTestCase):

        def runTest(self):
            with self.transaction():
                Payment = Pool().get('account.payment')
                Account = Pool().get('account.payment.stripe.account')
                customer, method = self.create_customer()
                account = Account(self.account)
                account.webhook_signing_secret = secret = 'whsec_walk'
                account.webhook_identifier = 'walk'
                account.save()
                path = urlsplit(account.webhook_endpoint).path
                payments = self.create_payments(
                    2, stripe_customer=customer,
                    stripe_customer_payment_method=method)
            walks = []
            for payment in payments:
                with self.transaction():
                    Payment.process([self.reload(payment)])
                    # It is charged below, where it is counted
                    Transaction().tasks.clear()
                with self.transaction():
                    with Walk(root).taken() as charge:
                        Payment.stripe_charge([payment])
                    charged = self.reload(payment)
                    self.assertEqual(charged.state, 'succeeded')
                    # So that the event has something to tell
                    table = Payment.__table__()
                    Transaction().connection.cursor().execute(*table.update(
                            [table.state, table.stripe_intent_status,
                                table.stripe_captured,
                                table.stripe_captured_amount,
                                table.stripe_state_at],
                            ['processing', 'processing', False, 0, None],
                            where=table.id == payment.id))
                    intent = charged.stripe_payment_intent_id
                event, = [
                    e for e in self.world.objects('event').values()
                    if e['type'] == 'payment_intent.succeeded'
                    and e['data']['object']['id'] == intent]
                body = json.dumps(event).encode()
                headers = {
                    'Stripe-Signature': signature(
                        int(time.time()), body, secret),
                    }
                from trytond.wsgi import app
                client = Client(app)
                with Walk(root).taken() as received:
                    response = client.post(
                        path, data=body, headers=headers,
                        content_type='application/json')
                self.assertEqual(response.status_code, 204)
                with self.transaction():
                    self.assertEqual(
                        self.reload(payment).state, 'succeeded')
                walks = [charge, received]
            for title, taken in zip(["a charge", "an event"], walks):
                taken.print(title, quiet)

    import unittest
    result = unittest.TextTestRunner(verbosity=0, stream=open(
            os.devnull, 'w')).run(unittest.TestSuite([Stage()]))
    for _, text in result.errors + result.failures:
        print(text, file=sys.stderr)
    return not result.wasSuccessful()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '-q', '--quiet', action='store_true', help="only print the sums")
    parser.add_argument('folder', nargs='?', type=pathlib.Path, default=(
            pathlib.Path(__file__).resolve().parent.parent))
    args = parser.parse_args()
    root = args.folder.resolve()
    os.environ['TRYTOND_DATABASE__URI'] = 'sqlite://'
    os.environ['DB_NAME'] = ':memory:'
    sys.meta_path.insert(0, Finder(root))
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault('DB_CACHE', folder)
        return walk(root, args.quiet)


if __name__ == '__main__':
    sys.exit(main())
