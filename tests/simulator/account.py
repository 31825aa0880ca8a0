# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What a test can do to an account, besides what the API offers."
import json
import urllib.error
import urllib.parse
import urllib.request

from . import elsewhere, intents, ledger, payouts, public, refunds, sources
from .balance_controls import BalanceControls
from .dispute_controls import DisputeControls
from .errors import StripeError
from .payer_controls import PayerControls
from .world import World

ACCOUNTS = {
    'acss_debit': {
        'account_number': '000123456789', 'institution_number': '000',
        'transit_number': '11000'},
    'us_bank_account': {
        'account_number': '000123456789', 'routing_number': '110000000',
        'account_holder_type': 'individual'},
    }


class Account(BalanceControls, DisputeControls, PayerControls, World):
    "A world, and the controls that Stripe's dashboard or a payer would have"

    def objects(self, kind):
        "Return the stored objects by id"
        with self.lock:
            rows = self.table(kind).rows
            if kind == 'event':
                return {k: v.render() for k, v in rows.items()}
            return {k: dict(v) for k, v in rows.items()}

    def ledger(self):
        "Return the movements of money, oldest first"
        with self.lock:
            return ledger.ledger(self)

    def ledger_troubles(self):
        "Return what is wrong with rows, payouts or balance as text"
        with self.lock:
            return ledger.troubles(self)

    def completed(self):
        "Return what became of requests that were answered by 500 first"
        with self.lock:
            return list(self.completions)

    # Keys

    def revoke_key(self, kind='sk'):
        "Let requests with the key get 401"
        self.settings.key_state[kind] = 'revoked'

    def expire_key(self, kind='sk'):
        "Let requests with the key get 401 api_key_expired"
        self.settings.key_state[kind] = 'expired'

    def restore_key(self, kind='sk'):
        "Let the key work again"
        self.settings.key_state.pop(kind, None)

    def restrict(self, **permissions):
        """Set what the restricted key may do: resource=read, write or none.

        Resources that aren't named are none."""
        self.settings.permissions = permissions

    def unrestrict(self):
        self.settings.permissions = None

    # Limits and policies

    def rate_limits(self, endpoint=None, total=None):
        "Enforce limits in requests a second; without, none"
        self.limits.set(endpoint, total)

    def enable_charges_api(self, enabled=True):
        "Accept card tokens on charges and customers"
        self.settings.charges_api = enabled

    def set(self, **settings):
        """Change settings, see settings.py: among them raw_card_data, whether
        numbers of cards are taken, and payment_method_types, the list of
        what is turned on in the Dashboard."""
        self.settings.set(**settings)
        with self.lock:
            payouts.schedule(self)

    def miss_events(self, *types):
        """Let Stripe fail to make events of these types, with wildcards.

        Without any every event is made again."""
        with self.lock:
            self.missed = types

    # What payers and banks do

    def authenticate(self, intent_id, succeed=True):
        "Complete or fail a challenge as the payer, return the intent"
        with self.lock, self.calling(None):
            intent = self.find(intent_id)
            public.complete(self, intent, succeed)
            return dict(intent)

    def return_url(self, intent_id):
        "Return where the payer is sent after the challenge"
        with self.lock:
            return intents.return_url(self.find(intent_id), True)

    def fail_refund(self, refund_id, reason='expired_or_canceled_card'):
        "Let a refund fail and return it"
        with self.lock, self.calling(None):
            row = self.table('refund').get(refund_id)
            refunds.fail(self, row, reason)
            return dict(row)

    def chargeable(self, source_id, status='chargeable'):
        "Let the payer complete a source (or canceled, failed) and return it"
        with self.lock, self.calling(None):
            return sources.chargeable(self, source_id, status)

    def pay(self, intent_id, number='4242424242424242', type='card',
            exp_month=12, exp_year=2034, cvc='123', name='Jenny Rosen',
            email='jenny@example.com', authenticate=True, **params):
        """Do what the payer does on the page, with the publishable key.

        Confirm the payment or setup intent with a card number, an IBAN or a
        payment method of the type, complete the challenge (authenticate True
        or False; None leaves it) and return the intent as the browser sees
        it. What is paid elsewhere waits for receive(). Raise StripeError."""
        intent = self.find(intent_id)
        data = {
            'type': type,
            'billing_details': {'name': name, 'email': email}}
        if number[:2].isalpha():
            data['type'] = 'sepa_debit'
            data['sepa_debit'] = {'iban': number}
        elif type == 'card':
            data['card'] = {
                'number': number, 'exp_month': exp_month,
                'exp_year': exp_year, 'cvc': cvc}
        elif type in {'us_bank_account', 'acss_debit'}:
            data[type] = dict(ACCOUNTS[type])
        form = dict(params, client_secret=intent['client_secret'],
            use_stripe_sdk='true')
        if 'payment_method' not in params:
            form['payment_method_data'] = data
        path = '/v1/%ss/%s/confirm' % (intent['object'], intent_id)
        answer = self._browse(path, form)
        if (answer['status'] == 'requires_action'
                and authenticate is not None
                and not elsewhere.waiting(intent)):
            answer = self._browse('/v1/3ds2/authenticate', {
                    'source': intent.private['challenge'],
                    'succeed': 'true' if authenticate else 'false'})
        return answer

    def _browse(self, path, form):
        request = urllib.request.Request(
            self.simulator.url + path,
            urllib.parse.urlencode(list(_flatten(form))).encode(),
            headers={'Authorization': 'Bearer ' + self.publishable_key})
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as e:
            error = json.load(e)['error']
            raise StripeError(
                e.code, error.pop('type'), error.pop('message'),
                error.pop('code', None), error.pop('param', None), **error)


def _flatten(value, name=''):
    for key, item in value.items():
        key = '%s[%s]' % (name, key) if name else key
        if isinstance(item, dict):
            yield from _flatten(item, key)
        else:
            yield key, item
