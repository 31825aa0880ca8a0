# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the simulator saves for later, and what it refuses to save."
from .simulator.testing import OFFLINE, RETURN_URL, SimulatorTestCase

BANKS = ['bancontact', 'ideal', 'sofort']


class SavingTestCase(SimulatorTestCase):
    "Test methods that redirect, and the debit that they generate"

    def setUp(self):
        super().setUp()
        self.account.set(
            payment_method_types=['card', 'sepa_debit', *BANKS, 'eps'])

    def set_up(self, type, succeed=True, **params):
        "Return a setup intent that the payer has gone through"
        intent = self.client.setup_intents.create(params)
        answer = self.account.pay(
            intent.id, '', type, authenticate=None, return_url=RETURN_URL)
        self.assertEqual(answer['status'], 'requires_action')
        self.assertEqual(answer['next_action']['type'], 'redirect_to_url')
        self.account.authenticate(intent.id, succeed)
        return self.client.setup_intents.retrieve(intent.id, {
                'expand': [
                    'latest_attempt.payment_method_details.%s'
                    '.generated_sepa_debit' % type, 'payment_method']})

    def test_offered(self):
        "Test what setup intents and payment intents offer"
        intent = self.client.setup_intents.create()
        self.assertEqual(
            intent.payment_method_types, ['card', 'sepa_debit', *BANKS])
        self.assertEqual(
            self.intent().payment_method_types,
            ['card', 'sepa_debit', *BANKS, 'eps'])
        self.assertEqual(
            self.intent(currency='usd').payment_method_types, ['card'])

    def test_bare(self):
        "Test that what a bare setup leaves is attached by its debit only"
        for type in BANKS:
            with self.subTest(type=type):
                intent = self.set_up(type)
                self.assertEqual(intent.status, 'succeeded')
                self.assertIsNone(intent.payment_method.customer)
                attempt = intent.latest_attempt
                self.assertEqual(attempt.status, 'succeeded')
                details = attempt.payment_method_details[type]
                debit = details.generated_sepa_debit
                self.assertEqual(debit.type, 'sepa_debit')
                self.assertIsNone(debit.customer)
                self.assertEqual(
                    debit.sepa_debit.generated_from.setup_attempt,
                    attempt.id)
                self.assertEqual(
                    debit.sepa_debit.last4, details.iban_last4)
                self.assertEqual(details.verified_name, 'Jenny Rosen')
                self.assertEqual(
                    details.generated_sepa_debit_mandate, intent.mandate)
                customer = self.customer()
                error = self.refused(
                    self.client.payment_methods.attach,
                    intent.payment_method.id, {'customer': customer.id})
                self.assertEqual(error.http_status, 400)
                self.assertEqual(
                    error.error.message, "PaymentMethods of type '%s' cannot "
                    "be saved to customers." % type)
                self.client.payment_methods.attach(
                    debit.id, {'customer': customer.id})
                payment = self.paid(
                    debit.id, customer=customer.id, off_session=True)
                self.assertEqual(payment.status, 'processing')

    def test_customer(self):
        "Test that the debit is attached to the customer of the intent"
        customer = self.customer()
        intent = self.set_up('ideal', customer=customer.id)
        debit = (intent.latest_attempt.payment_method_details.ideal
            .generated_sepa_debit)
        self.assertEqual(debit.customer, customer.id)
        self.assertIsNone(intent.payment_method.customer)
        method, = self.client.payment_methods.list(
            {'customer': customer.id}).data
        self.assertEqual(method.id, debit.id)
        self.assertEqual(self.types()[-3:], [
                'setup_intent.requires_action', 'payment_method.attached',
                'setup_intent.succeeded'])
        # It was used
        self.refused(self.paid, intent.payment_method.id)

    def test_failed(self):
        "Test that a failed attempt leaves nothing"
        intent = self.set_up('bancontact', succeed=False)
        self.assertEqual(intent.status, 'requires_payment_method')
        attempt = intent.latest_attempt
        self.assertEqual(attempt.status, 'failed')
        self.assertEqual(
            attempt.setup_error.code, 'setup_intent_authentication_failure')
        self.assertIsNone(attempt.payment_method_details.bancontact
            .generated_sepa_debit)
        self.assertNotIn('payment_method.attached', self.types())

    def test_attempts(self):
        "Test that attempts are listed, also those that were given up"
        intent = self.client.setup_intents.create(
            {'customer': self.customer().id})
        self.account.pay(
            intent.id, '4000002500003155', authenticate=None)
        self.account.pay(intent.id)
        attempts = self.client.setup_attempts.list(
            {'setup_intent': intent.id}).data
        self.assertEqual(
            [a.status for a in attempts], ['succeeded', 'abandoned'])
        self.assertEqual(
            attempts[0].payment_method_details.card.last4, '4242')

    def test_payment(self):
        "Test that a payment that is saved leaves the debit, too"
        customer = self.customer()
        intent = self.intent(
            customer=customer.id, setup_future_usage='off_session')
        self.account.pay(intent.id, '', 'bancontact', return_url=RETURN_URL)
        charge, = self.client.charges.list(
            {'payment_intent': intent.id}).data
        self.assertEqual(charge.status, 'succeeded')
        debit = (charge.payment_method_details.bancontact
            .generated_sepa_debit)
        method, = self.client.payment_methods.list(
            {'customer': customer.id}).data
        self.assertEqual(method.id, debit)
        self.assertEqual(
            method.sepa_debit.generated_from.charge, charge.id)
        # Without future use none is made
        intent = self.intent(customer=customer.id)
        self.account.pay(intent.id, '', 'bancontact', return_url=RETURN_URL)
        charge, = self.client.charges.list(
            {'payment_intent': intent.id}).data
        self.assertIsNone(charge.payment_method_details.bancontact
            .generated_sepa_debit)

    def test_refused(self):
        "Test that a customer can't be created with what can't be saved"
        method = self.client.payment_methods.create({'type': 'eps'})
        error = self.refused(self.customer, payment_method=method.id)
        self.assertIn("type 'eps' cannot be saved", error.error.message)
        self.assertEqual(self.account.objects('customer'), {})

    def test_link(self):
        "Test that only an intent with the customer saves Link"
        self.account.set(payment_method_types=['card', 'link'])
        customer = self.customer()
        intent = self.client.setup_intents.create()
        self.account.pay(intent.id, '', 'link')
        intent = self.client.setup_intents.retrieve(intent.id)
        self.assertEqual(intent.status, 'succeeded')
        error = self.refused(
            self.client.payment_methods.attach, intent.payment_method,
            {'customer': customer.id})
        self.assertIn("type 'link' cannot be saved", error.error.message)
        intent = self.client.setup_intents.create({'customer': customer.id})
        self.account.pay(intent.id, '', 'link')
        method, = self.client.payment_methods.list(
            {'customer': customer.id}).data
        self.assertEqual(method.type, 'link')

    def test_deleted_customer(self):
        "Test that nothing is saved to a customer that is deleted"
        customer = self.customer()
        setup = self.client.setup_intents.create({'customer': customer.id})
        payment = self.intent(customer=customer.id)
        method = self.client.payment_methods.create(
            {'type': 'card', 'card': {'token': 'tok_visa'}})
        self.client.customers.delete(customer.id)
        for function, id, params in [
                (self.client.payment_methods.attach, method.id,
                    {'customer': customer.id}),
                (self.client.setup_intents.confirm, setup.id, {
                        'payment_method': method.id,
                        'return_url': RETURN_URL}),
                (self.client.payment_intents.confirm, payment.id, {
                        'payment_method': method.id,
                        'return_url': RETURN_URL})]:
            error = self.refused(function, id, params)
            self.assertEqual(error.http_status, 400)
            self.assertEqual(
                (error.error.code, error.error.param, error.error.message),
                ('resource_missing', 'customer',
                    "No such customer: '%s'" % customer.id))

    def test_deleted_meanwhile(self):
        "Test a customer that is deleted while the payer is at the bank"
        customer = self.customer()
        intent = self.client.setup_intents.create({'customer': customer.id})
        self.account.pay(
            intent.id, '', 'ideal', authenticate=None, return_url=RETURN_URL)
        self.client.customers.delete(customer.id)
        self.account.authenticate(intent.id)
        self.assertNotIn('payment_method.attached', self.types())


