# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Disputes and inquiries, as the payer's bank opens and decides them."
import stripe

from . import balance, radar
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
# Recorded: whatever the reason
_INQUIRY_CODE = '10'
INQUIRY_DELAY = 60
ANSWERED_WITHIN = 9 * 24 * 60 * 60
CLOSED = {'won', 'lost', 'warning_closed', 'prevented'}
# Payers of direct debits get their money back from the bank, for good
FINAL = {'sepa_debit', 'bacs_debit', 'us_bank_account', 'acss_debit'}


def open(world, charge, reason, amount=None, inquiry=None,
        due_in=ANSWERED_WITHIN):
    """Open a dispute of the charge as the payer's bank does.

    It can be answered within due_in seconds, not at all with 0. What banks
    reverse of direct debits is final: lost from the start, closed at once."""
    if inquiry is None:
        inquiry = reason == 'inquiry'
    if reason == 'inquiry':
        reason = 'fraudulent'
    final = charge['payment_method_details']['type'] in FINAL
    status = 'lost' if final else (
        'warning_needs_response' if inquiry else 'needs_response')
    row = make(
        world, charge, reason, status,
        charge['amount_captured'] if amount is None else amount,
        'inquiry' if inquiry else 'chargeback', 0 if final else due_in)
    world.emit('charge.dispute.created', row)
    radar.charge_changed(world, charge)
    if not inquiry or final:
        withdraw(world, row)
    if final:
        world.emit('charge.dispute.closed', row)
    return row


def make(world, charge, reason, status, amount, case_type, due_in=0):
    "Return a new dispute of the charge, no money has moved"
    details = charge['payment_method_details']
    type = details['type']
    method = {'type': type}
    if type == 'card':
        brand = details['card']['brand']
        method['card'] = shape(
            _Dispute.PaymentMethodDetails.Card,
            brand=brand,
            case_type=case_type,
            network=brand,
            network_reason_code=_INQUIRY_CODE if case_type == 'inquiry'
            else _REASON_CODES.get(reason, '10.4'))
    row = world.create(
        'dispute',
        amount=amount,
        balance_transactions=[],
        charge=charge['id'],
        currency=charge['currency'],
        enhanced_eligibility_types=[],
        evidence=shape(_Dispute.Evidence, enhanced_evidence={}),
        evidence_details=shape(
            _Dispute.EvidenceDetails,
            due_by=0,
            enhanced_eligibility={},
            has_evidence=False,
            past_due=False,
            submission_count=0),
        is_charge_refundable=case_type == 'inquiry',
        metadata={},
        payment_intent=charge['payment_intent'],
        payment_method_details=method,
        reason=reason,
        status=status)
    charge['disputed'] = True
    charge['dispute'] = row['id']
    # In the currency of the charge
    row.private['withdrawn'] = 0
    await_answer(world, row, due_in)
    return row


def await_answer(world, row, due_in=ANSWERED_WITHIN):
    "Give due_in seconds to answer; who doesn't has lost"
    due_by = world.now() + due_in if due_in else 0
    row['evidence_details'] = dict(
        row['evidence_details'], due_by=due_by, has_evidence=False,
        past_due=False, submission_count=0)
    if due_by:
        world.later(due_in, _unanswered, row, due_by)


def _unanswered(world, row, due_by):
    details = row['evidence_details']
    if (details['due_by'] != due_by
            or not row['status'].endswith('needs_response')):
        return
    row['evidence_details'] = dict(details, past_due=True)
    if not row['status'].startswith('warning'):
        settle(world, row, False)


def withdraw(world, row, amount=None, fee=None):
    "Take the money from the account"
    if fee is None:
        fee = world.settings.dispute_fee
    move(world, row, -(row['amount'] if amount is None else amount), fee)
    world.emit('charge.dispute.funds_withdrawn', row)


def reinstate(world, row):
    "Give back what was taken"
    if row.private['withdrawn']:
        move(world, row, row.private['withdrawn'])
        world.emit('charge.dispute.funds_reinstated', row)


def move(world, row, amount, fee=0):
    "Record money that a dispute takes (below zero) or gives back"
    charge = world.table('charge').get(row['charge'])
    category, text = 'dispute', "Chargeback withdrawal for %s"
    if amount > 0:
        category, text = 'dispute_reversal', "Chargeback reversal for %s"
    item = balance.movement(
        world, 'adjustment', charge, amount, row, fee, category,
        text % charge['id'])
    row.private['withdrawn'] -= amount
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
        reinstate(world, row)
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
        payment_method_details=dict(details, card=dict(
                details['card'], case_type='chargeback',
                network_reason_code=_REASON_CODES.get(
                    row['reason'], '10.4'))))
    await_answer(world, row)
    world.emit('charge.dispute.updated', row)
    withdraw(world, row)


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
    appeal = row['status'].startswith('appeal')
    if evidence and appeal != ('appeal' in evidence):
        # https://docs.stripe.com/changelog/endive/2026-10-28
        raise invalid(
            "Only appeal evidence can be submitted during an appeal."
            if appeal else
            "Appeal evidence can only be submitted during an appeal.",
            param='evidence')
    details = dict(row['evidence_details'])
    if evidence:
        row['evidence'] = dict(row['evidence'], **evidence)
        details['has_evidence'] = any(
            v for k, v in row['evidence'].items()
            if k != 'enhanced_evidence')
    submitted = evidence and params.get('submit', True)
    if submitted:
        details['submission_count'] += 1
        stage = row['status'].replace('needs_response', '').replace(
            'under_review', '')
        row['status'] = stage + 'under_review'
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
