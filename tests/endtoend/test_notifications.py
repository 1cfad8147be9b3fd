"""Notifications on a real RabbitMQ, read back by a real listener of oslo.messaging: every event at least once and in
order for each image, whoever dies meanwhile."""

import collections
import contextlib
import json
import threading
import urllib.request

import pytest

from harness import Server, certificates, free_port, wait_for
from harness.rabbit import Listener, Rabbit

CONFIG = """
[DEFAULT]
transport_url = {url}
enabled_import_methods = [glance-direct]
{more}
[oslo_messaging_notifications]
driver = {driver}
[oslo_messaging_rabbit]
rabbit_interval_max = 1
kombu_reconnect_delay = 0.1
{rabbit}
[vitrine]
audit_log = {audit}
"""
UPLOAD = ["image.create", "image.update", "image.prepare", "image.upload", "image.activate", "image.update"]
STAGED = ["image.create", "image.update", "image.update"]
IMPORT = ["task.create", "task.processing", "image.update", "image.prepare", "image.upload", "image.activate",
          "image.update", "task.success", "task.run"]
# Of a listener that is to hear what a broker has kept.
DURABLE = "amqp_durable_queues=true"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return certificates.Authority(tmp_path_factory.mktemp("authority"), "Bus")


@pytest.fixture(scope="module")
def shared(tmp_path_factory, authority):
    """A broker that nobody kills, which speaks TLS as well."""
    folder = tmp_path_factory.mktemp("bus")
    files = authority.issue(folder, "broker", ["localhost", "127.0.0.1"])
    with Rabbit(folder / "broker", tls=(*files, authority.file)) as running:
        yield running


@pytest.fixture
def mortal(tmp_path):
    with Rabbit(tmp_path / "broker") as running:
        yield running


def told(tmp_path, url, driver="messagingv2", rabbit="amqp_durable_queues = true", more="", **server):
    """A server whose events go to the broker of a URL."""
    conf = tmp_path / "vitrine.conf"
    conf.write_text(CONFIG.format(url=url, driver=driver, rabbit=rabbit, more=more, audit=tmp_path / "audit.log"))
    return Server(tmp_path / "data", arguments=["--config-file", conf], **server)


def of_image(messages, image):
    """The events of one image, in the order in which they came; what came twice counts once."""
    seen, events = set(), []
    for message in messages:
        number, payload = message["metadata"]["message_id"], message["payload"]
        if number not in seen and image in (payload.get("id"), payload.get("image_id")):
            seen.add(number)
            events.append(message["event_type"])
    return events


def test_typical_sequences(tmp_path, shared):
    """Uploads, imports, members, definitions, downloads and deletions are heard in Glance's order, with Glance's
    payloads; each event stands in the audit log, too."""
    with told(tmp_path, shared.url) as server, Listener(tmp_path, shared.url, DURABLE) as listener:
        image = server.create(visibility="shared")
        server.put(image, b"data").expect(204)
        heard = listener.hears(6)
        assert heard == UPLOAD
        first = listener.heard()[0]
        assert first["publisher_id"] == "image.localhost" and first["priority"] == "info"
        assert sorted(first["payload"]) == sorted([
            "id", "name", "status", "created_at", "updated_at", "min_disk", "min_ram", "protected", "checksum", "owner",
            "disk_format", "container_format", "size", "virtual_size", "is_public", "visibility", "properties", "tags",
            "deleted", "deleted_at"])
        staged = server.create()
        server.put(staged, b"data", "stage").expect(204)
        server.begin_import(staged, {"name": "glance-direct"})
        assert listener.hears(6 + 12)[6:] == STAGED + IMPORT
        server.request("POST", f"/v2/images/{image}/members", {"member": "other"}).expect(200)
        server.request("DELETE", f"/v2/images/{image}/members/other").expect(204)
        assert server.download(image) == b"data"
        assert listener.hears(21)[18:] == ["image.member.create", "image.member.delete", "image.send"]
        admin, _ = server.login("vitrine-admin")
        spaces = "/v2/metadefs/namespaces"
        server.request("POST", spaces, {"namespace": "N", "tags": [{"name": "t"}]}, token=admin).expect(201)
        server.request("DELETE", f"{spaces}/N", token=admin).expect(204)
        server.request("DELETE", f"/v2/images/{image}").expect(204)
        assert sorted(listener.hears(25)[21:]) == [
            "image.delete", "metadef_namespace.create", "metadef_namespace.delete", "metadef_tag.create"]
        audit = tmp_path / "audit.log"
        wait_for("audit records", lambda: len(audit.read_text().splitlines()) == 25)
        records = [json.loads(line) for line in audit.read_text().splitlines()]
        assert {record["typeURI"] for record in records} == {"http://schemas.dmtf.org/cloud/audit/1.0/event"}
        assert [record["outcome"] for record in records].count("pending") == 4


