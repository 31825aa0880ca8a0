# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"HTTP: connections that stay open, and that can be dropped."
import json
import socket
import struct
import sys
import traceback
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from . import control, pages
from .dispatch import Call, Hangup

_REASONS = {
    200: 'OK', 204: 'No Content', 303: 'See Other', 400: 'Bad Request',
    401: 'Unauthorized', 402: 'Payment Required', 403: 'Forbidden',
    404: 'Not Found', 409: 'Conflict', 429: 'Too Many Requests',
    500: 'Internal Server Error', 503: 'Service Unavailable',
    }
_CORS = (
    'Access-Control-Allow-Origin: *\r\n'
    'Access-Control-Allow-Methods: GET, POST, HEAD, OPTIONS, DELETE\r\n'
    'Access-Control-Allow-Headers: Authorization, Content-Type, '
    'Idempotency-Key, Stripe-Version, Stripe-Account\r\n'
    'Access-Control-Expose-Headers: Request-Id, Stripe-Should-Retry\r\n'
    'Access-Control-Max-Age: 300\r\n')


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 1024

    def __init__(self, address, simulator):
        self.simulator = simulator
        self._connections = set()
        super().__init__(address, Handler)

    def server_bind(self):
        # Without the look up of the host's name
        super(ThreadingHTTPServer, self).server_bind()

    def process_request(self, request, client_address):
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self):
        super().server_close()
        # Connections that are kept alive end too
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (OSError, ValueError)):
            traceback.print_exc()
            self.simulator.errors.append(traceback.format_exc())


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True

    def log_message(self, format, *args):
        pass

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (ConnectionError, socket.timeout):
            self.close_connection = True

    def _handle(self):
        url = urlsplit(self.path)
        length = int(self.headers.get('Content-Length') or 0)
        body = self.rfile.read(length) if length else b''
        simulator = self.server.simulator
        if self.command == 'OPTIONS':
            return self.answer(204, {}, b'')
        if url.path.startswith('/v1/'):
            headers = {k.lower(): v for k, v in self.headers.items()}
            call = Call(
                self.command, url.path, url.query,
                body.decode('utf-8', 'replace'), headers, simulator.url)
            try:
                status, extra, content = simulator.dispatcher.handle(call)
            except Hangup:
                return self.hang_up()
            extra = dict(
                extra, **{
                    # The module orders answers and events by it
                    'Date': formatdate(simulator.clock.now(), usegmt=True),
                    'Content-Type': 'application/json',
                    'Request-Id': call.id,
                    'Stripe-Version': call.version})
            if call.idempotency_key:
                extra['Idempotency-Key'] = call.idempotency_key
            return self.answer(status, extra, content)
        if simulator.faults.take(
                self.command, url.path, None) and simulator.is_down():
            return self.hang_up()
        if url.path.startswith('/_simulator/'):
            try:
                params = json.loads(body) if body else {}
                result = control.handle(
                    simulator, self.command, url.path, params)
                status = 200
            except Exception as e:
                status = 400
                result = {'error': '%s: %s' % (type(e).__name__, e)}
            return self.answer(
                status, {'Content-Type': 'application/json'},
                json.dumps(result, default=str).encode())
        status, extra, content = pages.handle(
            simulator, self.command, url.path, url.query,
            body.decode('utf-8', 'replace'))
        self.answer(status, extra, content)

    do_GET = do_POST = do_DELETE = do_OPTIONS = do_HEAD = _handle

    def answer(self, status, headers, content):
        head = 'HTTP/1.1 %d %s\r\nServer: simulator\r\n' % (
            status, _REASONS.get(status, 'Unknown'))
        for name, value in headers.items():
            head += '%s: %s\r\n' % (
                name, str(value).replace('\r', '').replace('\n', ''))
        head += _CORS
        if status != 204:
            head += 'Content-Length: %d\r\n' % len(content)
        if self.command == 'HEAD':
            content = b''
        self.wfile.write(head.encode('latin-1') + b'\r\n' + content)

    def hang_up(self):
        "Reset the connection without an answer"
        self.close_connection = True
        self.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
