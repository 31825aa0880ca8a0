# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What happens at Stripe and on the way to it."""
import json
import time

import stripe

from trytond.modules.account_payment_stripe.tests.simulator.webhooks import (
    signature)
from trytond.modules.account_payment_stripe.tests.stories.mail import MODES
from trytond.modules.account_payment_stripe.tests.stories.stage import TIMEOUT
from trytond.tests.test_tryton import DB_NAME

HTTP_FAULTS = [
    'drop_before', 'drop_after', 'timeout_before', 'timeout_after',
    '500_before', '500_after', '503', '409', '429', '429_lock_timeout',
    '401', '403', 'malformed', 'down', '500_later', 'search_stale',
    'search_refused', 'other_empty', 'other_list', 'other_error',
    'other_part', 'other_words']
# When what was answered by 500_later is done, in seconds
LATER = {1: 600, 2: 4000, 3: 70000}
OTHER_FAULTS = [
    'killed', 'database conflict', 'database lost', 'key revoked',
    'gone three days', 'server clock', 'lease expired', 'at the same time',
    'webhook lost', 'webhook doubled', 'webhook shuffled', 'webhook late',
    'webhook early', 'newer version', 'forged webhook', 'foreign objects',
    'polled and posted', 'user meanwhile', 'declined', 'restored',
    'currency of a journal kept', 'currency of a journal changed',
    'events missed', 'restored at once', 'edited after restore',
    'page of before the restore',
    'page of before the restore pays', 'key of another account',
    'journal of another account', 'made by another key',
    'rest released by a refund', 'dispute prevented',
    'two disputes of a charge', 'dispute won late', 'dispute appealed',
    'dispute appeal won', 'dispute appeal lost', 'dispute reopened',
    'paid elsewhere: multibanco', 'paid elsewhere: konbini',
    'paid elsewhere: us_bank_account', 'paid elsewhere: customer_balance',
    'expired elsewhere', 'arrived in part',
    'two customers of one id', 'customer of another party refused',
    'customer deleted at Stripe', 'parties merged',
    'parties replaced each other',
    'digits too few', *('mail server %s' % m for m in MODES[1:])]


