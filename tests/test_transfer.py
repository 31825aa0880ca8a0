# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Payers who have done what there is to do, and whose money is on its way."""
import html
import re
from decimal import Decimal
from types import SimpleNamespace

from werkzeug.test import Client

from trytond.modules.account_payment_stripe.convert import from_timestamp
from trytond.modules.account_payment_stripe.exceptions import (
    PaymentPartlyPaidError, StripeTransferWarning)
from trytond.pool import Pool
from trytond.protocols.wrappers import Response
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction
from trytond.wsgi import app

from .case import StripeTestCase
from .tools import MailServer

PREFIX = '/%s/r/account_payment_stripe/checkout' % DB_NAME
UNPAID = "Nothing has been paid yet"
# Type of payment method: currency, what the payer is told
WAITING = {
    'boleto': ('BRL', "Waiting for your payment"),
    'customer_balance': ('USD', "Waiting for your transfer"),
    'konbini': ('JPY', "Waiting for your payment"),
    'multibanco': ('EUR', "Waiting for your payment"),
    'oxxo': ('MXN', "Waiting for your payment"),
    'pix': ('BRL', "Waiting for your payment"),
    'us_bank_account': ('USD', "Confirm your bank account"),
    'wechat_pay': ('USD', "Waiting for your payment"),
    }


