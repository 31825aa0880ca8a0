# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Times, keys and texts of Stripe.

Knows no Tryton model.
"""
import datetime as dt
import uuid

from trytond.model import fields

# What Stripe says that the model has no name for
UNKNOWN = 'unknown'
_NOT_IN_CHAR = dict.fromkeys(map(ord, fields.Char.forbidden_chars + '\0'), ' ')
_EPOCH = dt.datetime(1970, 1, 1)


def from_timestamp(seconds):
    "Return the UTC datetime of Stripe's seconds"
    return _EPOCH + dt.timedelta(seconds=seconds)


def to_timestamp(datetime):
    "Return Stripe's seconds of the UTC datetime"
    return int((datetime - _EPOCH).total_seconds())


def new_key():
    "Return an identifier of 122 random bits in 32 hex characters"
    return uuid.uuid4().hex


def is_key(value):
    "Return if the value, which anybody may have sent, can be such a key"
    return (
        isinstance(value, str)
        and len(value) <= 255
        and value.isascii()
        and value.replace('-', '').replace('_', '').isalnum())


def one_line(text):
    "Return the text without what no Char, or no database, can have"
    text = text.translate(_NOT_IN_CHAR)
    if not text.isascii():
        text = text.encode(errors='replace').decode()
    return text
