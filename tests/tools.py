# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the tests and the demo share: a simulator and a small company."""
import uuid
from decimal import Decimal

from proteus import Model
from proteus.config import get_config
from trytond import config as trytond_config

from .simulator import Simulator

__all__ = [
    'create_stripe_account', 'create_stripe_journal', 'create_stripe_payment',
    'run_cron', 'start_simulator', 'use_stripe']

SECTION = 'account_payment_stripe'
WEBHOOK_EVENTS = ['*']


def use_stripe(url, stripe_js, **options):
    "Make the module talk to the server at the URL"
    if not trytond_config.has_section(SECTION):
        trytond_config.add_section(SECTION)
    options.setdefault('max_network_retries', '0')
    options.setdefault('timeout', '10')
    for name, value in {
            'api_base': url, 'stripe_js': stripe_js, **options}.items():
        trytond_config.set(SECTION, name, str(value))


def start_simulator(port=0, **options):
    "Start a simulator, make the module use it and return it"
    simulator = Simulator(port=port).start()
    use_stripe(simulator.url, simulator.stripe_js, **options)
    return simulator


def create_stripe_account(simulator, name=None, config=None):
    "Return a Stripe account of its own on the simulator"
    Account = Model.get('account.payment.stripe.account', config=config)

    world = simulator.account(name or uuid.uuid4().hex)
    account = Account(name="Stripe")
    account.secret_key = world.secret_key
    account.publishable_key = world.publishable_key
    account.save()
    return account


def create_stripe_journal(account, currency=None, config=None):
    Journal = Model.get('account.payment.journal', config=config)

    journal = Journal(name="Stripe", process_method='stripe')
    if currency:
        journal.currency = currency
    journal.stripe_account = account
    journal.save()
    return journal


def create_stripe_payment(
        journal, party, amount=Decimal('42'), config=None, **values):
    "Return a submitted payment"
    Payment = Model.get('account.payment', config=config)

    payment = Payment(
        kind='receivable', journal=journal, party=party, amount=amount)
    for name, value in values.items():
        setattr(payment, name, value)
    payment.save()
    payment.click('submit')
    return payment


def run_cron(name, company=None, config=None):
    "Run the cron of the XML id once"
    Cron = Model.get('ir.cron', config=config)
    ModelData = Model.get('ir.model.data', config=config)

    if config is None:
        config = get_config()
    cron = Cron(ModelData.get_id(SECTION, name, config.context))
    if company and not cron.companies:
        cron.companies.append(company.__class__(company.id))
        cron.save()
    cron.click('run_once')
