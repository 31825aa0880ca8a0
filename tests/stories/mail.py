# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A mail server that is there, or not, or has something against a mail."""
import email
import email.policy
import socket
import socketserver
import threading
import time

from trytond import config as trytond_config

__all__ = ['MODES', 'MailInvariants', 'Post']

MODES = [
    'works', 'absent', 'login refused', 'address refused', 'mail refused',
    'busy', 'hangs up', 'slow', 'silent']
# In seconds. The module waits one for an answer, and a slow server is slow
# with each
TIMEOUT = 1
SLOW = .05


class Post:
    """A real mail server, of which the mode can be changed.

    messages are those which it took, sessions counts the connections."""

    def __init__(self):
        self.messages = []
        post = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    post._serve(self)
                except ConnectionError:
                    # It is waited for no longer
                    pass

        self._server = socketserver.ThreadingTCPServer(
            ('127.0.0.1', 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        # Nobody listens at the port of this one
        self._closed = socket.socket()
        self._closed.bind(('127.0.0.1', 0))
        self.clear()

    def start(self):
        threading.Thread(
            target=self._server.serve_forever, args=(.02,),
            daemon=True).start()
        return self

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._closed.close()

    def clear(self):
        self.messages.clear()
        self.sessions = 0
        # How often it did what its mode says
        self.faults = 0
        self.set('works')

    def set(self, mode):
        "Change the mode, one of MODES"
        self.mode = mode
        server = self._closed if mode == 'absent' else self._server.socket
        login = 'tryton:secret@' if mode == 'login refused' else ''
        trytond_config.set('email', 'uri', 'smtp://%s127.0.0.1:%d?timeout=%d'
            % (login, server.getsockname()[1], TIMEOUT))

    def _serve(self, connection):
        self.sessions += 1
        mode = self.mode

        def answer(line):
            if mode == 'slow':
                time.sleep(SLOW)
            connection.wfile.write(line.encode() + b'\r\n')

        def fault(line):
            self.faults += 1
            answer(line)
        if mode == 'silent':
            self.faults += 1
            time.sleep(TIMEOUT * 1.5)
            return
        answer('220 ready')
        while line := connection.rfile.readline():
            command = line.strip().upper()
            if command.startswith(b'EHLO'):
                answer('250-post')
                answer('250-SMTPUTF8')
                answer('250 AUTH PLAIN LOGIN')
            elif command.startswith(b'AUTH'):
                fault('535 authentication failed')
            elif command.startswith(b'RCPT') and mode == 'address refused':
                fault('550 no such user')
            elif command.startswith(b'RCPT') and mode == 'busy':
                fault('451 try again later')
            elif command == b'DATA' and mode == 'hangs up':
                self.faults += 1
                return
            elif command == b'DATA':
                answer('354 go on')
                content = self._content(connection)
                if mode == 'mail refused':
                    fault('554 it looks like spam')
                else:
                    self.faults += mode == 'slow'
                    self.messages.append(email.message_from_bytes(
                            content, policy=email.policy.default))
                    answer('250 ok')
            elif command.startswith(b'QUIT'):
                answer('221 bye')
                return
            else:
                answer('250 ok')

    @staticmethod
    def _content(connection):
        content = b''
        while (line := connection.rfile.readline()) not in {b'.\r\n', b''}:
            content += line[1:] if line.startswith(b'..') else line
        return content


class MailInvariants:
    "What must hold of the e-mails of a story"

    def _check_sessions(self):
        "The mail server is not asked for each commit"
        sessions = self.stage.post.sessions - self.sessions
        # trytond tries six times if it hangs up
        if sessions > (30 if self.stage.post.mode == 'hangs up' else 8):
            self.violation(
                'e-mail', "%s connections to the mail server", sessions)

    def _check_mails(self):
        for id_ in self.payments:
            if self._read(id_)['stripe_to_mail']:
                self.violation('e-mail', "payment %s waits for its e-mail",
                    id_)
        refusals = sum(
            1 for e in self._objects('event').values()
            if e['type'] == 'payment_intent.payment_failed')
        # Those of which Stripe makes no event are not counted
        if not self.hits['events missed'] and len(self.mails) > refusals:
            self.violation('e-mail', "%s e-mails for %s refusals",
                len(self.mails), refusals)
        for mail in self.mails:
            self._check_secret(mail.as_string(), "an e-mail")
