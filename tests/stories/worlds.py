# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Another account of Stripe: its key is entered here, or a journal gets it.

Or a journal gets another currency."""
from trytond.modules.account_payment_stripe.tests.stories.stage import code_of
from trytond.pool import Pool

# What is turned on in the Dashboard
TYPES = [
    'card', 'sepa_debit', 'klarna', 'bancontact', 'ideal', 'multibanco',
    'konbini', 'us_bank_account', 'customer_balance']


class Worlds:
    "The accounts at Stripe; world is the one that is meant"

    other = None
    other_account = None
    # Which of key and journals is of the other one
    swapped = frozenset()

    @property
    def worlds(self):
        return [self.world] + ([self.other] if self.other else [])

    def _new_world(self, name):
        world = self.simulator.account(name)
        world.settings.payment_method_types = TYPES
        world.settings.release_refunds = self.release
        if self.release:
            self.hits['rest released by a refund'] += 1
        return world

    def _objects(self, kind):
        "Return the objects of all accounts by id"
        return {
            k: v for world in self.worlds
            for k, v in world.objects(kind).items()}

    def _world_of(self, intent):
        "Return the account that has the intent"
        for world in self.worlds:
            if intent in world.objects('payment_intent'):
                return world

    def _ledger(self):
        return [m for world in self.worlds for m in world.ledger()]

    def _is_stranded(self, id_):
        "If the key of the account does not know the intent of the payment"
        row = self._read(id_)
        world = self._world_of(row['stripe_payment_intent_id'])
        if not world:
            return False
        account = row['stripe_intent_account'] or self._read(
            row['journal'], 'account.payment.journal')['stripe_account']
        return world is not self._reached(account)

    def _reached(self, account):
        "Return what the key of the account reaches"
        if account == self.other_account:
            return self.other
        return self.other if 'key' in self.swapped else self.world

    def _has_other(self):
        if not self.other:
            self.other = self._new_world(self.name + 'other')

    def swap_key(self, other):
        "Somebody enters the keys of the other account, or those of the first"
        self._has_other()
        if other == ('key' in self.swapped):
            return
        self.tell("the keys are those of the %s account",
            "other" if other else "first")
        self.swapped ^= {'key'}
        world = self.other if other else self.world
        self.hits['key of another account'] += other

        def write():
            Account = Pool().get('account.payment.stripe.account')
            Account.write([Account(self.account)], {
                    'secret_key': world.secret_key,
                    'publishable_key': world.publishable_key,
                    })
        self._played(lambda: self._transaction(write))

    def swap_journals(self, other):
        "The journals get the other account, or the first one back"
        self._has_other()
        if other == ('journals' in self.swapped):
            return
        self.tell("the journals have the %s account",
            "other" if other else "first")
        self.swapped ^= {'journals'}
        self.hits['journal of another account'] += other

        def write():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Journal = pool.get('account.payment.journal')
            if not self.other_account:
                account = Account(name="Other")
                account.secret_key = self.other.secret_key
                account.publishable_key = self.other.publishable_key
                account.save()
                self.other_account = account.id
            Journal.write(Journal.browse(list(self.journals.values())), {
                    'stripe_account': (
                        self.other_account if other else self.account),
                    })
        self._played(lambda: self._transaction(write, company=False))

    def swap_back(self):
        for name, swap in [
                ('key', self.swap_key), ('journals', self.swap_journals)]:
            if name in self.swapped:
                swap(False)

    def _check_stranded(self):
        "Check what the keys of the other account have made, with them"
        stranded = list(filter(self._is_stranded, self.payments))
        for id_ in stranded:
            row = self._read(id_)
            if (row['state'] == 'processing'
                    and row['stripe_waiting_for'] != 'check'):
                self.violation('stuck', "payment %s is %s, of another key",
                    id_, row['stripe_waiting_for'])
        if not stranded:
            return
        self.hits['made by another key'] += 1
        self.swap_key(True)
        self._play_out()
        self._safety()
        refunds = [
            r for r in self.refunds
            if self._read(r, 'account.payment.stripe.refund')['payment']
            in stranded]
        for id_ in stranded:
            self._check_payment(id_)
        for id_ in refunds:
            self._check_refund(id_)
        self.swap_key(False)

    # The currency of a journal

    def currency_of(self, id_):
        "Return the name of the currency of the payment"
        journal = self._read(id_)['journal']
        return next(c for c, j in self.journals.items() if j == journal)

    def change_currency(self, currency, to):
        "Somebody gives a journal another currency, by the client"
        self.restore_currencies()
        if to == currency:
            return
        id_ = self.journals[currency]
        self.tell("the journal in %s is to be in %s", currency, to)

        def run():
            Journal = Pool().get('account.payment.journal')
            journal = Journal(id_)
            journal.currency = self.stage.currencies[to]
            journal.save()
            return journal
        if isinstance(
                self._transaction(run, company=False, later=True),
                Exception):
            self.hits['currency of a journal kept'] += 1
            return
        self.changed[currency] = id_
        self.restore_currencies()
        # The same at Stripe is no other currency
        if any(row['journal'] == id_ and row['stripe_payment_intent_id']
                and row['stripe_currency'] != code_of(to).upper()
                for row in map(self._read, self.payments)):
            self.violation('currency',
                "the journal in %s was in %s", currency, to)

    def force_currency(self, currency, to):
        "The currency of the journal is another, as the database says"
        self.restore_currencies()
        if to == currency:
            return
        self.tell("the journal in %s is in %s", currency, to)
        self.hits['currency of a journal changed'] += 1
        self.changed[currency] = self.journals[currency]
        self._write_currency(currency, to)

    def restore_currencies(self):
        for currency in list(self.changed):
            self.tell("the journal is in %s again", currency)
            # It was right then
            self.booked.update(
                p for p in self.payments
                if self._read(p)['state'] == 'succeeded'
                and self.currency_of(p) == currency)
            self._write_currency(currency, currency)
            del self.changed[currency]

    def _write_currency(self, currency, to):
        with self.stage.transaction() as transaction:
            table = Pool().get('account.payment.journal').__table__()
            transaction.connection.cursor().execute(*table.update(
                    [table.currency], [self.stage.currencies[to]],
                    where=table.id == self.journals[currency]))
