# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Money moves once and Tryton tells the truth, whatever goes wrong.

STRIPE_FAULTS_SECONDS is how long random stories are played, STRIPE_FAULTS_SEED
which ones; `make faults N=10000` plays more of them."""
import os
import time

from trytond import backend

from .stories.case import StageTestCase

SECONDS = int(os.environ.get('STRIPE_FAULTS_SECONDS', 30))
SEED = int(os.environ.get('STRIPE_FAULTS_SEED', 0))
SHRINK = os.environ.get('STRIPE_FAULTS_SHRINK', '1') == '1'
EXAMPLES = 20
CONFIRM = 'POST /v1/payment_intents/*/confirm'
# The requests of the standard story
REQUESTS = [
    'POST /v1/payment_methods', 'POST /v1/payment_intents', CONFIRM,
    'GET /v1/payment_intents/*', 'POST /v1/payment_intents/*/capture',
    'POST /v1/refunds', 'POST /v1/customers', 'GET /v1/events**']


class RandomTestCase(StageTestCase):
    "Random stories until the time is over"

    def test_random(self):
        "Play random stories"
        from .stories import machine
        results = machine.Results()
        end = time.monotonic() + SECONDS
        seed = SEED
        while time.monotonic() < end:
            machine.play(
                self.stage, EXAMPLES, results, seed=seed, shrink=SHRINK)
            seed += 1
        self.assertGreater(results.schedules, 0)


class StoryTestCase(StageTestCase):
    "Stories in which something goes wrong at a known moment"

    def standard(self, story):
        "Authorize 42, capture 21 of it and refund 10.50"
        id_ = story.add_payment('token', capture=False)
        self.settle(story)
        story.capture(id_, 50)
        self.settle(story)
        story.add_refund(id_, 50)
        story.add_customer()
        self.settle(story)
        story.verify()
        self.assertPayment(story, id_, 'succeeded', '10.50')

    def test_each_fault_at_each_request(self):
        "Each fault of Stripe at each request"
        faults = [
            f for f in self.engine.HTTP_FAULTS
            # None of them is a search
            if not f.startswith('search_')]
        for i, request in enumerate(REQUESTS):
            # PostgreSQL is slower and sees a part
            for fault in faults if backend.name == 'sqlite' else (
                    faults[i % 2::2]):
                with self.subTest(fault=fault, request=request):
                    story = self.story(
                        hook='polled' if 'events' in request else 'signed')
                    story.fault(fault, 1, request)
                    self.standard(story)
                    self.assertTrue(story.rules[0].hits)

    def test_each_fault_at_the_pages(self):
        "Each fault of Stripe while the payer looks at a page"
        for i, fault in enumerate(self.engine.HTTP_FAULTS):
            with self.subTest(fault=fault):
                story = self.story(
                    hook=['signed', 'bare', 'polled'][i % 3])
                id_ = story.add_payment('page', process=False)
                story.fault(fault)
                story.checkout(id_)
                story.checkout(id_)
                story.pay(id_)
                story.fault(fault)
                story.end_page(id_)
                story.verify()
                self.assertPayment(story, id_, 'succeeded', 42)

    def test_gone_after_confirm(self):
        "Stripe confirms, does not answer, and is gone for three days"
        for way in ['token', 'saved']:
            with self.subTest(way=way):
                story = self.story()
                story.fault('drop_after', 1, CONFIRM)
                id_ = story.add_payment(way)
                self.assertPayment(story, id_, 'processing', 42)
                story.gone()
                story.verify()
                self.assertPayment(story, id_, 'succeeded', 42)

    def test_gone_after_refund(self):
        "Stripe refunds, does not answer, and is gone for three days"
        story = self.story()
        id_ = story.add_payment('token')
        story.fault('drop_after', 1, 'POST /v1/refunds')
        story.add_refund(id_, 50)
        story.gone()
        story.verify()
        self.assertPayment(story, id_, 'succeeded', 21)

    def test_refund_under_way(self):
        "A refund whose answer was lost is not a draft that is sent as another"
        story = self.story()
        id_ = story.add_payment('token')
        story.fault('drop_after', 1, 'POST /v1/refunds')
        story.add_refund(id_, 50)
        refund, = story.refunds
        row = story._read(refund, 'account.payment.stripe.refund')
        self.assertEqual(row['state'], 'processing')
        self.settle(story)
        story.verify()
        self.assertPayment(story, id_, 'succeeded', 21)

    def test_saved_failure_of_refund(self):
        "Stripe refunds and answers 500, again and again"
        story = self.story()
        id_ = story.add_payment('token')
        story.fault('500_after', 3, 'POST /v1/refunds')
        story.add_refund(id_, 50)
        self.settle(story)
        story.verify()
        self.assertPayment(story, id_, 'succeeded', 21)

    def test_killed(self):
        "The process is killed at each request and commit"
        for where in ['before', 'after', 'commit_before', 'commit_after']:
            for count in range(1, 9):
                with self.subTest(where=where, count=count):
                    story = self.story()
                    id_ = story.add_payment('token', later=True)
                    story.kill(where, count)
                    story.work()
                    story.verify()
                    self.assertPayment(story, id_, 'succeeded', 42)

    def test_killed_refund(self):
        "The process is killed at each request and commit of a refund"
        for where in ['before', 'after', 'commit_before', 'commit_after']:
            for count in range(1, 7):
                with self.subTest(where=where, count=count):
                    story = self.story()
                    id_ = story.add_payment('token')
                    story.add_refund(id_, 50, later=True)
                    story.kill(where, count)
                    story.work()
                    story.verify()
                    self.assertPayment(story, id_, 'succeeded', 21)

    def test_drafted_with_open_page(self):
        "A browser cannot pay a payment that is set back to draft"
        story = self.story()
        id_ = story.add_payment('page', process=False)
        story.checkout(id_)
        story.press('draft', id_)
        story.pay(id_)
        story.verify()
        self.assertPayment(story, id_, 'draft', 42, charged=0)

    def test_failed_with_open_page(self):
        "A browser cannot pay a payment that a user failed"
        story = self.story()
        id_ = story.add_payment('saved challenged')
        story.checkout(id_)
        story.press('fail', id_)
        story.pay(id_)
        story.verify()
        self.assertPayment(story, id_, 'failed', 42, charged=0)

    def test_drafted_when_paid(self):
        "A payment that is paid is not set back to draft"
        story = self.story()
        id_ = story.add_payment('page', process=False)
        story.checkout(id_)
        story.pay(id_)
        story.press('draft', id_)
        story.verify()
        self.assertPayment(story, id_, 'succeeded', 42)

    def test_two_browsers(self):
        "Two browsers pay the same payment"
        story = self.story()
        id_ = story.add_payment('page', process=False)
        story.checkout(id_)
        story.checkout(id_)
        story.pay(id_, 0)
        story.pay(id_, 1)
        story.verify()
        self.assertPayment(story, id_, 'succeeded', 42)

    def test_user_meanwhile(self):
        "A user presses buttons while a worker is under way"
        for button in ['fail', 'stripe_do_pull', 'stripe_checkout']:
            for where in ['before', 'after']:
                for count in range(1, 4):
                    with self.subTest(button=button, where=where,
                            count=count):
                        story = self.story()
                        id_ = story.add_payment('token', process=False)
                        story.meanwhile(
                            where, count, lambda: story.press(button, id_))
                        story.process(id_)
                        story.verify()

    def test_workers_meanwhile(self):
        "A second worker takes a payment of which the lease has ended"
        for where in ['before', 'after']:
            for count in range(1, 4):
                with self.subTest(where=where, count=count):
                    story = self.story()
                    id_ = story.add_payment('token', process=False)

                    def second():
                        story.expire()
                        story.cron('charge')
                    story.meanwhile(where, count, second)
                    story.process(id_)
                    story.verify()
                    self.assertPayment(story, id_, 'succeeded', 42)

    def test_second_refund_run_meanwhile(self):
        "A second run takes a refund of which the lease has ended"
        for where in ['before', 'after']:
            for count in range(1, 3):
                with self.subTest(where=where, count=count):
                    story = self.story()
                    id_ = story.add_payment('token')
                    story.add_refund(id_, 50, later=True)

                    def second():
                        story.expire()
                        story.cron('refund')
                    story.meanwhile(where, count, second)
                    story.work()
                    story.verify()
                    self.assertPayment(story, id_, 'succeeded', 21)

    def test_captured_amount(self):
        "What the user lowered is captured"
        story = self.story()
        id_ = story.add_payment('token', capture=False)
        story.capture(id_, 33)
        story.verify()
        self.assertPayment(story, id_, 'succeeded', '13.86')

    def test_wrong_key(self):
        "A key that is refused fails nothing"
        story = self.story()
        story.key(False)
        id_ = story.add_payment('token')
        self.assertPayment(story, id_, 'processing', 42, charged=0)
        story.verify()
        self.assertPayment(story, id_, 'succeeded', 42)

    def test_clock_of_the_server(self):
        "The clock of the server jumps and nothing waits for ever"
        for seconds in [-400 * 86400, 400 * 86400]:
            with self.subTest(seconds=seconds):
                story = self.story()
                story.fault('503', 1, CONFIRM)
                story.jump(seconds)
                id_ = story.add_payment('token')
                story.jump(-seconds)
                story.cron('charge')
                story.verify()
                self.assertPayment(story, id_, 'succeeded', 42)

    def test_currencies(self):
        "What is charged is what the payment says, in each currency"
        for currency, minor, amount in [
                ('jpy', 4200, '4200'), ('eur', 4201, '42.01'),
                ('kwd', 4210, '4.21')]:
            with self.subTest(currency=currency):
                story = self.story()
                id_ = story.add_payment(
                    'token', minor=minor, currency=currency)
                story.verify()
                self.assertPayment(story, id_, 'succeeded', amount)
                self.assertEqual(story._charged(id_)[0]['amount'], minor)
