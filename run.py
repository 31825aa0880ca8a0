# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Carry many records through calls to Stripe.

HTTP is done in threads, the database only in the thread of the caller, each
answer in a transaction of its own. Several processes never carry the same
record at once, because each takes it with a lease.
"""
import datetime as dt
import logging
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from sql import Null

from trytond import backend, config
from trytond.model import fields
from trytond.tools import grouped_slice
from trytond.transaction import Transaction

from .common import attempt
from .gateway import StripeFailure

__all__ = ['LEASE', 'Run']

# Longer than the calls for one record can take with all their retries
LEASE = dt.timedelta(minutes=20)
THREADS = 16
# How many records are taken at once for each thread
AHEAD = 2

logger = logging.getLogger(__name__)


class Run:
    """Carry records of the model, each by its own steps.

    steps: function of the id and the run that returns a generator. It yields
    functions that call Stripe and gets back what they return or the
    StripeFailure that they raise. What it does until the next yield is
    committed before the next call. It is started over when the database
    reports a conflict, so it must begin with finding out what has been done.
    """

    def __init__(self, Model, steps):
        self.Model = Model
        self.steps = steps
        self.threads = config.getint(
            'account_payment_stripe', 'threads', default=THREADS)
        # Ids of the accounts of which Stripe refuses the key
        self.denied = set()

    def carry(self, where, records=None):
        """Carry all the records that match, record by record.

        where: function of the table that returns the condition.
        records: only these, None: all.
        Commits.
        """
        ids = None if records is None else sorted(map(int, records))
        if ids is not None:
            self.threads = min(self.threads, max(len(ids), 1))
        claims = self._claim_all(where, ids)
        if self.threads == 1:
            for id_ in claims:
                carried = _Carried(self, id_)
                job = carried.advance()
                while job:
                    job = carried.resume(job)
        else:
            self._carry_in_threads(claims)

    def _carry_in_threads(self, claims):
        jobs = {}

        def submit(carried, job):
            if job:
                jobs[executor.submit(job)] = carried

        with ThreadPoolExecutor(self.threads) as executor:
            while True:
                while claims and len(jobs) < self.threads:
                    try:
                        carried = _Carried(self, next(claims))
                    except StopIteration:
                        claims = None
                    else:
                        submit(carried, carried.advance())
                if not jobs:
                    break
                done, _ = wait(jobs, return_when=FIRST_COMPLETED)
                for future in done:
                    carried = jobs.pop(future)
                    submit(carried, carried.resume(future.result))

    def _claim_all(self, where, ids):
        size = self.threads * AHEAD
        if ids is None:
            last = 0
            while claimed := self._claim(
                    lambda t: where(t) & (t.id > last), size):
                yield from claimed
                last = claimed[-1]
        else:
            for sub_ids in grouped_slice(ids, size):
                sub_ids = list(sub_ids)
                yield from self._claim(
                    lambda t: where(t)
                    & fields.SQL_OPERATORS['in'](t.id, sub_ids), size)

    def _claim(self, where, limit):
        "Return the ids of records that nobody else carries now, commits"
        transaction = Transaction()
        database = transaction.database
        now = dt.datetime.now()
        table = self.Model.__table__()
        taken = self.Model.__table__()
        select = taken.select(
            taken.id,
            where=where(taken) & (
                (taken.stripe_leased_until == Null)
                | (taken.stripe_leased_until <= now)
                # The clock of the server was set back
                | (taken.stripe_leased_until > now + LEASE)),
            order_by=[taken.id],
            limit=limit)
        if database.has_select_for():
            For = database.get_select_for_skip_locked()
            select.for_ = For('UPDATE')

        def take():
            cursor = transaction.connection.cursor()
            if not database.has_select_for():
                # SQLite takes its lock with the first change
                cursor.execute(*table.update(
                        [table.id], [table.id], where=table.id < 0))
            cursor.execute(*select)
            ids = [id_ for id_, in cursor]
            if ids:
                cursor.execute(*table.update(
                        [table.stripe_leased_until], [now + LEASE],
                        where=fields.SQL_OPERATORS['in'](table.id, ids)))
            return ids
        return attempt(take)


class _Carried:
    "A record on its way through its steps"

    def __init__(self, run, id_):
        self.run = run
        self.id = id_
        self.retry = config.getint('database', 'retry')
        self._steps = run.steps(id_, run)

    def resume(self, job):
        "Return the next call after the outcome of the job, None at the end"
        try:
            answer = job()
        except StripeFailure as failure:
            return self.advance(self._steps.throw, failure)
        return self.advance(self._steps.send, answer)

    def advance(self, resume=None, value=None):
        transaction = Transaction()
        resume = resume or self._steps.send
        while True:
            try:
                try:
                    job = resume(value)
                except StopIteration:
                    job = None
                    self._release()
                transaction.commit()
                return job
            except backend.DatabaseOperationalError:
                transaction.rollback()
                if not self.retry:
                    logger.warning("%s,%s is left for later",
                        self.run.Model.__name__, self.id, exc_info=True)
                    return
                self.retry -= 1
                time.sleep(0.02)
                self._steps = self.run.steps(self.id, self.run)
                resume, value = self._steps.send, None
            except Exception:
                # One bad record must not stop the others, it is tried again
                # after its lease
                transaction.rollback()
                logger.exception(
                    "%s,%s failed", self.run.Model.__name__, self.id)
                return

    def _release(self):
        table = self.run.Model.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.stripe_leased_until], [None],
                where=table.id == self.id))
