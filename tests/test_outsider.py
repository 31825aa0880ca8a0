# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What strangers can do who know the address of a webhook or a page."""
import json
import re
import time
import uuid
from decimal import Decimal
from unittest.mock import patch

from trytond.modules.account_payment_stripe.convert import new_key
from trytond.pool import Pool

from .fuzz.inputs import FOREIGN_HOST, Call
from .fuzz.stage import PREFIX, FuzzTestCase
from .tools import MailServer

PAYMENT = 'account.payment'
CUSTOMER = 'account.payment.stripe.customer'
SECRET = re.compile(r'\w+_secret_\w+')


class WebhookTestCase(FuzzTestCase):
    "Test who knows the URL of a webhook"

    def other(self):
        "Return the world of another Stripe account and an event there"
        world = self.simulator.account(uuid.uuid4().hex)
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Journal = pool.get('account.payment.journal')
            Payment = pool.get('account.payment')
            account, = Account.create([{
                        'name': "Stranger",
                        'secret_key': world.secret_key,
                        'publishable_key': world.publishable_key,
                        'webhook_signing_secret': 'whsec_stranger',
                        }])
            journal, = Journal.copy([Journal(self.journal)], {
                    'stripe_account': account.id,
                    })
            payment = self.create_payment(journal=journal.id)
            Payment.stripe_checkout([payment])
            intent = payment.stripe_payment_intent_id
        world.pay(intent)
        return next(
            e for e in world.objects('event').values()
            if e['type'] == 'payment_intent.succeeded')

    def test_other_account(self):
        "The events of another Stripe account are refused"
        event = json.dumps(self.other()).encode()
        signature = 't=%d,v1=%s' % (
            time.time(), self.sign(event, 'whsec_stranger'))
        for identifier in self.webhooks:
            for header in [signature, '']:
                status, _ = self.request(
                    self.webhook(event, header, identifier))
                self.assertEqual(status, 400)

    def test_other_account_signed(self):
        "Nor are they applied for the wrong account if they are signed"
        event = json.dumps(self.other())
        before = self.rows()
        status, _ = self.request(self.webhook(event))
        self.assertEqual(status, 204)
        self.assertEqual(self.rows(), before)

    def test_forged(self):
        "What is posted with the id of a real event is not believed"
        self.world.pay(self.intents[0])
        event = json.loads(json.dumps(
                self.payload('payment_intent.succeeded')))
        object_ = event['data']['object']
        object_.update(amount_received=1, id=self.intents[1])
        event.update(created=0, type='payment_intent.canceled')
        self.assertEqual(self.request(self.webhook(
                    json.dumps(event), '', self.webhooks[1]))[0], 204)
        with self.transaction():
            Payment = Pool().get('account.payment')
            forged, other = Payment.browse(self.payments[:2])
            self.assertNotEqual(forged.state, 'failed')
            self.assertEqual(forged.amount, Decimal('42.00'))
            self.assertEqual(other.state, 'submitted')

    def test_replayed(self):
        "What Stripe sent does nothing when it is sent again by another"
        self.play_at_stripe()
        events = [
            json.dumps(e) for e in self.world.objects('event').values()]
        for event in events:
            self.assertEqual(self.request(self.webhook(event))[0], 204)
        applied = self.rows()
        ledger = self.world.ledger()
        for event in [*events, *reversed(events)]:
            self.assertEqual(self.request(self.webhook(event))[0], 204)
            self.assertEqual(self.rows(), applied)
        self.assertEqual(self.world.ledger(), ledger)

    def test_no_id(self):
        "Stripe is thanked for events whose object has no id"
        event = self.payload('payment_intent.created')
        event.update(type='balance.available')
        event['data']['object'] = {'object': 'balance', 'available': []}
        before = self.rows()
        self.assertEqual(
            self.request(self.webhook(json.dumps(event)))[0], 204)
        self.assertEqual(self.rows(), before)
        event.update(type='charge.succeeded')
        self.assertEqual(
            self.request(self.webhook(json.dumps(event)))[0], 400)

    def test_created(self):
        "The time of an event is one"
        self.world.pay(self.intents[0])
        event = self.payload('payment_intent.succeeded')
        for created in [10 ** 30, -10 ** 30, 10 ** 12, '1', None, 1.5]:
            event['created'] = created
            self.assertEqual(
                self.request(self.webhook(json.dumps(event)))[0], 400)

    def test_id(self):
        "The id of a signed event is none that could not be stored"
        self.world.pay(self.intents[0])
        event = self.payload('payment_intent.succeeded')
        for id_ in ['evt_\x00', 'evt_\ud800', 'evt/../account', '', None, []]:
            event['id'] = id_
            self.assertEqual(
                self.request(self.webhook(json.dumps(event)))[0], 400)

    def test_identifier(self):
        "A webhook URL that was taken away stays dead"
        call = self.webhook('{}')
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            for _ in range(2):
                Account.new_identifier([Account(self.account)])
            identifier = Account(self.account).webhook_identifier
        self.assertNotEqual(identifier, self.webhooks[0])
        self.assertEqual(self.request(call)[0], 404)
        self.assertEqual(
            self.request(self.webhook('{}', None, identifier))[0], 400)


