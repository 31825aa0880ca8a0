# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The types of payment methods: what each can do, and which are offered."
from typing import NamedTuple, Optional


class Type(NamedTuple):
    """What payment methods of a type can do.

    currencies are those that can be paid with it (None: any); redirects that
    the payer is sent to another page; saved that it can be attached to a
    customer; generates that it leaves a SEPA direct debit that can be;
    set_up that a setup intent takes it; delayed that the money shows
    later."""
    currencies: Optional[tuple] = None
    redirects: bool = False
    saved: bool = True
    generates: bool = False
    set_up: bool = True
    delayed: bool = False


_EURO = ('eur',)
_BANK = Type(_EURO, redirects=True, saved=False, generates=True)
_ONCE = Type(_EURO, redirects=True, saved=False, set_up=False)

# https://docs.stripe.com/payments/payment-methods/payment-method-support
TYPES = {
    'card': Type(),
    'sepa_debit': Type(_EURO, delayed=True),
    'klarna': Type(
        ('eur', 'usd', 'gbp', 'sek', 'nok', 'dkk', 'chf'), redirects=True),
    'bancontact': _BANK,
    'ideal': _BANK,
    'sofort': _BANK._replace(delayed=True),
    'eps': _ONCE,
    'giropay': _ONCE,
    'p24': _ONCE._replace(currencies=('eur', 'pln')),
    'link': Type(),
    'paypal': Type(
        ('eur', 'usd', 'gbp', 'sek', 'nok', 'dkk', 'chf', 'pln', 'czk'),
        redirects=True),
    }
# What is turned on in the Dashboard if nothing else is said
DEFAULT = ['card', 'sepa_debit', 'klarna', 'bancontact', 'ideal']


def type_of(method):
    "Return what payment methods of the type can do"
    return TYPES.get(method['type'], _ONCE)


def redirects(name):
    "Return whether paying with the type may need another page"
    return TYPES.get(name, _ONCE).redirects


def check_names(names):
    "Return the names of types that can be turned on, or raise ValueError"
    unknown = [n for n in names if n not in TYPES]
    if unknown or not names:
        raise ValueError("unknown payment method types %s" % unknown)
    return list(names)


def offered(world, currency=None, set_up=False):
    "Return the names of the types that an intent can offer"
    return [
        n for n in world.settings.payment_method_types
        if (not currency or not TYPES[n].currencies
            or currency in TYPES[n].currencies)
        and (not set_up or TYPES[n].set_up)]
