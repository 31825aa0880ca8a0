# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import pathlib
import unittest
from decimal import Decimal
from importlib.util import find_spec

from trytond.modules import account_payment_stripe
from trytond.modules.account.tests import create_chart
from trytond.modules.company.tests import set_company
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction, TransactionError

from .case import StripeTestCase

MODULE = 'web_shop_vue_storefront_stripe'


@unittest.skipUnless(
    find_spec('trytond.modules.%s' % MODULE), "%s is not installed" % MODULE)
class WebShopTestCase(StripeTestCase):
    "Test a web shop that makes payments from tokens"
    modules = StripeTestCase.modules + [MODULE]

    def setUp(self):
        super().setUp()
        extras = {}
        while True:
            with Transaction().start(
                    DB_NAME, 1, context={'company': self.company},
                    **extras) as transaction:
                Company = Pool().get('company.company')
                try:
                    with set_company(Company(self.company)):
                        create_chart(Company(self.company))
                except TransactionError as e:
                    transaction.rollback()
                    e.fix(extras)
                    continue
                break

    def test_ours(self):
        "Test the web shop uses this module"
        self.assertEqual(
            pathlib.Path(account_payment_stripe.__file__).resolve().parent,
            pathlib.Path(__file__).resolve().parent.parent)
        with self.transaction():
            pool = Pool()
            self.assertIn(
                'stripe_journal', pool.get('web.shop')._fields)
            self.assertTrue(hasattr(
                    pool.get('account.payment'), 'stripe_apply'))

    def test_order(self):
        "Test the order of a web shop is paid with its token"
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.account')
            Address = pool.get('party.address')
            Category = pool.get('product.category')
            Company = pool.get('company.company')
            Journal = pool.get('account.payment.journal')
            Payment = pool.get('account.payment')
            Product = pool.get('product.template')
            Sale = pool.get('sale.sale')
            Shop = pool.get('web.shop')
            Uom = pool.get('product.uom')
            with set_company(Company(self.company)):
                revenue = Account.search([
                        ('type.revenue', '=', True),
                        ('closed', '!=', True),
                        ('company', '=', self.company),
                        ], limit=1)[0]
                category, = Category.create([{
                            'name': "Goods",
                            'accounting': True,
                            'account_revenue': revenue.id,
                            }])
                unit, = Uom.search([('name', '=', "Unit")])
                template, = Product.create([{
                            'name': "Product",
                            'default_uom': unit.id,
                            'sale_uom': unit.id,
                            'salable': True,
                            'type': 'service',
                            'account_category': category.id,
                            'list_price': Decimal('21.0000'),
                            'products': [('create', [{'suffix_code': 'P1'}])],
                            }])
                product, = template.products
                address, = Address.create([{'party': self.party}])
            sale = Sale(
                party=self.party, company=self.company,
                currency=Company(self.company).currency,
                invoice_address=address, shipment_address=address)
            sale.save()
            shop = Shop(stripe_journal=Journal(self.journal))

            shop.vsf_order_create({
                    'products': [{'sku': product.vsf_sku, 'qty': 2}],
                    'addressInformation': {
                        'payment_method_code': 'stripe',
                        'payment_method_additional': {'id': 'tok_visa'},
                        },
                    }, sale, None)

            payment, = Payment.search([('origin', '=', str(sale))])
            self.assertEqual(payment.amount, Decimal('42.00'))
            self.assertEqual(payment.stripe_token, 'tok_visa')
            self.assertIn(sale.number, payment.stripe_description)
            if payment.state == 'draft':
                # The shop asks for a step which receivable payments have not
                Payment.submit([payment])
                Payment.process([payment])
        with self.transaction():
            self.assertEqual(Payment(payment.id).state, 'succeeded')
        self.assertEqual([4200], [m['amount'] for m in self.world.ledger()])
