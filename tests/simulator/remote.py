# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The controls of a simulator in another process."
import json
import urllib.error
import urllib.request
from urllib.parse import quote


class RemoteError(Exception):
    "The simulator could not do what was asked"


class _Target:
    "Each method called is a control, see control.py"

    def __init__(self, remote, path):
        self._remote = remote
        self._path = path

    def __getattr__(self, name):
        if name.startswith('_'):
            raise AttributeError(name)

        def method(*args, **kwargs):
            return self._remote._send(
                'POST', '%s/%s' % (self._path, name),
                {'args': args, 'kwargs': kwargs})
        method.__name__ = name
        return method


class _Faults(_Target):
    @property
    def rules(self):
        return self._remote._send('GET', self._path)


class _Webhooks(_Target):
    @property
    def log(self):
        return self._remote._send('GET', self._path + '/log')


class _Account(_Target):
    def __init__(self, remote, name):
        super().__init__(remote, 'accounts/' + quote(name, safe=''))
        self.name = name
        self.secret_key = 'sk_test_' + name
        self.publishable_key = 'pk_test_' + name
        self.restricted_key = 'rk_test_' + name
        self.webhooks = _Webhooks(remote, self._path + '/webhooks')


class Remote:
    "A simulator at a URL, with the methods of Simulator"

    def __init__(self, url):
        self.url = url.rstrip('/')
        self.stripe_js = self.url + '/endive/stripe.js'
        self.clock = _Target(self, 'clock')
        self.faults = _Faults(self, 'faults')

    def account(self, name):
        "Return the world of sk_test_<name>"
        return _Account(self, name)

    @property
    def requests(self):
        return self._send('GET', 'requests')

    def reset(self):
        "Forget every account, rule and request"
        return self._send('POST', 'simulator/reset', {})

    def _send(self, method, path, body=None):
        request = urllib.request.Request(
            '%s/_simulator/%s' % (self.url, path),
            None if body is None else json.dumps(body).encode(),
            {'Content-Type': 'application/json'}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=300) as response:
                return json.load(response)['result']
        except urllib.error.HTTPError as e:
            raise RemoteError(json.load(e)['error'])
