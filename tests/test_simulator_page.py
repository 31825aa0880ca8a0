# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The simulator's Stripe.js, in a real browser on a page of its own."
from .browser import start_chromium
from .simulator.testing import SimulatorTestCase

PAGE = """<!DOCTYPE html>
<title>Merchant</title>
<div id="element"></div>
<button id="pay">Pay</button>
<pre id="result"></pre>
<script src="%(js)s"></script>
<script>
const stripe = Stripe('%(key)s');
const elements = stripe.elements({clientSecret: '%(secret)s'});
const element = elements.create('payment');
element.on('ready', () => { document.title = 'Ready'; });
element.mount('#element');
document.getElementById('pay').addEventListener('click', async () => {
  const {error, %(name)s: intent} = await stripe.%(confirm)s({
    elements, confirmParams: {return_url: '%(url)s'},
    redirect: 'if_required'});
  document.getElementById('result').textContent = error
    ? 'error ' + error.message
    : intent.status + ' ' + (intent.next_action || {}).type;
});
</script>
"""


class PageTestCase(SimulatorTestCase):
    "Test what the payer chooses on the page"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        playwright, cls.browser = start_chromium()
        cls.addClassCleanup(playwright.stop)
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        super().setUp()
        self.account.set(payment_method_types=[
                'card', 'multibanco', 'customer_balance', 'wechat_pay',
                'us_bank_account', 'ideal'])

    def choose(self, intent, label):
        "Pay with the type of the label, return the page"
        setup = intent.object == 'setup_intent'
        url = self.simulator.url + '/merchant'
        content = PAGE % {
            'js': self.simulator.stripe_js,
            'key': self.account.publishable_key,
            'secret': intent.client_secret,
            'name': 'setupIntent' if setup else 'paymentIntent',
            'confirm': 'confirmSetup' if setup else 'confirmPayment',
            'url': url,
            }
        page = self.browser.new_page()
        self.addCleanup(page.close)
        page.set_default_timeout(15000)
        page.route(url, lambda route: route.fulfill(
                content_type='text/html', body=content))
        page.goto(url)
        frame = page.frame_locator('#element iframe')
        frame.get_by_role('tab', name=label).click()
        page.click('#pay')
        return page

    def result(self, page):
        page.wait_for_function(
            "document.getElementById('result').textContent")
        return page.text_content('#result')

    def test_elsewhere(self):
        "Test what is paid elsewhere: the payer closes the instructions"
        for label, type, params in [
                ("Multibanco", 'multibanco_display_details', {}),
                ("Bank transfer", 'display_bank_transfer_instructions',
                    {'customer': self.customer().id}),
                ("WeChat Pay", 'wechat_pay_display_qr_code', {})]:
            with self.subTest(label=label):
                intent = self.intent(**params)
                page = self.choose(intent, label)
                frame = page.frame_locator('iframe[title=Instructions]')
                frame.get_by_text("How to pay").wait_for()
                self.assertEqual(page.text_content('#result'), '')
                frame.get_by_role('button', name="Close").click()
                self.assertEqual(
                    self.result(page), 'requires_action ' + type)
                self.account.receive(intent.id)
                intent = self.client.payment_intents.retrieve(intent.id)
                self.assertEqual(intent.status, 'succeeded')

    def test_paid_meanwhile(self):
        "Test that the money comes while the payer reads the instructions"
        intent = self.intent()
        page = self.choose(intent, "WeChat Pay")
        frame = page.frame_locator('iframe[title=Instructions]')
        close = frame.get_by_role('button', name="Close")
        close.wait_for()
        self.account.receive(intent.id)
        close.click()
        self.assertTrue(self.result(page).startswith('succeeded'))

    def test_deposits(self):
        "Test a bank account that has to be verified"
        for intent in [
                self.intent(currency='usd'),
                self.client.setup_intents.create({})]:
            with self.subTest(object=intent.object):
                page = self.choose(intent, "US bank account")
                self.assertEqual(
                    self.result(page),
                    'requires_action verify_with_microdeposits')

    def test_customer(self):
        "Test that bank transfers are offered to customers only"
        page = self.choose(self.intent(), "Card")
        frame = page.frame_locator('#element iframe')
        self.assertEqual(
            frame.get_by_role('tab').all_text_contents(),
            ["Card", "Multibanco", "WeChat Pay", "iDEAL"])

    def test_redirect(self):
        "Test a bank that the payer is sent to, which leaves a debit"
        customer = self.customer()
        intent = self.client.setup_intents.create({'customer': customer.id})
        page = self.choose(intent, "iDEAL")
        page.click('#test-source-authorize-3ds')
        page.wait_for_url('**/merchant?*')
        self.assertIn('redirect_status=succeeded', page.url)
        method, = self.client.payment_methods.list(
            {'customer': customer.id}).data
        self.assertEqual(method.type, 'sepa_debit')


del SimulatorTestCase