class RefusalsTestCase(SimulatorTestCase):
    "Test what setup intents refuse"

    def setUp(self):
        super().setUp()
        self.owner, self.method = self.customer('pm_card_visa')

    def check(self, error, message, intent=True):
        self.assertEqual(error.http_status, 400)
        self.assertEqual(error.error.param, 'payment_method')
        self.assertIsNone(error.error.code)
        self.assertEqual(error.error.message, message)
        self.assertEqual(bool(error.error.setup_intent), intent)

    def calls(self, **params):
        "Iterate over the ways to use the method, and if an intent is shown"
        intents = self.client.setup_intents
        params = dict(params, **{
                'automatic_payment_methods': {
                    'enabled': True, 'allow_redirects': 'never'}})
        method = {'payment_method': self.method.id}
        yield (lambda: intents.create(dict(params, **method))), False
        intent = intents.create(params)
        yield (lambda: intents.update(intent.id, method)), True
        yield (lambda: intents.confirm(intent.id, method)), True

    def test_customer_missing(self):
        "Test a method whose customer isn't named"
        for call, shown in self.calls():
            self.check(
                self.refused(call), "The payment method supplied (%s) "
                "belongs to the Customer %s. Please include the Customer in "
                "the `customer` parameter on the SetupIntent." % (
                    self.method.id, self.owner.id), shown)

    def test_other_customer(self):
        "Test a method of another customer"
        other = self.customer()
        for call, shown in self.calls(customer=other.id):
            self.check(
                self.refused(call), "The PaymentMethod %s does not belong "
                "to the Customer you supplied %s. Please use this "
                "PaymentMethod with the Customer that it belongs to "
                "instead." % (self.method.id, other.id), shown)

    def test_used(self):
        "Test a method that was used without a customer"
        self.method = self.client.payment_methods.create({
                'type': 'sepa_debit',
                'sepa_debit': {'iban': 'AT611904300234573201'},
                'billing_details': {'name': "Jenny", 'email': 'a@b.example'}})
        self.paid(self.method.id, mandate_data=OFFLINE)
        for call, shown in self.calls():
            error = self.refused(call)
            self.check(error, error.error.message, shown)

    def test_over(self):
        "Test setup intents that are over"
        intents = self.client.setup_intents
        done = intents.create({
                'customer': self.owner.id, 'payment_method': self.method.id,
                'confirm': True, 'return_url': RETURN_URL})
        canceled = intents.create({'customer': self.owner.id})
        intents.cancel(canceled.id)
        for function, verb in [
                (intents.confirm, 'confirm'), (intents.update, 'update')]:
            for intent, text in [
                    (done, "already succeeded"),
                    (canceled, "been canceled")]:
                error = self.refused(
                    function, intent.id, {'payment_method': self.method.id})
                self.assertEqual(
                    error.error.message, "You cannot %s this SetupIntent "
                    "because it has %s." % (verb, text))
                self.assertEqual(
                    error.error.code, 'setup_intent_unexpected_state')
        for intent, text in [
                (done, "it has a status of succeeded. Only a SetupIntent "
                    "with one of the following statuses may be canceled: "
                    "`requires_payment_method`, `requires_confirmation`, or "
                    "`requires_action`."),
                (canceled, "it is already canceled.")]:
            error = self.refused(intents.cancel, intent.id)
            self.assertEqual(
                error.error.message,
                "You cannot cancel this SetupIntent because " + text)
        error = self.refused(intents.confirm, canceled.id)
        self.assertIn("missing a payment method", error.error.message)


del SimulatorTestCase
