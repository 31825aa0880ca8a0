# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What people edit, and payers who come back to a page of long ago."""
from trytond.pool import Pool


class Edits:

    def edit(self, id_, what):
        "Edit the payment as far as its state allows"
        self.tell("edit the %s of payment %s", what, id_)
        state = self._read(id_)['state']
        if state not in {'draft', 'submitted', 'approved'}:
            return
        values = {}
        if what == 'reference':
            values.update(reference_type=None, reference="Edited")
        elif what == 'amount':
            if state != 'draft':
                return
            values['amount'] = self._amount_of(id_) * 2
        elif self.swapped:
            # The customer is of the first account
            return
        else:
            self.ways[id_] = 'page'
            customer, method = self._save_method('pm_card_visa')
            values['stripe_customer'] = customer
            if what == 'card':
                values['stripe_customer_payment_method'] = method
        if self.restored_at:
            self.hits['edited after restore'] += 1

        def write():
            Payment = Pool().get('account.payment')
            Payment.write([Payment(id_)], values)
        self._played(lambda: self._transaction(write))

    def _amount_of(self, id_):
        with self.stage.transaction(user=1, company=self.stage.company):
            return Pool().get('account.payment')(id_).amount

    def submit(self, id_):
        self.tell("submit payment %s", id_)

        def run():
            Payment = Pool().get('account.payment')
            payment = Payment(id_)
            if payment.state == 'draft':
                Payment.submit([payment])
        self._played(lambda: self._transaction(run))

    def old_tab(self, id_, which=0, card='visa'):
        "The payer pays with a page of before the database was restored"
        seen = self.tabs.get(id_)
        if not seen:
            return
        self.hits['page of before the restore'] += 1
        intent = seen[which % len(seen)]
        if self._pay(id_, intent, card, True):
            self.hits['page of before the restore pays'] += 1

    def _pay_tabs(self):
        "Let all who have such a page pay, and what is not cancelled counts"
        paid = False
        intents = self._objects('payment_intent')
        for id_, tabs in self.tabs.items():
            for intent in dict.fromkeys(tabs):
                if intents[intent]['status'] in {
                        'requires_payment_method', 'requires_confirmation',
                        'requires_action'}:
                    self.hits['page of before the restore pays'] += 1
                    self._pay(id_, intent, 'visa', True)
                    paid = True
        return paid
