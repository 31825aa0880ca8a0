# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The templates can be filled as often as needed, and each file is known."""
import copy
import unittest
from pathlib import Path

from genshi.core import Attrs
from genshi.filters import Translator
from genshi.template import MarkupTemplate
from genshi.template.base import SUB

ROOT = Path(__file__).resolve().parent.parent


def count(stream):
    "Return the number of directives in the stream"
    result = 0
    for kind, data, _ in stream:
        if kind is SUB:
            directives, substream = data
            result += len(directives) + count(substream)
        elif isinstance(data, tuple) and isinstance(data[-1], Attrs):
            result += sum(
                count(v) for _, v in data[-1] if isinstance(v, list))
    return result


class TemplatesTestCase(unittest.TestCase):
    "Test the templates"

    def test_again(self):
        """Test each use leaves them as they were

        Tryton adds the directives of the translation each time, to a copy that
        shares the lists. Where a directive has nothing but an element to
        translate, Genshi adds them to it once more: the page gets slower and
        at last exceeds the depth of Python's recursion."""
        for path in [*ROOT.glob('*.html'), *ROOT.glob('*.fodt')]:
            with self.subTest(path.name):
                template = MarkupTemplate(path.read_bytes())
                counts = set()
                for _ in range(4):
                    again = copy.copy(template)
                    translator = Translator(str)
                    again.filters.append(translator)
                    again.add_directives(Translator.NAMESPACE, translator)
                    counts.add(count(again._stream))
                self.assertEqual(len(counts), 1, counts)


@unittest.skipUnless((ROOT / 'doc').exists(), "only where the sources are")
class FilesTestCase(unittest.TestCase):
    "Test the list of the files"

    def test_listed(self):
        "Test the documentation says what each file is for"
        text = (ROOT / 'doc' / 'development.rst').read_text()
        for path in [*ROOT.glob('*.py'), *ROOT.glob('*.html')]:
            if path.name not in {'__init__.py', 'setup.py'}:
                self.assertIn('``%s``' % path.name, text)
