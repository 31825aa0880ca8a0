# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import logging
import random
import smtplib
import time
from email.headerregistry import Address
from email.utils import make_msgid

from sql import Literal

from trytond import config
from trytond.i18n import gettext
from trytond.model import Index, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.report import get_email
from trytond.sendmail import get_smtp_server
from trytond.transaction import Transaction, without_check_access
from trytond.url import host

from .attempt import attempt
from .exceptions import StripeMailError, StripeMailWarning
from .language import readable
from .mail_server import (
    REFUSED, Unsure, is_passing, send, text_of, uri_with_timeout)
from .plain import plain_text
from .shown_time import ShownTime

# In seconds, for a run to send
AT_MOST = 60
# How many e-mails in a row may fail by the mail server
FAILURES = 3
# Whoever got an e-mail within it hardly wants another one
RECENT = dt.timedelta(days=1)
# The reports of the e-mails: after a refusal, before any payment, to save a
# payment method, and in time before the saved one expires
REPORTS = {
    'declined': 'report_email_checkout',
    'request': 'report_email_request',
    'card': 'report_email_card',
    'expiring': 'report_email_card',
    }

logger = logging.getLogger(__name__)


class MailMixin:
    """Send the address of the page by e-mail.

    Nothing of it is part of the transaction that wants it, as of the one that
    stores what Stripe said: that only marks the record.
    """
    __slots__ = ()

    stripe_to_mail = fields.Boolean(
        "E-mail to Send", readonly=True,
        states={
            'invisible': ~Eval('stripe_to_mail', False),
            },
        help="It is sent as soon as the mail server takes it.")
    stripe_mail_error = fields.Char(
        "E-mail Not Sent", readonly=True,
        states={
            'invisible': ~Eval('stripe_mail_error'),
            },
        help="Why the last e-mail was not sent.")
    stripe_mailed_at = ShownTime(
        "E-mail Sent at", readonly=True,
        states={
            'invisible': ~Eval('stripe_mailed_at'),
            },
        help="When the address of the page was last sent by e-mail.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(
            Index(
                t, (t.id, Index.Range()),
                where=t.stripe_to_mail == Literal(True)))
        cls._buttons.update({
                'stripe_send_email': {
                    'invisible': ~Eval('stripe_mail_allowed', False),
                    'icon': 'tryton-email',
                    'depends': ['stripe_mail_allowed'],
                    },
                })

    @classmethod
    def copy(cls, records, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('stripe_to_mail', False)
        default.setdefault('stripe_mail_error')
        default.setdefault('stripe_mailed_at')
        return super().copy(records, default=default)

    @classmethod
    @ModelView.button
    def stripe_send_email(cls, records):
        """Send the address of the page of each record by e-mail.

        Raises StripeMailError if nobody can get any of them, warns if some
        cannot get it or have just got it. They are sent by the queue.
        """
        records = [
            r for r in cls.stripe_lock(records) if r.stripe_mail_allowed]
        cls._stripe_warn_mail(records)
        for record in records:
            record.stripe_prepare_mail()
        cls.__queue__.stripe_mail(records)

    def stripe_prepare_mail(self):
        "Mark the record, which is locked, for an e-mail"
        self.stripe_keep_address()
        self.stripe_store(stripe_to_mail=True, stripe_mail_error=None)

    @classmethod
    def _stripe_warn_mail(cls, records):
        Warning = Pool().get('res.user.warning')
        missing = [r for r in records if not r.stripe_email_addresses()]
        if missing:
            parties = ', '.join(dict.fromkeys(
                    r.party.rec_name for r in missing[:5]))
            if len(missing) > 5:
                parties += '...'
            if len(missing) == len(records):
                raise StripeMailError(gettext(
                        'account_payment_stripe.msg_email_missing',
                        party=parties))
            key = Warning.format('stripe_mail_missing', missing)
            if Warning.check(key):
                raise StripeMailWarning(key, gettext(
                        'account_payment_stripe.msg_email_some_missing',
                        parties=parties))
        since = dt.datetime.now() - RECENT
        sent = [
            r for r in records
            if r.stripe_to_mail or (
                r.stripe_mailed_at and r.stripe_mailed_at > since)]
        if sent:
            key = Warning.format('stripe_mail_again', sent)
            if Warning.check(key):
                raise StripeMailWarning(key, gettext(
                        'account_payment_stripe.msg_email_again',
                        records=', '.join(r.rec_name for r in sent[:5])
                        + ('...' if len(sent) > 5 else '')))

    @property
    def stripe_mail_kind(self):
        """Return which e-mail the record needs, a key of REPORTS, None if it
        needs none."""
        raise NotImplementedError

    @classmethod
    def stripe_mail(cls, records=None):
        """Send the e-mails of the records, or of all, that are marked for it.

        What cannot be sent is said on the record, unless it is the mail
        server that does not answer: then they are sent later.
        Commits record by record, raises nothing.
        """
        ends = time.monotonic() + AT_MOST
        server = None
        failures = 0
        try:
            marked = attempt(cls._stripe_marked, records)
            # Those that fail each time must not always be before the others
            random.shuffle(marked)
            for id_ in marked:
                message = cls._stripe_take_mail(id_)
                if not message:
                    continue
                try:
                    server = server or get_smtp_server(
                        uri_with_timeout(), strict=True)
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
            logger.exception("cannot send the e-mails of %s", cls.__name__)
        finally:
            if server:
                server.close()

    @classmethod
    def _stripe_deliver(cls, id_, server, message):
        "Send the message of the record, return if the mail server answered"
        try:
            refused = send(server, message)
        except (*REFUSED, Unsure) as e:
            if is_passing(e):
                # Only this address is refused, others may be taken
                cls._stripe_mail_later(id_, e)
            else:
                cls._stripe_note_mail(id_, text_of(e))
            return not isinstance(e, Unsure)
        except Exception as e:
            cls._stripe_mail_later(id_, e)
            return False
        error = None
        if refused:
            error = text_of(smtplib.SMTPRecipientsRefused(refused))
        cls._stripe_note_mail(id_, error, sent=message)
        return True

    @classmethod
    def stripe_queue_mail(cls, records):
        """Queue the e-mails of those of the records that are marked for it.

        Commits before, what Stripe said of them.
        """
        if marked := [r for r in records if r.stripe_to_mail]:
            attempt(lambda: cls.__queue__.stripe_mail(marked))

    @classmethod
    def _stripe_mail_later(cls, id_, error):
        "Mark the record again, as the mail server does not answer"
        logger.warning("cannot send e-mails: %s", error)
        attempt(cls._stripe_mark, id_, True)

    @classmethod
    def _stripe_marked(cls, records=None):
        "Return the ids of the records that wait for their e-mail"
        table = cls.__table__()
        where = table.stripe_to_mail == Literal(True)
        if records is not None:
            where &= table.id.in_([int(r) for r in records] or [-1])
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(table.id, where=where))
        return [
            r.id for r in cls.browse([id_ for id_, in cursor])
            # Nobody hears of a copy of the database
            if not r.stripe_own_account.is_elsewhere]

    @classmethod
    def _stripe_mark(cls, id_, value):
        "Mark the record for an e-mail or not, return if it was otherwise"
        for record in cls.stripe_lock([id_]):
            changed = bool(record.stripe_to_mail) != value
            record.stripe_store(stripe_to_mail=value)
            return changed

    @classmethod
    def _stripe_take_mail(cls, id_):
        "Return the message of the record, that nobody else sends, or None"
        try:
            if attempt(cls._stripe_mark, id_, False):
                return attempt(cls._stripe_mail_message, id_)
        except _MailError as e:
            cls._stripe_note_mail(id_, str(e))
        except Exception as e:
            # The company may have a report of its own
            logger.exception(
                "cannot write the e-mail of %s,%s", cls.__name__, id_)
            cls._stripe_note_mail(id_, e.__class__.__name__)

    @classmethod
    def _stripe_note_mail(cls, id_, error, sent=None):
        """Show on the record that the e-mail has been sent, or why not.

        sent: the message if at least one of the addresses was not refused.
        """
        values = {'stripe_mail_error': error}
        if error:
            logger.warning(
                "no e-mail for %s,%s: %s", cls.__name__, id_, error)
        if sent:
            values['stripe_mailed_at'] = dt.datetime.now()

        def note():
            for record in cls.stripe_lock([id_]):
                record.stripe_store(**values)
                if sent:
                    record._stripe_log_mail(sent)
        attempt(note)

    @without_check_access
    def _stripe_log_mail(self, message):
        "Keep the message where Tryton keeps those that users send"
        Email = Pool().get('ir.email')
        body = message.get_body(('html', 'plain'))
        Email.from_message(
            message, resource=self,
            body=body and body.get_content()).save()

    @classmethod
    def _stripe_mail_message(cls, id_):
        """Return the message of the record, None if it needs none anymore.

        Raises _MailError, in words, if there is nobody to send it to.
        """
        pool = Pool()
        ActionReport = pool.get('ir.action.report')
        ModelData = pool.get('ir.model.data')
        Lang = pool.get('ir.lang')
        records = cls.stripe_lock([id_])
        if not records or not (kind := records[0].stripe_mail_kind):
            return
        record, = records
        addresses = record._stripe_mail_addresses()
        record.stripe_keep_address()
        record.stripe_store(stripe_mail_error=None)
        report = ActionReport(ModelData.get_id(
                'account_payment_stripe', REPORTS[kind]))
        language = record.stripe_language or Lang.get()
        if language.direction == 'rtl':
            language = readable([language, Lang.get()], report.report_name)
        # Whoever charges it may not be allowed to read it, and the host that a
        # request names is not always ours
        request = Transaction().context.get('_request') or {}
        with Transaction().set_user(0), \
                Transaction().set_context(
                    language=language.code,
                    _request={'is_secure': request.get('is_secure')}):
            message, title = get_email(report, record, [language])
            if message.get_content_type() == 'text/html':
                html = message.get_content()
                message.set_content(plain_text(html))
                message.add_alternative(html, subtype='html')
                for part in message.iter_parts():
                    part['Content-Language'] = language.code
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
        "Return the addresses of those who get the e-mail"
        return [self.party.email] if self.party.email else []


class _MailError(Exception):
    "There is nobody to send the e-mail to"
