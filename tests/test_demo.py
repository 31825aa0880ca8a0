# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""How the demo ends that a person interrupts."""
import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# In place of the demo, which takes half a minute. It is killed if nobody
# interrupts it
STAYS = """#!%s
import signal
signal.alarm(60)
try:
    print("ready", flush=True)
    signal.pause()
except KeyboardInterrupt:
    print("interrupted", flush=True)
""" % sys.executable


@unittest.skipUnless(
    shutil.which('make') and (ROOT / 'Makefile').exists()
    and sys.platform != 'win32', "there is nothing to make")
class DemoTestCase(unittest.TestCase):

    def test_interrupted(self):
        "Test make does not complain of Ctrl-C"
        import pty
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        python = Path(folder, 'python')
        python.write_text(STAYS)
        python.chmod(0o755)
        # As if it were installed, and newer than all
        Path(folder, 'installed').touch()
        pid, terminal = pty.fork()
        if not pid:
            os.execvp('make', [
                    'make', '-C', str(ROOT), '--no-print-directory', 'demo',
                    'VENV=%s' % folder, 'BIN=%s' % folder])
        output = b''
        while b'ready' not in output:
            output += os.read(terminal, 1024)
        os.write(terminal, b'\x03')
        try:
            while data := os.read(terminal, 1024):
                output += data
        except OSError:
            # The terminal is closed
            pass
        os.close(terminal)
        os.waitpid(pid, 0)
        self.assertEqual(
            output.replace(b'^C', b'').split(), [b'ready', b'interrupted'])
