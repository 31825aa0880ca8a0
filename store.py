# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Lock records, and write without the ORM what Stripe said.

The ORM reads each record that it writes once more, with all that it refers to,
to validate it, and reads a new one twice. For the row and the log of an event
that is a fifth of what it costs, for what a charge tells it is more than all
the rest: above 25 payments a second it decides how many can be charged. So
this is the only place that does without, and what it writes is made to be
what the ORM would accept.
"""
from decimal import Decimal
from itertools import groupby

from sql import For
from sql.functions import CurrentTimestamp

from trytond import backend
from trytond.model import Model, fields
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access

from .amount import exact
from .batch import Batch
from .convert import UNKNOWN, one_line
from .error import error_message

__all__ = [
    'LeaseMixin', 'LockMixin', 'insert', 'insert_log', 'read_employee',
    'touch']


class LockMixin:
    "What is locked and written for Stripe"
    __slots__ = ()

    @classmethod
    def stripe_lock(cls, records):
        """Hold the rows until the end of the transaction and return them
        fresh, without those which are gone.

        Raises DatabaseOperationalError if another transaction changed them.
        """
        # lock() would start a whole transaction over for each new record
        ids = list(map(int, records))
        held = Batch.current().locked(cls.__name__, ids)
        if held is not None:
            return held
        locked = {id_ for id_, in cls._stripe_lock_rows(
                lambda table: fields.SQL_OPERATORS['in'](table.id, ids))}
        return cls.browse([i for i in ids if i in locked])

    @classmethod
    def _stripe_lock_rows(cls, where, *names):
        """Hold the rows until the end of the transaction, and return of each
        the id and what else is named.

        where: function of the table that returns the condition.
        """
        transaction = Transaction()
        cursor = transaction.connection.cursor()
        table = cls.__table__()
        select = table.select(
            table.id, *[getattr(table, n) for n in names],
            where=where(table), order_by=[table.id])
        if transaction.database.has_select_for():
            select.for_ = For('UPDATE')
        else:
            # SQLite takes the lock with the first change
            cursor.execute(*table.update(
                    [table.id], [table.id], where=select.where))
        cursor.execute(*select)
        rows = cursor.fetchall()
        for cache in transaction.cache.values():
            if cls.__name__ in cache:
                for id_, *_ in rows:
                    cache[cls.__name__].pop(id_, None)
        return rows

    def stripe_store(self, **values):
        """Write those of the values that are new.

        Only for what is known of Stripe, on which nothing else depends: it
        goes without the checks of the model. They become what it would accept.
        Raises AmountError if the currency has not enough digits for one.
        """
        changed = {}
        for name, value in values.items():
            value, old = _accepted(self, name, value), getattr(self, name)
            if value != old or (
                    # Stored before the digits of the currency were looked at
                    isinstance(value, Decimal)
                    and old.as_tuple().exponent < value.as_tuple().exponent):
                changed[name] = value
        if not changed:
            return
        stored = {
            n: v.id if isinstance(v, Model) else v
            for n, v in changed.items()}
        transaction = Transaction()
        table = self.__table__()
        transaction.connection.cursor().execute(*table.update(
                [getattr(table, n) for n in stored],
                [self._fields[n].sql_format(v) for n, v in stored.items()],
                where=table.id == self.id))
        for cache in transaction.cache.values():
            if cache is not self._transaction_cache:
                cache[self.__name__].pop(self.id, None)
        for cache, known in [
                (self._local_cache, changed), (self._cache, stored)]:
            if self.id in cache:
                for name, value in known.items():
                    cache[self.id][name] = value


class LeaseMixin(LockMixin):
    "What a Run carries"
    __slots__ = ()

    stripe_leased_until = fields.Timestamp("Leased until", readonly=True)

    @classmethod
    def copy(cls, records, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('stripe_leased_until')
        return super().copy(records, default=default)

    @classmethod
    def stripe_note_error(cls, id_, error):
        "Show on the record the exception for which it could not go on"
        for record in cls.stripe_lock([id_]):
            record.stripe_store(
                stripe_error_message=error_message(error),
                stripe_error_code=None,
                stripe_error_param=None)

    @classmethod
    def stripe_note_unapplied(cls, id_, error):
        """Show on the record the exception that prevents what Stripe says of
        it, and keep what can be kept of that.

        Raises StripeFailure.
        """
        cls.stripe_note_error(id_, error)


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
