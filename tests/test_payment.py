# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import os
import subprocess
import sys
from decimal import Decimal

from trytond import config
from trytond.model.modelview import AccessButtonError
from trytond.modules.account_payment.exceptions import ProcessError
from trytond.modules.account_payment_stripe.gateway import (
    STRIPE_VERSION, StripeUnavailable)
from trytond.modules.account_payment_stripe.run import ASKED
from trytond.pool import Pool
from trytond.pyson import PYSONDecoder, PYSONEncoder
from trytond.transaction import Transaction

from .case import StripeTestCase


class PaymentTestCase(StripeTestCase):
    "Test payments where a scenario is clumsy"

    def test_keys(self):
        "Test each payment has a key of its own"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payments = self.create_payments(5)
            payments = [*payments, *Payment.copy(payments)]
            keys = {p.stripe_idempotency_key for p in payments}
            self.assertEqual(len(keys), 10)
            self.assertNotIn(None, keys)

    def test_copy_with_keys(self):
        "Test nothing of Stripe is copied though it is read with the payment"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            fields = [
                n for n, f in Payment._fields.items()
                if n.startswith('stripe_') and not hasattr(f, 'getter')]
            values = {}
            for name in fields:
                type_ = Payment._fields[name]._type
                if type_ == 'char':
                    values[name] = 'x'
                elif type_ == 'boolean':
                    values[name] = True
                elif type_ == 'integer':
                    values[name] = 3
                elif type_ == 'numeric':
                    values[name] = Decimal('3.00')
                elif type_ == 'timestamp':
                    values[name] = dt.datetime.now()
            values['stripe_intent_status'] = 'succeeded'
            values['stripe_waiting_for'] = 'payer'
            Payment.write([payment], values)
            copy, = Payment.copy([payment])
            kept = {
                n for n in values
                if getattr(copy, n) not in {None, False}}
            self.assertEqual(kept, {
                    # What was chosen
                    'stripe_capture', 'stripe_customer_source',
                    'stripe_customer_payment_method',
                    'stripe_idempotency_key'})
            self.assertNotEqual(copy.stripe_idempotency_key, 'x')

    def test_group(self):
        "Test a group of Stripe payments can be processed but not succeeded"
        with self.transaction():
            pool = Pool()
            Payment = pool.get('account.payment')
            Group = pool.get('account.payment.group')
            payments = self.create_payments(
                2, stripe_token='tok_visa', stripe_chargeable=True)
            group = Group(
                company=self.company, journal=self.journal, kind='receivable')
            group.save()
            Payment.process(payments, lambda: group)
        with self.transaction():
            group = Group(group.id)
            self.assertEqual(
                [p.state for p in group.payments], ['succeeded'] * 2)
        with self.transaction():
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True)
            self.simulator.faults.add('down')
            group = Group(
                company=self.company, journal=self.journal, kind='receivable')
            group.save()
            Payment.process([payment], lambda: group)
        with self.transaction():
            with self.assertRaises(AccessButtonError), \
                    Transaction().set_context(_check_access=True):
                Group.succeed([Group(group.id)])

    def test_group_without_token(self):
        "Test a group of payments that cannot be paid is refused"
        with self.transaction():
            pool = Pool()
            Payment = pool.get('account.payment')
            Group = pool.get('account.payment.group')
            payment = self.create_payment()
            group = Group(
                company=self.company, journal=self.journal, kind='receivable')
            group.save()
            with self.assertRaises(ProcessError):
                Payment.process([payment], lambda: group)

    def test_requests(self):
        "Test each request uses the key of the account and the API version"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process([payment])
        self.assertTrue(self.requests('POST'))
        event = list(self.world.objects('event').values())[-1]
        self.assertEqual(event['api_version'], STRIPE_VERSION)

    def test_max_network_retries(self):
        "Test the library tries again as often as configured"
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            account = Account(self.account)
            for retries in [0, 2]:
                config.set(
                    'account_payment_stripe', 'max_network_retries',
                    str(retries))
                try:
                    self.simulator.requests.clear()
                    rule = self.simulator.faults.add('503')
                    with self.assertRaises(StripeUnavailable):
                        account.gateway.events.list()
                    self.assertEqual(rule.hits, retries + 1)
                finally:
                    self.simulator.faults.clear()
                    config.set(
                        'account_payment_stripe', 'max_network_retries', '0')

    def test_journal(self):
        "Test the account is required and visible for Stripe only"
        with self.transaction():
            Journal = Pool().get('account.payment.journal')
            for method, stripe in [('stripe', True), ('manual', False)]:
                journal = Journal(process_method=method)
                for state, expected in [
                        ('required', stripe), ('invisible', not stripe)]:
                    with self.subTest(method=method, state=state):
                        states = Journal.stripe_account.states[state]
                        decoder = PYSONDecoder(
                            {'process_method': journal.process_method})
                        self.assertEqual(decoder.decode(
                                PYSONEncoder().encode(states)), expected)

    def test_queued(self):
        "Test nothing is sent before what the user does is committed"
        with self.transaction() as transaction:
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process([payment])
            self.assertEqual(self.requests(), [])
            self.assertEqual(len(transaction.tasks), 1)
        with self.transaction():
            self.assertEqual(self.reload(payment).state, 'succeeded')
            Refund = Pool().get('account.payment.stripe.refund')
            refund, = Refund.create([{
                        'payment': payment.id,
                        'amount': Decimal('1'),
                        }])
            Refund.submit([refund])
        self.simulator.requests.clear()
        with self.transaction():
            refund = Refund(refund.id)
            Refund.approve([refund])
            self.assertEqual(self.requests(), [])

    def test_many_asked(self):
        "Test the payments that are charged may be far behind others"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payments = Payment.create([{
                        'company': self.company,
                        'journal': self.journal,
                        'kind': 'receivable',
                        'party': self.party,
                        'amount': Decimal('42.00'),
                        'date': dt.date.today(),
                        }] * (2 * ASKED))
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True)
            table = Payment.__table__()
            Transaction().connection.cursor().execute(*table.update(
                    [table.state], ['processing'],
                    where=table.id == payment.id))
        with self.transaction():
            Payment.stripe_charge([*payments, self.reload(payment)])
        with self.transaction():
            self.assertEqual(self.reload(payment).state, 'succeeded')

    def test_refund_back_to_draft(self):
        "Test an approved refund that is set back to draft is not sent"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process([payment])
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            refund, = Refund.create([{
                        'payment': payment.id,
                        'amount': Decimal('1'),
                        }])
            self.assertEqual(
                Refund.search([('company', '=', self.company)]), [refund])
            self.assertEqual(Refund.search([
                        ('company.party.name', 'like', "Company %"),
                        ('id', '=', refund.id),
                        ]), [refund])
            Refund.submit([refund])
            Refund.approve([refund])
            self.assertEqual(refund.state, 'approved')
            Refund.draft([refund])
            self.assertEqual(refund.state, 'draft')
        with self.transaction():
            Refund.stripe_create()
        with self.transaction():
            self.assertEqual(Refund(refund.id).state, 'draft')
        self.assertEqual(self.world.objects('refund'), {})

    def test_event_types(self):
        "Test the types of events that are handled"
        with self.transaction():
            Event = Pool().get('account.payment.stripe.event')
            # At least those
            self.assertLessEqual({
                    'charge.succeeded', 'charge.captured', 'charge.expired',
                    'charge.failed', 'charge.pending', 'charge.refunded',
                    'charge.refund.updated', 'charge.dispute.created',
                    'charge.dispute.closed', 'source.chargeable',
                    'source.failed', 'source.canceled',
                    'payment_intent.succeeded',
                    'payment_intent.amount_capturable_updated',
                    'payment_intent.payment_failed',
                    'payment_intent.canceled',
                    'payment_intent.requires_action',
                    'payment_intent.partially_funded',
                    'payment_method.detached', 'refund.created',
                    'refund.updated', 'refund.failed',
                    'setup_intent.succeeded', 'setup_intent.canceled',
                    'customer.deleted'},
                set(Event.handlers()))

    def test_caches(self):
        "Test how long the caches last by default"
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            for cache in [
                    Customer._sources_cache, Customer._payment_methods_cache]:
                self.assertEqual(cache.duration, dt.timedelta(seconds=900))

    def test_durations_of_caches(self):
        "Test how long the caches last when it is configured"
        output = subprocess.run([sys.executable, '-c', (
                    "from trytond.pool import Pool\n"
                    "Pool.start()\n"
                    "from trytond.modules.account_payment_stripe.customer "
                    "import Customer\n"
                    "print(Customer._sources_cache.duration, "
                    "Customer._payment_methods_cache.duration)\n")],
            env=os.environ | {
                'TRYTOND_ACCOUNT_PAYMENT_STRIPE__SOURCES_CACHE': '60',
                'TRYTOND_ACCOUNT_PAYMENT_STRIPE__PAYMENT_METHODS': '90',
                }, check=True, capture_output=True, text=True).stdout
        self.assertEqual(output.split(), ['0:01:00', '0:01:30'])

    def test_signing_secret(self):
        "Test the signing secret is asked for when there is a webhook"
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            field = Account.fields_get(['webhook_signing_secret'])[
                'webhook_signing_secret']
            for identifier, invisible in [(None, True), ('x', False)]:
                states = PYSONDecoder({
                        'webhook_identifier': identifier,
                        }).decode(field['states'])
                self.assertIs(bool(states['invisible']), invisible)

    def test_source_chargeable(self):
        "Test a source is charged when it has become chargeable"
        self.world.enable_charges_api()
        source = self.client.sources.create(
            type='bancontact', currency='eur', amount=4200,
            owner={'name': "Jenny"},
            redirect={'return_url': 'https://example.com'})
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Payment = pool.get('account.payment')
            payment = self.create_payment(stripe_token=source.id)
            Payment.process([payment])
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'processing')
            self.assertFalse(payment.stripe_chargeable)
        self.world.chargeable(source.id)
        with self.transaction():
            self.assertIs(Account.webhook(
                    [Account(self.account)],
                    self.payload('source.chargeable')), True)
            self.assertTrue(self.reload(payment).stripe_chargeable)

    def test_source_failed_late(self):
        "Test a source that has paid does not fail its payment"
        with self.transaction():
            Payment = Pool().get('account.payment')
            Account = Pool().get('account.payment.stripe.account')
            payment = self.create_payment(stripe_token='src_paid')
            table = Payment.__table__()
            Transaction().connection.cursor().execute(*table.update(
                    [table.state, table.stripe_charge_id],
                    ['processing', 'ch_earlier'],
                    where=table.id == payment.id))
        event = {
            'id': 'evt_late',
            'type': 'source.canceled',
            'created': 1,
            'api_version': STRIPE_VERSION,
            'data': {'object': {'id': 'src_paid', 'object': 'source'}},
            }
        with self.transaction():
            Account.webhook([Account(self.account)], event)
        with self.transaction():
            self.assertEqual(self.reload(payment).state, 'processing')

    def test_source_failed(self):
        "Test a source that is cancelled or fails fails the payment"
        self.world.enable_charges_api()
        for status in ['canceled', 'failed']:
            with self.subTest(status=status):
                source = self.client.sources.create(
                    type='bancontact', currency='eur', amount=4200,
                    owner={'name': "Jenny"},
                    redirect={'return_url': 'https://example.com'})
                with self.transaction():
                    pool = Pool()
                    Account = pool.get('account.payment.stripe.account')
                    Payment = pool.get('account.payment')
                    payment = self.create_payment(stripe_token=source.id)
                    Payment.process([payment])
                self.world.chargeable(source.id, status)
                with self.transaction():
                    self.assertIs(Account.webhook(
                            [Account(self.account)],
                            self.payload('source.%s' % status)), True)
                with self.transaction():
                    self.assertEqual(self.reload(payment).state, 'failed')
