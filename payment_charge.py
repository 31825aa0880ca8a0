# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt

from sql import Literal, Null

from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction

from .common import new_key, next_pause, stripe_amount
from .gateway import (
    StripeDenied, StripeFailure, StripeKeyReused, StripeRefused,
    StripeUnavailable)
from .pace import paced
from .payment_state import FIRST_LOOK, LAST_LOOK
from .run import Run
from .state import PaymentState

# How often to read again without the row locked
READS = 3
FIRST_RETRY = dt.timedelta(minutes=5)
LAST_RETRY = dt.timedelta(hours=6)


class Payment(metaclass=PoolMeta):
    """Charge payments.

    The intent is the lock: it is created unconfirmed, its id is committed and
    only then it is confirmed. As it can succeed only once and always tells
    what happened to it, nothing is charged twice whatever happens in between.
    """
    __name__ = 'account.payment'

    @classmethod
    def stripe_charge(cls, payments=None):
        """Charge the payments in processing, and look at those which Stripe
        did not tell about for a while.

        Commits payment by payment.
        """
        now = dt.datetime.now()

        def where(table):
            condition = cls._stripe_where(table)
            if payments is None:
                condition &= cls._stripe_where_company(table)
                condition &= (
                    (table.stripe_try_at == Null)
                    | (table.stripe_try_at <= now)
                    # The clock of the server was set back
                    | (table.stripe_try_at > now + LAST_LOOK))
            return condition
        Run(cls, cls._stripe_charge_steps).carry(where, payments)

    @classmethod
    def _stripe_where(cls, table):
        Journal = Pool().get('account.payment.journal')
        journal = Journal.__table__()
        return (
            (table.state == 'processing')
            & table.journal.in_(journal.select(
                    journal.id, where=journal.process_method == 'stripe')))

    @classmethod
    def _stripe_where_company(cls, table):
        if company := Transaction().context.get('company'):
            return table.company == company
        return Literal(True)

    @property
    def stripe_metadata(self):
        "What names the record in the Stripe dashboard"
        return {
            'tryton_database': Transaction().database.name,
            'tryton_record': str(self),
            'tryton_number': self.number,
            }

    def stripe_intent_params(self):
        "Return the parameters to create the intent of the payment"
        params = {
            'amount': stripe_amount(self.amount, self.currency, self),
            'currency': self.currency.code.lower(),
            'capture_method': 'automatic' if self.stripe_capture else 'manual',
            'automatic_payment_methods': {'enabled': True},
            'description': self.stripe_description[:1000],
            'metadata': self.stripe_metadata,
            }
        if self.stripe_customer and self.stripe_customer.stripe_usable_id:
            params['customer'] = self.stripe_customer.stripe_usable_id
        return params

    @property
    def stripe_method(self):
        "The id at Stripe of what to charge without the payer, or None"
        if self.stripe_token:
            if not self.stripe_chargeable:
                return None
            if self.stripe_token.startswith('tok_'):
                return self.stripe_payment_method_id
            return self.stripe_token
        return (self.stripe_customer_source
            or self.stripe_customer_payment_method
            or None)

    @property
    def stripe_fails_at_once(self):
        "If the payer is not asked for another payment method"
        return bool(self.stripe_token or self.stripe_customer_source)

    @property
    def stripe_create_key(self):
        if self.stripe_attempt is None:
            # The earlier version may have charged with it, which Stripe tells
            return self.stripe_idempotency_key
        # Another key once Stripe has saved a failure under the old one
        return '%s-%s' % (self.stripe_idempotency_key, self.stripe_attempt)

    def stripe_set_intent(self, intent, **values):
        "Remember the new intent, the dictionary that Stripe answered"
        zero = self.amount * 0
        self.stripe_store(
            stripe_payment_intent_id=intent['id'],
            stripe_intent_status=intent['status'],
            stripe_charge_id=None,
            stripe_capturable=False,
            stripe_captured=False,
            stripe_capturable_amount=zero,
            stripe_captured_amount=zero,
            stripe_refunded_amount=zero,
            stripe_lost_amount=zero,
            stripe_state_at=None,
            stripe_try_at=None,
            **values)

    @classmethod
    def _stripe_charge_steps(cls, id_, run):
        return cls._stripe_steps(id_, run, cls._stripe_charge_one)

    @classmethod
    def _stripe_steps(cls, id_, run, steps):
        "Yield the calls of the steps and keep what their failure means"
        payment = cls.stripe_browse(id_)
        account = payment.journal.stripe_account
        if account.id in run.denied:
            cls._stripe_wait_for_account(id_)
            return
        try:
            yield from steps(id_, account.gateway)
            run.accepted.add(account.id)
        except StripeDenied as e:
            run.denied.add(account.id)
            account.__class__.note_denied([account.__class__(account.id)], e)
            cls._stripe_wait_for_account(id_)
        except StripeFailure as e:
            if (isinstance(e, StripeRefused)
                    and not e.of_intent
                    and not e.reading):
                yield from cls._stripe_refuse(id_, account.gateway, e)
            elif payment := cls._stripe_hold(id_):
                payment._stripe_try_later(e)

    @classmethod
    def _stripe_hold(cls, id_):
        "Return the locked payment, None if it is not in processing anymore"
        for payment in cls.stripe_lock([id_]):
            if payment.state == 'processing':
                return payment

    @classmethod
    def _stripe_wait_for_account(cls, id_):
        if payment := cls._stripe_hold(id_):
            payment.stripe_store(
                stripe_waiting_for='account', stripe_try_at=None)

    def _stripe_retry_values(self, waiting_for):
        tries = (self.stripe_tries or 0) + 1
        return {
            'stripe_waiting_for': waiting_for,
            'stripe_tries': tries,
            'stripe_try_at': dt.datetime.now() + next_pause(
                tries, FIRST_RETRY, LAST_RETRY),
            }

    def _stripe_try_later(self, failure):
        attempt = self.stripe_attempt
        if failure.saved and not (
                attempt is None and isinstance(failure, StripeKeyReused)):
            attempt = (attempt or 0) + 1
        self.stripe_store(
            stripe_attempt=attempt,
            **self._stripe_retry_values(
                'stripe' if isinstance(failure, StripeUnavailable)
                else 'check'),
            **self.stripe_error_values(failure))

    @classmethod
    def stripe_note_error(cls, id_, error):
        super().stripe_note_error(id_, error)
        if payment := cls._stripe_hold(id_):
            payment.stripe_store(**payment._stripe_retry_values('check'))

    def _stripe_look_later(self, **values):
        tries = (self.stripe_tries or 0) + 1
        self.stripe_store(
            stripe_tries=tries,
            stripe_try_at=dt.datetime.now() + next_pause(
                tries, FIRST_LOOK, LAST_LOOK),
            **values)

    @classmethod
    def _stripe_refuse(cls, id_, gateway, failure):
        "Fail the payment for which Stripe said no"
        payment = cls._stripe_hold(id_)
        if not payment:
            return
        payment.stripe_store(**payment.stripe_error_values(failure))
        if payment.stripe_payment_intent_id:
            yield from cls._stripe_cancel(id_, gateway)
        else:
            with payment._stripe_moving():
                cls.fail([payment])

    @classmethod
    def _stripe_cancel(cls, id_, gateway):
        "Fail the payment after its intent can not be paid anymore"
        intent = cls.stripe_browse(id_).stripe_payment_intent_id
        try:
            state = yield paced(
                gateway.payment_intents.cancel, gateway, intent,
                func=PaymentState.cancel)
        except StripeFailure as e:
            if payment := cls._stripe_hold(id_):
                payment._stripe_try_later(e)
        else:
            if payment := cls._stripe_hold(id_):
                payment.stripe_apply(state)

    @classmethod
    def _stripe_charge_one(cls, id_, gateway):
        payment = cls._stripe_hold(id_)
        if not payment:
            return
        if not (payment.stripe_payment_intent_id or payment.stripe_charge_id):
            yield from cls._stripe_recover(id_, gateway)
            payment = cls._stripe_hold(id_)
            if not payment:
                return
        if payment.stripe_payment_intent_id or payment.stripe_charge_id:
            payment, state = yield from cls._stripe_read(id_, gateway)
            if not payment:
                return
            state = payment.stripe_apply(state)
        else:
            state = yield from cls._stripe_create(id_, gateway)
            payment = cls.stripe_browse(id_)
        if not state:
            return
        if payment._stripe_may_confirm(state):
            state = yield from cls._stripe_confirm(id_, gateway, state)
            payment = cls.stripe_browse(id_)
        if not state or state.final:
            return
        if payment._stripe_is_refused(state):
            yield from cls._stripe_cancel(id_, gateway)
        else:
            payment._stripe_look_later()

    @classmethod
    def _stripe_read(cls, id_, gateway):
        "Return the locked payment, or None, and the state read for it"
        for _ in range(READS):
            payment = cls.stripe_browse(id_)
            state = yield paced(
                gateway.payment_intents.retrieve, gateway,
                intent=payment.stripe_payment_intent_id,
                charge=payment.stripe_charge_id,
                func=PaymentState.read)
            payment = cls._stripe_hold(id_)
            if not payment or not payment._stripe_may_be_old(state):
                break
            # It would be read with the row locked
        return payment, state

    @classmethod
    def _stripe_look_customer(cls, id_, gateway, failure=None):
        """Yield the call to find out whose the customer is, if not known.

        failure: what Stripe refused, maybe because it is deleted.
        Return if the payment has not moved on meanwhile.
        Raises StripeRefused if it is somebody else's.
        """
        customer = cls.stripe_browse(id_).stripe_customer
        if customer and (
                customer.stripe_look_needed
                or failure and failure.missing
                and failure.param == 'customer'):
            yield from customer.__class__.stripe_look(customer.id, gateway)
            return bool(cls._stripe_hold(id_))
        return True

    @classmethod
    def _stripe_create(cls, id_, gateway):
        "Return the state of the new unconfirmed intent"
        if not (yield from cls._stripe_look_customer(id_, gateway)):
            return
        cls._set_stripe_key([cls.stripe_browse(id_)])
        payment = cls.stripe_browse(id_)
        if (payment.stripe_token
                and payment.stripe_chargeable
                and payment.stripe_token.startswith('tok_')
                and not payment.stripe_payment_method_id):
            method = yield paced(
                gateway.payment_methods.create,
                type='card', card={'token': payment.stripe_token},
                idempotency_key='%s-method' % payment.stripe_create_key)
            payment = cls._stripe_hold(id_)
            if not payment:
                return
            payment.stripe_store(stripe_payment_method_id=method['id'])
        method = payment.stripe_method
        if not method:
            payment._stripe_look_later(stripe_waiting_for='payer')
            return
        try:
            intent = yield paced(
                gateway.payment_intents.create,
                **payment.stripe_intent_params(),
                payment_method=method,
                idempotency_key=payment.stripe_create_key)
        except StripeRefused as e:
            yield from cls._stripe_look_customer(id_, gateway, e)
            raise
        payment = cls._stripe_hold(id_)
        if not payment or payment.stripe_payment_intent_id:
            # Drafted or opened on the checkout page meanwhile, the intent
            # moved no money
            return
        payment.stripe_set_intent(
            intent,
            stripe_checkout_id=payment.stripe_checkout_id or new_key())
        return PaymentState.from_intent(intent)

    def _stripe_may_confirm(self, state):
        "If there is what to confirm and Stripe says that it never was"
        return bool(
            self.stripe_payment_intent_id == state.intent
            and self.stripe_method
            and not state.error_message
            and not state.charge
            and state.status in {
                'requires_confirmation', 'requires_payment_method'})

    @classmethod
    def _stripe_confirm(cls, id_, gateway, state):
        "Return the state that follows, None if the payment has moved on"
        if not (yield from cls._stripe_look_customer(id_, gateway)):
            return
        payment = cls.stripe_browse(id_)
        payment.stripe_store(
            # A refusal of this attempt is known by it from one of the payer
            stripe_intent_status='requires_confirmation',
            stripe_checkout_id=payment.stripe_checkout_id or new_key())
        params = {
            'payment_method': payment.stripe_method,
            # Stripe wants it though nobody is there to be sent back
            'return_url': payment.stripe_return_url,
            'expand': ['latest_charge'],
            }
        if payment.stripe_fails_at_once:
            params['error_on_requires_action'] = True
        else:
            params['off_session'] = True
        customer = payment.stripe_customer

        def confirm():
            intent = gateway.payment_intents.confirm(state.intent, **params)
            return intent, gateway.answered_at
        try:
            if (state.status == 'requires_payment_method'
                    and customer and customer.stripe_usable_id):
                # It was made for the checkout page
                yield paced(
                    gateway.payment_intents.update, state.intent,
                    customer=customer.stripe_usable_id)
            intent, at = yield paced(
                gateway.payment_intents.confirm, func=confirm)
        except StripeRefused as e:
            if not (e.intent and (e.card or e.unexpected_state)):
                raise
            intent, at = e.intent, e.at
        payment = cls._stripe_hold(id_)
        if payment:
            state = payment.stripe_apply(
                PaymentState.from_intent(intent, at=at))
            payment._stripe_add_fingerprint(intent)
            return state

    def _stripe_add_fingerprint(self, intent):
        charge = intent.get('latest_charge')
        if self.stripe_customer and isinstance(charge, dict):
            details = charge.get('payment_method_details') or {}
            fingerprint = (details.get('card') or {}).get('fingerprint')
            if fingerprint:
                self.stripe_customer.add_fingerprints([fingerprint])

    def _stripe_is_refused(self, state):
        "If the token or source is refused and nothing else is asked for"
        return (self.stripe_fails_at_once
            and state.status == 'requires_payment_method'
            and bool(state.error_message))
