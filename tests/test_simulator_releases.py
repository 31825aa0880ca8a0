# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the simulator shows of authorized money that isn't taken."
from .simulator.testing import SimulatorTestCase

DAY = 24 * 60 * 60


class ReleasesTestCase(SimulatorTestCase):
    "Test released authorizations, before and since 2025-03-31.basil"

    def authorized(self, **params):
        intent = self.paid(amount=4200, capture_method='manual', **params)
        self.last = self.client.events.list({'limit': 1}).data[0].id
        return intent

    def charge(self, intent):
        return self.client.charges.retrieve(
            intent.latest_charge, {'expand': ['refunds']})

    def amounts(self, intent):
        charge = self.charge(intent)
        return (
            charge.amount, charge.amount_captured, charge.amount_refunded,
            charge.refunded, [r.amount for r in charge.refunds.data])

    def old(self, enabled=True):
        self.account.set(release_refunds=enabled)

    def old_capture(self):
        intent = self.authorized()
        self.old()
        intent = self.client.payment_intents.capture(
            intent.id, {'amount_to_capture': 3000})
        self.old(False)
        return intent

    def test_partial(self):
        "Test that a partial capture makes no refund"
        intent = self.authorized()
        intent = self.client.payment_intents.capture(
            intent.id, {'amount_to_capture': 3000})
        self.assertEqual(intent.amount_received, 3000)
        self.assertEqual(
            self.amounts(intent), (4200, 3000, 0, False, []))
        self.assertEqual(
            [(r['type'], r['amount']) for r in self.account.ledger()],
            [('charge', 3000)])

    def test_partial_old(self):
        "Test that the rest of a partial capture was a refund"
        intent = self.old_capture()
        self.assertEqual(
            (intent.status, intent.amount, intent.amount_received),
            ('succeeded', 4200, 3000))
        self.assertEqual(
            self.amounts(intent), (4200, 3000, 1200, False, [1200]))
        refund, = self.client.refunds.list({
                'payment_intent': intent.id,
                'expand': ['data.balance_transaction']}).data
        self.assertEqual((refund.status, refund.reason), ('succeeded', None))
        self.assertEqual(refund.metadata.to_dict(), {})
        row = refund.balance_transaction
        self.assertEqual((row.type, row.amount, row.fee), (
                'refund', -1200, -35))
        charged, = self.client.balance_transactions.list({
                'source': intent.latest_charge}).data
        self.assertEqual((charged.amount, charged.fee), (4200, 152))
        self.assertEqual(charged.net + row.net, 3000 - 117)
        self.assertEqual(self.types(self.last), [
                'charge.captured', 'refund.created', 'charge.refunded',
                'payment_intent.succeeded'])

    def test_refund_old(self):
        "Test refunds of what was captured in part"
        intent = self.old_capture()
        error = self.refused(self.client.refunds.create, {
                'payment_intent': intent.id, 'amount': 3001})
        self.assertEqual(error.error.param, 'amount')
        self.client.refunds.create({
                'payment_intent': intent.id, 'amount': 500})
        self.assertEqual(
            self.amounts(intent), (4200, 3000, 1700, False, [500, 1200]))
        self.client.refunds.create({'payment_intent': intent.id})
        self.assertEqual(
            self.amounts(intent),
            (4200, 3000, 4200, True, [2500, 500, 1200]))
        error = self.refused(
            self.client.refunds.create, {'payment_intent': intent.id})
        self.assertEqual(error.error.code, 'charge_already_refunded')
        self.assertEqual(
            sum(r['amount'] for r in self.account.ledger()), 0)

    def test_full_old(self):
        "Test that nothing was released of a full capture"
        intent = self.authorized()
        self.old()
        self.client.payment_intents.capture(intent.id)
        self.assertEqual(
            self.amounts(intent), (4200, 4200, 0, False, []))

    def test_charge_old(self):
        "Test a charge of the older API that was captured in part"
        self.account.enable_charges_api()
        charge = self.client.charges.create({
                'amount': 4200, 'currency': 'eur', 'source': 'tok_visa',
                'capture': False})
        self.old()
        charge = self.client.charges.capture(charge.id, {'amount': 3000})
        self.assertEqual(
            (charge.amount_captured, charge.amount_refunded), (3000, 1200))

    def test_canceled(self):
        "Test authorizations that are canceled"
        intent = self.authorized()
        self.client.payment_intents.cancel(intent.id)
        self.assertEqual(
            self.amounts(intent), (4200, 0, 0, False, []))
        intent = self.authorized()
        self.old()
        self.client.payment_intents.cancel(intent.id)
        self.assertEqual(
            self.amounts(intent), (4200, 0, 4200, True, [4200]))
        refund, = self.charge(intent).refunds.data
        self.assertIsNone(refund.balance_transaction)
        self.assertEqual(self.types(self.last), [
                'refund.created', 'charge.refunded',
                'payment_intent.canceled'])
        self.assertEqual(self.account.ledger(), [])

    def test_expired(self):
        "Test authorizations that expire"
        for old, reason, amounts in [
                (False, 'expired', (4200, 0, 0, False, [])),
                (True, 'automatic', (4200, 0, 4200, True, [4200]))]:
            with self.subTest(old=old):
                self.old(old)
                intent = self.authorized()
                self.simulator.clock.advance(8 * DAY)
                self.assertEqual(self.amounts(intent), amounts)
                intent = self.client.payment_intents.retrieve(intent.id)
                self.assertEqual(
                    (intent.status, intent.cancellation_reason),
                    ('canceled', reason))
                error = self.refused(
                    self.client.payment_intents.capture, intent.id)
                self.assertEqual(
                    error.code, 'payment_intent_unexpected_state')


del SimulatorTestCase
