"""Three nodes behind HAProxy and behind nginx, as the documentation sets them up: they are restarted one after the
other while clients work, and die.
"""

import functools
import hashlib
import http.client
import random
import signal
import threading
import uuid

import pytest

from harness import OpenUpload, balancers, client, cluster, databases, wait_for

CLIENTS = 4
OCTETS = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


class Strict(threading.Thread):
    """A client that keeps its connection, and notes the first request that does not answer as it has to."""

    def __init__(self, port, token, seed):
        super().__init__(daemon=True)
        self.port, self.token, self.random = port, token, random.Random(seed)
        self.connection = self.fault = None
        self.stopped, self.lives, self.requests = threading.Event(), 0, 0

    def run(self):
        try:
            while not self.stopped.is_set():
                self.life()
                self.lives += 1
        except Exception as fault:  # noqa: BLE001  shown by the test
            self.fault = fault

    def ask(self, status, method, path, body=None, headers=None):
        # It closes its connection now and then, and when it was told to.
        if self.connection is None or self.random.random() < 0.2:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.requests += 1
        try:
            self.connection.request(method, path, body, {"X-Auth-Token": self.token} | (headers or {}))
            response = self.connection.getresponse()
            answer = client.Answer(response)
        except Exception as fault:
            raise AssertionError(f"{method} {path}: {fault!r}") from fault
        assert answer.status == status, f"{method} {path}: {answer.status} instead of {status}: {answer.body[:300]!r}"
        if response.will_close:
            self.connection = None
        return answer

    def life(self):
        image, data = str(uuid.UUID(int=self.random.getrandbits(128), version=4)), self.random.randbytes(200_000)
        path = f"/v2/images/{image}"
        self.ask(201, "POST", "/v2/images",
                 b'{"id": "%b", "disk_format": "raw", "container_format": "bare"}' % image.encode(),
                 {"Content-Type": "application/json"})
        self.ask(204, "PUT", f"{path}/file", data, OCTETS)
        shown = self.ask(200, "GET", path)
        assert shown.json["os_hash_value"] == hashlib.sha512(data).hexdigest(), shown.json
        self.ask(200, "PATCH", path, b'[{"op": "replace", "path": "/name", "value": "n"}]', PATCH)
        self.ask(200, "GET", "/v2/images?limit=5")
        assert self.ask(200, "GET", f"{path}/file").body == data
        self.ask(204, "DELETE", path)


def shows_draining(node):
    answer = node.request("GET", "/healthcheck", token="")
    return answer.status == 503 and answer.body == b"DRAINING"


# Each on a database of its own kind, for the sake of time.
@pytest.mark.parametrize("kind, balancer", [(databases.MARIADB, balancers.Haproxy),
                                            (databases.POSTGRESQL, balancers.Nginx)])
def test_a_rolling_restart_fails_nobody(tmp_path, kind, balancer):
    """While each node is restarted in turn, every request of every client behind the balancer is answered as it has to
    be, and so is an upload that is under way at the node meanwhile."""
    drain_s = 15 if balancer is balancers.Haproxy else 3
    with cluster.Cluster(tmp_path, databases.fresh(kind), lease_s=15, drain_s=drain_s) as nodes, \
            balancer(nodes.nodes) as front:
        clients = [Strict(front.port, front.token(), seed) for seed in range(CLIENTS)]
        for worker in clients:
            worker.start()
        for node in nodes.nodes:
            come_round(clients)
            restart(node, is_asked=balancer is balancers.Haproxy)
        for worker in clients:
            worker.stopped.set()
        for worker in clients:
            worker.join(60)
            assert worker.fault is None, worker.fault
        print(f"{sum(worker.requests for worker in clients)} requests")


def come_round(clients):
    """Waits until every client has gone through all of its requests once more."""
    lives = [worker.lives for worker in clients]
    wait_for("every client has come round", lambda: all(
        worker.fault or worker.lives > before for worker, before in zip(clients, lives)))


def restart(node, is_asked):
    """Restarts a node in the middle of an upload; `is_asked`: a balancer asks how it is."""
    image = node.create()
    upload = OpenUpload(node, image)
    upload.send(b"begun")
    node.process.send_signal(signal.SIGTERM)
    if is_asked:
        wait_for("it says that it drains", lambda: shows_draining(node))
        shown = node.request("GET", f"/v2/images/{image}").expect(200)
        assert shown.headers["Connection"] == "close"
    wait_for("it listens no more", lambda: not answers(node))
    upload.send(b", ended")
    upload.finish().expect(204)
    assert node.process.wait(60) == 0
    node.start()
    assert node.download(image) == b"begun, ended"


def answers(node):
    try:
        return node.request("GET", "/versions", token="", timeout_s=10).status == 200
    except OSError:
        return False


def test_a_node_that_dies_costs_its_upload_alone(tmp_path):
    """Of three uploads behind HAProxy, one at each node, the one at the node that is killed fails and its image is
    queued again; the others end well, and all that is asked at once afterwards is answered."""
    with cluster.Cluster(tmp_path, databases.fresh(databases.MARIADB)) as nodes, \
            balancers.Haproxy(nodes.nodes) as front:
        uploads = {}
        # Before any upload, so that the balancer has no other connections to count than those.
        images = [front.request("POST", "/v2/images", {"disk_format": "raw", "container_format": "bare"}).expect(201)
                  for _ in nodes.nodes]
        for image in images:
            upload = OpenUpload(front, image.json["id"])
            upload.send(b"begun")
            (node,) = wait_for("a node has it", lambda: [
                node for node in nodes.nodes if node not in uploads and node.writes()])
            uploads[node] = image.json["id"], upload
        victim = nodes.nodes[1]
        lost, upload = uploads.pop(victim)
        victim.kill()
        assert upload.is_lost()
        for _ in range(10):
            front.request("GET", "/v2/images").expect(200)
        for image, upload in uploads.values():
            upload.send(b", ended")
            upload.finish().expect(204)
            assert front.request("GET", f"/v2/images/{image}/file").expect(200).body == b"begun, ended"
        wait_for("it is queued again", lambda: front.request(
            "GET", f"/v2/images/{lost}").json["status"] == "queued")
        front.request("PUT", f"/v2/images/{lost}/file", b"anew", OCTETS).expect(204)
        assert front.request("GET", f"/v2/images/{lost}/file").expect(200).body == b"anew"


def test_a_second_signal_ends_a_node_at_once(tmp_path):
    """A node that drains for an hour goes on serving, and is gone at the next signal; SIGINT needs no second one."""
    for signals in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT), (signal.SIGINT,)):
        with cluster.Cluster(tmp_path, databases.fresh(databases.SQLITE), count=1, drain_s=3600) as nodes:
            (node,) = nodes.nodes
            node.request("GET", "/healthcheck", token="").expect(200)
            upload = OpenUpload(node, node.create())
            upload.send(b"begun")
            for number, sent in enumerate(signals):
                node.process.send_signal(sent)
                if number + 1 < len(signals):
                    wait_for("it drains", functools.partial(shows_draining, node))
                    node.create()
            assert node.process.wait(30) == 0
