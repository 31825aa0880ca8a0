# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""How the pages and the e-mail look, read and are used."""

from proteus import Model

from trytond.pool import Pool
from trytond.report import get_email
from trytond.transaction import Transaction

from .browser import (
    DB_NAME, DESKTOP, PHONE, CheckoutTestCase, element, fill_card)

HOSTILE = '<img src=x onerror="window.hacked=1">\'"&</script>${1+1}'


class LooksTestCase(CheckoutTestCase):
    "Test the pages on screens, with keys and in languages"

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
        # Without its texts a page would be English in French clothes
        for accepted, language in [('de', 'de'), ('', 'en')]:
            html = self.read(self.checkout(payment), accepted)
            self.assertIn('lang="%s"' % language, html)
        page = self.open(payment)
        fill_card(page)

    def test_right_to_left(self):
        "Only a page with Persian texts is read from right to left"
        Lang = Model.get('ir.lang')
        Party = Model.get('party.party')
        Translation = Model.get('ir.translation')
        persian, = Lang.find([('code', '=', 'fa')])
        party = Party(name="Reza", lang=persian)
        party.save()
        payment = self.payment('1234.50', party=party)
        html = self.read(self.checkout(payment))
        self.assertIn('lang="en" dir="ltr"', html)
        self.assertIn("Pay €1,234.50", html)
        Translation(
            type='report', name='account.payment.stripe.checkout',
            lang='fa', src="Pay %(amount)s", value="پرداخت %(amount)s",
            module='account_payment_stripe').save()
        page = self.open(payment, self.open_page(PHONE))
        fill_card(page)
        self.assertEqual(page.locator('html').get_attribute('dir'), 'rtl')
        self.assertIn('\u2068', page.locator('#amount').inner_text())
        self.take(page, 'rtl')

    def test_mail(self):
        payment = self.payment(reference=HOSTILE)
        url = self.checkout(payment)
        with Transaction().start(DB_NAME, 1, readonly=True):
            pool = Pool()
            lang = pool.get('ir.lang').get('en')
            message, title = get_email(
                'account.payment.stripe.email_checkout',
                pool.get('account.payment')(payment.id), [lang])
        self.assertEqual(title, "Your payment could not be completed")
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
