# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Add rows on which nothing depends without the price of a payment.

The ORM reads each new record twice, with what it refers to, to validate it:
that is a fifth of what an event costs.
"""
from itertools import groupby

from sql.functions import CurrentTimestamp

from trytond import backend
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access

__all__ = ['insert', 'insert_log']


def insert(records):
    """Insert the new records, which get no id.

    Their values must be such that the model accepts them: they are not
    validated, and what other modules do in create is left out. It goes through
    the ORM if a trigger or the default of another field depends on them.
    Raises DatabaseIntegrityError, also where the ORM raises
    SQLConstraintError.
    """
    transaction = Transaction()
    cursor = transaction.connection.cursor()
    for cls, records in groupby(records, key=type):
        records = list(records)
        rows = [r._save_values() for r in records]
        # Those that are not set of a record are empty
        names = sorted(set().union(*rows))
        if _needs_orm(cls, names):
            with without_check_access():
                cls.save(records)
            continue
        table = cls.__table__()
        columns = [table.create_uid, table.create_date]
        columns.extend(getattr(table, n) for n in names)
        for some in grouped_slice(
                rows, backend.MAX_QUERY_PARAMS // (len(columns) + 1)):
            cursor.execute(*table.insert(columns, [
                        [transaction.user, CurrentTimestamp()] + [
                            cls._fields[n].sql_format(row.get(n))
                            for n in names]
                        for row in some]))


def insert_log():
    "Insert what has been logged in the transaction"
    log = Transaction().log_records
    insert(log)
    log.clear()


def _needs_orm(cls, names):
    Trigger = Pool().get('ir.trigger')
    return bool(
        Trigger.get_triggers(cls.__name__, 'create')
        or cls._defaults.keys() - {'create_uid', 'create_date'} - set(names)
        # They are no columns
        or any(hasattr(cls._fields[n], 'set') for n in names))
