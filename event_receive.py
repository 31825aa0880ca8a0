# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import logging
from itertools import groupby

from trytond import backend
from trytond.model import fields
from trytond.model.exceptions import SQLConstraintError
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, TransactionError

from .attempt import attempt
from .batch import Batch
from .convert import from_timestamp
from .error import error_message, failure_message
from .event_handlers import object_id_of, tells_all
from .gateway import StripeFailure
from .policy import next_pause
from .store import insert

# How many polled events are applied in one transaction
GROUP = 50
FIRST_DELAY = dt.timedelta(minutes=5)
LAST_DELAY = dt.timedelta(days=1)

logger = logging.getLogger(__name__)


class ReceiveMixin:
    "Receive events: each is applied once"
    __slots__ = ()

    @classmethod
    def receive(cls, account, event, known=None, by_webhook=False):
        """Apply the event if it has not been.

        event: the dictionary of a Stripe event.
        known: what search_known returned of it and others, None: search.
        by_webhook: if it was posted.
        Return the list of the records on which it is applied, True if it was
        earlier, and None if it is of no interest.
        Raises what prevents to apply it.
        """
        pool = Pool()
        try:
            model, method = cls.handlers()[event['type']]
        except KeyError:
            return
        if known is None:
            known = cls.search_known(account, [event])
        record = known.get(event['id'])
        if record and record.state == 'applied':
            return True
        records = getattr(pool.get(model), method)(account, event)
        if not records:
            return
        if not record:
            record = known[event['id']] = cls.new(account, event)
        if isinstance(records, list):
            record.record = str(records[0])
        if by_webhook:
            record.by_webhook = True
        record.state = 'applied'
        record.error_message = None
        record.try_at = None
        Batch.current().defer(cls._store, record)
        return records

    @classmethod
    def _after(cls, events, results):
        """Do what other people's servers may refuse, after what Stripe said
        has been committed."""
        Payment = Pool().get('account.payment')
        # A final event asks nobody to pay again
        if payments := [
                r for event, result in zip(events, results)
                if isinstance(result, list) and not tells_all(event)
                for r in result if isinstance(r, Payment)]:
            Payment.stripe_queue_mail(payments)

    @classmethod
    def search_known(cls, account, events):
        "Return the records of the events that were received, by identifier"
        cursor = Transaction().connection.cursor()
        table = cls.__table__()
        cursor.execute(*table.select(
                table.id,
                where=(table.account == account.id)
                & fields.SQL_OPERATORS['in'](
                    table.identifier, [e['id'] for e in events])))
        # Mostly there are none, which a search would make ready to read
        return {
            r.identifier: r
            for r in cls.browse([id_ for id_, in cursor])}

    @classmethod
    def _store(cls, records):
        insert([r for r in records if not r.id])
        cls.save([r for r in records if r.id])

    @classmethod
    def _grouped(cls, events):
        """Yield the lists of events that are received together, in their order

        Those of no interest are left out: they cost nothing.
        """
        handlers = cls.handlers()
        events = [e for e in events if e['type'] in handlers]
        for together_, events in groupby(events, key=tells_all):
            # Stripe has to be asked for it: the others must not stay locked
            # meanwhile
            size = GROUP if together_ else 1
            for group in grouped_slice(list(events), size):
                yield list(group)

    @classmethod
    def receive_all(cls, account, events, after=None):
        """Apply the events together, or each alone if one of them fails.

        after: called with the last that was applied in the transaction.
        Return for each the same as receive_alone.
        Commits, after a roll back of what the transaction holds.
        """
        Payment = Pool().get('account.payment')

        def receive():
            with Batch(Payment.stripe_lock_of(events)):
                known = cls.search_known(account, events)
                results = [cls.receive(account, e, known) for e in events]
            received = [
                e for e, r in zip(events, results) if r is not None]
            if after and received:
                after(received[-1])
            return results
        if len(events) > 1:
            try:
                results = attempt(receive)
            except TransactionError:
                raise
            except Exception as e:
                logger.info(
                    "%d events are received one by one after %s",
                    len(events), e.__class__.__name__)
            else:
                cls._after(events, results)
                return [r if r is None else True for r in results]
        return [cls.receive_alone(account, e, after) for e in events]

    @classmethod
    def new(cls, account, event):
        return cls(
            account=account.id,
            identifier=event['id'],
            type=event['type'],
            happened_at=from_timestamp(event['created']),
            object_id=object_id_of(event),
            by_webhook=False,
            tries=0)

    @classmethod
    def receive_alone(cls, account, event, after=None, by_webhook=False):
        """Apply the event in transactions of its own.

        after: called in the transaction that ends it.
        by_webhook: if it was posted.
        Return the same as receive or False if it failed, then the event is
        kept with its error.
        Commits, after a roll back of what the transaction holds.
        """
        if event['type'] not in cls.handlers():
            # Nothing of it is kept, whatever fails
            return

        def receive():
            result = cls.receive(account, event, by_webhook=by_webhook)
            if after and result is not None:
                after(event)
            return result

        def fail(error):
            cls.keep_failed(account, event, error, by_webhook)
            if after:
                after(event)
        try:
            result = _attempt_first(receive)
        except TransactionError:
            raise
        except StripeFailure as e:
            logger.warning("event %s failed: %s (%s)",
                event['id'], e.code, e.request_id)
            error = e
        except backend.DatabaseOperationalError as e:
            logger.warning(
                "event %s failed: %s", event['id'], e.__class__.__name__)
            error = e
        except Exception as e:
            logger.exception("event %s failed", event['id'])
            error = e
        else:
            cls._after([event], [result])
            return None if result is None else True
        _attempt_first(fail, error)
        return False

    @classmethod
    def keep_failed(cls, account, event, error, by_webhook=False):
        """Keep the event to try it again later, and say on what it is about
        that it could not be applied.

        error: a StripeFailure, or that the database is busy, is not about what
        Stripe said, so that it is only shown on the event.
        by_webhook: if it was posted.
        """
        records = cls.search([
                ('account', '=', account.id),
                ('identifier', '=', event['id']),
                ])
        record = records[0] if records else cls.new(account, event)
        if record.id and record.state == 'applied':
            return
        if by_webhook:
            record.by_webhook = True
        record.state = 'failed'
        record.tries += 1
        record.try_at = dt.datetime.now() + next_pause(
            record.tries, FIRST_DELAY, LAST_DELAY)
        if isinstance(error, StripeFailure):
            record.error_message = failure_message(error)
        else:
            record.error_message = error_message(error)
        if not isinstance(
                error, (StripeFailure, backend.DatabaseOperationalError)):
            model, _ = cls.handlers()[event['type']]
            Model = Pool().get(model)
            about = Model.stripe_of_event(account, event)
            if about:
                record.record = str(about[0])
            for about in about:
                Model.stripe_note_error(about.id, error)
        record.save()


def _attempt_first(func, *args):
    "Attempt again if another process was faster to keep the event"
    try:
        return attempt(func, *args)
    except (SQLConstraintError, backend.DatabaseIntegrityError):
        return attempt(func, *args)
