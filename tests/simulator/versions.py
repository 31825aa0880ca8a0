# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Objects as earlier versions of the API have them.

Only what makes a difference to who reads events:
https://docs.stripe.com/upgrades#2022-11-15"""
from .api import embedded_list, list_of

LATEST_CHARGE = '2022-11-15'


def is_old(version):
    "Return whether the version has lists in its intents and charges"
    return version[:10] < LATEST_CHARGE


def lists_of(world, row):
    "Return the lists that earlier versions show in the object"
    if row.get('object') == 'payment_intent':
        charges = world.table('charge').find('payment_intent', row['id'])
        return {
            'charges': list_of(
                [_charge(world, c) for c in reversed(charges)],
                '/v1/charges?payment_intent=' + row['id'],
                total_count=len(charges))}
    elif row.get('object') == 'charge':
        return {'refunds': embedded_list(world, row, 'refunds')}
    return {}


def _charge(world, row):
    return dict(row, refunds=embedded_list(world, row, 'refunds'))


def shown(object_, lists, version):
    "Return the object as the version has it"
    if not is_old(version):
        return object_
    object_ = dict(object_, **lists)
    if 'charges' in lists:
        del object_['latest_charge']
    return object_
