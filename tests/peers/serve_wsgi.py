"""Serves a WSGI application on loopback: `serve_wsgi.py MODULE:ATTRIBUTE PORT THREADS`.

It stands in for uwsgi, which has no wheel. cheroot streams chunked bodies in both directions,
as the real deployments do; servers that buffer them would hide how uploads behave.
"""

import importlib
import signal
import sqlite3
import sys

from cheroot.wsgi import Server
from sqlalchemy import event
from sqlalchemy.engine import Engine

import bindings


def ease_sqlite():
    """Lets readers and one writer work at once, and further writers wait.

    SQLite's own defaults refuse them now and then; the services would answer 500 for a reason
    that no real deployment has.
    """
    @event.listens_for(Engine, "connect")
    def on_connect(connection, _record):
        if not isinstance(connection, sqlite3.Connection):
            return
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA busy_timeout = 20000")


class Body:
    """The body of a request, which an application may close.

    With cheroot's own that closes what the next request would be read from, and a client that sends one over the same
    connection gets a 500 for it or not, as the moment has it.
    """

    def __init__(self, body):
        self.body = body

    def __getattr__(self, name):
        return getattr(self.body, name)

    def __iter__(self):
        return iter(self.body)

    def close(self):
        """Leaves the connection open."""


def closable(application):
    """The application with bodies that it may close."""
    def call(environ, start_response):
        return application({**environ, "wsgi.input": Body(environ["wsgi.input"])}, start_response)
    return call


def main():
    target, port, threads = sys.argv[1:]
    # oslo.config would read them as its own.
    del sys.argv[1:]
    ease_sqlite()
    bindings.load()
    module, _, attribute = target.partition(":")
    application = closable(getattr(importlib.import_module(module), attribute))
    # A client may connect ahead of its need: a single thread waits for such a one meanwhile, and for nobody else.
    patience_s = 120 if int(threads) > 1 else 2
    server = Server(("127.0.0.1", int(port)), application, numthreads=int(threads),
                    request_queue_size=128, timeout=patience_s)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server.start()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
