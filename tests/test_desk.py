# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What people at the desk see and press, besides scenario_desk."""
import datetime as dt

from trytond.pool import Pool
from trytond.pyson import PYSONDecoder
from trytond.transaction import Transaction

from .case import StripeTestCase

PAYMENT = 'account.payment'


class DeskTestCase(StripeTestCase):
    "Test fields and buttons"

    def charged(self, **values):
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True, **values)
            Payment.process([payment], self.group)
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

    def opened(self, name, record, state, data):
        "Return the kind of view in which the wizard opens what it made"
        pool = Pool()
        Wizard = pool.get(name, type='wizard')
        session, _, _ = Wizard.create()
        with Transaction().set_context(
                active_model=record.__name__, active_id=record.id,
                active_ids=[record.id]):
            result = Wizard.execute(session, data, state)
        (action, _), = result['actions']
        return action['views'][0][1]

    def test_opened(self):
        "Test a wizard opens the form of the one record that it made"
        id_ = self.charged()
        with self.transaction():
            payment = Pool().get(PAYMENT)(id_)
            self.assertEqual(self.opened(
                    'account.payment.stripe.party_add_card', payment.party,
                    'open_', {
                        'ask': {
                            'stripe_account': self.account,
                            },
                        }), 'form')
            self.assertEqual(self.opened(
                    'account.payment.stripe.payment_refund', payment,
                    'refund', {
                        'start': {
                            'amount': payment.amount,
                            'reason': 'duplicate',
                            },
                        }), 'form')

    def test_add_card(self):
        "Test a card is added to the customer that Process takes"
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            customers = [self.create_customer()[0] for _ in range(2)]
            party = customers[0].party
        with self.transaction():
            Wizard = Pool().get(
                'account.payment.stripe.party_add_card', type='wizard')
            session, _, _ = Wizard.create()
            with Transaction().set_context(
                    active_model='party.party', active_id=party.id,
                    active_ids=[party.id]):
                result = Wizard.execute(session, {
                        'ask': {'stripe_account': self.account},
                        }, 'open_')
            (_, data), = result['actions']
            payment = self.create_payment()
            Pool().get(PAYMENT).process([payment], self.group)
            self.assertEqual(
                data['res_id'], [self.reload(payment).stripe_customer.id])
            self.assertIn(Customer(*data['res_id']), customers)

    def test_waiting_for_payer(self):
        "Test the payments that payers were asked for are in one list"
        processing = self.charged(stripe_capture=False)
        with self.transaction():
            pool = Pool()
            Payment = pool.get(PAYMENT)
            Domain = pool.get('ir.action.act_window.domain')
            ModelData = pool.get('ir.model.data')
            submitted, mailed, opened = [
                self.create_payment() for _ in range(3)]
            Payment.write([mailed], {'stripe_mailed_at': dt.datetime.now()})
            Payment.stripe_checkout([opened])
            Payment.write([opened], {'stripe_waiting_for': 'payer'})
            domain = Domain(ModelData.get_id(
                    'account_payment_stripe',
                    'act_payment_form_receivable_domain_waiting_payer'))
            found = Payment.search(PYSONDecoder().decode(domain.domain))
            self.assertEqual(set(found), {mailed, opened})
            self.assertNotIn(processing, [p.id for p in found])
