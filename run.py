# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Carry many records through calls to Stripe.

HTTP is done in threads, the database only in the thread of the caller.
Several processes never carry the same record at once, because each takes it
with a lease.
"""
import datetime as dt
import logging
import time
from bisect import bisect
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from sql import Null
from sql.aggregate import Count

from trytond import backend, config
from trytond.model import fields
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, TransactionError

from .batch import together
from .common import attempt, forget_locks, start_clean, take_locks
from .gateway import StripeFailure
from .pace import Slots
from .policy import Meaning

__all__ = ['LEASE', 'Run']

# Longer than the calls for one record can take with all their retries
LEASE = dt.timedelta(minutes=20)
THREADS = 48
# How many answers are written in one transaction at most
GROUP = 20
REPORT = 5
# How many of the records that were asked for are searched at once
ASKED = 1000

logger = logging.getLogger(__name__)


class Run:
    """Carry records of the model, each by its own steps.

    steps: function of the id and the gateway that returns a generator. It
    yields paced functions that call Stripe and gets back what they return or
    the StripeFailure that they raise. What it does until the next yield is
    committed before the next call. It is started over when that fails, so it
    must begin with finding out what has been done.

    A StripeFailure that the steps do not catch is kept on the record, or what
    follows from a refusal is done. Nothing more is sent for an account whose
    key is refused, and nothing for which its key lacks the permission.
    """

    def __init__(self, Model, steps):
        self.Model = Model
        self.steps = steps
        self.threads = config.getint(
            'account_payment_stripe', 'threads', default=THREADS)
        # What was said of the accounts, by id, of which Stripe refuses the key
        self.denied = {}
        # of which the key lacks a permission, by id and operation
        self.forbidden = {}
        # and the ids of those which it accepts
        self.accepted = set()
        self.done = self.failed = 0
        self.since = time.monotonic()

    def carry(self, where, records=None):
        """Carry all the records that match.

        where: function of the table that returns the condition.
        records: only these, None: all.
        Commits, records that fail do not undo the others.
        """
        start_clean()
        claims = _Claims(self.Model, where, records)
        self._started = self._reported = time.monotonic()
        jobs, slots = {}, Slots()
        with ThreadPoolExecutor(self.threads) as executor:
            answered = []
            while True:
                started = [
                    _Carried(self, id_)
                    for id_ in claims.take(self.threads - len(jobs))]
                for group in _groups(answered + started):
                    for carried, job in self._advance(group):
                        carried.job = executor.submit(
                            _call, job, slots.delay(job))
                        jobs[carried.job] = carried
                if not jobs:
                    if claims.exhausted:
                        break
                    answered = []
                    continue
                futures, _ = wait(jobs, return_when=FIRST_COMPLETED)
                answered = [jobs.pop(f) for f in futures]
                self._report(claims, len(jobs))
        self._report(claims, 0, last=True)
        if accepted := self.accepted - self.denied.keys():
            Account = Pool().get('account.payment.stripe.account')
            attempt(lambda: Account.note_accepted(
                    Account.browse(list(accepted)), self.since))

    def steps_of(self, id_):
        "Yield the calls for the record and keep what their failure means"
        record = self.Model.stripe_browse(id_)
        account = record.stripe_own_account
        if failure := self.denied.get(account.id):
            self._wait(id_, failure)
            return
        try:
            yield from self._permitted(
                account.id, self.steps(id_, account.gateway))
            self.accepted.add(account.id)
            return
        except StripeFailure as e:
            failure = e
        if record.stripe_meaning(failure) is not Meaning.REFUSED:
            self._wait(id_, failure)
            return
        self.accepted.add(account.id)
        try:
            yield from self._permitted(
                account.id,
                self.Model.stripe_refuse(id_, account.gateway, failure))
        except StripeFailure as e:
            self._wait(id_, e)

    def _permitted(self, account, steps):
        "Yield the calls of the steps that the key of the account may make"
        answer = failure = None
        while True:
            try:
                call = steps.throw(failure) if failure else steps.send(answer)
            except StopIteration:
                return
            answer = None
            if failure := self.forbidden.get((account, call.operation.name)):
                continue
            try:
                answer = yield call
            except StripeFailure as e:
                failure = e
                if e.forbidden:
                    self.forbidden[account, e.operation] = e

    def _wait(self, id_, failure):
        "Let the record wait, it is not refused"
        for record in self.Model.stripe_lock([id_]):
            meaning = record.stripe_meaning(failure)
            if meaning is Meaning.REFUSED:
                meaning = Meaning.REVIEW
            account = record.stripe_own_account
            if meaning is Meaning.DENIED:
                self.denied[account.id] = failure
            if meaning.of_account:
                Account = account.__class__
                Account.note_denied([Account(account.id)], failure)
            if record.stripe_is_carried:
                record.stripe_wait(failure, meaning)

    def _advance(self, group):
        """Return those which go on with their next call.

        They are advanced in one transaction, or each in its own if one of
        them fails.
        """
        transaction = Transaction()
        try:
            take_locks(group[0].locks)
            with together(self._lock(group) if len(group) > 1 else []):
                advanced = [(c, c.advance()) for c in group]
            self._release([c.id for c, job in advanced if not job])
            transaction.commit()
        except Exception as e:
            transaction.rollback()
            for carried in group:
                carried.start_over()
            if len(group) > 1:
                for carried in group:
                    # It is read again, so it may fail again only later
                    carried.alone = True
                return [a for c in group for a in self._advance([c])]
            carried, = group
            if carried.retry and isinstance(
                    e, (TransactionError, backend.DatabaseOperationalError)):
                carried.retry -= 1
                if isinstance(e, TransactionError):
                    e.fix(carried.locks)
                time.sleep(0.02)
                return self._advance(group)
            # It must not stop the others
            logger.exception("%s,%s failed", self.Model.__name__, carried.id)
            self.failed += 1
            try:
                attempt(self._note_error, carried.id, e)
            except Exception:
                logger.exception(
                    "the error of %s,%s cannot be shown: %s",
                    self.Model.__name__, carried.id, e)
            return []
        finally:
            forget_locks()
        self.done += sum(1 for _, job in advanced if not job)
        return [(c, job) for c, job in advanced if job]

    def _note_error(self, id_, error):
        self.Model.stripe_note_error(id_, error)
        self._release([id_])

    def _lock(self, group):
        "Lock and read the records together and return them"
        records = self.Model.stripe_lock([c.id for c in group])
        for record in records[:1]:
            record.stripe_leased_until
        return records

    def _release(self, ids):
        "End the leases"
        if not ids:
            return
        table = self.Model.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.stripe_leased_until], [None],
                where=fields.SQL_OPERATORS['in'](table.id, ids)))

    def _report(self, claims, under_way, last=False):
        now = time.monotonic()
        if now - self._reported < REPORT and not (
                last and self._reported != self._started):
            return
        self._reported = now
        logger.info("%s: %s done, %s failed, %s under way, %s left, %.1f/s",
            self.Model.__name__, self.done, self.failed, under_way,
            claims.left(), self.done / (now - self._started))


def _groups(carried):
    "Return the lists of those which are advanced in one transaction"
    others = [c for c in carried if not c.alone]
    return [
        *(list(g) for g in grouped_slice(others, GROUP)),
        *([c] for c in carried if c.alone)]


def _call(job, delay):
    time.sleep(delay)
    return job()


class _Carried:
    "A record on its way through its steps"

    def __init__(self, run, id_):
        self.run = run
        self.id = id_
        self.retry = config.getint('database', 'retry')
        self.alone = False
        self.locks = {}
        self.start_over()

    def start_over(self):
        self.job = None
        self._steps = self.run.steps_of(self.id)

    def advance(self):
        "Return the next call after the outcome of the last, None at the end"
        try:
            if not self.job:
                return next(self._steps)
            try:
                answer = self.job.result()
            except StripeFailure as failure:
                return self._steps.throw(failure)
            return self._steps.send(answer)
        except StopIteration:
            return


class _Claims:
    "The records to carry, taken from other processes for a LEASE"

    def __init__(self, Model, where, records):
        self.Model = Model
        self.where = where
        self.ids = None if records is None else sorted(map(int, records))
        self.last = 0
        self.exhausted = False

    def _condition(self, table, ids):
        now = dt.datetime.now()
        condition = (
            self.where(table)
            & (table.id > self.last)
            & ((table.stripe_leased_until == Null)
                | (table.stripe_leased_until <= now)
                # The clock of the server was set back
                | (table.stripe_leased_until > now + LEASE)))
        if ids is not None:
            condition &= fields.SQL_OPERATORS['in'](table.id, ids)
        return condition

    def _asked(self, limit=None):
        "Return the next ids that are asked for, None for all"
        if self.ids is not None:
            start = bisect(self.ids, self.last)
            return self.ids[start:limit and start + limit]

    def take(self, limit):
        "Return the ids of records that nobody else carries now, commits"
        while not self.exhausted and limit > 0:
            # Those far behind are not searched each time
            asked = self._asked(ASKED)
            ids = attempt(self._take, limit, asked) if asked != [] else []
            if ids:
                self.last = ids[-1]
                return ids
            elif asked:
                self.last = asked[-1]
            else:
                self.exhausted = True
        return []

    def _take(self, limit, asked):
        transaction = Transaction()
        database = transaction.database
        cursor = transaction.connection.cursor()
        table = self.Model.__table__()
        select = table.select(
            table.id, where=self._condition(table, asked),
            order_by=[table.id], limit=limit)
        if database.has_select_for():
            For = database.get_select_for_skip_locked()
            select.for_ = For('UPDATE')
        else:
            # SQLite takes its lock with the first change
            cursor.execute(*table.update(
                    [table.id], [table.id], where=table.id < 0))
        cursor.execute(*select)
        ids = [id_ for id_, in cursor]
        if ids:
            cursor.execute(*table.update(
                    [table.stripe_leased_until], [dt.datetime.now() + LEASE],
                    where=fields.SQL_OPERATORS['in'](table.id, ids)))
        return ids

    def left(self):
        "Return how many records are not yet taken"
        cursor = Transaction().connection.cursor()
        table = self.Model.__table__()
        cursor.execute(*table.select(
                Count(table.id), where=self._condition(table, self._asked())))
        count, = cursor.fetchone()
        return count
