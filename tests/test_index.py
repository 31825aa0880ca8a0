# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What is looked up is found by an index, however many rows there are."""
import os
import re
import unittest
import uuid
from unittest.mock import patch

from trytond import backend
from trytond.pool import Pool
from trytond.transaction import Transaction

from ..gateway import STRIPE_VERSION
from .case import StripeTestCase
from .large_tables import CHARGED, analyze, multiply

ROWS = int(os.environ.get('ROWS') or 100000)
MODELS = [
    'account.payment', 'account.payment.stripe.customer',
    'account.payment.stripe.customer.fingerprint',
    'account.payment.stripe.event', 'account.payment.stripe.refund']
CHANGES = re.compile(r'\s*(SELECT|UPDATE|DELETE)\b')


@unittest.skipIf(
    backend.name != 'postgresql', "EXPLAIN is read from PostgreSQL")
class IndexTestCase(StripeTestCase):
    "Test that no table with many rows is read as a whole"

    def setUp(self):
        super().setUp()
        with self.transaction():
            pool = Pool()
            Event = pool.get('account.payment.stripe.event')
            Fingerprint = pool.get(
                'account.payment.stripe.customer.fingerprint')
            Payment = pool.get('account.payment')
            Refund = pool.get('account.payment.stripe.refund')
            Customer = pool.get('account.payment.stripe.customer')
            Party = pool.get('party.party')
            self.models = list(map(pool.get, MODELS))
            customer, method = self.create_customer()
            payment = self.create_payment(
                stripe_customer=customer.id,
                stripe_customer_payment_method=method)
            Transaction().commit()
            Payment.process([payment])
            Transaction().commit()
            Payment.stripe_charge([payment])
            refund, = Refund.create([{'payment': payment.id, 'amount': 1}])
            event, = Event.create([{
                        'account': self.account,
                        'identifier': 'evt_first',
                        'type': 'charge.succeeded',
                        'state': 'applied',
                        }])
            multiply(Payment, payment.id, ROWS, **CHARGED)
            # The years are spread and the keys are unique
            multiply(
                Event, event.id, ROWS, identifier="'evt_' || i",
                happened_at="now() - i * interval '41 days' / %d" % ROWS)
            party = multiply(
                Party, self.party, ROWS, code="'%s-' || i" % uuid.uuid4().hex)
            multiply(
                Customer, customer.id, ROWS,
                party='%d + i' % (party - 1),
                stripe_checkout_id="md5('customer' || i)",
                stripe_customer_id="'cus_' || i",
                stripe_setup_intent_id='NULL', stripe_token='NULL')
            multiply(
                Refund, refund.id, ROWS, state="'succeeded'",
                payment=str(payment.id) + ' + i')
            fingerprint, = Fingerprint.create([{
                        'customer': customer.id,
                        'fingerprint': 'first',
                        }])
            multiply(
                Fingerprint, fingerprint.id, ROWS,
                customer=str(customer.id) + ' + i',
                fingerprint="md5((i / 2)::text)")
            analyze(*self.models)

    def plans(self, func, *args):
        "Return the plans of the queries that func makes"
        cursor_class = type(Transaction().connection.cursor())
        queries = []
        execute = cursor_class.execute

        def kept(cursor, query, params=None, *args, **kwargs):
            queries.append((str(query), params))
            return execute(cursor, query, params, *args, **kwargs)
        with patch.object(cursor_class, 'execute', kept):
            func(*args)
        cursor = Transaction().connection.cursor()
        for query, params in queries:
            if CHANGES.match(query):
                cursor.execute('EXPLAIN ' + query, params)
                yield query, '\n'.join(row for row, in cursor)

    def assert_indexed(self, func, *args):
        tables = [m.__table__()._name for m in self.models]
        seen = 0
        for query, plan in list(self.plans(func, *args)):
            for table in tables:
                self.assertNotIn(
                    'Seq Scan on %s ' % table, plan, "%s\n%s" % (query, plan))
                seen += 'on %s ' % table in plan
        self.assertTrue(seen, "no query of a large table")

    def event(self, type_, **object_):
        object_.setdefault('object', type_.rpartition('.')[0])
        return {
            'id': 'evt_' + uuid.uuid4().hex,
            'type': type_,
            'created': 1,
            'api_version': STRIPE_VERSION,
            'data': {'object': object_},
            }

    def test_queries(self):
        "Queries of events, checkout, webhook and cron use indexes"
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Customer = pool.get('account.payment.stripe.customer')
            Event = pool.get('account.payment.stripe.event')
            Payment = pool.get('account.payment')
            Refund = pool.get('account.payment.stripe.refund')
            account = Account(self.account)

            def receive(*args, **kwargs):
                Event.receive(account, self.event(*args, **kwargs))
            paid = Payment.search([], order=[('id', 'DESC')], limit=1)[0]
            for name, func in {
                    'intent': lambda: receive(
                        'payment_intent.succeeded', id='pi_none'),
                    'forgotten intent': lambda: receive(
                        'payment_intent.succeeded', id='pi_none',
                        status='succeeded', metadata={'tryton_key': 'none'}),
                    'charge': lambda: receive(
                        'charge.succeeded', id='ch_none'),
                    'refund': lambda: receive(
                        'refund.updated', id='re_none', charge='ch_none',
                        payment_intent='pi_none'),
                    'dispute': lambda: receive(
                        'charge.dispute.closed', id='dp_none',
                        charge='ch_none', payment_intent='pi_none'),
                    'source': lambda: receive(
                        'source.chargeable', id='src_none'),
                    'setup intent': lambda: receive(
                        'setup_intent.succeeded', id='seti_none',
                        customer='cus_none'),
                    'refunds of a payment': lambda: Refund.search([
                            ('payment', 'in', [paid.id]),
                            ('state', '!=', 'draft'),
                            ]),
                    'failed events': lambda: Event.try_failed(account),
                    'old events': lambda: Event.clean(),
                    'checkout of a payment': lambda: Payment.from_checkout_id(
                        uuid.uuid4().hex),
                    'checkout of a customer':
                    lambda: Customer.from_checkout_id(uuid.uuid4().hex),
                    'cron charge': Payment.stripe_charge,
                    'cron capture': Payment.stripe_capture_,
                    'cron refund': Refund.stripe_create,
                    'cron create customers': Customer.stripe_create,
                    'cron setup intents': Customer.stripe_intent_update,
                    'cron delete customers': Customer.stripe_delete,
                    'waiting for payer': lambda: Payment.search([
                            ('state', 'in', [
                                    'submitted', 'approved', 'processing']),
                            ('stripe_awaited', '=', True),
                            ], count=True),
                    }.items():
                with self.subTest(name):
                    self.assert_indexed(func)

    def test_way(self):
        "Queries on the way of a payment, and of its events, use indexes"
        with self.transaction() as transaction:
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Customer = pool.get('account.payment.stripe.customer')
            Payment = pool.get('account.payment')
            Party = pool.get('party.party')
            account = Account(self.account)
            customer, = Customer.search([('party', '=', self.party)])
            method, = [i for i, _ in customer.payment_methods()]

            def pay():
                payment = self.create_payment(
                    stripe_customer=customer,
                    stripe_customer_payment_method=method)
                transaction.commit()
                Payment.process([payment])
                transaction.commit()
                Payment.stripe_charge([payment])
                self.assertEqual(self.reload(payment).state, 'succeeded')

            def press():
                payment = self.create_payment()
                Payment.stripe_checkout([payment])
                Payment.process([payment])
                Payment.stripe_do_pull([payment])
                Payment.draft([Payment.copy([payment])[0]])
                Payment.fail([payment])

            def rename():
                Party.write([customer.party], {'name': "Renamed"})
                transaction.commit()
            for name, func in {
                    'charge': pay,
                    'buttons': press,
                    'read events': lambda: Account.fetch_events([account]),
                    'change of a party': rename,
                    'fingerprints':
                    lambda: customer.find_identical([customer]),
                    'identical customers':
                    lambda: Customer(customer.id).identical_customers,
                    'identical parties':
                    Party(self.party)._payment_identical_parties,
                    }.items():
                with self.subTest(name):
                    self.assert_indexed(func)
