# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What banks and card networks do with disputes, on a test's demand.

Stripe documents (https://docs.stripe.com/disputes/how-disputes-work,
/disputes/arbitration, /disputes/prevention): a late win moves a lost dispute
to won; a decision can be appealed; a dispute may be prevented, by a refund or
a withdrawal. charge.dispute.closed is documented for lost, warning_closed and
won only, and it is not said that it is sent a second time: it isn't here."""
from . import disputes, radar, refunds


class DisputeControls:
    "Controls of an account about disputes; most return the dispute"

    def dispute(self, charge_id, amount=None, reason='fraudulent',
            inquiry=False, due_in=disputes.ANSWERED_WITHIN):
        """Open a dispute as the payer's bank.

        It can be answered within due_in seconds, not at all with 0."""
        with self.lock, self.calling(None):
            return dict(disputes.open(
                    self, self._captured(charge_id), reason, amount,
                    inquiry or None, due_in))

    def _captured(self, charge_id):
        charge = self.table('charge').get(charge_id)
        if charge is None or not charge['captured']:
            raise ValueError("no captured charge %s" % charge_id)
        return charge

    def _dispute(self, dispute_id, *statuses):
        row = self.table('dispute').get(dispute_id)
        if row is None or statuses and row['status'] not in statuses:
            raise ValueError("no dispute %s that is %s" % (
                    dispute_id, ' or '.join(statuses)))
        return row

    def settle_dispute(self, dispute_id, won=True):
        "Decide a dispute, an inquiry or an appeal"
        with self.lock, self.calling(None):
            row = self._dispute(dispute_id)
            disputes.settle(self, row, won)
            return dict(row)

    def escalate_dispute(self, dispute_id):
        "Turn an inquiry into a chargeback"
        with self.lock, self.calling(None):
            row = self._dispute(dispute_id)
            disputes.escalate(self, row)
            return dict(row)

    def win_late(self, dispute_id):
        "Turn a lost dispute into one that is won: the money comes back"
        with self.lock, self.calling(None):
            row = self._dispute(dispute_id, 'lost')
            row.update(status='won', is_charge_refundable=True)
            disputes.reinstate(self, row)
            self.emit('charge.dispute.updated', row)
            return dict(row)

    def appeal_dispute(self, dispute_id, due_in=disputes.ANSWERED_WITHIN):
        """Let a decision be open to an appeal.

        The money stays where it is; evidence[appeal] moves the dispute on to
        appeal_under_review, settle_dispute() decides it."""
        with self.lock, self.calling(None):
            row = self._dispute(dispute_id, 'lost', 'under_review')
            row['status'] = 'appeal_needs_response'
            disputes.await_answer(self, row, due_in)
            self.emit('charge.dispute.updated', row)
            return dict(row)

    def reopen_dispute(self, dispute_id, due_in=disputes.ANSWERED_WITHIN):
        """Open a decided dispute again.

        What was given back is taken again; an inquiry stays one."""
        with self.lock, self.calling(None):
            row = self._dispute(dispute_id, 'won', 'lost', 'warning_closed')
            inquiry = row['status'].startswith('warning')
            row['status'] = (
                'warning_needs_response' if inquiry else 'needs_response')
            row['is_charge_refundable'] = inquiry
            disputes.await_answer(self, row, due_in)
            self.emit('charge.dispute.updated', row)
            if not inquiry and not row.private['withdrawn']:
                disputes.withdraw(self, row)
            return dict(row)

    def prevent_dispute(self, charge_id, how='withdrawal', amount=None,
            reason='fraudulent', case_type='resolution'):
        """Prevent a dispute (block, or rapid resolution).

        how says which way the payer gets the money: by a withdrawal, a
        refund, or None. No fee is taken for disputes."""
        if how not in {'withdrawal', 'refund', None}:
            raise ValueError(how)
        with self.lock, self.calling(None):
            charge = self._captured(charge_id)
            if amount is None:
                amount = refunds.refundable(self, charge)
            row = disputes.make(
                self, charge, reason, 'prevented', amount, case_type)
            row['is_charge_refundable'] = how is None
            self.emit('charge.dispute.created', row)
            if how == 'withdrawal':
                disputes.withdraw(self, row, fee=0)
            elif how == 'refund':
                refunds.execute(self, charge, amount, {})
            return dict(row)

    def warn_of_fraud(self, charge_id, fraud_type='made_with_stolen_card'):
        "Make an early fraud warning about a charge and return it"
        with self.lock, self.calling(None):
            return dict(radar.warn(
                    self, self._captured(charge_id), fraud_type))

    def change_dispute(self, dispute_id, status=None, amount=0, fee=0,
            events=('charge.dispute.updated',), **values):
        """Put a dispute into any state.

        amount is the money that it takes (below zero) or gives back, values
        are other attributes, events the types sent, in that order."""
        with self.lock, self.calling(None):
            row = self._dispute(dispute_id)
            if status:
                row['status'] = status
            for name, value in values.items():
                if name not in row:
                    raise ValueError("disputes have no %s" % name)
                row[name] = value
            if amount or fee:
                disputes.move(self, row, amount, fee)
            for type in events:
                self.emit(type, row)
            return dict(row)


CONTROLS = {k for k in vars(DisputeControls) if not k.startswith('_')}
