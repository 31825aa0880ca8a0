# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What payers do elsewhere, on a test's demand."
from . import elsewhere, refunds


class PayerControls:
    "Controls of an account about intents; most return the intent"

    def receive(self, intent_id, amount=None):
        """Let the money of a voucher, QR code or bank transfer come.

        A bank transfer may be of an amount that is less or more; for
        micro-deposits the payer verifies the bank account."""
        with self.lock, self.calling(None):
            intent = self.find(intent_id)
            elsewhere.receive(self, intent, amount)
            return dict(intent)

    def expire_intent(self, intent_id):
        "Let the time end in which the payer can pay elsewhere"
        with self.lock, self.calling(None):
            intent = self.find(intent_id)
            elsewhere.expire(self, intent)
            return dict(intent)

    def claim_refund(self, refund_id):
        "Name the account for a refund that requires it; return the refund"
        with self.lock, self.calling(None):
            row = self.table('refund').get(refund_id)
            if row is None or row['status'] != 'requires_action':
                raise ValueError("nothing to claim of %s" % refund_id)
            refunds.succeed(self, row)
            return dict(row)

    def cash_balance(self, customer_id):
        "Return what a customer transferred and isn't applied, by currency"
        with self.lock:
            customer = self.table('customer').get(customer_id)
            return {
                k: v for k, v in customer.private.get('cash', {}).items()
                if v}

    def change_intent(self, intent_id, status=None, events=(), **values):
        """Put an intent into any status, also one that nobody has heard of.

        values are other attributes, events the types sent, in that order."""
        with self.lock, self.calling(None):
            intent = self.find(intent_id)
            if status:
                values['status'] = status
            for name, value in values.items():
                if name not in intent:
                    raise ValueError("intents have no %s" % name)
                intent[name] = value
            for type in events:
                self.emit(type, intent)
            return dict(intent)


CONTROLS = {k for k in vars(PayerControls) if not k.startswith('_')}
