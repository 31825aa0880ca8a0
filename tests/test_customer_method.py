# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a customer has saved: rows, the default, and when it expires."""
import datetime as dt
from decimal import Decimal

from trytond.pool import Pool
from trytond.pyson import PYSONDecoder
from trytond.transaction import Transaction

from .method_case import ACCOUNT, CUSTOMER, METHOD, PAYMENT, MethodCase
from .tools import MailServer


class MethodTestCase(MethodCase):
    "Test the saved payment methods"

    def test_rows(self):
        "Test the rows follow what is saved, changed and removed at Stripe"
        self.assertEqual(self.labels(), ["Visa ****4242"])
        method = self.client.payment_methods.attach(
            'pm_card_mastercard', customer=self.stripe_id)
        self.tell('payment_method.attached')
        self.assertEqual(
            self.labels(), ["Mastercard ****4444", "Visa ****4242"])
        card = dict(self.world.find(method.id)['card'], last4='9999')
        with self.transaction():
            Account = Pool().get(ACCOUNT)
            event = self.payload('payment_method.attached', card=card)
            event.update(
                id='evt_updated%s' % self.account,
                type='payment_method.automatically_updated')
            Account.webhook([Account(self.account)], event)
        self.assertEqual(
            self.labels(), ["Mastercard ****9999", "Visa ****4242"])
        self.client.payment_methods.detach(method.id)
        self.tell('payment_method.detached')
        self.assertEqual(self.labels(), ["Visa ****4242"])

    def test_expires(self):
        "Test it can be charged until the end of the month"
        with self.transaction():
            row, = Pool().get(CUSTOMER)(self.customer).stripe_methods
            expires = row.expires
        card = self.world.find(self.method)['card']
        self.assertEqual(
            (expires.year, expires.month),
            (card['exp_year'], card['exp_month']))
        self.assertEqual((expires + dt.timedelta(days=1)).day, 1)

    def test_default_is_charged(self):
        "Test the default is charged if nothing is chosen, only then"
        with self.transaction():
            self.assertFalse(
                Pool().get(CUSTOMER)(self.customer).stripe_default_method)
        waiting = self.process()
        self.choose()
        self.assertEqual(self.labels(), ["Visa ****4242*"])
        other = self.client.payment_methods.attach(
            'pm_card_mastercard', customer=self.stripe_id)
        charged = self.process()
        chosen = self.process(
            stripe_customer=self.customer,
            stripe_customer_payment_method=other.id)
        token = self.process(stripe_token='tok_amex', stripe_chargeable=True)
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            self.assertEqual(Payment(waiting).stripe_waiting_for, 'payer')
            for id_, paid_with in [
                    (charged, "Visa ****4242"),
                    (chosen, "Mastercard ****4444"),
                    (token, "American Express ****0005")]:
                self.assertEqual(Payment(id_).state, 'succeeded')
                self.assertEqual(Payment(id_).stripe_paid_with, paid_with)
        self.assertEqual(len(self.world.ledger()), 3)

    def test_default_of_other_account(self):
        "Test the default of a customer of another account is not charged"
        self.choose()
        with self.transaction():
            pool = Pool()
            Account = pool.get(ACCOUNT)
            Journal = pool.get('account.payment.journal')
            other, = Account.copy([Account(self.account)])
            journal, = Journal.copy([Journal(self.journal)], {
                    'stripe_account': other.id})
            Payment = pool.get(PAYMENT)
            payment = self.create_payment(journal=journal.id)
            Payment.stripe_checkout([payment])
            Payment.process([payment], lambda: self.group(journal.id))
        with self.transaction():
            payment = self.reload(payment)
            self.assertFalse(payment.stripe_customer_payment_method)
            self.assertEqual(payment.stripe_waiting_for, 'payer')

    def test_default_is_gone(self):
        "Test nothing is charged once the default was removed"
        self.choose()
        self.client.payment_methods.detach(self.method)
        self.tell('payment_method.detached')
        self.assertEqual(self.labels(), [])
        id_ = self.process()
        with self.transaction():
            self.assertEqual(Pool().get(PAYMENT)(id_).stripe_waiting_for,
                'payer')
        self.assertEqual(self.world.ledger(), [])

    def test_choices_of_default(self):
        "Test the domain changes with the rows, so that the client looks again"
        before = self.domain_of_default()
        method = self.client.payment_methods.attach(
            'pm_card_mastercard', customer=self.stripe_id)
        self.tell('payment_method.attached')
        after = self.domain_of_default()
        self.assertNotEqual(after, before)
        with self.transaction():
            rows = Pool().get(CUSTOMER)(self.customer).stripe_methods
            self.assertEqual(
                set(Pool().get(METHOD).search(after)), set(rows))
        self.client.payment_methods.detach(method.id)
        self.tell('payment_method.detached')
        self.assertEqual(self.domain_of_default(), before)

    def domain_of_default(self):
        "Return the domain in which the client looks for the default"
        with self.transaction():
            Customer = Pool().get(CUSTOMER)
            customer = Customer(self.customer)
            domain = Customer.fields_get(
                ['stripe_default_method'])['stripe_default_method']['domain']
            return PYSONDecoder({
                    'id': customer.id,
                    'stripe_methods': [m.id for m in customer.stripe_methods],
                    }).decode(domain)

    def test_default_is_refused(self):
        "Test the payer is asked if the default was removed unnoticed"
        self.choose()
        self.client.payment_methods.detach(self.method)
        with MailServer():
            id_ = self.process()
        with self.transaction():
            payment = Pool().get(PAYMENT)(id_)
            self.assertTrue(payment.stripe_error_message)
        self.assertEqual(self.world.ledger(), [])

    def test_late_event(self):
        "Test what was removed does not come back by a late event"
        method = self.client.payment_methods.attach(
            'pm_card_mastercard', customer=self.stripe_id)
        with self.transaction():
            event = self.payload('payment_method.attached')
        self.client.payment_methods.detach(method.id)
        self.tell('payment_method.detached')
        with self.transaction():
            Account = Pool().get(ACCOUNT)
            Account.webhook([Account(self.account)], event)
        self.assertEqual(self.labels(), ["Visa ****4242"])

    def test_inactive(self):
        "Test the default of a customer that is deactivated is not charged"
        self.choose()
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            payment = self.create_payment(stripe_customer=self.customer)
        with self.transaction():
            Customer = Pool().get(CUSTOMER)
            Customer.write([Customer(self.customer)], {'active': False})
        with self.transaction():
            Payment.process([Payment(payment.id)], self.group)
        with self.transaction():
            self.assertEqual(
                self.reload(payment).stripe_waiting_for, 'payer')
        self.assertEqual(self.world.ledger(), [])

    def test_notify(self):
        "Test what will be charged is said before"
        with self.transaction():
            payment = self.create_payment(stripe_customer=self.customer)
            (kind, text), = payment.on_change_notify()
            self.assertEqual(kind, 'warning')
            self.assertIn("Nothing will be charged", text)
        self.choose()
        with self.transaction():
            payment = self.reload(payment)
            (kind, text), = payment.on_change_notify()
            self.assertEqual(kind, 'info')
            self.assertIn("Visa ****4242", text)
            self.assertEqual(self.create_payment(
                    stripe_customer=self.customer,
                    stripe_customer_payment_method=self.method,
                    ).on_change_notify(), [])

    def test_rec_name(self):
        "Test a customer is called as the party, with the card"
        with self.transaction():
            Customer = Pool().get(CUSTOMER)
            customer = Customer(self.customer)
            self.assertRegex(
                customer.rec_name, r"^Customer \(Visa \*{4}4242 \d\d/\d{4}\)$")
            for text in ['4242', self.stripe_id, "Customer"]:
                self.assertIn(customer, Customer.search([
                            ('rec_name', 'ilike', '%' + text + '%')]))
        self.client.payment_methods.attach(
            'pm_card_mastercard', customer=self.stripe_id)
        self.tell('payment_method.attached')
        with self.transaction():
            self.assertEqual(
                Pool().get(CUSTOMER)(self.customer).rec_name,
                "Customer (%s)" % self.stripe_id)

    def test_announced(self):
        "Test who has a default that expires is asked once, in time"
        self.choose()
        with self.transaction():
            Customer = Pool().get(CUSTOMER)
            row, = Customer(self.customer).stripe_methods
            left = row.expires - dt.date.today()
        for notice, sent in [
                (None, 0), (left - dt.timedelta(days=1), 0), (left, 1),
                (left, 1)]:
            with self.transaction():
                Account = Pool().get(ACCOUNT)
                Account.write(
                    [Account(self.account)], {'expiry_notice': notice})
            with MailServer() as mail:
                with self.transaction():
                    Customer = Pool().get(CUSTOMER)
                    Customer.stripe_create()
                    Transaction().commit()
                    if mail.messages:
                        message, = mail.messages
                        self.text = message.get_body(('plain',)).get_content()
                    logged = Pool().get('ir.email').search([
                            ('resource', '=', str(Customer(self.customer)))])
                    self.assertEqual(len(logged), sent, notice)
        self.assertIn("Visa ****4242", self.text)
        self.assertIn("expires on", self.text)
        self.assertIn('/checkout/account.payment.stripe.customer/', self.text)

    def test_announced_is_gone(self):
        "Test a default that is removed just then is not announced"
        with self.transaction():
            Customer = Pool().get(CUSTOMER)
            Customer._stripe_announce_one(self.customer)
            self.assertFalse(Customer(self.customer).stripe_to_mail)

    def test_announced_without_stripe(self):
        "Test it is announced later if Stripe cannot be reached"
        self.choose()
        with self.transaction():
            pool = Pool()
            Account, Customer = pool.get(ACCOUNT), pool.get(CUSTOMER)
            Account.write([Account(self.account)], {
                    'expiry_notice': dt.timedelta(days=10000)})
        self.simulator.faults.add('down')
        with self.transaction():
            Customer.stripe_announce()
        self.simulator.faults.clear()
        with self.transaction():
            customer = Customer(self.customer)
            self.assertFalse(customer.stripe_to_mail)
            self.assertIsNone(customer.stripe_announced)
            Customer.stripe_announce()
            self.assertTrue(Customer(self.customer).stripe_to_mail)

    def announce(self):
        with self.transaction():
            pool = Pool()
            Account, Customer = pool.get(ACCOUNT), pool.get(CUSTOMER)
            Account.write([Account(self.account)], {
                    'expiry_notice': dt.timedelta(days=10000)})
        with self.transaction():
            Customer.stripe_announce()
        with self.transaction():
            customer = Customer(self.customer)
            return customer.stripe_announced, bool(customer.stripe_to_mail)

    def test_announced_to_nobody(self):
        "Test it is announced once there is an address, and a party"
        self.choose()
        with self.transaction():
            Party = Pool().get('party.party')
            party = Party(self.party)
            mechanism, = party.contact_mechanisms
            mechanism.active = False
            mechanism.save()
        self.assertEqual(self.announce(), (None, False))
        with self.transaction():
            Mechanism = Pool().get('party.contact_mechanism')
            Mechanism.write([Mechanism(mechanism.id)], {'active': True})
            Party.write([Party(self.party)], {'active': False})
        self.assertEqual(self.announce(), (None, False))
        with self.transaction():
            Party.write([Party(self.party)], {'active': True})
        announced, to_mail = self.announce()
        self.assertTrue(announced)
        self.assertTrue(to_mail)

    def test_announced_is_replaced(self):
        "Test what is saved after it was announced is the default"
        self.choose()
        mastercard = self.client.payment_methods.attach(
            'pm_card_mastercard', customer=self.stripe_id).to_dict()
        for announced in [False, True]:
            if announced:
                self.announce()
            with self.transaction():
                Customer = Pool().get(CUSTOMER)
                customer, = Customer.stripe_lock([self.customer])
                customer.stripe_keep_default(mastercard)
            with self.transaction():
                default = Customer(self.customer).stripe_default_method
                self.assertEqual(
                    default.stripe_payment_method_id,
                    mastercard['id'] if announced else self.method)

    def test_copy(self):
        "Test a copy has none of them"
        self.choose()
        with self.transaction():
            Customer = Pool().get(CUSTOMER)
            copy, = Customer.copy([Customer(self.customer)])
            self.assertEqual(copy.stripe_methods, ())
            self.assertIsNone(copy.stripe_default_method)

    def test_money(self):
        "Test a default that wants authentication asks the payer"
        self.choose()
        secure = self.client.payment_methods.attach(
            'pm_card_authenticationRequired', customer=self.stripe_id)
        self.tell('payment_method.attached')
        with self.transaction():
            Customer = Pool().get(CUSTOMER)
            customer = Customer(self.customer)
            customer.stripe_default_method, = [
                m for m in customer.stripe_methods
                if m.stripe_payment_method_id == secure.id]
            customer.save()
        with MailServer():
            id_ = self.process(amount=Decimal('7.00'))
        with self.transaction():
            payment = Pool().get(PAYMENT)(id_)
            self.assertEqual(payment.stripe_waiting_for, 'payer')
            self.assertTrue(payment.stripe_mailed_at)
