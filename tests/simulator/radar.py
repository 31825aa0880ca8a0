# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Early fraud warnings: what the payer's bank told before any dispute.

A warning is actionable until the charge is refunded or disputed.

https://docs.stripe.com/api/radar/early_fraud_warnings"""
from .api import check_filters, endpoint, get, listing

KIND = 'radar.early_fraud_warning'


def warn(world, charge, fraud_type='made_with_stolen_card'):
    "Make a warning about the charge"
    row = world.create(
        KIND,
        actionable=_actionable(charge),
        charge=charge['id'],
        fraud_type=fraud_type,
        payment_intent=charge['payment_intent'])
    world.emit('radar.early_fraud_warning.created', row)
    return row


def _actionable(charge):
    return not charge['disputed'] and not charge['refunded']


def charge_changed(world, charge):
    "Update the warnings about a charge that is refunded or disputed"
    for row in world.table(KIND).find('charge', charge['id']):
        if row['actionable'] and not _actionable(charge):
            row['actionable'] = False
            world.emit('radar.early_fraud_warning.updated', row)


_PATH = '/v1/radar/early_fraud_warnings'


@endpoint('GET', _PATH, 'radar.EarlyFraudWarningListParams', KIND, many=True)
def list_warnings(world, call, params):
    check_filters(world, params, 'charge', 'payment_intent')
    where = None
    for name in ['charge', 'payment_intent']:
        if params.get(name):
            where = (name, [params[name]])

    def keep(row):
        return all(
            not params.get(k) or row[k] == params[k]
            for k in ['charge', 'payment_intent'])
    return listing(world, call, params, KIND, where, keep)


@endpoint('GET', _PATH + '/{id}', 'radar.EarlyFraudWarningRetrieveParams',
    KIND)
def retrieve(world, call, params, id):
    return get(world, KIND, id, 'early_fraud_warning')
