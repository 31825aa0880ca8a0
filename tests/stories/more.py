# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Rules about restored databases, other accounts, and what comes late."""
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from trytond.modules.account_payment_stripe.tests.stories.elsewhere import (
    DISPUTES, HISTORIES, TRANSFERS)
from trytond.modules.account_payment_stripe.tests.stories.mail import MODES
from trytond.modules.account_payment_stripe.tests.stories.owners import OWNERS
from trytond.modules.account_payment_stripe.tests.stories.users import CARDS

which = st.integers(0, 3)
EDITS = ['reference', 'customer', 'card', 'amount']
# What follows a restore, or another key
AFTER = [
    *('edit ' + e for e in EDITS), 'draft', 'submit', 'process', 'process',
    'checkout', 'tab', 'tab', 'wait', 'deliver', 'cron charge', 'cron events',
    'fail', 'stripe_do_pull', 'pay']


class More(RuleBasedStateMachine):

    def __init__(self):
        super().__init__()
        self.story = None
        self.restores = self.swaps = False

    def payment(self, which):
        payments = self.story.payments
        return payments[which % len(payments)]

    def follow(self, what, id_):
        story = self.story
        if what.startswith('edit '):
            story.edit(id_, what[len('edit '):])
        elif what in {'draft', 'fail', 'stripe_do_pull'}:
            story.press(what, id_)
        elif what in {'submit', 'process', 'checkout', 'pay'}:
            getattr(story, what)(id_)
        elif what == 'tab':
            story.old_tab(id_)
        elif what == 'wait':
            story.wait(400)
        elif what == 'deliver':
            story.deliver(3)
        else:
            story.cron(what[len('cron '):])

    @precondition(lambda self: self.restores)
    @rule(quick=st.booleans())
    def database(self, quick):
        if self.story._backup:
            self.story.restore(quick)
        else:
            self.story.backup()

    @precondition(lambda self: self.restores)
    @rule(
        action=st.sampled_from([
                'process', 'checkout', 'checkout', 'pay', 'capture',
                'refund']),
        which=which, way=st.sampled_from(
            ['saved', 'token', 'saved debit', 'page', 'page of a customer']),
        quick=st.booleans(),
        after=st.lists(st.sampled_from(AFTER), max_size=5))
    def lost(self, action, which, way, quick, after):
        "What is done after the backup is done again, or something else"
        story = self.story
        if action in {'pay', 'checkout'} and len(story.payments) < 4:
            story.add_payment('page', process=False)
            which = -1
        act = self.prepare(action, which, (way, True))
        id_ = story.payments[
            -1 if action == 'process' else which % len(story.payments)
            if which >= 0 else -1]
        story.backup()
        act()
        story.restore(quick)
        if id_ not in story.payments:
            return
        for what in after:
            self.follow(what, id_)

    @precondition(lambda self: self.restores)
    @rule(which=which, what=st.sampled_from(AFTER))
    def edited(self, which, what):
        self.follow(what, self.payment(which))

    @precondition(lambda self: any(self.story.tabs.values()))
    @rule(which=which, tab=which, card=st.sampled_from(['visa', *CARDS]))
    def tab(self, which, tab, card):
        self.story.old_tab(self.payment(which), tab, card)

    @precondition(lambda self: self.swaps)
    @rule(what=st.sampled_from(['key', 'journals']), other=st.booleans())
    def account(self, what, other):
        if what == 'key':
            self.story.swap_key(other)
        else:
            self.story.swap_journals(other)

    @precondition(lambda self: self.swaps)
    @rule(
        what=st.sampled_from(['key', 'key', 'journals']), which=which,
        before=st.sampled_from([None, 'process', 'checkout', 'refund']),
        after=st.lists(st.sampled_from(AFTER), min_size=1, max_size=4))
    def meantime(self, what, which, before, after):
        "Things go on while the key, or account, is another one"
        story, id_ = self.story, self.payment(which)
        if before == 'refund':
            story.add_refund(id_, 50, later=True)
        elif before:
            getattr(story, before)(id_)
        swap = story.swap_key if what == 'key' else story.swap_journals
        swap(True)
        story.work()
        for step in after:
            self.follow(step, id_)
        swap(False)

    @rule(which=which, browser=which,
        by=st.sampled_from(['voucher', 'transfer']),
        then=st.sampled_from([None, *TRANSFERS]), end=st.booleans(),
        press=st.sampled_from([None, None, 'draft', 'fail', 'process']),
        currency=st.sampled_from([None, 'eur', 'usd', 'jpy']))
    def elsewhere_paid(
            self, which, browser, by, then, end, press, currency):
        story, id_ = self.story, self.payment(which)
        if currency and len(story.payments) < 4:
            id_ = story.add_payment(
                'page' if by == 'voucher' else 'page of a customer',
                currency=currency, process=False)
        if not story.seen.get(id_):
            story.checkout(id_)
        story.pay_elsewhere(id_, browser, by)
        if end:
            story.end_page(id_)
        if then:
            story.transfer(then, id_)
        if press == 'process':
            story.process(id_)
        elif press:
            story.press(press, id_)

    @rule(
        mode=st.sampled_from(MODES[1:]), way=st.sampled_from(
            ['saved challenged', 'saved declined', 'token challenged']))
    def refused_without_mail(self, mode, way):
        if len(self.story.payments) < 4:
            self.story.mail(mode)
            self.story.add_payment(way)

    @rule(what=st.sampled_from(['refund odd', 'capture odd']))
    def odd(self, what):
        "What the digits of the currency cannot express"
        story = self.story
        if len(story.payments) < 4:
            story.dashboard(what, story.add_payment(
                    'token', currency='huf less', capture='refund' in what))

    @rule(types=st.sampled_from([
                'charge.dispute.*', 'refund.*', 'charge.refund*',
                'payment_intent.*', '*', None]))
    def missed(self, types):
        self.story.miss(types)

    @rule(which=which, what=st.sampled_from(TRANSFERS))
    def transfers(self, which, what):
        self.story.transfer(what, self.payment(which))

    @precondition(lambda self: not self.restores)
    @rule(what=st.lists(st.sampled_from(OWNERS), min_size=1, max_size=4))
    def owners(self, what):
        for step in what:
            self.story.own(step)

    @rule(which=which, what=st.one_of(
            st.sampled_from(HISTORIES),
            st.lists(st.sampled_from(DISPUTES), min_size=1, max_size=5)),
        deliver=st.booleans())
    def bank(self, which, what, deliver):
        story = self.story
        id_ = story.first('succeeded')
        if not id_ and len(story.payments) < 4:
            id_ = story.add_payment('token')
        id_ = id_ or self.payment(which)
        for step in what:
            story.bank(step, id_)
            if deliver:
                story.deliver(9)
