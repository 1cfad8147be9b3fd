"""Starting and stopping: what an operator reads when it cannot, and what a stop leaves behind."""

import os
import signal
import socket
import sqlite3
import stat
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import OpenUpload, Server, binary, databases, sha512, wait_for


def start_fails(data_dir, port=0, prefix=()):
    """Starts a server that must end by itself; returns what it says."""
    done = subprocess.run([*prefix, str(binary()), "serve", "--data-dir", str(data_dir),
                           "--bind", f"127.0.0.1:{port}"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1, (done.returncode, done.stderr)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("vitrine: ") and "panicked" not in done.stderr, done.stderr
    return last


def test_a_taken_port(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        reason = start_fails(tmp_path / "data", port)
    assert f"127.0.0.1:{port}" in reason and "--bind" in reason


def test_a_folder_that_cannot_be_written(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    prefix = []
    if os.geteuid() == 0:
        # Permissions do not stop root; a file system that is read only does.
        prefix = ["unshare", "--mount", "sh", "-c",
                  f"mount -t tmpfs -o ro vitrine-test '{data}' && exec \"$@\"", "sh"]
    else:
        data.chmod(0o500)
    reason = start_fails(data, prefix=prefix)
    assert str(data) in reason and "--data-dir" in reason


def test_a_folder_below_a_file(tmp_path):
    (tmp_path / "file").touch()
    reason = start_fails(tmp_path / "file/data")
    assert str(tmp_path / "file/data") in reason and "--data-dir" in reason


def test_a_database_of_a_newer_version(tmp_path):
    with Server(tmp_path / "data", database=databases.Embedded()) as server:
        assert server.terminate() == 0
    with sqlite3.connect(tmp_path / "data/vitrine.sqlite") as database:
        database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000001')")
    database.close()
    reason = start_fails(tmp_path / "data")
    assert "newer version" in reason and "99991231000001" in reason


def test_two_servers_on_one_folder(server):
    reason = start_fails(server.data_dir)
    assert "another Vitrine" in reason and str(server.data_dir) in reason


def test_sec_48_everything_is_for_the_owner_only(tmp_path):
    """Whatever the umask is: data, staged data, the cache, the database, the keys. A folder of the operator's keeps its
    mode."""
    own, cache, database = tmp_path / "own", tmp_path / "made/cache", tmp_path / "data/configured.sqlite"
    own.mkdir(mode=0o755)
    configuration = tmp_path / "vitrine.conf"
    configuration.write_text(f"""
[DEFAULT]
enabled_backends = own:file,made:file
image_cache_dir = {cache}
node_staging_uri = file://{tmp_path}/made/staging
[glance_store]
default_backend = own
[own]
filesystem_store_datadir = {own}
[made]
filesystem_store_datadir = {tmp_path}/made/store
[database]
connection = sqlite:///{database}
""")
    before = os.umask(0)
    try:
        server = Server(tmp_path / "data", database=databases.Embedded(), arguments=("--config-file", configuration))
        server.start()
    finally:
        os.umask(before)
    with_data, staged = server.create(), server.create()
    server.put(with_data, b"data").expect(204)
    server.request("GET", f"/v2/images/{with_data}/file").expect(200)
    server.put(staged, b"data", "stage").expect(204)
    wait_for("a copy in the cache", lambda: (cache / with_data).exists())
    for top in (tmp_path / "made", tmp_path / "data", own / ".parts"):
        modes(top)
    assert stat.S_IMODE((own / with_data).stat().st_mode) == 0o600
    assert stat.S_IMODE(own.stat().st_mode) == 0o755
    assert database.exists()
    assert server.terminate() == 0


def modes(top):
    for folder, _, files in os.walk(top):
        for path, expected in [(folder, 0o700), *((os.path.join(folder, name), 0o600) for name in files)]:
            mode = stat.S_IMODE(os.stat(path).st_mode)
            assert mode == expected, f"{path} has mode {mode:o}"


def test_a_second_start_finds_everything(tmp_path):
    """Images, users and their tokens: a restart is not noticed."""
    with Server(tmp_path / "data") as server:
        image = server.create(name="kept", tags=["t"], os_distro="debian")
        server.put(image, b"data").expect(204)
        shown, clouds, token = server.show(image), server.clouds_yaml.read_bytes(), server.token()
        assert server.terminate() == 0
        server.start()
        assert server.clouds_yaml.read_bytes() == clouds
        assert server.show(image) == shown and server.download(image) == b"data"
        assert server.request("GET", "/v2/images", token=token).expect(200).json["images"] == [shown]


def test_sigterm_waits_for_an_upload_under_way(tmp_path):
    """What was begun is finished and answered; new connections are not taken; then it ends with 0."""
    with Server(tmp_path / "data") as server:
        image = server.create()
        upload = OpenUpload(server, image)
        upload.send(b"a" * 100_000)
        wait_for("the upload has begun", lambda: server.show(image)["status"] == "saving")
        ended = []
        stopping = threading.Thread(target=lambda: ended.append(server.terminate()))
        stopping.start()

        def refuses():
            try:
                socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
            except OSError:
                return True
            return False
        wait_for("no new connection is taken", refuses)
        assert server.process.poll() is None
        upload.send(b"b" * 100_000)
        upload.finish().expect(204)
        # The client closes its connection, as clients do that have what they wanted.
        upload.abort()
        stopping.join()
        assert ended == [0]
        server.start()
        shown = server.show(image)
        assert shown["status"] == "active"
        assert shown["os_hash_value"] == sha512(b"a" * 100_000 + b"b" * 100_000)


def test_sigterm_of_an_idle_server_is_prompt(tmp_path):
    with Server(tmp_path / "data") as server:
        # A client that keeps its connection open is no request under way.
        idle = socket.create_connection(("127.0.0.1", server.port))
        idle.sendall(b"GET /versions HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(12) == b"HTTP/1.1 200"
        began = time.monotonic()
        assert server.terminate() == 0
        assert time.monotonic() - began < 30
        idle.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_signals_end_with_0(tmp_path, number):
    with Server(tmp_path / "data") as server:
        server.process.send_signal(number)
        assert server.process.wait(30) == 0


def heaps(pid):
    """Addresses of what glibc's arenas have, but for the first: memory without a file, from a multiple of 64 MiB on."""
    with open(f"/proc/{pid}/maps") as maps:
        lines = [line.split() for line in maps]
    starts = [int(line[0].split("-")[0], 16) for line in lines if len(line) == 5 and line[1] == "rw-p"]
    return [start for start in starts if start % (64 << 20) == 0]


def test_memory_comes_from_few_arenas(tmp_path):
    """Many threads that work at once have no more arenas than there are processors, and so no memory of each."""
    with Server(tmp_path / "data", database=databases.Embedded()) as server, ThreadPoolExecutor(32) as pool:
        server.token()

        def life(_):
            image = server.create()
            server.put(image, bytes(1 << 20)).expect(204)
            assert len(server.download(image)) == 1 << 20
        list(pool.map(life, range(64)))
        assert 0 < len(heaps(server.process.pid)) <= max(2, os.cpu_count())
