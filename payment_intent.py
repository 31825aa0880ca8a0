# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import hashlib
import logging

from trytond.pool import Pool
from trytond.transaction import Transaction

from .call import Call
from .gateway import StripeFailure, StripeKeyReused, StripeRefused
from .record_amount import stripe_amount
from .state import PaymentState

# Its key and the number of the attempt, in the metadata of an intent
METADATA = 'tryton_key'
METADATA_ATTEMPT = 'tryton_attempt'
# The parameters of an intent without which it can be paid as well
DISPENSABLE = frozenset(['receipt_email', 'statement_descriptor_suffix'])

logger = logging.getLogger(__name__)


class IntentMixin:
    "Make the intent of the payment, and know it"
    __slots__ = ()

    @property
    def stripe_metadata(self):
        "What names the record in the Stripe dashboard"
        return {
            'tryton_database': Transaction().database.name,
            'tryton_record': str(self),
            'tryton_number': self.number,
            METADATA: self.stripe_idempotency_key,
            METADATA_ATTEMPT: self.stripe_attempt or 0,
            }

    def stripe_intent_params(self):
        "Return the parameters to create the intent of the payment"
        # The payer reads it on the receipt of Stripe
        language = self.stripe_language or Pool().get('ir.lang').get()
        with Transaction().set_context(language=language.code):
            description = self.stripe_description
        params = {
            'amount': stripe_amount(self.amount, self.currency, self),
            'currency': self.currency.code.lower(),
            'capture_method': 'automatic' if self.stripe_capture else 'manual',
            'automatic_payment_methods': {'enabled': True},
            'description': description[:1000],
            'metadata': self.stripe_metadata,
            }
        if self.stripe_customer and self.stripe_customer.stripe_usable_id:
            params['customer'] = self.stripe_customer.stripe_usable_id
        if suffix := self.stripe_statement_suffix:
            params['statement_descriptor_suffix'] = suffix
        if self.stripe_own_account.receipt_email:
            email = next(iter(self.stripe_email_addresses()), None)
            if email:
                params['receipt_email'] = email
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
        if self.stripe_is_of_earlier:
            # The earlier version may have charged with it, which Stripe tells
            return self.stripe_idempotency_key
        # Another key once Stripe has saved a failure under the old one
        return '%s-%s' % (self.stripe_idempotency_key, self.stripe_attempt)

    def stripe_set_intent(self, intent, **values):
        "Remember the new intent, the dictionary that Stripe answered"
        zero = self.amount * 0
        self.stripe_store(
            stripe_payment_intent_id=intent['id'],
            stripe_former_intent_id=intent['id'],
            stripe_intent_account=self.stripe_own_account,
            stripe_live=bool(intent.get('livemode')),
            stripe_confirmed=False,
            stripe_intent_status=intent['status'],
            stripe_currency=intent['currency'].upper(),
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

    def stripe_forget_intent(self):
        "Forget the intent, which has ended, the next one must be another"
        self.stripe_store(
            stripe_payment_intent_id=None,
            stripe_former_intent_id=None,
            stripe_charge_id=None,
            stripe_intent_status=None,
            stripe_currency=None,
            stripe_attempt=(self.stripe_attempt or 0) + 1,
            # Who pays the next one must not read why it was cancelled
            **self.stripe_error_values(None))

    @property
    def stripe_is_known(self):
        "If it is known what there is of the payment at Stripe"
        return bool(self.stripe_payment_intent_id or self.stripe_charge_id)

    @classmethod
    def _stripe_make_method(cls, job):
        "Make the payment method of the token of a card, if there is one"
        payment = job.record
        token = payment.stripe_token
        if (not (token or '').startswith('tok_')
                or not payment.stripe_chargeable
                or payment.stripe_payment_method_id):
            return
        method = yield Call(
            job.gateway.payment_methods.create,
            type='card', card={'token': token},
            idempotency_key='%s-method-%s' % (
                payment.stripe_create_key, _digest(token)))
        if job.record.stripe_token == token:
            job.record.stripe_store(stripe_payment_method_id=method['id'])

    @classmethod
    def _stripe_create(cls, job):
        """Return the state of the new unconfirmed intent.

        None if there is none, or one that has been found and has to be read.
        """
        cls._set_stripe_key([job.record])
        yield from cls._stripe_make_method(job)
        if not job.record.stripe_method:
            job.record._stripe_look_later(stripe_waiting_for='payer')
            return
        intent = yield from cls._stripe_create_intent(
            job, payment_method=job.record.stripe_method)
        payment = job.record
        if not intent or payment.stripe_payment_intent_id:
            # Opened on the checkout page meanwhile, the intent moved no money
            return
        payment.stripe_set_intent(intent)
        return PaymentState.from_intent(intent)

    @classmethod
    def _stripe_create_intent(cls, job, **params):
        """Return the dictionary of the new intent.

        None if the payment has another one, that has been found.
        Raises StripeKeyReused if there is one that is not found yet.
        """
        gateway = job.gateway
        refused = set()
        while True:
            key = job.record.stripe_create_key
            made = None
            try:
                intent, replayed = yield Call(
                    gateway.payment_intents.create, gateway,
                    {
                        **{
                            n: v for n, v in (
                                job.record.stripe_intent_params().items())
                            if n not in refused},
                        **params,
                        'idempotency_key': key,
                        },
                    func=_create)
                if not replayed:
                    return intent
                # The answer tells what it was
                intent = yield Call(
                    gateway.payment_intents.retrieve, intent['id'])
                if intent['status'] != 'canceled':
                    return intent
                made = intent['id']
            except StripeFailure as e:
                if isinstance(e, StripeRefused) and (
                        e.param in DISPENSABLE - refused):
                    # What the payer gets besides must not stop the payment
                    logger.warning("%s of %s is refused: %s (%s)",
                        e.param, job.record, e.code, e.request_id)
                    refused.add(e.param)
                    job.record.stripe_store(
                        stripe_attempt=(job.record.stripe_attempt or 0) + 1)
                    continue
                if not (e.replayed or isinstance(e, StripeKeyReused)):
                    raise
                failure = e
            # The payment was edited or restored since, so that the intent may
            # be another one
            yield from cls._stripe_look(job, reused=True, made=made)
            if job.record.stripe_is_known:
                return
            if job.record.stripe_create_key == key:
                raise failure


def _digest(token):
    "Return what tells tokens from each other without telling them"
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def _create(gateway, params):
    """Return the dictionary of the intent and if it was made by an earlier
    request"""
    intent = gateway.payment_intents.create(**params)
    return intent, gateway.replayed
