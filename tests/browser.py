# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A real browser on the pages that trytond serves, and Stripe's stand-in.

SCREENSHOTS=folder keeps the pictures that the tests take."""
import os
import pathlib
import shutil
import sys
import tempfile
import threading
import time
import unittest
from decimal import Decimal
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen
from uuid import uuid4

from trytond import backend
from trytond import config as trytond_config

MEMORY = ':memory:'
if (backend.name == 'sqlite'
        and os.environ.get('DB_NAME', MEMORY) == MEMORY
        and 'trytond.tests.test_tryton' not in sys.modules):
    # The threads of the server do not share a database in memory
    _folder = tempfile.TemporaryDirectory(prefix='browser-')
    trytond_config.set('database', 'path', _folder.name)
    os.environ['DB_NAME'] = 'browser'

from proteus import Model  # noqa: E402
from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402

from trytond.modules.company.tests.tools import create_company  # noqa: E402
from trytond.modules.currency.tests.tools import get_currency  # noqa: E402
from trytond.tests.test_tryton import DB_NAME, drop_db  # noqa: E402
from trytond.tests.tools import activate_modules  # noqa: E402
from trytond.wsgi import app  # noqa: E402

from .tools import (  # noqa: E402
    create_stripe_account, create_stripe_journal, create_stripe_payment,
    start_simulator)

NAMES = ['chromium', 'chromium-browser', 'google-chrome']
MAC = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'
ARGS = [
    '--no-sandbox', '--disable-gpu', '--disable-background-networking',
    '--disable-quic', '--no-first-run', '--disable-component-update',
    '--disable-sync', '--force-color-profile=srgb',
    ]
DESKTOP = {'width': 1100, 'height': 840}
PHONE = {'width': 375, 'height': 812}


def start_chromium():
    "Return the started playwright and browser, or raise SkipTest"
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed")
    path = next(filter(None, map(shutil.which, NAMES)), MAC)
    if not os.path.exists(path):
        missing("there is no Chromium")
    playwright = sync_playwright().start()
    return playwright, playwright.chromium.launch(
        executable_path=path, args=ARGS)


def missing(what):
    "Skip the tests of the pages, or fail where they have to run"
    message = "THE PAGES ARE NOT TESTED: %s" % what
    if os.environ.get('CI'):
        raise RuntimeError(message)
    print(message, file=sys.stderr)
    raise unittest.SkipTest(message)


class Server:
    "trytond on a free port"

    class Handler(WSGIRequestHandler):
        def log(self, *args, **kwargs):
            pass

    def __init__(self):
        self._server = make_server(
            '127.0.0.1', 0, app, threaded=True, request_handler=self.Handler)
        self.url = 'http://127.0.0.1:%d' % self._server.port
        threading.Thread(
            target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def here(self, url):
        "Return the URL on this server"
        return urlunsplit(urlsplit(self.url)[:2] + urlsplit(url)[2:])


class CheckoutTestCase(unittest.TestCase):
    """A server, a simulator and a browser for the class; a Stripe account
    with webhook and a page for each test.

    modules, needs: what is activated, and what makes the records of it.
    noise: what of the browser's console is expected by the test."""
    modules = ['account_payment_stripe']
    needs = [create_company]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if DB_NAME == MEMORY:
            missing("they need a process of their own")
        playwright, cls.browser = start_chromium()
        cls.addClassCleanup(playwright.stop)
        cls.addClassCleanup(cls.browser.close)
        cls.config = activate_modules(cls.modules, *cls.needs)
        cls.addClassCleanup(drop_db)
        cls.simulator = start_simulator()
        cls.addClassCleanup(cls.simulator.stop)
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        Party = Model.get('party.party')
        Company = Model.get('company.company')
        company, = Company.find()
        company.party.name = "Dunder Mifflin"
        company.party.save()
        cls.euro = get_currency('EUR')
        cls.party = Party(name="Michael Scott")
        cls.party.save()

    def setUp(self):
        super().setUp()
        self.noise = []
        name = uuid4().hex
        self.account = create_stripe_account(self.simulator, name)
        self.account.name = "Dunder Mifflin Online"
        self.journal = create_stripe_journal(self.account, self.euro)
        self.world = self.simulator.account(name)
        self._register_webhook()
        self.page = self.open_page()

    def tearDown(self):
        self.assertEqual(self.simulator.errors, [])
        super().tearDown()

    def _register_webhook(self):
        self.account.click('new_identifier')
        endpoint = self.client.webhook_endpoints.create({
                'url': self.server.here(self.account.webhook_endpoint),
                'enabled_events': ['*'],
                })
        self.account.webhook_signing_secret = endpoint.secret
        with_warnings(self.account.save)

    @property
    def client(self):
        import stripe
        return stripe.StripeClient(
            self.world.secret_key,
            base_addresses={'api': self.simulator.url}).v1

    def open_page(self, viewport=DESKTOP, **options):
        "Return a page of a new browser whose console has to stay empty"
        context = self.browser.new_context(
            viewport=viewport,
            **{'locale': 'en-US', 'color_scheme': 'light', **options})
        context.set_default_timeout(15000)
        page = context.new_page()
        messages = []
        page.on('console', lambda m: messages.append(
                (m.type, m.text)))
        page.on('pageerror', lambda e: messages.append(('exception', str(e))))

        def close():
            context.close()
            self.assertEqual([
                    (type_, text) for type_, text in messages
                    if type_ in {'error', 'warning', 'exception'}
                    and not any(n in text for n in self.noise)], [])
        self.addCleanup(close)
        return page

    def checkout(self, record):
        "Return the URL on the server of the record's checkout page"
        url = record.click('stripe_checkout')
        record.reload()
        return self.server.here(url)

    def take(self, page, name):
        "Keep a picture of the page"
        folder = os.environ.get('SCREENSHOTS')
        if folder:
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(
                path=os.path.join(folder, name + '.png'),
                animations='disabled')

    def assertBecomes(self, record, **values):
        "Wait for the values of the record"
        end = time.monotonic() + 15
        while True:
            record.reload()
            found = {n: getattr(record, n) for n in values}
            if found == values or time.monotonic() > end:
                break
            time.sleep(.1)
        self.assertEqual(found, values)

    def payment(self, amount='25.00', reference="Invoice 2026-0042", **values):
        return create_stripe_payment(
            self.journal, values.pop('party', self.party), Decimal(amount),
            reference=reference, reference_type=None, **values)

    def open(self, record, page=None):
        page = page or self.page
        page.goto(self.checkout(record))
        return page

    def pay(self, page=None, name="Pay €25.00"):
        page = page or self.page
        page.get_by_role('button', name=name).click()

    def assertEnds(self, heading, page=None):
        page = page or self.page
        page.wait_for_url('**/end*')
        page.get_by_role('heading', name=heading).wait_for()

    def allow(self, status):
        "Expect that the browser notes an answer with the status"
        self.noise.append('status of %d' % status)

    def confirmations(self):
        return [
            r for r in self.simulator.requests
            if r['path'].endswith('/confirm')
            and r['account'] == self.world.name]

    def read(self, url, language=''):
        request = Request(url, headers={'Accept-Language': language})
        with urlopen(request) as response:
            return response.read().decode()


def with_warnings(func):
    "Call func with the warnings accepted"
    from proteus import config as proteus_config
    config = proteus_config.get_config()
    config.skip_warning = True
    try:
        return func()
    finally:
        config.skip_warning = False


def element(page):
    "Return the frame of the Payment Element"
    return page.frame_locator('#element iframe')


def challenge(page):
    "Return the frame in which the bank asks"
    return page.frame_locator('iframe[title=Authentication]')


def fill_card(page, number='4242424242424242', expiry='12/34', cvc='123'):
    frame = element(page)
    frame.get_by_label("Card number").fill(number)
    frame.get_by_label("Expiration date").fill(expiry)
    frame.get_by_label("Security code").fill(cvc)


def fill_iban(page, iban='AT611904300234573201'):
    frame = element(page)
    frame.get_by_role('tab', name="SEPA Debit").click()
    frame.get_by_label("Email").fill('michael@example.com')
    frame.get_by_label("Full name").fill("Michael Scott")
    frame.get_by_label("IBAN").fill(iban)
