# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What payers are sent and shown, what is saved and charged by default."""

# The modules that have the tests
TESTS = [
    'test_charge_again', 'test_customer_method', 'test_invoice_random',
    'test_statement_suffix']
MUTATIONS = {
    'charge the default instead of what is chosen': ('payment_customer.py', [
            ("        if self._stripe_has_method or not "
                "self.stripe_customer:\n",
                "        if not self.stripe_customer:\n")],
        ['test_default_is_charged']),
    'charge what is not saved anymore': ('customer_method.py', [
            ("                customer.stripe_drop_methods([method['id']])\n",
                "                pass\n")],
        ['test_default_is_gone', 'test_rows']),
    'announce the same expiry each hour': ('customer_method.py', [
            ("            if (expires and customer.stripe_announced != "
                "expires\n", "            if (True\n")],
        ['test_announced']),
    'ask for more than what is left of an invoice': ('invoice_pay.py', [
            ("            room = max(min(room, left), left * 0)\n",
                "            room = max(room, left * 0)\n")],
        ['InvoiceRandomTestCase.test_random']),
    'ask for all though others are paid': ('invoice_payment.py', [
            ("share < self.amount or self.stripe_grows:\n",
                "False:\n")],
        ['InvoiceRandomTestCase.test_random']),
    'follow an invoice only at once': ('invoice_follow.py', [
            ("                and p.stripe_online_amount != p.amount])",
                "                and False])")],
        ['InvoiceRandomTestCase.test_random']),
    'leave an invoice open that was paid in parts': (
        'invoice_clearing.py', [
            ("            if _can_reconcile(lines):\n",
                "            if False:\n"),
            ("                if parts and _can_reconcile([line, *parts]):\n",
                "                if False:\n")],
        ['InvoiceRandomTestCase.test_random']),
    'refuse a payment because of its receipt': ('payment_intent.py', [
            ("                        e.param in DISPENSABLE - refused):",
                "                        False):")],
        ['test_refused']),
    'send what no statement can have': ('descriptor.py', [
            ("    text = ' '.join(_NOT_ALLOWED.sub('', text).split())",
                "    text = ' '.join(text.split())")],
        ['test_suffix']),
    'open javascript as a website': ('account_page.py', [
            ("    return bool(parts.scheme in {'http', 'https'} "
                "and parts.hostname)", "    return bool(parts.scheme)")],
        ['test_website']),
    'charge again before its day': ('payment_again.py', [
            ("            and self.stripe_charge_again_at <= "
                "dt.datetime.now()\n", "")],
        ['test_recovers']),
    'charge again against the advice': ('payment_again.py', [
            ("        if (state.advice == LATER\n", "        if (True\n")],
        ['test_other_advice', 'test_other_advice_later']),
    'charge again for ever': ('payment_again.py', [
            ("                and done < (journal.stripe_charge_again or 0)):",
                "                and journal.stripe_charge_again):")],
        ['test_ends']),
    'charge again though the journal was changed': ('payment_again.py', [
            ("            and self._stripe_may_charge_again\n", "")],
        ['test_turned_off']),
    'repeat the answer of the first charge': ('payment_again.py', [
            ("            params['idempotency_key'] += '-again-%s-%s' % (\n"
                "                (self.stripe_charged_again or 0) + 1, "
                "self.stripe_charge_id)\n",
                "            pass\n")],
        ['test_recovers']),
    }
