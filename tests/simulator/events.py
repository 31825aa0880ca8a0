# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Events: what happened, with the object as it was then."
import fnmatch
import json
import re
import zlib
from uuid import uuid4

from . import versions
from .api import endpoint, listing
from .errors import invalid, missing
from .objects import new_id
from .store import Table

KEPT = 30 * 24 * 60 * 60


class Event:
    "An event, its payload is kept compressed"
    __slots__ = ('id', 'type', 'created', 'request', 'key', 'version',
        'pending', 'failed', '_data')

    def __init__(self, type, created, data, request, key, version):
        self.id = new_id('event')
        self.type = type
        self.created = created
        self.request = request
        self.key = key
        # The account's when it was made
        self.version = version
        # Endpoints that didn't get it yet, and those that never will
        self.pending = 0
        self.failed = 0
        self._data = _pack(data)

    def __getitem__(self, name):
        return getattr(self, name)

    def get(self, name, default=None):
        return getattr(self, name, default)

    @property
    def delivered(self):
        return not self.pending and not self.failed

    def render(self, api_version=None):
        """Return the event as it is delivered in a version of the API.

        Without, as the API answers it: in the version of its creation."""
        version = api_version or self.version
        data = json.loads(_unpack(self._data))
        data['object'] = versions.shown(
            data['object'], data.pop('lists', {}), version)
        if api_version is None:
            # Recorded as null where nothing changed, deliveries lack it
            data.setdefault('previous_attributes', None)
        return {
            'id': self.id,
            'object': 'event',
            'api_version': version,
            'created': self.created,
            'data': data,
            'livemode': False,
            'pending_webhooks': self.pending,
            'request': {'id': self.request, 'idempotency_key': self.key},
            'type': self.type,
            }


_dictionaries = {}


def _pack(data):
    text = json.dumps(data, separators=(',', ':')).encode()
    kind = data['object']['object']
    # Objects of a kind look alike: the first helps to compress the others
    dictionary = _dictionaries.setdefault(kind, text)
    packer = zlib.compressobj(1, zdict=dictionary)
    return kind, packer.compress(text) + packer.flush()


def _unpack(packed):
    kind, blob = packed
    return zlib.decompressobj(zdict=_dictionaries[kind]).decompress(blob)


class EventTable(Table):
    def __init__(self):
        super().__init__('event', ['type', 'delivery'])
        self._counter = 0

    def record(self, world, type, row, previous):
        "Create an event"
        data = {'object': row}
        if previous is not None:
            data['previous_attributes'] = previous
        version = world.settings.api_version
        if any(map(versions.is_old, {version, *world.webhooks.versions()})):
            data['lists'] = versions.lists_of(world, row)
        request = key = None
        if world.call:
            request = world.call.id
            key = world.call.idempotency_key
            if key is None and world.call.method == 'POST':
                key = world.call.idempotency_key = str(uuid4())
        event = self.add(Event(
                type, world.now(), data, request, key, version))
        self._counter += 1
        if not self._counter % 1000:
            self.forget_before(world.now() - KEPT)
        return event

    def mark_undelivered(self, event, undelivered):
        if undelivered:
            self.mark(event, 'delivery', False)
        else:
            self.unmark(event, 'delivery', False)


@endpoint('GET', '/v1/events', 'EventListParams', 'event', many=True)
def list_events(world, call, params):
    table = world.events
    where = types = None
    if params.get('type') and params.get('types'):
        raise invalid(
            "You may only specify one of these parameters: type, types.")
    wanted = params.get('types') or (
        [params['type']] if params.get('type') else [])
    if len(wanted) > 20:
        raise invalid(
            "Invalid array: at most 20 types can be given", param='types')
    if wanted:
        types = _matching(table, wanted)
        where = ('type', types)
    success = params.get('delivery_success')
    if success is False:
        # There are few of them
        where = ('delivery', [False])

    def keep(event):
        return success in {None, event.delivered} and (
            types is None or event.type in types)
    since = world.now() - KEPT
    return listing(world, call, params, 'event', where, keep, since)


def _matching(table, wanted):
    types = []
    for type in wanted:
        if '*' in type:
            pattern = re.compile(fnmatch.translate(type))
            types.extend(
                t for t in table.values('type') if pattern.match(t))
        else:
            types.append(type)
    return list(dict.fromkeys(types))


@endpoint('GET', '/v1/events/{id}', 'EventRetrieveParams', 'event')
def retrieve_event(world, call, params, id):
    event = world.events.get(id)
    if not event or event.created < world.now() - KEPT:
        raise missing('event', id, 'id', 404)
    return event
