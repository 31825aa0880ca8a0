# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What payers read on the statements of their cards.

Knows no Tryton model.
Source: https://docs.stripe.com/get-started/account/statement-descriptors
"""
import re
import unicodedata

__all__ = ['descriptor_suffix']

# Both have 22 characters: the prefix up to 10, then '* '
MAX = 10
_NOT_ALLOWED = re.compile(r'''[^ -~]|[<>\\'"*]''')


def descriptor_suffix(text):
    """Return the text as the suffix that Stripe accepts, None if nothing of
    it remains.

    Of a longer one the end is kept, which tells numbers from each other.
    """
    text = unicodedata.normalize('NFKD', text or '')
    text = ' '.join(_NOT_ALLOWED.sub('', text).split())
    if not re.search('[A-Za-z]', text[-MAX:]):
        # There must be a letter
        if not text:
            return
        text = 'NO ' + text[-(MAX - 3):].strip()
    return text[-MAX:].strip()
