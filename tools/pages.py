#!/usr/bin/env python3
# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Picture the pages of payers in each language, to look at them.

    python tools/pages.py [-o FOLDER] [LANGUAGE ...]

Makes a contact sheet of each language from the template and its PO file, on a
screen of 360 pixels, and fails if anything is wider than that. The form of
Stripe is not shown. It needs Chromium and the packages of the tests.
"""
import argparse
import pathlib
import re
import shutil
import sys
import tempfile

import polib
from genshi.filters import Translator
from genshi.template import MarkupTemplate
from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).resolve().parent.parent
REPORT = 'report:account.payment.stripe.checkout:'
MESSAGE = 'model:ir.message,text:msg_page_'
NAMES = ['chromium', 'chromium-browser', 'google-chrome']
WIDTH = 360
RIGHT_TO_LEFT = {'fa'}
COMPANY = "Dunder Mifflin Paper Company"
AMOUNT = "1 234,50 €"
PAGE = {
    'setup': False, 'end': False, 'test': True, 'error': None, 'logo': None,
    'amount': AMOUNT, 'company': COMPANY, 'contact': 'help@example.com',
    'description': "2026-0042", 'party': "Jenny Rosen", 'nonce': 'x',
    'website': 'https://example.com', 'terms_url': 'https://example.com',
    'checkout_url': '', 'return_url': '', 'stripe_js': '', 'mode': 'payment',
    'publishable_key': '', 'client_secret': '', 'customer_secret': '',
    'locale': 'auto', 'transferred': None, 'remaining': None,
    'waits_until': None, 'waits_for': None, 'instructions_url': None,
    }
PAID = {
    'paid_with': "Visa ****4242, Apple Pay", 'paid_at': "30/11/2026",
    'number': "42", 'receipt_url': 'https://pay.stripe.com/x'}
WAITING = {
    'state': 'waiting', 'instructions_url': 'https://pay.stripe.com/x',
    'waits_until': "30/11/2026"}
STATES = [
    {'state': 'pay', 'other_url': '#'},
    {'state': 'pay', 'setup': True, 'amount': None},
    {'state': 'succeeded', 'rest_url': '#', **PAID},
    {'state': 'succeeded', 'setup': True, 'saved': "Visa ****4242 12/2034"},
    {**WAITING, 'waits_for': 'transfer', 'transferred': AMOUNT,
        'remaining': AMOUNT},
    {**WAITING, 'waits_for': 'transfer'},
    {**WAITING, 'waits_for': 'voucher'},
    {**WAITING, 'waits_for': 'deposits'},
    {**WAITING, 'waits_for': 'code'},
    {'state': 'processing'},
    {'state': 'processing', 'setup': True},
    {'state': 'authorized'},
    {'state': 'unpaid', 'error': 'authentication'},
    {'state': 'unpaid', 'setup': True, 'error': 'refused'},
    {'state': 'unavailable'},
    {'state': 'unavailable', 'end': True},
    {'state': 'refunded', 'refunded': AMOUNT, **PAID},
    {'state': 'choose', 'lines': [
            {'url': '', 'amount': AMOUNT, 'due': "30/11/2026"}] * 2},
    {'state': 'amount', 'wrong': True, 'line': 1,
        'least': '0.50', 'most': '1234.50', 'step': '0.01',
        'currency': "EUR"},
    {'state': 'small', 'other_url': '#'},
    {'state': 'busy'},
    {'state': 'settled'},
    {'state': 'replaced'},
    {'state': 'unknown', 'company': None},
    {'state': 'closed'},
    ]


def render(language, values):
    "Return the HTML of the page in the language"
    entries = polib.pofile(str(ROOT / 'locale' / (language + '.po')))
    texts = {
        e.msgid: e.msgstr for e in entries
        if e.msgctxt == REPORT and e.msgstr}

    class Texts:
        def gettext(self, text):
            return texts.get(text, text)

        def ngettext(self, text, plural, number):
            return self.gettext(text)
    template = MarkupTemplate(
        (ROOT / 'checkout.html').read_text(), encoding='utf-8')
    Translator(Texts()).setup(template)
    messages = {
        e.msgctxt[len(MESSAGE):]: (e.msgstr or e.msgid) % {
            'least': AMOUNT, 'most': AMOUNT}
        for e in entries if e.msgctxt.startswith(MESSAGE)}
    page = {
        **PAGE, 'texts': messages, 'language': language.replace('_', '-'),
        'direction': 'rtl' if language in RIGHT_TO_LEFT else 'ltr', **values}
    html = template.generate(data={'page': page}).render('html', doctype=None)
    # As what the page isolates
    html = html.replace(AMOUNT, '\u2068%s\u2069' % AMOUNT)
    # The form is hidden until Stripe's script is there
    html = re.sub(r'(<form id="form") hidden="?hidden"?', r'\1', html)
    return re.sub(r'<script.*?</script>', '', html, flags=re.DOTALL)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('-o', '--output', default='pages', type=pathlib.Path)
    parser.add_argument('languages', nargs='*')
    args = parser.parse_args()
    languages = args.languages or sorted(
        p.stem for p in (ROOT / 'locale').glob('*.po'))
    args.output.mkdir(parents=True, exist_ok=True)
    wide = 0
    with sync_playwright() as playwright, \
            tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, NAMES))),
            args=['--no-sandbox', '--disable-gpu',
                '--disable-background-networking'])
        screen = browser.new_page(viewport={'width': WIDTH, 'height': 640})
        for language in languages:
            pictures = []
            for values in STATES:
                screen.set_content(render(language, values))
                width = screen.evaluate(
                    'document.documentElement.scrollWidth')
                if width > WIDTH:
                    wide += 1
                    print("%s: %s is %d pixels wide" % (
                            language, values['state'], width))
                path = pathlib.Path(folder) / 'page.png'
                screen.screenshot(path=path, full_page=True)
                with Image.open(path) as picture:
                    pictures.append(picture.convert('RGB'))
            sheet(pictures).save(args.output / (language + '.png'))
        browser.close()
    print("%d languages, %d pages each, %d too wide" % (
            len(languages), len(STATES), wide))
    return bool(wide)


def sheet(pictures, columns=8):
    "Return the pictures on one"
    rows = [pictures[i:i + columns]
        for i in range(0, len(pictures), columns)]
    heights = [max(p.height for p in r) for r in rows]
    result = Image.new(
        'RGB', (columns * (WIDTH + 16), sum(heights) + 16 * len(rows)), 'gray')
    top = 0
    for row, height in zip(rows, heights):
        for number, picture in enumerate(row):
            result.paste(picture, (number * (WIDTH + 16), top))
        top += height + 16
    return result


if __name__ == '__main__':
    sys.exit(main())
