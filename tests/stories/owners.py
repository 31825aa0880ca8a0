# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Customers at Stripe that are somebody else's, doubled, merged or deleted."""
from decimal import Decimal

import stripe

from trytond.pool import Pool
from trytond.transaction import Transaction

OWNERS = [
    'double', 'typed', 'pay double', 'pay double', 'fill in', 'pay real',
    'delete double', 'delete real', 'update double', 'update real', 'merge',
    'merge back', 'gone at Stripe', 'cron delete', 'rename']


class Owners:

    def own(self, what):
        "Do something with the customer of somebody and its double"
        self.tell("customers: %s", what)
        if not self.owned:
            self._make_owner()
        owned = self.owned
        if what == 'double':
            self._make_double()
        elif what == 'typed':
            result = self._own(lambda Customer: Customer.create([{
                            'party': self.stage.party,
                            'stripe_account': self.account,
                            'stripe_customer_id': owned['id'],
                            }]) and None)
            if isinstance(result, Exception):
                self.hits['customer of another party refused'] += 1
            elif (not (owned['merged'] or owned['given up'])
                    and self._is_active(owned['real'])):
                self.violation('customer', "two parties have %s", owned['id'])
        elif what.startswith('pay ') or what == 'fill in':
            self._pay_by(what)
        elif what in {
                'delete double', 'delete real', 'update double',
                'update real'}:
            action, _, which = what.partition(' ')
            id_ = owned[which]
            if not id_:
                return
            if what == 'delete real':
                owned['given up'] = True
            method = 'delete' if action == 'delete' else 'stripe_update'
            self._own(
                lambda Customer: getattr(Customer, method)([Customer(id_)]))
        elif what == 'merge':
            self._merge()
        elif what == 'merge back':
            self._merge_back()
        elif what == 'gone at Stripe':
            owned['given up'] = True
            self.hits['customer deleted at Stripe'] += 1
            with self.outside() as client:
                try:
                    client.customers.delete(owned['id'])
                except stripe.StripeError as e:
                    self.tell("Stripe says: %s", e)
        elif what == 'rename':
            def rename(Customer):
                Party = Pool().get('party.party')
                Party.write([Party(owned['party'])], {'name': "Owner 2"})
            self._own(rename)
        else:
            self.cron('delete')

    def _own(self, function):
        def run():
            return function(Pool().get('account.payment.stripe.customer'))
        return self._played(lambda: self._transaction(run))

    def _is_active(self, id_):
        return self._read(id_, 'account.payment.stripe.customer')['active']

    def _make_owner(self):
        with self.stage.transaction(user=1, company=self.stage.company):
            pool = Pool()
            Party = pool.get('party.party')
            Customer = pool.get('account.payment.stripe.customer')
            party, = Party.create([{
                        'name': "Owner", 'addresses': [('create', [{}])]}])
            real, = Customer.create([{
                        'party': party.id, 'stripe_account': self.account}])
            metadata = real.stripe_create_params['metadata']
            party, real = party.id, real.id
        with self.outside() as client:
            customer = client.customers.create({
                    'name': "Owner", 'metadata': metadata}).id
            method = client.payment_methods.attach(
                'pm_card_visa', {'customer': customer}).id
        self._set_customer(
            real, stripe_customer_id=customer, stripe_owned_id=customer)
        self.owned = {
            'id': customer, 'method': method, 'party': party, 'real': real,
            'double': None, 'merged': False, 'back': False,
            'parties': {party}, 'given up': False}

    def _make_double(self):
        "As the earlier module has left it"
        if self.owned['double']:
            return

        def create(Customer):
            double, = Customer.create([{
                        'party': self.stage.party,
                        'stripe_account': self.account}])
            return double.id
        double = self._own(create)
        if isinstance(double, int):
            self.owned['double'] = double
            self.hits['two customers of one id'] += 1
            self._set_customer(
                double, stripe_customer_id=self.owned['id'],
                stripe_double=double)
            # It is not known of any of them then
            for id_ in [double, self.owned['real']]:
                self._set_customer(id_, stripe_owned_id=None)

    def _set_customer(self, id_, **values):
        with self.stage.transaction() as transaction:
            table = Pool().get(
                'account.payment.stripe.customer').__table__()
            transaction.connection.cursor().execute(*table.update(
                    [getattr(table, n) for n in values],
                    list(values.values()), where=table.id == id_))

    def _pay_by(self, what):
        owned = self.owned
        which = 'real' if what == 'pay real' else 'double'
        if not owned[which] or self.swapped or len(self.payments) > 5:
            return
        values = {
            'kind': 'receivable',
            'journal': self.journals['eur'],
            'company': self.stage.company,
            'party': (
                owned['party'] if which == 'real' else self.stage.party),
            'amount': Decimal('42.00'),
            }
        if what != 'fill in':
            values.update(
                stripe_customer=owned[which],
                stripe_customer_payment_method=owned['method'])

        def create():
            Payment = Pool().get('account.payment')
            payment, = Payment.create([values])
            Payment.submit([payment])
            return payment.id
        id_ = self._played(lambda: self._transaction(create))
        if not isinstance(id_, int):
            return
        self.payments.append(id_)
        self.ways[id_] = 'page'
        self.may_fail[id_] = {'customer'}
        self.process(id_)

    def _merge(self):
        "Replace the party of the owner by the other"
        owned = self.owned
        if owned['merged']:
            return
        former = owned['party']
        # Stripe is told of it at once
        owned.update(merged=True, party=self.stage.party)
        owned['parties'].add(self.stage.party)
        if self._replace(former, self.stage.party):
            owned['former'] = former
            self.hits['parties merged'] += 1
        else:
            owned.update(merged=False, party=former)

    def _merge_back(self):
        "It was the wrong way round, the first party replaces the other"
        owned = self.owned
        if not owned['merged'] or owned['back']:
            return
        former = owned['former']

        def activate():
            Party = Pool().get('party.party')
            Party.write([Party(former)], {'active': True})
        self._played(lambda: self._transaction(activate))
        if self._replace(self.stage.party, former):
            owned.update(back=True, party=former)
            # With its customers
            self.stage.party = former
            self.hits['parties replaced each other'] += 1

    def _replace(self, source, destination):
        def replace():
            Replace = Pool().get('party.replace', type='wizard')
            session, _, _ = Replace.create()
            with Transaction().set_context(
                    active_model='party.party', active_id=source):
                Replace.execute(session, {'ask': {
                            'source': source,
                            'destination': destination,
                            }}, 'replace')
        self._played(lambda: self._transaction(replace))
        # The process may have been killed before or after the commit
        with self.stage.transaction():
            Party = Pool().get('party.party')
            replaced_by = Party(source).replaced_by
            return bool(replaced_by) and replaced_by.id == destination

    def _check_owned(self):
        "What is somebody's at Stripe is not touched for another party"
        owned = self.owned
        if not owned:
            return
        customer = self.world.find(owned['id'])
        if customer.private.get('deleted'):
            if not owned['given up']:
                self.violation(
                    'customer', "%s is deleted at Stripe", owned['id'])
            return
        names = {"Owner", "Owner 2"}
        if owned['merged']:
            names.add("Payer")
        if customer['name'] not in names:
            self.violation('customer', "%s is %s at Stripe", owned['id'],
                customer['name'])
        parties = {
            self._key(p): self._read(p)['party'] for p in self.payments}
        for charge in self._objects('charge').values():
            party = parties.get(charge['metadata'].get('tryton_key'))
            if (charge['customer'] == owned['id'] and charge['paid']
                    and party not in {None, *owned['parties']}):
                self.violation('customer', "party %s paid with the card of %s",
                    party, owned['party'])
