# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The simulator follows the types of the stripe package: each endpoint takes
the parameters that the package declares, each object has its attributes."""
import inspect
import pkgutil
import re

import stripe

from .simulator import schema
from .simulator.api import ENDPOINTS
from .simulator.objects import ABSENT, KINDS
from .simulator.testing import OFFLINE, RETURN_URL, SimulatorTestCase

# Endpoints that the package's services don't have
OTHER_PATHS = {
    'GET /v1/account': "AccountService.retrieve_current",
    'GET /v1/charges/{id}/dispute': "older URL, recorded",
    'POST /v1/charges/{id}/dispute': "older URL, recorded",
    'POST /v1/charges/{id}/dispute/close': "older URL",
    'POST /v1/charges/{id}/refund': "older URL, recorded",
    'POST /v1/charges/{id}/refunds': "older URL, recorded",
    'GET /v1/charges/{id}/refunds': "only a method of Charge",
    'GET /v1/charges/{id}/refunds/{refund}': "only a method of Charge",
    'POST /v1/charges/{id}/refunds/{refund}': "older URL",
    }
# Stripe.js calls them, the package doesn't know them
OWN_DESIGN = {'GET /v1/elements/sessions', 'POST /v1/3ds2/authenticate'}
# Nested attributes that the simulator leaves out, with the reason
NESTED = {
    'account.business_profile': "not read by anything",
    'account.capabilities': "one for each method of payment",
    'account.controller': "only for platforms",
    'account.settings': "not read by anything",
    'account.settings.dashboard': "not read by anything",
    'charge.fraud_details': "filled when the charge is reported",
    'charge.outcome.rule': "only when a rule decided",
    'charge.payment_method_details': "only the key of its own type",
    'charge.radar_options': "only with a radar session",
    'customer_session.components.payment_element.features': "all there",
    'event.data': "previous_attributes only where something changed",
    'dispute.evidence.enhanced_evidence': "filled for eligible disputes",
    'dispute.evidence_details.enhanced_eligibility': "only when eligible",
    'dispute.payment_method_details': "only the key of its own type",
    'mandate.customer_acceptance': "as given",
    'mandate.multi_use': "empty",
    'mandate.payment_method_details': "only the key of its own type",
    'payment_intent.amount_details': "only what applies",
    'payment_intent.amount_details.tip': "empty without terminal",
    'payment_intent.last_payment_error': "null keys are absent",
    'payment_intent.next_action': "only the key of its own type",
    'payment_intent.payment_method_options': "only types in use",
    'payment_intent.payment_method_options.card': "recorded subset",
    'refund.destination_details': "only the key of its own type",
    'refund.destination_details.card': "reference comes later",
    'setup_attempt.payment_method_details': "only the key of its own type",
    'setup_attempt.payment_method_details.card': "not read by anything",
    'setup_intent.last_setup_error': "null keys are absent",
    'setup_intent.next_action': "only the key of its own type",
    'setup_intent.payment_method_options': "only types in use",
    'setup_intent.payment_method_options.card': "recorded subset",
    'source.owner.address': "null unless given",
    }


def declared_requests():
    "Return the package's (method, path) by the type of the parameters"
    pattern = re.compile(
        r'params: (?:Optional\[)?"(\w+)"(?:(?!params: ).)*?'
        r'self\._request\(\s*"(\w+)",\s*"(/v1/[^"]*)"', re.S)
    result = {}
    for package, prefix in [(stripe, ''), (stripe.radar, 'radar.')]:
        for module in pkgutil.iter_modules(package.__path__):
            if not module.name.endswith('_service'):
                continue
            module = __import__(
                '%s.%s' % (package.__name__, module.name), fromlist=['x'])
            for params, method, path in pattern.findall(
                    inspect.getsource(module)):
                result.setdefault(prefix + params, set()).add(
                    (method.upper(), re.sub(r'\{\w+\}', '{}', path)))
    return result


def sample(node, nested=False):
    "Return the form of a value that the validator takes"
    if isinstance(node, schema.Hash):
        fields = {k: n for k, (r, n) in node.fields.items() if r}
        if nested and not fields:
            fields = dict([next(
                        (k, n) for k, (_, n) in node.fields.items()
                        if k != 'expand')])
        return {k: sample(n, True) for k, n in fields.items()}
    elif isinstance(node, schema.Array):
        return {'0': sample(node.item, True)}
    elif isinstance(node, schema.Map):
        return {'key': 'value'}
    elif isinstance(node, schema.Enum):
        return next(iter(node.values))
    elif isinstance(node, schema.Boolean):
        return 'true'
    elif isinstance(node, (schema.Integer, schema.Number)):
        return '1'
    elif isinstance(node, schema.Union):
        options = node.scalars or [node.array, node.hash, node.map]
        return sample(next(o for o in options if o), nested)
    return 'text'


def flatten(value, name=''):
    for key, item in value.items():
        key = '%s[%s]' % (name, key) if name else key
        if isinstance(item, dict):
            yield from flatten(item, key)
        else:
            yield key, item


def wrong(node):
    "Return forms of the wrong type, with Stripe's message"
    if isinstance(node, schema.Integer):
        return 'x', "Invalid integer: x"
    elif isinstance(node, schema.Boolean):
        return 'x', "Invalid boolean: x"
    elif isinstance(node, schema.Enum):
        return 'no such value', "must be"
    elif isinstance(node, schema.Array):
        return 'x', "Invalid array"
    elif isinstance(node, (schema.Hash, schema.Map)):
        return 'x', "Invalid object"
    elif isinstance(node, schema.String):
        return {'a': 'x'}, "Invalid string"


class ParametersTestCase(SimulatorTestCase):
    "Test the parameters of every endpoint"

    def endpoints(self):
        "Return every endpoint with a path"
        return [
            (e, re.sub(r'\{\w+\}', 'id_none', e.path)) for e in ENDPOINTS
            if e.operation not in OWN_DESIGN]

    def check(self, endpoint, path, form, message, code, param):
        with self.subTest(endpoint=endpoint.operation, param=param):
            status, answer, _ = self.request(
                endpoint.method, path, list(flatten(form)))
            error = answer['error']
            self.assertEqual(status, 400, error)
            self.assertEqual(error['type'], 'invalid_request_error')
            self.assertIn(message, error['message'])
            self.assertEqual(error.get('code'), code)
            self.assertEqual(error.get('param'), param)

    def test_declared(self):
        "Test that parameters come from the package, for the same request"
        requests = declared_requests()
        for endpoint, _ in self.endpoints():
            self.assertTrue(schema.declared(endpoint.params))
            if endpoint.operation not in OTHER_PATHS:
                path = re.sub(r'\{\w+\}', '{}', endpoint.path)
                self.assertIn(
                    (endpoint.method, path),
                    requests.get(endpoint.params, ()))

    def test_complete(self):
        "Test that no parameter of the package is left out"
        options = set(
            stripe._request_options.RequestOptions.__annotations__)
        for endpoint, _ in self.endpoints():
            class_ = schema.declared(endpoint.params)
            declared = set(class_.__annotations__) - options
            self.assertEqual(
                set(endpoint.schema.fields),
                declared | set(endpoint.extra))

    def test_unknown(self):
        "Test unknown parameters"
        for endpoint, path in self.endpoints():
            form = dict(sample(endpoint.schema), no_such='1')
            self.check(
                endpoint, path, form, "Received unknown parameter: no_such",
                'parameter_unknown', 'no_such')

    def test_missing(self):
        "Test missing parameters"
        for endpoint, path in self.endpoints():
            for name in endpoint.schema.required:
                form = sample(endpoint.schema)
                del form[name]
                self.check(
                    endpoint, path, form,
                    "Missing required param: %s." % name,
                    'parameter_missing', name)

    def test_wrong_type(self):
        "Test parameters of the wrong type"
        tested = 0
        for endpoint, path in self.endpoints():
            for name, (_, node) in endpoint.schema.fields.items():
                case = wrong(node)
                if not case:
                    continue
                value, message = case
                form = dict(sample(endpoint.schema), **{name: value})
                code = None
                if isinstance(node, schema.Integer):
                    code = 'parameter_invalid_integer'
                self.check(endpoint, path, form, message, code, name)
                tested += 1
        self.assertGreater(tested, 300)

    def test_payment_method_types(self):
        "Test the parameter that endive took away"
        for path in ['/v1/payment_intents', '/v1/setup_intents',
                '/v1/payment_intents/pi_none/confirm']:
            _, answer, _ = self.request(
                'POST', path, {'payment_method_types[0]': 'card'})
            self.assertEqual(
                answer['error']['code'],
                'payment_method_types_no_longer_supported')

    def test_expand(self):
        "Test what can't be expanded"
        for endpoint, path in self.endpoints():
            name = 'data.amount' if endpoint.many else 'amount'
            form = dict(sample(endpoint.schema), expand={'0': name})
            if 'expand' not in endpoint.schema.fields:
                continue
            self.check(
                endpoint, path, form,
                "This property cannot be expanded (%s)." % name, None, None)


class ObjectsTestCase(SimulatorTestCase):
    "Test the attributes of every object"

    def answers(self):
        "Return an answer for each kind of object"
        def get(path):
            status, answer, _ = self.request('GET', path)
            self.assertEqual(status, 200, answer)
            yield answer

        def post(path, **form):
            status, answer, _ = self.request(
                'POST', path, list(flatten(form)))
            self.assertEqual(status, 200, answer)
            yield answer

        def of(kind):
            return next(iter(self.account.table(kind).rows))
        self.account.enable_charges_api()
        customer, method = self.customer('pm_card_visa', email='a@b.c')
        paid = self.paid(
            method.id, customer=customer.id, capture_method='automatic')
        self.paid('pm_sepaDebit_success_at', mandate_data=OFFLINE)
        self.paid('pm_card_authenticationRequired')
        self.paid('pm_card_visa', capture_method='manual')
        self.refused(self.paid, 'pm_card_visa_chargeDeclined')
        refund = self.client.refunds.create({
                'payment_intent': paid.id, 'amount': 1})
        self.paid('pm_card_createDispute')
        self.paid('pm_card_createEarlyFraudWarning')
        warning = self.client.radar.early_fraud_warnings.list().data[0]
        yield from get('/v1/radar/early_fraud_warnings/%s' % warning.id)
        setup = self.client.setup_intents.create({
                'customer': customer.id, 'payment_method': method.id,
                'confirm': True, 'return_url': RETURN_URL})
        yield from get('/v1/account')
        yield from get('/v1/balance')
        self.account.topup(100, 'usd')
        yield from post('/v1/payouts', amount='100', currency='usd')
        for kind in ['charge', 'dispute', 'payment_intent', 'event',
                'balance_transaction', 'payment_method']:
            for id in list(self.account.table(kind).rows):
                yield from get('/v1/%ss/%s' % (kind, id))
        yield from get('/v1/customers/%s' % customer.id)
        yield from get('/v1/refunds/%s' % refund.id)
        yield from get('/v1/setup_intents/%s' % setup.id)
        for kind in ['mandate', 'setup_attempt']:
            yield dict(self.account.table(kind).get(of(kind)))
        yield from post('/v1/customers/%s/sources' % customer.id,
            source='tok_visa')
        yield from post('/v1/sources', type='card', token='tok_visa')
        yield from get('/v1/tokens/tok_visa')
        yield from post('/v1/webhook_endpoints', url='http://localhost/',
            enabled_events={'0': '*'})
        yield from post(
            '/v1/payment_method_domains', domain_name='shop.example.com')
        yield from post('/v1/customer_sessions', customer=customer.id,
            components={'payment_element': {
                    'enabled': 'true',
                    'features': {'payment_method_redisplay': 'enabled'}}})

    def test_attributes(self):
        "Test that every declared attribute is there"
        seen = set()
        for answer in self.answers():
            kind = answer['object']
            seen.add(kind)
            with self.subTest(kind=kind):
                class_ = KINDS[kind]
                self.check(
                    class_, answer, kind, set(ABSENT.get(kind, ())))
        self.assertEqual(seen, set(KINDS))

    def check(self, class_, answer, path, absent=frozenset()):
        declared = set(class_.__annotations__) - {'OBJECT_NAME'} - absent
        if path not in NESTED:
            self.assertEqual(declared - set(answer), set(), path)
        for name, value in answer.items():
            nested = getattr(class_, ''.join(
                    p.capitalize() for p in name.split('_')), None)
            if isinstance(value, dict) and isinstance(nested, type):
                self.check(nested, value, path + '.' + name)

    def test_exceptions(self):
        "Test that each exception is declared and has a reason"
        for kind, names in ABSENT.items():
            for name, reason in names.items():
                self.assertIn(name, KINDS[kind].__annotations__)
                self.assertTrue(reason)

    def test_package(self):
        "Test that the package reads what it declares"
        intent = self.paid()
        self.assertIsInstance(intent, stripe.PaymentIntent)
        self.assertIsNone(intent.payment_method_options.card.network)
        charge = self.client.charges.retrieve(intent.latest_charge)
        self.assertEqual(charge.outcome.type, 'authorized')
        self.assertIsNone(charge.payment_method_details.card.three_d_secure)


del SimulatorTestCase
