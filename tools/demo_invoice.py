# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The story of the demo about invoices that are paid online."
import io
import re
import zipfile
from decimal import Decimal

from proteus import Model, Report, Wizard

from demo_teller import DECLINED, Teller, check
from demo_terminal import DemoError

PRINTED = re.compile(r'Pay online: (https?://[^\s<]+)')


class InvoiceStory(Teller):

    def invoice(self):
        company, terminal = self.company, self.terminal
        Rule = Model.get('account.invoice.payment.mean.rule')

        terminal.scene("An invoice tells where it can be paid online")
        if not Rule.find([]):
            rule = Rule()
            rule.instrument = company.journal
            rule.save()
        terminal.step("The payment journal is a means to pay invoices")
        invoice = self.new_invoice('120.00')
        url = invoice.stripe_checkout_address
        printed = self._printed(invoice)
        check(printed == url, "On the invoice is %s" % printed)
        terminal.step("It is printed: Pay online")
        terminal.address(url)
        check(bytes(invoice.stripe_checkout_qrcode)[1:4] == b'PNG',
            "There is no QR code")
        terminal.step("And shown as QR code on the invoice")
        check(not self._payments(invoice), "There is a payment already")

        terminal.scene("The customer opens the address and pays")
        page = self.open_invoice(url)
        payment, = self._payments(invoice)
        self.step("A payment of {amount} is made for it", payment,
            state='submitted', amount=Decimal('120.00'))
        check(self.enter(page, DECLINED), "The card was not declined")
        page = self.open_invoice(url, "The address is opened again later")
        check(self._payments(invoice) == [payment], "There is another payment")
        last = self.last_event()
        self.enter(page)
        self.told('payment_intent.succeeded', last)
        self.step("The payment has succeeded", payment, state='succeeded')
        self.step("The invoice is paid", invoice, state='paid')
        page = company.payer.open(url)
        check(page.headline == "Payment received"
            and '120.00' in page.text
            and invoice.number in page.text,
            "The page says %s" % page.headline)
        terminal.step("The address leads to the proof of the payment")
        terminal.note(page.headline)

        terminal.scene("A part is paid by bank, the page asks for the rest")
        invoice = self.new_invoice('80.00')
        url = invoice.stripe_checkout_address
        self.open_invoice(url)
        company.receive_of(invoice, Decimal('30.00'))
        terminal.step("30.00 EUR come to the bank")
        page = self.open_invoice(url)
        payment, = self._payments(invoice)
        self.step("The payment is of {amount} now", payment,
            state='submitted', amount=Decimal('50.00'))
        self.enter(page)
        self.step("Nothing is left to pay", invoice, amount_to_pay=0)

        terminal.scene("Another invoice is credited while the page is open")
        invoice = self.new_invoice('60.00')
        url = invoice.stripe_checkout_address
        page = self.open_invoice(url)
        credit = Wizard('account.invoice.credit', [invoice])
        credit.form.with_refund = True
        credit.execute('credit')
        self.step("The invoice is credited", invoice, state='cancelled')
        check(not self._payments(invoice), "There is a payment")
        terminal.step("The payment is withdrawn, also at Stripe")
        try:
            company.payer.enter(page, '4242 4242 4242 4242')
        except DemoError as e:
            terminal.step("The open page takes nothing")
            terminal.note("%s" % e)
        else:
            check(False, "The page has taken money")
        page = company.payer.open(url)
        check("nothing to pay" in page.headline,
            "The page says %s" % page.headline)
        terminal.step("The address tells the payer: %s" % page.headline)
        self.check_money(['120.00', '50.00'])

    def new_invoice(self, amount):
        invoice = self.company.bill(Decimal(amount))
        self.step("Invoice %s of {total_amount} is posted" % invoice.number,
            invoice, state='posted', stripe_checkout_address=bool)
        return invoice

    def open_invoice(self, url, text="The address of the invoice is opened"):
        "Return the page to pay at which the payer gets"
        page = self.company.payer.open(url)
        check(page.status == 200 and page.data.get('data-secret'),
            "The page answered %d: %s" % (page.status, page.headline))
        self.terminal.step(text)
        return page

    @staticmethod
    def _payments(invoice):
        return Model.get('account.payment').find([
                ('line', 'in', [x.id for x in invoice.lines_to_pay]),
                ])

    @staticmethod
    def _printed(invoice):
        "Return the address that is printed on the invoice"
        _, content, _, _ = Report('account.invoice').execute([invoice])
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            text = file.read('content.xml').decode()
        found = PRINTED.search(text)
        return found and found[1]
