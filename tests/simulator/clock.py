# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The simulator's time and what is due at which moment."
import heapq
import itertools
import threading
import time


class Clock:
    """Real time plus an offset that only grows.

    What was planned with at() runs in the order of its due times, in the
    background as time passes or at once when the clock is advanced."""

    def __init__(self):
        self.offset = 0.0
        self._heap = []
        self._count = itertools.count()
        self._changed = threading.Condition()
        # Only one thread at a time runs what is due
        self._running = threading.RLock()
        self._stopped = True
        self._thread = None
        # Called by advance() after each moment, to await its consequences
        self.steps = []

    def now(self):
        "Return the simulated time in seconds as float"
        return time.time() + self.offset

    def at(self, when, function, *args):
        "Plan function for when"
        with self._changed:
            heapq.heappush(
                self._heap, (when, next(self._count), function, args))
            if self._heap[0][0] == when:
                self._changed.notify()

    def after(self, delay, function, *args):
        "Plan function in delay seconds"
        self.at(self.now() + delay, function, *args)

    def advance(self, seconds):
        "Move the clock, and run what became due, each at its time"
        with self._running:
            target = self.now() + seconds
            while True:
                with self._changed:
                    due = self._heap[0][0] if self._heap else None
                if due is None or due > target:
                    break
                self._move(due)
                self._step()
            self._move(target)
            self._step()
        with self._changed:
            self._changed.notify()

    def _step(self):
        self.run_due()
        for function in self.steps:
            function()

    def _move(self, when):
        self.offset += max(0, when - self.now())

    def run_due(self):
        "Run what is due now"
        with self._running:
            while True:
                with self._changed:
                    if not self._heap or self._heap[0][0] > self.now():
                        return
                    _, _, function, args = heapq.heappop(self._heap)
                function(*args)

    def start(self):
        self._stopped = False
        self._thread = threading.Thread(
            target=self._loop, name='simulator-clock', daemon=True)
        self._thread.start()

    def stop(self):
        with self._changed:
            self._stopped = True
            self._heap.clear()
            self._changed.notify()
        if self._thread:
            self._thread.join(5)

    def _loop(self):
        while True:
            with self._changed:
                if self._stopped:
                    return
                wait = None
                if self._heap:
                    wait = self._heap[0][0] - self.now()
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
            self.run_due()
