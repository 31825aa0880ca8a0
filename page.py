# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the checkout page shows, and the headers with which it is sent."""
import datetime as dt
import logging
import re
import secrets
from decimal import ROUND_DOWN
from urllib.parse import urlsplit

from trytond import config
from trytond.i18n import gettext
from trytond.pool import Pool
from trytond.protocols.wrappers import HTTPStatus, Response
from trytond.tools import timezone
from trytond.transaction import Transaction

from .gateway import API_BASE
from .language import readable
from .payment_text import named

SECTION = 'account_payment_stripe'
REPORT = 'account.payment.stripe.checkout'
# https://docs.stripe.com/security/guide#content-security-policy
STRIPE_SCRIPTS = ['https://js.stripe.com', 'https://*.js.stripe.com']
# Link is one of the payment methods that the Dashboard may turn on
STRIPE_LINK = ['https://link.com', 'https://*.link.com']
STRIPE_FRAMES = STRIPE_SCRIPTS + ['https://hooks.stripe.com', *STRIPE_LINK]
STRIPE_ORIGIN = r'https://(?:[a-z0-9-]+[.])*stripe[.]com'
STRIPE_IMAGES = ['https://*.stripe.com', *STRIPE_LINK]
# StripeElementLocale of https://github.com/stripe/stripe-js
STRIPE_LOCALES = frozenset([
        'ar', 'bg', 'cs', 'da', 'de', 'el', 'en', 'en-AU', 'en-CA', 'en-GB',
        'en-NZ', 'es', 'es-419', 'es-ES', 'et', 'fi', 'fil', 'fr', 'fr-CA',
        'fr-FR', 'he', 'hr', 'hu', 'id', 'it', 'it-IT', 'ja', 'ko', 'lt',
        'lv', 'ms', 'mt', 'nb', 'nl', 'no', 'pl', 'pt', 'pt-BR', 'ro', 'ru',
        'sk', 'sl', 'sv', 'th', 'tr', 'vi', 'zh', 'zh-HK', 'zh-TW'])
# Around what is read from left to right also where the page is not
# https://www.w3.org/International/articles/inline-bidi-markup/
_ISOLATED = '\u2068%s\u2069'

logger = logging.getLogger(__name__)


def render(request, record, page, end=False):
    """Return the response that lets pay, or tells what has happened.

    page: what stripe_checkout_page returned, unavailable if Stripe could not
    be asked.
    end: if it is the page to which Stripe sends the payer back.
    """
    page = {'result': record.stripe_checkout_result, **page}
    page['state'] = page['result']
    if page['state'] in {'open', 'waiting'} and page.get('unavailable'):
        page['state'] = 'small' if page.get('small') else 'unavailable'
    elif page['state'] == 'open':
        page['state'] = 'unpaid' if end else 'pay'
    if (page['state'] == 'pay'
            and not record.stripe_account.publishable_key):
        logger.error("account %s has no publishable key",
            record.stripe_account.id)
        page['state'] = 'unavailable'
    page['end'] = end
    page['stripe_js'] = record.stripe_own_account.stripe_js
    lang = _language(request, record)

    def fill():
        # Names in the language of the page
        again = record.__class__(record.id)
        page.update(_details(again, lang, page['state']))
        if page['state'] == 'waiting':
            page.update(_waiting(again, lang, page))
    return _respond(
        page, lang, fill,
        HTTPStatus.SERVICE_UNAVAILABLE
        if page['state'] == 'unavailable' else HTTPStatus.OK,
        request, record)


def render_missing(request, former):
    """Return the response that tells that there is nothing at the address.

    former: the record whose address has been replaced, or None.
    """
    page = {
        'state': 'replaced' if former else 'unknown',
        'setup': False,
        'end': False,
        'test': False,
        'stripe_js': '',
        **dict.fromkeys(['amount', 'company', 'contact', 'logo', 'terms_url']),
        }
    if former:
        account = former.stripe_own_account
        # The logo has the newer address
        page.update({
                'company': former.stripe_payee,
                'contact': former.stripe_contact,
                'test': bool(account and account.mode == 'test'),
                'terms_url': account and account.terms_url,
                })
    lang = _language(request, former)
    return _respond(
        page, lang, lambda: None,
        HTTPStatus.GONE if former else HTTPStatus.NOT_FOUND, request)


