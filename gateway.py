# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The one door to Stripe: a client per key and what its failures mean.

Knows no Tryton model, is safe to use from threads.
"""
import hashlib
import logging
import random
import threading
import time
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import NamedTuple
from urllib.parse import quote

import requests
import stripe

from .answer import is_answer, is_error, text
from .keys import is_plain

__all__ = [
    'STRIPE_VERSION', 'Moment', 'StripeDenied', 'StripeElsewhere',
    'StripeFailure', 'StripeKeyReused', 'StripeRefused', 'StripeUnavailable']

STRIPE_VERSION = '2026-10-28.endive'
API_BASE = 'https://api.stripe.com'
TIMEOUT = 30
# How many are kept open at most, as many as the threads of large runs
CONNECTIONS = 256
MAX_NETWORK_RETRIES = 3
# A bit below the limits of Stripe, in requests per second
# https://docs.stripe.com/rate-limits
RATE_ENDPOINT = 24
RATE_TOTAL = 95
RATE_TOTAL_TEST = 24
RATES = {
    'payment_intents.search': 18,
    }

# In seconds, a Date of this or later is none: the year 2100
NO_DATE = 4102444800

# Codes that mean "later" though their status says "no"
LATER_CODES = frozenset(
    ['lock_timeout', 'rate_limit', 'idempotency_key_in_use'])

# Named as by the services of the library
OPERATIONS = {
    'balance.retrieve': ('get', '/v1/balance'),
    'balance_transactions.list': ('get', '/v1/balance_transactions'),
    'charges.capture': ('post', '/v1/charges/{}/capture'),
    'charges.list': ('get', '/v1/charges'),
    'charges.retrieve': ('get', '/v1/charges/{}'),
    'customer_sessions.create': ('post', '/v1/customer_sessions'),
    'customers.create': ('post', '/v1/customers'),
    'customers.delete': ('delete', '/v1/customers/{}'),
    'customers.payment_methods.list': (
        'get', '/v1/customers/{}/payment_methods'),
    'customers.payment_sources.delete': (
        'delete', '/v1/customers/{}/sources/{}'),
    'customers.payment_sources.list': ('get', '/v1/customers/{}/sources'),
    'customers.retrieve': ('get', '/v1/customers/{}'),
    'customers.update': ('post', '/v1/customers/{}'),
    'disputes.list': ('get', '/v1/disputes'),
    'disputes.retrieve': ('get', '/v1/disputes/{}'),
    'events.list': ('get', '/v1/events'),
    'events.retrieve': ('get', '/v1/events/{}'),
    'payment_intents.cancel': ('post', '/v1/payment_intents/{}/cancel'),
    'payment_intents.capture': ('post', '/v1/payment_intents/{}/capture'),
    'payment_intents.confirm': ('post', '/v1/payment_intents/{}/confirm'),
    'payment_intents.create': ('post', '/v1/payment_intents'),
    'payment_intents.retrieve': ('get', '/v1/payment_intents/{}'),
    'payment_intents.search': ('get', '/v1/payment_intents/search'),
    'payment_intents.update': ('post', '/v1/payment_intents/{}'),
    'payment_method_domains.create': ('post', '/v1/payment_method_domains'),
    'payment_method_domains.list': ('get', '/v1/payment_method_domains'),
    'payment_methods.attach': ('post', '/v1/payment_methods/{}/attach'),
    'payment_methods.create': ('post', '/v1/payment_methods'),
    'payment_methods.detach': ('post', '/v1/payment_methods/{}/detach'),
    'payment_methods.retrieve': ('get', '/v1/payment_methods/{}'),
    'payouts.list': ('get', '/v1/payouts'),
    'payouts.retrieve': ('get', '/v1/payouts/{}'),
    'refunds.create': ('post', '/v1/refunds'),
    'refunds.list': ('get', '/v1/refunds'),
    'refunds.retrieve': ('get', '/v1/refunds/{}'),
    'setup_intents.cancel': ('post', '/v1/setup_intents/{}/cancel'),
    'setup_intents.create': ('post', '/v1/setup_intents'),
    'setup_intents.retrieve': ('get', '/v1/setup_intents/{}'),
    'setup_intents.update': ('post', '/v1/setup_intents/{}'),
    'webhook_endpoints.create': ('post', '/v1/webhook_endpoints'),
    'webhook_endpoints.delete': ('delete', '/v1/webhook_endpoints/{}'),
    'webhook_endpoints.list': ('get', '/v1/webhook_endpoints'),
    'webhook_endpoints.update': ('post', '/v1/webhook_endpoints/{}'),
    }

logger = logging.getLogger(__name__)


class _NoBodies(logging.Filter):
    "Drop what the library tells of requests, answers and errors"

    def filter(self, record):
        return record.levelno > logging.INFO


logging.getLogger('stripe').addFilter(_NoBodies())


class StripeFailure(Exception):
    """What Stripe, or the way to it, answered instead of an object.

    intent: the dictionary of the intent that Stripe joined to the error.
    at: the same as Gateway.answered_at.
    saved: if Stripe repeats it for the same idempotency key.
    replayed: if it was already repeated, so that it is of an earlier request.
    forbidden: if the key is right but lacks a permission.
    operation: the name of what was asked for.
    reading: if nothing was asked to change.
    """
    at = None
    operation = None
    reading = False
    saved = False
    replayed = False
    forbidden = False

    def __init__(self, message, code=None, param=None, request_id=None,
            card=False, intent=None):
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.request_id = request_id
        self.card = card
        self.intent = intent

    @property
    def missing(self):
        return self.code == 'resource_missing'

    @property
    def of_intent(self):
        "If Stripe does not know the intent, or charge, that was asked for"
        return self.missing and self.param in {'intent', 'charge', 'id'}

    @property
    def unexpected_state(self):
        return (self.code or '').endswith('_unexpected_state')


class StripeRefused(StripeFailure):
    "Stripe said no, sending the same again changes nothing"


class StripeUnavailable(StripeFailure):
    "Unknown outcome or not now, try again later"


class StripeDenied(StripeFailure):
    "The key of the account is refused or lacks a permission"


class StripeElsewhere(StripeDenied):
    "The key must not be used here, so that Stripe was not asked"


class StripeKeyReused(StripeFailure):
    "The idempotency key was used with other parameters"


def classify(error):
    "Return the StripeFailure that says what the stripe.StripeError means"
    details = error.error
    if error.http_status in {401, 403} or (
            error.http_status is None
            and isinstance(error, stripe.AuthenticationError)):
        meaning = StripeDenied
    elif (getattr(details, 'type', None) == 'idempotency_error'
            and error.http_status != 409
            and _code(error) not in LATER_CODES):
        meaning = StripeKeyReused
    elif (error.http_status in {400, 402, 404}
            # Something on the way says no in other words
            and is_error(_body_of(error))
            and _code(error) not in LATER_CODES):
        meaning = StripeRefused
    else:
        meaning = StripeUnavailable
    intent = (getattr(details, 'payment_intent', None)
        or getattr(details, 'setup_intent', None))
    message = text(getattr(details, 'message', None))
    if not message:
        # The text of the library holds the body if it cannot be read
        message = ('HTTP %s' % error.http_status if error.http_body
            else str(error))
    failure = meaning(
        message,
        code=_code(error),
        param=(text(getattr(details, 'param', None))
            or text(getattr(error, 'param', None))),
        request_id=error.request_id,
        card=error.http_status == 402,
        intent=intent.to_dict() if intent else None)
    failure.forbidden = error.http_status == 403
    # https://docs.stripe.com/api/idempotent_requests
    failure.saved = (
        meaning is StripeRefused or (error.http_status or 0) >= 500)
    failure.replayed = _is_replayed(error.headers)
    return failure


class Moment(NamedTuple):
    """When Stripe executed a request, in its seconds.

    What happened before the first is in the answer, what happens after the
    last is not.
    """
    first: int
    last: int


def _answered_at(headers, started):
    try:
        sent = parsedate_to_datetime((headers or {}).get('Date')).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    if not 0 < sent < NO_DATE:
        return None
    return Moment(int(sent - (time.monotonic() - started)), int(sent))


def _is_replayed(headers):
    return bool(headers) and headers.get('Idempotent-Replayed') == 'true'


def _code(error):
    return text(getattr(error, 'code', None)) or text(
        getattr(error.error, 'code', None))


def _body_of(error):
    "Return what the answer says of the error"
    body = error.json_body
    return body.get('error') if isinstance(body, dict) else None


class _Operation:
    "An operation of Stripe, or the service that has it"
    __slots__ = ('gateway', 'name')

    def __init__(self, gateway, name):
        self.gateway = gateway
        self.name = name

    def __getattr__(self, name):
        return _Operation(self.gateway, '%s.%s' % (self.name, name))

    def __call__(self, *ids, **params):
        return self.gateway.request(self.name, *ids, **params)


def _session(api_base):
    "Return the session that keeps the connections of all threads"
    session = requests.Session()
    # The environment is read once and not for each request
    session.trust_env = False
    session.proxies = requests.utils.get_environ_proxies(api_base)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS)
    for scheme in ['https://', 'http://']:
        session.mount(scheme, adapter)
    return session


class Gateway:
    """A client of Stripe for one secret key.

    Operations are named as in the library and called with keyword parameters:
    gateway.payment_intents.create(amount=100, idempotency_key='key').
    They return dictionaries and raise StripeFailure.

    identity: names the key without telling it.
    is_live: if it is a key of the live mode.
    rate_endpoint, rate_total: requests per second of a Run.
    succeeded: the monotonic time of the last success of operations.
    closed: why nothing may be asked, None if it may.
    """
    closed = None

    def __init__(
            self, key, api_base, max_network_retries, timeout, rate_endpoint,
            rate_total):
        self.identity = hashlib.sha256(
            key.encode('utf-8', 'surrogatepass')).hexdigest()[:32]
        # A key with other characters cannot be sent, which would look as if
        # Stripe were silent
        self.sendable = is_plain(key)
        self.is_live = '_live_' in key
        self.max_network_retries = max_network_retries
        self.timeout = timeout
        self.rate_endpoint = rate_endpoint
        self.rate_total = rate_total or (
            RATE_TOTAL_TEST if '_test_' in key else RATE_TOTAL)
        self._client = stripe.StripeClient(
            key,
            stripe_version=STRIPE_VERSION,
            base_addresses={'api': api_base},
            max_network_retries=max_network_retries,
            http_client=stripe.RequestsClient(
                timeout=timeout, session=_session(api_base)))
        self._local = threading.local()
        self.succeeded = {}

    def __getattr__(self, name):
        return _Operation(self, name)

    def rate(self, operation):
        "Return how many requests per second a Run makes of the operation"
        return min(
            self.rate_endpoint, RATES.get(operation, self.rate_endpoint))

    def request(self, operation, *ids, **params):
        """Return the dictionary that Stripe answers.

        operation: key of OPERATIONS.
        ids: those in the path.
        params: of Stripe, and idempotency_key.
        Raises StripeFailure.
        """
        method, path = OPERATIONS[operation]
        if self.closed:
            raise StripeElsewhere(self.closed, code='elsewhere')
        if not self.sendable:
            raise StripeDenied(
                "The secret key has a character that no key has",
                code='invalid_key')
        if not all(i.strip('.') for i in ids):
            # An id of dots alone would be another path
            raise StripeRefused("No such object", code='resource_missing')
        path = path.format(*(quote(i, safe='') for i in ids))
        name = ' '.join([operation, *ids])
        for retry in range(self.max_network_retries + 1):
            started = time.monotonic()
            try:
                # The objects of the library would cost more than all the rest
                answer = self._client.raw_request(method, path, **params)
                if not is_answer(operation, ids, answer.data):
                    raise stripe.APIError("Not an object of Stripe")
            except stripe.StripeError as e:
                failure = classify(e)
                failure.at = _answered_at(e.headers, started)
                if failure.at:
                    # Who asks for the time must not get an old one
                    self._local.answered_at = failure.at
                limited = e.http_status == 429
                logger.info("%s: %s %s (%s)",
                    name, failure.__class__.__name__,
                    failure.code or e.http_status, failure.request_id)
            except Exception as e:
                # The library stumbles over what something on the way answers
                failure = StripeUnavailable(e.__class__.__name__)
                limited = False
                logger.warning("%s: %s", name, failure)
            else:
                logger.debug("%s (%s)", name, answer.request_id)
                self.succeeded[operation] = started
                self._local.answered_at = _answered_at(answer.headers, started)
                self._local.replayed = _is_replayed(answer.headers)
                return answer.data
            if not limited or retry == self.max_network_retries:
                break
            # The library does not try those again, nothing was executed
            time.sleep(random.uniform(.5, 1) * 2 ** retry)
        failure.operation = operation
        failure.reading = method == 'get'
        # Out of the except clause to not keep the library's exception,
        # its body may hold secrets
        raise failure

    @property
    def answered_at(self):
        "The Moment of the last request of this thread"
        return getattr(self._local, 'answered_at', None)

    @property
    def replayed(self):
        """If the last answer of this thread is the one of an earlier request
        with the same idempotency key, which may be out of date"""
        return getattr(self._local, 'replayed', False)
