"""A database that dies and comes back, or fails over, while clients are at work: they are told to come back and nothing
else, and afterwards all is as before without a restart of ours."""

import collections
import contextlib
import functools
import threading

import pytest

from harness import DOUBTFUL, Server, databases, wait_for

CLIENTS = 4


@pytest.fixture
def database(mortal_database):
    return mortal_database


class Client(threading.Thread):
    """Makes, changes, fills, lists and deletes images until it is told to stop; counts what it is answered."""

    def __init__(self, server):
        super().__init__()
        self.server, self.stopped, self.fault = server, threading.Event(), None
        self.answers = collections.Counter()

    def ask(self, method, path, *arguments):
        answer = self.server.request(method, path, *arguments)
        self.answers[method, answer.status] += 1
        if answer.status == 503:
            assert answer.headers["retry-after"] == "2"
        return answer

    def run(self):
        try:
            while not self.stopped.is_set():
                self.round()
        except Exception as fault:  # noqa: BLE001  shown by the test
            self.fault = fault

    def round(self):
        made = self.ask("POST", "/v2/images", {"name": "x", "disk_format": "raw", "container_format": "bare"})
        self.ask("GET", "/v2/images?limit=2")
        if made.status != 201:
            return
        image = made.json["id"]
        self.ask("PATCH", f"/v2/images/{image}", [{"op": "add", "path": "/a", "value": "b"}],
                 {"Content-Type": "application/openstack-images-v2.1-json-patch"})
        self.ask("PUT", f"/v2/images/{image}/file", b"data", {"Content-Type": "application/octet-stream"})
        self.ask("DELETE", f"/v2/images/{image}")


@contextlib.contextmanager
def at_work(server):
    clients = [Client(server) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        for client in clients:
            client.stopped.set()
        for client in clients:
            client.join(60)
            assert not client.is_alive(), "a client waits for ever"


def answers(clients):
    return sum((client.answers for client in clients), collections.Counter())


def have_had(clients, status):
    assert [client.fault for client in clients] == [None] * CLIENTS
    return all(any(had == status for _, had in client.answers) for client in clients)


def is_refused(server):
    answer = server.request("GET", "/v2/images")
    return answer if answer.expect(200, 503).status == 503 else None


def test_sec_37_a_database_that_is_restarted(tmp_path, database):
    """SIGKILL under load, twice: 503 with Retry-After, never 500, and then everything goes on."""
    with Server(tmp_path / "data", database=database, env=DOUBTFUL) as server:
        server.token()
        for _ in range(2):
            with at_work(server) as clients:
                wait_for("work is done", functools.partial(have_had, clients, 204))
                database.server.kill()
                # Not of the clients: one whose upload is complete may wait for longer than others are kept waiting.
                refused = wait_for("the database is missed", lambda: is_refused(server))
                assert refused.headers["retry-after"] == "2"
                database.server.start()
                for client in clients:
                    client.answers.clear()
                wait_for("work goes on", functools.partial(have_had, clients, 204))
            assert [client.fault for client in clients] == [None] * CLIENTS
            statuses = {status for _, status in answers(clients)}
            # An image whose PATCH or upload was cut short may have changed all the same, and be in use still.
            assert statuses <= {200, 201, 204, 409, 503}, answers(clients)
        client = Client(server)
        client.round()
        assert sorted(status for _, status in client.answers) == [200, 200, 201, 204, 204]
        assert server.process.poll() is None


def read_only(database, on):
    """Turns a whole server into one that only reads, or back; on PostgreSQL for sessions that are yet to come."""
    if database.kind == databases.MARIADB:
        database.server.run(*database.server.client, f"SET GLOBAL read_only = {int(on)}")
        return
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = off")
        cursor.execute(f"ALTER DATABASE {connection.info.dbname} SET default_transaction_read_only = {on}")
        if on:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                           "WHERE datname = current_database() AND pid <> pg_backend_pid()")


def test_sec_37_a_server_that_only_reads(tmp_path, database):
    """A node of a cluster that is no primary any more: lists are served, changes are to be tried again, and are made
    once it is one."""
    if database.kind == databases.MARIADB:
        # Who may do everything may write all the same.
        database.server.run(*database.server.client,
                            "CREATE OR REPLACE USER 'plain'@'127.0.0.1'; GRANT ALL ON `test%`.* TO 'plain'@'127.0.0.1'")
        url = database.url.replace("vitrine@", "plain@")
        database = databases.Database(database.server, database.kind, url, database.connect)
    with Server(tmp_path / "data", database=database, env=DOUBTFUL) as server:
        server.create()
        read_only(database, True)
        refused = server.request("POST", "/v2/images", {"name": "x"}).expect(503)
        assert refused.headers["retry-after"] == "2"
        server.request("GET", "/v2/images").expect(200)
        read_only(database, False)
        server.create()
