# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Check requests against the parameter types of the stripe package.

compile_params() turns a TypedDict of stripe.params into a validator whose
read() takes the decoded form (dictionaries and strings) and returns Python
values; an empty string that unsets is returned as None."""
import functools
import importlib
import re
import sys
import types
import typing
from urllib.parse import parse_qsl

import stripe
import stripe.params
import typing_extensions
from stripe._request_options import RequestOptions

from .errors import unstored
from .lengths import LENGTHS, UNSET

_OPTIONS = set(RequestOptions.__annotations__)
_KEY = re.compile(r'\[([^\]]*)\]')
_INTEGER = re.compile(r'[+-]?\d+\Z')
# typing has them since Python 3.11
_NOT_REQUIRED = [typing_extensions.NotRequired] + (
    [typing.NotRequired] if hasattr(typing, 'NotRequired') else [])
_REQUIRED = [typing_extensions.Required] + (
    [typing.Required] if hasattr(typing, 'Required') else [])
_UNIONS = {typing.Union, getattr(types, 'UnionType', typing.Union)}


def decode_form(text):
    "Return the nested dictionaries of a form with brackets"
    tree = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        start = key.find('[')
        if start > 0:
            path = [key[:start]] + _KEY.findall(key[start:])
        else:
            path = [key]
        node = tree
        for name in path[:-1]:
            name = name or str(len(node))
            child = node.get(name)
            if not isinstance(child, dict):
                child = node[name] = {}
            node = child
        node[path[-1] or str(len(node))] = value
    return tree


def _join(prefix, name):
    return '%s[%s]' % (prefix, name) if prefix else name


class Scalar:
    def read(self, value, name):
        if isinstance(value, dict):
            raise unstored("Invalid string: %s" % value, param=name)
        if value == '':
            raise unstored(
                "You passed an empty string for '%(name)s'. We assume empty "
                "values are an attempt to unset a parameter; however "
                "'%(name)s' cannot be unset. You should remove '%(name)s' "
                "from your request or supply a non-empty value."
                % {'name': name},
                'parameter_invalid_empty', name)
        return self.convert(value, name)


class String(Scalar):
    def __init__(self, maximum=5000):
        self.maximum = maximum

    def convert(self, value, name):
        if len(value) > self.maximum and not name.startswith('evidence'):
            raise unstored(
                "Invalid string: %s...%s; must be at most %d characters" % (
                    value[:10], value[-10:], self.maximum), param=name)
        return value


class Integer(Scalar):
    def convert(self, value, name):
        if not _INTEGER.match(value):
            raise unstored(
                "Invalid integer: %s" % value, 'parameter_invalid_integer',
                name)
        return int(value)


class Number(Scalar):
    def convert(self, value, name):
        try:
            return float(value)
        except ValueError:
            raise unstored("Invalid decimal: %s" % value, param=name)


class Boolean(Scalar):
    def convert(self, value, name):
        if value not in {'true', 'false'}:
            raise unstored("Invalid boolean: %s" % value, param=name)
        return value == 'true'


class Enum(Scalar):
    def __init__(self, values):
        self.values = dict.fromkeys(values)

    def convert(self, value, name):
        if value not in self.values:
            *others, last = [str(v) for v in self.values]
            if others:
                comma = ',' if len(others) > 1 else ''
                choice = "one of %s%s or %s" % (
                    ', '.join(others), comma, last)
            else:
                choice = last
            raise unstored(
                "Invalid %s: must be %s" % (name, choice), param=name)
        return value


class Array:
    def __init__(self, item):
        self.item = item

    def read(self, value, name):
        if not isinstance(value, dict) or not all(
                k.isdigit() for k in value):
            raise unstored("Invalid array", param=name)
        return [
            self.item.read(v, _join(name, i))
            for i, (_, v) in enumerate(
                sorted(value.items(), key=lambda i: int(i[0])))]


class Map:
    "A hash with free keys, as metadata"

    def __init__(self, item):
        self.item = item

    def read(self, value, name):
        if not isinstance(value, dict):
            raise unstored("Invalid object", param=name)
        result = {}
        for key, item in value.items():
            if item != '' or not isinstance(self.item, String):
                item = self.item.read(item, _join(name, key))
            result[key] = item
        if name == 'metadata':
            check_metadata(result)
        return result


def check_metadata(metadata):
    for key, value in metadata.items():
        if len(key) > 40:
            raise unstored(
                "Metadata keys can have up to 40 characters, but you passed "
                "in a key that is %d characters. Invalid key: %s" % (
                    len(key), key), param='metadata')
        if len(value) > 500:
            raise unstored(
                "Metadata values can have up to 500 characters, but you "
                "passed in a value that is %d characters. Invalid value: %s"
                % (len(value), value), param='metadata[%s]' % key)


class Hash:
    def __init__(self, fields):
        self.fields = fields
        self.required = [k for k, (r, _) in fields.items() if r]

    def read(self, value, name=''):
        if not isinstance(value, dict):
            raise unstored("Invalid object", param=name)
        fields = self.fields
        unknown = [_join(name, k) for k in value if k not in fields]
        if unknown:
            raise unstored(
                "Received unknown parameter%s: %s" % (
                    's' if len(unknown) > 1 else '', ', '.join(unknown)),
                'parameter_unknown', unknown[0])
        for key in self.required:
            if key not in value:
                key = _join(name, key)
                raise unstored(
                    "Missing required param: %s." % key,
                    'parameter_missing', key)
        return {
            k: fields[k][1].read(v, _join(name, k))
            for k, v in value.items()}

    def extended(self, **fields):
        "Return a copy with more optional fields"
        return Hash(dict(
                self.fields, **{k: (False, v) for k, v in fields.items()}))


class Union:
    def __init__(self, options, unset):
        self.unset = unset
        self.hash = self.array = self.map = None
        scalars = []
        for option in options:
            if isinstance(option, Hash):
                self.hash = option
            elif isinstance(option, Array):
                self.array = option
            elif isinstance(option, Map):
                self.map = option
            elif isinstance(option, Union):
                self.unset |= option.unset
                self.hash = self.hash or option.hash
                self.array = self.array or option.array
                self.map = self.map or option.map
                scalars.extend(option.scalars)
            else:
                scalars.append(option)
        # The package leaves its enumerations open with |str, Stripe doesn't
        if any(isinstance(s, Enum) for s in scalars):
            scalars = [s for s in scalars if not isinstance(s, String)]
        self.scalars = scalars

    def read(self, value, name):
        if isinstance(value, dict):
            if self.array and (
                    not (self.hash or self.map)
                    or all(k.isdigit() for k in value)):
                return self.array.read(value, name)
            option = self.hash or self.map
            if option:
                return option.read(value, name)
        elif value == '' and self.unset:
            return None
        if not self.scalars:
            option = self.array or self.hash or self.map
            return option.read(value, name)
        error = None
        for option in self.scalars:
            try:
                return option.read(value, name)
            except Exception as e:
                error = e
        raise error


@functools.lru_cache(maxsize=None)
def _names(module):
    names = dict(vars(stripe.params))
    names.update(vars(typing))
    names.update(vars(sys.modules[module]))
    names.setdefault('UntypedStripeObject', typing.Dict)
    return names


def _strip(hint, module):
    "Return the type without NotRequired, and whether it is required"
    required = True
    while True:
        if isinstance(hint, str):
            hint = eval(hint, _names(module))
        elif isinstance(hint, typing.ForwardRef):
            hint = eval(hint.__forward_arg__, _names(module))
        else:
            origin = typing.get_origin(hint)
            if origin in _NOT_REQUIRED:
                required = False
            elif origin not in _REQUIRED:
                return hint, required
            hint = typing.get_args(hint)[0]


def _node(hint, module):
    hint, _ = _strip(hint, module)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is str:
        return String()
    elif hint is bool:
        return Boolean()
    elif hint is int:
        return Integer()
    elif hint is float:
        return Number()
    elif isinstance(hint, type) and hasattr(hint, '__total__'):
        return compile_type(hint)
    elif origin in {typing.Literal, typing_extensions.Literal}:
        values = [a for a in args if a != '']
        if not values:
            return Union([], True)
        if values == [True] or values == [False]:
            return Boolean()
        node = Enum(values)
        return Union([node], True) if '' in args else node
    elif origin is list:
        return Array(_node(args[0], module))
    elif origin in _UNIONS:
        nodes = [_node(a, module) for a in args if a is not type(None)]
        unset = any(
            isinstance(n, Union) and not n.scalars and n.unset
            for n in nodes)
        node = Union(nodes, unset)
        if not node.unset and len(nodes) == 1:
            return nodes[0]
        return node
    elif origin is dict:
        return Map(_node(args[1], module))
    elif getattr(origin, '__name__', '') == 'UntypedStripeObject':
        return Map(_node(args[0], module))
    return String()


@functools.lru_cache(maxsize=None)
def compile_type(class_):
    "Return the validator of a TypedDict"
    fields = {}
    for name, hint in class_.__annotations__.items():
        if name in _OPTIONS:
            continue
        hint, required = _strip(hint, class_.__module__)
        fields[name] = (required, _node(hint, class_.__module__))
    return Hash(fields)


def declared(name):
    "Return the type of the stripe package, as EventListParams"
    module, _, attribute = ('stripe.params.' + name).rpartition('.')
    return getattr(importlib.import_module(module), attribute)


def compile_params(name):
    "Return the validator of stripe.params.<name>"
    validator = compile_type(declared(name))
    fields = {}
    unset = UNSET.get(name, ())
    for field, maximum in LENGTHS.get(name, {}).items():
        node = validator.fields[field][1]
        fields[field] = String(maximum)
        if field in unset or isinstance(node, Union) and node.unset:
            fields[field] = Union([fields[field]], True)
    return validator.extended(**fields) if fields else validator
