# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.transaction import Transaction


def is_readable(record, *names):
    """Return if the user may read the fields of the record, if access is
    checked at all.

    Clients call the methods of on_change and selections of any record, for
    which Tryton checks nothing.
    """
    if not Transaction().check_access or record.id is None or record.id < 0:
        return True
    try:
        record.__class__.read([record.id], ['id', *names])
    except AccessError:
        return False
    return True


def may_read(name):
    "Return if the user may read the model, if access is checked at all"
    return not Transaction().check_access or Pool().get(
        'ir.model.access').check(name, 'read', raise_exception=False)
