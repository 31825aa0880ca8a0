# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Bring the PO files to the texts of the sources.

    python tools/translate.py [LANGUAGE ...]

Texts that are gone are dropped, new ones are added in their place without a
translation, or with that of the same text elsewhere in the file. Prints what
each language leaves untranslated; of most only what payers see is translated.
Further translations are read from the standard input if it is not a terminal:
a JSON object of objects, {"de": {"English text": "deutscher Text"}}.
"""
import argparse
import json
import logging
import os
import pathlib
import re
import sys

import polib

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOCALE = ROOT / 'locale'
MODULE = 'account_payment_stripe'
# The languages in which staff is spoken to also
COMPLETE = {'ca', 'de', 'es', 'fr', 'it', 'nl', 'pl', 'pt'}
PAYER = re.compile(
    r'report:|model:ir\.message,text:msg_(description_|invoice_pay_online)'
    r'|model:ir\.message,text:msg_page_'
    r'|model:ir\.action,name:report_email_')
# Some texts are only there with them
EXTRAS = [
    'account_dunning_email', 'account_invoice', 'account_payment_clearing',
    'account_statement_rule']


def export():
    "Return the entries of the English texts in the order of Tryton's export"
    os.environ.setdefault('TRYTOND_DATABASE_URI', 'sqlite://')
    os.environ['DB_NAME'] = ':memory:'
    from trytond.tests.test_tryton import activate_module, with_transaction
    logging.disable(logging.WARNING)
    activate_module(MODULE)
    activate_module(EXTRAS)

    @with_transaction()
    def read():
        from trytond.pool import Pool
        pool = Pool()
        Set = pool.get('ir.translation.set', type='wizard')
        Translation = pool.get('ir.translation')
        session, _, _ = Set.create()
        Set.execute(session, {}, 'set_')
        return polib.pofile(
            Translation.translation_export('en', MODULE).decode())
    return read()


def update(language, source, more):
    "Write the PO file of the language, return what it has not translated"
    path = LOCALE / (language + '.po')
    old = polib.pofile(str(path)) if path.exists() else []
    known = {(e.msgctxt, e.msgid): e.msgstr for e in old}
    alike = {e.msgid: e.msgstr for e in old if e.msgstr}
    alike.update(more)
    new = polib.POFile()
    new.metadata = {'Content-Type': 'text/plain; charset=utf-8'}
    left = {}
    for entry in source:
        text = (
            known.get((entry.msgctxt, entry.msgid))
            or alike.get(entry.msgid, ''))
        new.append(polib.POEntry(
                msgctxt=entry.msgctxt, msgid=entry.msgid, msgstr=text,
                flags=entry.flags))
        if not text:
            left.setdefault(entry.msgid, entry.msgctxt)
    new.save(str(path))
    return left


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('languages', nargs='*')
    languages = parser.parse_args().languages
    more = {} if sys.stdin.isatty() else json.loads(sys.stdin.read() or '{}')
    source = export()
    for language in languages or sorted(p.stem for p in LOCALE.glob('*.po')):
        left = update(language, source, more.get(language, {}))
        of_payers = [t for t, c in left.items() if PAYER.match(c)]
        print("%s: %d of %d left, %d of them are seen by payers" % (
                language, len(left), len(source), len(of_payers)))
        if language not in COMPLETE:
            left = {t: left[t] for t in of_payers}
        for text, context in left.items():
            print("    %s\n        %s" % (json.dumps(text), context))


if __name__ == '__main__':
    main()
