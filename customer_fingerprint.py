# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from sql import Conflict
from sql.functions import CurrentTimestamp

from trytond.model import Index, ModelSQL, Unique, fields
from trytond.pool import Pool
from trytond.tools import sql_pairing, unpair
from trytond.transaction import Transaction


class Fingerprint(ModelSQL):
    __name__ = 'account.payment.stripe.customer.fingerprint'

    customer = fields.Many2One(
        'account.payment.stripe.customer', "Customer", required=True,
        ondelete='CASCADE')
    fingerprint = fields.Char("Fingerprint", required=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints = [
            ('customer_fingerprint_unique',
                Unique(t, t.customer, t.fingerprint),
                'account_payment_stripe.msg_customer_fingerprint_unique'),
            ]
        cls._sql_indexes.add(Index(t, (t.fingerprint, Index.Equality())))

    @classmethod
    def add(cls, items):
        "Store those of the tuples of customer id and fingerprint that are new"
        known = {
            (f.customer.id, f.fingerprint) for f in cls.search([
                    ('customer', 'in', list({c for c, _ in items})),
                    ('fingerprint', 'in', list({f for _, f in items})),
                    ])}
        new = sorted(set(items) - known)
        if not new:
            return
        transaction = Transaction()
        table = cls.__table__()
        transaction.connection.cursor().execute(*table.insert(
                [table.create_uid, table.create_date,
                    table.customer, table.fingerprint],
                [[transaction.user, CurrentTimestamp(), *row] for row in new],
                # The customer may pay twice at the same time
                on_conflict=Conflict(table)))


class Identical(ModelSQL):
    "Customers with a card in common"
    __name__ = 'account.payment.stripe.customer.identical'

    source = fields.Many2One('account.payment.stripe.customer', "Source")
    target = fields.Many2One('account.payment.stripe.customer', "Target")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.id._sql_type = 'BIGINT'

    @classmethod
    def read(cls, ids, fields_names):
        if not {'source', 'target'}.issuperset(fields_names):
            # Others may be read of the customers, whose sources are not these
            return super().read(ids, fields_names)
        # The id is computed but tells the source, which has an index
        sources = sorted({unpair(i)[0] for i in ids if i >= 0})
        with Transaction().set_context(_stripe_identical_sources=sources):
            return super().read(ids, fields_names)

    @classmethod
    def table_query(cls):
        Fingerprint = Pool().get('account.payment.stripe.customer.fingerprint')
        source = Fingerprint.__table__()
        target = Fingerprint.__table__()
        sources = Transaction().context.get('_stripe_identical_sources')
        return (source
            .join(target, condition=(
                    (source.fingerprint == target.fingerprint)
                    & (source.customer != target.customer)))
            .select(
                # Several cards in common are one link, and one card may link
                # many customers
                sql_pairing(source.customer, target.customer).as_('id'),
                source.customer.as_('source'),
                target.customer.as_('target'),
                where=(
                    fields.SQL_OPERATORS['in'](source.customer, sources)
                    if sources else None),
                group_by=[source.customer, target.customer]))
