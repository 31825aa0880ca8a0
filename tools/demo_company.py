# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The small company of the demo: its database, its server and its Stripe.

The environment must be set, see demo.py, before this is imported."""
import datetime as dt
import io
import os
import pathlib
import threading
import time
from contextlib import contextmanager
from decimal import Decimal
from unittest.mock import patch

import stripe
from proteus import Model, Wizard
from proteus import config as proteus_config
from werkzeug.serving import WSGIRequestHandler, make_server

from trytond import config
from trytond.modules.account.tests.tools import get_accounts
from trytond.modules.account_payment_stripe.gateway import API_BASE
from trytond.modules.account_payment_stripe.tests.tools import (
    create_stripe_account, create_stripe_journal, run_cron, start_simulator)
from trytond.modules.company.tests.tools import get_company
from trytond.modules.currency.tests.tools import get_currency
from trytond.wsgi import app

import demo_database
from demo_database import (
    ACCOUNTS, BALANCE, CLEARING_ACCOUNT, CURRENCY, DATABASE, FEES, NAME,
    PASSWORD, SUSPENSE, TRANSIT)
from demo_payer import Payer
from demo_terminal import DemoError

DAY = 24 * 60 * 60
# How long to wait for what Stripe tells
PATIENCE = {False: 15, True: 90}
CRONS = [
    'cron_charge', 'cron_capture', 'cron_refund', 'cron_create_customer',
    'cron_update_customer', 'cron_delete_customer', 'cron_fetch_events']


class _Quiet(WSGIRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log(self, *args, **kwargs):
        pass

    def make_environ(self):
        environ = super().make_environ()
        # trytond writes there once more what it logs
        environ['wsgi.errors'] = io.StringIO()
        return environ


class Company:
    "A context manager: the company with its server and Stripe account"

    password = PASSWORD
    crons = CRONS

    def __init__(self, folder, port, keys=None):
        self.folder = pathlib.Path(folder)
        self.port = port
        self.keys = keys
        self.simulator = self.world = self.server = None
        self.invoices = 1000

    @property
    def test_mode(self):
        "If it is Stripe's own test mode"
        return bool(self.keys)

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *args):
        self.stop()

    def _start(self):
        self.cached = demo_database.restore(self.folder)
        proteus_config.set_trytond(DATABASE)
        self.company = get_company()
        self._serve()
        if not self.test_mode:
            self.simulator = start_simulator()
        self._enter_keys()
        self.payer = Payer(
            self.simulator.url if self.simulator else API_BASE,
            self.test_mode)
        self.party = self.create_party("Jenny Rosen", 'jenny@example.com')

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
        if self.simulator:
            self.simulator.stop()

    # What is booked

    def accounts(self):
        "Return the accounts for what Stripe keeps, by name"
        Account = Model.get('account.account')
        return {a.name: a for a in Account.find([('name', 'in', ACCOUNTS)])}

    def account_sums(self):
        "Return the Decimal balance of each of these accounts, by name"
        return {n: a.balance for n, a in self.accounts().items()}

    # The server

    def _serve(self):
        self.server = make_server(
            '127.0.0.1', self.port, app, threaded=True,
            request_handler=_Quiet)
        self.server.daemon_threads = True
        threading.Thread(
            target=self.server.serve_forever, args=(0.05,),
            daemon=True).start()
        self.url = 'http://127.0.0.1:%d' % self.port

    # The Stripe account

    def _enter_keys(self):
        "Create the account, which is not connected, and its journal"
        if self.test_mode:
            Account = Model.get('account.payment.stripe.account')
            self.account = Account(name=NAME)
            self.account.secret_key, self.account.publishable_key = self.keys
            self.account.save()
            self._skip_old_events()
        else:
            name = 'demo%d' % os.getpid()
            self.account = create_stripe_account(self.simulator, name)
            self.world = self.simulator.account(name)
            # What payers see when they add a card
            self.account.name = NAME
            self.account.save()
        self.journal = create_stripe_journal(
            self.account, currency=get_currency(CURRENCY))
        self.journal.clearing_account = self.accounts()[CLEARING_ACCOUNT]
        self.journal.clearing_journal = self.find_journal('cash')
        self.journal.save()

    def connect(self):
        "Press Connect, where Stripe can post to this machine"
        if self.test_mode:
            return
        run_cron('cron_fetch_events')
        self.account.click('stripe_connect')
        self.account.reload()
        if not self.account.webhook_id:
            raise DemoError("The account is not connected")

    @contextmanager
    def known_as(self, host):
        "As if it were reached at the host, through a proxy with https"
        certificate = config.get('ssl', 'certificate')
        try:
            # It is read when the server starts
            with patch('trytond.url.HOSTNAME', host):
                config.set('ssl', 'certificate', 'True')
                yield
        finally:
            config.set('ssl', 'certificate', certificate or '')

    @staticmethod
    def find_journal(type):
        return Model.get('account.journal').find([('type', '=', type)])[0]

    def book_balance(self):
        "Return the new Stripe Balance, whose transactions are booked"
        accounts = self.accounts()
        balance = Model.get('account.payment.stripe.balance')(
            name=NAME, stripe_account=self.account,
            currency=get_currency(CURRENCY),
            start_date=dt.date.today() - dt.timedelta(days=1))
        balance.journal = self.find_journal('cash')
        balance.account = accounts[BALANCE]
        balance.fee_account = accounts[FEES]
        balance.transit_account = accounts[TRANSIT]
        balance.suspense_account = accounts[SUSPENSE]
        balance.save()
        return balance

    def pay_out(self):
        "Let Stripe pay out all that it keeps, return the Stripe Payout"
        self.simulator.clock.advance(8 * DAY)
        made, = self.world.payout()
        self.simulator.clock.advance(3 * DAY)
        run_cron('cron_fetch_balances')
        payout, = Model.get('account.payment.stripe.payout').find([
                ('identifier', '=', made['id'])])
        return payout

    def receive(self, payout):
        "Enter the line of the bank, and reconcile it with the payout"
        transit = self.accounts()[TRANSIT]
        Move = Model.get('account.move')
        move = Move(journal=self.find_journal('cash'))
        move.description = "STRIPE"
        move.lines.new(
            account=get_accounts(self.company)['cash'], debit=payout.amount)
        move.lines.new(account=transit, credit=payout.amount)
        move.click('post')
        Line = Model.get('account.move.line')
        Wizard('account.move.reconcile_lines', Line.find([
                    ('account', '=', transit.id),
                    ('reconciliation', '=', None),
                    ]))

    @property
    def client(self):
        "The library's client, for what is done in Stripe's dashboard"
        return stripe.StripeClient(
            self.account.secret_key,
            base_addresses={
                'api': self.simulator.url if self.simulator else API_BASE,
                }).v1

    def _skip_old_events(self):
        from trytond.pool import Pool
        from trytond.transaction import Transaction
        events = self.client.events.list({'limit': 1})
        if events.data:
            with Transaction().start(DATABASE, 0):
                Account = Pool().get('account.payment.stripe.account')
                Account.write([Account(self.account.id)], {
                        'last_event': events.data[0].id,
                        })
        self.account.reload()

    # What people do

    def create_party(self, name, email):
        party = Model.get('party.party')(name=name)
        mechanism = party.contact_mechanisms.new()
        mechanism.type = 'email'
        mechanism.value = email
        party.save()
        return party

    def create_invoice(self, amount):
        "Return the receivable line of a posted move, as an invoice makes"
        Move = Model.get('account.move')
        Journal = Model.get('account.journal')
        accounts = get_accounts(self.company)
        journal, = Journal.find([('type', '=', 'revenue')], limit=1)
        self.invoices += 1
        move = Move(journal=journal)
        move.description = "Invoice %d" % self.invoices
        line = move.lines.new(account=accounts['revenue'])
        line.credit = amount
        line = move.lines.new(account=accounts['receivable'])
        line.debit = amount
        line.party = self.party
        line.maturity_date = dt.date.today()
        move.click('post')
        line, = [
            ln for ln in move.lines if ln.account == accounts['receivable']]
        return line

    def bill(self, amount):
        "Return the posted invoice of the Decimal amount"
        Invoice = Model.get('account.invoice')
        invoice = Invoice(type='out', party=self.party)
        line = invoice.lines.new(account=get_accounts(self.company)['revenue'])
        line.description = "Flowers"
        line.quantity = 1
        line.unit_price = amount
        invoice.click('post')
        return invoice

    def receive_of(self, invoice, amount):
        "Enter what came to the bank for the invoice"
        Line = Model.get('account.move.line')
        Move = Model.get('account.move')
        accounts = get_accounts(self.company)
        move = Move(journal=self.find_journal('cash'))
        move.lines.new(account=accounts['cash'], debit=amount)
        move.lines.new(
            account=accounts['receivable'], party=self.party, credit=amount)
        move.click('post')
        line, = [x for x in move.lines if x.credit]
        invoice.payment_lines.append(Line(line.id))
        invoice.save()

    def create_payment(self, amount, **values):
        "Return the submitted payment of a new invoice"
        line = self.create_invoice(Decimal(amount))
        payment = Model.get('account.payment')(
            kind='receivable', journal=self.journal, party=self.party,
            line=line)
        # It is the one of the line
        payment.account = None
        payment.reference = line.move.description
        for name, value in values.items():
            setattr(payment, name, value)
        payment.save()
        payment.click('submit')
        return payment

    def process(self, payment):
        payment.click('process_wizard')
        payment.reload()

    def open_checkout(self, record):
        "Return the address of the page and the Page that the payer sees"
        url = record.click('stripe_checkout')
        page = self.payer.open(url)
        if page.status != 200 or not page.data.get('data-secret'):
            raise DemoError("The page answered %d: %s" % (
                    page.status, page.headline))
        record.reload()
        return url, page

    def listen(self):
        "Read the events if no webhook tells them"
        if self.test_mode:
            run_cron('cron_fetch_events')

    def wait_for(self, record, **expected):
        "Return when the record has the values, raise DemoError if it does not"
        end = time.monotonic() + PATIENCE[self.test_mode]
        while True:
            self.listen()
            record.reload()
            wrong = {
                n: getattr(record, n) for n, v in expected.items()
                if not _is(getattr(record, n), v)}
            if not wrong:
                return
            if time.monotonic() > end:
                raise DemoError("%s should have %s but has %s" % (
                        record.rec_name,
                        {n: expected[n] for n in wrong}, wrong))
            time.sleep(1 if self.test_mode else 0.02)

    def wait_for_event(self, type, after=0):
        "Return the id of the event of the type that was applied"
        Event = Model.get('account.payment.stripe.event')
        end = time.monotonic() + PATIENCE[self.test_mode]
        while True:
            self.listen()
            events = Event.find([
                    ('type', '=', type),
                    ('state', '=', 'applied'),
                    ('id', '>', after),
                    ], limit=1)
            if events:
                return events[0].id
            if time.monotonic() > end:
                raise DemoError("No event %s was applied" % type)
            time.sleep(1 if self.test_mode else 0.02)


def _is(value, expected):
    if callable(expected):
        return expected(value)
    return value == expected
