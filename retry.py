# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt

from sql import Null

from trytond.model import fields
from trytond.pyson import Eval

from .batch import Batch
from .call import Job, call_now
from .policy import may_advance, meaning_of, next_pause


class RetryMixin:
    """Records that a Run carries, and what a failure does to all of them.

    Only a refusal means something else for each model.
    """
    __slots__ = ()
    # The first pause between two tries, which doubles up to the last
    _stripe_pauses = (dt.timedelta(minutes=5), dt.timedelta(days=1))
    _stripe_longest_pause = dt.timedelta(days=1)

    stripe_attempt = fields.Integer(
        "Stripe Attempt", readonly=True,
        help="Counts the requests that must not repeat the answer "
        "of an earlier one.")
    stripe_tries = fields.Integer("Tries", readonly=True)
    stripe_try_at = fields.DateTime(
        "Next Check", readonly=True,
        states={
            'invisible': ~Eval('stripe_try_at'),
            },
        help="The date and time at which Stripe will be asked again.")

    @classmethod
    def default_stripe_attempt(cls):
        return 0

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        # Clients send an empty text where there is none
        values.update((n, None) for n, v in list(values.items())
            if v == '' and n.startswith('stripe_'))
        return values

    @classmethod
    def copy(cls, records, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('stripe_attempt', 0)
        for name in ['stripe_tries', 'stripe_try_at']:
            default.setdefault(name)
        return super().copy(records, default=default)

    @classmethod
    def stripe_due(cls, table):
        "Return the condition of the records that do not wait for a later try"
        now = dt.datetime.now()
        return (
            (table.stripe_try_at == Null)
            | (table.stripe_try_at <= now)
            # The clock of the server was set back
            | (table.stripe_try_at > now + cls._stripe_longest_pause))

    @classmethod
    def stripe_domain_stopped(cls, accounts):
        "Return the domain of what the keys of the accounts may have stopped"
        return [('stripe_account', 'in', [a.id for a in accounts])]

    @property
    def stripe_own_account(self):
        "The account at which the record is, or will be"
        return self.stripe_account

    @property
    def stripe_is_of_earlier(self):
        "If only the earlier module of this name may have sent a request"
        return self.stripe_attempt is None

    @property
    def stripe_is_carried(self):
        "If there is still something to do at Stripe"
        return True

    def stripe_now(self, steps, **kwargs):
        """Return what the steps of the record, which is locked, return.

        In the transaction of the caller.
        Raises StripeFailure.
        """
        job = Job(self, self.stripe_own_account.gateway)
        with Batch([self]):
            return call_now(steps(job, **kwargs))

    def stripe_meaning(self, failure):
        "Return the Meaning of the StripeFailure for the record"
        return meaning_of(failure)

    def stripe_next_attempt(self, failure):
        "Return the number of the next attempt after the StripeFailure"
        if may_advance(failure):
            return (self.stripe_attempt or 0) + 1
        return self.stripe_attempt

    def _stripe_pause_values(self, pauses=None):
        "Return the values that make the record wait for its next try"
        tries = (self.stripe_tries or 0) + 1
        return {
            'stripe_tries': tries,
            'stripe_try_at': dt.datetime.now() + next_pause(
                tries, *(pauses or self._stripe_pauses)),
            }

    def stripe_wait(self, failure, meaning):
        "Keep on the record, which is locked, that it is tried again"
        self.stripe_store(
            stripe_attempt=self.stripe_next_attempt(failure),
            **self._stripe_wait_values(failure, meaning),
            **self.stripe_error_values(failure))

    def _stripe_wait_values(self, failure, meaning):
        if meaning.of_account:
            # One request of the next run tells it for all records
            return {'stripe_try_at': None}
        return self._stripe_pause_values()

    @classmethod
    def stripe_refuse(cls, job, failure):
        """Yield the calls that end what Stripe has refused.

        A refusal of them is tried again.
        """
        raise NotImplementedError
