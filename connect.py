# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Which Gateway is for whom, each is kept with its open connections."""
import os
import time
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

from .gateway import (
    API_BASE, MAX_NETWORK_RETRIES, OPERATIONS, RATE_ENDPOINT, TIMEOUT, Gateway,
    StripeUnavailable)

# The seconds in which who does not wait long does not ask a silent Stripe
SILENCE = 5
_hurried = ContextVar('hurried', default=False)


@contextmanager
def hurried():
    "Let accounts talk to Stripe through the gateway that gives up soon"
    token = _hurried.set(True)
    try:
        yield
    finally:
        _hurried.reset(token)


def is_hurried():
    return _hurried.get()


class QuickGateway(Gateway):
    """A Gateway for who does not wait long.

    Once Stripe was silent it is not asked for a moment, so that many who wait
    do not wait for each other.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._silent_until = 0

    def request(self, operation, *ids, **params):
        started = time.monotonic()
        if started < self._silent_until:
            failure = StripeUnavailable("Stripe did not answer just now")
            failure.operation = operation
            failure.reading = OPERATIONS[operation][0] == 'get'
            raise failure
        try:
            return super().request(operation, *ids, **params)
        except StripeUnavailable:
            now = time.monotonic()
            if now - started >= self.timeout:
                self._silent_until = now + SILENCE
            raise


@lru_cache(maxsize=128)
def connect(key, api_base=API_BASE, max_network_retries=MAX_NETWORK_RETRIES,
        timeout=TIMEOUT, rate_endpoint=RATE_ENDPOINT, rate_total=None,
        quick=False, closed=None):
    """Return the Gateway of the secret key, kept for its open connections

    quick: if it gives up soon.
    closed: why nothing may be asked.
    """
    gateway = (QuickGateway if quick else Gateway)(
        key, api_base, max_network_retries, timeout, rate_endpoint, rate_total)
    gateway.closed = closed
    return gateway


if hasattr(os, 'register_at_fork'):
    # Two processes must not use the same connection
    os.register_at_fork(after_in_child=connect.cache_clear)
