# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from sql import Literal, Null
from sql.conditionals import Coalesce
from sql.operators import Exists

from trytond.model import fields
from trytond.pool import Pool
from trytond.pyson import Eval, If

from .pay_with import shown
from .shown_time import ShownTime

# It can still be paid
OPEN = ['submitted', 'approved', 'processing']
# The payer has yet to say with what to pay
UNPAID = ['requires_payment_method', 'canceled']


class WaitingMixin:
    "Tell for what payments wait, and which of them for their payers"
    __slots__ = ()

    stripe_waiting_for = fields.Selection([
            (None, ""),
            ('payer', "Payer"),
            ('again', "Next Charge"),
            ('transfer', "Payer's Transfer"),
            ('stripe', "Answer from Stripe"),
            ('account', "Valid Secret Key"),
            ('settlement', "Settlement"),
            ('capture', "Capture"),
            ('check', "Review of the Error"),
            ], "Waiting for", readonly=True, sort=False,
        states=shown('stripe_waiting_for'))
    stripe_waiting_since = ShownTime(
        "Waiting since", readonly=True,
        states={
            'invisible': ~Eval('stripe_waiting_for'),
            })
    stripe_awaited = fields.Function(
        fields.Boolean("Waiting for Payer"),
        'get_stripe_awaited', searcher='search_stripe_awaited')

    @classmethod
    def get_stripe_awaited(cls, payments, name):
        awaited = cls.search([
                ('id', 'in', [p.id for p in payments]),
                ('stripe_awaited', '=', True),
                ], order=[])
        return {p.id: p in awaited for p in payments}

    @classmethod
    def search_stripe_awaited(cls, name, clause):
        _, operator, value = clause
        if operator in {'in', 'not in'}:
            wanted = {bool(v) == (operator == 'in') for v in value}
        else:
            wanted = {bool(value) == (operator == '=')}
        if len(wanted) != 1:
            return [('id', '!=', None)] if wanted else [('id', '=', None)]
        return [('id', 'in' if True in wanted else 'not in',
                cls._stripe_awaited())]

    @classmethod
    def _stripe_awaited(cls):
        "Return the query of the ids of those that wait for their payers"
        Journal = Pool().get('account.payment.journal')
        table = cls.__table__()
        journal = Journal.__table__()
        return table.join(
            journal, condition=table.journal == journal.id).select(
            table.id,
            where=table.state.in_(OPEN)
            & (journal.process_method == 'stripe')
            & (table.stripe_waiting_for.in_(['payer', 'transfer'])
                | ((table.stripe_waiting_for == Null)
                    & ((table.stripe_mailed_at != Null)
                        | cls._stripe_page_needed(table, journal)))))

    @classmethod
    def _stripe_page_needed(cls, table, journal):
        """Return the SQL of if it can only be paid at the page, whose address
        may have been sent by hand.

        What Process charges by default waits for nobody but it.
        """
        customer = Pool().get(
            'account.payment.stripe.customer').__table__()
        has_default = customer.select(
            Literal(1),
            where=(customer.party == table.party)
            & (customer.stripe_account == journal.stripe_account)
            & (customer.active == Literal(True))
            & (customer.stripe_default_method != Null)
            & ((table.stripe_customer == Null)
                | (table.stripe_customer == customer.id)))
        needed = (
            (table.stripe_intent_status == Null)
            | table.stripe_intent_status.in_(UNPAID))
        for name in [
                'stripe_token', 'stripe_customer_source',
                'stripe_customer_payment_method', 'stripe_charge_id']:
            needed &= Coalesce(getattr(table, name), '') == ''
        return needed & ((table.state == 'processing') | ~Exists(has_default))

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree/field[@name="stripe_waiting_for"]', 'visual',
                If(Eval('stripe_waiting_for').in_(['account', 'check']),
                    'danger', '')),
            ]
