# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the records of refunds and disputes must tell."""
from collections import Counter
from decimal import Decimal

from trytond.modules.account_payment_stripe.tests.stories.stage import (
    DIGITS, EXPONENTS, code_of)
from trytond.pool import Pool
from trytond.transaction import Transaction

REFUND = 'account.payment.stripe.refund'
DISPUTE = 'account.payment.stripe.dispute'
STATES = {'succeeded': 'succeeded', 'failed': 'failed', 'canceled': 'failed'}


class RecordInvariants:

    def _check_refund(self, id_):
        row = self._read(id_, 'account.payment.stripe.refund')
        key = row['stripe_idempotency_key']
        sent = [
            r for r in self._objects('refund').values()
            if r['metadata'].get('tryton_refund') == key]
        told = "refund %s is %s (%s, %s)" % (
            id_, row['state'], row['amount'], row['stripe_error_message'])
        if not sent:
            if row['state'] in {'approved', 'processing'}:
                self.violation('stuck', "%s, not sent", told)
            elif row['state'] == 'succeeded':
                self.violation('wrong amount', "%s, not sent", told)
            elif row['state'] == 'failed' and not row['stripe_error_message']:
                self.violation('failed without reason', "%s", told)
            return
        refund, = sent
        state = STATES.get(refund['status'], 'processing')
        if row['state'] != state:
            self.violation('stuck' if row['state'] == 'processing'
                else 'wrong amount', "%s, %s at Stripe", told,
                refund['status'])
        places = EXPONENTS[refund['currency']]
        amount = Decimal(refund['amount']).scaleb(-places)
        if Decimal(str(row['amount'])) != amount:
            self.violation('wrong amount', "%s, %s at Stripe", told, amount)

    def _check_records(self, id_):
        "Each refund and dispute of the payment at Stripe has one record"
        row = self._read(id_)
        charge = self._objects('charge').get(row['stripe_charge_id'])
        if (not charge or row['stripe_waiting_for'] == 'check'
                or charge['currency'] != code_of(self.currency_of(id_))):
            # Nothing is known, or something does not fit
            return
        intent = self._objects('payment_intent').get(charge['payment_intent'])
        if intent and not intent['amount_received']:
            # It has bounced, so that nothing is left to be disputed
            return
        if charge['amount'] == charge['amount_captured']:
            # Else one may be the release of the rest, which is no refund
            self._check_told(
                id_, charge, 'refund', REFUND, 'stripe_refund_id',
                lambda refund: STATES.get(refund['status'], 'processing'))
        self._check_told(
            id_, charge, 'dispute', DISPUTE, 'identifier',
            lambda dispute: dispute['status'])

    def _check_told(self, id_, charge, kind, model, name, state_of):
        with self.stage.transaction():
            table = Pool().get(model).__table__()
            cursor = Transaction().connection.cursor()
            cursor.execute(*table.select(
                    getattr(table, name), table.state,
                    where=table.payment == id_))
            unit = Decimal(1).scaleb(-DIGITS[self.currency_of(id_)])
            rows = [(i, state) for i, state in cursor if i]
        counts = Counter(i for i, _ in rows)
        states = dict(rows)
        for object_ in self._objects(kind).values():
            amount = Decimal(object_['amount']).scaleb(
                -EXPONENTS[object_['currency']])
            if object_['charge'] != charge['id'] or (
                    # Together they may be exact
                    kind == 'refund' and amount % unit):
                continue
            if counts[object_['id']] != 1:
                self.violation(
                    'doubled' if counts[object_['id']] else 'lost',
                    "%s %s of payment %s has %s records", kind,
                    object_['id'], id_, counts[object_['id']])
            elif states[object_['id']] not in {state_of(object_), 'unknown'}:
                self.violation(
                    'stuck', "%s %s of payment %s is %s, %s at Stripe", kind,
                    object_['id'], id_, states[object_['id']],
                    object_['status'])
