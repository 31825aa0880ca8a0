# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Objects as Stripe answers them, with the attributes that the classes of
the stripe package declare."""
import functools
import random
import re
import string

import stripe

_ALPHABET = string.ascii_letters + string.digits
_random = random.SystemRandom()

KINDS = {c.OBJECT_NAME: c for c in [
        stripe.Account, stripe.Balance, stripe.BalanceTransaction,
        stripe.Card, stripe.Charge, stripe.Customer, stripe.CustomerSession,
        stripe.Dispute, stripe.Event, stripe.Mandate, stripe.PaymentIntent,
        stripe.PaymentMethod, stripe.PaymentMethodDomain, stripe.Payout,
        stripe.Refund,
        stripe.SetupAttempt,
        stripe.SetupIntent, stripe.Source, stripe.Token,
        stripe.WebhookEndpoint, stripe.radar.EarlyFraudWarning]}

PREFIXES = {
    'account': 'acct_1',
    'balance_transaction': 'txn_3',
    'card': 'card_1',
    'charge': 'ch_3',
    'customer': 'cus_',
    'dispute': 'du_1',
    'event': 'evt_1',
    'mandate': 'mandate_1',
    'payment_intent': 'pi_3',
    'payment_method': 'pm_1',
    'payment_method_domain': 'pmd_1',
    'payout': 'po_1',
    'radar.early_fraud_warning': 'issfr_1',
    'refund': 're_3',
    'setup_attempt': 'setatt_1',
    'setup_intent': 'seti_1',
    'source': 'src_1',
    'token': 'tok_1',
    'webhook_endpoint': 'we_1',
    }

_UNRECORDED = "recorded answers of Stripe's sandbox lack it"
_DELETED = "only the answer to a deletion has it"
_EXPANDED = "only when expanded"
_ONE_TYPE = "only the key of its own type is there"
_LEGACY = "only for accounts of another kind"

_METHOD_COMMON = {
    'allow_redisplay', 'billing_details', 'created', 'customer',
    'customer_account', 'id', 'livemode', 'metadata', 'object',
    'shared_payment_granted_token', 'type'}
_SOURCE_COMMON = {
    'allow_redisplay', 'amount', 'client_secret', 'created', 'currency',
    'customer', 'flow', 'id', 'livemode', 'metadata', 'object', 'owner',
    'statement_descriptor', 'status', 'type', 'usage'}

# Attributes that are declared but that Stripe's answers don't have
ABSENT = {
    'account': {
        'deleted': _DELETED,
        'company': _LEGACY,
        'external_accounts': _LEGACY,
        'future_requirements': _LEGACY,
        'groups': _LEGACY,
        'individual': _LEGACY,
        'requirements': _LEGACY,
        'tos_acceptance': _LEGACY,
        },
    'balance': {
        'connect_reserved': _LEGACY,
        'instant_available': _LEGACY,
        'issuing': _LEGACY,
        'refund_and_dispute_prefunding': _LEGACY,
        },
    'card': {
        'account': _LEGACY,
        'allow_redisplay': _UNRECORDED,
        'available_payout_methods': _LEGACY,
        'currency': _LEGACY,
        'default_for_currency': _LEGACY,
        'deleted': _DELETED,
        'description': "needs a permission from Stripe",
        'iin': "needs a permission from Stripe",
        'issuer': "needs a permission from Stripe",
        'status': _LEGACY,
        },
    'charge': {
        'authorization_code': _UNRECORDED,
        'level3': "only for transactions with level III data",
        'presentment_details': "only when the payer saw another currency",
        'refunds': _EXPANDED,
        'transfer': "only with a transfer",
        },
    'customer': {
        'business_name': _UNRECORDED,
        'cash_balance': _EXPANDED,
        'deleted': _DELETED,
        'individual_name': _UNRECORDED,
        'invoice_credit_balance': _EXPANDED,
        'sources': _EXPANDED,
        'subscriptions': _EXPANDED,
        'tax': _EXPANDED,
        'tax_ids': _EXPANDED,
        },
    'dispute': {
        'intended_submission_method': "only with automatic disputes",
        'network_reason_code': "moved to payment_method_details",
        },
    'event': {
        'account': "only for events of connected accounts",
        'context': "only for events of connected accounts",
        },
    'mandate': {
        'on_behalf_of': "only for connected accounts",
        'single_use': "only for mandates of one use",
        },
    'payment_intent': {
        'hooks': _UNRECORDED,
        'payment_details': _UNRECORDED,
        'presentment_details': "only when the payer saw another currency",
        },
    'payment_method': {
        k: _ONE_TYPE for k in stripe.PaymentMethod.__annotations__
        if k not in _METHOD_COMMON and k != 'OBJECT_NAME'},
    'refund': {
        'description': "only for invoice credits",
        'failure_balance_transaction': "only for a refund that failed",
        'failure_reason': "only for a refund that failed",
        'instructions_email': "only where the payer is written to",
        'next_action': "only for a refund that requires an action",
        'pending_reason': "only while it is pending",
        'presentment_details': "only when the payer saw another currency",
        },
    'setup_attempt': {
        'attach_to_self': "only for connected accounts",
        },
    'setup_intent': {
        'attach_to_self': "only for connected accounts",
        },
    'source': {
        k: _ONE_TYPE for k in stripe.Source.__annotations__
        if k not in _SOURCE_COMMON and k != 'OBJECT_NAME'},
    'token': {
        'bank_account': _ONE_TYPE,
        'card': _ONE_TYPE,
        },
    'webhook_endpoint': {
        'deleted': _DELETED,
        'secret': "only the answer to the creation has it",
        },
    }
# Attributes that the recordings have but that no class declares
UNDECLARED = {
    'charge': ['destination', 'dispute', 'order'],
    'dispute': ['balance_transaction'],
    'payment_method': ['shared_payment_granted_token'],
    'payment_intent': ['shared_payment_granted_token'],
    }


class Row(dict):
    "An object of Stripe with what only Stripe knows about it"
    __slots__ = ('private',)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.private = {}


def random_text(length):
    return ''.join(_random.choices(_ALPHABET, k=length))


def new_id(kind):
    "Return a new id that looks like Stripe's"
    return PREFIXES[kind] + random_text(14 if kind == 'customer' else 23)


@functools.lru_cache(maxsize=None)
def _template(kind):
    absent = ABSENT.get(kind, {})
    names = [
        k for k in KINDS[kind].__annotations__
        if k not in absent and k != 'OBJECT_NAME']
    names.extend(UNDECLARED.get(kind, []))
    template = dict.fromkeys(names)
    template['object'] = kind
    if 'livemode' in template:
        template['livemode'] = False
    return template


def fresh(kind, **values):
    "Return a new object of the kind with every attribute"
    row = Row(_template(kind))
    row.update(values)
    if row.get('id') is None and kind in PREFIXES:
        row['id'] = new_id(kind)
    return row


@functools.lru_cache(maxsize=None)
def _shape(class_):
    return {k: None for k in class_.__annotations__ if k != 'OBJECT_NAME'}


def shape(class_, **values):
    "Return a nested object with every attribute that its class declares"
    return dict(_shape(class_), **values)


# Expanding ------------------------------------------------------------------

_REFERENCE = re.compile(r"ForwardRef\('(\w+)'")


@functools.lru_cache(maxsize=None)
def expandable(class_):
    "Return for each attribute of the class what expanding it leads to"
    result = {}
    for name, hint in class_.__annotations__.items():
        text = str(hint)
        nested = getattr(
            class_, ''.join(p.capitalize() for p in name.split('_')), None)
        targets = _REFERENCE.findall(text)
        if targets and 'ListObject' not in text:
            result[name] = targets
        elif isinstance(nested, type):
            result[name] = nested
    return result


LISTS = {
    'charge': {'refunds'},
    'customer': {'sources', 'subscriptions', 'tax_ids'},
    }
EXTRA = {
    'customer': {'cash_balance', 'tax', 'invoice_credit_balance'},
    'charge': {'dispute'},
    }
