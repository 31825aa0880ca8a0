# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Refunds and disputes of the simulator."
from .simulator.testing import SimulatorTestCase


class AfterTestCase(SimulatorTestCase):
    def amounts(self):
        return [(r['type'], r['amount']) for r in self.account.ledger()]

    def charge(self, intent, **params):
        return self.client.charges.retrieve(intent.latest_charge, params)

    def refund(self, intent, **params):
        return self.client.refunds.create(
            dict(params, payment_intent=intent.id))


class RefundsTestCase(AfterTestCase):
    "Test refunds"

    def test_partial(self):
        "Test refunds in parts"
        intent = self.paid(amount=4000)
        refund = self.refund(intent, amount=1500, reason='duplicate',
            metadata={'a': 'b'})
        self.assertEqual(
            (refund.status, refund.reason, refund.amount),
            ('succeeded', 'duplicate', 1500))
        charge = self.charge(intent)
        self.assertEqual(
            (charge.amount_refunded, charge.refunded), (1500, False))
        error = self.refused(self.refund, intent, amount=3000)
        self.assertEqual(
            error.error.message, "Refund amount (€30.00) is greater than "
            "unrefunded amount on charge (€25.00)")
        self.assertEqual(error.error.param, 'amount')
        self.assertNotIn('code', error.json_body['error'])
        self.assertEqual(self.refund(intent).amount, 2500)
        charge = self.charge(intent, expand=['refunds'])
        self.assertTrue(charge.refunded)
        self.assertEqual(charge.refunds.total_count, 2)
        self.assertEqual(
            [r.amount for r in charge.refunds.data], [2500, 1500])
        error = self.refused(self.refund, intent)
        self.assertEqual(error.error.code, 'charge_already_refunded')
        self.assertEqual(self.amounts(), [
                ('charge', 4000), ('refund', -1500), ('refund', -2500)])
        self.assertEqual(self.types()[-4:], [
                'refund.created', 'charge.refunded',
                'refund.created', 'charge.refunded'])

    def test_lists(self):
        "Test finding refunds"
        intent = self.paid()
        refund = self.refund(intent, amount=1)
        other = self.paid()
        self.refund(other)
        for params in [
                {'payment_intent': intent.id},
                {'charge': intent.latest_charge}]:
            self.assertEqual(
                [r.id for r in self.client.refunds.list(params).data],
                [refund.id])
        self.assertEqual(len(self.client.refunds.list().data), 2)

    def test_older_urls(self):
        "Test refunds under the charge's URL"
        intent = self.paid()
        path = '/v1/charges/%s' % intent.latest_charge
        status, answer, _ = self.request(
            'POST', path + '/refund', {'amount': 100})
        self.assertEqual(
            (status, answer['object'], answer['amount_refunded']),
            (200, 'charge', 100))
        status, refund, _ = self.request(
            'POST', path + '/refunds', {'amount': 100})
        self.assertEqual(refund['object'], 'refund')
        _, answer, _ = self.request('GET', path + '/refunds')
        self.assertEqual(len(answer['data']), 2)
        self.assertEqual(answer['url'], path + '/refunds')
        other = self.paid()
        status, answer, _ = self.request(
            'GET', '/v1/charges/%s/refunds/%s' % (
                other.latest_charge, refund['id']))
        self.assertEqual((status, answer['error']['param']), (404, 'refund'))

    def test_refused(self):
        "Test refunds that can't be"
        error = self.refused(self.client.refunds.create, {'amount': 1})
        self.assertIn("payment_intent or charge", error.error.message)
        error = self.refused(
            self.client.refunds.create, {'charge': 'ch_nope'})
        self.assertEqual(
            (error.http_status, error.error.code, error.error.param),
            (404, 'resource_missing', 'id'))
        error = self.refused(self.refund, self.intent())
        self.assertIn("successful charge to refund", error.error.message)
        error = self.refused(
            self.refund, self.paid(capture_method='manual'))
        self.assertIn("This uncaptured Charge", error.error.message)
        intent = self.paid()
        error = self.refused(self.refund, intent, amount=0)
        self.assertEqual(error.error.code, 'parameter_invalid_integer')
        refund = self.refund(intent)
        error = self.refused(self.client.refunds.cancel, refund.id)
        self.assertEqual(
            error.error.message, "Canceling this refund is unsupported.")

    def test_partial_capture(self):
        "Test that only what was captured is given back"
        intent = self.paid(capture_method='manual')
        self.client.payment_intents.capture(
            intent.id, {'amount_to_capture': 600})
        self.refused(self.refund, intent, amount=601)
        self.assertEqual(self.refund(intent).amount, 600)
        self.assertTrue(self.charge(intent).refunded)

    def test_pending(self):
        "Test a refund that takes its time"
        intent = self.paid('pm_card_pendingRefund')
        refund = self.refund(intent, amount=400)
        self.assertEqual(
            (refund.status, refund.pending_reason),
            ('pending', 'processing'))
        self.assertEqual(self.charge(intent).amount_refunded, 0)
        self.refused(self.refund, intent, amount=700)
        self.assertEqual(self.types()[-1], 'refund.created')
        self.simulator.clock.advance(120)
        refund = self.client.refunds.retrieve(refund.id)
        self.assertEqual(refund.status, 'succeeded')
        self.assertEqual(self.charge(intent).amount_refunded, 400)
        self.assertEqual(self.types()[-3:], [
                'refund.updated', 'charge.refund.updated',
                'charge.refunded'])

    def test_failing(self):
        "Test a refund that fails later"
        intent = self.paid('pm_card_refundFail')
        refund = self.refund(intent)
        self.assertEqual(refund.status, 'succeeded')
        self.assertTrue(self.charge(intent).refunded)
        self.simulator.clock.advance(120)
        refund = self.client.refunds.retrieve(refund.id)
        self.assertEqual(refund.status, 'failed')
        self.assertTrue(refund.failure_reason)
        self.assertTrue(refund.failure_balance_transaction)
        self.assertFalse(self.charge(intent).refunded)
        self.assertIn('refund.failed', self.types())
        self.assertEqual(self.amounts(), [
                ('charge', 1000), ('refund', -1000),
                ('refund_failure', 1000)])

    def test_charge_pending(self):
        "Test refunds of debits that aren't through"
        for iban, status, amounts in [
                ('AT611904300234573201', 'succeeded', [1000, -400]),
                ('AT861904300235473202', 'canceled', [1000, -400])]:
            intent = self.intent()
            self.account.pay(intent.id, iban)
            refund = self.refund(
                self.client.payment_intents.retrieve(intent.id), amount=400)
            self.assertEqual(
                (refund.status, refund.pending_reason),
                ('pending', 'charge_pending'))
            self.simulator.clock.advance(65)
            refund = self.client.refunds.retrieve(refund.id)
            self.assertEqual(refund.status, status)
            self.assertEqual([a for _, a in self.amounts()], amounts)

    def test_update(self):
        "Test the metadata of a refund"
        refund = self.refund(self.paid())
        refund = self.client.refunds.update(
            refund.id, {'metadata': {'a': 'b'}})
        self.assertEqual(refund.metadata.to_dict(), {'a': 'b'})
        self.assertIn('refund.updated', self.types())
        refund = self.client.refunds.update(
            refund.id, {'metadata': {'a': ''}})
        self.assertEqual(refund.metadata.to_dict(), {})


