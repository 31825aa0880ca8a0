# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import logging

from trytond.pool import PoolMeta

from .gateway import StripeKeyReused, StripeRefused
from .sources import read_owner
from .state import KNOWN
from .state import instructions

logger = logging.getLogger(__name__)


class Customer(metaclass=PoolMeta):
    "Let the customer save a card at the checkout page"
    __name__ = 'account.payment.stripe.customer'

    def _stripe_ensure_intent(self, gateway):
        if self.stripe_setup_intent_id:
            intent = gateway.setup_intents.retrieve(
                self.stripe_setup_intent_id)
            if intent['status'] == 'succeeded':
                self._attach_now(gateway, intent)
            elif intent['status'] == 'canceled':
                self._end_intent()
            else:
                return intent
        params = {
            'usage': 'off_session',
            'automatic_payment_methods': {'enabled': True},
            'metadata': self.stripe_create_params['metadata'],
            }
        if self.stripe_customer_id:
            params['customer'] = self.stripe_customer_id
        while True:
            try:
                intent = gateway.setup_intents.create(
                    **params,
                    idempotency_key='%s-setup' % self.stripe_create_key)
            except StripeKeyReused:
                # The former intent has not been shown to anybody
                self.stripe_attempt = (self.stripe_attempt or 0) + 1
            else:
                break
        self.stripe_setup_intent_id = intent['id']
        self.save()
        return intent

    def _attach_now(self, gateway, intent):
        "Attach what the intent has set up before it is forgotten"
        method = intent['payment_method']
        if self.stripe_customer_id:
            try:
                gateway.payment_methods.attach(
                    method, customer=self.stripe_customer_id)
            except StripeRefused as e:
                # Once detached, or without its customer, it is of no use
                logger.warning("can not attach %s to customer %s: %s (%s)",
                    method, self.id, e.code, e.request_id)
        elif customer_id := read_owner(gateway, method):
            # Of a former creation whose answer was lost
            self.stripe_customer_id = customer_id
        else:
            created = gateway.customers.create(
                **self.stripe_create_params, payment_method=method,
                idempotency_key=self.stripe_create_key)
            self.stripe_customer_id = created['id']
            self.stripe_sent = self._digest(self.stripe_party_params)
        self._end_intent()

    def stripe_end_checkout(self):
        if not self.stripe_setup_intent_id:
            return
        gateway = self.stripe_account.gateway
        intent = gateway.setup_intents.retrieve(
            self.stripe_setup_intent_id)
        if intent['status'] == 'succeeded':
            self._attach_now(gateway, intent)
            self.__class__.__queue__.find_identical([self])
        elif intent['status'] not in KNOWN:
            return {'result': 'unavailable'}
        elif intent['status'] == 'processing':
            return {'result': 'processing'}
        elif waiting := instructions(intent):
            return {'result': 'waiting', **waiting}

    @property
    def stripe_language(self):
        for lang in self.party.langs:
            if lang.lang:
                return lang.lang

    @property
    def stripe_checkout_result(self):
        if not self.active:
            return 'closed'
        elif self.stripe_setup_intent_id:
            return 'open'
        return 'succeeded'

    def stripe_checkout_page(self, other=False):
        """Return what the checkout page needs from Stripe.

        other: if another payment method shall be saved than the one that
        waits.
        """
        intent = self.stripe_ensure_intent()
        if intent['status'] == 'processing':
            return {'result': 'processing'}
        elif intent['status'] not in KNOWN:
            return {'result': 'unavailable'}
        waiting = instructions(intent)
        if waiting and not other:
            return {'result': 'waiting', **waiting}
        return {
            'mode': 'setup',
            'client_secret': intent['client_secret'],
            'customer_secret': None,
            }

    @classmethod
    def stripe_on_detached(cls, account, event):
        "The payer may have removed a payment method at the checkout page"
        before = event['data'].get('previous_attributes') or {}
        if before.get('customer') and cls.search([
                    ('stripe_account', '=', account.id),
                    ('stripe_customer_id', '=', before['customer']),
                    ], limit=1):
            cls.clear_stripe_caches()
            return True

    @classmethod
    def stripe_on_setup_intent(cls, account, event):
        intent_id = event['data']['object']['id']
        customers = cls.search([
                ('stripe_account', '=', account.id),
                ('stripe_setup_intent_id', '=', intent_id),
                ])
        for customer in cls.stripe_lock(customers):
            customer.stripe_end_checkout()
        return customers

    @classmethod
    def stripe_of_event(cls, account, event):
        "Return the customers that the event is about"
        object_ = event['data']['object']
        name = {
            'setup_intent': 'stripe_setup_intent_id',
            'customer': 'stripe_customer_id',
            }[object_['object']]
        return cls.search([
                ('stripe_account', '=', account.id),
                (name, '=', object_['id']),
                ])

    @classmethod
    def stripe_on_deleted(cls, account, event):
        return None
