# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from urllib.parse import urlsplit

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pyson import TimeDelta

from .exceptions import StripeURLError

URLS = ['website', 'terms_url']


class PageMixin:
    "What payers read about the company on the pages"
    __slots__ = ()

    website = fields.Char(
        "Website",
        help="Where payers get back to once they have paid, "
        "such as https://www.example.com.")
    terms_url = fields.Char(
        "Terms", help="The address of the terms that payers can read.")
    contact = fields.Char(
        "Contact",
        help="The e-mail address or phone number where payers can ask.\n"
        "Leave empty for those of the company.")
    receipt_email = fields.Boolean(
        "Send Stripe's Receipts",
        help="Check to let Stripe send a receipt by e-mail to the payer.")
    part_payment = fields.Boolean(
        "Part Payments",
        help="Check to let payers choose how much of an invoice they pay.")
    send_address = fields.Boolean(
        "Send Addresses",
        help="Check to tell Stripe the addresses of customers, which it "
        "compares with those that payers give.")
    expiry_notice = fields.TimeDelta(
        "Announce Expiry",
        domain=['OR',
            ('expiry_notice', '=', None),
            ('expiry_notice', '>=', TimeDelta()),
            ],
        help="How long before their default payment method expires customers "
        "are asked by e-mail for another one.\n"
        "Leave empty to not ask them.")

    @classmethod
    def default_receipt_email(cls):
        return False

    @classmethod
    def default_part_payment(cls):
        return False

    @classmethod
    def default_send_address(cls):
        return False

    @classmethod
    def validate_fields(cls, accounts, field_names):
        super().validate_fields(accounts, field_names)
        cls._check_urls(accounts, field_names)

    @classmethod
    def _check_urls(cls, accounts, field_names):
        "Raise StripeURLError unless browsers open the URLs"
        for account in accounts:
            for name in URLS:
                url = getattr(account, name)
                if (url
                        and (not field_names or name in field_names)
                        and not is_url(url)):
                    raise StripeURLError(gettext(
                            'account_payment_stripe.msg_account_url',
                            url=url, **cls.__names__(name)))


def is_url(url):
    "Return if the URL is one of a page"
    # Python leaves some of them out, browsers leave out or encode others
    if ' ' in url or not url.isprintable():
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.scheme in {'http', 'https'} and parts.hostname)
