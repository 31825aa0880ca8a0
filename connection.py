# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What is looked at to know whether an account is well connected to Stripe.

Knows no Tryton model.
"""
import ipaddress
from typing import NamedTuple
from urllib.parse import urlsplit

from .gateway import STRIPE_VERSION, StripeDenied, StripeRefused
from .listing import listed

__all__ = [
    'Finding', 'LEDGER', 'PROBES', 'SOURCES', 'belongs', 'endpoints_of',
    'is_public', 'is_same_host', 'is_same_url', 'is_too_many',
    'missing_permissions', 'problems_of', 'register_domain', 'wanted_url']

# An id that Stripe never gives: what is asked of it is refused, after it was
# looked at whether the key may ask
_NONE = 'tryton_none'
# What the key must be allowed to, without doing it: what it is for, the
# operation, and how it is called
# https://docs.stripe.com/keys/restricted-api-keys
PROBES = [
    ('charge', 'payment_intents.cancel', ['pi_' + _NONE], {}),
    ('charge', 'payment_methods.detach', ['pm_' + _NONE], {}),
    ('charge', 'charges.list', [], {'limit': 1}),
    ('refund', 'refunds.create', [], {'charge': 'ch_' + _NONE}),
    ('save', 'customers.update', ['cus_' + _NONE], {}),
    ('save', 'setup_intents.cancel', ['seti_' + _NONE], {}),
    ('page', 'customer_sessions.create', [], {
            'customer': 'cus_' + _NONE,
            'components': {'payment_element': {'enabled': True}},
            }),
    ('event', 'events.list', [], {'limit': 1}),
    ('dispute', 'disputes.list', [], {'limit': 1}),
    ('webhook', 'webhook_endpoints.update', ['we_' + _NONE], {}),
    ]
# And to fetch Stripe's balance
LEDGER = [
    ('ledger', 'balance.retrieve', [], {}),
    ('ledger', 'balance_transactions.list', [], {'limit': 1}),
    ('ledger', 'payouts.list', [], {'limit': 1}),
    ]
# And if a customer still has saved sources
SOURCES = [
    ('source', 'customers.payment_sources.list', ['cus_' + _NONE], {
            'limit': 1,
            }),
    ]
# The endpoints that an account can have
# https://docs.stripe.com/webhooks#register-your-endpoint
MAX_ENDPOINTS = 16
# The ends of the names that only exist inside of a network
# https://www.iana.org/assignments/special-use-domain-names
_PRIVATE = tuple('.' + n for n in [
        'home.arpa', 'internal', 'invalid', 'lan', 'local', 'localdomain',
        'localhost', 'test'])
_PORTS = {'http': 80, 'https': 443}
# The wallets that want the domain to be registered
# https://docs.stripe.com/payments/payment-methods/pmd-registration
WALLETS = ['apple_pay', 'google_pay', 'link', 'paypal']


class Finding(NamedTuple):
    """What was found out.

    name: what was looked at.
    state: 'ok', 'warning' if it goes on without, or 'error'.
    code: which message tells it, None if there is nothing to tell.
    values: what the message is filled with, as account_check.py renders it.
    """
    name: str
    state: str
    code: str = None
    values: dict = {}


def _operation(gateway, name):
    for part in name.split('.'):
        gateway = getattr(gateway, part)
    return gateway


def missing_permissions(gateway, probes=PROBES):
    """Return what the key lacks the permission for, with Stripe's text.

    probes: what it must be allowed to.
    Raises StripeFailure if the key is refused or Stripe does not answer.
    """
    missing = {}
    for purpose, name, ids, params in probes:
        try:
            _operation(gateway, name)(*ids, **params)
        except StripeRefused:
            # There is no such object, as expected
            continue
        except StripeDenied as e:
            if not e.forbidden:
                raise
            missing.setdefault(purpose, e.message)
    return missing


def belongs(gateway, public):
    """Return if the publishable key is of the same account and mode.

    It is let retrieve a setup intent of the secret key, which is cancelled
    then: no money can be moved with it.

    public: the gateway of the publishable key.
    Raises StripeFailure if the secret key may not, or Stripe does not answer.
    """
    intent = gateway.setup_intents.create(
        usage='off_session', automatic_payment_methods={'enabled': True},
        description="Tryton checks the keys")
    try:
        public.setup_intents.retrieve(
            intent['id'], client_secret=intent['client_secret'])
    except (StripeDenied, StripeRefused):
        return False
    finally:
        gateway.setup_intents.cancel(intent['id'])
    return True


def endpoints_of(gateway):
    "Return the dictionaries of the webhook endpoints at Stripe"
    return list(listed(gateway.webhook_endpoints.list))


def is_too_many(failure, endpoints):
    "Return if what Stripe refused is another endpoint beside these"
    return failure.operation == 'webhook_endpoints.create' and (
        'maximum' in failure.message.lower()
        # In case it says it in other words
        or len(endpoints) >= MAX_ENDPOINTS and failure.param != 'url')


def is_public(host):
    "Return if the host, without a port, can be one that Stripe reaches"
    host = (host or '').rstrip('.').lower()
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return '.' in host and not host.endswith(_PRIVATE)


def is_same_host(first, second):
    "Return if both URLs are of the same host and port"
    return _host_of(first) == _host_of(second)


def _host_of(url):
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        return parts.netloc
    return parts.hostname, None if port == _PORTS.get(parts.scheme) else port


def is_same_url(first, second, host=True):
    """Return if both lead to the same webhook.

    host: if the host has to be the same too. The scheme has not: both lead
    there.
    """
    return urlsplit(first).path == urlsplit(second).path and (
        not host or is_same_host(first, second))


def wanted_url(current, url, host=True):
    """Return where the endpoint of the current URL should post to.

    It stays unless what is known of the URL is otherwise: the path, https, and
    the host if it is known. That it is not https says nothing: who asks
    without a request, or from inside of the network, does not know it.
    """
    if not is_same_url(current, url, host):
        return url
    current = urlsplit(current)
    if urlsplit(url).scheme == 'https' and current.scheme != 'https':
        current = current._replace(scheme='https')
    return current.geturl()


def problems_of(endpoint, url, types, host=True):
    """Return the codes of what is wrong with the webhook endpoint.

    endpoint: its dictionary.
    url: where it should post to.
    types: the types of events that are needed.
    host: if the host of the URL is known.
    """
    problems = []
    if wanted_url(endpoint['url'], url, host) != endpoint['url']:
        problems.append('url')
    if endpoint['status'] != 'enabled':
        problems.append('disabled')
    if endpoint['api_version'] != STRIPE_VERSION:
        problems.append('version')
    enabled = set(endpoint['enabled_events'])
    if '*' not in enabled and set(types) - enabled:
        problems.append('events')
    return problems


def register_domain(gateway, host, create=True):
    """Register the host for the wallets, if it is not.

    create: otherwise it is only looked at.
    Return the list of the texts of Stripe about those that do not work.
    """
    found = gateway.payment_method_domains.list(
        domain_name=host, limit=1)['data']
    if found:
        domain = found[0]
    elif create:
        domain = gateway.payment_method_domains.create(domain_name=host)
    else:
        return [', '.join(WALLETS)]
    texts = []
    for wallet in WALLETS:
        status = domain.get(wallet) or {}
        if status.get('status') == 'inactive':
            details = status.get('status_details') or {}
            texts.append('%s: %s' % (
                    wallet, details.get('error_message') or 'inactive'))
    return texts
