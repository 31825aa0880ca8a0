# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The fields that hold secrets, and the one for what may be shown."""
from sql import Column
from sql.conditionals import Coalesce

from trytond.i18n import gettext
from trytond.model import fields
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.transaction import Transaction

from .keys import is_publishable


class Secret(fields.Char):
    """A text by which no one searches, orders or groups.

    Tryton checks the access to the fields of domains, but not inside of the
    operator where. So a domain on a secret is refused on all ways, also to
    the server, which uses holders.

    It is read as other fields, and also as an attribute only by who may read
    it, when access is checked: a customized report is no way around.
    """

    search_unaccented = False

    def searchable(self, model):
        return False

    def sortable(self, model):
        return False

    def convert_domain(self, domain, tables, Model):
        self._refuse(Model)

    def convert_order(self, name, tables, Model):
        self._refuse(Model)

    def _refuse(self, Model):
        raise AccessError(gettext(
                'account_payment_stripe.msg_secret_search',
                **Model.__names__(self.name)))

    def holders(self, Model, value):
        """Return the query of the ids of the records that hold the value.

        For the server: Model.search([('id', 'in', query)])
        """
        table = Model.__table__()
        return table.select(
            table.id,
            # The same expression as in the index
            where=Coalesce(Column(table, self.name), '') == value)

    def __get__(self, inst, cls):
        if inst is not None:
            transaction = Transaction()
            if transaction.context and transaction.check_access:
                pool = Pool()
                ModelAccess = pool.get('ir.model.access')
                ModelFieldAccess = pool.get('ir.model.field.access')
                ModelAccess.check(cls.__name__, 'read')
                ModelFieldAccess.check(cls.__name__, [self.name], 'read')
        return super().__get__(inst, cls)


class PublishableKey(fields.Char):
    """A text that as an attribute, as which pages show it, is only told if it
    is a publishable key."""

    def __get__(self, inst, cls):
        value = super().__get__(inst, cls)
        if isinstance(value, str) and not is_publishable(value):
            return None
        return value
