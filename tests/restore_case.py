# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the tests of restored databases share."""
import datetime as dt
from decimal import Decimal

from sql import Table

from trytond.pool import Pool
from trytond.transaction import Transaction

from .case import DAY, StripeTestCase


class RestoreCase(StripeTestCase):
    "A database that is restored from a backup of two days ago"

    # How far the clock of the server has been set back since the backup
    set_back = dt.timedelta()

    def backup(self, record, days=2):
        "Return what restores the record as it is, of so many days ago"
        table = Table(record.__table__()._name)
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(where=table.id == record.id))
        row = dict(zip((d[0] for d in cursor.description), cursor.fetchone()))
        for name in ['create_date', 'fetched_at']:
            if name in row:
                row[name] = (
                    dt.datetime.now() - dt.timedelta(days=days)
                    + self.set_back)

        def restore():
            with self.transaction() as transaction:
                transaction.connection.cursor().execute(*table.update(
                        [getattr(table, n) for n in row], list(row.values()),
                        where=table.id == row['id']))
            # The keys are forgotten, or at least the search is up to date
            self.simulator.clock.advance(days * DAY or 5 * 60)
        return restore

    def leave_over(self, payment, count=1):
        "Create intents as when the answer is lost"
        for _ in range(count):
            self.client.payment_intents.create(
                amount=4200, currency='usd', metadata=payment.stripe_metadata)

    def submitted(self, **values):
        """Return a payment and what restores it, and its account, as it is.

        It is committed.
        """
        payment = self.create_payment(**values)
        Transaction().commit()
        Account = Pool().get('account.payment.stripe.account')
        restores = [self.backup(payment), self.backup(Account(self.account))]
        return payment, lambda: [r() for r in restores]

    def fetch(self):
        with self.transaction():
            Account = Pool().get('account.payment.stripe.account')
            Account.fetch_events([Account(self.account)])

    def assertPaidOnce(self, payment):
        with self.transaction():
            payment = self.reload(payment)
            self.assertEqual(payment.state, 'succeeded')
            self.assertEqual(payment.amount, Decimal('42.00'))
            Pool().get('account.payment').stripe_charge()
        self.assertEqual([m['amount'] for m in self.world.ledger()], [4200])

    def opened(self, **values):
        "Return a payment whose page is open, its intent, what restores it"
        with self.transaction():
            payment, restore = self.submitted(**values)
            payment.stripe_checkout([payment])
            return payment, payment.stripe_payment_intent_id, restore

    def assertForgotten(self, payment):
        with self.transaction():
            self.assertIsNone(self.reload(payment).stripe_payment_intent_id)

    def paid_on_page(self, **values):
        "Return a payment that is restored and was paid on its page"
        payment, intent, restore = self.opened(**values)
        with self.transaction():
            self.leave_over(self.reload(payment))
        self.world.pay(intent)
        restore()
        self.assertForgotten(payment)
        return payment
