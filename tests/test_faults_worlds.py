# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Stories of restored databases, other accounts, and what comes late."""
from .stories.case import StageTestCase


class WorldStoryTestCase(StageTestCase):
    "Stories in which the account at Stripe is another for a while"

    def test_missed_at_former_account(self):
        "What Stripe does not tell is found at the account of the payment"
        story = self.story()
        story.swap_journals(True)
        id_ = story.add_payment('token')
        self.assertPayment(story, id_, 'succeeded', 42)
        story.swap_journals(False)
        story.cron('events')
        story.miss('*')
        story.wait(5)
        story.dashboard('refund some', id_)
        story.verify()
        self.assertPayment(story, id_, 'succeeded', 28)

    def test_made_by_another_key(self):
        "What another key has made waits for it, and is charged once"
        story = self.story()
        story.swap_key(True)
        id_ = story.add_payment('page', process=False)
        story.checkout(id_)
        story.swap_key(False)
        story.pay(id_)
        story.press('draft', id_)
        self.assertPayment(story, id_, 'submitted', 42)
        story.verify()
        self.assertPayment(story, id_, 'succeeded', 42)

    def test_given_up_at_former_account(self):
        "A payment can be failed though the journal has another account"
        story = self.story()
        id_ = story.add_payment('saved', later=True)
        story.swap_journals(True)
        story.work()
        story.press('fail', id_)
        self.assertPayment(story, id_, 'failed', 42, charged=0)
        story.verify()

    def test_saved_card_of_former_account(self):
        "What Stripe says is stored though the journal has another account"
        for way, state in [
                ('saved debit', 'succeeded'), ('saved declined', 'processing'),
                ('saved', 'succeeded')]:
            with self.subTest(way=way):
                story = self.story()
                id_ = story.add_payment(way, later=True)
                if way == 'saved debit':
                    story.work()
                story.swap_journals(True)
                story.work()
                if way == 'saved debit':
                    self.settle(story)
                    self.assertPayment(story, id_, 'succeeded', 42)
                story.verify()
                self.assertPayment(
                    story, id_, state, 42, charged=state == 'succeeded')


class AfterwardsStoryTestCase(StageTestCase):
    "Stories of restored databases, and of what payers and banks do later"

    def test_page_of_before_the_restore(self):
        "Whoever has such a page pays once, whatever was edited"
        for quick in [True, False]:
            for steps in [
                    ['card', 'process'],
                    ['draft', 'amount', 'submit', 'card', 'process'],
                    ['draft', 'submit', 'checkout']]:
                with self.subTest(quick=quick, steps=steps):
                    story = self.story()
                    id_ = story.add_payment('page', process=False)
                    story.backup()
                    story.checkout(id_)
                    story.restore(quick)
                    for step in steps:
                        if step in {'card', 'amount'}:
                            story.edit(id_, step)
                        elif step == 'draft':
                            story.press(step, id_)
                        else:
                            getattr(story, step)(id_)
                    story.old_tab(id_)
                    story.verify()
                    # The page is closed, or is the one that pays
                    charged = 'card' in steps or quick
                    self.assertEqual(
                        (story._read(id_)['state'],
                            len(story._charged(id_))),
                        ('succeeded', 1) if charged else ('submitted', 0))

    def test_paid_before_the_restore(self):
        "What was paid is not paid again, whatever was edited"
        for quick in [True, False]:
            with self.subTest(quick=quick):
                story = self.story()
                id_ = story.add_payment('page', process=False)
                story.backup()
                story.checkout(id_)
                story.pay(id_)
                story.restore(quick)
                story.edit(id_, 'card')
                story.process(id_)
                self.settle(story)
                story.verify()
                self.assertPayment(story, id_, 'succeeded', 42)

    def test_dispute_that_reopens(self):
        "What a bank decides is not the last word"
        story = self.story()
        id_ = story.add_payment('token')
        for what, amount in [
                ('open', 42), ('lose', 21), ('win late', 42), ('reopen', 42),
                ('lose', 21), ('appeal', 21), ('appeal won', 42)]:
            story.bank(what, id_)
            story._play_out()
            self.assertPayment(story, id_, 'succeeded', amount)
        story.verify()

    def test_part_of_a_transfer(self):
        "What has arrived in part is not cancelled, and can be completed"
        story = self.story()
        id_ = story.add_payment('page of a customer', process=False)
        story.checkout(id_)
        story.pay_elsewhere(id_, by='transfer')
        story.transfer('receive some', id_)
        story.press('draft', id_)
        story.process(id_)
        story.press('fail', id_)
        story._play_out()
        story._check_partly(id_)
        self.assertEqual(
            story._read(id_)['stripe_waiting_for'], 'transfer')
        story.transfer('receive', id_)
        story.verify()
        self.assertPayment(story, id_, 'succeeded', 42)

    def test_later_than_500(self):
        "What Stripe completes after a 500 is done once"
        requests = [
            'POST /v1/payment_intents', 'POST /v1/payment_intents/*/confirm',
            'POST /v1/payment_intents/*/capture', 'POST /v1/refunds']
        for request in requests:
            for times in [1, 2]:
                with self.subTest(request=request, times=times):
                    story = self.story()
                    id_ = story.add_payment(
                        'token', capture=False, process=False)
                    story.fault('500_later', times, request)
                    story.process(id_)
                    for _ in range(3):
                        self.settle(story)
                    story.capture(id_, 50)
                    for _ in range(3):
                        self.settle(story)
                    story.add_refund(id_, 50)
                    for _ in range(3):
                        self.settle(story)
                    story.verify()
                    self.assertPayment(story, id_, 'succeeded', '10.50')

    def test_refund_much_later_than_500(self):
        "A refund is not sent again while Stripe may still make it"
        story = self.story()
        id_ = story.add_payment('token')
        story.fault('500_later', 3, 'POST /v1/refunds')
        story.add_refund(id_, 50)
        for _ in range(30):
            story.wait(4000)
            story.cron('refund')
        story.verify()
        self.assertPayment(story, id_, 'succeeded', 21)

    def test_rest_released_by_a_refund(self):
        "What is not captured is no refund"
        for share, amount in [(50, 21), (33, '13.86')]:
            with self.subTest(share=share):
                story = self.story(release=True)
                id_ = story.add_payment('token', capture=False)
                story.capture(id_, share)
                story.verify()
                self.assertPayment(story, id_, 'succeeded', amount)

    def test_customer_of_another_party(self):
        "A double neither pays with, deletes nor renames what is another's"
        story = self.story()
        for what in [
                'double', 'typed', 'pay double', 'fill in', 'update double',
                'delete double', 'cron delete', 'pay real']:
            story.own(what)
        story.verify()
        self.assertPayment(story, story.payments[-1], 'succeeded', 42)
        story.own('merge')
        story.own('pay double')
        story.own('gone at Stripe')
        story.verify()
