# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""No user finds a secret, on whatever way, nor reads one that is not his."""
import datetime as dt
import re
from collections import defaultdict

from trytond.exceptions import UserError
from trytond.model import fields
from trytond.pool import Pool

from .access_case import (
    ACCOUNT, ADMIN_ONLY, CUSTOMER, GROUPS, PAYMENT, REFUND, SECRETS,
    AccessTestCase, is_of_module)

# What a secret is called
SECRET = re.compile(r'secret|token|key|checkout_id|identifier')
# What is called so and is none
PUBLIC = {
    (ACCOUNT, 'publishable_key'): "on each page",
    ('account.payment.stripe.dispute', 'identifier'): "only names a dispute",
    ('account.payment.stripe.event', 'identifier'): "only tells what happened",
    ('account.payment.stripe.pace', 'key'): "a digest, no client has it",
    ('account.payment.stripe.payout', 'identifier'): "only names a payout",
    ('account.payment.stripe.transaction', 'identifier'): "only names it",
    (PAYMENT, 'stripe_idempotency_key'): "of no use without the secret key",
    (REFUND, 'stripe_idempotency_key'): "of no use without the secret key",
    }
DEPTH = 3


def find_secrets():
    "Return the model and name of the fields that look like secrets"
    found = set()
    for model, Model in Pool().iterobject():
        for name, field in Model._fields.items():
            if (is_of_module(Model, name)
                    and isinstance(field, fields.Char)
                    and SECRET.search(name)
                    and (model, name) not in PUBLIC):
                found.add((model, name))
    return found


def find_paths(model):
    """Return the paths over relations that lead to the model.

    Each is the name of the model from which it starts and those of the
    relations.
    """
    edges = defaultdict(set)
    for origin, Origin in Pool().iterobject():
        if not hasattr(Origin, 'search'):
            continue
        for name, field in Origin._fields.items():
            if hasattr(field, 'get_target'):
                edges[field.get_target().__name__].add((origin, name))
    paths = level = [(model, ())]
    for _ in range(DEPTH):
        level = [
            (origin, (name, *rest))
            for start, rest in level
            for origin, name in sorted(edges[start])]
        paths = paths + level
    return paths