class CheckoutTestCase(FuzzTestCase):
    "Test who knows the link of a checkout page"

    def get(self, id_, model=PAYMENT, end='', **options):
        return self.request(Call(
                'GET', ('%s/checkout/%s/%s%s' % (
                        PREFIX, model, id_, end)).encode(), **options))

    def read(self, number=0):
        Payment = Pool().get('account.payment')
        return Payment(self.payments[number])

    def test_one(self):
        "The page tells of its payment only"
        with self.transaction():
            Payment = Pool().get('account.payment')
            others = self.create_payments(2, amount=Decimal('77.77'))
            Payment.stripe_checkout(others)
            own = self.read()
            told = [p for o in [*others, *Payment.browse(self.payments[1:])]
                for p in [o.stripe_checkout_id, o.stripe_payment_intent_id]]
            told += ['77.77', '7777', own.stripe_idempotency_key,
                'payer@example.com', *self.webhooks, *self.secrets]
            intent = own.stripe_payment_intent_id
        for query in ['', 'amount=1&id=%s&model=res.user' % others[0].id]:
            for end in ['', '/end']:
                status, text = self.get(
                    self.checkouts[0], end=end, query=query)
                self.assertEqual(status, 200)
                self.assertIn('42.00', text)
                for value in told:
                    self.assertNotIn(value, text)
                secrets = set(SECRET.findall(text))
                self.assertEqual(
                    {s.partition('_secret_')[0] for s in secrets},
                    set() if end else {intent})
        self.assertEqual(
            self.world.objects('payment_intent')[intent]['amount'], 4200)

    def test_model(self):
        "The id opens the page of its own model only"
        payment, _, customer = self.checkouts
        for id_, model in [(payment, CUSTOMER), (customer, PAYMENT)]:
            for end in ['', '/end']:
                self.assertEqual(self.get(id_, model, end)[0], 404)
        for id_, model in [(payment, PAYMENT), (customer, CUSTOMER)]:
            self.assertEqual(self.get(id_, model)[0], 200)

    def test_pressed_again(self):
        "The link stays the same until there is a new one"
        with self.transaction():
            Payment = Pool().get('account.payment')
            Payment.stripe_checkout([self.read()])
            self.assertEqual(
                self.read().stripe_checkout_id, self.checkouts[0])
            Payment.stripe_new_address([self.read()])
            id_ = self.read().stripe_checkout_id
        self.assertNotEqual(id_, self.checkouts[0])
        for end in ['', '/end']:
            status, text = self.get(self.checkouts[0], end=end)
            self.assertEqual(status, 410)
            self.assertFalse(SECRET.search(text))
            self.assertNotIn(id_, text)
        self.assertEqual(self.get(id_)[0], 200)
        # It is not known for another model
        self.assertEqual(self.get(self.checkouts[0], CUSTOMER)[0], 404)

    def test_draft(self):
        "The link of a draft tells nothing, it is good again once submitted"
        with self.transaction():
            Payment = Pool().get('account.payment')
            Payment.draft([self.read()])
        status, text = self.get(self.checkouts[0])
        self.assertEqual(status, 200)
        self.assertFalse(SECRET.search(text))
        with self.transaction():
            Payment.submit([self.read()])
            self.assertEqual(
                self.read().stripe_checkout_id, self.checkouts[0])
        self.assertTrue(SECRET.search(self.get(self.checkouts[0])[1]))

    def test_other_payer(self):
        "The link dies when somebody else has to pay"
        with self.transaction():
            pool = Pool()
            Payment = pool.get('account.payment')
            other, = pool.get('party.party').create([{'name': "Other Payer"}])
            payment = self.read()
            Payment.draft([payment])
            Payment.write([payment], {'party': payment.party.id})
            self.assertEqual(
                self.read().stripe_checkout_id, self.checkouts[0])
            Payment.write([payment], {'party': other.id})
            Payment.submit([self.read()])
            id_ = self.read().stripe_checkout_id
        status, text = self.get(self.checkouts[0])
        self.assertEqual(status, 410)
        self.assertNotIn("Other Payer", text)
        self.assertIn("Other Payer", self.get(id_)[1])

    def test_closed(self):
        "The page of a payment that has failed or succeeded lets nobody pay"
        with self.transaction():
            Payment = Pool().get('account.payment')
            Payment.proceed([self.read()])
            Payment.fail([self.read()])
        self.world.pay(self.intents[1])
        self.request(self.webhook(json.dumps(
                    self.payload('payment_intent.succeeded'))))
        with self.transaction():
            self.assertEqual(
                [self.read(i).state for i in range(2)],
                ['failed', 'succeeded'])
        for id_ in self.checkouts[:2]:
            for end in ['', '/end']:
                status, text = self.get(id_, end=end)
                self.assertEqual(status, 200)
                self.assertFalse(SECRET.search(text))
                self.assertNotIn('<form', text)

    def test_customer(self):
        "The page of a customer dies when the card is added"
        id_ = self.checkouts[2]
        self.assertTrue(SECRET.search(self.get(id_, CUSTOMER)[1]))
        with self.transaction():
            Customer = Pool().get(CUSTOMER)
            intent = Customer(self.customer).stripe_setup_intent_id
        self.world.pay(intent)
        for end in ['/end', '']:
            status, text = self.get(id_, CUSTOMER, end)
            self.assertEqual(status, 200)
            self.assertFalse(SECRET.search(text))
        self.assertFalse(self.world.ledger())

    def test_mail(self):
        "The e-mail has the address of the company whoever asks"
        with self.transaction():
            self.read().stripe_store(
                stripe_intent_status='processing')
        with self.assertRaises(Exception):
            self.world.pay(self.intents[0], number='4000000000000002')
        with MailServer() as mail:
            self.get(self.checkouts[0], end='/end', headers={
                    'Host': FOREIGN_HOST, 'X-Forwarded-Host': FOREIGN_HOST})
        message, = mail.messages
        body = message.get_body(('html',)).get_content()
        self.assertIn(self.checkouts[0], body)
        self.assertNotIn(FOREIGN_HOST, message.as_string() + body)

    def test_host(self):
        "The page has no host, so none of a stranger"
        for end in ['', '/end']:
            _, text = self.get(self.checkouts[0], end=end,
                headers={'Host': FOREIGN_HOST})
            self.assertNotIn(FOREIGN_HOST, text)
            self.assertIn('"%s/checkout/' % PREFIX.replace('%3A', ':'), text)


class IdentifierTestCase(FuzzTestCase):
    "Test the identifiers cannot be guessed"

    def test_bits(self):
        "An identifier has 122 bits, each of them random"
        keys = [new_key() for _ in range(1000)]
        self.assertEqual(len(set(keys)), 1000)
        ones = changing = 0
        for key in keys:
            # The version that is random
            self.assertEqual(uuid.UUID(key).version, 4)
            self.assertRegex(key, '^[0-9a-f]{32}$')
        first = int(keys[0], 16)
        for key in keys:
            changing |= int(key, 16) ^ first
        for bit in range(128):
            ones = sum(int(k, 16) >> bit & 1 for k in keys)
            if changing >> bit & 1:
                self.assertTrue(350 < ones < 650, bit)
        self.assertEqual(changing.bit_count(), 122)

    def test_source(self):
        "The random bits are those of the operating system"
        with patch('uuid.os.urandom', return_value=b'\x01' * 16):
            self.assertEqual(new_key(), '01010101010141018101010101010101')

    def test_length(self):
        "All of them are that long"
        for id_ in [*self.checkouts, *self.webhooks]:
            self.assertRegex(id_, '^[0-9a-f]{32}$')
        self.assertEqual(len({*self.checkouts, *self.webhooks}), 5)
