# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Webhook endpoints and the deliveries to them.

Deliveries are made in the background in the order of their events, unless
they are held, lost, delayed, doubled or shuffled on demand. What isn't
answered with 2xx is tried again, at growing intervals of the simulated time,
for up to three days."""
import hashlib
import hmac
import http.client
import itertools
import json
import queue
import random
import ssl
import threading
import time
from urllib.parse import urlsplit

from .api import endpoint, get, listing, merge_metadata, metadata_of
from .errors import invalid
from .objects import random_text
from .store import Log

MAX_AGE = 3 * 24 * 60 * 60
FIRST_RETRY = 60
TIMEOUT = 10
# How long the old secret of an endpoint goes on at most
ROLLED = 24 * 60 * 60


class Delivery:
    "An event on its way to an endpoint"
    __slots__ = ('event', 'endpoint', 'attempts', 'created', 'copy')
    _count = itertools.count()

    def __init__(self, event, endpoint, created, copy=False):
        self.event = event
        self.endpoint = endpoint
        self.attempts = 0
        self.created = created
        # A duplicate doesn't count for the state of the event
        self.copy = copy


class Webhooks:
    "The deliveries of an account"

    def __init__(self, world):
        self.world = world
        self.log = Log(maxlen=100000)
        self.workers = 1
        self.timeout = TIMEOUT
        self._queue = queue.Queue()
        self._threads = []
        self._held = None
        self._busy = 0
        self._idle = threading.Condition()
        self.normal()

    # How deliveries are treated

    def normal(self):
        "Deliver each event once, at once"
        self._lost = self._doubled = 0.0
        self._delayed = 0
        self._random = random.Random(0)

    def lose(self, share=1.0, seed=0):
        "Lose a share of the deliveries: tried for Stripe, never seen"
        self._lost = share
        self._random = random.Random(seed)

    def double(self, share=1.0, seed=0):
        "Deliver a share of the events twice"
        self._doubled = share
        self._random = random.Random(seed)

    def delay(self, seconds):
        "Deliver events seconds later, of the simulated time"
        self._delayed = seconds

    def parallel(self, workers):
        "Deliver that many events at once, then in no order"
        self.workers = workers

    def hold(self):
        "Keep deliveries back until they are released"
        with self.world.lock:
            if self._held is None:
                self._held = []

    def pending(self):
        "Return the held deliveries as (event id, type, url)"
        with self.world.lock:
            return [
                {'event': d.event.id, 'type': d.event.type,
                    'url': d.endpoint['url']}
                for d in self._held or []]

    def release(self, order=None, seed=0, double=False, drop=0.0):
        "Send what is held, maybe shuffled, twice, or without a share of it"
        chance = random.Random(seed)
        with self.world.lock:
            held, self._held = self._held or [], None
            if double:
                held = [
                    d for delivery in held
                    for d in (delivery, self._copy(delivery))]
            if order == 'shuffle':
                chance.shuffle(held)
            elif order == 'reverse':
                held.reverse()
            for delivery in held:
                if drop and chance.random() < drop:
                    self._lose(delivery)
                else:
                    self._send(delivery)
        return len(held)

    def flush(self, timeout=10):
        "Wait until what is due was tried, return whether it was"
        end = time.monotonic() + timeout
        with self._idle:
            while self._busy:
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._idle.wait(left)
        return True

    # Deliveries

    def versions(self):
        "Return the versions that endpoints ask for"
        return {
            r['api_version']
            for r in self.world.table('webhook_endpoint').rows.values()
            if r['api_version']}

    def dispatch(self, event):
        "Send the event to the endpoints that want it"
        for row in self.world.table('webhook_endpoint').rows.values():
            if row['status'] != 'enabled':
                continue
            wanted = row['enabled_events']
            if event.type not in wanted and '*' not in wanted:
                continue
            delivery = Delivery(event, row, self.world.clock.now())
            if not event.pending and not event.failed:
                self.world.events.mark_undelivered(event, True)
            event.pending += 1
            self._start(delivery)

    def _start(self, delivery):
        if self._held is not None:
            self._held.append(delivery)
            return
        if self._lost and self._random.random() < self._lost:
            return self._lose(delivery)
        deliveries = [delivery]
        if self._doubled and self._random.random() < self._doubled:
            deliveries.append(self._copy(delivery))
        for delivery in deliveries:
            if self._delayed:
                self.world.later(self._delayed, _send_later, delivery)
            else:
                self._send(delivery)

    def _copy(self, delivery):
        return Delivery(
            delivery.event, delivery.endpoint, delivery.created, copy=True)

    def _send(self, delivery):
        with self._idle:
            self._busy += 1
        self._queue.put(delivery)
        if len(self._threads) < self.workers:
            thread = threading.Thread(
                target=self._work, name='simulator-webhooks', daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self):
        while True:
            delivery = self._queue.get()
            if delivery is None:
                return
            try:
                self._deliver(delivery)
            finally:
                with self._idle:
                    self._busy -= 1
                    self._idle.notify_all()

    def stop(self):
        for _ in self._threads:
            self._queue.put(None)

    def _deliver(self, delivery):
        world, row = self.world, delivery.endpoint
        with world.lock:
            gone = row['id'] not in world.table('webhook_endpoint').rows
            content = json.dumps(delivery.event.render(
                    row['api_version'] or delivery.event.version)).encode()
        if gone:
            return self._done(delivery, None, "endpoint deleted", False)
        status, error = self._post(row['url'], content, self.secrets(row))
        delivery.attempts += 1
        success = status is not None and 200 <= status < 300
        self._done(delivery, status, error, success)

    def roll(self, endpoint_id, seconds=ROLLED):
        """Give an endpoint a new secret and return it.

        For so many seconds what is sent is signed with the old ones too."""
        with self.world.lock:
            row = self.world.table('webhook_endpoint').get(endpoint_id)
            if row is None:
                raise ValueError("no endpoint %s" % endpoint_id)
            until = self.world.clock.now() + seconds
            row.private.setdefault('rolled', []).insert(
                0, (row.private['secret'], until))
            row.private['secret'] = 'whsec_' + random_text(32)
            return row.private['secret']

    def secrets(self, row):
        "Return the secrets that sign what the endpoint gets, newest first"
        now = self.world.clock.now()
        return [row.private['secret']] + [
            s for s, until in row.private.get('rolled', []) if until > now]

    def _post(self, url, content, secrets):
        timestamp = int(self.world.clock.now())
        parts = urlsplit(url)
        class_, options = http.client.HTTPConnection, {}
        if parts.scheme == 'https':
            class_ = http.client.HTTPSConnection
            options['context'] = ssl._create_unverified_context()
        connection = class_(
            parts.hostname, parts.port, timeout=self.timeout, **options)
        target = parts.path or '/'
        if parts.query:
            target += '?' + parts.query
        try:
            connection.request('POST', target, content, {
                    'Content-Type': 'application/json; charset=utf-8',
                    'User-Agent': 'Stripe/1.0 (+https://stripe.com/docs/'
                    'webhooks)',
                    'Accept': '*/*; q=0.5, application/xml',
                    'Cache-Control': 'no-cache',
                    'Stripe-Signature': signature(
                        timestamp, content, *secrets)})
            response = connection.getresponse()
            response.read()
            return response.status, None
        except (OSError, http.client.HTTPException) as e:
            return None, '%s: %s' % (type(e).__name__, e)
        finally:
            connection.close()

    def _lose(self, delivery):
        delivery.attempts += 1
        self._finish(delivery, False)
        self._record(delivery, None, 'lost', False)

    def _done(self, delivery, status, error, success):
        world = self.world
        with world.lock:
            self._record(delivery, status, error, success)
            if delivery.copy:
                return
            if success:
                return self._finish(delivery, True)
            wait = FIRST_RETRY * 2 ** (delivery.attempts - 1)
            due = world.clock.now() + wait
            if (error == "endpoint deleted"
                    or due > delivery.created + MAX_AGE):
                return self._finish(delivery, False)
            world.clock.at(due, self._send, delivery)

    def _finish(self, delivery, success):
        event = delivery.event
        event.pending -= 1
        if not success:
            event.failed += 1
        elif event.delivered and event.id in self.world.events.rows:
            self.world.events.mark_undelivered(event, False)

    def _record(self, delivery, status, error, success):
        self.log.append({
                'event': delivery.event.id,
                'type': delivery.event.type,
                'url': delivery.endpoint['url'],
                'attempt': delivery.attempts,
                'copy': delivery.copy,
                'status': status,
                'error': error,
                'success': success,
                'time': self.world.clock.now()})


def _send_later(world, delivery):
    world.webhooks._send(delivery)


def signature(timestamp, content, *secrets):
    "Return the value of the header that signs the content"
    signed = b'%d.%s' % (timestamp, content)
    return 't=%d,' % timestamp + ','.join(
        'v1=' + hmac.new(s.encode(), signed, hashlib.sha256).hexdigest()
        for s in secrets)


# Endpoints of the API -------------------------------------------------------

_PATH = '/v1/webhook_endpoints'


@endpoint('POST', _PATH, 'WebhookEndpointCreateParams', 'webhook_endpoint')
def create_endpoint(world, call, params):
    _check_url(params['url'])
    row = world.create(
        'webhook_endpoint',
        api_version=params.get('api_version'),
        description=params.get('description'),
        enabled_events=params['enabled_events'],
        metadata=metadata_of(params),
        status='enabled',
        url=params['url'])
    row.private['secret'] = 'whsec_' + random_text(32)
    return dict(row, secret=row.private['secret'])


@endpoint('GET', _PATH, 'WebhookEndpointListParams', 'webhook_endpoint',
    many=True)
def list_endpoints(world, call, params):
    return listing(world, call, params, 'webhook_endpoint')


@endpoint('GET', _PATH + '/{id}', 'WebhookEndpointRetrieveParams',
    'webhook_endpoint')
def retrieve_endpoint(world, call, params, id):
    return get(world, 'webhook_endpoint', id, 'id')


@endpoint('POST', _PATH + '/{id}', 'WebhookEndpointUpdateParams',
    'webhook_endpoint')
def update_endpoint(world, call, params, id):
    row = get(world, 'webhook_endpoint', id, 'id')
    if 'url' in params:
        _check_url(params['url'])
    merge_metadata(row, params)
    for name in ['description', 'enabled_events', 'url']:
        if name in params:
            row[name] = params[name]
    if 'disabled' in params:
        row['status'] = 'disabled' if params['disabled'] else 'enabled'
    return row


@endpoint('DELETE', _PATH + '/{id}', 'WebhookEndpointDeleteParams',
    'webhook_endpoint')
def delete_endpoint(world, call, params, id):
    row = get(world, 'webhook_endpoint', id, 'id')
    world.table('webhook_endpoint').remove(row)
    return {'id': id, 'object': 'webhook_endpoint', 'deleted': True}


def _check_url(url):
    if urlsplit(url).scheme not in {'http', 'https'}:
        raise invalid(
            "Invalid URL: An explicit scheme (such as https) must be "
            "provided.", 'url_invalid', 'url')
