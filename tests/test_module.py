# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt

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
    extras = [
        'account_dunning', 'account_payment_clearing',
        'account_statement_rule']

    def _views(self, type):
        "Yield model, tree and fields of the module's views of the type"
        pool = Pool()
        View = pool.get('ir.ui.view')
        for view in View.search([
                    ('module', '=', self.module),
                    ('model', '!=', None),
                    ]):
            result = pool.get(view.model).fields_view_get(view.id)
            if result['type'] == type:
                yield view.model, etree.fromstring(
                    result['arch']), result['fields']

    @with_transaction()
    def test_list_widgets(self):
        "The clients cannot show a date with its time as one column"
        for model, tree, definitions in self._views('tree'):
            for field in tree.iter('field'):
                definition = definitions[field.get('name')]
                with self.subTest(view=model, field=field.get('name')):
                    self.assertNotIn(
                        field.get('widget', definition['type']),
                        ['datetime', 'timestamp'])

    @with_transaction()
    def test_form_times(self):
        "The times of forms have no microseconds, shown or stored"
        value = dt.datetime(2026, 11, 25, 12, 30, 15, 678901)
        seen = 0
        for model, tree, definitions in self._views('form'):
            for field in tree.iter('field'):
                definition = definitions[field.get('name')]
                if definition['type'] not in {'datetime', 'timestamp'}:
                    continue
                seen += 1
                with self.subTest(view=model, field=field.get('name')):
                    self.assertNotIn('%f', definition['format'])
                    field = Pool().get(model)._fields[field.get('name')]
                    self.assertEqual(
                        field.sql_format(value), value.replace(microsecond=0))
        self.assertTrue(seen)

    @with_transaction()
    def test_form_buttons(self):
        "No button is as high as the image beside it"
        seen = 0
        for model, tree, definitions in self._views('form'):
            for button in tree.iter('button'):
                seen += 1
                with self.subTest(view=model, button=button.get('name')):
                    self.assertFalse([
                            f for f in button.getparent().iterchildren('field')
                            if f.get('widget') == 'image'])
        self.assertTrue(seen)

    @with_transaction()
    def test_form_states(self):
        "The state begins a row, so that its buttons are beside it"
        seen = 0
        for model, tree, definitions in self._views('form'):
            for group in tree.xpath(
                    "/form/group[@id='buttons'][@colspan='2']"):
                seen += 1
                with self.subTest(view=model):
                    state = group.getprevious()
                    self.assertEqual(state.get('name'), 'state')
                    before = state.getprevious().getprevious()
                    self.assertTrue(
                        before.tag == 'newline'
                        or before.get('colspan') == '4', before.tag)
        self.assertTrue(seen)

    @with_transaction()
    def test_payment_columns(self):
        "What tells payments apart is shown without a choice of columns"
        pool = Pool()
        Payment = pool.get('account.payment')
        ModelData = pool.get('ir.model.data')
        tree = etree.fromstring(Payment.fields_view_get(
                ModelData.get_id('account_payment', 'payment_view_list'),
                )['arch'])
        for name in [
                'reference', 'party', 'amount', 'state',
                'stripe_waiting_for']:
            with self.subTest(name=name):
                field, = tree.xpath("//field[@name='%s']" % name)
                self.assertNotEqual(field.get('optional'), '1')


del ModuleTestCase
