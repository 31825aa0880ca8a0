# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import functools
import re
import unittest
from pathlib import Path

import polib

import trytond

# What staff sees is translated too, to others only what payers see
COMPLETE = {'ca', 'de', 'es', 'fr', 'it', 'nl', 'pl', 'pt'}
PAYER = re.compile(
    r'report:|model:ir\.message,text:msg_(description_|invoice_pay_online)'
    r'|model:ir\.message,text:msg_page_'
    r'|model:ir\.action,name:report_email_')
# Words that mean something else here than in Tryton's own modules
OTHERWISE = {
    # What is left, not the side
    "Left",
    # Of business, not of payment
    "Terms",
    # Of Stripe, not the one of invoices
    "Payment Method", "Payment Methods",
    # Who is paid, not until when
    "To",
    # Of many, or of another gender
    "Closed", "Failed", "Other", "Paid", "Pending", "Reconciled",
    # Made by itself
    "Automatic",
    # Of Stripe's amounts, balance and API
    "Balance", "Digits", "Operation",
    # What a check found, what a button does, a label
    "OK", "Update", "Website",
    # Of money, many: in pt Tryton has several words
    "All", "Amount",
    }
TRYTON = [
    'account', 'account_invoice', 'account_payment',
    'account_payment_clearing', 'account_statement', 'company', 'currency',
    'party']
LOCALE = Path(__file__).resolve().parent.parent / 'locale'
PLACEHOLDER = re.compile(r'%\(\w+\)[sd]|%%|\[\d+:|\n')


@functools.cache
def translations():
    "Return a dictionary of the PO file of each language"
    return {p.stem: polib.pofile(str(p)) for p in LOCALE.glob('*.po')}


class LocaleTestCase(unittest.TestCase):
    "Test the translations"

    def test_entries(self):
        """Nothing is left to translate of what payers see, and in some
        languages of all, and the placeholders are the same"""
        for language, file in translations().items():
            for entry in file:
                with self.subTest(language=language, text=entry.msgid):
                    self.assertFalse(entry.fuzzy)
                    if (language in COMPLETE
                            or PAYER.match(entry.msgctxt)):
                        self.assertTrue(entry.msgstr)
                    elif not entry.msgstr:
                        continue
                    self.assertEqual(
                        sorted(PLACEHOLDER.findall(entry.msgstr)),
                        sorted(PLACEHOLDER.findall(entry.msgid)))
                    self.assertEqual(
                        'python-format' in entry.flags,
                        '%(' in entry.msgid)

    def test_terms(self):
        "Words are those of Tryton's own modules, but those that differ"
        modules = Path(trytond.__file__).parent / 'modules'
        for language in COMPLETE:
            theirs = {}
            for path in modules.glob('*/locale/%s.po' % language):
                if path.parent.parent.name not in TRYTON:
                    continue
                for entry in polib.pofile(str(path)):
                    if entry.msgstr and not entry.fuzzy:
                        theirs.setdefault(entry.msgid, set()).add(entry.msgstr)
            self.assertIn("Payment", theirs)
            for entry in translations()[language]:
                # Of some it is the English text
                if entry.msgid in theirs.keys() - OTHERWISE and (
                        theirs[entry.msgid] != {entry.msgid}):
                    with self.subTest(language=language, text=entry.msgid):
                        self.assertIn(entry.msgstr, theirs[entry.msgid])
