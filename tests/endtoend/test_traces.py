"""Traces: what a collector is sent of requests and jobs, what peers are told, and that nobody waits for any of it."""

import base64
import hashlib
import hmac
import http.server
import json
import signal
import uuid

import pytest

from harness import Server, process, sources
from harness.client import request as ask
from harness.collector import Collector

CONFIG = """
[DEFAULT]
use_json = true
show_multiple_locations = true
enabled_backends = files:file, web:http
[glance_store]
default_backend = files
[files]
filesystem_store_datadir = {folder}/files
[os_glance_staging_store]
filesystem_store_datadir = {folder}/staging
[import_filtering_opts]
allowed_ports = []
allowed_networks = ['127.0.0.0/8']
[profiler]
enabled = true
hmac_keys = other, the key
[vitrine]
metrics_listen = http://127.0.0.1:{metrics}
{traces}
"""
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
DATA = b"x" * 100_000
DOWN = "spans cannot be sent; this is not said again until they can be"


class Traced(Server):
    """A server with an endpoint for traces, and more options of `[vitrine]`; without an endpoint there are none."""

    def __init__(self, folder, endpoint=None, more=""):
        self.metrics = process.free_port()
        traces = f"trace_endpoint = {endpoint}\n" if endpoint else ""
        config = folder / "vitrine.conf"
        config.write_text(CONFIG.format(folder=folder, metrics=self.metrics, traces=traces + more))
        super().__init__(folder / "data", arguments=["--config-file", config])

    def lines(self):
        # The last one may still be being written.
        text = self.log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in text if line.endswith("\n") and line.startswith("{")]

    def said(self, message):
        return [line for line in self.lines() if line["fields"].get("message") == message]

    def access(self, request):
        """The line of a request, which is there when its span has ended."""
        def line():
            found = [line["fields"] for line in self.lines() if line["target"] == "access"]
            return [fields for fields in found if fields["request_id"] == request]
        (fields,) = process.wait_for(f"the line of {request}", line)
        return fields

    def figure(self, name):
        text = ask(self.metrics, "GET", "/metrics").expect(200).body.decode()
        found = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith(f"{name} ")]
        return float(found[0]) if found else 0

    def list(self, name, **headers):
        """A list of images as a request of this name."""
        answer = self.request("GET", "/v2/images?limit=1", headers={"X-Openstack-Request-Id": name, **headers})
        answer.expect(200)
        return self.access(f"req-{name}")


class Remembering(http.server.SimpleHTTPRequestHandler):
    """Serves files, and keeps the headers of those who ask."""

    def do_GET(self):
        self.server.headers.append(dict(self.headers.items()))
        super().do_GET()

    def do_POST(self):
        self.server.headers.append(dict(self.headers.items()))
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_error(501)

    def log_message(self, *_):
        pass


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.may_answer.set()
    collector.close()


@pytest.fixture
def traced(tmp_path, collector):
    with Traced(tmp_path, collector.url, "trace_headers = x-key:abc") as server:
        yield server


