# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Charges: made by intents, or by the legacy API where it is enabled."
import functools

import stripe

from . import balance, disputes, methods, radar, redirects, refunds
from .api import (
    check_filters, endpoint, get, get_customer, listing, merge_metadata,
    metadata_of)
from .checks import (
    PREFIX, check_amount, check_currency, check_email, check_multiple)
from .errors import StripeError, card_error, invalid, missing_param
from .objects import Row, new_id, shape
from .schema import String

_Details = stripe.Charge.PaymentMethodDetails
_Outcome = stripe.Charge.Outcome
WINDOW = 7 * 24 * 60 * 60
WINDOW_OFF_SESSION = 4 * 24 * 60 * 60 + 18 * 60 * 60


def details_of(world, method, charge_id, capture_before=None,
        authenticated=False):
    "Return the payment_method_details of a charge"
    plain = not capture_before and not authenticated
    cached = method.private.get('details')
    if plain and cached and cached[0] is method.get(method['type']):
        return cached[1]
    type = method['type']
    if type == 'card':
        card = method['card']
        details = shape(
            _Details.Card,
            **{k: card[k] for k in [
                    'brand', 'country', 'exp_month', 'exp_year',
                    'fingerprint', 'funding', 'last4', 'regulated_status']})
        details.update(
            checks=card['checks'],
            network=card['brand'],
            extended_authorization={'status': 'disabled'},
            incremental_authorization={'status': 'unavailable'},
            multicapture={'status': 'unavailable'},
            network_token={'used': False},
            overcapture={
                'maximum_amount_capturable': None, 'status': 'unavailable'})
        if card['wallet']:
            details['wallet'] = card['wallet']
        if capture_before:
            details['capture_before'] = capture_before
        if authenticated:
            details['three_d_secure'] = shape(
                _Details.Card.ThreeDSecure,
                authentication_flow='challenge', result='authenticated',
                version='2.2.0')
    elif type == 'sepa_debit':
        sepa = method['sepa_debit']
        details = shape(
            _Details.SepaDebit,
            **{k: sepa[k] for k in [
                    'bank_code', 'branch_code', 'country', 'fingerprint',
                    'last4']})
        details['mandate'] = method.private.get('mandate')
    else:
        details = redirects.details_of(stripe.Charge, method)
    result = {type: details, 'type': type}
    if plain and type == 'card':
        # Shared by the charges, never changed
        method.private['details'] = (method[type], result)
    return result


@functools.lru_cache(maxsize=None)
def outcome_of(failure):
    if failure is None:
        return shape(
            _Outcome, network_status='approved_by_network',
            risk_level='normal', risk_score=20,
            seller_message="Payment complete.", type='authorized')
    if failure.outcome == 'blocked':
        return shape(
            _Outcome, network_status='not_sent_to_network',
            reason='highest_risk_level', risk_level='highest', risk_score=90,
            seller_message="Stripe blocked this payment as too risky.",
            type='blocked')
    reason = failure.decline_code or failure.code
    return shape(
        _Outcome,
        advice_code=failure.advice_code,
        network_decline_code=failure.network_decline_code,
        network_status='declined_by_network',
        reason=reason,
        risk_level='normal', risk_score=20,
        seller_message="The bank did not return any further details with "
        "this decline." if reason == 'generic_decline'
        else "The bank returned the decline code `%s`." % reason,
        type='issuer_declined')


def build(world, method, amount, currency, failure=None, status='succeeded',
        capture=True, off_session=False, authenticated=False, **values):
    "Create a charge of the payment method"
    id = new_id('charge')
    if method['type'] != 'card':
        id = 'py_' + id[3:]
    succeeded = status == 'succeeded' and failure is None
    # An asynchronous payment is captured although it is pending
    captured = capture and failure is None
    before = None
    if succeeded and not capture:
        before = world.now() + (
            WINDOW_OFF_SESSION if off_session
            and method['card']['brand'] == 'visa' else WINDOW)
    values.setdefault('payment_method', method['id'])
    row = world.create(
        'charge',
        id=id,
        amount=amount,
        amount_captured=amount if captured else 0,
        amount_refunded=0,
        billing_details=method['billing_details'],
        calculated_statement_descriptor=(
            '* '.join(filter(None, [
                        PREFIX, values.get('statement_descriptor_suffix')]))
            if method['type'] == 'card' else None),
        captured=captured,
        currency=currency,
        disputed=False,
        failure_code=failure.code if failure else None,
        failure_message=failure.message if failure else None,
        fraud_details={},
        outcome=outcome_of(failure),
        paid=succeeded,
        payment_method_details=details_of(
            world, method, id, before, authenticated),
        radar_options={},
        receipt_url=(
            'https://pay.stripe.com/receipts/payment/%s' % id
            if succeeded else None),
        refunded=False,
        status='failed' if failure else status,
        **values)
    legacy = method.private.get('legacy')
    if legacy:
        row['source'] = Row(legacy)
    row.private.update(behaviour=method.private['behaviour'], method=method)
    if succeeded and not capture:
        world.clock.at(before, world._execute, expire, (row,))
    return row


