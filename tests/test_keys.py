# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Each key is in its field, and only the one that may be is shown."""
import uuid

from werkzeug.test import Client

from trytond.exceptions import UserError, UserWarning
from trytond.pool import Pool
from trytond.protocols.wrappers import Response
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction
from trytond.wsgi import app

from ..exceptions import StripeKeyError
from ..gateway import StripeDenied
from .case import StripeTestCase

ACCOUNT = 'account.payment.stripe.account'
CODE = 'x' * 24
WRONG = {
    'secret as publishable': ('sk_test_' + CODE, 'sk_test_' + CODE),
    'restricted as publishable': ('sk_test_' + CODE, 'rk_test_' + CODE),
    'swapped': ('pk_test_' + CODE, 'sk_test_' + CODE),
    'publishable as secret': ('pk_test_' + CODE, 'pk_test_' + CODE),
    'signing secret': ('whsec_' + CODE, 'pk_test_' + CODE),
    'no prefix': (CODE, 'pk_test_' + CODE),
    'upper': ('SK_test_' + CODE, 'pk_test_' + CODE),
    'test with live': ('sk_test_' + CODE, 'pk_live_' + CODE),
    'live with test': ('rk_live_' + CODE, 'pk_test_' + CODE),
    'organization': ('sk_org_live_' + CODE, 'pk_test_' + CODE),
    'inside space': ('sk_test_x ' + CODE, 'pk_test_' + CODE),
    'new line': ('sk_test_x\n' + CODE, 'pk_test_' + CODE),
    'zero width': ('sk_test_' + CODE + '\u200b', 'pk_test_' + CODE),
    'byte order': ('\ufeffsk_test_' + CODE, 'pk_test_' + CODE),
    'dash': ('sk_test_' + CODE, 'pk_test_\u2013' + CODE),
    'quote': ('sk_test_' + CODE, 'pk_test_' + CODE + '\u201d'),
    'cyrillic': ('sk_test_\u0430' + CODE, 'pk_test_' + CODE),
    'no-break space': ('sk_test_a\u00a0b', 'pk_test_' + CODE),
    'control': ('sk_test_\x01' + CODE, 'pk_test_' + CODE),
    }
RIGHT = [
    ('sk_test_' + CODE, 'pk_test_' + CODE),
    ('rk_test_' + CODE, 'pk_test_' + CODE),
    ('sk_live_' + CODE, 'pk_live_' + CODE),
    ('rk_live_' + CODE, 'pk_live_' + CODE),
    ('sk_org_test_' + CODE, 'pk_test_' + CODE),
    # Of the time before there were modes in them
    ('sk_' + CODE, 'pk_' + CODE),
    ]


