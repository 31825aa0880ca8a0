# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Random stories: hypothesis chooses what happens, and shrinks what fails.

Each rule is something that somebody does or that goes wrong; a failure prints
the shortest story that hypothesis could find.
"""
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize, precondition, rule, run_state_machine_as_test)

from trytond.modules.account_payment_stripe.tests.stories.engine import (
    CARDS, DIGITS, HTTP_FAULTS, OTHER_FAULTS, WAYS, Stage, Story, Violation)
from trytond.modules.account_payment_stripe.tests.stories.mail import MODES
from trytond.modules.account_payment_stripe.tests.stories.more import More

__all__ = [
    'FAULTS', 'Results', 'Stage', 'Story', 'Violation', 'play']

FAULTS = HTTP_FAULTS + OTHER_FAULTS
STEPS = 14
# Whether the database is restored in a story
RESTORES = [False, False, False, True]
CONFIRM = 'POST /v1/payment_intents/*/confirm'
MATCHES = [
    None, None, None, None, CONFIRM, 'POST /v1/payment_intents',
    'GET /v1/payment_intents/*', 'POST /v1/payment_intents/*/capture',
    'POST /v1/payment_intents/*/cancel', 'POST /v1/refunds',
    'GET /v1/refunds**', 'POST /v1/customers', 'POST /v1/payment_methods**',
    'GET /v1/events**', 'GET /v1/payment_intents/search']

which = st.integers(0, 3)
times = st.integers(1, 3)
point = st.sampled_from(['before', 'after'])
count = st.integers(1, 6)
shares = st.sampled_from([100, 50, 33])
later = st.booleans()
currencies = st.sampled_from(list(DIGITS))
# Most stories have a mail server that works, the silent one takes long
posts = st.sampled_from(['works'] * 6 + MODES[1:])
crons = st.sampled_from(list(Story.CRONS))
buttons = st.sampled_from(['draft', 'fail', 'stripe_do_pull'])
# The usual ones are the most likely
ways = st.tuples(
    st.sampled_from(['token', 'saved', 'saved challenged', *WAYS]),
    st.booleans())
actions = st.sampled_from([
        'process', 'process', 'look', 'capture', 'refund', 'customer',
        'deliver', 'events', 'checkout', 'draft', 'fail', 'stripe_do_pull'])
faults = st.sampled_from(HTTP_FAULTS)
matches = st.sampled_from(MATCHES)
# What is already wrong when the first payment is processed
early = st.one_of(
    st.none(), st.tuples(faults, st.integers(1, 2), matches))
orders = st.sampled_from(['first', 'last', 'middle'])
# What happens while the module waits for Stripe
MEANWHILE = [
    'draft', 'fail', 'stripe_do_pull', 'capture', 'checkout', 'pay',
    'cron charge', 'cron capture', 'cron refund', 'cron events', 'deliver',
    'deliver', 'deliver', 'deliver last', 'expired charge',
    'expired capture', 'expired refund',
    'refund', 'cancel', 'wait', 'dispute', 'jump', 'dashboard refund']


class Results:
    "How many schedules were played, what they hit and what they broke"

    def __init__(self):
        self.schedules = 0
        self.steps = 0
        self.hits = {name: 0 for name in FAULTS}
        # The hits of the schedule played last
        self.last = {}

    def add(self, story):
        self.schedules += 1
        self.steps += len(story.told)
        self.last = dict(story.hits)
        for name, number in story.hits.items():
            if number:
                self.hits[name] = self.hits.get(name, 0) + 1


def machine(stage, results):
    "Return the class of the machine that plays on the stage"

    class Stripe(More):

        @initialize(
            hook=st.sampled_from(['signed', 'signed', 'bare', 'polled']),
            pace=st.sampled_from([0, 1]),
            way=ways,
            currency=currencies, post=posts,
            process=st.booleans(), later=later,
            restores=st.sampled_from(RESTORES),
            swaps=st.sampled_from(RESTORES), release=later,
            early=early)
        def begin(
                self, hook, pace, way, currency, post, process, later,
                restores, swaps, release, early):
            self.story = Story(
                stage, hook=hook, pace=pace, post=post, release=release)
            self.restores = restores
            # What is at another account would not be found after a restore
            self.swaps = swaps and not restores
            if early:
                self.story.fault(*early)
            self.story.add_payment(
                way[0], currency=currency, capture=way[1], process=process,
                later=later)

        @rule(
            action=st.sampled_from([
                    'new', 'process', 'capture', 'refund', 'checkout',
                    'draft', 'fail', 'stripe_do_pull', 'refund draft',
                    'refund submit', 'refund approve', 'customer']),
            which=which, way=ways, currency=currencies,
            share=shares, later=later)
        def user(self, action, which, way, currency, share, later):
            story, id_ = self.story, self.payment(which)
            if action == 'new':
                if len(story.payments) < 3:
                    story.add_payment(
                        way[0], currency=currency, capture=way[1],
                        later=later)
            elif action == 'process':
                story.process(id_, later)
            elif action == 'capture':
                story.capture(id_, share, later)
            elif action == 'refund':
                story.add_refund(id_, share, later=later)
            elif action.startswith('refund '):
                story.press_refund(action[len('refund '):], which)
            elif action == 'checkout':
                story.checkout(id_)
            elif action == 'customer':
                if len(story.customers) < 2:
                    story.add_customer()
            else:
                story.press(action, id_, later)

        @rule(
            which=which, browser=which,
            card=st.sampled_from(['visa', *CARDS]),
            authenticate=st.sampled_from([True, True, False, None]),
            end=st.booleans(),
            source=st.sampled_from(
                ['chargeable', 'chargeable', 'failed', 'canceled']))
        def payer(self, which, browser, card, authenticate, end, source):
            story, id_ = self.story, self.payment(which)
            if story.ways[id_] == 'source':
                story.source(id_, source)
            if not story.seen.get(id_):
                story.checkout(id_)
            story.pay(id_, browser, card, authenticate)
            if end:
                story.end_page(id_)

        @rule(name=crons)
        def cron(self, name):
            self.story.work()
            self.story.cron(name)

        @precondition(lambda self: self.story.deliveries)
        @rule(number=times, order=orders, double=st.booleans(),
            version=st.sampled_from([None, None, '2030-01-01.future']),
            lost=st.sampled_from([False, False, True]))
        def webhook(self, number, order, double, version, lost):
            if lost:
                self.story.lose(number)
            else:
                self.story.deliver(number, order, double, version)

        @rule(
            what=st.sampled_from([
                    'cancel', 'refund', 'refund some', 'refund odd',
                    'capture', 'capture some', 'capture odd', 'dispute',
                    'dispute some', 'lose', 'win', 'bounce', 'foreign',
                    'forge']),
            which=which)
        def elsewhere(self, what, which):
            if what == 'foreign':
                self.story.foreign()
            elif what == 'forge':
                self.story.forge(which)
            else:
                self.story.dashboard(what, self.payment(which))

        @rule(name=st.sampled_from(HTTP_FAULTS), times=times,
            match=st.sampled_from(MATCHES))
        def fault(self, name, times, match):
            self.story.fault(name, times, match)

        @rule(what=st.sampled_from([
                    1, 90, 400, 4000, 90000, 'gone', 'revoked', 'restored',
                    -400 * 86400, 400 * 86400]))
        def passing(self, what):
            if what == 'gone':
                self.story.gone()
            elif what in {'revoked', 'restored'}:
                self.story.key(what == 'restored')
            elif abs(what) > 90000:
                self.story.jump(what)
            else:
                self.story.wait(what)

        @rule(mode=st.sampled_from(MODES))
        def mail(self, mode):
            self.story.mail(mode)

        @rule(which=which, to=currencies, forced=st.booleans())
        def journal(self, which, to, forced):
            story = self.story
            currency = story.currency_of(self.payment(which))
            if forced:
                story.force_currency(currency, to)
            else:
                story.change_currency(currency, to)

        # Something goes wrong, or happens, just during an action

        @rule(action=actions, which=which, way=ways, fault=faults,
            match=matches, times=times)
        def with_fault(self, action, which, way, fault, match, times):
            act = self.prepare(action, which, way)
            self.story.fault(fault, times, match)
            act()
            self.story.calm()

        @rule(action=actions, which=which, way=ways, where=st.sampled_from(
                ['before', 'after', 'commit_before', 'commit_after']),
            count=count)
        def killed(self, action, which, way, where, count):
            act = self.prepare(action, which, way)
            self.story.kill(where, count)
            act()
            self.story.calm()

        @rule(action=actions, which=which, way=ways,
            kind=st.sampled_from(['conflict_before', 'lost_after']),
            count=count)
        def disturbed(self, action, which, way, kind, count):
            act = self.prepare(action, which, way)
            self.story.disturb(kind, count)
            act()
            self.story.calm()

        @rule(action=actions, which=which, way=ways, where=point,
            count=count, what=st.sampled_from(MEANWHILE), whose=which)
        def at_once(self, action, which, way, where, count, what, whose):
            act = self.prepare(action, which, way)
            if action == 'process':
                whose = -1
            self.story.meanwhile(
                where, count, lambda: self.happen(what, whose))
            act()
            self.story.calm()

        def prepare(self, action, which, way):
            "Return the function of the action when all is there for it"
            story = self.story
            way, capture = way
            if action == 'process':
                if len(story.payments) < 4:
                    id_ = story.add_payment(
                        way, capture=capture, process=False)
                else:
                    id_ = self.payment(which)
                return lambda: story.process(id_)
            elif action == 'look':
                story.wait(90000)
                return lambda: story.cron('charge')
            elif action == 'capture':
                id_ = story.first('processing', capturable=True)
                if not id_ and len(story.payments) < 4:
                    id_ = story.add_payment('token', capture=False)
                return lambda: story.capture(id_ or self.payment(which), 50)
            elif action == 'refund':
                id_ = story.first('succeeded')
                if not id_ and len(story.payments) < 4:
                    id_ = story.add_payment('token')
                return lambda: story.add_refund(id_ or self.payment(which), 50)
            elif action == 'customer':
                if len(story.customers) < 2:
                    story.add_customer()
                return lambda: story.cron('customer')
            elif action == 'deliver':
                return lambda: story.deliver(3)
            elif action == 'events':
                return lambda: story.cron('events')
            elif action == 'checkout':
                return lambda: story.checkout(self.payment(which))
            elif action == 'pay':
                return lambda: self.happen('pay', -1)
            return lambda: story.press(action, self.payment(which))

        def happen(self, what, which):
            story, id_ = self.story, self.payment(which)
            if what in {'draft', 'fail', 'stripe_do_pull'}:
                story.press(what, id_)
            elif what in {'capture', 'checkout'}:
                getattr(story, what)(id_)
            elif what == 'pay':
                story.checkout(id_)
                story.pay(id_)
            elif what == 'refund':
                story.add_refund(id_, 50)
            elif what.startswith('cron '):
                story.cron(what[len('cron '):])
            elif what.startswith('expired '):
                story.expire()
                story.cron(what[len('expired '):])
            elif what == 'deliver':
                story.deliver(3)
            elif what == 'deliver last':
                story.deliver(3, 'last')
            elif what == 'wait':
                story.wait(30)
            elif what == 'jump':
                story.jump(3600)
            elif what == 'dashboard refund':
                story.dashboard('refund some', id_)
            else:
                story.dashboard(what, id_)

        def teardown(self):
            if self.story is None:
                return
            try:
                self.story.verify()
            finally:
                results.add(self.story)
                stage.story = None

    return Stripe


def play(stage, examples, results, steps=STEPS, seed=None, shrink=True,
        database=None):
    """Play the number of examples, raise Violation for one that fails.

    seed: None plays other stories each time."""
    import hypothesis
    phases = [Phase.generate]
    if shrink:
        phases.append(Phase.shrink)
    options = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None,
        database=database, phases=phases, print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck))
    class_ = machine(stage, results)
    if seed is not None:
        class_ = hypothesis.seed(seed)(class_)
    run_state_machine_as_test(class_, settings=options)
