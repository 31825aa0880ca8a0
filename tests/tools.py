# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the tests and the demo share: a simulator and a small company."""
import datetime as dt
import email
import email.policy
import socketserver
import threading
import time
import uuid
from decimal import Decimal
from urllib.parse import urlsplit, urlunsplit

import stripe
from proteus import Model
from proteus.config import get_config
from werkzeug.test import Client

from trytond import config as trytond_config
from trytond.transaction import Transaction

from .simulator import Simulator

__all__ = [
    'MailServer', 'browse', 'create_stripe_account', 'create_stripe_customer',
    'create_stripe_journal', 'create_stripe_payment', 'create_user',
    'make_due', 'process_payments', 'run_cron', 'start_simulator',
    'use_stripe']

SECTION = 'account_payment_stripe'
WEBHOOK_EVENTS = ['*']


def use_stripe(url, stripe_js, **options):
    "Make the module talk to the server at the URL"
    if not trytond_config.has_section(SECTION):
        trytond_config.add_section(SECTION)
    options.setdefault('max_network_retries', '0')
    options.setdefault('timeout', '10')
    for name, value in {
            'api_base': url, 'stripe_js': stripe_js, **options}.items():
        trytond_config.set(SECTION, name, str(value))


def start_simulator(port=0, **options):
    "Start a simulator, make the module use it and return it"
    simulator = Simulator(port=port).start()
    use_stripe(simulator.url, simulator.stripe_js, **options)
    return simulator


class StripeClient:
    "The library's client, that takes keyword parameters"

    def __init__(self, key, url):
        self._service = stripe.StripeClient(
            key, base_addresses={'api': url}).v1

    def __getattr__(self, name):
        service = self.__class__.__new__(self.__class__)
        service._service = getattr(self._service, name)
        return service

    def __call__(self, *ids, **params):
        return self._service(*ids, params=params)


def create_stripe_account(simulator, name=None, config=None):
    "Return a Stripe account of its own on the simulator"
    Account = Model.get('account.payment.stripe.account', config=config)

    world = simulator.account(name or uuid.uuid4().hex)
    account = Account(name="Stripe")
    account.secret_key = world.secret_key
    account.publishable_key = world.publishable_key
    account.save()
    return account


def create_stripe_journal(account, currency=None, config=None):
    Journal = Model.get('account.payment.journal', config=config)

    journal = Journal(name="Stripe", process_method='stripe')
    if currency:
        journal.currency = currency
    journal.stripe_account = account
    journal.save()
    return journal


def create_stripe_payment(
        journal, party, amount=Decimal('42'), config=None, **values):
    "Return a submitted payment"
    Payment = Model.get('account.payment', config=config)

    payment = Payment(
        kind='receivable', journal=journal, party=party, amount=amount)
    for name, value in values.items():
        setattr(payment, name, value)
    payment.save()
    payment.click('submit')
    return payment


def run_cron(name, company=None, config=None):
    "Run the cron of the XML id once"
    Cron = Model.get('ir.cron', config=config)
    ModelData = Model.get('ir.model.data', config=config)

    if config is None:
        config = get_config()
    cron = Cron(ModelData.get_id(SECTION, name, config.context))
    if company and not cron.companies:
        cron.companies.append(company.__class__(company.id))
        cron.save()
    cron.click('run_once')


def process_payments(payments, config=None):
    "Process the payments as the user does with the wizard"
    payments[0].__class__.click(payments, 'process_wizard')
    for payment in payments:
        payment.reload()


def create_stripe_customer(
        account, party, token='tok_visa', config=None, **values):
    "Return a customer that is created at Stripe from the token"
    Customer = Model.get('account.payment.stripe.customer', config=config)

    customer = Customer(party=party, stripe_account=account)
    customer.stripe_token = token
    for name, value in values.items():
        setattr(customer, name, value)
    customer.save()
    run_cron('cron_create_customer', config=config)
    customer.reload()
    return customer


