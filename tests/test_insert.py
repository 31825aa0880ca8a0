# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from unittest.mock import Mock, patch

from trytond.pool import Pool
from trytond.transaction import Transaction

from .case import StripeTestCase

AUTOMATIC = {'id', 'create_date', 'rec_name'}


class InsertTestCase(StripeTestCase):
    "Test what is written without the ORM is what the ORM would write"

    def pay(self):
        "Return the id of a payment and the event that pays it"
        with self.transaction():
            Payment = Pool().get('account.payment')
            payment = self.create_payment()
            Payment.stripe_checkout([payment])
            intent = payment.stripe_payment_intent_id
        self.world.pay(intent)
        return payment.id, self.payload('payment_intent.succeeded')

    def receive(self, *events):
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Event = pool.get('account.payment.stripe.event')
            return Event.receive_all(Account(self.account), list(events))

    def rows(self, model, domain):
        "Return the values of the stored fields, after the ORM accepts them"
        with self.transaction():
            Model = Pool().get(model)
            records = Model.search(domain, order=[('id', 'ASC')])
            Model._validate(records)
            names = [
                n for n, f in Model._fields.items()
                if n not in AUTOMATIC and not hasattr(f, 'getter')]
            for record in records:
                self.assertTrue(record.create_date)
            return [
                {n: str(getattr(r, n)) for n in names} for r in records]

    def of_event(self, event):
        return self.rows('account.payment.stripe.event', [
                ('account', '=', self.account),
                ('identifier', '=', event['id']),
                ])

    def of_log(self, payment):
        return self.rows('ir.model.log', [
                ('resource', '=', 'account.payment,%s' % payment),
                ('target', '=', 'state:succeeded'),
                ])

    def test_same(self):
        "Test the row and the log are the same, alone and with others"
        alone, event = self.pay()
        with patch('trytond.modules.account_payment_stripe.store'
                '._needs_orm', return_value=True):
            orm, other = self.pay()
            self.assertEqual(self.receive(other), [True])
        self.assertEqual(self.receive(event), [True])
        payments = [self.pay() for _ in range(2)]
        self.assertEqual(self.receive(*[e for _, e in payments]), [True] * 2)
        expected, = self.of_event(other)
        expected_log, = self.of_log(orm)
        for payment, event in [(alone, event), *payments]:
            row, = self.of_event(event)
            self.assertEqual(row['identifier'], event['id'])
            self.assertEqual(
                row['object_id'], event['data']['object']['id'])
            self.assertEqual(
                row['record'], 'account.payment,%s' % payment)
            differ = {
                'identifier', 'object_id', 'record', 'happened_at'}
            self.assertEqual(
                {n: v for n, v in row.items() if n not in differ},
                {n: v for n, v in expected.items() if n not in differ})
            log, = self.of_log(payment)
            log['resource'] = expected_log['resource']
            self.assertEqual(log, expected_log)

    def test_twice(self):
        "Test who was slower to keep the event finds it applied"
        payment, event = self.pay()
        self.receive(event)
        with self.transaction():
            Event = Pool().get('account.payment.stripe.event')
        search_known = Event.search_known
        # The other commits after the slower has looked
        with patch.object(Event, 'search_known') as known:
            known.side_effect = lambda *args: (
                {} if known.call_count == 1 else search_known(*args))
            self.assertEqual(self.receive(event), [True])
        self.assertEqual(len(self.of_event(event)), 1)
        self.assertEqual(len(self.of_log(payment)), 1)

    def test_trigger(self):
        "Test the triggers of others are still pulled"
        payment, event = self.pay()
        trigger = Mock()
        with self.transaction():
            Trigger = Pool().get('ir.trigger')
        with patch.object(Trigger, 'get_triggers') as get_triggers:
            get_triggers.side_effect = lambda name, mode: [trigger] if (
                name == 'account.payment.stripe.event'
                and mode == 'create') else []
            self.receive(event)
        (records,), _ = trigger.queue_trigger_action.call_args
        self.assertEqual([r.identifier for r in records], [event['id']])

    def test_rolled_back(self):
        "Test nothing is logged of what is not committed"
        payment, event = self.pay()
        with self.transaction():
            pool = Pool()
            Account = pool.get('account.payment.stripe.account')
            Event = pool.get('account.payment.stripe.event')
            Event.receive(Account(self.account), event)
            Transaction().rollback()
        self.assertEqual(self.of_log(payment), [])
        self.assertEqual(self.of_event(event), [])

    def test_employee(self):
        "Test who noted the success is the employee of the user"
        with self.transaction() as transaction:
            pool = Pool()
            Company = pool.get('company.company')
            Employee = pool.get('company.employee')
            company = Company(self.company)
            employees = Employee.create([{
                        'company': company.id,
                        'party': company.party.id,
                        }] * 2)
            first, second = [e.id for e in employees]
            user = pool.get('res.user').__table__()
            transaction.connection.cursor().execute(*user.update(
                    [user.employee], [first], where=user.id == 0))
        for context, expected in [
                ({}, first),
                # What the context says goes before
                ({'employee': second}, second),
                ({'employee': None}, None)]:
            payment, event = self.pay()
            with self.subTest(**context):
                with self.transaction(user=0, **context):
                    pool = Pool()
                    Account = pool.get('account.payment.stripe.account')
                    Event = pool.get('account.payment.stripe.event')
                    Event.receive_all(Account(self.account), [event])
                with self.transaction():
                    Payment = Pool().get('account.payment')
                    by = Payment(payment).succeeded_by
                    self.assertEqual(by and by.id, expected)
