# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from decimal import Decimal

from trytond.modules.account_payment_stripe.state import PaymentState
from trytond.pool import Pool

from .dispute_case import DisputeCase


class DisputeTestCase(DisputeCase):
    "Test that the amount of a payment follows the money of its disputes"

    def test_open(self):
        "Test what is at risk is shown while the payment keeps its amount"
        self.open(3000)
        self.fetch()
        self.assertPayment('succeeded', 42, 0, 30, 'needs_response')

    def test_not_withdrawn_yet(self):
        "Test what a new dispute is about to withdraw is at risk"
        dispute = self.open(3000, inquiry=True)
        self.change(dispute, 'needs_response')
        self.assertPayment('succeeded', 42, 0, 30, 'needs_response')

    def test_inquiry(self):
        "Test an inquiry takes nothing, until it is escalated"
        dispute = self.open(inquiry=True)
        self.fetch()
        self.assertPayment('succeeded', 42, 0, 0, 'warning_needs_response')
        self.change(dispute, 'warning_under_review')
        self.assertPayment('succeeded', 42, 0, 0, 'warning_under_review')
        self.change(dispute, 'needs_response', -4200)
        self.assertPayment('succeeded', 42, 0, 42, 'needs_response')
        self.change(dispute, 'lost')
        self.assertPayment('failed', 0, 42, 0, 'lost')

    def test_inquiry_closed(self):
        "Test an inquiry that is closed has taken nothing"
        dispute = self.open(inquiry=True)
        self.change(dispute, 'warning_closed')
        self.assertPayment('succeeded', 42, 0, 0, 'warning_closed')

    def test_late_win(self):
        "Test what was lost comes back with a late win"
        dispute = self.open()
        self.change(dispute, 'lost')
        self.assertPayment('failed', 0, 42, 0, 'lost')
        self.change(dispute, 'won', 4200, events=['funds_reinstated'])
        self.assertPayment('succeeded', 42, 0, 0, 'won')

    def test_appeal(self):
        "Test an appeal brings the payment back when the money comes back"
        dispute = self.open()
        self.change(dispute, 'lost')
        self.change(dispute, 'appeal_needs_response')
        self.assertPayment('failed', 0, 42, 0, 'appeal_needs_response')
        self.change(dispute, 'appeal_under_review')
        self.assertPayment('failed', 0, 42, 0, 'appeal_under_review')
        self.change(dispute, 'won', 4200)
        self.assertPayment('succeeded', 42, 0, 0, 'won')

    def test_appeal_lost(self):
        "Test the rest stays after an appeal about a part that is lost"
        dispute = self.open(1200)
        self.change(dispute, 'lost')
        self.change(dispute, 'appeal_under_review')
        self.assertPayment('succeeded', 30, 12, 0, 'appeal_under_review')
        self.change(dispute, 'lost')
        self.assertPayment('succeeded', 30, 12, 0, 'lost')

    def test_won_before_the_money(self):
        "Test a payment whose dispute is won keeps its amount meanwhile"
        dispute = self.open()
        self.change(dispute, 'won')
        self.assertPayment('succeeded', 42, 0, 42, 'won')
        self.change(dispute, moved=4200, events=['funds_reinstated'])
        self.assertPayment('succeeded', 42, 0, 0, 'won')

    def test_won_in_part(self):
        "Test what is not given back is lost"
        dispute = self.open()
        self.change(dispute, 'won', 4000)
        self.assertPayment('succeeded', 40, 2, 0, 'won')

    def test_given_back_while_open(self):
        "Test nothing is at risk anymore when it has been given back"
        dispute = self.open()
        self.change(dispute, 'under_review', 4200)
        self.assertPayment('succeeded', 42, 0, 0, 'under_review')

    def test_reopened(self):
        "Test a dispute that withdraws again"
        dispute = self.open()
        self.change(dispute, 'won', 4200)
        self.change(dispute, 'under_review', -4200)
        self.assertPayment('succeeded', 42, 0, 42, 'under_review')
        self.change(dispute, 'lost')
        self.assertPayment('failed', 0, 42, 0, 'lost')

    def test_prevented(self):
        "Test a dispute that is prevented without a movement takes nothing"
        dispute = self.open(inquiry=True)
        self.change(dispute, 'prevented')
        self.assertPayment('succeeded', 42, 0, 0, 'prevented')

    def test_prevented_with_withdrawal(self):
        "Test what is withdrawn to prevent a dispute is lost"
        dispute = self.open(2000, inquiry=True)
        self.change(dispute, 'prevented', -2000)
        self.assertPayment('succeeded', 22, 20, 0, 'prevented')

    def test_prevented_with_refund(self):
        "Test a refund that prevents a dispute is counted once"
        dispute = self.open(2000, inquiry=True)
        refund = self.client.refunds.create(charge=self.charge, amount=2000)
        for row in [
                {'id': refund.balance_transaction},
                {'reporting_category': 'refund', 'type': 'refund'}]:
            self.change(dispute, 'prevented', -2000, row=row)
            self.assertPayment('succeeded', 22, 0, 0, 'prevented')

    def test_prevented_of_no_disputed_charge(self):
        "Test the charge has not to say that it is disputed"
        dispute = self.open(2000, inquiry=True)
        with self.world.lock:
            self.world.table('charge').get(self.charge).update(
                disputed=False, dispute=None)
        self.change(dispute, 'prevented', -2000)
        self.assertPayment('succeeded', 22, 20, 0, 'prevented')
        with self.transaction():
            Refund = Pool().get('account.payment.stripe.refund')
            refund, = Refund.create([{
                        'payment': self.payment,
                        'amount': Decimal('2'),
                        }])
            Refund.submit([refund])
            self.world.change_dispute(
                dispute, events=(), is_charge_refundable=True)
            # Or it would be read once more
            self.simulator.clock.advance(5)
            Refund.approve([refund])
        self.assertPayment('succeeded', 20, 20, 0, 'prevented')

    def test_read_before_the_dispute_was_known(self):
        "Test what was read without disputes does not end one"
        dispute = self.open(2000, inquiry=True)
        with self.world.lock:
            self.world.table('charge').get(self.charge).update(
                disputed=False, dispute=None)
        self.change(dispute, 'prevented', -2000)
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment, = Payment.stripe_lock([self.payment])
            payment.stripe_apply(PaymentState.read(
                    payment.stripe_own_account.gateway,
                    intent=payment.stripe_payment_intent_id), fresh=True)
        self.assertPayment('succeeded', 22, 20, 0, 'prevented')

    def test_unknown_status(self):
        "Test the money decides when the status is not known"
        dispute = self.open()
        self.change(dispute, 'arbitration_lost')
        self.assertPayment('failed', 0, 42, 0, 'arbitration_lost')
        self.change(dispute, 'arbitration_won', 4200)
        self.assertPayment('succeeded', 42, 0, 0, 'arbitration_won')

    def test_unknown_status_without_money(self):
        "Test an unknown status takes nothing by itself"
        dispute = self.open(inquiry=True)
        self.change(dispute, 'mediation')
        self.assertPayment('succeeded', 42, 0, 0, 'mediation')

    def test_lost_at_once(self):
        "Test a bank debit whose dispute is lost when it is opened"
        for rows in [[], None]:
            dispute = self.open(500)
            self.world.change_dispute(
                dispute, 'lost', events=(), balance_transactions=rows)
            self.change(dispute, events=['closed'])
        self.assertPayment('succeeded', 32, 10, 0, 'lost')

    def test_only_funds(self):
        "Test the events about the funds suffice"
        dispute = self.open(2000, inquiry=True)
        self.fetch()
        self.change(
            dispute, 'needs_response', -2000, events=['funds_withdrawn'])
        self.assertPayment('succeeded', 42, 0, 20, 'needs_response')
        self.change(dispute, 'lost', events=['updated'])
        self.assertPayment('succeeded', 22, 20, 0, 'lost')

    def test_two(self):
        "Test two disputes of one charge are added up, the open one is shown"
        first = self.open(1000)
        second = self.open(500, reason='duplicate')
        self.change(second, 'lost')
        self.assertPayment('succeeded', 37, 5, 10, 'needs_response')
        self.change(first, 'lost')
        self.assertPayment('succeeded', 27, 15, 0, 'lost')
        self.change(first, 'won', 1000)
        self.assertPayment('succeeded', 37, 5, 0, 'lost')

    def test_many(self):
        "Test the disputes of a charge after the first hundred are read"
        for _ in range(101):
            dispute = self.open(10)
            self.world.change_dispute(dispute, 'lost', events=())
        self.change(dispute, 'lost')
        self.assertPayment('succeeded', '31.90', '10.10', 0, 'lost')

    def settle(self, rate, tell=True):
        "Return what to change of a movement that is settled at the rate"
        self.world.set(settlement_currency='eur', settlement_rate=rate)
        return {'exchange_rate': rate if tell else None}

    def test_settlement_currency(self):
        "Test the withdrawal in another currency than that of the charge"
        for tell in [True, False]:
            with self.subTest(tell=tell):
                dispute = self.open(3000, inquiry=True)
                self.change(
                    dispute, 'needs_response', -3000,
                    row=self.settle(.9, tell))
                self.assertPayment(
                    'succeeded', 42, 0, 30, 'needs_response')
                self.change(dispute, 'lost')
                self.assertPayment('succeeded', 12, 30, 0, 'lost')
                # The rate is another
                self.change(
                    dispute, 'won', 3000, row=self.settle(.87, tell))
                self.assertPayment('succeeded', 42, 0, 0, 'won')

    def test_settlement_currency_in_part(self):
        "Test a third that is given back in another currency"
        dispute = self.open(3000, inquiry=True)
        self.change(
            dispute, 'needs_response', -3000, row=self.settle(.9, False))
        self.change(dispute, 'lost', 1000, row=self.settle(.9, False))
        self.assertPayment('succeeded', 22, 20, 0, 'lost')

    def test_settlement_currency_of_other_digits(self):
        "Test a part that is given back in a currency without decimals"
        self.world.set(settlement_currency='jpy', settlement_rate=150)
        dispute = self.open(3000)
        self.change(dispute, 'lost')
        self.world.set(settlement_rate=120)
        self.change(dispute, 'lost', 2850)
        self.assertPayment('succeeded', '40.50', '1.50', 0, 'lost')

    def test_refund_after_dispute(self):
        "Test a refund besides a dispute keeps what was lost"
        dispute = self.open(1000)
        self.change(dispute, 'lost')
        self.world.change_dispute(
            dispute, events=(), is_charge_refundable=True)
        self.client.refunds.create(charge=self.charge, amount=2000)
        self.fetch()
        self.assertPayment('succeeded', 12, 10, 0, 'lost')
