# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Companies and payers that are made once and kept with the database.

To make them for each test takes more than most tests."""
import uuid

from trytond.modules.company.tests import create_company, set_company
from trytond.pool import Pool
from trytond.tests import test_tryton
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

# As many as most modules have tests, the others make what they lack
SIZE = 24
CODE = 'stock '
_taken = set()


def activate(modules, activate_module):
    "Activate the modules in a database that has a stock"
    if test_tryton.db_exist():
        activate_module(modules)
        return
    name = '-'.join([*modules, 'stock'])
    if test_tryton.restore_db_cache(name):
        return
    activate_module(modules)
    with Transaction().start(DB_NAME, 1):
        for i in range(SIZE):
            company, party = make()
            party.code = CODE + str(company.id)
            party.save()
    test_tryton.backup_db_cache(name)


def make():
    "Return a new company and one who pays it"
    Party = Pool().get('party.party')
    company = create_company("Company %s" % uuid.uuid4().hex)
    with set_company(company):
        party, = Party.create([{
                    'name': "Customer",
                    'contact_mechanisms': [('create', [{
                                    'type': 'email',
                                    'value': 'payer@example.com',
                                    }])],
                    }])
    return company, party


def take():
    "Return a company and one who pays it, that no other test uses"
    pool = Pool()
    Company = pool.get('company.company')
    Party = pool.get('party.party')
    for party in Party.search([
                ('code', 'like', CODE + '%'),
                ('id', 'not in', list(_taken)),
                ], order=[('id', 'ASC')], limit=1):
        _taken.add(party.id)
        return Company(int(party.code[len(CODE):])), party
    return make()
