# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What nobody sane sends: the inputs that hypothesis chooses from."""
import copy
import gzip
import io
import json
import re
from dataclasses import dataclass, field
from urllib.parse import quote, quote_from_bytes

from hypothesis import strategies as st

FOREIGN_HOST = 'evil.example'
METHODS = [
    'GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'CONNECT',
    'PROPFIND', 'get', '', 'GET\t', 'X' * 1000]
TEXTS = [
    '', ' ', '0', '-1', 'None', 'null', 'true', '%', '%%s%n%x', '*', '.', '..',
    "' OR 1=1 --", "'; DROP TABLE account_payment; --", '" OR ""="',
    '1) UNION SELECT secret_key FROM account_payment_stripe_account --',
    '<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', '${1+1}',
    '{0.__class__}', '{{7*7}}', '__class__', '../../etc/passwd',
    '..\\..\\windows', '/etc/passwd', 'file:///etc/passwd',
    '//' + FOREIGN_HOST,
    'http://%s/' % FOREIGN_HOST, '\x00', 'evt_1\x00', 'a\r\nX: y', '\x1b[2J',
    'é', '\u202e', '\ufeff', '😀', '\U0010ffff', 'ＡＢＣ', '٣', 'ﬀ', 'x' * 256,
    'x' * 70000, 'a' * 32, 'evt_' + '0' * 24, 'pi_' + '0' * 24]
BYTES = [
    b'\xff\xfe', b'\xed\xa0\x80', b'\xc0\xaf', b'\x80', b'%', b'%zz', b'%2',
    b'%25', b'%2500', b'%252e%252e%252f', b'..%2f..%2f', b'%2e%2e/', b'%u002f',
    b'%5c..%5c', b';x=1', b'//', b'/./', b'/../', b'%0d%0aX:%20y']
MODELS = [
    'account.payment', 'account.payment.stripe.customer',
    'account.payment.stripe.account', 'account.payment.stripe.refund',
    'account.payment.stripe.event', 'account.payment ', 'Account.Payment',
    'account.payment\x00', 'account_payment', 'res.user', 'ir.model',
    'party.party', '__class__']
DATABASES = [
    'unknown', ':memory:', 'template1', 'postgres', '..', '.', '', 'file:x',
    ':memory:?mode=ro', '__all__', 'test%20', 'x' * 300]
SURROGATE = '\ud800'
VALUES = [
    None, True, False, 0, 1, -1, 10 ** 12, -2 ** 63, 2 ** 63, 10 ** 30,
    10 ** 400, 1e308, 1.5, float('nan'), float('inf'), [], {}, [[]], [None],
    {'id': None}, {'id': {}}, {'data': []}, {'object': 'charge'},
    SURROGATE, 'x' + SURROGATE, ['x'] * 10000, 'succeeded', 'canceled', 'usd',
    *TEXTS]


# What is used of the object of an event
USED = [
    'id', 'object', 'status', 'amount', 'amount_received', 'amount_refunded',
    'amount_capturable', 'amount_captured', 'captured', 'charge', 'currency',
    'last_payment_error', 'latest_charge', 'payment_intent', 'refunded',
    'reason']


def _deep(opening, inner, closing, depth):
    return opening * depth + inner + closing * depth


