"""Sources of web-download that mean harm or are broken, against the built server with its own limits.

Each is refused or cut with a message that says why, the image can be imported anew, nothing is left in staging or
stores, and the memory of the server does not follow what a source sends. Names that change their address between
check and connection need a resolver of their own: `tests/api/imports/hostile.rs` has them.
"""

import contextlib
import gzip
import http.server
import io
import subprocess
import time
import zipfile

import pytest

from harness import Server, process, sources, wait_for
from harness.disks import backed_qcow2

# What an image may have here; every source that sends without end is cut there.
CAP_BYTES = 256 << 20
IDLE_S = 10
# Room for buffers of the transfers under way, far below what any of the sources sends.
GROWTH_MAX_MIB = 48
SECRET = b"what only this machine may read"
CONFIG = """
[DEFAULT]
image_size_cap = {cap}
[image_import_opts]
image_import_plugins = ['image_decompression', 'image_conversion']
[import_filtering_opts]
allowed_ports = []
allowed_networks = ['127.0.0.2/32']
[vitrine]
import_idle_timeout = {idle}
"""


def zip_of(*members):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, data in members:
            writer.writestr(name, data)
    return archive.getvalue()


def bomb(program, size_bytes):
    """So many zeros, compressed: a thousandth of them, or less."""
    made = subprocess.run(f"head -c {size_bytes} /dev/zero | {program} -c", shell=True, check=True,
                          stdout=subprocess.PIPE)
    return made.stdout


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path; `files` holds the bodies of those that are honest about them."""
    files = {}
    protocol_version = "HTTP/1.0"

    def do_GET(self):
        body = self.files.get(self.path)
        if body is None:
            # A client that hangs up is what these are about.
            with contextlib.suppress(OSError):
                getattr(self, self.path[1:].split("/")[0])()
            return
        self.begin(len(body))
        self.wfile.write(body)

    def begin(self, length=None):
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def redirect(self):
        self.send_response(302)
        self.send_header("Location", self.server.targets[self.path])
        self.end_headers()

    def stall(self):
        self.begin(1 << 20)
        self.wfile.write(b"x" * 1000)
        self.rfile.read(1)

    def crawl(self):
        self.begin(1 << 20)
        while True:
            self.wfile.write(b"x")
            time.sleep(1)

    def endless(self):
        self.begin()
        while True:
            self.wfile.write(bytes(1 << 20))

    def promise(self):
        self.begin(CAP_BYTES + 1)
        self.rfile.read(1)

    def short(self):
        self.begin(1 << 20)
        self.wfile.write(bytes((1 << 20) - 1))

    def long(self):
        """More than promised: what is beyond the promise is not the image's."""
        self.begin(1 << 20)
        self.wfile.write(bytes(2 << 20))

    def encoded(self):
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(gzip.compress(bytes(1 << 20)))

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def source():
    """A web server on an address that imports may reach, and a secret one that they may not."""
    server, secret = sources.Source(Handler, "127.0.0.2"), sources.Source(Handler)
    hidden = f"{secret.url}/secret"
    server.targets = {
        "/redirect/loopback": hidden,
        "/redirect/name": hidden.replace("127.0.0.1", "localhost"),
        "/redirect/metadata": "http://169.254.169.254/latest/meta-data/",
        "/redirect/private": "http://10.0.0.1/",
        "/redirect/file": "file:///etc/passwd",
        "/redirect/loop": f"{server.url}/redirect/loop",
        "/redirect/twice": f"{server.url}/redirect/loopback",
    }
    # No larger than a fair image, and what they unpack to goes beyond the cap.
    Handler.files = {
        "/secret": SECRET,
        "/bomb.gz": bomb("gzip", 2 * CAP_BYTES),
        "/bomb.xz": bomb("xz", 2 * CAP_BYTES),
        "/bomb.zst": bomb("zstd", 2 * CAP_BYTES),
        "/bomb.zip": zip_of(("disk", bytes(2 * CAP_BYTES))),
        "/two.zip": zip_of(("../one", b"1"), ("../two", b"2")),
        "/passwd.qcow2": backed_qcow2("/etc/passwd"),
        "/backed.qcow2.gz": gzip.compress(backed_qcow2("/etc/passwd")),
        "/cut.gz": gzip.compress(bytes(range(256)) * 4096)[:-100],
    }
    yield server
    server.close()
    secret.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    config = folder / "glance-api.conf"
    config.write_text(CONFIG.format(cap=CAP_BYTES, idle=IDLE_S))
    with Server(folder / "data", arguments=["--config-file", str(config)]) as running:
        running.token()
        yield running


