# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from trytond.i18n import gettext
from trytond.model import ChatMixin
from trytond.pool import Pool
from trytond.transaction import Transaction, without_check_access


class AlertMixin(ChatMixin):
    "Tell the people in charge what stops an account"
    __slots__ = ()

    @without_check_access
    def alert(self, message, **variables):
        """Notify those who may change the account, and post to its chat.

        message: the id of a message of this module.
        variables: of the message, functions are called in the language of who
        reads it.
        """
        pool = Pool()
        Configuration = pool.get('ir.configuration')
        Follower = pool.get('ir.chat.follower')

        message = 'account_payment_stripe.' + message

        def read():
            return {
                n: v() if callable(v) else v for n, v in variables.items()}
        followers = {
            f.user for f in Follower.search([
                    ('channel.resource', '=', str(self)),
                    ('user', '!=', None),
                    ])}
        default = Configuration.get_language()
        for user in self._people_in_charge():
            # The chat notifies its followers
            if user in followers:
                continue
            language = user.language.code if user.language else default
            with Transaction().set_context(language=language):
                self.notify_user(
                    'tryton-warning', 'Stripe: %s' % self.rec_name,
                    gettext(message, **read()), user=user.id)
        with Transaction().set_context(language=default):
            self.chat_post(message, **read())

    @classmethod
    def _people_in_charge(cls):
        "Return the users who may change accounts"
        pool = Pool()
        ModelData = pool.get('ir.model.data')
        User = pool.get('res.user')
        table = pool.get('res.user-res.group').user_group_all_table()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                table.user,
                where=table.group == ModelData.get_id(
                    'account', 'group_account_admin')))
        # Those who are active
        return User.search([('id', 'in', [id_ for id_, in cursor])])
