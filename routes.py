# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import logging
import secrets
from urllib.parse import urlsplit

from trytond import config
from trytond.exceptions import UserError
from trytond.protocols.wrappers import (
    HTTPStatus, Response, abort, allow_null_origin, with_pool,
    with_transaction)
from trytond.routing import Route, Router, Rule
from trytond.transaction import Transaction

from .gateway import API_BASE, StripeFailure

logger = logging.getLogger(__name__)

SECTION = 'account_payment_stripe'
CHECKOUT_MODELS = {
    'account.payment',
    'account.payment.stripe.customer',
    }
# https://docs.stripe.com/security/guide#content-security-policy
STRIPE_SCRIPTS = ['https://js.stripe.com', 'https://*.js.stripe.com']
STRIPE_FRAMES = STRIPE_SCRIPTS + ['https://hooks.stripe.com']
STRIPE_IMAGES = ['https://*.stripe.com']


class Routes(Router):
    __name__ = 'account_payment_stripe'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        decorators = [
            with_pool,
            with_transaction(
                readonly=False, context={'_skip_warnings': True}),
            ]
        cls.__routes__.update({
                'checkout': Route(
                    Rule('checkout/<model>/<id>', methods={'GET'}),
                    decorators=decorators),
                'checkout_end': Route(
                    Rule('checkout/<model>/<id>/end', methods={'GET'}),
                    decorators=decorators),
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
        if record.stripe_checkout_result == 'open':
            try:
                record, = record.__class__.stripe_lock([record])
                page = record.stripe_checkout_page()
            except (StripeFailure, UserError) as e:
                logger.warning(
                    "can not open checkout of %s: %s", record, e)
                page = {'unavailable': True}
        return cls._render(pool, record, page, page.get(
                'unavailable') and HTTPStatus.SERVICE_UNAVAILABLE)

    @classmethod
    def checkout_end(cls, request, pool, model, id):
        record = cls._get_record(pool, model, id)
        page = {}
        try:
            record, = record.__class__.stripe_lock([record])
            record.stripe_end_checkout()
        except StripeFailure as e:
            logger.warning("can not end checkout of %s: %s (%s)",
                record, e.code, e.request_id)
            page['unavailable'] = True
        return cls._render(pool, record, page)

    @classmethod
    def webhooks_endpoint(cls, request, pool, account):
        Account = pool.get('account.payment.stripe.account')
        Event = pool.get('account.payment.stripe.event')
        account = Account.from_identifier(account)
        if not account:
            abort(HTTPStatus.NOT_FOUND)
        try:
            event = account.read_webhook(
                request.get_data(), request.headers.get('Stripe-Signature'))
        except ValueError as e:
            logger.info("webhook of account %s: %s", account.id, e)
            abort(HTTPStatus.BAD_REQUEST)
        except StripeFailure as e:
            logger.warning("can not read event for account %s: %s (%s)",
                account.id, e.code, e.request_id)
            abort(HTTPStatus.SERVICE_UNAVAILABLE)
        if Event.receive_alone(account, event) is False:
            abort(HTTPStatus.SERVICE_UNAVAILABLE)
        return Response(status=HTTPStatus.NO_CONTENT)

    @classmethod
    def _get_record(cls, pool, model, id):
        if model not in CHECKOUT_MODELS:
            abort(HTTPStatus.FORBIDDEN)
        record = pool.get(model).from_checkout_id(id)
        if not record:
            abort(HTTPStatus.NOT_FOUND)
        return record

    @classmethod
    def _render(cls, pool, record, page, status=None):
        Report = pool.get('account.payment.stripe.checkout', type='report')
        Lang = pool.get('ir.lang')
        nonce = secrets.token_urlsafe(16)
        party = record.party
        language = (
            party.lang.code if party.lang else Transaction().language)
        stripe_js = record.stripe_account.stripe_js
        with Transaction().set_context(
                language=language, with_rec_name=False):
            _, html, _, _ = Report.execute([record.id], {
                    'model': record.__class__.__name__,
                    'page': {
                        'nonce': nonce,
                        'language': language,
                        'result': record.stripe_checkout_result,
                        'stripe_js': stripe_js,
                        **page,
                        },
                    'lang': Lang.get(language),
                    })
        return Response(
            html, status or HTTPStatus.OK,
            content_type='text/html; charset=utf-8',
            headers=_headers(nonce, stripe_js))


def _headers(nonce, stripe_js):
    api_base = config.get(SECTION, 'api_base', default=API_BASE)
    origins = []
    if not stripe_js.startswith(STRIPE_SCRIPTS[0] + '/'):
        origins = ['%s://%s' % urlsplit(stripe_js)[:2]]
    policy = {
        'default-src': ["'none'"],
        'script-src': ["'nonce-%s'" % nonce, *(origins or STRIPE_SCRIPTS)],
        'style-src': ["'nonce-%s'" % nonce],
        'img-src': ['data:', *(origins or STRIPE_IMAGES)],
        'frame-src': origins or STRIPE_FRAMES,
        'connect-src': ['%s://%s' % urlsplit(api_base)[:2]],
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
