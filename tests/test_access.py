# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the methods that clients call tell to whom."""
import json
from decimal import Decimal

from lxml import etree

from trytond.exceptions import UserError
from trytond.model import ModelSQL, ModelView
from trytond.model.exceptions import AccessError
from trytond.pool import Pool

from .access_case import (
    ACCOUNT, CUSTOMER, GROUPS, PAYMENT, REFUND, AccessTestCase, is_of_module)

RECEPTION = 'party.party.reception_direct_debit'
DETACH = 'account.payment.stripe.customer.source.detach.ask'
# They do what they are for, and check the access to it
METHODS = {
    'create', 'read', 'write', 'delete', 'copy', 'search', 'search_count',
    'search_read', 'export_data', 'export_data_domain', 'import_data',
    # Only in tests
    'webhook'}


def tells(result, values=()):
    "Return if there is anything in the result but the values that were given"
    if isinstance(result, dict):
        # Tryton returns them, with the names of the records
        result = {
            k: v for k, v in result.items() if k.rstrip('.') not in values}
        return any(map(tells, result.values()))
    elif isinstance(result, (list, tuple)):
        return any(map(tells, result))
    return bool(result)


class ClientMethodsTestCase(AccessTestCase):

    def setUp(self):
        super().setUp()
        with self.transaction():
            pool = Pool()
            Reception = pool.get(RECEPTION)
            customer = self.records[CUSTOMER][0]
            reception, = Reception.create([{
                        'party': self.party,
                        'journal': self.journal,
                        'stripe_customer': customer,
                        'stripe_customer_payment_method': self.method,
                        }])
            self.records[RECEPTION] = [reception.id]
            self.targets = {
                'customer': customer,
                'journal': self.journal,
                'party': self.party,
                'payment': self.records[PAYMENT][-1],
                'stripe_account': self.account,
                'stripe_customer': customer,
                }

    def methods(self):
        "Yield the model, name and depends of what clients call on instances"
        for model, Model in Pool().iterobject():
            if not issubclass(Model, ModelView):
                continue
            for name, rpc in Model.__rpc__.items():
                if (name not in METHODS
                        and name not in Model._buttons
                        and rpc.instantiate == 0
                        and is_of_module(Model, name)):
                    depends = getattr(getattr(Model, name), 'depends', ())
                    yield model, name, [
                        d for d in depends if '.' not in d]

    def calls(self):
        "Yield the model, the method and the values of what is asked for"
        with self.transaction():
            methods = list(self.methods())
        for model, name, depends in methods:
            for id_ in self.records.get(model, []):
                yield model, name, {'id': id_}
            for depend in depends:
                if target := self.targets.get(depend):
                    yield model, name, {depend: target}

    def test_nobody(self):
        "They tell nothing to who may not read the record"
        called = set()
        for model, name, values in self.calls():
            for user in ['nobody']:
                result = self.call(user, model, name, values)
                self.assertFalse(
                    not isinstance(result, Exception)
                    and tells(result, values),
                    (model, name, values, result))
                called.add((model, name))
        self.assertLessEqual({
                (REFUND, 'on_change_with_party'),
                (REFUND, 'on_change_payment'),
                (PAYMENT, 'on_change_with_stripe_account'),
                (PAYMENT, 'get_stripe_customer_payment_methods'),
                (RECEPTION, 'on_change_stripe_customer_payment_method'),
                (CUSTOMER, 'on_change_with_stripe_checkout_needed'),
                (DETACH, 'get_sources'),
                }, called)

    def test_payment(self):
        "They tell the payment group what it works with"
        payment, _, paid = self.records[PAYMENT]
        party = {'stripe_customer': self.records[CUSTOMER][0]}
        for model, name, values, expected in [
                (REFUND, 'on_change_with_party', {'payment': paid},
                    {'party': self.party}),
                (REFUND, 'on_change_with_company', {'payment': paid},
                    {'company': self.company}),
                (REFUND, 'on_change_payment', {'payment': paid},
                    {'amount': Decimal('4321.09')}),
                (PAYMENT, 'on_change_with_stripe_account',
                    {'journal': self.journal},
                    {'stripe_account': self.account}),
                (PAYMENT, 'on_change_with_stripe_checkout_needed',
                    {'id': paid}, {'stripe_checkout_needed': False}),
                (PAYMENT, 'on_change_stripe_customer_payment_method',
                    {'id': payment},
                    {'stripe_customer_payment_method_selection':
                        self.method}),
                (RECEPTION, 'on_change_stripe_customer_payment_method',
                    {'stripe_customer_payment_method': self.method, **party},
                    {'stripe_customer_payment_method_selection':
                        self.method}),
                ]:
            result = self.call('payment', model, name, values)
            for key, value in expected.items():
                self.assertEqual(result[key], value, (model, name))
        self.assertIn((self.method, self.method), self.call(
                'payment', PAYMENT, 'get_stripe_customer_payment_methods',
                {'id': payment}))

    def test_other_company(self):
        "Nor to the payment group of another company"
        with self.transaction():
            pool = Pool()
            Company = pool.get('company.company')
            Party = pool.get('party.party')
            User = pool.get('res.user')
            party, = Party.create([{'name': "Other"}])
            other, = Company.create([{
                        'party': party.id,
                        'currency': Company(self.company).currency.id,
                        }])
            User.write([User(self.users['payment'])], {
                    'companies': [('add', [other.id]),
                        ('remove', [self.company])],
                    'company': other.id,
                    })
        for model, name, values in self.calls():
            if model in {REFUND, PAYMENT} and set(values) <= {'id', 'payment'}:
                result = self.call(
                    'payment', model, name, values,
                    company=other.id, companies=[other.id])
                self.assertFalse(
                    not isinstance(result, Exception)
                    and tells(result, values),
                    (model, name, values, result))

    def test_endpoint(self):
        "The address of the webhook is for who may read the account"
        for user in GROUPS:
            result = self.call(
                user, ACCOUNT, 'read', [self.account], ['webhook_endpoint'])
            if self.may_read(user, ACCOUNT):
                identifier, = self.values[ACCOUNT, 'webhook_identifier']
                self.assertIn(identifier, result[0]['webhook_endpoint'])
            else:
                self.assertIsInstance(result, Exception)
            with self.transaction():
                rpc = Pool().get(ACCOUNT).__rpc__
            self.assertNotIn('on_change_with_webhook_endpoint', rpc)

    def test_wizard(self):
        "Nor does the wizard that detaches"
        for user in ['nobody', 'account']:
            for model in [CUSTOMER, PAYMENT, 'party.party', None]:
                id_ = self.records.get(model, [self.party])[0]
                result = self.call(
                    user, 'account.payment.stripe.customer.source.detach',
                    'create', type='wizard', errors=Exception,
                    active_model=model, active_id=id_, active_ids=[id_])
                if not isinstance(result, Exception):
                    result = self.call(
                        user, 'account.payment.stripe.customer.source.detach',
                        'execute', result[0], {}, 'ask', type='wizard',
                        errors=Exception, active_model=model, active_id=id_,
                        active_ids=[id_])
                self.assertIsInstance(result, Exception, (user, model))

    def enabled(self, user, model):
        "Return the names of the buttons that the user may press in the views"
        names = set()
        for type_ in ['form', 'tree']:
            view = self.call(
                user, model, 'fields_view_get', None, type_, errors=UserError)
            if isinstance(view, Exception):
                continue
            for button in etree.fromstring(view['arch']).iter('button'):
                states = json.loads(button.get('states') or '{}')
                if states.get('readonly') is not True:
                    names.add(button.get('name'))
        return names

    def test_buttons(self):
        "Who may press a button may do what it starts"
        pressed = set()
        with self.transaction():
            models = [
                n for n, m in Pool().iterobject()
                if issubclass(m, ModelView) and any(
                    is_of_module(m, b) for b in m._buttons)]
            Buttons = {n: Pool().get(n) for n in models}
        for user in GROUPS:
            for model in models:
                for name in self.enabled(user, model):
                    if not is_of_module(Buttons[model], name):
                        continue
                    with self.subTest(user=user, model=model, button=name):
                        result = self.call(
                            user, model, name, [], errors=Exception)
                        self.assertNotIsInstance(result, AccessError)
                        if isinstance(result, int):
                            result = self.call(
                                user, 'ir.action', 'get_action_value', result)
                        self.assertNotIsInstance(result, AccessError)
                        if (isinstance(result, dict)
                                and result['type'] == 'ir.action.wizard'):
                            ids = self.records[model]
                            result = self.call(
                                user, result['wiz_name'], 'create',
                                type='wizard', active_model=model,
                                active_id=ids[-1], active_ids=ids[-1:],
                                action_id=result['id'])
                            self.assertNotIsInstance(result, AccessError)
                        pressed.add((user, name))
        self.assertLessEqual({
                ('payment', 'stripe_refund'), ('admin', 'stripe_refund'),
                ('payment', 'detach_source'), ('admin', 'stripe_connect'),
                ('approval', 'approve'), ('account', 'fetch'),
                }, pressed)
        self.assertFalse({
                ('approval', 'stripe_refund'), ('admin', 'detach_source'),
                } & pressed)

    def test_admin(self):
        "Accounting administrators see all"
        with self.transaction():
            models = [
                n for n, m in Pool().iterobject()
                if issubclass(m, ModelView) and issubclass(m, ModelSQL)
                and n.startswith('account.payment')]
        for model in models:
            with self.subTest(model):
                self.assertTrue(self.may_read('admin', model))