def test_the_bare_format_and_disabled_events(tmp_path, shared):
    """Driver `messaging` is understood, too; topics are as configured; what is disabled is not sent."""
    more = "disabled_notifications = image.update,task\ncontrol_exchange = glance"
    with (told(tmp_path, shared.url + "?amqp_durable_queues=1", "messaging\ntopics = elsewhere", "", more) as server,
          Listener(tmp_path, shared.url, DURABLE, "topic=elsewhere") as listener):
        server.put(server.create(), b"data").expect(204)
        assert listener.hears(4) == ["image.create", "image.prepare", "image.upload", "image.activate"]


def test_quorum_queues_compression_and_several_hosts(tmp_path, shared):
    """The broker is found behind a host that is dead; a quorum queue is declared as oslo.messaging declares it, and
    compressed bodies are understood."""
    url = f"rabbit://guest:guest@127.0.0.1:1,guest:guest@127.0.0.1:{shared.port}/"
    rabbit = "rabbit_quorum_queue = true\nrabbit_quorum_delivery_limit = 7\nkombu_compression = gzip"
    with told(tmp_path, url, "messagingv2\ntopics = quorum", rabbit) as server:
        server.put(server.create(), b"data").expect(204)
        wait_for("events are sent", lambda: server.rows("SELECT count(*) FROM notices WHERE reader = 'bus'") == [(0,)])
        # A listener that declared it otherwise would be refused.
        with Listener(tmp_path, shared.url, "topic=quorum", "rabbit_quorum_queue=true",
                      "rabbit_quorum_delivery_limit=7") as listener:
            assert listener.hears(6) == UPLOAD


def secured(authority, **more):
    return "\n".join([f"ssl = true\nssl_ca_file = {authority.file}\namqp_durable_queues = true",
                      *(f"{name} = {value}" for name, value in more.items())])


def test_tls(tmp_path, shared, authority):
    """Events are sent by TLS to a broker whose certificate is good."""
    url = f"rabbit://guest:guest@localhost:{shared.tls_port}/"
    with (told(tmp_path, url, "messagingv2\ntopics = secure", secured(authority)) as server,
          Listener(tmp_path, shared.url, DURABLE, "topic=secure") as listener):
        server.create()
        assert listener.hears(1) == ["image.create"]


def test_a_broker_with_another_certificate(tmp_path, shared):
    """Nothing is sent to a broker that another authority vouches for; what waits is kept."""
    url = f"rabbit://guest:guest@localhost:{shared.tls_port}/"
    other = certificates.Authority(tmp_path, "Other")
    with told(tmp_path, url, rabbit=secured(other)) as server:
        server.create()
        wait_for("it is refused", lambda: "certificate verify failed" in server.log.read_text())
        assert server.rows("SELECT kind FROM notices WHERE reader = 'bus'") == [("image.create",)]


def test_a_broker_with_another_name(tmp_path, authority):
    """Nor to one whose certificate is for another host, unless the names do not matter."""
    files = authority.issue(tmp_path, "elsewhere", ["elsewhere"])
    with Rabbit(tmp_path / "elsewhere", tls=(*files, authority.file)) as broker:
        url = f"rabbit://guest:guest@127.0.0.1:{broker.tls_port}/"
        with told(tmp_path, url, rabbit=secured(authority)) as server:
            server.create()
            wait_for("it is refused", lambda: "certificate verify failed" in server.log.read_text())
            assert server.rows("SELECT kind FROM notices WHERE reader = 'bus'") == [("image.create",)]
        (tmp_path / "again").mkdir()
        with (told(tmp_path / "again", url, rabbit=secured(authority, ssl_enforce_hostname_verification="false"))
              as server, Listener(tmp_path, broker.url, DURABLE) as listener):
            server.create()
            assert listener.hears(1) == ["image.create"]


class Work(threading.Thread):
    """Makes, fills, shares and deletes images until it is told to stop, and knows what others must be told of each."""

    def __init__(self, server):
        super().__init__()
        self.server, self.stopped, self.fault = server, threading.Event(), None
        self.expected = {}

    def run(self):
        try:
            while not self.stopped.is_set():
                self.round()
        except OSError:
            # The server was killed.
            pass
        except Exception as fault:  # noqa: BLE001  shown by the test
            self.fault = fault

    def round(self):
        image = self.server.create(visibility="shared")
        events = self.expected.setdefault(image, ["image.create"])
        self.server.put(image, b"data").expect(204)
        events += UPLOAD[1:]
        self.server.request("POST", f"/v2/images/{image}/members", {"member": "other"}).expect(200)
        events.append("image.member.create")
        self.server.request("DELETE", f"/v2/images/{image}").expect(204)
        events.append("image.delete")


