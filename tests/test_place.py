# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A live key is used only where it was connected, and a copy says so."""
from unittest.mock import patch

from trytond import backend, config
from trytond.modules.account_payment_stripe.account_place import Place
from trytond.modules.account_payment_stripe.exceptions import (
    StripeElsewhereWarning)
from trytond.pool import Pool
from trytond.tests.test_tryton import TestCase as BaseTestCase

from .case import StripeTestCase
from .tools import MailServer, browse

ACCOUNT = 'account.payment.stripe.account'
PAYMENT = 'account.payment'
PLACE = 'trytond.modules.account_payment_stripe.account_place.Place.here'


class OtherTestCase(BaseTestCase):
    "Test which places are others"

    def test_other(self):
        "Test what cannot be the same database"
        for mine, other, expected in [
                (('prod',), ('prod',), False),
                (('prod',), ('test',), True),
                (('prod', 'erp.example.com'), ('prod', 'test.lan'), True),
                (('prod', 'erp.example.com', '1'),
                    ('test', 'erp.example.com', '1'), True),
                # Another version of PostgreSQL
                (('prod', 'erp.example.com', '1'),
                    ('prod', 'erp.example.com', '2'), False),
                # The configuration of some process names no host
                (('prod', 'erp.example.com', '1'),
                    ('prod', None, '1'), False),
                (('prod', 'erp.example.com', '1'),
                    ('prod', None, '2'), True),
                (('prod', None, '1'), ('prod', 'test.lan', '2'), True),
                (('prod', 'erp.example.com'), ('prod',), False),
                ]:
            with self.subTest(mine=mine, other=other):
                mine, other = Place(*mine), Place(*other)
                self.assertIs(mine.is_other(other), expected)
                self.assertIs(other.is_other(mine), expected)


