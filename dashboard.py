# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from trytond.model import fields
from trytond.pyson import Eval

# https://docs.stripe.com/dashboard/basics
DASHBOARD = 'https://dashboard.stripe.com/%s%s/%s'


class DashboardMixin:
    "Link the record with the page about it in Stripe's dashboard"
    __slots__ = ()

    stripe_dashboard_url = fields.Function(
        fields.Char(
            "Stripe Dashboard",
            states={
                'invisible': ~Eval('stripe_dashboard_url'),
                },
            help="The page about it in Stripe's dashboard."),
        'get_stripe_dashboard_url')

    def get_stripe_dashboard_url(self, name):
        kind, id_, live = self._stripe_dashboard
        return dashboard_url(kind, id_, live) if id_ else None

    @property
    def _stripe_dashboard(self):
        """Return the plural of what the record is at Stripe, the id there,
        which may be None, and if it is in live mode."""
        raise NotImplementedError


def dashboard_url(kind, id_, live):
    return DASHBOARD % ('' if live else 'test/', kind, id_)
