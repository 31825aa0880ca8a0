# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from sql import Column
from sql.conditionals import Coalesce

from trytond.model import fields
from trytond.transaction import Transaction

from .batch import Batch
from .event_handlers import is_current
from .gateway import Moment
from .state import PaymentState


class EventMixin:
    """Find the payments that an event is about, and apply it.

    HANDLERS of event_handlers.py names the methods.
    """
    __slots__ = ()

    @classmethod
    def stripe_lock_of(cls, events):
        "Return the locked payments that most of the events are about"
        intents = set()
        for event in events:
            object_ = event['data']['object']
            if object_['object'] == 'payment_intent':
                intents.add(object_['id'])
            elif isinstance(object_.get('payment_intent'), str):
                intents.add(object_['payment_intent'])
        return cls._stripe_lock_where(
            'stripe_payment_intent_id', list(intents)) if intents else []

    @classmethod
    def _stripe_lock_where(cls, name, values):
        "Return the locked payments that have one of the values, just read"
        rows = cls._stripe_lock_rows(
            # The same expression as in the index
            lambda table: fields.SQL_OPERATORS['in'](
                Coalesce(Column(table, name), ''), values),
            'company')
        payments = []
        for company in dict.fromkeys(c for _, c in rows):
            # The caches are kept by company: what is read of the journal
            # serves for the transition too
            with Transaction().set_context(company=company):
                payments.extend(
                    cls.browse([i for i, c in rows if c == company]))
        return payments

    @classmethod
    def _stripe_find(cls, account, intent=None, charge=None):
        "Return the locked payments of the account with the ids of Stripe"
        # Two searches use an index each
        for name, value in [
                ('stripe_payment_intent_id', intent),
                ('stripe_charge_id', charge)]:
            if not value:
                continue
            payments = [
                p for p in Batch.current().all_locked(cls.__name__)
                if getattr(p, name) == value] or cls._stripe_lock_where(
                    name, [value])
            if payments:
                return [p for p in payments if p.stripe_own_account == account]
        return []

    @classmethod
    def _stripe_apply_event(cls, payments, event, state_of=None):
        """Apply the state of the event, or without one what Stripe tells now.

        state_of: function of the dictionary of the object of the event, it
        is only called if its shape is known here.
        """
        if not payments:
            return
        state = None
        if state_of and is_current(event):
            state = state_of(event['data']['object'])
        for payment in payments:
            if state:
                state.at = Moment(event['created'], event['created'])
                payment.stripe_apply(state)
            else:
                payment.stripe_apply(payment.stripe_read(), fresh=True)
        return payments

    @classmethod
    def stripe_of_event(cls, account, event):
        "Return the locked payments that the event is about"
        object_ = event['data']['object']
        kind = object_.get('object')
        if kind == 'source':
            return cls._stripe_find_token(account, object_['id'])
        intent, charge = object_.get('payment_intent'), object_.get('charge')
        if kind == 'payment_intent':
            intent, charge = object_['id'], None
        elif kind == 'charge':
            charge = object_['id']
        return (
            cls._stripe_find(account, intent=intent, charge=charge)
            or cls._stripe_find_key(account, object_))

    @classmethod
    def _stripe_find_token(cls, account, token):
        holders = cls.stripe_token.holders(cls, token)
        payments = [
            p for p in cls.search([('id', 'in', holders)])
            if p.stripe_own_account == account]
        return cls.stripe_lock(payments) if payments else []

    @classmethod
    def stripe_on_payment_intent(cls, account, event):
        intent = event['data']['object']
        if payments := cls._stripe_find(account, intent=intent['id']):
            return cls._stripe_apply_event(
                payments, event, PaymentState.from_intent)
        return cls._stripe_apply_event(
            cls.stripe_adopt(account, intent), event)

    @classmethod
    def stripe_on_charge(cls, account, event):
        charge = event['data']['object']
        intent = charge.get('payment_intent')
        if intent:
            payments = cls._stripe_find(account, intent=intent)
            return cls._stripe_apply_event(payments, event, _of_captured)
        payments = cls._stripe_find(account, charge=charge['id'])
        return cls._stripe_apply_event(payments, event)

    @classmethod
    def stripe_on_refund(cls, account, event):
        object_ = event['data']['object']
        charge = object_.get('charge')
        if object_['object'] == 'charge':
            charge = object_['id']
        payments = cls._stripe_find(
            account, intent=object_.get('payment_intent'), charge=charge)
        # A refund can fail weeks later so only Stripe knows the sum
        return cls._stripe_apply_event(payments, event)

    @classmethod
    def stripe_on_source(cls, account, event):
        source = event['data']['object']
        payments = cls._stripe_find_token(account, source['id'])
        if not payments:
            return
        if event['type'] == 'source.chargeable':
            cls.write(payments, {'stripe_chargeable': True})
            cls.__queue__.stripe_charge(
                [p for p in payments if p.state == 'processing'])
        else:
            # An intent has events of its own
            failed = [
                p for p in payments
                if p.state == 'processing'
                and not p.stripe_payment_intent_id
                and not p.stripe_charge_id]
            for payment in failed:
                with payment._stripe_moving():
                    cls.fail([payment])
        return payments


def _of_captured(charge):
    "Return the state of the charge if it is final for its intent also"
    if charge['status'] == 'succeeded' and charge['captured']:
        return PaymentState.from_charge(charge)
