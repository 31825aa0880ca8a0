# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import logging

from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.tools import grouped_slice
from trytond.transaction import Transaction

from .attempt import attempt
from .convert import from_timestamp, is_key
from .event_fetch import FetchMixin
from .event_handlers import HANDLERS
from .event_receive import LAST_DELAY, ReceiveMixin
from .gateway import StripeDenied, StripeFailure, StripeUnavailable

logger = logging.getLogger(__name__)

# How often Stripe may be silent before the other events are left for later
SILENCES = 3
# The most that a list of events can be asked for
MAX_TYPES = 20
# Stripe keeps and sends again events for 30 days
KEEP = dt.timedelta(days=40)


class Event(FetchMixin, ReceiveMixin, ModelSQL, ModelView):
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
    by_webhook = fields.Boolean(
        "By Webhook", readonly=True,
        help="Stripe has posted it, before it was read.")
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
                # It would be the same for all others
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
