# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt

from trytond.pool import Pool

from .case import StripeTestCase


class CustomerTestCase(StripeTestCase):
    "Test what customers show of Stripe"

    def add_sepa(self, customer):
        method = self.client.payment_methods.create(
            type='sepa_debit', sepa_debit={'iban': 'DE89370400440532013000'},
            billing_details={'name': "Jenny", 'email': 'jenny@example.com'})
        return self.client.payment_methods.attach(
            method.id, customer=customer.stripe_customer_id)

    def test_labels(self):
        "Test the labels of payment methods and sources"
        with self.transaction():
            customer, visa = self.create_customer()
            sepa = self.add_sepa(customer)
            amex = self.client.payment_methods.create(
                type='card', card={'token': 'tok_amex'})
            self.client.payment_methods.attach(
                amex.id, customer=customer.stripe_customer_id)
            customer.clear_stripe_caches()
            card = self.world.objects('payment_method')[visa]['card']

            labels = dict(customer.payment_methods())

            self.assertEqual(labels[visa], "Visa ****4242 %02d/%d" % (
                    card['exp_month'], card['exp_year']))
            self.assertEqual(labels[sepa.id], "****3000")
            self.assertRegex(
                labels[amex.id], r'\AAmerican Express \*{4}0005 \d\d/\d{4}\Z')
            self.assertEqual(len(labels), 3)

    def test_source_labels(self):
        "Test the labels of sources which are not payment methods"
        self.world.enable_charges_api()
        with self.transaction():
            customer, _ = self.create_customer()
            card = self.client.customers.payment_sources.create(
                customer.stripe_customer_id, source='tok_mastercard')
            customer.clear_stripe_caches()

            sources = dict(customer.sources())

            self.assertRegex(
                sources[card.id], r'\AMastercard \*{4}4444 \d\d/\d{4}\Z')
            self.assertNotIn(card.id, dict(customer.payment_methods()))

    def test_cache(self):
        "Test Stripe is asked once for what the customer has"
        with self.transaction():
            customer, visa = self.create_customer()
            customer.clear_stripe_caches()
        self.simulator.requests.clear()
        for _ in range(3):
            with self.transaction():
                Customer = Pool().get('account.payment.stripe.customer')
                customer = Customer(customer.id)
                self.assertEqual([visa], [
                        m for m, _ in customer.payment_methods()])
                customer.sources()
        self.assertEqual(len(self.requests(path='/payment_methods')), 1)
        self.assertEqual(len(self.requests(path='/sources')), 1)

    def test_cache_is_not_shared(self):
        "Test changing the list does not change the cache"
        with self.transaction():
            customer, visa = self.create_customer()
            customer.payment_methods().clear()
            self.assertEqual(len(customer.payment_methods()), 1)

    def test_cache_dropped_by_change(self):
        "Test the caches are dropped when the customer changes"
        with self.transaction():
            customer, _ = self.create_customer()
            self.assertEqual(len(customer.payment_methods()), 1)
            sepa = self.add_sepa(customer)
            self.assertEqual(len(customer.payment_methods()), 1)
            customer.stripe_update([customer])
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            customer = Customer(customer.id)
            self.assertIn(sepa.id, dict(customer.payment_methods()))

    def test_cache_dropped_by_setup(self):
        "Test the caches are dropped when a payment method is added"
        with self.transaction():
            customer, _ = self.create_customer()
            self.assertEqual(len(customer.payment_methods()), 1)
            customer.stripe_checkout([customer])
            intent = customer.stripe_setup_intent_id
        self.world.pay(intent, number='5555555555554444')
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            Customer.stripe_intent_update()
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            self.assertEqual(
                len(Customer(customer.id).payment_methods()), 2)

    def test_cache_dropped_by_detach(self):
        "Test the caches are dropped when a payment method is detached"
        with self.transaction():
            pool = Pool()
            Detach = pool.get(
                'account.payment.stripe.customer.source.detach', type='wizard')
            customer, visa = self.create_customer()
            session, _, _ = Detach.create()
            self.assertEqual(len(customer.payment_methods()), 1)
        with self.transaction(
                active_model='account.payment.stripe.customer',
                active_id=customer.id, active_ids=[customer.id]):
            Detach.execute(session, {
                    'ask': {'customer': customer.id, 'source': visa},
                    }, 'detach')
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            self.assertEqual(Customer(customer.id).payment_methods(), [])

    def test_unreachable(self):
        "Test the forms open when Stripe cannot be reached"
        with self.transaction():
            pool = Pool()
            Payment = pool.get('account.payment')
            Ask = pool.get(
                'account.payment.stripe.customer.source.detach.ask')
            customer, visa = self.create_customer()
            payment = self.create_payment(
                stripe_customer=customer.id,
                stripe_customer_payment_method=visa)
            customer.clear_stripe_caches()
        for fault in ['down', '503', '401', '429', 'drop_before']:
            with self.subTest(fault=fault), self.transaction():
                self.simulator.faults.clear()
                self.simulator.faults.add(fault)
                payment = Payment(payment.id)
                self.assertEqual(
                    payment.get_stripe_customer_sources(), [(None, "")])
                # What is chosen can still be shown
                self.assertEqual(
                    payment.get_stripe_customer_payment_methods(),
                    [(None, ""), (visa, visa)])
                self.assertEqual(
                    Ask(customer=payment.stripe_customer).get_sources(),
                    [(None, "")])
                self.assertEqual(
                    payment.stripe_customer.stripe_payment_methods, '')
        self.simulator.faults.clear()
        # A failure is not kept
        with self.transaction():
            self.assertRegex(dict(Payment(
                        payment.id).get_stripe_customer_payment_methods())[
                        visa], r'\AVisa')

    def test_value_not_listed(self):
        "Test a value that is not listed anymore can still be selected"
        with self.transaction():
            customer, visa = self.create_customer()
            payment = self.create_payment(
                stripe_customer=customer.id,
                stripe_customer_payment_method='pm_gone')
            selection = payment.get_stripe_customer_payment_methods()
            self.assertEqual(
                [v for v, _ in selection], [None, visa, 'pm_gone'])
            payment.stripe_customer_payment_method = None
            payment.stripe_customer_source = 'card_gone'
            self.assertEqual(
                payment.get_stripe_customer_sources(),
                [(None, ""), ('card_gone', 'card_gone')])

    def test_many_pages(self):
        "Test all payment methods are listed"
        with self.transaction():
            customer, _ = self.create_customer()
            for _ in range(105):
                method = self.client.payment_methods.create(
                    type='card', card={'token': 'tok_visa'})
                self.client.payment_methods.attach(
                    method.id, customer=customer.stripe_customer_id)
            customer.clear_stripe_caches()
            self.assertEqual(len(customer.payment_methods()), 106)

    def test_excluding(self):
        "Test source and payment method hide each other"
        with self.transaction():
            pool = Pool()
            Payment = pool.get('account.payment')
            definition = Payment.fields_get([
                    'stripe_customer_source_selection',
                    'stripe_customer_payment_method_selection'])
            for name, other in [
                    ('source', 'payment_method'),
                    ('payment_method', 'source')]:
                states = definition[
                    'stripe_customer_%s_selection' % name]['states']
                self.assertIn('stripe_customer_%s"' % other, states)

    def test_history(self):
        "Test former values of the customer are kept"
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            customer, _ = self.create_customer()
            before = dt.datetime.now()
            former = customer.stripe_customer_id
        with self.transaction():
            Customer.delete([Customer(customer.id)])
        with self.transaction():
            Customer.stripe_delete()
        with self.transaction():
            self.assertIsNone(Customer(customer.id).stripe_customer_id)
        with self.transaction(_datetime=before):
            self.assertEqual(
                Customer(customer.id).stripe_customer_id, former)

    def test_create_lost_answer(self):
        "Test a customer whose creation was not answered is not made twice"
        for fault in ['drop_after', '500_after']:
            with self.subTest(fault=fault):
                before = len(self.world.objects('customer'))
                with self.transaction():
                    Customer = Pool().get('account.payment.stripe.customer')
                    customer, = Customer.create([{
                                'party': self.party,
                                'stripe_account': self.account,
                                'stripe_token': 'tok_visa',
                                }])
                self.simulator.faults.add(
                    fault, 'POST /v1/customers', times=1)
                for _ in range(2):
                    with self.transaction():
                        Customer.stripe_create([Customer(customer.id)])
                with self.transaction():
                    customer = Customer(customer.id)
                    self.assertTrue(customer.stripe_customer_id)
                    self.assertEqual(len(customer.payment_methods()), 1)
                self.assertEqual(
                    len(self.world.objects('customer')), before + 1)

    def test_setup_lost_answer(self):
        "Test the setup whose customer's creation was not answered goes on"
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            customer, = Customer.create([{
                        'party': self.party,
                        'stripe_account': self.account,
                        }])
        with self.transaction():
            customer = Customer(customer.id)
            Customer.stripe_checkout([customer])
            intent = customer.stripe_setup_intent_id
        self.world.pay(intent)
        self.simulator.faults.add('500_after', 'POST /v1/customers', times=1)
        with self.transaction():
            Customer.stripe_intent_update([Customer(customer.id)])
        with self.transaction():
            # Changed meanwhile
            Party = Pool().get('party.party')
            Party.write([Party(self.party)], {'name': "Other"})
        with self.transaction():
            Customer.stripe_intent_update([Customer(customer.id)])
        with self.transaction():
            customer = Customer(customer.id)
            self.assertIsNone(customer.stripe_setup_intent_id)
            self.assertEqual(
                [customer.stripe_customer_id],
                list(self.world.objects('customer')))
            self.assertEqual(len(customer.payment_methods()), 1)

    def test_setup_detached(self):
        "Test a card that is detached meanwhile does not block the next"
        for attach in ['stripe_intent_update', 'stripe_checkout']:
            with self.subTest(attach):
                with self.transaction():
                    Customer = Pool().get('account.payment.stripe.customer')
                    customer, _ = self.create_customer()
                with self.transaction():
                    customer = Customer(customer.id)
                    Customer.stripe_checkout([customer])
                    intent = customer.stripe_setup_intent_id
                self.world.pay(intent)
                method = self.client.setup_intents.retrieve(
                    intent).payment_method
                self.client.payment_methods.detach(method)
                with self.transaction():
                    getattr(Customer, attach)([Customer(customer.id)])
                with self.transaction():
                    self.assertNotEqual(
                        Customer(customer.id).stripe_setup_intent_id, intent)

    def test_setup_again_the_same_day(self):
        "Test each page that adds a card has a setup intent of its own"
        intents = set()
        with self.transaction():
            Customer = Pool().get('account.payment.stripe.customer')
            customer, _ = self.create_customer()
        for number in ['4242424242424242', '5555555555554444']:
            with self.transaction():
                customer = Customer(customer.id)
                Customer.stripe_checkout([customer])
                intents.add(customer.stripe_setup_intent_id)
                intent = customer.stripe_setup_intent_id
            self.world.pay(intent, number=number)
            with self.transaction():
                Customer.stripe_intent_update()
        self.assertEqual(len(intents), 2)
        with self.transaction():
            self.assertEqual(
                len(Customer(customer.id).payment_methods()), 3)

    def test_languages(self):
        "Test the languages do not depend on the company of the context"
        with self.transaction():
            pool = Pool()
            Customer = pool.get('account.payment.stripe.customer')
            Lang = pool.get('ir.lang')
            Party = pool.get('party.party')
            french, = Lang.search([('code', '=', 'fr')])
            Party.write([Party(self.party)], {'lang': french.id})
            customer, _ = self.create_customer()
        with self.transaction():
            customer = Customer(customer.id)
            self.assertEqual(
                customer.stripe_party_params['preferred_locales'], ['fr'])
        with self.transaction(company=None):
            customer = Customer(customer.id)
            self.assertEqual(
                customer.stripe_party_params['preferred_locales'], ['fr'])
            self.assertFalse(customer.stripe_has_changed)

    def test_address(self):
        "Test Stripe is told the address where the account wants it"
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Party = pool.get('party.party')
            Address = pool.get('party.address')
            customer, _ = self.create_customer()
            stripe_id = customer.stripe_customer_id
            address, = Address.create([{
                        'party': self.party,
                        'street': "Rue de la Loi 16\n2nd floor",
                        'postal_code': '1000',
                        'city': "Brussels",
                        }])
        self.assertIsNone(self.world.find(stripe_id)['address'])
        with self.transaction():
            Account.write([Account(self.account)], {'send_address': True})
            Party.write([Party(self.party)], {'name': "Moved"})
        known = self.world.find(stripe_id)['address']
        self.assertEqual(
            {k: v for k, v in known.items() if v}, {
                'line1': "Rue de la Loi 16", 'line2': "2nd floor",
                'postal_code': '1000', 'city': "Brussels"})
        with self.transaction():
            Address.write([Address(address.id)], {'city': "Liège"})
        self.assertEqual(
            self.world.find(stripe_id)['address']['city'], "Liège")
        with self.transaction():
            Address.delete([Address(address.id)])
        self.assertFalse(self.world.find(stripe_id)['address'])

    def test_change_not_taken(self):
        "Test a change that Stripe did not take is sent later, and once"
        for fault in ['down', '500_before', '429', '401', '403']:
            with self.subTest(fault):
                name = "Changed at %s" % fault
                with self.transaction():
                    pool = Pool()
                    Customer = pool.get('account.payment.stripe.customer')
                    Party = pool.get('party.party')
                    customer = Customer.search([
                            ('party', '=', self.party),
                            ], limit=1) or [self.create_customer()[0]]
                    customer, = customer
                    customer_id = customer.stripe_customer_id
                self.simulator.faults.add(
                    fault, 'POST /v1/customers/*' if fault != 'down' else None)
                with self.transaction():
                    Party.write([Party(self.party)], {'name': name})
                self.simulator.faults.clear()
                with self.transaction():
                    self.assertTrue(
                        Customer(customer.id).stripe_error_message)
                for count in [1, 0]:
                    before = len(self.requests('POST'))
                    with self.transaction():
                        Customer.stripe_create()
                    self.assertEqual(
                        len(self.requests('POST')) - before, count)
                self.assertEqual(
                    self.world.objects('customer')[customer_id]['name'], name)
                with self.transaction():
                    self.assertIsNone(
                        Customer(customer.id).stripe_error_message)
