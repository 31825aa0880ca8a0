# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What refunds and disputes took of a charge.

Knows no Tryton model and asks nobody. Amounts are in Stripe's minor unit.
"""
from fractions import Fraction

from .amount import from_stripe

__all__ = ['find_release', 'is_booked_whole', 'movements', 'of_disputes']

# Since then nothing is refunded when a part is captured, except for requests
# of an older version of the API
# https://docs.stripe.com/changelog/basil/2025-03-31/remove-refund-from-partial-capture-and-payment-cancellation-flow
BASIL = 1743379200

# The bank has not decided. All others are decided by the money: those that
# Stripe has added since, prevented and the appeals, come after a decision
# https://docs.stripe.com/api/disputes/object#dispute_object-status
OPEN = frozenset([
        'needs_response', 'under_review',
        'warning_needs_response', 'warning_under_review'])
# What is told with the movements of a dispute and is not the disputed money
FEES = frozenset(['fee', 'network_cost', 'tax'])
OTHER_MONEY = FEES | {
    'refund', 'refund_failure', 'partial_capture_reversal'}
# Less than that is taken for rounding, or where Stripe does not tell the rates
# for a change of the rate between the withdrawal and the return
ROUNDING = Fraction(1, 100)
RATE_CHANGE = Fraction(1, 10)
# What differs by more than that is another amount
UNLIKE = Fraction(1, 20)


def find_release(charge, captured, refunds):
    """Return the refund by which Stripe released what was not captured.

    charge, refunds: the dictionaries of Stripe, all refunds of the charge.
    captured: what was captured of the charge.
    Return the dictionary, or None, and whether it is sure: if it is not, a
    person may have refunded just as much, which is_booked_whole tells.
    """
    released = charge['amount'] - captured
    if not captured or released <= 0 or not refunds:
        return None, True
    # Nothing can be refunded before it is captured
    oldest = min(refunds, key=lambda r: r['created'])
    first = [
        r for r in refunds
        if r['created'] == oldest['created']
        and r['amount'] == released
        and r['status'] == 'succeeded'
        # A person or a program has asked for those
        and not r.get('reason')
        and not r.get('metadata')]
    if not first:
        return None, True
    # They are listed newest first
    refund = first[-1]
    given = sum(
        r['amount'] for r in refunds if r['status'] == 'succeeded')
    return refund, (
        charge['created'] < BASIL
        or given > captured
        # A refund that failed moved no money
        or not refund.get('balance_transaction'))


def is_booked_whole(charge, captured):
    """Return if Stripe booked the whole charge though a part was captured.

    charge: the dictionary of Stripe with its balance transaction.
    The rest is booked back by a refund then. None if it is not known.
    """
    booked = charge.get('balance_transaction')
    if not isinstance(booked, dict):
        return None
    values = {Fraction(booked['amount'])}
    if booked['currency'] != charge['currency']:
        if not booked.get('exchange_rate'):
            return None
        value = booked['amount'] / Fraction(booked['exchange_rate'])
        # It is not told whether the rate is of the minor units
        units = [
            Fraction(from_stripe(1, o['currency'].upper()))
            for o in [booked, charge]]
        values = {value, value * units[0] / units[1]}
    difference, whole = min(
        (abs(value - expected) / expected, whole)
        for value in values
        for expected, whole in [(charge['amount'], True), (captured, False)])
    return whole if difference < UNLIKE else None


def of_disputes(disputes, refunds=()):
    """Return what was lost, what is at risk and the dispute to be shown.

    disputes: the dictionaries of all disputes of a charge, newest first.
    refunds: of the same charge, what moved the same money is left out.
    """
    refunds = {r.get('balance_transaction') for r in refunds}
    lost = at_risk = 0
    for dispute in disputes:
        dispute_lost, dispute_at_risk = _of_dispute(dispute, refunds)
        lost += dispute_lost
        at_risk += dispute_at_risk
    shown = None
    for dispute in disputes:
        if dispute['status'] in OPEN:
            shown = dispute
            break
    else:
        if disputes:
            shown = disputes[0]
    return lost, at_risk, shown


def movements(dispute):
    """Return the currency of the settlement, None if the balance is not moved,
    what was withdrawn, what was given back and the fees of the dispute."""
    rows = dispute.get('balance_transactions') or []
    currencies = {r['currency'] for r in rows}
    if len(currencies) != 1:
        return None, 0, 0, 0
    currency, = currencies
    amounts = [
        r['amount'] for r in rows
        if r.get('reporting_category') not in OTHER_MONEY]
    fee = sum(r['fee'] for r in rows) - sum(
        r['amount'] for r in rows
        if r.get('reporting_category') in FEES)
    return (
        currency, -sum(a for a in amounts if a < 0),
        sum(a for a in amounts if a > 0), fee)


def _of_dispute(dispute, refunds):
    "Return what was lost in the dispute and what is at risk"
    status = dispute['status']
    rows = [
        r for r in dispute.get('balance_transactions') or []
        if r['id'] not in refunds
        and r.get('reporting_category') not in OTHER_MONEY]
    if not rows:
        if status in OPEN:
            # An inquiry takes nothing, for others it is about to be taken
            return 0, (
                0 if status.startswith('warning') else dispute['amount'])
        elif status == 'lost' or status.startswith('appeal'):
            # Only the word is known
            return dispute['amount'], 0
        return 0, 0
    gone = _gone(dispute, rows)
    if status in OPEN or (
            # It is about to be given back
            status == 'won' and not any(r['amount'] > 0 for r in rows)):
        return 0, gone
    # Also of an appeal: it was lost, until it is given back
    return gone, 0


def _gone(dispute, rows):
    "Return what was withdrawn and not given back, in the charge's currency"
    if all(r['currency'] == dispute['currency'] for r in rows):
        return max(-sum(r['amount'] for r in rows), 0)
    # They are in the currency of the settlement, so that only the proportion
    # tells
    rated = all(r.get('exchange_rate') for r in rows)

    def value(row):
        return Fraction(row['amount']) / (
            Fraction(row['exchange_rate']) if rated else 1)
    withdrawn = -sum(value(r) for r in rows if r['amount'] < 0)
    returned = sum(value(r) for r in rows if r['amount'] > 0)
    if returned >= withdrawn:
        return 0
    kept = (withdrawn - returned) / withdrawn
    if returned and kept < (ROUNDING if rated else RATE_CHANGE):
        return 0
    return round(dispute['amount'] * kept)
