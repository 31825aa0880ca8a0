# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What moves the balance besides payments, on a test's demand.

Amounts are in the minor unit, positive where the name says the direction.

https://docs.stripe.com/reports/balance-transaction-types
https://docs.stripe.com/reports/reporting-categories"""
from . import balance, payouts
from .objects import random_text


class BalanceControls:
    "Controls of an account about its balance"

    def _entry(self, *args, **kwargs):
        with self.lock, self.calling(None):
            return dict(balance.entry(self, *args, **kwargs))

    # Payouts

    def payout(self):
        "Make the automatic payouts of now and return them"
        with self.lock, self.calling(None):
            return [dict(p) for p in payouts.run(self)]

    def fail_payout(self, payout_id, code='account_closed'):
        "Let the bank refuse a payout, before or after it is paid"
        with self.lock, self.calling(None):
            row = self.table('payout').get(payout_id)
            if row is None:
                raise ValueError("no payout %s" % payout_id)
            payouts.fail(self, row, code)
            return dict(row)

    # Fees

    def fee(self, amount, currency='eur', category='fee',
            type='stripe_fee', description="Radar"):
        "Take a fee by itself: category is fee or network_cost"
        return self._entry(
            type, -amount, currency, category=category,
            description=description)

    def tax(self, amount, currency='eur'):
        "Take the tax on fees by itself"
        return self._entry(
            'tax_fee', -amount, currency, category='tax',
            description="Tax on Stripe fees")

    def bill_fees(self):
        "Take the fees that charges didn't show (setting fees_apart)"
        with self.lock, self.calling(None):
            unbilled, self.unbilled = self.unbilled, {}
            return [
                dict(balance.entry(
                        self, 'stripe_fee', -amount, currency,
                        category='fee', description="Payment fees"))
                for currency, amount in sorted(unbilled.items()) if amount]

    # Money that is held, comes or is corrected

    def reserve(self, amount, currency='eur'):
        "Move money to the risk reserve; return the row of the balance"
        return self._reserve('reserve_hold', -amount, currency)

    def release_reserve(self, amount, currency='eur'):
        "Move money back from the risk reserve"
        return self._reserve('reserve_release', amount, currency)

    def _reserve(self, type, amount, currency):
        with self.lock, self.calling(None):
            row = balance.entry(
                self, type, amount, currency, category='risk_reserved_funds')
            balance.entry(
                self, type, -amount, currency,
                category='risk_reserved_funds', balance_type='risk_reserved')
            return dict(row)

    def topup(self, amount, currency='eur'):
        "Let money of the bank account come; negative takes it back"
        return self._entry(
            'topup' if amount > 0 else 'topup_reversal', amount, currency,
            {'id': 'tu_1' + random_text(23)}, description="Top-up")

    def adjust(self, amount, currency='eur', category='other_adjustment',
            type='adjustment', description="Adjustment"):
        "Move money in a way that nothing else explains"
        return self._entry(
            type, amount, currency, category=category,
            description=description)

    # Rows that come late

    def hide_row(self, row_id):
        "Let a row that isn't paid out not be there yet; its time stays"
        with self.lock:
            row = self._row(row_id)
            if 'payout' in row.private or 'hidden' in row.private:
                raise ValueError("%s can't be late" % row_id)
            row.private['hidden'] = True
            self.table('balance_transaction').hide(row)

    def show_row(self, row_id):
        "Let a late row appear where its time belongs"
        with self.lock:
            row = self._row(row_id)
            if not row.private.pop('hidden', None):
                raise ValueError("%s isn't late" % row_id)
            self.table('balance_transaction').show(row)

    def _row(self, row_id):
        row = self.table('balance_transaction').get(row_id)
        if row is None:
            raise ValueError("no balance transaction %s" % row_id)
        return row


CONTROLS = {k for k in vars(BalanceControls) if not k.startswith('_')}
