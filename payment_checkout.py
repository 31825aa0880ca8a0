# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import logging

from .amount import from_stripe
from .gateway import StripeFailure
from .record_amount import stripe_amount
from .state import OPEN, PaymentState

logger = logging.getLogger(__name__)


class PageMixin:
    "Let the payer pay at the checkout page"
    __slots__ = ()

    def _stripe_ensure_intent(self, gateway):
        if self.stripe_knows() and self.stripe_payment_intent_id:
            intent = gateway.payment_intents.retrieve(
                self.stripe_payment_intent_id)
            if self._stripe_customer_is_gone(gateway, intent):
                return self._stripe_remake_intent(gateway, intent)
            if intent['status'] != 'canceled' or self.state == 'processing':
                self.stripe_apply(PaymentState.from_intent(
                        intent, at=gateway.answered_at), fresh=True)
                return self._stripe_fit_intent(gateway, intent)
            self.stripe_forget_intent()
        self._set_stripe_key([self])
        intent = self.stripe_now(self._stripe_create_intent)
        if intent:
            self.stripe_set_intent(intent, stripe_waiting_for='payer')
        else:
            intent = gateway.payment_intents.retrieve(
                self.stripe_payment_intent_id)
            self.stripe_apply(PaymentState.from_intent(
                    intent, at=gateway.answered_at), fresh=True)
        return intent

    def _stripe_fit_intent(self, gateway, intent):
        """Return the intent with the amount that the page shows.

        The amount of the payment or of the intent may have been changed by
        other code since.
        """
        if (intent['status'] != 'requires_payment_method'
                or not self.stripe_is_clear):
            return intent
        amount = stripe_amount(self.amount, self.currency, self)
        if intent['amount'] == amount:
            return intent
        return gateway.payment_intents.update(intent['id'], amount=amount)

    def get_stripe_checkout_address(self, name):
        if self.stripe_checkout_result in {
                'succeeded', 'refunded', 'processing', 'authorized'}:
            # What it proves, or that it is under way
            return self.stripe_checkout_url or None
        return super().get_stripe_checkout_address(name)

    @property
    def stripe_invoice_url(self):
        "The URL of the page of an invoice where more can be paid, or None"

    @property
    def stripe_other_url(self):
        "The URL where the payer chooses another amount, or None"

    @property
    def stripe_is_payable(self):
        return bool(
            self.state in {'submitted', 'approved', 'processing'}
            and self.stripe_checkout_needed
            and self.stripe_checkout_result in {'open', 'waiting'})

    @property
    def stripe_checkout_result(self):
        if self.state == 'succeeded':
            return 'succeeded'
        elif self.state not in {'submitted', 'approved', 'processing'}:
            if (self.stripe_refunded_amount
                    and self.stripe_refunded_amount
                    == self.stripe_captured_amount):
                return 'refunded'
            return 'closed'
        elif self.stripe_is_settled and self.stripe_intent_status in {
                None, *OPEN, 'requires_action'}:
            return 'closed'
        elif (self.stripe_waiting_for == 'transfer'
                and self.stripe_intent_status == 'requires_action'):
            return 'waiting'
        return {
            'succeeded': 'succeeded',
            'processing': 'processing',
            'requires_capture': 'authorized',
            'canceled': 'closed' if self.state == 'processing' else 'open',
            }.get(
                self.stripe_intent_status,
                'open' if self.stripe_is_clear else 'unavailable')

    def stripe_checkout_page(self, other=False):
        """Return what the checkout page needs from Stripe.

        other: if the payer wants to pay otherwise than with what is waited
        for.
        """
        intent = self.stripe_ensure_intent()
        result = self.stripe_checkout_result
        if result == 'waiting':
            state = PaymentState.from_intent(intent)
            if not other or state.transferred:
                return self._stripe_waiting_page(state)
        elif result != 'open':
            return {'result': result}
        secret = self._stripe_customer_secret(intent)
        if not secret and self._stripe_customer_is_gone(
                self.stripe_own_account.gateway, intent):
            # That the customer is deleted has just been found out
            intent = self.stripe_ensure_intent()
        return {
            'result': 'open',
            'mode': 'payment',
            'client_secret': intent['client_secret'],
            'customer_secret': secret,
            }

    def _stripe_waiting_page(self, state):
        """Return what the page tells a payer who has still to transfer money.

        The amounts are Decimal, None if Stripe does not tell them.
        """
        currency = self.currency.code
        remaining = transferred = None
        if state.transferred:
            remaining = from_stripe(state.amount_remaining, currency)
            transferred = from_stripe(state.transferred, currency)
        return {
            'result': 'waiting',
            'waits_for': state.waits_for,
            'instructions_url': state.instructions_url,
            'waits_until': state.waits_until,
            'remaining': remaining,
            'transferred': transferred,
            }

    def stripe_session_params(self, customer_id):
        """Return the parameters of the customer session of the page, which
        lets the payer choose, save and remove payment methods.

        customer_id: that of the intent.
        https://docs.stripe.com/api/customer_sessions/create
        """
        remove = self.stripe_own_account.payment_method_remove
        return {
            'customer': customer_id,
            'components': {
                'payment_element': {
                    'enabled': True,
                    'features': {
                        'payment_method_redisplay': 'enabled',
                        'payment_method_redisplay_limit': 10,
                        # Those made by the API are unspecified
                        'payment_method_allow_redisplay_filters': [
                            'always', 'limited', 'unspecified'],
                        'payment_method_save': 'enabled',
                        'payment_method_save_usage': 'off_session',
                        'payment_method_remove': (
                            'enabled' if remove else 'disabled'),
                        },
                    },
                },
            }

    def _stripe_customer_secret(self, intent):
        "Return the client secret of the session, None if there is none"
        # What the record says may have changed since the intent was made
        customer = self._stripe_session_customer(intent)
        if not customer:
            return
        try:
            session = self.stripe_own_account.gateway.customer_sessions.create(
                **self.stripe_session_params(intent['customer']))
        except StripeFailure as e:
            # The payment can be paid without the customer
            logger.warning("no customer session for %s: %s (%s)",
                self, e.code, e.request_id)
            customer.stripe_is_deleted(e)
            return
        return session['client_secret']

    def stripe_end_checkout(self):
        if not self.stripe_payment_intent_id:
            return
        state = self.stripe_apply(self.stripe_read(), fresh=True)
        if self.stripe_customer:
            # The payment method may have been saved
            self.stripe_customer.clear_stripe_caches()
        if state and self.stripe_checkout_result == 'waiting':
            return self._stripe_waiting_page(state)
