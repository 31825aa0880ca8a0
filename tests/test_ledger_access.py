# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Who may read and change Stripe's balance, transactions and payouts."""
import datetime as dt
import uuid

from trytond.model.exceptions import AccessError
from trytond.model.modelsql import ForeignKeyError
from trytond.pool import Pool
from trytond.transaction import Transaction

from .ledger_case import BALANCE, PAYOUT, TRANSACTION, LedgerTestCase


class AccessTestCase(LedgerTestCase):
    "Test who may see and change it"

    def setUp(self):
        super().setUp()
        self.world.topup(1000, self.code)
        self.world.payout()
        self.advance()
        self.fetch()

    def user(self, *groups, company=True):
        with self.transaction():
            pool = Pool()
            ModelData = pool.get('ir.model.data')
            User = pool.get('res.user')
            user, = User.create([{
                        'name': "User",
                        'login': uuid.uuid4().hex,
                        'companies': [
                            ('add', [self.company])] if company else None,
                        'company': self.company if company else None,
                        'groups': [('add', [
                                    ModelData.get_id(*g.split('.'))
                                    for g in groups])],
                        }])
            return user.id

    def acting(self, user):
        return self.transaction(user, _check_access=True)

    def test_read(self):
        "Accountants and who pays see it, others and other companies not"
        for groups, company, count in [
                (['account.group_account'], True, 1),
                (['account_payment.group_payment'], True, 1),
                (['account.group_account_admin'], True, 1),
                (['account.group_account'], False, 0),
                ([], True, None)]:
            user = self.user(*groups, company=company)
            for model, times in [(BALANCE, 1), (PAYOUT, 1), (TRANSACTION, 2)]:
                with self.subTest(
                        groups=groups, company=company, model=model), \
                        self.acting(user):
                    Model = Pool().get(model)
                    domain = [(
                            'stripe_account' if model == BALANCE
                            else 'balance.stripe_account', '=',
                            self.account)]
                    if count is None:
                        with self.assertRaises(AccessError):
                            Model.search(domain)
                    else:
                        self.assertEqual(
                            len(Model.search(domain)), count * times)

    def test_write(self):
        "Nobody changes what Stripe says, only the administrator a balance"
        admin = self.user('account.group_account_admin')
        accountant = self.user('account.group_account')
        for user in [admin, accountant]:
            for model in [PAYOUT, TRANSACTION]:
                with self.subTest(user=user, model=model), self.acting(user):
                    Model = Pool().get(model)
                    records = Model.search([
                            ('balance', '=', self.balance)])
                    self.assertTrue(records)
                    with self.assertRaises(AccessError):
                        Model.write(records, {'identifier': 'other'})
                    with self.assertRaises(AccessError):
                        Model.delete(records)
                    with self.assertRaises(AccessError):
                        Model.copy(records)
        with self.acting(accountant):
            with self.assertRaises(AccessError):
                Pool().get(BALANCE).write([self.read()], {'name': "Other"})
        with self.acting(admin):
            Pool().get(BALANCE).write([self.read()], {'name': "Other"})

    def test_kept(self):
        "A balance with transactions is not deleted"
        with self.transaction():
            with self.assertRaises(ForeignKeyError):
                Pool().get(BALANCE).delete([self.read()])
            Transaction().rollback()

    def test_copy(self):
        "The copy of a balance has fetched nothing"
        with self.transaction():
            other = self.create_balance('xts')
            copy, = Pool().get(BALANCE).copy([self.read()], {
                    'currency': Pool().get('currency.currency').copy(
                        [other.currency], {'code': 'XTT'})[0].id,
                    'start_date': dt.date.today(),
                    })
            self.assertIsNone(copy.last_transaction)
            self.assertIsNone(copy.opening_amount)
            self.assertIsNone(copy.walked_at)
