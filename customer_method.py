# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a customer has saved, kept true by what Stripe tells."""
import calendar
import datetime as dt
import logging

from trytond.exceptions import UserError
from trytond.model import ModelSQL, ModelView, Unique, fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import without_check_access

from .attempt import attempt
from .convert import one_line
from .gateway import StripeFailure
from .sources import label
from .store import touch

MODEL = 'account.payment.stripe.customer.method'

logger = logging.getLogger(__name__)


class Method(ModelSQL, ModelView):
    __name__ = MODEL
    _rec_name = 'label'

    customer = fields.Many2One(
        'account.payment.stripe.customer', "Customer", required=True,
        readonly=True, ondelete='CASCADE')
    stripe_payment_method_id = fields.Char(
        "Stripe Payment Method", required=True, readonly=True, strip=False)
    label = fields.Char("Payment Method", readonly=True, strip=False)
    expires = fields.Date(
        "Expires", readonly=True,
        help="The last day on which it can be charged.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('customer')
        t = cls.__table__()
        cls._sql_constraints = [
            ('method_unique',
                Unique(t, t.customer, t.stripe_payment_method_id),
                'account_payment_stripe.msg_customer_method_unique'),
            ]

    @classmethod
    def values_of(cls, object_):
        "Return the values of the dictionary of a source or payment method"
        return {
            'stripe_payment_method_id': object_['id'],
            'label': one_line(label(object_)),
            'expires': _expires(object_),
            }


class MethodsMixin:
    "Know what the customer has saved, and what is charged by default"
    __slots__ = ()

    stripe_methods = fields.One2Many(
        MODEL, 'customer', "Saved Payment Methods", readonly=True,
        states={
            'invisible': ~Eval('stripe_methods'),
            })
    stripe_default_method = fields.Many2One(
        MODEL, "Default Payment Method", ondelete='SET NULL',
        domain=[
            ('customer', '=', Eval('id', -1)),
            # The client looks again only for another domain
            ('id', 'in', Eval('stripe_methods', [])),
            ],
        states={
            'invisible': ~Eval('stripe_methods'),
            },
        help="What is charged if nothing is chosen on a payment.")
    stripe_announced = fields.Date("Expiry Announced", readonly=True)

    @classmethod
    def copy(cls, customers, default=None):
        default = default.copy() if default is not None else {}
        for name in [
                'stripe_methods', 'stripe_default_method',
                'stripe_announced']:
            default.setdefault(name)
        return super().copy(customers, default=default)

    @property
    def stripe_usual_method(self):
        "The saved method by which a person recognizes the customer, or None"
        if self.stripe_default_method or len(self.stripe_methods) != 1:
            return self.stripe_default_method
        method, = self.stripe_methods
        return method

    @without_check_access
    def stripe_keep_methods(self, objects, whole=True):
        """Bring the rows to the dictionaries of what is saved at Stripe.

        whole: if they are all that is saved.
        """
        Method = Pool().get(MODEL)
        known = {m.stripe_payment_method_id: m for m in Method.search([
                    ('customer', '=', self.id)])}
        to_save = []
        for values in map(Method.values_of, objects):
            row = known.pop(
                values['stripe_payment_method_id'], None) or Method(
                    customer=self)
            if any(getattr(row, n, None) != v for n, v in values.items()):
                for name, value in values.items():
                    setattr(row, name, value)
                to_save.append(row)
        if to_save:
            # The same may just be told to another transaction
            touch(self.__class__, [self])
        Method.save(to_save)
        if whole and known:
            self.stripe_drop_methods(list(known))

    @without_check_access
    def stripe_keep_default(self, object_):
        """Keep the row of the dictionary, which is charged by default if
        there is no other, or the payer was told that it expires."""
        self.stripe_keep_methods([object_], whole=False)
        if not self.stripe_default_method or self.stripe_expiring:
            self.stripe_default_method, = Pool().get(MODEL).search([
                    ('customer', '=', self.id),
                    ('stripe_payment_method_id', '=', object_['id']),
                    ])
            self.save()

    @without_check_access
    def stripe_drop_methods(self, identifiers=None):
        "Forget the rows of what is not saved anymore, without any: all"
        Method = Pool().get(MODEL)
        domain = [('customer', '=', self.id)]
        if identifiers is not None:
            domain.append(('stripe_payment_method_id', 'in', identifiers))
        rows = Method.search(domain)
        if self.stripe_default_method in rows:
            self.stripe_default_method = None
            self.save()
        Method.delete(rows)

    @classmethod
    def stripe_on_payment_method(cls, account, event):
        "A payment method was saved, changed, or is not there anymore"
        customers = cls.stripe_lock(cls.stripe_of_event(account, event))
        method = event['data']['object']
        for customer in customers:
            if method.get('customer') == customer.stripe_customer_id:
                known = {
                    m.stripe_payment_method_id
                    for m in customer.stripe_methods}
                if method['id'] not in known:
                    # It may have been removed since
                    method = customer.stripe_account.gateway.payment_methods
                    method = method.retrieve(event['data']['object']['id'])
                    if method['customer'] != customer.stripe_customer_id:
                        continue
                customer.stripe_keep_methods([method], whole=False)
            else:
                customer.stripe_drop_methods([method['id']])
        if customers:
            cls.clear_stripe_caches()
        return customers

    @classmethod
    def stripe_announce(cls):
        """Ask those by e-mail for another payment method whose default one
        expires soon, where the account wants it.

        Commits customer by customer, raises nothing.
        """
        Account = Pool().get('account.payment.stripe.account')
        today = Pool().get('ir.date').today()
        for account in Account.search([('expiry_notice', '!=', None)]):
            for customer in cls.search([
                        ('stripe_account', '=', account.id),
                        ('stripe_default_method.expires', '>=', today),
                        ('stripe_default_method.expires', '<=',
                            today + account.expiry_notice),
                        ('party.active', '=', True),
                        ]):
                try:
                    attempt(cls._stripe_announce_one, customer.id)
                except (UserError, StripeFailure) as e:
                    # Tried again by the next run
                    logger.warning(
                        "cannot announce that the payment method of customer "
                        "%s expires: %s", customer.id, e)

    @classmethod
    def _stripe_announce_one(cls, id_):
        for customer in cls.stripe_lock([id_]):
            # It may have been removed meanwhile
            method = customer.stripe_default_method
            expires = method and method.expires
            if (expires and customer.stripe_announced != expires
                    # It is done once there is an address
                    and customer.stripe_email_addresses()):
                customer.stripe_announced = expires
                customer.save()
                customer.stripe_prepare_mail()

    @property
    def stripe_expiring(self):
        "The default method whose expiry has been announced, or None"
        method = self.stripe_default_method
        if method and method.expires and (
                method.expires == self.stripe_announced):
            return method


def _expires(object_):
    "Return the last day of the month until which a card can be used"
    details = object_.get('card') or object_
    year, month = details.get('exp_year'), details.get('exp_month')
    if year and month:
        return dt.date(year, month, calendar.monthrange(year, month)[1])
