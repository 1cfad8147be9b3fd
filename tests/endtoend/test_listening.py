"""Where the built server listens, and what signals do to it: sockets of a service manager, several servers on one port,
the end of each kind of listener, and SIGHUP."""

import fcntl
import http.client
import os
import pathlib
import signal
import socket
import ssl
import subprocess

import pytest

from harness import Server, certificates, process

CONFIG = """
[DEFAULT]
log_file = {folder}/api.log
{defaults}
[oslo_policy]
policy_file = {folder}/policy.yaml
[database]
max_pool_size = 7
[vitrine]
drain_seconds = 1
{vitrine}
"""
CHECK = b"GET /healthcheck HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


class Listener(Server):
    """A server that listens where its configuration says, with sockets that it inherits if there are any."""

    def __init__(self, folder, inherited=(), **options):
        super().__init__(folder / "data", **options)
        self.folder, self.inherited = folder, inherited
        self.config = folder / "vitrine.conf"
        self.configure()

    def configure(self, defaults="", vitrine=None):
        if vitrine is None:
            vitrine = f"listen = {', '.join(self.places())}"
        self.config.write_text(CONFIG.format(folder=self.folder, defaults=defaults, vitrine=vitrine))

    def places(self):
        return [f"http://127.0.0.1:{self.port}", f"unix:{self.folder}/api.sock"]

    def argv(self):
        serve = [str(self.binary), "serve", "--data-dir", str(self.data_dir), "--config-file", str(self.config),
                 *self.arguments]
        if not self.inherited:
            return serve
        moved = " ".join(f"{3 + number}<&{fd}" for number, fd in enumerate(self.inherited))
        script = f'exec {moved}; export LISTEN_PID=$$ LISTEN_FDS={len(self.inherited)}; exec "$@"'
        # A plain sh moves no descriptor above 9.
        return ["bash", "-c", script, "bash", *serve]

    def start(self):
        self.process = process.start("the server", self.argv(), self.log, self._answers, env=self.env,
                                     pass_fds=self.inherited)
        return self

    def logged(self):
        log = self.folder / "api.log"
        return log.read_text() if log.exists() else ""

    def hang_up(self, expected):
        """SIGHUP; waits until the log has as many of its ends as are expected."""
        self.process.send_signal(signal.SIGHUP)
        process.wait_for("the signal is obeyed", lambda: self.logged().count("SIGHUP: done") == expected)


@pytest.fixture
def listening(tmp_path):
    with Listener(tmp_path) as server:
        yield server


def listener(address):
    """A listening socket as a service manager keeps it, with a high number."""
    found = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    found.bind(address)
    found.listen(64)
    moved = socket.socket(fileno=fcntl.fcntl(found.fileno(), fcntl.F_DUPFD, 20))
    found.close()
    return moved


def listeners_at(port):
    """How many sockets of TCP listen at a port."""
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


def ask(address, context=None):
    """The status that /healthcheck answers at an address, over TLS if there is a context."""
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as plain:
        plain.settimeout(process.PATIENCE_S)
        plain.connect(address)
        stream = context.wrap_socket(plain, server_hostname="127.0.0.1") if context else plain
        stream.sendall(CHECK)
        head = stream.recv(1 << 16)
        if stream is not plain:
            stream.close()
        return int(head.split()[1])


