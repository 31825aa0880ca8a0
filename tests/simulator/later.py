# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Requests that Stripe answers with 500 and completes later.

Stripe calls the result of a 500 indeterminate: it reconciles later and may
roll forward (https://docs.stripe.com/error-low-level). Until then nothing of
the request can be seen and no money has moved; what it makes has the time of
the request, what it changes and its events have the time of the completion.
What another request did meanwhile counts: a refund that no longer fits, or
the second capture of an intent, comes to nothing."""
import contextlib
import traceback

from .errors import StripeError

DELAY = 600


def plan(world, call, endpoint, ids, params, delay=None):
    "Complete the request in delay seconds"
    if call.method == 'GET':
        return
    place = None
    if call.method == 'POST' and not ids and endpoint.kind in world.tables:
        place = world.table(endpoint.kind).reserve(world.now())
    world.clock.after(
        DELAY if delay is None else delay, _complete, world, call, endpoint,
        ids, params, place)


def _complete(world, call, endpoint, ids, params, place):
    filling = contextlib.nullcontext()
    if place:
        filling = world.table(endpoint.kind).filling(place)
    outcome = {
        'request': call.id, 'method': call.method, 'path': call.path,
        'idempotency_key': call.idempotency_key, 'time': world.now()}
    with world.lock, world.calling(call):
        try:
            with filling:
                endpoint.function(world, call, params, *ids)
            outcome.update(status=200, error=None)
        except StripeError as error:
            outcome.update(status=error.status, error=str(error))
        except Exception:
            # A defect of the simulator must not stop its clock
            world.simulator.errors.append(traceback.format_exc())
        world.completions.append(outcome)
