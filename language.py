# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The language in which payers are spoken to."""
from trytond.ir.lang import get_parent_language
from trytond.pool import Pool

# That of the texts in the sources
SOURCE = 'en'


def readable(languages, report):
    """Return the first of the languages, ir.lang records or None, that has
    the texts of the report, or else the one of the sources.

    What is read from right to left, with its digits, must be no English.
    """
    Lang = Pool().get('ir.lang')
    for lang in languages:
        if lang and has_texts(lang, report):
            return lang
    return Lang.get(SOURCE)


def has_texts(lang, report):
    "Return if the report has been translated to the language"
    Translation = Pool().get('ir.translation')
    codes = []
    code = lang.code
    while code:
        if code == SOURCE:
            return True
        codes.append(code)
        code = get_parent_language(code)
    return bool(Translation.search([
                ('type', '=', 'report'),
                ('name', '=', report),
                ('lang', 'in', codes),
                ('value', 'not in', ['', None]),
                ('fuzzy', '=', False),
                ], limit=1))
