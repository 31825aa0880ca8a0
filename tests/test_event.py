# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
from decimal import Decimal
from unittest.mock import patch

from trytond.pool import Pool
from trytond.transaction import Transaction

from .case import StripeTestCase


class WebhookTestCase(StripeTestCase):
    "Test the webhook method over RPC"

    def call(self, event):
        "Return what the method answers to a user without any access"
        with self.transaction():
            pool = Pool()
            User = pool.get('res.user')
            Account = pool.get('account.payment.stripe.account')
            users = User.search([('login', '=', 'nobody')])
            if not users:
                users = User.create([{'name': "Nobody", 'login': 'nobody'}])
            user, = users
        rpc = Account.__rpc__['webhook']
        with self.transaction(user=user.id):
            args, kwargs, context, _ = rpc.convert(
                Account, [self.account], event, {})
            with Transaction().set_context(context), \
                    Transaction().set_context(
                        _check_access=rpc.check_access):
                return rpc.result(Account.webhook(*args, **kwargs))

    def test_handled(self):
        "Test True is answered for an event that is applied, once"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            Payment.stripe_checkout([payment])
            intent = payment.stripe_payment_intent_id
        self.world.pay(intent)
        event = self.payload('payment_intent.succeeded')
        self.assertIs(self.call(event), True)
        self.assertIs(self.call(event), True)
        with self.transaction():
            pool = Pool()
            self.assertEqual(
                pool.get('account.payment')(payment.id).state, 'succeeded')
            self.assertEqual(pool.get('account.payment.stripe.event').search([
                        ('account', '=', self.account),
                        ], count=True), 1)

    def test_no_interest(self):
        "Test None is answered for what is of no interest"
        self.client.payment_intents.create(
            amount=100, currency='usd', payment_method='pm_card_visa',
            confirm=True, return_url='https://example.com')
        event = self.payload('payment_intent.succeeded')
        self.assertIsNone(self.call(event))
        self.assertIsNone(self.call(dict(event, type='invoice.paid')))

    def test_later(self):
        "Test False is answered for what cannot be applied now"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            Payment.stripe_checkout([payment])
            intent = payment.stripe_payment_intent_id
        self.world.pay(intent)
        self.client.refunds.create(payment_intent=intent, amount=100)
        event = self.payload('charge.refunded')
        self.simulator.faults.add('503')
        self.assertIs(self.call(event), False)
        self.simulator.faults.clear()
        self.assertIs(self.call(event), True)
        with self.transaction():
            self.assertEqual(
                Pool().get('account.payment')(payment.id).amount,
                Decimal('41'))

    def test_let_go(self):
        "Test the intent of the event may be let go until it is locked"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            Payment.stripe_checkout([payment])
            intent = payment.stripe_payment_intent_id
        self.client.payment_intents.cancel(intent)
        event = self.payload('payment_intent.canceled')

        def lock(*args, lock=Payment._stripe_lock_rows):
            # As another transaction does just before
            table = Payment.__table__()
            Transaction().connection.cursor().execute(*table.update(
                    [table.stripe_payment_intent_id, table.stripe_state_at],
                    [None, dt.datetime(2100, 1, 1)],
                    where=table.id == payment.id))
            return lock(*args)

        with patch.object(Payment, '_stripe_lock_rows', lock):
            self.assertIsNone(self.call(event))
        with self.transaction():
            self.assertEqual(
                Pool().get('account.payment')(payment.id).state, 'submitted')

    def test_not_ours(self):
        "Test the events of another account are of no interest"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            Payment.stripe_checkout([payment])
            intent = payment.stripe_payment_intent_id
        self.world.pay(intent)
        event = self.payload('payment_intent.succeeded')
        self.setUp()
        self.assertIsNone(self.call(event))
        with self.transaction():
            self.assertEqual(
                Pool().get('account.payment')(payment.id).state, 'submitted')


