# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the demo prints."
import os
import sys
import textwrap
import time

WIDTH = 78
# Of the text of a step
TEXT = 55
COLOURS = {
    'bold': '1',
    'dim': '2',
    'red': '31',
    'green': '32',
    'yellow': '33',
    'cyan': '36',
    }
STATES = {
    'succeeded': 'green',
    'failed': 'red',
    'processing': 'yellow',
    }
# Of what was looked at: its mark and colour
FINDINGS = {
    'ok': ('ok', 'green'),
    'warning': ('warning', 'yellow'),
    'error': ('bad', 'red'),
    }


class DemoError(Exception):
    "A step did not come out"


class Terminal:
    "Lines of steps, each with the state of the record and the time it took"

    def __init__(self, stream=None):
        self.stream = stream or sys.stdout
        self.colour = self.stream.isatty() and 'NO_COLOR' not in os.environ
        try:
            '✓·✗'.encode(self.stream.encoding or 'ascii')
        except UnicodeEncodeError:
            self.marks = {'ok': '+', 'note': '-', 'bad': 'x', 'warning': '!'}
        else:
            self.marks = {'ok': '✓', 'note': '·', 'bad': '✗', 'warning': '!'}
        self.steps = 0
        self.last = time.monotonic()

    def paint(self, text, *names):
        if not self.colour or not names:
            return text
        codes = ';'.join(COLOURS[n] for n in names)
        return '\033[%sm%s\033[0m' % (codes, text)

    def line(self, text=''):
        try:
            print(text, file=self.stream, flush=True)
        except UnicodeEncodeError:
            print(text.encode('ascii', 'replace').decode(),
                file=self.stream, flush=True)

    def title(self, text):
        self.line()
        self.line(self.paint(text, 'bold'))

    def fact(self, name, value):
        self.line("  %-9s %s" % (name, self.paint(value, 'cyan')))

    def scene(self, text):
        "Begin a part of the story"
        self.line()
        self.line(self.paint(text, 'bold'))
        self.last = time.monotonic()

    def step(self, text, state=''):
        "Tell what was done and checked"
        now = time.monotonic()
        seconds, self.last = now - self.last, now
        self.steps += 1
        first, *rest = textwrap.wrap(text, TEXT)
        self.line('  %s %-*s %s %s' % (
                self.paint(self.marks['ok'], 'green'), TEXT, first,
                self.paint('%-10s' % state, *filter(None, [
                            STATES.get(state)])),
                self.paint('%5.2f s' % seconds, 'dim')))
        for part in rest:
            self.line('    ' + part)

    def note(self, text):
        "Add something to the last step"
        if len(text) > WIDTH - 6 and ' ' in text:
            parts = textwrap.wrap(text, WIDTH - 6)
        else:
            # An address must stay in one piece
            parts = [text]
        for part in parts:
            self.line('      ' + self.paint(part, 'dim'))

    def finding(self, state, name, text):
        "Tell what was found out about something, and what to do"
        mark, colour = FINDINGS[state]
        self.line('      %s %s' % (
                self.paint(self.marks[mark], colour), name))
        for line in (text or '').splitlines():
            for part in textwrap.wrap(line, WIDTH - 8):
                self.line('        ' + self.paint(part, 'dim'))

    def address(self, url):
        self.line('      ' + self.paint(url, 'cyan'))

    def happened(self, text, state=''):
        "Tell what happened while the demo waits"
        self.line('  %s %s %s %s' % (
                self.paint(time.strftime('%H:%M:%S'), 'dim'),
                self.marks['note'], text,
                self.paint(state, *filter(None, [STATES.get(state)]))))

    def failed(self, text):
        self.line('  %s %s' % (
                self.paint(self.marks['bad'], 'red'),
                self.paint(text, 'red')))
