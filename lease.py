# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Records that a Run carries: how they are locked and written."""
from sql import For

from trytond.model import fields
from trytond.transaction import Transaction

from .batch import Batch
from .error import error_message
from .store import update


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
        update(self, values)


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
