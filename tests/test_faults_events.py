# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Events that come early, late, twice, never or from somebody else."""
import threading

from trytond import config

from .stories.case import StageTestCase

CONFIRM = 'POST /v1/payment_intents/*/confirm'


class EventStoryTestCase(StageTestCase):
    "Stories in which events go wrong"

    def test_event_before_the_answer(self):
        "The webhook is faster than the answer of the API"
        for where in ['before', 'after']:
            for count in range(1, 4):
                with self.subTest(where=where, count=count):
                    story = self.story(pace=1)
                    id_ = story.add_payment('token', process=False)
                    story.meanwhile(where, count, lambda: story.deliver(9))
                    story.process(id_)
                    story.add_refund(id_, 50, later=True)
                    story.meanwhile(
                        where, count, lambda: story.deliver(9, 'last'))
                    story.work()
                    story.verify()
                    self.assertPayment(story, id_, 'succeeded', 21)

    def test_database_lost_at_an_event_of_no_interest(self):
        "Nothing is kept of an event of no interest if the database fails"
        for kind in ['conflict_before', 'lost_after']:
            for count in range(1, 4):
                with self.subTest(kind=kind, count=count):
                    story = self.story()
                    story.add_customer()
                    story.cron('customer')
                    story.disturb(kind, count)
                    story.deliver(9, type='customer.created')
                    story.calm()
                    story.verify()

    def test_late_events(self):
        "Events arrive days later, in reverse and twice"
        story = self.story(pace=1)
        id_ = story.add_payment('page', process=False)
        story.checkout(id_)
        story.pay(id_, card='declined')
        story.pay(id_)
        story.dashboard('refund some', id_)
        story.dashboard('dispute some', id_)
        story.dashboard('lose', id_)
        story.wait(3 * 86400)
        story.deliver(50, 'last', double=True)
        amount = story._read(id_)['amount']
        story.verify()
        self.assertEqual(story._read(id_)['amount'], amount)

    def test_stale_event_of_a_debit(self):
        "An old refusal does not undo the debit that followed"
        story = self.story(pace=2)
        id_ = story.add_payment('page', process=False)
        story.checkout(id_)
        story.pay(id_, card='declined')
        story.pay(id_, card='debit')
        story.press('stripe_do_pull', id_)
        self.assertPayment(story, id_, 'processing', 42, charged=0)
        story.deliver(20, 'last')
        row = story._read(id_)
        self.assertEqual(row['stripe_intent_status'], 'processing')
        self.assertEqual(story.mails, [])
        story.verify()
        self.assertPayment(story, id_, 'succeeded', 42)

    def test_event_while_the_answer_is_slow(self):
        "An event of what a slow answer already tells is not applied"
        section = 'account_payment_stripe'
        self.addCleanup(
            config.set, section, 'timeout', config.get(section, 'timeout'))
        config.set(section, 'timeout', '10')
        story = self.story()
        id_ = story.add_payment('page', process=False)
        story.checkout(id_)

        def pay():
            story.pay(id_, card='declined')
            story.pay(id_, card='debit')
        self.stage.simulator.faults.add(
            'latency', 'GET /v1/payment_intents/*', times=1,
            account=story.name, seconds=3)
        payer = threading.Timer(1.5, pay)
        payer.start()
        story.press('stripe_do_pull', id_)
        payer.join()
        story.deliver(1, type='payment_intent.payment_failed')
        self.assertEqual(
            story._read(id_)['stripe_intent_status'], 'processing')
        self.assertEqual(story.mails, [])
        story.verify()
        self.assertPayment(story, id_, 'succeeded', 42)

    def test_newer_version(self):
        "Events of a version with other shapes"
        story = self.story(pace=1)
        id_ = story.add_payment('token', capture=False)
        story.capture(id_, 50)
        story.add_refund(id_, 50)
        story.dashboard('dispute', id_)
        story.deliver(50, version='2030-01-01.future')
        story.verify()

    def test_bounced_refund(self):
        "A refund fails weeks later and its events are lost"
        story = self.story()
        id_ = story.add_payment('token refund bounces')
        story.add_refund(id_, 100)
        self.assertPayment(story, id_, 'failed', 0)
        story.lose(50)
        story.wait(90)
        story.lose(50)
        story.verify()
        self.assertPayment(story, id_, 'succeeded', 42)

    def test_lost_events(self):
        "All the events are lost, cron reads them"
        story = self.story()
        id_ = story.add_payment('page', process=False)
        story.checkout(id_)
        story.pay(id_)
        story.dashboard('refund some', id_)
        story.lose(50)
        story.verify()
        self.assertPayment(story, id_, 'succeeded', '28')

    def failed_events(self):
        with self.stage.transaction() as transaction:
            cursor = transaction.connection.cursor()
            cursor.execute(
                "SELECT identifier FROM account_payment_stripe_event "
                "WHERE state = 'failed'")
            return list(cursor)

    def test_event_that_fails(self):
        "An event that cannot be applied does not stop the others"
        for hook in ['signed', 'polled']:
            with self.subTest(hook=hook):
                story = self.story(hook=hook)
                first = story.add_payment('page', process=False)
                second = story.add_payment('page', process=False)
                story.checkout(first)
                story.checkout(second)
                story.pay(first)
                story.dashboard('refund some', first)
                story.pay(second)
                # More often than the requests are repeated
                story.fault('503', 9, 'GET /v1/payment_intents/*')
                if hook == 'polled':
                    story.cron('events')
                else:
                    story.deliver(50)
                self.assertPayment(story, second, 'succeeded', 42)
                self.assertTrue(self.failed_events())
                story.verify()
                self.assertPayment(story, first, 'succeeded', 28)

    def test_mailed_once(self):
        "The payer gets one e-mail for a refusal"
        story = self.story(pace=1)
        id_ = story.add_payment('saved challenged')
        self.assertEqual(len(story.mails), 1)
        story.deliver(20, double=True)
        for _ in range(3):
            self.settle(story)
        story.press('stripe_do_pull', id_)
        self.assertEqual(len(story.mails), 1)
        story.verify()

    def test_forged(self):
        "Nobody but Stripe can post an event"
        for hook in ['signed', 'bare']:
            with self.subTest(hook=hook):
                story = self.story(hook=hook)
                id_ = story.add_payment('page', process=False)
                story.checkout(id_)
                story.forge()
                story.verify()
                self.assertPayment(story, id_, 'submitted', 42, charged=0)

    def test_clock_of_the_server_and_events(self):
        "No event is left out when the clock of the server was ahead"
        story = self.story()
        id_ = story.add_payment('page', process=False)
        story.checkout(id_)
        story.jump(20 * 86400)
        story.cron('events')
        story.pay(id_)
        story.lose(50)
        story.wait(6 * 86400)
        story.cron('events')
        story.jump(-20 * 86400)
        story.verify()
        self.assertPayment(story, id_, 'succeeded', 42)