class EventsTestCase(StripeTestCase):
    "Test reading the events"

    def open(self):
        "Return the id of a payment and of its intent"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            Payment.stripe_checkout([payment])
            return payment.id, payment.stripe_payment_intent_id

    def fetch(self):
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.fetch_events([Account(self.account)])

    def state(self, id_):
        with self.transaction():
            return Pool().get('account.payment')(id_).state

    def test_undelivered(self):
        "Test the events that the webhook did not get are read"
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.new_identifier([Account(self.account)])
        self.client.webhook_endpoints.create(
            url='http://127.0.0.1:9/webhook', enabled_events=['*'])
        payment, intent = self.open()
        self.world.webhooks.lose()
        self.world.pay(intent)
        self.world.webhooks.flush()
        self.fetch()
        self.assertEqual(self.state(payment), 'succeeded')

    def test_before_the_webhook(self):
        "Test what happens before Stripe knows the webhook is read"
        payment, intent = self.open()
        self.fetch()
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.new_identifier([Account(self.account)])
        self.world.pay(intent)
        self.fetch()
        self.assertEqual(self.state(payment), 'succeeded')

    def test_first_of_the_webhook(self):
        "Test what was delivered is not read again"
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            account = Account(self.account)
            Account.new_identifier([account])
            # It would be found by comparing
            account.compared_at = account.stripe_now
            account.save()
        payment, intent = self.open()
        self.world.pay(intent)
        self.fetch()
        self.assertEqual(self.state(payment), 'submitted')
        with self.transaction():
            self.assertEqual(
                Account(self.account).last_event,
                self.payload('payment_intent.succeeded')['id'])

    def test_last_event_unknown(self):
        "Test all events are read if Stripe does not know the last one"
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.write(
                [Account(self.account)], {'last_event': 'evt_unknown'})
        payment, intent = self.open()
        self.world.pay(intent)
        self.fetch()
        self.assertEqual(self.state(payment), 'succeeded')

    def test_many(self):
        "Test many events are read in order, each once"
        for _ in range(60):
            self.client.payment_intents.create(
                amount=100, currency='usd', payment_method='pm_card_visa',
                confirm=True, return_url='https://example.com')
        payments = [self.open() for _ in range(3)]
        for _, intent in payments:
            self.world.pay(intent)
        self.fetch()
        for payment, _ in payments:
            self.assertEqual(self.state(payment), 'succeeded')
        with self.transaction():
            pool = Pool()
            events = pool.get('account.payment.stripe.event').search([
                    ('account', '=', self.account),
                    ])
            # Two for each of our payments
            self.assertEqual(len(events), 6)
            account = pool.get(
                'account.payment.stripe.account')(self.account)
            # Others of the same page may follow it
            order = list(self.world.objects('event'))
            self.assertGreaterEqual(
                order.index(account.last_event), order.index(
                    self.payload('payment_intent.succeeded')['id']))

    def test_more_types_than_a_list_takes(self):
        "Test all types are read though Stripe lists only some at once"
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Event = pool.get('account.payment.stripe.event')
            types = list(Event.handlers())
            Account.new_identifier([Account(self.account)])
        self.assertGreater(len(types), 20)
        self.client.webhook_endpoints.create(
            url='http://127.0.0.1:9/webhook', enabled_events=['*'])
        self.simulator.requests.clear()
        self.fetch()
        payment, intent = self.open()
        self.world.webhooks.lose()
        self.world.pay(intent)
        self.world.webhooks.flush()
        self.fetch()
        self.assertEqual(self.state(payment), 'succeeded')
        lists = self.requests('GET', '/v1/events')
        self.assertEqual({r['status'] for r in lists}, {200})
        undelivered = [
            r['params']['types'].values() for r in lists
            if 'delivery_success' in r['params']]
        self.assertLessEqual(max(map(len, undelivered)), 20)
        self.assertEqual({t for u in undelivered for t in u}, set(types))
        # Those which go on from the last are not asked for by type
        self.assertTrue([r for r in lists if 'types' not in r['params']])

    def test_foreign_events_are_cheap(self):
        "Test what another system does makes one write for a page"
        self.fetch()
        for _ in range(30):
            self.client.customers.create(name="Foreign")
        newest = self.payload('customer.created')['id']
        received = []
        with self.transaction():
            Event = Pool().get('account.payment.stripe.event')
            search_known = Event.search_known.__func__

            def search(cls, account, events):
                received.extend(events)
                return search_known(cls, account, events)
        with patch.object(Event, 'search_known', classmethod(search)):
            self.fetch()
        self.assertEqual(received, [])
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            self.assertEqual(Account(self.account).last_event, newest)

    def failed_refunds(self, count):
        "Return events that failed as Stripe could not be asked, oldest first"
        payments = [self.open() for _ in range(count)]
        for _, intent in payments:
            self.world.pay(intent)
        self.fetch()
        for _, intent in payments:
            self.client.refunds.create(payment_intent=intent, amount=100)
        rule = self.simulator.faults.add('503', 'GET /v1/payment_intents/*')
        self.fetch()
        self.simulator.faults.remove(rule)
        with self.transaction():
            Event = Pool().get('account.payment.stripe.event')
            events = Event.search([
                    ('account', '=', self.account),
                    ('state', '=', 'failed'),
                    ('type', '=', 'charge.refunded'),
                    ], order=[('id', 'ASC')])
            self.assertEqual(len(events), count)
            others = Event.search([
                    ('account', '=', self.account),
                    ('state', '=', 'failed'),
                    ('type', '!=', 'charge.refunded'),
                    ])
            Event.delete(others)
            Event.write(events, {'try_at': None})
            table = Event.__table__()
            Transaction().connection.cursor().execute(*table.update(
                    [table.try_at], [dt.datetime(2020, 1, 1)],
                    where=table.id.in_([e.id for e in events])))
            return [(e.id, e.identifier) for e in events]

    def test_unreadable_does_not_block(self):
        "Test an event that cannot be read does not keep back others"
        first, second = self.failed_refunds(2)
        self.simulator.faults.add(
            '503', 'GET /v1/events/%s' % first[1])
        self.fetch()
        with self.transaction():
            Event = Pool().get('account.payment.stripe.event')
            first, second = Event.browse([first[0], second[0]])
            self.assertEqual(
                [first.state, second.state], ['failed', 'applied'])
            self.assertEqual(first.tries, 2)
            self.assertGreater(first.try_at, dt.datetime.now())

    def test_silence(self):
        "Test Stripe is not asked for each event while it is down"
        self.failed_refunds(4)
        self.simulator.faults.add('503', 'GET /v1/events/*')
        self.fetch()
        self.assertEqual(len([
                    r for r in self.requests('GET') if r['status'] == 503
                    and r['path'].startswith('/v1/events/')]), 3)

    def test_forgotten(self):
        "Test an event about what was forgotten is done with the button"
        (event, _), = self.failed_refunds(1)
        with self.transaction():
            pool = Pool()
            Event = pool.get('account.payment.stripe.event')
            Payment = pool.get('account.payment')
            table = Payment.__table__()
            Transaction().connection.cursor().execute(*table.update(
                    [table.stripe_payment_intent_id, table.stripe_charge_id,
                        table.stripe_idempotency_key],
                    [None, None, 'other']))
        with self.transaction():
            Event.try_again([Event(event)])
        with self.transaction():
            self.assertEqual(Event(event).state, 'applied')

    def test_alone(self):
        "Test Stripe is not asked while other payments are locked"
        with self.transaction():
            Event = Pool().get('account.payment.stripe.event')
            payments = self.create_payments(
                count=3, stripe_token='tok_visa', stripe_chargeable=True,
                stripe_capture=False)
            Payment = Pool().get('account.payment')
            Payment.process(payments)
        events = sorted(
            self.world.objects('event').values(), key=lambda e: e['created'])
        for group in Event._grouped(events):
            if len(group) > 1:
                for event in group:
                    self.assertNotIn(
                        event['data']['object'].get('status'),
                        {'requires_capture', 'pending'})
                    self.assertNotEqual(event['type'], 'charge.succeeded')

    def test_failing_does_not_block(self):
        "Test an event that cannot be applied does not block those behind"
        first, first_intent = self.open()
        second, second_intent = self.open()
        self.world.pay(first_intent)
        self.client.refunds.create(payment_intent=first_intent, amount=200)
        self.world.pay(second_intent)
        self.simulator.faults.add(
            '503', 'GET /v1/payment_intents/%s' % first_intent)
        self.fetch()
        self.assertEqual(self.state(second), 'succeeded')
        with self.transaction():
            Event = Pool().get('account.payment.stripe.event')
            failed = Event.search([
                    ('account', '=', self.account),
                    ('state', '=', 'failed'),
                    ])
            self.assertTrue(failed)
            self.assertTrue(all(e.error_message for e in failed))
            Event.write(failed, {
                    'try_at': dt.datetime.now() - dt.timedelta(seconds=1),
                    })
        self.simulator.faults.clear()
        self.fetch()
        with self.transaction():
            self.assertFalse(Event.search([
                        ('account', '=', self.account),
                        ('state', '=', 'failed'),
                        ]))
            payment = Pool().get('account.payment')(first)
            self.assertEqual(payment.amount, Decimal('40'))
