# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from trytond.model import ModelView, fields
from trytond.pyson import Eval

from .convert import UNKNOWN, from_timestamp
from .dashboard import DashboardMixin
from .pay_with import shown
from .shown_time import ShownTime


class PaidMixin(DashboardMixin):
    "Show with what the payment was paid"
    __slots__ = ()

    stripe_method_type = fields.Char(
        "Type of Payment Method", readonly=True, strip=False,
        states=shown('stripe_method_type'),
        help="Stripe's name of the type of payment method.")
    stripe_paid_with = fields.Char(
        "Paid with", readonly=True, strip=False,
        states=shown('stripe_paid_with'),
        help="The card, bank account or service that was charged.")
    stripe_paid_at = ShownTime(
        "Charged at", readonly=True,
        states=shown('stripe_paid_at'),
        help="When the payment method was charged.")
    stripe_risk_level = fields.Selection([
            (None, ""),
            ('normal', "Normal"),
            ('elevated', "Elevated"),
            ('highest', "Highest"),
            ('not_assessed', "Not Assessed"),
            (UNKNOWN, "Unknown"),
            ], "Risk", readonly=True, sort=False,
        states=shown('stripe_risk_level'),
        help="How likely Stripe finds it to be a fraud.")
    stripe_three_d_secure = fields.Selection([
            (None, ""),
            ('authenticated', "Authenticated"),
            ('attempt_acknowledged', "Attempted"),
            ('exempted', "Exempted"),
            ('not_supported', "Not Supported"),
            ('failed', "Failed"),
            ('processing_error', "Processing Error"),
            (UNKNOWN, "Unknown"),
            ], "3-D Secure", readonly=True, sort=False,
        states=shown('stripe_three_d_secure'),
        help="What came of the bank's question who pays.")
    stripe_receipt_url = fields.Char(
        "Receipt", readonly=True, strip=False,
        states=shown('stripe_receipt_url'),
        help="The receipt that Stripe shows to the payer.")

    stripe_capture_until = ShownTime(
        "Capture until", readonly=True,
        states={
            'invisible': (
                ~Eval('stripe_capture_until')
                | (Eval('stripe_waiting_for') != 'capture')),
            },
        help="When the authorization ends and the amount is lost.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._buttons.update({
                'stripe_refund': {
                    'invisible': (
                        (Eval('process_method') != 'stripe')
                        | (Eval('state') != 'succeeded')),
                    'icon': 'tryton-back',
                    'depends': ['process_method', 'state'],
                    },
                })

    @classmethod
    @ModelView.button_action('account_payment_stripe.wizard_payment_refund')
    def stripe_refund(cls, payments):
        pass

    @classmethod
    def _stripe_own_fields(cls):
        return super()._stripe_own_fields() + [
            'stripe_method_type', 'stripe_paid_with', 'stripe_paid_at',
            'stripe_risk_level', 'stripe_three_d_secure',
            'stripe_receipt_url', 'stripe_capture_until']

    @property
    def _stripe_dashboard(self):
        return (
            'payments',
            self.stripe_payment_intent_id or self.stripe_charge_id,
            self.stripe_is_live)

    @property
    def stripe_is_live(self):
        # The earlier version did not keep it
        return self.stripe_live is None or bool(self.stripe_live)

    def _stripe_paid_values(self, state):
        "Return the values of what the PaymentState tells was charged"
        paid = state.paid_with
        if not paid.type and state.charge == self.stripe_charge_id:
            # It does not tell, which changes nothing
            return {}
        return {
            'stripe_method_type': paid.type,
            'stripe_paid_with': paid.label,
            'stripe_paid_at': from_timestamp(paid.at) if paid.at else None,
            'stripe_risk_level': paid.risk_level,
            'stripe_three_d_secure': paid.three_d_secure,
            'stripe_receipt_url': paid.receipt_url,
            'stripe_capture_until': (
                from_timestamp(paid.capture_before)
                if paid.capture_before else None),
            }
