# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What unit tests need: a company, an account and the simulator."""
import datetime as dt
import json
import uuid
from decimal import Decimal

from trytond.modules.company.tests import set_company
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME, TestCase, activate_module
from trytond.transaction import Transaction
from trytond.worker import run_task

from . import stock
from .simulator import Simulator
from .tools import StripeClient, use_stripe

DAY = 24 * 60 * 60


class StripeTestCase(TestCase):
    """Test what commits, on records of its own for each test.

    Run the code inside of a transaction with self.transaction().
    """
    modules = ['account_payment_stripe']

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stock.activate(cls.modules, activate_module)
        cls.simulator = Simulator().start()
        cls.addClassCleanup(cls.simulator.stop)
        use_stripe(cls.simulator.url, cls.simulator.stripe_js, threads=1)

    def setUp(self):
        super().setUp()
        self.addCleanup(self.simulator.faults.clear)
        self.addCleanup(
            lambda: self.assertEqual(self.simulator.errors, []))
        self.world = self.simulator.account(uuid.uuid4().hex)
        self.client = StripeClient(self.world.secret_key, self.simulator.url)
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Journal = pool.get('account.payment.journal')
            company, party = stock.take()
            self.company = company.id
            with set_company(company):
                account, = Account.create([{
                            'name': "Stripe",
                            'secret_key': self.world.secret_key,
                            'publishable_key': self.world.publishable_key,
                            }])
                journal, = Journal.create([{
                            'name': "Stripe",
                            'company': company.id,
                            'currency': company.currency.id,
                            'process_method': 'stripe',
                            'stripe_account': account.id,
                            }])
        self.account, self.journal, self.party = (
            account.id, journal.id, party.id)

    def transaction(self, user=1, **context):
        "Return a context manager of a transaction that runs its tasks"
        context.setdefault('company', getattr(self, 'company', None))
        return _Transaction(user, context)

    def create_payments(self, count=1, amount=Decimal('42.00'), **values):
        "Return submitted payments"
        Payment = Pool().get('account.payment')
        payments = Payment.create([{
                    'company': self.company,
                    'journal': self.journal,
                    'kind': 'receivable',
                    'party': self.party,
                    'amount': amount,
                    'date': dt.date.today(),
                    **values,
                    }] * count)
        Payment.submit(payments)
        return payments

    def create_payment(self, **values):
        payment, = self.create_payments(**values)
        return payment

    def group(self, journal=None):
        "Return a group for the payments of the journal"
        group = Pool().get('account.payment.group')(
            company=self.company, journal=journal or self.journal,
            kind='receivable')
        group.save()
        return group

    def requests(self, method='', path=''):
        "Return what was sent with the method to paths that end so"
        return [
            r for r in self.simulator.requests
            if r['account'] == self.world.name
            and r['method'].endswith(method)
            and r['path'].endswith(path)]

    def reload(self, payment):
        "Return the payment to be read in this transaction"
        return Pool().get('account.payment')(payment.id)

    def create_customer(self, token='tok_visa'):
        """Return a customer with a payment method, and the id of it, that is
        not charged by default as if another system had saved it"""
        Customer = Pool().get('account.payment.stripe.customer')
        customer, = Customer.create([{
                    'party': self.party,
                    'stripe_account': self.account,
                    'stripe_token': token,
                    }])
        Transaction().commit()
        Customer.stripe_create([customer])
        Customer.write([customer], {'stripe_default_method': None})
        customer = Customer(customer.id)
        method, = customer.payment_methods()
        return customer, method[0]

    def payload(self, type_, **object_):
        "Return the last event of the type at Stripe, its object changed"
        events = [
            e for e in self.world.objects('event').values()
            if e['type'] == type_]
        event = json.loads(json.dumps(events[-1]))
        event['data']['object'].update(object_)
        return event


class _Transaction:

    def __init__(self, user, context):
        self.user = user
        self.context = context

    def __enter__(self):
        self.transaction = Transaction().start(
            DB_NAME, self.user, context=self.context)
        return self.transaction

    def __exit__(self, type_, value, traceback):
        tasks = self.transaction.tasks
        self.transaction.stop(type_ is None)
        if type_ is None:
            while tasks:
                run_task(DB_NAME, tasks.pop())
        else:
            tasks.clear()
