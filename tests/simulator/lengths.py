# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the types of the stripe package don't tell of strings.

The lengths are those of Stripe's OpenAPI description; other strings may have
5000 characters."""

_CUSTOMER = {'description': 5000, 'email': 512, 'name': 256, 'phone': 20}
_DESCRIPTOR = {'statement_descriptor': 22, 'statement_descriptor_suffix': 22}
_INTENT = dict(_DESCRIPTOR, description=1000)

LENGTHS = {
    'CustomerCreateParams': _CUSTOMER,
    'CustomerUpdateParams': _CUSTOMER,
    'PaymentIntentCreateParams': _INTENT,
    'PaymentIntentUpdateParams': _INTENT,
    'PaymentIntentCaptureParams': _DESCRIPTOR,
    'SetupIntentCreateParams': {'description': 1000},
    'SetupIntentUpdateParams': {'description': 1000},
    'ChargeCreateParams': dict(_DESCRIPTOR, description=40000),
    'ChargeUpdateParams': {'description': 40000},
    'ChargeCaptureParams': _DESCRIPTOR,
    }

# What an empty string unsets though the package does not declare it
# https://github.com/stripe/stripe-dotnet/issues/1954
UNSET = {
    'CustomerCreateParams': ['description', 'email', 'name', 'phone'],
    'CustomerUpdateParams': ['description', 'email', 'name', 'phone'],
    }
