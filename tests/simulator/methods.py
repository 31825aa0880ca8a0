# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What payments are made with: cards, bank accounts and their tokens."
import re

import stripe

from . import cards
from .checks import check_email
from .errors import StripeError, invalid, missing
from .objects import Row, shape
from .schema import Hash, Integer, String

_Card = stripe.PaymentMethod.Card
_Sepa = stripe.PaymentMethod.SepaDebit

USED = (
    "The provided PaymentMethod was previously used with a PaymentIntent "
    "without Customer attachment, shared with a connected account without "
    "Customer attachment, or was detached from a Customer. It may not be "
    "used again. To use a PaymentMethod multiple times, you must attach it "
    "to a Customer first.")

# What is known of a method that redirects before it is used
_PLAIN = {
    'eps': {'bank': None},
    'ideal': {'bank': None, 'bic': None},
    'klarna': {'dob': None},
    'link': {'email': None},
    'p24': {'bank': None},
    'paypal': {'country': None, 'payer_email': None, 'payer_id': None},
    'sofort': {'country': None},
    }

# What a browser may send: the numbers themselves
RAW_CARD = Hash({
        'number': (False, String()),
        'exp_month': (False, Integer()),
        'exp_year': (False, Integer()),
        'cvc': (False, String()),
        'token': (False, String()),
        })


