# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Read all that Stripe lists.

Knows no Tryton model.
Source: https://docs.stripe.com/api/pagination
"""

__all__ = ['listed', 'pages']

# The most that Stripe gives at once
PAGE = 100


def pages(list_, *args, **params):
    """Yield the lists of the dictionaries on each page, none is empty.

    list_: operation of the gateway, that gets the arguments and parameters.
    Stripe lists the newest first. With ending_before they are those which are
    newer, the oldest of them first.
    Raises StripeFailure, each page is asked for when it is needed.
    """
    params.setdefault('limit', PAGE)
    has_more = True
    while has_more:
        page = list_(*args, **params)
        objects, has_more = page['data'], page['has_more']
        if not objects:
            return
        if 'ending_before' in params:
            objects = objects[::-1]
            params['ending_before'] = objects[-1]['id']
        else:
            params['starting_after'] = objects[-1]['id']
        yield objects


def listed(list_, *args, **params):
    "Yield the dictionaries on all the pages"
    for page in pages(list_, *args, **params):
        yield from page
