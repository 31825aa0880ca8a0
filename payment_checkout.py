# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import logging

from trytond import config
from trytond.pool import Pool, PoolMeta
from trytond.report import get_email
from trytond.sendmail import send_message_transactional
from trytond.transaction import Transaction

from .common import new_key
from .customer_owner import NOT_OWNED
from .gateway import StripeFailure, StripeKeyReused, StripeRefused
from .state import PaymentState

logger = logging.getLogger(__name__)


class Payment(metaclass=PoolMeta):
    "Let the payer pay at the checkout page"
    __name__ = 'account.payment'

    def _stripe_ensure_intent(self, gateway):
        if self.stripe_knows() and self.stripe_payment_intent_id:
            intent = gateway.payment_intents.retrieve(
                self.stripe_payment_intent_id)
            if self._stripe_customer_is_gone(gateway, intent):
                return self._stripe_remake_intent(gateway, intent)
            if intent['status'] != 'canceled' or self.state == 'processing':
                self.stripe_apply(PaymentState.from_intent(
                        intent, at=gateway.answered_at), sure=True)
                return intent
            self.stripe_store(stripe_attempt=(self.stripe_attempt or 0) + 1)
        intent = self._stripe_create_intent(gateway)
        self.stripe_set_intent(intent, stripe_waiting_for='payer')
        return intent

    def _stripe_create_intent(self, gateway):
        self._set_stripe_key([self])
        customer = self.stripe_customer
        if customer:
            for failure in customer.stripe_check([customer]).values():
                if failure.code != NOT_OWNED:
                    raise failure
                # The payer goes on without
        while True:
            try:
                return gateway.payment_intents.create(
                    **self.stripe_intent_params(),
                    idempotency_key=self.stripe_create_key)
            except StripeRefused as e:
                # If it is deleted the payer goes on without
                if not (customer and customer.stripe_is_deleted(e)):
                    raise
            except StripeKeyReused:
                if self.stripe_attempt is None:
                    # The earlier version may have charged it
                    raise
                # The record was edited since, the former intent has not been
                # shown to anybody
                self.stripe_store(
                    stripe_attempt=self.stripe_attempt + 1)

    def _stripe_customer_is_gone(self, gateway, intent):
        "Return if the intent is to be paid but its customer is deleted"
        customer = self.stripe_customer
        if (not intent['customer']
                or intent['status'] != 'requires_payment_method'
                or (customer
                    and customer.stripe_usable_id == intent['customer'])):
            return False
        found = gateway.customers.retrieve(intent['customer'])
        return bool(found.get('deleted'))

    def _stripe_remake_intent(self, gateway, intent):
        "Return another intent, or the same if it cannot be cancelled anymore"
        self.stripe_store(stripe_attempt=(self.stripe_attempt or 0) + 1)
        # It moves no money and is not shown before the former is cancelled
        remade = self._stripe_create_intent(gateway)
        state = PaymentState.cancel(gateway, intent['id'])
        if state.status != 'canceled':
            self.stripe_apply(state, sure=True)
            return gateway.payment_intents.retrieve(intent['id'])
        self.stripe_set_intent(remade, stripe_waiting_for='payer')
        return remade

    @property
    def stripe_language(self):
        # Neither the routes nor the events have a company
        return self.party.get_multivalue('lang', company=self.company.id)

    @property
    def stripe_checkout_result(self):
        if self.state == 'succeeded':
            return 'succeeded'
        elif self.state not in {'submitted', 'approved', 'processing'}:
            return 'closed'
        return {
            'succeeded': 'succeeded',
            'processing': 'processing',
            'requires_capture': 'authorized',
            'canceled': 'closed' if self.state == 'processing' else 'open',
            }.get(self.stripe_intent_status, 'open')

    def stripe_checkout_page(self):
        "Return what the checkout page needs from Stripe"
        for again in [True, False]:
            intent = self.stripe_ensure_intent()
            result = self.stripe_checkout_result
            if result != 'open':
                return {'result': result}
            secret = self._stripe_customer_secret()
            if not (again
                    and intent['customer']
                    and self.stripe_customer
                    and not self.stripe_customer.stripe_customer_id):
                # Otherwise it has just been found deleted
                break
        return {
            'mode': 'payment',
            'client_secret': intent['client_secret'],
            'customer_secret': secret,
            }

    def _stripe_customer_secret(self):
        "Return what lets the payer choose and save payment methods"
        if not (self.stripe_customer
                and self.stripe_customer.stripe_usable_id):
            return
        try:
            session = self.stripe_account.gateway.customer_sessions.create(
                customer=self.stripe_customer.stripe_usable_id,
                components={
                    'payment_element': {
                        'enabled': True,
                        'features': {
                            'payment_method_redisplay': 'enabled',
                            # Those made by the API are unspecified
                            'payment_method_allow_redisplay_filters': [
                                'always', 'limited', 'unspecified'],
                            'payment_method_save': 'enabled',
                            'payment_method_save_usage': 'off_session',
                            },
                        },
                    })
        except StripeFailure as e:
            # It can be paid without
            logger.warning("no customer session for %s: %s (%s)",
                self, e.code, e.request_id)
            self.stripe_customer.stripe_is_deleted(e)
            return
        return session['client_secret']

    def stripe_end_checkout(self):
        if self.stripe_payment_intent_id:
            self.stripe_apply(self.stripe_read(), sure=True)
            if self.stripe_customer:
                # The payment method may have been saved
                self.stripe_customer.clear_stripe_caches()

    def stripe_mail_checkout(self):
        "Send the link of the checkout page to the party with the transaction"
        pool = Pool()
        ActionReport = pool.get('ir.action.report')
        ModelData = pool.get('ir.model.data')
        Lang = pool.get('ir.lang')
        to_address = self.party.email
        if not to_address:
            logger.warning("no e-mail address to send the checkout of %s",
                self.rec_name)
            return
        if not self.stripe_checkout_id:
            self.stripe_store(stripe_checkout_id=new_key())
        language = self.stripe_language or Lang.get()
        report = ActionReport(ModelData.get_id(
                'account_payment_stripe', 'report_email_checkout'))
        # Whoever charges it may not be allowed to read it, and the host that a
        # request names is not always ours
        request = Transaction().context.get('_request') or {}
        with Transaction().set_user(0), \
                Transaction().set_context(
                    language=language.code,
                    _request={'is_secure': request.get('is_secure')}):
            message, title = get_email(report, self, [language])
            message['From'] = config.get('email', 'from')
            message['To'] = to_address
            message['Subject'] = title
            send_message_transactional(message)
