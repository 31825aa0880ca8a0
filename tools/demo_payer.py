# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The payer of the demo: a browser without a screen, and a mailbox."
import json
import re
import socketserver
import threading
import urllib.error
import urllib.parse
import urllib.request
from email import message_from_bytes, policy
from html.parser import HTMLParser

from demo_terminal import DemoError

TIMEOUT = 60
# The number on the card and what stands for it in Stripe's test mode, where
# numbers are typed on Stripe's own form only
CARDS = {
    '4242 4242 4242 4242': 'pm_card_visa',
    '5555 5555 5555 4444': 'pm_card_mastercard',
    '4000 0000 0000 0002': 'pm_card_visa_chargeDeclined',
    '4000 0000 0000 0259': 'pm_card_createDispute',
    '4000 0000 0000 0341': 'pm_card_chargeCustomerFail',
    }


class Page(HTMLParser):
    "A page that was opened: the data of its form, its headline and text"

    def __init__(self, url, status, content):
        super().__init__()
        self.url = url
        self.status = status
        self.data = {}
        self.headline = ''
        self.text = content
        self._in_headline = False
        self.feed(content)
        self.headline = ' '.join(self.headline.split())

    @property
    def return_url(self):
        return urllib.parse.urljoin(self.url, self.data['data-return-url'])

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if 'data-secret' in attributes:
            self.data = attributes
        self._in_headline = tag == 'h1' or (
            self._in_headline and tag == 'strong')

    def handle_endtag(self, tag):
        if tag == 'h1':
            self._in_headline = False

    def handle_data(self, data):
        if self._in_headline:
            self.headline += data


class Payer:
    "Opens the checkout page and does what its script does, over HTTP"

    def __init__(self, api, test_mode):
        self.api = api
        self.test_mode = test_mode

    def open(self, url):
        "Return the Page at the URL"
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
                # Where it was redirected to
                return Page(
                    answer.url, answer.status, answer.read().decode())
        except urllib.error.HTTPError as e:
            with e:
                return Page(
                    url, e.code, e.read().decode('utf-8', 'replace'))

    def enter(self, page, number):
        """Enter the card on the page and confirm with its publishable key.

        Return the message of the refusal or None, then the payer has come
        back on the end page."""
        secret = page.data['data-secret']
        id, _, _ = secret.partition('_secret_')
        kind = 'setup_intents' if id.startswith('seti_') else 'payment_intents'
        form = {
            'client_secret': secret,
            'return_url': page.return_url,
            'use_stripe_sdk': 'true',
            }
        if self.test_mode:
            form['payment_method'] = CARDS[number]
        else:
            form.update({
                    'payment_method_data[type]': 'card',
                    'payment_method_data[card][number]': (
                        number.replace(' ', '')),
                    'payment_method_data[card][exp_month]': '12',
                    'payment_method_data[card][exp_year]': '2034',
                    'payment_method_data[card][cvc]': '123',
                    })
        request = urllib.request.Request(
            '%s/v1/%s/%s/confirm' % (self.api, kind, id),
            urllib.parse.urlencode(form).encode(),
            {'Authorization': 'Bearer ' + page.data['data-key']})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                intent = json.load(answer)
        except urllib.error.HTTPError as e:
            with e:
                error = json.load(e)['error']
            if error['type'] != 'card_error':
                raise DemoError(error['message']) from None
            return error['message']
        if intent['status'] not in {'succeeded', 'requires_capture'}:
            raise DemoError("The intent is %s" % intent['status'])


class Mailbox:
    "An SMTP server that keeps the messages"

    def __init__(self, port):
        mailbox = self
        self.messages = []

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                mailbox._talk(self.rfile, self.wfile)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(('127.0.0.1', port), Handler)
        threading.Thread(
            target=self._server.serve_forever, args=(0.05,),
            daemon=True).start()

    def _talk(self, rfile, wfile):
        wfile.write(b'220 demo\r\n')
        for line in rfile:
            command = line[:4].upper().strip()
            if command == b'DATA':
                wfile.write(b'354 Go on\r\n')
                content = b''
                while (line := rfile.readline()) not in {b'.\r\n', b''}:
                    content += line[1:] if line.startswith(b'..') else line
                self.messages.append(
                    message_from_bytes(content, policy=policy.default))
            wfile.write(
                b"221 Bye\r\n" if command == b"QUIT" else b"250 OK\r\n")
            if command == b'QUIT':
                break

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


def links(message):
    "Return the addresses that the e-mail links to"
    body = message.get_body(('html', 'plain'))
    return re.findall(r'href="(https?://[^"]+)"', body.get_content())
