# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the tests of stories share."""
import unittest
from decimal import Decimal

from trytond.tests.test_tryton import DB_NAME  # noqa: F401


class StageTestCase(unittest.TestCase):
    "A stage for the class, on which stories are played"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # They patch what is loaded with the database
        from . import engine
        cls.engine = engine
        cls.stage = engine.Stage()
        cls.addClassCleanup(cls.stage.close)

    def story(self, **options):
        return self.engine.Story(self.stage, **options)

    def assertPayment(self, story, id_, state, amount, charged=1):
        row = story._read(id_)
        self.assertEqual(
            (row['state'], Decimal(str(row['amount'])),
                len(story._charged(id_))),
            (state, Decimal(amount), charged), msg='\n'.join(story.told))

    def settle(self, story):
        story.wait(90000)
        for name in story.CRONS:
            story.cron(name)