# Functions, so that the big ones are made when they are used
BODIES = [
    lambda: b'', lambda: b'null', lambda: b'[]', lambda: b'{}',
    lambda: b'"evt_1"', lambda: b'1', lambda: b'NaN', lambda: b'-Infinity',
    lambda: b'{', lambda: b'{"object": "event"', lambda: b'\x00' * 100,
    lambda: b'\xff\xfe{\x00}\x00', lambda: b'\xef\xbb\xbf{}',
    lambda: '{"object": "event"}'.encode('utf-16'),
    lambda: '{"object": "event"}'.encode('utf-32'),
    lambda: b'{"object": "event", "id": "\xe9"}',
    lambda: b'{"object": "event", "id": "\xed\xa0\x80"}',
    lambda: _deep(b'[', b'', b']', 100000),
    lambda: _deep(b'[', b'', b'', 100000),
    lambda: _deep(b'{"data":', b'1', b'}', 100000),
    lambda: _deep(b'{"object":"event","data":', b'1', b'}', 20000),
    lambda: b'1' * 100000, lambda: b'1e' + b'9' * 5000,
    lambda: b'[%s]' % b','.join([b'1' * 4000] * 100),
    lambda: b'{"object":"event","created":%s}' % (b'9' * 5000),
    lambda: b' ' * (1 << 20), lambda: b'"%s"' % (b'x' * (1 << 20)),
    lambda: b'x' * (3 << 20), lambda: b'{"a":"%s"}' % (b'x' * (5 << 20)),
    lambda: b'{%s}' % b','.join(b'"%d":1' % i for i in range(50000)),
    lambda: b'{"id":"evt_1","id":"evt_2","object":"x","object":"event"}',
    lambda: gzip.compress(b'{"object": "event"}'),
    lambda: gzip.compress(b'\x00' * (10 << 20)),
    lambda: b'a=b&c=%zz', lambda: b'--x\r\nContent-Disposition: form-data\r\n',
    lambda: b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>']
HEADERS = {
    'Host': [
        FOREIGN_HOST, FOREIGN_HOST + ':80', 'localhost@' + FOREIGN_HOST, '',
        'a b', '[::1', '[::1]:x', 'x:99999999', 'é', '"><script>', "' OR 1=1",
        'a' * 5000, '../..', 'localhost, ' + FOREIGN_HOST],
    'X-Forwarded-Host': [FOREIGN_HOST], 'Forwarded': ['host=' + FOREIGN_HOST],
    'X-Forwarded-Prefix': ['//' + FOREIGN_HOST],
    'X-Forwarded-Proto': ['javascript'], 'X-Original-Url': ['/'],
    'X-Http-Method-Override': ['DELETE'],
    'Content-Type': [
        'application/json', 'application/json; charset=utf-16',
        'application/json; charset=unknown', 'text/xml', 'text/json-xml',
        'multipart/form-data', 'multipart/form-data; boundary=x',
        'application/x-www-form-urlencoded', '', ';', 'é', 'a' * 9000],
    'Content-Encoding': [
        'gzip', 'deflate', 'br', 'identity', 'é', 'gzip,gzip'],
    'Transfer-Encoding': ['chunked', 'gzip, chunked', 'x'],
    'Content-Length': ['', '-1', 'x', '1e3', '٣', '9' * 30, '99999999', '+5'],
    'Accept': ['application/json', 'text/xml', '*/*;q=x', ',' * 5000],
    'Accept-Language': [
        'de', 'fr;q=0', 'x' * 5000, ',;q=', '*', '../..', 'é', 'en_US@x',
        ','.join('a%d;q=0.%d' % (i, i) for i in range(1000)), '-', '%s', "'"],
    'Accept-Encoding': ['gzip', 'identity;q=0'],
    'Accept-Charset': ['utf-16', 'x'],
    'Cookie': [
        'tryton_session=', 'tryton_session=a:1:b', 'tryton_session=a:%s:b' % (
            '9' * 40), 'tryton_session=admin:1:', 'tryton_session=:::::',
        'tryton_session="é:1:\\000"', '=;=;', 'x' * 9000],
    'Authorization': [
        'Basic YWRtaW46YWRtaW4=', 'Basic é', 'Basic', 'Session',
        'Session YTpiOmM=', 'Session YToxOmM=', 'Session x=1', 'Bearer x',
        'Session YTo5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk6Yw==', ' ', 'Digest x'],
    'Origin': ['null', 'http://localhost'],
    'Referer': ['http://%s/' % FOREIGN_HOST],
    'Range': ['bytes=0-1', 'bytes=-', 'x'],
    'If-None-Match': ['*', 'é'], 'If-Modified-Since': ['x', '٣'],
    'Expect': ['100-continue', 'x'], 'Upgrade': ['websocket'],
    'Stripe-Signature': ['', 't=1', 'é', 't=1,v1=' + 'a' * 64],
    'Stripe-Account': ['acct_1'], 'X-%s' % ('x' * 5000): ['x'],
    }
QUERIES = [
    '', 'redirect_status=succeeded', 'payment_intent=pi_1&redirect_status=x',
    '%', '%00', '%ff', '&&==', 'a[]=1&a[b]=2', 'x=' + 'y' * 100000, 'é', '??',
    'id=1&model=res.user', 'database_name=x', 'account=x',
    '&'.join('a%d=1' % i for i in range(5000))]


@dataclass
class Call:
    """A request: path and query as they are on the wire.

    truncated: how many bytes of the body do not arrive."""
    method: str
    path: bytes
    query: str = ''
    headers: dict = field(default_factory=dict)
    body: bytes = b''
    truncated: int = 0

    def __repr__(self):
        def short(value):
            text = repr(value)
            return text if len(text) < 200 else '%s… (%d)' % (
                text[:200], len(value))
        return 'Call(%s)' % ', '.join(map(short, [
                    self.method, self.path, self.query, self.headers,
                    self.body, self.truncated]))

    def environ(self):
        "Return the WSGI environ that a server makes of it"
        path = re.sub(
            b'%([0-9a-fA-F]{2})',
            lambda m: bytes([int(m[1], 16)]), self.path)
        length = len(self.body) + self.truncated
        environ = {
            'REQUEST_METHOD': self.method,
            'SCRIPT_NAME': '',
            'PATH_INFO': path.decode('latin1'),
            'QUERY_STRING': self.query.encode().decode('latin1'),
            'SERVER_NAME': 'localhost',
            'SERVER_PORT': '80',
            'SERVER_PROTOCOL': 'HTTP/1.1',
            'REMOTE_ADDR': '127.0.0.1',
            'HTTP_HOST': 'localhost',
            'CONTENT_LENGTH': str(length),
            'wsgi.version': (1, 0),
            'wsgi.url_scheme': 'http',
            'wsgi.input': io.BytesIO(self.body),
            'wsgi.errors': io.StringIO(),
            'wsgi.multithread': False,
            'wsgi.multiprocess': False,
            'wsgi.run_once': False,
            }
        for name, value in self.headers.items():
            name = name.upper().replace('-', '_')
            if name not in {'CONTENT_TYPE', 'CONTENT_LENGTH'}:
                name = 'HTTP_' + name
            environ[name] = value.encode().decode('latin1')
        return environ


@st.composite
def mutated(draw, text):
    "Return something like the text"
    position = draw(st.integers(0, len(text) - 1))
    other = draw(st.sampled_from([
                '', 'A', '0', '%', '_', '-', '/', '\x00', 'é', 'ｅ', "'",
                ' ']))
    return draw(st.sampled_from([
                text[:position] + other + text[position + 1:],
                text[:position], text + other, other + text, text.upper(),
                text + '/' + text, text * 2]))


@st.composite
def segment(draw, known, hostile):
    "Return a part of a path, percent-encoded or not"
    kind = draw(st.sampled_from(['known', 'known', 'like', 'text', 'bytes']))
    if kind == 'known':
        text = draw(st.sampled_from(known))
    elif kind == 'like':
        text = draw(mutated(draw(st.sampled_from(known))))
    elif kind == 'text':
        text = draw(st.sampled_from(hostile + TEXTS))
    else:
        return draw(st.sampled_from(BYTES) | st.binary(max_size=20).map(
                quote_from_bytes).map(str.encode))
    if draw(st.booleans()):
        return quote(text, safe='').encode()
    return draw(st.sampled_from([text, quote(text)])).encode()


@st.composite
def paths(draw, database, checkouts, webhooks):
    "Return the path of a route, or one that is almost"
    # Mostly one part is wrong, or nothing else would be reached
    def part(known, hostile):
        if draw(st.integers(0, 2)):
            return quote(draw(st.sampled_from(known)), safe='').encode()
        return draw(segment(known, hostile))
    db = (quote(database, safe='').encode() if draw(st.integers(0, 4))
        else draw(segment([database], DATABASES)))
    router = b'r/account_payment_stripe'
    route = draw(st.sampled_from(['checkout', 'end', 'webhook', 'older']))
    if route in {'checkout', 'end'}:
        path = [b'', db, router, b'checkout', part(MODELS[:2], MODELS),
            part(checkouts, webhooks)]
        if route == 'end':
            path.append(b'end')
    else:
        path = [
            b'', db,
            router if route == 'webhook' else b'account_payment_stripe',
            b'webhook', part(webhooks, checkouts)]
    return route, b'/'.join(path) + draw(
        st.sampled_from([b''] * 8 + [b'/', b'//', b'/end', b'%00', b'.json']))


headers = st.lists(
    st.sampled_from(sorted(HEADERS)), max_size=3, unique=True).flatmap(
        lambda names: st.fixed_dictionaries(
            {n: st.sampled_from(HEADERS[n]) for n in names}))
bodies = st.one_of(
    st.sampled_from(BODIES).map(lambda f: f()),
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats()
        | st.text(max_size=5), lambda children: st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(['object', 'id', 'type', 'data', 'created', '']),
            children, max_size=4), max_leaves=10).map(
                lambda v: json.dumps(v).encode()))


