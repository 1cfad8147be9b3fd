"""What the machine makes of it: each floor is measured as often as a row, in the same run."""

import contextlib
import multiprocessing
import os
import pathlib
import shutil
import socket
import tempfile

from harness import daemon, process, streams
from services import own

NGINX = """\
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    sendfile {sendfile};
{paths}
    server {{
        listen 127.0.0.1:{port};
        root {root};
    }}
}}
"""
SELECTS = 2000


def measure(table, scene, rounds):
    """Adds {name: (unit, [figure of each round])}; what fails is said and left out."""
    for name, unit, act in floors(scene):
        if scene.wanted(f"floor: {name}"):
            try:
                table.floors[name] = unit, [act() for _ in range(rounds)]
            except (AssertionError, OSError) as fault:
                table.differing.append(f"floor: {name}: {fault}")


def floors(scene):
    for name in ("md5", "sha512", "sha256"):
        yield f"openssl {name}", "CPU s/GiB", lambda name=name: process.cpu_seconds_of(
            "openssl", "dgst", f"-{name}", scene.source) / scene.gib
    yield "write to the page cache", "CPU s/GiB", lambda: written(scene)
    yield "receive and discard", "CPU s/GiB", lambda: discarded(scene)
    for sendfile in ("on", "off"):
        for clients, said in ((1, "one client"), (4, "four clients")):
            yield f"nginx, sendfile {sendfile}, {said}", "CPU s/GiB", lambda sendfile=sendfile, clients=clients: served(
                scene, sendfile, clients)
    if scene.has_server:
        yield "SELECT 1, of the database", "CPU s per 1,000", lambda: selected(scene)


def written(scene):
    block, path = os.urandom(1 << 20), scene.folder / "written"
    before = own()
    with open(path, "wb", buffering=0) as out:
        for _ in range(scene.size >> 20):
            out.write(block)
    spent = own() - before
    path.unlink()
    return spent / scene.gib


def discard(listener):
    """Answers one upload whose bytes go nowhere, read into one buffer."""
    buffer = bytearray(256 << 10)
    connection, _ = listener.accept()
    with connection:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        head, _, first = head.partition(b"\r\n\r\n")
        (length,) = (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
        left = length - len(first)
        while left:
            left -= connection.recv_into(buffer, min(left, len(buffer)))
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    # Until it has been looked at.
    listener.accept()


def discarded(scene):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = multiprocessing.Process(target=discard, args=(listener,), daemon=True)
        server.start()
        before = process.cpu_seconds(server.pid)
        done = streams.at_once(streams.send, [(port, "", "/", scene.source)])
        spent = process.cpu_seconds(server.pid) - before
        server.kill()
        server.join()
    assert done, "the bare handler failed"
    return spent / scene.gib


@contextlib.contextmanager
def nginx(root, sendfile):
    """(pid, port) of an nginx that serves a folder."""
    folder, port = pathlib.Path(tempfile.mkdtemp(prefix="vitrine-nginx-")), process.free_port()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    text = NGINX.format(folder=folder, sendfile=sendfile, paths=paths, port=port, root=root)
    # Who is not root has no choice of users.
    (folder / "nginx.conf").write_text(text if os.geteuid() == 0 else text.replace("user root;\n", ""))
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    assert program, "nginx is missing: install the Debian package nginx-light, or run make bench"
    started = process.start("nginx", [program, "-c", folder / "nginx.conf", "-p", folder], folder / "log",
                            lambda: daemon.answers(f"http://127.0.0.1:{port}/"))
    try:
        yield started.pid, port
    finally:
        started.terminate()
        started.wait(process.PATIENCE_S)
        shutil.rmtree(folder)


def served(scene, sendfile, clients):
    with nginx(scene.source.parent, sendfile) as (pid, port):
        before = process.cpu_seconds_of_tree(pid)
        done = streams.at_once(streams.receive, [(port, "", f"/{scene.source.name}", scene.size)] * clients)
        spent = process.cpu_seconds_of_tree(pid) - before
    assert done, "a client of nginx failed"
    return spent / clients / scene.gib


def selected(scene):
    service = scene.services[0]
    with service.place.connect() as connection:
        cursor = connection.cursor()
        before = service.database_cpu()
        for _ in range(SELECTS):
            cursor.execute("SELECT 1")
            cursor.fetchall()
        # The process of the connection is still there.
        return (service.database_cpu() - before) * 1000 / SELECTS
