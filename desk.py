# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What people at the desk start from where they are."""
from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.modules.account_payment.exceptions import PaymentValidationError
from trytond.modules.currency.fields import Monetary
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.wizard import (
    Button, StateAction, StateTransition, StateView, Wizard)

from .exceptions import StripeCustomerError
from .shown_time import ShownTime


class PaymentRefund(Wizard):
    __name__ = 'account.payment.stripe.payment_refund'

    start = StateView(
        'account.payment.stripe.payment_refund.start',
        'account_payment_stripe.payment_refund_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Refund", 'refund', 'tryton-ok', default=True),
            ])
    refund = StateTransition()
    open_ = StateAction('account_payment_stripe.act_refund_form')

    def default_start(self, fields):
        Refund = Pool().get('account.payment.stripe.refund')
        payment = self.record
        Refund.check_disputes([Refund(payment=payment)])
        left = Refund.stripe_left([payment])[payment.id]
        if left <= 0:
            raise PaymentValidationError(gettext(
                    'account_payment_stripe.msg_payment_nothing_to_refund',
                    payment=payment.rec_name))
        return {
            'currency': payment.currency.id,
            'left': left,
            'amount': left,
            'reason': 'requested_by_customer',
            }

    def transition_refund(self):
        Refund = Pool().get('account.payment.stripe.refund')
        made, = Refund.create([{
                    'payment': self.record.id,
                    'amount': self.start.amount,
                    'reason': self.start.reason,
                    }])
        Refund.submit([made])
        self.made = made
        return 'open_'

    def do_open_(self, action):
        action['domains'] = []
        action['views'].reverse()
        return action, {'res_id': [self.made.id]}


class PaymentRefundStart(ModelView):
    __name__ = 'account.payment.stripe.payment_refund.start'

    currency = fields.Many2One(
        'currency.currency', "Currency", readonly=True)
    left = Monetary(
        "Left", currency='currency', digits='currency', readonly=True,
        help="What can still be refunded of the payment.")
    amount = Monetary(
        "Amount", currency='currency', digits='currency', required=True,
        domain=[
            ('amount', '>', 0),
            ('amount', '<=', Eval('left', 0)),
            ])
    reason = fields.Selection('get_reasons', "Reason")

    @classmethod
    def get_reasons(cls):
        Refund = Pool().get('account.payment.stripe.refund')
        return Refund.fields_get(['reason'])['reason']['selection']


class PaymentCapture(Wizard):
    "Ask how much of an authorized payment is collected"
    __name__ = 'account.payment.stripe.payment_capture'

    start = StateView(
        'account.payment.stripe.payment_capture.start',
        'account_payment_stripe.payment_capture_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Capture", 'capture', 'tryton-ok', default=True),
            ])
    capture = StateTransition()

    def default_start(self, fields):
        payment = self.record
        # The earlier version did not keep it
        authorized = payment.stripe_capturable_amount or payment.amount
        return {
            'currency': payment.currency.id,
            'authorized': authorized,
            'amount': min(payment.amount, authorized),
            'until': payment.stripe_capture_until,
            }

    def transition_capture(self):
        Payment = Pool().get('account.payment')
        payment, = Payment.stripe_lock([self.record])
        if payment.state != 'processing' or not payment.stripe_capture_needed:
            # It was captured, or is lost, since the form was opened
            return 'end'
        if payment.amount != self.start.amount:
            payment.amount = self.start.amount
            payment.save()
        Payment.stripe_do_capture([payment])
        return 'end'

    def end(self):
        return 'reload'


class PaymentCaptureStart(ModelView):
    __name__ = 'account.payment.stripe.payment_capture.start'

    currency = fields.Many2One(
        'currency.currency', "Currency", readonly=True)
    authorized = Monetary(
        "Authorized", currency='currency', digits='currency', readonly=True,
        help="The amount that can be captured.")
    amount = Monetary(
        "Amount", currency='currency', digits='currency', required=True,
        domain=[
            ('amount', '>', 0),
            ('amount', '<=', Eval('authorized', 0)),
            ],
        help="What is left of the authorization is released.")
    until = ShownTime(
        "Capture until", readonly=True,
        states={
            'invisible': ~Eval('until'),
            },
        help="When the authorization ends and the amount is lost.")


class AddCard(Wizard):
    "Open the page on which the party can save a payment method"
    __name__ = 'account.payment.stripe.party_add_card'

    start = StateTransition()
    ask = StateView(
        'account.payment.stripe.party_add_card.ask',
        'account_payment_stripe.party_add_card_ask_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Add Card", 'open_', 'tryton-ok', default=True),
            ])
    open_ = StateAction('account_payment_stripe.act_customer_form')

    def transition_start(self):
        Account = Pool().get('account.payment.stripe.account')
        accounts = Account.search([], limit=2)
        if not accounts:
            raise StripeCustomerError(gettext(
                    'account_payment_stripe.msg_no_account'))
        if len(accounts) > 1:
            return 'ask'
        self.ask.stripe_account, = accounts
        return 'open_'

    def do_open_(self, action):
        pool = Pool()
        Customer = pool.get('account.payment.stripe.customer')
        Payment = pool.get('account.payment')
        account = self.ask.stripe_account
        # The one that is charged
        customer = Payment.stripe_customer_of(self.record, account)
        if not customer:
            customers = Customer.search([
                    ('party', '=', self.record.id),
                    ('stripe_account', '=', account.id),
                    ], order=[('id', 'DESC')], limit=1)
            customer, = customers or Customer.create([{
                        'party': self.record.id,
                        'stripe_account': account.id,
                        }])
        Customer.stripe_checkout([customer])
        action['views'].reverse()
        return action, {'res_id': [customer.id]}


class AddCardAsk(ModelView):
    __name__ = 'account.payment.stripe.party_add_card.ask'

    stripe_account = fields.Many2One(
        'account.payment.stripe.account', "Stripe Account", required=True)
