# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The table of Stripe's URLs, and how objects are answered."
import stripe

from .errors import invalid, missing, unstored
from .objects import EXTRA, KINDS, LISTS, expandable
from .schema import compile_params


class Endpoint:
    """A method and path of the API.

    params names the type in stripe.params, kind the objects answered,
    public are the further parameters that a browser may send: endpoints
    without can't be called with a publishable key; extra are parameters
    that Stripe is known to take although the package doesn't declare them."""

    def __init__(self, function, method, path, params, kind, many, public,
            extra):
        self.function = function
        self.method = method
        self.path = path
        self.params = params
        self.kind = kind
        self.many = many
        self.public = public
        self.extra = extra or {}
        if isinstance(params, str):
            params = compile_params(params)
        self.schema = params.extended(**self.extra)
        self.public_schema = None
        if public is not None:
            self.public_schema = self.schema.extended(**public)
        self.resource = path.split('/')[2]
        self.operation = method + ' ' + path


ENDPOINTS = []
_routes = {}


def endpoint(method, path, params, kind, many=False, public=None,
        extra=None):
    "Register the function that answers a method and path"
    def register(function):
        item = Endpoint(
            function, method, path, params, kind, many, public, extra)
        ENDPOINTS.append(item)
        node = _routes
        for part in path.strip('/').split('/'):
            if part.startswith('{'):
                node = node.setdefault('*', {'name': part[1:-1]})
            else:
                node = node.setdefault(part, {})
        node.setdefault('methods', {})[method] = item
        return function
    return register


def find_endpoint(method, path):
    "Return the endpoint and the ids in the path, or None"
    node, ids = _routes, []
    for part in path.strip('/').split('/'):
        if part in node and part not in {'name', 'methods', '*'}:
            node = node[part]
        elif '*' in node and part:
            node = node['*']
            ids.append(part)
        else:
            return None, ()
    return node.get('methods', {}).get(method), ids


def unrecognized(method, path):
    return unstored(
        "Unrecognized request URL (%(method)s: %(path)s). Please see "
        "https://stripe.com/docs or we can help at "
        "https://support.stripe.com/." % {'method': method, 'path': path},
        status=404)


# Reading --------------------------------------------------------------------

def get(world, kind, id, param, status=404):
    "Return the object, or raise Stripe's error about a missing one"
    row = world.table(kind).get(id)
    if row is None:
        raise missing(kind, id, param, status)
    return row


def get_customer(world, id, param='customer', status=400):
    "Return a customer that isn't deleted"
    row = get(world, 'customer', id, param, status)
    if row.private.get('deleted'):
        raise missing('customer', id, param, status)
    return row


def listing(world, call, params, kind, where=None, keep=None, since=None):
    "Return a page of the table as list object"
    rows, has_more = world.table(kind).page(params, where, keep, since)
    return {
        'object': 'list',
        'data': rows,
        'has_more': has_more,
        'url': call.path,
        }


def check_filters(world, params, *kinds):
    "Raise the error about an unknown id that a list is filtered by"
    for kind in kinds:
        if params.get(kind):
            get(world, kind, params[kind], kind, 400)


def page_of(call, params, rows, kind):
    "Return a page of the rows, newest first, as list object"
    ids = [r['id'] for r in rows]
    for name in ['starting_after', 'ending_before']:
        cursor = params.get(name)
        if not cursor:
            continue
        if cursor not in ids:
            raise missing(kind, cursor, name)
        i = ids.index(cursor)
        rows = rows[i + 1:] if name == 'starting_after' else rows[:i]
    limit = max(1, min(100, params.get('limit', 10)))
    has_more = len(rows) > limit
    rows = rows[-limit:] if params.get('ending_before') else rows[:limit]
    return {
        'object': 'list', 'data': rows, 'has_more': has_more,
        'url': call.path}


def list_of(rows, url, limit=10, **extra):
    "Return a list object that is embedded in another object"
    return dict(
        object='list', data=rows[:limit], has_more=len(rows) > limit,
        url=url, **extra)


