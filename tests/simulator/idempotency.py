# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Idempotency keys: one execution for each key, its answer is kept for a day."
import threading
import zlib

from .errors import StripeError, unstored

KEPT = 24 * 60 * 60


class Entry:
    __slots__ = ('path', 'params', 'created', 'request', 'status', 'body')

    def __init__(self, path, params, created, request):
        self.path = path
        self.params = params
        self.created = created
        self.request = request
        self.status = None
        self.body = None


class Keys:
    "The idempotency keys of an account"

    def __init__(self, clock):
        self._clock = clock
        self._entries = {}
        # Answers look alike: the first helps to compress the others
        self._dictionary = None
        self._lock = threading.Lock()

    def begin(self, key, path, params, request):
        """Reserve the key.

        Return None if the request has to be executed, otherwise the saved
        status and body, and the id of the request that was executed."""
        if len(key) > 255:
            raise unstored(
                "Idempotency key length is %d characters long, which is "
                "outside accepted lengths. Idempotency keys must be 1-255 "
                "characters long. If you're looking for a decent generator, "
                "try using a UUID defined by IETF RFC 4122." % len(key))
        now = self._clock.now()
        with self._lock:
            self._prune(now)
            entry = self._entries.get(key)
            if entry is None:
                self._entries[key] = Entry(
                    path, hash(params), now, request)
                return
            if entry.path != path:
                raise StripeError(
                    400, 'idempotency_error',
                    "Keys for idempotent requests can only be used for the "
                    "same endpoint they were first used for ('%s' vs '%s'). "
                    "Try using a key other than '%s' if you meant to execute "
                    "a different request." % (path, entry.path, key),
                    stored=False)
            if entry.params != hash(params):
                raise StripeError(
                    400, 'idempotency_error',
                    "Keys for idempotent requests can only be used with the "
                    "same parameters they were first used with. Try using a "
                    "key other than '%s' if you meant to execute a different "
                    "request." % key, stored=False)
            if entry.status is None:
                raise in_use(key)
            return (
                entry.status, self._unpack(entry.body), entry.request)

    def finish(self, key, status, body):
        "Save the answer under the key"
        with self._lock:
            entry = self._entries.get(key)
            if entry:
                entry.status = status
                entry.body = self._pack(body)

    def forget(self, key):
        "Release a key whose request wasn't executed"
        with self._lock:
            self._entries.pop(key, None)

    def _pack(self, body):
        if self._dictionary is None and len(body) > 1000:
            self._dictionary = body
        dictionary = self._dictionary or b' '
        packer = zlib.compressobj(1, zdict=dictionary)
        return dictionary, packer.compress(body) + packer.flush()

    @staticmethod
    def _unpack(packed):
        dictionary, body = packed
        return zlib.decompressobj(zdict=dictionary).decompress(body)

    def _prune(self, now):
        # The oldest is first
        while self._entries:
            key = next(iter(self._entries))
            if self._entries[key].created + KEPT > now:
                break
            del self._entries[key]


def in_use(key):
    return unstored(
        "There is currently another in-progress request using this "
        "Idempotent Key (that probably means you submitted twice, and the "
        "other request is still going through): %s. Please try again later."
        % key, 'idempotency_key_in_use', status=409)
