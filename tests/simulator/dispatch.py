# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"From a request to its answer: key, limits, parameters, idempotency, faults."
import base64
import json
import time
import traceback
from urllib.parse import urlencode

import stripe

from . import api, idempotency, later, limits
from .errors import StripeError, unstored
from .faults import OTHER_WORDS, other_body
from .objects import random_text
from .public import public_error, public_view
from .schema import decode_form

_encode = json.JSONEncoder(separators=(',', ':')).encode
_KINDS = {'sk', 'rk', 'pk'}
# What a permission of another name is enough for
_COVERED = {'balance_transactions': 'balance'}
_SECRET = ('number', 'cvc', 'iban', 'client_secret', 'secret', 'key')


class Hangup(Exception):
    "The connection is closed without an answer"


class Call:
    "A request to the API"

    def __init__(self, method, path, query, body, headers, base_url):
        self.method = method
        self.path = path
        self.form = body if method == 'POST' else query
        self.idempotency_key = (
            headers.get('idempotency-key') if method == 'POST' else None)
        self.version = headers.get('stripe-version') or stripe.api_version
        self.authorization = headers.get('authorization', '')
        self.base_url = base_url
        self.id = 'req_' + random_text(14)
        self.key = self.kind = self.account = None
        self.public = False
        self.params = {}
        self.status = None
        self.headers = {}
        # The rule that hits it
        self.fault = self.seconds = None


def to_json(value):
    return _encode(value).encode()


def read_key(call):
    "Set the key, its kind and the account of the request"
    scheme, _, key = call.authorization.partition(' ')
    if scheme.lower() == 'basic':
        try:
            key = base64.b64decode(key).decode().partition(':')[0]
        except ValueError:
            key = ''
    elif scheme.lower() != 'bearer':
        key = ''
    call.key = key.strip()
    parts = call.key.split('_', 2)
    if len(parts) == 3 and parts[1] == 'test' and parts[0] in _KINDS:
        call.kind, _, call.account = parts
        call.public = call.kind == 'pk'


def unauthorized(message, code=None):
    return unstored(message, code, status=401)


def masked(key):
    return '%s***%s' % (key[:8], key[-4:]) if len(key) > 12 else key