class TransferTestCase(StripeTestCase):
    "Test what the payer and the person at the desk see"

    def setUp(self):
        super().setUp()
        self.browser = Client(app, Response)
        self.world.set(payment_method_types=['card', *WAITING])

    def open(self, type_):
        """Return the id and path of a payment, its intent and customer

        type_: of the payment method with which it will be paid.
        """
        customer = self.client.customers.create(email='payer@example.com')
        with self.transaction():
            pool = Pool()
            Currency = pool.get('currency.currency')
            Customer = pool.get('account.payment.stripe.customer')
            Journal = pool.get('account.payment.journal')
            Payment = pool.get('account.payment')
            code, _ = WAITING[type_]
            digits = 0 if code == 'JPY' else 2
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
            record, = Customer.create([{
                        'party': self.party,
                        'stripe_account': self.account,
                        'stripe_customer_id': customer.id,
                        }])
            payment = self.create_payment(
                journal=journal.id, amount=Decimal(42).scaleb(2 - digits),
                stripe_customer=record.id)
            Payment.stripe_checkout([payment])
            return SimpleNamespace(
                id=payment.id,
                customer=customer.id,
                intent=payment.stripe_payment_intent_id,
                path='%s/account.payment/%s' % (
                    PREFIX, payment.stripe_checkout_id))

    def choose(self, type_):
        "Return what open does after the payer has chosen the type"
        payment = self.open(type_)
        self.world.pay(payment.intent, type=type_)
        return payment

    def page(self, path, status=200):
        response = self.browser.get(path)
        self.assertEqual(response.status_code, status)
        return response.get_data(as_text=True)

    def heading(self, page):
        heading, = re.findall(r'<h1[^>]*>(.*?)</h1>', page, re.DOTALL)
        return heading.strip()

    def event(self, type_):
        "Let the last event of the type arrive"
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            return Account.webhook(
                [Account(self.account)], self.payload(type_))

    def charge(self):
        "Let cron run"
        with self.transaction():
            Pool().get('account.payment').stripe_charge()

    def button(self, name, payment):
        with self.transaction():
            Payment = Pool().get('account.payment')
            getattr(Payment, name)([Payment(payment.id)])

    def assertPayment(self, payment, **values):
        with self.transaction():
            record = self.reload(payment)
            self.assertEqual(
                {n: getattr(record, n) for n in values}, values)

    def test_waiting(self):
        "The payer who has done everything is told so, on both pages"
        for type_, (_, heading) in WAITING.items():
            with self.subTest(type=type_):
                payment = self.choose(type_)
                for path in [payment.path + '/end', payment.path]:
                    before = len(self.requests())
                    page = self.page(path)
                    self.assertEqual(self.heading(page), heading)
                    self.assertNotIn(UNPAID, page)
                    self.assertNotIn('Try again', page)
                    self.assertIn(
                        'href="%s/instructions/' % self.simulator.url, page)
                    self.assertNotIn('_secret_', page)
                    self.assertEqual(len(self.requests()), before + 1)
                self.assertPayment(
                    payment, stripe_waiting_for='transfer',
                    stripe_intent_status='requires_action',
                    state='submitted')

    def test_challenge(self):
        "Who has not finished a challenge of the bank can go on"
        payment = self.open('us_bank_account')
        self.world.pay(
            payment.intent, '4000002760003184', authenticate=None)
        page = self.page(payment.path + '/end')
        self.assertIn(UNPAID, page)
        self.assertPayment(payment, stripe_waiting_for='payer')
        self.assertIn('id="pay"', self.page(payment.path))

    def test_other_way(self):
        "A payer with a voucher may pay otherwise"
        payment = self.choose('multibanco')
        page = self.page(payment.path)
        other = html.unescape(re.search(
                r'href="([^"]*[?]other=1)"', page).group(1))
        self.assertIn('id="pay"', self.page(other))
        self.world.pay(payment.intent)
        self.assertEqual(
            self.heading(self.page(payment.path + '/end')),
            "Payment received")
        self.assertPayment(
            payment, state='succeeded', stripe_waiting_for=None)

    def test_event(self):
        "A payer who closes the window is known to have chosen"
        for type_ in ['multibanco', 'customer_balance']:
            with self.subTest(type=type_):
                payment = self.choose(type_)
                self.assertTrue(self.event('payment_intent.requires_action'))
                self.assertPayment(payment, stripe_waiting_for='transfer')

    def test_paid(self):
        for type_ in ['boleto', 'customer_balance']:
            with self.subTest(type=type_):
                payment = self.choose(type_)
                self.page(payment.path)
                self.world.receive(payment.intent)
                self.event('payment_intent.succeeded')
                self.assertPayment(
                    payment, state='succeeded', stripe_waiting_for=None,
                    stripe_transferred_amount=None)

    def test_expired(self):
        "It can be paid again, and the payer who is not there is told"
        for type_ in ['oxxo', 'us_bank_account']:
            with self.subTest(type=type_), MailServer() as mail:
                payment = self.choose(type_)
                self.page(payment.path)
                self.world.expire_intent(payment.intent)
                self.event('payment_intent.payment_failed')
                self.assertPayment(
                    payment, state='submitted', stripe_waiting_for='payer',
                    stripe_intent_status='requires_payment_method')
                self.assertIn('id="pay"', self.page(payment.path))
                self.charge()
                self.assertEqual(len(mail.messages), 1)

    def test_declined_at_page(self):
        "Who pays otherwise and is declined there gets no mail"
        with MailServer() as mail:
            payment = self.choose('oxxo')
            self.page(payment.path)
            with self.assertRaises(Exception) as cm:
                self.world.pay(payment.intent, '4000000000000002')
            self.assertEqual(cm.exception.status, 402)
            self.event('payment_intent.payment_failed')
            self.assertPayment(payment, stripe_waiting_for='payer')
            self.charge()
        self.assertEqual(mail.messages, [])

    def test_partly(self):
        "Half of the money has arrived"
        payment = self.choose('customer_balance')
        self.page(payment.path + '/end')
        self.assertPayment(payment, stripe_transferred_amount=None)
        self.world.receive(payment.intent, 1200)
        self.assertTrue(self.event('payment_intent.partially_funded'))
        self.assertPayment(
            payment, state='submitted', stripe_waiting_for='transfer',
            stripe_transferred_amount=Decimal('12.00'))
        for path in [
                payment.path, payment.path + '/end',
                payment.path + '?other=1']:
            page = self.page(path)
            self.assertIn('12.00</dd>', page)
            self.assertIn('30.00</strong>', page)
            # The rest alone is not paid otherwise
            self.assertNotIn('other=1', page)
            self.assertNotIn('id="pay"', page)
        self.world.receive(payment.intent, 3000)
        self.event('payment_intent.succeeded')
        self.assertPayment(
            payment, state='succeeded', amount=Decimal('42.00'),
            stripe_transferred_amount=None)

    def test_partly_guarded(self):
        "Money on its way is not given up, whatever is known of it here"
        for name, state in [('draft', 'submitted'), ('fail', 'processing')]:
            for told in [True, False]:
                with self.subTest(button=name, told=told):
                    payment = self.open('customer_balance')
                    if state == 'processing':
                        self.button('process', payment)
                    self.world.pay(payment.intent, type='customer_balance')
                    self.world.receive(payment.intent, 1200)
                    if told:
                        self.event('payment_intent.partially_funded')
                    with self.assertRaises(PaymentPartlyPaidError) as cm:
                        self.button(name, payment)
                    self.assertIn('12.00', cm.exception.message)
                    # What was learned stays
                    self.assertPayment(
                        payment, state=state, stripe_waiting_for='transfer',
                        stripe_transferred_amount=Decimal('12.00'))
                    self.assertEqual(self.requests('POST', '/cancel'), [])

    def test_partly_given_up_at_stripe(self):
        payment = self.open('customer_balance')
        self.button('process', payment)
        self.world.pay(payment.intent, type='customer_balance')
        self.world.receive(payment.intent, 1200)
        self.event('payment_intent.partially_funded')
        self.client.payment_intents.cancel(payment.intent)
        self.assertEqual(
            self.world.cash_balance(payment.customer), {'usd': 1200})
        self.event('payment_intent.canceled')
        self.assertPayment(
            payment, state='failed', stripe_waiting_for=None,
            stripe_transferred_amount=None)

    def test_voucher_guarded(self):
        "An unpaid voucher is given up when the person says so"
        for name, states in [
                ('draft', ['submitted', 'draft']),
                ('fail', ['processing', 'failed'])]:
            with self.subTest(button=name):
                payment = self.open('multibanco')
                if name == 'fail':
                    self.button('process', payment)
                self.world.pay(payment.intent, type='multibanco')
                with self.assertRaises(StripeTransferWarning) as cm:
                    self.button(name, payment)
                self.assertPayment(payment, state=states[0])
                self.assertEqual(
                    self.world.objects('payment_intent')[
                        payment.intent]['status'],
                    'requires_action')
                with self.transaction():
                    Warning = Pool().get('res.user.warning')
                    Warning(user=1, name=cm.exception.name).save()
                self.button(name, payment)
                self.assertPayment(payment, state=states[1])
                self.assertEqual(
                    self.world.objects('payment_intent')[
                        payment.intent]['status'],
                    'canceled')

    def test_hostile_link(self):
        payment = self.choose('multibanco')
        action = self.world.objects('payment_intent')[
            payment.intent]['next_action']
        name = action['type']
        self.world.change_intent(payment.intent, next_action={
                **action, name: {
                    **action[name],
                    'hosted_voucher_url': 'javascript:alert(1)'}})
        page = self.page(payment.path)
        self.assertEqual(self.heading(page), "Waiting for your payment")
        self.assertNotIn('javascript:', page)

    def test_until(self):
        payment = self.choose('konbini')
        intent = self.world.objects('payment_intent')[payment.intent]
        until = intent['next_action']['konbini_display_details']['expires_at']
        with self.transaction():
            Lang = Pool().get('ir.lang')
            text = Lang.get('en').strftime(from_timestamp(until).date())
        self.assertIn(text, self.page(payment.path))

    def test_setup(self):
        "A bank account that is confirmed by small deposits"
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            customer, = Customer.create([{
                        'party': self.party,
                        'stripe_account': self.account,
                        }])
            Transaction().commit()
            Customer.stripe_checkout([customer])
            path = '%s/account.payment.stripe.customer/%s' % (
                PREFIX, customer.stripe_checkout_id)
            intent = customer.stripe_setup_intent_id
        self.world.pay(intent, type='us_bank_account')
        for url in [path + '/end', path]:
            page = self.page(url)
            self.assertEqual(
                self.heading(page), "Confirm your bank account")
            self.assertNotIn('not saved', page)
            self.assertIn(
                'href="%s/instructions/' % self.simulator.url, page)
        self.assertIn('id="pay"', self.page(path + '?other=1'))
        self.world.receive(intent)
        self.assertEqual(
            self.heading(self.page(path + '/end')), "Payment method saved")

    def test_copy(self):
        payment = self.choose('customer_balance')
        self.world.receive(payment.intent, 1200)
        self.event('payment_intent.partially_funded')
        with self.transaction():
            copy, = Pool().get('account.payment').copy(
                [self.reload(payment)])
            self.assertIsNone(copy.stripe_transferred_amount)
            self.assertIsNone(copy.stripe_waiting_for)