def left(server):
    return [str(path) for name in ("images", "staging") for path in (server.data_dir / name).rglob("*")
            if path.is_file() and path.name != ".place"]


def imported(server, url, **fields):
    """Imports, waits for the end; returns (image, task)."""
    image = server.create(**fields)
    server.begin_import(image, {"name": "web-download", "uri": url})
    return image, server.finished_import(image)


CASES = [
    ("/redirect/loopback", "allowed_networks"),
    ("/redirect/twice", "allowed_networks"),
    ("/redirect/name", "allowed_networks"),
    ("/redirect/metadata", "allowed_networks"),
    ("/redirect/private", "allowed_networks"),
    ("/redirect/file", "the scheme"),
    ("/redirect/loop", "redirects too often"),
    ("/stall", "stalls"),
    ("/crawl", "sends hardly anything"),
    ("/endless", f"at most {CAP_BYTES} bytes"),
    ("/promise", f"at most {CAP_BYTES} bytes"),
    ("/short", "before all the data had come"),
    ("/encoded", "encoding"),
    ("/bomb.gz", "unpacks to more than"),
    ("/bomb.xz", "unpacks to more than"),
    ("/bomb.zst", "unpacks to more than"),
    ("/bomb.zip", "unpacks to more than"),
    ("/two.zip", "exactly one file"),
    ("/passwd.qcow2", "backing file"),
    ("/backed.qcow2.gz", "backing file"),
    ("/cut.gz", "damaged"),
]


def test_bad_sources_are_cut_and_leave_nothing(server, source):
    # What a good import takes is not held against the bad ones.
    good, task = imported(server, f"{source.url}/long")
    assert task["status"] == "success", task
    kept = [str(server.data_dir / "images" / good)]
    wait_for("what was staged for it is gone", lambda: left(server) == kept)
    before, _ = process.memory_mib(server.process.pid)
    process.reset_peak(server.process.pid)
    for path, message in CASES:
        disk_format = "qcow2" if "qcow2" in path else "raw"
        image, task = imported(server, source.url + path, disk_format=disk_format)
        assert task["status"] == "failure" and message in task["message"], (path, task)
        assert "can be asked for again" in task["message"], task
        # Neither what lies behind the source nor where is told to its user.
        assert "169.254" not in task["message"] and SECRET.decode() not in task["message"], task
        shown = server.show(image)
        assert shown["status"] == "queued" and "os_glance_import_task" not in shown, shown
        wait_for(f"nothing of {path} is left", lambda: left(server) == kept)
    grown = process.memory_mib(server.process.pid)[1] - before
    print(f"the server grew by {grown:.0f} MiB at most, from {before:.0f} MiB")
    assert grown < GROWTH_MAX_MIB, grown


def test_one_more_byte_than_promised_is_not_read(server, source):
    image, task = imported(server, f"{source.url}/long")
    assert task["status"] == "success" and server.show(image)["size"] == 1 << 20


def test_names_in_an_archive_name_nothing(server, source):
    """A member called like a file elsewhere is unpacked to where the image is, and nowhere else."""
    outside = server.data_dir / "escaped"
    Handler.files["/escape.zip"] = zip_of(("../escaped", b"data"))
    image, task = imported(server, f"{source.url}/escape.zip")
    assert task["status"] == "success" and server.download(image) == b"data"
    assert not outside.exists()


def test_the_machine_itself_is_no_source(server, source):
    """Spelled in whatever way, an address that is not allowed is refused at once."""
    port = source.server_port
    for uri in (f"http://127.0.0.1:{port}/", f"http://localhost:{port}/", f"http://[::1]:{port}/", "http://0.0.0.0/",
                f"http://[::ffff:127.0.0.1]:{port}/", "http://127.1/", "http://2130706433/", "http://0x7f000001/",
                "http://169.254.169.254/latest/meta-data/", "http://user:pass@127.0.0.2/", "file:///etc/passwd",
                "ftp://127.0.0.2/", "http://127.0.0.2:99999/"):
        image = server.create()
        body = {"method": {"name": "web-download", "uri": uri}}
        server.request("POST", f"/v2/images/{image}/import", body).expect(400)
        assert server.show(image)["status"] == "queued"
