# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from sql import Null

from trytond.model import Index, fields
from trytond.modules.currency.fields import Monetary
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If

from .convert import UNKNOWN
from .pay_with import shown


def _shown_unlisted(name):
    "Return the states of what the list of the disputes says in words"
    return {
        'invisible': (
            shown(name)['invisible'] | Bool(Eval('stripe_disputes'))),
        }


class DisputeMixin:
    "Show what payers' banks doubt of the payment"
    __slots__ = ()

    stripe_dispute_reason = fields.Char(
        "Stripe Dispute Reason", readonly=True,
        states=_shown_unlisted('stripe_dispute_reason'))
    stripe_dispute_status = fields.Char(
        "Stripe Dispute Status", readonly=True,
        states=_shown_unlisted('stripe_dispute_status'))
    stripe_dispute_reason_string = fields.Function(
        fields.Char(
            "Stripe Dispute Reason",
            states=_shown_unlisted('stripe_dispute_reason')),
        'get_stripe_dispute_string')
    stripe_dispute_status_string = fields.Function(
        fields.Char(
            "Stripe Dispute Status",
            states=_shown_unlisted('stripe_dispute_status')),
        'get_stripe_dispute_string')
    stripe_fraud_warning = fields.Selection([
            (None, ""),
            ('card_never_received', "Card Never Received"),
            ('fraudulent_card_application', "Fraudulent Card Application"),
            ('made_with_counterfeit_card', "Made with Counterfeit Card"),
            ('made_with_lost_card', "Made with Lost Card"),
            ('made_with_stolen_card', "Made with Stolen Card"),
            ('misc', "Other"),
            ('unauthorized_use_of_card', "Unauthorized Use of Card"),
            (UNKNOWN, "Unknown"),
            ], "Fraud Warning", readonly=True,
        states=shown('stripe_fraud_warning'),
        help="What the bank of the payer suspects.\n"
        "Refund the payment to avoid a dispute.")
    stripe_lost_amount = Monetary(
        "Lost in Disputes", currency='currency', digits='currency',
        readonly=True, states=shown('stripe_lost_amount'),
        help="The amount that disputes took and did not give back.")
    stripe_disputed_amount = Monetary(
        "At Risk in Disputes", currency='currency', digits='currency',
        readonly=True, states=shown('stripe_disputed_amount'),
        help="The amount that is withheld until the bank has decided.")
    stripe_disputes = fields.One2Many(
        'account.payment.stripe.dispute', 'payment', "Stripe Disputes",
        readonly=True,
        context={
            'stripe_of_payment': True,
            },
        states=shown('stripe_disputes'))

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(
                    t, (t.id, Index.Range()),
                    where=t.stripe_disputed_amount > 0),
                Index(
                    t, (t.id, Index.Range()),
                    where=t.stripe_fraud_warning != Null),
                })

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree/field[@name="stripe_fraud_warning"]', 'visual', If(
                    (Eval('state') == 'succeeded')
                    & ~Eval('stripe_dispute_status'), 'danger', '')),
            ('/form//label[@id="stripe_refund_advised"]', 'states', {
                    'invisible': (
                        ~Eval('stripe_fraud_warning')
                        | (Eval('state') != 'succeeded')
                        | Bool(Eval('stripe_dispute_status'))),
                    }),
            ]

    @classmethod
    def _stripe_own_fields(cls):
        "Return the names of the fields about what is at Stripe"
        return [
            'stripe_dispute_reason', 'stripe_dispute_status',
            'stripe_disputes', 'stripe_fraud_warning', 'stripe_lost_amount',
            'stripe_disputed_amount']

    @classmethod
    def get_stripe_dispute_string(cls, payments, names):
        "Return what disputes call it, or Stripe's word if they do not know it"
        Dispute = Pool().get('account.payment.stripe.dispute')
        strings = {}
        for name in names:
            word = name[:-len('_string')]
            field = {
                'stripe_dispute_reason': 'reason',
                'stripe_dispute_status': 'state',
                }[word]
            words = dict(Dispute.fields_get([field])[field]['selection'])
            strings[name] = {
                p.id: words.get(getattr(p, word), getattr(p, word)) or None
                for p in payments}
        return strings

    @classmethod
    def stripe_on_dispute(cls, account, event):
        Dispute = Pool().get('account.payment.stripe.dispute')
        dispute = event['data']['object']
        payments = cls._stripe_find(
            account, intent=dispute.get('payment_intent'),
            charge=dispute.get('charge'))
        if not payments:
            return
        # The event may be old, and not the only dispute
        for payment in payments:
            payment.stripe_apply(
                payment.stripe_read(disputed=True), fresh=True)
        if event['type'] == 'charge.dispute.closed':
            Dispute.stripe_close(payments, dispute, event['created'])
        return payments

    @classmethod
    def stripe_on_fraud_warning(cls, account, event):
        warning = event['data']['object']
        payments = cls._stripe_find(
            account, intent=warning.get('payment_intent'),
            charge=warning.get('charge'))
        for payment in payments:
            # It is never taken back
            payment.stripe_store(stripe_fraud_warning=warning['fraud_type'])
        return payments
