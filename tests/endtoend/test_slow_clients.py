"""Clients that stop in the middle, more of them than a process has descriptors by default, against the built server
with its own limits: nobody else notices.
"""

import contextlib
import resource
import socket

import pytest

from harness import OpenUpload, Server, process, wait_for

# More than a login shell's limit on descriptors, which the server raises for itself.
CROWD = 1100
DEFAULT_DESCRIPTORS = 1024
# What a stalled stream may cost; the figure of the project is 1 MiB.
STREAM_MAX_MIB = 1
IMAGE_BYTES = 16 << 20


@pytest.fixture(scope="module")
def descriptors():
    """As many for the clients in this process as there can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4 * CROWD:
        pytest.skip(f"the limit on descriptors is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def server(tmp_path, descriptors):
    with Server(tmp_path / "data") as running:
        # As a user's shell starts it; the limit counts from the next start on.
        running.terminate()
        resource.setrlimit(resource.RLIMIT_NOFILE, (DEFAULT_DESCRIPTORS, descriptors))
        try:
            running.start()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
        yield running


@contextlib.contextmanager
def crowd(port, sent, receive_bytes=None):
    """Connections that send something and then stop."""
    with contextlib.ExitStack() as open_until_then:
        connections = []
        for number in range(CROWD):
            connection = open_until_then.enter_context(socket.socket())
            if receive_bytes:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            connection.settimeout(30)
            connection.connect(("127.0.0.1", port))
            connection.sendall(sent(number))
            connections.append(connection)
        yield connections


def nobody_notices(server):
    """The health check, a login and an upload go through at once."""
    assert server.request("GET", "/healthcheck", token="", timeout_s=20).expect(200).body == b"OK"
    token, _ = server.login("vitrine-admin")
    image = server.request("POST", "/v2/images", {"disk_format": "raw", "container_format": "bare"},
                           token=token).expect(201).json["id"]
    server.request("PUT", f"/v2/images/{image}/file", b"data", {"Content-Type": "application/octet-stream"},
                   token=token, timeout_s=20).expect(204)
    answer = server.request("GET", f"/v2/images/{image}/file", token=token, timeout_s=20)
    assert answer.expect(200).body == b"data"


def test_sec_79_logins_that_stop_silence_nobody(server):
    """Login requests that stop after one byte of their body."""
    head = (b"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 1000\r\n\r\n{")
    with crowd(server.port, lambda _: head):
        nobody_notices(server)
    with crowd(server.port, lambda _: b""):
        nobody_notices(server)


def test_sec_79_stalled_uploads_hold_no_threads(server):
    """Uploads that stop after one byte: each holds a socket, a file and a little memory."""
    token = server.token()
    images = [server.create() for _ in range(CROWD)]
    idle, _ = process.memory_mib(server.process.pid)

    def sent(number):
        return (f"PUT /v2/images/{images[number]}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {token}\r\n"
                "Content-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\nx").encode()

    with crowd(server.port, sent):
        (count,) = wait_for("all are under way", lambda: [
            count for (count,) in server.rows("SELECT count(*) FROM blobs WHERE state = 'writing'") if count == CROWD])
        assert count == CROWD
        nobody_notices(server)
        now, _ = process.memory_mib(server.process.pid)
        assert now - idle < CROWD * STREAM_MAX_MIB
    wait_for("the images are queued again", lambda: not [
        count for (count,) in server.rows("SELECT count(*) FROM blobs WHERE state = 'writing'") if count], 60)


def test_sec_79_stalled_downloads_stop_no_others(server):
    """Downloads whose clients do not read: others are served, and memory stays."""
    image = server.create()
    server.put(image, bytes(IMAGE_BYTES)).expect(204)
    token = server.token()
    idle, _ = process.memory_mib(server.process.pid)
    head = (f"GET /v2/images/{image}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {token}\r\n\r\n").encode()
    with crowd(server.port, lambda _: head, receive_bytes=16 << 10) as connections:
        for connection in connections:
            assert connection.recv(12) == b"HTTP/1.1 200"
        nobody_notices(server)
        now, _ = process.memory_mib(server.process.pid)
        assert now - idle < CROWD * STREAM_MAX_MIB


def test_a_client_that_pauses_is_told_of_a_refusal(tmp_path):
    """An upload beyond the limit is refused while its client waits, not when it sends the next piece."""
    (tmp_path / "glance-api.conf").write_text(f"[DEFAULT]\nimage_size_cap = {1 << 20}\n")
    with Server(tmp_path / "data", arguments=["--config-file", tmp_path / "glance-api.conf"]) as running:
        image = running.create()
        upload = OpenUpload(running, image)
        upload.send(bytes((1 << 20) + 1))
        # The client gives up after a minute, the server would wait for it for a quarter of an hour.
        answer = upload.connection.getresponse()
        assert answer.status == 413
        upload.abort()
        assert running.show(image)["status"] == "queued"
        running.put(image, b"data").expect(204)