class AtStripe:

    # Webhooks

    @property
    def deliveries(self):
        return self.world.webhooks._held or []

    def deliver(self, count=1, order='first', double=False, version=None,
            type=None):
        "Post some of the events that wait"
        with self.world.lock:
            held = [
                d for d in self.deliveries if type in {None, d.event.type}]
            if not held:
                return
            if order == 'last':
                chosen = held[::-1][:count]
                self.hits['webhook shuffled'] += len(held) > 1
            elif order == 'middle':
                middle = len(held) // 2
                chosen = (held[middle:] + held[:middle])[:count]
                self.hits['webhook shuffled'] += len(held) > 1
            else:
                chosen = held[:count]
        for delivery in chosen:
            if self._depth:
                self.hits['webhook early'] += 1
            if double:
                self.hits['webhook doubled'] += 1
            self._post(delivery, version, double)

    def _post(self, delivery, version, double):
        event = delivery.event
        body = event.render(version or stripe.api_version)
        if version:
            self.hits['newer version'] += 1
            # Nothing but the identifiers can be counted on
            body['data']['object'] = {
                k: v for k, v in body['data']['object'].items()
                if k in {'id', 'object', 'payment_intent', 'charge'}}
            if body['data']['object']['object'] == 'charge':
                body['data']['object']['status'] = 'moved'
        if self.clock.now() - event.created > 24 * 3600:
            self.hits['webhook late'] += 1
        self.tell("webhook %s of %s%s%s", event.type,
            body['data']['object'].get('id'),
            ', newer version' if version else '', ', twice' if double else '')
        for _ in range(2 if double else 1):
            status = self._played(lambda: self._post_body(body))
        if status is not None and 200 <= status < 300:
            with self.world.lock:
                if delivery in self.deliveries:
                    self.deliveries.remove(delivery)
                    self.world.webhooks._finish(delivery, True)
        else:
            self.tell("answered %s", status)

    def _post_body(self, body, secret=None):
        content = json.dumps(body).encode()
        # The tolerance is against the clock of the server
        header = signature(
            int(time.time()), content, secret or self.secret)
        response = self._http(
            'POST', '/%s/r/account_payment_stripe/webhook/%s' % (
                DB_NAME, self.identifier),
            data=content, content_type='application/json',
            headers={'Stripe-Signature': header})
        return response.status_code

    def lose(self, count=1):
        "Stripe gives up some of the deliveries"
        webhooks = self.world.webhooks
        with self.world.lock:
            for delivery in self.deliveries[:count]:
                self.deliveries.remove(delivery)
                webhooks._lose(delivery)
                self.hits['webhook lost'] += 1
                self.tell("webhook %s is lost", delivery.event.type)

    def miss(self, types):
        "Stripe makes no events of the types, None: all again"
        self.tell("Stripe makes no events: %s", types)
        self.hits['events missed'] += bool(types)
        for world in self.worlds:
            world.miss_events(*filter(None, [types]))

    def forge(self, index=0):
        "Somebody posts what Stripe never sent"
        if self.hook == 'polled' or not self.payments:
            return
        id_ = self.payments[index % len(self.payments)]
        intent = self._read(id_)['stripe_payment_intent_id'] or 'pi_none'
        self.tell("forged webhook: payment %s is paid", id_)
        self.hits['forged webhook'] += 1
        status = self._played(lambda: self._post_body({
                    'id': 'evt_forged', 'object': 'event',
                    'type': 'payment_intent.succeeded',
                    'created': int(self.clock.now()),
                    'api_version': stripe.api_version,
                    'data': {'object': {
                            'id': intent, 'object': 'payment_intent',
                            'status': 'succeeded', 'amount_received': 1,
                            'amount_capturable': 0}},
                    }, secret='whsec_wrong'))
        if status is not None and not 400 <= status < 600:
            self.violation('forged', "a forged event was answered %s", status)

    # What happens at Stripe

    def dashboard(self, what, id_):
        "Somebody does it in Stripe's dashboard or at the bank"
        intent = self._intent_of(id_)
        if not intent:
            return
        charge = intent['latest_charge']
        self.tell("at Stripe: %s payment %s", what, id_)
        world = self._world_of(intent['id'])
        with self.outside(world) as client:
            try:
                if what == 'cancel':
                    client.payment_intents.cancel(intent['id'])
                    self.may_fail[id_].add('dashboard')
                elif what == 'refund':
                    client.refunds.create({'payment_intent': intent['id']})
                elif what == 'refund some':
                    client.refunds.create({
                            'payment_intent': intent['id'],
                            'amount': max(
                                intent['amount_received'] // 30 * 10, 10)})
                elif what == 'refund odd':
                    client.refunds.create({
                            'payment_intent': intent['id'],
                            'amount': 1050})
                elif what == 'capture':
                    client.payment_intents.capture(intent['id'])
                elif what in {'capture some', 'capture odd'}:
                    client.payment_intents.capture(intent['id'], {
                            'amount_to_capture': (
                                intent['amount'] // 300 * 100
                                + (what == 'capture odd') * 50)})
                elif what == 'dispute' and charge:
                    world.dispute(charge)
                elif what == 'dispute some' and charge:
                    world.dispute(
                        charge, amount=max(
                            intent['amount_received'] // 20 * 10, 10))
                elif what in {'lose', 'win'}:
                    for dispute in world.objects('dispute').values():
                        if dispute['payment_intent'] == intent['id']:
                            world.settle_dispute(
                                dispute['id'], won=what == 'win')
                elif what == 'bounce':
                    for refund in world.objects('refund').values():
                        if refund['payment_intent'] == intent['id']:
                            world.fail_refund(refund['id'])
            except (stripe.StripeError, ValueError) as e:
                self.tell("Stripe says: %s", e)

    def source(self, id_, status='chargeable'):
        "The payer completes the source"
        token = self._read(id_)['stripe_token']
        if token and token.startswith('src_'):
            self.tell("the source of payment %s is %s", id_, status)
            if status != 'chargeable':
                self.may_fail[id_].add('source')
            with self.outside():
                try:
                    self.world.chargeable(token, status)
                except Exception as e:
                    self.tell("Stripe says: %s", e)

    def foreign(self):
        "Another system uses the same account of Stripe"
        self.tell("another system is paid and refunds")
        self.hits['foreign objects'] += 1
        with self.outside() as client:
            intent = client.payment_intents.create({
                    'amount': 1000, 'currency': 'eur',
                    'payment_method': 'pm_card_visa', 'confirm': True,
                    'return_url': 'https://example.com/',
                    'metadata': {
                        'tryton_record': 'sale.sale,1',
                        'tryton_database': 'other'}})
            client.refunds.create({'payment_intent': intent.id})

    # Faults

    def fault(self, name, times=1, match=None):
        "Let the next requests fail"
        self.tell("Stripe: %s, %s times%s", name, times,
            ' on ' + match if match else '')
        seconds = 0
        if name.startswith('timeout'):
            seconds = TIMEOUT + .1
        elif name == '500_later':
            seconds = LATER.get(times, 600)
        elif name.startswith('search_'):
            match = None
        self.rules.append(self.simulator.faults.add(
                name, match, times=times, account=self.name,
                seconds=seconds))

    def kill(self, where, count):
        "Kill the process at a point of the next action"
        self.tell("(to be killed %s %s)", where, count)
        if where in {'before', 'after'}:
            self.plan = (where, count, 'kill')
        else:
            self.commit_plan = ('kill_' + where[len('commit_'):], count)

    def disturb(self, kind, count):
        "Let the database fail at a commit of the next action"
        self.tell("(the database fails, %s %s)", kind, count)
        self.commit_plan = (kind, count)

    def meanwhile(self, where, count, action):
        "Play the action while the next one waits for Stripe"
        self.plan = (where, count, action)

    def calm(self):
        "Forget what was to happen during an action that did not get there"
        self.plan = self.commit_plan = None

    def key(self, works):
        self.tell("the key %s", "works" if works else "is revoked")
        if works:
            self.world.restore_key()
        else:
            self.world.revoke_key()
            self.hits['key revoked'] += 1

    def gone(self):
        "Stripe can't be reached for three days, then it can"
        self.tell("Stripe is gone for three days")
        rule = self.simulator.faults.add('down', account=self.name)
        for _ in range(3):
            for name in ['charge', 'capture', 'refund', 'customer']:
                self._played(lambda: self._cron(*self.CRONS[name]))
            self.clock.advance(25 * 3600)
        self.simulator.faults.remove(rule)
        if rule.hits:
            self.hits['gone three days'] += 1

    def wait(self, seconds):
        self.tell("%s s later", seconds)
        self.clock.advance(seconds)

    def jump(self, seconds):
        "The clock of the server jumps"
        self.tell("the clock of the server jumps by %s s", seconds)
        self.skew += seconds
        self.ahead = max(self.ahead, self.skew)
        self.hits['server clock'] += 1

    def expire(self):
        "The leases end while the records are still carried"
        self.tell("the leases expire")
        if self._depth:
            self.hits['lease expired'] += 1
        with self.stage.transaction() as transaction:
            cursor = transaction.connection.cursor()
            for table in ['account_payment', 'account_payment_stripe_refund',
                    'account_payment_stripe_customer']:
                cursor.execute(
                    'UPDATE %s SET stripe_leased_until = NULL' % table)
