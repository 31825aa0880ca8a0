# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Banks that the payer is sent to: Bancontact, iDEAL and Sofort.

Their payment methods are used once; for later payments they generate a SEPA
direct debit.

https://docs.stripe.com/payments/bancontact/set-up-payment"""
from . import cards, methods
from .method_types import type_of
from .objects import shape

_ACCOUNTS = {
    'bancontact': ('BE62510007547061', {
            'bank_code': 'VAPE', 'bank_name': "VAN DE PUT & CO",
            'bic': 'VAPEBE22', 'preferred_language': 'en'}),
    'ideal': ('NL39RABO0300065264', {
            'bank': 'rabobank', 'bic': 'RABONL2U'}),
    'sofort': ('DE89370400440532013000', {
            'bank_code': 'DEUT', 'bank_name': "Deutsche Bank",
            'bic': 'DEUTDE2H', 'preferred_language': 'en'}),
    }


def details_of(owner, method):
    """Return the payment_method_details of a charge or setup attempt.

    owner is the class of the stripe package that has them."""
    type = method['type']
    class_ = getattr(
        owner.PaymentMethodDetails,
        ''.join(p.capitalize() for p in type.split('_')), None)
    if class_ is None:
        return {}
    details = shape(class_)
    if type in _ACCOUNTS:
        number, bank = _ACCOUNTS[type]
        details.update({k: v for k, v in bank.items() if k in details})
        details.update(
            {k: v for k, v in {
                    'iban_last4': number[-4:],
                    'verified_name': method['billing_details']['name'],
                    }.items() if k in details})
    return details


def generate(world, method, mandate_data, **source):
    """Return the SEPA direct debit that a payment method generates.

    source is the charge or the setup_attempt that does it."""
    from .intents import make_mandate
    number, _ = _ACCOUNTS[method['type']]
    behaviour = cards.by_number(number)
    row = methods.draft(
        world, 'sepa_debit', methods.sepa_details(world, behaviour),
        behaviour, {'billing_details': method['billing_details']})
    row['sepa_debit']['generated_from'].update(source)
    methods.store(world, row)
    make_mandate(world, row, {'mandate_data': mandate_data})
    row.private['set_up'] = True
    return row


def complete(world, intent, method, row, **source):
    """Let the charge or the setup attempt generate what can be saved.

    Return the payment method to save, which may be the same."""
    if not type_of(method).generates:
        return method if type_of(method).saved else None
    generated = generate(
        world, method, intent.private.get('mandate_data'), **source)
    type = method['type']
    details = dict(row['payment_method_details'])
    details[type] = dict(
        details[type], generated_sepa_debit=generated['id'],
        generated_sepa_debit_mandate=generated.private['mandate'])
    row['payment_method_details'] = details
    return generated
