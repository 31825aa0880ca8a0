# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What is agreed with Stripe, or chosen in the Dashboard, for an account."
import stripe

from .method_types import DEFAULT, check_names

DAY = 24 * 60 * 60


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
        # Further currencies that have a balance of their own, rates of
        # single currencies, and whether rows tell the rate: the recorded
        # ones of a converted amount don't
        self.settlement_currencies = ()
        self.settlement_rates = {}
        self.settlement_rate_shown = True
        # What Stripe takes: per mille and minor units of a charge, of a
        # dispute, percent of an instant payout, and percent tax on that.
        # Billed apart, charges show no fee
        self.fee_rate = 29
        self.fee_fixed = 30
        self.dispute_fee = 1500
        self.instant_fee = 1
        self.fee_tax = 0
        self.fees_apart = False
        # Until money is available
        self.available_after = 2 * DAY
        # Whether what is debited moves the balance while it is pending, and
        # back when it fails, as for SEPA
        # https://docs.stripe.com/reports/balance-transaction-types
        self.pending_rows = False
        # manual or daily, at seconds after midnight UTC
        self.payout_schedule = 'manual'
        self.payout_time = 0
        # Until a payout is sent, is there, and is explained
        self.payout_sent_after = 60 * 60
        self.payout_arrives_after = 2 * DAY
        self.payout_explained_after = 12 * 60 * 60
        # Whether a negative balance is taken from the bank account
        self.payout_debits = False
        # What automatic payouts leave, by currency
        self.minimum_balance = {}
        # Whether asking for the content of a manual payout is an error;
        # nobody recorded it
        self.manual_content_refused = True
        # What isn't captured is a refund, as before 2025-03-31
        self.release_refunds = False
        # Numbers of cards are taken, as Stripe allows on request
        self.raw_card_data = False
        # What is turned on in the Dashboard
        self.payment_method_types = DEFAULT
        # What cards are taken from, such as apple_pay
        self.wallet = None
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
    def _check_payout_schedule(value):
        if value not in {'manual', 'daily'}:
            raise ValueError("payout_schedule is manual or daily")

    @staticmethod
    def _check_raw_card_data(value):
        if not isinstance(value, bool):
            raise ValueError("raw_card_data is true or false")
