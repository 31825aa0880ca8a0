# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Stories of restored databases, other accounts, and what comes late."""
from .faults_case import StageTestCase


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
