# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the payer keeps: the proof of the payment, and whom to ask."""
import io
from decimal import Decimal

from proteus import Model

from trytond.modules.account_payment_stripe.tests.tools import (
    create_stripe_customer)

from .browser import PHONE, CheckoutTestCase, element, fill_card


class ProofTestCase(CheckoutTestCase):
    "Test the pages after the payment, and those without one"

    def setUp(self):
        super().setUp()
        self.account.website = 'https://shop.example.com/'
        self.account.terms_url = 'https://shop.example.com/terms'
        self.account.contact = 'help@example.com'
        self.account.save()

    def rows(self, page=None):
        "Return what the details of the page tell by name"
        page = page or self.page
        return dict(zip(
                page.locator('dt').all_inner_texts(),
                page.locator('dd').all_inner_texts()))

    def paid(self, page=None):
        "Return the payment that has been paid on the page"
        payment = self.payment()
        page = self.open(payment, page or self.page)
        fill_card(page)
        self.pay(page)
        self.assertEnds("Payment received", page)
        payment.reload()
        return payment

    def test_proof(self):
        "The end page tells all that proves the payment"
        self.world.set(wallet='google_pay')
        payment = self.paid()
        rows = self.rows()
        self.assertTrue(rows.pop("Date"))
        self.assertEqual(rows, {
                "Amount": "€25.00",
                "To": "Dunder Mifflin",
                "For": "Invoice 2026-0042",
                "Paid with": "Visa ****4242, Google Pay",
                "Payment number": payment.number,
                })
        receipt = self.page.get_by_role('link', name="Show the receipt")
        self.assertEqual(
            receipt.get_attribute('href'), payment.stripe_receipt_url)
        back = self.page.get_by_role('link', name="Back to Dunder Mifflin")
        self.assertEqual(
            back.get_attribute('href'), 'https://shop.example.com/')
        terms = self.page.get_by_role('link', name="Terms")
        self.assertEqual(
            terms.get_attribute('href'), 'https://shop.example.com/terms')
        self.take(self.page, 'proof')
        # On paper there is nothing to click
        self.page.emulate_media(media='print')
        for link in [receipt, back, terms]:
            self.assertFalse(link.is_visible())
        self.assertTrue(self.page.get_by_text("Google Pay").is_visible())
        self.take(self.page, 'proof-print')

    def test_phone(self):
        page = self.open_page(PHONE)
        self.paid(page)
        for width in [360, 320]:
            page.set_viewport_size({'width': width, 'height': 740})
            self.assertLessEqual(
                page.evaluate('document.documentElement.scrollWidth'), width)
        self.take(page, 'proof-phone')

    def test_refunded(self):
        "What was given back is told, in part and in whole"
        payment = self.paid()
        url = self.checkout_url(payment)
        self.client.refunds.create({
                'payment_intent': payment.stripe_payment_intent_id,
                'amount': 500})
        self.assertBecomes(payment, stripe_refunded_amount=Decimal('5.00'))
        self.page.goto(url)
        self.page.get_by_role('heading', name="Payment received").wait_for()
        self.assertEqual(self.rows()["Refunded"], "€5.00")
        self.assertEqual(self.rows()["Amount"], "€25.00")
        self.client.refunds.create({
                'payment_intent': payment.stripe_payment_intent_id})
        self.assertBecomes(payment, state='failed')
        self.page.goto(url)
        self.page.get_by_role('heading', name="Payment refunded").wait_for()
        self.assertEqual(self.rows()["Refunded"], "€25.00")
        self.take(self.page, 'refunded')

    def checkout_url(self, payment):
        return self.server.here(payment.stripe_checkout_address or (
                self.page.url.removesuffix('/end')))

    def test_saved(self):
        "Who has saved a card reads which one and for whom"
        customer = create_stripe_customer(self.account, self.party)
        self.open(customer)
        fill_card(self.page)
        self.page.get_by_role('button', name="Save payment method").click()
        self.assertEnds("Payment method saved")
        rows = self.rows()
        self.assertRegex(rows["Saved"], r"^Visa \*\*\*\*4242 ")
        self.assertEqual(rows["Customer"], "Michael Scott")
        self.assertEqual(rows["To"], "Dunder Mifflin Online")
        self.take(self.page, 'saved')
        # Who has only the link does not read the card
        self.page.goto(self.page.url.removesuffix('/end'))
        self.assertNotIn('4242', self.page.content())

    def test_replaced(self):
        "Who has a former address reads whom to ask"
        self.noise.append('410')
        payment = self.payment()
        url = self.checkout(payment)
        payment.click('stripe_new_address')
        response = self.page.goto(url)
        self.assertEqual(response.status, 410)
        self.page.get_by_role(
            'heading', name="This address has been replaced").wait_for()
        self.assertIn("Dunder Mifflin", self.page.inner_text('main'))
        self.assertEqual(
            self.page.get_by_role(
                'link', name="help@example.com").get_attribute('href'),
            'mailto:help@example.com')
        self.take(self.page, 'replaced')

    def test_unknown(self):
        self.noise.append('404')
        url = self.checkout(self.payment())
        response = self.page.goto(url[:-4] + '0000')
        self.assertEqual(response.status, 404)
        self.page.get_by_role(
            'heading', name="There is nothing at this address").wait_for()
        self.assertNotIn("Dunder Mifflin", self.page.content())
        self.take(self.page, 'unknown')

    def test_contact_of_company(self):
        "Without a contact of the account it is the one of the company"
        Company = Model.get('company.company')
        company, = Company.find()
        company.party.contact_mechanisms.new(
            type='phone', value='+32 2 555 12 34')
        company.party.save()
        self.account.contact = None
        self.account.save()
        payment = self.payment()
        url = self.checkout(payment)
        payment.click('draft')
        self.page.goto(url)
        self.page.get_by_role(
            'heading', name="This payment is no longer open").wait_for()
        self.assertIn("+32 2 555 12 34", self.page.inner_text('main'))

    def test_logo(self):
        "The logo of the company is shown where the payer is asked"
        from PIL import Image
        Company = Model.get('company.company')
        company, = Company.find()
        image = io.BytesIO()
        Image.new('RGB', (800, 200), (36, 80, 211)).save(image, 'PNG')
        company.logo = image.getvalue()
        company.save()

        def remove():
            company.logo = None
            company.save()
        self.addCleanup(remove)
        self.open(self.payment())
        element(self.page).get_by_label("Card number").wait_for()
        logo = self.page.get_by_role('img', name="Dunder Mifflin")
        self.assertGreater(
            logo.evaluate('e => e.complete && e.naturalWidth'), 0)
        self.take(self.page, 'logo')

    def test_test_mode(self):
        "Nobody takes a page of the test mode for a real one"
        self.open(self.payment())
        self.assertIn("Test mode", self.page.get_by_role('note').inner_text())

    def test_no_script(self):
        "Without scripts nothing is there that never works"
        page = self.open_page(java_script_enabled=False)
        self.open(self.payment(), page)
        self.assertIn("JavaScript", page.inner_text('main'))
        self.assertEqual(page.get_by_role('button').count(), 0)
        self.assertNotIn("Loading", page.inner_text('main'))

    def test_slow_script(self):
        "A script that takes long is explained"
        held = []
        self.page.route('**/endive/stripe.js', lambda r: held.append(r))
        self.page.clock.install()
        self.page.goto(
            self.checkout(self.payment()), wait_until='domcontentloaded')
        self.page.clock.run_for(7000)
        self.page.locator(
            '.loading', has_text="This takes longer").wait_for()
        route, = held
        route.continue_()
        element(self.page).get_by_label("Card number").wait_for()

    def test_forced_colors(self):
        "The button has an edge where colors are forced"
        page = self.open_page(forced_colors='active')
        self.open(self.payment(), page)
        fill_card(page)
        self.assertEqual(
            page.locator('#pay').evaluate(
                'e => getComputedStyle(e).borderTopWidth'), '1px')
        self.take(page, 'forced-colors')
