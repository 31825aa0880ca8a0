# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from trytond.model.exceptions import ValidationError
from trytond.modules.account_payment.exceptions import ProcessError
from trytond.pool import Pool
from trytond.transaction import Transaction

from ..exceptions import StripeError
from .case import StripeTestCase
from .tools import browse


class OwnerTestCase(StripeTestCase):
    "Test nobody uses the customer of somebody else at Stripe"

    def setUp(self):
        super().setUp()
        with self.transaction():
            Party = Pool().get('party.party')
            other, = Party.create([{'name': "Other"}])
            self.other = other.id
            customer, self.method = self.create_customer()
            self.customer = customer.id
            self.customer_id = customer.stripe_customer_id

    def known(self):
        "Return what Stripe knows of the customer"
        return self.client.customers.retrieve(self.customer_id)

    def create_typed(self, party=None, account=None, **values):
        "Return the id of a customer whose Stripe id a person typed"
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            customer, = Customer.create([{
                        'party': party or self.other,
                        'stripe_account': account or self.account,
                        'stripe_customer_id': self.customer_id,
                        **values,
                        }])
            return customer.id

    def create_double(self, customer_id=None, party=None):
        "Return the id of a double as the earlier module left it"
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            double, = Customer.create([{
                        'party': party or self.other,
                        'stripe_account': self.account,
                        }])
            table = Customer.__table__()
            Transaction().connection.cursor().execute(*table.update(
                    [table.stripe_customer_id, table.stripe_double],
                    [customer_id or self.customer_id, double.id],
                    where=table.id == double.id))
            return double.id

    def store(self, id_, **values):
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            table = Customer.__table__()
            Transaction().connection.cursor().execute(*table.update(
                    [getattr(table, n) for n in values],
                    list(values.values()), where=table.id == id_))

    def read(self, id_, *names):
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            values, = Customer.read([id_], list(names))
            return [values[n] for n in names]

    def call(self, name, *ids):
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            return getattr(Customer, name)(Customer.browse(ids))

    def test_same_id_is_refused(self):
        "Test one record has a customer at Stripe, also of another company"
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Customer = pool.get('account.payment.stripe.customer')
            elsewhere, = Account.copy([Account(self.account)])
            elsewhere = elsewhere.id
        for values in [
                {},
                {'party': self.party},
                {'account': elsewhere},
                ]:
            with self.subTest(**values), \
                    self.assertRaises(ValidationError):
                self.create_typed(**values)
        # Accounts of two companies may be the same at Stripe
        self.create_typed(party=self.party, account=elsewhere)
        inactive = self.create_typed(active=False)
        with self.assertRaises(ValidationError), self.transaction():
            Customer.write([Customer(inactive)], {'active': True})

    def test_same_id_at_the_same_time(self):
        "Test the database refuses what another transaction does not see"
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            customer, = Customer.create([{
                        'party': self.other,
                        'stripe_account': self.account,
                        }])
            Transaction().commit()
            table = Customer.__table__()
            with self.assertRaises(Exception) as raised:
                Transaction().connection.cursor().execute(*table.update(
                        [table.stripe_customer_id], [self.customer_id],
                        where=table.id == customer.id))
            self.assertIn('stripe_customer', str(raised.exception))
            Transaction().rollback()

    def test_double_is_shown(self):
        "Test a double is told apart"
        double = self.create_double()
        name, doubles = self.read(double, 'rec_name', 'stripe_doubles')
        self.assertEqual(list(doubles), [self.customer])
        self.assertEqual(name, '%s - Other' % self.customer_id)
        self.assertEqual(
            self.read(self.customer, 'rec_name'),
            ['%s - Customer' % self.customer_id])

    def test_double_is_deleted(self):
        "Test the customer at Stripe stays when a double is deleted"
        double = self.create_double()
        self.call('delete', double)
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            Customer.stripe_delete()
        self.assertEqual(self.read(double, 'stripe_customer_id'), [None])
        self.assertFalse(getattr(self.known(), 'deleted', False))
        self.assertEqual(
            self.read(self.customer, 'stripe_customer_id'),
            [self.customer_id])

    def test_double_of_the_same_party_is_deleted(self):
        "Test the customer stays when two records of its party have it"
        double = self.create_double(party=self.party)
        self.store(double, stripe_owned_id=self.customer_id)
        self.call('delete', double)
        self.call('stripe_delete', double)
        self.assertEqual(self.read(double, 'stripe_customer_id'), [None])
        self.assertFalse(getattr(self.known(), 'deleted', False))
        self.assertEqual(
            self.read(self.customer, 'stripe_customer_id'),
            [self.customer_id])

    def test_both_are_deleted(self):
        "Test the last of the records deletes the customer at Stripe"
        double = self.create_double()
        self.call('delete', self.customer)
        self.call('stripe_delete', self.customer)
        self.assertFalse(getattr(self.known(), 'deleted', False))
        self.call('delete', double)
        for _ in range(2):
            self.call('stripe_delete', double, self.customer)
        for id_ in [double, self.customer]:
            self.assertEqual(self.read(id_, 'stripe_customer_id'), [None])
        self.assertTrue(self.known().deleted)

    def test_somebody_elses_is_deleted(self):
        "Test what another database has at Stripe is not deleted"
        foreign = self.client.customers.create(name="Foreign", metadata={
                'tryton_database': 'another',
                'tryton_record': 'account.payment.stripe.customer,1',
                })
        self.customer_id = foreign.id
        typed = self.create_typed()
        self.assertIn(foreign.id, self.read(typed, 'stripe_error_message')[0])
        self.call('delete', typed)
        self.call('stripe_delete', typed)
        self.assertEqual(self.read(typed, 'stripe_customer_id'), [None])
        self.assertFalse(getattr(self.known(), 'deleted', False))

    def test_double_is_updated(self):
        "Test what Stripe knows stays of the owner"
        double = self.create_double()
        for id_ in [double, self.customer]:
            self.call('stripe_update', id_)
        self.assertEqual(self.known().name, "Customer")
        self.assertEqual(self.known().email, 'payer@example.com')
        self.assertIn(
            self.customer_id, self.read(double, 'stripe_error_message')[0])
        self.assertEqual(
            self.read(self.customer, 'stripe_error_message'), [None])

    def test_double_is_known_wrong(self):
        "Test Stripe is asked also for what was taken for its own"
        double = self.create_double()
        self.store(double, stripe_owned_id=self.customer_id)
        self.call('stripe_update', double)
        self.assertEqual(self.known().name, "Customer")
        self.assertEqual(self.read(double, 'stripe_owned_id'), [None])

    def pay(self, party, *, force=False, **values):
        "Return the state and error of a payment of the party"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(party=party, **values)
        if force:
            with self.transaction():
                table = Payment.__table__()
                Transaction().connection.cursor().execute(*table.update(
                        [table.state], ['processing'],
                        where=table.id == payment.id))
            with self.transaction():
                Payment.stripe_charge([Payment(payment.id)])
        else:
            with self.transaction():
                Payment.process([Payment(payment.id)])
        with self.transaction():
            payment = Payment(payment.id)
            return payment.state, payment.stripe_error_message

    def test_double_is_charged(self):
        "Test the card of somebody else is not charged"
        double = self.create_double()
        values = {
            'stripe_customer': double,
            'stripe_customer_payment_method': self.method,
            }
        with self.assertRaisesRegex(ProcessError, self.customer_id):
            self.pay(self.other, **values)
        # Also if it was processed before
        state, error = self.pay(self.other, force=True, **values)
        self.assertEqual(state, 'failed')
        self.assertIn(self.customer_id, error)
        self.assertEqual(self.world.ledger(), [])
        # And the owner still pays
        values['stripe_customer'] = self.customer
        self.assertEqual(
            self.pay(self.party, **values), ('succeeded', None))
        self.assertEqual(len(self.world.ledger()), 1)

    def test_double_is_filled_in(self):
        "Test the customer of somebody else is not taken by itself"
        double = self.create_double()
        with self.assertRaises(ProcessError):
            self.pay(self.other)
        # Neither one that was taken for its own
        self.store(double, stripe_owned_id=self.customer_id)
        with self.assertRaises(ProcessError):
            self.pay(self.other)
        self.assertEqual(self.pay(self.party)[0], 'processing')

    def test_double_on_the_page(self):
        "Test the payer does not see the cards of somebody else"
        double = self.create_double()
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment(
                party=self.other, stripe_customer=double)
            Payment.stripe_checkout([payment])
            url = payment.stripe_checkout_url
            intent = payment.stripe_payment_intent_id
        self.assertEqual(browse(url).status_code, 200)
        self.assertEqual(self.world.objects('customer_session'), {})
        self.assertIsNone(
            self.world.objects('payment_intent')[intent]['customer'])

    def test_double_is_shown_nothing(self):
        "Test a double neither shows, detaches nor adds cards"
        double = self.create_double()
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            self.assertEqual(Customer(double).payment_methods(), [])
        for name in ['stripe_checkout', 'find_identical']:
            with self.subTest(name), self.assertRaises(StripeError):
                self.call(name, double)
        with self.transaction():
            Detach = Pool().get(
                'account.payment.stripe.customer.source.detach', type='wizard')
            session, _, _ = Detach.create()
        with self.transaction(
                active_model='account.payment.stripe.customer',
                active_id=double, active_ids=[double]), \
                self.assertRaises(StripeError):
            Detach.execute(session, {
                    'ask': {'customer': double, 'source': self.method},
                    }, 'detach')
        self.assertEqual(
            self.world.objects('payment_method')[self.method]['customer'],
            self.customer_id)
        self.assertEqual(self.world.objects('setup_intent'), {})

    def test_doubles_of_the_earlier_module(self):
        "Test who is meant is told by e-mail and name"
        customer = self.client.customers.create(
            name="Customer", email='payer@example.com')
        self.customer_id = customer.id
        method = self.client.payment_methods.attach(
            'pm_card_visa', customer=customer.id).id
        real = self.create_double(party=self.party)
        double = self.create_double()
        self.assertEqual(self.pay(
                self.party, stripe_customer=real,
                stripe_customer_payment_method=method)[0], 'succeeded')
        with self.assertRaises(ProcessError):
            self.pay(
                self.other, stripe_customer=double,
                stripe_customer_payment_method=method)

    def test_typed(self):
        "Test a customer that was made elsewhere is adopted"
        customer = self.client.customers.create(name="Elsewhere")
        method = self.client.payment_methods.attach(
            'pm_card_visa', customer=customer.id).id
        self.customer_id = customer.id
        typed = self.create_typed()
        self.assertEqual(
            self.read(typed, 'stripe_error_message', 'stripe_owned_id'),
            [None, customer.id])
        self.assertEqual(self.pay(
                self.other, stripe_customer=typed,
                stripe_customer_payment_method=method)[0], 'succeeded')
        self.call('stripe_update', typed)
        known = self.known()
        self.assertEqual(known.name, "Other")
        self.assertEqual(
            known.metadata['tryton_record'],
            'account.payment.stripe.customer,%s' % typed)

    def test_typed_unknown(self):
        "Test Stripe is asked later if it cannot be asked at once"
        self.customer_id = self.client.customers.create(
            name="Elsewhere").id
        method = self.client.payment_methods.attach(
            'pm_card_visa', customer=self.customer_id).id
        self.simulator.faults.add('503')
        typed = self.create_typed()
        self.assertEqual(self.read(typed, 'stripe_owned_id'), [None])
        self.simulator.faults.clear()
        self.assertEqual(self.pay(
                self.other, force=True, stripe_customer=typed,
                stripe_customer_payment_method=method)[0], 'succeeded')
        self.assertEqual(
            self.read(typed, 'stripe_owned_id'), [self.customer_id])

    def test_restored(self):
        "Test a customer stays of the party though its record is another's now"
        # After a restore the next record has its id
        self.store(self.customer, stripe_customer_id=None)
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            customer, = Customer.create([{
                        'party': self.other,
                        'stripe_account': self.account,
                        }])
        self.client.customers.update(self.customer_id, metadata={
                'tryton_record': str(customer)})
        with self.transaction():
            Customer.write([Customer(customer.id)], {
                    'stripe_customer_id': self.customer_id,
                    })
        owned, message = self.read(
            customer.id, 'stripe_owned_id', 'stripe_error_message')
        self.assertIsNone(owned)
        self.assertIn(self.customer_id, message)
        with self.assertRaises(ProcessError):
            self.pay(
                self.other, stripe_customer=customer.id,
                stripe_customer_payment_method=self.method)
        self.assertEqual(self.world.ledger(), [])
        # Its own party gets it back
        self.store(customer.id, stripe_customer_id=None, party=self.party)
        with self.transaction():
            Customer.write([Customer(customer.id)], {
                    'stripe_customer_id': self.customer_id,
                    })
        self.assertEqual(
            self.read(customer.id, 'stripe_owned_id'), [self.customer_id])

    def replace(self, source, destination):
        "Replace the party by the destination, as its wizard does"
        with self.transaction():
            Replace = Pool().get('party.replace', type='wizard')
            session, _, _ = Replace.create()
        with self.transaction(
                active_model='party.party', active_id=source,
                _skip_warnings=True):
            Replace.execute(session, {'ask': {
                        'source': source,
                        'destination': destination,
                        }}, 'replace')

    def test_replaced_each_other(self):
        "Test parties that replaced each other do not stop the customers"
        self.replace(self.party, self.other)
        with self.transaction():
            Party = Pool().get('party.party')
            Party.write([Party(self.party)], {'active': True})
        self.replace(self.other, self.party)
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            Customer.stripe_update([Customer(self.customer)])
        self.assertEqual(self.known().name, "Customer")
        # Nor when they are looked for on behalf of another
        with self.transaction():
            third, = Party.create([{'name': "Third"}])
        customer = self.create_double(party=third.id)
        self.call('stripe_update', customer)
        self.assertEqual(self.known().name, "Customer")

    def test_replaced_party(self):
        "Test a customer stays of the party that replaces another"
        self.replace(self.party, self.other)
        # Stripe is told of it without anybody doing anything
        self.assertEqual(self.known().name, "Other")
        self.assertFalse(self.known().email)
        with self.transaction():
            Party = Pool().get('party.party')
            self.assertEqual(
                self.known().metadata['tryton_party'],
                Party(self.other).code)
        self.assertEqual(self.pay(
                self.other, stripe_customer=self.customer,
                stripe_customer_payment_method=self.method)[0], 'succeeded')
