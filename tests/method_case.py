# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A customer who has saved a card that is not charged by default."""
from trytond.pool import Pool

from .case import StripeTestCase
from .tools import StripeClient

PAYMENT = 'account.payment'
CUSTOMER = 'account.payment.stripe.customer'
METHOD = 'account.payment.stripe.customer.method'
ACCOUNT = 'account.payment.stripe.account'


class MethodCase(StripeTestCase):
    "Have a customer with a card"

    def setUp(self):
        super().setUp()
        self.client = StripeClient(self.world.secret_key, self.simulator.url)
        with self.transaction():
            customer, self.method = self.create_customer()
            self.customer = customer.id
            self.stripe_id = customer.stripe_customer_id

    def labels(self):
        "Return the labels of the rows, the default one marked"
        with self.transaction():
            customer = Pool().get(CUSTOMER)(self.customer)
            return sorted(
                m.label.rpartition(' ')[0]
                + ('*' if m == customer.stripe_default_method else '')
                for m in customer.stripe_methods)

    def tell(self, type_, **object_):
        with self.transaction():
            Account = Pool().get(ACCOUNT)
            Account.webhook(
                [Account(self.account)], self.payload(type_, **object_))

    def choose(self):
        "Make the only row the default"
        with self.transaction():
            Customer = Pool().get(CUSTOMER)
            customer = Customer(self.customer)
            customer.stripe_default_method, = customer.stripe_methods
            customer.save()

    def process(self, **values):
        "Return the id of the processed payment"
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            payment = self.create_payment(**values)
            Payment.process([payment], self.group)
        return payment.id
