# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Stripe's words are open: each that is mapped is met by one nobody knows."""
import dataclasses
from decimal import Decimal

from werkzeug.test import Client

from trytond.exceptions import UserError
from trytond.modules.account_payment_stripe.state import KNOWN, PaymentState
from trytond.pool import Pool
from trytond.protocols.wrappers import Response
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction
from trytond.wsgi import app

from .case import StripeTestCase

PREFIX = '/%s/r/account_payment_stripe/checkout' % DB_NAME
# The second could be mistaken for one of another object
WORDS = [
    'expired', 'requires_reauthorization', 'failed', 'a word of next year',
    '<script>']


class UnknownTestCase(StripeTestCase):
    "Nobody knows what Stripe says"

    def setUp(self):
        super().setUp()
        self.browser = Client(app, Response)

    def checkout(self, **values):
        "Return the id of a payment with a page"
        with self.transaction():
            payment = self.create_payment(**values)
            payment.stripe_checkout([payment])
            return payment.id

    def process(self, id_):
        with self.transaction():
            Payment = Pool().get('account.payment')
            Payment.process([Payment(id_)], group=self.group)

    def token(self, token='tok_visa', **values):
        "Return the id of a payment that is charged"
        with self.transaction():
            id_ = self.create_payment(
                stripe_token=token, stripe_chargeable=True, **values).id
        self.process(id_)
        return id_

    def get(self, id_):
        return Pool().get('account.payment')(id_)

    def say(self, kind, id_, word):
        "Let Stripe say the word about the object"
        with self.world.lock:
            self.world.table(kind).get(id_)['status'] = word

    def say_intent(self, id_, word):
        with self.transaction():
            intent = self.get(id_).stripe_payment_intent_id
        self.say('payment_intent', intent, word)
        return intent

    def webhook(self, event):
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            return Account.webhook([Account(self.account)], event)

    def assertReview(self, id_, word, state):
        with self.transaction():
            payment = self.get(id_)
            self.assertEqual(payment.state, state)
            self.assertEqual(payment.stripe_waiting_for, 'check')
            self.assertIn(word, payment.stripe_error_message)
            payment._validate([payment])
            self.assertTrue(payment.stripe_try_at)
            return payment.stripe_intent_status

    # Intents

    def test_words(self):
        "Test no word is lost"
        for word in WORDS:
            state = PaymentState.from_intent({
                    'id': 'pi_1', 'status': word, 'currency': 'eur'})
            self.assertEqual((state.status, state.unknown), (word, word))
        for word in KNOWN:
            state = PaymentState.from_intent({
                    'id': 'pi_1', 'status': word, 'currency': 'eur'})
            self.assertIsNone(state.unknown)

    def test_event(self):
        "Test an event tells it"
        for word in WORDS:
            with self.subTest(word=word):
                id_ = self.checkout()
                intent = self.say_intent(id_, word)
                event = self.payload('payment_intent.created', id=intent)
                event['type'] = 'payment_intent.payment_failed'
                event['id'] = 'evt_%s' % id_
                event['data']['object']['status'] = word
                self.assertTrue(self.webhook(event))
                status = self.assertReview(id_, word, 'submitted')
                self.assertEqual(status, word if word in {
                        'expired', 'requires_reauthorization'}
                    else 'unknown')

    def test_charge(self):
        "Test cron reads it, again and again, until it is known"
        for word in WORDS:
            with self.subTest(word=word):
                id_ = self.token(stripe_capture=False)
                self.say_intent(id_, word)
                for _ in range(3):
                    with self.transaction():
                        payment = self.get(id_)
                        payment.stripe_store(stripe_try_at=None)
                        Transaction().commit()
                        payment.__class__.stripe_charge()
                    self.assertReview(id_, word, 'processing')
                self.say_intent(id_, 'requires_capture')
                with self.transaction():
                    self.get(id_).stripe_store(stripe_try_at=None)
                    Transaction().commit()
                    self.get(id_).__class__.stripe_charge()
                    payment = self.get(id_)
                    self.assertEqual(payment.stripe_waiting_for, 'capture')
                    self.assertFalse(payment.stripe_error_message)

    def test_not_confirmed(self):
        "Test an intent in an unknown state is not confirmed"
        id_ = self.checkout(
            stripe_token='tok_visa', stripe_chargeable=True)
        self.say_intent(id_, 'a word')
        self.process(id_)
        self.assertReview(id_, 'a word', 'processing')
        self.assertFalse(self.requests('POST', '/confirm'))
        self.assertEqual(len(self.world.objects('payment_intent')), 1)

    def test_pull(self):
        id_ = self.token(stripe_capture=False)
        self.say_intent(id_, 'a word')
        with self.transaction():
            payment = self.get(id_)
            payment.stripe_do_pull([payment])
        self.assertReview(id_, 'a word', 'processing')

    def test_capture(self):
        id_ = self.token(stripe_capture=False)
        self.say_intent(id_, 'a word')
        with self.transaction():
            payment = self.get(id_)
            payment.stripe_do_capture([payment])
        self.assertReview(id_, 'a word', 'processing')
        self.assertFalse(self.requests('POST', '/capture'))

    def test_pages(self):
        "Test the pages neither ask for money nor say that nothing is paid"
        id_ = self.checkout()
        with self.transaction():
            checkout = self.get(id_).stripe_checkout_id
        path = '%s/account.payment/%s' % (PREFIX, checkout)
        for word in WORDS:
            with self.subTest(word=word):
                self.say_intent(id_, word)
                for url in [path, path + '/end']:
                    response = self.browser.get(url)
                    page = response.get_data(as_text=True)
                    self.assertEqual(response.status_code, 503)
                    self.assertNotIn('_secret_', page)
                    self.assertNotIn("Nothing has been paid", page)
                    self.assertNotIn(word, page.replace('<script ', ''))
                self.assertReview(id_, word, 'submitted')
        self.say_intent(id_, 'requires_payment_method')
        response = self.browser.get(path)
        self.assertEqual(response.status_code, 200)
        self.assertIn('_secret_', response.get_data(as_text=True))

    def test_buttons(self):
        "Test draft, fail and succeed are refused, as money may have moved"
        for button in ['draft', 'fail', 'succeed']:
            with self.subTest(button=button):
                id_ = self.checkout()
                state = 'submitted'
                if button != 'draft':
                    self.process(id_)
                    state = 'processing'
                self.say_intent(id_, 'a word')
                with self.assertRaises(UserError), self.transaction():
                    payment = self.get(id_)
                    getattr(payment, button)([payment])
                if button != 'succeed':
                    self.assertReview(id_, 'a word', state)
                with self.transaction():
                    payment = self.get(id_)
                    self.assertEqual(payment.state, state)
                    self.assertTrue(payment.stripe_payment_intent_id)

    # Charges

    def test_charge_alone(self):
        "Test the charge of a payment without intent"
        for word in WORDS:
            if word == 'failed':
                # That one is known of charges
                continue
            with self.subTest(word=word):
                id_ = self.token()
                with self.transaction():
                    payment = self.get(id_)
                    charge = payment.stripe_charge_id
                    with self.world.lock:
                        row = self.world.table('charge').get(charge)
                        row['payment_intent'] = None
                    payment.stripe_store(stripe_payment_intent_id=None)
                    payment.proceed([payment])
                self.say('charge', charge, word)
                with self.transaction():
                    self.get(id_).__class__.stripe_charge()
                self.assertReview(id_, word, 'processing')
                event = self.payload('charge.succeeded')
                event['id'] = 'evt_%s' % id_
                event['data']['object'].update(
                    payment_intent=None, status=word)
                self.assertTrue(self.webhook(event))
                self.assertReview(id_, word, 'processing')

    def test_charge_of_intent(self):
        "Test the event of a charge says nothing but that it changed"
        id_ = self.token()
        event = self.payload('charge.succeeded', status='a word')
        event['id'] = 'evt_%s' % id_
        self.assertTrue(self.webhook(event))
        with self.transaction():
            self.assertEqual(self.get(id_).state, 'succeeded')

    # Refunds

    def refund(self, id_):
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            refund, = Refund.create([{
                        'payment': id_,
                        'amount': Decimal(10),
                        }])
            Refund.submit([refund])
            return refund.id

    def approve(self, refund):
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            Refund.approve([Refund(refund)])

    def carry(self, refund):
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            Refund.stripe_create([Refund(refund)])

    def assertRefund(self, refund, state, word=''):
        with self.transaction():
            refund = Pool().get('account.payment.stripe.refund')(refund)
            self.assertEqual(refund.state, state)
            self.assertIn(word, refund.stripe_error_message or '')
            refund._validate([refund])

    def test_refund_by_word(self):
        "Test a refund stays as it is and says so, as its payment does"
        for word in WORDS[:-2] + ['a word']:
            if word == 'failed':
                # That one is known of refunds
                continue
            with self.subTest(word=word):
                id_ = self.token('tok_pendingRefund')
                refund = self.refund(id_)
                self.approve(refund)
                self.assertRefund(refund, 'processing', "Processing")
                with self.transaction():
                    record = Pool().get(
                        'account.payment.stripe.refund')(refund)
                    re = record.stripe_refund_id
                self.say('refund', re, word)
                self.carry(refund)
                self.assertRefund(refund, 'processing', word)
                self.assertReview(id_, word, 'succeeded')
                self.say('refund', re, 'succeeded')
                self.carry(refund)
                self.assertRefund(refund, 'succeeded')
                with self.transaction():
                    payment = self.get(id_)
                    self.assertEqual(payment.amount, 32)
                    self.assertFalse(payment.stripe_waiting_for)

    def test_refund_by_event(self):
        "Test what had succeeded does not go back for a word"
        id_ = self.token()
        refund = self.refund(id_)
        self.approve(refund)
        self.assertRefund(refund, 'succeeded')
        with self.transaction():
            record = Pool().get('account.payment.stripe.refund')(refund)
            re = record.stripe_refund_id
        self.say('refund', re, 'a word')
        event = self.payload('refund.created')
        event['type'] = 'refund.updated'
        event['id'] = 'evt_%s' % id_
        self.assertTrue(self.webhook(event))
        self.assertRefund(refund, 'succeeded', 'a word')

    # Disputes

    def test_dispute(self):
        "Test the money decides of a dispute in an unknown state"
        id_ = self.token('tok_createDispute')
        dispute, = self.world.objects('dispute').values()
        self.say('dispute', dispute['id'], 'a word')
        event = self.payload('charge.dispute.created', status='a word')
        event['id'] = 'evt_%s' % id_
        self.assertTrue(self.webhook(event))
        with self.transaction():
            payment = self.get(id_)
            self.assertEqual(
                (payment.state, payment.stripe_lost_amount,
                    payment.stripe_dispute_status),
                ('failed', 42, 'a word'))
        self.world.change_dispute(
            dispute['id'], amount=4200,
            events=['charge.dispute.funds_reinstated'])
        self.assertTrue(self.webhook(
                self.payload('charge.dispute.funds_reinstated')))
        with self.transaction():
            payment = self.get(id_)
            self.assertEqual(
                (payment.state, payment.amount,
                    payment.stripe_dispute_status),
                ('succeeded', 42, 'a word'))
            payment._validate([payment])

    # Setup intents

    def test_setup_intent(self):
        "Test a setup intent is neither attached nor shown, but kept"
        for word in WORDS:
            with self.subTest(word=word):
                with self.transaction():
                    Customer = Pool().get('account.payment.stripe.customer')
                    customer, = Customer.create([{
                                'party': self.party,
                                'stripe_account': self.account,
                                }])
                    Customer.stripe_checkout([customer])
                    id_ = customer.id
                    intent = customer.stripe_setup_intent_id
                    checkout = customer.stripe_checkout_id
                self.say('setup_intent', intent, word)
                with self.transaction():
                    Customer.stripe_intent_update([Customer(id_)])
                path = '%s/account.payment.stripe.customer/%s' % (
                    PREFIX, checkout)
                for url in [path, path + '/end']:
                    response = self.browser.get(url)
                    self.assertEqual(response.status_code, 503)
                    self.assertNotIn(
                        '_secret_', response.get_data(as_text=True))
                with self.transaction():
                    customer = Customer(id_)
                    self.assertIn(word, customer.stripe_error_message)
                    self.assertEqual(customer.stripe_setup_intent_id, intent)
                    self.assertFalse(customer.payment_methods())
                    customer._validate([customer])

    # Sources

    def test_source(self):
        "Test the events of sources go by their type"
        with self.transaction():
            source = self.client.sources.create(
                type='bancontact', amount=4200, currency='eur',
                owner={'name': "Payer"},
                redirect={'return_url': 'https://example.com/'}).id
            id_ = self.create_payment(
                stripe_token=source, stripe_chargeable=False).id
        self.process(id_)
        event = {
            'id': 'evt_source', 'object': 'event', 'created': 1700000000,
            'type': 'source.chargeable', 'api_version': None,
            'data': {'object': {
                    'id': source, 'object': 'source', 'status': 'a word'}},
            }
        self.say('source', source, 'a word')
        self.assertTrue(self.webhook(event))
        with self.transaction():
            payment = self.get(id_)
            self.assertTrue(payment.stripe_chargeable)
            self.assertIn(payment.state, {'processing', 'failed'})

    # Everything that is read of an intent

    def test_fields(self):
        "Test other words of an intent are shown as they are"
        state = PaymentState.from_intent({
                'id': 'pi_1', 'status': 'canceled', 'currency': 'eur',
                'cancellation_reason': 'a word'})
        self.assertEqual(state.error_message, 'a word')
        self.assertIn('unknown', {
                f.name for f in dataclasses.fields(PaymentState)})
