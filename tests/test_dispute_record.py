# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
from decimal import Decimal

from trytond.modules.account_payment.exceptions import PaymentValidationError
from trytond.pool import Pool

from .case import DAY
from .dispute_case import DisputeCase

DISPUTE = 'account.payment.stripe.dispute'


class DisputeRecordTestCase(DisputeCase):
    "Test the records of disputes"

    def records(self):
        return Pool().get(DISPUTE).search([
                ('payment', '=', self.payment),
                ], order=[('id', 'ASC')])

    def now(self):
        return dt.datetime.fromtimestamp(
            self.simulator.clock.now(), dt.timezone.utc).replace(tzinfo=None)

    def test_record_follows(self):
        "Test a record follows the dispute, also what comes after its end"
        dispute = self.open(due_in=9 * DAY)
        self.fetch()
        with self.transaction():
            record, = self.records()
            self.assertEqual(record.state, 'needs_response')
            self.assertEqual(
                record.answer_until - record.opened_at, dt.timedelta(days=9))
        self.change(dispute, 'under_review')
        with self.transaction():
            record, = self.records()
            self.assertEqual(record.state, 'under_review')
            self.assertIsNone(record.answer_until)
            self.assertIsNone(record.closed_at)
        self.simulator.clock.advance(DAY)
        closed_at = self.now()
        self.world.change_dispute(dispute, 'lost', events=())
        self.world.change_dispute(
            dispute, events=['charge.dispute.closed'])
        self.simulator.clock.advance(3 * DAY)
        self.fetch()
        with self.transaction():
            record, = self.records()
            self.assertEqual(record.state, 'lost')
            # By the event, not when it was read
            self.assertLess(
                abs(record.closed_at - closed_at), dt.timedelta(minutes=1))
        self.change(dispute, 'won', 4200, events=['funds_reinstated'])
        with self.transaction():
            record, = self.records()
            self.assertEqual(
                (record.state, record.withdrawn, record.reinstated,
                    record.fee),
                ('won', Decimal(42), Decimal(42), Decimal(15)))
            self.assertGreater(
                record.closed_at - closed_at, dt.timedelta(days=2))

    def test_record_reopened(self):
        "Test a dispute that is open again is not closed"
        dispute = self.open()
        self.change(dispute, 'lost')
        with self.transaction():
            self.assertTrue(self.records()[0].closed_at)
        self.change(dispute, 'appeal_needs_response')
        with self.transaction():
            record, = self.records()
            self.assertEqual(record.state, 'appeal_needs_response')
            self.assertIsNone(record.closed_at)

    def test_record_unknown(self):
        "Test words that Stripe adds are shown as unknown"
        dispute = self.open(reason='noncompliant')
        self.world.change_dispute(dispute, events=(), reason='of_the_moon')
        self.change(dispute, 'on_the_moon')
        with self.transaction():
            record, = self.records()
            self.assertEqual(
                (record.state, record.reason), ('unknown', 'unknown'))

    def test_record_each(self):
        "Test each dispute of a charge has a record, once"
        self.open(1000)
        self.open(2000)
        for _ in range(2):
            self.fetch()
            with self.transaction():
                Payment = Pool().get('account.payment')
                Payment.stripe_do_pull([Payment(self.payment)])
        with self.transaction():
            self.assertEqual(
                {r.amount for r in self.records()},
                {Decimal(10), Decimal(20)})
            self.assertEqual(len(self.records()), 2)

    def test_record_settled(self):
        "Test what was moved is in the currency of the settlement"
        with self.transaction():
            pool = Pool()
            Currency = pool.get('currency.currency')
            if not Currency.search([('code', '=', 'EUR')]):
                Currency.create([{
                            'name': "Euro", 'code': 'EUR', 'symbol': "€",
                            }])
        dispute = self.open()
        self.change(
            dispute, 'under_review', -4200,
            row={'currency': 'eur', 'amount': -3780, 'fee': 1500})
        rows = self.world.objects('dispute')[dispute]['balance_transactions']
        self.world.change_dispute(
            dispute, events=['charge.dispute.updated'],
            balance_transactions=rows[-1:])
        self.fetch()
        with self.transaction():
            record, = self.records()
            self.assertEqual(record.settlement_currency.code, 'EUR')
            self.assertEqual(
                (record.amount, record.withdrawn, record.fee),
                (Decimal(42), Decimal('37.80'), Decimal(15)))

    def test_record_compared(self):
        "Test the daily comparison makes the records that are missing"
        self.fetch()
        self.world.miss_events('*')
        dispute = self.open()
        with self.transaction():
            Payment = Pool().get('account.payment')
            Payment.stripe_do_pull([Payment(self.payment)])
        with self.transaction():
            # As if the payment had been disputed before the update
            Dispute = Pool().get(DISPUTE)
            Dispute.delete(self.records())
        self.simulator.clock.advance(DAY)
        self.fetch()
        with self.transaction():
            record, = self.records()
            self.assertEqual(record.identifier, dispute)
            # It was read, so the payment is no more asked for
        self.simulator.requests.clear()
        self.simulator.clock.advance(2 * DAY)
        self.fetch()
        self.assertFalse([
                r for r in self.requests('GET')
                if r['path'].startswith('/v1/payment_intents/')])

    def test_forbidden(self):
        "Test what a dispute forbids to refund is told before it is sent"
        dispute = self.open(1000)
        self.fetch()
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            refund, = Refund.create([{
                        'payment': self.payment,
                        'amount': Decimal(5),
                        }])
            with self.assertRaises(PaymentValidationError) as error:
                Refund.submit([refund])
            self.assertIn(dispute, str(error.exception))
        self.change(dispute, 'won')
        self.world.change_dispute(dispute, is_charge_refundable=True)
        self.fetch()
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            Refund.submit([Refund(refund.id)])

    def test_record_copy(self):
        "Test a copy of the payment is not disputed"
        self.open()
        self.fetch()
        with self.transaction():
            Payment = Pool().get('account.payment')
            copy, = Payment.copy([Payment(self.payment)])
            self.assertFalse(copy.stripe_disputes)
            self.assertEqual(len(self.records()), 1)

    def test_warning(self):
        "Test a fraud warning is kept, whichever the order of its events"
        self.world.warn_of_fraud(self.charge, 'misc')
        with self.transaction():
            # Nothing of it has to be read
            self.assertFalse(
                Pool().get('account.payment')(self.payment)
                .stripe_fraud_warning)
        self.simulator.requests.clear()
        self.fetch()
        with self.transaction():
            Payment = Pool().get('account.payment')
            self.assertEqual(
                Payment(self.payment).stripe_fraud_warning, 'misc')
            payment, = Payment.search([
                    ('id', '=', self.payment),
                    ('stripe_fraud_warning', '!=', None),
                    ('state', '=', 'succeeded'),
                    ('stripe_dispute_status', '=', None),
                    ])
            self.assertEqual(payment.id, self.payment)
        self.open()
        self.fetch()
        with self.transaction():
            payment = Pool().get('account.payment')(self.payment)
            self.assertEqual(payment.stripe_fraud_warning, 'misc')
            self.assertEqual(payment.stripe_dispute_status, 'needs_response')

    def test_words(self):
        "Test the form has words for what the earlier module left"
        self.open()
        self.fetch()
        with self.transaction(_check_access=True):
            payment = Pool().get('account.payment')(self.payment)
            self.assertEqual(
                (payment.stripe_dispute_status_string,
                    payment.stripe_dispute_reason_string),
                ("Needs Response", "Fraudulent"))
            payment.stripe_store(
                stripe_dispute_status='by_the_moon',
                stripe_dispute_reason=None)
            payment = Pool().get('account.payment')(self.payment)
            self.assertEqual(
                (payment.stripe_dispute_status_string,
                    payment.stripe_dispute_reason_string),
                ('by_the_moon', None))
            view = payment.fields_view_get(view_type='form')
            self.assertIn('stripe_dispute_status_string', view['fields'])
            self.assertNotIn('name="stripe_dispute_status"', view['arch'])

    def test_warning_unknown(self):
        "Test a kind of fraud that Stripe adds is a warning, too"
        self.world.warn_of_fraud(self.charge, 'by_the_moon')
        self.fetch()
        with self.transaction():
            payment = Pool().get('account.payment')(self.payment)
            self.assertEqual(payment.stripe_fraud_warning, 'unknown')
