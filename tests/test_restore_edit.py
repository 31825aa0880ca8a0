# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A database that is restored from a backup, and then used."""
import datetime as dt
from decimal import Decimal

from trytond.modules.account_payment_stripe.exceptions import (
    PaymentPaidError, StripeError)
from trytond.pool import Pool
from trytond.transaction import Transaction

from .restore_case import RestoreCase


class RestoreEditTestCase(RestoreCase):
    "Test what is edited after a restore is not paid twice"

    # If Stripe still knows the idempotency keys
    at_once = False

    def paid(self, **values):
        "Return a payment that is restored and was paid on its page"
        if self.at_once:
            self.keep_keys()
        return self.paid_on_page(**values)

    def keep_keys(self):
        "The backup is of a moment ago, nobody notices the gap"
        def backup(record):
            return RestoreCase.backup(self, record, days=0)
        self.backup = backup

    def charge_all(self):
        with self.transaction():
            Pool().get('account.payment').stripe_charge()

    def test_edited_then_opened(self):
        "Test the page of a payment that was edited tells that it is paid"
        payment = self.paid()
        with self.transaction():
            payment = self.reload(payment)
            payment.reference_type = None
            payment.reference = "Edited"
            payment.save()
        with self.transaction():
            payment = self.reload(payment)
            payment.stripe_checkout([payment])
            self.assertEqual(payment.stripe_checkout_result, 'succeeded')
        self.fetch()
        self.assertPaidOnce(payment)

    def test_processed_with_saved_card(self):
        "Test a payment that was paid is not charged with a saved card"
        with self.transaction():
            customer, method = self.create_customer()
        payment = self.paid()
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.reload(payment)
            payment.stripe_customer = customer
            payment.stripe_customer_payment_method = method
            payment.save()
            Payment.process([payment])
        for _ in range(3):
            with self.transaction():
                payment = self.reload(payment)
                payment.stripe_store(stripe_try_at=None)
            self.charge_all()
        self.assertPaidOnce(payment)

    def test_draft_then_processed(self):
        "Test a payment that was paid is not charged after another draft"
        with self.transaction():
            customer, method = self.create_customer()
        payment = self.paid()
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.reload(payment)
            try:
                Payment.draft([payment])
            except PaymentPaidError:
                Transaction().rollback()
        with self.transaction():
            payment = self.reload(payment)
            if payment.state == 'draft':
                payment.stripe_customer = customer
                payment.stripe_customer_payment_method = method
                payment.save()
                Payment.submit([payment])
                Payment.process([payment])
        for _ in range(3):
            with self.transaction():
                self.reload(payment).stripe_store(stripe_try_at=None)
            self.charge_all()
        self.assertPaidOnce(payment)

    def test_open_tab(self):
        "Test the page that is still open cannot pay after the card"
        with self.transaction():
            customer, method = self.create_customer()
        if self.at_once:
            self.keep_keys()
        payment, intent, restore = self.opened()
        restore()
        self.assertForgotten(payment)
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.reload(payment)
            payment.stripe_customer = customer
            payment.stripe_customer_payment_method = method
            payment.save()
            Payment.process([payment])
        with self.transaction():
            self.reload(payment).stripe_store(stripe_try_at=None)
        self.charge_all()
        self.assertPaidOnce(payment)
        with self.assertRaises(Exception):
            self.world.pay(intent)
        self.assertPaidOnce(payment)

    def test_refund_edited(self):
        "Test a refund that was sent is not sent with another amount"
        with self.transaction():
            pool = Pool()
            Payment = pool.get('account.payment')
            Refund = pool.get('account.payment.stripe.refund')
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process([payment])
        if self.at_once:
            self.keep_keys()
        with self.transaction():
            refund, = Refund.create([{'payment': payment.id, 'amount': 20}])
            Transaction().commit()
            restores = [self.backup(refund), self.backup(payment)]
            Refund.submit([refund])
            Refund.approve([refund])
        with self.transaction():
            self.assertEqual(Refund(refund.id).state, 'succeeded')
        for restore in restores:
            restore()
        with self.transaction():
            refund = Refund(refund.id)
            self.assertEqual(refund.state, 'draft')
            refund.amount = Decimal('15.00')
            refund.save()
            Refund.submit([refund])
            Refund.approve([refund])
        with self.transaction():
            refund = Refund(refund.id)
            self.assertEqual(refund.state, 'succeeded')
            self.assertEqual(refund.amount, Decimal('20.00'))
            self.assertEqual(self.reload(payment).amount, Decimal('22.00'))
        self.assertEqual(
            [m['amount'] for m in self.world.ledger()], [4200, -2000])


class SetBackTestCase(RestoreCase):
    "Test the clock of the server may be set back"

    set_back = dt.timedelta(days=400)

    def open_tab(self):
        "Return a payment that is restored, and the intent of its open page"
        payment, intent, restore = self.opened()
        restore()
        self.assertForgotten(payment)
        return payment, intent

    def assertFound(self, payment, intent):
        with self.transaction():
            payment = self.reload(payment)
            payment.stripe_checkout([payment])
            self.assertEqual(payment.stripe_payment_intent_id, intent)

    def test_page_set_back(self):
        "Test the page that is still open is found"
        self.assertFound(*self.open_tab())

    def test_page_set_back_of_new_account(self):
        "Test it is found if no events have ever been read"
        payment, intent = self.open_tab()
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            account = Account(self.account)
            account.fetched_at = None
            account.save()
        self.assertFound(payment, intent)


