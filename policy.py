# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a failure of Stripe means for the record it was about.

One policy for payments, refunds and customers. Knows no Tryton model.
"""
import datetime as dt
from enum import Enum

from .gateway import (
    StripeDenied, StripeKeyReused, StripeRefused, StripeUnavailable)

__all__ = ['KEPT', 'Meaning', 'may_advance', 'meaning_of']

# How long Stripe keeps idempotency keys, and may complete what it answered
# with a 5xx
# https://docs.stripe.com/api/idempotent_requests
# https://docs.stripe.com/error-low-level
KEPT = dt.timedelta(days=1)
# Operations whose object takes money by itself, nothing else tells afterwards
# that it was made
_MOVES_MONEY = frozenset(['refunds.create'])
# Operations that end something, which the record does not depend on
_ENDS = frozenset(['payment_intents.cancel', 'setup_intents.cancel'])
# Operations whose object may take money, if somebody has it
_FIND_FIRST = frozenset(['payment_intents.create', *_MOVES_MONEY])


class Meaning(Enum):
    "What has to be done with the record"
    # Stripe said no, sending the same again changes nothing
    REFUSED = 'refused'
    # It may have been done or not, or not now: ask again later
    LATER = 'later'
    # It contradicts what is known here: show it, ask again later
    REVIEW = 'review'
    # The key is refused: nothing of the account can go on
    DENIED = 'denied'
    # The key lacks a permission: what needs it cannot go on
    FORBIDDEN = 'forbidden'

    @property
    def of_account(self):
        "If it is about the key of the account and not the record"
        return self in {Meaning.DENIED, Meaning.FORBIDDEN}


def meaning_of(failure, given_once=False):
    """Return the Meaning of the StripeFailure.

    given_once: if what was charged was given for this once, so that it is of
    no use if Stripe does not know it.
    """
    if isinstance(failure, StripeDenied):
        return Meaning.FORBIDDEN if failure.forbidden else Meaning.DENIED
    elif isinstance(failure, StripeUnavailable):
        return Meaning.LATER
    elif (isinstance(failure, StripeKeyReused)
            or failure.reading
            or failure.operation in _ENDS):
        return Meaning.REVIEW
    elif failure.missing and not (
            given_once and not failure.of_intent
            and failure.param != 'customer'):
        # The key may be one of another account of Stripe
        return Meaning.REVIEW
    return Meaning.REFUSED


def may_advance(failure):
    """Return if the next request shall have another idempotency key, as
    Stripe would repeat its answer for the old one.

    Not if something that moves money may exist under the old one, it has to
    be found first. Nor for what failed while reading, which has no key.
    """
    if failure.reading:
        return False
    elif isinstance(failure, StripeRefused):
        return True
    elif isinstance(failure, StripeKeyReused):
        return failure.operation not in _FIND_FIRST
    return failure.saved and failure.operation not in _MOVES_MONEY


def next_pause(tries, first, last):
    "Return how long to wait after so many tries, from first up to last"
    return min(first * 2 ** min(tries - 1, 10), last)
