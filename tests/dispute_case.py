# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What tests of disputes need: a payment, and what its bank does."""
from decimal import Decimal

from trytond.pool import Pool

from .case import StripeTestCase

CLOSING = {'won', 'lost', 'warning_closed'}


class DisputeCase(StripeTestCase):

    def setUp(self):
        super().setUp()
        self.payment, self.charge = self.pay()

    def pay(self):
        "Return the id of a payment of 42 that has succeeded and its charge"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process([payment])
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'succeeded')
            return payment.id, payment.stripe_charge_id

    def open(self, amount=4200, **values):
        return self.world.dispute(
            self.charge, amount=amount, **values)['id']

    def change(self, dispute, status=None, moved=0, events=None, row=None):
        """Change the dispute at Stripe and the payment by its events.

        moved: what is given back, or withdrawn if it is negative.
        events: the types that Stripe makes of it.
        row: what is other in the movement of the money.
        """
        if events is None:
            events = ['closed' if status in CLOSING else 'updated']
            if moved:
                events.append(
                    'funds_reinstated' if moved > 0 else 'funds_withdrawn')
        self.world.change_dispute(dispute, status, moved, events=())
        if row:
            rows = self.world.objects('dispute')[
                dispute]['balance_transactions']
            self.world.change_dispute(
                dispute, events=(), balance_transactions=rows[:-1] + [
                    dict(rows[-1], **row)])
        self.world.change_dispute(
            dispute, events=['charge.dispute.' + e for e in events])
        self.fetch()

    def fetch(self):
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.fetch_events([Account(self.account)])

    def assertPayment(self, state, amount, lost, at_risk, status):
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = Payment(self.payment)
            self.assertEqual(
                (payment.state, payment.stripe_left_amount,
                    payment.stripe_lost_amount,
                    payment.stripe_disputed_amount,
                    payment.stripe_dispute_status),
                (state, Decimal(amount), Decimal(lost), Decimal(at_risk),
                    status))
            if payment.state == 'succeeded':
                self.assertEqual(payment.amount, Decimal(amount))
