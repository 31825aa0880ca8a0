# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import logging
import re
import secrets
from urllib.parse import urlsplit

from trytond import config
from trytond.exceptions import UserError
from trytond.protocols.wrappers import (
    HTTPStatus, Response, abort, allow_null_origin, set_max_request_size,
    with_pool, with_transaction)
from trytond.routing import Route, Router, Rule
from trytond.tools import timezone
from trytond.transaction import Transaction

from .attempt import attempt
from .connect import hurried
from .exceptions import StripeError
from .gateway import API_BASE, StripeFailure
from .inquiry import InquiryLimit

logger = logging.getLogger(__name__)

SECTION = 'account_payment_stripe'
CHECKOUT_MODELS = {
    'account.payment',
    'account.payment.stripe.customer',
    }
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


class Routes(Router):
    __name__ = 'account_payment_stripe'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        decorators = [
            # With a size of its own trytond does not check who is logged in,
            # nobody needs to be
            set_max_request_size(config.getint('request', 'max_size')),
            with_pool,
            # Somebody waits at the page, and a silent Stripe must not hold all
            # threads of this server
            hurried(),
            ]
        with_write = with_transaction(
            readonly=False, context={'_skip_warnings': True})
        cls._receive_webhook = staticmethod(with_write(_receive_webhook))
        pages = [*decorators, with_write]
        cls.__routes__.update({
                'checkout': Route(
                    Rule('checkout/<model>/<id>', methods={'GET'}),
                    decorators=pages),
                'checkout_end': Route(
                    Rule('checkout/<model>/<id>/end', methods={'GET'}),
                    # Some payment services send the payer back from a page
                    # without an origin
                    decorators=[allow_null_origin, *pages]),
                'webhooks_endpoint': Route(
                    Rule('webhook/<account>', methods={'POST'}),
                    Rule('/<database_name>/account_payment_stripe'
                        '/webhook/<account>', methods={'POST'},
                        redirect_to='webhook/<account>'),
                    decorators=[allow_null_origin, *decorators]),
                })

    @classmethod
    def checkout(cls, request, pool, model, id):
        record = cls._get_record(pool, model, id)
        page = {}
        if record.stripe_checkout_result in {
                'open', 'waiting', 'unavailable'}:
            try:
                record, = record.__class__.stripe_lock([record])
                page = record.stripe_checkout_page(
                    other='other' in request.args)
            except (StripeFailure, UserError) as e:
                page = cls._failed(record, e)
        return cls._render(request, pool, record, page)

    @classmethod
    def checkout_end(cls, request, pool, model, id):
        record = cls._get_record(pool, model, id)
        page = {}
        try:
            record, = record.__class__.stripe_lock([record])
            page = record.stripe_end_checkout() or {}
            record.stripe_queue_mail([record])
        except (StripeFailure, UserError) as e:
            # What is not done now is done when the event comes
            page = cls._failed(record, e)
        return cls._render(request, pool, record, page, end=True)

    @classmethod
    def webhooks_endpoint(cls, request, pool, account):
        ask = cls._receive_webhook(request, pool, account)
        if ask:
            # No connection to the database waits for Stripe meanwhile
            try:
                event = ask()
            except ValueError as e:
                logger.info("webhook: %s", e)
                abort(HTTPStatus.BAD_REQUEST)
            except InquiryLimit:
                logger.info("webhook: Stripe has been asked too often")
                abort(HTTPStatus.TOO_MANY_REQUESTS)
            except StripeFailure as e:
                logger.warning(
                    "webhook: cannot read event: %s (%s)",
                    e.code, e.request_id)
                abort(HTTPStatus.SERVICE_UNAVAILABLE)
            cls._receive_webhook(request, pool, account, event)
        return Response(status=HTTPStatus.NO_CONTENT)

    @classmethod
    def _failed(cls, record, error):
        """Return what the page shows after the error.

        It may have happened in the middle of what Stripe told, which is kept:
        who has paid must not read otherwise because it cannot be booked.
        """
        Transaction().rollback()
        logger.warning("page of %s: %s", record, error)
        if not isinstance(error, (StripeFailure, StripeError)):
            try:
                attempt(record.__class__.stripe_note_unapplied,
                    record.id, error)
            except StripeFailure as e:
                logger.warning("page of %s: %s", record, e)
            else:
                if record.stripe_checkout_result not in {'open', 'waiting'}:
                    return {}
        return {'unavailable': True}

    @classmethod
    def _get_record(cls, pool, model, id):
        if model not in CHECKOUT_MODELS:
            abort(HTTPStatus.FORBIDDEN)
        record = pool.get(model).from_checkout_id(id)
        if not record:
            FormerAddress = pool.get('account.payment.stripe.former_address')
            if FormerAddress.find(model, id):
                abort(HTTPStatus.GONE)
            abort(HTTPStatus.NOT_FOUND)
        return record

    @classmethod
    def _render(cls, request, pool, record, page, end=False):
        """Return the response that lets pay, or tells what has happened.

        page: what stripe_checkout_page returned, unavailable if Stripe could
        not be asked.
        end: if it is the page to which Stripe sends the payer back.
        """
        Report = pool.get('account.payment.stripe.checkout', type='report')
        page = {'result': record.stripe_checkout_result, **page}
        page['state'] = page['result']
        if page['state'] in {'open', 'waiting'} and page.get('unavailable'):
            page['state'] = 'unavailable'
        elif page['state'] == 'open':
            page['state'] = 'unpaid' if end else 'pay'
        if (page['state'] == 'pay'
                and not record.stripe_account.publishable_key):
            logger.error("account %s has no publishable key",
                record.stripe_account.id)
            page['state'] = 'unavailable'
        lang = _language(request, pool, record)
        page.update({
                'nonce': secrets.token_urlsafe(16),
                'end': end,
                'language': lang.code.partition('@')[0].replace('_', '-'),
                'direction': lang.direction,
                'stripe_js': record.stripe_own_account.stripe_js,
                })
        page['locale'] = _locale(page['language'])
        # The host is chosen by whoever asks, and may be none
        asked = {n: v for n, v in request.context.items() if n != 'http_host'}
        with Transaction().set_context(
                language=lang.code, with_rec_name=False, _request=asked):
            # Names in the language of the page
            record = record.__class__(record.id)
            page.update(_details(record, lang))
            if page['state'] == 'waiting':
                page.update(_waiting(record, lang, page))
            _, html, _, _ = Report.execute([record.id], {
                    'model': record.__class__.__name__,
                    'page': page,
                    'lang': lang,
                    })
        return Response(
            html,
            HTTPStatus.SERVICE_UNAVAILABLE
            if page['state'] == 'unavailable' else HTTPStatus.OK,
            content_type='text/html; charset=utf-8',
            headers=_headers(page['nonce'], page['stripe_js']))


