# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from decimal import Decimal

from trytond.pool import Pool

from .case import DAY, StripeTestCase


class MissedTestCase(StripeTestCase):
    "Test what changes without an event"

    def fetch(self, days=0):
        "Read the events, days later"
        if days:
            self.simulator.clock.advance(days * DAY)
        self.simulator.requests.clear()
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.fetch_events([Account(self.account)])

    def pay(self, count=1):
        "Return the ids of payments that have succeeded and of their charges"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payments = self.create_payments(
                count=count, stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process(payments)
        with self.transaction():
            payments = Payment.browse([p.id for p in payments])
            self.assertEqual({p.state for p in payments}, {'succeeded'})
            return [(p.id, p.stripe_charge_id) for p in payments]

    def refund(self, payment, amount):
        "Return the id of a refund that has been sent and the one at Stripe"
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            refund, = Refund.create([{
                        'payment': payment,
                        'amount': Decimal(amount),
                        }])
            Refund.submit([refund])
            Refund.approve([refund])
        with self.transaction():
            return refund.id, Refund(refund.id).stripe_refund_id

    def reads(self):
        return [
            r['path'] for r in self.requests('GET')
            if r['path'].startswith('/v1/payment_intents/')]

    def lists(self):
        return [
            r['path'] for r in self.requests('GET')
            if r['path'] in {'/v1/charges', '/v1/refunds', '/v1/disputes'}
            and 'created' in r['params']]

    def assertPayment(self, id_, state, amount):
        with self.transaction():
            payment = Pool().get('account.payment')(id_)
            self.assertEqual(
                (payment.state, payment.stripe_left_amount),
                (state, Decimal(amount)))


class CompareTestCase(MissedTestCase):
    "Test what is compared once a day"

    def setUp(self):
        super().setUp()
        self.fetch()
        self.world.miss_events('*')

    def open(self, **values):
        "Return the id of a payment with an open page and of its intent"
        with self.transaction():
            payment = self.create_payment(**values)
            payment.stripe_checkout([payment])
            return payment.id, payment.stripe_payment_intent_id

    def test_paid_on_page(self):
        "Test a payer who does not come back has paid"
        for values, state in [
                ({}, 'succeeded'), ({'stripe_capture': False}, 'processing')]:
            payment, intent = self.open(**values)
            self.world.pay(intent)
            self.fetch(days=1)
            with self.transaction():
                record = Pool().get('account.payment')(payment)
                self.assertEqual(record.state, state)
            self.assertEqual(len(self.reads()), 1)
            self.fetch(days=1)
            self.assertEqual(self.reads(), [])

    def test_paid_on_page_without_cron(self):
        "Test it is found after days without the cron"
        payment, intent = self.open()
        self.fetch(days=1)
        self.world.pay(intent)
        self.fetch(days=20)
        with self.transaction():
            record = Pool().get('account.payment')(payment)
            self.assertEqual(record.state, 'succeeded')

    def test_refused_on_page(self):
        "Test a refused card is nothing to read"
        payment, intent = self.open()
        with self.assertRaises(Exception):
            self.world.pay(intent, '4000000000000002')
        self.fetch(days=1)
        self.assertEqual(self.reads(), [])

    def test_dashboard_refund(self):
        "Test a refund made in Stripe's dashboard arrives"
        (payment, charge), = self.pay()
        self.simulator.clock.advance(5)
        self.client.refunds.create(charge=charge, amount=1200)
        self.fetch(days=1)
        self.assertPayment(payment, 'succeeded', 30)
        self.fetch(days=1)
        self.assertEqual(self.reads(), [])

    def test_refund_in_the_second_of_the_payment(self):
        "Test a refund as soon as what is known is found by the sum"
        (payment, charge), = self.pay()
        self.client.refunds.create(charge=charge, amount=4200)
        self.fetch(days=1)
        self.assertPayment(payment, 'failed', 0)

    def test_refund_after_older(self):
        "Test a refund of as much as one that is not listed anymore"
        (payment, charge), = self.pay()
        self.client.refunds.create(charge=charge, amount=1000)
        self.fetch(days=1)
        self.simulator.clock.advance(40 * DAY)
        self.client.refunds.create(charge=charge, amount=1000)
        self.fetch(days=1)
        self.assertPayment(payment, 'succeeded', 22)
        self.fetch(days=1)
        self.assertEqual(self.reads(), [])

    def test_late_failure(self):
        "Test a refund that fails after weeks"
        (payment, charge), = self.pay()
        refund, at_stripe = self.refund(payment, 12)
        self.assertPayment(payment, 'succeeded', 30)
        self.fetch(days=29)
        self.assertPayment(payment, 'succeeded', 30)
        self.world.fail_refund(at_stripe)
        self.fetch(days=1)
        self.assertPayment(payment, 'succeeded', 42)
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            self.assertEqual(Refund(refund).state, 'failed')
            self.assertTrue(Refund(refund).stripe_error_message)

    def test_late_failure_of_dashboard_refund(self):
        "Test a refund of the dashboard that fails after weeks"
        (payment, charge), = self.pay()
        refund = self.client.refunds.create(charge=charge, amount=1200)
        self.fetch(days=1)
        self.assertPayment(payment, 'succeeded', 30)
        self.world.fail_refund(refund.id)
        self.fetch(days=28)
        self.assertPayment(payment, 'succeeded', 42)

    def test_missed_dispute(self):
        "Test a dispute is found when it is opened and when it is decided"
        (payment, charge), = self.pay()
        dispute = self.world.dispute(charge)
        self.fetch(days=1)
        with self.transaction():
            Payment = Pool().get('account.payment')
            self.assertEqual(
                Payment(payment).stripe_dispute_status, 'needs_response')
            self.assertEqual(
                Payment(payment).stripe_disputed_amount, Decimal('42'))
        self.world.settle_dispute(dispute['id'], won=False)
        self.fetch(days=1)
        self.assertPayment(payment, 'failed', 0)
        self.fetch(days=100)
        self.assertEqual(self.reads(), [])
        self.world.win_late(dispute['id'])
        self.fetch(days=1)
        self.assertPayment(payment, 'succeeded', 42)

    def test_agreeing_is_cheap(self):
        "Test nothing is read of what is as it is known"
        payments = self.pay(4)
        for i, (payment, charge) in enumerate(payments):
            if i % 2:
                self.refund(payment, 2)
            else:
                self.client.refunds.create(charge=charge, amount=200)
        dispute = self.world.dispute(self.pay()[0][1], amount=1000)
        self.fetch(days=1)
        self.fetch(days=1)
        self.assertEqual(self.reads(), [])
        self.assertEqual(len(self.lists()), 3)
        self.world.settle_dispute(dispute['id'], won=False)
        self.fetch(days=1)
        self.assertEqual(len(self.reads()), 1)

    def test_once_a_day(self):
        "Test the lists are read once a day"
        self.fetch(days=1)
        self.assertEqual(len(self.lists()), 3)
        for _ in range(2):
            self.fetch()
            self.assertEqual(self.lists(), [])
        self.fetch(days=1)
        self.assertEqual(len(self.lists()), 3)

    def test_many(self):
        "Test all pages of the lists are read"
        (payment, charge), = self.pay()
        self.simulator.clock.advance(5)
        refund = self.client.refunds.create(charge=charge, amount=1200)
        intent = self.client.payment_intents.create(
            amount=100000, currency='usd', payment_method='pm_card_visa',
            confirm=True, return_url='https://example.com')
        self.assertTrue(refund.id)
        for _ in range(101):
            self.client.refunds.create(payment_intent=intent.id, amount=1)
        self.fetch(days=1)
        self.assertEqual(
            [p for p in self.lists() if p == '/v1/refunds'],
            ['/v1/refunds'] * 2)
        self.assertPayment(payment, 'succeeded', 30)

    def test_bad_does_not_block(self):
        "Test a payment that cannot be brought up to date blocks no other"
        first, second = self.pay(2)
        for _, charge in [first, second]:
            self.client.refunds.create(charge=charge, amount=1200)
        with self.transaction():
            intent = Pool().get(
                'account.payment')(first[0]).stripe_payment_intent_id
        rule = self.simulator.faults.add(
            '503', 'GET /v1/payment_intents/%s' % intent)
        self.fetch(days=1)
        self.simulator.faults.remove(rule)
        self.assertPayment(first[0], 'succeeded', 42)
        self.assertPayment(second[0], 'succeeded', 30)
        self.fetch(days=1)
        self.assertPayment(first[0], 'succeeded', 30)

    def test_silence(self):
        "Test what Stripe did not list is compared with the next run"
        (payment, charge), = self.pay()
        self.client.refunds.create(charge=charge, amount=1200)
        rule = self.simulator.faults.add('503', 'GET /v1/disputes')
        self.fetch(days=1)
        self.assertPayment(payment, 'succeeded', 30)
        self.simulator.faults.remove(rule)
        self.fetch()
        self.assertEqual(len(self.lists()), 3)
        self.fetch()
        self.assertEqual(self.lists(), [])

    def test_missing_permission(self):
        "Test a missing permission holds back only what needs it"
        (payment, charge), = self.pay()
        self.client.refunds.create(charge=charge, amount=1200)
        other = self.pay()[0]
        dispute = self.world.dispute(other[1])
        self.world.settle_dispute(dispute['id'], won=False)
        rule = self.simulator.faults.add('403', 'GET /v1/refunds')
        self.fetch(days=1)
        self.assertPayment(payment, 'succeeded', 42)
        self.assertPayment(other[0], 'failed', 0)
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            self.assertTrue(Account(self.account).error_message)
        self.fetch()
        self.assertEqual(self.lists(), [])
        # Given within the day
        self.simulator.faults.remove(rule)
        self.simulator.clock.advance(3600)
        self.fetch()
        self.assertPayment(payment, 'succeeded', 30)
        with self.transaction():
            self.assertIsNone(Account(self.account).error_message)

    def test_events_forbidden(self):
        "Test it is compared each day though the events cannot be listed"
        # As where the webhook is all that tells of them
        self.simulator.faults.add('403', 'GET /v1/events')
        for _ in range(2):
            payment, intent = self.open()
            self.world.pay(intent)
            self.fetch(days=1)
            self.assertPayment(payment, 'succeeded', 42)
            self.fetch()
            self.assertEqual(self.lists(), [])
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            self.assertTrue(Account(self.account).error_message)

    def test_foreign(self):
        "Test what another system refunded is left alone"
        self.client.payment_intents.create(
            amount=100, currency='usd', payment_method='pm_card_visa',
            confirm=True, return_url='https://example.com')
        intent, = self.client.payment_intents.list().data
        self.client.refunds.create(payment_intent=intent.id)
        self.fetch(days=1)
        self.assertEqual(self.reads(), [])

    def test_copy(self):
        "Test the copy of an account is compared anew"
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            self.assertTrue(Account(self.account).compared_at)
            copy, = Account.copy([Account(self.account)])
            self.assertIsNone(copy.compared_at)


class LateEventTestCase(MissedTestCase):
    "Test events that are listed behind others"

    def event(self, charge):
        "Return the event of the refund of the charge, none of it is listed"
        known = set(self.world.objects('event'))
        self.client.refunds.create(charge=charge, amount=1200)
        events = self.world.events
        with self.world.lock:
            event = events.last()
            self.assertEqual(event.type, 'charge.refunded')
            for id_ in self.world.objects('event').keys() - known:
                events.hide(events.get(id_))
        return event

    def show(self, event):
        with self.world.lock:
            self.world.events.show(event)

    def setUp(self):
        super().setUp()
        self.fetch()
        (self.payment, self.charge), (_, self.other) = self.pay(2)
        self.fetch()

    def test_late(self):
        "Test an event that is listed behind the last one is applied"
        event = self.event(self.charge)
        self.simulator.clock.advance(60)
        self.client.refunds.create(charge=self.other, amount=100)
        self.fetch()
        self.assertPayment(self.payment, 'succeeded', 42)
        self.show(event)
        self.simulator.clock.advance(120)
        self.fetch()
        self.assertPayment(self.payment, 'succeeded', 30)

    def test_late_after_a_failed_run(self):
        "Test it is also found when the run before has not come to its end"
        # Each event of a refund looks at all of its charge
        others = [charge for _, charge in self.pay(10)]
        self.fetch()
        event = self.event(self.charge)
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            fetched_at = Account(self.account).fetched_at
        for i in range(110):
            self.simulator.clock.advance(10)
            self.client.refunds.create(charge=others[i % 10], amount=1)
        self.fetch()
        with self.transaction():
            # As it is if the last page could not be read
            Account.write([Account(self.account)], {'fetched_at': fetched_at})
        self.show(event)
        self.fetch()
        self.assertPayment(self.payment, 'succeeded', 30)

    def test_known_are_cheap(self):
        "Test the events that are listed again are not applied again"
        self.client.refunds.create(charge=self.charge, amount=100)
        self.fetch()
        self.fetch()
        self.assertEqual(self.reads(), [])
        self.assertEqual(len(self.requests('GET', '/v1/events')), 2)
        # Once the last one is old nothing can be listed before it
        self.simulator.clock.advance(3600)
        self.fetch()
        self.fetch()
        self.assertEqual(len(self.requests('GET', '/v1/events')), 1)
