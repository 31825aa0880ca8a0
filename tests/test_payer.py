# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What payers are offered, and what people and modules can extend."""
import contextlib
import unittest
from decimal import Decimal

from werkzeug.test import Client

from trytond.modules.account_payment_stripe.account import STRIPE_JS
from trytond.modules.account_payment_stripe.page import headers
from trytond.pool import Pool
from trytond.protocols.wrappers import Response
from trytond.tests.test_tryton import DB_NAME
from trytond.wsgi import app

from .case import StripeTestCase

PREFIX = '/%s/r/account_payment_stripe/checkout' % DB_NAME


class HeadersTestCase(unittest.TestCase):

    def test_link(self):
        "Link works on the page"
        header = headers('nonce', STRIPE_JS)['Content-Security-Policy']
        policy = {}
        for directive in header.split('; '):
            name, *sources = directive.split(' ')
            policy[name] = sources
        for name in ['frame-src', 'connect-src']:
            self.assertIn('https://link.com', policy[name])
            self.assertIn('https://*.link.com', policy[name])


class PayerTestCase(StripeTestCase):

    def setUp(self):
        super().setUp()
        self.browser = Client(app, Response)
        self.world.set(payment_method_types=[
                'card', 'konbini', 'customer_balance', 'multibanco',
                'wechat_pay'])

    def customer(self, **values):
        "Return a new customer at Stripe, and its record"
        customer = self.client.customers.create(**values)
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            record, = Customer.create([{
                        'party': self.party,
                        'stripe_account': self.account,
                        'stripe_customer_id': customer.id,
                        }])
            return customer, record.id

    def checkout(self, **values):
        "Return the id of a payment and the path of its page"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(**values)
            Payment.stripe_checkout([payment])
            return payment.id, '%s/account.payment/%s' % (
                PREFIX, payment.stripe_checkout_id)

    def open(self, path):
        response = self.browser.get(path)
        self.assertEqual(response.status_code, 200)
        return response.get_data(as_text=True)

    def sessions(self):
        return list(self.world.objects('customer_session').values())

    @contextlib.contextmanager
    def extended(self, name, **methods):
        "Extend the model as another module does"
        model = Pool(DB_NAME).get(name)
        before = model.__dict__.copy()

        def extend(attribute, extension):
            former = getattr(model, attribute)
            if isinstance(former, property):
                value = property(
                    lambda self: extension(self, former.fget(self)))
            else:
                def value(self, *args):
                    return extension(self, former(self, *args))
            setattr(model, attribute, value)
        for attribute, extension in methods.items():
            extend(attribute, extension)
        try:
            yield
        finally:
            for attribute in methods:
                if attribute in before:
                    setattr(model, attribute, before[attribute])
                else:
                    delattr(model, attribute)

    def test_amount(self):
        "The payer is charged what the page shows"
        for amount in [Decimal('30.00'), Decimal('50.00')]:
            with self.subTest(amount=amount):
                id_, path = self.checkout()
                with self.transaction():
                    Payment = Pool().get('account.payment')
                    payment = Payment(id_)
                    intent = payment.stripe_payment_intent_id
                    # As no client can, but other modules
                    payment.amount = amount
                    payment.save()
                self.assertIn(str(amount), self.open(path))
                self.assertEqual(
                    self.client.payment_intents.retrieve(intent).amount,
                    amount * 100)
                before = len(self.requests('POST'))
                self.open(path)
                self.assertEqual(len(self.requests('POST')), before)
                self.client.payment_intents.update(intent, amount=7700)
                self.open(path)
                self.world.pay(intent)
                self.open(path + '/end')
                with self.transaction():
                    payment = Payment(id_)
                    self.assertEqual(
                        (payment.state, payment.amount), ('succeeded', amount))

    def test_amount_charged(self):
        "What is charged after the page was open is the amount as it is then"
        id_, path = self.checkout(
            stripe_token='tok_visa', stripe_chargeable=True)
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = Payment(id_)
            payment.amount = Decimal('50.00')
            payment.save()
            Payment.process([payment])
        with self.transaction():
            payment = Payment(id_)
            self.assertEqual(
                (payment.state, payment.amount),
                ('succeeded', Decimal('50.00')))
        self.assertEqual([m['amount'] for m in self.world.ledger()], [5000])

    def test_amount_refused(self):
        "The page lets nobody pay another amount than it shows"
        id_, path = self.checkout()
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = Payment(id_)
            payment.amount = Decimal('30.00')
            payment.save()
        self.simulator.faults.add('503', 'POST /v1/payment_intents/*')
        self.assertEqual(self.browser.get(path).status_code, 503)
        self.simulator.faults.clear()
        self.assertIn('30.00', self.open(path))

    def test_session(self):
        "Ten saved payment methods are shown, and may be removed"
        _, customer = self.customer()
        _, path = self.checkout(stripe_customer=customer)
        for remove in [True, False]:
            with self.subTest(remove=remove):
                with self.transaction():
                    Account = Pool().get('account.payment.stripe.account')
                    account = Account(self.account)
                    if remove:
                        self.assertTrue(account.payment_method_remove)
                    account.payment_method_remove = remove
                    account.save()
                self.open(path)
                features = self.sessions()[-1]['components'][
                    'payment_element']['features']
                self.assertEqual(
                    features['payment_method_redisplay_limit'], 10)
                self.assertEqual(
                    features['payment_method_remove'],
                    'enabled' if remove else 'disabled')

    def test_session_of_intent(self):
        "The session belongs to the customer of the intent"
        first, customer = self.customer()
        second, other = self.customer()
        id_, path = self.checkout(stripe_customer=customer)
        for record in [other, None]:
            with self.subTest(customer=record):
                with self.transaction():
                    Payment = Pool().get('account.payment')
                    Payment.write([Payment(id_)], {
                            'stripe_customer': record,
                            })
                self.assertIn('id="pay"', self.open(path))
                self.assertEqual(
                    self.sessions()[-1]['customer'], first.id)
        # The page of an intent without one works without
        before = len(self.sessions())
        id_, path = self.checkout()
        with self.transaction():
            Payment = Pool().get('account.payment')
            Payment.write([Payment(id_)], {
                    'stripe_customer': other,
                    })
        self.assertIn('id="pay"', self.open(path))
        self.assertEqual(len(self.sessions()), before)

    def test_removed(self):
        "A payment method that the payer removed is not offered anymore"
        with self.transaction():
            customer, method = self.create_customer()
        with self.transaction():
            # The next transaction has it in the cache
            Customer = Pool().get('account.payment.stripe.customer')
            self.assertTrue(Customer(customer.id).payment_methods())
        self.client.payment_methods.detach(method)
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Customer = pool.get('account.payment.stripe.customer')
            record = Customer(customer.id)
            self.assertEqual(len(record.payment_methods()), 1)
            self.assertTrue(Account.webhook(
                    [Account(self.account)],
                    self.payload('payment_method.detached')))
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            self.assertEqual(Customer(customer.id).payment_methods(), [])
        with self.transaction():
            Event = Pool().get('account.payment.stripe.event')
            event, = Event.search([
                    ('account', '=', self.account),
                    ('type', '=', 'payment_method.detached'),
                    ])
            self.assertEqual(event.record, customer)
        foreign = self.client.customers.create()
        method = self.client.payment_methods.attach(
            'pm_card_visa', customer=foreign.id)
        self.client.payment_methods.detach(method.id)
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            self.assertIsNone(Account.webhook(
                    [Account(self.account)],
                    self.payload('payment_method.detached')))

    def refund(self, payment_id, email='payer@example.com'):
        "Return the dictionary of the refund at Stripe of a payment"
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            refund, = Refund.create([{
                        'payment': payment_id,
                        'amount': Decimal(1),
                        }])
            Refund.submit([refund])
            Refund.approve([refund])
        with self.transaction():
            refund = Pool().get('account.payment.stripe.refund')(refund.id)
            self.assertEqual(refund.stripe_error_message, None)
            return refund, self.world.objects('refund')[
                refund.stripe_refund_id]

    def paid(self, type_):
        code = 'JPY' if type_ == 'konbini' else 'EUR'
        digits = 0 if code == 'JPY' else 2
        _, customer = self.customer(email='payer@example.com')
        with self.transaction():
            pool = Pool()
            Currency = pool.get('currency.currency')
            Journal = pool.get('account.payment.journal')
            currencies = Currency.search([('code', '=', code)])
            if not currencies:
                currencies = Currency.create([{
                            'name': code, 'code': code, 'symbol': code,
                            'digits': digits,
                            'rounding': Decimal(1).scaleb(-digits),
                            }])
            journal, = Journal.copy([Journal(self.journal)], {
                    'currency': currencies[0].id,
                    })
        id_, path = self.checkout(
            journal=journal.id, stripe_customer=customer,
            amount=Decimal(42).scaleb(2 - digits))
        with self.transaction():
            Payment = Pool().get('account.payment')
            intent = Payment(id_).stripe_payment_intent_id
        self.world.pay(intent, type=type_)
        if type_ != 'card':
            self.world.receive(intent)
        return id_, path

    def test_instructions_email(self):
        "Stripe asks the payer for a bank account where it has to"
        for type_, email in [
                ('konbini', 'payer@example.com'),
                ('customer_balance', 'payer@example.com'),
                ('multibanco', 'payer@example.com'),
                ('card', None),
                ('wechat_pay', None),
                ]:
            with self.subTest(type=type_):
                id_, path = self.paid(type_)
                self.open(path + '/end')
                with self.transaction():
                    Payment = Pool().get('account.payment')
                    self.assertEqual(
                        Payment(id_).stripe_method_type, type_)
                refund, answer = self.refund(id_)
                self.assertEqual(answer.get('instructions_email'), email)
                with self.transaction():
                    refund = Pool().get(
                        'account.payment.stripe.refund')(refund.id)
                    self.assertEqual(refund.stripe_instructions_email, email)
                    copy, = refund.__class__.copy([refund])
                    self.assertIsNone(copy.stripe_instructions_email)

    def test_method_type_of_events(self):
        "How it was paid is known from the events also"
        id_, _ = self.paid('konbini')
        for type_ in ['payment_intent.succeeded', 'charge.succeeded']:
            with self.transaction():
                Account = Pool().get('account.payment.stripe.account')
                Account.webhook(
                    [Account(self.account)], self.payload(type_))
        with self.transaction():
            Payment = Pool().get('account.payment')
            self.assertEqual(Payment(id_).stripe_method_type, 'konbini')

    def test_instructions_email_stays(self):
        "What is sent again is the same, though the party was changed"
        id_, path = self.paid('konbini')
        self.open(path + '/end')
        self.simulator.faults.add('drop_after', 'POST /v1/refunds', times=1)
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            refund, = Refund.create([{
                        'payment': id_, 'amount': Decimal(1)}])
            Refund.submit([refund])
            Refund.approve([refund])
        with self.transaction():
            pool = Pool()
            Party = pool.get('party.party')
            Mechanism = pool.get('party.contact_mechanism')
            Mechanism.write(list(Party(self.party).contact_mechanisms), {
                    'value': 'other@example.com',
                    })
            refund = pool.get('account.payment.stripe.refund')(refund.id)
            self.assertEqual(
                refund.stripe_create_params['instructions_email'],
                'payer@example.com')

    def test_extend(self):
        "Each thing that is sent can be extended"
        with self.extended(
                'account.payment.stripe.customer',
                stripe_create_params=lambda self, params: {
                    **params, 'description': "VIP"}):
            with self.transaction():
                customer, _ = self.create_customer()
                self.assertEqual(
                    self.world.objects('customer')[
                        customer.stripe_customer_id]['description'], "VIP")
        with self.extended(
                'account.payment',
                stripe_intent_params=lambda self, params: {
                    **params, 'statement_descriptor_suffix': "SHOP"},
                stripe_session_params=lambda self, params: {
                    **params, 'components': {
                        'payment_element': {'enabled': True}}}):
            id_, path = self.checkout(stripe_customer=customer.id)
            with self.transaction():
                intent = Pool().get(
                    'account.payment')(id_).stripe_payment_intent_id
            self.assertEqual(
                self.world.objects('payment_intent')[intent][
                    'statement_descriptor_suffix'], "SHOP")
            self.open(path)
            self.assertEqual(
                self.sessions()[-1]['components']['payment_element'][
                    'features']['payment_method_redisplay'], 'disabled')
        self.world.pay(intent)
        self.open(path + '/end')
        with self.extended(
                'account.payment.stripe.refund',
                stripe_create_params=lambda self, params: {
                    **params, 'metadata': {
                        **params['metadata'], 'shop': "1"}}):
            _, refund = self.refund(id_)
            self.assertEqual(refund['metadata']['shop'], "1")

    def test_email_addresses(self):
        with self.transaction():
            payment = self.create_payment()
            self.assertEqual(
                payment.stripe_email_addresses(), ['payer@example.com'])
            Party = Pool().get('party.party')
            party, = Party.create([{'name': "Nobody"}])
            payment.party = party
            self.assertEqual(payment.stripe_email_addresses(), [])
