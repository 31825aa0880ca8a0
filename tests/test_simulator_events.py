# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Events, their pages, and webhooks of the simulator."
import time

import stripe

from .simulator.testing import SimulatorTestCase

DAY = 24 * 60 * 60


class EventsTestCase(SimulatorTestCase):
    "Test events"

    def test_event(self):
        "Test the attributes of an event"
        customer = self.client.customers.create(
            {'name': 'a'}, {'idempotency_key': 'key'})
        event, = self.client.events.list().data
        self.assertEqual(event.type, 'customer.created')
        self.assertEqual(event.api_version, stripe.api_version)
        self.assertEqual(event.request.idempotency_key, 'key')
        self.assertRegex(event.request.id, 'req_')
        self.assertEqual(event.data.object.id, customer.id)
        self.assertIsNone(event.data.previous_attributes)
        self.assertEqual(event.pending_webhooks, 0)
        self.assertEqual(
            self.client.events.retrieve(event.id).id, event.id)

    def test_generated_key(self):
        "Test that every POST shows a key"
        self.request('POST', '/v1/customers')
        event, = self.client.events.list().data
        self.assertTrue(event.request.idempotency_key)

    def test_frozen(self):
        "Test that an event keeps the object as it was"
        customer = self.customer(name='a', metadata={'k': 'v'})
        self.client.customers.update(customer.id, {'name': 'b'})
        self.client.customers.delete(customer.id)
        deleted, updated, created = self.client.events.list().data
        self.assertEqual(created.data.object.name, 'a')
        self.assertEqual(updated.data.object.name, 'b')
        self.assertEqual(
            updated.data.previous_attributes.to_dict(), {'name': 'a'})
        self.assertEqual(deleted.type, 'customer.deleted')
        self.assertEqual(deleted.data.object.metadata.to_dict(), {'k': 'v'})
        self.assertNotIn('deleted', deleted.data.object)

    def test_previous_attributes(self):
        "Test which events say what changed"
        customer, method = self.customer('pm_card_visa')
        self.client.payment_methods.update(
            method.id, {'allow_redisplay': 'always'})
        self.client.payment_methods.detach(method.id)
        self.client.customers.update(
            customer.id, {'metadata': {'a': 'b'}})
        self.paid()
        found = {
            e.type: e.data.previous_attributes.to_dict()
            for e in self.client.events.list({'limit': 50}).data
            if e.data.previous_attributes is not None}
        self.assertEqual(found, {
                'customer.updated': {'metadata': {'a': None}},
                'payment_method.updated': {'allow_redisplay': 'unspecified'},
                'payment_method.detached': {'customer': customer.id}})

    def test_pages(self):
        "Test both directions of paging"
        for i in range(25):
            self.customer(name=str(i))
        page = self.client.events.list({'limit': 10})
        self.assertTrue(page.has_more)
        names = [e.data.object.name for e in page.auto_paging_iter()]
        self.assertEqual(names, [str(i) for i in range(24, -1, -1)])
        first = self.client.events.list(
            {'limit': 1, 'starting_after': page.data[-1].id}).data[0]
        self.assertEqual(first.data.object.name, '14')
        newer = self.client.events.list(
            {'limit': 4, 'ending_before': first.id})
        self.assertEqual(
            [e.data.object.name for e in newer.data],
            ['18', '17', '16', '15'])
        self.assertTrue(newer.has_more)
        self.assertEqual(
            [e.data.object.name for e in newer.auto_paging_iter()],
            [str(i) for i in range(15, 25)])

    def test_cursors(self):
        "Test cursors that don't work"
        error = self.refused(
            self.client.events.list, {'starting_after': 'evt_no'})
        self.assertEqual(
            (error.error.code, error.error.param, error.http_status),
            ('resource_missing', 'starting_after', 400))
        self.customer()
        id = self.client.events.list().data[0].id
        self.refused(
            self.client.events.list,
            {'starting_after': id, 'ending_before': id})

    def test_filters(self):
        "Test the filters of the list"
        self.paid(capture_method='automatic')
        self.customer()

        def types(**params):
            return [e.type for e in self.client.events.list(params).data]
        self.assertEqual(
            types(type='payment_intent.*'),
            ['payment_intent.succeeded', 'payment_intent.created'])
        self.assertEqual(types(type='customer.created'), ['customer.created'])
        self.assertEqual(types(type='no.such'), [])
        self.assertEqual(
            types(types=['customer.created', 'charge.succeeded']),
            ['customer.created', 'charge.succeeded'])
        self.refused(
            self.client.events.list,
            {'type': 'a', 'types': ['customer.created']})
        self.refused(
            self.client.events.list, {'types': ['customer.created'] * 21})
        now = int(self.simulator.clock.now())
        self.assertEqual(len(types(created={'gte': now - 60})), 4)
        self.assertEqual(types(created={'lt': now - 60}), [])
        self.assertEqual(types(delivery_success=False), [])
        self.assertEqual(len(types(delivery_success=True)), 4)

    def test_kept(self):
        "Test that events are kept for thirty days"
        self.customer()
        event = self.client.events.list().data[0]
        self.simulator.clock.advance(29 * DAY)
        self.assertEqual(len(self.client.events.list().data), 1)
        self.simulator.clock.advance(2 * DAY)
        self.assertEqual(self.client.events.list().data, [])
        error = self.refused(self.client.events.retrieve, event.id)
        self.assertEqual(error.http_status, 404)


