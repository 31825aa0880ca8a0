# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the payer reads of what is paid. Of invoices see scenario_invoice."""
from trytond.pool import Pool
from trytond.transaction import Transaction

from .case import StripeTestCase


class PaymentTextTestCase(StripeTestCase):
    "Test what the payer reads"

    def test_without_document(self):
        "Test a number of ours never stands alone"
        with self.transaction():
            payment = self.create_payment()
            self.assertEqual(
                payment.stripe_description, "Payment %s" % payment.number)

    def test_reference(self):
        "Test what was typed as reference is shown"
        with self.transaction():
            payment = self.create_payment(reference="Course in May")
            self.assertEqual(payment.stripe_description, "Course in May")

    def test_reference_number(self):
        "Test neither a typed number nor one for banks stands alone"
        with self.transaction():
            for reference, type_, expected in [
                    ("77", None, "Reference 77"),
                    ("2026/77-A", None, "Reference 2026/77-A"),
                    ("курс 7", None, "курс 7"),
                    ("RF18539007547034", 'creditor_reference',
                        "Reference RF18 5390 0754 7034"),
                    ]:
                payment = self.create_payment(
                    reference=reference, reference_type=type_)
                self.assertEqual(
                    payment.stripe_description.replace(' ', ''),
                    expected.replace(' ', ''))

    def test_language(self):
        "Test the intent is in the language of the payer, whoever makes it"
        with self.transaction():
            pool = Pool()
            Lang = pool.get('ir.lang')
            ModelData = pool.get('ir.model.data')
            Party = pool.get('party.party')
            Translation = pool.get('ir.translation')
            german, = Lang.search([('code', '=', 'de')])
            german.translatable = True
            german.save()
            Translation.create([{
                        'name': 'ir.message,text',
                        'res_id': ModelData.get_id(
                            'account_payment_stripe',
                            'msg_description_payment'),
                        'lang': 'de', 'type': 'model',
                        'src': "Payment %(number)s",
                        'value': "Zahlung %(number)s",
                        'module': 'account_payment_stripe',
                        'fuzzy': False,
                        }])
            payment = self.create_payment()
            party = Party(payment.party.id)
            party.lang = german
            party.save()
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(Transaction().language, 'en')
            params = payment.stripe_intent_params()
            self.assertEqual(
                params['description'], "Zahlung %s" % payment.number)
            self.assertEqual(
                payment.stripe_description, "Payment %s" % payment.number)
