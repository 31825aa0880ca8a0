# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the tests of Stripe's balance share."""
import datetime as dt
from decimal import Decimal

from trytond.pool import Pool
from trytond.transaction import Transaction

from .case import DAY, StripeTestCase

BALANCE = 'account.payment.stripe.balance'
PAYOUT = 'account.payment.stripe.payout'
TRANSACTION = 'account.payment.stripe.transaction'


class LedgerTestCase(StripeTestCase):
    "Test with a balance in the currency of the company"

    def setUp(self):
        super().setUp()
        with self.transaction():
            Company = Pool().get('company.company')
            currency = Company(self.company).currency
            self.code = currency.code.lower()
            self.currency = currency.id
            # The clock of the simulator is moved, and shared
            now = dt.datetime.fromtimestamp(
                self.simulator.clock.now(), dt.timezone.utc)
            self.start_date = now.date()
            self.balance = self.create_balance().id

    def create_balance(self, code=None, **values):
        pool = Pool()
        Balance = pool.get(BALANCE)
        Currency = pool.get('currency.currency')
        if code:
            found = Currency.search([('code', '=', code.upper())])
            values['currency'] = (found[0] if found else Currency.create([{
                            'name': code.upper(),
                            'code': code.upper(),
                            'symbol': code.upper(),
                            }])[0]).id
        balance, = Balance.create([{
                    'name': "Stripe",
                    'company': self.company,
                    'stripe_account': self.account,
                    'currency': self.currency,
                    'start_date': self.start_date,
                    **values,
                    }])
        return balance

    def fetch(self, *ids):
        "Run the cron for the balances of the test"
        with self.transaction():
            Pool().get(BALANCE).stripe_fetch(ids or [self.balance])

    def advance(self, seconds=DAY):
        self.simulator.clock.advance(seconds)

    def pay(self, token='pm_card_visa', amount=10000, currency=None, **params):
        "Return the id of a charge that Tryton does not know"
        intent = self.client.payment_intents.create(
            amount=amount, currency=currency or self.code, confirm=True,
            payment_method=token, return_url='https://example.com',
            **params)
        return intent.latest_charge

    def charged(self, amount=Decimal('100.00'), token='tok_visa'):
        "Return a payment that is paid"
        Payment = Pool().get('account.payment')
        payment = self.create_payment(
            amount=amount, stripe_token=token, stripe_chargeable=True)
        Payment.process([payment])
        Transaction().commit()
        Payment.stripe_charge([payment])
        payment = Payment(payment.id)
        self.assertEqual(payment.state, 'succeeded')
        return payment

    def read(self, model=BALANCE, id=None):
        return Pool().get(model)(id or self.balance)

    def transactions(self, *domain):
        return Pool().get(TRANSACTION).search(
            [('balance.stripe_account', '=', self.account), *domain])

    def payouts(self, *domain):
        return Pool().get(PAYOUT).search(
            [('balance.stripe_account', '=', self.account), *domain])

    def listed(self, path):
        "Return how many lists of it were asked for"
        return len(self.requests('GET', path))

    def check(self):
        """Compare all that is stored with the simulator's books: V1, V2 and
        V3 of each balance"""
        Balance = Pool().get(BALANCE)
        self.assertEqual(self.world.ledger_troubles(), [])
        ledger = {
            r['id']: r for r in self.world.ledger()}
        for balance in Balance.search([
                    ('stripe_account', '=', self.account)]):
            rows = self.transactions(('balance', '=', balance.id))
            expected = {
                i for i, r in ledger.items()
                if r['currency'] == balance.code}
            stored = {r.identifier for r in rows}
            self.assertEqual(stored, expected)
            self.assertEqual(len(rows), len(stored))
            scale = Decimal(10) ** -balance.digits
            for row in rows:
                of_stripe = ledger[row.identifier]
                for name in ['amount', 'fee', 'net']:
                    self.assertEqual(
                        getattr(row, name), of_stripe[name] * scale)
                # V1
                self.assertEqual(row.net, row.amount - row.fee)
                self.assertFalse(row.error_message)
            # V2
            for payout in self.payouts(('balance', '=', balance.id)):
                if not payout.explained:
                    continue
                self.assertEqual(payout.difference, 0)
                self.assertEqual(payout.net, payout.amount)
                self.assertEqual(
                    sum(t.net for t in payout.transactions), 0)
                self.assertEqual(
                    payout.gross + payout.refunded + payout.disputed
                    + payout.fees + payout.other, payout.net)
            # V3
            self.assertEqual(balance.difference, 0)
            self.assertEqual(
                balance.stripe_amount,
                balance.opening_amount + sum(
                    r.net for r in rows
                    if r.balance_type == 'payments'
                    and r.date >= balance.start_date))