@pytest.fixture
def source(tmp_path):
    """A web server with a disk."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "disk").write_bytes(DATA)
    serving = sources.Source(lambda *given: Remembering(*given, directory=str(folder)))
    serving.headers = []
    yield serving
    serving.close()


def caller(sampled=True, span=CALLER):
    return f"00-{TRACE}-{span}-0{int(sampled)}"


def brought(server, source, headers):
    """An image that an import brought, asked for with these headers."""
    image = server.create()
    method = {"name": "web-download", "uri": f"{source.url}/disk"}
    server.request("POST", f"/v2/images/{image}/import", {"method": method}, headers).expect(202)
    assert server.finished_import(image)["status"] == "success"
    return image


def named(spans, name):
    """The only span of this name."""
    (found,) = [span for span in spans.values() if span.name == name]
    return found


def ancestors(spans, span):
    while span.parent in spans:
        span = spans[span.parent]
        yield span


def test_an_import_is_one_trace(traced, collector, source):
    """Proves that a request is in the trace that its client names, that its statements are below it, and the job that
    it asked for with all that this does; and that the source is told its place in the trace."""
    image = brought(traced, source, {"traceparent": caller(), "X-Openstack-Request-Id": "import"})
    _, project = traced.login()
    asking = "POST /v2/images/{id}/import"
    spans = collector.wait_for(TRACE, asking, "job api_image_import", "store.write", "store.share", "GET")

    asked = named(spans, asking)
    assert (asked.parent, asked.kind, asked.failed, asked.service) == (CALLER, "server", False, "vitrine")
    expected = {"http.request.method": "POST", "url.path": f"/v2/images/{image}/import", "url.scheme": "http",
                "http.route": "/v2/images/{id}/import", "http.response.status_code": 202,
                "vitrine.request.id": "req-import", "vitrine.project.id": project}
    assert {key: asked.said.get(key) for key in expected} == expected
    statement = named(spans, "image.lock_for_job")
    kinds = {"sqlite": "sqlite", "postgresql": "postgresql", "mariadb": "mysql"}
    assert (statement.parent, statement.kind, statement.said) == (asked.id, "client", {
        "db.system.name": kinds[traced.database.kind], "db.operation.name": "image.lock_for_job"})

    job = named(spans, "job api_image_import")
    assert (job.parent, job.kind, job.said["vitrine.outcome"]) == (asked.id, "consumer", "done")
    assert (job.said["vitrine.image.id"], job.said["vitrine.request.id"]) == (image, "req-import")
    written = named(spans, "store.write")
    assert job in ancestors(spans, written) and written.said["vitrine.bytes"] == len(DATA)
    # What was staged is linked, not copied.
    shared = named(spans, "store.share")
    assert job in ancestors(spans, shared) and shared.said == {
        "vitrine.store.id": "files", "vitrine.store.kind": "file", "vitrine.store.operation": "share"}
    fetched = named(spans, "GET")
    assert (fetched.kind, fetched.said["server.address"], fetched.said["http.response.status_code"]) == (
        "client", "127.0.0.1", 200)
    assert job in ancestors(spans, fetched) and "disk" not in str(fetched)
    assert [headers["traceparent"] for headers in source.headers] == [caller(span=fetched.id)]
    assert [span.name for span in spans.values() if span is not asked and span.parent not in spans] == []
    assert collector.headers[0]["x-key"] == "abc"


def test_lines_of_the_log_name_the_trace(traced, collector):
    """Proves that the line of a request and those of its job have the id of the trace, and that the span of what failed
    says so."""
    image = traced.create()
    body = {"method": {"name": "web-download", "uri": f"http://127.0.0.1:{process.free_port()}/disk"}}
    headers = {"traceparent": caller(), "X-Openstack-Request-Id": "failing"}
    traced.request("POST", f"/v2/images/{image}/import", body, headers).expect(202)
    assert traced.finished_import(image)["status"] == "failure"
    assert traced.access("req-failing")["trace_id"] == TRACE
    (line, *_) = traced.said("a source could not be reached")
    assert line["span"]["trace_id"] == TRACE
    spans = collector.wait_for(TRACE, "GET", "job api_image_import")
    failures = [span for span in spans.values() if span.name == "GET"]
    assert failures and all(span.failed and span.said["error.type"] == "connection" for span in failures)
    last = [span for span in spans.values() if span.said.get("vitrine.outcome") == "failed"]
    assert [(span.name, span.failed) for span in last] == [("job api_image_import", True)]


def test_a_store_that_is_read_is_in_the_trace(traced, collector, source):
    """Proves that a download from a server elsewhere passes its place on, and counts what it read."""
    image = traced.create()
    location = {"url": f"{source.url}/disk", "metadata": {}}
    traced.patch(image, {"op": "add", "path": "/locations/-", "value": location}).expect(200)
    headers = {"traceparent": caller(), "tracestate": "vendor=a, other=b"}
    assert traced.request("GET", f"/v2/images/{image}/file", headers=headers).expect(200).body == DATA
    spans = collector.wait_for(TRACE, "GET /v2/images/{id}/file", "store.read", "GET")
    read, got = named(spans, "store.read"), named(spans, "GET")
    assert (read.said["vitrine.store.kind"], read.said["vitrine.bytes"], got.parent) == ("http", len(DATA), read.id)
    assert named(spans, "GET /v2/images/{id}/file").state == "vendor=a, other=b"
    sent = source.headers[-1]
    assert (sent["traceparent"], sent.get("tracestate")) == (caller(span=got.id), None), "it is no service of the cloud"


def test_a_file_that_is_sent_unread_is_in_the_trace(traced, collector):
    """Proves that bytes that the kernel sends from a file are told as well."""
    image = traced.create()
    traced.put(image, DATA).expect(204)
    headers = {"traceparent": caller()}
    assert traced.request("GET", f"/v2/images/{image}/file", headers=headers).expect(200).body == DATA
    spans = collector.wait_for(TRACE, "GET /v2/images/{id}/file", "store.read")
    sent = named(spans, "GET /v2/images/{id}/file")
    assert sent.said["http.response.body.size"] == len(DATA)
    assert (named(spans, "store.read").said["vitrine.bytes"], named(spans, "store.read").parent) == (len(DATA), sent.id)


@pytest.mark.parametrize("sent", ["", "00", caller().upper(), caller() + "-more", caller().replace(TRACE, "0" * 32),
                                  "ff" + caller()[2:], "x" * 4000],
                         ids=["empty", "short", "upper", "more", "zero", "version", "long"])
def test_a_context_that_is_none_is_ignored(traced, collector, sent):
    """Proves that a traceparent that is not as it should be costs nobody anything: the trace is a new one."""
    trace = traced.list("odd", traceparent=sent, tracestate="\u00e4,=,")["trace_id"]
    spans = collector.wait_for(trace, "GET /v2/images")
    assert trace != TRACE and named(spans, "GET /v2/images").parent == ""


def signed(base, parent, key):
    """The headers of osprofiler for a span of a trace (`osprofiler/web.py`)."""
    said = base64.urlsafe_b64encode(json.dumps({"base_id": base, "parent_id": parent}).encode())
    return {"X-Trace-Info": said.decode(), "X-Trace-HMAC": hmac.new(key.encode(), said, hashlib.sha1).hexdigest()}


def test_the_headers_of_osprofiler_name_the_trace(traced, collector):
    """Proves that a call that is profiled is found by the id that its client prints, though it says another one too;
    and that headers that nobody signed, or with another key, count for nothing."""
    base, parent = str(uuid.uuid4()), str(uuid.uuid4())
    trace = base.replace("-", "")
    line = traced.list("profiled", traceparent=caller(), **signed(base, parent, "the key"))
    assert line["trace_id"] == trace
    spans = collector.wait_for(trace, "GET /v2/images")
    assert named(spans, "GET /v2/images").parent == parent.replace("-", "")[16:]
    for number, headers in enumerate([signed(base, parent, "a wrong key"), signed(base, parent, ""),
                                      {"X-Trace-Info": "\u00e4", "X-Trace-HMAC": "x"},
                                      signed("no id", parent, "the key")]):
        assert traced.list(f"wrong-{number}", **headers)["trace_id"] != trace, headers


def test_a_webhook_is_told_its_trace(traced, collector, source):
    """Proves that an event that is sent to a webhook is a trace of its own, of which its address is told."""
    hook = {"url": f"{source.url}/hook", "events": ["image.create"]}
    traced.request("POST", "/ext/v1/webhooks", hook).expect(201)
    traced.create()
    process.wait_for("the event arrives", lambda: source.headers)
    _, trace, span, flags = source.headers[0]["traceparent"].split("-")
    spans = collector.wait_for(trace, "webhook", "POST")
    assert flags == "01" and spans[span].name == "POST" and spans[spans[span].parent].name == "webhook"
    assert spans[span].failed and spans[span].said["error.type"] == "501"


def test_a_conversion_is_in_the_trace(tmp_path, collector, qcow2):
    """Proves that the conversion of an upload into a store with a format is below its job."""
    with Traced(tmp_path, collector.url, "[files]\nvitrine_disk_format = raw\n") as server:
        image = server.create(disk_format="qcow2")
        headers = {"traceparent": caller(), "Content-Type": "application/octet-stream"}
        server.request("PUT", f"/v2/images/{image}/file", qcow2.read_bytes(), headers).expect(204)
        process.wait_for("it is converted", lambda: server.show(image)["status"] == "active")
        spans = collector.wait_for(TRACE, "PUT /v2/images/{id}/file", "image.convert", "job api_image_import")
    converted = named(spans, "image.convert")
    assert converted.said == {"vitrine.disk_format": "raw"} and not converted.failed
    assert [span.kind for span in ancestors(spans, converted)] == ["consumer", "server"]


def test_a_trace_that_is_not_sampled_has_no_spans(tmp_path, collector, source):
    """Proves that whoever began a trace decides, and the ratio for those that begin here; that peers are told of the
    decision; and that the log names the trace all the same. Checks of health are in no trace of their own."""
    with Traced(tmp_path, collector.url, "trace_sample_ratio = 0") as server:
        brought(server, source, {"traceparent": caller(sampled=False)})
        own = server.list("own")["trace_id"]
        ask(server.port, "GET", "/healthcheck")
        server.list("sampled", traceparent=f"00-{own}-{CALLER}-01")
        assert server.terminate() == 0
    assert [headers["traceparent"][-2:] for headers in source.headers] == ["00"]
    assert source.headers[0]["traceparent"].split("-")[1] == TRACE
    assert {(span.trace, span.parent) for span in collector.spans() if span.kind == "server"} == {(own, CALLER)}


def test_nothing_is_traced_unless_it_is_wanted(tmp_path, collector, source):
    """Proves that without an endpoint no peer is told of a trace, whatever clients say, and no line names one."""
    with Traced(tmp_path) as server:
        profiled = signed(str(uuid.uuid4()), str(uuid.uuid4()), "the key")
        brought(server, source, {"traceparent": caller(), "tracestate": "a=1", **profiled})
        server.list("off", traceparent=caller())
        assert server.terminate() == 0
        assert "trace_id" not in server.log.read_text()
    assert [{name.lower() for name in headers} for headers in source.headers] == [{"accept", "host", "user-agent"}]
    assert collector.bodies == []


def test_a_collector_that_is_away_costs_nothing(tmp_path):
    """Proves that requests are answered while the collector is not there, that the log is told once however often it is
    tried, that spans arrive once it is there, and that a hangup changes nothing about that."""
    port = process.free_port()
    with Traced(tmp_path, f"http://127.0.0.1:{port}") as server:
        trace = server.list("early")["trace_id"]
        errors = 'vitrine_outbound_requests_total{purpose="traces",outcome="error"}'
        process.wait_for("two tries", lambda: server.figure(errors) >= 2)
        server.list("meanwhile")
        assert len(server.said(DOWN)) == 1
        server.process.send_signal(signal.SIGHUP)
        process.wait_for("the hangup is obeyed", lambda: server.said("SIGHUP: done"))
        collector = Collector(port)
        collector.wait_for(trace, "GET /v2/images")
        later = server.list("later")["trace_id"]
        collector.wait_for(later, "GET /v2/images")
        assert len(server.said(DOWN)) == 1 and len(server.said("spans can be sent again")) == 1
        assert server.figure('vitrine_trace_spans_total{outcome="sent"}') > 0
        assert server.figure('vitrine_trace_spans_total{outcome="lost"}') == 0
        # What it does not want at all is not sent again.
        collector.status = 400
        server.list("unwanted")
        process.wait_for("spans are lost", lambda: server.figure('vitrine_trace_spans_total{outcome="lost"}') > 0)
        collector.close()


def test_a_collector_that_hangs_stops_nobody(tmp_path, collector):
    """Proves that requests are answered, and the process ends, while the collector answers nothing."""
    collector.may_answer.clear()
    with Traced(tmp_path, collector.url) as server:
        image = server.create()
        server.put(image, DATA).expect(204)
        assert server.download(image) == DATA
        under_way = 'vitrine_outbound_requests_under_way{purpose="traces"}'
        process.wait_for("it hangs", lambda: server.figure(under_way) == 1)
        server.list("hanging")
        assert server.terminate() == 0
        message = "the collector of traces did not take the last spans in time; they are lost"
        assert len(server.said(message)) == 1
    assert collector.bodies == []


def test_the_last_spans_are_sent(traced, collector):
    """Proves that a server that is told to stop sends what it still has."""
    trace = traced.list("last")["trace_id"]
    assert traced.terminate() == 0
    assert "GET /v2/images" in {span.name for span in collector.spans(trace)}
