# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import logging
from urllib.parse import urlsplit

from trytond import config
from trytond.exceptions import UserError
from trytond.protocols.wrappers import (
    HTTPStatus, Response, abort, allow_null_origin, set_max_request_size,
    with_pool, with_transaction)
from trytond.routing import Route, Router, Rule
from trytond.transaction import Transaction

from .address import page_models
from .attempt import attempt, patient
from .connect import hurried
from .exceptions import PaymentPaidError, PaymentPartlyPaidError, StripeError
from .gateway import StripeFailure
from .inquiry import InquiryLimit
from .page import render, render_invoice, render_missing

logger = logging.getLogger(__name__)

# In pixels, twice as large as it is shown
LOGO = (480, 128)


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
        # Who has just paid must not read that the server is busy
        pages = [*decorators, patient, with_write]
        cls.__routes__.update({
                'checkout': Route(
                    Rule('checkout/<model>/<id>', methods={'GET'}),
                    decorators=pages),
                # Together with the others werkzeug would redirect, to http
                # behind a proxy that nobody told trytond of
                'checkout_slash': Route(
                    Rule('checkout/<model>/<id>/', methods={'GET'}),
                    decorators=pages),
                'checkout_end': Route(
                    Rule('checkout/<model>/<id>/end', methods={'GET'}),
                    # Some payment services send the payer back from a page
                    # without an origin
                    decorators=[allow_null_origin, *pages]),
                'checkout_end_slash': Route(
                    Rule('checkout/<model>/<id>/end/', methods={'GET'}),
                    decorators=[allow_null_origin, *pages]),
                'checkout_logo': Route(
                    Rule('checkout/<model>/<id>/logo', methods={'GET'}),
                    decorators=pages),
                'webhooks_endpoint': Route(
                    Rule('webhook/<account>', methods={'POST'}),
                    Rule('/<database_name>/account_payment_stripe'
                        '/webhook/<account>', methods={'POST'},
                        redirect_to='webhook/<account>'),
                    decorators=[allow_null_origin, *decorators]),
                })

    @classmethod
    def checkout(cls, request, pool, model, id):
        record = _find(pool, model, id)
        if not record:
            return _missing(request, pool, model, id)
        if model == 'account.invoice':
            return cls._checkout_invoice(request, record)
        page = {}
        if record.stripe_checkout_result in {
                'open', 'waiting', 'unavailable'}:
            try:
                record, = record.__class__.stripe_lock([record])
                page = record.stripe_checkout_page(
                    other='other' in request.args)
            except (StripeFailure, UserError) as e:
                page = cls._failed(record, e)
        return render(request, record, page)

    @classmethod
    def checkout_slash(cls, *args, **kwargs):
        "Return the page, to whose address somebody added a slash"
        return cls.checkout(*args, **kwargs)

    @classmethod
    def checkout_end_slash(cls, *args, **kwargs):
        return cls.checkout_end(*args, **kwargs)

    @classmethod
    def _checkout_invoice(cls, request, invoice):
        "Return the response that leads to the payment of the invoice"
        if request.method == 'HEAD':
            # Whoever looks if the address works does not want to pay
            return Response(status=HTTPStatus.OK)
        Invoice = invoice.__class__
        payment, lines = None, []
        try:
            invoice, = Invoice.stripe_lock([invoice])
            lines = invoice.stripe_lines_online
            wanted = request.args.get('line')
            lines = [x for x in lines if str(x[0].id) == wanted] or lines
            if len(lines) > 1:
                return render_invoice(request, invoice, 'choose', lines)
            elif lines:
                part = None
                if ('other' in request.args
                        and invoice.stripe_takes_part(*lines[0])):
                    entered = request.args.get('amount')
                    try:
                        part = invoice.stripe_part(entered or '', lines[0][2])
                    except ValueError:
                        return render_invoice(
                            request, invoice, 'amount', lines,
                            wrong=entered is not None)
                payment = invoice.stripe_pay_online(*lines[0], part=part)
                if (payment.stripe_checkout_result == 'open'
                        and not payment.stripe_checkout_needed):
                    # What is saved is being charged
                    return render_invoice(request, invoice, 'busy')
            elif payment := invoice.stripe_under_way:
                if not payment.stripe_tells_payer:
                    return render_invoice(request, invoice, 'busy')
            else:
                payment = invoice.stripe_last_payment
        except (PaymentPaidError, PaymentPartlyPaidError):
            # Its page tells what has just been found out
            Transaction().rollback()
            payment = lines[0][1]
        except (StripeFailure, UserError) as e:
            Transaction().rollback()
            logger.warning("page of %s: %s", invoice, e)
            return render_invoice(request, invoice, 'unavailable')
        if not (payment and payment.stripe_checkout_id):
            return render_invoice(
                request, invoice,
                'elsewhere' if invoice.stripe_is_due else 'settled')
        return Response(
            status=HTTPStatus.SEE_OTHER, headers={
                'Location': urlsplit(payment.stripe_checkout_url).path,
                'Cache-Control': 'no-store',
                'Referrer-Policy': 'no-referrer',
                })

    @classmethod
    def checkout_end(cls, request, pool, model, id):
        record = _find(pool, model, id)
        if not record:
            return _missing(request, pool, model, id)
        if model == 'account.invoice':
            return cls._checkout_invoice(request, record)
        page = {}
        try:
            record, = record.__class__.stripe_lock([record])
            page = record.stripe_end_checkout() or {}
            record.stripe_queue_mail([record])
        except (StripeFailure, UserError) as e:
            # What is not done now is done when the event comes
            page = cls._failed(record, e)
        return render(request, record, page, end=True)

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
        return {
            'unavailable': True,
            'small': getattr(error, 'code', None) == 'amount_too_small',
            }

    @classmethod
    def checkout_logo(cls, request, pool, model, id):
        record = _find(pool, model, id)
        company = record and record.stripe_payee_company
        if not (company and company.logo):
            abort(HTTPStatus.NOT_FOUND)
        image, mimetype, *_ = company.get_logo(*LOGO)
        return Response(image, content_type=mimetype, headers={
                'Cache-Control': 'private, max-age=3600',
                'Content-Security-Policy': "default-src 'none'",
                'X-Content-Type-Options': 'nosniff',
                })


def _find(pool, model, id):
    if model not in page_models():
        abort(HTTPStatus.FORBIDDEN)
    return pool.get(model).from_checkout_id(id)


def _missing(request, pool, model, id):
    FormerAddress = pool.get('account.payment.stripe.former_address')
    former = FormerAddress.find(id)
    if former and former.__name__ != model:
        if (former.__name__, model) != ('account.invoice', 'account.payment'):
            former = None
        elif not former.stripe_lines_online:
            # The payment of the invoice was withdrawn
            return render_invoice(request, former, 'settled')
    return render_missing(request, former)


def _receive_webhook(request, pool, identifier, event=None):
    """Apply the event that was posted, or that Stripe was asked for.

    Return None or the function that asks Stripe, with which to come again.
    """
    Account = pool.get('account.payment.stripe.account')
    account = Account.from_identifier(identifier)
    if not account:
        abort(HTTPStatus.NOT_FOUND)
    if account.is_elsewhere:
        logger.warning("webhook: %s", account.elsewhere_message)
        abort(HTTPStatus.SERVICE_UNAVAILABLE)
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
