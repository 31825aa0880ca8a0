# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The address of the page, and the e-mails with it that users send."""
from decimal import Decimal

from werkzeug.test import Client

from trytond.pool import Pool
from trytond.protocols.wrappers import Response
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction
from trytond.wsgi import app

from ..exceptions import StripeMailError, StripeMailWarning
from .case import StripeTestCase
from .tools import MailServer

PREFIX = '/%s/r/account_payment_stripe' % DB_NAME


class SendCase(StripeTestCase):

    def setUp(self):
        super().setUp()
        with self.transaction() as transaction:
            # Those that other tests left
            for name in [
                    'account.payment', 'account.payment.stripe.customer']:
                table = Pool().get(name).__table__()
                transaction.connection.cursor().execute(*table.update(
                        [table.stripe_to_mail], [False]))

    def get(self, record):
        "Return the status and the text of the page of the record"
        with self.transaction():
            key = Pool().get(record.__name__)(record.id).stripe_checkout_id
        response = Client(app, Response).get('%s/checkout/%s/%s' % (
                PREFIX, record.__name__, key))
        return response.status_code, response.get_data(as_text=True)

    def emails(self, record):
        "Return what is logged on the record"
        return Pool().get('ir.email').search([
                ('resource', '=', str(record))], order=[('id', 'ASC')])


class AddressTestCase(SendCase):
    "Test the address of the page"

    def test_shown(self):
        "Test it is shown as long as something can be paid"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            self.assertIn(
                payment.stripe_checkout_id, payment.stripe_checkout_address)
            self.assertEqual(
                bytes(payment.stripe_checkout_qrcode)[:4], b'\x89PNG')
            Payment.draft([payment])
            payment = self.reload(payment)
            self.assertIsNone(payment.stripe_checkout_address)
            self.assertIsNone(payment.stripe_checkout_qrcode)
            charged = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True)
            self.assertIsNone(charged.stripe_checkout_address)

    def test_before(self):
        "Test it can be sent before anything is asked of Stripe"
        with self.transaction():
            payment = self.create_payment()
        with self.transaction():
            payment = self.reload(payment)
            self.assertFalse(payment.stripe_payment_intent_id)
        self.assertEqual(self.get(payment)[0], 200)
        with self.transaction():
            self.assertTrue(self.reload(payment).stripe_payment_intent_id)

    def test_copy(self):
        "Test a copy gets an address of its own when it is submitted"
        with self.transaction():
            payment = self.create_payment()
            copy, = payment.copy([payment])
            self.assertIsNone(copy.stripe_checkout_id)
            copy.submit([copy])
            self.assertTrue(copy.stripe_checkout_id)
            self.assertNotEqual(
                copy.stripe_checkout_id, payment.stripe_checkout_id)


