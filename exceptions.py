# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from trytond.exceptions import UserError, UserWarning
from trytond.model.exceptions import ValidationError


class StripeError(UserError):
    """Stripe refused or could not be reached while the user waits

    code: Stripe's word for why, None if it is not known.
    """

    def __init__(self, message, *args, code=None, **kwargs):
        super().__init__(message, *args, **kwargs)
        self.code = code


class StripeAmountError(ValidationError):
    "The amount cannot be expressed at Stripe, or in Tryton"


class StripeCurrencyError(ValidationError):
    "The currency cannot be, or is not, the one at Stripe"


class StripeMethodError(ValidationError):
    "What is at Stripe must stay in a journal of Stripe"


class StripeCustomerError(ValidationError):
    "The customer at Stripe is already used by another record"


class RefundApprovalError(UserError):
    "Another person has to approve the refund"


class PaymentPaidError(UserError):
    "The payment has been paid meanwhile"


class PaymentPartlyPaidError(UserError):
    "A part of the payment has arrived"


class StripeKeyError(ValidationError):
    "A key is none of Stripe, or belongs into another field"


class StripeURLError(ValidationError):
    "The text is no URL of a page"


class StripeKeyModifiedWarning(UserWarning):
    pass


class StripeTransferWarning(UserWarning):
    pass


class StripeWebhookMovedWarning(UserWarning):
    "The webhook posts to another server"


class StripeElsewhereWarning(UserWarning):
    "The live key was connected by another database, or server"


class StripeMailError(UserError):
    "There is nobody to send the e-mail to"


class StripeMailWarning(UserWarning):
    pass
