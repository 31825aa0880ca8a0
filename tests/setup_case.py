# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the tests of saving payment methods share."
from trytond.pool import Pool

from .case import StripeTestCase
from .tools import browse


class SetupTestCase(StripeTestCase):
    "Test with a customer who saves payment methods"

    def setUp(self):
        super().setUp()
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            customer, = Customer.create([{
                        'party': self.party,
                        'stripe_account': self.account,
                        }])
            self.customer = customer.id

    def open(self):
        "Return the URL of the page and the setup intent"
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            customer = Customer(self.customer)
            Customer.stripe_checkout([customer])
            return (
                customer.stripe_checkout_url, customer.stripe_setup_intent_id)

    def assert_page(self, url, text, there=True):
        "Check that the page has the text, or not"
        page = browse(url).text
        self.assertIs(
            text in page, there, page[page.index('<body'):][:2000])

    def read(self, *names):
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            values, = Customer.read([self.customer], list(names))
            return values[names[0]] if len(names) == 1 else [
                values[n] for n in names]

    def write(self, **values):
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            Customer.write([Customer(self.customer)], values)

    def call(self, name, *args):
        "Call the method as cron does"
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            return getattr(Customer, name)(*args)

    def fetch(self):
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.fetch_events([Account(self.account)])

    def methods(self):
        "Return the types of what the customer has saved at Stripe"
        customer_id = self.read('stripe_customer_id')
        return [
            m['type'] for m in self.world.objects('payment_method').values()
            if m['customer'] == customer_id]

    def set_email(self, email):
        with self.transaction():
            pool = Pool()
            Mechanism = pool.get('party.contact_mechanism')
            Party = pool.get('party.party')
            mechanism, = Party(self.party).contact_mechanisms
            Mechanism.write([mechanism], {'value': email})