def default_expiry(world):
    # Month of the recordings of the sandbox, always in the future
    year = max(2027, 1970 + world.now() // 31556952 + 1)
    return 9, year


def card_details(world, behaviour, exp_month=None, exp_year=None,
        cvc_check='unchecked', billing_details=None):
    "Return the card hash of a payment method that wasn't used yet"
    address = (billing_details or {}).get('address') or {}
    month, year = default_expiry(world)
    return shape(
        _Card,
        brand=behaviour.brand,
        checks=shape(
            _Card.Checks,
            address_line1_check='unchecked' if address.get('line1')
            else None,
            address_postal_code_check='unchecked'
            if address.get('postal_code') else None,
            cvc_check=cvc_check),
        country=behaviour.country,
        display_brand=behaviour.brand,
        exp_month=exp_month or month,
        exp_year=exp_year or year,
        fingerprint=world.fingerprint(behaviour.number),
        funding=behaviour.funding,
        last4=behaviour.number[-4:],
        networks=shape(
            _Card.Networks, available=[behaviour.brand], preferred=None),
        regulated_status='unregulated',
        three_d_secure_usage=shape(_Card.ThreeDSecureUsage, supported=True),
        wallet=_wallet(world.settings.wallet))


def _wallet(type):
    if type:
        return shape(
            _Card.Wallet, type=type, **({} if type == 'link' else {type: {}}))


def use(method):
    "Let the bank check what was given with a card, at its first use"
    if method['type'] != 'card' or 'legacy' in method.private:
        return
    card, behaviour = method['card'], method.private['behaviour']
    if 'unchecked' in card['checks'].values():
        method['card'] = dict(card, checks={
                k: behaviour.check(k) if v == 'unchecked' else v
                for k, v in card['checks'].items()})


def sepa_details(world, behaviour):
    return shape(
        _Sepa,
        bank_code=behaviour.number[4:9],
        branch_code='',
        country=behaviour.country,
        fingerprint=world.fingerprint(behaviour.number),
        generated_from={'charge': None, 'setup_attempt': None},
        last4=behaviour.number[-4:])


def billing(details=None):
    "Return billing details with every attribute"
    details = details or {}
    check_email(details.get('email'), 'billing_details[email]')
    result = shape(stripe.PaymentMethod.BillingDetails)
    result['address'] = shape(
        stripe.PaymentMethod.BillingDetails.Address)
    for name, value in details.items():
        if name == 'address':
            result['address'].update(value or {})
        else:
            result[name] = value
    return result


def draft(world, type, details, behaviour, params=None):
    "Return a new payment method that isn't stored"
    from .api import metadata_of
    params = params or {}
    row = world.draft(
        'payment_method',
        allow_redisplay=params.get('allow_redisplay') or 'unspecified',
        billing_details=billing(params.get('billing_details')),
        metadata=metadata_of(params),
        type=type)
    row[type] = details
    row.private['behaviour'] = behaviour
    return row


def token_card(world, id, param='card[token]'):
    "Return the card of a token: its behaviour, month and year"
    token = world.table('token').get(id)
    if token:
        if token['used']:
            raise invalid(
                "You cannot use a Stripe token more than once: %s." % id,
                'token_already_used', param)
        token['used'] = True
        card = token['card']
        return token.private['behaviour'], card['exp_month'], card['exp_year']
    behaviour = cards.by_name(id) if id.startswith('tok_') else None
    if behaviour is None:
        raise missing('token', id, param)
    return behaviour, None, None


def _raw_card(world, card):
    "Return the behaviour of a card's number, or refuse the number"
    number = re.sub(r'[\s-]', '', card.get('number') or '')
    failure = None
    if not number.isdigit() or not cards.luhn(number):
        failure = cards.Failure(
            'incorrect_number', message="Your card number is incorrect.",
            param='number')
    elif not 1 <= (card.get('exp_month') or 0) <= 12:
        failure = cards.Failure(
            'invalid_expiry_month',
            message="Your card's expiration month is invalid.",
            param='exp_month')
    else:
        year = card.get('exp_year') or 0
        year += 2000 if year < 100 else 0
        month, _ = divmod(world.now(), 2629746)
        if year * 12 + card['exp_month'] - 1 < 1970 * 12 + month:
            failure = cards.Failure(
                'invalid_expiry_year',
                message="Your card's expiration year is invalid.",
                param='exp_year')
    if failure:
        raise StripeError(
            402, 'card_error', failure.message, failure.code, failure.param)
    return cards.by_number(number), card['exp_month'], year


def from_params(world, call, params, prefix=''):
    "Return the payment method that the parameters describe, not stored"
    type = params.get('type') or 'card'
    if type == 'card':
        card = params.get('card') or {}
        if card.get('token'):
            name = prefix + '[card][token]' if prefix else 'card[token]'
            found, cvc_check = token_card(
                world, card['token'], name), 'unchecked'
        elif not card.get('number'):
            name = prefix + '[card]' if prefix else 'card'
            raise invalid(
                "Missing required param: %s." % name, 'parameter_missing',
                name)
        elif not (call.public or world.settings.raw_card_data):
            raise invalid(
                "Sending credit card numbers directly to the Stripe API is "
                "generally unsafe. We suggest you use test tokens that map "
                "to the test card you are using, see "
                "https://stripe.com/docs/testing. To enable testing raw card "
                "data APIs, see https://support.stripe.com/questions/"
                "enabling-access-to-raw-card-data-apis.", status=402)
        else:
            found = _raw_card(world, card)
            cvc_check = 'unchecked' if card.get('cvc') else None
        details = card_details(
            world, *found, cvc_check=cvc_check,
            billing_details=params.get('billing_details'))
        return draft(world, type, details, found[0], params)
    elif type == 'sepa_debit':
        return _from_iban(world, params)
    elif type in {'us_bank_account', 'acss_debit'}:
        from .elsewhere import account_details
        return draft(
            world, type, *account_details(world, type, params), params)
    details = dict(_PLAIN.get(type, {}))
    details.update(params.get(type) or {})
    return draft(world, type, details, cards.Behaviour(type), params)


def _from_iban(world, params):
    iban = re.sub(r'\s', '', (
            params.get('sepa_debit') or {}).get('iban') or '').upper()
    if not iban:
        raise invalid(
            "Missing required param: sepa_debit[iban].",
            'parameter_missing', 'sepa_debit[iban]')
    digits = ''.join(
        str(int(c, 36)) for c in iban[4:] + iban[:4] if c.isalnum())
    if iban not in cards.BY_NUMBER and int(digits or 0) % 97 != 1:
        raise invalid(
            "The IBAN you provided is invalid.", 'invalid_bank_account_iban',
            'sepa_debit[iban]')
    details = params.get('billing_details') or {}
    for name in ['name', 'email']:
        if not details.get(name):
            raise invalid(
                "Missing required param: billing_details[%s]." % name,
                'parameter_missing', 'billing_details[%s]' % name)
    behaviour = cards.by_number(iban)
    return draft(
        world, 'sepa_debit', sepa_details(world, behaviour), behaviour,
        params)


def from_alias(world, id):
    "Return a new payment method for a pm_card_ or pm_sepaDebit_ name"
    if id.startswith('pm_card_'):
        behaviour = cards.by_name(id)
        if behaviour:
            return draft(
                world, 'card', card_details(world, behaviour), behaviour)
    elif id.startswith('pm_sepaDebit_'):
        behaviour = cards.iban_by_name(id)
        if behaviour:
            return draft(
                world, 'sepa_debit', sepa_details(world, behaviour),
                behaviour, {'billing_details': {
                        'name': "Jenny Rosen", 'email': 'jenny@example.com'}})


def from_legacy(world, row):
    "Return a card or source as the payment method that Stripe sees in it"
    method = row.private.get('method')
    if method is None:
        behaviour = row.private['behaviour']
        if row['object'] == 'source' and row['type'] == 'sepa_debit':
            type, details = 'sepa_debit', sepa_details(world, behaviour)
        elif row['object'] == 'source' and row['type'] != 'card':
            type, details = row['type'], {}
        else:
            card = row if row['object'] == 'card' else row['card']
            type, details = 'card', card_details(
                world, behaviour, card['exp_month'], card['exp_year'],
                cvc_check='pass')
        method = draft(world, type, details, behaviour)
        method['id'] = row['id']
        method['created'] = (
            row.get('created') or row.private['created'])
        method.private['legacy'] = row
        row.private['method'] = method
    method['customer'] = row['customer']
    return method


def find(world, id, param='payment_method', status=400):
    """Return the payment method with the id, or raise Stripe's error.

    What an alias makes isn't stored yet."""
    row = world.table('payment_method').get(id)
    if row is None and world.settings.legacy_ids and id.startswith(
            ('card_', 'src_')):
        legacy = world.find(id)
        row = from_legacy(world, legacy) if legacy else None
    if row is None:
        row = from_alias(world, id)
    if row is None:
        raise missing('payment_method', id, param, status)
    return row


def store(world, row):
    "Store a payment method that was drafted"
    if 'legacy' in row.private:
        return row
    if row['id'] not in world.table('payment_method').rows:
        world.table('payment_method').add(row)
    return row


def snapshot(row):
    "Return the payment method as it is now"
    return Row(row) if row else None


def attach(world, method, customer_id):
    "Attach the payment method to the customer"
    if 'legacy' in method.private or method['customer'] == customer_id:
        return
    store(world, method)
    use(method)
    world.table('payment_method').set(method, 'customer', customer_id)
    world.emit('payment_method.attached', method)
