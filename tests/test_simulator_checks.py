# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the simulator refuses of customers and amounts, and what an account
has to ask for."""
from .simulator import Remote
from .simulator.method_types import TYPES
from .simulator.remote import RemoteError
from .simulator.schema import compile_params
from .simulator.testing import RETURN_URL, SimulatorTestCase

CARD = {
    'number': '4242424242424242', 'exp_month': 1, 'exp_year': 2034,
    'cvc': '123'}
NEVER = {'enabled': True, 'allow_redirects': 'never'}


class CustomersTestCase(SimulatorTestCase):
    "Test what customers can't be"

    def test_unset(self):
        "Test that an empty string unsets, also when nothing is set"
        names = ['description', 'email', 'name', 'phone']
        status, customer, _ = self.request(
            'POST', '/v1/customers', {k: '' for k in names})
        self.assertEqual(status, 200)
        self.assertEqual({customer[k] for k in names}, {None})
        _, customer, _ = self.request('POST', '/v1/customers', {
                'description': 'a', 'email': 'a@example.com', 'name': 'a',
                'phone': '1'})
        _, customer, _ = self.request(
            'POST', '/v1/customers/' + customer['id'],
            {k: '' for k in names})
        self.assertEqual({customer[k] for k in names}, {None})

    def test_email(self):
        "Test addresses that are none"
        customer = self.customer()
        count = len(self.account.objects('customer'))
        for email in ['foo', 'foo@', '@example.com', '<', 'a@b@example.com',
                'a b@example.com', 'a@example.com, b@example.com',
                'foo@example', 'foo.@example.com', 'a..b@example.com',
                'foo@example..com', 'jos\xe9@example.com',
                'foo@-example.com', 'foo@example.com\n']:
            for call in [
                    lambda: self.customer(email=email),
                    lambda: self.client.customers.update(
                        customer.id, {'email': email})]:
                with self.subTest(email=email):
                    error = self.refused(call)
                    self.assertEqual(error.http_status, 400)
                    self.assertEqual(
                        (error.error.code, error.error.param,
                            error.error.message),
                        ('email_invalid', 'email',
                            "Invalid email address: " + email))
        self.assertEqual(len(self.account.objects('customer')), count)
        for email in ["o'neil+x@example.co.uk", 'a@conformance.x.invalid']:
            self.assertEqual(self.customer(email=email).email, email)

    def test_other_emails(self):
        "Test that addresses are checked wherever there is one"
        paid = self.paid()
        method = self.customer('pm_card_visa')[1]
        details = {'billing_details': {'email': 'foo@'}}
        for function, args, param in [
                (self.intent, [], 'receipt_email'),
                (self.client.payment_intents.update, [self.intent().id],
                    'receipt_email'),
                (self.client.refunds.create, [{
                            'payment_intent': paid.id,
                            'instructions_email': 'foo@'}],
                    'instructions_email'),
                (self.client.payment_methods.create, [dict(
                            details, type='klarna')],
                    'billing_details[email]'),
                (self.client.payment_methods.update, [method.id, details],
                    'billing_details[email]')]:
            with self.subTest(param=param):
                if param == 'receipt_email':
                    if args:
                        error = self.refused(
                            function, *args, {param: 'foo@'})
                    else:
                        error = self.refused(function, receipt_email='foo@')
                else:
                    error = self.refused(function, *args)
                self.assertEqual(
                    (error.error.code, error.error.param),
                    ('email_invalid', param))

    def test_lengths(self):
        "Test strings that are too long"
        customer = self.customer()
        intent = self.intent()
        setup = self.client.setup_intents.create()
        for path, param, maximum in [
                ('customers', 'name', 256),
                ('customers', 'phone', 20),
                ('customers', 'description', 5000),
                ('customers/' + customer.id, 'name', 256),
                ('customers/' + customer.id, 'phone', 20),
                ('payment_intents/' + intent.id, 'description', 1000),
                ('payment_intents/' + intent.id,
                    'statement_descriptor_suffix', 22),
                ('setup_intents/' + setup.id, 'description', 1000)]:
            with self.subTest(path=path, param=param):
                value = ''.join(
                    chr(97 + i % 26) for i in range(maximum + 1))
                status, answer, _ = self.request(
                    'POST', '/v1/' + path, {param: value})
                self.assertEqual(status, 400)
                error = answer['error']
                self.assertEqual(error['param'], param)
                self.assertEqual(
                    error['message'], "Invalid string: %s...%s; must be at "
                    "most %d characters" % (
                        value[:10], value[-10:], maximum))
                self.assertNotIn('code', error)
                status, answer, _ = self.request(
                    'POST', '/v1/' + path, {param: value[:-1]})
                self.assertEqual(status, 200, answer)

    def test_metadata(self):
        "Test metadata that is too much"
        for metadata, text in [
                ({'k' * 41: 'a'}, "up to 40 characters"),
                ({'k': 'a' * 501}, "up to 500 characters"),
                ({'k%d' % i: 'a' for i in range(51)}, "up to 50 keys")]:
            error = self.refused(self.customer, metadata=metadata)
            self.assertIn(text, error.error.message)
        self.customer(metadata={
                'k' * 37 + '%03d' % i: 'a' * 500 for i in range(50)})

    def test_deleted(self):
        "Test what is said of a customer that is deleted"
        customer, _ = self.customer('pm_card_visa', name="Jenny")
        intents = self.client.payment_intents
        self.client.customers.delete(customer.id)
        event, = self.client.events.list({'type': 'customer.deleted'}).data
        self.assertEqual(event.data.object.name, "Jenny")
        self.assertNotIn('deleted', event.data.object)
        text = "No such customer: '%s'" % customer.id
        for function, args, status, param in [
                (self.client.customers.update,
                    [customer.id, {'name': "A"}], 404, 'id'),
                (self.client.customers.delete, [customer.id], 404, 'id'),
                (self.client.customers.payment_methods.list,
                    [customer.id], 404, 'id'),
                (intents.create, [{
                            'amount': 1000, 'currency': 'eur',
                            'customer': customer.id}], 400, 'customer'),
                (self.client.setup_intents.create,
                    [{'customer': customer.id}], 400, 'customer'),
                (self.client.customer_sessions.create, [{
                            'customer': customer.id, 'components': {
                                'payment_element': {'enabled': True}}}],
                    400, 'customer')]:
            error = self.refused(function, *args)
            self.assertEqual(
                (error.http_status, error.error.code, error.error.param,
                    error.error.message),
                (status, 'resource_missing', param, text))


class AmountsTestCase(SimulatorTestCase):
    "Test amounts and currencies that can't be charged"

    def check(self, error, code, param='amount'):
        self.assertEqual(error.http_status, 400)
        self.assertEqual((error.error.code, error.error.param), (code, param))

    def test_fractions(self):
        "Test fractions that a currency doesn't have"
        for currency, amount, right in [
                ('isk', 50001, 50000), ('ugx', 50050, 50100),
                ('kwd', 5125, 5120), ('bhd', 5001, 5000),
                ('jod', 5009, 5010), ('omr', 5005, 5000),
                ('tnd', 5001, 5010)]:
            with self.subTest(currency=currency):
                self.check(self.refused(
                        self.intent, amount=amount, currency=currency), None)
                intent = self.intent(amount=right, currency=currency)
                self.check(self.refused(
                        self.client.payment_intents.update, intent.id,
                        {'amount': amount}), None)
        error = self.refused(self.intent, amount=50050, currency='ugx')
        self.assertIn("evenly divisible by 100", error.error.message)
        # The amount that is there has to fit another currency
        intent = self.intent(amount=5001, currency='eur')
        self.check(self.refused(
                self.client.payment_intents.update, intent.id,
                {'currency': 'kwd'}), None)

    def test_parts(self):
        "Test parts that a currency doesn't have"
        intent = self.paid(
            amount=50000, currency='isk', capture_method='manual')
        error = self.refused(
            self.client.payment_intents.capture, intent.id,
            {'amount_to_capture': 30050})
        self.check(error, None, 'amount_to_capture')
        self.assertEqual(error.error.payment_intent.id, intent.id)
        intent = self.paid(amount=5000, currency='kwd')
        self.check(self.refused(self.client.refunds.create, {
                    'payment_intent': intent.id, 'amount': 1001}), None)
        self.client.refunds.create(
            {'payment_intent': intent.id, 'amount': 1000})

    def test_too_large(self):
        "Test that there are eight digits, for rupiahs twelve"
        for currency, amount, text in [
                ('usd', 10 ** 8, "$999,999.99"),
                ('jpy', 10 ** 8, "¥99,999,999"),
                ('huf', 10 ** 8, "999,999.99 HUF"),
                ('kwd', 10 ** 8, "99,999.999 KWD"),
                ('idr', 10 ** 12, "9,999,999,999.99 IDR")]:
            with self.subTest(currency=currency):
                error = self.refused(
                    self.intent, amount=amount, currency=currency)
                self.check(error, 'amount_too_large')
                self.assertEqual(
                    error.error.message,
                    "Amount must be no more than " + text)
        self.intent(amount=10 ** 8 - 1, currency='usd')
        self.intent(amount=10 ** 12 - 1, currency='idr')

    def test_currency(self):
        "Test currencies that Stripe doesn't know"
        for currency in ['xyz', 'euro', 'e']:
            error = self.refused(self.intent, currency=currency)
            self.check(error, None, 'currency')
            self.assertIn("Invalid currency: %s. Stripe currently supports "
                "these currencies: usd, aed, afn" % currency,
                error.error.message)
        self.assertEqual(self.intent(currency='EUR').currency, 'eur')

    def test_charges(self):
        "Test that the older API refuses the same"
        self.account.enable_charges_api()
        for amount, currency, code, param in [
                (50050, 'ugx', None, 'amount'),
                (10 ** 8, 'usd', 'amount_too_large', 'amount'),
                (1000, 'xyz', None, 'currency')]:
            error = self.refused(self.client.charges.create, {
                    'amount': amount, 'currency': currency,
                    'source': 'tok_visa'})
            self.check(error, code, param)


class SettingsTestCase(SimulatorTestCase):
    "Test what an account has to ask for, also over HTTP"

    def setUp(self):
        super().setUp()
        self.remote = Remote(self.simulator.url).account(self.account.name)

    def calls(self):
        "Return the ways to send a number with the secret key"
        data = {'payment_method_data': {'type': 'card', 'card': CARD}}
        confirm = dict(data, confirm=True, automatic_payment_methods=NEVER)
        intent = self.intent(automatic_payment_methods=NEVER)
        setup = self.client.setup_intents.create(
            {'automatic_payment_methods': NEVER})
        return [
            lambda: self.client.payment_methods.create(
                {'type': 'card', 'card': CARD}),
            lambda: self.client.tokens.create({'card': CARD}),
            lambda: self.intent(**confirm),
            lambda: self.client.payment_intents.confirm(intent.id, data),
            lambda: self.client.setup_intents.create(confirm),
            lambda: self.client.setup_intents.confirm(setup.id, data)]

    def test_raw_card_data(self):
        "Test that numbers are taken only where that was allowed"
        for call in self.calls():
            error = self.refused(call)
            self.assertIn(
                "Sending credit card numbers directly to the Stripe API is "
                "generally unsafe.", error.error.message)
        self.remote.set(raw_card_data=True)
        *others, _ = [call() for call in self.calls()]
        self.assertEqual(others[0].card.last4, '4242')
        self.assertEqual(others[2].status, 'succeeded')
        self.remote.set(raw_card_data=False)
        self.refused(self.calls()[0])

    def test_numbers(self):
        "Test that the numbers do what they do in a browser"
        self.account.set(raw_card_data=True)
        for number, code in [
                ('4000000000009995', 'card_declined'),
                ('4242424242424241', 'incorrect_number')]:
            error = self.refused(
                self.intent, confirm=True, payment_method_data={
                    'type': 'card', 'card': dict(CARD, number=number)})
            self.assertEqual(error.http_status, 402)
            self.assertEqual(error.error.code, code)

    def test_payment_method_types(self):
        "Test that the Dashboard decides what is offered"
        self.remote.set(payment_method_types=['card', 'ideal'])
        self.assertEqual(
            self.intent().payment_method_types, ['card', 'ideal'])
        self.assertEqual(
            self.intent(currency='usd').payment_method_types, ['card'])
        self.assertEqual(
            self.client.setup_intents.create().payment_method_types,
            ['card', 'ideal'])
        self.remote.set(payment_method_types=['card'])
        self.assertEqual(self.intent().payment_method_types, ['card'])
        self.refused(
            self.paid, 'pm_sepaDebit_success_at', mandate_data={
                'customer_acceptance': {'type': 'offline', 'offline': {}}})

    def test_kept(self):
        "Test that an update keeps what was said of the types"
        for params, types in [
                ({'automatic_payment_methods': NEVER},
                    ['card', 'sepa_debit']),
                ({'allowed_payment_method_types': ['card']}, ['card']),
                ({'excluded_payment_method_types': ['klarna']},
                    ['card', 'sepa_debit', 'bancontact', 'ideal'])]:
            intent = self.intent(currency='usd', **params)
            before = intent.automatic_payment_methods
            intent = self.client.payment_intents.update(
                intent.id, {'currency': 'eur'})
            self.assertEqual(intent.payment_method_types, types)
            self.assertEqual(intent.automatic_payment_methods, before)

    def test_future_usage(self):
        "Test that what can't be kept isn't offered for later use"
        self.account.set(payment_method_types=['card', 'ideal', 'eps'])
        intent = self.intent()
        self.assertEqual(
            intent.payment_method_types, ['card', 'ideal', 'eps'])
        intent = self.client.payment_intents.update(
            intent.id, {'setup_future_usage': 'off_session'})
        self.assertEqual(intent.payment_method_types, ['card', 'ideal'])
        intent = self.intent(setup_future_usage='on_session')
        self.assertEqual(intent.payment_method_types, ['card', 'ideal'])

    def test_not_automatic(self):
        "Test an intent that takes cards only"
        intent = self.client.payment_intents.create({
                'amount': 1000, 'currency': 'eur', 'confirm': True,
                'payment_method': 'pm_card_visa',
                'automatic_payment_methods': {'enabled': False}})
        self.assertEqual(intent.payment_method_types, ['card'])
        self.assertEqual(intent.status, 'succeeded')

    def test_every_type(self):
        "Test that every type that Stripe has can be turned on"
        field = compile_params('PaymentMethodCreateParams').fields['type'][1]
        types = set(field.scalars[0].values) - {'custom'}
        self.assertEqual(set(TYPES), types)
        self.remote.set(payment_method_types=sorted(types))
        self.assertIn('twint', self.intent(
                currency='chf').payment_method_types)
        self.assertNotIn('twint', self.intent().payment_method_types)

    def test_return_url(self):
        "Test that a return URL is needed only where there is a redirect"
        params = {'payment_method': 'pm_card_visa', 'confirm': True}
        for types, currency, needed in [
                (['card', 'ideal'], 'eur', True),
                (['card', 'ideal'], 'usd', False),
                (['card', 'sepa_debit'], 'eur', False),
                (['card'], 'eur', False)]:
            with self.subTest(types=types, currency=currency):
                self.remote.set(payment_method_types=types)
                form = dict(params, amount=1000, currency=currency)
                create = self.client.payment_intents.create
                if needed:
                    error = self.refused(create, form)
                    self.assertIn("`return_url`", error.error.message)
                    form['return_url'] = RETURN_URL
                self.assertEqual(create(form).status, 'succeeded')
        self.remote.set(payment_method_types=['card', 'ideal'])
        error = self.refused(self.client.setup_intents.create, params)
        self.assertIn("`return_url`", error.error.message)
        self.remote.set(payment_method_types=['card'])
        self.client.setup_intents.create(params)

    def test_wrong(self):
        "Test settings that don't exist"
        for settings in [
                {'payment_method_types': ['nothing']},
                {'payment_method_types': []},
                {'payment_method_types': 'card'},
                {'raw_card_data': 'yes'},
                {'raw_card_data': True, 'no_such': 1}]:
            with self.assertRaises(RemoteError):
                self.remote.set(**settings)
        # All or nothing
        self.refused(self.calls()[0])


del SimulatorTestCase