class SecretsTestCase(AccessTestCase):
    "Test the secrets of accounts, customers and payments"

    def test_known(self):
        "Each field that looks like a secret is in the tests below"
        with self.transaction():
            self.assertEqual(find_secrets(), SECRETS)

    def domains(self, path, name, value):
        "Yield the domains that ask for the secret at the end of the path"
        dotted = '.'.join([*path, name])
        for operator, operand in [
                ('=', value), ('!=', None), ('like', value[:8] + '%'),
                ('not ilike', value[:8] + '%'), ('in', [value]), ('>', ' ')]:
            yield [(dotted, operator, operand)]
        if path:
            domain = [(name, 'like', value[:8] + '%')]
            for relation in reversed(path):
                domain = [(relation, 'where', domain)]
            yield domain
            yield [(path[0], 'not where', domain[0][2])]
            yield [(path[0], 'where', [
                        ('.'.join([*path[1:], name]), 'like', '%')])]

    def is_single(self, model, path):
        for name in path:
            field = Pool().get(model)._fields[name]
            if field._type.endswith('2many'):
                return False
            model = field.get_target().__name__
        return True

    def test_search(self):
        "No user searches or orders by one, over any relation"
        # Tryton cannot search over all of them
        refused = 0
        ordered = 0
        for (model, name), values in self.values.items():
            with self.transaction():
                paths = [
                    (origin, path, self.is_single(origin, path))
                    for origin, path in find_paths(model)
                    if 'search' in Pool().get(origin).__rpc__]
            for origin, path, single in paths:
                # All ways are the same to those who may the most
                users = GROUPS if len(path) < 2 else ['nobody', 'all']
                # Tryton orders by nothing of several
                sorters = users if single else []
                for user in users:
                    for domain in self.domains(path, name, values[0]):
                        result = self.call(
                            user, origin, 'search_count', domain,
                            errors=Exception)
                        self.assertIsInstance(
                            result, Exception, (user, origin, domain))
                        refused += isinstance(result, UserError)
                    if user not in sorters:
                        continue
                    order = [('.'.join([*path, name]), 'ASC')]
                    result = self.call(
                        user, origin, 'search', [], 0, None, order,
                        errors=Exception)
                    self.assertIsInstance(
                        result, Exception, (user, origin, order))
                    ordered += isinstance(result, UserError)
        self.assertGreater(refused, 5000)
        self.assertGreater(ordered, 100)

    def test_reference(self):
        "Nor over a reference, as of an attachment"
        with self.transaction():
            Note = Pool().get('ir.note')
            notes = Note.create([{
                        'message': "Note",
                        'resource': '%s,%s' % (model, id_),
                        } for model, ids in self.records.items()
                    for id_ in ids])
            origins = [
                (origin, name) for origin, Origin in Pool().iterobject()
                for name, field in Origin._fields.items()
                if field._type == 'reference' and 'search' in Origin.__rpc__]
        self.assertIn(('ir.note', 'resource'), origins)
        for user in ['nobody', 'all']:
            for (model, secret), values in self.values.items():
                for origin, name in origins:
                    result = self.call(user, origin, 'search_count', [
                            ('%s.%s' % (name, secret), 'like',
                                values[0][:8] + '%', model)],
                        errors=Exception)
                    self.assertIsInstance(
                        result, Exception, (user, origin, name, secret))
                for note in notes:
                    self.assertNotTold(user, (model, secret), [
                            self.call(user, 'ir.note', 'read', [note.id],
                                ['resource.' + secret], errors=Exception),
                            self.call(user, 'ir.note', 'export_data',
                                [note.id], ['resource/' + secret],
                                errors=Exception)])

    def test_internal_search(self):
        "Nor does the server, which has a way of its own"
        with self.transaction(0):
            for (model, name), (value, *_) in self.values.items():
                Model = Pool().get(model)
                with self.assertRaises(UserError):
                    Model.search([(name, '=', value)])
                with self.assertRaises(UserError):
                    Model.search([], order=[(name, 'ASC')])
                holders = getattr(Model, name).holders(Model, value)
                self.assertTrue(Model.search([('id', 'in', holders)]))

    def test_context(self):
        "Nor by the context, of history or of the order by similarity"
        value, = self.values[CUSTOMER, 'stripe_token']
        key = CUSTOMER + '.stripe_token.'
        for context in [
                {'_datetime': dt.datetime.now() + dt.timedelta(days=1)},
                {key + 'order': value[:8]},
                {key + 'search_full_text': True},
                {key + 'search_similarity': .1}]:
            for user in GROUPS:
                for domain, order in [
                        ([('stripe_token', 'ilike', value[:8] + '%')], None),
                        ([], [('stripe_token', 'DESC')])]:
                    self.assertIsInstance(self.call(
                            user, CUSTOMER, 'search', domain, 0, None, order,
                            **context), UserError)

    def test_definition(self):
        "The clients know that they can neither search nor order by it"
        with self.transaction():
            for model, name in SECRETS:
                definition = Pool().get(model).fields_get([name])[name]
                self.assertFalse(definition['searchable'])
                self.assertFalse(definition['sortable'])

    def assertNotTold(self, user, secret, result):
        if not self.is_told(user, *secret):
            for value in self.values[secret]:
                self.assertNotIn(value, repr(result), (user, secret))

    def test_read(self):
        "Who reads, over any relation, reads only his secrets"
        told = set()
        now = dt.datetime.now() + dt.timedelta(days=1)
        for secret, values in self.values.items():
            model, name = secret
            with self.transaction():
                paths = [
                    (origin, path, Pool().get(origin).search(
                            [], order=[('id', 'DESC')], limit=10).ids)
                    for origin, path in find_paths(model)
                    if len(path) < DEPTH
                    and 'read' in Pool().get(origin).__rpc__]
            for origin, path, ids in paths:
                for user in GROUPS:
                    results = [
                        self.call(user, origin, 'read', ids, [
                                '.'.join([*path, name])]),
                        self.call(user, origin, 'search_read',
                            [], 0, None, None, ['.'.join([*path, name])]),
                        *(self.call(user, origin, 'export_data', [id_], [
                                    '/'.join([*path, name])]) for id_ in ids),
                        self.call(user, origin, 'export_data_domain',
                            [], ['/'.join([*path, name])]),
                        ]
                    if not path:
                        results.append(self.call(
                                user, origin, 'read', self.records[model],
                                [name], _datetime=now))
                    self.assertNotTold(user, secret, results)
                    if any(v in repr(results) for v in values):
                        told.add((user, name))
        # Else it would show nothing
        self.assertLessEqual({
                ('admin', 'secret_key'), ('admin', 'webhook_signing_secret'),
                ('payment', 'stripe_token'), ('payment', 'stripe_checkout_id'),
                ('payment', 'webhook_identifier'), ('all', 'secret_key'),
                }, told)

    def test_view(self):
        "The views of those who may not read it have it not"
        for user in GROUPS:
            for type_ in ['form', 'tree']:
                view = self.call(
                    user, ACCOUNT, 'fields_view_get', None, type_)
                shown = view['fields'].keys() & ADMIN_ONLY
                if user not in {'admin', 'all'}:
                    self.assertFalse(shown)
                elif type_ == 'form':
                    # No view has the former one
                    self.assertEqual(
                        shown, ADMIN_ONLY - {'webhook_former_secret'})

    def test_report(self):
        "Who prints a report reads no more of its records"
        reports = {
            PAYMENT: {
                'record.stripe_token': (PAYMENT, 'stripe_token'),
                'record.stripe_checkout_id': (PAYMENT, 'stripe_checkout_id'),
                'record.journal.stripe_account.secret_key':
                (ACCOUNT, 'secret_key'),
                'record.journal.stripe_account.webhook_signing_secret':
                (ACCOUNT, 'webhook_signing_secret'),
                'record.journal.stripe_account.webhook_identifier':
                (ACCOUNT, 'webhook_identifier'),
                },
            'party.party': {
                "' '.join(c.stripe_checkout_id or '' "
                "for c in record.stripe_customers)":
                (CUSTOMER, 'stripe_checkout_id'),
                "' '.join(c.stripe_token or '' "
                "for c in record.stripe_customers)":
                (CUSTOMER, 'stripe_token'),
                'record.stripe_customers[0].stripe_account.secret_key':
                (ACCOUNT, 'secret_key'),
                },
            }
        told = set()
        for model, expressions in reports.items():
            ids = self.records.get(model, [self.party])
            for expression, secret in expressions.items():
                with self.transaction():
                    ActionReport = Pool().get('ir.action.report')
                    action, = ActionReport.create([{
                                'name': "Customized",
                                'model': model,
                                'report_name':
                                'account.payment.stripe.email_checkout',
                                'template_extension': 'txt',
                                'report_content_custom':
                                ('{%% for record in records %%}'
                                    '${%s}{%% end %%}' % expression).encode(),
                                }])
                for user in GROUPS:
                    result = self.call(
                        user, 'account.payment.stripe.email_checkout',
                        'execute', ids, {'action_id': action.id},
                        type='report')
                    self.assertNotTold(user, secret, result)
                    if any(v in repr(result) for v in self.values[secret]):
                        told.add((user, secret[1]))
        self.assertIn(('payment', 'stripe_checkout_id'), told)
        self.assertIn(('all', 'secret_key'), told)

    def test_server(self):
        "The server itself uses them whoever is the user"
        for user in GROUPS:
            with self.transaction(self.users[user], _check_access=True):
                account = Pool().get(ACCOUNT)(self.account)
                self.assertTrue(
                    account.gateway.payment_intents.search(query="x:'y'"))
