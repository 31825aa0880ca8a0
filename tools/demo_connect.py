# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The story of the demo about connecting an account to Stripe."
from urllib.parse import urlsplit

from proteus import Model

from trytond.exceptions import UserWarning
from trytond.modules.account_payment_stripe.tests.tools import run_cron

from demo_teller import Teller, check

HOST = 'pay.example.com'
# What the restricted key may do, but for refunds
PERMISSIONS = dict(
    balance='read', charges='read', customers='write',
    customer_sessions='write', disputes='read', events='read',
    payment_intents='write', payment_method_domains='write',
    payment_methods='write', payouts='read', setup_intents='write',
    sources='write', webhook_endpoints='write')
GREEN = dict.fromkeys([
        'secret_key', 'publishable_key', 'permissions', 'webhook', 'https',
        'delivery', 'events', 'cron', 'contact'], 'ok')
# The server of the demo has no certificate
WITHOUT_HTTPS = GREEN | {'https': 'warning'}


class ConnectStory(Teller):

    def connect(self):
        company, terminal = self.company, self.terminal
        account = company.account
        terminal.scene("An administrator connects Tryton to Stripe")
        if company.test_mode:
            terminal.step(
                "Stripe itself cannot post to this machine: only the "
                "simulator tells it")
            return
        account.contact = "shop@example.com"
        account.save()
        self.step("The two keys are entered, they are of the test mode",
            account, mode='test', check_state=None, webhook_endpoint='')
        account.click('stripe_connect')
        self.step("Connect is pressed", account, mode='test', webhook_id=bool)
        self.tell_checks(
            WITHOUT_HTTPS | {'delivery': 'warning', 'cron': 'warning'})
        self.tell_webhook('http', '127.0.0.1')

        terminal.scene("A customer pays, and cron has run")
        last = self.last_event()
        payment = self.paid('25.00')
        self.told('payment_intent.succeeded', last)
        self.step("The payment has succeeded", payment, state='succeeded')
        run_cron('cron_fetch_events')
        self.check_connection()
        self.tell_checks(WITHOUT_HTTPS)

        terminal.scene("The server gets a name and a certificate")
        with company.known_as(HOST):
            self.confirm(
                lambda: account.click('stripe_connect'),
                'stripe_webhook_moved')
            self.step("Connect is pressed again", account, check_state='ok')
            self.tell_checks(GREEN | {'wallets': 'ok'})
            self.tell_webhook('https', HOST)
            domain, = company.client.payment_method_domains.list().data
            check(
                domain.domain_name == HOST
                and domain.apple_pay.status == 'active',
                "%s is not registered" % HOST)
            terminal.step(
                "%s is registered for Apple Pay and other wallets" % HOST)
            # Nobody answers there
            account.click('stripe_disconnect')
        account.click('stripe_connect')

        self._restricted_key(account)
        self._other_key(account)
        self._disconnect(account)

    def _restricted_key(self, account):
        company, terminal = self.company, self.terminal
        terminal.scene("A restricted key lacks a permission")
        key = account.secret_key
        company.world.restrict(**PERMISSIONS)
        account.secret_key = company.world.restricted_key
        self.confirm(account.save, 'stripe_key_modified')
        self.check_connection()
        self.tell_checks(
            WITHOUT_HTTPS | {'permissions': 'error'}, only='permissions')
        company.world.restrict(refunds='write', **PERMISSIONS)
        self.check_connection("The permission is given in Stripe's dashboard")
        self.tell_checks(WITHOUT_HTTPS, only='permissions')
        company.world.unrestrict()
        account.secret_key = key
        self.confirm(account.save, None)

    def _other_key(self, account):
        company, terminal = self.company, self.terminal
        terminal.scene("The publishable key is of another Stripe account")
        key = account.publishable_key
        account.publishable_key = company.simulator.account(
            'another').publishable_key
        self.confirm(account.save, None)
        self.check_connection()
        self.tell_checks(
            WITHOUT_HTTPS | {'publishable_key': 'error'},
            only='publishable_key')
        account.publishable_key = key
        self.confirm(account.save, None)

    def _disconnect(self, account):
        company, terminal = self.company, self.terminal
        terminal.scene("The account is disconnected")
        account.click('stripe_disconnect')
        self.step("Disconnect is pressed", account, webhook_id=None,
            webhook_signing_secret=None, check_state=None)
        check(not company.client.webhook_endpoints.list().data,
            "The webhook is still at Stripe")
        terminal.step("The webhook is deleted at Stripe")
        payment = self.new_payment('15.00')
        page = self.open_page(payment)
        self.enter(page, come_back=False)
        self.step("Nobody tells Tryton", payment, state='submitted')
        run_cron('cron_fetch_events')
        self.step("Cron asks Stripe every 15 minutes", payment,
            state='succeeded')
        self.check_money(['25.00', '15.00'])
        account.click('stripe_connect')
        self.step("It is connected again", account, webhook_id=bool)
        self.tell_checks(WITHOUT_HTTPS, only='webhook')

    def confirm(self, action, name):
        """Do what Tryton warns of: name says of what.

        Without a name nothing is told of it."""
        Warning = Model.get('res.user.warning')
        try:
            action()
        except UserWarning as e:
            warning = e
        else:
            check(False, "Tryton did not warn of it")
        check(not name or name in warning.name,
            "Tryton warned of %s" % warning.name)
        Warning.skip(warning.name, False, self.company.account._config.context)
        action()
        if name:
            self.terminal.step("Tryton warns, the administrator confirms")
            self.terminal.note(warning.message)

    def check_connection(self, text="Check is pressed"):
        self.company.account.click('stripe_check_connection')
        self.terminal.step(text)

    def tell_checks(self, expected, only=None):
        "Tell the list of checks, or only that of the name"
        account = self.company.account
        account.reload()
        found = {c.name: c.state for c in account.checks}
        check(found == expected, "The checks are %s" % found)
        for line in account.checks:
            if only in {None, line.name}:
                self.terminal.finding(
                    line.state, line.rec_name, line.message)

    def tell_webhook(self, scheme, host):
        "Tell of the only webhook at Stripe"
        endpoints = self.company.client.webhook_endpoints.list().data
        check(len(endpoints) == 1, "There are %s webhooks" % len(endpoints))
        url = urlsplit(endpoints[0].url)
        check((url.scheme, url.hostname) == (scheme, host),
            "It posts to %s" % endpoints[0].url)
        self.terminal.step(
            "Stripe has one webhook, of %d events, for %s://%s" % (
                len(endpoints[0].enabled_events), scheme, url.netloc))
