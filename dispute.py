# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from sql.conditionals import Coalesce

from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.modules.currency.fields import Monetary
from trytond.pool import Pool
from trytond.pyson import Eval, If

from .amount import AmountError, from_stripe
from .convert import UNKNOWN, from_timestamp, one_line
from .dashboard import dashboard_url
from .payment_part import PaymentPartMixin
from .taken import movements

# https://docs.stripe.com/api/disputes/object#dispute_object-status
TO_ANSWER = [
    'needs_response', 'warning_needs_response', 'appeal_needs_response']
CLOSED = ['won', 'lost', 'warning_closed', 'prevented']

_MOVED = {
    'invisible': ~Eval('settlement_currency'),
    }


def _moved(string, help):
    return Monetary(
        string, currency='settlement_currency', digits='settlement_currency',
        readonly=True, states=_MOVED, help=help)


class Dispute(PaymentPartMixin, ModelSQL, ModelView):
    __name__ = 'account.payment.stripe.dispute'

    payment = fields.Many2One(
        'account.payment', "Payment", required=True, readonly=True,
        ondelete='RESTRICT')
    identifier = fields.Char(
        "Identifier", required=True, readonly=True, strip=False)
    amount = Monetary(
        "Amount", currency='currency', digits='currency', readonly=True,
        help="The amount that the payer does not accept.")
    reason = fields.Selection([
            (None, ""),
            ('bank_cannot_process', "Bank Cannot Process"),
            ('check_returned', "Check Returned"),
            ('credit_not_processed', "Credit Not Processed"),
            ('customer_initiated', "Customer Initiated"),
            ('debit_not_authorized', "Debit Not Authorized"),
            ('duplicate', "Duplicate"),
            ('fraudulent', "Fraudulent"),
            ('general', "General"),
            ('incorrect_account_details', "Incorrect Account Details"),
            ('insufficient_funds', "Insufficient Funds"),
            ('noncompliant', "Noncompliant"),
            ('product_not_received', "Product Not Received"),
            ('product_unacceptable', "Product Unacceptable"),
            ('subscription_canceled', "Subscription Canceled"),
            ('unrecognized', "Unrecognized"),
            (UNKNOWN, "Unknown"),
            ], "Reason", readonly=True)
    network_reason_code = fields.Char(
        "Network Reason Code", readonly=True, strip=False,
        states={
            'invisible': ~Eval('network_reason_code'),
            },
        help="The reason as the card network names it.")
    state = fields.Selection([
            ('needs_response', "Needs Response"),
            ('under_review', "Under Review"),
            ('won', "Won"),
            ('lost', "Lost"),
            ('warning_needs_response', "Inquiry Needs Response"),
            ('warning_under_review', "Inquiry Under Review"),
            ('warning_closed', "Inquiry Closed"),
            ('prevented', "Prevented"),
            ('appeal_needs_response', "Appeal Needs Response"),
            ('appeal_under_review', "Appeal Under Review"),
            (UNKNOWN, "Unknown"),
            ], "State", readonly=True, required=True, sort=False)
    state_string = state.translated('state')
    answer_until = fields.DateTime(
        "Answer until", readonly=True,
        states={
            'invisible': ~Eval('answer_until'),
            },
        help="The dispute is lost if it is not answered by then.")
    answered = fields.Boolean(
        "Answered", readonly=True,
        help="If evidence has been submitted to the bank.")
    refundable = fields.Boolean(
        "Refundable", readonly=True,
        help="If Stripe still allows to refund the payment.")
    opened_at = fields.DateTime("Opened at", readonly=True)
    closed_at = fields.DateTime(
        "Closed at", readonly=True,
        states={
            'invisible': ~Eval('closed_at'),
            })
    settlement_currency = fields.Many2One(
        'currency.currency', "Settlement Currency", readonly=True,
        states={
            'invisible': True,
            })
    withdrawn = _moved(
        "Withdrawn", "What Stripe took from the balance.")
    reinstated = _moved(
        "Given Back", "What Stripe gave back to the balance.")
    fee = _moved(
        "Fee", "What Stripe charges for the dispute.")
    live = fields.Boolean("In Live Mode", readonly=True)
    url = fields.Function(
        fields.Char(
            "Page at Stripe",
            help="Where the dispute is answered or accepted."),
        'get_url')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints = [
            ('identifier_unique', Unique(t, t.payment, t.identifier),
                'account_payment_stripe.msg_dispute_unique'),
            ]
        cls._sql_indexes.update({
                Index(t, (t.payment, Index.Range())),
                Index(t, (Coalesce(t.identifier, ''), Index.Similarity())),
                Index(
                    t, (t.state, Index.Equality(cardinality='low')),
                    where=~t.state.in_(CLOSED)),
                })
        # Only those that can be answered have a deadline
        cls._order = [
            ('answer_until', 'ASC NULLS LAST'),
            ('opened_at', 'DESC'),
            ('id', 'DESC'),
            ]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree/field[@name="state"]', 'visual',
                If(Eval('state').in_(TO_ANSWER), 'danger',
                    If(Eval('state').in_(CLOSED), '', 'warning'))),
            ]

    def get_rec_name(self, name):
        return '%s (%s)' % (self.payment.rec_name, self.identifier)

    @classmethod
    def search_rec_name(cls, name, clause):
        operator = clause[1]
        bool_op = 'AND' if operator.startswith(('!', 'not ')) else 'OR'
        return [bool_op,
            ('payment.rec_name', *clause[1:]),
            ('identifier', *clause[1:]),
            ]

    def get_url(self, name):
        return dashboard_url('disputes', self.identifier, self.live)

    @classmethod
    def stripe_update(cls, payment, disputes, at=None):
        """Bring the records of the payment, which is locked, to what Stripe
        says: its dictionaries of the disputes.

        at: the Moment at which it was so.
        """
        records = cls.stripe_known([payment])
        to_save = []
        for dispute in disputes:
            record = records.get((payment.id, dispute['id']))
            if not record:
                record = cls(payment=payment, identifier=dispute['id'])
            elif record.stripe_is_same(dispute):
                continue
            values = record._stripe_values(dispute)
            before = getattr(record, 'state', None)
            if values['state'] not in CLOSED:
                values['closed_at'] = None
            elif before and before != values['state'] and at:
                # Stripe tells of it by the event only
                values['closed_at'] = from_timestamp(at.last)
            for name, value in values.items():
                setattr(record, name, value)
            to_save.append(record)
        cls.save(to_save)

    @classmethod
    def stripe_close(cls, payments, dispute, at):
        "Store the timestamp at which Stripe says that the dispute was closed"
        for record in cls.stripe_known(payments).values():
            if (record.identifier == dispute['id']
                    and record.state == dispute['status']):
                record.closed_at = from_timestamp(at)
                record.save()

    @classmethod
    def stripe_known(cls, payments):
        "Return the records by the ids of their payment and of the dispute"
        return {
            (d.payment.id, d.identifier): d for d in cls.search([
                    ('payment', 'in', [p.id for p in payments]),
                    ], order=[])}

    def stripe_is_same(self, dispute):
        "Return if the record is as the dictionary of the dispute tells"
        return all(
            getattr(self, n) == v
            for n, v in self._stripe_values(dispute).items())

    def _stripe_values(self, dispute):
        state = _known(self.__class__.state, dispute['status'])
        evidence = dispute.get('evidence_details') or {}
        due = evidence.get('due_by')
        settled_in, withdrawn, reinstated, fee = movements(dispute)
        currency = _currency(settled_in) if settled_in else None
        return {
            'amount': _amount(
                dispute['amount'], dispute['currency'], self.payment.currency),
            'reason': _known(self.__class__.reason, dispute.get('reason')),
            'network_reason_code': _network_reason_code(dispute),
            'state': state,
            'answer_until': (
                from_timestamp(due) if due and state in TO_ANSWER else None),
            'live': bool(dispute.get('livemode')),
            'answered': bool(evidence.get('submission_count')),
            'refundable': bool(dispute.get('is_charge_refundable')),
            'opened_at': from_timestamp(dispute['created']),
            'settlement_currency': currency,
            'withdrawn': _amount(withdrawn, settled_in, currency),
            'reinstated': _amount(reinstated, settled_in, currency),
            'fee': _amount(fee, settled_in, currency),
            }


def _known(field, word):
    "Return the word of Stripe if the Selection has it"
    return word if word is None or word in dict(field.selection) else UNKNOWN


def _network_reason_code(dispute):
    # https://docs.stripe.com/api/disputes/object
    # #dispute_object-payment_method_details
    details = dispute.get('payment_method_details') or {}
    details = details.get(details.get('type')) or {}
    code = details.get('network_reason_code') or details.get('reason_code')
    return one_line(code) if code else None


def _currency(code):
    Currency = Pool().get('currency.currency')
    return next(iter(Currency.search([
                    ('code', 'ilike', code),
                    ], limit=1)), None)


def _amount(stripe_amount, code, currency):
    "Return the Decimal of it, None if the currency cannot express it"
    if currency and currency.code.upper() == code.upper():
        try:
            return from_stripe(stripe_amount, code, currency.digits)
        except AmountError:
            return None
