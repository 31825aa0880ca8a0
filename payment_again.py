# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Charge again what the bank has declined for now."""
import datetime as dt

from trytond.model import fields
from trytond.pyson import Eval
from trytond.tools import timezone

from .convert import UNKNOWN
from .gateway import StripeRefused
from .pay_with import shown
from .shown_time import ShownTime
from .state import OPEN, UNPAID

# The advice of the bank that another attempt may succeed
# https://docs.stripe.com/declines/card
LATER = 'try_again_later'


class AgainMixin:
    """Charge the saved payment method again on other days, before the payer
    is asked for another one.

    It is the same intent, so that it stays payable at the checkout page, and
    whoever is first pays it.
    """
    __slots__ = ()

    stripe_advice = fields.Selection([
            (None, ""),
            ('try_again_later', "Try Again Later"),
            ('confirm_card_data', "Confirm the Card Data"),
            ('do_not_try_again', "Do Not Try Again"),
            (UNKNOWN, "Unknown"),
            ], "Advice", readonly=True, sort=False,
        states=shown('stripe_advice'),
        help="What the bank advises to do after it has declined.")
    stripe_charged_again = fields.Integer(
        "Charged Again", readonly=True,
        states=shown('stripe_charged_again'),
        help="How many times it was charged again.")
    stripe_charge_again_at = ShownTime(
        "Next Charge", readonly=True,
        states={
            'invisible': ~Eval('stripe_charge_again_at'),
            },
        help="When the saved payment method will be charged again.")

    @classmethod
    def _stripe_own_fields(cls):
        return super()._stripe_own_fields() + [
            'stripe_advice', 'stripe_charged_again', 'stripe_charge_again_at']

    def stripe_set_intent(self, intent, **values):
        super().stripe_set_intent(
            intent, stripe_advice=None, stripe_charged_again=None,
            stripe_charge_again_at=None, **values)

    @property
    def _stripe_may_charge_again(self):
        journal, customer = self.journal, self.stripe_customer
        return (journal.active
            and (not customer or customer.active)
            and (self.stripe_charged_again or 0)
            < (journal.stripe_charge_again or 0))

    def _stripe_state_values(self, state):
        values = super()._stripe_state_values(state)
        if state.error_message or self.stripe_advice:
            values['stripe_advice'] = state.advice
        if self.stripe_charge_again_at:
            if state.status in OPEN:
                # Not what has to be reviewed
                if values['stripe_waiting_for'] in {'payer', 'stripe'}:
                    values['stripe_waiting_for'] = 'again'
                    if self.stripe_waiting_for == 'again':
                        values.pop('stripe_tries', None)
            elif state.status not in UNPAID or state.waits_for:
                values['stripe_charge_again_at'] = None
                if (state.status == 'processing'
                        and self.stripe_intent_status
                        == 'requires_confirmation'):
                    # It may still be declined
                    values['stripe_charged_again'] = (
                        self.stripe_charged_again or 0) + 1
        return values

    def _stripe_refused_values(self, state):
        values = super()._stripe_refused_values(state)
        done = self.stripe_charged_again or 0
        if self.stripe_charge_again_at:
            done += 1
            values['stripe_charged_again'] = done
            values['stripe_charge_again_at'] = None
            values['stripe_waiting_for'] = 'payer'
        journal = self.journal
        if (state.advice == LATER
                and self.stripe_method
                and not self.stripe_fails_at_once
                and done < (journal.stripe_charge_again or 0)):
            values.update(
                stripe_charge_again_at=self._stripe_next_charge(
                    dt.datetime.now()),
                stripe_waiting_for='again')
            values.pop('stripe_to_mail', None)
        return values

    def _stripe_next_charge(self, now):
        """Return the datetime of the next charge, on a day of the journal.

        Both are in UTC.
        """
        journal = self.journal
        zone = timezone.get_tzinfo(self.company.timezone or 'UTC')
        at = now + journal.stripe_charge_again_after
        for _ in range(7):
            day = at.replace(tzinfo=dt.timezone.utc).astimezone(zone)
            if (not journal.stripe_charge_again_days
                    or str(day.weekday()) in journal.stripe_charge_again_days):
                break
            at += dt.timedelta(days=1)
        return at

    @property
    def stripe_is_settled(self):
        "If what it is for was paid otherwise meanwhile, or is blocked"
        return bool(self.line and (
                self.line.reconciliation
                or self.line.payment_blocked
                or self._stripe_is_paid_otherwise))

    @property
    def _stripe_is_paid_otherwise(self):
        "If other payments that have succeeded are of all of the line"
        line = self.line
        return (line.payment_amount or 0) + sum(
            # Not only what it takes of the line, if it is of more
            p.amount for p in line.payments
            if p.state != 'failed'
            and (p == self or p.state != 'succeeded')) <= 0

    @property
    def stripe_is_covered(self):
        "If not all of it is left of what it is for"
        return self.stripe_is_settled

    def _stripe_may_confirm(self, state):
        if self.stripe_charge_again_at and self.stripe_is_covered:
            return False
        return super()._stripe_may_confirm(state) or bool(
            self.stripe_charge_again_at
            and self.stripe_charge_again_at <= dt.datetime.now()
            and self._stripe_may_charge_again
            and self.stripe_payment_intent_id == state.intent
            and state.status in OPEN)

    @classmethod
    def _stripe_confirm(cls, job, state):
        try:
            return (yield from super()._stripe_confirm(job, state))
        except StripeRefused as e:
            payment = job.record
            customer = payment.stripe_customer
            if not (payment.stripe_charge_again_at
                    and customer
                    and e.missing and e.param == 'customer') or (
                    yield from customer.__class__.stripe_look(
                        customer.id, job.gateway)):
                raise
            # It is deleted, and what was saved with it
            payment = job.record
            payment._stripe_ask_payer(
                stripe_attempt=payment.stripe_next_attempt(e))

    def _stripe_confirm_params(self):
        params = super()._stripe_confirm_params()
        if self.stripe_charge_again_at:
            # It counts only once its answer is known, so that the same is
            # sent again if that is lost. After a restore the count is of one
            # that was sent before, but not the charge that was declined last
            params['idempotency_key'] += '-again-%s-%s' % (
                (self.stripe_charged_again or 0) + 1, self.stripe_charge_id)
        return params

    def _stripe_look_later(self, **values):
        super()._stripe_look_later(**values)
        if not self.stripe_charge_again_at:
            return
        if self.stripe_is_covered:
            # It is on the staff to fail it
            self.stripe_store(
                stripe_charge_again_at=None, stripe_waiting_for='payer')
        elif not self._stripe_may_charge_again:
            # The journal was changed
            self._stripe_ask_payer()
        elif (self.stripe_intent_status not in OPEN
                and self.stripe_charge_again_at <= dt.datetime.now()):
            # The payer has begun to pay at the page, and has not gone on
            self._stripe_ask_payer()
        elif self.stripe_charge_again_at < self.stripe_try_at:
            self.stripe_store(stripe_try_at=self.stripe_charge_again_at)

    def _stripe_ask_payer(self, **values):
        self.stripe_store(
            stripe_charge_again_at=None, stripe_waiting_for='payer',
            stripe_to_mail=not self.stripe_is_covered, **values)

    @classmethod
    def stripe_refuse(cls, job, failure):
        payment = job.record
        if payment.stripe_charge_again_at:
            # Such as a payment method that was removed meanwhile
            payment._stripe_ask_payer(
                stripe_attempt=payment.stripe_next_attempt(failure),
                **payment.stripe_error_values(failure))
            return
        yield from super().stripe_refuse(job, failure)
