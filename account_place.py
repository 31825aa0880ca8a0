# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from functools import lru_cache
from typing import NamedTuple

from trytond import backend, config
from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import Transaction

from .exceptions import StripeElsewhereWarning


class Place(NamedTuple):
    """Where a database runs, None for what is not known.

    host: [web] hostname of the configuration.
    cluster: what PostgreSQL calls its system identifier, which a restored
    dump does not have.
    """
    database: str
    host: str = None
    cluster: str = None

    @classmethod
    def here(cls):
        transaction = Transaction()
        name = transaction.database.name
        return cls(
            name,
            config.get('web', 'hostname') or None,
            _cluster(name) if backend.name == 'postgresql' else None)

    def __str__(self):
        server = self.host or self.cluster
        return '%s (%s)' % (self.database, server) if server else self.database

    def is_other(self, place):
        """Return if the place cannot be the same.

        The cluster is looked at only if there is no host to compare, as a new
        version of PostgreSQL is another one.
        """
        if self.database != place.database:
            return True
        for name in ['host', 'cluster']:
            mine, other = getattr(self, name), getattr(place, name)
            if mine and other:
                return mine != other
        return False


@lru_cache(maxsize=None)
def _cluster(name):
    """Return the system identifier of the server of the database, None if it
    may not be known."""
    cursor = Transaction().connection.cursor()
    # An error would end the transaction
    cursor.execute("SELECT has_function_privilege("
        "to_regprocedure('pg_control_system()'), 'EXECUTE')")
    allowed, = cursor.fetchone()
    if allowed:
        cursor.execute('SELECT system_identifier FROM pg_control_system()')
        id_, = cursor.fetchone()
        return str(id_)


class PlaceMixin:
    """Use a live key only where it was connected, and not in a copy of the
    database that runs elsewhere."""
    __slots__ = ()

    connected_database = fields.Char(
        "Connected Database", readonly=True, strip=False,
        states={
            'invisible': ~Eval('connected_database'),
            },
        help="The name of the database that uses the live key.\n"
        "A copy with another name does not.")
    connected_host = fields.Char(
        "Connected Host", readonly=True, strip=False,
        states={
            'invisible': ~Eval('connected_host'),
            },
        help="The hostname of the server that uses the live key.\n"
        "A copy on another host does not.")
    connected_cluster = fields.Char(
        "Connected Database Server", readonly=True, strip=False,
        states={
            'invisible': True,
            })

    @classmethod
    def copy(cls, accounts, default=None):
        default = default.copy() if default is not None else {}
        for name in cls._place_values(None):
            default.setdefault(name)
        return super().copy(accounts, default=default)

    @classmethod
    def on_modification(cls, mode, accounts, field_names=None):
        super().on_modification(mode, accounts, field_names=field_names)
        if mode == 'create' or (
                mode == 'write' and 'secret_key' in field_names):
            # Who enters a key wants it to be used here
            cls._connect_place(accounts)

    @classmethod
    def _connect_place(cls, accounts):
        "Let the live keys of the accounts be used here, and nowhere else"
        for account in cls.browse(accounts):
            place = Place.here() if account.is_live else None
            values = cls._place_values(place)
            if any(getattr(account, n) != v for n, v in values.items()):
                cls.write([account], values)

    @staticmethod
    def _place_values(place):
        return {
            'connected_%s' % n: getattr(place, n, None)
            for n in Place._fields}

    @property
    def _connected_place(self):
        "The Place where the live key was connected, None if nowhere yet"
        if self.connected_database:
            return Place(*(
                    getattr(self, 'connected_%s' % n)
                    for n in Place._fields))

    @property
    def is_elsewhere(self):
        "If the live key was connected by another database, or server"
        place = self.is_live and self._connected_place
        return bool(place) and Place.here().is_other(place)

    @property
    def elsewhere_message(self):
        "The text that tells where the live key was connected"
        return gettext(
            'account_payment_stripe.msg_stripe_elsewhere',
            **self._elsewhere_values)

    @property
    def _elsewhere_values(self):
        return {
            'account': self.rec_name,
            'there': str(self._connected_place),
            'here': str(Place.here()),
            }

    def _warn_elsewhere(self):
        Warning = Pool().get('res.user.warning')
        key = Warning.format('stripe_elsewhere', [self])
        if self.is_elsewhere and Warning.check(key):
            raise StripeElsewhereWarning(key, gettext(
                    'account_payment_stripe.msg_stripe_elsewhere_connect',
                    **self._elsewhere_values))
