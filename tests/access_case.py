# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Users of all groups who call what their clients call."""
import uuid
from decimal import Decimal

from trytond.exceptions import UserError
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME
from trytond.tools import is_instance_method
from trytond.transaction import Transaction

from .case import StripeTestCase

ACCOUNT = 'account.payment.stripe.account'
CUSTOMER = 'account.payment.stripe.customer'
PAYMENT = 'account.payment'
REFUND = 'account.payment.stripe.refund'
SECRETS = {
    (ACCOUNT, 'secret_key'),
    (ACCOUNT, 'webhook_signing_secret'),
    (ACCOUNT, 'webhook_former_secret'),
    (ACCOUNT, 'webhook_identifier'),
    (CUSTOMER, 'stripe_token'),
    (CUSTOMER, 'stripe_checkout_id'),
    (PAYMENT, 'stripe_token'),
    (PAYMENT, 'stripe_checkout_id'),
    }
# Those that are read by others than may read the record
ADMIN_ONLY = {
    'secret_key', 'webhook_signing_secret', 'webhook_former_secret'}
GROUPS = {
    'nobody': [],
    'account': ['account.group_account'],
    'admin': ['account.group_account_admin'],
    'payment': ['account_payment.group_payment'],
    'approval': ['account_payment.group_payment_approval'],
    'all': [
        'account.group_account', 'account.group_account_admin',
        'account_payment.group_payment',
        'account_payment.group_payment_approval'],
    }


def is_of_module(Model, name):
    "Return if the field or method is defined by this module"
    for class_ in reversed(Model.__mro__):
        if name in vars(class_):
            return class_.__module__.startswith(
                'trytond.modules.account_payment_stripe.')
    return False


class AccessTestCase(StripeTestCase):

    def setUp(self):
        super().setUp()
        with self.transaction():
            pool = Pool()
            Account = pool.get(ACCOUNT)
            Customer = pool.get(CUSTOMER)
            ModelData = pool.get('ir.model.data')
            Payment = pool.get(PAYMENT)
            Refund = pool.get(REFUND)
            User = pool.get('res.user')
            account = Account(self.account)
            Account.new_identifier([account])
            account.webhook_signing_secret = 'whsec_%s' % uuid.uuid4().hex
            account.webhook_former_secret = 'whsec_%s' % uuid.uuid4().hex
            account.save()
            customer, other = Customer.create([{
                        'party': self.party,
                        'stripe_account': self.account,
                        }, {
                        'party': self.party,
                        'stripe_account': self.account,
                        'stripe_token': 'tok_%s' % uuid.uuid4().hex,
                        }])
            payment, with_token, paid = self.create_payments(
                3, amount=Decimal('4321.09'))
            Payment.stripe_checkout([payment, paid])
            Customer.stripe_checkout([customer])
            Customer.write([customer], {
                    'stripe_customer_id': self.client.customers.create().id})
            Payment.write([with_token], {
                    'stripe_token': 'tok_%s' % uuid.uuid4().hex})
            self.method = 'pm_%s' % uuid.uuid4().hex
            Payment.write([payment], {
                    'stripe_customer': customer.id,
                    'stripe_customer_payment_method': self.method,
                    })
            self.world.pay(paid.stripe_payment_intent_id)
            Payment.stripe_do_pull([paid])
            refund, = Refund.create([{
                        'payment': paid.id,
                        'amount': Decimal('1234.56'),
                        }])
            self.records = {
                ACCOUNT: [account.id],
                CUSTOMER: [customer.id, other.id],
                PAYMENT: [payment.id, with_token.id, paid.id],
                REFUND: [refund.id],
                }
            self.users = {
                name: user.id for name, user in zip(GROUPS, User.create([{
                                'name': name,
                                'login': uuid.uuid4().hex,
                                'companies': [('add', [self.company])],
                                'company': self.company,
                                'groups': [('add', [
                                            ModelData.get_id(*g.split('.'))
                                            for g in groups])],
                                } for name, groups in GROUPS.items()]))}
            self.values = {
                (model, name): list(filter(None, (
                            getattr(r, name)
                            for r in pool.get(model).browse(
                                self.records[model]))))
                for model, name in SECRETS}
        for secret, values in self.values.items():
            self.assertTrue(values, secret)

    def call(self, user, model, method, *args, type='model',
            errors=UserError, **context):
        "Return what the client of the user gets, or the error"
        with Transaction().start(
                DB_NAME, self.users[user], readonly=False) as transaction:
            obj = Pool().get(model, type=type)
            rpc = obj.__rpc__[method]
            try:
                args, kwargs, transaction.context, _ = rpc.convert(
                    obj, *args, {'company': self.company, **context})
                func = rpc.decorate(getattr(obj, method))
                if (rpc.instantiate is None
                        or not is_instance_method(obj, method)):
                    return rpc.result(func(*args, **kwargs))
                record, *args = args
                if hasattr(record, method):
                    return rpc.result(func(record, *args, **kwargs))
                return [
                    rpc.result(func(r, *args, **kwargs)) for r in record]
            except errors as e:
                return e
            finally:
                transaction.rollback()

    def may_read(self, user, model):
        with self.transaction(self.users[user], _check_access=True):
            Access = Pool().get('ir.model.access')
            return Access.check(model, 'read', raise_exception=False)

    def is_told(self, user, model, name):
        "Return if the user may read the secret"
        if name in ADMIN_ONLY:
            return user in {'admin', 'all'}
        return self.may_read(user, model)
