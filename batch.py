# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Do together for many records what costs the same for one."""
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from trytond.transaction import Transaction

__all__ = ['all_locked', 'later', 'locked', 'settle', 'together']

# The context is no place for it, as the caches are kept by context
_batches = WeakKeyDictionary()


class _Batch:

    def __init__(self, records):
        self.locked = {(r.__name__, r.id): r for r in records}
        self.later = {}

    def settle(self):
        while self.later:
            func = next(iter(self.later))
            func(list(self.later.pop(func)))


@contextmanager
def together(records=()):
    """Let later wait for the end of the with statement.

    records: those which are locked, the transaction must not end before.
    """
    transaction = Transaction()
    former = _batches.get(transaction)
    batch = _batches[transaction] = _Batch(records)
    try:
        yield
        batch.settle()
    finally:
        _batches[transaction] = former


def locked(name, ids):
    """Return the records of the model that have been locked together.

    None if they have not all been.
    """
    batch = _batches.get(Transaction())
    if batch and all((name, i) in batch.locked for i in ids):
        return [batch.locked[name, i] for i in ids]


def all_locked(name):
    "Return all the records of the model that have been locked together"
    batch = _batches.get(Transaction())
    return [r for r in batch.locked.values() if r.__name__ == name] if (
        batch) else []


def later(func, item):
    "Call func with a list of the item, and others of the batch at its end"
    batch = _batches.get(Transaction())
    if batch:
        # A dictionary keeps the order and each once
        batch.later.setdefault(func, {})[item] = None
    else:
        func([item])


def settle(item):
    "Do now what waits for the end of the batch if it is about the item"
    batch = _batches.get(Transaction())
    if batch and any(item in items for items in batch.later.values()):
        batch.settle()
