# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The database of a story is lost and restored from a backup."""
from trytond.modules.account_payment_stripe.tests.stories.stage import TABLES
from trytond.transaction import Transaction

# What waits in the queue is lost too
KEPT = [t for t in TABLES if not t.startswith(('ir_', 'res_'))]


class Backups:
    # What is restored, and when it was
    _backup = None
    restored_at = None

    def backup(self):
        "Keep the rows there are"
        if self._backup or (
                self.hits['restored'] + self.hits['restored at once'] == 2):
            return
        # Who reads no events does not know where to go on
        self.cron('events')
        self.tell("backup")
        self._backup = [
            {t: self._rows(t) for t in KEPT}, list(self.payments),
            list(self.refunds), dict(self.ways), dict(self.changed)]

    def _rows(self, table):
        with self.stage.transaction() as transaction:
            cursor = transaction.connection.cursor()
            cursor.execute('SELECT * FROM "%s"' % table)
            return [c[0] for c in cursor.description], cursor.fetchall()

    def restore(self, quick=False):
        """The server is lost, and back in the state of the backup days later

        quick: or minutes later, so that nobody notices."""
        if not self._backup:
            return
        tables, self.payments, self.refunds, self.ways, self.changed = (
            self._backup)
        self._backup = None
        self.tell("restored from the backup, %s later",
            "five minutes" if quick else "three days")
        self.hits['restored at once' if quick else 'restored'] += 1
        self.tasks.clear()
        self.plan = self.commit_plan = None
        self.clock.advance(300 if quick else 3 * 24 * 3600)
        self.restored_at = self.clock.now()
        with self.stage.transaction():
            cursor = Transaction().connection.cursor()
            for table in TABLES:
                cursor.execute('DELETE FROM "%s"' % table)
            for table in reversed(KEPT):
                names, rows = tables[table]
                for row in rows:
                    cursor.execute(
                        'INSERT INTO "%s" (%s) VALUES (%s)' % (
                            table, ', '.join('"%s"' % n for n in names),
                            ', '.join([self._mark] * len(names))), tuple(row))
        # The links to pages do not work anymore, nor do the customers that
        # were made. But the pages which are open do
        for id_ in self.payments:
            self.tabs.setdefault(id_, []).extend(self.seen.get(id_, []))
        for id_ in list(self.tabs):
            if id_ not in self.payments:
                del self.tabs[id_]
        self.seen.clear()
        self.mails.clear()
        self.customers.clear()
        self.owned = None
        self._saved.clear()

    @property
    def _mark(self):
        return Transaction().database.flavor.paramstyle == 'qmark' and (
            '?') or '%s'
