# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Ask Stripe about an event that anybody could have posted.

Who posts must not be able to make this process ask Stripe as often and as
long as he likes. Knows no Tryton model, is safe to use from threads.
"""
import threading
import time
from collections import OrderedDict

from .gateway import StripeRefused

# The seconds for which it is remembered that Stripe does not know an event,
# and of how many for each key
REMEMBER = 10 * 60
REMEMBERED = 10000
# The requests per second, at once after a rest, and that wait for an answer
RATE = 20
BURST = 100
WAITING = 4


class InquiryLimit(Exception):
    "Stripe has been asked too often, it may be posted again later"


class _Inquiries:
    "Those with one secret key"

    def __init__(self):
        self._lock = threading.Lock()
        self._waiting = 0
        self._left = BURST
        self._counted_at = time.monotonic()
        # The identifiers, oldest first, and until when
        self._unknown = OrderedDict()

    def start(self, identifier):
        """Count an inquiry that starts.

        Raises ValueError if Stripe is known not to know, and InquiryLimit.
        """
        now = time.monotonic()
        with self._lock:
            if self._unknown.get(identifier, now) > now:
                raise ValueError("Not an event of Stripe")
            self._left = min(
                self._left + (now - self._counted_at) * RATE, BURST)
            self._counted_at = now
            if self._left < 1 or self._waiting >= WAITING:
                raise InquiryLimit
            self._left -= 1
            self._waiting += 1

    def end(self):
        with self._lock:
            self._waiting -= 1

    def remember(self, identifier):
        with self._lock:
            self._unknown[identifier] = time.monotonic() + REMEMBER
            self._unknown.move_to_end(identifier)
            while len(self._unknown) > REMEMBERED:
                self._unknown.popitem(last=False)


_inquiries = {}


def inquire(gateway, identifier):
    """Return the dictionary of the event at Stripe.

    Raises ValueError if Stripe does not know it, StripeFailure if it cannot
    answer and InquiryLimit if it has been asked too often.
    """
    # As many as there are accounts
    inquiries = _inquiries.setdefault(gateway.identity, _Inquiries())
    inquiries.start(identifier)
    try:
        return gateway.events.retrieve(identifier)
    except StripeRefused as e:
        inquiries.remember(identifier)
        raise ValueError(e.message) from None
    finally:
        inquiries.end()
