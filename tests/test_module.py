# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import os
import sys
from collections import Counter

from lxml import etree

from trytond.modules.company.tests import (
    CompanyTestMixin, PartyCompanyCheckEraseMixin)
from trytond.modules.party.tests import PartyCheckReplaceMixin
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME, ModuleTestCase, with_transaction


class AccountPaymentStripeTestCase(
        PartyCompanyCheckEraseMixin, PartyCheckReplaceMixin, CompanyTestMixin,
        ModuleTestCase):
    "Test Account Payment Stripe module"
    module = 'account_payment_stripe'

    @with_transaction()
    def test_list_widgets(self):
        "The clients cannot show a date with its time as one column"
        pool = Pool()
        View = pool.get('ir.ui.view')
        for view in View.search([
                    ('module', '=', self.module),
                    ('model', '!=', None),
                    ]):
            result = pool.get(view.model).fields_view_get(view.id)
            if result['type'] != 'tree':
                continue
            for field in etree.fromstring(result['arch']).iter('field'):
                definition = result['fields'][field.get('name')]
                with self.subTest(view=view.name, field=field.get('name')):
                    self.assertNotIn(
                        field.get('widget', definition['type']),
                        ['datetime', 'timestamp'])

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
            Pool(DB_NAME).init(update=[self.module])
        finally:
            sys.setprofile(None)
        self.assertTrue(calls)
        for (model, code), count in calls.items():
            with self.subTest(model=model, code=code):
                self.assertEqual(count, 1)


del ModuleTestCase
