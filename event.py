# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import logging
from itertools import groupby

from trytond import backend
from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.model.exceptions import SQLConstraintError
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, TransactionError

from .attempt import attempt
from .batch import Batch
from .convert import from_timestamp, is_key
from .error import error_message, failure_message
from .event_fetch import FetchMixin
from .event_handlers import HANDLERS, is_current, is_final, object_id_of
from .gateway import StripeDenied, StripeFailure, StripeUnavailable
from .insert import insert
from .policy import next_pause

logger = logging.getLogger(__name__)

# How many polled events are applied in one transaction, and by which methods
GROUP = 50
# How often Stripe may be silent before the other events are left for later
SILENCES = 3
# The most that a list of events can be asked for
MAX_TYPES = 20
# Stripe keeps and sends again events for 30 days
KEEP = dt.timedelta(days=40)
FIRST_DELAY = dt.timedelta(minutes=5)
LAST_DELAY = dt.timedelta(days=1)


class Event(FetchMixin, ModelSQL, ModelView):
    __name__ = 'account.payment.stripe.event'
    _rec_name = 'identifier'

    account = fields.Many2One(
        'account.payment.stripe.account', "Stripe Account", required=True,
        readonly=True, ondelete='CASCADE')
    identifier = fields.Char("Identifier", required=True, readonly=True)
    type = fields.Char("Type", required=True, readonly=True)
    happened_at = fields.DateTime("Happened at", readonly=True)
    object_id = fields.Char(
        "Stripe Object", readonly=True,
        states={
            'invisible': ~Eval('object_id'),
            },
        help="The identifier of what the event is about at Stripe.")
    record = fields.Reference(
        "Record", selection='get_record_models', readonly=True,
        states={
            'invisible': ~Eval('record'),
            },
        help="What the event is about.")
    error_message = fields.Text(
        "Error", readonly=True,
        states={
            'invisible': ~Eval('error_message'),
            })
    tries = fields.Integer("Tries", readonly=True)
    try_at = fields.DateTime(
        "Next Try", readonly=True,
        states={
            'invisible': Eval('state') != 'failed',
            })
    state = fields.Selection([
            ('applied', "Applied"),
            ('failed', "Failed"),
            ], "State", required=True, readonly=True, sort=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        table = cls.__table__()
        cls._sql_constraints = [
            ('identifier_unique',
                Unique(table, table.account, table.identifier),
                'account_payment_stripe.msg_event_unique'),
            ]
        cls._sql_indexes.update({
                Index(
                    table,
                    (table.account, Index.Equality()),
                    (table.identifier, Index.Equality())),
                Index(
                    table,
                    (table.try_at, Index.Range()),
                    where=table.state == 'failed'),
                Index(table, (table.happened_at, Index.Range())),
                Index(table, (table.record, Index.Equality())),
                })
        cls._order = [('happened_at', 'DESC'), ('id', 'DESC')]
        cls._buttons.update({
                'try_again': {
                    'invisible': Eval('state') != 'failed',
                    'icon': 'tryton-refresh',
                    'depends': ['state'],
                    },
                })

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree/field[@name="state"]', 'visual',
                If(Eval('state') == 'failed', 'danger', '')),
            ]

    @classmethod
    def get_record_models(cls):
        Model = Pool().get('ir.model')
        get_name = Model.get_name
        models = sorted({m for m, _ in cls.handlers().values()})
        return [(None, '')] + [(m, get_name(m)) for m in models]

    @classmethod
    def handlers(cls):
        "Return the model and method names that handle each type of event"
        return HANDLERS

    @classmethod
    def type_lists(cls):
        "Return the lists of types, each as long as Stripe can be asked for"
        return [list(t) for t in grouped_slice(
                list(cls.handlers()), MAX_TYPES)]

    @classmethod
    def check(cls, event):
        """Check that the JSON value has what is needed of any event.

        Raises ValueError, TypeError or KeyError if it has not.
        """
        if event['object'] != 'event' or not (
                is_key(event['id'])
                and isinstance(event['type'], str)
                and isinstance(event['created'], int)):
            raise TypeError
        try:
            from_timestamp(event['created'])
        except OverflowError as e:
            raise ValueError from e
        object_ = event['data']['object']
        # Objects of no interest may be without, like the balance
        if event['type'] in cls.handlers() and not is_key(object_['id']):
            raise TypeError

    @classmethod
    def receive(cls, account, event, known=None):
        """Apply the event if it has not been.

        event: the dictionary of a Stripe event.
        known: what search_known returned of it and others, None: search.
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
        cls._set_record(record, records)
        record.state = 'applied'
        record.error_message = None
        record.try_at = None
        Batch.current().defer(cls._store, record)
        return records

    @staticmethod
    def _set_record(record, records):
        "Set the record that the event is about"
        if isinstance(records, list) and records:
            record.record = str(records[0])

    @classmethod
    def _after(cls, events, results):
        """Do what other people's servers may refuse, after what Stripe said
        has been committed."""
        Payment = Pool().get('account.payment')
        # A final event asks nobody to pay again
        if payments := [
                r for event, result in zip(events, results)
                if isinstance(result, list) and not _tells_all(event)
                for r in result if isinstance(r, Payment)]:
            Payment.stripe_queue_mail(payments)

    @classmethod
    def search_known(cls, account, events):
        "Return the records of the events that were received, by identifier"
        return {
            r.identifier: r for r in cls.search([
                    ('account', '=', account.id),
                    ('identifier', 'in', [e['id'] for e in events]),
                    ])}

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
        for together_, events in groupby(events, key=_tells_all):
            # Stripe is asked, which must not keep the others locked
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
            tries=0)

    @classmethod
    def receive_alone(cls, account, event, after=None):
        """Apply the event in transactions of its own.

        after: called in the transaction that ends it.
        Return the same as receive or False if it failed, then the event is
        kept with its error.
        Commits, after a roll back of what the transaction holds.
        """
        if event['type'] not in cls.handlers():
            # Nothing of it is kept, whatever fails
            return

        def receive():
            result = cls.receive(account, event)
            if after and result is not None:
                after(event)
            return result

        def fail(error):
            cls.keep_failed(account, event, error)
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
        except Exception as e:
            logger.exception("event %s failed", event['id'])
            error = e
        else:
            cls._after([event], [result])
            return None if result is None else True
        _attempt_first(fail, error)
        return False

    @classmethod
    def keep_failed(cls, account, event, error):
        """Keep the event to try it again later, and say on what it is about
        that it could not be applied.

        error: a StripeFailure is about the way to Stripe and not about what
        Stripe said, so that it is only shown on the event.
        """
        records = cls.search([
                ('account', '=', account.id),
                ('identifier', '=', event['id']),
                ])
        record = records[0] if records else cls.new(account, event)
        if record.id and record.state == 'applied':
            return
        record.state = 'failed'
        record.tries += 1
        record.try_at = dt.datetime.now() + next_pause(
            record.tries, FIRST_DELAY, LAST_DELAY)
        if isinstance(error, StripeFailure):
            record.error_message = failure_message(error)
        else:
            record.error_message = error_message(error)
            model, _ = cls.handlers()[event['type']]
            Model = Pool().get(model)
            about = Model.stripe_of_event(account, event)
            cls._set_record(record, about)
            for about in about:
                Model.stripe_note_error(about.id, error)
        record.save()

    @classmethod
    @ModelView.button
    def try_again(cls, events):
        for event in events:
            # Nothing of the event is stored, it holds personal data
            try:
                payload = event.account.gateway.events.retrieve(
                    event.identifier)
                if cls.receive(event.account, payload) is None:
                    cls._close([event])
            except StripeFailure as e:
                cls.keep_failed(event.account, {
                        'id': event.identifier,
                        }, e)

    @classmethod
    def try_failed(cls, account):
        """Try again the failed events of the account that are due.

        Commits event by event.
        """
        now = dt.datetime.now()
        silences = 0
        for event in cls.search([
                    ('account', '=', account.id),
                    ('state', '=', 'failed'),
                    ['OR',
                        ('try_at', '<=', now),
                        # The clock of the server was set back
                        ('try_at', '>', now + LAST_DELAY),
                        ],
                    ], order=[('try_at', 'ASC'), ('id', 'ASC')]):
            try:
                payload = account.gateway.events.retrieve(event.identifier)
            except StripeDenied:
                # The same for all others
                break
            except StripeFailure as e:
                # If it is missing the key may be of another account
                attempt(cls.keep_failed, account, {
                        'id': event.identifier,
                        }, e)
                silences += isinstance(e, StripeUnavailable)
                if silences == SILENCES:
                    break
            else:
                if cls.receive_alone(account, payload) is None:
                    attempt(cls._close, [event])

    @classmethod
    def _close(cls, events):
        "Try the events not again, what they are about has been forgotten"
        cls.write(events, {
                'state': 'applied',
                'error_message': None,
                'try_at': None,
                })

    @classmethod
    def clean(cls):
        "Delete the events that Stripe does not keep anymore, commits"
        cursor = Transaction().connection.cursor()
        table = cls.__table__()

        def delete():
            cursor.execute(*table.delete(
                    where=table.happened_at < dt.datetime.now() - KEEP))
        attempt(delete)


def _tells_all(event):
    "Return if Stripe has not to be asked of what the event is about"
    return is_current(event) and is_final(event['data']['object'])


def _attempt_first(func, *args):
    "Attempt again if another process was faster to keep the event"
    try:
        return attempt(func, *args)
    except (SQLConstraintError, backend.DatabaseIntegrityError):
        return attempt(func, *args)
