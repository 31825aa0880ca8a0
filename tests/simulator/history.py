# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What payment intents were earlier, as an index that lags behind has them."

NAMES = (
    'status', 'amount', 'amount_capturable', 'amount_received',
    'canceled_at', 'cancellation_reason', 'currency', 'customer',
    'description', 'last_payment_error', 'latest_charge', 'metadata',
    'next_action', 'payment_method')


def remember(row, now):
    "Keep what the object is since now, if it changed"
    state = tuple(map(row.get, NAMES))
    states = row.private.setdefault('states', [])
    if not states or states[-1][1] != state:
        states.append((now, state))


def since(row):
    "Return when the object was first seen"
    return row.private['states'][0][0]


def as_of(row, when):
    "Return the object as it was, at the earliest as it was created"
    states = row.private['states']
    state = states[0][1]
    for start, later in states[1:]:
        if start > when:
            break
        state = later
    if state is states[-1][1]:
        return row
    return dict(row, **dict(zip(NAMES, state)))
