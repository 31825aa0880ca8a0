# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Do together for many records what costs the same for one."""
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from trytond.transaction import Transaction

__all__ = ['is_locked', 'later', 'settle', 'together']

# The context is no place for it, as the caches are kept by context
_batches = WeakKeyDictionary()


class _Batch:

    def __init__(self, locked):
        self.locked = frozenset((r.__name__, r.id) for r in locked)
        self.later = {}

    def settle(self):
        later, self.later = self.later, {}
        for func, records in later.items():
            func(records.values())


@contextmanager
def together(locked=()):
    """Let later wait for the end of the with statement.

    locked: records which are locked, none when the transaction ends before.
    """
    transaction = Transaction()
    batch = _batches[transaction] = _Batch(locked)
    try:
        yield
        batch.settle()
    finally:
        del _batches[transaction]


def is_locked(name, ids):
    "Return if all the records of the model have been locked together"
    batch = _batches.get(Transaction())
    return bool(batch) and all((name, i) in batch.locked for i in ids)


def later(func, record):
    "Call func with a list of the record, and others of the batch at its end"
    batch = _batches.get(Transaction())
    if batch:
        batch.later.setdefault(func, {})[record.id] = record
    else:
        func([record])


def settle(record):
    "Do now what waits for the end of the batch if it is about the record"
    batch = _batches.get(Transaction())
    if batch and any(
            records.get(record.id) == record
            for records in batch.later.values()):
        batch.settle()
