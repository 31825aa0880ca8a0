# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the stories of the demo share. Every step is checked."
from decimal import Decimal

from proteus import Model

from demo_terminal import DemoError

VISA = '4242 4242 4242 4242'
MASTERCARD = '5555 5555 5555 4444'
DECLINED = '4000 0000 0000 0002'
DISPUTED = '4000 0000 0000 0259'
DECLINED_LATER = '4000 0000 0000 0341'


def check(condition, message):
    if not condition:
        raise DemoError(message)


class _Values:
    def __init__(self, record):
        self.record = record

    def __getitem__(self, name):
        value = getattr(self.record, name)
        if isinstance(value, Decimal):
            value = '%s %s' % (value, self.record.currency.code)
        return value


class Teller:
    "Tells stories about the company on the terminal"

    def __init__(self, company, terminal, mailbox):
        self.company = company
        self.terminal = terminal
        self.mailbox = mailbox
        self.moved = 0

    def tell(self, name):
        "Tell the story of the name"
        if self.company.world:
            self.moved = len(self.company.world.ledger())
        if name != 'connect' and not self.company.account.webhook_id:
            self.company.connect()
        getattr(self, name)()

    def step(self, text, record=None, **expected):
        """Wait until the record is as expected and tell of the step.

        text may name values of the record: {amount}"""
        state = ''
        if record:
            self.company.wait_for(record, **expected)
            state = getattr(record, 'state', '')
            text = text.format_map(_Values(record))
        self.terminal.step(text, state)

    def new_payment(self, amount, **values):
        payment = self.company.create_payment(amount, **values)
        self.step(
            "The payment of {amount} for {reference} is submitted",
            payment, state='submitted')
        return payment

    def open_page(self, record, text="The checkout page is opened"):
        url, page = self.company.open_checkout(record)
        self.step(text, record)
        self.terminal.address(url)
        return page

    def enter(self, page, number=VISA, come_back=True):
        "Enter a card on the page, return why it is refused or None"
        error = self.company.payer.enter(page, number)
        self.terminal.step("Card %s: %s" % (number, error or "accepted"))
        if come_back and not error:
            self.come_back(page)
        return error

    def come_back(self, page):
        "Go where Stripe sends the payer"
        end = self.company.payer.open(page.return_url)
        check(end.status == 200, "The end page answered %d" % end.status)
        self.terminal.step("The payer is told: %s" % end.headline)

    def told(self, type, after=0):
        "Tell how Tryton got to know"
        id_ = self.company.wait_for_event(type, after)
        if self.company.test_mode:
            text = "Cron reads %s from Stripe" % type
        else:
            text = "Webhook, verified: %s" % type
        self.terminal.step(text)
        return id_

    def paid(self, amount, number=VISA, **values):
        "Return a payment that was paid on the page"
        payment = self.new_payment(amount, **values)
        page = self.open_page(payment)
        self.enter(page, number)
        return payment

    def last_event(self):
        Event = Model.get('account.payment.stripe.event')
        events = Event.find([], order=[('id', 'DESC')], limit=1)
        return events[0].id if events else 0

    def check_money(self, amounts):
        "Check that of the story each amount moved once"
        if self.company.test_mode:
            return
        ledger = self.company.world.ledger()
        moved = sorted(m['amount'] for m in ledger[self.moved:])
        expected = sorted(int(Decimal(a) * 100) for a in amounts)
        check(moved == expected, "Money moved: %s instead of %s" % (
                moved, expected))
        self.terminal.step("At Stripe each amount moved exactly once")
