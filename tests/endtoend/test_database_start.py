"""A server that starts before its database: it says so, waits as `[database] max_retries` and `retry_interval` say, and
goes on by itself."""

import signal
import socket
import subprocess
import threading
from collections import Counter

import pytest

from harness import DOUBTFUL, Server, binary, process, wait_for


@pytest.fixture
def database(mortal_database):
    return mortal_database


class Early(Server):
    """A server that is up when it answers at all."""

    def _answers(self):
        try:
            return self.request("GET", "/healthcheck", token="").status == 503
        except OSError:
            return False


def waiting(folder, database, attempts=-1, kind=Early):
    config = folder / "vitrine.conf"
    config.write_text(f"[database]\nmax_retries = {attempts}\nretry_interval = 0\n")
    return kind(folder / "data", database=database, arguments=["--config-file", config], env=DOUBTFUL)


def serves(server):
    return server.request("GET", "/healthcheck", token="").status == 200


def is_told_to_wait(server):
    answer = server.request("GET", "/healthcheck", token="").expect(503)
    assert answer.body == b"DATABASE UNAVAILABLE"
    for method, path in (("GET", "/v2/images"), ("POST", "/identity/v3/auth/tokens"), ("GET", "/"), ("PUT", "/x")):
        answer = server.request(method, path, token="").expect(503)
        assert answer.headers["retry-after"] == "2" and answer.headers["x-openstack-request-id"].startswith("req-")
        assert b"The database is not available; try again." in answer.body


def test_sec_37_a_server_waits_for_its_database(tmp_path, database):
    """Everybody is told to come back, the log says why, and once the database is there the same process serves."""
    database.server.kill()
    with waiting(tmp_path, database) as server:
        is_told_to_wait(server)
        assert "requests are answered with 503 until it is there (attempt 1 without end" in server.log.read_text()
        database.server.start()
        wait_for("it serves", lambda: serves(server))
        server.request("GET", "/v2/images").expect(200)
        assert server.process.poll() is None and server.terminate() == 0


def test_sec_37_a_server_waits_for_a_database_that_hangs(tmp_path, database):
    """One that takes connections and says nothing is not waited for in silence."""
    database.server.signal(signal.SIGSTOP)
    try:
        with waiting(tmp_path, database) as server:
            is_told_to_wait(server)
            database.server.signal(signal.SIGCONT)
            wait_for("it serves", lambda: serves(server))
    finally:
        database.server.signal(signal.SIGCONT)


def test_nobody_is_cut_off_when_the_database_comes(tmp_path, database):
    """Whoever connects while the server that waits hands over is answered, by the one or by the other; so is whoever
    connected before, and asks only when the other serves."""
    database.server.kill()
    with waiting(tmp_path, database) as server:
        early = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
        asked, faults, over = Counter(), [], threading.Event()

        def ask():
            while not over.is_set():
                try:
                    asked[server.request("GET", "/healthcheck", token="").status] += 1
                except OSError as fault:
                    faults.append(fault)

        clients = [threading.Thread(target=ask, daemon=True) for _ in range(8)]
        for client in clients:
            client.start()
        database.server.start()
        wait_for("it serves", lambda: asked[200] >= len(clients))
        over.set()
        for client in clients:
            client.join()
        assert faults == [] and set(asked) == {200, 503}, asked
        for connection in early:
            with connection:
                connection.settimeout(process.PATIENCE_S)
                connection.sendall(b"GET /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert connection.recv(12) == b"HTTP/1.1 503"


def test_a_server_that_waits_can_be_stopped(tmp_path, database):
    database.server.kill()
    with waiting(tmp_path, database) as server:
        assert server.terminate() == 0


def ended(*words):
    """What a command says that has to fail."""
    done = subprocess.run([binary(), *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=process.PATIENCE_S)
    assert done.returncode == 1, done.stderr
    assert "panicked" not in done.stderr
    return done.stderr


def test_attempts_come_to_an_end(tmp_path, database):
    """After as many as the options say, servers and commands end with a sentence."""
    database.server.kill()
    server = waiting(tmp_path, database, attempts=3)
    for said in (ended(*server.argv()[1:]), ended("db", "check", *server.arguments)):
        assert said.splitlines()[-1].startswith("vitrine: cannot open the database")
        assert [f"attempt {number} of 3" in said for number in (1, 2, 3)] == [True, True, False], said


def test_the_schema_is_looked_at_when_the_database_comes(tmp_path, database):
    """A database that turns out to have no schema ends the server, which says what to do."""
    empty = database.server.create()
    database.server.kill()
    with waiting(tmp_path, empty) as server:
        database.server.start()
        assert server.process.wait(process.PATIENCE_S) == 1
        assert "run `vitrine db sync`" in server.log_tail(3)
