"""One client: what it asks is recorded, and what it knows of its images must be so."""

import hashlib
import json
import random
import urllib.parse
import uuid

from harness import client as http
from harness import load

from . import coverage
from .ground import content

BYTES = "application/octet-stream"
PATCH = "application/openstack-images-v2.1-json-patch"
# Those that the service tells apart in its figures.
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
# Images of one client at once, and in the trash.
IMAGES, TRASH = 6, 3


class Idle(Exception):
    """There is nothing now that the operation could be done with."""


class Failed(Exception):
    """The server did not do it, or nobody knows; the record says what it answered. `status` is None for no answer."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class Image:
    """What its client knows of an image. `unsure` is one whose last change came to an end that nobody saw."""

    def __init__(self, chance):
        self.id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        self.seed, self.size = chance.getrandbits(32), size(chance)
        self.status, self.name, self.value, self.tags = "queued", f"image {self.seed}", 0, set()
        self.visibility, self.is_hidden, self.stores = "shared", False, set()
        # The job that is under way: its method, and whether it can succeed.
        self.job, self.is_doomed_job = None, False
        self.unsure = self.delete_tried = False
        self.is_created = False
        # Names that were asked for and not answered.
        self.maybe = []

    @property
    def data(self):
        return content(self.seed, self.size)

    @property
    def is_ready(self):
        """Active, and nothing is under way."""
        return self.status == "active" and not self.job and not self.unsure


def size(chance):
    """Mostly small; some are a few MiB."""
    if chance.random() < 0.05:
        return chance.randrange(1 << 20, 4 << 20)
    return chance.choice([1, 4096, chance.randrange(1, 100_000), chance.randrange(1, 300_000)])


class Client:
    """What one user does, one operation after another."""

    def __init__(self, number, ground, origin, users, record, seed):
        self.number, self.ground, self.origin, self.users, self.record = number, ground, origin, users, record
        self.user = users[number % len(users)]
        self.random = random.Random(seed)
        self.images, self.trash, self.deleted = [], [], []
        # (method, route, names, query) of what has to be undone, in the order of its making.
        self.mess = []
        # The reconciliation whose end it waits for.
        self.reconciliation = None
        self.operation = "beginning"
        self.count = 0

    # What it asks.

    def ask(self, method, route, *names, expect=200, body=None, headers=None, query="", user=None, port=None):
        """One request. Every other answer than the expected ones goes into the record, and ends the operation."""
        path = fill(route, names) + query
        data, headers = encoded(body, dict(headers or {}))
        user = self.user if user is None else user
        if user:
            headers["X-Auth-Token"] = user.token
        began = self.record.now()
        sent, label = len(data or b""), method if method in METHODS else "other"
        counted = coverage.label(route)
        try:
            answer = http.request(port or self.ground.port, method, path, data, headers, timeout_s=120)
        except load.DEATH as fault:
            self.record.broken(counted, label, sent)
            self.record.surprise(began, self.operation, method, route, None, repr(fault))
            raise Failed(None) from fault
        self.record.answered(counted, label, answer.status, sent, len(answer.body))
        if answer.status not in (expect if isinstance(expect, tuple) else (expect,)):
            self.record.surprise(began, self.operation, method, route, answer.status,
                                 f"{path}: expected {expect}: {answer.body[:300]!r}")
            raise Failed(answer.status)
        return answer

    def begin(self, kind, *asked, **more):
        """A request that begins a job, or is refused by what else it may be answered. What was answered by an error of
        the server may have begun it."""
        self.record.may_begin(kind)
        try:
            answer = self.ask(*asked, **more)
        except Failed as failed:
            if 400 <= (failed.status or 0) < 500:
                self.record.has_not_begun(kind)
            raise
        if answer.status < 300:
            self.record.has_begun(kind)
        else:
            self.record.has_not_begun(kind)
        return answer

    def lie(self, what):
        self.record.lie(f"{self.operation}: {what}")

    def holds(self, is_so, what):
        if not is_so:
            self.lie(what)

    def other(self):
        """A user of another project."""
        return self.random.choice([user for user in self.users if user is not self.user and not user.is_admin])

    def word(self):
        """A name that nobody else has."""
        self.count += 1
        return f"w{self.number}-{self.count}"

    # Its images.

    def one(self, is_fit):
        """An image of its own of which that is so."""
        fit = [image for image in self.images if is_fit(image)]
        if not fit:
            raise Idle
        return self.random.choice(fit)

    def ready(self):
        return self.one(lambda image: image.is_ready)

    def change(self, image, operations, **expect):
        return self.ask("PATCH", "/v2/images/{id}", image.id, body=json.dumps(operations).encode(),
                        headers={"Content-Type": PATCH}, **expect)

    def learn(self, image):
        """Looks at an image whose state is not known, and holds it against what it may be. That says nothing while a
        fault lasts: what was refused may still be about to happen."""
        was_troubled = self.record.is_troubled
        answer = self.ask("GET", "/v2/images/{id}", image.id, expect=(200, 404))
        if was_troubled or self.record.is_troubled:
            return
        if answer.status == 404:
            self.holds(image.delete_tried or not image.is_created, f"{image.id} is lost")
            self.images.remove(image)
            if image.delete_tried:
                self.deleted.append(image)
                self.mess.append(("DELETE", "/ext/v1/trash/{id}", (image.id,), ""))
            return
        shown = answer.json
        had_data = image.status in ("active", "deactivated")
        image.is_created, image.delete_tried = True, False
        if shown.get("os_glance_import_task"):
            image.job = image.job or "unknown"
            return
        if shown["status"] in ("saving", "importing"):
            image.unsure = True
            return
        self.holds(not had_data or shown["status"] in ("active", "deactivated"),
                   f"{image.id} had data and is {shown['status']}")
        if image.job and image.is_doomed_job:
            self.holds(shown["status"] != "active" or had_data, f"{image.id} has data of a broken source")
        if shown["status"] == "active":
            self.holds(shown["os_hash_value"] == hashlib.sha512(image.data).hexdigest(), f"{image.id}: another hash")
        self.holds(shown["name"] in (image.name, *image.maybe), f"{image.id} is called {shown['name']}")
        image.job, image.is_doomed_job, image.unsure, image.maybe = None, False, False, []
        image.status, image.name, image.value = shown["status"], shown["name"], int(shown["p"])
        image.tags, image.is_hidden, image.visibility = set(shown["tags"]), shown["os_hidden"], shown["visibility"]
        image.stores = set(filter(None, shown.get("stores", "").split(",")))
        if shown.get("image_set"):
            self.mess.append(("DELETE", "/ext/v1/bundles/{id}", (shown["image_set"],), "?disks=keep"))

    def check(self, image):
        """What is shown of an image whose state is known is exactly that."""
        shown = self.ask("GET", "/v2/images/{id}", image.id).json
        for field, value in (("status", image.status), ("name", image.name), ("p", str(image.value)),
                             ("visibility", image.visibility), ("os_hidden", image.is_hidden)):
            self.holds(shown[field] == value, f"{image.id}: {field} is {shown[field]!r}, not {value!r}")
        self.holds(set(shown["tags"]) == image.tags, f"{image.id}: tags are {shown['tags']}, not {image.tags}")
        if image.status == "active":
            self.holds(shown["size"] == image.size, f"{image.id} has {shown['size']} bytes, not {image.size}")

    def changing(self, image):
        return Changing(image)

    def tidy(self):
        """Undoes the first thing that has to be undone; whether there was one."""
        if not self.mess:
            return False
        method, route, names, query = self.mess[0]
        self.ask(method, route, *names, query=query, expect=(200, 204, 404))
        self.mess.pop(0)
        return True

    def tidy_all(self):
        while self.tidy():
            pass


class Changing:
    """While it lasts nobody knows what the image is; if it fails, that stays so."""

    def __init__(self, image):
        self.image = image

    def __enter__(self):
        self.image.unsure = True

    def __exit__(self, kind, *_):
        if kind is None:
            self.image.unsure = False


def fill(route, names):
    """The path of a route, with names in the place of its marks."""
    parts, names = [], list(names)
    for part in route.split("/"):
        parts.append(urllib.parse.quote(str(names.pop(0)), safe="") if part.startswith("{") else part)
    assert not names, f"{route} has no place for {names}"
    return "/".join(parts)


def encoded(body, headers):
    """(bytes or None, headers) of a request."""
    if body is None:
        return None, headers
    if isinstance(body, bytes) or hasattr(body, "read"):
        return body, {"Content-Type": BYTES} | headers
    return json.dumps(body).encode(), {"Content-Type": "application/json"} | headers
