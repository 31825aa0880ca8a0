# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Stripe's refusals: HTTP status and error body."

DOC_URL = 'https://stripe.com/docs/error-codes/'

# What Stripe calls its objects when they are missing
NAMES = {
    'payment_method': 'PaymentMethod',
    'setup_intent': 'setupintent',
    'webhook_endpoint': 'webhook endpoint',
    'balance_transaction': 'balance transaction',
    'card': 'source',
    }


class StripeError(Exception):
    """An answer that refuses.

    stored says whether the answer is kept under the idempotency key."""

    def __init__(self, status, type_, message, code=None, param=None,
            stored=True, headers=None, **extra):
        super().__init__(message)
        self.status = status
        self.stored = stored
        self.headers = headers or {}
        error = {'code': code}
        if code and type_ in {'card_error', 'invalid_request_error'}:
            error['doc_url'] = DOC_URL + code.replace('_', '-')
        error['message'] = message
        error['param'] = param
        error['type'] = type_
        error.update(extra)
        self.error = {k: v for k, v in error.items() if v is not None}

    @property
    def body(self):
        return {'error': self.error}


def invalid(message, code=None, param=None, status=400, **extra):
    "Return the error of an invalid request"
    return StripeError(
        status, 'invalid_request_error', message, code, param, **extra)


def unstored(message, code=None, param=None, status=400, **extra):
    "Return the error of a request that was refused before its execution"
    return invalid(message, code, param, status, stored=False, **extra)


def missing(kind, id, param, status=400, **extra):
    "Return the error about an id that names nothing"
    return invalid(
        "No such %s: '%s'" % (NAMES.get(kind, kind), id),
        'resource_missing', param, status, **extra)


def missing_param(name, **extra):
    "Return the error about a required parameter, found before execution"
    return unstored(
        "Missing required param: %s." % name, 'parameter_missing', name,
        **extra)


def card_error(failure, **extra):
    "Return the error of a card's refusal"
    return StripeError(
        402, 'card_error', failure.message, failure.code,
        decline_code=failure.decline_code, **extra)