class DisputesTestCase(AfterTestCase):
    "Test disputes"

    def disputed(self, alias='createDispute', **params):
        intent = self.paid('pm_card_' + alias, **params)
        dispute, = self.client.disputes.list(
            {'payment_intent': intent.id}).data
        return intent, dispute

    def submit(self, dispute, text):
        return self.client.disputes.update(dispute.id, {
                'evidence': {'uncategorized_text': text}, 'submit': True})

    def test_opened(self):
        "Test a charge that is disputed"
        intent, dispute = self.disputed()
        self.assertEqual(intent.status, 'succeeded')
        self.assertEqual(
            (dispute.status, dispute.reason, dispute.is_charge_refundable),
            ('needs_response', 'fraudulent', False))
        row, = dispute.balance_transactions
        self.assertEqual(
            (row.amount, row.fee, row.net, row.reporting_category),
            (-1000, 1500, -2500, 'dispute'))
        charge = self.charge(intent)
        self.assertTrue(charge.disputed)
        self.assertEqual(charge.dispute, dispute.id)
        error = self.refused(self.refund, intent)
        self.assertEqual(error.error.code, 'charge_disputed')
        self.assertEqual(
            [t for t in self.types() if t != 'charge.updated'], [
                'payment_intent.created', 'charge.succeeded',
                'charge.dispute.created', 'charge.dispute.funds_withdrawn',
                'payment_intent.succeeded'])

    def test_manual(self):
        "Test that nothing is disputed before it is captured"
        intent = self.paid(
            'pm_card_createDispute', capture_method='manual')
        self.assertFalse(self.charge(intent).disputed)
        path = '/v1/charges/%s/dispute' % intent.latest_charge
        status, answer, _ = self.request('GET', path)
        self.assertEqual(status, 404)
        self.assertNotIn('code', answer['error'])
        self.client.payment_intents.capture(intent.id)
        self.assertTrue(self.charge(intent).disputed)
        status, answer, _ = self.request('GET', path)
        self.assertEqual(answer['object'], 'dispute')

    def test_won(self):
        "Test a dispute that is won"
        intent, dispute = self.disputed()
        dispute = self.submit(dispute, 'winning_evidence')
        self.assertEqual(dispute.status, 'under_review')
        self.assertTrue(dispute.evidence_details.has_evidence)
        self.assertEqual(dispute.evidence_details.submission_count, 1)
        self.simulator.clock.advance(10)
        dispute = self.client.disputes.retrieve(dispute.id)
        self.assertEqual(
            (dispute.status, dispute.is_charge_refundable), ('won', True))
        self.assertEqual(self.amounts(), [
                ('charge', 1000), ('dispute', -1000),
                ('dispute_reversal', 1000)])
        types = [t for t in self.types() if t != 'charge.updated']
        self.assertEqual(types[-3:], [
                'charge.dispute.updated', 'charge.dispute.funds_reinstated',
                'charge.dispute.closed'])
        self.refund(intent)

    def test_lost(self):
        "Test disputes that are lost"
        _, first = self.disputed()
        self.submit(first, 'losing_evidence')
        self.simulator.clock.advance(10)
        _, second = self.disputed()
        self.assertEqual(
            self.client.disputes.close(second.id).status, 'lost')
        for dispute in [first, second]:
            dispute = self.client.disputes.retrieve(dispute.id)
            self.assertEqual(dispute.status, 'lost')
            for function in [self.client.disputes.close,
                    self.client.disputes.update]:
                error = self.refused(function, dispute.id)
                self.assertEqual(
                    error.error.message, "This dispute is already closed")
        self.assertEqual(
            [a for _, a in self.amounts()], [1000, -1000, 1000, -1000])

    def test_inquiry(self):
        "Test an inquiry"
        intent, dispute = self.disputed('createDisputeInquiry')
        self.assertEqual(dispute.status, 'warning_needs_response')
        self.assertTrue(dispute.is_charge_refundable)
        self.assertEqual(dispute.balance_transactions, [])
        dispute = self.submit(dispute, 'something')
        self.assertEqual(dispute.status, 'warning_under_review')
        self.assertEqual(self.amounts(), [('charge', 1000)])
        self.refund(intent, amount=100)

    def test_escalated(self):
        "Test an inquiry that becomes a dispute"
        intent, dispute = self.disputed('createDisputeInquiry')
        self.submit(dispute, 'escalate_inquiry_evidence')
        self.simulator.clock.advance(120)
        dispute = self.client.disputes.retrieve(dispute.id)
        self.assertEqual(dispute.status, 'needs_response')
        self.assertFalse(dispute.is_charge_refundable)
        self.assertEqual(self.amounts(), [
                ('charge', 1000), ('dispute', -1000)])

    def test_later(self):
        "Test a partial dispute that is opened later"
        intent = self.paid()
        dispute = self.account.dispute(
            intent.latest_charge, amount=300, reason='product_not_received')
        dispute = self.client.disputes.retrieve(dispute['id'])
        self.assertEqual(
            (dispute.amount, dispute.reason), (300, 'product_not_received'))
        self.account.settle_dispute(dispute.id, won=False)
        self.assertEqual(self.amounts(), [
                ('charge', 1000), ('dispute', -300)])

    def test_direct_debit(self):
        "Test a debit that is disputed"
        intent = self.intent()
        self.account.pay(intent.id, 'AT591904300235473203')
        self.simulator.clock.advance(61)
        intent = self.client.payment_intents.retrieve(intent.id)
        self.assertEqual(intent.status, 'succeeded')
        self.assertTrue(self.charge(intent).disputed)

    def test_balance(self):
        "Test that the balance is the sum of its transactions"
        self.disputed()
        self.refund(self.paid())
        self.simulator.clock.advance(10)
        rows = self.client.balance_transactions.list({'limit': 100}).data
        balance = self.client.balance.retrieve()
        self.assertEqual(
            sum(r.net for r in rows),
            sum(a.amount for a in balance.available + balance.pending))
        row = self.client.balance_transactions.retrieve(
            rows[0].id, {'expand': ['source']})
        self.assertIn(row.source.object, {'charge', 'refund', 'dispute'})


del SimulatorTestCase, AfterTestCase
