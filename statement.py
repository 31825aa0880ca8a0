# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Payouts on the bank statement."""
import datetime as dt
from decimal import Decimal

from sql.functions import Abs

from trytond.model import fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, If
from trytond.transaction import Transaction

# How many days a payout is on the bank statement before and after Stripe
# expects it
EARLIER, LATER = 3, 10


class Payout(metaclass=PoolMeta):
    __name__ = 'account.payment.stripe.payout'

    statement_lines = fields.One2Many(
        'account.statement.line', 'related_to', "Statement Lines",
        readonly=True)

    @classmethod
    def order_amount(cls, tables):
        table, _ = tables[None]
        column = table.amount
        amount = Transaction().context.get('amount_order')
        if isinstance(amount, Decimal):
            column = Abs(column - amount)
        return [column]

    @property
    def transit_lines(self):
        yield from super().transit_lines
        account = self.balance.transit_account
        for statement_line in self.statement_lines:
            if statement_line.move:
                for line in statement_line.move.lines:
                    if line.account == account:
                        yield line

    @classmethod
    def find_on_statement(cls, origin, text, amount):
        """Return the payout that is meant by the line of the bank, if there is
        only one that can be.

        text: in which the id or the trace id may be.
        amount: the Decimal that came, negative if it was taken.
        """
        domain = [
            ('company', '=', origin.company.id),
            ('balance.currency', '=', origin.currency.id),
            ('reconciled', '=', False),
            ('amount', '=', amount),
            ]
        words = [w for w in text.split() if w]
        payouts = cls.search([*domain, ['OR',
                    ('identifier', 'in', words),
                    ('trace_id', 'in', words),
                    ]])
        if not payouts:
            payouts = cls.search([
                    *domain,
                    ('arrival_date', '>=',
                        origin.date - dt.timedelta(days=LATER)),
                    ('arrival_date', '<=',
                        origin.date + dt.timedelta(days=EARLIER)),
                    ])
        if len(payouts) == 1:
            payout, = payouts
            return payout


class Statement(metaclass=PoolMeta):
    __name__ = 'account.statement'

    @classmethod
    def create_move(cls, statements):
        Payout = Pool().get('account.payment.stripe.payout')
        moves = super().create_move(statements)
        payouts = {
            line.stripe_payout for _, _, lines in moves for line in lines
            if line.stripe_payout}
        if payouts:
            Payout.__queue__.stripe_match(Payout.browse(payouts))
        return moves


class StatementLine(metaclass=PoolMeta):
    __name__ = 'account.statement.line'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        name = 'account.payment.stripe.payout'
        cls.related_to.domain[name] = [
            ('company', '=', Eval('company', -1)),
            If(Eval('second_currency'),
                ('balance.currency', '=', Eval('second_currency', -1)),
                ('balance.currency', '=', Eval('currency', -1))),
            If(Eval('statement_state') == 'draft',
                ['OR',
                    [
                        ('reconciled', '=', False),
                        If(Eval('amount', 0) > 0,
                            ('amount', '>', 0),
                            If(Eval('amount', 0) < 0,
                                ('amount', '<', 0),
                                ())),
                        ],
                    # The bank may have received it, and sent it back
                    ('state', '=', 'failed'),
                    ],
                ()),
            ]
        cls.related_to.search_order[name] = [
            ('amount', 'ASC'),
            ('arrival_date', 'ASC'),
            ]
        cls.related_to.search_context.update({
                'amount_order': Eval('amount', 0),
                })

    @classmethod
    def _get_relations(cls):
        return super()._get_relations() + ['account.payment.stripe.payout']

    @property
    @fields.depends('related_to')
    def stripe_payout(self):
        Payout = Pool().get('account.payment.stripe.payout')
        related_to = getattr(self, 'related_to', None)
        if isinstance(related_to, Payout) and related_to.id >= 0:
            return related_to

    @fields.depends(methods=['stripe_payout'])
    def on_change_related_to(self):
        super().on_change_related_to()
        if payout := self.stripe_payout:
            self.party = None
            if account := payout.balance.transit_account:
                self.account = account

    @fields.depends('party', methods=['stripe_payout'])
    def on_change_party(self):
        super().on_change_party()
        if self.party and self.stripe_payout:
            self.related_to = None

    @fields.depends('account', methods=['stripe_payout'])
    def on_change_account(self):
        super().on_change_account()
        payout = self.stripe_payout
        if payout and self.account != payout.balance.transit_account:
            self.related_to = None

    @classmethod
    def post_move(cls, lines):
        Move = Pool().get('account.move')
        super().post_move(lines)
        Move.post(list({
                    t.move for line in lines if line.stripe_payout
                    for t in line.stripe_payout.movements
                    if t.move and t.move.state == 'draft'}))


class StatementRule(metaclass=PoolMeta):
    __name__ = 'account.statement.rule'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.description.help += "\n'stripe_payout'"


class StatementRuleLine(metaclass=PoolMeta):
    __name__ = 'account.statement.rule.line'

    def _get_related_to(self, origin, keywords, party=None, amount=0):
        return super()._get_related_to(
            origin, keywords, party=party, amount=amount) | {
            self._get_stripe_payout(origin, keywords, amount=amount)}

    def _get_account_from(self, related_to):
        Payout = Pool().get('account.payment.stripe.payout')
        if isinstance(related_to, Payout):
            return related_to.balance.transit_account
        return super()._get_account_from(related_to)

    def _get_stripe_payout(self, origin, keywords, amount=0):
        Payout = Pool().get('account.payment.stripe.payout')
        if text := keywords.get('stripe_payout'):
            return Payout.find_on_statement(origin, text, amount)
