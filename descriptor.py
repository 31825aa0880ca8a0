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
# No letter is in front of those that are only numbers
NUMBER = 'NO '
_NOT_ALLOWED = re.compile(r'''[^ -~]|[<>\\'"*]''')
# What is more than a letter with an accent
_LATIN = str.maketrans({
        'Ä': "Ae", 'Ö': "Oe", 'Ü': "Ue", 'ä': "ae", 'ö': "oe", 'ü': "ue",
        'ß': "ss", 'ẞ': "SS", 'Æ': "AE", 'æ': "ae", 'Œ': "OE", 'œ': "oe",
        'Ø': "O", 'ø': "o", 'Ð': "D", 'ð': "d", 'Đ': "D", 'đ': "d",
        'Ł': "L", 'ł': "l", 'Þ': "Th", 'þ': "th", 'ı': "i",
        })


def descriptor_suffix(text):
    """Return the text as the suffix that Stripe accepts, None if nothing of
    it remains.

    Of a longer one the end is kept, which tells numbers from each other.
    """
    text = unicodedata.normalize('NFC', text or '').translate(_LATIN)
    text = unicodedata.normalize('NFKD', text)
    text = ' '.join(_NOT_ALLOWED.sub('', text).split())
    end = _end(text, MAX)
    if end and not re.search('[A-Za-z]', end):
        # There must be a letter
        number = _end(text, MAX - len(NUMBER))
        end = number and NUMBER + number
    return end or None


def _end(text, length):
    "Return the end of the text, without what separates it from the rest"
    return re.sub('^[^A-Za-z0-9]+', '', text[-length:]).strip()
