# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Write without the ORM what Stripe said and nothing else depends on.

The ORM reads each record that it writes once more, with all that it refers to,
to validate it, and reads a new one twice. For the row and the log of an event
that is a fifth of what it costs, for what a charge tells it is more than all
the rest: above 25 payments a second it decides how many can be charged. So
this is the only place that does without, and what it writes is made to be
what the ORM would accept.
"""
from decimal import Decimal
from itertools import groupby

from sql.functions import CurrentTimestamp

from trytond import backend
from trytond.model import Model, fields
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access

from .amount import exact
from .convert import UNKNOWN, one_line

__all__ = ['insert', 'insert_log', 'read_employee', 'touch', 'update']


def update(record, values):
    """Write those of the values of Stripe that are new for the record.

    Raises AmountError if the currency has not enough digits for one.
    """
    values = {
        n: v for n, v in (
            (n, _accepted(record, n, v)) for n, v in values.items())
        if _differ(getattr(record, n), v)}
    if not values:
        return
    stored = {
        n: v.id if isinstance(v, Model) else v for n, v in values.items()}
    transaction = Transaction()
    table = record.__table__()
    transaction.connection.cursor().execute(*table.update(
            [getattr(table, n) for n in stored],
            [record._fields[n].sql_format(v) for n, v in stored.items()],
            where=table.id == record.id))
    for cache in transaction.cache.values():
        if cache is not record._transaction_cache:
            cache[record.__name__].pop(record.id, None)
    for cache, known in [
            (record._local_cache, values), (record._cache, stored)]:
        if record.id in cache:
            for name, value in known.items():
                cache[record.id][name] = value


def _accepted(record, name, value):
    "Return the value of Stripe as the field of the record accepts it"
    if value is None:
        return
    field = record._fields[name]
    if isinstance(field, fields.Numeric):
        currency = getattr(record, field.digits)
        return exact(value, currency.digits, currency.code)
    elif isinstance(field, fields.Selection):
        known = dict(field.selection)
        if value not in known and UNKNOWN in known:
            return UNKNOWN
    elif isinstance(field, fields.Char):
        return one_line(value)[:field.size]
    return value


def _differ(old, new):
    if isinstance(old, Decimal) and isinstance(new, Decimal) and (
            old.as_tuple().exponent < new.as_tuple().exponent):
        # Stored before the digits of the currency were looked at
        return True
    return old != new


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
        # What is not set on one of the records is NULL there
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


def touch(cls, records):
    """Change the rows of the records to what they are.

    Another transaction, which has begun before and waits for them, would not
    see what follows from them here: it conflicts instead.
    """
    table = cls.__table__()
    Transaction().connection.cursor().execute(*table.update(
            [table.id], [table.id],
            where=fields.SQL_OPERATORS['in'](
                table.id, [r.id for r in records])))


def read_employee():
    """Read the employee of the user and nothing else.

    Each transition asks for it: Tryton would read the user with its companies.
    """
    transaction = Transaction()
    if 'employee' in transaction.context:
        # It decides, if it is one of the user's
        return
    User = Pool().get('res.user')
    user = User(transaction.user)
    table = User.__table__()
    cursor = transaction.connection.cursor()
    cursor.execute(*table.select(
            table.employee, where=table.id == user.id))
    for employee, in cursor:
        user._cache[user.id]['employee'] = employee


def _needs_orm(cls, names):
    Trigger = Pool().get('ir.trigger')
    return bool(
        Trigger.get_triggers(cls.__name__, 'create')
        or cls._defaults.keys() - {'create_uid', 'create_date'} - set(names)
        # Fields that are stored elsewhere than in a column
        or any(hasattr(cls._fields[n], 'set') for n in names))
