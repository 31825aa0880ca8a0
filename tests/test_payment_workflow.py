# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model.exceptions import AccessError
from trytond.model.modelview import AccessButtonError
from trytond.modules.account_payment_stripe.exceptions import StripeError
from trytond.pool import Pool
from trytond.transaction import Transaction

from ..attempt import attempt
from ..payment_state import is_told_by_stripe
from .case import StripeTestCase


class WorkflowTestCase(StripeTestCase):
    "Test what users do, and what goes wrong then"

    def test_unknown_intent(self):
        "Test an intent that Stripe does not know is not forgotten"
        for name in ['draft', 'fail']:
            with self.subTest(name), self.transaction() as transaction:
                Payment = Pool().get('account.payment')
                payment = self.create_payment()
                Payment.stripe_checkout([payment])
                other = self.create_payment()
                Payment.stripe_checkout([other])
                if name == 'fail':
                    Payment.process([payment, other])
                payment.stripe_store(stripe_payment_intent_id='pi_unknown')
                transaction.commit()
                with self.assertRaises(StripeError) as cm:
                    getattr(Payment, name)([other, payment])
                self.assertIn('pi_unknown', cm.exception.message)
                transaction.rollback()
                self.assertEqual(
                    self.client.payment_intents.retrieve(
                        self.reload(other).stripe_payment_intent_id).status,
                    'requires_payment_method')
                self.assertEqual(
                    self.reload(payment).stripe_payment_intent_id,
                    'pi_unknown')

    def test_unknown_test_intent(self):
        "Test what was made in test mode is forgotten once the key is live"
        with self.transaction() as transaction:
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Payment = pool.get('account.payment')
            payment = self.create_payment()
            Payment.stripe_checkout([payment])
            self.assertEqual(payment.stripe_live, False)
            self.simulator.live.add(self.world.name)
            table = Account.__table__()
            transaction.connection.cursor().execute(*table.update(
                    [table.secret_key],
                    [self.world.secret_key.replace('_test_', '_live_')],
                    where=table.id == self.account))
            transaction.commit()
            Payment.draft([self.reload(payment)])
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'draft')
            self.assertIsNone(payment.stripe_payment_intent_id)

    def test_draft_half_way(self):
        "Test a payment whose intent was cancelled for another is charged"
        with self.transaction() as transaction:
            Payment = Pool().get('account.payment')
            customer, method = self.create_customer()
            payments = self.create_payments(
                count=2, stripe_customer=customer.id,
                stripe_customer_payment_method=method)
            Payment.stripe_checkout(payments)
            transaction.commit()
            first, second = payments
            self.simulator.faults.add(
                '503', 'POST /v1/payment_intents/%s/cancel'
                % second.stripe_payment_intent_id)
            with self.assertRaises(StripeError):
                Payment.draft(payments)
            transaction.rollback()
        with self.transaction():
            first, second = map(self.reload, payments)
            self.assertEqual(
                [(p.state, p.stripe_intent_status) for p in [first, second]],
                [('submitted', 'canceled'),
                    ('submitted', 'requires_payment_method')])
            Payment.process([first])
        with self.transaction():
            self.assertEqual(self.reload(first).state, 'succeeded')
        self.assertEqual(len(self.world.ledger()), 1)

    def test_authorization_expires(self):
        "Test why it has failed is told in words, not by Stripe's identifier"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True,
                stripe_capture=False)
            Payment.process([payment])
        self.simulator.clock.advance(8 * 24 * 60 * 60)
        with self.transaction():
            Payment.stripe_do_pull([self.reload(payment)])
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(
                (payment.state, payment.stripe_error_code),
                ('failed', 'expired'))
            self.assertEqual(
                payment.stripe_error_message, gettext(
                    'account_payment_stripe.msg_payment_too_late'))

    def test_draft_tries(self):
        "Test a draft does not remember how often it was tried"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            payment.stripe_store(stripe_tries=7)
            Payment.draft([payment])
            self.assertEqual(self.reload(payment).stripe_tries, 0)

    def test_told(self):
        "Test tasks do not inherit that Stripe told the state"
        with self.transaction() as transaction:
            Queue = Pool().get('ir.queue')
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            with payment._stripe_moving():
                self.assertTrue(is_told_by_stripe())
                Payment.__queue__.stripe_charge([payment])
                with Transaction().new_transaction():
                    self.assertFalse(is_told_by_stripe())
            self.assertFalse(is_told_by_stripe())
            task, = Queue.browse(transaction.tasks)
            self.assertEqual(
                [n for n in task.data['context'] if 'stripe' in n], [])

    def test_lock(self):
        "Test what needs a lock from the start is started over with it"
        with self.transaction() as transaction:
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            transaction.commit()
            tries = []

            def change():
                tries.append(payment.id)
                Payment.lock()
                Payment.write([payment], {'reference': "Locked"})
            Payment.search([], limit=1)
            attempt(change)
            self.assertFalse(transaction._locked_tables)
            tries.clear()
            attempt(change)
            self.assertEqual(len(tries), 2)

    def test_delete_again(self):
        "Test what is started over deletes what it deleted before"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            Payment.draft([payment])

            def delete():
                Payment.delete([payment])
                # The first time it raises
                Payment.lock()
            attempt(delete)
            self.assertFalse(Payment.search([('id', '=', payment.id)]))

    def test_lock_own(self):
        "Test what was created and committed is locked"
        with self.transaction() as transaction:
            payment = self.create_payment()
            tries = []

            def lock():
                tries.append(payment.id)
                payment.lock()
                self.assertIn(
                    payment.id, transaction._locked_records[payment._table])
            attempt(lock)
            self.assertEqual(len(tries), 2)

    def test_cache_cleared(self):
        "Test nothing stays of what fails after a cache was cleared"
        with self.transaction() as transaction:
            Balance = Pool().get('account.payment.stripe.balance')
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            Balance._used.clear()
            transaction.commit()

            def change():
                Payment.write([payment], {'reference': "Changed"})
                raise ValueError
            with self.assertRaises(ValueError):
                attempt(change)
            self.assertIsNone(Payment(payment.id).reference)

    def test_permission(self):
        "Test a missing permission is shown until it is given"
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Payment = pool.get('account.payment')
            payments = self.create_payments(
                count=2, stripe_token='tok_visa', stripe_chargeable=True)
        rule = self.simulator.faults.add('403', 'GET /v1/events**')

        def error():
            with self.transaction():
                Account.fetch_events([Account(self.account)])
            with self.transaction():
                return Account(self.account).error_message
        self.assertIn('permission', error())
        for payment in payments:
            with self.transaction():
                Payment.process([self.reload(payment)])
            with self.transaction():
                self.assertEqual(self.reload(payment).state, 'succeeded')
            self.assertIn('permission', error())
        self.simulator.faults.remove(rule)
        self.assertIsNone(error())

    def test_error_of_ours(self):
        "Test an error that is over is not shown anymore"
        with self.transaction():
            pool = Pool()
            Payment = pool.get('account.payment')
            payment = self.create_payment()
            Payment.stripe_checkout([payment])
            Payment.process([payment])
        self.simulator.faults.add('503', 'GET /v1/payment_intents/*', times=1)
        with self.transaction():
            Payment.stripe_charge([self.reload(payment)])
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.stripe_waiting_for, 'stripe')
            self.assertTrue(payment.stripe_error_message)
            Payment.stripe_charge([payment])
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.stripe_waiting_for, 'payer')
            self.assertIsNone(payment.stripe_error_message)

    def test_rolled_back(self):
        "Test nothing is sent of what is rolled back"
        with self.transaction() as transaction:
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process([payment])
            transaction.rollback()
        self.assertEqual(self.requests('POST'), [])
        self.assertEqual(self.world.ledger(), [])

    def test_not_started_by_other_users(self):
        "Test who cannot write payments cannot use the buttons"
        with self.transaction():
            pool = Pool()
            User = pool.get('res.user')
            Payment = pool.get('account.payment')
            payment = self.create_payment()
            user, = User.create([{
                        'name': "Nobody", 'login': 'nobody%s' % self.company,
                        'companies': [('add', [self.company])],
                        'company': self.company,
                        }])
        with self.transaction(user=user.id):
            for name in [
                    'stripe_checkout', 'stripe_do_capture', 'stripe_do_pull']:
                with self.subTest(button=name), \
                        Transaction().set_context(_check_access=True), \
                        self.assertRaises((AccessError, AccessButtonError)):
                    getattr(Payment, name)([Payment(payment.id)])
