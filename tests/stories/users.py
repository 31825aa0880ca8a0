# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the users and the payers of a story do."""
import re
from decimal import Decimal

from werkzeug.test import Client

from trytond.modules.account_payment_stripe.tests.simulator import (
    errors as simulator_errors)
from trytond.modules.account_payment_stripe.tests.stories.stage import (
    DIGITS, EXPONENTS, WORTH, code_of)
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction
from trytond.wsgi import app

CARDS = {
    'visa': '4242424242424242',
    'declined': '4000000000000002',
    'challenge': '4000002760003184',
    'challenge_declined': '4000008400001629',
    'dispute': '4000000000000259',
    'inquiry': '4000000000001976',
    'pending_refund': '4000000000007726',
    'failing_refund': '4000000000005126',
    'debit': 'AT611904300234573201',
    }
# How a payment is paid: by a token, a saved payment method, a source or page
WAYS = {
    'token': ('token', 'tok_visa'),
    'token declined': ('token', 'tok_chargeDeclined'),
    'token challenged': ('token', 'tok_threeDSecure2Required'),
    'token disputed': ('token', 'tok_createDispute'),
    'token refunded late': ('token', 'tok_pendingRefund'),
    'token refund bounces': ('token', 'tok_refundFail'),
    'saved': ('saved', 'pm_card_visa'),
    'saved declined': ('saved', 'pm_card_chargeCustomerFail'),
    'saved challenged': ('saved', 'pm_card_authenticationRequired'),
    'saved debit': ('saved', 'pm_sepaDebit_success_at'),
    'saved debit fails': ('saved', 'pm_sepaDebit_failed_at'),
    'source': ('source', None),
    'page': ('page', None),
    'page of a customer': ('page', 'pm_card_visa'),
    }
GOOD = {
    'token', 'token disputed', 'token refunded late', 'token refund bounces',
    'saved'}


