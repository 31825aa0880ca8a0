# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from sql.conditionals import Coalesce

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.model.exceptions import AccessError
from trytond.modules.account_payment.exceptions import PaymentValidationError
from trytond.modules.company.model import (
    employee_field, reset_employee, set_employee)
from trytond.modules.currency.fields import Monetary
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import Transaction

from .convert import new_key
from .dashboard import DashboardMixin
from .error import ErrorMixin
from .exceptions import RefundApprovalError
from .payment_part import PaymentPartMixin
from .record_amount import AmountMixin, stripe_amount
from .refund_create import CreateMixin
from .retry import RetryMixin
from .state import UNPAID
from .store import LeaseMixin, touch

# The types of payment method without a refund of their own, so that Stripe
# asks the payer by e-mail for a bank account
# https://docs.stripe.com/api/refunds/create#create_refund-instructions_email
# https://docs.stripe.com/payments/customer-balance/refunding
EMAILED = frozenset([
        'customer_balance', 'konbini', 'multibanco', 'promptpay'])

# Not yet taken off the amount of the payment
OPEN = ['submitted', 'approved', 'processing']


class Refund(
        CreateMixin,
        RetryMixin, LeaseMixin, ErrorMixin, AmountMixin, PaymentPartMixin,
        DashboardMixin,
        Workflow, ModelSQL, ModelView):
    __name__ = 'account.payment.stripe.refund'

    payment = fields.Many2One(
        'account.payment', "Payment", required=True, ondelete='RESTRICT',
        domain=[
            ('process_method', '=', 'stripe'),
            ['OR',
                ('stripe_charge_id', '!=', None),
                ('stripe_payment_intent_id', '!=', None),
                ],
            If(Eval('state') == 'draft',
                [
                    ('state', 'in', ['processing', 'succeeded']),
                    ['OR',
                        # Of the earlier version
                        ('stripe_intent_status', '=', None),
                        ('stripe_intent_status', 'not in', sorted(UNPAID)),
                        ],
                    ],
                ()),
            ],
        states={
            'readonly': Eval('state') != 'draft',
            })
    amount = Monetary(
        "Amount", currency='currency', digits='currency', required=True,
        domain=[
            ('amount', '>', 0),
            ],
        states={
            'readonly': Eval('state') != 'draft',
            })
    reason = fields.Selection([
            (None, ""),
            ('duplicate', "Duplicate"),
            ('fraudulent', "Fraudulent"),
            ('requested_by_customer', "Requested by Customer"),
            ], "Reason",
        states={
            'readonly': Eval('state') != 'draft',
            })
    origin = fields.Reference(
        "Origin", selection='get_origin',
        states={
            'readonly': Eval('state') != 'draft',
            'invisible': ~Eval('origin') & (Eval('state') != 'draft'),
            })
    submitted_by = employee_field(
        "Submitted by",
        states=['submitted', 'approved', 'processing', 'succeeded', 'failed'])
    approved_by = employee_field(
        "Approved by",
        states=['submitted', 'approved', 'processing', 'succeeded', 'failed'])
    submitted_by_user = fields.Many2One(
        'res.user', "Submitted by User", readonly=True,
        states={
            # The employee says more
            'invisible': Eval('submitted_by') | ~Eval('submitted_by_user'),
            })
    approved_by_user = fields.Many2One(
        'res.user', "Approved by User", readonly=True,
        states={
            'invisible': Eval('approved_by') | ~Eval('approved_by_user'),
            })
    state = fields.Selection([
            ('draft', "Draft"),
            ('submitted', "Submitted"),
            ('approved', "Approved"),
            ('processing', "Processing"),
            ('succeeded', "Succeeded"),
            ('failed', "Failed"),
            ], "State", readonly=True, sort=False)
    stripe_idempotency_key = fields.Char(
        "Stripe Idempotency Key", readonly=True)
    stripe_refund_id = fields.Char(
        "Stripe Refund", readonly=True, strip=False,
        states={
            'invisible': ~Eval('stripe_refund_id'),
            })
    stripe_instructions_email = fields.Char(
        "Instructions E-mail", readonly=True, strip=False,
        states={
            'invisible': ~Eval('stripe_instructions_email'),
            },
        help="Where Stripe asks the payer for the bank account to refund to.")
    made_at_stripe = fields.Boolean(
        "Made at Stripe", readonly=True,
        states={
            'invisible': ~Eval('made_at_stripe'),
            },
        help="If it was made elsewhere than here, as in Stripe's dashboard.")
    stripe_sent_at = fields.Timestamp("Sent at", readonly=True)
    stripe_unsure = fields.Boolean(
        "Unsure", readonly=True,
        help="If Stripe did not say whether it made the refund.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('payment')
        # Nobody types them, the buttons tell
        for name in ['submitted_by', 'approved_by']:
            field = getattr(cls, name)
            field.readonly = True
            # The user says it if there is no employee
            field.states['invisible'] = ~Eval(name)
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.payment, Index.Range())),
                Index(
                    t, (t.state, Index.Equality(cardinality='low')),
                    where=t.state.in_([
                            'draft', 'submitted', 'approved', 'processing'])),
                Index(t, (Coalesce(t.stripe_refund_id, ''), Index.Range())),
                })
        cls._order.insert(0, ('id', 'DESC'))
        cls._transitions |= {
            ('draft', 'submitted'),
            ('submitted', 'draft'),
            ('submitted', 'approved'),
            ('approved', 'draft'),
            ('approved', 'processing'),
            ('approved', 'succeeded'),
            ('approved', 'failed'),
            ('processing', 'succeeded'),
            ('processing', 'failed'),
            ('succeeded', 'failed'),
            ('succeeded', 'processing'),
            ('failed', 'processing'),
            ('failed', 'succeeded'),
            }
        cls._buttons.update({
                'draft': {
                    'invisible': ~Eval('state').in_(['submitted', 'approved']),
                    'icon': 'tryton-back',
                    'depends': ['state'],
                    },
                'submit': {
                    'invisible': Eval('state') != 'draft',
                    'icon': 'tryton-forward',
                    'depends': ['state'],
                    },
                'approve': {
                    'invisible': Eval('state') != 'submitted',
                    'icon': 'tryton-forward',
                    'depends': ['state'],
                    },
                })

    @classmethod
    def default_state(cls):
        return 'draft'

    @classmethod
    def _get_origin(cls):
        "Return the list of the names of the models of the origin"
        return []

    @classmethod
    def get_origin(cls):
        get_name = Pool().get('ir.model').get_name
        return [(None, '')] + [(m, get_name(m)) for m in cls._get_origin()]

    @fields.depends(
        'payment', 'amount', '_parent_payment.id', '_parent_payment.amount',
        '_parent_payment.state')
    def on_change_payment(self):
        if (self.payment
                and (self.payment.id or -1) > 0
                and self._payment_value('amount') is not None
                and self.amount is None):
            left = self.stripe_left([self.payment])[self.payment.id]
            if left > 0:
                self.amount = left

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree/field[@name="state"]', 'visual',
                If(Eval('state') == 'failed', 'danger', '')),
            ]

    @property
    def _stripe_dashboard(self):
        return (
            'refunds', self.stripe_refund_id, self.payment.stripe_is_live)

    def get_rec_name(self, name):
        return '%s (%s)' % (
            self.payment.rec_name, self.stripe_refund_id or self.id)

    @classmethod
    def search_rec_name(cls, name, clause):
        operator = clause[1]
        bool_op = 'AND' if operator.startswith(('!', 'not ')) else 'OR'
        return [bool_op,
            ('payment.rec_name', *clause[1:]),
            ('stripe_refund_id', *clause[1:]),
            ]

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create' and not values.get('stripe_idempotency_key'):
            values['stripe_idempotency_key'] = new_key()
        return values

    @classmethod
    def copy(cls, refunds, default=None):
        default = default.copy() if default is not None else {}
        for name in [
                'submitted_by', 'submitted_by_user', 'approved_by',
                'approved_by_user', 'stripe_idempotency_key',
                'stripe_refund_id', 'stripe_sent_at',
                'stripe_instructions_email']:
            default.setdefault(name)
        for name in ['made_at_stripe', 'stripe_unsure']:
            default.setdefault(name, False)
        return super().copy(refunds, default=default)

    @classmethod
    def check_modification(cls, mode, refunds, values=None, external=False):
        super().check_modification(
            mode, refunds, values=values, external=external)
        if mode == 'delete':
            for refund in refunds:
                if refund.state != 'draft':
                    raise AccessError(gettext(
                            'account_payment_stripe.msg_refund_delete_draft',
                            refund=refund.rec_name))

    @classmethod
    @ModelView.button
    @Workflow.transition('draft')
    @reset_employee(
        'submitted_by', 'submitted_by_user', 'approved_by', 'approved_by_user')
    def draft(cls, refunds):
        pass

    @classmethod
    @ModelView.button
    @Workflow.transition('submitted')
    @set_employee('submitted_by')
    def submit(cls, refunds):
        for refund in refunds:
            refund.payment.stripe_check_currency()
            stripe_amount(
                refund.amount, refund.currency, refund, charged=True)
        cls.check_disputes(refunds)
        cls._check_left(refunds, OPEN)
        cls.write(refunds, {'submitted_by_user': _user()})

    @classmethod
    @ModelView.button
    @Workflow.transition('approved')
    @set_employee('approved_by')
    def approve(cls, refunds):
        cls._check_second_person(refunds)
        cls.write(refunds, {'approved_by_user': _user()})
        cls.check_disputes(refunds)
        # The first to be approved of those which are too many goes on
        cls._check_left(refunds, ['approved', 'processing'])
        cls.__queue__.stripe_create(refunds)

    @classmethod
    def _check_second_person(cls, refunds):
        """Raise RefundApprovalError if the user has submitted one of the
        refunds and its account wants another to approve it."""
        user = _user()
        if user is None:
            return
        employee = Pool().get('res.user')(user).employee
        for refund in refunds:
            account = refund.payment.stripe_own_account
            if account.refund_second_person and (
                    refund.submitted_by_user and refund.submitted_by_user.id
                    == user
                    or employee and refund.submitted_by == employee):
                raise RefundApprovalError(gettext(
                        'account_payment_stripe.msg_refund_approve_own',
                        refund=refund.rec_name))

    @classmethod
    def check_disputes(cls, refunds):
        "Raise PaymentValidationError if a dispute forbids one of the refunds"
        for refund in refunds:
            for dispute in refund.payment.stripe_disputes:
                if not dispute.refundable:
                    raise PaymentValidationError(gettext(
                            'account_payment_stripe.msg_refund_disputed',
                            payment=refund.payment.rec_name,
                            dispute=dispute.identifier,
                            state=dispute.state_string))

    @classmethod
    def stripe_left(cls, payments):
        """Return the Decimals of what can still be refunded of the payments,
        by their id."""
        return cls._left(payments, OPEN)

    @classmethod
    def _left(cls, payments, states, without=()):
        """Return what is left of each of the payments after the refunds of it
        in the states, a dictionary of Decimals by the id of the payment.

        without: refunds that are not counted.
        """
        left = {
            # Its amount is kept when nothing is left
            p.id: p.amount if p.state != 'failed' else p.amount * 0
            for p in payments}
        refunds = cls.search([
                ('payment', 'in', list(left)),
                ('state', 'in', states),
                ('id', 'not in', [r.id for r in without]),
                ], order=[])
        for refund in refunds:
            left[refund.payment.id] -= refund.amount
        return left

    @classmethod
    def _check_left(cls, refunds, states):
        """Raise PaymentValidationError if more would be refunded than is left
        after the other refunds in the states.
        """
        pool = Pool()
        Lang = pool.get('ir.lang')
        Payment = pool.get('account.payment')
        payments = Payment.stripe_lock(
            sorted({r.payment for r in refunds}, key=int))
        touch(Payment, payments)
        left = cls._left(payments, states, without=refunds)
        for refund in refunds:
            payment = refund.payment
            if refund.amount > left[payment.id]:
                raise PaymentValidationError(gettext(
                        'account_payment_stripe.msg_refund_amount',
                        refund=refund.rec_name,
                        payment=payment.rec_name,
                        left=Lang.get().currency(
                            max(left[payment.id], 0), refund.currency)))
            left[payment.id] -= refund.amount

    @classmethod
    @Workflow.transition('processing')
    def process(cls, refunds):
        for refund in refunds:
            if (not refund.stripe_refund_id
                    and refund.payment.stripe_method_type in EMAILED):
                # Kept, as what is sent again must be the same
                refund.stripe_store(
                    stripe_instructions_email=next(
                        iter(refund.stripe_email_addresses()), None))

    def stripe_email_addresses(self):
        """Return the list of e-mail addresses of the payer, Stripe writes to
        the first if it has to ask for the bank account to refund to.

        To be extended, as for a contact of the kind that is to be used.
        """
        return self.payment.stripe_email_addresses()

    @classmethod
    @Workflow.transition('succeeded')
    def succeed(cls, refunds):
        pass

    @classmethod
    @Workflow.transition('failed')
    def fail(cls, refunds):
        pass


def _user():
    "Return the id of the person who acts, None if it is Tryton itself"
    return Transaction().user or Transaction().context.get('user')
