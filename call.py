# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The calls to Stripe that the steps of a record ask for.

Steps are a generator. They get a Job, yield a Call for each request, and get
back its answer or the StripeFailure. What they did until then is committed
before the call is made, and the record of the Job is another one afterwards:
locked, and read again.
"""
from .gateway import StripeFailure

__all__ = ['Call', 'Job', 'call_now']


class Call:
    """A call to Stripe that has not been made yet.

    operation: that of the gateway, which is called unless func is.
    func: what is called instead, with the same arguments.
    also: the other operations that func is known to need.
    Each of the operations takes a slot of the rate limits.
    """
    __slots__ = ('operations', '_func', '_args', '_kwargs')

    def __init__(self, operation, *args, func=None, also=(), **kwargs):
        self.operations = (operation, *also)
        self._func = func or operation
        self._args = args
        self._kwargs = kwargs

    def __call__(self):
        """Return the answer.

        Raises StripeFailure.
        """
        return self._func(*self._args, **self._kwargs)


class Job:
    """What the steps of a record work on.

    record: locked, and read in this transaction. It must be taken from here
    after each call, as the one before is of a transaction that has ended.
    gateway: that of its account.
    """

    def __init__(self, record, gateway):
        self.record = record
        self.gateway = gateway


def call_now(steps):
    """Return what the steps return after their calls were made one by one.

    For who waits: at no pace, and in the transaction of the caller.
    """
    answer = failure = None
    while True:
        try:
            call = steps.throw(failure) if failure else steps.send(answer)
        except StopIteration as e:
            return e.value
        answer = failure = None
        try:
            answer = call()
        except StripeFailure as e:
            failure = e
