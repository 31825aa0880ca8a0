# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import re
import unittest
from pathlib import Path

import polib

LOCALE = Path(__file__).resolve().parent.parent / 'locale'
PLACEHOLDER = re.compile(r'%\(\w+\)[sd]|%%|\[\d+:|\n')


class LocaleTestCase(unittest.TestCase):
    "Test the translations"

    @classmethod
    def setUpClass(cls):
        cls.files = {
            p.stem: polib.pofile(str(p)) for p in LOCALE.glob('*.po')}

    def test_languages(self):
        "Each language translates the same"
        self.assertGreaterEqual(self.files.keys(), {'de', 'es', 'fr'})
        keys = {
            language: {(e.msgctxt, e.msgid) for e in file}
            for language, file in self.files.items()}
        for language in keys:
            with self.subTest(language=language):
                self.assertEqual(keys[language], keys['de'])

    def test_entries(self):
        "Nothing is left to translate and the placeholders are the same"
        for language, file in self.files.items():
            for entry in file:
                with self.subTest(language=language, text=entry.msgid):
                    self.assertTrue(entry.msgstr)
                    self.assertFalse(entry.fuzzy)
                    self.assertEqual(
                        sorted(PLACEHOLDER.findall(entry.msgstr)),
                        sorted(PLACEHOLDER.findall(entry.msgid)))
