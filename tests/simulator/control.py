# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The controls over HTTP, as JSON.

POST /_simulator/<target>/<method> with {"args": [...], "kwargs": {...}} calls
the method and answers {"result": ...}; target is simulator, clock, faults,
accounts/<name> or accounts/<name>/webhooks. GET /_simulator/requests answers
the log of requests, GET /_simulator/accounts the names of the accounts."""
from . import balance_controls, dispute_controls, payer_controls

METHODS = {
    'simulator': {'reset'},
    'clock': {'now', 'advance'},
    'faults': {'add', 'clear'},
    'account': {
        'objects', 'ledger', 'ledger_troubles', 'completed', 'revoke_key',
        'expire_key',
        'restore_key', 'restrict', 'unrestrict', 'rate_limits',
        'enable_charges_api', 'set', 'miss_events', 'authenticate',
        'return_url', 'fail_refund', 'chargeable', 'pay',
        } | dispute_controls.CONTROLS | payer_controls.CONTROLS
    | balance_controls.CONTROLS,
    'webhooks': {
        'normal', 'lose', 'double', 'delay', 'parallel', 'hold', 'pending',
        'release', 'roll', 'flush'},
    }


def handle(simulator, method, path, params):
    "Return what the control answers"
    parts = path.split('/')[2:]
    if method == 'GET':
        if parts == ['requests']:
            return {'result': list(simulator.requests)}
        elif parts == ['accounts']:
            return {'result': sorted(simulator._accounts)}
        elif parts == ['faults']:
            return {'result': [r.describe() for r in simulator.faults.rules]}
        elif parts[0] == 'accounts' and parts[2:] == ['webhooks', 'log']:
            webhooks = simulator.account(parts[1]).webhooks
            return {'result': list(webhooks.log)}
        raise KeyError(path)
    name, target = _target(simulator, parts[:-1])
    if parts[-1] not in METHODS[name]:
        raise KeyError(path)
    result = getattr(target, parts[-1])(
        *params.get('args', []), **params.get('kwargs', {}))
    if hasattr(result, 'describe'):
        result = result.describe()
    return {'result': result}


def _target(simulator, parts):
    if parts[0] == 'accounts':
        account = simulator.account(parts[1])
        if parts[2:] == ['webhooks']:
            return 'webhooks', account.webhooks
        return 'account', account
    return parts[0], {
        'simulator': simulator,
        'clock': simulator.clock,
        'faults': simulator.faults,
        }[parts[0]]
