# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import logging
import random
import smtplib
import time
from email.headerregistry import Address
from email.utils import formatdate, make_msgid
from urllib.parse import parse_qs, urlsplit

from sql import Literal

from trytond import config
from trytond.i18n import gettext
from trytond.pool import Pool
from trytond.report import get_email
from trytond.sendmail import get_smtp_server
from trytond.transaction import Transaction
from trytond.url import host

from .attempt import attempt
from .convert import new_key

# In seconds, for the mail server to answer and for a run to send
TIMEOUT = 10
AT_MOST = 60
# How many e-mails in a row may fail by the mail server
FAILURES = 3

logger = logging.getLogger(__name__)


class MailMixin:
    """Ask the payer by e-mail to pay at the checkout page.

    Nothing of it is part of the transaction that stores what Stripe said: that
    only marks the payment.
    """
    __slots__ = ()

    @classmethod
    def stripe_mail(cls, payments=None):
        """Send the link of the checkout page to the payers of the payments,
        or all payments, that are marked for it.

        What cannot be sent is said on the payment, unless it is the mail
        server that does not answer: then they are sent later.
        Commits payment by payment, raises nothing.
        """
        ends = time.monotonic() + AT_MOST
        server = None
        failures = 0
        try:
            marked = attempt(cls._stripe_marked, payments)
            # Those that fail each time must not always be before the others
            random.shuffle(marked)
            for id_ in marked:
                message = cls._stripe_take_mail(id_)
                if not message:
                    continue
                try:
                    server = server or get_smtp_server(_uri(), strict=True)
                except Exception as e:
                    cls._stripe_mail_later(id_, e)
                    break
                answered = cls._stripe_deliver(id_, server, message)
                failures = 0 if answered else failures + 1
                if not (answered and server.sock):
                    server.close()
                    server = None
                if failures == FAILURES or time.monotonic() > ends:
                    break
        except Exception:
            # Payments are charged whatever happens to their e-mails
            logger.exception("cannot send the e-mails of payments")
        finally:
            if server:
                server.close()

    @classmethod
    def _stripe_deliver(cls, id_, server, message):
        "Send the message of the payment, return if the mail server answered"
        try:
            refused = _send(server, message)
        except (*_REFUSED, _Unsure) as e:
            if _is_passing(e):
                # Only this address is refused, others may be taken
                cls._stripe_mail_later(id_, e)
            else:
                cls._stripe_note_mail(id_, _text(e))
            return not isinstance(e, _Unsure)
        except Exception as e:
            cls._stripe_mail_later(id_, e)
            return False
        error = None
        if refused:
            error = _text(smtplib.SMTPRecipientsRefused(refused))
        cls._stripe_note_mail(id_, error, sent=True)
        return True

    @classmethod
    def stripe_queue_mail(cls, payments):
        """Queue the e-mails of those of the payments that are marked for it.

        Commits before, what Stripe said of them.
        """
        if marked := [p for p in payments if p.stripe_to_mail]:
            attempt(lambda: cls.__queue__.stripe_mail(marked))

    @classmethod
    def _stripe_mail_later(cls, id_, error):
        "Mark the payment again, as the mail server does not answer"
        logger.warning("cannot send e-mails: %s", error)
        attempt(cls._stripe_mark, id_, True)

    @classmethod
    def _stripe_marked(cls, payments=None):
        "Return the ids of the payments that wait for their e-mail"
        table = cls.__table__()
        where = table.stripe_to_mail == Literal(True)
        if payments is not None:
            where &= table.id.in_([int(p) for p in payments] or [-1])
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(table.id, where=where))
        return [id_ for id_, in cursor]

    @classmethod
    def _stripe_mark(cls, id_, value):
        "Mark the payment for an e-mail or not, return if it was otherwise"
        for payment in cls.stripe_lock([id_]):
            changed = bool(payment.stripe_to_mail) != value
            payment.stripe_store(stripe_to_mail=value)
            return changed

    @classmethod
    def _stripe_take_mail(cls, id_):
        "Return the message of the payment, that nobody else sends, or None"
        try:
            if attempt(cls._stripe_mark, id_, False):
                return attempt(cls._stripe_mail_message, id_)
        except _MailError as e:
            cls._stripe_note_mail(id_, str(e))
        except Exception as e:
            # The company may have a report of its own
            logger.exception("cannot write the e-mail of payment %s", id_)
            cls._stripe_note_mail(id_, e.__class__.__name__)

    @classmethod
    def _stripe_note_mail(cls, id_, error, sent=False):
        """Show on the payment that the payer has got the e-mail, or why not.

        sent: if at least one of the addresses was not refused.
        """
        values = {'stripe_mail_error': error}
        if error:
            logger.warning("no e-mail for payment %s: %s", id_, error)
        if sent:
            values['stripe_mailed_at'] = dt.datetime.now()

        def note():
            for payment in cls.stripe_lock([id_]):
                payment.stripe_store(**values)
        attempt(note)

    @classmethod
    def _stripe_mail_message(cls, id_):
        """Return the message to the payer, None if it is not needed anymore.

        Raises _MailError, in words, if there is nobody to send it to.
        """
        pool = Pool()
        ActionReport = pool.get('ir.action.report')
        ModelData = pool.get('ir.model.data')
        Lang = pool.get('ir.lang')
        payments = cls.stripe_lock([id_])
        if not payments or payments[0].stripe_waiting_for != 'payer':
            return
        payment, = payments
        addresses = payment._stripe_mail_addresses()
        payment.stripe_store(
            stripe_checkout_id=payment.stripe_checkout_id or new_key(),
            stripe_mail_error=None)
        language = payment.stripe_language or Lang.get()
        report = ActionReport(ModelData.get_id(
                'account_payment_stripe', 'report_email_checkout'))
        # Whoever charges it may not be allowed to read it, and the host that a
        # request names is not always ours
        request = Transaction().context.get('_request') or {}
        with Transaction().set_user(0), \
                Transaction().set_context(
                    language=language.code,
                    _request={'is_secure': request.get('is_secure')}):
            message, title = get_email(report, payment, [language])
            message['Message-ID'] = make_msgid(domain=host())
        message['From'] = config.get('email', 'from')
        message['To'] = addresses
        message['Subject'] = title
        return message

    def _stripe_mail_addresses(self):
        addresses = []
        for address in self.stripe_email_addresses():
            try:
                addresses.append(Address(addr_spec=address.strip()))
            except Exception:
                # The parser stumbles over some instead of refusing them
                raise _MailError(gettext(
                        'account_payment_stripe.msg_email_invalid',
                        address=address)) from None
        if not addresses:
            raise _MailError(gettext(
                    'account_payment_stripe.msg_email_missing',
                    party=self.party.rec_name))
        return addresses

    def stripe_email_addresses(self):
        "Return the addresses of those who are asked to pay"
        return [self.party.email] if self.party.email else []


