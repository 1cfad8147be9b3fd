"""`openstack image event` for all images, as it happens, and `openstack image webhook`."""

import hashlib
import hmac
import http.server
import json
import queue
import subprocess

import pytest

from harness import Server, sources, wait_for

CONFIG = """
[import_filtering_opts]
allowed_ports = []
allowed_networks = ['127.0.0.0/8']
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cloud")
    (folder / "glance-api.conf").write_text(CONFIG)
    with Server(folder / "data", arguments=["--config-file", folder / "glance-api.conf"]) as running:
        yield running


class Told(http.server.BaseHTTPRequestHandler):
    """Keeps what it is told."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.put((self.headers["X-Signature"], body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_what_happens_is_printed_as_it_happens(openstack):
    """The list has the events of all images; whoever watches gets what was missed, and then each as it comes."""
    first = openstack.server.create(name="first")
    rows = openstack.json("image", "event", "list")
    assert [row["Image ID"] for row in rows if row["Type"] == "image.create"][-1] == first
    watch = [*openstack.argv, "image", "event", "watch", "--since", "0"]
    with subprocess.Popen(watch, env=openstack.env, stdout=subprocess.PIPE, text=True) as watching:
        try:
            assert watching.stdout.readline().endswith(f" image.create {first} status: null -> queued\n")
            second = openstack.server.create(name="second")
            assert watching.stdout.readline().endswith(f" image.create {second} status: null -> queued\n")
        finally:
            watching.kill()
    printed = openstack("image", "event", "watch", "second", "--since", "0", "--seconds", "5", "--json")
    (event,) = map(json.loads, printed.splitlines())
    assert (event["type"], event["image_id"]) == ("image.create", second)


def test_an_address_is_told(openstack):
    """What is sent bears a signature by the secret that was shown when the webhook was made."""
    server = sources.Source(Told)
    server.told = queue.Queue()
    made = openstack.json("image", "webhook", "create", f"{server.url}/x", "--event", "image.create")
    image = openstack.server.create(name="told")
    signature, body = server.told.get(timeout=30)
    assert json.loads(body)["image_id"] == image
    assert signature == "sha256=" + hmac.new(made["secret"].encode(), body, hashlib.sha256).hexdigest()

    def delivered():
        (row,) = openstack.json("image", "webhook", "list")
        return row if row["Delivered"] else None

    row = wait_for("it is counted", delivered)
    assert (row["ID"], row["URL"], row["Events"]) == (made["id"], f"{server.url}/x", ["image.create"])
    shown = openstack.json("image", "webhook", "show", made["id"])
    assert shown["delivered"] == 1 and "secret" not in shown
    assert "1 of 2 webhooks failed to delete." in openstack.refused("image", "webhook", "delete", made["id"], "nothing")
    assert openstack.json("image", "webhook", "list") == []
    assert "(HTTP 400)" in openstack.refused("image", "webhook", "create", "nowhere")
    server.close()
