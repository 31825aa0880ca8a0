# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The stories of the demo about payments."
import urllib.error
import urllib.request
from decimal import Decimal

from proteus import Model, Wizard

from trytond.modules.account_payment_stripe.tests.tools import run_cron

from demo_company import BALANCE, TRANSIT
from demo_connect import ConnectStory
from demo_invoice import InvoiceStory
from demo_payer import links
from demo_teller import (
    DECLINED, DECLINED_LATER, DISPUTED, MASTERCARD, VISA, check)

__all__ = ['Storyteller']


class Storyteller(ConnectStory, InvoiceStory):
    "Tells all of them"

    def pay(self):
        company, terminal = self.company, self.terminal
        terminal.scene("A customer pays an invoice on the checkout page")
        payment = self.new_payment('42.50')
        page = self.open_page(payment)
        self.enter(page, VISA, come_back=False)
        self.told('payment_intent.succeeded')
        self.step("The payment has succeeded", payment,
            state='succeeded', amount=Decimal('42.50'),
            stripe_charge_id=bool)
        self.come_back(page)
        if not company.test_mode:
            check(self._forge() == 400, "A forged webhook was not refused")
            self.step("A forged webhook is refused (400)", payment,
                state='succeeded')

        terminal.scene("A card is declined, another one pays")
        payment = self.new_payment('18.00')
        page = self.open_page(payment)
        check(self.enter(page, DECLINED), "The card was not declined")
        self.told('payment_intent.payment_failed')
        self.step("The error is shown and the page stays open", payment,
            state='submitted', stripe_waiting_for='payer',
            stripe_error_message=bool)
        self.enter(page, VISA)
        self.step("The payment has succeeded", payment,
            state='succeeded', stripe_error_message=None)

        terminal.scene("A saved card is charged without the customer")
        customer = self._add_card(VISA)
        payment = self._charge_saved(customer, '29.90')
        self.step("The saved card was charged, nobody was asked", payment,
            state='succeeded', amount=Decimal('29.90'))
        self.check_money(['42.50', '18.00', '29.90'])

    def card(self):
        company, terminal = self.company, self.terminal
        terminal.scene("Cards are added, listed and detached")
        customer = self._add_card(MASTERCARD)
        page = self.open_page(customer, "The page is opened once more")
        self.enter(page, DECLINED_LATER)
        company.wait_for(customer, stripe_setup_intent_id=None)
        ask = Wizard('account.payment.stripe.customer.source.detach',
            [customer])
        labels = self._labels(customer)
        check(len(labels) >= 2, "The cards are not listed: %s" % labels)
        self.tell_cards(labels)

        terminal.scene("A saved card is declined, the customer gets an e-mail")
        before = len(self.mailbox.messages)
        bad, = [i for i, label in labels.items() if '0341' in label]
        payment = self._charge_saved(customer, '12.00', bad)
        self.step("It is declined, the payment waits for the customer",
            payment, state='processing', stripe_waiting_for='payer',
            stripe_error_message=bool)
        check(len(self.mailbox.messages) > before, "No e-mail was sent")
        message = self.mailbox.messages[-1]
        found = links(message)
        check(payment.stripe_checkout_id in found[0],
            "The e-mail does not link to the page")
        terminal.step("An e-mail to %s has the link" % message['To'])
        terminal.note(message['Subject'])
        page = company.payer.open(found[0])
        self.enter(page, VISA)
        self.step("Paid with the link of the e-mail", payment,
            state='succeeded', stripe_error_message=None)
        ask.form.source = bad
        ask.execute('detach')
        customer.reload()
        labels = self._labels(customer)
        check(bad not in labels, "The card is still there")
        terminal.step("The declined card is detached")
        self.tell_cards(labels)

    def capture(self):
        self.terminal.scene("An amount is authorized first, collected later")
        payment = self.paid('100.00', stripe_capture=False)
        self.told('payment_intent.amount_capturable_updated')
        self.step("{stripe_capturable_amount} are authorized only", payment,
            state='processing', stripe_waiting_for='capture',
            stripe_capturable_amount=Decimal('100.00'))
        payment.amount = Decimal('80.00')
        payment.save()
        self.step("Less was delivered, lowered to {amount}", payment,
            state='processing')
        payment.click('stripe_do_capture')
        self.step("It is captured, Stripe releases the rest", payment,
            state='succeeded', amount=Decimal('80.00'),
            stripe_captured_amount=Decimal('80.00'))

    def refund(self):
        company, terminal = self.company, self.terminal
        terminal.scene("A payment is refunded, a part and then the rest")
        payment = self.paid('50.00')
        self.step("The payment has succeeded", payment, state='succeeded')
        first = self._refund(payment, '20.00')
        self.told('charge.refunded')
        self.step("{amount} are left of the payment", payment,
            state='succeeded', amount=Decimal('30.00'))
        self._refund(payment, '30.00')
        self.step("Nothing is left of the payment", payment, state='failed',
            stripe_refunded_amount=Decimal('50.00'))
        if company.test_mode:
            return
        terminal.scene("Weeks later the bank sends the first refund back")
        company.world.fail_refund(first.stripe_refund_id)
        self.told('refund.failed')
        self.step("The refund has failed: {stripe_error_message}", first,
            state='failed', stripe_error_message=bool)
        self.step("{amount} are back with the payment", payment,
            state='succeeded', amount=Decimal('20.00'))

    def dispute(self):
        company, terminal = self.company, self.terminal
        for evidence, title in [
                ('losing_evidence', "A dispute is lost"),
                ('winning_evidence', "A dispute is won")]:
            terminal.scene(title)
            last = self.last_event()
            payment = self.paid('75.00', DISPUTED)
            self.told('charge.dispute.created', last)
            self.step("The dispute is shown on the payment", payment,
                state='succeeded', stripe_dispute_reason='fraudulent',
                stripe_dispute_status='needs_response')
            dispute, = company.client.disputes.list({
                    'payment_intent': payment.stripe_payment_intent_id,
                    }).data
            company.client.disputes.update(dispute.id, {
                    'evidence': {'uncategorized_text': evidence},
                    'submit': True,
                    })
            terminal.step("The bank decides")
            self.told('charge.dispute.closed', last)
            if evidence == 'losing_evidence':
                self.step("The money is gone", payment, state='failed',
                    stripe_dispute_status='lost')
            else:
                self.step("The payment stays as it is", payment,
                    state='succeeded', amount=Decimal('75.00'),
                    stripe_dispute_status='won')

    # Parts of them

    def _add_card(self, number):
        Customer = Model.get('account.payment.stripe.customer')
        customers = Customer.find([
                ('party', '=', self.company.party.id),
                ('stripe_account', '=', self.company.account.id),
                ])
        customer = customers[0] if customers else Customer(
            party=self.company.party, stripe_account=self.company.account)
        customer.save()
        page = self.open_page(customer, "The page to add a card is opened")
        self.enter(page, number)
        self.company.wait_for(
            customer, stripe_customer_id=bool, stripe_setup_intent_id=None)
        labels = self._labels(customer)
        check(any(number[-4:] in label for label in labels.values()),
            "The card is not among %s" % labels)
        self.terminal.step(
            "It is saved for %s" % self.company.party.rec_name)
        return customer

    def tell_cards(self, labels):
        self.terminal.step("The customer has")
        for label in labels.values():
            self.terminal.note(label)

    def _labels(self, customer):
        "Return what a selection field offers"
        Payment = Model.get('account.payment')
        payment = Payment(
            kind='receivable', journal=self.company.journal,
            party=self.company.party)
        payment.stripe_customer = customer
        return {
            i: label for i, label
            in payment.__class__._proxy.get_stripe_customer_payment_methods(
                {'stripe_customer': customer.id},
                payment._config.context) if i}

    def _charge_saved(self, customer, amount, method=None):
        if not method:
            method = next(
                i for i, label in self._labels(customer).items()
                if '4242' in label)
        payment = self.new_payment(amount, stripe_customer=customer,
            stripe_customer_payment_method=method)
        self.company.process(payment)
        return payment

    def payout(self):
        company, terminal = self.company, self.terminal
        terminal.scene("An accountant looks behind a line of the bank")
        if company.test_mode:
            terminal.step(
                "Stripe takes days to pay out: only the simulator tells it")
            return
        balance = company.book_balance()
        terminal.step("The balance at Stripe is booked from now on")
        for amount in ['100.00', '50.00']:
            payment = self.paid(amount)
            self.step("{amount} were paid", payment, state='succeeded')
        self._refund(payment, '20.00')
        self.step("{amount} of the second payment are left", payment,
            amount=Decimal('30.00'))
        run_cron('cron_fetch_balances')
        self.step("Cron books what moved the balance", balance,
            error_message=None, difference=0, book_difference=0)
        self.tell_accounts()
        payout = company.pay_out()
        self.step("Stripe has paid out {amount}", payout,
            state='paid', difference=0, reconciled=False)
        for name in ['gross', 'refunded', 'fees']:
            terminal.note('%s: %s' % (name, getattr(payout, name)))
        self.tell_accounts()
        company.receive(payout)
        self.step(
            "The line of the bank is reconciled with it", payout,
            reconciled=True)
        self.tell_accounts()
        self.step("Nothing is left of what the books say of Stripe", balance,
            stripe_amount=0, booked_amount=0)
        sums = company.account_sums()
        check(not (sums[BALANCE] or sums[TRANSIT]), "There is left: %s" % sums)

    def tell_accounts(self):
        for name, amount in sorted(self.company.account_sums().items()):
            self.terminal.note('%-20s %10.2f' % (name, amount))

    def _refund(self, payment, amount):
        Refund = Model.get('account.payment.stripe.refund')
        refund = Refund(payment=payment, amount=Decimal(amount))
        refund.reason = 'requested_by_customer'
        refund.save()
        refund.click('submit')
        refund.click('approve')
        self.step("A refund of {amount} is approved and sent", refund,
            state='succeeded')
        return refund

    def _forge(self):
        "Return the status of the answer to a webhook that Stripe never sent"
        request = urllib.request.Request(
            self.company.account.webhook_endpoint,
            b'{"object": "event", "id": "evt_1"}',
            {'Content-Type': 'application/json'})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status
        except urllib.error.HTTPError as e:
            with e:
                return e.code
