# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the tests of booking Stripe's balance share."""
import datetime as dt
from collections import Counter
from decimal import Decimal

from trytond.modules.account.tests import get_fiscalyear
from trytond.modules.account_payment_stripe.attempt import attempt
from trytond.modules.company.tests import set_company
from trytond.modules.currency.tests import add_currency_rate
from trytond.pool import Pool

from .ledger_case import LedgerTestCase

ZERO = Decimal('0.00')
TYPES = {
    'asset': {'assets': True},
    'receivable': {'assets': True, 'receivable': True},
    'expense': {'statement': 'income', 'expense': True},
    }
TYPE_OF = {'fees': 'expense', 'taxes': 'expense', 'receivable': 'receivable'}
ACCOUNTS = ['stripe', 'transit', 'suspense', 'clearing', 'fees', 'taxes']


def create_accounting(company, payment_journal):
    """Create a chart and periods and let the payment journal clear.

    Return the ids of ACCOUNTS by name, the values of the balance to book it,
    and those of the configuration for exchange differences.
    """
    pool = Pool()
    Account = pool.get('account.account')
    Company = pool.get('company.company')
    Configuration = pool.get('account.configuration')
    FiscalYear = pool.get('account.fiscalyear')
    Journal = pool.get('account.journal')
    PaymentJournal = pool.get('account.payment.journal')
    Type = pool.get('account.account.type')
    company = Company(company)
    with set_company(company):
        # The clock of the simulator goes on to the next year
        today = dt.date.today()
        fiscalyear = get_fiscalyear(
            company,
            start_date=today.replace(year=today.year - 1, month=1, day=1),
            end_date=today.replace(year=today.year + 1, month=12, day=31))
        fiscalyear.save()
        FiscalYear.create_period([fiscalyear])
        types = {
            t.name: t.id for t in Type.create([{
                        'name': name,
                        'company': company.id,
                        'statement': 'balance',
                        **values,
                        } for name, values in TYPES.items()])}
        names = [*ACCOUNTS, 'receivable']
        accounts = {n: a.id for n, a in zip(names, Account.create([{
                            'name': name.title(),
                            'company': company.id,
                            'type': types[TYPE_OF.get(name, 'asset')],
                            'party_required': name == 'receivable',
                            'reconcile': name not in {
                                'stripe', 'fees', 'taxes'},
                            } for name in names]))}
        journal = Journal.search([('type', '=', 'cash')])[0].id
        write_off = Journal.search([('type', '=', 'write-off')])[0].id
        exchange = {
            'currency_exchange_journal': write_off,
            'currency_exchange_debit_account': accounts['fees'],
            'currency_exchange_credit_account': accounts['fees'],
            }
        configuration = Configuration(1)
        configuration.default_account_receivable = accounts.pop('receivable')
        for name, value in exchange.items():
            setattr(configuration, name, value)
        configuration.save()
        PaymentJournal.write(PaymentJournal.browse([payment_journal]), {
                'clearing_account': accounts['clearing'],
                'clearing_journal': journal,
                })
    books = {
        'journal': journal,
        'account': accounts['stripe'],
        'transit_account': accounts['transit'],
        'fee_account': accounts['fees'],
        'tax_account': accounts['taxes'],
        'suspense_account': accounts['suspense'],
        }
    return accounts, books, exchange


