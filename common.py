# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What several models of the module share."""
import datetime as dt
import time
import uuid
from collections import defaultdict
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from weakref import WeakKeyDictionary

from sql import For

from trytond import backend, config
from trytond.exceptions import UserError
from trytond.i18n import gettext
from trytond.model import Model, fields
from trytond.model.exceptions import AccessError
from trytond.pyson import Eval
from trytond.transaction import Transaction, TransactionError

from .amount import AmountError, exact, from_stripe, max_digits, to_stripe
from .batch import locked
from .exceptions import StripeAmountError
from .gateway import StripeDenied, StripeKeyReused, StripeUnavailable

# What Stripe says that the model has no name for
UNKNOWN = 'unknown'
_NOT_IN_CHAR = dict.fromkeys(map(ord, fields.Char.forbidden_chars + '\0'), ' ')
_EPOCH = dt.datetime(1970, 1, 1)
# The context is no place for it, as the tasks that are queued inherit it
_told = WeakKeyDictionary()
_hurried = ContextVar('hurried', default=False)


def from_timestamp(seconds):
    "Return the UTC datetime of Stripe's seconds"
    return _EPOCH + dt.timedelta(seconds=seconds)


def to_timestamp(datetime):
    "Return Stripe's seconds of the UTC datetime"
    return int((datetime - _EPOCH).total_seconds())


def new_key():
    "Return an identifier of 122 random bits in 32 hex characters"
    return uuid.uuid4().hex


def is_key(value):
    "Return if the value, which anybody may have sent, can be such a key"
    return (
        isinstance(value, str)
        and len(value) <= 255
        and value.isascii()
        and value.replace('-', '').replace('_', '').isalnum())


def stripe_amount(amount, currency, record, charged=False):
    """Return the integer in Stripe's minor unit of the Decimal amount.

    charged: if it is of what Stripe has taken before, whatever its digits.
    Raises StripeAmountError, in words, if Stripe cannot express it.
    """
    try:
        return to_stripe(amount, currency.code, charged=charged)
    except AmountError as e:
        raise StripeAmountError(gettext(
                'account_payment_stripe.msg_stripe_amount',
                record=record.rec_name,
                currency=currency.rec_name,
                unit=e.unit,
                digits=max_digits(currency.code))) from None


def failure_message(failure):
    "Return the text that a person can understand about the StripeFailure"
    if isinstance(failure, StripeUnavailable):
        return gettext('account_payment_stripe.msg_stripe_unavailable')
    elif isinstance(failure, StripeDenied):
        return gettext('account_payment_stripe.msg_stripe_denied')
    elif isinstance(failure, StripeKeyReused):
        return gettext('account_payment_stripe.msg_stripe_key_reused')
    return failure.message


def next_pause(tries, first, last):
    "Return how long to wait after so many tries, from first up to last"
    return min(first * 2 ** min(tries - 1, 10), last)


def error_message(error):
    "Return the text that a person can understand about the exception"
    if isinstance(error, UserError):
        return error.message
    return gettext(
        'account_payment_stripe.msg_unexpected_error',
        error=error.__class__.__name__)


def is_readable(record, *names):
    """Return if the user may read the fields of the record, if access is
    checked at all.

    Clients call the methods of on_change and selections of any record, for
    which Tryton checks nothing.
    """
    if not Transaction().check_access or record.id is None or record.id < 0:
        return True
    try:
        record.__class__.read([record.id], ['id', *names])
    except AccessError:
        return False
    return True


@contextmanager
def told_by_stripe():
    "Let payments take the state that Stripe told, without asking it again"
    transaction = Transaction()
    before = _told.get(transaction)
    _told[transaction] = True
    try:
        yield
    finally:
        _told[transaction] = before


def is_told_by_stripe():
    return bool(_told.get(Transaction()))


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


def take_locks(locks):
    "Take the locks that were missing, as a new transaction does"
    transaction = Transaction()
    for table in locks.get('_lock_tables', []):
        transaction.database.lock(transaction.connection, table)
        transaction._locked_tables.add(table)
    for table, ids in locks.get('_lock_records', {}).items():
        transaction.database.lock_records(transaction.connection, table, ids)
        transaction._locked_records[table].update(ids)


def forget_locks():
    """Forget what has ended with the commit or the roll back: the locks, and
    what has joined, as it would be part of each of the following."""
    transaction = Transaction()
    transaction._locked_tables = set()
    transaction._locked_records = defaultdict(set)
    transaction._datamanagers = []


def start_clean():
    "Commit what the transaction holds, it must not end with what follows"
    try:
        Transaction().commit()
    finally:
        forget_locks()


def attempt(func, *args, **kwargs):
    """Return the result of func after it has been committed.

    Starts func over, in a new transaction, when the database reports a
    conflict or a lock has to be taken first.
    Anything else that it raises has been rolled back.
    What the transaction holds before is committed first.
    """
    start_clean()
    transaction = Transaction()
    retry = config.getint('database', 'retry')
    locks = {}
    for count in range(retry + 1):
        try:
            take_locks(locks)
            result = func(*args, **kwargs)
            transaction.commit()
        except (TransactionError, backend.DatabaseOperationalError) as e:
            transaction.rollback()
            if count == retry:
                raise
            if isinstance(e, TransactionError):
                e.fix(locks)
            time.sleep(0.02 * (count + 1))
        except BaseException:
            transaction.rollback()
            raise
        else:
            return result
        finally:
            forget_locks()


