# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Early fraud warnings and rolled secrets of the simulator."
import stripe

from .simulator import Remote
from .simulator.testing import SimulatorTestCase

_CREATED = 'radar.early_fraud_warning.created'
_UPDATED = 'radar.early_fraud_warning.updated'
HOUR = 60 * 60


class WarningsTestCase(SimulatorTestCase):
    "Test early fraud warnings"

    def warnings(self, **params):
        return self.client.radar.early_fraud_warnings.list(params).data

    def test_card(self):
        "Test the card whose payments are warned about"
        for alias in ['createIssuerFraudRecord', 'createEarlyFraudWarning']:
            intent = self.paid('pm_card_' + alias)
            self.assertEqual(intent.status, 'succeeded')
            warning, = self.warnings(payment_intent=intent.id)
            self.assertEqual(
                (warning.charge, warning.actionable),
                (intent.latest_charge, True))
        self.assertEqual(len(self.warnings()), 2)
        self.assertEqual(self.types().count(_CREATED), 2)
        found = self.client.radar.early_fraud_warnings.retrieve(
            warning.id, {'expand': ['charge']})
        self.assertEqual(found.charge.payment_intent, intent.id)
        self.assertFalse(found.charge.disputed)
        method = self.intent()
        self.account.pay(method.id, '4000000000005423')
        self.assertEqual(len(self.warnings()), 3)

    def test_refunded(self):
        "Test that a refund of all ends a warning"
        intent = self.paid()
        warning = self.account.warn_of_fraud(intent.latest_charge)
        self.client.refunds.create({
                'payment_intent': intent.id, 'amount': 400})
        self.assertNotIn(_UPDATED, self.types())
        self.client.refunds.create({'payment_intent': intent.id})
        self.assertEqual(self.types().count(_UPDATED), 1)
        warning = self.client.radar.early_fraud_warnings.retrieve(
            warning['id'])
        self.assertFalse(warning.actionable)

    def test_disputed(self):
        "Test that a dispute ends a warning, from another process"
        charge = self.paid().latest_charge
        account = Remote(self.simulator.url).account(self.account.name)
        warning = account.warn_of_fraud(charge, 'misc')
        self.assertEqual(warning['fraud_type'], 'misc')
        account.dispute(charge)
        warning, = self.warnings(charge=charge)
        self.assertFalse(warning.actionable)
        event, = [
            e for e in self.client.events.list({'type': _UPDATED}).data]
        self.assertEqual(event.data.object.id, warning.id)


class RolledTestCase(SimulatorTestCase):
    "Test secrets of webhook endpoints that are rolled"

    def setUp(self):
        super().setUp()
        self.headers = []
        self.hook = self.receiver()
        receive = self.hook.receive

        def keep(content, header):
            self.headers.append((content, header))
            receive(content, header)
        self.hook.receive = keep

    def delivered(self):
        "Return the secrets that verify the next delivery"
        self.client.customers.create({})
        self.account.webhooks.flush()
        content, header = self.headers[-1]
        result = []
        for secret in self.secrets:
            try:
                stripe.WebhookSignature.verify_header(
                    content.decode(), header, secret, None)
                result.append(secret)
            except stripe.SignatureVerificationError:
                pass
        self.assertEqual(header.count('v1='), len(result))
        return result

    def test_rolled(self):
        "Test that both secrets sign during a roll, after it only the new"
        first = self.hook.secret
        self.secrets = [first]
        self.assertEqual(self.delivered(), [first])
        second = self.account.webhooks.roll(self.hook.id, 2 * HOUR)
        self.assertNotEqual(second, first)
        self.secrets.append(second)
        self.assertEqual(self.delivered(), [first, second])
        self.simulator.clock.advance(2 * HOUR + 1)
        self.assertEqual(self.delivered(), [second])
        account = Remote(self.simulator.url).account(self.account.name)
        third = account.webhooks.roll(self.hook.id)
        self.secrets.append(third)
        self.assertEqual(self.delivered(), [second, third])
        self.simulator.clock.advance(25 * HOUR)
        self.assertEqual(self.delivered(), [third])
        # The old secret still verifies nothing
        self.assertEqual(
            [type(e) for e in self.hook.refused],
            [stripe.SignatureVerificationError] * 3)

    def test_at_once(self):
        "Test a secret that is replaced at once"
        self.secrets = [self.hook.secret]
        self.secrets.append(self.account.webhooks.roll(self.hook.id, 0))
        self.assertEqual(self.delivered(), self.secrets[1:])
        endpoint = self.client.webhook_endpoints.retrieve(self.hook.id)
        self.assertNotIn('secret', endpoint)


del SimulatorTestCase
