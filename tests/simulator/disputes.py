# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Disputes and inquiries."
import stripe

from . import balance
from .api import check_filters, endpoint, get, listing, merge_metadata
from .errors import StripeError, invalid
from .objects import shape

_Dispute = stripe.Dispute
_REASON_CODES = {
    'fraudulent': '10.4',
    'product_not_received': '13.1',
    'duplicate': '12.6.1',
    'product_unacceptable': '13.3',
    'credit_not_processed': '13.6',
    'general': '12.5',
    }
INQUIRY_DELAY = 60
CLOSED = {'won', 'lost', 'warning_closed', 'prevented'}


def open(world, charge, reason, amount=None, inquiry=None):
    "Open a dispute of the charge as the payer's bank does"
    if inquiry is None:
        inquiry = reason == 'inquiry'
    if reason == 'inquiry':
        reason = 'fraudulent'
    status = 'warning_needs_response' if inquiry else 'needs_response'
    details = charge['payment_method_details']
    type = details['type']
    method = {'type': type}
    if type == 'card':
        brand = details['card']['brand']
        method['card'] = shape(
            _Dispute.PaymentMethodDetails.Card,
            brand=brand,
            case_type='inquiry' if inquiry else 'chargeback',
            network=brand,
            network_reason_code=_REASON_CODES.get(reason, '10.4'))
    row = world.create(
        'dispute',
        amount=charge['amount_captured'] if amount is None else amount,
        balance_transactions=[],
        charge=charge['id'],
        currency=charge['currency'],
        enhanced_eligibility_types=[],
        evidence=shape(_Dispute.Evidence, enhanced_evidence={}),
        evidence_details=shape(
            _Dispute.EvidenceDetails,
            due_by=world.now() + 9 * 24 * 60 * 60,
            enhanced_eligibility={},
            has_evidence=False,
            past_due=False,
            submission_count=0),
        is_charge_refundable=inquiry,
        metadata={},
        payment_intent=charge['payment_intent'],
        payment_method_details=method,
        reason=reason,
        status=status)
    charge['disputed'] = True
    charge['dispute'] = row['id']
    world.emit('charge.dispute.created', row)
    if not inquiry:
        _withdraw(world, row)
    return row


def _withdraw(world, row):
    _move(world, row, -row['amount'], balance.DISPUTE_FEE, 'dispute',
        "Chargeback withdrawal for %s" % row['charge'])
    world.emit('charge.dispute.funds_withdrawn', row)


def _move(world, row, amount, fee, category, description):
    charge = world.table('charge').get(row['charge'])
    item = balance.movement(
        world, 'adjustment', charge, amount, row, fee, category, description)
    row['balance_transactions'] = row['balance_transactions'] + [item]
    if row['balance_transaction'] is None:
        row['balance_transaction'] = item['id']


def settle(world, row, won):
    "Close the dispute"
    if row['status'] in CLOSED:
        return
    if row['status'].startswith('warning'):
        row['status'] = 'warning_closed'
    elif won:
        row.update(status='won', is_charge_refundable=True)
        _move(world, row, row['amount'], 0, 'dispute_reversal',
            "Chargeback reversal for %s" % row['charge'])
        world.emit('charge.dispute.funds_reinstated', row)
    else:
        row['status'] = 'lost'
    world.emit('charge.dispute.closed', row)


def escalate(world, row):
    "Turn an inquiry into a chargeback"
    if not row['status'].startswith('warning') or row['status'] in CLOSED:
        return
    details = row['payment_method_details']
    row.update(
        status='needs_response', is_charge_refundable=False,
        payment_method_details=dict(
            details, card=dict(details['card'], case_type='chargeback')),
        evidence_details=dict(
            row['evidence_details'], submission_count=0,
            has_evidence=False))
    world.emit('charge.dispute.updated', row)
    _withdraw(world, row)


_PATH = '/v1/disputes'


@endpoint('GET', _PATH, 'DisputeListParams', 'dispute', many=True)
def list_disputes(world, call, params):
    check_filters(world, params, 'charge', 'payment_intent')
    where = None
    for name in ['charge', 'payment_intent']:
        if params.get(name):
            where = (name, [params[name]])

    def keep(row):
        return all(
            not params.get(k) or row[k] == params[k]
            for k in ['charge', 'payment_intent'])
    return listing(world, call, params, 'dispute', where, keep)


@endpoint('GET', _PATH + '/{id}', 'DisputeRetrieveParams', 'dispute')
def retrieve(world, call, params, id):
    return get(world, 'dispute', id, 'dispute')


@endpoint('GET', '/v1/charges/{id}/dispute', 'DisputeRetrieveParams',
    'dispute')
def retrieve_of_charge(world, call, params, id):
    return _of_charge(world, id)


def _of_charge(world, id):
    charge = get(world, 'charge', id, 'id')
    if not charge['dispute']:
        raise invalid("No dispute for charge: %s" % id, status=404)
    return world.table('dispute').get(charge['dispute'])


@endpoint('POST', '/v1/charges/{id}/dispute', 'DisputeUpdateParams',
    'dispute')
def update_of_charge(world, call, params, id):
    return _update(world, _of_charge(world, id), params)


@endpoint('POST', '/v1/charges/{id}/dispute/close', 'DisputeCloseParams',
    'dispute')
def close_of_charge(world, call, params, id):
    return _close(world, _of_charge(world, id))


@endpoint('POST', _PATH + '/{id}', 'DisputeUpdateParams', 'dispute')
def update(world, call, params, id):
    return _update(world, get(world, 'dispute', id, 'dispute'), params)


def _closed():
    return StripeError(
        400, 'invalid_request_error', "This dispute is already closed")


def _update(world, row, params):
    if row['status'] in CLOSED:
        raise _closed()
    merge_metadata(row, params)
    evidence = params.get('evidence')
    details = dict(row['evidence_details'])
    if evidence:
        row['evidence'] = dict(row['evidence'], **evidence)
        details['has_evidence'] = any(
            v for k, v in row['evidence'].items()
            if k != 'enhanced_evidence')
    submitted = evidence and params.get('submit', True)
    if submitted:
        details['submission_count'] += 1
        if row['status'].startswith('warning'):
            row['status'] = 'warning_under_review'
        else:
            row['status'] = 'under_review'
    row['evidence_details'] = details
    world.emit('charge.dispute.updated', row)
    if submitted:
        text = row['evidence'].get('uncategorized_text')
        delay = world.settings.evidence_delay
        if row['status'].startswith('warning'):
            # Inquiries were seen to stay under review
            delay = max(delay, INQUIRY_DELAY)
        if text == 'winning_evidence':
            world.later(delay, settle, row, True)
        elif text == 'losing_evidence':
            world.later(delay, settle, row, False)
        elif text == 'escalate_inquiry_evidence':
            world.later(delay, escalate, row)
    return row


@endpoint('POST', _PATH + '/{id}/close', 'DisputeCloseParams', 'dispute')
def close(world, call, params, id):
    return _close(world, get(world, 'dispute', id, 'dispute'))


def _close(world, row):
    if row['status'] in CLOSED:
        raise _closed()
    settle(world, row, False)
    return row
