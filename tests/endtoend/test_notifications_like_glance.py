"""The same calls to a real Glance and to us, with one configuration, one Keystone and one broker: a listener hears the
same events, with the same members."""

import subprocess
import sys

import pytest

from harness import ROOT, binary, client, free_port, wait_for
from harness.rabbit import Listener, Rabbit

sys.path.append(str(ROOT / "tests/peers"))

import image_service
import personas

OPTIONS = ["oslo_messaging_notifications.driver=messagingv2", "oslo_messaging_rabbit.amqp_durable_queues=true",
           "paste_deploy.flavor=keystone", "image_cache_dir="]


@pytest.fixture(scope="module")
def keystone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keystone")
    script = [sys.executable, ROOT / "tests/peers/keystone"]
    up = subprocess.run([*script, "up", "--dir", folder], check=True, capture_output=True, text=True)
    yield up.stdout.strip().splitlines()[-1]
    subprocess.run([*script, "down", "--dir", folder], check=True)


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with Rabbit(tmp_path_factory.mktemp("bus") / "broker") as running:
        yield running


class Caller:
    def __init__(self, keystone, port, listener):
        self.port, self.listener, self.tokens = port, listener, {}
        for name in ("member", "admin"):
            headers, _ = client.must("POST", f"{keystone}/auth/tokens", personas.token_request(name))
            self.tokens[name] = headers["X-Subject-Token"]

    def ask(self, method, path, body=None, who="member", status=200, **headers):
        if isinstance(body, bytes):
            headers["Content-Type"] = "application/octet-stream"
        answer = client.request(self.port, method, f"/v2/{path}", body, {"X-Auth-Token": self.tokens[who]} | headers)
        return answer.expect(status)

    def image(self, **fields):
        fields = {"name": "x", "disk_format": "raw", "container_format": "bare", "visibility": "shared"} | fields
        return self.ask("POST", "images", fields, status=201).json["id"]

    def become(self, image, status):
        wait_for(f"it is {status}", lambda: self.ask("GET", f"images/{image}").json["status"] == status)


def an_upload(caller):
    image = caller.image()
    caller.ask("PUT", f"images/{image}/file", b"data", status=204)
    caller.ask("PUT", f"images/{image}/tags/t", status=204)
    assert caller.ask("GET", f"images/{image}/file").body == b"data"
    # Both tell it when the data has been sent, which may be later than it has come.
    wait_for("the download is told", lambda: "image.send" in caller.listener.events())
    caller.ask("DELETE", f"images/{image}", status=204)


def an_import(caller):
    image = caller.image()
    caller.ask("PUT", f"images/{image}/stage", b"data", status=204)
    caller.ask("POST", f"images/{image}/import", {"method": {"name": "glance-direct"}, "stores": ["fast"]}, status=202)
    caller.become(image, "active")


def members(caller):
    image = caller.image()
    caller.ask("POST", f"images/{image}/members", {"member": "other"})
    caller.ask("PUT", f"images/{image}/members/other", {"status": "accepted"}, who="admin")
    caller.ask("DELETE", f"images/{image}/members/other", status=204)


def definitions(caller):
    spaces = "metadefs/namespaces"

    def ask(method, path, body=None, status=200):
        caller.ask(method, path, body, "admin", status)

    whole = {"namespace": "N", "tags": [{"name": "t"}], "properties": {"p": {"title": "p", "type": "string"}},
             "objects": [{"name": "o", "properties": {"k": {"title": "k", "type": "integer", "minimum": 0}}}],
             "resource_type_associations": [{"name": "OS::X", "prefix": "x_"}]}
    ask("POST", spaces, whole, 201)
    ask("PUT", f"{spaces}/N/objects/o", {"name": "o2", "required": ["a"]})
    ask("PUT", f"{spaces}/N/properties/p", {"name": "p2", "title": "p", "type": "string", "enum": ["a"]})
    ask("PUT", f"{spaces}/N/tags/t", {"name": "t2"})
    ask("POST", f"{spaces}/N/tags", {"tags": [{"name": "a"}, {"name": "b"}]}, 201)
    ask("POST", f"{spaces}/N/resource_types", {"name": "OS::Y"}, 201)
    ask("DELETE", f"{spaces}/N/resource_types/OS::Y", None, 204)
    for part in ("objects/o2", "properties/p2", "tags/a", "objects", "properties", "tags"):
        ask("DELETE", f"{spaces}/N/{part}", None, 204)
    ask("PUT", f"{spaces}/N", {"namespace": "M"})
    ask("DELETE", f"{spaces}/M", None, 204)


def shape(message):
    """What must be alike: the event, its priority, and what is said, but for what each server draws by itself."""
    varies = ("id", "image_id", "created_at", "updated_at", "deleted_at", "expires_at")
    payload = {name: "…" if name in varies and value else value for name, value in message["payload"].items()}
    if isinstance(payload.get("properties"), dict):
        # The lock of a task goes a step earlier with us, and no host of ours has to be known.
        payload["properties"] = {name: value for name, value in payload["properties"].items()
                                 if name not in ("os_glance_import_task", "os_glance_stage_host")}
    return message["event_type"], message["priority"], message["publisher_id"], payload


def settled(shapes):
    """Saves of an image that follow each other directly are one: Glance saves more often than it changes something."""
    kept = []
    for found in shapes:
        if not (kept and found[0] == kept[-1][0] == "image.update"):
            kept.append(found)
        else:
            kept[-1] = found
    return kept


def heard(folder, broker, port, start, keystone, story, last):
    """What a listener hears of a story that a server is told."""
    options = [*OPTIONS, f"transport_url={broker.url}", f"oslo_messaging_notifications.topics={folder.name}"]
    folder.mkdir()
    try:
        start(folder / "server", port, keystone, options)
        with Listener(folder, broker.url, "amqp_durable_queues=true", f"topic={folder.name}") as listener:
            story(Caller(keystone, port, listener))
            wait_for(f"{last} is heard", lambda: listener.events()[-1:] == [last], 60)
            return [shape(message) for message in listener.heard()]
    finally:
        image_service.stop(folder / "server")


def start_vitrine(folder, port, keystone, options):
    image_service.start_vitrine(folder, port, keystone, binary(), options)


@pytest.mark.parametrize("story, last", [
    (an_upload, "image.delete"), (an_import, "task.run"), (members, "image.member.delete"),
    (definitions, "metadef_namespace.delete"),
])
def test_we_tell_what_glance_tells(tmp_path, keystone, broker, story, last):
    """Each event of Glance, in its order and with its payload; saves that follow each other count as one."""
    name = story.__name__.replace("_", "-")
    theirs = heard(tmp_path / f"glance-{name}", broker, free_port(), image_service.start_glance, keystone, story, last)
    ours = heard(tmp_path / f"vitrine-{name}", broker, free_port(), start_vitrine, keystone, story, last)
    assert settled(ours) == settled(theirs)
