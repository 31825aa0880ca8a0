# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The pages of payers whose voucher or transfer is waited for."""
from proteus import Model

from .browser import DESKTOP, PHONE, CheckoutTestCase, element
from .tools import create_stripe_customer

SMALL = {**PHONE, 'width': 360}
HEADINGS = {
    "Waiting for your transfer", "Waiting for your payment",
    "Confirm your bank account"}
# Longer than in English
GERMAN = {
    "Waiting for your transfer": "Wir warten auf Ihre Überweisung",
    "Waiting for your payment": "Wir warten auf Ihre Zahlung",
    "Confirm your bank account": "Bestätigen Sie Ihr Bankkonto",
    "Thank you! A part of the amount has arrived. Please transfer the rest as "
    "described in the instructions, if you have not done so yet.":
    "Vielen Dank! Ein Teil des Betrags ist eingegangen. Bitte überweisen Sie "
    "den Rest wie in der Anleitung beschrieben, falls Sie das noch nicht "
    "getan haben.",
    "Received so far": "Bisher eingegangen",
    "Still to transfer": "Noch zu überweisen",
    "Pay by": "Zahlbar bis",
    "Show the instructions": "Anleitung anzeigen",
    "Show the voucher": "Zahlschein anzeigen",
    "Confirm the bank account": "Bankkonto bestätigen",
    "Use another payment method": "Andere Zahlungsmethode verwenden",
    "If you do, please do not pay this way any more.":
    "Bitte zahlen Sie dann nicht mehr auf diesem Weg.",
    }
TYPES = ['customer_balance', 'multibanco', 'wechat_pay']