class _Unsure(Exception):
    "The mail server may have taken the message"


class _MailError(Exception):
    "There is nobody to send the e-mail to"


# What the mail server answers before it gets the message
_START_MAIL_INPUT = 354
# Codes with which the mail server would refuse it each time
_REFUSED = (
    smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError,
    smtplib.SMTPNotSupportedError, ValueError, UnicodeError)


def _is_passing(error):
    "Return if the mail server says to try again later, as with greylisting"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
    else:
        codes = [getattr(error, 'smtp_code', 0)]
    return any(400 <= code < 500 for code in codes)


def _send(server, message):
    """Send the message, once.

    Return the answers to the recipients that were refused while others were
    not, by address.
    Raises _Unsure if the server was silent after it got the message: sent
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
            raise _Unsure from e
        raise
    finally:
        del server.getreply


def _text(error):
    "Return what the mail server said"
    if isinstance(error, _Unsure):
        return gettext('account_payment_stripe.msg_email_unsure')
    elif isinstance(error, smtplib.SMTPRecipientsRefused):
        return '; '.join(
            '%s: %s' % (address, answer[1].decode(errors='replace'))
            for address, answer in error.recipients.items())
    return str(error)


def _uri():
    "Return the URI of the mail server, which is not waited for without end"
    uri = config.get('email', 'uri')
    if 'timeout' in parse_qs(urlsplit(uri).query):
        return uri
    return '%s%stimeout=%d' % (uri, '&' if '?' in uri else '?', TIMEOUT)
