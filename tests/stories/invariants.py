# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What must hold at any time, and at the end of a story."""
import re
from collections import Counter
from decimal import Decimal

from trytond.modules.account_payment_stripe.tests.stories.mail import (
    MailInvariants)
from trytond.modules.account_payment_stripe.tests.stories.records import (
    RecordInvariants)
from trytond.modules.account_payment_stripe.tests.stories.stage import (
    DIGITS, EXPONENTS, code_of)
from trytond.modules.account_payment_stripe.tests.stories.users import (
    CARDS, GOOD)
from trytond.pool import Pool
from trytond.transaction import Transaction

ROUNDS = 5
SECRETS = re.compile('|'.join([
            r'sk_test_\w+', r'whsec_\w+', r'_secret_\w{8,}',
            *CARDS.values()]))


class Invariants(MailInvariants, RecordInvariants):

    def _read(self, id_, model='account.payment'):
        with self.stage.transaction():
            table = Pool().get(model).__table__()
            cursor = Transaction().connection.cursor()
            cursor.execute(*table.select(where=table.id == id_))
            names = [c[0] for c in cursor.description]
            row = cursor.fetchone()
            return dict(zip(names, row)) if row else None

    def first(self, state, capturable=False):
        "Return the first payment in the state"
        for id_ in self.payments:
            row = self._read(id_)
            if row['state'] == state and (
                    not capturable or row['stripe_capturable']):
                return id_

    def _intents_of(self, id_):
        key = self._key(id_)
        return [
            i for i in self._objects('payment_intent').values()
            if i['metadata'].get('tryton_key') == key]

    def _key(self, id_):
        # The ids of those which are lost by a restore are given again
        return self._read(id_)['stripe_idempotency_key']

    def _intent_of(self, id_):
        current = self._read(id_)['stripe_payment_intent_id']
        for intent in self._intents_of(id_):
            if intent['id'] == current:
                return intent

    def _charged(self, id_):
        key = self._key(id_)
        return [
            m for m in self._ledger()
            if m['type'] == 'charge'
            and m['metadata'].get('tryton_key') == key]

    def _safety(self):
        "What must hold at any time"
        for id_ in self.payments:
            if len(self._charged(id_)) > 1:
                self.violation('doubled', "payment %s is charged twice", id_)
        self._check_owned()
        keys = Counter(
            r['metadata']['tryton_refund']
            for r in self._objects('refund').values()
            if 'tryton_refund' in r['metadata'])
        for key, count in keys.items():
            if count > 1:
                self.violation('doubled', "refund %s is sent twice", key)
        if self.stage.watch.unexpected:
            self.violation(
                'traceback', "nobody expected\n%s",
                '\n'.join(self.stage.watch.unexpected))
        if self.simulator.errors:
            self.violation(
                'simulator', "%s", '\n'.join(self.simulator.errors))

    def heal(self):
        "End all faults and let the crons run"
        self.tell("all faults end")
        self._count_hits()
        self.simulator.faults.clear()
        self.plan = self.commit_plan = None
        self.world.restore_key()
        self.restore_currencies()
        self.swap_back()
        if self.hits['events missed']:
            self.miss(None)
        self.mail('works')
        self.skew = 0
        self.work()
        self._play_out()

    def _play_out(self):
        "Let the crons run a bounded number of times"
        for round_ in range(ROUNDS):
            if round_:
                self.clock.advance(25 * 3600)
            # First without the help of the events
            for name in self.CRONS:
                self._played(lambda: self._cron(*self.CRONS[name]))
            self._deliver_all()
            if round_ and self._is_quiet():
                break

    def _deliver_all(self):
        for delivery in list(self.deliveries):
            self._post(delivery, None, False)

    def _is_quiet(self):
        "If another round could change nothing"
        if self.deliveries or self.tasks:
            return False
        for id_ in self.payments:
            row = self._read(id_)
            if row['state'] == 'processing' and not (
                    row['stripe_waiting_for'] in {
                        'payer', 'capture', 'transfer'}
                    and row['stripe_tries'] and row['stripe_tries'] > 1):
                return False
            if row['stripe_leased_until']:
                return False
        if any(r['status'] == 'pending'
                for r in self._objects('refund').values()):
            return False
        for id_ in self.refunds:
            row = self._read(id_, 'account.payment.stripe.refund')
            if row['state'] in {'approved', 'processing'}:
                return False
        for id_ in self.customers:
            row = self._read(id_, 'account.payment.stripe.customer')
            if row['stripe_token'] or row['stripe_leased_until']:
                return False
        with self.stage.transaction() as transaction:
            cursor = transaction.connection.cursor()
            cursor.execute("SELECT count(*) FROM account_payment_stripe_event "
                "WHERE state = 'failed'")
            return not cursor.fetchone()[0]

    def _count_hits(self):
        for rule in self.rules:
            if rule.hits:
                self.hits[rule.fault] += 1

    def verify(self):
        "Heal and compare Tryton with Stripe"
        self.heal()
        self._check_all()
        if self._pay_tabs():
            self._play_out()
            self._check_all()
        self._check_stranded()

    def _check_all(self):
        self._safety()
        stranded = set(filter(self._is_stranded, self.payments))
        for id_ in self.payments:
            self._check_partly(id_)
            if id_ not in stranded:
                self._check_payment(id_)
                self._check_records(id_)
        for id_ in self.refunds:
            row = self._read(id_, 'account.payment.stripe.refund')
            if row['payment'] not in stranded:
                self._check_refund(id_)
        for id_ in self.customers:
            self._check_customer(id_)
        self._check_events()
        self._check_mails()
        self._check_secrets()

    def _check_payment(self, id_):
        row = self._read(id_)
        way = self.ways[id_]
        charged = self._charged(id_)
        intents = self._intents_of(id_)
        current = row['stripe_payment_intent_id']
        currency = self.currency_of(id_)
        told = "payment %s is %s (%s, %s, %s)" % (
            id_, row['state'], row['amount'], row['stripe_waiting_for'],
            row['stripe_error_message'])
        if any(i['id'] == current and i['currency'] != code_of(currency)
                for i in intents) and row['state'] not in {'failed', 'draft'}:
            # What was right when it was booked may be told or not
            if id_ not in self.booked and (
                    row['stripe_waiting_for'] != 'check'
                    or row['state'] == 'succeeded'):
                self.violation('currency', "%s", told)
            return
        if charged:
            movement, = charged
            if movement['payment_intent'] != current:
                self.violation('lost', "%s, charged by %s", told,
                    movement['payment_intent'])
            left = self._left(movement)
            places = EXPONENTS[code_of(currency)]
            amount = Decimal(left).scaleb(-places)
            unit = Decimal(1).scaleb(-DIGITS[currency])
            # Even if the rest is exact again what was captured is shown
            parts = [
                amount, *(Decimal(p).scaleb(-places)
                    for p in self._parts(movement))]
            if amount % unit or (
                    any(p % unit for p in parts)
                    and row['stripe_waiting_for'] == 'check'):
                self.hits['digits too few'] += 1
                if (row['stripe_waiting_for'] != 'check'
                        or row['state'] == 'failed'):
                    self.violation('wrong amount', "%s, %s left", told, amount)
                return
            if left:
                if row['state'] == 'failed':
                    self.violation('failed but charged', "%s", told)
                elif row['state'] != 'succeeded':
                    self.violation('stuck', "%s, charged", told)
            elif row['state'] != 'failed':
                self.violation('wrong amount', "%s, nothing left", told)
            if Decimal(str(row['amount'])) != amount:
                self.violation('wrong amount', "%s, %s left", told, amount)
            return
        if row['state'] == 'succeeded':
            self.violation('succeeded but not charged', "%s", told)
        by_id = {i['id']: i for i in intents}
        for intent in intents:
            if intent['id'] == current:
                continue
            if intent['status'] in {'requires_capture', 'processing'}:
                self.violation('lost', "%s, but %s is %s", told,
                    intent['id'], intent['status'])
            if (intent['id'] in self.seen.get(id_, [])
                    and intent['id'] not in self.tabs.get(id_, [])
                    and intent['status'] != 'canceled'):
                self.violation('lost', "%s, but a browser can pay %s", told,
                    intent['id'])
        intent = by_id.get(current)
        status = intent and intent['status']
        if row['state'] == 'processing':
            if row['stripe_waiting_for'] not in {
                    'payer', 'capture', 'settlement', 'transfer'}:
                self.violation('stuck', "%s", told)
            if row['stripe_intent_status'] != status:
                self.violation('stuck', "%s, %s is %s at Stripe", told,
                    row['stripe_intent_status'], status)
            if (row['stripe_waiting_for'] == 'payer'
                    and way in GOOD
                    and not (intent and intent['last_payment_error'])
                    and status != 'requires_action'):
                self.violation('stuck', "%s, was never tried", told)
            if (row['stripe_waiting_for'] == 'capture'
                    and row['stripe_capture']
                    and intent['capture_method'] == 'manual'
                    and not row['stripe_error_message']):
                self.violation('stuck', "%s, was never captured", told)
        elif row['state'] == 'failed':
            if intent and status != 'canceled':
                self.violation('lost', "%s, but %s is %s", told, current,
                    status)
            if (way in GOOD and not self.may_fail[id_]
                    and not self._was_refused(intents)):
                self.violation('failed without reason', "%s", told)
        elif row['state'] == 'draft':
            if current:
                self.violation('lost', "%s, has %s", told, current)
        elif row['state'] == 'submitted':
            if status in {'requires_capture', 'processing'}:
                self.violation('stuck', "%s, %s is %s", told, current, status)

    def _was_refused(self, intents):
        return any(
            i['last_payment_error']
            # The second one as before 2025-03-31
            or i['cancellation_reason'] in {'expired', 'automatic'}
            for i in intents)

    def _parts(self, movement):
        "Return what Stripe says was captured and each refund of the charge"
        charge = self._objects('charge')[movement['charge']]
        return [charge['amount_captured'], *(
                r['amount'] for r in self._objects('refund').values()
                if r['charge'] == movement['charge'])]

    def _left(self, movement):
        refunded = sum(
            r['amount'] for r in self._objects('refund').values()
            if r['charge'] == movement['charge']
            and r['status'] == 'succeeded')
        lost = self._lost(movement['charge'])
        return max(movement['amount'] - refunded - lost, 0)

    def _check_customer(self, id_):
        row = self._read(id_, 'account.payment.stripe.customer')
        record = 'account.payment.stripe.customer,%s' % id_
        made = [
            c['id'] for c in self._objects('customer').values()
            if c['metadata'].get('tryton_record') == record]
        told = "customer %s has %s (%s)" % (
            id_, row['stripe_customer_id'], row['stripe_error_message'])
        if len(made) > 1:
            self.violation('doubled', "%s, Stripe has %s", told, made)
        if made != list(filter(None, [row['stripe_customer_id']])):
            self.violation('lost', "%s, Stripe has %s", told, made)
        if not made and not row['stripe_error_message']:
            self.violation('stuck', "%s", told)

    def _check_events(self):
        "Each event of ours is applied once, nothing foreign is kept"
        from trytond.modules.account_payment_stripe.event_handlers import (
            HANDLERS)
        with self.stage.transaction() as transaction:
            cursor = transaction.connection.cursor()
            cursor.execute('SELECT identifier, state, error_message '
                'FROM account_payment_stripe_event')
            rows = list(cursor)
        known = Counter(r[0] for r in rows)
        for identifier, count in known.items():
            if count > 1:
                self.violation('doubled', "event %s is there %s times",
                    identifier, count)
        here = self.world.objects('event')
        for identifier, state, error in rows:
            if state != 'applied' and (
                    identifier in here or not self.hits[
                        'key of another account']):
                self.violation('lost', "event %s is %s: %s", identifier,
                    state, error)
        ours = {
            self._read(p)['stripe_payment_intent_id'] for p in self.payments}
        events = self._objects('event')
        for id_, event in here.items():
            if event['type'] not in HANDLERS or self.ahead > 30 * 86400:
                # The rows of old events are deleted
                continue
            if event['created'] < (self.restored_at or 0):
                # Those of an intent that was forgotten but the last
                continue
            object_ = event['data']['object']
            intent = object_.get('payment_intent')
            if object_['object'] == 'payment_intent':
                intent = object_['id']
            if intent in ours and intent and id_ not in known:
                self.violation('lost', "event %s %s was dropped", id_,
                    event['type'])
        foreign = {
            i['id'] for i in self._objects('payment_intent').values()
            if i['metadata'].get('tryton_record') == 'sale.sale,1'}
        for id_ in known:
            object_ = events[id_]['data']['object']
            if foreign & {object_['id'], object_.get('payment_intent')}:
                self.violation('foreign', "event %s is not ours", id_)

    def _check_secrets(self):
        self._check_secret('\n'.join(self.stage.watch.lines), "the log")
        for page in self.pages:
            # The page of the payer needs the secret of the intent
            self._check_secret(
                re.sub(r'(pi|cuss)_\w*secret_\w+', '', page), "a page")
        with self.stage.transaction() as transaction:
            cursor = transaction.connection.cursor()
            cursor.execute('SELECT * FROM ir_error')
            for row in cursor:
                self._check_secret(str(row), "ir.error")
            cursor.execute('SELECT * FROM account_payment_stripe_event')
            for row in cursor:
                self._check_secret(str(row), "an event")

    def _check_secret(self, text, where):
        if found := SECRETS.search(text):
            start = max(found.start() - 200, 0)
            self.violation('secret', "%s is in %s: %s", found.group()[:12],
                where, text[start:start + 300])