def begin_upload(server, stream):
    """An upload on a connection, of which half has been sent."""
    image = server.create()
    connection = http.client.HTTPConnection("127.0.0.1")
    connection.sock = stream
    connection.putrequest("PUT", f"/v2/images/{image}/file")
    for name, value in {"X-Auth-Token": server.token(), "Transfer-Encoding": "chunked",
                        "Content-Type": "application/octet-stream"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(b"4\r\ndata\r\n")
    process.wait_for("the upload has begun", lambda: server.show(image)["status"] == "saving")
    return connection


def test_a_service_manager_keeps_the_sockets(tmp_path):
    """Sockets of TCP and of the file system are taken over in place of what the configuration says; who connects while
    no server runs is answered by the next one."""
    tcp, path = listener(("127.0.0.1", 0)), str(tmp_path / "kept.sock")
    unix = listener(path)
    address = tcp.getsockname()
    options = {"inherited": (tcp.fileno(), unix.fileno()), "port": address[1]}
    with Listener(tmp_path, **options) as server:
        assert [ask(address), ask(path)] == [200, 200]
        assert not (tmp_path / "api.sock").exists()
        assert server.terminate() == 0
        early = [socket.create_connection(address), socket.socket(socket.AF_UNIX)]
        early[1].connect(path)
        for stream in early:
            stream.sendall(CHECK)
        server.start()
        for stream in early:
            stream.settimeout(process.PATIENCE_S)
            assert stream.recv(100).startswith(b"HTTP/1.1 200")
            stream.close()


def test_servers_share_a_port(tmp_path):
    """With reuse_port a second server listens at the same place, and goes on when the first has ended."""
    folders = [tmp_path / name for name in ("first", "second", "third")]
    for folder in folders:
        folder.mkdir()
    first = Listener(folders[0])
    shared = f"listen = http://127.0.0.1:{first.port}\nreuse_port = true"
    first.configure(vitrine=shared)
    second = Listener(folders[1], port=first.port)
    second.configure(vitrine=shared)
    third = Listener(folders[2], port=first.port)
    third.configure(vitrine=f"listen = http://127.0.0.1:{first.port}")
    with first, second:
        process.wait_for("both listen", lambda: listeners_at(first.port) == 2)
        done = subprocess.run(third.argv(), capture_output=True, text=True, timeout=process.PATIENCE_S)
        assert done.returncode != 0 and "Address already in use" in done.stderr
        assert first.terminate() == 0
        assert ask(("127.0.0.1", first.port)) == 200


def test_no_connection_is_lost_at_the_end(tmp_path):
    """SIGTERM: an upload under way by a socket in the file system and one over TLS end well, nobody new is let in by
    either, and the file of the socket is gone."""
    authority = certificates.Authority(tmp_path, "authority")
    certificate, key = authority.issue(tmp_path, "server", ["127.0.0.1"])
    context = ssl.create_default_context(cafile=authority.file)
    secure, path = process.free_port(), str(tmp_path / "api.sock")
    server = Listener(tmp_path)
    places = ", ".join([*server.places(), f"https://127.0.0.1:{secure}"])
    server.configure(vitrine=f"listen = {places}\ntls_cert_file = {certificate}\ntls_key_file = {key}")
    with server:
        assert ask(("127.0.0.1", secure), context) == 200
        unix = socket.socket(socket.AF_UNIX)
        unix.connect(path)
        plain = socket.create_connection(("127.0.0.1", secure))
        uploads = [begin_upload(server, unix),
                   begin_upload(server, context.wrap_socket(plain, server_hostname="127.0.0.1"))]
        server.process.send_signal(signal.SIGTERM)
        process.wait_for("the file is gone", lambda: not os.path.exists(path))
        with pytest.raises(OSError):
            ask(path)
        for upload in uploads:
            upload.send(b"4\r\nmore\r\n0\r\n\r\n")
            assert upload.getresponse().status == 204
        assert server.process.wait(process.PATIENCE_S) == 0
        with pytest.raises(OSError):
            ask(("127.0.0.1", secure), context)


def test_sighup_applies_what_can_change(listening):
    """Levels of the log change at once, both ways, the file of the log is opened again, and connections go on."""
    kept = socket.create_connection(("127.0.0.1", listening.port))
    assert " DEBUG " not in listening.logged()
    listening.configure(defaults="debug = true")
    listening.hang_up(1)
    assert "the levels of the log have changed" in listening.logged()
    listening.put(listening.create(), b"data").expect(204)
    process.wait_for("there are lines of that level", lambda: " DEBUG " in listening.logged())
    (listening.folder / "api.log").rename(listening.folder / "api.log.1")
    listening.configure()
    listening.hang_up(1)
    assert "the levels of the log have changed" in listening.logged()
    listening.put(listening.create(), b"data").expect(204)
    assert " DEBUG " not in listening.logged().split("the levels of the log have changed")[-1]
    kept.sendall(CHECK)
    assert kept.recv(100).startswith(b"HTTP/1.1 200")


def test_sighup_reads_policies_and_certificates_again(tmp_path):
    """A rule that was added counts after SIGHUP, and a certificate that was replaced is shown."""
    authority = certificates.Authority(tmp_path, "authority")
    certificate, key = authority.issue(tmp_path, "server", ["127.0.0.1"])
    context = ssl.create_default_context(cafile=authority.file)
    secure = process.free_port()

    def serial():
        pem = ssl.get_server_certificate(("127.0.0.1", secure), ca_certs=str(authority.file))
        return ssl.PEM_cert_to_DER_cert(pem)

    server = Listener(tmp_path)
    places = ", ".join([*server.places(), f"https://127.0.0.1:{secure}"])
    server.configure(vitrine=f"listen = {places}\ntls_cert_file = {certificate}\ntls_key_file = {key}")
    (tmp_path / "policy.yaml").write_text("{}")
    with server:
        before = serial()
        assert ask(("127.0.0.1", secure), context) == 200
        server.request("GET", "/v2/images").expect(200)
        authority.issue(tmp_path, "server", ["127.0.0.1"])
        (tmp_path / "policy.yaml").write_text('"get_images": "!"')
        server.hang_up(1)
        assert serial() != before
        server.request("GET", "/v2/images").expect(403)


def test_sighup_says_what_cannot_change(listening):
    """A sentence for each option that has changed and cannot, without its value; a configuration that cannot be used
    changes nothing."""
    listening.configure(defaults="workers = 3\ntransport_url = rabbit://glance:hunter2@mq/", vitrine=None)
    listening.hang_up(1)
    log = listening.logged()
    for option in ("[DEFAULT] workers", "[DEFAULT] transport_url"):
        assert f"{option} has changed; that takes effect when the server is started again" in log
    assert log.count("has changed; that") == 2 and "hunter2" not in log
    listening.configure(defaults="workers = many\ndebug = true")
    listening.hang_up(2)
    assert "all options stay as they are" in listening.logged()
    listening.request("GET", "/v2/images").expect(200)
    assert " DEBUG " not in listening.logged()
