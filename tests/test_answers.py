# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What something on the way answers in the place of Stripe changes nothing."""
import json
from decimal import Decimal

from werkzeug.test import Client

from trytond.exceptions import UserError
from trytond.modules.account_payment_stripe.answer import is_answer
from trytond.modules.account_payment_stripe.gateway import _answered_at
from trytond.pool import Pool
from trytond.protocols.wrappers import Response
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction
from trytond.wsgi import app

from .case import StripeTestCase

PREFIX = '/%s/r/account_payment_stripe' % DB_NAME
OTHERS = [
    'malformed', 'other_empty', 'other_list', 'other_error', 'other_part',
    'other_words']


class AnswersTestCase(StripeTestCase):
    "Test answers that are none of Stripe"

    def setUp(self):
        super().setUp()
        self.web = Client(app, Response)

    def cases(self, *matches, times=1):
        "Yield for each wrong answer to the first of the requests"
        for match in matches:
            for fault in OTHERS:
                with self.subTest(fault=fault, match=match):
                    self.simulator.faults.add(fault, match, times=times)
                    yield
                self.simulator.faults.clear()

    def run_crons(self, times=3):
        for _ in range(times):
            for name in ['account.payment', 'account.payment.stripe.refund']:
                with self.transaction():
                    table = Pool(DB_NAME).get(name).__table__()
                    Transaction().connection.cursor().execute(*table.update(
                            [table.stripe_try_at], [None]))
            with self.transaction():
                Pool(DB_NAME).get('account.payment').stripe_charge()
            with self.transaction():
                Refund = Pool(DB_NAME).get('account.payment.stripe.refund')
                Refund.stripe_create()

    def taken(self):
        return [m['amount'] for m in self.world.ledger()]

    def test_charge(self):
        "Test a payment is charged once, and none beside it is kept waiting"
        Payment = Pool(DB_NAME).get('account.payment')
        for _ in self.cases(
                'POST /v1/payment_methods', 'POST /v1/payment_intents',
                'POST /v1/payment_intents/*/confirm'):
            before = len(self.taken())
            with self.transaction():
                payments = self.create_payments(
                    2, stripe_token='tok_visa', stripe_chargeable=True)
                Payment.process(payments)
            self.run_crons()
            with self.transaction():
                for payment in payments:
                    payment = self.reload(payment)
                    self.assertEqual(payment.state, 'succeeded')
                    self.assertIsNone(payment.stripe_error_message)
            self.assertEqual(self.taken()[before:], [4200, 4200])

    def test_refund(self):
        "Test a refund is sent once"
        pool = Pool(DB_NAME)
        Payment = pool.get('account.payment')
        Refund = pool.get('account.payment.stripe.refund')
        for _ in self.cases(
                'GET /v1/refunds', 'POST /v1/refunds', 'GET /v1/refunds/*'):
            before = len(self.taken())
            with self.transaction():
                payment = self.create_payment(
                    stripe_token='tok_visa', stripe_chargeable=True)
                Payment.process([payment])
            with self.transaction():
                refund, = Refund.create([{
                            'payment': payment.id, 'amount': Decimal(10)}])
                Refund.submit([refund])
                Refund.approve([refund])
            self.run_crons()
            with self.transaction():
                refund = Refund(refund.id)
                self.assertEqual(refund.state, 'succeeded')
                self.assertEqual(
                    self.reload(payment).amount, Decimal('32.00'))
            self.assertEqual(self.taken()[before:], [4200, -1000])

    def test_page(self):
        "Test the page says that it cannot be paid now, and later it can"
        Payment = Pool(DB_NAME).get('account.payment')
        for _ in self.cases(
                'GET /v1/payment_intents/*', 'POST /v1/customer_sessions',
                times=2):
            with self.transaction():
                payment = self.create_payment()
                with self.stripe_works():
                    Payment.stripe_checkout([payment])
                path = '%s/checkout/account.payment/%s' % (
                    PREFIX, payment.stripe_checkout_id)
            for end in ['', '/end']:
                self.assertIn(self.web.get(path + end).status_code, {200, 503})
            with self.stripe_works():
                self.assertEqual(self.web.get(path).status_code, 200)

    def stripe_works(self):
        "Return the context in which Stripe answers"
        return _Works(self.simulator)

    def test_customer(self):
        "Test a customer is made once"
        Customer = Pool(DB_NAME).get('account.payment.stripe.customer')
        for _ in self.cases(
                'POST /v1/customers', 'POST /v1/payment_methods',
                'GET /v1/payment_methods/*'):
            with self.transaction():
                customer, = Customer.create([{
                            'party': self.party,
                            'stripe_account': self.account,
                            'stripe_token': 'tok_visa',
                            }])
            for _ in range(2):
                with self.transaction():
                    table = Customer.__table__()
                    Transaction().connection.cursor().execute(*table.update(
                            [table.stripe_try_at], [None]))
                with self.transaction():
                    Customer.stripe_create()
            with self.transaction():
                self.assertTrue(Customer(customer.id).stripe_customer_id)

    def test_buttons(self):
        "Test who presses a button is told to try it later"
        Payment = Pool(DB_NAME).get('account.payment')
        for _ in self.cases(
                'POST /v1/payment_intents/*/cancel',
                'GET /v1/payment_intents/*', times=9):
            with self.transaction():
                with self.stripe_works():
                    payment = self.create_payment()
                    Payment.stripe_checkout([payment])
            for button in ['stripe_do_pull', 'draft']:
                with self.transaction():
                    try:
                        getattr(Payment, button)([self.reload(payment)])
                    except UserError as e:
                        self.assertIn("try again", e.message.lower())
                        Transaction().rollback()
            with self.stripe_works(), self.transaction():
                Payment.draft([self.reload(payment)])
                self.assertEqual(self.reload(payment).state, 'draft')

    def test_webhook(self):
        "Test an event without signature is asked for again"
        with self.transaction():
            Account = Pool(DB_NAME).get('account.payment.stripe.account')
            account = Account(self.account)
            if not account.webhook_identifier:
                Account.new_identifier([account])
            path = '%s/webhook/%s' % (PREFIX, account.webhook_identifier)
        for _ in self.cases('GET /v1/events/*'):
            with self.stripe_works(), self.transaction():
                payment = self.create_payment()
                payment.stripe_checkout([payment])
                intent = payment.stripe_payment_intent_id
            self.world.pay(intent)
            event = json.dumps(self.payload('payment_intent.succeeded'))
            self.assertEqual(self.web.post(path, data=event).status_code, 503)
            self.assertEqual(self.web.post(path, data=event).status_code, 204)
            with self.transaction():
                self.assertEqual(self.reload(payment).state, 'succeeded')

    def test_another_object(self):
        "Test the answer must be the object that was asked for"
        intent = {
            'id': 'pi_1', 'object': 'payment_intent', 'status': 'succeeded',
            'amount': 1, 'currency': 'usd', 'created': 1, 'customer': None}
        self.assertTrue(
            is_answer('payment_intents.retrieve', ['pi_1'], intent))
        self.assertFalse(
            is_answer('payment_intents.retrieve', ['pi_2'], intent))
        self.assertFalse(is_answer('charges.retrieve', ['pi_1'], intent))
        self.assertTrue(is_answer('customers.retrieve', ['cus_1'], {
                    'id': 'cus_1', 'object': 'customer', 'deleted': True}))
        for data in [None, {}, [None], [{}], [{'id': 1}]]:
            self.assertFalse(is_answer('events.list', [], {
                        'object': 'list', 'has_more': False, 'data': data}))

    def test_date(self):
        "Test a Date that is none changes nothing"
        for date in [
                None, '', 'garbage', '1', 'Fri, 31 Dec 9999 23:59:59 -2359',
                'Fri, 31 Dec 9999 23:59:59 GMT',
                'Thu, 01 Jan 1970 00:00:00 GMT']:
            self.assertIsNone(_answered_at({'Date': date}, 0))


class _Works:

    def __init__(self, simulator):
        self.faults = simulator.faults

    def __enter__(self):
        self.rules, self.faults.rules = self.faults.rules, []

    def __exit__(self, *args):
        self.faults.rules = self.rules
