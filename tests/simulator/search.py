# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The search of payment intents, which lags behind."
import re

from .api import endpoint
from .errors import StripeError, invalid, unstored
from .history import as_of, since

_TERM = re.compile(
    r"""\s*(-?)(?:metadata\[["']([^"']+)["']\]|(\w+))\s*"""
    r"""(:|>=|<=|>|<)\s*(?:["']([^"']*)["']|(\w+))\s*(AND|OR|\Z)""", re.I)


# How far behind Stripe says that it may be
STALE = 60 * 60


def check(world, call):
    "Raise the error of an account that can't search"
    refused = world.settings.search_refused
    if call.fault == 'search_refused':
        refused = 'country'
    if refused == 'country':
        # https://docs.stripe.com/search: not in India
        raise unstored("Search feature unavailable for merchant.")
    elif refused == 'forbidden':
        raise unstored(
            "The provided key does not have the required permissions for "
            "this endpoint on account '%s'." % world.account['id'],
            'more_permissions_required', status=403)
    elif refused == 'down':
        raise StripeError(
            503, 'api_error', "Search is temporarily unavailable. Please "
            "try again later.", stored=False)


@endpoint('GET', '/v1/payment_intents/search', 'PaymentIntentSearchParams',
    'payment_intent', many=True)
def search(world, call, params):
    check(world, call)
    tests, operators = _parse(params['query'])
    limit = max(1, min(100, params.get('limit', 10)))
    start = int(params['page']) if (params.get('page') or '').isdigit() else 0
    seen = world.now() - world.settings.search_delay
    stale = world.settings.search_stale
    if call.fault == 'search_stale':
        stale = call.seconds or STALE
    indexed = world.now() - stale
    found = []
    for row in world.table('payment_intent').newest_first():
        # What was completed after a 500 is seen later than it is created
        if since(row) > seen:
            continue
        row = as_of(row, indexed)
        if operators(t(row) for t in tests):
            found.append(row)
            if len(found) > start + limit:
                break
    has_more = len(found) > start + limit
    return {
        'object': 'search_result',
        'data': found[start:start + limit],
        'has_more': has_more,
        'next_page': str(start + limit) if has_more else None,
        'total_count': None,
        'url': call.path,
        }


def _parse(query):
    tests, position, words = [], 0, set()
    while position < len(query):
        match = _TERM.match(query, position)
        if not match:
            raise invalid(
                "We were unable to parse your search query.", param='query')
        minus, key, field, operator, quoted, bare, word = match.groups()
        tests.append(_test(
                minus, key, field, operator,
                quoted if quoted is not None else bare))
        words.add(word.upper())
        position = match.end()
    return tests, any if 'OR' in words else all


def _test(minus, key, field, operator, wanted):
    def value_of(row):
        return (row['metadata'].get(key) if key else row.get(field))

    def test(row):
        value = value_of(row)
        if operator == ':':
            result = value is not None and str(value) == wanted
        else:
            low, high = int(wanted), int(value)
            result = {
                '>': high > low, '>=': high >= low, '<': high < low,
                '<=': high <= low}[operator]
        return result != bool(minus)
    return test
