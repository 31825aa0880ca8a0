# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What people at the desk see and press, besides scenario_desk."""
import datetime as dt

from trytond.pool import Pool

from .case import StripeTestCase

PAYMENT = 'account.payment'


class DeskTestCase(StripeTestCase):
    "Test fields and buttons"

    def charged(self, **values):
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True, **values)
            group = Pool().get('account.payment.group')(
                company=self.company, journal=self.journal, kind='receivable')
            group.save()
            Payment.process([payment], lambda: group)
        return payment.id

    def test_capture_until(self):
        "Test until when can be captured is shown"
        id_ = self.charged(stripe_capture=False)
        with self.transaction():
            payment = Pool().get(PAYMENT)(id_)
            self.assertEqual(payment.stripe_waiting_for, 'capture')
            self.assertGreater(
                payment.stripe_capture_until, dt.datetime.now())

    def test_identifier(self):
        "Test the URL is created and removed by two buttons"
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            account = Account(self.account)
            if account.webhook_identifier:
                Account.remove_identifier([account])
            self.assertFalse(Account(self.account).webhook_endpoint)
            Account.remove_identifier([account])
            self.assertFalse(Account(self.account).webhook_endpoint)
            Account.create_identifier([account])
            url = Account(self.account).webhook_endpoint
            self.assertTrue(url)
            Account.create_identifier([account])
            self.assertEqual(Account(self.account).webhook_endpoint, url)