def merge_metadata(row, params):
    "Set the metadata of the object; the empty string unsets a key"
    if 'metadata' not in params:
        return
    if params['metadata'] is None:
        row['metadata'] = {}
        return
    metadata = dict(row['metadata'] or {})
    for key, value in params['metadata'].items():
        if value == '':
            metadata.pop(key, None)
        else:
            metadata[key] = value
    if len(metadata) > 50:
        raise invalid(
            "Metadata can have up to 50 keys, but you passed in %d keys."
            % len(metadata), param='metadata')
    row['metadata'] = metadata


def metadata_of(params):
    "Return the metadata of a new object"
    row = {'metadata': {}}
    merge_metadata(row, params)
    return row['metadata']


# Expanding ------------------------------------------------------------------

def expand_tree(paths):
    tree = {}
    for path in paths or []:
        if path.count('.') > 3:
            raise unstored(
                "You cannot expand more than 4 levels of a property. "
                "Property: %s" % path, param='expand')
        node = tree
        for name in path.split('.'):
            node = node.setdefault(name, {})
    return tree


def check_expand(endpoint, tree):
    "Raise the error about what the endpoint's objects can't expand"
    if not tree:
        return
    if endpoint.many:
        for name in tree:
            if name != 'data':
                raise _not_expandable(name)
        tree = tree['data']
        prefix = 'data.'
    else:
        prefix = ''
    classes = [KINDS[endpoint.kind]] if endpoint.kind in KINDS else []
    _check_expand(classes, tree, prefix)


def _check_expand(classes, tree, prefix):
    for name, children in tree.items():
        targets = []
        found = False
        for class_ in classes:
            kind = getattr(class_, 'OBJECT_NAME', None)
            target = expandable(class_).get(name)
            if name in LISTS.get(kind, ()):
                found = True
                if children:
                    data = children.get('data', {})
                    if set(children) != {'data'}:
                        raise _not_expandable(prefix + name)
                    _check_expand(
                        list(KINDS.values()), data, prefix + name + '.data.')
            elif name in EXTRA.get(kind, ()):
                found = True
                targets.append(stripe.Dispute)
            elif isinstance(target, type):
                found = bool(children)
                targets.append(target)
            elif target:
                found = True
                targets.extend(
                    getattr(stripe, t) for t in target if hasattr(stripe, t))
        if not found:
            raise _not_expandable(prefix + name)
        if children and targets:
            _check_expand(targets, children, prefix + name + '.')


def _not_expandable(path):
    return unstored("This property cannot be expanded (%s)." % path)


def render(world, value, tree):
    "Return the object with what is asked for expanded"
    if hasattr(value, 'render'):
        value = value.render()
    private = getattr(value, 'private', None)
    if private and private.get('deleted'):
        return {'id': value['id'], 'object': value['object'],
            'deleted': True}
    if isinstance(value, list):
        return [render(world, v, tree) for v in value]
    if not isinstance(value, dict):
        return value
    if value.get('object') == 'list':
        return dict(value, data=[
                render(world, v, tree.get('data', {}))
                for v in value['data']])
    if not tree:
        return value
    result = dict(value)
    for name, children in tree.items():
        if name in LISTS.get(value.get('object'), ()):
            result[name] = render(
                world, embedded_list(world, value, name), children)
            continue
        item = value.get(name)
        if isinstance(item, str):
            row = world.find(item)
            if row is not None:
                item = render(world, row, children)
            elif name == 'discount':
                item = None
        elif children:
            item = render(world, item, children)
        result[name] = item
    return result


def embedded_list(world, row, name):
    "Return a list that an object has only when it is expanded"
    if row['object'] == 'charge':
        rows = world.table('refund').find('charge', row['id'])[::-1]
    elif name == 'sources':
        rows = sources_of(world, row)
    else:
        rows = []
    return list_of(
        rows, '/v1/%ss/%s/%s' % (row['object'], row['id'], name),
        total_count=len(rows))


def sources_of(world, customer):
    "Return the legacy cards and sources of the customer, newest first"
    rows = [
        r for kind in ('card', 'source')
        for r in world.table(kind).find('customer', customer['id'])]
    rows.sort(key=lambda r: r.private['order'], reverse=True)
    default = customer['default_source']
    rows.sort(key=lambda r: r['id'] != default)
    return rows
