"""The plug-in of openstackclient (clients/osc) in the real `openstack`."""

import contextlib
import csv
import http.server
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading

import pytest

from harness import PATIENCE_S, Server, environments, keystone, plugin, sources, wait_for

sys.path.insert(0, str(plugin.SOURCE))

from osc_vitrine import columns, progress

# Beats are a second apart, so that progress is soon seen.
CONFIG = """
[vitrine]
lease_seconds = 3
[import_filtering_opts]
allowed_ports = []
allowed_networks = ['127.0.0.0/8']
"""
HALF = bytes(1 << 20)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cloud")
    (folder / "glance-api.conf").write_text(CONFIG)
    with Server(folder / "data", arguments=["--config-file", folder / "glance-api.conf"]) as running:
        yield running


class Halting(http.server.BaseHTTPRequestHandler):
    """A web server that stops in the middle of its file until it is told to go on."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(2 * len(HALF)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(HALF)
            self.server.goes_on.wait(60)
            self.wfile.write(HALF)

    def log_message(self, *_):
        pass


@pytest.fixture
def halting():
    server = sources.Source(Halting)
    server.goes_on = threading.Event()
    yield server
    server.goes_on.set()
    server.close()


def active(server, **fields):
    """An image with data."""
    image = server.create(**fields)
    server.put(image, b"data").expect(204)
    return image


def job_of(openstack, uri, image):
    """The job of an import that was asked for."""
    openstack.server.begin_import(image, {"name": "web-download", "uri": uri})
    (job,) = openstack.json("image", "job", "list", "--image", image)
    return job["ID"]


def at_a_terminal(openstack, *arguments):
    """Starts a command whose complaints go to a terminal; returns the process and what reads there."""
    terminal, end = os.openpty()
    started = subprocess.Popen([*openstack.argv, *arguments], env=openstack.env, stdout=subprocess.PIPE, stderr=end,
                               stdin=end, text=True)
    os.close(end)
    return started, open(terminal, "rb", buffering=0)


def read_until(terminal, pattern):
    """What a terminal has shown when the pattern is there, or it is closed."""
    seen = b""
    with contextlib.suppress(OSError):
        while not re.search(pattern, seen) and (more := terminal.read(4096)):
            seen += more
    return seen.decode()


def test_an_import_is_watched_to_its_end(openstack, halting):
    """A bar shows what has come and is gone at the end; the standard output has the job alone."""
    image = openstack.server.create(name="watched")
    job = job_of(openstack, f"{halting.url}/x", image)
    waiting, terminal = at_a_terminal(openstack, "image", "job", "wait", job, "--interval", "0.2", "-f", "json")
    with terminal:
        assert f"[{'=' * 14}>{' ' * 15}] 50% of 2.0 MiB" in read_until(terminal, rb"50%"), "the bar stands at the half"
        halting.goes_on.set()
        rest = read_until(terminal, rb"(?!)")
    shown = json.loads(waiting.communicate(timeout=60)[0])
    assert waiting.returncode == 0 and rest.endswith(progress.CLEAR_LINE)
    assert (shown["id"], shown["state"], shown["image_id"]) == (job, "done", image)
    assert openstack.json("image", "job", "show", job) == shown
    (row,) = openstack.json("image", "job", "list", "--image", "watched", "--state", "done", "--long")
    assert (row["State"], row["Message"], row["Progress"]) == ("done", shown["message"], shown["progress"])
    events = openstack.json("image", "event", "list", "watched")
    assert [event["Type"] for event in events][-1] == "image.activate"
    assert events[-1]["Changes"]["status"] == ["importing", "active"]
    assert "| status: null -> queued " in openstack("image", "event", "list", image, "--limit", "1")


def test_a_restart_does_not_end_the_wait(plugin_path, halting, tmp_path):
    """Who waits for a job waits on while the service is away, and sees it done by the next process."""
    (tmp_path / "glance-api.conf").write_text(CONFIG)
    with Server(tmp_path / "data", arguments=["--config-file", tmp_path / "glance-api.conf"]) as server:
        openstack = plugin.Extended(server, plugin_path)
        image = server.create()
        job = job_of(openstack, f"{halting.url}/x", image)
        waiting, terminal = at_a_terminal(openstack, "image", "job", "wait", job, "-f", "value", "-c", "state")
        with terminal:
            read_until(terminal, rb"50%")
            server.kill()
            with socket.create_server(("127.0.0.1", server.port)) as refusing:
                refusing.settimeout(PATIENCE_S)
                # It asks more than once.
                for _ in range(3):
                    refusing.accept()[0].close()
            halting.goes_on.set()
            server.start()
            read_until(terminal, rb"(?!)")
        assert (waiting.communicate(timeout=60)[0], waiting.returncode) == ("done\n", 0)


def test_jobs_are_stopped_and_repeated(openstack, halting):
    """What fails says why in one line and by its exit code; what can be done to a job is done to each that is named."""
    image = openstack.server.create(name="stopped")
    job = job_of(openstack, f"{halting.url}/x", image)
    assert "is still" in openstack.refused("image", "job", "wait", job, "--timeout", "0")
    told = openstack.refused("image", "job", "cancel", job, "nothing")
    assert re.fullmatch(r"Failed to cancel job 'nothing': .* \(HTTP 404\)\n1 of 2 jobs failed to cancel.\n", told)
    complaint = openstack.refused("image", "job", "wait", job).strip()
    assert complaint.startswith(f"Job {job} cancelled: ") and len(complaint.splitlines()) == 1
    again = openstack("image", "job", "retry", job).strip()
    openstack("image", "job", "cancel", again)
    wait_for("both are over", lambda: len(openstack.json("image", "job", "list", "--state", "cancelled")) >= 2)
    newest = openstack("image", "job", "list", "--limit", "1", "-f", "value", "-c", "ID").strip()
    assert newest == again
    before = openstack("image", "job", "list", "--marker", again, "--limit", "1", "-f", "value", "-c", "ID").strip()
    assert before == job


def test_every_page_of_a_list_is_read(admin, tmp_path):
    """Lists are whole whatever the service gives at once, and end where --limit says."""
    image = admin.server.create(name="crowded")
    consumers = [{"image_id": image, "type": "server", "id": f"s{number:04}"} for number in range(1001)]
    (tmp_path / "consumers.json").write_text(json.dumps(consumers))
    done = admin.run("image", "consumer", "replace", "host:h1", "--file", "-", "-f", "json",
                     stdin=tmp_path / "consumers.json")
    assert json.loads(done.stdout) == {"kept": 1001, "removed": 0, "unknown_images": []}, done.stderr
    listed = admin("image", "consumer", "list", "crowded", "-f", "value", "-c", "ID").split()
    assert listed == [f"s{number:04}" for number in range(1001)]
    admin("image", "consumer", "replace", "host:h1", "--none")
    assert admin.json("image", "consumer", "list", image) == []


def test_consumers_and_what_a_deletion_would_do(admin, openstack):
    """A service tells who uses an image; its owner sees what a deletion would do, and takes it out of use and back."""
    image = active(openstack.server, name="used", delete_policy="refuse")
    project = openstack.server.show(image)["owner"]
    one = admin.json("image", "consumer", "set", image, "server", "a/b", "--project", "demo", "--region", "r1")
    assert (one["type"], one["id"], one["project_id"], one["region"]) == ("server", "a/b", project, "r1")
    replaced = admin.json("image", "consumer", "replace", "host:h1",
                          "--consumer", f"image={image},type=volume,id=v1,project={project}",
                          "--consumer", "image=5a0c9d6e-0000-4000-8000-000000000000,type=volume,id=v2")
    assert replaced == {"kept": 1, "removed": 0, "unknown_images": ["5a0c9d6e-0000-4000-8000-000000000000"]}
    rows = openstack.json("image", "consumer", "list", "used", "--sort-column", "Type")
    assert [(row["ID"], row["Scope"]) for row in rows] == [("a/b", None), ("v1", "host:h1")]
    assert openstack.json("image", "delete", "preview", "used") == [
        {"ID": image, "Action": "refuse", "Reason": "image-in-use", "Consumers": {"server": 1, "volume": 1},
         "Members": 0, "Stores": ["file"], "Current In": []}]
    assert "| 1 server, 1 volume |" in openstack("image", "delete", "preview", image)
    admin("image", "consumer", "unset", "used", "server", "a/b")
    assert "(HTTP 403)" in openstack.refused("image", "consumer", "unset", "used", "volume", "v1")
    openstack("image", "retire", "used")
    assert openstack.server.show(image)["lifecycle_state"] == "retired"
    openstack("image", "unretire", image)
    assert "lifecycle_state" not in openstack.server.show(image)


def test_the_table_is_what_the_service_writes(openstack, tmp_path):
    """Filters, order and columns are handed on; bytes come as they are; a file is there in whole or not at all."""
    names = ["csv-a", "csv-b", "=csv"]
    for name in names:
        openstack.server.create(name=name, os_distro="csv", tags=["x", name.strip("=")])
    options = ["image", "csv", "--property", "os_distro=csv", "--column", "name", "--column", "tags"]
    printed = openstack(*options, "--sort", "name:desc")
    rows = list(csv.DictReader(io.StringIO(printed, newline="")))
    assert [row["name"] for row in rows] == ["csv-b", "csv-a", "'=csv"] and printed.count("\r\n") == 4
    openstack(*options, "--tag", "x", "--tag", "csv-a", "--bom", "--file", tmp_path / "table.csv")
    written = (tmp_path / "table.csv").read_bytes().decode("utf-8-sig")
    assert [row["name"] for row in csv.DictReader(io.StringIO(written))] == ["csv-a"]
    assert os.listdir(tmp_path) == ["table.csv"]
    complaint = openstack.refused("image", "csv", "--sort", "colour:asc", "--file", tmp_path / "none.csv")
    assert "(HTTP 400)" in complaint and "colour" in complaint and os.listdir(tmp_path) == ["table.csv"]


class Strange(http.server.BaseHTTPRequestHandler):
    """An image service below a path, which is none of ours; it has half a table."""

    def do_GET(self):
        here = f"http://127.0.0.1:{self.server.server_port}/image/v2/"
        version = {"id": "v2.9", "status": "CURRENT", "links": [{"rel": "self", "href": here}]}
        status, body, missing = {
            "/image/v2/": (300, json.dumps({"versions": [version]}).encode(), 0),
            "/image/ext/v1/images.csv": (200, b"id,name\r\n", 1000),
        }.get(self.path.partition("?")[0], (404, b"none", 0))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) + missing))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_other_services_are_told_from_ours(cloud, plugin_path, warm, tmp_path):
    """The endpoint may have a path and a version; what is not ours is named in one line, and half a table is none."""
    server = sources.Source(Strange)
    override = f"    image_endpoint_override: {server.url}/image/v2/\n"
    clouds = cloud.clouds_yaml.read_text().replace("    region_name", f"{override}    region_name")
    (tmp_path / "clouds.yaml").write_text(clouds)
    openstack = plugin.Extended(cloud, plugin_path, warm, clouds_yaml=tmp_path / "clouds.yaml")
    assert openstack.refused("image", "job", "list") == (
        f"The image service knows no {server.url}/image/ext/v1/jobs?limit=1000; it is not Vitrine, or an older one. "
        "(HTTP 404)\n")
    complaint = openstack.refused("image", "csv", "--file", tmp_path / "half.csv")
    assert complaint.startswith("The table broke off: ") and os.listdir(tmp_path) == ["clouds.yaml"]
    server.close()


@pytest.mark.parametrize(("state", "counts", "width", "shown"), [
    ("queued", (0, None, None), 80, "queued"),
    ("running", (3 << 20, None, None), 80, "running 3.0 MiB"),
    ("running", (3 << 20, None, None, 1 << 20, None), 80, "running 3.0 MiB, 1.0 MiB/s"),
    ("running", (1 << 20, 2 << 20, 50, 512, 2048), 80,
     f"[{'=' * 14}>{' ' * 15}] 50% of 2.0 MiB, 512 bytes/s, 34:08 left"),
    ("running", (1 << 20, 2 << 20, 50, 1, 360000), 100,
     f"[{'=' * 14}>{' ' * 15}] 50% of 2.0 MiB, 1 bytes/s, 100:00:00 left"),
    ("running", (0, 4 << 30, 0), 80, f"[>{' ' * 29}] 0% of 4.0 GiB"),
    ("running", (1000, 1000, 100), 80, f"[{'=' * 29}>] 100% of 1000 bytes"),
    ("waiting", (0, None, None), 80, "waiting: the ?[2Jstore is away"),
    ("running", (1, 1 << 50, 0), 20, f"[>{' ' * 17}"),
])
def test_the_line_of_a_bar(state, counts, width, shown):
    """It says what is known, and never more than fits into a line."""
    job = {"state": state, "message": "the \x1b[2Jstore is away",
           "progress": dict(zip(("bytes", "total", "percent", "rate", "eta"), counts, strict=False))}
    assert progress.line(job, width) == shown


def test_what_an_event_says_to_people():
    """Pairs are told from lists of names, and no value widens the table beyond an id."""
    changes = {"size": [None, 5], "name": ["a", "b"], "os_hash_value": ["", "0" * 128], "stores": [[], ["fast"]],
               "tags_added": ["x", "y"], "properties": ["p", "q"]}
    assert columns.Changes(changes).human_readable() == (
        f"size: null -> 5; name: a -> b; os_hash_value:  -> {'0' * 35}…; stores: [] -> [\"fast\"]; tags_added: x, y; "
        "properties: p, q")


@pytest.fixture
def trusting(tmp_path):
    with keystone.trusting(tmp_path) as running:
        yield running


def test_with_a_real_keystone(trusting, plugin_path, warm):
    """The endpoint is that of its catalogue, and people may what their roles say."""
    member, reader, service, admin = (plugin.Extended(trusting.server, plugin_path, warm, name, trusting.clouds_yaml)
                                      for name in ("member", "reader", "service", "admin"))
    image = member.json("image", "create", "--disk-format", "raw", "--container-format", "bare", "captured")["id"]
    assert member.json("image", "event", "list", "captured")[0]["Type"] == "image.create"
    told = ["image", "consumer", "replace", "host:h1", "--consumer", f"image={image},type=server,id=s1"]
    assert service.json(*told)["kept"] == 1 and "(HTTP 403)" in member.refused(*told)
    assert [row["ID"] for row in admin.json("image", "consumer", "list", image)] == ["s1"]
    assert member.json("image", "consumer", "list", image) == []
    assert "(HTTP 403)" in reader.refused("image", "retire", image)


def test_pip_installs_it(cloud, tmp_path):
    """From its folder, with what openstackclient needs to find its commands."""
    source, target = tmp_path / "source", tmp_path / "target"
    shutil.copytree(plugin.SOURCE, source)
    pip = environments.venv("packaging") / "bin/pip"
    subprocess.run([pip, "install", "--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check",
                    "--target", target, source], check=True, env={"PATH": os.environ["PATH"]})
    openstack = plugin.Extended(cloud, str(target))
    assert openstack.json("image", "job", "list", "--state", "waiting") == []
