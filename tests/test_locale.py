# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import re
import unittest
from pathlib import Path

import polib

import trytond
from trytond.pool import Pool
from trytond.tests.test_tryton import (
    TestCase, activate_module, with_transaction)

MODULE = 'account_payment_stripe'
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


def texts(file):
    "Return the set of the contexts and texts of the PO file"
    return {(e.msgctxt, e.msgid) for e in file}


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


class LocaleSourceTestCase(TestCase):
    "Test the translations are those of the sources"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        activate_module(MODULE)
        # Some texts are only there with them
        activate_module([
                'account_dunning_email', 'account_invoice',
                'account_payment_clearing', 'account_statement_rule'])

    @with_transaction()
    def test_languages(self):
        "Each language translates each text and no other"
        pool = Pool()
        Set = pool.get('ir.translation.set', type='wizard')
        Translation = pool.get('ir.translation')
        # The texts of views and reports are only collected on demand
        session, _, _ = Set.create()
        Set.execute(session, {}, 'set_')
        source = texts(polib.pofile(
                Translation.translation_export('en', MODULE).decode()))
        self.assertLessEqual({
                'field', 'help', 'model', 'report', 'selection', 'view',
                'wizard_button'},
            {context.split(':')[0] for context, _ in source})
        files = translations()
        self.assertGreaterEqual(files.keys(), COMPLETE)
        for language, file in files.items():
            with self.subTest(language=language):
                self.assertEqual(texts(file), source)
