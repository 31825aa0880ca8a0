# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt

from trytond.model import fields


class ShownTime(fields.Timestamp):
    """A timestamp that people read, to the second.

    The clients cut microseconds off, and take for changed what has some that
    they do not show."""
    format = '%H:%M:%S'

    def sql_format(self, value):
        value = super().sql_format(value)
        if isinstance(value, dt.datetime):
            value = value.replace(microsecond=0)
        return value