class WebhooksTestCase(SimulatorTestCase):
    "Test webhooks"

    def test_endpoint(self):
        "Test registering an endpoint"
        endpoint = self.client.webhook_endpoints.create({
                'url': 'https://example.com/', 'enabled_events': ['*'],
                'description': 'a', 'metadata': {'a': 'b'}})
        self.assertRegex(endpoint.secret, r'\Awhsec_')
        endpoint = self.client.webhook_endpoints.retrieve(endpoint.id)
        self.assertNotIn('secret', endpoint)
        endpoint = self.client.webhook_endpoints.update(
            endpoint.id, {'disabled': True})
        self.assertEqual(endpoint.status, 'disabled')
        self.assertEqual(
            len(self.client.webhook_endpoints.list().data), 1)
        self.assertTrue(
            self.client.webhook_endpoints.delete(endpoint.id).deleted)
        self.assertEqual(self.client.webhook_endpoints.list().data, [])

    def test_delivered(self):
        "Test that events arrive, signed, in order"
        receiver = self.receiver()
        self.paid(capture_method='automatic')
        self.assertTrue(self.account.webhooks.flush())
        self.assertEqual(receiver.refused, [])
        self.assertEqual(receiver.types, [
                'payment_intent.created', 'charge.succeeded',
                'payment_intent.succeeded'])
        event = self.client.events.list().data[0]
        self.assertEqual(event.id, receiver.events[-1].id)
        self.assertEqual(event.pending_webhooks, 0)

    def test_wrong_secret(self):
        "Test that the signature depends on the secret"
        receiver = self.receiver()
        receiver.secret = 'whsec_other'
        self.customer()
        self.account.webhooks.flush()
        self.assertEqual(len(receiver.refused), 1)

    def test_enabled_events(self):
        "Test that an endpoint gets only what it asked for"
        receiver = self.receiver(
            ['charge.succeeded'], api_version='2025-03-31.basil')
        other = self.receiver()
        self.client.webhook_endpoints.update(other.id, {'disabled': True})
        self.paid()
        self.account.webhooks.flush()
        self.assertEqual(receiver.types, ['charge.succeeded'])
        self.assertEqual(receiver.events[0].api_version, '2025-03-31.basil')
        self.assertEqual(other.types, [])

    def test_retried(self):
        "Test that failures are tried again, at growing intervals"
        receiver = self.receiver()
        receiver.status = 500
        self.customer()
        self.account.webhooks.flush()
        event, = self.client.events.list({'delivery_success': False}).data
        self.assertEqual(event.pending_webhooks, 1)
        self.simulator.clock.advance(3600)
        times = [e['time'] for e in self.account.webhooks.log]
        waits = [round(b - a) for a, b in zip(times, times[1:])]
        self.assertEqual(waits, [60, 120, 240, 480, 960])
        receiver.status = 200
        self.simulator.clock.advance(DAY)
        self.assertEqual(len(self.account.webhooks.log), 7)
        self.assertEqual(len({e.id for e in receiver.events}), 1)
        self.assertEqual(
            self.client.events.list({'delivery_success': False}).data, [])
        event = self.client.events.list().data[0]
        self.assertEqual(event.pending_webhooks, 0)

    def test_given_up(self):
        "Test that Stripe gives up after three days"
        receiver = self.receiver()
        receiver.status = 302
        self.customer()
        self.simulator.clock.advance(4 * DAY)
        tried = len(self.account.webhooks.log)
        self.assertTrue(8 < tried < 20)
        self.simulator.clock.advance(4 * DAY)
        self.assertEqual(len(self.account.webhooks.log), tried)
        event, = self.client.events.list({'delivery_success': False}).data
        self.assertEqual(event.pending_webhooks, 0)

    def test_nobody_there(self):
        "Test an endpoint that doesn't listen"
        receiver = self.receiver()
        receiver.stop()
        self.customer()
        self.assertTrue(self.account.webhooks.flush())
        entry, = self.account.webhooks.log
        self.assertIn('Refused', entry['error'])

    def test_held(self):
        "Test events that are held and released"
        receiver = self.receiver()
        self.account.webhooks.hold()
        for i in range(8):
            self.customer(name=str(i))
        self.assertEqual(len(self.account.webhooks.pending()), 8)
        self.assertEqual(receiver.events, [])
        self.assertEqual(
            len(self.client.events.list({'delivery_success': False}).data),
            8)
        self.account.webhooks.release()
        self.account.webhooks.flush()
        self.assertEqual(
            [e.data.object.name for e in receiver.events],
            [str(i) for i in range(8)])

    def names(self, *args, **kwargs):
        receiver = self.receiver(['customer.created'])
        self.account.webhooks.hold()
        for i in range(12):
            self.customer(name=str(i))
        self.account.webhooks.release(*args, **kwargs)
        self.account.webhooks.flush()
        self.client.webhook_endpoints.delete(receiver.id)
        return [e.data.object.name for e in receiver.events]

    def test_shuffled(self):
        "Test events out of order, the same way each time"
        order = [str(i) for i in range(12)]
        names = self.names('shuffle', seed=3)
        self.assertNotEqual(names, order)
        self.assertEqual(sorted(names), sorted(order))
        self.assertEqual(self.names('shuffle', seed=3), names)
        self.assertNotEqual(self.names('shuffle', seed=4), names)

    def test_doubled(self):
        "Test events that come twice"
        names = self.names(double=True)
        self.assertEqual(
            names, [n for i in range(12) for n in [str(i)] * 2])

    def test_dropped(self):
        "Test events that get lost"
        names = self.names(drop=0.5, seed=1)
        self.assertTrue(0 < len(names) < 12)
        lost = self.client.events.list(
            {'delivery_success': False, 'limit': 100}).data
        self.assertEqual(len(lost), 12 - len(names))

    def test_lost_and_doubled(self):
        "Test treatment of events without holding them"
        receiver = self.receiver()
        self.account.webhooks.lose()
        self.customer()
        self.account.webhooks.normal()
        self.account.webhooks.double()
        self.customer()
        self.account.webhooks.flush()
        self.assertEqual(len(receiver.events), 2)
        self.assertEqual(len({e.id for e in receiver.events}), 1)

    def test_delayed(self):
        "Test events that come late"
        receiver = self.receiver()
        self.account.webhooks.delay(600)
        self.customer()
        self.account.webhooks.flush()
        self.simulator.clock.advance(590)
        self.assertEqual(receiver.events, [])
        self.simulator.clock.advance(20)
        self.assertEqual(len(receiver.events), 1)

    def test_background(self):
        "Test that the clock runs by itself"
        receiver = self.receiver(['charge.updated'])
        self.account.set(settle_delay=0.2)
        self.paid()
        end = time.monotonic() + 5
        while not receiver.events and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual(receiver.types, ['charge.updated'])


class ClockTestCase(SimulatorTestCase):
    "Test the clock"

    def test_advance(self):
        "Test that what is due happens at its time"
        start = self.simulator.clock.now()
        seen = []
        for delay in [30, 10, 20]:
            self.simulator.clock.after(delay, lambda d=delay: seen.append(
                    (d, round(self.simulator.clock.now() - start))))
        self.simulator.clock.advance(25)
        self.assertEqual(seen, [(10, 10), (20, 20)])
        self.simulator.clock.advance(25)
        self.assertEqual(seen[2:], [(30, 30)])
        self.assertGreaterEqual(self.simulator.clock.now(), start + 50)

    def test_created(self):
        "Test that objects are created at the simulated time"
        first = self.customer().created
        self.simulator.clock.advance(1000)
        self.assertIn(self.customer().created - first, {1000, 1001, 1002})


del SimulatorTestCase
