# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The people in charge of an account are told what stops it, once."""
from trytond.pool import Pool

from .case import StripeTestCase

ACCOUNT = 'account.payment.stripe.account'
HOST = {'is_secure': True, 'http_host': 'shop.example.com'}


class AlertTestCase(StripeTestCase):
    "Test the notifications of what stops an account"

    def setUp(self):
        super().setUp()
        with self.transaction():
            pool = Pool()
            Group = pool.get('res.group')
            Lang = pool.get('ir.lang')
            ModelData = pool.get('ir.model.data')
            User = pool.get('res.user')
            Notification = pool.get('res.notification')
            if notifications := Notification.search([]):
                Notification.delete(notifications)
            admin = ModelData.get_id('account', 'group_account_admin')
            german, = Lang.search([('code', '=', 'de')])
            Lang.write([german], {'translatable': True})
            child, = Group.create([{
                        'name': "Chief %s" % self.world.name,
                        'parent': admin,
                        }])
            payment = ModelData.get_id('account_payment', 'group_payment')
            users = User.create([{
                        'login': '%s %s' % (name, self.world.name),
                        'name': name,
                        'language': german.id if name == 'chief' else None,
                        'groups': [('add', [group])],
                        'active': name != 'gone',
                        } for name, group in [
                        ('admin', admin), ('chief', child.id),
                        ('clerk', payment), ('gone', admin)]])
            self.users = dict(zip(['admin', 'chief', 'clerk', 'gone'], users))
        self.addCleanup(self.deactivate)

    def deactivate(self):
        with self.transaction():
            User = Pool().get('res.user')
            User.write(User.browse(list(self.users.values())), {
                    'active': False})

    def told(self):
        "Return what the users were told, by name"
        with self.transaction():
            Notification = Pool().get('res.notification')
            return {
                n: [
                    (o.label, o.description) for o in Notification.search([
                            ('user', '=', u.id),
                            ('records', '=', '[%s]' % self.account),
                            ], order=[('id', 'ASC')])]
                for n, u in self.users.items()}

    def fetch(self):
        with self.transaction():
            Pool().get(ACCOUNT).fetch_events()

    def chat(self):
        "Return what is in the chat of the account"
        with self.transaction():
            Message = Pool().get('ir.chat.message')
            return [
                m.content for m in Message.search([
                        ('channel.resource', '=', '%s,%s' % (
                                ACCOUNT, self.account)),
                        ])]

    def test_refused_key(self):
        "Test a refused key is told once, and again if it comes back"
        for count in [1, 2]:
            self.fetch()
            self.assertEqual(len(self.told()['admin']), count - 1)
            self.world.revoke_key()
            for _ in range(3):
                self.fetch()
            told = self.told()
            self.assertEqual(
                {n: len(t) for n, t in told.items()},
                {'admin': count, 'chief': count, 'clerk': 0, 'gone': 0})
            self.world.restore_key()
        label, description = told['admin'][0]
        self.assertEqual(label, "Stripe: Stripe")
        self.assertIn("Problem with the secret key: Invalid API", description)
        self.assertNotIn(self.world.secret_key, description)
        self.assertEqual(self.chat(), [description] * 2)

    def test_follower(self):
        "Test who follows the account is told by its chat only"
        with self.transaction(user=self.users['admin'].id):
            Channel = Pool().get('ir.chat.channel')
            Channel.subscribe('%s,%s' % (ACCOUNT, self.account))
        self.world.revoke_key()
        self.fetch()
        (_, description), = self.told()['admin']
        self.assertIn("Problem with the secret key", description)

    def test_check(self):
        "Test what cron finds out is told once, in one's language"
        with self.transaction(_request=HOST):
            Account = Pool().get(ACCOUNT)
            Account.stripe_connect([Account(self.account)])
        self.assertEqual(set(map(len, self.told().values())), {0})
        for _ in range(2):
            endpoint, = self.world.objects('webhook_endpoint').values()
            self.client.webhook_endpoints.delete(endpoint['id'])
            for _ in range(3):
                with self.transaction(user=0):
                    Pool().get(ACCOUNT).stripe_check_connections()
            with self.transaction(_request=HOST):
                Account = Pool().get(ACCOUNT)
                Account.stripe_connect([Account(self.account)])
        told = self.told()
        self.assertEqual(
            [d for _, d in told['admin']],
            ["The check of the connection to Stripe has failed: Webhook"] * 2)
        self.assertEqual(
            {n: len(t) for n, t in told.items()},
            {'admin': 2, 'chief': 2, 'clerk': 0, 'gone': 0})

    def test_button(self):
        "Test who presses the button is not told what it shows"
        with self.transaction(_request=HOST):
            Account = Pool().get(ACCOUNT)
            account = Account(self.account)
            account.new_identifier([account])
            Account.stripe_check_connection([account])
            self.assertEqual(Account(self.account).check_state, 'error')
        self.assertEqual(set(map(len, self.told().values())), {0})