def _receive_webhook(request, pool, identifier, event=None):
    """Apply the event that was posted, or that Stripe was asked for.

    Return None or the function that asks Stripe, with which to come again.
    """
    Account = pool.get('account.payment.stripe.account')
    account = Account.from_identifier(identifier)
    if not account:
        abort(HTTPStatus.NOT_FOUND)
    if event is None:
        try:
            event, ask = account.read_webhook(
                request.get_data(), request.headers.get('Stripe-Signature'))
        except ValueError as e:
            logger.info("webhook of account %s: %s", account.id, e)
            abort(HTTPStatus.BAD_REQUEST)
        if ask:
            return ask
    if Account.webhook([account], event) is False:
        abort(HTTPStatus.SERVICE_UNAVAILABLE)


def _language(request, pool, record):
    "Return the language of the party, or the one that the browser prefers"
    Lang = pool.get('ir.lang')
    if lang := record.stripe_language:
        return lang
    codes = {
        c.replace('_', '-').lower(): c
        for c in Lang.get_translatable_languages()}
    for wanted, quality in request.accept_languages:
        wanted = wanted.lower()
        for code in [wanted, wanted.partition('-')[0]]:
            if quality and code in codes:
                return Lang.get(codes[code])
    return Lang.get()


def _locale(language):
    "Return the locale for Stripe.js, that of the browser if it has it not"
    for locale in [language, language.partition('-')[0]]:
        if locale in STRIPE_LOCALES:
            return locale
    return 'auto'


def _details(record, lang):
    "Return what the page shows of the record and what Stripe.js needs"
    account = record.stripe_own_account
    details = {
        'setup': record.__name__ != 'account.payment',
        'amount': None,
        'company': record.stripe_payee,
        'description': None,
        'error': None,
        'party': record.party.full_name,
        'publishable_key': account.publishable_key,
        'checkout_url': urlsplit(record.stripe_checkout_url).path,
        'return_url': urlsplit(record.stripe_return_url).path,
        }
    if details['setup']:
        if record.stripe_setup_refused:
            # Stripe's message is for developers
            details['error'] = 'refused'
    else:
        amount = record.amount
        if record.state == 'succeeded':
            # It may have been refunded in part since
            amount = record.stripe_captured_amount or amount
        details['amount'] = lang.currency(
            amount, record.currency, grouping=True)
        details['description'] = record.stripe_description
        if record.stripe_intent_status == 'requires_payment_method':
            details['error'] = record.stripe_error_message or None
            if (record.stripe_error_code or '').endswith(
                    '_authentication_failure'):
                # Stripe's message is for developers
                details['error'] = 'authentication'
    return details


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
            shown[name] = lang.currency(
                page[name], record.currency, grouping=True)
    if page['waits_until']:
        zone = timezone.get_tzinfo(record.company.timezone or 'UTC')
        shown['waits_until'] = lang.strftime(
            dt.datetime.fromtimestamp(page['waits_until'], zone).date())
    return shown


def hosted_url(url, stripe_js):
    """Return the URL if it is one of Stripe, else None.

    stripe_js: the URL of Stripe.js, which may be that of a stand-in.
    """
    origin = STRIPE_ORIGIN
    if not _is_stripe(stripe_js):
        origin = '(?:%s|%s)' % (origin, re.escape(_origin(stripe_js)))
    # Nothing that a browser could read otherwise
    if isinstance(url, str) and re.fullmatch(
            origin + r"(?:[/?][\w.~:/?#\[\]@!$&'()*+,;=%-]*)?",
            url, re.ASCII):
        return url


def _is_stripe(stripe_js):
    return stripe_js.startswith(STRIPE_SCRIPTS[0] + '/')


def _headers(nonce, stripe_js):
    api_base = config.get(SECTION, 'api_base', default=API_BASE)
    origins = []
    if not _is_stripe(stripe_js):
        # A stand-in for Stripe
        origins = [_origin(stripe_js)]
    policy = {
        'default-src': ["'none'"],
        'script-src': ["'nonce-%s'" % nonce, *(origins or STRIPE_SCRIPTS)],
        'style-src': ["'nonce-%s'" % nonce],
        # Stripe.js sets the style of the frames that it adds
        'style-src-attr': ["'unsafe-inline'"],
        'img-src': ['data:', *(origins or STRIPE_IMAGES)],
        'frame-src': origins or STRIPE_FRAMES,
        'connect-src': [
            _origin(api_base), *([] if origins else STRIPE_LINK)],
        'base-uri': ["'none'"],
        'form-action': ["'none'"],
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
