# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from collections import defaultdict

from sql import Literal, Null
from sql.operators import Equal

from trytond.i18n import gettext
from trytond.model import Exclude, fields
from trytond.pool import Pool
from trytond.pyson import Bool, Eval
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, inactive_records

from .call import Call, call_now
from .exceptions import StripeCustomerError
from .gateway import StripeFailure, StripeRefused
from .run import Run

NOT_OWNED = 'customer_not_owned'
# How many ids are searched at once
SEARCHED = 1000


class OwnerMixin:
    """Know whose a customer at Stripe is.

    Its id is typed by a person or known twice in a migrated database, so it
    is used only once it is known to be of the record's party: cards would be
    charged, shown or deleted that are of somebody else.
    """
    __slots__ = ()

    stripe_owned_id = fields.Char(
        "Stripe Owned ID", readonly=True, strip=False,
        states={
            'invisible': True,
            },
        help="The customer at Stripe that is known to be of the party.")
    stripe_double = fields.Integer(
        "Double", readonly=True,
        states={
            'invisible': True,
            },
        help="Not zero if another record had the same customer at Stripe "
        "before this was refused.")
    stripe_doubles = fields.Function(
        fields.Many2Many(
            'account.payment.stripe.customer', None, None,
            "Same Customer at Stripe",
            states={
                'invisible': ~Bool(Eval('stripe_doubles')),
                },
            help="Other records with the same customer at Stripe."),
        'get_stripe_doubles')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints.append(
            ('stripe_customer_exclude',
                Exclude(t,
                    (t.stripe_account, Equal),
                    (t.stripe_customer_id, Equal),
                    # Zero, but different for each that was there before
                    (t.stripe_double, Equal),
                    where=t.active),
                'account_payment_stripe.msg_customer_id_unique'))

    @classmethod
    def __register__(cls, module):
        table_h = cls.__table_handler__(module)
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        is_new = not table_h.column_exist('stripe_owned_id')
        if is_new and table_h.column_exist('stripe_customer_id'):
            # As clients sent it where there was none
            cursor.execute(*table.update(
                    [table.stripe_customer_id], [Null],
                    where=table.stripe_customer_id == ''))
            table_h.add_column('stripe_double', cls.stripe_double._sql_type)
            cursor.execute(*table.update([table.stripe_double], [0]))
            cursor.execute(*table.update(
                    [table.stripe_double], [table.id],
                    where=table.id.in_(cls._shared(
                            lambda table, other: table.active & other.active
                            & (table.stripe_account
                                == other.stripe_account)))))

        super().__register__(module)

        if is_new:
            # It was always believed, except of those that contradict
            cursor.execute(*table.update(
                    [table.stripe_owned_id], [table.stripe_customer_id],
                    where=~table.id.in_(cls._shared(
                            lambda table, other:
                            table.party != other.party))))

    @classmethod
    def _shared(cls, where):
        "Return the ids of those which have the Stripe customer of another"
        table, other = cls.__table__(), cls.__table__()
        return table.join(other, condition=(
                (table.stripe_customer_id == other.stripe_customer_id)
                & (table.id != other.id))).select(
            table.id,
            where=(table.stripe_customer_id != '') & where(table, other))

    @classmethod
    def default_stripe_double(cls):
        return 0

    @classmethod
    def copy(cls, customers, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('stripe_owned_id')
        default.setdefault('stripe_double', 0)
        return super().copy(customers, default=default)

    @classmethod
    def get_stripe_doubles(cls, customers, name):
        by_id = cls._by_stripe_id(c.stripe_customer_id for c in customers)
        return {
            c.id: [o.id for o in by_id[c.stripe_customer_id] if o != c]
            for c in customers}

    @classmethod
    def _by_stripe_id(cls, ids):
        "Return the lists of all the records that have the ids at Stripe"
        by_id = defaultdict(list)
        with inactive_records():
            for sub_ids in grouped_slice(
                    list(filter(None, set(ids))), SEARCHED):
                for record in cls.search([
                            ('stripe_customer_id', 'in', list(sub_ids)),
                            ], order=[('id', 'ASC')]):
                    by_id[record.stripe_customer_id].append(record)
        return by_id

    @classmethod
    def validate_fields(cls, customers, field_names):
        super().validate_fields(customers, field_names)
        cls._check_stripe_id(customers, field_names)

    @classmethod
    def _check_stripe_id(cls, customers, field_names):
        if field_names and not (field_names & {
                    'stripe_customer_id', 'stripe_account', 'active'}):
            return
        customers = [
            c for c in customers if c.active and c.stripe_customer_id]
        if not customers:
            return
        by_id = cls._by_stripe_id(c.stripe_customer_id for c in customers)
        for customer in customers:
            for other in by_id[customer.stripe_customer_id]:
                if other == customer or not other.active:
                    continue
                # Accounts of several companies may be the same at Stripe
                if (other.stripe_account == customer.stripe_account
                        or other.party != customer.party):
                    raise StripeCustomerError(gettext(
                            'account_payment_stripe.msg_customer_id_used',
                            id=customer.stripe_customer_id,
                            party=other.party.rec_name))

    @property
    def stripe_usable_id(self):
        """The id of the customer at Stripe, None if there is none or it is
        not known to be of the party"""
        if (self.stripe_customer_id
                and self.stripe_owned_id == self.stripe_customer_id):
            return self.stripe_customer_id

    @property
    def stripe_look_needed(self):
        "If Stripe has to be asked whose the customer is"
        return bool(self.stripe_customer_id and not self.stripe_usable_id)

    @classmethod
    def stripe_look(cls, id_, gateway):
        """Yield the calls to find out if the customer can be used.

        It is forgotten if it is deleted at Stripe.
        Return the dictionary of Stripe's customer, None if there is none.
        Raises StripeRefused if it is somebody else's and StripeFailure if
        Stripe does not tell: one that it does not know may be of other keys.
        """
        customer_id = cls(id_).stripe_customer_id
        if not customer_id:
            return
        found = yield Call(gateway.customers.retrieve, customer_id)
        for customer in cls.stripe_lock([id_]):
            if customer.stripe_customer_id != customer_id:
                return
            elif found.get('deleted'):
                customer._forget_stripe_id(tell=True)
                return
            elif not customer._is_owner(found):
                customer.stripe_owned_id = None
                customer.save()
                raise customer._not_owned(customer_id)
            elif not customer.stripe_usable_id:
                customer.stripe_owned_id = customer_id
                customer.stripe_store(**customer.stripe_error_values(None))
                customer.save()
            return found

    def stripe_look_now(self):
        """Find out if the customer can be used.

        Raises the same as stripe_look.
        """
        cls = self.__class__
        return call_now(
            cls.stripe_look(self.id, self.stripe_account.gateway))

    def stripe_is_deleted(self, failure):
        "Return if the StripeFailure comes from that it is deleted at Stripe"
        if not (failure.missing and failure.param == 'customer'):
            return False
        try:
            return not self.stripe_look_now()
        except StripeFailure:
            # Stripe did not say whose it is
            return False

    def _not_owned(self, customer_id):
        "Return the failure that the customer at Stripe is somebody else's"
        return StripeRefused(
            gettext('account_payment_stripe.msg_customer_not_owned',
                id=customer_id,
                party=self.party.rec_name),
            code=NOT_OWNED, param='customer')

    def _is_owner(self, found):
        "Return if the dictionary of Stripe's customer is of the party"
        metadata = found.get('metadata') or {}
        named = metadata.get('tryton_record')
        if named:
            here = metadata.get('tryton_database') in {
                None, Transaction().database.name}
            if named == str(self):
                # The party may have been replaced and the database renamed.
                # After a restore another record may have the same id
                return bool(
                    (here and not self._is_of_other(
                            metadata.get('tryton_party')))
                    or self.stripe_usable_id or self._likeness(found))
            return here and self._is_replaced(
                named, metadata.get('tryton_party'))
        # The earlier module named none, neither do other systems
        others = [
            c for c in self.__class__._by_stripe_id([found['id']])[
                found['id']]
            if c.party != self.party]
        likeness = self._likeness(found)
        return not others or likeness > max(
            c._likeness(found) for c in others)

    def _is_replaced(self, named, code):
        "Return if the party is the one of the record that Stripe names"
        _, _, id_ = named.partition(',')
        with inactive_records():
            records = id_.isdigit() and self.__class__.search([
                    ('id', '=', int(id_)),
                    ])
            if records:
                parties = [r.party for r in records]
            else:
                parties = self._parties_named(code)
            return self._is_any_of(parties)

    def _is_of_other(self, code):
        "Return if the code is the one of another party, not of its own"
        with inactive_records():
            parties = self._parties_named(code)
            return bool(parties) and not self._is_any_of(parties)

    @staticmethod
    def _parties_named(code):
        "Return the parties of which Stripe was told the code"
        Party = Pool().get('party.party')
        if not code:
            return []
        return Party.search([('code', '=', code)]) or (
            code.isdigit() and Party.search([
                    ('id', '=', int(code)),
                    ('code', 'in', ['', None]),
                    ])) or []

    def _is_any_of(self, parties):
        "Return if the party is one of the parties, or has replaced one"
        for party in parties:
            seen = set()
            # Two may have replaced each other, one after the other
            while party and party not in seen:
                if party == self.party:
                    return True
                seen.add(party)
                party = party.replaced_by
        return False

    def _likeness(self, found):
        "Return how much of what Stripe knows of the customer is the party's"
        def fold(text):
            return (text or '').strip().casefold()
        params = self.stripe_party_params
        return sum(
            bool(fold(found.get(name))
                and fold(found[name]) == fold(params.get(name)))
            for name in ['email', 'name', 'phone'])

    def _forget_stripe_id(self, tell=False):
        """Forget the customer at Stripe and save.

        tell: show that it is deleted at Stripe.
        """
        message = None
        if tell and self.active:
            message = gettext(
                'account_payment_stripe.msg_customer_deleted',
                id=self.stripe_customer_id)
        self.stripe_drop_methods()
        self.stripe_customer_id = None
        self.stripe_owned_id = None
        self.stripe_double = 0
        self.stripe_sent = None
        # Stripe would answer with the former one for the same key
        self.stripe_attempt = (self.stripe_attempt or 0) + 1
        if not self.stripe_setup_intent_id:
            # Who has only the link must not learn that something is saved
            self.stripe_drop_address()
        self.stripe_store(
            stripe_error_message=message, stripe_error_code=None,
            stripe_error_param=None, stripe_tries=0, stripe_try_at=None)
        self.save()

    @classmethod
    def stripe_on_deleted(cls, account, event):
        "Forget the customer that is deleted at Stripe"
        customers = cls._by_account(
            account, event['data']['object']['id'])
        for customer in customers:
            customer._forget_stripe_id(tell=True)
        return customers

    @classmethod
    def _by_account(cls, account, customer_id):
        "Return the locked records of the account with the customer"
        with inactive_records():
            customers = cls.search([
                    ('stripe_account', '=', account.id),
                    ('stripe_customer_id', '=', customer_id),
                    ])
        return cls.stripe_lock(customers) if customers else []

    @classmethod
    def stripe_check(cls, customers):
        """Return the StripeFailure of those of the customers that cannot be
        used, by record.

        Stripe is only asked for those in doubt.
        """
        failures = {}
        by_id = cls._by_stripe_id(c.stripe_customer_id for c in customers)
        for customer in customers:
            if customer.stripe_look_needed or any(
                    c.party != customer.party
                    for c in by_id[customer.stripe_customer_id]):
                try:
                    customer.stripe_look_now()
                except StripeFailure as e:
                    failures[customer] = e
        return failures

    @classmethod
    def stripe_check_typed(cls, customers):
        """Ask Stripe whose the customers are that a person typed.

        Commits customer by customer.
        """
        def where(table):
            return (
                (table.stripe_customer_id != Null)
                & (table.active == Literal(True)))
        Run(cls, cls._check_typed_one).carry(where, customers)

    @classmethod
    def _check_typed_one(cls, job):
        if job.record.stripe_look_needed:
            yield from cls.stripe_look(job.record.id, job.gateway)

    @classmethod
    def on_modification(cls, mode, customers, field_names=None):
        super().on_modification(mode, customers, field_names=field_names)
        if mode == 'create' or (
                mode == 'write' and 'stripe_customer_id' in field_names):
            typed = [c for c in customers if c.stripe_look_needed]
            if typed:
                cls.__queue__.stripe_check_typed(typed)
