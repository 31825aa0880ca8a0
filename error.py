# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What people read of what failed."""
from trytond import backend
from trytond.exceptions import UserError
from trytond.i18n import gettext
from trytond.model import fields
from trytond.pyson import Eval

from .gateway import (
    StripeDenied, StripeElsewhere, StripeKeyReused, StripeUnavailable)


def failure_message(failure):
    "Return the text that a person can understand about the StripeFailure"
    if isinstance(failure, StripeUnavailable):
        return gettext('account_payment_stripe.msg_stripe_unavailable')
    elif isinstance(failure, StripeElsewhere):
        return failure.message
    elif isinstance(failure, StripeDenied):
        return gettext('account_payment_stripe.msg_stripe_denied')
    elif isinstance(failure, StripeKeyReused):
        return gettext('account_payment_stripe.msg_stripe_key_reused')
    return failure.message


def key_message(failure):
    "Return the same for who administers the key: Stripe names what it lacks"
    if isinstance(failure, StripeDenied):
        return failure.message
    return failure_message(failure)


def error_message(error):
    "Return the text that a person can understand about the exception"
    if isinstance(error, UserError):
        return error.message
    elif isinstance(error, backend.DatabaseOperationalError):
        return gettext('account_payment_stripe.msg_database_busy')
    return gettext(
        'account_payment_stripe.msg_unexpected_error',
        error=error.__class__.__name__)


class ErrorMixin:
    "Show on the record what Stripe refused"
    __slots__ = ()

    stripe_error_message = fields.Char(
        "Stripe Error Message", readonly=True,
        states={
            'invisible': ~Eval('stripe_error_message'),
            })
    stripe_error_code = fields.Char(
        "Stripe Error Code", readonly=True,
        states={
            'invisible': ~Eval('stripe_error_code'),
            })
    stripe_error_param = fields.Char(
        "Stripe Error Parameter", readonly=True,
        states={
            'invisible': ~Eval('stripe_error_param'),
            })

    @classmethod
    def copy(cls, records, default=None):
        default = default.copy() if default is not None else {}
        for name in cls.stripe_error_values(None):
            default.setdefault(name)
        return super().copy(records, default=default)

    @staticmethod
    def stripe_error_values(failure):
        "Return the values that show the failure, a StripeFailure, or none"
        return {
            'stripe_error_message': failure and failure_message(failure),
            'stripe_error_code': failure and failure.code,
            'stripe_error_param': failure and failure.param,
            }
