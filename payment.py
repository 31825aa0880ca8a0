# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from sql import Null
from sql.conditionals import Coalesce

from trytond.model import Index, fields
from trytond.modules.currency.fields import Monetary
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval
from trytond.transaction import Transaction

from .access import is_readable
from .checkout import CheckoutMixin
from .convert import UNKNOWN, new_key
from .error import ErrorMixin
from .pay_with import PayWithMixin, shown
from .payment_again import AgainMixin
from .payment_charge import ChargeMixin
from .payment_checkout import PageMixin
from .payment_customer import CustomerMixin
from .payment_dispute import DisputeMixin
from .payment_event import EventMixin
from .payment_intent import IntentMixin
from .payment_ledger import LedgerMixin
from .payment_mail import MailMixin
from .payment_paid import PaidMixin
from .payment_restore import RestoreMixin
from .payment_review import ReviewMixin
from .payment_state import StateMixin
from .payment_text import TextMixin
from .payment_waiting import WaitingMixin
from .payment_workflow import WorkflowMixin
from .record_amount import AmountMixin
from .retry import RetryMixin
from .secret import Secret
from .state import FINAL
from .store import LeaseMixin


class Payment(
        # What is charged and what Stripe says of it
        ReviewMixin, MailMixin, PageMixin, RestoreMixin, CustomerMixin,
        AgainMixin, ChargeMixin, IntentMixin, PaidMixin, DisputeMixin,
        EventMixin, StateMixin,
        WorkflowMixin, LedgerMixin, TextMixin, WaitingMixin,
        # What other models have too
        RetryMixin, LeaseMixin, CheckoutMixin, ErrorMixin, AmountMixin,
        PayWithMixin,
        metaclass=PoolMeta):
    __name__ = 'account.payment'

    stripe_token = Secret(
        "Stripe Token",
        states={
            'readonly': Eval('state') != 'draft',
            **shown('stripe_token'),
            })
    stripe_chargeable = fields.Boolean(
        "Stripe Chargeable",
        states={
            'readonly': Eval('state') != 'draft',
            'invisible': (
                (Eval('process_method') != 'stripe')
                | ~Eval('stripe_token')),
            })
    stripe_capture = fields.Boolean(
        "Stripe Capture",
        states={
            'readonly': Eval('state') != 'draft',
            'invisible': Eval('process_method') != 'stripe',
            },
        help="Check to capture the amount as soon as it is authorized.")
    stripe_capturable = fields.Boolean(
        "Stripe Capturable", readonly=True,
        states={
            'invisible': True,
            })
    stripe_captured = fields.Boolean(
        "Stripe Captured", readonly=True,
        states={
            'invisible': True,
            })
    stripe_capture_needed = fields.Function(
        fields.Boolean("Stripe Capture Needed"),
        'on_change_with_stripe_capture_needed')
    stripe_idempotency_key = fields.Char(
        "Stripe Idempotency Key", readonly=True)
    stripe_payment_intent_id = fields.Char(
        "Stripe Payment Intent", readonly=True, strip=False,
        states=shown('stripe_payment_intent_id'))
    stripe_intent_status = fields.Selection([
            (None, ""),
            ('requires_payment_method', "Requires Payment Method"),
            ('requires_confirmation', "Requires Confirmation"),
            ('requires_action', "Requires Action"),
            ('processing', "Processing"),
            ('requires_capture', "Requires Capture"),
            ('canceled', "Canceled"),
            ('succeeded', "Succeeded"),
            ('requires_reauthorization', "Requires Reauthorization"),
            ('expired', "Expired"),
            (UNKNOWN, "Unknown"),
            ], "Stripe Status", readonly=True, sort=False,
        states=shown('stripe_intent_status'))
    stripe_currency = fields.Char(
        "Stripe Currency", readonly=True, strip=False,
        help="The code of the currency in which the payment is at Stripe.")
    stripe_charge_id = fields.Char(
        "Stripe Charge", readonly=True, strip=False,
        states=shown('stripe_charge_id'))
    stripe_capturable_amount = Monetary(
        "Authorized", currency='currency', digits='currency', readonly=True,
        states=shown('stripe_capturable_amount'),
        help="The amount that can be captured.")
    stripe_captured_amount = Monetary(
        "Captured", currency='currency', digits='currency', readonly=True,
        states=shown('stripe_captured_amount'))
    stripe_refunded_amount = Monetary(
        "Refunded", currency='currency', digits='currency', readonly=True,
        states=shown('stripe_refunded_amount'))
    stripe_transferred_amount = Monetary(
        "Received so Far", currency='currency', digits='currency',
        readonly=True, states=shown('stripe_transferred_amount'),
        help="The part of the amount that has arrived by bank transfer.")
    stripe_refunds = fields.One2Many(
        'account.payment.stripe.refund', 'payment', "Stripe Refunds",
        # The party and company are those of the payment
        context={
            'stripe_of_payment': True,
            },
        states={
            'invisible': (
                (Eval('process_method') != 'stripe')
                | (~Eval('stripe_charge_id')
                    & ~Eval('stripe_payment_intent_id'))
                | ((Eval('state') != 'succeeded')
                    & ~Eval('stripe_captured', False)
                    & ~Eval('stripe_refunds'))),
            })
    stripe_events = fields.One2Many(
        'account.payment.stripe.event', 'record', "Stripe Events",
        readonly=True)

    stripe_state_at = fields.Timestamp("State at", readonly=True)
    stripe_payment_method_id = fields.Char(
        "Stripe Payment Method of Token", readonly=True, strip=False)
    stripe_intent_account = fields.Many2One(
        'account.payment.stripe.account', "Stripe Account of the Intent",
        readonly=True, ondelete='RESTRICT',
        states=shown('stripe_intent_account'),
        help="The account at which the payment was made, "
        "even if the journal has another one by now.")
    stripe_live = fields.Boolean("In Live Mode", readonly=True)
    stripe_former_intent_id = fields.Char(
        "Stripe Former Intent", readonly=True, strip=False,
        help="The intent that must end before another is made.")
    stripe_confirmed = fields.Boolean(
        "Stripe Confirmed", readonly=True,
        help="If an attempt was made to pay the intent.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        # Not the errors in spite of which it has succeeded
        for name in ['message', 'code', 'param']:
            getattr(cls, 'stripe_error_%s' % name).states['invisible'] |= (
                (Eval('state') == 'succeeded')
                & (Eval('stripe_waiting_for') != 'check'))
        cls.amount.states['readonly'] &= ~(
            (Eval('state') == 'processing')
            & Eval('stripe_capture_needed', False))

        t = cls.__table__()
        cls._sql_indexes.update({
                # As they are searched, a range keeps many empty ones well
                Index(
                    t,
                    (Coalesce(t.stripe_payment_intent_id, ''),
                        Index.Range())),
                Index(t, (Coalesce(t.stripe_charge_id, ''), Index.Range())),
                Index(
                    t,
                    (Coalesce(t.stripe_idempotency_key, ''), Index.Range())),
                Index(t, (Coalesce(t.stripe_token, ''), Index.Range())),
                Index(t, (Coalesce(t.stripe_checkout_id, ''), Index.Range())),
                Index(
                    t, (t.stripe_try_at, Index.Range()),
                    where=t.state == 'processing'),
                Index(
                    t, (t.stripe_try_at, Index.Range()),
                    where=t.stripe_waiting_for == 'check'),
                })

        is_stripe = Eval('process_method') == 'stripe'
        for name, invisible in [
                ('succeed', is_stripe),
                # Only a refund takes the money back
                ('fail', is_stripe & (Eval('state') == 'succeeded'))]:
            button = cls._buttons[name]
            button['invisible'] |= invisible
            button.setdefault('depends', []).append('process_method')
        cls._buttons.update({
                'stripe_checkout': {
                    'invisible': (
                        ~Eval('state').in_(
                            ['submitted', 'approved', 'processing'])
                        | Eval('stripe_intent_status').in_(
                            ['processing', 'requires_capture'])
                        | ~Eval('stripe_checkout_needed', False)),
                    'icon': 'tryton-public',
                    'depends': [
                        'state', 'stripe_intent_status',
                        'stripe_checkout_needed'],
                    },
                **{name: {
                        'invisible': (
                            (Eval('state') != 'processing')
                            | ~Eval('stripe_capture_needed', False)),
                        'icon': 'tryton-ok',
                        'depends': ['state', 'stripe_capture_needed'],
                        }
                    for name in ['stripe_do_capture', 'stripe_capture_wizard']
                    },
                'stripe_do_pull': {
                    'invisible': (
                        (Eval('process_method') != 'stripe')
                        | (~Eval('stripe_charge_id')
                            & ~Eval('stripe_payment_intent_id'))),
                    'icon': 'tryton-refresh',
                    'depends': [
                        'process_method', 'stripe_charge_id',
                        'stripe_payment_intent_id'],
                    },
                })

    @classmethod
    def __register__(cls, module):
        table_h = cls.__table_handler__(module)
        table = cls.__table__()
        is_new = not table_h.column_exist('stripe_capture')
        has_account = table_h.column_exist('stripe_intent_account')

        super().__register__(module)

        if is_new:
            # The payments made before the module are captured as the others
            cursor = Transaction().connection.cursor()
            cursor.execute(*table.update([table.stripe_capture], [True]))
        elif not has_account:
            cls._stripe_fill_account()

    @classmethod
    def _stripe_fill_account(cls):
        "Store of the payments made before at which account they were"
        table = cls.__table__()
        journal = Pool().get('account.payment.journal').__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.update(
                [table.stripe_intent_account, table.stripe_former_intent_id,
                    table.stripe_confirmed],
                [journal.select(
                        journal.stripe_account,
                        where=journal.id == table.journal),
                    table.stripe_payment_intent_id,
                    # Not known to be chargeable: they wait for the payer
                    table.stripe_payment_intent_id != Null],
                where=(table.stripe_payment_intent_id != Null)
                | (table.stripe_charge_id != Null)))

    @classmethod
    def default_stripe_capture(cls):
        return True

    @classmethod
    def default_stripe_capturable(cls):
        return False

    @classmethod
    def default_stripe_captured(cls):
        return False

    @classmethod
    def default_stripe_chargeable(cls):
        return False

    @fields.depends('stripe_intent_account')
    def on_change_with_stripe_account(self, name=None):
        account = super().on_change_with_stripe_account(name=name)
        # The journal may have got another one since
        return account and (self.stripe_intent_account or account)

    @fields.depends(
        'process_method', 'state', 'stripe_token', 'stripe_customer_source',
        'stripe_customer_payment_method', 'stripe_intent_status',
        'stripe_charge_id', 'stripe_payment_intent_id')
    def on_change_with_stripe_checkout_needed(self, name=None):
        if self.process_method != 'stripe' or not is_readable(self):
            return False
        if self.stripe_intent_status:
            # A saved payment method that waits for its confirmation needs
            # nobody
            if self.stripe_intent_status in FINAL - {'canceled'}:
                return False
            if self.stripe_intent_status == 'requires_payment_method':
                return True
        elif self.stripe_charge_id and not self.stripe_payment_intent_id:
            return False
        return not (self.stripe_token
            or self.stripe_customer_source
            or self.stripe_customer_payment_method)

    @fields.depends(
        'process_method', 'stripe_capturable', 'stripe_captured')
    def on_change_with_stripe_capture_needed(self, name=None):
        return bool(
            self.process_method == 'stripe'
            and is_readable(self)
            and self.stripe_capturable
            and not self.stripe_captured)

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/form//page[@id="stripe"]', 'states', {
                    'invisible': (
                        (Eval('process_method') != 'stripe')
                        | (~Eval('stripe_token')
                            & ~Eval('stripe_payment_intent_id')
                            & ~Eval('stripe_charge_id')
                            & ~Eval('stripe_error_code'))),
                    }),
            ]

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create' and not values.get('stripe_idempotency_key'):
            values['stripe_idempotency_key'] = new_key()
        if 'stripe_token' in values:
            # The payment method was made of another token
            values.setdefault('stripe_payment_method_id')
        return values

    @classmethod
    def copy(cls, payments, default=None):
        default = default.copy() if default is not None else {}
        for name in cls._stripe_own_fields():
            default.setdefault(name)
        for name in cls._stripe_own_flags():
            default.setdefault(name, False)
        default.setdefault('stripe_events')
        return super().copy(payments, default=default)

    @classmethod
    def _stripe_own_fields(cls):
        "Return the names of the fields about what is at Stripe"
        return super()._stripe_own_fields() + [
            'stripe_token', 'stripe_payment_method_id',
            'stripe_idempotency_key', 'stripe_payment_intent_id',
            'stripe_charge_id', 'stripe_checkout_id', 'stripe_intent_status',
            'stripe_currency',
            'stripe_error_message', 'stripe_error_code', 'stripe_error_param',
            'stripe_capturable_amount', 'stripe_captured_amount',
            'stripe_refunded_amount', 'stripe_refunds',
            'stripe_transferred_amount', 'stripe_waiting_for',
            'stripe_waiting_since',
            'stripe_try_at', 'stripe_tries',
            'stripe_leased_until', 'stripe_state_at', 'stripe_intent_account',
            'stripe_former_intent_id', 'stripe_mail_error',
            'stripe_mailed_at',
            ]

    @classmethod
    def _stripe_own_flags(cls):
        "Return the names of the Booleans about what is at Stripe"
        return [
            'stripe_chargeable', 'stripe_capturable', 'stripe_captured',
            'stripe_live', 'stripe_confirmed', 'stripe_to_mail',
            'stripe_missing']

    @property
    def stripe_own_account(self):
        "The account at which the payment was made, or else will be"
        return self.stripe_intent_account or self.journal.stripe_account
