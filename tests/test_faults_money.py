# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Stories in which the currency, or the mail server, is not as expected."""
from .stories.case import StageTestCase
from .stories.mail import MODES


class MoneyStoryTestCase(StageTestCase):
    "Currencies with other digits, and journals that get another one"

    def test_each_currency(self):
        "Authorize, capture a part and refund half of it in each currency"
        for currency in self.engine.DIGITS:
            for hook in ['signed', 'polled']:
                with self.subTest(currency=currency, hook=hook):
                    story = self.story(hook=hook)
                    id_ = story.add_payment(
                        'token', currency=currency, capture=False)
                    self.settle(story)
                    story.capture(id_, 50)
                    self.settle(story)
                    story.add_refund(id_, 50)
                    self.settle(story)
                    story.verify()
                    self.assertEqual(story._read(id_)['state'], 'succeeded')
                    self.assertEqual(len(story.refunds), 1)

    def test_each_currency_on_the_page(self):
        for currency in self.engine.DIGITS:
            with self.subTest(currency=currency):
                story = self.story()
                id_ = story.add_payment(
                    'page', currency=currency, process=False)
                story.checkout(id_)
                story.pay(id_)
                story.end_page(id_)
                story.dashboard('refund some', id_)
                story.verify()
                self.assertEqual(story._read(id_)['state'], 'succeeded')

    def test_odd_fractions(self):
        "What the digits cannot express is told, until it is even again"
        for what in ['refund odd', 'capture odd']:
            for hook in ['signed', 'polled']:
                with self.subTest(what=what, hook=hook):
                    story = self.story(hook=hook)
                    id_ = story.add_payment(
                        'token', currency='huf less',
                        capture=what == 'refund odd')
                    other = story.add_payment('token', currency='huf less')
                    self.settle(story)
                    story.dashboard(what, id_)
                    story.verify()
                    self.assertTrue(story.hits['digits too few'])
                    row = story._read(id_)
                    self.assertEqual(row['stripe_waiting_for'], 'check')
                    self.assertIn('HUF', row['stripe_error_message'])
                    self.assertEqual(story._read(other)['state'], 'succeeded')
                    if what == 'refund odd':
                        # And nobody presses a button
                        story.dashboard(what, id_)
                        story.hits.clear()
                        story.verify()
                        self.assertFalse(story.hits['digits too few'])
                        self.assertPayment(story, id_, 'succeeded', 4179)

    def test_changed_currency(self):
        "Whatever is done while the journal is in another currency"
        def nothing(story, id_):
            pass

        def refund(story, id_):
            story.add_refund(id_, 50)

        def capture(story, id_):
            story.capture(id_, 50)

        def dashboard(story, id_):
            story.dashboard('refund some', id_)

        def dispute(story, id_):
            story.dashboard('dispute', id_)
            story.dashboard('lose', id_)
        for capture_, action in [
                (True, nothing), (True, refund), (True, dashboard),
                (True, dispute), (False, capture), (False, nothing)]:
            for hook in ['signed', 'polled']:
                with self.subTest(action=action.__name__, hook=hook):
                    story = self.story(hook=hook)
                    id_ = story.add_payment('token', capture=capture_)
                    story.force_currency('eur', 'jpy')
                    action(story, id_)
                    self.settle(story)
                    story._deliver_all() if hook == 'signed' else None
                    self.settle(story)
                    story.verify()
                    self.assertFalse(
                        [r for r in story.simulator.requests
                            if r['account'] == story.name
                            and r['path'].endswith(('capture', 'refunds'))
                            and r['method'] == 'POST'
                            and r['params'].get('metadata[tryton_refund]')])

    def test_currency_of_journal_stays(self):
        "The client cannot change it once there is a payment"
        for process in [True, False]:
            story = self.story()
            story.add_payment('token', process=process)
            story.change_currency('eur', 'usd')
            story.verify()
            self.assertTrue(story.hits['currency of a journal kept'])

    def test_page_in_other_currency(self):
        "Who has the page open pays in the currency that it shows"
        story = self.story()
        id_ = story.add_payment('page', process=False)
        story.checkout(id_)
        story.force_currency('eur', 'usd')
        story.checkout(id_)
        self.assertEqual(len(story.seen[id_]), 1)
        story.pay(id_)
        story.end_page(id_)
        self.assertEqual(story._read(id_)['state'], 'submitted')
        story.verify()
        self.assertPayment(story, id_, 'succeeded', 42)


class MailStoryTestCase(StageTestCase):
    "Nothing but e-mails depends on the mail server"

    def test_each_mail_server(self):
        "A declined card, and others that are charged beside it"
        for mode in MODES:
            for hook in ['signed', 'polled']:
                with self.subTest(mode=mode, hook=hook):
                    story = self.story(hook=hook, post=mode)
                    declined = story.add_payment(
                        'saved declined', later=True)
                    paid = story.add_payment('token', later=True)
                    challenged = story.add_payment(
                        'saved challenged', later=True)
                    story.work()
                    for name in ['charge', 'events']:
                        story.cron(name)
                    self.assertEqual(story._read(paid)['state'], 'succeeded')
                    for id_ in [declined, challenged]:
                        row = story._read(id_)
                        self.assertEqual(
                            (row['state'], row['stripe_waiting_for']),
                            ('processing', 'payer'))
                    story.verify()
                    refused = mode in {'address refused', 'mail refused'}
                    self.assertEqual(
                        len(story.mails), 0 if refused else 2)
                    for id_ in [declined, challenged]:
                        self.assertEqual(
                            bool(story._read(id_)['stripe_mail_error']),
                            refused)
                    if mode != 'works':
                        self.assertTrue(story.hits['mail server %s' % mode])
