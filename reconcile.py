# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Which lines of moves can be reconciled."""
from trytond.i18n import gettext
from trytond.modules.account.exceptions import AccountMissing, JournalMissing
from trytond.pool import Pool

__all__ = ['can_close', 'is_complete']


def is_complete(lines):
    """Return if the lines can be reconciled: their sum is zero, in their
    second currency if they have the same."""
    if not lines:
        return False
    currencies = {x.second_currency for x in lines}
    if len(currencies) > 1 or not any(currencies):
        return not sum(x.debit - x.credit for x in lines)
    return not sum(x.amount_second_currency for x in lines)


def can_close(lines, strict):
    """Return if the difference of currencies of the lines can be booked.

    strict: if it raises the UserError of what is missing instead.
    """
    if not sum(x.debit - x.credit for x in lines):
        return True
    company = lines[0].company
    Configuration = Pool().get('account.configuration')
    configuration = Configuration(1)
    for name, error, message in [
            ('currency_exchange_journal', JournalMissing,
                'msg_reconciliation_currency_exchange_journal_missing'),
            ('currency_exchange_debit_account', AccountMissing,
                'msg_reconciliation_currency_exchange_debit_account_missing'),
            ('currency_exchange_credit_account', AccountMissing,
                'msg_reconciliation_currency_exchange_credit_account_missing'),
            ]:
        if not configuration.get_multivalue(name, company=company.id):
            if strict:
                raise error(gettext(
                        'account.' + message, company=company.rec_name))
            return False
    return True
