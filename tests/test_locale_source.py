# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import polib

from trytond.pool import Pool
from trytond.tests.test_tryton import (
    TestCase, activate_module, with_transaction)

from .test_locale import COMPLETE, translations

MODULE = 'account_payment_stripe'


def texts(file):
    "Return the set of the contexts and texts of the PO file"
    return {(e.msgctxt, e.msgid) for e in file}


class LocaleSourceTestCase(TestCase):
    "Test the translations are those of the sources"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Some texts are only there with the others
        activate_module([
                MODULE, 'account_dunning_email', 'account_invoice',
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
