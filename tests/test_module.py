# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from lxml import etree

from trytond.modules.company.tests import (
    CompanyTestMixin, PartyCompanyCheckEraseMixin)
from trytond.modules.party.tests import PartyCheckReplaceMixin
from trytond.pool import Pool
from trytond.tests.test_tryton import ModuleTestCase, with_transaction


class AccountPaymentStripeTestCase(
        PartyCompanyCheckEraseMixin, PartyCheckReplaceMixin, CompanyTestMixin,
        ModuleTestCase):
    "Test Account Payment Stripe module"
    module = 'account_payment_stripe'
    extras = ['account_payment_clearing', 'account_statement_rule']

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


del ModuleTestCase
