"""The log of the built server: each line names the request that caused it, and each request has one line of its own."""

import json
import shutil
import socket

import pytest

from harness import Server, process
from harness.client import OpenUpload

CONFIG = """
[DEFAULT]
use_json = {json}
enabled_backends = good:file, bad:file
[glance_store]
default_backend = good
[good]
filesystem_store_datadir = {folder}/good
[bad]
filesystem_store_datadir = {folder}/bad
[os_glance_staging_store]
filesystem_store_datadir = {folder}/staging
[import_filtering_opts]
allowed_ports = []
allowed_networks = ['127.0.0.0/8']
"""
MIB = 1 << 20
# More than the buffers between a server and a client that does not read.
LARGE = 64 * MIB


def serve(folder, use_json=True):
    config = folder / "glance-api.conf"
    config.write_text(CONFIG.format(folder=folder, json=str(use_json).lower()))
    return Server(folder / "data", arguments=["--config-file", config])


@pytest.fixture
def logged(tmp_path):
    with serve(tmp_path) as running:
        yield running


class Since:
    """What a server writes into its log from now on."""

    def __init__(self, server):
        self.server = server
        self.start = server.log.stat().st_size

    def text(self):
        with open(self.server.log, "rb") as log:
            log.seek(self.start)
            return log.read().decode()

    def lines(self):
        # The last one may still be being written.
        return [json.loads(line) for line in self.text().splitlines(keepends=True) if line.endswith("\n")]

    def accesses(self, request):
        found = [line["fields"] for line in self.lines() if line["target"] == "access"]
        return [fields for fields in found if fields["request_id"] == request]

    def access(self, request):
        """The one line of a request."""
        (fields,) = process.wait_for(f"the line of {request}", lambda: self.accesses(request))
        return fields

    def ids(self):
        """Lines other than accesses, each with the id of its request; without those of the reaper, whom nobody asks."""
        found = [line for line in self.lines() if line["target"] not in ("access", "vitrine::jobs::reap")]
        return [(line["fields"].get("message"), {span.get("request_id") for span in line.get("spans", [])})
                for line in found]


def named(name, **more):
    return {"X-Openstack-Request-Id": name, **more}


def test_an_upload_that_fails_is_named_in_each_line(logged, tmp_path):
    """Proves that what the threads and tasks of a failing upload write names its request."""
    image = logged.create()
    shutil.rmtree(tmp_path / "bad")
    (tmp_path / "bad").write_text("no folder")
    since = Since(logged)
    headers = named("upload", **{"Content-Type": "application/octet-stream", "X-Image-Meta-Store": "bad"})
    answer = logged.request("PUT", f"/v2/images/{image}/file", b"x" * MIB, headers)
    assert answer.status >= 400, answer.body
    assert answer.headers["X-Openstack-Request-Id"] == "req-upload"
    assert since.access("req-upload")["status"] == answer.status
    lines = since.ids()
    assert lines, "the failure was not logged"
    assert all(ids == {"req-upload"} for _, ids in lines), lines


def test_an_import_that_fails_is_named_in_each_line(logged, tmp_path):
    """Proves that what a job writes names the request that asked for it, in an attempt to fetch and in one to store."""
    closed = process.free_port()
    image = logged.create()
    since = Since(logged)
    body = {"method": {"name": "web-download", "uri": f"http://127.0.0.1:{closed}/disk"}}
    logged.request("POST", f"/v2/images/{image}/import", body, named("fetch")).expect(202)
    assert logged.finished_import(image)["status"] == "failure"
    lines = since.ids()
    assert any(message == "a source could not be reached" for message, _ in lines), lines
    assert all(ids == {"req-fetch"} for _, ids in lines), lines

    image = logged.create()
    logged.put(image, b"x" * MIB, "stage").expect(204)
    shutil.rmtree(tmp_path / "bad")
    (tmp_path / "bad").write_text("no folder")
    since = Since(logged)
    body = {"method": {"name": "glance-direct"}, "stores": ["good", "bad"], "all_stores_must_succeed": False}
    logged.request("POST", f"/v2/images/{image}/import", body, named("store")).expect(202)
    assert logged.finished_import(image)["status"] == "success"
    lines = since.ids()
    assert any(message == "a store of an import failed" for message, _ in lines), lines
    assert all(ids == {"req-store"} for _, ids in lines), lines


