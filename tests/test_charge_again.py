# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the bank declines for now is charged again on other days."""
import datetime as dt

from trytond.model.exceptions import DomainValidationError
from trytond.pool import Pool

from ..state import PaymentState
from .case import StripeTestCase
from .simulator.cards import by_number
from .tools import MailServer, browse

PAYMENT = 'account.payment'
JOURNAL = 'account.payment.journal'
FAILS = '4000000000000341'
LOST = '4000000000009987'


class AgainTestCase(StripeTestCase):
    "Test charging again"

    def setUp(self):
        super().setUp()
        self.set_journal(stripe_charge_again=2)
        with self.transaction():
            customer, self.method = self.create_customer(
                'tok_chargeCustomerFail')
            self.customer = customer.id

    def set_journal(self, **values):
        with self.transaction():
            Journal = Pool().get(JOURNAL)
            Journal.write([Journal(self.journal)], values)

    def behave(self, number):
        "Let the saved card behave as the one with the number"
        self.world.find(self.method).private['behaviour'] = by_number(number)

    def process(self, **values):
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            payment = self.create_payment(
                stripe_customer=self.customer,
                stripe_customer_payment_method=self.method, **values)
            Payment.process([payment], self.group)
        return payment.id

    def charge(self, id_, due=True):
        "Run the cron, once the day has come"
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            past = dt.datetime.now() - dt.timedelta(minutes=1)
            payment = Payment(id_)
            values = {'stripe_try_at': past}
            if due and payment.stripe_charge_again_at:
                values['stripe_charge_again_at'] = past
            payment.stripe_store(**values)
        with self.transaction():
            Pool().get(PAYMENT).stripe_charge()

    def state(self, id_):
        with self.transaction():
            payment = Pool().get(PAYMENT)(id_)
            return (payment.state, payment.stripe_waiting_for,
                payment.stripe_charged_again or 0)

    def confirms(self):
        return len(self.requests('POST', '/confirm'))

    def test_recovers(self):
        "Test it is charged once the bank accepts, and nobody was mailed"
        with MailServer() as server:
            id_ = self.process()
            self.assertEqual(self.state(id_), ('processing', 'again', 0))
            with self.transaction():
                payment = Pool().get(PAYMENT)(id_)
                self.assertEqual(payment.stripe_advice, 'try_again_later')
                self.assertTrue(payment.stripe_error_message)
                self.assertTrue(payment.stripe_is_payable)
                wait = payment.stripe_charge_again_at - dt.datetime.now()
                self.assertAlmostEqual(
                    wait / dt.timedelta(days=3), 1, delta=.01)
                # It is looked at in between
                self.assertLess(
                    payment.stripe_try_at, payment.stripe_charge_again_at)
            self.charge(id_, due=False)
            self.assertEqual(self.confirms(), 1)
            self.charge(id_)
            self.assertEqual(self.state(id_), ('processing', 'again', 1))
            self.behave('4242424242424242')
            self.charge(id_)
            self.assertEqual(self.state(id_), ('succeeded', None, 1))
        self.assertEqual(server.messages, [])
        self.assertEqual(self.confirms(), 3)
        self.assertEqual(len(self.world.ledger()), 1)
        with self.transaction():
            payment = Pool().get(PAYMENT)(id_)
            self.assertIsNone(payment.stripe_charge_again_at)
            self.assertIsNone(payment.stripe_advice)

    def test_ends(self):
        "Test the payer is asked after the last time"
        with MailServer() as server:
            id_ = self.process()
            self.charge(id_)
            self.assertEqual(server.messages, [])
            self.charge(id_)
        self.assertEqual(self.state(id_), ('processing', 'payer', 2))
        self.assertEqual(len(server.messages), 1)
        self.charge(id_)
        self.assertEqual(self.confirms(), 3)
        self.assertEqual(len(server.messages), 1)

    def test_other_advice(self):
        "Test the payer is asked at once if the bank advises otherwise"
        self.behave(LOST)
        with MailServer() as server:
            id_ = self.process()
        self.assertEqual(self.state(id_), ('processing', 'payer', 0))
        self.assertEqual(len(server.messages), 1)
        with self.transaction():
            self.assertEqual(
                Pool().get(PAYMENT)(id_).stripe_advice, 'do_not_try_again')

    def test_other_advice_later(self):
        "Test it ends as soon as the bank advises otherwise"
        with MailServer() as server:
            id_ = self.process()
            self.behave(LOST)
            self.charge(id_)
        self.assertEqual(self.state(id_), ('processing', 'payer', 1))
        self.assertEqual(len(server.messages), 1)

    def test_off(self):
        "Test nothing is charged again unless the journal says so"
        self.set_journal(stripe_charge_again=None)
        with MailServer() as server:
            id_ = self.process()
            self.charge(id_)
        self.assertEqual(self.state(id_), ('processing', 'payer', 0))
        self.assertEqual(len(server.messages), 1)
        self.assertEqual(self.confirms(), 1)

    def test_turned_off(self):
        "Test the payer is asked if the journal is changed meanwhile"
        with MailServer() as server:
            id_ = self.process()
            self.set_journal(stripe_charge_again=0)
            self.charge(id_)
        self.assertEqual(self.state(id_), ('processing', 'payer', 0))
        self.assertEqual(len(server.messages), 1)
        self.assertEqual(self.confirms(), 1)

    def test_payer_is_faster(self):
        "Test what the payer pays meanwhile is not charged again"
        id_ = self.process()
        self.behave('4242424242424242')
        with self.transaction():
            payment = Pool().get(PAYMENT)(id_)
            intent = payment.stripe_payment_intent_id
            url = payment.stripe_checkout_url
        self.assertIn("Pay", browse(url).text)
        self.client.payment_intents.confirm(
            intent, payment_method='pm_card_visa',
            return_url='https://example.com')
        self.charge(id_)
        self.assertEqual(self.state(id_), ('succeeded', None, 0))
        self.assertEqual(len(self.world.ledger()), 1)

    def test_answer_is_lost(self):
        "Test the same is sent again if the answer is lost"
        id_ = self.process()
        self.behave('4242424242424242')
        self.simulator.faults.add(
            'drop_after', 'POST /v1/payment_intents/*/confirm', times=4)
        self.charge(id_)
        self.charge(id_)
        self.assertEqual(self.state(id_)[0], 'succeeded')
        self.assertEqual(len(self.world.ledger()), 1)

    def test_is_interrupted(self):
        "Test it goes on where it was interrupted, and charges once"
        for request in ['*', '*/confirm']:
            for fault in ['drop_before', '500_before', 'drop_after', '409']:
                with self.subTest(request=request, fault=fault):
                    self.behave(FAILS)
                    before = len(self.world.ledger())
                    id_ = self.process()
                    self.assertEqual(
                        self.state(id_), ('processing', 'again', 0))
                    self.behave('4242424242424242')
                    self.simulator.faults.add(
                        fault, 'POST /v1/payment_intents/' + request,
                        times=4)
                    self.charge(id_)
                    self.simulator.faults.clear()
                    self.charge(id_, due=False)
                    self.assertEqual(self.state(id_)[0], 'succeeded')
                    self.assertEqual(
                        len(self.world.ledger()), before + 1)

    def test_event_is_faster(self):
        "Test a refusal counts once if its event comes too"
        id_ = self.process()
        self.charge(id_)
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.webhook(
                [Account(self.account)],
                self.payload('payment_intent.payment_failed'))
        self.assertEqual(self.state(id_), ('processing', 'again', 1))

    def test_method_is_gone(self):
        "Test the payer is asked if the payment method was removed"
        with MailServer() as server:
            id_ = self.process()
            self.client.payment_methods.detach(self.method)
            self.charge(id_)
        self.assertEqual(self.state(id_), ('processing', 'payer', 0))
        self.assertEqual(len(server.messages), 1)
        self.charge(id_)
        self.assertEqual(self.state(id_), ('processing', 'payer', 0))

    def test_payer_goes_away(self):
        "Test who begins to pay at the page and goes away is asked"
        with MailServer() as server:
            id_ = self.process()
            with self.transaction():
                intent = Pool().get(PAYMENT)(id_).stripe_payment_intent_id
            self.client.payment_intents.confirm(
                intent, payment_method='pm_card_threeDSecure2Required',
                return_url='https://example.com')
            self.charge(id_, due=False)
            self.assertEqual(self.state(id_), ('processing', 'payer', 0))
            self.assertEqual(server.messages, [])
            self.charge(id_)
            self.charge(id_)
        self.assertEqual(self.state(id_), ('processing', 'payer', 0))
        self.assertEqual(len(server.messages), 1)

    def test_customer_is_deleted(self):
        "Test the payer is asked if the customer was deleted at Stripe"
        with MailServer() as server:
            id_ = self.process()
            with self.transaction():
                Customer = Pool().get('account.payment.stripe.customer')
                customer = Customer(self.customer).stripe_customer_id
            self.client.customers.delete(customer)
            self.charge(id_)
            self.charge(id_)
        self.assertEqual(self.state(id_), ('processing', 'payer', 0))
        self.assertEqual(len(server.messages), 1)

    def test_restored(self):
        "Test it is charged again if it was so before the restore too"
        id_ = self.process()
        with self.transaction():
            payment = Pool().get(PAYMENT)(id_)
            before = {n: getattr(payment, n) for n in [
                    'stripe_intent_status', 'stripe_waiting_for',
                    'stripe_charged_again', 'stripe_charge_again_at',
                    'stripe_charge_id', 'stripe_state_at', 'stripe_advice']}
        self.charge(id_)
        with self.transaction():
            Pool().get(PAYMENT)(id_).stripe_store(**before)
        self.behave('4242424242424242')
        self.charge(id_)
        self.assertEqual(self.state(id_)[0], 'succeeded')
        self.assertEqual(len(self.world.ledger()), 1)

    def test_declined_later(self):
        "Test what is declined after it was in process counts too"
        id_ = self.process()
        for count, waiting_for in [(1, 'again'), (2, 'payer')]:
            with self.transaction():
                payment, = Pool().get(PAYMENT).stripe_lock([id_])
                payment.stripe_store(
                    stripe_intent_status='requires_confirmation')
                values = {
                    'intent': payment.stripe_payment_intent_id,
                    'complete': True,
                    }
                payment.stripe_apply(PaymentState(
                        'processing', **values), fresh=True)
                payment.stripe_apply(PaymentState(
                        'requires_payment_method', error_message="No",
                        advice='try_again_later', **values), fresh=True)
                payment.stripe_store(stripe_to_mail=False)
            self.assertEqual(
                self.state(id_), ('processing', waiting_for, count))

    def test_fails(self):
        "Test nothing follows once it was failed by hand"
        id_ = self.process()
        with self.transaction():
            Payment = Pool().get(PAYMENT)
            Payment.fail([Payment(id_)])
        self.charge(id_)
        self.assertEqual(self.state(id_)[:2], ('failed', None))
        self.assertEqual(self.confirms(), 1)

    def test_days(self):
        "Test it is only charged again on the days, where the company is"
        self.set_journal(
            stripe_charge_again_days=['4'],
            stripe_charge_again_after=dt.timedelta(days=1))
        with self.transaction():
            pool = Pool()
            Company = pool.get('company.company')
            Payment = pool.get(PAYMENT)
            payment = self.create_payment()
            for zone, now, expected in [
                    # A Sunday
                    ('UTC', dt.datetime(2026, 11, 29, 12),
                        dt.datetime(2026, 12, 4, 12)),
                    ('UTC', dt.datetime(2026, 12, 3, 23),
                        dt.datetime(2026, 12, 4, 23)),
                    # It is Saturday there
                    ('Pacific/Auckland', dt.datetime(2026, 12, 3, 23),
                        dt.datetime(2026, 12, 10, 23)),
                    ]:
                Company.write([Company(self.company)], {'timezone': zone})
                with self.subTest(zone=zone, now=now):
                    self.assertEqual(
                        Payment(payment.id)._stripe_next_charge(now),
                        expected)

    def test_limits(self):
        "Test a journal does not charge again for ever, or without a pause"
        for values in [
                {'stripe_charge_again': 9},
                {'stripe_charge_again': -1},
                {'stripe_charge_again_after': dt.timedelta(minutes=5)}]:
            with self.subTest(values), self.assertRaises(
                    DomainValidationError):
                self.set_journal(**values)

    def test_waiting_since(self):
        "Test one sees since when it waits"
        before = dt.datetime.now().replace(microsecond=0)
        id_ = self.process()

        def since():
            with self.transaction():
                return Pool().get(PAYMENT)(id_).stripe_waiting_since
        first = since()
        self.assertLessEqual(before, first)
        self.charge(id_, due=False)
        self.assertEqual(since(), first)
        self.set_journal(stripe_charge_again=None)
        self.charge(id_)
        self.assertLessEqual(first, since())
