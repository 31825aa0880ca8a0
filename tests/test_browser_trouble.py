# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The pages when something is over, wrong, hostile or not there."""
from urllib.error import HTTPError
from urllib.request import urlopen

from proteus import Model

from ..page import headers
from .browser import CheckoutTestCase, fill_card, with_warnings
from .tools import create_stripe_customer, process_payments

HOSTILE = '<img src=x onerror="window.hacked=1">\'"&</script>${1+1}'


class TroubleTestCase(CheckoutTestCase):
    "Test the pages in trouble"

    def test_done(self):
        "The link of a payment that is done"
        payment = self.payment()
        url = self.checkout(payment)
        self.world.pay(payment.stripe_payment_intent_id)
        self.assertBecomes(payment, state='succeeded')
        for end in ['', '/end']:
            self.page.goto(url + end)
            self.page.get_by_role(
                'heading', name="Payment received").wait_for()
            self.assertEqual(self.page.get_by_role('button').count(), 0)
            self.assertEqual(self.page.locator('iframe, script').count(), 0)

    def test_done_elsewhere(self):
        "It is paid while the page is open, without that trytond knows"
        self.world.webhooks.hold()
        payment = self.payment()
        page = self.open(payment)
        fill_card(page)
        self.world.pay(payment.stripe_payment_intent_id)
        self.allow(400)
        self.pay()
        self.assertEnds("Payment received")
        self.assertEqual([m['amount'] for m in self.world.ledger()], [2500])

    def test_done_while_loading(self):
        self.world.webhooks.hold()
        payment = self.payment()

        def pay(route):
            self.world.pay(payment.stripe_payment_intent_id)
            route.continue_()
        self.page.route('**/endive/stripe.js', pay)
        self.open(payment)
        self.assertEnds("Payment received")

    def test_closed(self):
        payment = self.payment()
        url = self.checkout(payment)
        process_payments([payment])
        payment.click('fail')
        self.page.goto(url)
        self.page.get_by_role(
            'heading', name="This payment is no longer open").wait_for()
        self.take(self.page, 'closed')

    def test_not_paid(self):
        "Who opens the end without having paid is led back"
        payment = self.payment()
        url = self.checkout(payment)
        self.page.goto(url + '/end')
        self.page.get_by_role(
            'heading', name="Payment not completed").wait_for()
        self.assertEqual(self.page.get_by_role('alert').count(), 0)
        self.take(self.page, 'unpaid')
        payment.reload()
        self.assertEqual(payment.state, 'submitted')
        self.page.get_by_role('link', name="Try again").click()
        self.page.wait_for_url(url)

    def test_connection_lost(self):
        "The answer to the confirmation is lost, a second click ends well"
        self.noise.append('net::ERR')
        self.allow(400)
        payment = self.payment()
        page = self.open(payment)
        fill_card(page)
        self.world.webhooks.hold()

        def lose(route):
            route.fetch()
            route.abort()
        page.route('**/confirm', lose)
        self.pay()
        page.get_by_role('alert').wait_for()
        self.assertIn("went wrong", page.get_by_role('alert').inner_text())
        page.unroute('**/confirm')
        self.pay()
        self.assertEnds("Payment received")
        self.assertEqual([m['amount'] for m in self.world.ledger()], [2500])

    def test_stripe_unreachable(self):
        self.allow(503)
        payment = self.payment()
        url = self.checkout(payment)
        self.simulator.faults.add('down')
        self.addCleanup(self.simulator.faults.clear)
        response = self.page.goto(url)
        self.assertEqual(response.status, 503)
        self.page.get_by_role(
            'heading', name="Not available at the moment").wait_for()
        self.take(self.page, 'unavailable')
        response = self.page.goto(url + '/end')
        self.assertEqual(response.status, 503)
        self.page.get_by_role(
            'heading', name="Waiting for the confirmation").wait_for()
        self.assertIn(
            "do not pay again", self.page.get_by_role('alert').inner_text())

        self.simulator.faults.clear()
        self.page.goto(url)
        fill_card(self.page)

    def test_stripe_unreachable_customer(self):
        "Who adds a payment method is not told of a payment"
        self.allow(503)
        Customer = Model.get('account.payment.stripe.customer')
        customer = Customer(party=self.party, stripe_account=self.account)
        customer.save()
        page = self.open(customer)
        fill_card(page)
        self.simulator.faults.add('down')
        self.addCleanup(self.simulator.faults.clear)
        response = page.goto(page.url + '/end')
        self.assertEqual(response.status, 503)
        alert = page.get_by_role('alert').inner_text()
        self.assertIn("check back in a few minutes", alert)
        self.assertNotIn("pay again", alert)

    def test_no_stripe_js(self):
        self.noise.append('net::ERR')
        self.page.route('**/endive/stripe.js', lambda r: r.abort())
        page = self.open(self.payment())
        alert = page.get_by_role('alert')
        alert.wait_for()
        self.assertIn("could not be loaded", alert.inner_text())
        self.assertEqual(page.get_by_role('button').count(), 0)
        self.take(page, 'no-stripe-js')
        page.unroute('**/endive/stripe.js')
        page.get_by_role('link', name="Reload the page").click()
        fill_card(page)

    def test_wrong_publishable_key(self):
        self.allow(401)
        self.account.publishable_key = 'pk_test_'
        with_warnings(self.account.save)
        page = self.open(self.payment())
        alert = page.get_by_role('alert')
        alert.wait_for()
        self.assertIn("could not be opened", alert.inner_text())

    def test_no_javascript(self):
        payment = self.payment()
        page = self.open(payment, self.open_page(java_script_enabled=False))
        self.assertIn("turn on JavaScript", page.locator('main').inner_text())

    def test_unknown(self):
        payment = self.payment()
        url = self.checkout(payment)
        self.allow(404)
        self.allow(403)
        # The browser asks for an icon also
        self.allow(405)
        for wrong, status in [
                (url[:-1] + 'x', 404),
                (url + 'x/end', 404),
                (url.replace('account.payment', 'res.user'), 403),
                (url.replace('account.payment', 'res.user') + '/end', 403),
                ]:
            self.assertEqual(self.page.goto(wrong).status, status)

    def test_hostile(self):
        "What users enter stays text"
        Party = Model.get('party.party')
        party = Party(name="Eve " + HOSTILE)
        party.save()
        payment = self.payment(reference=HOSTILE, party=party)
        page = self.open(payment)
        text = page.locator('header').inner_text()
        self.assertEqual(text.count(HOSTILE), 2)
        fill_card(page)
        self.assertIsNone(page.evaluate('window.hacked || null'))
        self.assertEqual(page.locator('img').count(), 0)
        self.pay()
        self.assertEnds("Payment received")

        Customer = Model.get('account.payment.stripe.customer')
        customer = Customer(party=party, stripe_account=self.account)
        customer.save()
        self.account.name = HOSTILE
        self.account.save()
        self.open(customer)
        self.assertIn(HOSTILE, page.title())
        fill_card(page)
        self.assertIsNone(page.evaluate('window.hacked || null'))

    def test_secrets(self):
        "The page has the secrets that Stripe.js needs and no other"
        customer = create_stripe_customer(self.account, self.party)
        payment = self.payment(stripe_customer=customer)
        with urlopen(self.checkout(payment)) as response:
            html = response.read().decode()
            headers = response.headers
        for secret in [
                self.account.secret_key, self.account.webhook_signing_secret,
                payment.stripe_idempotency_key,
                self.account.webhook_identifier]:
            self.assertTrue(secret)
            self.assertNotIn(secret, html)
        self.assertIn(self.account.publishable_key, html)
        self.assertLess(len(html.encode()), 16000)
        self.assertEqual(headers['Cache-Control'], 'no-store')
        self.assertEqual(headers['Referrer-Policy'], 'no-referrer')
        self.assertEqual(headers['X-Frame-Options'], 'DENY')
        self.assertEqual(headers['X-Content-Type-Options'], 'nosniff')

    def test_policy(self):
        "Only Stripe's own origins unless a stand-in is configured"
        policy = headers(
            'NONCE', 'https://js.stripe.com/endive/stripe.js')[
            'Content-Security-Policy']
        directives = dict(
            d.split(' ', 1) for d in policy.split('; '))
        self.assertEqual(directives['default-src'], "'none'")
        self.assertEqual(
            directives['script-src'],
            "'nonce-NONCE' https://js.stripe.com https://*.js.stripe.com")
        self.assertEqual(
            directives['frame-src'],
            "https://js.stripe.com https://*.js.stripe.com "
            "https://hooks.stripe.com https://link.com https://*.link.com")
        for name in ['base-uri', 'form-action', 'frame-ancestors']:
            self.assertEqual(directives[name], "'none'")
        self.assertNotIn(self.simulator.url, directives['frame-src'])

    def test_many(self):
        "The page does not get slower or fail with its use"
        payment = self.payment()
        url = self.checkout(payment)
        self.world.pay(payment.stripe_payment_intent_id)
        self.assertBecomes(payment, state='succeeded')
        try:
            for _ in range(300):
                self.read(url)
        except HTTPError as e:
            self.fail(e.read().decode())