class RestoreAtOnceTestCase(RestoreEditTestCase):
    "Test the same as long as Stripe knows the idempotency keys"
    at_once = True

    def test_search_late(self):
        "Test nothing is charged until the search finds what there is"
        with self.transaction():
            customer, method = self.create_customer()
        payment = self.paid()
        self.world.settings.search_delay = 10 ** 6
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.reload(payment)
            payment.stripe_customer = customer
            payment.stripe_customer_payment_method = method
            payment.save()
            Payment.process([payment])
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'processing')
            self.assertEqual(payment.stripe_waiting_for, 'check')
            payment.stripe_store(stripe_try_at=None)
        self.charge_all()
        with self.transaction():
            self.assertIsNone(self.reload(payment).stripe_payment_intent_id)
            with self.assertRaises(StripeError):
                Payment.stripe_checkout([self.reload(payment)])
        self.world.settings.search_delay = 0
        with self.transaction():
            self.reload(payment).stripe_store(stripe_try_at=None)
        self.charge_all()
        self.assertPaidOnce(payment)


class ReplayedTestCase(RestoreCase):
    "Test what Stripe repeats under a key is not taken for what is so now"

    def paid_again(self, **values):
        """Return a payment that is restored and was paid on its second page,
        the first was given up"""
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(**values)
            Transaction().commit()
            restore = self.backup(payment, days=0)
            Payment.stripe_checkout([payment])
            Payment.draft([payment])
            Payment.submit([payment])
            Payment.stripe_checkout([payment])
            intent = payment.stripe_payment_intent_id
            self.assertEqual(payment.stripe_attempt, 1)
        self.world.pay(intent)
        restore()
        with self.transaction():
            payment = self.reload(payment)
            self.assertFalse(payment.stripe_attempt)
            self.assertIsNone(payment.stripe_payment_intent_id)
        return payment

    def test_replayed_page(self):
        "Test the page tells that it is paid"
        for delay in [0, 10 ** 6]:
            with self.subTest(search_delay=delay):
                payment = self.paid_again()
                self.world.settings.search_delay = delay
                with self.transaction():
                    payment = self.reload(payment)
                    payment.stripe_checkout([payment])
                    self.assertEqual(
                        payment.stripe_checkout_result, 'succeeded')
        self.assertEqual(
            [m['amount'] for m in self.world.ledger()], [4200] * 2)

    def test_charge(self):
        "Test it succeeds and nothing is charged"
        with self.transaction():
            customer, method = self.create_customer()
        payment = self.paid_again()
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.reload(payment)
            payment.stripe_customer = customer
            payment.stripe_customer_payment_method = method
            payment.save()
            Payment.process([payment])
        self.assertPaidOnce(payment)

    def test_charge_page(self):
        "Test the same with nothing else to charge"
        payment = self.paid_again(
            stripe_token='tok_visa', stripe_chargeable=True)
        with self.transaction():
            Pool().get('account.payment').process([self.reload(payment)])
        self.assertPaidOnce(payment)

    def test_answer_lost(self):
        "Test the intent of which the answer was lost is taken without search"
        self.world.settings.search_delay = 10 ** 6
        self.simulator.faults.add('drop_after', 'POST /v1/payment_intents')
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process([payment])
        self.simulator.faults.clear()
        with self.transaction():
            self.reload(payment).stripe_store(stripe_try_at=None)
            Transaction().commit()
            Payment.stripe_charge()
        self.assertPaidOnce(payment)
        self.assertEqual(len(self.world.objects('payment_intent')), 1)


class FormerIntentTestCase(RestoreCase):
    "Test an intent that another module made forget is not skipped"

    def test_new_token(self):
        "Test a new token after the page made an intent is charged at once"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            Payment.stripe_checkout([payment])
            intent = payment.stripe_payment_intent_id
        with self.transaction():
            payment = self.reload(payment)
            Payment.write([payment], {
                    'stripe_payment_intent_id': None,
                    'stripe_token': 'tok_visa',
                    'stripe_chargeable': True,
                    })
            Payment.process([payment])
        self.assertPaidOnce(payment)
        with self.assertRaises(Exception):
            self.world.pay(intent)

    def test_paid_meanwhile(self):
        "Test it is not charged if the page was paid"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            Payment.stripe_checkout([payment])
            intent = payment.stripe_payment_intent_id
        with self.transaction():
            Payment.write([self.reload(payment)], {
                    'stripe_payment_intent_id': None,
                    'stripe_token': 'tok_visa',
                    'stripe_chargeable': True,
                    })
        self.world.pay(intent)
        with self.transaction():
            Payment.process([self.reload(payment)])
        self.assertPaidOnce(payment)

    def test_other_token(self):
        "Test the payment method of a former token is not charged"
        with self.transaction():
            Payment = Pool().get('account.payment')
            self.simulator.faults.add(
                'drop_before', 'POST /v1/payment_intents')
            payment = self.create_payment(
                stripe_token='tok_visa', stripe_chargeable=True)
            Payment.process([payment])
        self.simulator.faults.clear()
        with self.transaction():
            payment = self.reload(payment)
            self.assertTrue(payment.stripe_payment_method_id)
            Payment.write([payment], {'stripe_token': 'tok_mastercard'})
            payment.stripe_store(stripe_try_at=None)
        with self.transaction():
            Payment.stripe_charge()
        self.assertPaidOnce(payment)
        charge, = self.world.objects('charge').values()
        self.assertEqual(
            charge['payment_method_details']['card']['brand'], 'mastercard')
