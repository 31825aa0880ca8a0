# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The payer pays an invoice, or a part of it."""
from decimal import Decimal

from proteus import Model

from trytond.modules.account.tests.tools import (
    create_chart, create_fiscalyear, get_accounts)
from trytond.modules.account_invoice.tests.tools import (
    set_fiscalyear_invoice_sequences)

from .browser import (
    PHONE, CheckoutTestCase, create_company, fill_card, get_currency)


class InvoiceTestCase(CheckoutTestCase):
    "Test the pages of invoices"
    modules = ['account_payment_stripe', 'account_invoice']
    needs = [create_company, create_chart]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        fiscalyear = set_fiscalyear_invoice_sequences(create_fiscalyear())
        fiscalyear.click('create_period')
        cls.euro = get_currency('USD')

    def setUp(self):
        super().setUp()
        self.account.part_payment = True
        self.account.save()
        rule = Model.get('account.invoice.payment.mean.rule')()
        rule.instrument = self.journal
        rule.save()
        self.addCleanup(rule.delete)

    def bill(self, amount='100.00'):
        "Return the posted invoice"
        invoice = Model.get('account.invoice')(type='out', party=self.party)
        line = invoice.lines.new()
        line.account = get_accounts()['revenue']
        line.quantity = 1
        line.unit_price = Decimal(amount)
        invoice.click('post')
        return invoice

    def test_part(self):
        "The payer enters how much to pay, and is told what cannot be paid"
        invoice = self.bill()
        page = self.open_page(PHONE)
        page.goto(self.server.here(invoice.stripe_checkout_address))
        page.get_by_role('link', name="Pay another amount").click()
        entry = page.get_by_label("How much do you want to pay?")
        send = page.get_by_role('button', name="Continue")
        for wrong in ['', '0.10', '100.01', '40.001']:
            entry.fill(wrong)
            send.click()
            # The browser does not even send it
            self.assertFalse(entry.evaluate('input => input.checkValidity()'))
        self.take(page, 'invoice-amount')
        entry.fill('40')
        send.click()
        page.get_by_role('button', name="Pay $40.00").wait_for()
        fill_card(page)
        self.pay(page, "Pay $40.00")
        self.assertEnds("Payment received", page)
        payment, = Model.get('account.payment').find([
                ('line.move.origin', '=', str(invoice))])
        self.assertBecomes(payment, state='succeeded')
        self.assertEqual(payment.amount, Decimal('40.00'))
        self.take(page, 'invoice-part')
        page.get_by_role('link', name="Pay the rest").click()
        page.get_by_role('button', name="Pay $60.00").wait_for()

    def test_keyboard(self):
        "The amount is entered without a mouse"
        invoice = self.bill('50.00')
        url = self.server.here(invoice.stripe_checkout_address)
        self.page.goto(url + '?other=1')
        self.page.get_by_label("How much do you want to pay?").focus()
        self.page.keyboard.type('12.50')
        self.page.keyboard.press('Enter')
        self.page.get_by_role('button', name="Pay $12.50").wait_for()