def capture_money(world, charge, amount, asynchronous=False):
    "Take the money of the charge"
    row = balance.charged(world, charge, amount, stored=not asynchronous)
    if asynchronous:
        world.unsettled[charge['id']] = row
        world.later(world.settings.settle_delay, balance.settle, charge)
    else:
        charge['balance_transaction'] = row['id']


def capture_authorized(world, charge, amount):
    "Take an authorized amount, and release the rest"
    rest = charge['amount'] - amount
    charge.update(captured=True, amount_captured=amount)
    if world.settings.release_refunds and rest:
        capture_money(world, charge, charge['amount'])
        world.emit('charge.captured', charge)
        refunds.release(
            world, charge, rest,
            balance.fee_of(world, charge, charge['amount'])
            - balance.fee_of(world, charge, amount))
    else:
        capture_money(world, charge, amount)
        world.emit('charge.captured', charge)
    after_payment(world, charge)


def release(world, charge):
    "Give up an authorization"
    charge.private['released'] = True
    refunds.release(world, charge, charge['amount'])


def after_payment(world, charge):
    "Do what a test number does once its money was taken"
    behaviour = charge.private['behaviour']
    if 'createEarlyFraudWarning' in behaviour.names:
        radar.warn(world, charge)
    reason = behaviour.dispute
    if reason:
        disputes.open(world, charge, reason)


def expire(world, charge):
    "Release an authorization that wasn't captured in time"
    if charge['captured'] or charge.private.get('released'):
        return
    release(world, charge)
    world.emit('charge.expired', charge)
    intent = world.table('payment_intent').get(charge['payment_intent'] or '')
    if intent and intent['status'] == 'requires_capture':
        intent.update(
            amount_capturable=0, canceled_at=world.now(),
            cancellation_reason='automatic' if world.settings.release_refunds
            else 'expired',
            status='canceled')
        world.emit('payment_intent.canceled', intent)


# Endpoints ------------------------------------------------------------------

_PATH = '/v1/charges'


@endpoint('GET', _PATH, 'ChargeListParams', 'charge', many=True)
def list_charges(world, call, params):
    check_filters(world, params, 'payment_intent', 'customer')
    where = None
    for name in ['payment_intent', 'customer']:
        if params.get(name):
            where = (name, [params[name]])
            break

    def keep(row):
        return all(
            not params.get(k) or row[k] == params[k]
            for k in ['payment_intent', 'customer', 'transfer_group'])
    return listing(world, call, params, 'charge', where, keep)


@endpoint('GET', _PATH + '/{id}', 'ChargeRetrieveParams', 'charge')
def retrieve(world, call, params, id):
    return get(world, 'charge', id, 'id')


@endpoint('POST', _PATH + '/{id}', 'ChargeUpdateParams', 'charge')
def update(world, call, params, id):
    row = get(world, 'charge', id, 'id')
    if row['payment_intent'] and 'transfer_group' in params:
        raise invalid(
            "This Charge was created by a PaymentIntent (%s). You must "
            "update the `transfer_group` on the PaymentIntent instead of "
            "updating the Charge directly. See "
            "https://stripe.com/docs/api#update_payment_intent"
            % row['payment_intent'])
    if params.get('customer'):
        if row['customer']:
            raise invalid(
                "Cannot update customer on a charge that already has one.",
                param='customer')
        get_customer(world, params['customer'])
        world.table('charge').set(row, 'customer', params['customer'])
    balance.settle(world, row)
    merge_metadata(row, params)
    for name in ['description', 'receipt_email', 'shipping',
            'transfer_group']:
        if name in params:
            row[name] = params[name]
    if params.get('fraud_details'):
        row['fraud_details'] = dict(params['fraud_details'])
    world.emit('charge.updated', row)
    return row


_END_OF_LIFE = (
    "Card Token usage on the Customers API and Charges API has reached end "
    "of life. In order to continue processing your payments, you will need "
    "to use the Payment Intents and Payment Methods API. Read more about "
    "what you should do here: https://docs.stripe.com/payments/"
    "payment-methods/integration-options. If you need to continue to use "
    "Card Tokens on the Customers and Charges API, enable this functionality "
    "in your API policies settings: "
    "https://dashboard.stripe.com/settings/developers/api-policies")


