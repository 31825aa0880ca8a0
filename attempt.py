# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Commit, and try again what the database refused.

The only place that knows what Transaction keeps.
"""
import random
import time
from collections import defaultdict
from contextlib import contextmanager
from functools import wraps

from trytond import backend, config
from trytond.transaction import Transaction, TransactionError

__all__ = ['attempt', 'committed', 'patient', 'pause', 'start_clean']

# In seconds, before the first of the tries that follow
PAUSE = 0.05


def attempt(func, *args, **kwargs):
    """Return the result of func after it has been committed.

    Starts func over, in a new transaction, when the database reports a
    conflict or a lock has to be taken first.
    Anything else that it raises has been rolled back.
    What the transaction holds before is committed first.
    """
    start_clean()
    retry = config.getint('database', 'retry')
    locks = {}
    for count in range(retry + 1):
        try:
            with committed(locks):
                result = func(*args, **kwargs)
        except (TransactionError, backend.DatabaseOperationalError):
            if count == retry:
                raise
            pause(count)
        else:
            return result


def patient(func):
    """Let the function, which has a transaction of its own, be called again
    when the database is busy."""
    @wraps(func)
    def wrapper(*args, **kwargs):
        retry = config.getint('database', 'retry')
        for count in range(retry):
            try:
                return func(*args, **kwargs)
            except backend.DatabaseOperationalError:
                pause(count)
        return func(*args, **kwargs)
    return wrapper


def pause(count):
    """Wait for another transaction to end, which may book a whole batch.

    count: how often it has been waited before.
    """
    time.sleep(random.uniform(.5, 1) * PAUSE * 2 ** count)


@contextmanager
def committed(locks):
    """Commit at the end of the with statement, or roll back what is raised.

    locks: a dictionary, that remembers which locks have to be taken first the
    next time, as Tryton takes them only at the start of a transaction.
    """
    transaction = Transaction()
    try:
        _begin(locks)
        yield
        transaction.commit()
    except BaseException as e:
        transaction.rollback()
        if isinstance(e, TransactionError):
            e.fix(locks)
        raise
    finally:
        _forget()


def start_clean():
    "Commit what the transaction holds, it must not end with what follows"
    try:
        Transaction().commit()
    finally:
        _forget()


def _begin(locks):
    "Begin, and take the locks, as a new transaction does"
    transaction = Transaction()
    # Let roll back again what a cache that was cleared has let commit at once:
    # SQLite has one connection, that Cache.commit leaves like that
    if backend.name == 'sqlite':
        transaction.database.get_connection(readonly=transaction.readonly)
    for table in locks.get('_lock_tables', []):
        transaction.database.lock(transaction.connection, table)
        transaction._locked_tables.add(table)
    for table, ids in locks.get('_lock_records', {}).items():
        transaction.database.lock_records(transaction.connection, table, ids)
        transaction._locked_records[table].update(ids)


def _forget():
    """Forget what has ended with the commit or the roll back: the locks, what
    has joined, as it would be part of each of the following, and the records
    that were created and deleted."""
    transaction = Transaction()
    transaction._locked_tables = set()
    transaction._locked_records = defaultdict(set)
    transaction._datamanagers = []
    # What was created is locked as any other from now on, and what was deleted
    # and rolled back is to be deleted again
    transaction.create_records = defaultdict(list)
    transaction.delete_records = defaultdict(set)
    transaction.trigger_records = defaultdict(set)
