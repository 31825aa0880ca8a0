# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Vouchers and transfers of payers, and what banks do with disputes."""
from trytond.modules.account_payment_stripe.tests.simulator import (
    errors as simulator_errors)

OPEN = {
    'needs_response', 'under_review', 'warning_needs_response',
    'warning_under_review'}
DISPUTES = [
    'open', 'open', 'win', 'lose', 'lose', 'win late', 'win late', 'appeal',
    'appeal won', 'appeal lost', 'reopen', 'escalate',
    'prevented', 'prevented by refund', 'prevented only']
# As they happen
HISTORIES = [
    ['open', 'lose', 'win late'],
    ['open', 'lose', 'win late', 'reopen', 'lose'],
    ['open', 'lose', 'appeal', 'appeal won'],
    ['open', 'lose', 'appeal', 'appeal lost', 'win late'],
    ['open', 'win', 'reopen', 'win'],
    ['open', 'open', 'lose', 'win late'],
    ]
TRANSFERS = ['receive', 'receive some', 'receive odd', 'expire']


class Elsewhere:

    def pay_elsewhere(self, id_, which=0, by='voucher'):
        "The payer chooses on the page to pay later, and elsewhere"
        seen = self.seen.get(id_)
        if not seen:
            return
        intent = seen[which % len(seen)]
        row = self._objects('payment_intent')[intent]
        type_ = {
            'eur': 'multibanco', 'jpy': 'konbini', 'usd': 'us_bank_account',
            }.get(row['currency'])
        if by == 'transfer' and row['customer'] and row['currency'] in {
                'eur', 'usd', 'jpy'}:
            type_ = 'customer_balance'
        if type_ and self._pay(id_, intent, type_, True):
            self.hits['paid elsewhere: %s' % type_] += 1

    def transfer(self, what, id_):
        "What the payer transfers, or not in time"
        intent = self._intent_of(id_)
        if not intent or not intent['next_action']:
            return
        world = self._world_of(intent['id'])
        self.tell("%s of payment %s", what, id_)
        with self.outside():
            try:
                if what == 'expire':
                    world.expire_intent(intent['id'])
                    self.partly.discard(intent['id'])
                    self.hits['expired elsewhere'] += 1
                elif what == 'receive':
                    world.receive(intent['id'])
                else:
                    amount = intent['amount'] // 30 * 10 + (
                        what == 'receive odd')
                    world.receive(intent['id'], amount)
                    self.partly.add(intent['id'])
                    self.hits['arrived in part'] += 1
            except ValueError as e:
                self.tell("Stripe says: %s", e)

    def _check_partly(self, id_):
        for intent in self._intents_of(id_):
            if (intent['id'] in self.partly
                    and intent['status'] == 'canceled'
                    and 'dashboard' not in self.may_fail[id_]):
                self.violation('lost', "payment %s: %s is cancelled though a "
                    "part has arrived", id_, intent['id'])

    def bank(self, what, id_):
        "What the payer's bank does with the disputes of the payment"
        intent = self._intent_of(id_)
        if not intent or not intent['latest_charge']:
            return
        world, charge = self._world_of(intent['id']), intent['latest_charge']
        disputes = [
            d for d in self._objects('dispute').values()
            if d['payment_intent'] == intent['id']]
        self.tell("the bank: %s, payment %s", what, id_)
        some = max(intent['amount_received'] // 20 * 10, 10)
        with self.outside():
            try:
                if what.startswith('prevented'):
                    world.prevent_dispute(
                        charge, amount=some, how={
                            'prevented': 'withdrawal',
                            'prevented by refund': 'refund',
                            }.get(what))
                    self.hits['dispute prevented'] += 1
                elif what == 'open':
                    world.dispute(charge, amount=some)
                    self.hits['two disputes of a charge'] += bool(disputes)
                for dispute in disputes[:1]:
                    self._decide(world, what, dispute['id'])
            except (simulator_errors.StripeError, ValueError) as e:
                self.tell("Stripe says: %s", e)

    def _decide(self, world, what, dispute):
        if what == 'win late':
            world.win_late(dispute)
            self.hits['dispute won late'] += 1
        elif what == 'appeal':
            world.appeal_dispute(dispute)
            self.hits['dispute appealed'] += 1
        elif what in {'appeal won', 'appeal lost'}:
            status = world.objects('dispute')[dispute]['status']
            if status.startswith('appeal'):
                world.settle_dispute(dispute, won=what == 'appeal won')
                self.hits['dispute ' + what] += 1
        elif what in {'win', 'lose'}:
            world.settle_dispute(dispute, won=what == 'win')
        elif what == 'reopen':
            world.reopen_dispute(dispute)
            self.hits['dispute reopened'] += 1
        elif what == 'escalate':
            world.escalate_dispute(dispute)

    def _lost(self, charge):
        "Return what disputes took of the charge for good"
        lost = 0
        for dispute in self._objects('dispute').values():
            if dispute['charge'] != charge or dispute['status'] in OPEN:
                continue
            lost += max(-sum(
                    r['amount'] for r in dispute['balance_transactions']), 0)
        return lost
