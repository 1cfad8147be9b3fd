"""A database server that is stopped, as a machine is that swaps or whose disk hangs: nobody waits for it."""

import contextlib
import os
import pathlib
import signal

import pytest

from harness import DOUBTFUL, Server, databases, process, wait_for


class Stopped:
    """A private database server, and all its processes, stopped until the end."""

    def __init__(self, private):
        self.pids = [private.process.pid]

    def __enter__(self):
        # It comes first, for it makes others.
        self.tell(signal.SIGSTOP)
        self.pids += children(self.pids[0])
        self.tell(signal.SIGSTOP)

    def __exit__(self, *_):
        self.pids.reverse()
        self.tell(signal.SIGCONT)

    def tell(self, number):
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def children(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture(params=[databases.Postgresql, databases.Mariadb], ids=["postgresql", "mariadb"])
def served(request, tmp_path):
    """A database server of the test's own, and a server that stands on it."""
    private = request.param()
    database = private.create()
    databases.prepare(database)
    try:
        with Server(tmp_path / "data", database=database, env=DOUBTFUL) as server:
            yield private, server
    finally:
        databases.RUNNING.remove(private)
        private.stop()


def health(server):
    return server.request("GET", "/healthcheck", token="")


def login(server):
    body = {"auth": {"identity": {"methods": ["password"], "password": {
        "user": {"name": "nobody", "domain": {"id": "default"}, "password": "wrong"}}}}}
    return server.request("POST", "/identity/v3/auth/tokens", body, token="")


def test_sec_37_a_stopped_database_stops_nobody(served):
    """Lists and logins are told to come back, `/healthcheck` takes the node out of rotation, and all is as before
    once the database goes on."""
    private, server = served
    server.request("GET", "/v2/images").expect(200)
    with Stopped(private):
        for answer in (server.request("GET", "/v2/images"), login(server), login(server)):
            answer.expect(503)
            assert answer.headers["retry-after"] == "2"
        assert health(server).expect(503).body == b"DATABASE UNAVAILABLE"
    wait_for("the service is back", lambda: server.request("GET", "/v2/images").status == 200)
    wait_for("so are logins", lambda: login(server).status == 401)
    wait_for("it is healthy", lambda: health(server).body == b"OK")


def test_sec_37_a_node_ends_while_its_database_is_stopped(served):
    """A stop waits for no thread that hangs on the database."""
    private, server = served
    server.request("GET", "/v2/images").expect(200)
    with Stopped(private):
        server.request("GET", "/v2/images").expect(503)
        assert server.terminate(3 * process.PATIENCE_S) == 0
