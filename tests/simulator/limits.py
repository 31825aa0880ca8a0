# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Rate limits of an account, off unless they are asked for."
import threading
import time

from .errors import StripeError


class Bucket:
    def __init__(self, rate):
        self.rate = rate
        self.level = float(rate)
        self.updated = time.monotonic()

    def take(self):
        now = time.monotonic()
        self.level = min(
            self.rate, self.level + (now - self.updated) * self.rate)
        self.updated = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


def too_many(reason):
    "Return the error about too many requests"
    return StripeError(
        429, 'invalid_request_error',
        "Request rate limit exceeded. Learn more about rate limits here "
        "https://stripe.com/docs/rate-limits.", 'rate_limit', stored=False,
        headers={'Stripe-Rate-Limited-Reason': reason})


def lock_timeout():
    "Return the error about an object that another request works on"
    return StripeError(
        429, 'invalid_request_error',
        "This object cannot be accessed right now because another API "
        "request or Stripe process is currently accessing it. If you see "
        "this error intermittently, retry the request. If you see this error "
        "frequently and are making multiple concurrent requests to a single "
        "object, make your requests serially or at a lower rate. For more "
        "details, see https://stripe.com/docs/rate-limits"
        "#object-lock-timeouts.", 'lock_timeout', stored=False)


class RateLimits:
    "Limits in requests a second, by operation and for the account"

    def __init__(self):
        self._lock = threading.Lock()
        self.set(None, None)

    def set(self, endpoint, total):
        with self._lock:
            self._endpoint = endpoint
            self._total = Bucket(total) if total else None
            self._buckets = {}

    def check(self, operation):
        "Raise the error of a request that comes too early"
        if not self._endpoint and not self._total:
            return
        with self._lock:
            if self._total and not self._total.take():
                raise too_many('global-rate')
            if self._endpoint:
                bucket = self._buckets.get(operation)
                if bucket is None:
                    bucket = Bucket(self._endpoint)
                    self._buckets[operation] = bucket
                if not bucket.take():
                    raise too_many('endpoint-rate')