class WaitTestCase(CheckoutTestCase):
    "Test what is shown while money is on its way"

    def setUp(self):
        super().setUp()
        self.customers = {}
        self.world.set(payment_method_types=[
                'card', *TYPES, 'us_bank_account'])

    def give(self, type_, reference="Invoice 2026-0042", **values):
        "Return a payment for which the payer has chosen, and its URL"
        party = values.get('party', self.party)
        if party not in self.customers:
            self.customers[party] = create_stripe_customer(
                self.account, party)
        payment = self.payment(
            reference=reference, stripe_customer=self.customers[party],
            **values)
        url = self.checkout(payment)
        self.world.pay(payment.stripe_payment_intent_id, type=type_)
        return payment, url

    def setup(self):
        "Return a customer whose bank account is to be confirmed, and its URL"
        customer = create_stripe_customer(self.account, self.party)
        url = self.checkout(customer)
        self.world.pay(customer.stripe_setup_intent_id, type='us_bank_account')
        return customer, url

    def assertFits(self, page, width):
        self.assertLessEqual(
            page.evaluate('document.documentElement.scrollWidth'), width)

    def test_looks(self):
        for viewport in [SMALL, DESKTOP]:
            page = self.open_page(viewport)
            for type_ in TYPES:
                with self.subTest(type=type_, width=viewport['width']):
                    payment, url = self.give(
                        type_, reference="Invoice 2026-0042 " + 'W' * 40)
                    for path in ['', '/end']:
                        page.goto(url + path)
                        page.locator('h1').wait_for()
                        self.assertIn(
                            page.locator('h1').inner_text(), HEADINGS)
                        self.assertFits(page, viewport['width'])
                        link = page.locator('a.button')
                        self.assertEqual(
                            link.get_attribute('target'), '_blank')
                        self.assertEqual(
                            link.get_attribute('rel'), 'noopener noreferrer')
                        self.assertGreaterEqual(
                            link.bounding_box()['height'], 44)
                    self.take(page, 'wait-%s-%d' % (
                            type_, viewport['width']))

    def test_setup(self):
        for viewport in [SMALL, DESKTOP]:
            customer, url = self.setup()
            page = self.open_page(viewport)
            for path in ['/end', '']:
                page.goto(url + path)
                page.get_by_role(
                    'heading', name="Confirm your bank account").wait_for()
                self.assertFits(page, viewport['width'])
            self.take(page, 'wait-setup-%d' % viewport['width'])
            self.world.receive(customer.stripe_setup_intent_id)
            page.goto(url + '/end')
            page.get_by_role(
                'heading', name="Payment method saved").wait_for()

    def test_chosen(self):
        "The payer closes what Stripe.js shows and is told what is waited for"
        customer = create_stripe_customer(self.account, self.party)
        for label, heading in [
                ("Multibanco", "Waiting for your payment"),
                ("Bank transfer", "Waiting for your transfer"),
                ("WeChat Pay", "Waiting for your payment")]:
            with self.subTest(label=label):
                payment = self.payment(stripe_customer=customer)
                page = self.open(payment, self.open_page())
                element(page).get_by_text("New payment method").click()
                element(page).get_by_role('tab', name=label).click()
                self.pay(page)
                frame = page.frame_locator('iframe[title=Instructions]')
                frame.get_by_role('button', name="Close").click()
                self.assertEnds(heading, page)
                self.assertBecomes(
                    payment, state='submitted',
                    stripe_waiting_for='transfer')
                with page.expect_popup() as popup:
                    page.locator('a.button').click()
                popup.value.get_by_text("How to pay").wait_for()

    def test_partly(self):
        for viewport, scheme in [(SMALL, 'dark'), (DESKTOP, 'light')]:
            payment, url = self.give('customer_balance')
            self.world.receive(payment.stripe_payment_intent_id, 1000)
            page = self.open_page(viewport, color_scheme=scheme)
            page.goto(url)
            page.get_by_text("Received so far").wait_for()
            self.assertEqual(
                page.locator('dd').all_inner_texts()[3:],
                ["€10.00", "€15.00"])
            self.assertFits(page, viewport['width'])
            self.take(page, 'wait-partly-%d' % viewport['width'])
            self.assertBecomes(
                payment, stripe_waiting_for='transfer',
                stripe_transferred_amount=10)

    def test_language(self):
        Lang = Model.get('ir.lang')
        Party = Model.get('party.party')
        Translation = Model.get('ir.translation')
        german, = Lang.find([('code', '=', 'de')])
        if not german.translatable:
            german.translatable = True
            german.save()
            german.click('load_translations')
        for source, value in GERMAN.items():
            values = {
                'type': 'report', 'name': 'account.payment.stripe.checkout',
                'lang': 'de', 'src': source,
                'module': 'account_payment_stripe'}
            if not Translation.find([
                        (n, '=', v) for n, v in values.items()]):
                Translation(value=value, **values).save()
        party = Party(name="Angela Martin", lang=german)
        party.save()
        for viewport in [SMALL, DESKTOP]:
            page = self.open_page(viewport, locale='de-DE')
            for type_ in TYPES:
                payment, url = self.give(type_, party=party)
                if type_ == 'customer_balance':
                    self.world.receive(
                        payment.stripe_payment_intent_id, 1000)
                page.goto(url)
                self.assertIn(
                    page.locator('h1').inner_text(), GERMAN.values())
                self.assertEqual(
                    page.locator('html').get_attribute('lang'), 'de')
                self.assertFits(page, viewport['width'])
                self.take(page, 'wait-%s-%d-de' % (
                        type_, viewport['width']))

    def test_other(self):
        "The payer takes another payment method instead"
        payment, url = self.give('multibanco')
        page = self.page
        page.goto(url)
        page.get_by_role(
            'link', name="Use another payment method").click()
        page.wait_for_url('**other=1')
        element(page).get_by_text("Visa ending in").wait_for()
        self.pay(page)
        self.assertEnds("Payment received", page)
        self.assertBecomes(payment, state='succeeded')

    def test_paid_meanwhile(self):
        payment, url = self.give('multibanco')
        page = self.page
        page.goto(url)
        page.get_by_role('heading', name="Waiting").wait_for()
        self.assertBecomes(payment, stripe_waiting_for='transfer')
        self.world.receive(payment.stripe_payment_intent_id)
        self.assertBecomes(
            payment, state='succeeded', stripe_waiting_for=None,
            stripe_method_type='multibanco')
        page.reload()
        page.get_by_role('heading', name="Payment received").wait_for()

    def test_expired(self):
        payment, url = self.give('multibanco')
        page = self.page
        page.goto(url)
        page.get_by_role('heading', name="Waiting").wait_for()
        self.world.expire_intent(payment.stripe_payment_intent_id)
        self.assertBecomes(payment, stripe_waiting_for='payer')
        page.reload()
        element(page).get_by_text("Visa ending in").wait_for()
