# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import json
import logging

from sql import Column, Null

from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import Transaction

from .attempt import attempt
from .convert import from_timestamp
from .exceptions import StripeError
from .shown_time import ShownTime

CHECKS = [
    ('place', "Database"),
    ('secret_key', "Secret Key"),
    ('publishable_key', "Publishable Key"),
    ('permissions', "Permissions of the Key"),
    ('webhook', "Webhook"),
    ('https', "Address of the Server"),
    ('wallets', "Wallets"),
    ('delivery', "Delivery of Events"),
    ('events', "Failed Events"),
    ('cron', "Scheduled Actions"),
    ('contact', "Contact"),
    ]
# What is only looked at for a person
ASKED = ['publishable_key', 'contact']
STATES = [
    ('ok', "OK"),
    ('warning', "Warning"),
    ('error', "Error"),
    ]
MODULE = 'account_payment_stripe.'

logger = logging.getLogger(__name__)


class Check(ModelSQL, ModelView):
    __name__ = 'account.payment.stripe.account.check'
    _rec_name = 'code'

    account = fields.Many2One(
        'account.payment.stripe.account', "Stripe Account", required=True,
        readonly=True, ondelete='CASCADE')
    name = fields.Selection(CHECKS, "Check", readonly=True, sort=False)
    state = fields.Selection(STATES, "State", readonly=True, sort=False)
    name_string = name.translated('name')
    code = fields.Char(
        "Code", readonly=True, strip=False,
        states={
            'invisible': True,
            })
    details = fields.Text(
        "Details", readonly=True, strip=False,
        states={
            'invisible': True,
            })
    message = fields.Function(
        fields.Text("What to Do"), 'get_message')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('account')
        cls._order = [('account', 'ASC'), ('id', 'ASC')]

    @classmethod
    def __register__(cls, module):
        table_h = cls.__table_handler__(module)
        table = cls.__table__()

        super().__register__(module)

        # A text in the language of who checked, it can be checked again
        if table_h.column_exist('message'):
            Transaction().connection.cursor().execute(*table.delete(
                    where=Column(table, 'message') != Null))
            table_h.drop_column('message')

    def get_rec_name(self, name):
        return self.name_string

    def get_message(self, name):
        if self.code:
            values = json.loads(self.details or '{}')
            return gettext(MODULE + 'msg_check_' + self.code, **{
                    n: text_of(v) for n, v in values.items()})

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree/field[@name="state"]', 'visual',
                If(Eval('state') == 'error', 'danger',
                    If(Eval('state') == 'warning', 'warning', 'success'))),
            ]


def text_of(value):
    """Return the text of a value of a Finding for who reads it

    A list is of what a sentence names. A dictionary has
    message: the id of a message of this module,
    at: the seconds of Stripe of a time, or
    lines: a list of texts, or of pairs that a colon parts.
    """
    if isinstance(value, list):
        return ', '.join(map(text_of, value))
    elif not isinstance(value, dict):
        return value
    elif 'message' in value:
        return gettext(MODULE + value['message'])
    elif 'at' in value:
        Lang = Pool().get('ir.lang')
        # Which says that it is in UTC
        return '%s UTC' % Lang.get().strftime(from_timestamp(value['at']))
    return '\n'.join(
        ': '.join(map(text_of, v)) if isinstance(v, list) else text_of(v)
        for v in value['lines'])


class CheckMixin:
    "Look whether the account is well connected to Stripe"
    __slots__ = ()

    checks = fields.One2Many(
        'account.payment.stripe.account.check', 'account', "Checks",
        readonly=True,
        states={
            'invisible': ~Eval('checks'),
            })
    checked_at = ShownTime(
        "Checked at", readonly=True,
        states={
            'invisible': ~Eval('checked_at'),
            })
    check_state = fields.Function(
        fields.Selection([(None, ""), *STATES], "Connection", sort=False),
        'get_check_state')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._buttons.update({
                'stripe_check_connection': {
                    'icon': 'tryton-refresh',
                    },
                })

    @classmethod
    def get_check_state(cls, accounts, name):
        worst = dict.fromkeys([a.id for a in accounts])
        ranks = [s for s, _ in STATES]
        for account in accounts:
            states = [c.state for c in account.checks]
            if states:
                worst[account.id] = max(states, key=ranks.index)
        return worst

    @classmethod
    def copy(cls, accounts, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('checks')
        default.setdefault('checked_at')
        return super().copy(accounts, default=default)

    @classmethod
    def _forget_checks(cls, accounts):
        Check = Pool().get('account.payment.stripe.account.check')
        Check.delete([c for a in accounts for c in a.checks])
        cls.write([a for a in accounts if a.checked_at], {'checked_at': None})

    @classmethod
    @ModelView.button
    def stripe_check_connection(cls, accounts):
        """Look whether the accounts are well connected, change nothing.

        Commits account by account.
        """
        for id_ in list(map(int, accounts)):
            attempt(cls._check, id_, all_=True)

    @classmethod
    def stripe_check_connections(cls):
        """Look whether the accounts that have a webhook still are connected,
        and bring those that Tryton made to what this version needs. For cron.

        Commits account by account.
        """
        table = cls.__table__()
        for account in cls.search([
                    ('id', 'in', table.select(
                            table.id,
                            # Secrets are not searched otherwise
                            where=(table.webhook_identifier != Null)
                            | (table.webhook_id != Null))),
                    ]):
            id_, repair = account.id, bool(account.webhook_id)
            try:
                cls._check_alone(id_, repair=repair)
            except Exception:
                # One account that fails must not stop the others
                logger.exception("cannot check account %s", id_)

    @classmethod
    def _check_alone(cls, id_, **options):
        "Check the account, and delete the webhooks that it needs no more"
        # After what was made instead has been committed, its secret is lost
        # otherwise
        for webhook in attempt(cls._check, id_, **options):
            try:
                cls(id_)._delete_endpoint(webhook)
            except StripeError as e:
                # The next time it is found again
                logger.warning("account %s: %s", id_, e.message)

    @classmethod
    def _check(cls, id_, repair=False, all_=False):
        """Look at everything and keep what was found.

        repair: if the webhook shall be made, or made as it should be.
        all_: also what is only done for a person, as it leaves something at
        Stripe; what was found of it before is kept.
        Return the ids of the webhooks that can be deleted at Stripe.
        """
        Check = Pool().get('account.payment.stripe.account.check')
        cls.lock([cls(id_)])
        account = cls(id_)
        findings, superseded = {}, []
        for finding in account._findings(repair, all_, superseded):
            findings[finding.name] = finding
        former = {c.name: c for c in account.checks}
        to_save, keep, failed = [], set(), []
        for name, _ in CHECKS:
            if name in ASKED and not all_:
                keep.add(former.get(name))
            if finding := findings.get(name):
                check = former.get(name) or Check(account=account, name=name)
                if finding.state == 'error' and not (
                        check.id and check.state == 'error'):
                    failed.append(name)
                check.state = finding.state
                check.code = finding.code
                check.details = json.dumps(finding.values)
                to_save.append(check)
                keep.add(check)
        Check.save(to_save)
        Check.delete([c for c in former.values() if c not in keep])
        account.checked_at = dt.datetime.now()
        account.save()
        if failed and not all_:
            # Of what was not known before, who presses the button sees it
            account.alert('msg_alert_check', checks=lambda: ', '.join(
                    str(c.name_string)
                    for c in Check.browse(to_save) if c.name in failed))
        return superseded
