# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The e-mail to the payer, and mail servers that do not take it."""
from trytond import config
from trytond.pool import Pool
from trytond.transaction import Transaction

from .case import StripeTestCase
from .tools import MailServer

LOGIN = 'user:secret@'


class MailTestCase(StripeTestCase):
    "Test no e-mail is in the way of the payments"

    def setUp(self):
        super().setUp()
        with self.transaction() as transaction:
            # Those that other tests left
            table = Pool().get('account.payment').__table__()
            transaction.connection.cursor().execute(*table.update(
                    [table.stripe_to_mail], [False]))

    def process(self, count=3, address=None):
        """Return payments that are charged, the first of which is declined.

        address: what becomes the e-mail address of its party before."""
        with self.transaction():
            Payment = Pool().get('account.payment')
            customer, method = self.create_customer(
                token='tok_chargeCustomerFail')
            if address:
                self.set_address(address)
            payments = [
                self.create_payment(
                    stripe_customer=customer.id,
                    stripe_customer_payment_method=method)]
            payments += self.create_payments(
                count, stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process(payments)
            Transaction().tasks.clear()
        with self.transaction():
            Payment.stripe_charge()
        return payments

    def set_address(self, address):
        "Give the party an address that was entered without a check"
        party = Pool().get('party.party')(self.party)
        mechanism, = party.contact_mechanisms
        table = mechanism.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.value], [address], where=table.id == mechanism.id))
        Transaction().commit()

    def assertCharged(self, payments):
        with self.transaction():
            states = [self.reload(p).state for p in payments]
            self.assertEqual(
                states, ['processing'] + ['succeeded'] * (len(payments) - 1))
            self.assertEqual(
                self.reload(payments[0]).stripe_waiting_for, 'payer')

    def test_login_refused(self):
        "Test a mail server that refuses the login stops no charging"
        with MailServer(refuses=[b'AUTH'], user=LOGIN) as mail:
            payments = self.process()
            self.assertCharged(payments)
            self.assertEqual(mail.connections, 1)
            with self.transaction():
                Account = Pool().get('account.payment.stripe.account')
                Account.fetch_events([Account(self.account)])
                self.assertIsNone(
                    self.reload(payments[0]).stripe_mail_error)
                self.assertIsNone(
                    self.reload(payments[0]).stripe_mailed_at)
            # It is sent once the server takes it
            mail.refuses.clear()
            with self.transaction():
                Pool().get('account.payment').stripe_charge()
            self.assertEqual(len(mail.messages), 1)
            with self.transaction():
                payment = self.reload(payments[0])
                self.assertTrue(payment.stripe_mailed_at)
                copy, = payment.copy([payment])
                self.assertIsNone(copy.stripe_mailed_at)
                Pool().get('account.payment').stripe_charge()
            self.assertEqual(len(mail.messages), 1)

    def test_absent(self):
        "Test a mail server that is not there stops no charging"
        with MailServer() as mail:
            mail._server.server_close()
            payments = self.process()
        self.assertCharged(payments)

    def test_silent(self):
        "Test a silent mail server is not waited for without end"
        with MailServer(silence=5) as mail:
            config.set('email', 'uri', mail.uri + '?timeout=1')
            payments = self.process()
            self.assertEqual(mail.connections, 1)
        self.assertCharged(payments)

    def test_one_connection(self):
        "Test one connection is made for the e-mails of a run"
        with MailServer() as mail:
            payments = self.process(count=30)
            self.assertCharged(payments)
            self.assertEqual(len(mail.messages), 1)
            self.assertEqual(mail.connections, 1)

    def test_bad_address(self):
        "Test an address that cannot be sent to loses the e-mail only"
        for address in ['foo@', '<', 'a@example.com, b@example.com', 'é@x,']:
            with self.subTest(address), MailServer() as mail:
                self.setUp()
                payments = self.process(count=1, address=address)
                self.assertCharged(payments)
                self.assertEqual(mail.messages, [])
                with self.transaction():
                    self.assertIn(address,
                        self.reload(payments[0]).stripe_mail_error)
                    # It is not tried each time
                    self.assertFalse(
                        self.reload(payments[0]).stripe_to_mail)

    def test_refused_address(self):
        "Test the payment says what the mail server said of the address"
        with MailServer(refuses=[b'RCPT']) as mail:
            payments = self.process(count=1)
            self.assertCharged(payments)
            self.assertEqual(mail.messages, [])
        with self.transaction():
            self.assertIn("550 no", "550 %s" % self.reload(
                    payments[0]).stripe_mail_error.partition(': ')[2])
            self.assertIsNone(self.reload(payments[0]).stripe_mailed_at)

    def test_by_event(self):
        "Test the payer is asked also if an event tells of the refusal"
        self.simulator.faults.add(
            'drop_after', 'POST /v1/payment_intents/*/confirm')
        with MailServer() as mail:
            payments = self.process(count=0)
            self.assertEqual(mail.messages, [])
            self.simulator.faults.clear()
            with self.transaction():
                Account = Pool().get('account.payment.stripe.account')
                Account.fetch_events([Account(self.account)])
            self.assertEqual(len(mail.messages), 1)
            self.assertCharged(payments)

    def test_failing_report(self):
        "Test a report that fails is said on the payment and stops nothing"
        with self.transaction():
            ActionReport = Pool().get('ir.action.report')
            report, = ActionReport.search([
                    ('report_name', '=',
                        'account.payment.stripe.email_checkout')])
            content = report.report_content_custom
            report.report_content_custom = b'<html>${unknown.name}</html>'
            report.save()
        try:
            with MailServer() as mail:
                payments = self.process(count=1)
                self.assertCharged(payments)
                self.assertEqual(mail.messages, [])
        finally:
            with self.transaction():
                report = ActionReport(report.id)
                report.report_content_custom = content
                report.save()
        with self.transaction():
            self.assertTrue(self.reload(payments[0]).stripe_mail_error)

    def test_joined(self):
        "Test what has joined the transaction of the caller stops no charging"
        from email.message import EmailMessage

        from trytond.sendmail import send_message_transactional
        with MailServer(refuses=[b'AUTH'], user=LOGIN):
            with self.transaction():
                Payment = Pool().get('account.payment')
                payments = self.create_payments(
                    3, stripe_token='tok_visa', stripe_chargeable=True)
                Payment.process(payments)
                Transaction().tasks.clear()
            with self.transaction():
                message = EmailMessage()
                message['To'] = 'somebody@example.com'
                send_message_transactional(message)
                # The transaction of the caller cannot be committed
                with self.assertRaises(Exception):
                    Payment.stripe_charge()
                Payment.stripe_charge()
        with self.transaction():
            self.assertEqual(
                {self.reload(p).state for p in payments}, {'succeeded'})
