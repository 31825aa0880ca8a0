# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the checks of an account say, to whom, and for how long."""
import datetime as dt

from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from .connect_case import HOST, NAME, PERMISSIONS, ConnectTestCase

CHECK = 'account.payment.stripe.account.check'
HTTP = {'is_secure': False, 'http_host': NAME}


class CheckTestCase(ConnectTestCase):
    "Test the checks"

    def found(self, name):
        "Return the state and the message of the check"
        with self.transaction():
            return self.read()[1].get(name)

    def go_live(self):
        "Use the keys of the live mode"
        name = self.world.name
        self.simulator.live.add(name)
        self.addCleanup(self.simulator.live.discard, name)
        self.world = self.simulator.account('live-' + name)
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.write([Account(self.account)], {
                    'secret_key': 'sk_live_' + name,
                    'publishable_key': 'pk_live_' + name,
                    })

    # Address of the Server

    def assert_address(self, state, *texts, host=HOST):
        "Check that the button and cron say the same"
        for look in [
                lambda: self.press('stripe_connect', host=host),
                lambda: self.press('stripe_check_connection', host=host),
                self.cron]:
            look()
            found, message = self.found('https')
            self.assertEqual(found, state)
            for text in texts:
                self.assertIn(text, message)
            if not texts:
                self.assertIsNone(message)

    def test_address(self):
        self.assert_address('ok')

    def test_address_without_certificate(self):
        "Test the setting that is missing behind a proxy is named"
        self.configure(NAME)
        self.server(NAME, '')
        self.assert_address(
            'warning', '"certificate = True" in the section "ssl"',
            host={'is_secure': True, 'http_host': 'internal:8000'})
        self.assertEqual(self.found('wallets')[0], 'ok')

    def test_address_without_hostname(self):
        "Test the pages are not where Stripe posts to"
        self.server('machine.lan', 'True')
        self.assert_address(
            'warning', "machine.lan", NAME, '"hostname" in the section "web"')

    def test_address_without_https(self):
        self.server(NAME, '')
        self.assert_address(
            'warning', "without https", '"certificate = True"', host=HTTP)
        self.assertIsNone(self.found('wallets'))

    def test_address_live_inside(self):
        "Test what nobody reaches is not right in the live mode"
        self.go_live()
        self.server('erp.lan', '')
        for name in ['localhost:8000', '192.168.1.5:8000']:
            with self.subTest(name):
                self.assert_address(
                    'error', "only known inside of your network", host={
                        'is_secure': False, 'http_host': name})
                self.assertIsNone(self.found('wallets'))
                self.press('stripe_disconnect')

    # By hand

    def test_by_hand(self):
        "Test a webhook of a key that may not look at it"
        made = self.make()
        self.restrict(**PERMISSIONS)
        self.press('stripe_check_connection')
        state, message = self.found('webhook')
        self.assertEqual(state, 'warning')
        self.assertIn("create the webhook in the Stripe dashboard", message)
        self.press('stripe_check_connection',
            webhook_signing_secret=made.secret)
        state, message = self.found('webhook')
        self.assertEqual(state, 'warning')
        self.assertIn("once an event is received", message)
        self.assertEqual(self.found('delivery')[0], 'warning')
        self.pay()
        self.post('payment_intent.succeeded', made.secret)
        self.fetch()
        self.press('stripe_connect')
        states = self.states()
        self.assertEqual(set(states.values()), {'ok'})
        self.assertIn('delivery', states)
        self.assertIn('events', states)
        self.assertIn("may not manage webhooks", self.found('webhook')[1])
        # Cron looks too, at the deliveries
        self.pay()
        with self.later():
            self.cron()
        self.assertEqual(self.found('delivery')[0], 'warning')
        self.assertEqual([e['id'] for e in self.endpoints()], [made.id])
        # And at the signatures
        self.post('payment_intent.succeeded', 'whsec_other', status=400)
        self.cron()
        self.assertEqual(self.found('webhook')[0], 'error')

    def test_by_hand_is_not_changed(self):
        "Test cron does not change what Connect has not taken over"
        made = self.make(enabled_events=['charge.succeeded'])
        self.enter(made.secret)
        self.cron()
        self.assertEqual(self.found('webhook')[0], 'error')
        endpoint, = self.endpoints()
        self.assertEqual(endpoint['enabled_events'], ['charge.succeeded'])
        self.assertEqual(self.world.objects('payment_method_domain'), {})

    # Delivery

    def test_delivery_read_by_cron(self):
        "Test what cron reads was not delivered"
        self.pay()
        self.fetch()
        self.press('stripe_connect')
        self.assertEqual(self.found('delivery')[0], 'warning')
        self.assertIn("No event was received", self.found('delivery')[1])

    def test_delivery_again(self):
        "Test what failed before an event was delivered is told no more"
        self.press('stripe_connect')
        self.pay()
        with self.later():
            self.cron()
            self.assertIn("could not deliver", self.found('delivery')[1])
            self.pay()
            for type_ in {
                    e['type'] for e in self.world.objects('event').values()}:
                self.post(type_, self.signing_secret())
            self.cron()
            self.assertEqual(self.found('delivery')[0], 'ok')

    # Permissions

    def test_domains_denied(self):
        permissions = {**PERMISSIONS, 'webhook_endpoints': 'write'}
        del permissions['payment_method_domains']
        self.restrict(**permissions)
        self.press('stripe_connect')
        state, message = self.found('wallets')
        self.assertEqual(state, 'warning')
        self.assertIn("payment_method_domains_read", message)

    def test_ledger_denied(self):
        "Test what fetches balances is needed if there is one"
        self.restrict(webhook_endpoints='write', **PERMISSIONS)
        self.press('stripe_connect')
        self.assertEqual(self.found('permissions'), ('ok', None))
        with self.transaction():
            pool = Pool()
            Balance = pool.get('account.payment.stripe.balance')
            Company = pool.get('company.company')
            Balance.create([{
                        'name': "Stripe",
                        'company': self.company,
                        'stripe_account': self.account,
                        'currency': Company(self.company).currency.id,
                        'start_date': dt.date.today(),
                        }])
        self.press('stripe_check_connection')
        state, message = self.found('permissions')
        self.assertEqual(state, 'error')
        self.assertIn("To fetch the balance and the payouts: ", message)
        self.world.restrict(
            webhook_endpoints='write', balance='read', payouts='read',
            **PERMISSIONS)
        self.press('stripe_check_connection')
        self.assertEqual(self.found('permissions'), ('ok', None))

    def test_sources_asked(self):
        "Test saved sources are only asked for if there are some"
        self.restrict(webhook_endpoints='write', **PERMISSIONS)
        self.press('stripe_check_connection')
        self.assertEqual(self.requests('GET', '/sources'), [])
        with self.transaction():
            pool = Pool()
            Customer = pool.get('account.payment.stripe.customer')
            Customer.create([{
                        'party': self.party,
                        'stripe_account': self.account,
                        'stripe_methods': [('create', [{
                                        'stripe_payment_method_id': 'src_x',
                                        }])],
                        }])
        self.press('stripe_check_connection')
        self.assertEqual(len(self.requests('GET', '/sources')), 1)

    # Texts

    def test_language(self):
        "Test who reads a check reads it in the own language"
        self.press('stripe_connect')
        self.pay()
        self.post('payment_intent.succeeded', self.signing_secret())
        endpoint, = self.endpoints()
        self.client.webhook_endpoints.update(
            endpoint['id'], disabled=True, enabled_events=['charge.failed'])
        self.press('stripe_check_connection')
        self.assertIn(
            "it is disabled, it does not post all", self.found('webhook')[1])
        for language, format in [('en', '%m/%d/%Y'), ('de', '%d.%m.%Y')]:
            with self.subTest(language), self.transaction(language=language):
                account, checks = self.read()
                at = Pool().get('account.payment.stripe.event').search([
                        ('account', '=', account.id),
                        ])[0].happened_at
                self.assertIn(at.strftime(format), checks['delivery'][1])
                # Of a text only is kept which it is
                self.assertNotIn(
                    "disabled,", ' '.join(c.details for c in account.checks))

    def test_upgrade(self):
        "Test a database that has texts of checks is updated"
        self.press('stripe_connect')
        with self.transaction():
            table = Pool().get(CHECK)._table
            cursor = Transaction().connection.cursor()
            cursor.execute('ALTER TABLE "%s" ADD COLUMN message TEXT' % table)
            cursor.execute('UPDATE "%s" SET message = \'Text\', code = NULL '
                'WHERE name = \'webhook\'' % table)
        Pool(DB_NAME).init(update=['account_payment_stripe'])
        self.assertIsNone(self.found('webhook'))
        self.assertEqual(self.found('https'), ('ok', None))
        self.cron()
        self.assertEqual(self.found('webhook'), ('ok', None))

    # For how long

    def test_other_keys(self):
        "Test what was found with other keys is not shown"
        for name in ['secret_key', 'publishable_key']:
            self.press('stripe_connect')
            with self.transaction():
                account, checks = self.read()
                self.assertEqual(checks[name][0], 'ok')
                account.write([account], {name: getattr(account, name)})
            with self.transaction():
                account, checks = self.read()
                self.assertEqual(checks, {})
                self.assertIsNone(account.checked_at)

    def test_contact(self):
        "Test it is said that payers are not told whom to ask"
        self.press('stripe_connect')
        self.assertEqual(self.found('contact'), ('ok', None))
        self.press('stripe_check_connection', contact=None)
        state, message = self.found('contact')
        self.assertEqual(state, 'warning')
        self.assertIn('Enter a "Contact"', message)
        # Cron keeps it
        self.cron()
        self.assertEqual(self.found('contact')[0], 'warning')
        with self.transaction():
            pool = Pool()
            Company = pool.get('company.company')
            Mechanism = pool.get('party.contact_mechanism')
            Mechanism.create([{
                        'party': Company(self.company).party.id,
                        'type': 'email',
                        'value': 'shop@example.com',
                        }])
        self.press('stripe_check_connection')
        self.assertEqual(self.found('contact'), ('ok', None))
