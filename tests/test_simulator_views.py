# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the simulator shows late or in another form: hits of a search, events
of earlier versions, the last error of an intent."""
import stripe

from .simulator import Remote
from .simulator.testing import OFFLINE, RETURN_URL, SimulatorTestCase

QUERY = {'query': "metadata['payment']:'7'"}


class SearchTestCase(SimulatorTestCase):
    "Test searches that lag behind or that there are none of"

    def search(self, query=QUERY):
        return self.client.payment_intents.search(query).data

    def test_stale(self):
        "Test that hits are as old as was set"
        self.account.set(search_stale=3600)
        intent = self.intent(metadata={'payment': '7'})
        self.client.payment_intents.confirm(intent.id, {
                'payment_method': 'pm_card_visa', 'return_url': RETURN_URL})
        self.simulator.clock.advance(600)
        hit, = self.search()
        self.assertEqual(hit.status, 'requires_payment_method')
        self.assertIsNone(hit.latest_charge)
        self.assertEqual(hit.amount_received, 0)
        # By its id it is as it is
        intent = self.client.payment_intents.retrieve(intent.id)
        self.assertEqual(intent.status, 'succeeded')
        self.simulator.clock.advance(3600)
        hit, = self.search()
        self.assertEqual(hit.status, 'succeeded')
        self.assertEqual(hit.latest_charge, intent.latest_charge)

    def test_each_state(self):
        "Test that a state is found as long as it is the indexed one"
        intent = self.paid(
            capture_method='manual', metadata={'payment': '7'})
        self.simulator.clock.advance(1000)
        self.client.payment_intents.capture(intent.id)
        self.simulator.clock.advance(1000)
        for stale, status in [
                (0, 'succeeded'), (900, 'succeeded'),
                (1500, 'requires_capture'), (9999, 'requires_confirmation')]:
            self.account.set(search_stale=stale)
            hit, = self.search()
            self.assertEqual(hit.status, status)

    def test_stale_metadata(self):
        "Test that the query goes by what is indexed, too"
        intent = self.intent(metadata={'payment': '6'})
        self.client.payment_intents.update(
            intent.id, {'metadata': {'payment': '7'}})
        self.simulator.clock.advance(100)
        self.assertEqual(len(self.search()), 1)
        self.account.set(search_stale=3600)
        self.assertEqual(self.search(), [])
        hit, = self.search({'query': "metadata['payment']:'6'"})
        self.assertEqual(hit.metadata.to_dict(), {'payment': '6'})

    def test_stale_fault(self):
        "Test stale hits as a fault, which hits nothing but searches"
        intent = self.paid(metadata={'payment': '7'})
        self.simulator.clock.advance(100)
        self.simulator.faults.add('search_stale', times=1)
        intent = self.client.payment_intents.retrieve(intent.id)
        self.assertEqual(intent.status, 'succeeded')
        self.assertNotEqual(self.search()[0].status, 'succeeded')
        self.assertEqual(self.search()[0].status, 'succeeded')
        self.simulator.faults.add('search_stale', seconds=50)
        self.assertEqual(self.search()[0].status, 'succeeded')

    def test_refused(self):
        "Test accounts that can't search, and a search that is down"
        account = Remote(self.simulator.url).account(self.account.name)
        for refused, status, class_ in [
                ('country', 400, stripe.InvalidRequestError),
                ('forbidden', 403, stripe.PermissionError),
                ('down', 503, stripe.APIError)]:
            account.set(search_refused=refused)
            client = self.connect(
                self.account.secret_key, max_network_retries=0)
            error = self.refused(client.payment_intents.search, QUERY)
            self.assertIsInstance(error, class_)
            self.assertEqual(error.http_status, status)
            self.intent()
        account.set(search_refused=None)
        self.search()
        self.simulator.faults.add('search_refused', times=1)
        error = self.refused(self.search)
        self.assertIn("unavailable for merchant", str(error))
        self.search()
        with self.assertRaises(ValueError):
            self.account.set(search_refused='no')


class UpdateTestCase(SimulatorTestCase):
    "Test what an update takes away"

    def test_last_payment_error(self):
        "Test that any update clears the last error"
        for params in [
                {'metadata': {'a': 'b'}}, {'description': 'a'},
                {'amount': 2000}, {'receipt_email': 'a@example.com'}]:
            error = self.refused(
                self.paid, 'pm_card_visa_chargeDeclined')
            intent = self.client.payment_intents.retrieve(
                error.error.payment_intent.id)
            self.assertEqual(
                intent.last_payment_error.code, 'card_declined')
            charge = intent.latest_charge
            intent = self.client.payment_intents.update(intent.id, params)
            self.assertIsNone(intent.last_payment_error)
            intent = self.client.payment_intents.retrieve(intent.id)
            self.assertIsNone(intent.last_payment_error)
            self.assertEqual(intent.status, 'requires_payment_method')
            self.assertEqual(intent.latest_charge, charge)

    def test_refused_update(self):
        "Test that an update that is refused clears nothing"
        error = self.refused(self.paid, 'pm_card_visa_chargeDeclined')
        id = error.error.payment_intent.id
        self.refused(
            self.client.payment_intents.update, id, {'amount': 0})
        intent = self.client.payment_intents.retrieve(id)
        self.assertTrue(intent.last_payment_error)


class VersionsTestCase(SimulatorTestCase):
    "Test events of earlier versions of the API"
    OLD = '2020-08-27'

    def test_creation(self):
        "Test that listed events stay in the version of their creation"
        self.account.set(api_version=self.OLD)
        old = self.customer()
        self.account.set(api_version=stripe.api_version)
        new = self.customer()
        events = self.client.events.list().data
        self.assertEqual([e.data.object.id for e in events], [new.id, old.id])
        self.assertEqual(
            [e.api_version for e in events], [stripe.api_version, self.OLD])
        event = self.client.events.retrieve(events[1].id)
        self.assertEqual(event.api_version, self.OLD)

    def test_shape(self):
        "Test that objects have the shape of the version"
        self.account.set(api_version=self.OLD)
        intent = self.paid()
        self.client.refunds.create(
            {'payment_intent': intent.id, 'amount': 100})
        self.account.set(api_version=stripe.api_version)
        events = {
            e.type: e.data.object
            for e in self.client.events.list({'limit': 100}).data}
        old = events['payment_intent.succeeded']
        self.assertNotIn('latest_charge', old)
        charge, = old.charges.data
        self.assertEqual(charge.id, intent.latest_charge)
        self.assertEqual(charge.refunds.data, [])
        self.assertEqual(
            [r.amount for r in events['charge.refunded'].refunds.data],
            [100])
        # The object itself has the version of the request
        self.assertNotIn(
            'charges', self.client.payment_intents.retrieve(intent.id))

    def test_endpoints(self):
        "Test that deliveries are in the version of their endpoint"
        old = self.receiver(api_version=self.OLD)
        default = self.receiver()
        new = self.receiver(api_version=stripe.api_version)
        intent = self.paid(capture_method='automatic')
        self.account.webhooks.flush()
        event, = [
            e for e in self.client.events.list().data
            if e.type == 'payment_intent.succeeded']
        self.assertEqual(
            event.data.object.latest_charge, intent.latest_charge)
        for receiver in [old, default, new]:
            found, = [
                e for e in receiver.events
                if e.type == 'payment_intent.succeeded']
            self.assertEqual(found.id, event.id)
            self.assertNotIn('previous_attributes', found.data)
            self.assertNotIn('lists', found.data)
            if receiver is old:
                self.assertEqual(found.api_version, self.OLD)
                self.assertEqual(
                    [c.id for c in found.data.object.charges.data],
                    [intent.latest_charge])
            else:
                self.assertEqual(found.api_version, stripe.api_version)
                self.assertNotIn('charges', found.data.object)

    def test_default(self):
        "Test that an endpoint without version has the account's"
        self.account.set(api_version=self.OLD)
        receiver = self.receiver()
        self.paid('pm_sepaDebit_success_at', mandate_data=OFFLINE)
        self.account.webhooks.flush()
        self.assertEqual(
            {e.api_version for e in receiver.events}, {self.OLD})


del SimulatorTestCase
