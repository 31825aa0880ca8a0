# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Misbehaviour on demand.

A rule has a fault and says which requests it hits: match is a method and a
path, as 'POST /v1/payment_intents/*/confirm', where * stands for one segment
and ** for any; times is how many of the next requests, share the probability
(seeded); account the name of the world."""
import itertools
import random
import re
import threading

FAULTS = {
    'drop_before': "close the connection, nothing is executed",
    'drop_after': "execute, then close the connection",
    'timeout_before': "hang for seconds, then close, nothing is executed",
    'timeout_after': "execute, hang for seconds, then close",
    'latency': "answer seconds later",
    '500_before': "saved 500, nothing is executed",
    '500_after': "execute, then answer a saved 500",
    '500_later': "saved 500, executed seconds later",
    '503': "unsaved 503, nothing is executed",
    '409': "another request uses the idempotency key",
    '429': "too many requests",
    '429_lock_timeout': "another request works on the object",
    '401': "the key is wrong",
    '403': "the key lacks the permission",
    'search_stale': "search finds what was seconds ago (an hour)",
    'search_refused': "the account's country has no search",
    'malformed': "execute, then answer truncated JSON",
    'other_empty': "execute, then answer an empty object",
    'other_list': "execute, then answer an empty list",
    'other_error': "execute, then answer an error with the status 200",
    'other_part': "execute, then answer only the id and kind of the object",
    'other_object': "execute, then answer another object of the kind",
    'other_words': "nothing is executed, refuse in other words than Stripe",
    'down': "refuse everything",
    }

# What is answered instead of the object
OTHERS = {
    'other_empty': {},
    'other_list': {'object': 'list', 'data': [], 'has_more': False},
    'other_error': {'error': {'message': "Try later", 'type': 'api_error'}},
    }
# What somebody else on the way may say
OTHER_WORDS = {'error': {'message': 5, 'code': 6, 'param': [], 'type': None}}


def other_body(fault, body):
    """Return the dictionary that is answered instead of the one of Stripe.

    body: that of Stripe.
    """
    if fault == 'other_part':
        return {n: body[n] for n in ['id', 'object'] if n in body}
    elif fault == 'other_object':
        return {**body, 'id': 'other_%s' % body.get('id')}
    elif fault == 'other_list' and 'data' in body:
        # It would be an answer
        return {}
    return OTHERS[fault]


class Rule:
    "A fault and the requests that it hits; hits counts them"

    def __init__(self, fault, match=None, times=None, share=None,
            account=None, seconds=None, seed=0, reason='endpoint-rate',
            should_retry=None, after=0):
        if fault not in FAULTS:
            raise ValueError("unknown fault %s" % fault)
        if fault.startswith('search_'):
            match = match or 'GET /v1/*/search'
        self.fault = fault
        self.match = match
        self.times = times
        self.share = share
        self.account = account
        self.seconds = seconds
        self.reason = reason
        self.should_retry = should_retry
        # How many requests go well before
        self.after = after
        self.hits = 0
        self.id = None
        self._random = random.Random(seed)
        self._pattern = self._compile(match) if match else None

    @staticmethod
    def _compile(match):
        method, _, path = match.rpartition(' ')
        pattern = re.escape(path).replace(r'\*\*', '.*').replace(
            r'\*', '[^/]+')
        method = re.escape(method).replace(r'\*', '.*') or '.*'
        return re.compile('%s %s\\Z' % (method, pattern))

    def applies(self, method, path, account):
        if self.times is not None and self.hits >= self.times:
            return False
        if self.account and self.account != account:
            return False
        if self._pattern and not self._pattern.match(method + ' ' + path):
            return False
        if self.share is not None and self._random.random() >= self.share:
            return False
        if self.after:
            self.after -= 1
            return False
        self.hits += 1
        return True

    def describe(self):
        return {
            k: getattr(self, k) for k in [
                'id', 'fault', 'match', 'times', 'share', 'account',
                'seconds', 'hits']}


class Faults:
    "The rules in force, the first added is tried first"

    def __init__(self):
        self.rules = []
        self._lock = threading.Lock()
        self._ids = itertools.count(1)

    def add(self, fault, match=None, **options):
        "Add a rule and return it"
        rule = Rule(fault, match, **options)
        with self._lock:
            rule.id = next(self._ids)
            self.rules.append(rule)
        return rule

    def remove(self, rule):
        with self._lock:
            if rule in self.rules:
                self.rules.remove(rule)

    def clear(self):
        "Remove every rule"
        with self._lock:
            self.rules = []

    def take(self, method, path, account):
        "Return the rules that hit the request, at most one besides latency"
        if not self.rules:
            return {}
        hit = {}
        with self._lock:
            for rule in self.rules:
                fault = 'latency' if rule.fault == 'latency' else 'fault'
                if fault not in hit and rule.applies(method, path, account):
                    hit[fault] = rule
        return hit