@st.composite
def calls(draw, paths):
    route, path = draw(paths)
    usual = 'GET' if route in {'checkout', 'end'} else 'POST'
    return Call(
        draw(st.just(usual) | st.just(usual) | st.sampled_from(METHODS)), path,
        draw(st.sampled_from([''] * 5 + QUERIES)), draw(headers),
        draw(bodies), draw(st.sampled_from([0] * 6 + [1, 1000])))


def places(value, place=()):
    "Yield the places of the JSON value"
    yield place
    items = (
        value.items() if isinstance(value, dict)
        else enumerate(value) if isinstance(value, list) else [])
    for key, item in items:
        yield from places(item, (*place, key))


@st.composite
def payloads(draw, events, types):
    "Return an event of which some places hold what they should not"
    event = copy.deepcopy(draw(st.sampled_from(events)))
    # The body that Stripe's signature covers can be any text
    event['type'] = draw(st.just(event['type']) | st.sampled_from(types))
    changes = []
    for _ in range(draw(st.integers(1, 3))):
        inside = draw(st.integers(0, 3))
        start = event['data']['object'] if inside else event
        found = [p for p in places(start) if p and (inside or len(p) < 3)]
        used = [p for p in found if p[0] in USED]
        if inside > 1 and used:
            found = used
        if not found:
            break
        place = draw(st.sampled_from(found))
        for key in place[:-1]:
            start = start[key]
        if draw(st.integers(0, 4)):
            start[place[-1]] = value = copy.deepcopy(
                draw(st.sampled_from(VALUES)))
        else:
            del start[place[-1]]
            value = 'deleted'
        changes.append((place, value))
        if not isinstance(event.get('data'), dict) or not isinstance(
                event['data'].get('object'), dict):
            break
    event.setdefault('id', None)
    return changes, event


@st.composite
def rpcs(draw, methods, ids):
    "Return the name and the parameters of a method"
    known = st.sampled_from(ids)
    # Big ones say nothing more here
    odd = st.sampled_from([v for v in VALUES if v != ['x'] * 10000])
    values = st.one_of(
        known, known.map(lambda i: [i]), st.just(ids), odd,
        st.lists(odd | known, max_size=3),
        st.dictionaries(
            st.sampled_from(['id', 'customer', 'source', 'page', 'model']),
            odd | known, max_size=3))
    name = draw(st.sampled_from(methods))
    if not draw(st.integers(0, 7)):
        name = draw(mutated(name))
    first = draw(st.one_of(known.map(lambda i: [i]), values))
    context = draw(st.one_of(
            st.just({}), st.dictionaries(
                st.sampled_from([
                        'company', 'language', '_check_access', '_request',
                        '_stripe_state', '_skip_warnings', 'active_id',
                        'active_model', '_datetime', '_timestamp']),
                odd, max_size=2), odd))
    return name, [first, *draw(st.lists(values, max_size=3)), context]
