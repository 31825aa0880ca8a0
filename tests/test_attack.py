# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a look from outside has found."""
from trytond.pool import Pool

from .case import StripeTestCase


class EmptyTextTestCase(StripeTestCase):
    "Test the empty texts that clients send where there is none"

    def test_customers(self):
        "Test two new customers do not share the empty customer at Stripe"
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            Party = Pool().get('party.party')
            other, = Party.create([{'name': "Other"}])
            customers = Customer.create([{
                        'party': party,
                        'stripe_account': self.account,
                        'stripe_customer_id': '',
                        'stripe_token': token,
                        } for party, token in [
                        (self.party, ''), (other.id, 'tok_visa')]])
            Customer.write(customers, {'stripe_customer_id': ''})
            self.assertEqual(
                [c.stripe_customer_id for c in customers], [None, None])
            Customer.stripe_create()
        with self.transaction():
            customers = Customer.browse([c.id for c in customers])
            # The other has nothing to be made of
            self.assertEqual(
                [bool(c.stripe_customer_id) for c in customers],
                [False, True])
