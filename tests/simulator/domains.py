# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Domains that are registered for wallets.

https://docs.stripe.com/payments/payment-methods/pmd-registration
"""
import re

import stripe

from .api import endpoint, get, listing
from .errors import invalid
from .objects import shape

_PATH = '/v1/payment_method_domains'
_HOST = re.compile(
    r'(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}\Z')
_CLASS = stripe.PaymentMethodDomain
_WALLETS = {
    'amazon_pay': _CLASS.AmazonPay, 'apple_pay': _CLASS.ApplePay,
    'google_pay': _CLASS.GooglePay, 'klarna': _CLASS.Klarna,
    'link': _CLASS.Link, 'paypal': _CLASS.Paypal}


@endpoint('POST', _PATH, 'PaymentMethodDomainCreateParams',
    'payment_method_domain')
def create_domain(world, call, params):
    host = params['domain_name'].lower()
    if not _HOST.match(host):
        raise invalid(
            "The domain name %s is not valid." % host, 'url_invalid',
            'domain_name')
    for row in world.objects('payment_method_domain').values():
        if row['domain_name'] == host:
            return row
    return world.create(
        'payment_method_domain',
        domain_name=host,
        enabled=params.get('enabled', True),
        **{
            name: shape(class_, status='active')
            for name, class_ in _WALLETS.items()})


@endpoint('GET', _PATH, 'PaymentMethodDomainListParams',
    'payment_method_domain', many=True)
def list_domains(world, call, params):
    asked = {k: params[k] for k in ['domain_name', 'enabled'] if k in params}
    return listing(
        world, call, params, 'payment_method_domain',
        keep=lambda row: all(row[k] == v for k, v in asked.items()))


@endpoint('GET', _PATH + '/{id}', 'PaymentMethodDomainRetrieveParams',
    'payment_method_domain')
def retrieve_domain(world, call, params, id):
    return get(world, 'payment_method_domain', id, 'id')
