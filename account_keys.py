# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import unicodedata

from trytond.i18n import gettext
from trytond.pool import Pool
from trytond.transaction import without_check_access

from .event_fetch import UNKNOWN_EVENT
from .exceptions import StripeKeyError, StripeKeyModifiedWarning
from .keys import PUBLISHABLE, SIGNING, is_plain, is_secret, key_mode

KEYS = ['secret_key', 'publishable_key']
TYPED = [*KEYS, 'webhook_signing_secret']


class KeysMixin:
    "Take only keys that belong into their field, and together"
    __slots__ = ()

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        for name in TYPED:
            if isinstance(values.get(name), str):
                values[name] = values[name].strip()
        if mode == 'create':
            cls._check_keys(values)
        return values

    @classmethod
    def check_modification(cls, mode, accounts, values=None, external=False):
        super().check_modification(
            mode, accounts, values=values, external=external)
        # The keys of earlier versions may be wrong: who edits is told, what
        # runs goes on
        if mode == 'write' and (
                external or any(values.get(n) for n in TYPED)):
            for stored in cls.read(
                    [a.id for a in accounts], ['name', *TYPED]):
                cls._check_keys({**stored, **values})
                if external:
                    cls._check_key_modified(stored, values)

    @classmethod
    def _check_keys(cls, values):
        """Check the keys of the account with the values.

        Raises StripeKeyError, which does not tell the keys.
        """
        def fail(message, **kwargs):
            raise StripeKeyError(gettext(
                    'account_payment_stripe.msg_stripe_key_' + message,
                    account=values.get('name') or '', **kwargs))

        typed = {n: (values.get(n) or '').strip() for n in TYPED}
        secret, publishable = [typed[n] for n in KEYS]
        if publishable and not publishable.startswith(PUBLISHABLE):
            fail('publishable')
        if secret and not is_secret(secret):
            fail('secret')
        signing = typed['webhook_signing_secret']
        if signing and not signing.startswith(SIGNING):
            fail('signing')
        for name, key in typed.items():
            if key and not is_plain(key):
                wrong = next(c for c in key if not is_plain(c))
                fail('character',
                    field=cls.__names__(name)['field'],
                    character='%s (U+%04X)' % (
                        unicodedata.name(wrong, "?"), ord(wrong)))
        modes = {key_mode(secret), key_mode(publishable)} - {None}
        if len(modes) > 1:
            fail('mode')

    @classmethod
    def _check_key_modified(cls, stored, values):
        pool = Pool()
        Warning = pool.get('res.user.warning')
        if all((values[name] or '').strip() == stored[name]
                for name in KEYS if name in values):
            return
        account = cls(stored['id'])
        key = Warning.format('stripe_key_modified', [account])
        if Warning.check(key):
            raise StripeKeyModifiedWarning(
                key, gettext(
                    'account_payment_stripe.msg_stripe_key_modified',
                    account=account.rec_name))

    @classmethod
    def on_modification(cls, mode, accounts, field_names=None):
        super().on_modification(mode, accounts, field_names=field_names)
        if mode == 'write' and not field_names.isdisjoint(KEYS):
            # What was found is of the former keys
            with without_check_access():
                cls._forget_checks(accounts)
        if mode == 'write' and 'secret_key' in field_names:
            cls.write([a for a in accounts if a.error_message], {
                    'error_message': None,
                    'error_operation': None,
                    })
            # That there was no event yet may be true of another account only
            cls.write([
                    a for a in accounts
                    if a.fetched_at and not a.last_event],
                {'last_event': UNKNOWN_EVENT})
            cls._try_again(accounts)

    @classmethod
    def _try_again(cls, accounts):
        "Let what the former key of the accounts may have stopped go on"
        pool = Pool()
        with without_check_access():
            for name in [
                    'account.payment', 'account.payment.stripe.refund',
                    'account.payment.stripe.customer']:
                Model = pool.get(name)
                Model.write(Model.search([
                            Model.stripe_domain_stopped(accounts),
                            ('stripe_try_at', '!=', None),
                            ]), {'stripe_try_at': None})
            Event = pool.get('account.payment.stripe.event')
            Event.write(Event.search([
                        ('account', 'in', [a.id for a in accounts]),
                        ('state', '=', 'failed'),
                        ]), {'try_at': dt.datetime.now()})
