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

    def waiting(self, model, xml_id):
        "Return the ids of the payments of the action or of its tab"
        pool = Pool()
        Model = pool.get(model)
        ModelData = pool.get('ir.model.data')
        record = Model(ModelData.get_id('account_payment_stripe', xml_id))
        return {p.id for p in pool.get(PAYMENT).search([
                    PYSONDecoder().decode(record.domain),
                    ('journal.stripe_account', '=', self.account),
                    ])}

    def test_waiting_for_payer(self):
        "Test the payments that wait for their payers are in one list"
        charged = self.charged(stripe_capture=False)
        with self.transaction():
            pool = Pool()
            Customer = pool.get('account.payment.stripe.customer')
            Journal = pool.get('account.payment.journal')
            Party = pool.get('party.party')
            Payment = pool.get(PAYMENT)
            submitted, mailed, opened, method, token, manual, draft = [
                self.create_payment() for _ in range(7)]
            Payment.write([mailed], {'stripe_mailed_at': dt.datetime.now()})
            Payment.stripe_checkout([opened])
            Payment.write([opened], {'stripe_waiting_for': 'payer'})
            Payment.draft([draft])
            Payment.draft([method, token])
            Payment.write([method], {'stripe_customer_payment_method': 'pm'})
            Payment.write([token], {'stripe_token': 'tok_visa'})
            Payment.submit([method, token])
            journal, = Journal.copy([Journal(self.journal)], {
                    'process_method': 'manual',
                    })
            Payment.write([manual], {'journal': journal.id})
            # What Process charges waits for nobody
            customer, _ = self.create_customer()
            other, = Party.create([{'name': "Other"}])
            by_default, chosen = [
                self.create_payment(party=p) for p in [self.party, other.id]]
            customer.stripe_default_method, = customer.stripe_methods
            customer.save()
            Customer.copy([customer], {'party': other.id})
            for model, xml_id in [
                    ('ir.action.act_window', 'act_payment_waiting'),
                    ('ir.action.act_window.domain',
                        'act_payment_form_receivable_domain_waiting_payer')]:
                with self.subTest(xml_id):
                    self.assertEqual(
                        self.waiting(model, xml_id),
                        {mailed.id, opened.id, chosen.id})
            customer.stripe_default_method = None
            customer.save()
            found = self.waiting('ir.action.act_window', 'act_payment_waiting')
            self.assertEqual(found, {
                    p.id for p in [
                        mailed, opened, chosen, submitted, by_default]})
            self.assertNotIn(charged, found)
            for payment in [submitted, charged, manual, method]:
                payment = Payment(int(payment))
                self.assertEqual(
                    payment.stripe_awaited, payment.id == submitted.id)
            self.assertEqual(
                {p.id for p in Payment.search([
                            ('stripe_awaited', '!=', True),
                            ('journal.stripe_account', '=', self.account),
                            ])},
                {charged, method.id, token.id, draft.id, manual.id})
