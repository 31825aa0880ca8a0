# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The addresses of the pages where payers pay, also those replaced since."""
import hashlib

from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import without_check_access

from .convert import is_key, new_key
from .secret import Secret

try:
    from trytond.tools.qrcode import generate_png
except ImportError:
    # It needs trytond[qrcode]
    generate_png = None

MODULE = 'account_payment_stripe'
PAGES = [
    'account.payment', 'account.payment.stripe.customer', 'account.invoice']


class AddressMixin:
    """Give the record an address that payers can be sent.

    It stays the same until somebody wants another one: who has got it may
    open it at any time.
    """
    __slots__ = ()

    stripe_checkout_id = Secret(
        "Stripe Checkout ID", readonly=True, strip=False)
    stripe_checkout_address = fields.Function(
        fields.Char(
            "Address of the Page",
            states={
                'invisible': ~Eval('stripe_checkout_address'),
                },
            help="Send it to the payer, it stays the same."),
        'get_stripe_checkout_address')
    stripe_checkout_qrcode = fields.Function(
        fields.Binary(
            "QR Code",
            states={
                'invisible': ~Eval('stripe_checkout_qrcode'),
                },
            help="The address of the page to be scanned with a phone."),
        'get_stripe_checkout_qrcode')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._buttons.update({
                'stripe_new_address': {
                    'invisible': ~Eval('stripe_checkout_address'),
                    'icon': 'tryton-refresh',
                    'depends': ['stripe_checkout_address'],
                    },
                })

    @classmethod
    def copy(cls, records, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('stripe_checkout_id')
        return super().copy(records, default=default)

    def get_stripe_checkout_address(self, name):
        return self.stripe_checkout_url if self.stripe_is_payable else None

    def get_stripe_checkout_qrcode(self, name):
        if generate_png:
            if address := self.get_stripe_checkout_address(name):
                return fields.Binary.cast(
                    generate_png(address, box_size=5, border=2).getvalue())

    @property
    def stripe_is_payable(self):
        "If something can be paid, or saved, at the address"
        return True

    @property
    def stripe_payee(self):
        "The name of who is paid, or will be"
        return self.company.rec_name

    @property
    def stripe_payee_company(self):
        "The company that is paid, None if it is not known"
        return self.company

    @property
    def stripe_language(self):
        "The language, an ir.lang, of the party or None"
        # Neither the routes nor the events have a company
        return self.party.get_multivalue('lang', company=self.company.id)

    @property
    def stripe_contact(self):
        "Where payers can ask, None if nobody set it"
        account = self.stripe_own_account
        contact = account and account.contact
        company = self.stripe_payee_company
        if not contact and company:
            contact = company.party.email or company.party.phone
        return contact or None

    @classmethod
    @ModelView.button
    def stripe_new_address(cls, records):
        """Give the records other addresses.

        Who opens the former ones reads that they were replaced.
        """
        for record in cls.stripe_lock(records):
            if record.stripe_checkout_id:
                record.stripe_replace_address()

    def stripe_keep_address(self):
        "Make the address if there is none yet"
        if not self.stripe_checkout_id:
            self.stripe_store(stripe_checkout_id=new_key())

    def stripe_replace_address(self):
        "Make another address, who opens the former one is told"
        FormerAddress = Pool().get('account.payment.stripe.former_address')
        FormerAddress.remember(self)
        self.stripe_store(stripe_checkout_id=new_key())

    def stripe_drop_address(self):
        "Let nobody see the record by the address anymore"
        self.stripe_store(stripe_checkout_id=None)

    @property
    def stripe_checkout_url(self):
        "The URL of the page, empty if it has not been opened"
        return self._stripe_checkout_url('checkout')

    @property
    def stripe_return_url(self):
        "The URL to which Stripe sends the payer back"
        return self._stripe_checkout_url('checkout_end')

    @property
    def stripe_logo_url(self):
        "The URL of the logo that the page shows"
        return self._stripe_checkout_url('checkout_logo')

    # Whatever the user may read
    @without_check_access
    def _stripe_checkout_url(self, endpoint):
        if not self.stripe_checkout_id:
            return ''
        Router = Pool().get(MODULE, type='router')
        return Router.url_for(
            endpoint, model=self.__class__.__name__,
            id=self.stripe_checkout_id)

    @classmethod
    def from_checkout_id(cls, checkout_id):
        "Return the record of the checkout page or None"
        if not is_key(checkout_id):
            return
        holders = cls.stripe_checkout_id.holders(cls, checkout_id)
        records = cls.search([('id', 'in', holders)], limit=1)
        return records[0] if records else None


class FormerAddress(ModelSQL):
    """An address that was replaced.

    What remains of it is only good to recognize it.
    """
    __name__ = 'account.payment.stripe.former_address'

    digest = fields.Char("Digest", required=True)
    record = fields.Reference("Record", 'get_models', required=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        table = cls.__table__()
        cls._sql_indexes.add(
            Index(table, (table.digest, Index.Equality())))

    @classmethod
    def get_models(cls):
        get_name = Pool().get('ir.model').get_name
        return [(m, get_name(m)) for m in cls._get_models()]

    @classmethod
    def _get_models(cls):
        "Return the names of the models that have addresses"
        return page_models()

    @classmethod
    @without_check_access
    def remember(cls, record, of=None):
        """Remember the address that the record has.

        of: what takes its place, None: the record.
        """
        cls.create([{
                    'digest': _digest(record.stripe_checkout_id),
                    'record': str(of or record),
                    }])

    @classmethod
    @without_check_access
    def move(cls, record, of):
        "Let the addresses of the record, which is deleted, be of another"
        cls.write(
            cls.search([('record', '=', str(record))]), {'record': str(of)})
        if record.stripe_checkout_id:
            cls.remember(record, of=of)

    @classmethod
    def find(cls, checkout_id):
        "Return the record that had the address, None if none had it"
        if not is_key(checkout_id):
            return
        for former in cls.search(
                [('digest', '=', _digest(checkout_id))], limit=1):
            # It may have been deleted since
            if record := former.record:
                return next(
                    iter(record.search([('id', '=', record.id)])), None)


def page_models():
    "Return the names of the models that have pages"
    # Invoices are there with an extra
    there = {n for n, _ in Pool().iterobject()}
    return [n for n in PAGES if n in there]


def _digest(key):
    return hashlib.sha256(key.encode()).hexdigest()
