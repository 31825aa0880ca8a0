# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from decimal import Decimal

from trytond.pool import Pool
from trytond.transaction import Transaction

from .case import StripeTestCase


class LegacyTestCase(StripeTestCase):
    "Test payments on charges that an earlier version made"

    def legacy(self, source='tok_visa', amount=4200, **values):
        "Return a payment in processing with a charge but no intent"
        self.world.enable_charges_api()
        charge = self.client.charges.create(
            amount=amount, currency='usd', source=source, **values)
        Payment = Pool().get('account.payment')
        payment = self.create_payment(
            stripe_token=source, stripe_chargeable=True)
        table = Payment.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.state, table.stripe_charge_id,
                    table.stripe_capturable, table.stripe_captured],
                ['processing', charge.id, not charge.captured,
                    charge.captured],
                where=table.id == payment.id))
        return payment, charge

    def test_legacy_pull(self):
        "Test a payment on a charge is brought to its state"
        with self.transaction():
            payment, charge = self.legacy()
        with self.transaction():
            payment = self.reload(payment)
            payment.stripe_do_pull([payment])
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'succeeded')
            self.assertEqual(payment.amount, Decimal('42'))
            self.assertIsNone(payment.stripe_payment_intent_id)
        self.assertEqual(len(self.world.ledger()), 1)

    def test_legacy_charge(self):
        "Test a payment on a charge is not charged again"
        with self.transaction():
            payment, charge = self.legacy()
        for _ in range(2):
            with self.transaction():
                Payment = Pool().get('account.payment')
                Payment.stripe_charge()
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'succeeded')
            self.assertEqual(payment.stripe_charge_id, charge.id)
        self.assertEqual(len(self.world.objects('payment_intent')), 0)
        self.assertEqual(len(self.world.ledger()), 1)

    def test_legacy_capture(self):
        "Test an authorized charge is captured, in part"
        with self.transaction():
            payment, charge = self.legacy(capture=False)
            Payment = Pool().get('account.payment')
            Payment.write([payment], {'stripe_capture': False})
        with self.transaction():
            payment = self.reload(payment)
            payment.stripe_do_pull([payment])
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'processing')
            self.assertTrue(payment.stripe_capture_needed)
            payment.amount = Decimal('30')
            payment.save()
            Payment.stripe_do_capture([payment])
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'succeeded')
            self.assertEqual(payment.amount, Decimal('30'))
        self.assertEqual([3000], [m['amount'] for m in self.world.ledger()])

    def test_legacy_refund(self):
        "Test a charge is refunded"
        with self.transaction():
            payment, charge = self.legacy()
        with self.transaction():
            payment = self.reload(payment)
            payment.stripe_do_pull([payment])
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            refund, = Refund.create([{
                        'payment': payment.id,
                        'amount': Decimal('12'),
                        }])
            Refund.submit([refund])
            Refund.approve([refund])
        with self.transaction():
            self.assertEqual(Refund(refund.id).state, 'succeeded')
            self.assertEqual(self.reload(payment).amount, Decimal('30'))

    def test_legacy_events(self):
        "Test the events of charges without intent"
        with self.transaction():
            payment, charge = self.legacy()
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            account = Account(self.account)
            self.assertTrue(Account.webhook(
                    [account], self.payload('charge.succeeded')))
        with self.transaction():
            self.assertEqual(self.reload(payment).state, 'succeeded')
        self.client.refunds.create(charge=charge.id, amount=200)
        with self.transaction():
            self.assertTrue(Account.webhook(
                    [Account(self.account)], self.payload('charge.refunded')))
        with self.transaction():
            self.assertEqual(self.reload(payment).amount, Decimal('40'))
        dispute = self.world.dispute(charge.id, amount=1000)
        self.world.settle_dispute(dispute['id'], won=False)
        with self.transaction():
            self.assertTrue(Account.webhook(
                    [Account(self.account)],
                    self.payload('charge.dispute.closed')))
        with self.transaction():
            self.assertEqual(self.reload(payment).amount, Decimal('30'))

    def test_legacy_draft(self):
        "Test a payment with a paid charge is not set back to draft"
        with self.transaction():
            payment, charge = self.legacy()
            Payment = Pool().get('account.payment')
            table = Payment.__table__()
            Transaction().connection.cursor().execute(*table.update(
                    [table.state], ['submitted'],
                    where=table.id == payment.id))
        with self.transaction() as transaction:
            payment = self.reload(payment)
            with self.assertRaises(Exception) as cm:
                Payment.draft([payment])
            self.assertEqual(
                cm.exception.__class__.__name__, 'PaymentPaidError')
            transaction.rollback()
        with self.transaction():
            self.assertEqual(self.reload(payment).state, 'succeeded')

    def test_legacy_fail(self):
        "Test an authorized charge is released"
        with self.transaction():
            payment, charge = self.legacy(capture=False)
        with self.transaction():
            Payment = Pool().get('account.payment')
            Payment.fail([self.reload(payment)])
        self.assertTrue(self.client.charges.retrieve(charge.id).refunded)
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'failed')
            Payment.stripe_do_pull([payment])
        with self.transaction():
            self.assertEqual(self.reload(payment).state, 'failed')