@contextlib.contextmanager
def at_work(server, count=2):
    workers = [Work(server) for _ in range(count)]
    for worker in workers:
        worker.start()
    try:
        yield workers
    finally:
        for worker in workers:
            worker.stopped.set()
        for worker in workers:
            worker.join(60)
            assert not worker.is_alive(), "a client waits for ever"


def rounds(workers):
    return sum(len(worker.expected) for worker in workers)


def require_all(listener, workers, whole=True):
    """Everything that was answered was heard, in order; without `whole` more may have been heard of the last rounds."""
    assert [worker.fault for worker in workers] == [None] * len(workers)
    expected = collections.ChainMap(*(worker.expected for worker in workers))

    def missing():
        messages = listener.heard()
        faults = {}
        for image, events in expected.items():
            heard = of_image(messages, image)
            if (heard if whole else heard[:len(events)]) != events:
                faults[image] = (events, heard)
        return faults

    wait_for("every event is heard", lambda: not missing(), 90)


def sends_what_waits(server):
    """Waits until the broker has what waits for it now."""
    [(last,)] = server.rows("SELECT max(sequence) FROM notices WHERE reader = 'bus'")
    left = "SELECT count(*) FROM notices WHERE reader = 'bus' AND sequence <= ?"
    wait_for("events are sent", lambda: server.rows(left, last or 0) == [(0,)])


def test_a_broker_that_dies(tmp_path, mortal):
    """The broker is killed twice while clients work, who notice nothing; every event is heard afterwards, in order."""
    with told(tmp_path, mortal.url) as server:
        with at_work(server) as workers:
            for _ in range(2):
                wait_for("clients work", lambda: rounds(workers) > 3)
                # What the broker has confirmed it must have afterwards, too.
                sends_what_waits(server)
                mortal.kill()
                done = rounds(workers)
                wait_for("clients work without a broker", lambda done=done: rounds(workers) > done + 5)
                mortal.start()
                done = rounds(workers)
                wait_for("clients work with it", lambda done=done: rounds(workers) > done + 3)
        with Listener(tmp_path, mortal.url, DURABLE) as listener:
            require_all(listener, workers)


def test_a_broker_that_hangs(tmp_path, mortal):
    """A broker that takes connections and says nothing more slows no client."""
    with told(tmp_path, mortal.url) as server, Listener(tmp_path, mortal.url, DURABLE) as listener:
        server.create()
        listener.hears(1)
        mortal.freeze()
        try:
            with at_work(server) as workers:
                wait_for("clients work", lambda: rounds(workers) > 10)
        finally:
            mortal.thaw()
        require_all(listener, workers)


def test_a_server_that_dies(tmp_path, mortal):
    """The server is killed while clients work, and started again: what it had answered is heard, in order."""
    with Listener(tmp_path, mortal.url, DURABLE) as listener:
        server = told(tmp_path, mortal.url)
        everyone = []
        for _ in range(3):
            server.start()
            with at_work(server) as workers:
                everyone += workers
                wait_for("clients work", lambda: rounds(workers) > 4)
                server.kill()
        with server:
            require_all(listener, everyone, whole=False)


def test_a_message_that_is_refused(tmp_path):
    """What is larger than the broker takes is given up and counted, and holds back neither other events nor later ones
    of the same image."""
    place = f"http://127.0.0.1:{free_port()}"
    with Rabbit(tmp_path / "broker", settings=["max_message_size = 6000"]) as broker, \
            told(tmp_path, broker.url, more=f"[vitrine]\nmetrics_listen = {place}") as server, \
            Listener(tmp_path, broker.url, DURABLE) as listener:
        large = server.create(name="large", text="x" * 8000)
        small = server.create(name="small")
        server.patch(large, {"op": "remove", "path": "/text"}).expect(200)
        later = server.create(name="later")
        listener.hears(3)
        heard = listener.heard()
        assert of_image(heard, large) == ["image.update"]
        assert of_image(heard, small) == of_image(heard, later) == ["image.create"]
        log = server.log_tail(400)
        assert "a notification was given up: the broker refuses it" in log
        figures = urllib.request.urlopen(f"{place}/metrics", timeout=10).read().decode()
        assert 'vitrine_notifications_total{reader="bus",outcome="lost"} 1' in figures
