# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What is looked at to know whether an account is well connected to Stripe.

Knows no Tryton model.
"""
from typing import NamedTuple
from urllib.parse import urlsplit

from .gateway import STRIPE_VERSION, StripeDenied, StripeRefused
from .listing import listed

__all__ = [
    'Finding', 'PROBES', 'belongs', 'endpoints_of', 'is_same_url',
    'missing_permissions', 'problems_of', 'register_domain']

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
# The wallets that want the domain to be registered
# https://docs.stripe.com/payments/payment-methods/pmd-registration
WALLETS = ['apple_pay', 'google_pay', 'link', 'paypal']


class Finding(NamedTuple):
    """What was found out.

    name: what was looked at.
    state: 'ok', 'warning' if it goes on without, or 'error'.
    code: which message tells it, None if there is nothing to tell.
    values: what the message is filled with.
    """
    name: str
    state: str
    code: str = None
    values: dict = {}


def _operation(gateway, name):
    for part in name.split('.'):
        gateway = getattr(gateway, part)
    return gateway


def missing_permissions(gateway):
    """Return what the key lacks the permission for, with Stripe's text.

    Raises StripeFailure if the key is refused or Stripe does not answer.
    """
    missing = {}
    for purpose, name, ids, params in PROBES:
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


def is_same_url(first, second, host=True):
    """Return if both lead to the same webhook.

    host: if the host has to be the same too. The scheme has not: who asks
    without a request does not know it.
    """
    first, second = urlsplit(first), urlsplit(second)
    return first.path == second.path and (
        not host or first.netloc == second.netloc)


def problems_of(endpoint, url, types, host=True):
    """Return the codes of what is wrong with the webhook endpoint.

    endpoint: its dictionary.
    url: where it should post to.
    types: the types of events that are needed.
    host: if the host of the URL is known.
    """
    problems = []
    if not is_same_url(endpoint['url'], url, host):
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
