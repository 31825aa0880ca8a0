# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import uuid
from decimal import Decimal

from trytond import backend
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from .case import StripeTestCase
from .tools import StripeClient

# The columns that the earlier module had
COLUMNS = {
    'account.payment': {
        'stripe_capturable', 'stripe_capture', 'stripe_captured',
        'stripe_charge_id', 'stripe_chargeable', 'stripe_checkout_id',
        'stripe_customer', 'stripe_customer_payment_method',
        'stripe_customer_source', 'stripe_dispute_reason',
        'stripe_dispute_status', 'stripe_error_code', 'stripe_error_message',
        'stripe_error_param', 'stripe_idempotency_key',
        'stripe_payment_intent_id', 'stripe_token'},
    'account.payment.stripe.account': {
        'last_event', 'name', 'publishable_key', 'secret_key',
        'setup_intent_delay', 'webhook_identifier', 'webhook_signing_secret'},
    'account.payment.stripe.customer': {
        'active', 'party', 'stripe_account', 'stripe_checkout_id',
        'stripe_customer_id', 'stripe_error_code', 'stripe_error_message',
        'stripe_error_param', 'stripe_setup_intent_id', 'stripe_token'},
    'account.payment.stripe.refund': {
        'amount', 'approved_by', 'payment', 'reason', 'state',
        'stripe_error_code', 'stripe_error_message', 'stripe_error_param',
        'stripe_idempotency_key', 'stripe_refund_id', 'submitted_by'},
    }
ALWAYS = {
    'id', 'create_uid', 'create_date', 'write_uid', 'write_date',
    'last_modified_at'}


def make_old():
    "Take away what the earlier module did not have"
    pool = Pool()
    cursor = Transaction().connection.cursor()
    cursor.execute('DROP TABLE account_payment_stripe_event')
    for name, old in COLUMNS.items():
        Model = pool.get(name)
        new = {
            n for n, f in Model._fields.items()
            if f.sql_type() and n not in old | ALWAYS
            and (name != 'account.payment' or n.startswith('stripe_'))}
        assert new, name
        tables = [Model._table]
        if Model._history:
            tables.append(Model._table + '__history')
        for table in tables:
            if backend.name == 'sqlite':
                cursor.execute(
                    "SELECT name, sql FROM sqlite_master "
                    "WHERE type = 'index' AND tbl_name = '%s'" % table)
                for index, sql in cursor.fetchall():
                    if sql and any('"%s"' % n in sql for n in new):
                        cursor.execute('DROP INDEX "%s"' % index)
            for column in new:
                cursor.execute('ALTER TABLE "%s" DROP COLUMN "%s"' % (
                        table, column))


def insert(name, **values):
    "Insert a row as the earlier module left it, return its id"
    table = Pool().get(name).__table__()
    cursor = Transaction().connection.cursor()
    values['create_date'] = dt.datetime.now()
    if backend.name == 'sqlite':
        cursor.execute(*table.insert(
                [getattr(table, n) for n in values], [list(values.values())]))
        cursor.execute('SELECT last_insert_rowid()')
    else:
        cursor.execute(*table.insert(
                [getattr(table, n) for n in values], [list(values.values())],
                [table.id]))
    id_, = cursor.fetchone()
    return id_