def make_due(*records, config=None):
    "Let the time come at which cron tries the records again"
    if config is None:
        config = get_config()
    for record in records:
        Model_ = config.pool.get(record.__class__.__name__)
        name = 'try_at' if 'try_at' in Model_._fields else 'stripe_try_at'
        with Transaction().start(config.database_name, 0):
            Model_.write([Model_(record.id)], {
                    name: dt.datetime.now() - dt.timedelta(seconds=1),
                    })
        record.reload()


def create_user(name, *groups, company=None, config=None):
    "Return a user of the groups, given by their XML ids"
    User = Model.get('res.user', config=config)
    Group = Model.get('res.group', config=config)
    ModelData = Model.get('ir.model.data', config=config)

    user = User(name=name, login=name.lower().replace(' ', '.'))
    if company:
        user.companies.append(company.__class__(company.id))
        user.company = company
    for group in groups:
        user.groups.append(Group(ModelData.get_id(
                    *group.split('.'), (config or get_config()).context)))
    user.save()
    return user


def browse(url, method='GET', **options):
    """Request the URL from trytond, wherever it is, return the response.

    Within the process, so that a database in memory can be used."""
    from trytond.wsgi import app
    path = urlunsplit(('', '', *urlsplit(url)[2:]))
    return Client(app).open(path, method=method, **options)


class MailServer:
    """A mail server that keeps the messages sent to it.

    A context manager for the [email] section of the configuration.
    refuses: the commands that it refuses, as bytes; connections counts those
    who connected; silence is how long it waits before it answers, in
    seconds; taking is how long it takes to say that it has a message;
    hangs_up_on: the address at which it closes the connection;
    taken is set when it has waited so long."""

    def __init__(
            self, refuses=(), silence=0, user='', taking=0, hangs_up_on=None):
        self.messages = []
        self.refuses = set(refuses)
        self.silence = silence
        self.taking = taking
        self.hangs_up_on = hangs_up_on
        self.connections = 0
        self.taken = threading.Event()
        mail_server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                mail_server._handle(self)

        self._server = socketserver.ThreadingTCPServer(
            ('127.0.0.1', 0), Handler)
        self._server.daemon_threads = True
        self.uri = 'smtp://%s127.0.0.1:%d' % (
            user, self._server.server_address[1])
        self._former = {}

    def start(self):
        threading.Thread(
            target=self._server.serve_forever, args=(0.05,),
            daemon=True).start()
        for name, value in {
                'uri': self.uri, 'from': 'company@example.com'}.items():
            self._former[name] = trytond_config.get('email', name)
            trytond_config.set('email', name, value)
        return self

    def stop(self):
        for name, value in self._former.items():
            trytond_config.set('email', name, value)
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *args):
        self.stop()

    def _handle(self, connection):
        def answer(line):
            time.sleep(self.silence)
            connection.wfile.write(line.encode() + b'\r\n')

        self.connections += 1
        answer('220 ready')
        while line := connection.rfile.readline():
            command = line.strip().upper()
            if (command.startswith(b'RCPT') and self.hangs_up_on
                    and self.hangs_up_on.upper().encode() in command):
                break
            elif command.split()[0] in self.refuses:
                answer('535 no' if command.startswith(b'AUTH') else '550 no')
                continue
            elif command.startswith(b'EHLO'):
                answer('250-here\r\n250 AUTH PLAIN LOGIN')
                continue
            elif command.startswith(b'AUTH'):
                answer('235 welcome')
                continue
            if command.startswith(b'QUIT'):
                answer('221 bye')
                break
            elif command == b'DATA':
                answer('354 go on')
                content = b''
                while (line := connection.rfile.readline()) != b'.\r\n':
                    content += line[1:] if line.startswith(b'..') else line
                self.messages.append(email.message_from_bytes(
                        content, policy=email.policy.default))
                time.sleep(self.taking)
                self.taken.set()
            answer('250 ok')
