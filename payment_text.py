# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import re

from trytond.i18n import gettext
from trytond.pool import Pool

from .descriptor import descriptor_suffix

# The documents that the payer has got: what they are called, and the field
# of their date
DOCUMENTS = {
    'account.invoice': ('msg_description_invoice', 'invoice_date'),
    'sale.sale': ('msg_description_sale', 'sale_date'),
    }
# Of letters, in any script
_WORD = re.compile(r'[^\W\d_]{2}')


class TextMixin:
    "Say to the payer what is paid"
    __slots__ = ()

    @property
    def stripe_description(self):
        """What the payment is for as the payer knows it, in the language of
        the transaction.

        Numbers that are only ours never stand alone, and the reference for
        the bank is left out, as no bank transfer is asked for.
        """
        document = self._stripe_document
        items = []
        if document:
            items.append(named(document))
            reference = getattr(document, 'reference', None)
            if document.__name__ in DOCUMENTS and reference:
                items.append(gettext(
                        'account_payment_stripe.msg_description_reference',
                        reference=reference))
            if due := self._stripe_describe_due(document):
                items.append(due)
        if typed := self._stripe_describe_typed(document):
            items.append(typed)
        if not items:
            items.append(gettext(
                    'account_payment_stripe.msg_description_payment',
                    number=self.number))
        return ', '.join(items)

    @property
    def stripe_statement_suffix(self):
        """What the payer reads on the statement of the card after the name
        of the company, None if nothing is set on the journal."""
        document = self._stripe_document
        text = {
            'document': document and getattr(document, 'number', None),
            'reference': self.reference,
            }.get(self.journal.stripe_statement)
        if self.journal.stripe_statement:
            return descriptor_suffix(text) or descriptor_suffix(self.number)

    @property
    def _stripe_document(self):
        "What the payer has got"
        return (self.line and self.line.move_origin) or self.origin

    def _stripe_describe_typed(self, document):
        "Return the text about the reference that was typed, None without one"
        for_bank = self.reference_type == 'creditor_reference'
        if not self.reference or (document and for_bank):
            return
        if for_bank or not _WORD.search(self.reference):
            return gettext(
                'account_payment_stripe.msg_description_typed',
                reference=self.reference)
        return self.reference

    def _stripe_describe_due(self, document):
        "Return the text about when the document is due, None without one"
        date = self.line and self.line.maturity_date
        if date and date != _date_of(document):
            return gettext(
                'account_payment_stripe.msg_description_due',
                date=_formatted(date))


def named(document):
    "Return the kind, number and date of the document"
    number = getattr(document, 'number', None) or document.rec_name
    if document.__name__ in DOCUMENTS:
        message, _ = DOCUMENTS[document.__name__]
        name = gettext('account_payment_stripe.' + message, number=number)
    else:
        name = '%s %s' % (
            Pool().get('ir.model').get_name(document.__name__), number)
    if date := _date_of(document):
        return gettext(
            'account_payment_stripe.msg_description_dated',
            document=name, date=_formatted(date))
    return name


def _date_of(document):
    if document.__name__ in DOCUMENTS:
        _, name = DOCUMENTS[document.__name__]
        return getattr(document, name)


def _formatted(date):
    return Pool().get('ir.lang').get().strftime(date)
