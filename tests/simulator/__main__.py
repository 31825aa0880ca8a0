# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Run the simulator in the foreground."
import argparse
import signal
import sys
import threading

from .simulator import Simulator


def main():
    parser = argparse.ArgumentParser(
        prog='python -m tests.simulator', description=__doc__)
    parser.add_argument('--port', type=int, default=12111)
    parser.add_argument('--host', default='127.0.0.1')
    args = parser.parse_args()
    stop = threading.Event()
    for number in [signal.SIGINT, signal.SIGTERM]:
        signal.signal(number, lambda *_: stop.set())
    try:
        simulator = Simulator(args.port, args.host).start()
    except OSError as e:
        sys.exit("Port %d cannot be used: %s. Choose another with PORT=..." % (
                args.port, e.strerror))
    print(simulator.url, flush=True)
    stop.wait()
    simulator.stop()


if __name__ == '__main__':
    main()
