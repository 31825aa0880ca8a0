# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import os
import sys
from collections import Counter

from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME, TestCase, activate_module

MODULE = 'account_payment_stripe'


class RegisterTestCase(TestCase):
    "Test the registration, without the modules that extend it"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        activate_module(MODULE)

    def test_registered_once(self):
        "The update sets up and registers each model of the module once"
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        calls = Counter()

        def profile(frame, event, arg):
            code = frame.f_code
            if (event == 'call'
                    and code.co_name in {'__setup__', '__register__'}
                    and os.path.dirname(code.co_filename) == root):
                calls[frame.f_locals['cls'].__name__, code] += 1

        sys.setprofile(profile)
        try:
            Pool(DB_NAME).init(update=[MODULE])
        finally:
            sys.setprofile(None)
        self.assertTrue(calls)
        for (model, code), count in calls.items():
            with self.subTest(model=model, code=code):
                self.assertEqual(count, 1)
