# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a payer does on the pages, in a real browser."""
import re
from decimal import Decimal
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from proteus import Model
from trytond.pool import Pool
from trytond.report import get_email
from trytond.transaction import Transaction

from ..routes import _headers
from .browser import (
    DB_NAME, DESKTOP, PHONE, BrowserTestCase, challenge, element, fill_card,
    fill_iban, with_warnings)
from .tools import (
    create_stripe_customer, create_stripe_payment, process_payments)

HOSTILE = '<img src=x onerror="window.hacked=1">\'"&</script>${1+1}'
DECLINED = '4000000000000002'
SECURE = '4000002760003184'


class CheckoutTestCase(BrowserTestCase):
    "Test the pages of the checkout"

    def payment(self, amount='25.00', reference="Invoice 2026-0042", **values):
        return create_stripe_payment(
            self.journal, values.pop('party', self.party), Decimal(amount),
            reference=reference, reference_type=None, **values)

    def open(self, record, page=None):
        page = page or self.page
        page.goto(self.checkout(record))
        return page

    def pay(self, page=None, name="Pay €25.00"):
        page = page or self.page
        page.get_by_role('button', name=name).click()

    def assertEnds(self, heading, page=None):
        page = page or self.page
        page.wait_for_url('**/end*')
        page.get_by_role('heading', name=heading).wait_for()

    def allow(self, status):
        "Expect that the browser notes an answer with the status"
        self.noise.append('status of %d' % status)

    def confirmations(self):
        return [
            r for r in self.simulator.requests
            if r['path'].endswith('/confirm')
            and r['account'] == self.world.name]

    def test_pay(self):
        "The webhook comes before the payer is back"
        payment = self.payment()
        page = self.open(payment)
        held = []
        page.route(re.compile(r'/end$'), lambda route: held.append(route))

        self.assertEqual(
            page.get_by_role('heading').inner_text(),
            "Payment to Dunder Mifflin")
        self.assertEqual(page.locator('#amount').inner_text(), "€25.00")
        self.assertIn(
            "Invoice 2026-0042", page.locator('header').inner_text())
        fill_card(page)
        self.take(page, 'checkout-desktop')
        self.pay()
        while not held:
            page.wait_for_timeout(50)
        self.assertBecomes(payment, state='succeeded')
        self.assertEqual(payment.amount, Decimal('25.00'))

        held[0].continue_()
        self.assertEnds("Payment received")
        self.assertIn("€25.00", page.locator('main').inner_text())
        self.take(page, 'checkout-end')
        self.assertEqual([m['amount'] for m in self.world.ledger()], [2500])
        payment.reload()
        self.assertEqual(payment.state, 'succeeded')

    def test_pay_without_webhook(self):
        "The end page brings the payment on by itself"
        self.world.webhooks.hold()
        payment = self.payment()
        page = self.open(payment)
        fill_card(page)
        self.pay()
        self.assertEnds("Payment received")
        payment.reload()
        self.assertEqual(payment.state, 'succeeded')
        self.world.webhooks.release()
        self.world.webhooks.flush(10)
        payment.reload()
        self.assertEqual(payment.state, 'succeeded')

    def test_declined_then_paid(self):
        self.allow(402)
        payment = self.payment()
        page = self.open(payment)
        fill_card(page, DECLINED)
        self.pay()
        alert = page.get_by_role('alert')
        alert.wait_for()
        self.assertEqual(alert.inner_text(), "Your card was declined.")
        self.assertEqual(
            page.evaluate('document.activeElement.id'), 'error')
        self.take(page, 'checkout-error')
        self.assertBecomes(
            payment, state='submitted',
            stripe_error_message="Your card was declined.")

        fill_card(page)
        self.pay()
        self.assertEnds("Payment received")
        self.assertBecomes(
            payment, state='succeeded', stripe_error_message=None)

    def test_incomplete(self):
        payment = self.payment()
        page = self.open(payment)
        fill_card(page, '4242')
        self.pay()
        alert = page.get_by_role('alert')
        alert.wait_for()
        self.assertEqual(
            alert.inner_text(), "Your card number is incomplete.")
        self.assertEqual(self.confirmations(), [])
        self.assertEqual(
            element(page).locator(':focus').get_attribute('name'), 'number')

    def test_authentication(self):
        payment = self.payment()
        page = self.open(payment)
        fill_card(page, SECURE)
        self.pay()
        challenge(page).get_by_role('button', name="Complete").click()
        self.assertEnds("Payment received")
        self.assertBecomes(payment, state='succeeded')

    def test_authentication_refused(self):
        payment = self.payment()
        page = self.open(payment)
        fill_card(page, SECURE)
        self.pay()
        challenge(page).get_by_role('button', name="Fail").click()
        alert = page.get_by_role('alert')
        alert.wait_for()
        self.assertIn("bank has not confirmed", alert.inner_text())
        self.assertBecomes(payment, state='submitted',
            stripe_error_code='payment_intent_authentication_failure')

        page.goto(page.url + '/end')
        self.assertEnds("Payment not completed")
        self.assertIn(
            "bank has not confirmed", page.get_by_role('alert').inner_text())
        page.get_by_role('link', name="Try again").click()
        fill_card(page)
        self.pay()
        self.assertEnds("Payment received")
        self.assertBecomes(payment, state='succeeded')

    def test_redirect(self):
        "A payment method that is confirmed on a page of its own"
        payment = self.payment()
        page = self.open(payment)
        element(page).get_by_role('tab', name="Klarna").click()
        self.pay()
        page.get_by_role('button', name="Complete").click()
        self.assertEnds("Payment received")
        self.assertBecomes(payment, state='succeeded')

    def test_redirect_refused(self):
        payment = self.payment()
        page = self.open(payment)
        element(page).get_by_role('tab', name="Klarna").click()
        self.pay()
        page.get_by_role('button', name="Fail").click()
        self.assertEnds("Payment not completed")
        payment.reload()
        self.assertEqual(payment.state, 'submitted')

    def test_debit(self):
        "A bank debit takes days"
        payment = self.payment()
        page = self.open(payment)
        fill_iban(page)
        self.pay()
        self.assertEnds("Payment is being processed")
        self.assertBecomes(payment, state='processing')
        page.goto(page.url.partition('/end')[0])
        page.get_by_role(
            'heading', name="Payment is being processed").wait_for()
        self.take(page, 'processing')

        self.simulator.clock.advance(24 * 60 * 60)
        self.assertBecomes(payment, state='succeeded')
        page.reload()
        page.get_by_role('heading', name="Payment received").wait_for()

    def test_authorize(self):
        payment = self.payment(stripe_capture=False)
        page = self.open(payment)
        fill_card(page)
        self.pay()
        self.assertEnds("Payment authorized")
        self.assertBecomes(
            payment, state='processing', stripe_capturable=True)

    def test_saved_card(self):
        customer = create_stripe_customer(self.account, self.party)
        payment = self.payment(stripe_customer=customer)
        page = self.open(payment)
        card = element(page).get_by_label("Visa ending in 4242")
        card.wait_for()
        self.assertTrue(card.is_checked())
        self.take(page, 'saved-card')
        self.pay()
        self.assertEnds("Payment received")
        self.assertBecomes(payment, state='succeeded')
        intent = self.world.objects('payment_intent')[
            payment.stripe_payment_intent_id]
        self.assertEqual(intent['customer'], customer.stripe_customer_id)

    def test_save_card(self):
        "The payer lets the card be kept"
        customer = create_stripe_customer(
            self.account, self.party, 'tok_mastercard')
        payment = self.payment(stripe_customer=customer)
        page = self.open(payment)
        element(page).get_by_label("New payment method").check()
        fill_card(page)
        element(page).get_by_label("Save payment details").check()
        self.pay()
        self.assertEnds("Payment received")
        self.assertEqual(sorted(
                m['card']['brand']
                for m in self.world.objects('payment_method').values()
                if m['customer'] == customer.stripe_customer_id),
            ['mastercard', 'visa'])

    def test_add_card(self):
        "The page of a customer"
        Customer = Model.get('account.payment.stripe.customer')
        customer = Customer(party=self.party, stripe_account=self.account)
        customer.save()
        page = self.open(customer)
        self.assertEqual(
            page.get_by_role('heading').inner_text(),
            "Add a payment method")
        self.assertIn(
            "Dunder Mifflin Online", page.locator('header').inner_text())
        fill_card(page)
        self.take(page, 'customer')
        self.pay(name="Save payment method")
        self.assertEnds("Payment method saved")
        customer.reload()
        self.assertTrue(customer.stripe_customer_id)
        method, = [
            m for m in self.world.objects('payment_method').values()
            if m['customer'] == customer.stripe_customer_id]
        self.assertEqual(method['card']['last4'], '4242')

    def test_add_card_declined(self):
        self.allow(402)
        Customer = Model.get('account.payment.stripe.customer')
        customer = Customer(party=self.party, stripe_account=self.account)
        customer.save()
        page = self.open(customer)
        fill_card(page, DECLINED)
        self.pay(name="Save payment method")
        alert = page.get_by_role('alert')
        alert.wait_for()
        self.assertEqual(alert.inner_text(), "Your card was declined.")
        page.goto(page.url + '/end')
        self.assertEnds("Payment method not saved")
        page.get_by_role('link', name="Try again").click()
        fill_card(page, SECURE)
        self.pay(name="Save payment method")
        challenge(page).get_by_role('button', name="Complete").click()
        self.assertEnds("Payment method saved")

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
            'heading', name="This payment is not open anymore").wait_for()
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

    def test_once(self):
        "Clicks and keys pay once"
        payment = self.payment()
        page = self.open(payment)
        fill_card(page)
        self.simulator.faults.add(
            'latency', 'POST /v1/payment_intents/*/confirm', seconds=1,
            account=self.world.name)
        self.addCleanup(self.simulator.faults.clear)
        button = page.locator('#pay')
        self.assertEqual(button.get_attribute('aria-busy'), 'false')
        button.dblclick()
        self.assertEqual(button.get_attribute('aria-busy'), 'true')
        self.assertTrue(button.is_disabled())
        self.assertEqual(button.inner_text(), "One moment please…")
        self.take(page, 'busy')
        page.evaluate('document.getElementById("form").requestSubmit()')
        page.keyboard.press('Enter')
        self.assertEnds("Payment received")
        self.assertEqual(len(self.confirmations()), 1)

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
        self.assertIn("did not work", page.get_by_role('alert').inner_text())
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
        policy = _headers(
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
            "https://hooks.stripe.com https://*.link.com")
        for name in ['base-uri', 'form-action', 'frame-ancestors']:
            self.assertEqual(directives[name], "'none'")
        self.assertNotIn(self.simulator.url, directives['frame-src'])

    def test_phone(self):
        page = self.open(
            self.payment(reference="Invoice 2026-0042 " + 'W' * 60),
            self.open_page(PHONE))
        for width in [375, 320]:
            page.set_viewport_size({'width': width, 'height': 812})
            fill_card(page)
            self.assertLessEqual(
                page.evaluate('document.documentElement.scrollWidth'), width)
        self.assertGreaterEqual(
            element(page).get_by_label("Card number").evaluate(
                'e => parseFloat(getComputedStyle(e).fontSize)'), 16)
        self.assertGreaterEqual(
            page.locator('#pay').bounding_box()['height'], 44)

    def test_phone_pictures(self):
        page = self.open(self.payment(), self.open_page(
                {**PHONE, 'height': 640}, device_scale_factor=2))
        fill_card(page)
        self.take(page, 'checkout-phone')
        self.pay(page)
        self.assertEnds("Payment received", page)
        self.take(page, 'phone-end')

    def test_dark(self):
        page = self.open(
            self.payment(), self.open_page(color_scheme='dark'))
        fill_card(page)
        self.take(page, 'dark')
        dark = page.evaluate(
            'getComputedStyle(document.body).backgroundColor')
        self.assertEqual(dark, 'rgb(14, 17, 22)')
        self.assertEqual(
            element(page).locator(':root').get_attribute('data-theme'),
            'night')
        page.emulate_media(color_scheme='light')
        element(page).locator(':root[data-theme=stripe]').wait_for()

    def test_accessible(self):
        page = self.open(self.payment())
        element(page).get_by_label("Card number").wait_for()
        self.assertEqual(page.locator('html').get_attribute('lang'), 'en')
        self.assertEqual(page.locator('html').get_attribute('dir'), 'ltr')
        self.assertEqual(page.locator('h1').count(), 1)
        self.assertEqual(page.get_by_role('main').count(), 1)
        self.assertTrue(page.title())
        self.assertEqual(
            page.locator('#error').get_attribute('role'), 'alert')
        for node in page.locator('iframe').all():
            self.assertTrue(node.get_attribute('title'))
        for node in page.locator('svg').all():
            self.assertEqual(node.get_attribute('aria-hidden'), 'true')
        self.assertEqual(page.locator('#element').get_attribute('tabindex'),
            None)

    def test_contrast(self):
        "Text can be read in both color schemes (WCAG AA)"
        for scheme in ['light', 'dark']:
            page = self.open(
                self.payment(), self.open_page(color_scheme=scheme))
            colors = page.evaluate('''() => {
                const css = getComputedStyle(document.documentElement);
                return Object.fromEntries([
                    'card', 'text', 'muted', 'accent', 'on', 'bad',
                    'bad-back', 'good', 'good-back', 'wait', 'wait-back',
                    ].map(n => [n, css.getPropertyValue('--' + n).trim()]));
            }''')
            for front, back in [
                    ('text', 'card'), ('muted', 'card'), ('on', 'accent'),
                    ('bad', 'bad-back'), ('good', 'good-back'),
                    ('wait', 'wait-back')]:
                self.assertGreaterEqual(
                    contrast(colors[front], colors[back]), 4.5,
                    (scheme, front, back))

    def test_keyboard(self):
        payment = self.payment()
        page = self.open(payment)
        element(page).get_by_label("Card number").wait_for()
        press = page.keyboard.press
        press('Tab')
        # The tabs of the payment methods
        while element(page).locator(':focus[name=number]').count() == 0:
            press('Tab')
        page.keyboard.type('4242424242424242')
        press('Tab')
        page.keyboard.type('1234')
        press('Tab')
        page.keyboard.type('123')
        press('Tab')
        self.assertEqual(page.evaluate('document.activeElement.id'), 'pay')
        press('Enter')
        self.assertEnds("Payment received")

    def test_language(self):
        "The party's language, else the browser's if it is translated"
        Lang = Model.get('ir.lang')
        Party = Model.get('party.party')
        Translation = Model.get('ir.translation')
        french, = Lang.find([('code', '=', 'fr')])
        with Transaction().start(DB_NAME, 1):
            pool = Pool()
            german = pool.get('ir.lang').get('de')
            pool.get('ir.lang').write([german], {'translatable': True})
        for source, value in [
                ("Pay %(amount)s", "%(amount)s zahlen"),
                ("Customer", "Kunde")]:
            Translation(
                type='report', name='account.payment.stripe.checkout',
                lang='de', src=source, value=value,
                module='account_payment_stripe').save()
        party = Party(name="Fritz")
        party.save()
        payment = self.payment('1234.50', party=party)
        for accepted, language, button in [
                ('de-AT,en;q=0.5', 'de', "1.234,50\xa0€ zahlen"),
                ('fr,it', 'en', "Pay €1,234.50"),
                ('', 'en', "Pay €1,234.50"),
                ]:
            html = self.read(self.checkout(payment), accepted)
            self.assertIn('lang="%s"' % language, html)
            self.assertIn('data-locale="%s"' % language, html)
            self.assertIn(button, html)
        party.lang = french
        party.save()
        html = self.read(self.checkout(payment), 'de')
        self.assertIn('lang="fr"', html)
        page = self.open(payment)
        fill_card(page)

    def test_mail(self):
        payment = self.payment(reference=HOSTILE)
        url = self.checkout(payment)
        with Transaction().start(DB_NAME, 1, readonly=True):
            pool = Pool()
            lang = pool.get('ir.lang').get('en')
            message, title = get_email(
                'account.payment.stripe.email_checkout',
                pool.get('account.payment')(payment.id), [lang])
        self.assertEqual(title, "Your payment needs your attention")
        body = message.get_body(('html',)).get_content()
        for viewport, name in [(DESKTOP, 'mail'), (PHONE, 'mail-phone')]:
            page = self.open_page(viewport)
            page.set_content(body)
            link = page.get_by_role('link', name="Pay €25.00")
            self.assertEqual(
                self.server.here(link.get_attribute('href')), url)
            text = page.locator('body').inner_text()
            for part in [HOSTILE, "Dunder Mifflin", "€25.00"]:
                self.assertIn(part, text)
            self.assertTrue(text.strip().endswith("Dunder Mifflin"))
            self.assertLessEqual(
                page.evaluate('document.documentElement.scrollWidth'),
                viewport['width'])
            self.take(page, name)

    def read(self, url, language=''):
        request = Request(url, headers={'Accept-Language': language})
        with urlopen(request) as response:
            return response.read().decode()

    def test_stand_in(self):
        "The stand-in refuses what Stripe.js refuses"
        self.noise.append('[Stripe.js] Unrecognized')
        payment = self.payment()
        page = self.open(payment)
        fill_card(page)
        for code, message in [
                ("Stripe()", "apiKey should be a string"),
                ("Stripe('sk_test_x')", "secret key"),
                ("stripe.elements()", "client secret"),
                ("stripe.elements({clientSecret: 'x'})",
                    "clientSecret should be a client secret"),
                ("stripe.elements({clientSecret: secret, loader: 'x'})",
                    "loader should be one of"),
                ("stripe.elements({clientSecret: secret}).create('x')",
                    "A valid Element name"),
                ("elements.create('payment')", "Can only create one"),
                ("element.mount('#nothing')", "no DOM elements"),
                ("stripe.confirmPayment()", "should be an object"),
                ("stripe.confirmPayment({confirmParams: {}})",
                    "elements should be an Elements instance"),
                ("stripe.confirmPayment({elements})", "return_url"),
                ("stripe.confirmPayment({elements, redirect: 'x'})",
                    "redirect should be one of"),
                ("stripe.confirmSetup({elements, redirect: 'if_required'})",
                    "client secret of a PaymentIntent"),
                ("stripe.confirmPayment({elements, redirect: 'if_required'})",
                    "still mounted"),
                ("stripe.elements({clientSecret: secret, x: 1}) && null",
                    None),
                ]:
            error = page.evaluate('''async () => {
                const {key, secret} = document.getElementById('form').dataset;
                const stripe = Stripe(key);
                const elements = stripe.elements({clientSecret: secret});
                const element = elements.create('payment');
                try {
                    await %s;
                } catch (error) {
                    return error.name + ': ' + error.message;
                }
            }''' % code)
            if message is None:
                self.assertIsNone(error, code)
            else:
                self.assertTrue(error.startswith('IntegrationError: '), code)
                self.assertIn(message, error)

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


def contrast(*colors):
    "Return the contrast ratio of two hexadecimal colors"
    def luminance(color):
        digits = color.lstrip('#')
        if len(digits) == 3:
            digits = ''.join(d * 2 for d in digits)
        channels = [int(digits[i:i + 2], 16) / 255 for i in (0, 2, 4)]
        red, green, blue = [
            c / 12.92 if c <= .03928 else ((c + .055) / 1.055) ** 2.4
            for c in channels]
        return .2126 * red + .7152 * green + .0722 * blue
    light, dark = sorted(map(luminance, colors), reverse=True)
    return (light + .05) / (dark + .05)
