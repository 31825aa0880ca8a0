# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Where the CPU time of a job of the benchmark goes."""
import os
import sys
from collections import defaultdict
from contextlib import contextmanager

# The first that is found in the path of the function
LAYERS = [
    ('module', '/account_payment_stripe/'),
    ('SQL: python-sql', '/sql/'),
    ('SQL: psycopg', '/psycopg'),
    ('SQL: trytond', '/trytond/backend/'),
    ('web', '/trytond/wsgi'),
    ('web', '/werkzeug/'),
    ('HTTP: stripe', '/stripe/'),
    ('HTTP: requests', '/requests/'),
    ('HTTP: urllib3', '/urllib3/'),
    ('HTTP: http', '/http/'),
    ('HTTP: e-mail headers', '/email/'),
    ('JSON', '/json/'),
    ('ORM', '/trytond/'),
    ('threads', '/threading.py'),
    ('threads', '/concurrent/'),
    ]
TOP = 25


@contextmanager
def profiled(job):
    """Print where the time went if the job is the one of PROFILE in the
    environment."""
    if os.environ.get('PROFILE') != job:
        yield
        return
    import yappi
    yappi.set_clock_type('cpu')
    yappi.start()
    try:
        yield
    finally:
        yappi.stop()
        _print(yappi.get_func_stats())


def _layer(path):
    path = path.replace(
        os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
        '/account_payment_stripe')
    for name, part in LAYERS:
        if part in path:
            return name
    return 'Python'


def _print(stats):
    total = sum(s.tsub for s in stats) or 1
    layers = defaultdict(float)
    for stat in stats:
        layers[_layer(stat.module)] += stat.tsub

    def say(*columns):
        print(*columns, file=sys.stderr, flush=True)
    for name, seconds in sorted(
            layers.items(), key=lambda i: i[1], reverse=True):
        say('%5.1f %%  %s' % (100 * seconds / total, name))
    for stat in sorted(stats, key=lambda s: s.tsub, reverse=True)[:TOP]:
        say('%5.1f %%  %5.1f %%  %8d  %s:%s %s' % (
                100 * stat.tsub / total, 100 * stat.ttot / total,
                stat.ncall, *stat.module.split('/')[-1:], stat.lineno,
                stat.name))
