# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What users of other software have reported of Stripe."""
from trytond.pool import Pool

from .case import StripeTestCase
from .tools import browse

PAYMENT = 'account.payment'


class ReportedTestCase(StripeTestCase):
    "Test what was reported elsewhere"

    def process(self, **values):
        "Return the id of a payment that is processed"
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            payment = self.create_payment(**values)
            Payment.process([payment])
        return payment.id

    def charge(self, id_):
        "Run the cron when the payment is due"
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            Payment(id_).stripe_store(stripe_try_at=None)
        with self.transaction():
            Pool().get(PAYMENT).stripe_charge()

    def fetch(self):
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.fetch_events([Account(self.account)])

    def test_gone_meanwhile(self):
        "Test why a payment fails is told though Stripe was silent before"
        with self.transaction():
            customer, method = self.create_customer()
        self.simulator.faults.add(
            '500_before', 'POST /v1/payment_intents/*/confirm', times=1)
        id_ = self.process(
            stripe_customer=customer.id,
            stripe_customer_payment_method=method)
        with self.transaction():
            payment = Pool().get(PAYMENT)(id_)
            self.assertEqual(payment.stripe_waiting_for, 'stripe')
        self.client.payment_methods.detach(method)

        self.charge(id_)

        with self.transaction():
            payment = Pool().get(PAYMENT)(id_)
            self.assertEqual(payment.state, 'failed')
            self.assertEqual(payment.stripe_intent_status, 'canceled')
            self.assertIn("detached", payment.stripe_error_message)

    def test_reason_of_cancellation(self):
        "Test who pays does not read why the former intent was cancelled"
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            payment = self.create_payment()
            Payment.stripe_checkout([payment])
        with self.transaction():
            payment = self.reload(payment)
            url = payment.stripe_checkout_url
            intent = payment.stripe_payment_intent_id
        self.client.payment_intents.cancel(
            intent, cancellation_reason='fraudulent')
        self.fetch()
        with self.transaction():
            self.assertEqual(
                self.reload(payment).stripe_error_code, 'fraudulent')

        self.assertIn('id="pay"', browse(url).text)

        page = browse(url + '/end').text
        self.assertIn("Payment not completed", page)
        self.assertNotIn('fraudulent', page)
