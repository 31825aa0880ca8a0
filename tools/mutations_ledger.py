# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Mutations of what fetches, books and matches Stripe's balance."""

# The test cases that hold the tests below
TESTS = [
    'test_payment_workflow.WorkflowTestCase',
    'test_ledger.TransactionsTestCase',
    'test_ledger_late.MissedTestCase',
    'test_ledger_late.LateTestCase',
    'test_book.BookPaymentTestCase',
    'test_book_other.BookOtherTestCase',
    'test_book_currency.BookCurrencyTestCase',
    'test_book_statement.BookStatementTestCase',
    ]

# Name: file, (text, replacement) ..., tests that must fail
MUTATIONS = {
    'delete not again': ('attempt.py', [
            ("    transaction.delete_records = defaultdict(set)\n", "")],
        ['test_delete_again']),
    'do not lock what was created': ('attempt.py', [
            ("    transaction.create_records = defaultdict(list)\n", "")],
        ['test_lock_own']),
    'commit at once after a cleared cache': ('attempt.py', [
            ("    if backend.name == 'sqlite':\n"
                "        transaction.database.get_connection(",
                "    if False:\n"
                "        transaction.database.get_connection(")],
        ['test_cache_cleared']),
    'never pull what moved money': ('balance_fetch.py', [
            ("in self.to_pull():", "in []:")],
        ['test_missed']),
    'pull what may still be an event': ('balance_fetch.py', [
            ("SOON = dt.timedelta(minutes=15)", "SOON = dt.timedelta(0)")],
        ['test_missed']),
    'book the reserves': ('transaction_book.py', [
            ("            & (table.balance_type == Literal('payments'))\n",
                "")],
        ['test_other_categories']),
    'book the gross': ('transaction_book.py', [
            ("yield balance.account, amount - fee, self.net",
                "yield balance.account, amount, self.net")],
        ['test_charge_booked']),
    'book taxes as fees': ('transaction_book.py', [
            ("yield balance.tax_account or balance.fee_account, tax, 0",
                "yield balance.fee_account, tax, 0"),
            ("return balance.tax_account or balance.fee_account",
                "return balance.fee_account")],
        ['test_other_categories']),
    'book payouts as unknown': ('transaction_book.py', [
            ("TRANSIT = {'payout',", "TRANSIT = {")],
        ['test_payout']),
    'convert what was paid': ('transaction_book.py', [
            ("            amount = self._get_original(company)\n",
                "            pass\n")],
        ['test_settled_in_other']),
    'convert what was refunded': ('transaction_book.py', [
            ("        elif self.refund:\n", "        elif False:\n")],
        ['test_settled_in_company']),
    'convert what was refunded at Stripe': ('balance_transaction.py', [
            ("            self.original_currency = currency\n", "")],
        ['test_refunded_at_stripe']),
    'wait for a closed period': ('balance_book.py', [
            ("        except PeriodNotFoundError:\n",
                "        except ZeroDivisionError:\n")],
        ['test_closed_period']),
    'add the sums of the day anew': ('balance_book.py', [
            ("                line=lines.get(account))", "                )")],
        ['test_same_day']),
    'let one stop the others': ('balance_match.py', [
            ("        if len(ids) == 1:\n            raise\n",
                "        raise\n")],
        ['test_one_wrong']),
    'leave in suspense what is explained': ('balance_match.py', [
            ("        yield attempt, cls.explain, balance_id\n", "")],
        ['test_linked_later']),
    'post a day that is not over': ('balance_match.py', [
            ("                    ('date', '<', today),\n", "")],
        ['test_post']),
    'cancel on the old day': ('clearing.py', [
            ("            default.update(date=date, period=period.id)\n", "")],
        ['test_earlier_day']),
    'delete drafts of earlier days': ('clearing.py', [
            ("            cls._stripe_undo_earlier(payments)\n",
                "            pass\n")],
        ['test_earlier_day']),
    'leave the exchange difference': ('clearing.py', [
            ("            if not line.reconciliation:\n",
                "            if False:\n")],
        ['test_settled_in_company']),
    'reconcile by the company only': ('reconcile.py', [
            ("    if len(currencies) > 1 or not any(currencies):\n",
                "    if True:\n")],
        ['test_settled_in_company']),
    'leave in the opening what is late': ('balance.py', [
            ("            opening -= late\n", "            pass\n")],
        ['test_late_opening']),
    'take off the opening what came later': ('balance.py', [
            ("elif late and stripe_amount - (opening + sum_) == -late:",
                "elif late:")],
        ['test_late_counted']),
    'tell of money that may be elsewhere': ('balance_fetch.py', [
            ("and not b.other_currencies\n", "\n")],
        ['test_missing_elsewhere']),
    'tell of money from before the start': ('payment_ledger.py', [
            ("                        & (table.date >= "
                "max(b.start_date for b in balances))\n", "")],
        ['test_missing_before']),
    'forget what cannot be exchanged yet': ('clearing.py', [
            ("                StripeTransaction.match_again('payment', "
                "[payment.id])\n", "                pass\n")],
        ['test_no_exchange']),
    'fail without exchange accounts': ('reconcile.py', [
            ("            return False\n    return True",
                "            return True\n    return True")],
        ['test_no_exchange']),
    'reconcile without the bank': ('statement.py', [
            ("            Payout.__queue__.stripe_match(",
                "            list(")],
        ['test_sent_back']),
    'choose one of two payouts': ('statement.py', [
            ("        if len(payouts) == 1:\n"
                "            payout, = payouts\n",
                "        if payouts:\n            payout = payouts[0]\n")],
        ['test_alike']),
    'choose a payout of any time': ('statement.py', [
            ("EARLIER, LATER = 3, 10", "EARLIER, LATER = 300, 300")],
        ['test_alike']),
    'relate no payout that failed': ('statement.py', [
            ("('state', '=', 'failed'),", "('id', '=', None),")],
        ['test_failed_first']),
    }