class MigrationTestCase(StripeTestCase):
    "Test a database of the earlier module goes on"

    def setUp(self):
        super().setUp()
        self.world.enable_charges_api()
        self.client = StripeClient(self.world.secret_key, self.simulator.url)

    def insert_payment(self, state='processing', **values):
        Date = Pool().get('ir.date')
        values.setdefault('amount', Decimal('42.00'))
        values.setdefault('stripe_capture', True)
        for name in [
                'stripe_capturable', 'stripe_captured', 'stripe_chargeable']:
            values.setdefault(name, False)
        return insert(
            'account.payment', state=state, kind='receivable', number='1',
            company=self.company, journal=self.journal, party=self.party,
            date=Date.today(), stripe_idempotency_key=uuid.uuid4().hex,
            **values)

    def insert_customer(self, **values):
        return insert(
            'account.payment.stripe.customer', party=self.party,
            stripe_account=self.account, active=True, **values)

    def intent(self, **params):
        return self.client.payment_intents.create(
            amount=4200, currency='usd', **params)

    def test_update(self):
        "Test each kind of record goes on after the update"
        client = self.client
        ids = {}
        foreign = client.payment_intents.create(
            amount=100, currency='usd', payment_method='pm_card_visa',
            confirm=True, return_url='https://example.com')
        last = list(self.world.objects('event').values())[-1]
        charge = client.charges.create(
            amount=4200, currency='usd', source='tok_visa')
        authorized = client.charges.create(
            amount=4200, currency='usd', source='tok_visa', capture=False)
        refunded = client.charges.create(
            amount=4200, currency='usd', source='tok_visa')
        client.refunds.create(charge=refunded.id, amount=1200)
        opened, paid = self.intent(), self.intent()
        customer = client.customers.create(source='tok_visa')
        source, = client.customers.payment_sources.list(customer.id).data
        method = client.payment_methods.attach(
            'pm_card_visa', customer=customer.id)
        unconfirmed = client.setup_intents.create()
        setup = client.setup_intents.create()
        self.world.pay(setup.id)

        with self.transaction():
            make_old()
            table = Pool().get('account.payment.stripe.account').__table__()
            Transaction().connection.cursor().execute(*table.update(
                    [table.last_event], [last['id']],
                    where=table.id == self.account))
            ids['charge'] = self.insert_payment(
                stripe_charge_id=charge.id, stripe_token='tok_visa',
                stripe_chargeable=True, stripe_captured=True)
            ids['authorized'] = self.insert_payment(
                stripe_charge_id=authorized.id, stripe_token='tok_visa',
                stripe_chargeable=True, stripe_capture=False,
                stripe_capturable=True)
            ids['opened'] = self.insert_payment(
                stripe_payment_intent_id=opened.id,
                stripe_checkout_id='0123456789abcdef0123456789abcdef')
            ids['paid'] = self.insert_payment(
                state='submitted', stripe_payment_intent_id=paid.id)
            ids['token'] = self.insert_payment(
                stripe_token='tok_mastercard', stripe_chargeable=True)
            ids['draft'] = self.insert_payment(state='draft')
            ids['refunded'] = self.insert_payment(
                state='succeeded', stripe_charge_id=refunded.id,
                stripe_captured=True, amount=Decimal('30.00'))
            ids['customer'] = self.insert_customer(
                stripe_customer_id=customer.id)
            ids['source'] = self.insert_payment(
                stripe_customer=ids['customer'],
                stripe_customer_source=source.id)
            ids['method'] = self.insert_payment(
                stripe_customer=ids['customer'],
                stripe_customer_payment_method=method.id)
            ids['setup'] = self.insert_customer(
                stripe_setup_intent_id=setup.id)
            ids['unconfirmed'] = self.insert_customer(
                stripe_setup_intent_id=unconfirmed.id)
            ids['refund'] = insert(
                'account.payment.stripe.refund', payment=ids['refunded'],
                amount=Decimal('10.00'), state='approved',
                stripe_idempotency_key='old-refund')

        Pool(DB_NAME).init(update=['account_payment_stripe'])

        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            self.assertTrue(Account(self.account).payment_method_remove)

        def payment(name):
            return Pool().get('account.payment')(ids[name])

        # It can be read before anything is done
        with self.transaction():
            pool = Pool()
            for name in ['account.payment', 'account.payment.stripe.customer',
                    'account.payment.stripe.refund',
                    'account.payment.stripe.account']:
                Model = pool.get(name)
                Model.read([r.id for r in Model.search([])],
                    list(Model._fields))
            self.assertTrue(payment('opened').stripe_checkout_needed)
            self.assertFalse(payment('charge').stripe_checkout_needed)
            self.assertTrue(payment('authorized').stripe_capture_needed)
            self.assertIn(
                '0123456789abcdef0123456789abcdef',
                payment('opened').stripe_checkout_url)

        # The crons go on with it
        before = len(self.world.ledger())
        with self.transaction():
            pool = Pool()
            pool.get('account.payment').stripe_charge()
            pool.get('account.payment').stripe_capture_()
            pool.get('account.payment.stripe.refund').stripe_create()
            Customer = pool.get('account.payment.stripe.customer')
            Customer.stripe_create()
            Customer.stripe_intent_update()
        with self.transaction():
            self.assertEqual(
                {n: payment(n).state for n in [
                        'charge', 'authorized', 'opened', 'paid', 'token',
                        'draft', 'refunded', 'source', 'method']}, {
                    'charge': 'succeeded',
                    'authorized': 'processing',
                    'opened': 'processing',
                    'paid': 'submitted',
                    'token': 'succeeded',
                    'draft': 'draft',
                    'refunded': 'succeeded',
                    'source': 'succeeded',
                    'method': 'succeeded',
                    })
            pool = Pool()
            Customer = pool.get('account.payment.stripe.customer')
            self.assertTrue(Customer(ids['setup']).stripe_customer_id)
            self.assertIsNone(Customer(ids['setup']).stripe_setup_intent_id)
            self.assertEqual(
                Customer(ids['unconfirmed']).stripe_setup_intent_id,
                unconfirmed.id)
            self.assertEqual(
                pool.get('account.payment.stripe.refund')(
                    ids['refund']).state, 'succeeded')
            self.assertEqual(payment('refunded').amount, Decimal('20'))
            self.assertEqual(payment('charge').amount, Decimal('42'))
        # token, source and method are charged, one is refunded
        self.assertEqual(len(self.world.ledger()), before + 4)

        # The authorized one is captured
        with self.transaction():
            Payment = Pool().get('account.payment')
            Payment.write([payment('authorized')], {'amount': Decimal('20')})
            Payment.stripe_do_capture([payment('authorized')])
        with self.transaction():
            self.assertEqual(payment('authorized').state, 'succeeded')
            self.assertEqual(payment('authorized').amount, Decimal('20'))

        # The events since the last one are read
        self.world.pay(opened.id)
        self.world.pay(paid.id)
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.fetch_events([Account(self.account)])
        with self.transaction():
            pool = Pool()
            self.assertEqual(payment('opened').state, 'succeeded')
            self.assertEqual(payment('paid').state, 'succeeded')
            self.assertEqual(payment('refunded').amount, Decimal('20'))
            Event = pool.get('account.payment.stripe.event')
            self.assertFalse(Event.search([
                        ('state', '=', 'failed'),
                        ]))
            self.assertFalse(Event.search([
                        ('identifier', '=', last['id']),
                        ]))
            Account = pool.get('account.payment.stripe.account')
            self.assertNotEqual(
                Account(self.account).last_event, last['id'])
        self.assertTrue(foreign.id)

        # What was done before can still be pulled and refunded
        with self.transaction():
            Payment = Pool().get('account.payment')
            Payment.stripe_do_pull([payment('charge'), payment('refunded')])
        with self.transaction():
            self.assertEqual(payment('charge').amount, Decimal('42'))
            self.assertEqual(payment('refunded').amount, Decimal('20'))
            # The party has been sent to Stripe since it was not known what
            Customer = Pool().get('account.payment.stripe.customer')
            Party = Pool().get('party.party')
            Party.write([Party(self.party)], {'name': "New Name"})
        self.assertEqual(
            self.world.objects('customer')[customer.id]['name'], "New Name")

    def test_doubles(self):
        "Test the records of one customer at Stripe are told apart"
        client = self.client
        shared = client.customers.create(
            name="Customer", email='payer@example.com')
        method = client.payment_methods.attach(
            'pm_card_visa', customer=shared.id)
        alone = client.customers.create(name="Whoever")
        with self.transaction():
            Party = Pool().get('party.party')
            other, = Party.create([{'name': "Other"}])
        with self.transaction():
            make_old()
            for _ in range(2):
                self.insert_customer(stripe_customer_id='')
            names = {
                'real': self.insert_customer(stripe_customer_id=shared.id),
                'same': self.insert_customer(stripe_customer_id=shared.id),
                'alone': self.insert_customer(stripe_customer_id=alone.id),
                'double': insert(
                    'account.payment.stripe.customer', party=other.id,
                    stripe_account=self.account, active=True,
                    stripe_customer_id=shared.id),
                }
            values = {'stripe_customer_payment_method': method.id}
            paid = self.insert_payment(
                stripe_customer=names['real'], **values)
            wrong = self.insert_payment(
                stripe_customer=names['double'], **values)
            table = Pool().get('account.payment').__table__()
            Transaction().connection.cursor().execute(*table.update(
                    [table.party], [other.id], where=table.id == wrong))

        Pool(DB_NAME).init(update=['account_payment_stripe'])

        def customer(name):
            return Pool().get('account.payment.stripe.customer')(names[name])

        with self.transaction():
            self.assertEqual(
                set(customer('double').stripe_doubles),
                {customer('real'), customer('same')})
            self.assertEqual(customer('alone').stripe_usable_id, alone.id)
            for name in ['real', 'same', 'double']:
                self.assertIsNone(customer(name).stripe_usable_id)
        with self.transaction():
            Payment = Pool().get('account.payment')
            Payment.stripe_charge(Payment.browse([paid, wrong]))
        with self.transaction():
            self.assertEqual(Payment(paid).state, 'succeeded')
            self.assertEqual(Payment(wrong).state, 'failed')
            customer('double').__class__.delete([customer('double')])
        with self.transaction():
            customer('double').__class__.stripe_delete()
        with self.transaction():
            self.assertIsNone(customer('double').stripe_customer_id)
            # Nothing else has changed of the record of the same party
            self.assertEqual(customer('same').stripe_customer_id, shared.id)
        self.assertFalse(
            getattr(client.customers.retrieve(shared.id), 'deleted', False))
