# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The plain text of an e-mail, for those who don't read its HTML.

Tryton makes it itself if html2text is installed.
Knows no Tryton model.
"""
from html.parser import HTMLParser

__all__ = ['plain_text']

_BLOCKS = {'p', 'br', 'div', 'tr', 'table', 'h1', 'h2', 'ul', 'li'}
_SILENT = {'head', 'style', 'script', 'title'}


def plain_text(html):
    "Return the text of the page, each address after what links to it"
    parser = _Parser()
    parser.feed(html)
    parser.close()
    lines = [' '.join(x.split()) for x in ''.join(parser.parts).split('\n')]
    return '\n\n'.join(filter(None, lines)) + '\n'


class _Parser(HTMLParser):

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.parts = []
        self._silent = 0
        self._href = self._since = None

    def handle_starttag(self, tag, attributes):
        if tag in _SILENT:
            self._silent += 1
        elif tag in _BLOCKS:
            self.parts.append('\n')
        elif tag == 'a':
            self._href = dict(attributes).get('href')
            self._since = len(self.parts)

    def handle_endtag(self, tag):
        if tag in _SILENT:
            self._silent -= 1
        elif tag in _BLOCKS:
            self.parts.append('\n')
        elif tag == 'a' and self._href:
            if self._href not in ''.join(self.parts[self._since:]):
                self.parts.append(': %s' % self._href)
            self._href = None

    def handle_data(self, data):
        if not self._silent:
            # Only elements break lines
            self.parts.append(' '.join(('x%sx' % data).split())[1:-1])