class Dispatcher:
    def __init__(self, simulator):
        self.simulator = simulator

    def handle(self, call):
        """Return the status, headers and body that answer the request.

        Raise Hangup when the connection is to be closed instead."""
        form = call.form
        call.params = decode_form(form)
        if 'key' in call.params and not call.authorization:
            call.authorization = 'Bearer ' + str(call.params.pop('key'))
        read_key(call)
        hit = self.simulator.faults.take(
            call.method, call.path, call.account)
        rule, latency = hit.get('fault'), hit.get('latency')
        try:
            body = self._answer(call, rule, latency)
        except StripeError as error:
            call.status = error.status
            call.headers.update(error.headers)
            body = to_json(error.body)
        except Hangup:
            call.status = 0
            raise
        finally:
            self.simulator.log(call)
        if rule and rule.fault in {'drop_after', 'timeout_after'}:
            if rule.fault == 'timeout_after':
                time.sleep(rule.seconds or 60)
            raise Hangup()
        if rule and rule.fault == 'malformed':
            call.status = 200
            body = body[:len(body) // 2]
        elif rule and rule.fault == 'other_words':
            call.status = 400
            body = to_json(OTHER_WORDS)
        elif rule and rule.fault.startswith('other_'):
            call.status = 200
            body = to_json(other_body(rule.fault, json.loads(body)))
        if rule and rule.should_retry is not None:
            call.headers['Stripe-Should-Retry'] = (
                'true' if rule.should_retry else 'false')
        return call.status, call.headers, body

    def _answer(self, call, rule, latency):
        fault = rule.fault if rule else None
        if rule:
            call.fault, call.seconds = fault, rule.seconds
        if fault in {'down', 'drop_before'}:
            raise Hangup()
        elif fault == 'other_words':
            return b''
        elif fault == 'timeout_before':
            time.sleep(rule.seconds or 60)
            raise Hangup()
        world = self._authenticate(call, fault)
        endpoint, ids = api.find_endpoint(call.method, call.path)
        if fault == '429':
            raise limits.too_many(rule.reason)
        elif fault == '429_lock_timeout':
            raise limits.lock_timeout()
        elif fault == '503':
            raise server_error(503, stored=False)
        elif fault == '409':
            raise idempotency.in_use(call.idempotency_key or '')
        world.limits.check(
            endpoint.operation if endpoint
            else call.method + ' ' + call.path)
        if endpoint is None:
            raise api.unrecognized(call.method, call.path)
        self._authorize(call, world, endpoint, fault)
        key = call.idempotency_key
        if key:
            fingerprint = urlencode(list(_flatten(call.params)))
            saved = world.keys.begin(
                key, call.path, fingerprint, call.id)
            if saved:
                call.status, body, original = saved
                call.headers['Idempotent-Replayed'] = 'true'
                call.headers['Original-Request'] = original
                return body
        stored = False
        try:
            if latency:
                time.sleep(latency.seconds or 0)
            body, stored = self._execute(
                call, world, endpoint, ids, fault, rule and rule.seconds)
            if key and stored:
                world.keys.finish(key, call.status, body)
            return body
        finally:
            if key and not stored:
                world.keys.forget(key)

    def _execute(self, call, world, endpoint, ids, fault, seconds):
        "Return the body, and whether it is kept under the key"
        with world.lock, world.calling(call):
            try:
                params, tree = self._read(call, endpoint)
                if fault == '500_before':
                    raise server_error()
                elif fault == '500_later':
                    later.plan(world, call, endpoint, ids, params, seconds)
                    raise server_error()
                result = endpoint.function(world, call, params, *ids)
                call.status = 200
                if call.public:
                    result = public_view(world, result)
                else:
                    result = api.render(world, result, tree)
                body, stored = to_json(result), True
            except StripeError as error:
                call.status = error.status
                call.headers.update(error.headers)
                content = error.body
                if call.public:
                    content = {'error': public_error(world, error.error)}
                body, stored = to_json(content), error.stored
            except Exception:
                # A defect of the simulator must not pass for Stripe's 500
                self.simulator.errors.append(traceback.format_exc())
                traceback.print_exc()
                call.status, stored = 500, False
                body = to_json({'error': {
                            'type': 'api_error',
                            'message': "The simulator failed: "
                            + traceback.format_exc(limit=-1)}})
            if fault == '500_after' and stored:
                error = server_error()
                call.status, body = error.status, to_json(error.body)
            if call.status == 500 and stored and call.idempotency_key:
                # The retry would get the same answer
                call.headers['Stripe-Should-Retry'] = 'false'
        return body, stored

    def _read(self, call, endpoint):
        params = call.params
        if 'payment_method_types' in params and endpoint.resource in {
                'payment_intents', 'setup_intents'} and (
                call.method == 'POST'):
            raise unstored(
                "The parameter `payment_method_types` is no longer supported "
                "on API version %s. Use dynamic payment methods, "
                "`allowed_payment_method_types` or "
                "`excluded_payment_method_types` instead." % call.version,
                'payment_method_types_no_longer_supported',
                'payment_method_types')
        schema = endpoint.public_schema if call.public else endpoint.schema
        params = schema.read(params)
        tree = api.expand_tree(params.pop('expand', None))
        api.check_expand(endpoint, tree)
        return params, tree

    def _authenticate(self, call, fault):
        if not call.key:
            raise unauthorized(
                "You did not provide an API key. You need to provide your "
                "API key in the Authorization header, using Bearer auth "
                "(e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See "
                "https://stripe.com/docs/api#authentication for details, or "
                "we can help at https://support.stripe.com/.")
        if call.key.startswith('sk_live_'):
            name = call.key.removeprefix('sk_live_')
            if name not in self.simulator.live:
                raise unauthorized("Invalid API Key provided: sk_live_***")
            # Nothing of the test mode is known there
            call.kind, call.account = 'sk', 'live-' + name
        if not call.account or fault == '401':
            raise unauthorized(
                "Invalid API Key provided: %s" % masked(call.key))
        world = self.simulator.account(call.account)
        state = world.settings.key_state.get(call.kind)
        if state == 'expired':
            raise unauthorized(
                "Expired API Key provided: %s" % masked(call.key),
                'api_key_expired')
        elif state == 'revoked':
            raise unauthorized(
                "Invalid API Key provided: %s" % masked(call.key))
        return world

    def _authorize(self, call, world, endpoint, fault):
        if call.public and endpoint.public is None:
            raise unauthorized(
                "This API call cannot be made with a publishable API key. "
                "Please use a secret API key. You can find a list of your "
                "API keys at https://dashboard.stripe.com/account/apikeys.",
                'secret_key_required')
        permissions = world.settings.permissions
        denied = fault == '403'
        if call.kind == 'rk' and permissions is not None:
            resource = _COVERED.get(endpoint.resource, endpoint.resource)
            level = permissions.get(
                endpoint.resource, permissions.get(resource, 'none'))
            denied = denied or level == 'none' or (
                level == 'read' and call.method != 'GET')
        if denied:
            raise unstored(
                "The provided key '%s' does not have the required "
                "permissions for this endpoint on account '%s'. Having the "
                "'%s' permission would allow this request to continue." % (
                    masked(call.key), world.account['id'],
                    endpoint.resource + (
                        '_read' if call.method == 'GET' else '_write')),
                'more_permissions_required', status=403)


def server_error(status=500, stored=True):
    return StripeError(
        status, 'api_error',
        "Sorry! There was an error while talking to one of our backends. "
        "Support has been notified.", stored=stored)


def _flatten(value, name=''):
    for key, item in sorted(value.items()):
        key = '%s[%s]' % (name, key) if name else key
        if isinstance(item, dict):
            yield from _flatten(item, key)
        else:
            yield key, item


def redacted(params):
    "Return the parameters without secrets"
    return {
        k: redacted(v) if isinstance(v, dict)
        else '***' if k in _SECRET else v
        for k, v in params.items()}
