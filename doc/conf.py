# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import configparser
import os

HERE = os.path.dirname(os.path.abspath(__file__))

_config = configparser.ConfigParser()
_config.read(os.path.join(HERE, os.pardir, 'tryton.cfg'))

project = "Stripe payments for Tryton"
author = "The account_payment_stripe developers"
copyright = "2026, " + author
release = _config['tryton']['version']
version = '.'.join(release.split('.')[:2])

root_doc = 'index'
exclude_patterns = ['_build']
html_theme = 'alabaster'
html_theme_options = {
    'description': "Receive payments through Stripe",
    'fixed_sidebar': True,
    'page_width': '64rem',
    }
html_sidebars = {
    '**': ['about.html', 'navigation.html', 'searchbox.html'],
    }
