# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Customers, payment methods, setup intents and customer sessions of the
simulator."""
import os
import tempfile
import urllib.request
from unittest.mock import patch

from .simulator import pages
from .simulator.testing import RETURN_URL, SimulatorTestCase


class CustomersTestCase(SimulatorTestCase):
    "Test customers and their payment methods"

    def test_deleted(self):
        "Test a customer that is deleted"
        customer, method = self.customer('pm_card_visa')
        self.assertTrue(self.client.customers.delete(customer.id).deleted)
        again = self.client.customers.retrieve(customer.id)
        self.assertEqual(again.to_dict(), {
                'id': customer.id, 'object': 'customer', 'deleted': True})
        self.assertEqual(self.client.customers.list().data, [])
        error = self.refused(self.client.customers.delete, customer.id)
        self.assertEqual(error.http_status, 404)
        error = self.refused(
            self.client.payment_methods.list, {'customer': customer.id})
        self.assertEqual(error.error.code, 'resource_missing')
        self.assertIsNone(
            self.client.payment_methods.retrieve(method.id).customer)
        self.refused(self.paid, method.id)

    def test_expanded(self):
        "Test what a customer has only when it is expanded"
        customer = self.customer()
        self.assertNotIn('sources', customer)
        customer = self.client.customers.retrieve(
            customer.id, {'expand': ['sources', 'tax_ids']})
        self.assertEqual(customer.sources.data, [])

    def test_detached(self):
        "Test that detaching is for good"
        customer, method = self.customer('pm_card_visa')
        self.client.customers.update(customer.id, {
                'invoice_settings': {'default_payment_method': method.id}})
        self.client.payment_methods.detach(method.id)
        self.refused(self.client.payment_methods.detach, method.id)
        self.refused(
            self.client.payment_methods.attach, method.id,
            {'customer': customer.id})
        self.refused(self.paid, method.id)
        customer = self.client.customers.retrieve(customer.id)
        self.assertIsNone(
            customer.invoice_settings.default_payment_method)

    def test_attach(self):
        "Test attaching"
        customer, method = self.customer('pm_card_visa')
        self.client.payment_methods.attach(
            method.id, {'customer': customer.id})
        error = self.refused(
            self.client.payment_methods.attach, method.id,
            {'customer': self.customer().id})
        self.assertIn("already been attached", error.error.message)
        error = self.refused(
            self.client.payment_methods.attach, method.id, {})
        self.assertEqual(error.error.code, 'parameter_missing')
        error = self.refused(
            self.client.payment_methods.attach,
            'pm_card_visa_chargeDeclined', {'customer': customer.id})
        self.assertEqual(error.http_status, 402)
        _, method = self.customer('pm_card_chargeCustomerFail')
        self.assertEqual(
            self.types().count('payment_method.attached'), 2)

    def test_lists(self):
        "Test listing payment methods"
        customer, first = self.customer('pm_card_visa')
        second = self.client.payment_methods.attach(
            'pm_card_mastercard', {'customer': customer.id})
        self.client.payment_methods.update(
            second.id, {'allow_redisplay': 'always'})

        def ids(**params):
            return [m.id for m in self.client.payment_methods.list(
                    dict(params, customer=customer.id)).data]
        self.assertEqual(ids(), [second.id, first.id])
        self.assertEqual(ids(type='card'), [second.id, first.id])
        self.assertEqual(ids(type='sepa_debit'), [])
        self.assertEqual(ids(allow_redisplay='always'), [second.id])
        self.assertEqual(
            [m.id for m in self.client.customers.payment_methods.list(
                    customer.id).data], [second.id, first.id])
        self.assertEqual(self.client.payment_methods.list().data, [])

    def test_default(self):
        "Test that a default belongs to the customer"
        _, method = self.customer('pm_card_visa')
        self.refused(
            self.client.customers.update, self.customer().id, {
                'invoice_settings': {'default_payment_method': method.id}})

    def test_email(self):
        "Test an address that isn't one"
        error = self.refused(self.customer, email='nobody')
        self.assertEqual(error.error.code, 'email_invalid')

    def test_unknown_filter(self):
        "Test lists of what isn't there"
        for function, params in [
                (self.client.charges.list, {'customer': 'cus_nope'}),
                (self.client.charges.list, {'payment_intent': 'pi_nope'}),
                (self.client.refunds.list, {'charge': 'ch_nope'}),
                (self.client.disputes.list, {'charge': 'ch_nope'}),
                (self.client.setup_intents.list, {'customer': 'cus_nope'}),
                (self.client.payment_intents.list,
                    {'customer': 'cus_nope'})]:
            error = self.refused(function, params)
            self.assertEqual(
                (error.http_status, error.error.code, error.error.param),
                (400, 'resource_missing', *params))

    def test_metadata(self):
        "Test the limits of metadata"
        for metadata in [
                {'k' * 41: 'v'}, {'k': 'v' * 501},
                {str(i): 'v' for i in range(51)}]:
            self.refused(self.customer, metadata=metadata)
        customer = self.customer(metadata={'a': 'b', 'c': 'd'})
        customer = self.client.customers.update(
            customer.id, {'metadata': {'a': '', 'e': 'f'}})
        self.assertEqual(
            customer.metadata.to_dict(), {'c': 'd', 'e': 'f'})


class SessionsTestCase(SimulatorTestCase):
    "Test what the Payment Element sees"

    def session(self, customer, **features):
        features.setdefault('payment_method_redisplay', 'enabled')
        return self.client.customer_sessions.create({
                'customer': customer.id, 'components': {
                    'payment_element': {
                        'enabled': True, 'features': features}}})

    def saved(self, customer, session, intent=None):
        intent = intent or self.intent(customer=customer.id)
        status, answer, _ = self.request('GET', '/v1/elements/sessions', {
                'client_secret': intent.client_secret,
                'customer_session_client_secret': session.client_secret,
                }, self.account.publishable_key)
        self.assertEqual(status, 200, answer)
        return [m['id'] for m in answer['customer']['payment_methods']]

    def test_session(self):
        "Test the attributes of a session"
        customer = self.customer()
        session = self.session(customer, payment_method_save='enabled')
        self.assertEqual(session.object, 'customer_session')
        self.assertEqual(session.expires_at, session.created + 1800)
        features = session.components.payment_element.features
        self.assertEqual(features.payment_method_redisplay_limit, 3)
        self.assertEqual(
            features.payment_method_allow_redisplay_filters, ['always'])
        self.refused(self.session, customer,
            payment_method_redisplay_limit=11)

    def test_filters(self):
        "Test that saved methods are filtered and limited"
        customer = self.customer()
        methods = []
        for redisplay in ['unspecified', 'limited', 'always', 'always']:
            method = self.client.payment_methods.attach(
                'pm_card_visa', {'customer': customer.id})
            if redisplay != 'unspecified':
                self.client.payment_methods.update(
                    method.id, {'allow_redisplay': redisplay})
            methods.insert(0, method.id)
        self.assertEqual(
            self.saved(customer, self.session(customer)), methods[:2])
        every = ['always', 'limited', 'unspecified']
        self.assertEqual(
            self.saved(customer, self.session(
                    customer, payment_method_redisplay_limit=10,
                    payment_method_allow_redisplay_filters=every)), methods)
        self.assertEqual(
            self.saved(customer, self.session(
                    customer, payment_method_redisplay_limit=1)),
            methods[:1])
        self.assertEqual(
            self.saved(customer, self.session(
                    customer, payment_method_redisplay='disabled')), [])

    def test_refused(self):
        "Test sessions that are over, and strangers"
        customer = self.customer()
        session = self.session(customer)
        intent = self.intent()
        self.simulator.clock.advance(1801)
        with self.assertRaises(AssertionError):
            self.saved(customer, session)
        status, _, _ = self.request('GET', '/v1/elements/sessions', {
                'client_secret': intent.id + '_secret_wrong',
                }, self.account.publishable_key)
        self.assertEqual(status, 400)

    def test_files(self):
        "Test that Stripe.js and pages are served"
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, 'stripe.js')
            with open(path, 'w') as f:
                f.write('js')
            with patch.object(pages, 'JS', directory):
                with urllib.request.urlopen(
                        self.simulator.stripe_js) as response:
                    self.assertEqual(response.read(), b'js')
                    self.assertIn(
                        'javascript', response.headers['Content-Type'])
        status, _, _ = self._status('/endive/../server.py')
        self.assertEqual(status, 404)

    def _status(self, path):
        try:
            with urllib.request.urlopen(self.simulator.url + path) as r:
                return r.status, r.read(), r.headers
        except urllib.error.HTTPError as e:
            with e:
                return e.code, e.read(), e.headers


class SetupIntentsTestCase(SimulatorTestCase):
    "Test setup intents"

    def setup_intent(self, **params):
        if params.get('confirm'):
            params.setdefault('return_url', RETURN_URL)
        return self.client.setup_intents.create(params)

    def test_bare(self):
        "Test a bare setup intent"
        intent = self.setup_intent(usage='on_session')
        self.assertEqual(intent.status, 'requires_payment_method')
        self.assertEqual(
            intent.automatic_payment_methods.allow_redirects, 'always')
        self.assertEqual(intent.usage, 'off_session')

    def test_succeeded(self):
        "Test that the method is attached"
        customer = self.customer()
        intent = self.setup_intent(customer=customer.id)
        answer = self.account.pay(intent.id)
        self.assertEqual(answer['status'], 'succeeded')
        method, = self.client.payment_methods.list(
            {'customer': customer.id}).data
        self.assertEqual(self.types()[1:], [
                'setup_intent.created', 'payment_method.attached',
                'setup_intent.succeeded'])
        self.client.setup_intents.update(
            intent.id, {'description': 'a', 'metadata': {'a': 'b'}})
        error = self.refused(
            self.client.setup_intents.update, intent.id,
            {'payment_method': 'pm_card_visa'})
        self.assertEqual(error.error.code, 'setup_intent_unexpected_state')
        self.refused(self.client.setup_intents.cancel, intent.id)

    def test_declined(self):
        "Test a method that is refused"
        error = self.refused(
            self.setup_intent, payment_method='pm_card_visa_chargeDeclined',
            confirm=True, customer=self.customer().id)
        self.assertEqual(error.http_status, 402)
        body = error.json_body['error']
        self.assertEqual(
            body['setup_intent']['status'], 'requires_payment_method')
        self.assertEqual(
            body['setup_intent']['last_setup_error']['code'],
            'card_declined')
        self.assertIsNone(body['setup_intent']['payment_method'])
        self.assertEqual(body['payment_method']['card']['last4'], '0002')
        self.assertEqual(self.types()[-1], 'setup_intent.setup_failed')
        intent = self.setup_intent(
            payment_method='pm_card_chargeCustomerFail', confirm=True,
            customer=self.customer().id)
        self.assertEqual(intent.status, 'succeeded')

    def test_no_default(self):
        "Test that the customer's default isn't used"
        customer, method = self.customer('pm_card_visa')
        self.client.customers.update(customer.id, {
                'invoice_settings': {'default_payment_method': method.id}})
        intent = self.setup_intent(customer=customer.id)
        error = self.refused(self.client.setup_intents.confirm, intent.id)
        self.assertEqual(error.error.code, 'setup_intent_unexpected_state')
        self.assertEqual(error.error.setup_intent.id, intent.id)

    def test_challenge(self):
        "Test challenges that the payer completes or fails"
        for succeed, status in [
                (True, 'succeeded'), (False, 'requires_payment_method')]:
            intent = self.setup_intent(customer=self.customer().id)
            answer = self.account.pay(
                intent.id, '4000002500003155', authenticate=None)
            self.assertEqual(answer['status'], 'requires_action')
            self.account.authenticate(intent.id, succeed)
            intent = self.client.setup_intents.retrieve(intent.id)
            self.assertEqual(intent.status, status)

    def test_canceled(self):
        "Test a setup that is given up"
        intent = self.setup_intent()
        intent = self.client.setup_intents.cancel(
            intent.id, {'cancellation_reason': 'abandoned'})
        self.assertEqual(intent.status, 'canceled')
        self.assertEqual(self.types()[-1], 'setup_intent.canceled')

    def test_missing(self):
        "Test an unknown setup intent"
        error = self.refused(
            self.client.setup_intents.retrieve, 'seti_nope')
        self.assertEqual(
            error.error.message, "No such setupintent: 'seti_nope'")
        self.assertEqual(error.error.param, 'intent')

    def test_direct_debit(self):
        "Test setting up a direct debit"
        customer = self.customer()
        intent = self.setup_intent(customer=customer.id)
        self.account.pay(intent.id, 'AT611904300234573201')
        intent = self.client.setup_intents.retrieve(intent.id)
        self.assertEqual(intent.status, 'succeeded')
        self.assertTrue(intent.mandate)
        payment = self.paid(
            intent.payment_method, customer=customer.id, off_session=True)
        self.assertEqual(payment.status, 'processing')