def test_each_request_has_one_line(logged):
    """Proves what stands in the line of a request: who, what, how much; and never a token or a query string."""
    image = logged.create()
    token, project = logged.login()
    since = Since(logged)
    answer = logged.request("GET", "/v2/images?name=hidden-word", headers=named("list"), token=token).expect(200)
    line = since.access("req-list")
    assert line.pop("seconds") > 0
    user = line.pop("user")
    assert len(user) == 32
    assert line == {
        "request_id": "req-list", "project": project, "method": "GET", "route": "/v2/images", "path": "/v2/images",
        "status": 200, "bytes_in": 0, "bytes_out": len(answer.body), "end": "complete"}

    upload = OpenUpload(logged, image)
    for _ in range(3):
        upload.send(b"x" * MIB)
    done = upload.finish().expect(204)
    line = since.access(done.headers["X-Openstack-Request-Id"])
    assert (line["route"], line["path"]) == ("/v2/images/{id}/file", f"/v2/images/{image}/file")
    assert (line["status"], line["bytes_in"], line["bytes_out"], line["end"]) == (204, 3 * MIB, 0, "complete")

    logged.request("GET", f"/v2/images/{image}/file", headers=named("part", Range="bytes=0-1048575")).expect(206)
    line = since.access("req-part")
    assert (line["status"], line["bytes_out"], line["end"]) == (206, MIB, "complete")

    logged.request("GET", "/v2/nowhere", headers=named("nowhere")).expect(404)
    assert "route" not in since.access("req-nowhere")
    text = since.text()
    assert token not in text and "hidden-word" not in text


def test_a_client_that_goes_away_has_its_line(logged):
    """Proves that a transfer that its client breaks off is written down with the bytes that went over."""
    image = logged.create()
    since = Since(logged)
    upload = OpenUpload(logged, image)
    upload.send(b"x" * MIB)
    process.wait_for("the upload has begun", lambda: logged.show(image)["status"] == "saving")
    upload.abort()

    def broken():
        found = [line["fields"] for line in since.lines() if line["target"] == "access"]
        return [fields for fields in found if fields["method"] == "PUT"]
    (line,) = process.wait_for("the line of the upload", broken)
    assert line["bytes_in"] == MIB
    assert line.get("status") != 204

    process.wait_for("the image is queued again", lambda: logged.show(image)["status"] == "queued")
    logged.put(image, b"x" * LARGE).expect(204)
    with socket.create_connection(("127.0.0.1", logged.port)) as client:
        client.sendall(f"GET /v2/images/{image}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {logged.token()}\r\n"
                       "X-Openstack-Request-Id: left\r\n\r\n".encode())
        # The kernel sends up to 4 MiB at a time, which count when it is done with them.
        left = 5 * MIB
        while left > 0:
            left -= len(client.recv(left))
    line = since.access("req-left")
    assert (line["status"], line["end"]) == (200, "client gone")
    assert 0 < line["bytes_out"] < LARGE


def test_a_log_in_a_file_has_no_colours(tmp_path):
    """Proves that the text log has no escape codes where it is no terminal, and the same line for each request."""
    with serve(tmp_path, use_json=False) as running:
        since = Since(running)
        running.request("GET", "/v2/images?name=hidden-word", headers=named("plain")).expect(200)
        lines = process.wait_for("the line", lambda: [
            line for line in since.text().splitlines() if "access:" in line and "req-plain" in line])
        assert len(lines) == 1
        assert 'method="GET" route="/v2/images" path="/v2/images" status=200 ' in lines[0]
        text = running.log.read_text()
        assert "\x1b" not in text and "hidden-word" not in text