def render_invoice(request, invoice, state, lines=(), wrong=False):
    """Return the response that lets choose what to pay of the invoice, or
    tells that there is nothing to do.

    state: choose, amount, busy, settled, elsewhere or unavailable.
    lines: the tuples of stripe_lines_online.
    wrong: if an amount was entered that cannot be paid.
    """
    account = invoice.stripe_own_account
    page = {
        'state': state,
        'setup': False,
        'end': False,
        'amount': None,
        'stripe_js': '',
        'company': invoice.stripe_payee,
        'contact': invoice.stripe_contact,
        'logo': _logo(invoice),
        'test': bool(account and account.mode == 'test'),
        'terms_url': account and account.terms_url,
        'party': invoice.party.full_name,
        'wrong': wrong,
        }
    lang = _language(request, invoice)

    def fill():
        page['description'] = named(invoice.__class__(invoice.id))
        if state == 'amount':
            page.update(_entry(invoice, lang, lines[0]))
        elif state == 'elsewhere':
            # As what is too small to be paid
            page['state'] = 'small'
            page['texts'] = {'small': _texts('elsewhere')['elsewhere']}
            page['amount'] = _money(
                lang, invoice.stripe_left, invoice.currency)
        page['lines'] = [{
                'url': '?line=%s' % line.id,
                'amount': _money(lang, amount, invoice.currency),
                'due': line.maturity_date and lang.strftime(
                    line.maturity_date),
                } for line, _, amount in lines]
    return _respond(
        page, lang, fill,
        HTTPStatus.SERVICE_UNAVAILABLE if state == 'unavailable'
        else HTTPStatus.BAD_REQUEST if wrong
        else HTTPStatus.OK, request)


def _entry(invoice, lang, item):
    """Return what the form needs in which the payer enters an amount.

    item: the tuple of stripe_lines_online.
    """
    line, _, amount = item
    currency = invoice.currency
    step = invoice.stripe_part_step
    least, most = invoice.stripe_part_limits(amount)
    return {
        'line': line.id,
        'currency': currency.code,
        # The browser takes and sends them alike in all languages
        'least': str(least),
        'most': str(amount.quantize(step, ROUND_DOWN)),
        'step': str(step),
        'amount': _money(lang, amount, currency),
        'texts': _texts('how_much', 'limits', 'continue', limits={
                'least': _money(lang, least, currency),
                'most': _money(lang, most, currency),
                'all': _money(lang, amount, currency),
                }),
        }


def _respond(page, lang, fill, status, request, record=None):
    """Return the response with the page in the language.

    fill: function that adds to page what depends on the language.
    """
    Report = Pool().get(REPORT, type='report')
    page.update({
            'nonce': secrets.token_urlsafe(16),
            'language': lang.code.partition('@')[0].replace('_', '-'),
            'direction': lang.direction,
            })
    page['locale'] = _locale(page['language'])
    # The host is chosen by whoever asks, and may be none
    asked = {n: v for n, v in request.context.items() if n != 'http_host'}
    with Transaction().set_context(
            language=lang.code, with_rec_name=False, _request=asked):
        fill()
        data = {'page': page, 'lang': lang}
        if record:
            data['model'] = record.__name__
        _, html, _, _ = Report.execute([record.id] if record else [], data)
    return Response(
        html, status, content_type='text/html; charset=utf-8',
        headers=headers(
            page['nonce'], page['stripe_js'], form=page['state'] == 'amount'))


def _language(request, record):
    """Return the language of the party, or else one that the browser prefers,
    that has the texts."""
    Lang = Pool().get('ir.lang')
    codes = {
        c.replace('_', '-').lower(): c
        for c in Lang.get_translatable_languages()}
    languages = [record and record.stripe_language]
    for wanted, quality in request.accept_languages:
        wanted = wanted.lower()
        for code in [wanted, wanted.partition('-')[0]]:
            if quality and code in codes:
                languages.append(Lang.get(codes[code]))
    return readable([*languages, Lang.get()], REPORT)


def _locale(language):
    "Return the locale for Stripe.js, that of the browser if it has it not"
    for locale in [language, language.partition('-')[0]]:
        if locale in STRIPE_LOCALES:
            return locale
    return 'auto'


def _money(lang, amount, currency):
    text = lang.currency(amount, currency, grouping=True)
    return _ISOLATED % text if lang.direction == 'rtl' else text


def _details(record, lang, state):
    "Return what the page shows of the record and what Stripe.js needs"
    account = record.stripe_own_account
    details = {
        'setup': record.__name__ != 'account.payment',
        'amount': None,
        'company': record.stripe_payee,
        'contact': record.stripe_contact,
        'description': None,
        'error': None,
        'logo': _logo(record),
        'party': record.party.full_name,
        'publishable_key': account.publishable_key,
        'test': account.mode == 'test',
        'website': account.website,
        'terms_url': account.terms_url,
        'checkout_url': urlsplit(record.stripe_checkout_url).path,
        'return_url': urlsplit(record.stripe_return_url).path,
        }
    if details['setup']:
        if record.stripe_setup_refused:
            # Stripe's message is for developers
            details['error'] = 'refused'
    else:
        details.update(_payment_details(record, lang, state))
    return details


def _logo(record):
    "Return the path of the logo that the page shows, None without one"
    company = record.stripe_payee_company
    if company and company.logo and record.stripe_checkout_id:
        return urlsplit(record.stripe_logo_url).path


