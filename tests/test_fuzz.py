# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Whatever is sent, the answer is quick and polite and nothing is changed.

FUZZ is how many inputs are tried, FUZZ_SEED which ones; `make fuzz N=20000`
tries more of them."""
import base64
import json
import os
import re
import time

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from .fuzz import inputs
from .fuzz.stage import PREFIX, FuzzTestCase

NUMBER = int(os.environ.get('FUZZ', 800))
SEED = int(os.environ.get('FUZZ_SEED', 0))


class _FuzzTestCase(FuzzTestCase):

    def fuzz(self, share, check, strategy):
        "Call check with the share of the inputs"
        tried = 0

        @seed(SEED)
        @settings(
            max_examples=max(int(NUMBER * share), 1), deadline=None,
            database=None, print_blob=False,
            suppress_health_check=list(HealthCheck))
        @given(strategy)
        def play(value):
            nonlocal tried
            tried += 1
            check(value)
        started = time.monotonic()
        play()
        print("fuzz %-24s %6d inputs %5d s, slowest %d ms, %s" % (
                self.id().rpartition('.')[2], tried,
                time.monotonic() - started, self.slowest * 1000,
                ', '.join('%s: %d' % i for i in sorted(
                        self.statuses.items(), key=str))), flush=True)


class RoutesTestCase(_FuzzTestCase):
    "Test the routes"

    def test_each(self):
        "Test each body, header and query once at each route"
        paths = [('GET', '%s/checkout/account.payment/%s%s' % (
                    PREFIX, self.checkouts[0], end)) for end in ['', '/end']]
        paths += [
            ('POST', '%s/webhook/%s' % (PREFIX, i)) for i in self.webhooks]
        for method, path in paths:
            for body in inputs.BODIES if method == 'POST' else []:
                call = self.webhook(body())
                call.path = path.encode()
                self.assertIn(self.request(call)[0], {400, 413}, call)
            for name, values in inputs.HEADERS.items():
                for value in values:
                    self.request(inputs.Call(
                            method, path.encode(), headers={name: value}))
            for query in inputs.QUERIES:
                self.request(inputs.Call(method, path.encode(), query))
            for name in inputs.METHODS:
                self.request(inputs.Call(name, path.encode()))
        self.assertUsable()

    def test_requests(self):
        "Test anything at the paths of the routes"
        def check(call):
            self.request(call)
        self.fuzz(.35, check, inputs.calls(inputs.paths(
                    DB_NAME, self.checkouts, self.webhooks)))
        with self.transaction():
            Payment = Pool().get('account.payment')
            self.assertEqual(
                {p.state for p in Payment.browse(self.payments)},
                {'submitted'})
        self.assertUsable()

    def test_signatures(self):
        "Test signatures that are none"
        self.play_at_stripe()
        event = self.payload('payment_intent.succeeded')
        body = json.dumps(event).encode()
        now = int(time.time())

        def header(timestamp, kind, scheme, number, changed):
            signature = {
                'other secret': self.sign(body, 'whsec_other', timestamp),
                'other body': self.sign(body + b' ', None, timestamp),
                'upper': self.sign(body, None, timestamp).upper(),
                'cut': self.sign(body, None, timestamp)[:-1],
                'right': self.sign(body, None, timestamp),
                }.get(kind, kind)
            if kind == 'right' and scheme == 'v1' and (
                    timestamp > now - 200 and not changed):
                scheme = 'v0'
            items = ['t=%s' % timestamp] + ['%s=%s' % (
                    scheme, signature)] * number
            # Stripe may add schemes, the first timestamp counts
            # Servers take no longer ones
            return ','.join(changed + items)[:1 << 16]

        headers = st.builds(
            header,
            st.sampled_from([
                    0, -1, 1, now - 301, now - 3600, now, 10 ** 30]),
            st.sampled_from([
                    'other secret', 'other body', 'upper', 'cut', 'right',
                    '', 'é', '=', '0' * 64, 'x' * 100000]),
            st.sampled_from(['v1', 'v0', 'V1', ' v1', 'v1 ', '']),
            st.sampled_from([0, 1, 2, 3000]),
            st.sampled_from([
                    [], ['t='], ['t=1'], ['t=x'], ['t=٣'], ['t'], ['é=é'],
                    ['t=%s' % ('9' * 5000)], ['t=-1'], ['t=1e9'], ['=']]))

        def check(header):
            status, _ = self.request(self.webhook(body, header))
            self.assertEqual(status, 400, header[:200])
        self.fuzz(.05, check, st.one_of(
                headers, st.sampled_from(inputs.TEXTS), st.text().filter(
                    lambda t: t.isprintable())))
        self.assertUsable()

    def test_payloads(self):
        "Test events that Stripe would never sign"
        with self.transaction():
            Event = Pool().get('account.payment.stripe.event')
            types = [*Event.handlers(), 'balance.available', 'x', '']
        events = self.play_at_stripe()
        rows = self.rows()

        def check(change):
            changes, event = change
            if isinstance(event['id'], str) and (
                    event['id'].startswith('evt_')
                    and event['id'] not in inputs.TEXTS):
                event['id'] = self.next_id()
            before = self.rows()
            status, _, _, errors = self.send(self.webhook(json.dumps(event)))
            self.assertFalse(errors, changes)
            self.assertIn(status, {204, 400, 503}, changes)
            if status == 400:
                self.assertEqual(self.rows(), before, changes)
            else:
                self.restore(rows)
        self.fuzz(.25, check, inputs.payloads(events, types))
        self.assertUsable()

    def test_unsigned(self):
        "Test events posted to an account without a signing secret"
        with self.transaction():
            Event = Pool().get('account.payment.stripe.event')
            types = [*Event.handlers(), 'x']
        events = self.play_at_stripe()
        known = {e['id'] for e in events}

        def check(change):
            changes, event = change
            if str(event['id']) in known:
                event['id'] = self.next_id()
            status, _ = self.request(self.webhook(
                    json.dumps(event), '', self.webhooks[1]))
            # So many that Stripe is not asked about all of them
            self.assertIn(status, {400, 429}, changes)
        self.fuzz(.1, check, inputs.payloads(events, types))
        self.assertUsable()


class RPCTestCase(_FuzzTestCase):
    "Test what the clients can call"
    told = re.compile(r'Traceback|File "|site-packages|_secret_')

    def setUp(self):
        super().setUp()
        with self.transaction():
            pool = Pool()
            User = pool.get('res.user')
            Group = pool.get('res.group')
            ModelData = pool.get('ir.model.data')
            Session = pool.get('ir.session')
            group = Group(ModelData.get_id(
                    'account_payment', 'group_payment'))
            clerk, seller = User.create([{
                        'name': name,
                        'login': '%s %s' % (name, self.world.name),
                        'companies': [('add', [self.company])],
                        'company': self.company,
                        'groups': [('add', groups)],
                        } for name, groups in [
                            ("Clerk", [group.id]), ("Seller", [])]])
            self.sessions = {'nobody': None}
            for name, user in [('clerk', clerk), ('seller', seller)]:
                with Transaction().set_user(user.id), \
                        Transaction().set_context(
                            _request={'remote_addr': '127.0.0.1'}):
                    token = ':'.join([
                            user.login, str(user.id), Session.new()])
                self.sessions[name] = base64.b64encode(
                    token.encode()).decode()
            self.methods, self.harmless = [], []
            for type_, name, class_ in [
                    (t, n, c) for t in ['model', 'wizard', 'report']
                    for n, c in pool.iterobject(type=t)
                    if 'stripe' in n or n == 'account.payment']:
                for method in class_.__rpc__:
                    if method.startswith('fields_'):
                        # trytond follows relations as deep as it is told
                        continue
                    full = '%s.%s.%s' % (type_, name, method)
                    self.methods.append(full)
                    if not method.startswith(
                            ('create', 'write', 'delete', 'copy', 'webhook')):
                        self.harmless.append(full)
            self.methods += [
                'model.account.payment.%s' % m for m in [
                    'stripe_charge', 'stripe_capture_', 'stripe_apply',
                    'stripe_store', 'from_checkout_id', 'stripe_lock']]
        self.ids = [*self.payments, self.account, self.customer]

    def call(self, who, method, params):
        "Return the status and the answer of trytond"
        headers = {'Content-Type': 'application/json'}
        if self.sessions[who]:
            headers['Authorization'] = 'Session ' + self.sessions[who]
        call = inputs.Call(
            'POST', ('/%s/rpc/' % DB_NAME).encode(), headers=headers,
            body=json.dumps({
                    'id': 1, 'method': method, 'params': params}).encode())
        status, _, text, _ = self.send(call)
        self.assertNotRegex(text, self.told, call)
        return status, json.loads(text) if status == 200 else {
            'error': text}

    def test_nobody(self):
        "Test that nothing can be called without a session"
        before = self.rows()

        def check(call):
            status, _ = self.call('nobody', *call)
            self.assertEqual(status, 401)
            self.assertEqual(self.rows(), before)
        self.fuzz(.05, check, inputs.rpcs(self.methods, self.ids))
        self.assertUsable()

    def test_seller(self):
        "Test that who has no right to payments changes nothing"
        methods = [m for m in self.methods if not m.endswith('.webhook')]
        before = self.rows()

        def check(call):
            status, _ = self.call('seller', *call)
            self.assertLess(status, 500)
            self.assertEqual(self.rows(), before)
        self.fuzz(.1, check, inputs.rpcs(methods, self.ids))
        self.assertUsable()

    def test_clerk(self):
        "Test that what fails changes nothing"
        rows = self.rows()

        def check(call):
            before = self.rows()
            status, answer = self.call('clerk', *call)
            self.assertLess(status, 500)
            if 'error' in answer:
                self.assertEqual(self.rows(), before)
            else:
                self.restore(rows)
        self.fuzz(.1, check, inputs.rpcs(self.harmless, self.ids))
        self.assertUsable()
