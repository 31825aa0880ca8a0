# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Recordings of Stripe's sandbox are replayed against the simulator."
import contextlib
import importlib.util
import io
import json
import re
import unittest
from pathlib import Path

from .simulator.testing import SimulatorTestCase

SHARED = Path(__file__).resolve().parents[1].parent / 'shared'
REPLAY = SHARED / 'tools' / 'replay.py'
RECORDINGS = sorted((SHARED / 'recordings').glob('*.json'))
# (scenario, sequence): why the step can't be as recorded
EXCEPTIONS = {}


def load_replay():
    spec = importlib.util.spec_from_file_location('replay', REPLAY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lookup = module.lookup

    def indexed(obj, path):
        # Some recordings write data[0].id for data.0.id
        return lookup(obj, re.sub(r'\[(\d+)\]', r'.\1', str(path)))
    module.lookup = indexed
    return module


@unittest.skipUnless(
    REPLAY.exists() and RECORDINGS, "the recordings are not there")
class RecordingsTestCase(SimulatorTestCase):
    "Test the simulator against recordings"

    def test_recordings(self):
        "Test that the simulator answers as Stripe did"
        replay = load_replay()
        send = replay.send

        def send_after(*args):
            # The answers were recorded after what is due at once
            self.simulator.clock.run_due()
            return send(*args)
        replay.send = send_after
        for path in RECORDINGS:
            recording = json.loads(path.read_text())
            with self.subTest(scenario=recording['scenario']):
                out = io.StringIO()
                with contextlib.redirect_stdout(out):
                    good, total = replay.replay(
                        self.simulator.url,
                        'sk_test_' + recording['scenario'], recording, True)
                out = out.getvalue()
                differing = {
                    (recording['scenario'], int(m.group(1)))
                    for m in re.finditer(r'^ *(\d+) (GET|POST|DELETE) '
                        r'\S+$', out, re.M)}
                self.assertLessEqual(differing, set(EXCEPTIONS), out)
                self.assertEqual(total - good, len(differing), out)


del SimulatorTestCase
