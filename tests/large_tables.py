# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Tables with many rows for the benchmarks and the test of the indexes."""
import datetime as dt

from sql import Table

from trytond.transaction import Transaction

__all__ = ['CHARGED', 'DUE', 'analyze', 'multiply']

# What is special of payments that are to be charged
DUE = {
    'state': "'processing'",
    'stripe_payment_intent_id': 'NULL',
    'stripe_intent_status': 'NULL',
    'stripe_charge_id': 'NULL',
    'stripe_captured': 'false',
    'stripe_captured_amount': 'NULL',
    'stripe_refunded_amount': 'NULL',
    'stripe_state_at': 'NULL',
    'stripe_checkout_id': 'NULL',
    }
# What is special of those of the past
CHARGED = {
    'state': "'succeeded'",
    'stripe_intent_status': "'succeeded'",
    'stripe_payment_intent_id': "'pi_' || md5(i::text)",
    'stripe_charge_id': "'ch_' || md5(i::text)",
    'stripe_checkout_id': "md5('checkout' || i)",
    }


def multiply(model, id_, count, **expressions):
    """Copy the row count times, return the first of the new ids.

    expressions: name of the column: SQL with the number i from 1 to count.
    """
    cursor = Transaction().connection.cursor()
    table = model.__table__()._name
    cursor.execute(*Table(table).select(limit=1))
    columns = [d[0] for d in cursor.description if d[0] != 'id']
    cursor.execute('SELECT COALESCE(MAX(id), 0) FROM "%s"' % table)
    last, = cursor.fetchone()
    if 'number' in columns:
        expressions.setdefault('number', "'N' || i")
    if 'stripe_idempotency_key' in columns:
        expressions.setdefault(
            'stripe_idempotency_key', 'md5(random()::text || i)')
    cursor.execute(
        'INSERT INTO "%s" (%s) SELECT %s FROM "%s" '
        'CROSS JOIN generate_series(1, %d) AS i WHERE id = %d' % (
            table,
            ', '.join('"%s"' % c for c in columns),
            ', '.join(expressions.get(c, '"%s"' % c) for c in columns),
            table, count, id_))
    return last + 1


def analyze(*models):
    "Let the database know how many rows there are now"
    cursor = Transaction().connection.cursor()
    for model in models:
        cursor.execute('ANALYZE "%s"' % model.__table__()._name)


def create_base(simulator, name='bench'):
    """Create what payments need and return the ids.

    In a transaction, with the simulator running.
    """
    from trytond.modules.company.tests import create_company, set_company
    from trytond.pool import Pool
    pool = Pool()
    Account = pool.get('account.payment.stripe.account')
    Customer = pool.get('account.payment.stripe.customer')
    Journal = pool.get('account.payment.journal')
    Party = pool.get('party.party')
    Payment = pool.get('account.payment')
    world = simulator.account(name)
    company = create_company()
    with set_company(company):
        account, = Account.create([{
                    'name': "Stripe",
                    'secret_key': world.secret_key,
                    'publishable_key': world.publishable_key,
                    'rate_total': 95,
                    'webhook_identifier': name * 4,
                    'webhook_signing_secret': 'whsec_' + name,
                    }])
        journal, = Journal.create([{
                    'name': "Stripe",
                    'company': company.id,
                    'currency': company.currency.id,
                    'process_method': 'stripe',
                    'stripe_account': account.id,
                    }])
        party, = Party.create([{'name': "Customer"}])
        customer, = Customer.create([{
                    'party': party.id,
                    'stripe_account': account.id,
                    'stripe_token': 'tok_visa',
                    }])
        Transaction().commit()
        Customer.stripe_create([customer])
        customer = Customer(customer.id)
        (method, _), = customer.payment_methods()
        payment, = Payment.create([{
                    'company': company.id,
                    'journal': journal.id,
                    'kind': 'receivable',
                    'party': party.id,
                    'amount': 42,
                    'date': dt.date.today(),
                    'stripe_customer': customer.id,
                    'stripe_customer_payment_method': method,
                    }])
    return {
        'company': company.id,
        'account': account.id,
        'webhook': account.webhook_identifier,
        'secret': account.webhook_signing_secret,
        'customer': customer.id,
        'customer_id': customer.stripe_customer_id,
        'method': method,
        'party': party.id,
        'journal': journal.id,
        'payment': payment.id,
        }