def end_of_life():
    "Return the error about card tokens of the older APIs"
    return invalid(_END_OF_LIFE)


@endpoint('POST', _PATH, 'ChargeCreateParams', 'charge',
    # Recorded, it has no effect
    extra={'payment_method': String()})
def create(world, call, params):
    for name in ['amount', 'currency']:
        if name not in params:
            raise missing_param(name)
    if params['amount'] < 1:
        raise invalid(
            "This value must be greater than or equal to 1.",
            'parameter_invalid_integer', 'amount')
    currency = params['currency'].lower()
    check_currency(currency)
    check_amount(params['amount'], currency)
    check_email(params.get('receipt_email'), 'receipt_email')
    source, customer = params.get('source'), params.get('customer')
    if not source and not customer:
        raise invalid(
            "Must provide source or customer.", 'parameter_missing')
    if customer:
        customer = get_customer(world, customer)
    method, legacy = _legacy_method(world, source, customer)
    behaviour = method.private['behaviour']
    capture = params.get('capture', True)
    row = build(
        world, method, params['amount'], currency,
        failure=behaviour.decline, capture=capture,
        customer=customer['id'] if customer else None,
        description=params.get('description'),
        metadata=metadata_of(params),
        payment_method=method['id'],
        receipt_email=params.get('receipt_email'),
        statement_descriptor=params.get('statement_descriptor'),
        statement_descriptor_suffix=params.get(
            'statement_descriptor_suffix'),
        transfer_group=params.get('transfer_group'))
    row['source'] = Row(legacy)
    if behaviour.decline:
        world.emit('charge.failed', row)
        failure = behaviour.decline
        raise card_error(failure, charge=row['id'], param=failure.param)
    if capture:
        capture_money(world, row, row['amount'])
    world.emit('charge.succeeded', row)
    if capture:
        after_payment(world, row)
    return row


def _legacy_method(world, source, customer):
    from .sources import consume, new_card
    if isinstance(source, dict):
        raise end_of_life()
    if source and source.startswith('tok_'):
        if not world.settings.charges_api:
            raise end_of_life()
        legacy = new_card(world, *methods.token_card(world, source, 'source'))
        return methods.from_legacy(world, legacy), legacy
    if not source:
        source = customer['default_source']
        if not source:
            saved = world.table('payment_method').find(
                'customer', customer['id'])
            text = (
                "This Customer doesn't have any legacy saved payment "
                "details, but does have a Payment Method attached. Use a "
                "Payment Intent instead of creating a Charge: "
                "https://stripe.com/docs/payments/payment-intents/migration")
            if not saved:
                text = (
                    "This Customer doesn't have any saved payment details. "
                    "Attach a legacy Token, Card, Bank Account, or Source "
                    "to this Customer and then try this request again, or "
                    "use Payment Intents and Payment Methods instead.")
            raise StripeError(402, 'card_error', text, 'missing', 'card')
    if not world.settings.charges_api:
        raise end_of_life()
    legacy = world.find(source)
    if not legacy or legacy['object'] not in {'card', 'source'}:
        raise invalid(
            "No such source: '%s'" % source, 'resource_missing', 'source')
    if legacy['customer'] != (customer['id'] if customer else None):
        raise invalid(
            "Customer %s does not have a linked source with ID %s." % (
                customer['id'] if customer else None, source),
            'missing', 'source')
    consume(world, legacy)
    return methods.from_legacy(world, legacy), legacy


@endpoint('POST', _PATH + '/{id}/capture', 'ChargeCaptureParams', 'charge')
def capture(world, call, params, id):
    row = get(world, 'charge', id, 'id')
    if row['captured']:
        raise invalid(
            "Charge %s has already been captured." % id,
            'charge_already_captured')
    elif row['payment_intent']:
        raise invalid(
            "This Charge was created by a PaymentIntent (%s). You must "
            "capture the PaymentIntent instead of capturing the Charge "
            "directly." % row['payment_intent'])
    elif row.private.get('released'):
        raise invalid(
            "Charge %s has expired and cannot be captured." % id,
            'charge_expired_for_capture')
    elif row['status'] != 'succeeded':
        raise invalid("Charge %s did not succeed." % id)
    amount = params.get('amount', row['amount'])
    if amount > row['amount']:
        raise invalid(
            "The amount to capture is greater than the remaining amount.",
            'amount_too_large', 'amount')
    check_multiple(amount, row['currency'])
    capture_authorized(world, row, amount)
    return row