class KeysTestCase(StripeTestCase):
    "Test the keys of accounts"

    def keys(self, secret, publishable, **values):
        return {
            'secret_key': secret,
            'publishable_key': publishable,
            **values,
            }

    def store(self, secret, publishable):
        "Store the keys as an earlier version did"
        with self.transaction():
            table = Pool().get(ACCOUNT).__table__()
            Transaction().connection.cursor().execute(*table.update(
                    [table.secret_key, table.publishable_key],
                    [secret, publishable], where=table.id == self.account))

    def stored(self, account=None):
        with self.transaction():
            Account = Pool().get(ACCOUNT)
            row, = Account.read(
                [account or self.account], ['secret_key', 'publishable_key'])
            return row['secret_key'], row['publishable_key']

    def write(self, values, client=False):
        with self.transaction(_check_access=client, _skip_warnings=True):
            Account = Pool().get(ACCOUNT)
            Account.write([Account(self.account)], values)

    def test_wrong(self):
        "Wrong keys are refused in words, that do not tell them"
        for name, keys in WRONG.items():
            for client in [True, False]:
                with self.subTest(name, client=client):
                    before = self.stored()
                    with self.assertRaises(StripeKeyError) as cm:
                        self.write(self.keys(*keys), client)
                    self.assertNotIn(CODE, str(cm.exception))
                    self.assertEqual(self.stored(), before)
                    with self.transaction(
                            _check_access=client, _skip_warnings=True):
                        with self.assertRaises(StripeKeyError) as cm:
                            Pool().get(ACCOUNT).create([
                                    self.keys(*keys, name="Typed")])
                        self.assertIn("Typed", str(cm.exception))
                        self.assertNotIn(CODE, str(cm.exception))

    def test_right(self):
        for keys in RIGHT:
            with self.subTest(keys):
                self.write(self.keys(*keys), True)
                self.assertEqual(self.stored(), keys)

    def test_space(self):
        "White space around keys goes"
        self.write({
                **self.keys(*('\u00a0\t %s\r\n' % k for k in RIGHT[0])),
                'webhook_signing_secret': ' whsec_x\n',
                }, True)
        self.assertEqual(self.stored(), RIGHT[0])
        with self.transaction():
            account = Pool().get(ACCOUNT)(self.account)
            self.assertEqual(account.webhook_signing_secret, 'whsec_x')

    def test_signing_secret(self):
        "A signing secret that no signature would match is refused"
        with self.assertRaises(StripeKeyError) as cm:
            self.write({'webhook_signing_secret': 'whsec_x\u200b'}, True)
        self.assertIn("ZERO WIDTH SPACE", str(cm.exception))
        for secret in ['sk_test_' + CODE, 'we_' + CODE, CODE]:
            with self.subTest(secret):
                with self.assertRaises(StripeKeyError) as cm:
                    self.write({'webhook_signing_secret': secret}, True)
                self.assertIn('"whsec_"', str(cm.exception))
                self.assertNotIn(CODE, str(cm.exception))

    def test_signing_secret_earlier(self):
        "One of an earlier version stops no run, but who edits is told"
        with self.transaction():
            table = Pool().get(ACCOUNT).__table__()
            Transaction().connection.cursor().execute(*table.update(
                    [table.webhook_signing_secret], ['nonsense'],
                    where=table.id == self.account))
        with self.assertRaises(StripeKeyError):
            self.write({'name': "Renamed"}, True)
        with self.transaction():
            Account = Pool().get(ACCOUNT)
            Account.fetch_events([Account(self.account)])
            Account.stripe_check_connection([Account(self.account)])
            Account.stripe_connect([Account(self.account)])
        self.write({'name': "Renamed"}, True)

    def test_one(self):
        "One key is compared with the other that is stored"
        self.write(self.keys(*RIGHT[0]))
        for values in [
                {'secret_key': 'sk_live_' + CODE},
                {'publishable_key': 'pk_live_' + CODE}]:
            with self.assertRaises(StripeKeyError):
                self.write(values, True)
            with self.assertRaises(StripeKeyError):
                self.write(values)

    def test_warning(self):
        "A key is told to be wrong before it is asked to be confirmed"
        with self.transaction(_check_access=True):
            Account = Pool().get(ACCOUNT)
            account = Account(self.account)
            with self.assertRaises(StripeKeyError):
                Account.write([account], {'secret_key': 'pk_test_x'})
            with self.assertRaises(UserWarning):
                Account.write([account], {'secret_key': 'sk_test_x'})
            Account.write([account], {
                    'secret_key': ' %s ' % self.world.secret_key})

    def test_earlier(self):
        "Accounts of earlier versions go on, but who edits them is told"
        for name, keys in WRONG.items():
            with self.subTest(name):
                self.store(*keys)
                with self.assertRaises(StripeKeyError):
                    self.write({'name': "Renamed"}, True)
                with self.transaction():
                    Account = Pool().get(ACCOUNT)
                    Account.fetch_events([Account(self.account)])
                    Account.new_identifier([Account(self.account)])
                self.assertEqual(self.stored(), keys)
                self.write(self.keys(*RIGHT[0]), True)
                self.write({'name': "Renamed"}, True)

    def test_unsendable(self):
        "A key that cannot be sent is a wrong key, Stripe was not silent"
        for secret in [
                'sk_test_\u200b', 'sk_test_\u0430', 'sk_test_a b',
                'sk_test_a\r\nX-Y: z', 'sk_test_\x01', 'sk_test_\u00e9', '']:
            self.store(secret, 'pk_test_x')
            with self.subTest(secret), self.transaction():
                Account = Pool().get(ACCOUNT)
                with self.assertRaises(StripeDenied) as cm:
                    Account(self.account).gateway.events.list(limit=1)
                if secret:
                    self.assertNotIn(secret, str(cm.exception))
                payment = self.create_payment()
                with self.assertRaises(UserError) as cm:
                    payment.stripe_checkout([payment])
                self.assertNotIn("reached", str(cm.exception))
                Account.fetch_events([Account(self.account)])
                self.assertTrue(Account(self.account).error_message)

    def test_page(self):
        "No page shows a key that is not publishable, whoever wrote it"
        with self.transaction():
            pool = Pool()
            ActionReport = pool.get('ir.action.report')
            Customer = pool.get('account.payment.stripe.customer')
            Payment = pool.get('account.payment')
            payment = self.create_payment()
            Payment.stripe_checkout([payment])
            customer, = Customer.create([{
                        'party': self.party,
                        'stripe_account': self.account,
                        }])
            Customer.stripe_checkout([customer])
            paths = ['/%s/r/account_payment_stripe/checkout/%s/%s' % (
                    DB_NAME, r.__name__, r.stripe_checkout_id)
                for r in [payment, customer]]
            action, = ActionReport.search([
                    ('report_name', '=', 'account.payment.stripe.checkout'),
                    ])
            action_id = action.id
        client = Client(app, Response)
        own = self.stored()[1]

        def check():
            for path in paths:
                for end in ['', '/end']:
                    self.store(self.world.secret_key, own)
                    page = client.get(path + end).get_data(as_text=True)
                    if not end:
                        self.assertIn(own, page)
                    for key in [
                            self.world.secret_key,
                            'sk_live_' + uuid.uuid4().hex,
                            'rk_live_' + uuid.uuid4().hex,
                            uuid.uuid4().hex,
                            'pk_test_\u201d' + uuid.uuid4().hex]:
                        self.store(self.world.secret_key, key)
                        response = client.get(path + end)
                        page = response.get_data(as_text=True)
                        self.assertNotIn(key, page)
                        self.assertNotIn(key[8:], page)
                        if not end:
                            self.assertEqual(response.status_code, 503)
        check()
        with self.transaction():
            ActionReport = Pool().get('ir.action.report')
            ActionReport.write([ActionReport(action_id)], {
                    'report_content_custom': (
                        b"<p>${record.stripe_account.publishable_key}"
                        b"${data['page']['publishable_key']}</p>"),
                    })
        try:
            check()
        finally:
            with self.transaction():
                ActionReport = Pool().get('ir.action.report')
                ActionReport.write([ActionReport(action_id)], {
                        'report_content_custom': None,
                        })
