#!/usr/bin/env python3
# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Show how payments go through Stripe, step by step.

    python tools/demo.py [STORY]

It starts a stand-in for Stripe and a Tryton server on this machine. With the
variables STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY it uses the test mode
of Stripe itself. In a terminal it goes on until it is interrupted, unless the
variable ONCE is set.
"""
import argparse
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
import warnings

STORIES = [
    'connect', 'pay', 'invoice', 'card', 'capture', 'refund', 'dispute',
    'payout']
PORT = 8000


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="ONCE=1 ends after the story, PORT=... is Tryton's port.")
    parser.add_argument(
        'story', nargs='?', default='pay', choices=[*STORIES, 'all'])
    return parser.parse_args()


def stripe_keys():
    "Return the secret and publishable keys of the test mode, or None"
    keys = [
        os.environ.get(n, '') for n in [
            'STRIPE_SECRET_KEY', 'STRIPE_PUBLISHABLE_KEY']]
    if not any(keys):
        return None
    if not all(keys):
        sys.exit("Set both STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY.")
    if not all('_test_' in k for k in keys):
        sys.exit("The demo takes keys of the test mode only.")
    return keys


def wanted_port():
    "Return the port for Tryton that was asked for"
    text = os.environ.get('PORT') or str(PORT)
    if not text.isdecimal() or not 0 < int(text) < 65536:
        sys.exit("PORT must be a number from 1 to 65535, not %r." % text)
    return int(text)


def free_port(wanted=0):
    for port in [wanted, 0]:
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(('127.0.0.1', port))
            except OSError:
                continue
            return s.getsockname()[1]


def configure(folder, port, mail_port):
    "Set the environment, before trytond is imported"
    for name in list(os.environ):
        if name.startswith('TRYTOND_') or name == 'DB_NAME':
            del os.environ[name]
    os.environ.update({
            'TRYTOND_DATABASE__URI': 'sqlite://',
            'TRYTOND_DATABASE__PATH': folder,
            'TRYTOND_WEB__HOSTNAME': '127.0.0.1:%d' % port,
            'TRYTOND_EMAIL__URI': 'smtp://127.0.0.1:%d' % mail_port,
            'TRYTOND_EMAIL__FROM': 'shop@example.com',
            })
    logging.basicConfig(level=logging.ERROR, format="    %(message)s")
    logging.getLogger().handlers[0].addFilter(_is_unexpected)
    logging.captureWarnings(True)
    warnings.simplefilter('ignore')


def _is_unexpected(record):
    "If it is not what the client shows to its user, as the password's dialog"
    from trytond.exceptions import TrytonException
    return not (
        record.exc_info
        and isinstance(record.exc_info[1], TrytonException))


def stay(company, terminal):
    "Tell what happens until the person has enough"
    from proteus import Model

    from trytond.modules.account_payment_stripe.tests.tools import run_cron
    Payment = Model.get('account.payment')

    payment = company.create_payment('42.00')
    url, _ = company.open_checkout(payment)
    terminal.scene("Now you: pay in your browser with 4242 4242 4242 4242")
    terminal.address(url)
    terminal.scene("Or log in with a Tryton client")
    terminal.fact("server", '127.0.0.1:%d' % company.port)
    terminal.fact("database", 'demo')
    terminal.fact("user", 'admin')
    terminal.fact("password", company.password)
    terminal.line()
    terminal.line("Press Ctrl-C to end.")
    terminal.line()
    states = {p.id: p.state for p in Payment.find([])}
    crons = 0
    while True:
        for payment in Payment.find([], order=[('id', 'ASC')]):
            if payment.state != states.get(payment.id):
                states[payment.id] = payment.state
                terminal.happened(
                    "payment %s of %s %s" % (
                        payment.number, payment.amount,
                        payment.currency.code), payment.state)
        time.sleep(1)
        crons += 1
        if crons % 15 == 0:
            for name in company.crons:
                run_cron(name)


def main():
    args = parse()
    keys = stripe_keys()
    stays = (not os.environ.get('ONCE')
        and sys.stdin.isatty() and sys.stdout.isatty())
    # So that the folder is removed then also
    for name in ['SIGTERM', 'SIGHUP']:
        if number := getattr(signal, name, None):
            signal.signal(number, lambda *_: sys.exit(143))
    started = time.monotonic()
    folder = tempfile.mkdtemp(prefix='stripe-demo-')
    try:
        return tell(args.story, keys, folder, stays, started)
    except KeyboardInterrupt:
        return 0 if stays else 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tell(story, keys, folder, stays, started):
    "Return the exit status"
    wanted = wanted_port()
    port, mail_port = free_port(wanted), free_port()
    configure(folder, port, mail_port)
    import demo_terminal
    terminal = demo_terminal.Terminal()
    terminal.title("Stripe payments in Tryton")
    terminal.line("Starting, the first time takes some seconds...")
    if port != wanted:
        terminal.line(
            "Port %d is taken, so Tryton listens on %d. Choose another with "
            "PORT=..." % (wanted, port))
    import demo_company
    import demo_payer
    import demo_stories
    stories = STORIES if story == 'all' else [story]
    mailbox = demo_payer.Mailbox(mail_port)
    try:
        with demo_company.Company(folder, port, keys) as company:
            introduce(company, terminal, time.monotonic() - started)
            teller = demo_stories.Storyteller(company, terminal, mailbox)
            for name in stories:
                teller.tell(name)
            terminal.line()
            terminal.line(terminal.paint(
                    "%d steps, all as expected, in %.1f s." % (
                        terminal.steps, time.monotonic() - started),
                    'bold', 'green'))
            if stays:
                stay(company, terminal)
    except KeyboardInterrupt:
        terminal.line()
        raise
    except Exception as e:
        terminal.failed("%s" % e)
        if not isinstance(e, demo_terminal.DemoError):
            traceback.print_exc()
        terminal.line("The demo has failed.")
        return 1
    finally:
        mailbox.stop()
    return 0


def introduce(company, terminal, seconds):
    if company.test_mode:
        terminal.fact("Stripe", "test mode of the account of your keys")
    else:
        terminal.fact("Stripe", "a stand-in at %s" % company.simulator.url)
    terminal.fact("Tryton", company.url)
    terminal.fact("ready", "after %.1f s%s" % (
            seconds, '' if company.cached else
            ", the next time is quicker"))


if __name__ == '__main__':
    sys.exit(main())
