# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What can be a key of Stripe.

Knows no Tryton model.
"""
import re

# https://docs.stripe.com/keys
PUBLISHABLE = 'pk_'
SECRET = ('sk_', 'rk_')
SIGNING = 'whsec_'
_PLAIN = re.compile('[!-~]+')
_MODE = re.compile('(?:pk|sk|rk)_(?:org_)?(test|live)_')


def is_plain(key):
    "Return if the key has only characters that a request can carry"
    return bool(_PLAIN.fullmatch(key))


def is_publishable(key):
    "Return if the key may be shown to anybody"
    return key.startswith(PUBLISHABLE) and is_plain(key)


def is_secret(key):
    "Return if the key is one with which the server talks to Stripe"
    return key.startswith(SECRET)


def key_mode(key):
    "Return 'test', 'live' or None if the key does not tell"
    if found := _MODE.match(key):
        return found.group(1)
