# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What becomes of the simulator's disputes after and beside a decision."
from .simulator import Remote
from .simulator.testing import SimulatorTestCase

DAY = 24 * 60 * 60
_CREATED = 'charge.dispute.created'
_UPDATED = 'charge.dispute.updated'
_CLOSED = 'charge.dispute.closed'
_WITHDRAWN = 'charge.dispute.funds_withdrawn'
_REINSTATED = 'charge.dispute.funds_reinstated'


class DisputesTestCase(SimulatorTestCase):
    "Test the ways of disputes"

    def setUp(self):
        super().setUp()
        self.charge = self.paid(capture_method='automatic').latest_charge
        self.last = self.client.events.list({'limit': 1}).data[0].id

    def read(self, dispute):
        return self.client.disputes.retrieve(dispute['id'])

    def rows(self, dispute):
        return [
            (r.amount, r.fee, r.net)
            for r in self.read(dispute).balance_transactions]

    def new_types(self):
        types = self.types(self.last)
        self.last = self.client.events.list({'limit': 1}).data[0].id
        return types

    def lost(self):
        dispute = self.account.dispute(self.charge)
        self.account.settle_dispute(dispute['id'], won=False)
        self.assertEqual(
            self.new_types(), [_CREATED, _WITHDRAWN, _CLOSED])
        return dispute

    def test_late_win(self):
        "Test a lost dispute that is won late"
        dispute = self.lost()
        self.account.win_late(dispute['id'])
        self.assertEqual(self.read(dispute).status, 'won')
        self.assertTrue(self.read(dispute).is_charge_refundable)
        self.assertEqual(
            self.rows(dispute), [(-1000, 1500, -2500), (1000, 0, 1000)])
        self.assertEqual(self.new_types(), [_REINSTATED, _UPDATED])
        with self.assertRaises(ValueError):
            self.account.win_late(dispute['id'])

    def test_appeal(self):
        "Test an appeal: the money stays where it is until it is decided"
        for won in [True, False]:
            with self.subTest(won=won):
                self.setUp()
                dispute = self.lost()
                self.account.appeal_dispute(dispute['id'])
                self.assertEqual(
                    self.read(dispute).status, 'appeal_needs_response')
                self.assertEqual(len(self.rows(dispute)), 1)
                error = self.refused(
                    self.client.disputes.update, dispute['id'],
                    {'evidence': {'uncategorized_text': 'x'}})
                self.assertEqual(error.http_status, 400)
                self.client.disputes.update(dispute['id'], {'evidence': {
                            'appeal': {'card': {
                                    'reason_for_filing': 'x'}}}})
                self.assertEqual(
                    self.read(dispute).status, 'appeal_under_review')
                self.assertEqual(len(self.rows(dispute)), 1)
                self.assertEqual(self.new_types(), [_UPDATED, _UPDATED])
                self.account.settle_dispute(dispute['id'], won)
                self.assertEqual(
                    self.read(dispute).status, 'won' if won else 'lost')
                self.assertEqual(len(self.rows(dispute)), 1 + won)

    def test_appeal_evidence(self):
        "Test that appeal evidence is only for appeals"
        dispute = self.account.dispute(self.charge)
        error = self.refused(
            self.client.disputes.update, dispute['id'],
            {'evidence': {'appeal': {'card': {'reason_for_filing': 'x'}}}})
        self.assertEqual(error.http_status, 400)

    def test_reopened(self):
        "Test a won dispute that is opened again"
        dispute = self.account.dispute(self.charge)
        self.account.settle_dispute(dispute['id'], won=True)
        self.new_types()
        self.account.reopen_dispute(dispute['id'])
        self.assertEqual(self.read(dispute).status, 'needs_response')
        self.assertEqual(self.new_types(), [_UPDATED, _WITHDRAWN])
        self.assertEqual(
            [r[0] for r in self.rows(dispute)], [-1000, 1000, -1000])
        self.account.settle_dispute(dispute['id'], won=False)
        self.assertEqual(
            sum(r['amount'] for r in self.account.ledger()), 0)

    def test_reopened_lost(self):
        "Test that opening a lost dispute again takes nothing twice"
        dispute = self.lost()
        self.account.reopen_dispute(dispute['id'])
        self.assertEqual(self.read(dispute).status, 'needs_response')
        self.assertEqual(len(self.rows(dispute)), 1)
        self.account.settle_dispute(dispute['id'], won=True)
        self.assertEqual(
            [r[0] for r in self.rows(dispute)], [-1000, 1000])

    def test_reopened_inquiry(self):
        "Test a closed inquiry that is opened again and escalated"
        dispute = self.account.dispute(self.charge, inquiry=True)
        self.account.settle_dispute(dispute['id'])
        self.assertEqual(self.read(dispute).status, 'warning_closed')
        self.account.reopen_dispute(dispute['id'])
        self.assertEqual(
            self.read(dispute).status, 'warning_needs_response')
        self.assertEqual(self.rows(dispute), [])
        self.account.escalate_dispute(dispute['id'])
        self.assertEqual(self.read(dispute).status, 'needs_response')
        self.assertEqual(len(self.rows(dispute)), 1)

    def test_prevented(self):
        "Test disputes that are prevented"
        for how, amounts, refunded, types in [
                ('withdrawal', [(-1000, 0, -1000)], 0,
                    [_CREATED, _WITHDRAWN]),
                ('refund', [], 1000,
                    [_CREATED, 'refund.created', 'charge.refunded']),
                (None, [], 0, [_CREATED])]:
            with self.subTest(how=how):
                self.setUp()
                dispute = self.account.prevent_dispute(self.charge, how)
                found = self.read(dispute)
                self.assertEqual(found.status, 'prevented')
                self.assertEqual(
                    found.payment_method_details.card.case_type,
                    'resolution')
                self.assertEqual(self.rows(dispute), amounts)
                charge = self.client.charges.retrieve(self.charge)
                self.assertEqual(charge.amount_refunded, refunded)
                self.assertEqual(self.new_types(), types)
                error = self.refused(
                    self.client.disputes.close, dispute['id'])
                self.assertIn("already closed", str(error))

    def test_two(self):
        "Test two partial disputes of one charge"
        first = self.account.dispute(self.charge, amount=300)
        second = self.account.dispute(
            self.charge, amount=200, reason='duplicate')
        charge = self.client.charges.retrieve(self.charge)
        self.assertEqual(charge.dispute, second['id'])
        self.assertEqual(
            [d.id for d in self.client.disputes.list(
                    {'charge': self.charge}).data],
            [second['id'], first['id']])
        self.account.settle_dispute(second['id'], won=True)
        self.assertEqual(
            [r['amount'] for r in self.account.ledger()],
            [1000, -300, -200, 200])
        # The other one still stands
        error = self.refused(
            self.client.refunds.create, {'charge': self.charge})
        self.assertEqual(error.error.code, 'charge_disputed')
        self.account.settle_dispute(first['id'], won=True)
        self.client.refunds.create({'charge': self.charge})

    def test_direct_debit(self):
        "Test that what a bank reverses is lost at once"
        intent = self.intent()
        self.account.pay(intent.id, 'AT591904300235473203')
        self.simulator.clock.advance(61)
        dispute, = self.client.disputes.list(
            {'payment_intent': intent.id}).data
        self.assertEqual(dispute.status, 'lost')
        self.assertEqual(dispute.evidence_details.due_by, 0)
        self.assertFalse(dispute.is_charge_refundable)
        self.assertEqual(
            [t for t in self.types(self.last) if 'dispute' in t],
            [_CREATED, _WITHDRAWN, _CLOSED])
        error = self.refused(self.client.disputes.close, dispute.id)
        self.assertIn("already closed", str(error))

    def test_missed_events(self):
        "Test that Stripe may fail to make events"
        self.account.miss_events(_CREATED, 'charge.dispute.c*')
        dispute = self.account.dispute(self.charge)
        self.account.settle_dispute(dispute['id'], won=False)
        self.assertEqual(self.new_types(), [_WITHDRAWN])
        self.account.miss_events()
        self.account.win_late(dispute['id'])
        self.assertEqual(self.new_types(), [_REINSTATED, _UPDATED])

    def test_due(self):
        "Test that who doesn't answer in time has lost"
        dispute = self.account.dispute(self.charge, due_in=2 * DAY)
        details = self.read(dispute).evidence_details
        self.assertAlmostEqual(
            details.due_by, self.account.now() + 2 * DAY, delta=5)
        self.assertFalse(details.past_due)
        self.simulator.clock.advance(2 * DAY + 1)
        self.assertTrue(self.read(dispute).evidence_details.past_due)
        self.assertEqual(self.read(dispute).status, 'lost')
        self.assertEqual(
            self.new_types(), [_CREATED, _WITHDRAWN, _CLOSED])

    def test_due_answered(self):
        "Test that an answer is waited for with, and inquiries stay open"
        answered = self.account.dispute(self.charge, due_in=DAY)
        inquiry = self.account.dispute(
            self.charge, inquiry=True, due_in=DAY)
        unanswerable = self.account.dispute(self.charge, due_in=0)
        self.client.disputes.update(
            answered['id'], {'evidence': {'uncategorized_text': 'x'}})
        self.simulator.clock.advance(2 * DAY)
        self.assertEqual(self.read(answered).status, 'under_review')
        details = self.read(answered).evidence_details
        self.assertEqual(
            (details.past_due, details.submission_count), (False, 1))
        self.assertEqual(
            self.read(inquiry).status, 'warning_needs_response')
        self.assertTrue(self.read(inquiry).evidence_details.past_due)
        self.assertEqual(
            self.read(unanswerable).evidence_details.due_by, 0)

    def test_reason_code(self):
        "Test the code of the card network"
        for alias, reason, code in [
                ('createDispute', 'fraudulent', '10.4'),
                ('createDisputeInquiry', 'fraudulent', '10'),
                ('createDisputeProductNotReceived', 'product_not_received',
                    '13.1')]:
            intent = self.paid('pm_card_' + alias)
            dispute, = self.client.disputes.list(
                {'payment_intent': intent.id}).data
            card = dispute.payment_method_details.card
            self.assertEqual(
                (dispute.reason, card.network_reason_code), (reason, code))

    def test_settlement(self):
        "Test disputes of an account that is settled in another currency"
        self.account.set(settlement_currency='usd', settlement_rate=1.1)
        intent = self.paid(amount=1000, capture_method='automatic')
        charge = self.client.charges.retrieve(
            intent.latest_charge, {'expand': ['balance_transaction']})
        row = charge.balance_transaction
        self.assertEqual(
            (charge.currency, row.currency, row.amount, row.exchange_rate),
            ('eur', 'usd', 1100, 1.1))
        dispute = self.account.dispute(charge.id, amount=500)
        self.account.set(settlement_rate=1.2)
        self.account.settle_dispute(dispute['id'], won=True)
        dispute = self.read(dispute)
        self.assertEqual((dispute.amount, dispute.currency), (500, 'eur'))
        self.assertEqual(
            [(r.currency, r.amount, r.fee, r.net)
                for r in dispute.balance_transactions],
            [('usd', -550, 1500, -2050), ('usd', 600, 0, 600)])
        yen = self.paid(
            amount=1000, currency='jpy', capture_method='automatic')
        charge = self.client.charges.retrieve(
            yen.latest_charge, {'expand': ['balance_transaction']})
        self.assertEqual(charge.balance_transaction.amount, 120000)
        self.account.set(settlement_currency='jpy', settlement_rate=160)
        paid = self.paid(amount=1000, capture_method='automatic')
        charge = self.client.charges.retrieve(
            paid.latest_charge, {'expand': ['balance_transaction']})
        self.assertEqual(charge.balance_transaction.amount, 1600)

    def test_changed(self):
        "Test a dispute that is put into any state, from another process"
        dispute = self.account.dispute(self.charge)
        self.new_types()
        account = Remote(self.simulator.url).account(self.account.name)
        account.change_dispute(
            dispute['id'], status='unheard_of', amount=400,
            is_charge_refundable=True, events=[_REINSTATED])
        found = self.read(dispute)
        self.assertEqual(
            (found.status, found.is_charge_refundable),
            ('unheard_of', True))
        self.assertEqual([r[0] for r in self.rows(dispute)], [-1000, 400])
        self.assertEqual(self.new_types(), [_REINSTATED])
        account.settle_dispute(dispute['id'], won=True)
        self.assertEqual(
            [r[0] for r in self.rows(dispute)], [-1000, 400, 600])


del SimulatorTestCase
