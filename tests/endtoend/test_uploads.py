"""Uploads in parts through a proxy that cuts connections, to a server that is killed: what was acknowledged is there,
and for each cut at most one part has to be sent again.

KILL_SEED repeats the bytes and the instants.
"""

import contextlib
import http.client
import socket
import threading

import pytest

from harness import PATIENCE_S, Server, chaos, client, databases, free_port, sha512, wait_for

PART = 8 << 20
SIZE = 5 * PART + 12345
# Short, for the sake of the test: on a database that others may share, a dead node is missed after that.
CONFIG = "[vitrine]\nlease_seconds = 3\n"
# The errors of a connection that is cut.
CUT = (OSError, http.client.HTTPException)


class Proxy:
    """Passes connections on, and stops one in the middle of its body when it is told to."""

    def __init__(self, target):
        self.port, self.target = free_port(), target
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.left = None
        self.reached, self.go_on = threading.Event(), threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def stop_after(self, body_bytes):
        """The next connection stops when so many bytes of its body have passed."""
        self.reached.clear()
        self.go_on.clear()
        self.left = body_bytes

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.run, args=[connection], daemon=True).start()

    def run(self, connection):
        with connection, socket.create_connection(("127.0.0.1", self.target)) as server:
            threading.Thread(target=self.answer, args=[server, connection], daemon=True).start()
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(65536)
            head, body = head.split(b"\r\n\r\n", 1)
            server.sendall(head + b"\r\n\r\n")
            left, self.left = self.left, None
            while body or (body := connection.recv(65536)):
                server.sendall(body[:left])
                if left is not None:
                    left -= len(body[:left])
                    if left == 0:
                        self.reached.set()
                        self.go_on.wait(PATIENCE_S)
                        break
                body = b""
            # Both sides learn of it, whoever else holds the sockets.
            for side in (server, connection):
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def answer(server, connection):
        try:
            while data := server.recv(65536):
                connection.sendall(data)
        except OSError:
            pass

    def close(self):
        self.listener.close()


class Sender(threading.Thread):
    """Sends all that is left, through the proxy."""

    def __init__(self, port, path, token, data, offset):
        super().__init__(daemon=True)
        self.headers = {"X-Auth-Token": token, "Content-Type": "application/offset+octet-stream",
                        "Upload-Offset": str(offset)}
        self.port, self.path, self.body = port, path, data[offset:]
        self.status = None
        self.start()

    def run(self):
        with contextlib.suppress(*CUT):
            self.status = client.request(self.port, "PATCH", self.path, self.body, self.headers).status


def told(server, path):
    """Where the upload goes on."""
    return int(server.request("HEAD", path).expect(204).headers["Upload-Offset"])


def cut_once(server, proxy, path, data, position, dies):
    """Sends until `position` and is cut there, by the proxy or by the death of the server."""
    sender = Sender(proxy.port, path, server.token(), data, told(server, path))
    whole = position // PART * PART
    assert proxy.reached.wait(PATIENCE_S)
    if dies:
        wait_for("the whole parts count", lambda: told(server, path) == whole, PATIENCE_S)
        server.kill()
    proxy.go_on.set()
    sender.join(PATIENCE_S)
    assert not sender.is_alive() and sender.status is None
    if dies:
        server.start()
        assert told(server, path) == whole, "what was acknowledged does not count any more"
    else:
        # What the server had not read yet is lost, and cannot be more than its buffers.
        wait_for("what came of the last part counts", lambda: told(server, path) > whole, PATIENCE_S)
    assert 0 <= position - told(server, path) < PART


def complete(server, image, path):
    """Completes it, while the server dies once more."""
    asking = threading.Thread(target=attempt, args=[server, path], daemon=True)
    asking.start()
    wait_for("the completion has begun",
             lambda: server.rows("SELECT count(*) FROM uploads WHERE job_id IS NOT NULL") == [(1,)]
             or server.request("GET", f"/v2/images/{image}").json["status"] == "active", PATIENCE_S)
    server.kill()
    asking.join(PATIENCE_S)
    server.start()
    wait_for("the image has its data",
             lambda: server.request("GET", f"/v2/images/{image}").expect(200).json["status"] == "active", PATIENCE_S)


def attempt(server, path):
    with contextlib.suppress(*CUT):
        server.request("POST", f"{path}/complete")


@pytest.mark.parametrize("kind", databases.KINDS)
def test_nothing_acknowledged_is_lost(tmp_path, kind):
    """The image has the right data in the end, and of each cut little had to be sent again."""
    chance = chaos.seeded()
    data = chance.randbytes(SIZE)
    config = tmp_path / "glance-api.conf"
    config.write_text(CONFIG)
    with Server(tmp_path / "data", arguments=["--config-file", config], database=databases.fresh(kind)) as server:
        image = server.create()
        asked = {"size": SIZE, "part_size": PART, "hash": {"sha512": sha512(data)}}
        opened = server.request("POST", f"/ext/v1/images/{image}/uploads", asked).expect(201).json
        path = f"/ext/v1/uploads/{opened['upload_id']}"
        proxy = Proxy(server.port)
        try:
            for number in range(5):
                # In each part once, by turns, so far in it that some of it has been read.
                position = number * PART + chance.randrange(PART // 2, PART)
                proxy.stop_after(position - told(server, path))
                cut_once(server, proxy, path, data, position, dies=number % 2 == 1)
            rest = Sender(proxy.port, path, server.token(), data, told(server, path))
            rest.join(PATIENCE_S)
            assert rest.status == 204 and told(server, path) == SIZE
        finally:
            proxy.close()
        complete(server, image, path)
        shown = server.request("GET", f"/v2/images/{image}").expect(200).json
        assert shown["os_hash_value"] == sha512(data) and shown["size"] == SIZE
        assert server.download(image) == data
        server.request("GET", path).expect(404)
        wait_for("only the data of the image is left", lambda: server.rows("SELECT count(*) FROM blobs") == [(1,)],
                 PATIENCE_S)
        assert server.rows("SELECT count(*) FROM upload_pieces") == [(0,)]