class BookTestCase(LedgerTestCase):
    "Test with accounts, a clearing journal and a balance that is booked"

    modules = ['account_payment_stripe', 'account_payment_clearing']

    def setUp(self):
        super().setUp()
        with self.transaction():
            attempt(self._create_accounting)

    def _create_accounting(self):
        Balance = Pool().get('account.payment.stripe.balance')
        self.accounts, self.books, self.exchange = create_accounting(
            self.company, self.journal)
        Balance.write([Balance(self.balance)], self.books)

    def currencies(self):
        "Return the currencies by code, with the rates 0.8 and 0.5 of USD"
        Currency = Pool().get('currency.currency')
        # The company counts in USD
        self.assertEqual(self.code, 'usd')
        for code, rate in [('USD', '1'), ('EUR', '0.8'), ('GBP', '0.5')]:
            currencies = Currency.search([('code', 'ilike', code)])
            if not currencies:
                currencies = Currency.create([{
                            'name': code, 'code': code, 'symbol': code}])
            if not currencies[0].rates:
                add_currency_rate(currencies[0], Decimal(rate))
        return {c.code.upper(): c for c in Currency.search([])}

    def pay_in(self, code):
        "Let the journal be of the currency"
        PaymentJournal = Pool().get('account.payment.journal')
        PaymentJournal.write(PaymentJournal.browse([self.journal]), {
                'currency': self.currencies()[code].id,
                })

    def settle_in(self, code):
        "Return a balance in the currency with an account of its own"
        Account = Pool().get('account.account')
        account, = Account.copy([Account(self.accounts['stripe'])])
        self.accounts['stripe ' + code] = account.id
        return self.create_balance(
            code, **dict(self.books, account=account.id)).id

    def refund(self, payment, amount):
        Refund = Pool().get('account.payment.stripe.refund')
        refund, = Refund.create([{
                    'payment': payment.id,
                    'amount': amount,
                    }])
        Refund.submit([refund])
        attempt(Refund.approve, [refund])
        return refund

    def pull(self, payment):
        Payment = Pool().get('account.payment')
        attempt(Payment.stripe_do_pull, [Payment(payment.id)])

    def sums(self, second=False, until=None):
        """Return the balance of each account that isn't at zero, by name

        second: in the second currency.
        until: the last date that counts.
        """
        Line = Pool().get('account.move.line')
        names = {i: n for n, i in self.accounts.items()}
        sums = Counter()
        for line in Line.search([
                    ('account', 'in', list(names)),
                    ('date', '<=', until) if until else (),
                    ]):
            sums[names[line.account.id]] += (
                line.amount_second_currency or ZERO) if second else (
                line.debit - line.credit)
        return {n: s for n, s in sums.items() if s}

    def open_lines(self, name):
        "Return the lines of the account that are not reconciled"
        Line = Pool().get('account.move.line')
        return Line.search([
                ('account', '=', self.accounts[name]),
                ('reconciliation', '=', None),
                ], order=[('id', 'ASC')])

    def moves(self, *domain, balance=None):
        Move = Pool().get('account.move')
        return Move.search([
                ('origin.id', '=', balance or self.balance,
                    'account.payment.stripe.balance'),
                *domain,
                ], order=[('date', 'ASC'), ('id', 'ASC')])

    def check_books(self, opening=0):
        """Compare the books of all balances with what is at Stripe: V4, V7,
        and that each transaction is in exactly one move"""
        self.check()
        Balance = Pool().get('account.payment.stripe.balance')
        for balance in Balance.search([
                    ('stripe_account', '=', self.account),
                    ('journal', '!=', None),
                    ]):
            self.assertFalse(balance.error_message)
            self.assertEqual(balance.opening_amount, opening)
            # V4
            self.assertEqual(balance.to_book_amount, 0)
            self.assertEqual(balance.booked_amount, balance.recorded_amount)
            self.assertEqual(balance.book_difference, opening)
            self._check_moves(balance)
        # V7: what is reconciled is zero, so that the rest is open
        sums = self.sums()
        for name in ['clearing', 'suspense', 'transit']:
            self.assertEqual(
                sums.get(name, 0),
                sum(x.debit - x.credit for x in self.open_lines(name)))

    def _check_moves(self, balance):
        booked = Counter()
        for transaction in self.transactions(('balance', '=', balance.id)):
            self.assertEqual(
                bool(transaction.move),
                transaction.balance_type == 'payments'
                and bool(transaction.amount or transaction.fee))
            if transaction.line:
                self.assertEqual(transaction.line.origin, transaction)
                booked[transaction.line.id] += 1
            self.assertFalse(transaction.to_match)
        self.assertLessEqual(set(booked.values()), {1})
        for move in self.moves(balance=balance.id):
            self.assertEqual(
                sum(line.debit - line.credit for line in move.lines), 0)
            self.assertEqual({line.state for line in move.lines}, {'valid'})
