# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A stateful stand-in for Stripe's API, spoken to over HTTP.

    with Simulator() as simulator:
        account = simulator.account('demo')
        client = stripe.StripeClient(
            account.secret_key, base_addresses={'api': simulator.url})

Remote gives the same controls of a simulator that runs elsewhere."""
from .remote import Remote
from .simulator import Simulator

__all__ = ['Remote', 'Simulator']
