# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a payer does on the pages, in a real browser."""
import re
from decimal import Decimal

from proteus import Model

from .browser import CheckoutTestCase, challenge, element, fill_card, fill_iban
from .tools import create_stripe_customer

DECLINED = '4000000000000002'
SECURE = '4000002760003184'


class PayTestCase(CheckoutTestCase):
    "Test paying and saving cards"

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
        self.assertIn("bank could not confirm", alert.inner_text())
        self.assertBecomes(payment, state='submitted',
            stripe_error_code='payment_intent_authentication_failure')

        page.goto(page.url + '/end')
        self.assertEnds("Payment not completed")
        self.assertIn(
            "bank could not confirm", page.get_by_role('alert').inner_text())
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
