# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Tables of objects in the order of their creation, and Stripe's paging."
import heapq
from bisect import bisect_left, bisect_right, insort
from collections import deque
from contextlib import contextmanager

from .errors import invalid, missing


class Log(deque):
    "A bounded log that can be read while it grows"

    def __iter__(self):
        return iter(list(super().__iter__()))


class Table:
    """The objects of a kind.

    Each has a position; an index keeps for each value of an attribute the
    positions of the objects that have it."""

    def __init__(self, kind, indexes=()):
        self.kind = kind
        self.rows = {}
        self._order = []
        self._created = []
        self._positions = {}
        self._forgotten = 0
        self._indexes = {name: {} for name in indexes}
        # Where the next object goes, instead of at the end
        self.place = None

    def add(self, row):
        "Add an object and return it"
        self.rows[row['id']] = row
        if self.place:
            return self._fill(row)
        position = len(self._order)
        self._order.append(row)
        # Legacy cards don't show when they were created
        self._created.append(
            row['created'] if row.get('created') is not None
            else row.private['created'])
        self._positions[row['id']] = position
        for name, index in self._indexes.items():
            value = row.get(name)
            if value is not None:
                index.setdefault(value, []).append(position)
        return row

    def reserve(self, created):
        "Return the place of an object that appears later"
        self._order.append(None)
        self._created.append(created)
        return len(self._order) - 1, created

    @contextmanager
    def filling(self, place):
        "Put the next object added at a reserved place"
        self.place = place
        try:
            yield
        finally:
            self.place = None

    def _fill(self, row):
        position, _ = self.place
        self.place = None
        self._order[position] = row
        self._positions[row['id']] = position
        for name in self._indexes:
            if row.get(name) is not None:
                self.mark(row, name, row[name])
        return row

    def get(self, id):
        return self.rows.get(id)

    def last(self):
        "Return the newest object, or None"
        return self._order[-1] if self._order else None

    def set(self, row, name, value):
        "Change an indexed attribute"
        self.unmark(row, name, row.get(name))
        row[name] = value
        if value is not None:
            self.mark(row, name, value)

    def mark(self, row, name, value):
        "Add an object to an index"
        insort(self._indexes[name].setdefault(value, []),
            self._positions[row['id']])

    def unmark(self, row, name, value):
        "Take an object from an index"
        positions = self._indexes[name].get(value)
        if positions:
            position = self._positions[row['id']]
            i = bisect_left(positions, position)
            if i < len(positions) and positions[i] == position:
                del positions[i]

    def hide(self, row):
        "Take an object from the lists, it can still be read"
        position = self._positions[row['id']]
        self._order[position] = None
        for name in self._indexes:
            self.unmark(row, name, row.get(name))

    def show(self, row):
        "Put an object that is hidden back where it was"
        self._order[self._positions[row['id']]] = row
        for name in self._indexes:
            if row.get(name) is not None:
                self.mark(row, name, row[name])

    def remove(self, row):
        "Forget an object"
        if row['id'] in self.rows:
            self.hide(row)
            del self.rows[row['id']]
            del self._positions[row['id']]

    def forget_before(self, created):
        "Forget the objects that are older"
        end = bisect_left(self._created, created)
        for i in range(self._forgotten, end):
            if self._order[i]:
                self.remove(self._order[i])
        self._forgotten = max(end, self._forgotten)

    def newest_first(self):
        "Iterate over the objects that aren't hidden"
        return (r for r in reversed(self._order) if r is not None)

    def values(self, name):
        "Return the values of an index"
        return list(self._indexes[name])

    def find(self, name, value):
        "Return the objects with the value of an index, oldest first"
        return [
            self._order[p] for p in self._indexes[name].get(value, [])]

    def page(self, params, where=None, keep=None, since=None):
        """Return (objects, has_more) of a list request, newest first.

        where names an index and the values of which one is wanted; keep
        says which objects are; since is the oldest that may be seen."""
        limit = max(1, min(100, params.get('limit', 10)))
        after, before = (
            params.get('starting_after'), params.get('ending_before'))
        if after and before:
            raise invalid(
                "Received both starting_after and ending_before parameters. "
                "Please pass in only one.")
        low, high = 0, len(self._order)
        low, high = self._bounds(params.get('created'), low, high)
        if since is not None:
            low = max(low, bisect_left(self._created, since))
        if after:
            high = min(high, self._cursor(after, 'starting_after'))
        elif before:
            low = max(low, self._cursor(before, 'ending_before') + 1)
        rows = []
        for position in self._walk(where, low, high, not before):
            row = self._order[position]
            if row is None or (keep and not keep(row)):
                continue
            rows.append(row)
            if len(rows) > limit:
                break
        has_more = len(rows) > limit
        rows = rows[:limit]
        if before:
            rows.reverse()
        return rows, has_more

    def _cursor(self, id, param):
        if id not in self._positions:
            raise missing(self.kind, id, param)
        return self._positions[id]

    def _bounds(self, created, low, high):
        if created is None:
            return low, high
        if not isinstance(created, dict):
            created = {'gte': created, 'lte': created}
        if created.get('gt') is not None:
            low = max(low, bisect_right(self._created, created['gt']))
        if created.get('gte') is not None:
            low = max(low, bisect_left(self._created, created['gte']))
        if created.get('lt') is not None:
            high = min(high, bisect_left(self._created, created['lt']))
        if created.get('lte') is not None:
            high = min(high, bisect_right(self._created, created['lte']))
        return low, high

    def _walk(self, where, low, high, newest_first):
        if where is None:
            positions = range(low, high)
            return reversed(positions) if newest_first else positions
        name, values = where
        index = self._indexes[name]
        walks = [
            self._slice(index[v], low, high, newest_first)
            for v in values if v in index]
        if len(walks) == 1:
            return walks[0]
        return heapq.merge(*walks, reverse=newest_first)

    @staticmethod
    def _slice(positions, low, high, newest_first):
        start = bisect_left(positions, low)
        end = bisect_left(positions, high)
        walk = range(start, end)
        for i in reversed(walk) if newest_first else walk:
            yield positions[i]
