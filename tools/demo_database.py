# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The database of the demo: made once, then copied from the cache.

The environment must be set, see demo.py, before this is imported."""
import datetime as dt
import hashlib
import os
import pathlib
import shutil
import sqlite3
from argparse import Namespace
from unittest.mock import patch

from proteus import Model
from proteus import config as proteus_config

from trytond import admin
from trytond.backend import Database
from trytond.model import ModelStorage
from trytond.modules.account.tests.tools import (
    create_chart, create_fiscalyear, get_accounts)
from trytond.modules.account_invoice.tests.tools import (
    set_fiscalyear_invoice_sequences)
from trytond.modules.account_payment_stripe.tests.tools import run_cron
from trytond.modules.company.tests.tools import create_company, get_company
from trytond.modules.currency.tests.tools import get_currency

from run_tests import CACHE, fingerprint

DATABASE = 'demo'
PASSWORD = 'demo-stripe'
NAME = "Flower Shop"
MODULES = [
    'account_payment_stripe', 'account_payment_clearing', 'account_invoice']
CURRENCY = 'EUR'
BALANCE, FEES = "Stripe Balance", "Stripe Fees"
CLEARING_ACCOUNT, TRANSIT = "Stripe Clearing", "Stripe In Transit"
SUSPENSE = "Stripe Suspense"
ACCOUNTS = [BALANCE, FEES, CLEARING_ACCOUNT, TRANSIT, SUSPENSE]


def restore(folder):
    """Copy the database into the folder, make it first if there is none.

    Return whether there was one."""
    digest = hashlib.sha256(
        pathlib.Path(__file__).read_bytes()).hexdigest()[:8]
    cache = CACHE / fingerprint() / ('demo-%s.sqlite' % digest)
    path = folder / ('%s.sqlite' % DATABASE)
    cached = cache.exists()
    if not cached:
        _create(path)
        cache.parent.mkdir(parents=True, exist_ok=True)
        part = cache.with_suffix('.%s' % os.getpid())
        source, target = sqlite3.connect(path), sqlite3.connect(part)
        source.backup(target)
        source.close()
        target.close()
        os.replace(part, cache)
    else:
        shutil.copyfile(cache, path)
    return cached


def _create(path):
    path.touch()
    password = path.with_name('password')
    password.write_text(PASSWORD)
    os.environ['TRYTONPASSFILE'] = str(password)
    # Half of the time would go into checking data that the tests check
    with patch.object(ModelStorage, '_validate'):
        admin.run(Namespace(
                database_names=[DATABASE], update=MODULES, languages=[],
                activatedeps=True, update_modules_list=False,
                login='admin', administrator=True,
                email='admin@example.com', active=True,
                password=True, reset_password=False, hostname=None,
                test_email=None, export_translations=False,
                indexes=None,
                validate=None, validate_percentage=100))
    Database(DATABASE).close()
    proteus_config.set_trytond(DATABASE)
    create_company(currency=get_currency(CURRENCY))
    company = get_company()
    company.party.name = NAME
    company.party.save()
    create_chart(company)
    # Payouts come some days later
    for date in [dt.date.today(), dt.date.today() + dt.timedelta(days=30)]:
        if not Model.get('account.fiscalyear').find([
                    ('start_date', '<=', date), ('end_date', '>=', date)]):
            fiscalyear = set_fiscalyear_invoice_sequences(
                create_fiscalyear(company, today=date))
            fiscalyear.save()
            fiscalyear.click('create_period')
    _create_accounts(company)
    for name in ['cron_charge', 'cron_capture']:
        run_cron(name, company)
    # Who logs in is not asked to configure what is
    Item = Model.get('ir.module.config_wizard.item')
    for item in Item.find([]):
        item.state = 'done'
        item.save()


def _create_accounts(company):
    Account = Model.get('account.account')
    accounts = get_accounts(company)
    for name in ACCOUNTS:
        like = accounts['expense' if name == FEES else 'cash']
        account = Account(name=name, type=like.type, parent=like.parent)
        account.reconcile = name not in {FEES, BALANCE}
        account.save()