def _payment_details(payment, lang, state):
    amount, currency = payment.amount, payment.currency
    details = {'description': payment.stripe_description}
    if state in {'pay', 'small'}:
        details['other_url'] = _path(payment.stripe_other_url)
        details['texts'] = _texts('other_amount', 'small')
    if state in {'succeeded', 'refunded'}:
        details['rest_url'] = _path(payment.stripe_invoice_url)
        details['texts'] = _texts('rest')
        # It may have been refunded in part since
        amount = payment.stripe_captured_amount or amount
        details['number'] = payment.number
        details['paid_with'] = payment.stripe_paid_with
        details['receipt_url'] = hosted_url(payment.stripe_receipt_url)
        if at := payment.stripe_paid_at:
            details['paid_at'] = lang.strftime(_local(payment, at).date())
        if refunded := payment.stripe_refunded_amount:
            details['refunded'] = _money(lang, refunded, currency)
    details['amount'] = _money(lang, amount, currency)
    if payment.stripe_intent_status == 'requires_payment_method':
        details['error'] = payment.stripe_error_message or None
        if (payment.stripe_error_code or '').endswith(
                '_authentication_failure'):
            # Stripe's message is for developers
            details['error'] = 'authentication'
    return details


def _texts(*names, **values):
    """Return the texts of the messages, by name.

    Those of pages which few payers see: on SQLite Tryton cannot collect more
    texts of one report than the template has.
    values: those that the text of the name has.
    """
    return {
        n: gettext(
            'account_payment_stripe.msg_page_%s' % n, **values.get(n, {}))
        for n in names}


def _path(url):
    "Return the URL within the host, None if there is none"
    if url:
        parts = urlsplit(url)
        return parts.path + (parts.query and '?' + parts.query)


def _local(payment, at):
    "Return the UTC datetime as one of the company's time zone"
    zone = timezone.get_tzinfo(payment.company.timezone or 'UTC')
    return at.replace(tzinfo=dt.timezone.utc).astimezone(zone)


def _waiting(record, lang, page):
    """Return what the page shows of what the payer has to do elsewhere.

    page: what stripe_checkout_page or stripe_end_checkout returned.
    """
    shown = dict.fromkeys(['remaining', 'transferred', 'waits_until'])
    shown['instructions_url'] = hosted_url(
        page['instructions_url'], page['stripe_js'])
    if page['setup']:
        return shown
    for name in ['remaining', 'transferred']:
        if page[name] is not None:
            shown[name] = _money(lang, page[name], record.currency)
    if page['waits_until']:
        shown['waits_until'] = lang.strftime(_local(
                record, dt.datetime.fromtimestamp(
                    page['waits_until'], dt.timezone.utc)).date())
    return shown


def hosted_url(url, stripe_js=None):
    """Return the URL if it is one of Stripe, else None.

    stripe_js: the URL of Stripe.js, which may be that of a stand-in.
    """
    origin = STRIPE_ORIGIN
    if stripe_js and not _is_stripe(stripe_js):
        origin = '(?:%s|%s)' % (origin, re.escape(_origin(stripe_js)))
    # Nothing that a browser could read otherwise
    if isinstance(url, str) and re.fullmatch(
            origin + r"(?:[/?][\w.~:/?#\[\]@!$&'()*+,;=%-]*)?",
            url, re.ASCII):
        return url


def _is_stripe(stripe_js):
    return stripe_js.startswith(STRIPE_SCRIPTS[0] + '/')


def headers(nonce, stripe_js, form=False):
    """Return the headers of the page, which keep everything else out of it.

    form: if the page sends a form to itself.
    """
    api_base = config.get(SECTION, 'api_base', default=API_BASE)
    origins = []
    if stripe_js and not _is_stripe(stripe_js):
        # A stand-in for Stripe
        origins = [_origin(stripe_js)]
    policy = {
        'default-src': ["'none'"],
        'script-src': ["'nonce-%s'" % nonce, *(origins or STRIPE_SCRIPTS)],
        'style-src': ["'nonce-%s'" % nonce],
        # Stripe.js sets the style of the frames that it adds
        'style-src-attr': ["'unsafe-inline'"],
        'img-src': ["'self'", 'data:', *(origins or STRIPE_IMAGES)],
        'frame-src': origins or STRIPE_FRAMES,
        'connect-src': [
            _origin(api_base), *([] if origins else STRIPE_LINK)],
        'base-uri': ["'none'"],
        'form-action': ["'self'" if form else "'none'"],
        'frame-ancestors': ["'none'"],
        }
    return {
        'Content-Security-Policy': '; '.join(
            ' '.join([name, *sources]) for name, sources in policy.items()),
        'Cache-Control': 'no-store',
        'Referrer-Policy': 'no-referrer',
        'X-Content-Type-Options': 'nosniff',
        'X-Frame-Options': 'DENY',
        'X-Robots-Tag': 'noindex',
        }


def _origin(url):
    return '%s://%s' % urlsplit(url)[:2]
