# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from sql import Cast

from trytond.model import fields
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction

from .pay_with import PayWithMixin


class Party(metaclass=PoolMeta):
    __name__ = 'party.party'

    stripe_customers = fields.One2Many(
        'account.payment.stripe.customer', 'party', "Stripe Customers")

    def _payment_identical_parties(self):
        parties = super()._payment_identical_parties()
        for customer in self.stripe_customers:
            for identical in customer.identical_customers:
                parties.add(identical.party)
        return parties

    @classmethod
    def copy(cls, parties, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('stripe_customers')
        return super().copy(parties, default=default)

    @classmethod
    def on_modification(cls, mode, parties, field_names=None):
        super().on_modification(mode, parties, field_names=field_names)
        if mode == 'write':
            PartyChanges.add(parties)


class ContactMechanism(metaclass=PoolMeta):
    __name__ = 'party.contact_mechanism'

    @classmethod
    def on_modification(cls, mode, mechanisms, field_names=None):
        super().on_modification(mode, mechanisms, field_names=field_names)
        if mode in {'create', 'write'}:
            PartyChanges.add({m.party for m in mechanisms})

    @classmethod
    def on_delete(cls, mechanisms):
        callback = super().on_delete(mechanisms)
        PartyChanges.add({m.party for m in mechanisms})
        return callback


class Address(metaclass=PoolMeta):
    __name__ = 'party.address'

    @classmethod
    def on_modification(cls, mode, addresses, field_names=None):
        super().on_modification(mode, addresses, field_names=field_names)
        if mode in {'create', 'write'}:
            PartyChanges.add({a.party for a in addresses})

    @classmethod
    def on_delete(cls, addresses):
        callback = super().on_delete(addresses)
        PartyChanges.add({a.party for a in addresses})
        return callback


class PartyChanges:
    """Queue once, when the transaction is committed, the update of the
    customers whose parties have changed for Stripe."""

    def __init__(self):
        self.parties = set()

    def __eq__(self, other):
        return isinstance(other, PartyChanges)

    __hash__ = None

    @classmethod
    def add(cls, parties):
        manager = Transaction().join(cls())
        manager.parties.update(p.id for p in parties if p)

    def tpc_begin(self, transaction):
        pass

    def commit(self, transaction):
        parties, self.parties = self.parties, set()
        if not parties:
            return
        Customer = Pool().get('account.payment.stripe.customer')
        with transaction.set_context(_check_access=False):
            customers = [
                c for c in Customer.search([
                        ('party', 'in', list(parties)),
                        ('stripe_customer_id', '!=', None),
                        ])
                if c.stripe_has_changed]
            if customers:
                Customer.__queue__.stripe_send(customers)

    def tpc_vote(self, transaction):
        pass

    def tpc_finish(self, transaction):
        pass

    def tpc_abort(self, transaction):
        self.parties.clear()


class ReceptionDirectDebit(PayWithMixin, metaclass=PoolMeta):
    __name__ = 'party.party.reception_direct_debit'

    def _get_payment(self, line, date, amount):
        payment = super()._get_payment(line, date, amount)
        if self.process_method == 'stripe':
            payment.stripe_customer = self.stripe_customer
            payment.stripe_customer_source = self.stripe_customer_source
            payment.stripe_customer_payment_method = (
                self.stripe_customer_payment_method)
        return payment


class Replace(metaclass=PoolMeta):
    __name__ = 'party.replace'

    @classmethod
    def fields_to_replace(cls):
        return super().fields_to_replace() + [
            ('account.payment.stripe.customer', 'party'),
            ]


class Erase(metaclass=PoolMeta):
    __name__ = 'party.erase'

    def to_erase(self, party_id):
        pool = Pool()
        Customer = pool.get('account.payment.stripe.customer')
        Fingerprint = pool.get('account.payment.stripe.customer.fingerprint')
        Method = pool.get('account.payment.stripe.customer.method')
        return super().to_erase(party_id) + [
            # Those not active are deleted at Stripe by cron
            (Customer, [('party', '=', party_id)], True,
                ['stripe_token', *map('stripe_error_{}'.format,
                        ['message', 'code', 'param'])],
                [None] * 4),
            (Method, [('customer.party', '=', party_id)], False,
                ['label', 'expires'], [None, None]),
            (Fingerprint, [('customer.party', '=', party_id)], False,
                ['fingerprint'],
                # Not the same as of another
                [lambda column: Cast(column.table.id, 'VARCHAR')]),
            ]
