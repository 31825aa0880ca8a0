# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import re
import unittest
from pathlib import Path

import polib

from trytond.pool import Pool
from trytond.tests.test_tryton import (
    TestCase, activate_module, with_transaction)

MODULE = 'account_payment_stripe'
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
        "Nothing is left to translate and the placeholders are the same"
        for language, file in translations().items():
            for entry in file:
                with self.subTest(language=language, text=entry.msgid):
                    self.assertTrue(entry.msgstr)
                    self.assertFalse(entry.fuzzy)
                    self.assertEqual(
                        sorted(PLACEHOLDER.findall(entry.msgstr)),
                        sorted(PLACEHOLDER.findall(entry.msgid)))
                    self.assertEqual(
                        'python-format' in entry.flags,
                        '%(' in entry.msgid)


class LocaleSourceTestCase(TestCase):
    "Test the translations are those of the sources"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        activate_module(MODULE)
        # Some texts are only there with them
        activate_module([
                'account_invoice', 'account_payment_clearing',
                'account_statement_rule'])

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
        self.assertGreaterEqual(files.keys(), {'de', 'es', 'fr'})
        for language, file in files.items():
            with self.subTest(language=language):
                self.assertEqual(texts(file), source)