class PlaceTestCase(StripeTestCase):
    "Test a copy of a database with a live key"

    def setUp(self):
        super().setUp()
        name = self.world.name
        self.simulator.live.add(name)
        self.addCleanup(self.simulator.live.discard, name)
        self.world = self.simulator.account('live-' + name)
        self.set_keys('sk_live_' + name, 'pk_live_' + name)

    def set_keys(self, secret, publishable):
        with self.transaction():
            Account = Pool().get(ACCOUNT)
            Account.write([Account(self.account)], {
                    'secret_key': secret,
                    'publishable_key': publishable,
                    })

    def moved(self, **changes):
        "Let the database be somewhere else"
        with self.transaction():
            here = Place.here()
        changes = changes or {'database': 'copy'}
        return patch(PLACE, return_value=here._replace(**changes))

    def read(self, *names):
        with self.transaction():
            account = Pool().get(ACCOUNT)(self.account)
            return [getattr(account, n) for n in names]

    def process(self):
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process([payment], self.group)
        return payment

    def charge(self):
        with self.transaction():
            Pool().get(PAYMENT).stripe_charge()

    def check(self):
        with self.transaction():
            account = Pool().get(ACCOUNT)(self.account)
            account.stripe_check_connection([account])
            return {c.name: c.state for c in account.checks}

    def test_here(self):
        "Test the key is used where it was entered"
        database, host, cluster = self.read(
            'connected_database', 'connected_host', 'connected_cluster')
        with self.transaction():
            self.assertEqual(
                Place.here(), (database, host, cluster))
        self.assertEqual(bool(cluster), backend.name == 'postgresql')
        payment = self.process()
        with self.transaction():
            self.assertEqual(self.reload(payment).state, 'succeeded')
        self.assertEqual(self.check()['place'], 'ok')

    def test_host(self):
        "Test the host is the one of the configuration"
        config.set('web', 'hostname', 'erp.example.com')
        self.addCleanup(config.set, 'web', 'hostname', '')
        self.set_keys(*self.read('secret_key', 'publishable_key'))
        self.assertEqual(self.read('connected_host'), ['erp.example.com'])
        config.set('web', 'hostname', 'test.example.com')
        self.assertEqual(self.read('is_elsewhere'), [True])

    def test_copy_charges_nothing(self):
        "Test a copy sends nothing to Stripe, and goes on once it is back"
        with self.moved():
            self.simulator.requests.clear()
            payment = self.process()
            with self.transaction():
                Account = Pool().get(ACCOUNT)
                Account.fetch_events()
                Account.stripe_check_connections()
            self.charge()
            self.assertEqual(self.requests(), [])
            with self.transaction():
                payment = self.reload(payment)
                self.assertEqual(payment.state, 'processing')
                self.assertIn(
                    "was connected by the database",
                    payment.stripe_error_message)
                account = Pool().get(ACCOUNT)(self.account)
                self.assertIn(
                    "was connected by the database", account.error_message)
            self.assertEqual(self.check(), {'place': 'error'})
            self.assertEqual(self.requests(), [])
        with self.transaction():
            payment = self.reload(payment)
            payment.stripe_store(stripe_try_at=None)
        self.charge()
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'succeeded')
            self.assertIsNone(payment.stripe_error_message)
        self.assertEqual(self.read('error_message'), [None])
        self.assertEqual(self.check()['place'], 'ok')

    def test_copy_answers_nothing(self):
        "Test a copy lets nobody pay, and takes no events"
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            payment = self.create_payment()
            Payment.stripe_checkout([payment])
            url = payment.stripe_checkout_url
            account = Pool().get(ACCOUNT)(self.account)
            account.new_identifier([account])
            webhook = account.webhook_endpoint
        self.assertEqual(browse(url).status_code, 200)
        with self.moved():
            self.assertEqual(browse(url).status_code, 503)
            self.assertEqual(
                browse(webhook, method='POST', data=b'{}').status_code, 503)
        self.assertEqual(
            browse(webhook, method='POST', data=b'{}').status_code, 400)

    def test_copy_asks_nobody(self):
        "Test a copy sends no e-mails, they wait"
        with MailServer() as server:
            with self.moved():
                with self.transaction():
                    pool = Pool()
                    Mechanism = pool.get('party.contact_mechanism')
                    Mechanism.create([{
                                'party': self.party, 'type': 'email',
                                'value': 'payer@example.com'}])
                    payment = self.create_payment()
                    payment.stripe_store(stripe_to_mail=True)
                with self.transaction():
                    Pool().get(PAYMENT).stripe_mail()
                self.assertEqual(server.messages, [])
            with self.transaction():
                Pool().get(PAYMENT).stripe_mail()
            self.assertEqual(len(server.messages), 1)

    def test_connect(self):
        "Test a database that has moved is connected again, after a warning"
        with self.moved():
            with self.transaction():
                Account = Pool().get(ACCOUNT)
                with self.assertRaises(StripeElsewhereWarning):
                    Account.stripe_connect([Account(self.account)])
            self.assertEqual(self.read('is_elsewhere'), [True])
            with self.transaction(_skip_warnings=True):
                Account = Pool().get(ACCOUNT)
                Account.stripe_connect([Account(self.account)])
            self.assertEqual(
                self.read('connected_database', 'is_elsewhere'),
                ['copy', False])
            payment = self.process()
            with self.transaction():
                self.assertEqual(self.reload(payment).state, 'succeeded')
        # Now it is the former one that must not
        self.assertEqual(self.read('is_elsewhere'), [True])

    def test_test_keys(self):
        "Test a copy with test keys works, and so does one of a test account"
        with self.moved():
            name = self.world.name.removeprefix('live-')
            self.set_keys('sk_test_' + name, 'pk_test_' + name)
            self.assertEqual(
                self.read('connected_database', 'is_elsewhere'),
                [None, False])
            payment = self.process()
            with self.transaction():
                self.assertEqual(self.reload(payment).state, 'succeeded')
        self.assertEqual(self.read('is_elsewhere'), [False])

    def test_earlier(self):
        "Test an account of an earlier version is connected by cron"
        with self.transaction():
            Account = Pool().get(ACCOUNT)
            Account.write([Account(self.account)], {
                    'connected_database': None,
                    'connected_host': None,
                    'connected_cluster': None,
                    })
        with self.moved():
            self.assertEqual(self.read('is_elsewhere'), [False])
        with self.transaction():
            Pool().get(ACCOUNT).fetch_events()
        with self.moved():
            self.assertEqual(self.read('is_elsewhere'), [True])

    def test_copy_of_account(self):
        "Test a copy of the account is connected where it is made"
        with self.moved(), self.transaction():
            account = Pool().get(ACCOUNT)(self.account)
            copy, = account.copy([account])
            self.assertEqual(copy.connected_database, 'copy')
