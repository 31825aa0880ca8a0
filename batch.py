# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from weakref import WeakKeyDictionary

from trytond.transaction import Transaction

__all__ = ['Batch']

# Kept by transaction and not in the context: each context has caches of its
# own, so the locked records would be read again
_batches = WeakKeyDictionary()


class Batch:
    """Do once for many records of a transaction what costs the same for one.

        with Batch(records) as batch:
            batch.defer(func, item)

    Inside the with statement the records stay locked, so that they are not
    locked and read again, and what is deferred waits for its end. It is the
    current() batch of the transaction there, which must not end before.
    """

    def __init__(self, records=()):
        self._locked = {(r.__name__, r.id): r for r in records}
        self._deferred = {}

    @classmethod
    def current(cls):
        "Return the batch of the transaction, or one that defers nothing"
        return _batches.get(Transaction()) or _NO_BATCH

    def __enter__(self):
        transaction = Transaction()
        self._former = _batches.get(transaction)
        _batches[transaction] = self
        return self

    def __exit__(self, type_, value, traceback):
        try:
            if type_ is None:
                self.finish()
        finally:
            _batches[Transaction()] = self._former

    def locked(self, name, ids):
        "Return the records of the model, None if they are not all locked"
        if all((name, i) in self._locked for i in ids):
            return [self._locked[name, i] for i in ids]

    def all_locked(self, name):
        "Return all the records of the model that are locked"
        return [r for r in self._locked.values() if r.__name__ == name]

    def defer(self, func, item):
        """Call func with a list of the item, and others, at the end.

        Each item is once in the list, in the order of their first time.
        """
        self._deferred.setdefault(func, {})[item] = None

    def finish(self, item=None):
        "Do what is deferred now, with an item only if some of it is about it"
        if item is not None and not any(
                item in items for items in self._deferred.values()):
            return
        while self._deferred:
            func = next(iter(self._deferred))
            func(list(self._deferred.pop(func)))


class _NoBatch(Batch):
    "Where no batch is: each record is alone"

    def locked(self, name, ids):
        return

    def defer(self, func, item):
        func([item])


_NO_BATCH = _NoBatch()
