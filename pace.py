# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Keep the runs of all processes below the rate limits of Stripe.

Source: https://docs.stripe.com/rate-limits
"""
import logging
import time
from collections import defaultdict, deque

from sql.conditionals import Greatest, Least
from sql.functions import ClockTimestamp, Extract

from trytond import backend
from trytond.model import Index, ModelSQL, Unique, fields
from trytond.pool import Pool
from trytond.transaction import Transaction

__all__ = ['RateLimiter']

# How much of a second is reserved at once from the other processes
AHEAD = 1 / 6
# The seconds that a call waits for its slot at most
AT_MOST = 60

logger = logging.getLogger(__name__)


class Pace(ModelSQL):
    "The next free slot of each operation, shared by all processes"
    __name__ = 'account.payment.stripe.pace'

    key = fields.Char("Key", required=True)
    operation = fields.Char("Operation", required=True)
    next_at = fields.Float(
        "Next at", required=True,
        help="In seconds of the clock of the database.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        table = cls.__table__()
        cls._sql_constraints = [
            ('operation_unique', Unique(table, table.key, table.operation),
                'account_payment_stripe.msg_pace_unique'),
            ]
        cls._sql_indexes.add(
            Index(
                table,
                (table.key, Index.Equality()),
                (table.operation, Index.Equality())))

    @classmethod
    def reserve(cls, key, operation, seconds):
        """Reserve the seconds after those which are reserved.

        Return in how many seconds they start.
        Commits in a transaction of its own.
        """
        table = cls.__table__()
        now = Extract('EPOCH', ClockTimestamp())
        where = (table.key == key) & (table.operation == operation)
        update = table.update(
            # The clock of the database may have been set back
            [table.next_at],
            [Greatest(Least(table.next_at, now + AT_MOST), now) + seconds],
            where=where, returning=[table.next_at - seconds - now])
        # Each statement is a transaction of its own, that waits for the
        # others and conflicts with none
        with Transaction().new_transaction(autocommit=True) as transaction:
            cursor = transaction.connection.cursor()
            cursor.execute(*update)
            row = cursor.fetchone()
            if not row:
                try:
                    cursor.execute(*table.insert(
                            [table.key, table.operation, table.next_at],
                            [[key, operation, 0]]))
                except backend.DatabaseIntegrityError:
                    logger.debug("another process was faster")
                cursor.execute(*update)
                row = cursor.fetchone()
        delay, = row
        return float(delay)


class RateLimiter:
    "Give each call of a run the time at which it may be made"

    def __init__(self):
        self._slots = defaultdict(_Slots)

    def delay(self, call):
        "Return the seconds to wait before the call"
        delays = []
        for operation in call.operations:
            gateway = operation.gateway
            for name, rate in [
                    (operation.name, gateway.rate(operation.name)),
                    # and in all
                    ('*', gateway.rate_total)]:
                slots = self._slots[gateway.identity, name]
                delays.append(slots.take(gateway.identity, name, rate))
        return max(delays)


class _Slots:

    # The last slot given by this process, where it is alone
    _last = {}

    def __init__(self):
        self.times = deque()

    def take(self, key, operation, rate):
        interval = 1 / rate
        now = time.monotonic()
        # Not those missed, as many at once would be over the limit
        while self.times and self.times[0] < now - interval:
            self.times.popleft()
        if not self.times:
            count = max(int(rate * AHEAD), 1)
            start = self._reserve(key, operation, count * interval)
            self.times.extend(start + i * interval for i in range(count))
        return max(self.times.popleft() - time.monotonic(), 0)

    def _reserve(self, key, operation, seconds):
        "Return the monotonic time of the start of the seconds"
        if Transaction().database.has_select_for():
            Pace = Pool().get('account.payment.stripe.pace')
            delay = Pace.reserve(key, operation, seconds)
            return time.monotonic() + delay
        # SQLite is used by one process
        start = max(self._last.get((key, operation), 0), time.monotonic())
        self._last[key, operation] = start + seconds
        return start
