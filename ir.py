# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from trytond.pool import PoolMeta


class Cron(metaclass=PoolMeta):
    __name__ = 'ir.cron'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.method.selection.extend([
                ('account.payment|stripe_charge', "Charge Stripe Payments"),
                ('account.payment|stripe_capture_',
                    "Capture Stripe Payments"),
                ('account.payment.stripe.refund|stripe_create',
                    "Create Stripe Refunds"),
                ('account.payment.stripe.customer|stripe_create',
                    "Create Stripe Customers"),
                ('account.payment.stripe.customer|stripe_intent_update',
                    "Update Stripe Setup Intents"),
                ('account.payment.stripe.customer|stripe_delete',
                    "Delete Stripe Customers"),
                ('account.payment.stripe.account|fetch_events',
                    "Fetch Stripe Events"),
                ('account.payment.stripe.balance|stripe_fetch',
                    "Fetch Stripe Balances"),
                ('account.payment.stripe.account|stripe_check_connections',
                    "Check Stripe Connections"),
                ])
        cls.methods_company_needed.update([
                'account.payment|stripe_charge',
                'account.payment|stripe_capture_',
                ])
