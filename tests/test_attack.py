# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a look from outside has found."""
import time
import uuid

from trytond import config
from trytond.exceptions import UserError
from trytond.modules.company.tests import create_company
from trytond.pool import Pool
from trytond.transaction import Transaction

from .access_case import ACCOUNT, CUSTOMER, AccessTestCase
from .case import StripeTestCase
from .restore_case import RestoreCase
from .tools import MailServer

EVENT = 'account.payment.stripe.event'


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


class MailTestCase(StripeTestCase):
    "Test mail servers that misbehave in the middle of a message"

    def setUp(self):
        super().setUp()
        with self.transaction() as transaction:
            # Those that other tests left
            table = Pool().get('account.payment').__table__()
            transaction.connection.cursor().execute(*table.update(
                    [table.stripe_to_mail], [False]))

    def declined(self, *emails):
        "Return payments that are declined, and not yet told to the addresses"
        with self.transaction():
            pool = Pool()
            Payment = pool.get('account.payment')
            Party = pool.get('party.party')
            payments = []
            for email in emails:
                party, = Party.create([{
                            'name': email,
                            'contact_mechanisms': [('create', [{
                                            'type': 'email',
                                            'value': email,
                                            }])],
                            }])
                self.party = party.id
                customer, method = self.create_customer(
                    token='tok_chargeCustomerFail')
                payments.append(self.create_payment(
                    stripe_customer=customer.id,
                    stripe_customer_payment_method=method))
            Payment.process(payments)
            Transaction().tasks.clear()
        return payments

    def charge(self):
        with self.transaction():
            Pool().get('account.payment').stripe_charge()

    def test_slow_to_take(self):
        "Test a message that may have been taken is not sent again"
        with MailServer(taking=3) as mail:
            config.set('email', 'uri', mail.uri + '?timeout=1')
            payment, = self.declined('payer@example.com')
            for _ in range(2):
                self.charge()
            # Until the one that nobody waited for is there
            self.assertTrue(mail.taken.wait(30))
            self.assertEqual(len(mail.messages), 1)
        with self.transaction():
            self.assertTrue(self.reload(payment).stripe_mail_error)

    def test_hangs_up(self):
        "Test an address at which the mail server hangs up blocks no other"
        with MailServer(hangs_up_on='bad@example.com') as mail:
            bad, good = self.declined('bad@example.com', 'good@example.com')
            self.charge()
            self.assertEqual(
                [m['To'] for m in mail.messages], ['good@example.com'])
        with self.transaction():
            self.assertFalse(self.reload(good).stripe_to_mail)

    def test_hangs(self):
        "Test a mail server that hangs in the middle is not waited for"
        with MailServer(taking=40):
            self.declined('payer@example.com')
            started = time.monotonic()
            self.charge()
            self.assertLess(time.monotonic() - started, 30)


class DraftTestCase(RestoreCase):
    "Test a draft that was paid after the backup"

    def paid_draft(self, **params):
        "Return the payment, restored to a draft"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment, _ = self.submitted(**params)
            Payment.draft([payment])
            Transaction().commit()
            restore = self.backup(payment)
            Payment.submit([payment])
            Payment.stripe_checkout([payment])
            intent = payment.stripe_payment_intent_id
        self.world.pay(intent)
        restore()
        return payment

    def test_pull(self):
        "Test it succeeds with what Stripe says"
        payment = self.paid_draft()
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'draft')
            payment.stripe_do_pull([payment])
        self.assertPaidOnce(payment)

    def test_pull_authorized(self):
        "Test it waits for its capture"
        payment = self.paid_draft(stripe_capture=False)
        with self.transaction():
            payment = self.reload(payment)
            payment.stripe_do_pull([payment])
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'processing')
            self.assertEqual(payment.stripe_waiting_for, 'capture')

    def test_delete(self):
        "Test it is not deleted"
        payment = self.paid_draft()
        with self.transaction():
            payment = self.reload(payment)
            with self.assertRaises(UserError):
                payment.__class__.delete([payment])


class EventAccessTestCase(AccessTestCase):
    "Test the events of an account that several companies use"

    def test_other_company(self):
        "Test the payments of another company do not hide all events"
        with self.transaction():
            pool = Pool()
            Account = pool.get(ACCOUNT)
            Event = pool.get(EVENT)
            ModelData = pool.get('ir.model.data')
            User = pool.get('res.user')
            Account.write([Account(self.account)], {
                    'webhook_identifier': None})
            payment = self.create_payment()
            payment.stripe_checkout([payment])
            self.world.pay(payment.stripe_payment_intent_id)
            Transaction().commit()
            Account.fetch_events([Account(self.account)])
            events = list(Event.search([('account', '=', self.account)]))
            self.assertIn(payment, [e.record for e in events])
            events += Event.create([{
                        'account': self.account,
                        'identifier': 'evt_%s' % uuid.uuid4().hex,
                        'type': 'charge.succeeded',
                        'state': 'failed',
                        'record': record,
                        } for record in [
                            None, '%s,%s' % (
                                CUSTOMER, self.records[CUSTOMER][0])]])
            others = [e.id for e in events[-2:]]
            ids = [e.id for e in events]
            company = create_company("Company %s" % uuid.uuid4().hex)
            user, = User.create([{
                        'name': "Other",
                        'login': uuid.uuid4().hex,
                        'companies': [('add', [company.id])],
                        'company': company.id,
                        'groups': [('add', [ModelData.get_id(
                                        'account_payment', 'group_payment')])],
                        }])
            self.users['other'] = user.id
            company = company.id
        for user, company, seen in [
                ('payment', self.company, ids), ('other', company, others)]:
            with self.subTest(user):
                rows = self.call(
                    user, EVENT, 'search_read', [('id', 'in', ids)], 0, None,
                    None, ['record', 'record.rec_name'], errors=(),
                    company=company)
                self.assertEqual({r['id'] for r in rows}, set(seen))