class SendTestCase(SendCase):
    "Test the e-mails that users send"

    def test_request(self):
        "Test the payer is asked to pay, in their language, and it is logged"
        with self.transaction():
            pool = Pool()
            Payment = pool.get('account.payment')
            payment = self.create_payment(amount=Decimal('12.34'))
            with MailServer() as mail:
                Payment.stripe_send_email([payment])
                Transaction().commit()
                Payment.stripe_mail()
                Payment.stripe_mail()
        message, = mail.messages
        text = message.get_body().get_content()
        self.assertEqual(message['To'], 'payer@example.com')
        self.assertEqual(message['Subject'], "Your payment")
        self.assertIn("asks you to pay online", text)
        self.assertIn("12.34", text)
        self.assertNotIn("could not be completed", text)
        with self.transaction():
            payment = self.reload(payment)
            self.assertIn(payment.stripe_checkout_url, text)
            self.assertFalse(payment.stripe_to_mail)
            self.assertTrue(payment.stripe_mailed_at)
            email, = self.emails(payment)
            self.assertEqual(email.recipients, 'payer@example.com')
            self.assertEqual(email.subject, "Your payment")
            self.assertIn(payment.stripe_checkout_url, email.body)
            self.assertEqual(email.user, "Administrator")
        # The page is as before
        self.assertEqual(self.get(payment)[0], 200)

    def test_declined(self):
        "Test who was declined reads that"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            Payment.stripe_checkout([payment])
            intent = payment.stripe_payment_intent_id
        with self.assertRaisesRegex(Exception, "declined"):
            self.world.pay(intent, number='4000000000000002')
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.fetch_events([Account(self.account)])
        with self.transaction(), MailServer() as mail:
            Payment.stripe_send_email([self.reload(payment)])
            Transaction().commit()
            Payment.stripe_mail()
        message, = mail.messages
        self.assertIn(
            "could not be completed", message.get_body().get_content())

    def test_paid_meanwhile(self):
        "Test nobody is asked for what is paid since"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            Payment.stripe_checkout([payment])
            Payment.stripe_send_email([payment])
            Transaction().tasks.clear()
            intent = payment.stripe_payment_intent_id
        self.world.pay(intent)
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.fetch_events([Account(self.account)])
        with self.transaction(), MailServer() as mail:
            self.assertEqual(self.reload(payment).state, 'succeeded')
            Payment.stripe_mail()
        self.assertEqual(mail.messages, [])

    def test_again(self):
        "Test who sends it twice within a day is warned"
        with self.transaction(), MailServer() as mail:
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            Payment.stripe_send_email([payment])
            Transaction().commit()
            Payment.stripe_mail()
            payment = self.reload(payment)
            with self.assertRaises(StripeMailWarning):
                Payment.stripe_send_email([payment])
            with Transaction().set_context(_skip_warnings=True):
                Payment.stripe_send_email([payment])
            Transaction().commit()
            Payment.stripe_mail()
        self.assertEqual(len(mail.messages), 2)

    def test_no_address(self):
        "Test parties without an e-mail address are told before"
        with self.transaction(), MailServer() as mail:
            pool = Pool()
            Payment = pool.get('account.payment')
            other, = pool.get('party.party').create([{'name': "Nowhere"}])
            there = self.create_payment()
            nowhere = self.create_payment(party=other.id)
            with self.assertRaisesRegex(StripeMailError, "Nowhere"):
                Payment.stripe_send_email([nowhere])
            with self.assertRaisesRegex(StripeMailWarning, "Nowhere"):
                Payment.stripe_send_email([there, nowhere])
            with Transaction().set_context(_skip_warnings=True):
                Payment.stripe_send_email([there, nowhere])
            Transaction().commit()
            Payment.stripe_mail()
            self.assertIn(
                "Nowhere", self.reload(nowhere).stripe_mail_error)
        self.assertEqual(len(mail.messages), 1)

    def test_server_away(self):
        "Test it is sent once the mail server is back"
        with self.transaction(), MailServer() as mail:
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            mail.refuses.add(b'MAIL')
            Payment.stripe_send_email([payment])
            Transaction().commit()
            Payment.stripe_mail()
            self.assertTrue(self.reload(payment).stripe_to_mail)
            self.assertEqual(self.emails(payment), [])
            mail.refuses.clear()
            Payment.stripe_charge()
            self.assertFalse(self.reload(payment).stripe_to_mail)
        self.assertEqual(len(mail.messages), 1)

    def test_card(self):
        "Test a customer is asked to save a payment method"
        with self.transaction(), MailServer() as mail:
            Customer = Pool().get('account.payment.stripe.customer')
            customer, = Customer.create([{
                        'party': self.party,
                        'stripe_account': self.account,
                        }])
            Customer.stripe_send_email([customer])
            Transaction().tasks.clear()
            Transaction().commit()
            # Cron sends what the queue did not
            Customer.stripe_create()
            customer = Customer(customer.id)
            self.assertTrue(customer.stripe_mailed_at)
            self.assertEqual(len(self.emails(customer)), 1)
        message, = mail.messages
        text = message.get_body().get_content()
        self.assertIn("save a payment method", text)
        self.assertIn("Nothing is charged now", text)
        with self.transaction():
            customer = Customer(customer.id)
            self.assertIn(customer.stripe_checkout_url, text)
        status, page = self.get(customer)
        self.assertEqual(status, 200)
        self.assertIn('seti_', page)

    def test_template(self):
        "Test Tryton's own e-mail of the payment has the address"
        with self.transaction():
            pool = Pool()
            Template = pool.get('ir.email.template')
            ModelData = pool.get('ir.model.data')
            payment = self.create_payment(amount=Decimal('12.34'))
            template = Template(ModelData.get_id(
                    'account_payment_stripe', 'email_template_payment'))
            email = template.get(payment.id)
            self.assertIn(payment.stripe_checkout_url, email['body'])
            self.assertIn("12.34", email['body'])
            self.assertIn('payer@example.com', email['to'][0])
