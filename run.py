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
from trytond.exceptions import UserError
from trytond.model import fields
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, TransactionError

from .attempt import attempt, committed, pause, start_clean
from .batch import Batch
from .call import Job
from .gateway import StripeFailure
from .pace import RateLimiter
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

    steps: function of a Job that returns the generator of its Calls. What it
    does until the next call is committed before that is made. It is started
    over when the commit fails, so it must begin with finding out what has been
    done.
    goes_on: function of a record that tells if there is still something to do
    for it, without it: if it is carried. Otherwise its steps end, also between
    a call and its answer, and so they do if the record is gone.

    The records of a group, also of one, are locked and read together before
    their steps go on.

    A StripeFailure that the steps do not catch is kept on the record, or what
    follows from a refusal is done. Nothing more is sent for an account whose
    key is refused, and nothing for which its key lacks the permission.
    """

    def __init__(self, Model, steps, goes_on=None):
        self.Model = Model
        self.steps = steps
        self.goes_on = goes_on or (lambda record: record.stripe_is_carried)
        self.threads = config.getint(
            'account_payment_stripe', 'threads', default=THREADS)
        self.retry = config.getint('database', 'retry')
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
        sent, limiter = {}, RateLimiter()
        with ThreadPoolExecutor(self.threads) as executor:
            answered = []
            while True:
                started = [
                    _Job(self, id_)
                    for id_ in claims.take(self.threads - len(sent))]
                for group in _groups(answered + started):
                    for job, call in self._advance(group):
                        job.answer = executor.submit(
                            _make, call, limiter.delay(call))
                        sent[job.answer] = job
                if not sent:
                    if claims.exhausted:
                        break
                    answered = []
                    continue
                futures, _ = wait(sent, return_when=FIRST_COMPLETED)
                answered = [sent.pop(f) for f in futures]
                self._report(claims, len(sent))
        self._report(claims, 0, last=True)
        if accepted := self.accepted - self.denied.keys():
            Account = Pool().get('account.payment.stripe.account')
            attempt(lambda: Account.note_accepted(
                    Account.browse(list(accepted)), self.since))

    def steps_of(self, job):
        "Yield the calls for the record and keep what their failure means"
        account = job.record.stripe_own_account
        job.gateway = account.gateway
        if failure := self.denied.get(account.id):
            self._wait(job, failure)
            return
        try:
            yield from self._permitted(account.id, self.steps(job))
            return
        except StripeFailure as e:
            failure = e
        if job.record.stripe_meaning(failure) is not Meaning.REFUSED:
            self._wait(job, failure)
            return
        self.accepted.add(account.id)
        try:
            yield from self._permitted(
                account.id, self.Model.stripe_refuse(job, failure))
        except StripeFailure as e:
            self._wait(job, e)

    def _permitted(self, account, steps):
        "Yield the calls of the steps that the key of the account may make"
        answer = failure = None
        while True:
            try:
                call = steps.throw(failure) if failure else steps.send(answer)
            except StopIteration:
                return
            answer = None
            failure = next(filter(None, (
                        self.forbidden.get((account, o.name))
                        for o in call.operations)), None)
            if failure:
                continue
            try:
                answer = yield call
            except StripeFailure as e:
                failure = e
                if e.forbidden:
                    self.forbidden[account, e.operation] = e
            else:
                self.accepted.add(account)

    def _wait(self, job, failure):
        "Let the record wait, it is not refused"
        record = job.record
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
        """Return the jobs which go on, with their next call.

        They are advanced in one transaction, or each in its own if one of
        them fails.
        """
        # Who is alone takes the locks that were missing
        locks = group[0].locks if len(group) == 1 else {}
        try:
            with committed(locks):
                records = self.Model.stripe_lock([j.id for j in group])
                for record in records[:1]:
                    # Reads them all
                    record.stripe_leased_until
                records = {r.id: r for r in records}
                with Batch(records.values()):
                    advanced = [
                        (j, j.advance(records.get(j.id))) for j in group]
                self._release([j.id for j, call in advanced if not call])
        except Exception as e:
            for job in group:
                job.start_over()
            if len(group) > 1:
                for job in group:
                    # It starts over and may fail at the same step again, so
                    # that it must not take the others along
                    job.alone = True
                return [a for j in group for a in self._advance([j])]
            job, = group
            busy = isinstance(e, backend.DatabaseOperationalError)
            if job.retried < self.retry and (
                    busy or isinstance(e, TransactionError)):
                pause(job.retried)
                job.retried += 1
                return self._advance(group)
            # One record that fails must not stop the others
            if isinstance(e, UserError):
                # Said to who can change it
                logger.warning(
                    "%s,%s failed: %s", self.Model.__name__, job.id, e.message)
            elif busy:
                logger.warning("%s,%s failed: %s",
                    self.Model.__name__, job.id, e.__class__.__name__)
            else:
                logger.exception("%s,%s failed", self.Model.__name__, job.id)
            self.failed += 1
            try:
                if busy:
                    # It is not about the record
                    attempt(self._release, [job.id])
                else:
                    attempt(self._note_error, job.id, e)
            except Exception:
                logger.exception(
                    "the error of %s,%s cannot be shown: %s",
                    self.Model.__name__, job.id, e)
            return []
        self.done += sum(1 for _, call in advanced if not call)
        return [(j, call) for j, call in advanced if call]

    def _note_error(self, id_, error):
        self.Model.stripe_note_error(id_, error)
        self._release([id_])

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


def _groups(jobs):
    "Return the lists of those which are advanced in one transaction"
    others = [j for j in jobs if not j.alone]
    return [
        *(list(g) for g in grouped_slice(others, GROUP)),
        *([j] for j in jobs if j.alone)]


def _make(call, delay):
    time.sleep(delay)
    return call()


class _Job(Job):
    """A record on its way through its steps.

    answer: the future of its last call, None before the first.
    """

    def __init__(self, run, id_):
        super().__init__(None, None)
        self.run = run
        self.id = id_
        self.retried = 0
        self.alone = False
        self.locks = {}
        self.start_over()

    def start_over(self):
        self.answer = None
        self._steps = self.run.steps_of(self)

    def advance(self, record):
        """Return the next call after the outcome of the last, None at the end.

        record: locked and just read, None if it is gone.
        """
        self.record = record
        if not record or not self.run.goes_on(record):
            self._steps.close()
            return
        try:
            if not self.answer:
                return next(self._steps)
            try:
                answer = self.answer.result()
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
            # Of many ids only the next are searched each time
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
