# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the tests of currencies share."
from decimal import Decimal

from trytond.pool import Pool
from trytond.transaction import Transaction

from .case import StripeTestCase


class CurrencyTestCase(StripeTestCase):
    "A currency has other digits in Tryton than at Stripe, or is changed"

    def set_currency(self, code, digits):
        "Let the journal be in the currency"
        pool = Pool()
        Currency = pool.get('currency.currency')
        Journal = pool.get('account.payment.journal')
        Transaction().set_context(active_test=False)
        currencies = Currency.search([('code', '=', code)])
        if not currencies:
            currencies = Currency.create([{
                        'name': code,
                        'code': code,
                        'digits': 4,
                        'rounding': Decimal('.0001'),
                        }])
        Currency.write(currencies, {
                'rounding': Decimal(1).scaleb(-digits),
                'digits': digits,
                })
        journal = Journal(self.journal)
        if journal.currency != currencies[0]:
            journal, = Journal.copy([journal], default={
                    'currency': currencies[0].id,
                    })
            self.journal = journal.id
        return currencies[0]

    def pay(self, code='EUR', digits=2, amount='42.00', **values):
        "Return the id of the payment that is charged with a token"
        Payment = Pool().get('account.payment')
        self.set_currency(code, digits)
        payment = self.create_payment(
            amount=Decimal(amount), stripe_token='tok_visa',
            stripe_chargeable=True, **values)
        self.process(payment)
        Transaction().commit()
        Payment.stripe_charge([payment])
        return payment.id

    def process(self, payment):
        Payment = Pool().get('account.payment')
        Payment.process([payment], group=self.group)

    def get(self, id_):
        return Pool().get('account.payment')(id_)

    def pull(self, id_):
        Payment = Pool().get('account.payment')
        Payment.stripe_do_pull([Payment(id_)])
        return self.get(id_)

    def force_journal(self, code, digits=2):
        "Change the currency of the journal, as nobody can in Tryton"
        pool = Pool()
        Currency = pool.get('currency.currency')
        table = pool.get('account.payment.journal').__table__()
        currencies = Currency.search([('code', 'ilike', code)]) or (
            Currency.create([{'name': code, 'code': code}]))
        Currency.write(currencies, {
                'rounding': Decimal(1).scaleb(-digits),
                'digits': digits,
                })
        Transaction().connection.cursor().execute(*table.update(
                [table.currency], [currencies[0].id],
                where=table.id == self.journal))
        Transaction().commit()

    def assertAccepted(self, record):
        "What is stored would be accepted if a person wrote it"
        record.__class__._validate([record])

    def assertReview(self, payment, *words):
        self.assertEqual(payment.stripe_waiting_for, 'check')
        for word in words:
            self.assertIn(word, payment.stripe_error_message)
