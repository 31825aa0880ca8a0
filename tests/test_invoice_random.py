# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Whatever is paid otherwise meanwhile, no page takes more than what is left.

STRIPE_INVOICE_SECONDS is how long random stories are played,
STRIPE_INVOICE_SEED which ones."""
import datetime as dt
import os
import random
import re
import time
import unittest
from decimal import Decimal

from proteus import Model, Wizard

from trytond.exceptions import UserError, UserWarning
from trytond.modules.account.tests.tools import (
    create_chart, create_fiscalyear, get_accounts)
from trytond.modules.account_invoice.tests.tools import (
    set_fiscalyear_invoice_sequences)
from trytond.modules.company.tests.tools import create_company, get_company
from trytond.pool import Pool
from trytond.tests.test_tryton import drop_db
from trytond.tests.tools import activate_modules
from trytond.transaction import Transaction

from .simulator.errors import StripeError
from .tools import (
    browse, create_stripe_account, create_stripe_journal, process_payments,
    run_cron, start_simulator)

SECONDS = int(os.environ.get('STRIPE_INVOICE_SECONDS', 30))
SEED = int(os.environ.get('STRIPE_INVOICE_SEED', 0))
LENGTH = 14
# Steps and their weights
STEPS = {
    'link': 5, 'bank': 5, 'pay': 3, 'reload': 3, 'part': 2, 'cron': 2,
    'up': 2, 'down': 2, 'demand': 2, 'process': 1, 'draft': 1, 'decline': 1,
    'settle': 1, 'block': 1, 'unblock': 1, 'forget': 1, 'address': 1}
OPEN = {'requires_payment_method', 'requires_confirmation'}
DECLINED = '4000000000000002'


class InvoiceRandomTestCase(unittest.TestCase):
    "Test the link of an invoice in random stories"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.config = activate_modules(
            ['account_payment_stripe', 'account_payment_clearing',
                'account_invoice'], create_company, create_chart)
        cls.addClassCleanup(drop_db)
        cls.simulator = start_simulator()
        cls.addClassCleanup(cls.simulator.stop)
        fiscalyear = set_fiscalyear_invoice_sequences(create_fiscalyear())
        fiscalyear.click('create_period')
        cls.accounts = get_accounts()
        Account = Model.get('account.account')
        Journal = Model.get('account.journal')
        Party = Model.get('party.party')
        Term = Model.get('account.invoice.payment_term')
        clearing = Account(parent=cls.accounts['receivable'].parent)
        clearing.name = "Stripe Clearing"
        clearing.type = cls.accounts['receivable'].type
        clearing.reconcile = True
        clearing.save()
        cls.account = create_stripe_account(cls.simulator, 'random')
        cls.account.part_payment = True
        cls.account.save()
        cls.world = cls.simulator.account('random')
        cls.journal = create_stripe_journal(cls.account)
        cls.journal.clearing_account = clearing
        cls.journal.clearing_journal, = Journal.find([('code', '=', 'REV')])
        cls.journal.save()
        cls.cash, = Journal.find([('code', '=', 'CASH')])
        rule = Model.get('account.invoice.payment.mean.rule')()
        rule.instrument = cls.journal
        rule.save()
        cls.party = Party(name="Customer")
        cls.party.save()
        cls.term = Term(name="Two")
        half = cls.term.lines.new(type='percent', ratio=Decimal('.5'))
        half.relativedeltas.new(days=10)
        cls.term.lines.new(type='remainder').relativedeltas.new(days=20)
        cls.term.save()

    def test_random(self):
        "Play random stories"
        end = time.monotonic() + SECONDS
        seed = SEED
        while seed == SEED or time.monotonic() < end:
            self.play(seed)
            seed += 1

    def play(self, seed):
        self.random = random.Random(seed)
        self.by_bank = Decimal(0)
        self.stale = False
        self.do_up()
        self.tabs = {}
        self.before = len(self.world.ledger())
        self.invoice = self.bill()
        self.address = self.invoice.stripe_checkout_address
        done = []
        for _ in range(LENGTH):
            step, = self.random.choices(list(STEPS), STEPS.values())
            done.append(step)
            with self.subTest(seed=seed, steps=' '.join(done)):
                try:
                    getattr(self, 'do_' + step)()
                except (UserError, UserWarning):
                    # It is refused in words
                    pass
                self.check()
        with self.subTest(seed=seed, steps=' '.join(done), end=True):
            self.end()

    def bill(self):
        invoice = Model.get('account.invoice')(type='out', party=self.party)
        invoice.payment_term = self.random.choice([None, self.term])
        line = invoice.lines.new()
        line.account = self.accounts['revenue']
        line.quantity = 1
        line.unit_price = Decimal(self.random.randint(40, 300))
        invoice.click('post')
        return invoice

    @property
    def left(self):
        taken = sum(m['amount'] for m in self.world.ledger()[self.before:])
        return self.invoice.total_amount - self.by_bank - Decimal(taken) / 100

    def payments(self, *domain):
        return Model.get('account.payment').find([
                ('line.move.origin', '=', str(self.invoice)), *domain])

    def check(self):
        "Nothing that is open at Stripe is more than what is left"
        if self.down or self.stale:
            return
        kept = {
            # It is on the company to fail them
            p.stripe_payment_intent_id for p in self.payments(
                ('stripe_of_invoice', '!=', True),
                ('state', '=', 'processing'))}
        amounts = [
            i['amount'] for id_, i in self.world.objects(
                'payment_intent').items()
            if id_ in self.tabs and i['status'] in OPEN and id_ not in kept]
        self.assertLessEqual(Decimal(sum(amounts)) / 100, max(self.left, 0))

    def end(self):
        "What is left can be paid, and then the invoice is paid"
        self.do_up()
        for _ in range(2):
            for page in set(self.tabs.values()):
                self.get(page + '/end')
            self.do_cron()
        self.check()
        self.do_unblock()
        if self.payments(
                ('stripe_of_invoice', '!=', True),
                ('state', 'in', ['draft', 'submitted', 'processing'])):
            return
        for _ in range(4):
            if self.left <= Decimal('.50'):
                break
            self.do_link(pay=True)
        self.invoice.reload()
        if not self.left:
            if self.by_bank < self.invoice.total_amount:
                # Else it is on who books the bank
                self.assertEqual(self.invoice.state, 'paid')
            self.assertNotRegex(self.html(self.url)[1], 'id="pay"')
        self.assertLess(self.left, 1)

    # What happens

    @property
    def url(self):
        self.invoice.reload()
        self.address = self.invoice.stripe_checkout_address or self.address
        return self.address

    def get(self, url):
        response = browse(url)
        self.assertIn(response.status_code, {
                200, 303, 400, 410, *([503] if self.down else [])})
        return response

    def html(self, url):
        response = self.get(url)
        if response.status_code == 303:
            url = response.headers['Location']
            response = self.get(url)
        return url, response.get_data(as_text=True)

    def do_link(self, entered='', pay=False):
        self.look(self.url + entered, pay=pay)

    def do_reload(self):
        if self.tabs:
            self.look(self.random.choice(list(self.tabs.values())))

    def look(self, url, pay=False):
        page, html = self.html(url)
        if 'id="pay"' not in html:
            found = re.search(r'\?line=\d+', html)
            if not found:
                return
            page, html = self.html(self.url + found.group())
        secret = re.search(r'(pi_\w+)_secret_', html)
        if secret:
            intent = secret.group(1)
            self.tabs[intent] = page
            shown = re.search(r'Pay \$([\d.,]+)', html).group(1)
            self.assertEqual(
                Decimal(shown.replace(',', '')) * 100,
                self.world.objects('payment_intent')[intent]['amount'])
            if pay:
                self.world.pay(intent)
                self.get(page + '/end')

    def do_part(self):
        self.do_link('?other=1&amount=%s' % self.random.randint(1, 200))

    def do_pay(self, card='4242424242424242'):
        if not self.tabs or self.down:
            return
        id_ = self.random.choice(list(self.tabs))
        left, quiet = self.left, not self.stale
        amount = self.world.objects('payment_intent')[id_]['amount']
        kept = self.payments(
            ('stripe_of_invoice', '!=', True), ('state', '=', 'processing'))
        try:
            self.world.pay(id_, card)
        except StripeError:
            return
        if quiet and not kept:
            self.assertLessEqual(Decimal(amount) / 100, left)
        if self.random.random() < .5:
            self.get(self.tabs[id_] + '/end')
        else:
            # Until the event is read
            self.stale = True

    def do_decline(self):
        self.do_pay(DECLINED)

    def transfer(self, amount):
        "Return the line of what has come by bank"
        move = Model.get('account.move')(journal=self.cash)
        move.lines.new(account=self.accounts['cash'], debit=amount)
        move.lines.new(
            account=self.accounts['receivable'], party=self.party,
            credit=amount)
        move.click('post')
        line, = [x for x in move.lines if x.credit]
        self.by_bank += amount
        if self.down:
            self.stale = True
        return Model.get('account.move.line')(line.id)

    def do_bank(self):
        self.invoice.reload()
        if self.left >= 2 and self.invoice.state == 'posted':
            amount = Decimal(self.random.randint(1, int(self.left)))
            self.invoice.payment_lines.append(self.transfer(amount))
            self.invoice.save()

    def do_settle(self):
        self.invoice.reload()
        lines = [x for x in self.invoice.lines_to_pay if not x.reconciliation]
        if lines and self.left == sum(x.debit for x in lines):
            line = self.random.choice(lines)
            Wizard('account.move.reconcile_lines', [
                    self.transfer(line.debit), line])

    def do_block(self, button='payment_block'):
        line = self.random.choice(self.invoice.lines_to_pay)
        self.stale |= self.down
        line.click(button)

    def do_unblock(self):
        for line in self.invoice.lines_to_pay:
            line.reload()
            if line.payment_blocked and not line.reconciliation:
                line.click('payment_unblock')

    def do_cron(self):
        run_cron('cron_fetch_events')
        run_cron('cron_charge', company=get_company())
        if not self.down:
            self.stale = False

    def do_down(self):
        self.simulator.faults.add('down')
        self.down = True

    def do_up(self):
        self.simulator.faults.clear()
        self.down = False

    def do_demand(self):
        self.invoice.reload()
        for line in self.invoice.lines_to_pay:
            if line.payment_amount > 0 and not line.reconciliation:
                payment = Model.get('account.payment')(
                    kind='receivable', journal=self.journal, party=self.party)
                payment.line = line
                payment.account = None
                payment.amount = line.payment_amount
                payment.click('submit')
                payment.reload()
                self.look(payment.stripe_checkout_address)
                return

    def do_process(self):
        if payments := self.payments(('state', '=', 'submitted')):
            process_payments([self.random.choice(payments)])

    def do_draft(self):
        if payments := self.payments(('state', '=', 'submitted')):
            self.random.choice(payments).click('draft')

    def do_forget(self):
        at = dt.datetime.now() - dt.timedelta(days=2)
        with Transaction().start(
                self.config.database_name, 0) as transaction:
            table = Pool().get('account.payment').__table__()
            transaction.connection.cursor().execute(*table.update(
                    [table.create_date, table.stripe_opened_at], [at, at]))
        self.do_cron()

    def do_address(self):
        self.invoice.click('stripe_new_address')
