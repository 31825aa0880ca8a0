# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Vouchers, QR codes, bank transfers and micro-deposits of the simulator."
import urllib.error
import urllib.parse
import urllib.request

from .simulator import Remote
from .simulator.errors import StripeError
from .simulator.testing import RETURN_URL, SimulatorTestCase

DAY = 24 * 60 * 60
_CREATED = 'payment_intent.created'
_ACTION = 'payment_intent.requires_action'
_PAID = ['charge.succeeded', 'payment_intent.succeeded']


class ElsewhereTestCase(SimulatorTestCase):
    "Test payers who pay elsewhere"

    def setUp(self):
        super().setUp()
        self.account.set(payment_method_types=[
                'card', 'multibanco', 'oxxo', 'boleto', 'konbini',
                'customer_balance', 'pix', 'wechat_pay', 'us_bank_account',
                'acss_debit'])

    def read(self, intent):
        return self.client.payment_intents.retrieve(intent.id)

    def pay(self, type, **params):
        params.setdefault('capture_method', 'automatic')
        intent = self.intent(**params)
        self.account.pay(intent.id, type=type)
        return self.read(intent)

    def transfer(self, customer=None, amount=1000):
        customer = customer or self.customer(name="Jenny")
        return self.pay(
            'customer_balance', customer=customer.id, amount=amount)

    def test_offered(self):
        "Test that a type is offered once it is turned on"
        self.assertEqual(
            self.intent(currency='mxn', amount=1000).payment_method_types,
            ['card', 'oxxo', 'customer_balance'])
        self.account.set(payment_method_types=['card'])
        intent = self.intent()
        with self.assertRaises(StripeError) as cm:
            self.account.pay(intent.id, type='multibanco')
        self.assertIn("not allowed", str(cm.exception))

    def test_vouchers(self):
        "Test what a voucher shows, and that it is paid"
        for type, currency, days, expires in [
                ('multibanco', 'eur', 7, 'expires_at'),
                ('oxxo', 'mxn', 3, 'expires_after'),
                ('boleto', 'brl', 3, 'expires_at'),
                ('konbini', 'jpy', 3, 'expires_at')]:
            with self.subTest(type=type):
                intent = self.pay(type, currency=currency)
                self.assertEqual(intent.status, 'requires_action')
                name = type + '_display_details'
                action = intent.next_action
                self.assertEqual(action.type, name)
                details = action[name]
                self.assertIn(
                    '/instructions/', details.hosted_voucher_url)
                self.assertAlmostEqual(
                    details[expires], self.account.now() + days * DAY,
                    delta=5)
                self.assertIsNone(intent.latest_charge)
                self.simulator.clock.advance(DAY)
                self.account.receive(intent.id)
                intent = self.read(intent)
                self.assertEqual(
                    (intent.status, intent.amount_received),
                    ('succeeded', 1000))
                self.assertIsNone(intent.next_action)
                charge = self.client.charges.retrieve(intent.latest_charge)
                self.assertEqual(charge.payment_method_details.type, type)
                self.simulator.clock.advance(10 * DAY)
                self.assertEqual(self.read(intent).status, 'succeeded')
        self.assertEqual(self.types()[:4], [_CREATED, _ACTION] + _PAID)

    def test_qr_codes(self):
        "Test payments by QR code"
        for type, currency in [('pix', 'brl'), ('wechat_pay', 'cny')]:
            with self.subTest(type=type):
                intent = self.pay(type, currency=currency)
                name = type + '_display_qr_code'
                self.assertEqual(intent.next_action.type, name)
                details = intent.next_action[name]
                self.assertIn(
                    '/instructions/', details.hosted_instructions_url)
                self.account.receive(intent.id)
                self.assertEqual(self.read(intent).status, 'succeeded')

    def test_expired(self):
        "Test a voucher that nobody pays"
        intent = self.pay('multibanco')
        self.simulator.clock.advance(8 * DAY)
        intent = self.read(intent)
        self.assertEqual(intent.status, 'requires_payment_method')
        self.assertIsNone(intent.next_action)
        error = intent.last_payment_error
        self.assertEqual(
            (error.code, error.type),
            ('payment_intent_payment_attempt_expired',
                'invalid_request_error'))
        self.assertEqual(self.types()[-1], 'payment_intent.payment_failed')
        # The payer may try again, or pay with a card
        self.account.pay(intent.id, type='multibanco')
        self.account.expire_intent(intent.id)
        self.account.pay(intent.id)
        self.assertEqual(self.read(intent).status, 'succeeded')

    def test_other_voucher(self):
        "Test that an old voucher doesn't end a new one"
        intent = self.pay('multibanco')
        self.simulator.clock.advance(4 * DAY)
        self.account.pay(intent.id, type='multibanco')
        self.simulator.clock.advance(4 * DAY)
        self.assertEqual(self.read(intent).status, 'requires_action')
        self.simulator.clock.advance(4 * DAY)
        self.assertEqual(
            self.read(intent).status, 'requires_payment_method')

    def test_nothing_waits(self):
        "Test that only what waits can be paid or expire"
        voucher = self.pay('multibanco')
        with self.assertRaises(ValueError):
            self.account.receive(voucher.id, 400)
        self.client.payment_intents.cancel(voucher.id)
        for intent in [voucher, self.intent(), self.paid()]:
            for function in [
                    self.account.receive, self.account.expire_intent]:
                with self.assertRaises(ValueError):
                    function(intent.id)
        self.assertEqual(self.read(voucher).status, 'canceled')
        self.simulator.clock.advance(8 * DAY)
        self.assertEqual(self.read(voucher).status, 'canceled')

    def test_server(self):
        "Test vouchers that the server confirms"
        intent = self.paid(None, **{
                'payment_method_data': {'type': 'multibanco'}})
        self.assertEqual(
            intent.next_action.type, 'multibanco_display_details')
        error = self.refused(
            self.paid, None, payment_method_data={'type': 'multibanco'},
            error_on_requires_action=True)
        self.assertEqual(error.http_status, 402)

    def test_transfer(self):
        "Test a bank transfer in two parts"
        intent = self.transfer()
        action = intent.next_action
        self.assertEqual(action.type, 'display_bank_transfer_instructions')
        details = action.display_bank_transfer_instructions
        self.assertEqual(
            (details.amount_remaining, details.currency), (1000, 'eur'))
        self.assertTrue(details.reference)
        self.assertIn('/instructions/', details.hosted_instructions_url)
        self.account.receive(intent.id, 400)
        intent = self.read(intent)
        details = intent.next_action.display_bank_transfer_instructions
        self.assertEqual(
            (intent.status, details.amount_remaining, intent.amount_received),
            ('requires_action', 600, 0))
        self.assertIsNone(intent.latest_charge)
        self.assertEqual(self.account.ledger(), [])
        event, = self.client.events.list({'limit': 1}).data
        self.assertEqual(event.type, 'payment_intent.partially_funded')
        self.account.receive(intent.id)
        intent = self.read(intent)
        self.assertEqual(
            (intent.status, intent.amount_received), ('succeeded', 1000))
        self.assertEqual(self.types()[1:], [
                _CREATED, _ACTION, 'payment_intent.partially_funded'] + _PAID)
        self.assertEqual(
            [r['amount'] for r in self.account.ledger()], [1000])

    def test_transfer_canceled(self):
        "Test that the money of a canceled transfer stays the customer's"
        customer = self.customer(name="Jenny")
        intent = self.transfer(customer)
        self.account.receive(intent.id, 400)
        self.assertEqual(self.account.cash_balance(customer.id), {})
        self.client.payment_intents.cancel(intent.id)
        self.assertEqual(
            self.account.cash_balance(customer.id), {'eur': 400})
        # It is used for the next one
        intent = self.transfer(customer)
        details = intent.next_action.display_bank_transfer_instructions
        self.assertEqual(details.amount_remaining, 600)
        self.account.receive(intent.id, 700)
        self.assertEqual(self.read(intent).status, 'succeeded')
        self.assertEqual(
            self.account.cash_balance(customer.id), {'eur': 100})

    def test_transfer_confirmed_again(self):
        "Test that what came isn't lost when the payer takes another way"
        customer = self.customer(name="Jenny")
        intent = self.transfer(customer)
        self.account.receive(intent.id, 400)
        self.account.pay(intent.id, type='customer_balance')
        intent = self.read(intent)
        details = intent.next_action.display_bank_transfer_instructions
        self.assertEqual(details.amount_remaining, 600)
        self.account.pay(intent.id)
        self.assertEqual(self.read(intent).status, 'succeeded')
        self.assertEqual(
            self.account.cash_balance(customer.id), {'eur': 400})

    def test_transfer_customer(self):
        "Test that a bank transfer is of a customer"
        intent = self.intent()
        with self.assertRaises(StripeError) as cm:
            self.account.pay(intent.id, type='customer_balance')
        self.assertEqual(cm.exception.error['param'], 'customer')
        for customer, offered in [({}, False), (
                    {'customer': self.customer().id}, True)]:
            intent = self.intent(**customer)
            _, answer, _ = self.request(
                'GET', '/v1/elements/sessions',
                {'client_secret': intent.client_secret},
                key=self.account.publishable_key)
            self.assertEqual(
                'customer_balance' in answer['payment_method_types'],
                offered)

    def refund(self, intent, **params):
        return self.client.refunds.create(
            dict(params, payment_intent=intent.id))

    def test_refund(self):
        "Test refunds that the payer has to claim"
        intent = self.pay('multibanco')
        self.account.receive(intent.id)
        last, = self.client.events.list({'limit': 1}).data
        refund = self.refund(intent, amount=400)
        self.assertEqual(refund.status, 'requires_action')
        details = refund.next_action.display_details
        self.assertEqual(
            details.email_sent.email_sent_to, 'jenny@example.com')
        error = self.refused(self.refund, intent, amount=601)
        self.assertEqual(error.error.param, 'amount')
        self.account.claim_refund(refund.id)
        charge = self.client.charges.retrieve(refund.charge)
        self.assertEqual(charge.amount_refunded, 400)
        refund = self.client.refunds.retrieve(refund.id)
        self.assertEqual(refund.status, 'succeeded')
        self.assertNotIn('next_action', refund)
        self.assertEqual(self.types(last.id), [
                'refund.created', 'refund.updated', 'charge.refund.updated',
                'charge.refunded'])

    def test_refund_unclaimed(self):
        "Test refunds that nobody claims, or that are canceled"
        intent = self.pay('konbini', currency='jpy')
        self.account.receive(intent.id)
        for end, status in [
                (lambda r: self.simulator.clock.advance(46 * DAY), 'failed'),
                (lambda r: self.client.refunds.cancel(r.id), 'canceled')]:
            with self.subTest(status=status):
                refund = self.refund(intent)
                end(refund)
                refund = self.client.refunds.retrieve(refund.id)
                self.assertEqual(refund.status, status)
                self.assertEqual(
                    sum(r['amount'] for r in self.account.ledger()), 1000)
                with self.assertRaises(ValueError):
                    self.account.claim_refund(refund.id)

    def test_refund_email(self):
        "Test that Stripe has to know whom to write to"
        intent = self.paid(
            None, payment_method_data={'type': 'multibanco'})
        self.account.receive(intent.id)
        error = self.refused(self.refund, intent)
        self.assertEqual(error.error.param, 'instructions_email')
        refund = self.refund(intent, instructions_email='me@example.com')
        self.assertEqual(refund.instructions_email, 'me@example.com')
        details = refund.next_action.display_details
        self.assertEqual(details.email_sent.email_sent_to, 'me@example.com')

    def verify(self, intent, **params):
        return self.request(
            'POST', '/v1/%ss/%s/verify_microdeposits' % (
                intent.object, intent.id),
            dict(params, client_secret=intent.client_secret),
            key=self.account.publishable_key)[:2]

    def test_deposits(self):
        "Test a debit of an account that deposits have to verify"
        intent = self.pay('us_bank_account', currency='usd')
        self.assertEqual(intent.status, 'requires_action')
        details = intent.next_action.verify_with_microdeposits
        self.assertIn('/instructions/', details.hosted_verification_url)
        status, answer = self.verify(
            intent, **{'amounts[0]': 1, 'amounts[1]': 2})
        self.assertEqual((status, answer['error']['code']), (
                400,
                'payment_method_microdeposit_verification_amounts_mismatch'))
        status, answer = self.verify(
            intent, **{'amounts[0]': 32, 'amounts[1]': 45})
        self.assertEqual((status, answer['status']), (200, 'processing'))
        self.simulator.clock.advance(61)
        self.assertEqual(self.read(intent).status, 'succeeded')
        self.assertEqual(self.types(), [
                _CREATED, _ACTION, 'charge.pending',
                'payment_intent.processing'] + _PAID)
        status, answer = self.verify(intent, descriptor_code='SM11AA')
        self.assertEqual(status, 400)

    def test_deposits_expired(self):
        "Test an account that nobody verifies"
        intent = self.pay('us_bank_account', currency='usd')
        self.simulator.clock.advance(11 * DAY)
        intent = self.read(intent)
        self.assertEqual(intent.status, 'requires_payment_method')
        self.assertEqual(
            intent.last_payment_error.code,
            'payment_method_microdeposit_verification_timeout')

    def test_deposits_set_up(self):
        "Test an account that is saved once it is verified"
        customer = self.customer()
        for type in ['us_bank_account', 'acss_debit']:
            with self.subTest(type=type):
                setup = self.client.setup_intents.create(
                    {'customer': customer.id})
                self.account.pay(setup.id, type=type)
                setup = self.client.setup_intents.retrieve(setup.id)
                self.assertEqual(setup.status, 'requires_action')
                self.assertEqual(
                    setup.next_action.type, 'verify_with_microdeposits')
                self.assertEqual(
                    self.types()[-1], 'setup_intent.requires_action')
                status, answer = self.verify(
                    setup, descriptor_code='SM11AA')
                self.assertEqual(
                    (status, answer['status']), (200, 'succeeded'))
                method = self.client.payment_methods.retrieve(
                    answer['payment_method'])
                self.assertEqual(method.customer, customer.id)
                self.assertEqual(method[type].last4, '6789')
                self.assertNotIn('account_number', method[type])
        intent = self.paid(
            method.id, currency='usd', customer=customer.id,
            off_session=True)
        self.assertEqual(intent.status, 'processing')

    def test_deposits_set_up_expired(self):
        "Test an account that isn't saved, from another process"
        account = Remote(self.simulator.url).account(self.account.name)
        setup = self.client.setup_intents.create({})
        account.pay(setup.id, type='us_bank_account')
        account.expire_intent(setup.id)
        setup = self.client.setup_intents.retrieve(setup.id)
        self.assertEqual(setup.status, 'requires_payment_method')
        self.assertEqual(
            setup.last_setup_error.code,
            'payment_method_microdeposit_verification_timeout')
        self.assertEqual(self.types()[-1], 'setup_intent.setup_failed')

    def test_pages(self):
        "Test the pages that Stripe hosts"
        for outcome, status in [
                ('paid', 'succeeded'),
                ('expired', 'requires_payment_method')]:
            with self.subTest(outcome=outcome):
                intent = self.pay('multibanco')
                details = intent.next_action.multibanco_display_details
                url = details.hosted_voucher_url
                with urllib.request.urlopen(url) as response:
                    self.assertIn(b'1000 eur', response.read())
                urllib.request.urlopen(url, urllib.parse.urlencode(
                        {'outcome': outcome}).encode()).close()
                self.assertEqual(self.read(intent).status, status)
                with self.assertRaises(urllib.error.HTTPError) as cm:
                    urllib.request.urlopen(url)
                with cm.exception as e:
                    self.assertEqual(e.code, 404)

    def test_unknown_status(self):
        "Test intents in a status that nobody has heard of"
        intent = self.intent()
        for status in ['requires_reauthorization', 'expired', 'whatever']:
            with self.subTest(status=status):
                self.account.change_intent(
                    intent.id, status,
                    events=['payment_intent.processing'])
                self.assertEqual(self.read(intent).status, status)
                event, = self.client.events.list({'limit': 1}).data
                self.assertEqual(event.data.object.status, status)
                error = self.refused(
                    self.client.payment_intents.confirm, intent.id,
                    {'payment_method': 'pm_card_visa',
                        'return_url': RETURN_URL})
                self.assertEqual(
                    error.code, 'payment_intent_unexpected_state')
        with self.assertRaises(ValueError):
            self.account.change_intent(intent.id, nothing=1)
        canceled = self.account.change_intent(
            intent.id, 'requires_reauthorization')
        self.assertEqual(canceled['status'], 'requires_reauthorization')
        self.assertEqual(
            self.client.payment_intents.cancel(intent.id).status, 'canceled')


del SimulatorTestCase
