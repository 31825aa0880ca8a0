# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What is agreed with Stripe, or chosen in the Dashboard, for an account."
import stripe

from .method_types import DEFAULT, check_names


class Settings:
    """The settings of an account.

    Times are in seconds of the simulated time."""

    def __init__(self):
        self.key_state = {}
        self.permissions = None
        # Card tokens on charges and customers
        self.charges_api = False
        # card_ and src_ ids where a payment method is asked for
        self.legacy_ids = True
        # Until the balance transaction of an asynchronous capture is there
        self.settle_delay = 2
        self.evidence_delay = 0
        self.refund_delay = 60
        # Until what is created is found, how old what is found is, and why
        # nothing is: country, forbidden or down
        self.search_delay = 60
        self.search_stale = 0
        self.search_refused = None
        # The currency of the balance, and what it costs
        self.settlement_currency = None
        self.settlement_rate = 1
        # What isn't captured is a refund, as before 2025-03-31
        self.release_refunds = False
        # Numbers of cards are taken, as Stripe allows on request
        self.raw_card_data = False
        # What is turned on in the Dashboard
        self.payment_method_types = DEFAULT
        # The default version, in which events are made
        self.api_version = stripe.api_version

    def set(self, **values):
        "Change settings, or raise ValueError and change none"
        for name, value in values.items():
            if name not in self.__dict__:
                raise ValueError("unknown setting %s" % name)
            check = getattr(self, '_check_' + name, None)
            if check:
                check(value)
        self.__dict__.update(values)

    @staticmethod
    def _check_payment_method_types(value):
        if isinstance(value, str):
            raise ValueError("payment_method_types is a list")
        check_names(value)

    @staticmethod
    def _check_search_refused(value):
        if value not in {None, 'country', 'forbidden', 'down'}:
            raise ValueError("search_refused is country, forbidden or down")

    @staticmethod
    def _check_raw_card_data(value):
        if not isinstance(value, bool):
            raise ValueError("raw_card_data is true or false")