class LeaseMixin:
    "What a Run carries"
    __slots__ = ()

    stripe_leased_until = fields.Timestamp("Leased until", readonly=True)

    @classmethod
    def copy(cls, records, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('stripe_leased_until')
        return super().copy(records, default=default)

    @classmethod
    def stripe_lock(cls, records):
        """Hold the rows until the end of the transaction and return them
        fresh, without those which are gone.

        Raises DatabaseOperationalError if another transaction changed them.
        """
        # lock() would start a whole transaction over for each new record
        held = locked(cls.__name__, list(map(int, records)))
        if held is not None:
            return held
        transaction = Transaction()
        database = transaction.database
        cursor = transaction.connection.cursor()
        table = cls.__table__()
        where = fields.SQL_OPERATORS['in'](table.id, [int(r) for r in records])
        if database.has_select_for():
            cursor.execute(*table.select(
                    table.id, where=where, order_by=[table.id],
                    for_=For('UPDATE')))
        else:
            # SQLite takes the lock with the first change
            cursor.execute(*table.update([table.id], [table.id], where=where))
            cursor.execute(*table.select(table.id, where=where))
        ids = {id_ for id_, in cursor}
        for cache in transaction.cache.values():
            if cls.__name__ in cache:
                for id_ in ids:
                    cache[cls.__name__].pop(id_, None)
        return cls.browse([i for i in map(int, records) if i in ids])

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

    def stripe_store(self, **values):
        """Write those of the values that are new.

        Only for what is known of Stripe, on which nothing else depends: it
        goes without the checks of the model, which cost more than the rest of
        a charge. They become what the model would accept.
        Raises AmountError if the currency has not enough digits for one.
        """
        values = {
            n: v for n, v in (
                (n, self._stripe_accepted(n, v)) for n, v in values.items())
            if _differ(getattr(self, n), v)}
        if not values:
            return
        stored = {
            n: v.id if isinstance(v, Model) else v for n, v in values.items()}
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
                (self._local_cache, values), (self._cache, stored)]:
            if self.id in cache:
                for name, value in known.items():
                    cache[self.id][name] = value

    def _stripe_accepted(self, name, value):
        "Return the value of Stripe as the field accepts it"
        if value is None:
            return
        field = self._fields[name]
        if isinstance(field, fields.Numeric):
            currency = getattr(self, field.digits)
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


def one_line(text):
    "Return the text without what no Char, or no database, can have"
    text = text.translate(_NOT_IN_CHAR)
    if not text.isascii():
        text = text.encode(errors='replace').decode()
    return text


class AmountMixin:
    __slots__ = ()

    stripe_amount = fields.Function(
        fields.Integer(
            "Stripe Amount",
            states={
                'readonly': Eval('state') != 'draft',
                }),
        'get_stripe_amount', setter='set_stripe_amount')

    def get_stripe_amount(self, name):
        try:
            return to_stripe(self.amount, self.currency.code, charged=True)
        except AmountError:
            return None

    @classmethod
    def set_stripe_amount(cls, records, name, value):
        """Set the amount to the integer of Stripe's minor unit.

        Raises StripeAmountError if the currency has not enough digits for it.
        """
        if value is None:
            return
        for record in records:
            currency = record.currency
            try:
                record.amount = from_stripe(
                    value, currency.code, currency.digits)
            except AmountError as e:
                raise StripeAmountError(inexact_message(e)) from None
        cls.save(records)


def inexact_message(error):
    "Return the text about the AmountError of what Stripe said"
    return gettext(
        'account_payment_stripe.msg_stripe_inexact',
        amount=error.amount, currency=error.currency, unit=error.unit)


class ErrorMixin:
    __slots__ = ()

    stripe_error_message = fields.Char(
        "Stripe Error Message", readonly=True,
        states={
            'invisible': ~Eval('stripe_error_message'),
            })
    stripe_error_code = fields.Char(
        "Stripe Error Code", readonly=True,
        states={
            'invisible': ~Eval('stripe_error_code'),
            })
    stripe_error_param = fields.Char(
        "Stripe Error Parameter", readonly=True,
        states={
            'invisible': ~Eval('stripe_error_param'),
            })

    @classmethod
    def copy(cls, records, default=None):
        default = default.copy() if default is not None else {}
        for name in cls.stripe_error_values(None):
            default.setdefault(name)
        return super().copy(records, default=default)

    @staticmethod
    def stripe_error_values(failure):
        "Return the values that show the failure, a StripeFailure, or none"
        return {
            'stripe_error_message': failure and failure_message(failure),
            'stripe_error_code': failure and failure.code,
            'stripe_error_param': failure and failure.param,
            }