class Users:

    def add_payment(self, way, minor=4200, currency='eur', capture=True,
            process=True, later=False):
        if self.swapped and WAYS[way][0] in {'saved', 'source'}:
            # They are of the first account
            way = 'token'
        kind, what = WAYS[way]
        if way == 'page of a customer' and self.swapped:
            way, what = 'page', None
        if 'debit' in way:
            currency, capture = 'eur', True
        self.restore_currencies()
        code = code_of(currency)
        minor *= WORTH.get(code, 1)
        amount = Decimal(minor).scaleb(-EXPONENTS[code])
        if code == 'kwd':
            amount = amount.quantize(Decimal('.01'))
            minor = int(amount * 1000)
        if DIGITS[currency] < -amount.as_tuple().exponent:
            amount = amount.quantize(Decimal(1).scaleb(-DIGITS[currency]))
        values = {
            'kind': 'receivable',
            'journal': self.journals[currency],
            'company': self.stage.company,
            'party': self.stage.party,
            'amount': amount,
            'stripe_capture': capture,
            }
        if kind == 'token':
            values.update(stripe_token=what, stripe_chargeable=True)
        elif kind == 'saved':
            customer, method = self._save_method(what)
            values.update(
                stripe_customer=customer,
                stripe_customer_payment_method=method)
        elif kind == 'page' and what:
            values['stripe_customer'], _ = self._save_method(what)
        elif kind == 'source':
            source = self._make_source(minor, code)
            values.update(stripe_token=source, stripe_chargeable=False)

        def create():
            Payment = Pool().get('account.payment')
            payment, = Payment.create([values])
            Payment.submit([payment])
            return payment.id
        id_ = self._transaction(create)
        if isinstance(id_, Exception):
            raise id_
        self.payments.append(id_)
        self.ways[id_] = way
        self.may_fail[id_] = set()
        self.tell("payment %s of %s %s by %s%s", id_, amount, currency, way,
            '' if capture else ', to be captured later')
        if process:
            self.process(id_, later)
        return id_

    def _save_method(self, name):
        if name not in self._saved:
            with self.outside() as client:
                customer = client.customers.create({
                        'email': 'payer@example.com'})
                if name.startswith('pm_sepa'):
                    number = {
                        'pm_sepaDebit_success_at': 'AT611904300234573201',
                        'pm_sepaDebit_failed_at': 'AT861904300235473202',
                        }[name]
                    method = client.payment_methods.create({
                            'type': 'sepa_debit',
                            'sepa_debit': {'iban': number},
                            'billing_details': {
                                'name': "Payer",
                                'email': 'payer@example.com'}}).id
                    client.setup_intents.create({
                            'customer': customer.id,
                            'payment_method': method,
                            'confirm': True,
                            'return_url': 'https://example.com/',
                            'mandate_data': {
                                'customer_acceptance': {
                                    'type': 'offline',
                                    'offline': {}}}})
                else:
                    method = client.payment_methods.attach(
                        name, {'customer': customer.id}).id

            def create():
                Customer = Pool().get('account.payment.stripe.customer')
                record, = Customer.create([{
                            'party': self.stage.party,
                            'stripe_account': self.account,
                            'stripe_customer_id': customer.id,
                            }])
                return record.id
            with self.stage.transaction(company=self.stage.company):
                self._saved[name] = create(), method
        return self._saved[name]

    def _make_source(self, minor, currency):
        with self.outside() as client:
            return client.sources.create({
                    'type': 'bancontact',
                    'amount': minor, 'currency': currency,
                    'owner': {'name': "Payer"},
                    'redirect': {'return_url': 'https://example.com/'}}).id

    def process(self, id_, later=False):
        def run():
            pool = Pool()
            Payment = pool.get('account.payment')
            payment = Payment(id_)
            if payment.state != 'submitted':
                return
            Group = pool.get('account.payment.group')
            group, = Group.create([{
                        'company': self.stage.company,
                        'journal': payment.journal.id,
                        'kind': 'receivable',
                        }])
            Payment.process([payment], group=lambda: group)
            return payment
        self.tell("process payment %s%s", id_, ', queued' if later else '')
        self._in_run += 1
        try:
            return self._played(lambda: self._transaction(run, later=later))
        finally:
            self._in_run -= 1

    def press(self, button, id_, later=False):
        "Press a button of the payment"
        self.tell("press %s on payment %s", button, id_)
        if button in {'draft', 'fail'}:
            self.may_fail[id_].add(button)
        self._user_meanwhile()

        def run():
            Payment = Pool().get('account.payment')
            return getattr(Payment, button)([Payment(id_)])
        return self._played(lambda: self._transaction(run, later=later))

    def _user_meanwhile(self):
        if self._depth or self.tasks:
            self.hits['user meanwhile'] += 1

    def capture(self, id_, share=100, later=False):
        "Capture a part of the payment"
        self.tell("capture %s %% of payment %s", share, id_)
        self._user_meanwhile()

        def run():
            Payment = Pool().get('account.payment')
            payment = Payment(id_)
            if (payment.state != 'processing'
                    or not payment.stripe_capture_needed):
                return
            payment.amount = _share(payment, share)
            payment.save()
            Payment.stripe_do_capture([payment])
        return self._played(lambda: self._transaction(run, later=later))

    def checkout(self, id_, by='button'):
        "Open the checkout page and remember what it pays"
        self.tell("open the checkout of payment %s", id_)
        self._user_meanwhile()

        def button():
            Payment = Pool().get('account.payment')
            payment = Payment(id_)
            if (payment.state not in {'submitted', 'approved', 'processing'}
                    or not payment.stripe_checkout_needed):
                return
            return Payment.stripe_checkout([payment])

        def read():
            Payment = Pool().get('account.payment')
            return Payment(id_).stripe_checkout_id
        self._played(lambda: self._transaction(button))
        checkout_id = self._played(lambda: self._transaction(read))
        if checkout_id:
            response = self._played(lambda: self._get(checkout_id))
            if response is not None:
                self._see(id_, response)

    def _get(self, checkout_id, end=False):
        return self._http('GET',
            '/%s/r/account_payment_stripe/checkout/account.payment/%s%s' % (
                DB_NAME, checkout_id, '/end' if end else ''))

    def _http(self, method, path, **options):
        local = Transaction._local
        transactions, tasks = local.transactions, local.tasks
        local.transactions, local.tasks = [], []
        self._in_run += 1
        try:
            return Client(app).open(path, method=method, **options)
        finally:
            self._in_run -= 1
            local.transactions, local.tasks = transactions, tasks

    def _see(self, id_, response):
        text = response.get_data(as_text=True)
        self.pages.append(text)
        for intent in re.findall(r'(pi_\w+?)_secret_\w+', text):
            self.seen.setdefault(id_, []).append(intent)

    def end_page(self, id_):
        "The payer comes back from Stripe"
        def read():
            return Pool().get('account.payment')(id_).stripe_checkout_id
        checkout_id = self._transaction(read)
        if checkout_id:
            self.tell("the payer of payment %s comes back", id_)
            response = self._played(lambda: self._get(checkout_id, end=True))
            if response is not None:
                self.pages.append(response.get_data(as_text=True))

    def pay(self, id_, which=0, card='visa', authenticate=True):
        "The payer pays in one of the browsers"
        seen = self.seen.get(id_)
        if not seen:
            return
        self._pay(id_, seen[which % len(seen)], card, authenticate)

    def _pay(self, id_, intent, card, authenticate):
        self.tell("the payer of payment %s pays %s with %s", id_, intent, card)
        how = {'number': CARDS[card]} if card in CARDS else {'type': card}
        with self.outside():
            try:
                answer = self._world_of(intent).pay(
                    intent, authenticate=authenticate, **how)
                self.tell("the payer sees: %s", answer['status'])
                # With another method the part goes back to the customer
                self.partly.discard(intent)
                return answer['status']
            except simulator_errors.StripeError as e:
                self.hits['declined'] += 1
                self.tell("the payer reads: %s", e.error.get('message')
                    if hasattr(e, 'error') else e)

    def add_refund(self, id_, share=100, approve=True, later=False):
        self.tell("refund %s %% of payment %s", share, id_)

        def run():
            pool = Pool()
            Payment = pool.get('account.payment')
            Refund = pool.get('account.payment.stripe.refund')
            payment = Payment(id_)
            if payment.state != 'succeeded' or not payment.amount:
                return
            amount = _share(payment, share)
            refund, = Refund.create([{'payment': id_, 'amount': amount}])
            Refund.submit([refund])
            if approve:
                Refund.approve([refund])
            return refund.id
        refund = self._played(lambda: self._transaction(run, later=later))
        if isinstance(refund, int):
            self.refunds.append(refund)

    def press_refund(self, button, index):
        if not self.refunds:
            return
        id_ = self.refunds[index % len(self.refunds)]
        self.tell("press %s on refund %s", button, id_)
        self._user_meanwhile()

        def run():
            Refund = Pool().get('account.payment.stripe.refund')
            getattr(Refund, button)([Refund(id_)])
        self._played(lambda: self._transaction(run))

    def add_customer(self, token='tok_visa'):
        def create():
            Customer = Pool().get('account.payment.stripe.customer')
            customer, = Customer.create([{
                        'party': self.stage.party,
                        'stripe_account': self.account,
                        'stripe_token': token,
                        }])
            return customer.id
        id_ = self._transaction(create)
        self.tell("customer %s of %s", id_, token)
        self.customers.append(id_)


def _share(payment, share):
    "Return the part of the amount that Stripe can express also"
    currency = payment.currency
    part = currency.round(payment.amount * share / 100)
    digits = {'JPY': 0, 'ISK': 0}.get(currency.code, 2)
    if digits < currency.digits:
        part = part.quantize(Decimal(1).scaleb(-digits))
    return part or payment.amount
