# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a browser loads: Stripe.js, its frames, the challenge.

Files of js/ are served at /endive/<name>; a page is a function registered
with page() for a path whose last segment may be *."""
import html
import mimetypes
import os

from . import elsewhere
from .errors import StripeError, missing
from .intents import return_url
from .public import challenged, complete
from .schema import decode_form

JS = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'js')
_pages = {}
_HTML = {'Content-Type': 'text/html; charset=utf-8'}


def page(method, path):
    """Register function(simulator, params, segment) for a page.

    It returns the HTML, or (status, headers, content in bytes)."""
    def register(function):
        _pages[method, path] = function
        return function
    return register


def handle(simulator, method, path, query, body):
    "Return the status, headers and content of a page or file"
    directory, _, name = path.rpartition('/')
    if directory == '/endive' and method in {'GET', 'HEAD'}:
        return _file(name)
    function = _pages.get((method, path)) or _pages.get(
        (method, directory + '/*'))
    if function is None:
        return 404, _HTML, b'<h1>Not found</h1>'
    params = decode_form(query)
    params.update(decode_form(body))
    try:
        result = function(simulator, params, name)
    except StripeError as e:
        return e.status, _HTML, (
            '<p>%s</p>' % html.escape(str(e))).encode()
    if isinstance(result, str):
        return 200, _HTML, result.encode()
    return result


def _file(name):
    path = os.path.join(JS, os.path.basename(name))
    if not os.path.isfile(path):
        return 404, _HTML, b'<h1>Not found</h1>'
    type, _ = mimetypes.guess_type(path)
    if name.endswith('.js'):
        type = 'text/javascript; charset=utf-8'
    elif name.endswith('.html'):
        type = 'text/html; charset=utf-8'
    with open(path, 'rb') as f:
        content = f.read()
    return 200, {
        'Content-Type': type or 'application/octet-stream',
        'Cache-Control': 'no-store'}, content


@page('GET', '/favicon.ico')
def favicon(simulator, params, name):
    return 204, {}, b''


@page('GET', '/instructions/*')
def instructions(simulator, params, token):
    "Tell the payer how to pay elsewhere, within the page or alone"
    _, intent = _waiting(simulator, token)
    action = intent['next_action']
    details = action[action['type']]
    amount = details.get('amount_remaining', intent.get('amount'))
    close = ''
    if params.get('embedded'):
        close = (
            '<button type="button" id="close" onclick="'
            "window.parent.postMessage({action: 'closed'}, '*')"
            '">Close</button>')
    return """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Instructions</title>
<style>
body { margin: 0; background: rgba(15, 20, 30, .55); color: #1b2430;
  font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 24rem; margin: 15vh auto; padding: 1.5rem;
  background: #fff; border-radius: 12px; }
button { padding: .625rem 1.25rem; font: inherit; }
</style>
</head>
<body>
<main>
<h1>How to pay</h1>
<p>%(amount)s %(currency)s, reference %(reference)s</p>
<form method="post">
<button id="test-pay" name="outcome" value="paid">The money has come</button>
<button id="test-expire" name="outcome" value="expired">The time is over
</button>
</form>
%(close)s
</main>
</body>
</html>
""" % {
        'amount': amount or 0,
        'currency': html.escape(str(intent.get('currency') or '')),
        'reference': html.escape(str(
                details.get('reference') or details.get('number') or '-')),
        'close': close,
        }


@page('POST', '/instructions/*')
def instructions_done(simulator, params, token):
    "Let the money come, or the time be over"
    world, intent = _waiting(simulator, token)
    with world.lock, world.calling(None):
        if params.get('outcome') == 'expired':
            elsewhere.expire(world, intent)
        else:
            elsewhere.receive(world, intent)
    return "<!DOCTYPE html><title>Done</title><p>Done</p>"


def _waiting(simulator, token):
    world, intent = simulator.waits.get(token, (None, None))
    if (not intent or intent.private.get('waits') != token
            or not elsewhere.waiting(intent)):
        raise missing('instructions', token, 'token', 404)
    return world, intent


@page('GET', '/challenge/*')
def challenge(simulator, params, token):
    "Ask the payer to complete or to fail the authentication"
    challenged(simulator, token)
    return """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>3D Secure 2 Test Page</title>
<style>
body { max-width: 24rem; margin: 15vh auto; padding: 1rem;
  font: 16px/1.5 system-ui, sans-serif; }
button { padding: .625rem 1.25rem; font: inherit; }
</style>
</head>
<body>
<h1>3D Secure 2 Test Page</h1>
<p>The bank asks whether it is you who pays.</p>
<form method="post">
<button id="test-source-authorize-3ds" name="succeed" value="true">
Complete</button>
<button id="test-source-fail-3ds" name="succeed" value="false">
Fail</button>
</form>
</body>
</html>
"""


@page('POST', '/challenge/*')
def challenge_done(simulator, params, token):
    "Complete or fail the authentication, and go back to the merchant"
    world, intent = challenged(simulator, token)
    succeed = params.get('succeed') == 'true'
    with world.lock, world.calling(None):
        complete(world, intent, succeed)
        url = return_url(intent, succeed)
    if url:
        return 303, {'Location': url}, b''
    return "<!DOCTYPE html><title>Done</title><p>Done</p>"
