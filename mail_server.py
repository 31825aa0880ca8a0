# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the mail server takes, refuses or is silent about.

Knows no Tryton model.
"""
import smtplib
from email.utils import formatdate
from urllib.parse import parse_qs, urlsplit

from trytond import config
from trytond.i18n import gettext

# In seconds, for the mail server to answer
TIMEOUT = 10


class Unsure(Exception):
    "The mail server may have taken the message"


# What the mail server answers before it gets the message
_START_MAIL_INPUT = 354
# Codes with which the mail server would refuse it each time
REFUSED = (
    smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError,
    smtplib.SMTPNotSupportedError, ValueError, UnicodeError)


def is_passing(error):
    "Return if the mail server says to try again later, as with greylisting"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
    else:
        codes = [getattr(error, 'smtp_code', 0)]
    return any(400 <= code < 500 for code in codes)


def send(server, message):
    """Send the message, once.

    Return the answers to the recipients that were refused while others were
    not, by address.
    Raises Unsure if the server was silent after it got the message: sent
    again it might be delivered twice.
    """
    message['Date'] = formatdate()
    given = False

    def getreply():
        nonlocal given
        code, text = server.__class__.getreply(server)
        given |= code == _START_MAIL_INPUT
        return code, text
    server.getreply = getreply
    try:
        return server.send_message(message)
    except (smtplib.SMTPServerDisconnected, OSError) as e:
        if given and not isinstance(e, smtplib.SMTPResponseException):
            raise Unsure from e
        raise
    finally:
        del server.getreply


def text_of(error):
    "Return what the mail server said"
    if isinstance(error, Unsure):
        return gettext('account_payment_stripe.msg_email_unsure')
    elif isinstance(error, smtplib.SMTPRecipientsRefused):
        return '; '.join(
            '%s: %s' % (address, answer[1].decode(errors='replace'))
            for address, answer in error.recipients.items())
    return str(error)


def uri_with_timeout():
    "Return the URI of the mail server, which is not waited for without end"
    uri = config.get('email', 'uri')
    if 'timeout' in parse_qs(urlsplit(uri).query):
        return uri
    return '%s%stimeout=%d' % (uri, '&' if '?' in uri else '?', TIMEOUT)
