# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Payouts on the bank statement."""
import datetime as dt
from decimal import Decimal

from trytond.modules.account_payment_stripe.attempt import attempt
from trytond.pool import Pool

from .book_case import BookTestCase
from .ledger_case import DAY


class BookStatementTestCase(BookTestCase):
    "Test the lines of the bank that are about payouts"
    modules = BookTestCase.modules + ['account_statement_rule']

    def setUp(self):
        super().setUp()
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.account')
            Journal = pool.get('account.journal')
            Rule = pool.get('account.statement.rule')
            StatementJournal = pool.get('account.statement.journal')
            bank, = Account.copy([Account(self.accounts['stripe'])])
            self.accounts['bank'] = bank.id
            journal, = Journal.search([('code', '=', 'STA')])
            journal, = StatementJournal.create([{
                        'name': "Bank",
                        'company': self.company,
                        'journal': journal.id,
                        'account': bank.id,
                        'currency': self.currency,
                        'validation': 'number_of_lines',
                        }])
            self.bank = journal.id
            Rule.create([{
                        'name': "Stripe",
                        'company': self.company,
                        'description': r"(?P<stripe_payout>STRIPE.*)",
                        'lines': [('create', [{'amount': "pending"}])],
                        }])
        self.world.set(payout_debits=True)

    def pay_out(self, amount):
        "Return the id of a payout that is fetched"
        self.world.adjust(amount, self.code)
        self.advance(3 * DAY)
        made, = self.world.payout()
        self.fetch()
        with self.transaction():
            payout, = self.payouts(('identifier', '=', made['id']))
            return payout.id

    def apply(self, *origins):
        "Return the lines that the rules make of (amount, date, text)"
        pool = Pool()
        Statement = pool.get('account.statement')
        statement, = Statement.create([{
                    'name': "Bank",
                    'company': self.company,
                    'journal': self.bank,
                    'number_of_lines': len(origins),
                    'origins': [('create', [{
                                    'amount': amount,
                                    'date': date,
                                    'description': text,
                                    } for amount, date, text in origins])],
                    }])
        Statement.apply_rules([statement])
        return Statement(statement.id).lines

    def validate(self, *lines):
        "Validate a statement with (amount, payout)"
        pool = Pool()
        Payout = pool.get('account.payment.stripe.payout')
        Statement = pool.get('account.statement')
        statement, = Statement.create([{
                    'name': "Bank",
                    'company': self.company,
                    'journal': self.bank,
                    'number_of_lines': len(lines),
                    'lines': [('create', [{
                                    'amount': amount,
                                    'date': Payout(payout).arrival_date,
                                    'account': self.accounts['transit'],
                                    'related_to': str(Payout(payout)),
                                    } for amount, payout in lines])],
                    }])
        attempt(Statement.validate_statement, [statement])

    def payout(self, id_):
        return Pool().get('account.payment.stripe.payout')(id_)

    def test_alike(self):
        "Case 31: of two payouts alike none is chosen, unless it is named"
        first, second = self.pay_out(5000), self.pay_out(5000)
        # The trace id comes later
        self.advance(3 * DAY)
        self.fetch()
        with self.transaction():
            payout = self.payout(second)
            date = payout.arrival_date
            line = [payout.amount, date]
            self.assertEqual(self.apply((*line, "STRIPE")), ())
            for text in ["STRIPE %s X" % payout.identifier,
                    "STRIPE %s" % payout.trace_id]:
                line, = self.apply((payout.amount, date, text))
                self.assertEqual(line.related_to, payout)
                self.assertEqual(line.account.id, self.accounts['transit'])
            self.validate((payout.amount, second))
        with self.transaction():
            self.assertTrue(self.payout(second).reconciled)
            self.assertFalse(self.payout(first).reconciled)
            payout = self.payout(first)
            # Now there is only one left, but not at any time
            self.assertEqual(self.apply((
                        payout.amount,
                        payout.arrival_date + dt.timedelta(days=11),
                        "STRIPE")), ())
            line, = self.apply((payout.amount, payout.arrival_date, "STRIPE"))
            self.assertEqual(line.related_to, payout)
            self.assertEqual(self.apply((
                        payout.amount, payout.arrival_date, "OTHER")), ())

    def test_sent_back(self):
        "Case 16: what the bank received and sent back is of the payout"
        payout = self.pay_out(5000)
        with self.transaction():
            self.validate((Decimal('50.00'), payout))
        with self.transaction():
            self.assertEqual(self.open_lines('transit'), [])
            identifier = self.payout(payout).identifier
        self.advance(2 * DAY)
        self.world.fail_payout(identifier)
        self.fetch()
        with self.transaction():
            self.check_books()
            self.assertEqual(self.sums()['transit'], Decimal('-50.00'))
            self.assertFalse(self.payout(payout).reconciled)
            self.validate((Decimal('-50.00'), payout))
        with self.transaction():
            self.assertTrue(self.payout(payout).reconciled)
            self.assertEqual(self.open_lines('transit'), [])
            self.assertNotIn('transit', self.sums())

    def test_failed_first(self):
        "A payout that failed can be related also after it was matched"
        payout = self.pay_out(5000)
        with self.transaction():
            identifier = self.payout(payout).identifier
        self.advance(2 * DAY)
        self.world.fail_payout(identifier)
        self.fetch()
        with self.transaction():
            self.assertTrue(self.payout(payout).reconciled)
            self.validate(
                (Decimal('50.00'), payout), (Decimal('-50.00'), payout))
        with self.transaction():
            self.check_books()
            self.assertEqual(self.open_lines('transit'), [])

    def test_negative(self):
        "Case 18: what Stripe takes from the bank account"
        self.world.fee(3000, self.code)
        self.advance(3 * DAY)
        self.world.payout()
        self.fetch()
        with self.transaction():
            self.check_books()
            payout, = self.payouts()
            self.assertEqual(payout.amount, Decimal('-30.00'))
            self.assertEqual(self.sums()['transit'], Decimal('-30.00'))
            line, = self.apply((
                    payout.amount, payout.arrival_date, "STRIPE"))
            self.assertEqual(line.related_to, payout)
            attempt(line.statement.__class__.validate_statement,
                [line.statement])
        with self.transaction():
            self.assertEqual(self.open_lines('transit'), [])

    def test_change(self):
        "The payout is left when party or account say something else"
        payout = self.pay_out(5000)
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.account')
            Line = pool.get('account.statement.line')
            Party = pool.get('party.party')
            for name, value in [
                    ('party', Party(self.party)),
                    ('account', Account(self.accounts['fees']))]:
                line = Line(
                    amount=Decimal('50.00'), party=Party(self.party),
                    related_to=self.payout(payout))
                line.on_change_related_to()
                self.assertIsNone(line.party)
                self.assertEqual(line.account.id, self.accounts['transit'])
                setattr(line, name, value)
                getattr(line, 'on_change_' + name)()
                self.assertIsNone(line.related_to)

    def test_order(self):
        "The payouts are proposed by the distance of their amount"
        ids = [self.pay_out(a) for a in [2000, 5000, 9000]]
        with self.transaction(amount_order=Decimal('52.00')):
            Payout = Pool().get('account.payment.stripe.payout')
            self.assertEqual([
                    p.id for p in Payout.search(
                        [('id', 'in', ids)], order=[('amount', 'ASC')])],
                [ids[1], ids[0], ids[2]])


del BookTestCase
