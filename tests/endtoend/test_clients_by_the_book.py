"""Every command and option of `openstack` and `glance` that concerns images, against the real Glance and Vitrine.

Each book in tests/clients/cli is walked through on three clouds at the same time: a Glance and a Vitrine with a real
Keystone each, and a Vitrine with its built-in identity. What the clients print and how they end must agree; the
exceptions are in tests/clients/cli/differences.toml, in the form of tests/peers/differences.toml.
"""

import contextlib
import json
import re
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import ROOT, Server, binary, digest, free_port, keystone, sources, wait_for
from harness.warm import Warm

sys.path.append(str(ROOT / "tests/peers"))
sys.path.append(str(ROOT / "tests/clients/cli"))

import differences
import walk

import image_service
import peer
import side

BOOKS = ("openstack", "glance")
# What no line can try, and why.
ELSEWHERE = {
    "openstack": {("image create", "--volume"): "Cinder makes the image", ("image create", "--force"): "as above"},
    "glance": {},
}
# Whose names stand in the books, and the projects that they work in.
PEOPLE = {"member": "alpha", "imember": "gamma", "admin": "admin"}
NOTHING = str(uuid.uuid4())
# The ids that each book gives its images, which no cloud gives again.
IMAGES = {book: [str(uuid.uuid4()) for _ in range(10)] for book in BOOKS}
KNOWN = {NOTHING, *(image for images in IMAGES.values() for image in images)}
FINAL = ("active", "queued", "success", "failure")
NAMESPACE = {"namespace": "Imported", "display_name": "I", "visibility": "public", "protected": False,
             "properties": {"p": {"title": "P", "type": "string"}}, "tags": [{"name": "t"}],
             "objects": [{"name": "o", "properties": {"q": {"title": "Q", "type": "integer"}}}]}


class Cloud:
    """An image service, and the people who use it."""

    def __init__(self, folder, url, auth_url, passwords, projects):
        self.folder, self.url, self.auth_url, self.projects = folder, url, auth_url, projects
        self.warm = Warm({})
        self.people = {name: walk.Person(self.warm, folder / "homes" / name, auth_url, name, passwords[name], project)
                       for name, project in PEOPLE.items()}
        self.passwords = passwords

    def token(self):
        user = {"name": "admin", "password": self.passwords["admin"], "domain": {"id": "default"}}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        return peer.must("POST", f"{self.auth_url}/auth/tokens", body)[0]["X-Subject-Token"]

    def settle(self, kind, name):
        """Waits until the work on an image, or of a task, is over."""
        headers = {"X-Auth-Token": self.token()}

        def done():
            _, seen = peer.must("GET", f"{self.url}/v2/{kind}s/{name}", None, headers)
            return seen["status"] in FINAL and not seen.get("os_glance_import_task")
        wait_for(f"{name} is settled", done)

    def mask(self, value):
        """What a client printed, without what is another one on each cloud."""
        if isinstance(value, dict):
            return {self.mask(key): "<user>" if key == "user_id" else self.mask(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [self.mask(entry) for entry in value]
        if not isinstance(value, str):
            return value
        value = side.STORE_URL.sub("file://<folder>/", value).replace(self.url.split("//")[1], "<host>")
        for name, project in self.projects.items():
            value = value.replace(project, f"<{name}>")
        value = side.TIME_OF_DATABASE.sub("<time>", side.TIME.sub("<time>", value))
        value = value.replace(str(self.folder), "<folder>")
        return side.UUID.sub(lambda found: found[0] if found[0] in KNOWN else "<uuid>", value)


@contextlib.contextmanager
def glance(folder):
    with with_keystone(folder, image_service.start_glance) as made:
        yield made


@contextlib.contextmanager
def vitrine(folder):
    def start(place, port, url):
        return image_service.start_vitrine(place, port, url, binary(), metadefs=catalogue())
    with with_keystone(folder, start) as made:
        yield made


def catalogue():
    """The definitions that Glance comes with."""
    return peer.venv("glance") / "etc/glance/metadefs"


@contextlib.contextmanager
def with_keystone(folder, start):
    """A cloud of a service with a Keystone of its own, in whose catalogue it is."""
    port, place = free_port(), folder / "keystone"
    try:
        done = subprocess.run([keystone.SCRIPT, "up", "--dir", place, "--image", f"http://127.0.0.1:{port}"],
                              text=True, stdout=subprocess.PIPE, check=True)
        auth_url = done.stdout.split()[-1]
        url = start(folder / "service", port, auth_url)
        projects = json.loads((place / "personas.json").read_text())["projects"]
        passwords = dict.fromkeys(PEOPLE, keystone.PASSWORD)
        yield Cloud(folder, url, auth_url, passwords, {name: projects[name] for name in PEOPLE.values()})
    finally:
        image_service.stop(folder / "service")
        peer.stop("keystone", place)


@contextlib.contextmanager
def built_in(folder):
    """The same configuration without a Keystone, and the same people in the identity that is built in."""
    port = free_port()
    url, service = f"http://127.0.0.1:{port}", folder / "service"
    without = [f"keystone_authtoken.{option}=" for option in image_service.DEFAULTS["keystone_authtoken"]]
    without += ["paste_deploy.flavor=", "database.connection="]
    conf = image_service.write_conf(service, url, "", "none", without)
    with Server(service / "data", port, arguments=["--config-file", conf]) as server:
        for words in (["unload"], ["load", catalogue()]):
            server.command("metadefs", *words)
        identity = server.connect("vitrine-admin").identity
        role = identity.find_role("member", ignore_missing=False)
        projects = {"admin": identity.find_project("admin", ignore_missing=False).id}
        for name, project in PEOPLE.items():
            if name != "admin":
                made = identity.create_project(name=project, domain_id="default")
                user = identity.create_user(name=name, password=keystone.PASSWORD, domain_id="default")
                identity.assign_project_role_to_user(made, user, role)
                projects[project] = made.id
        passwords = dict.fromkeys(PEOPLE, keystone.PASSWORD) | {
            "admin": server.connect("vitrine-admin").config.config["auth"]["password"]}
        yield Cloud(folder, url, f"{url}/identity/v3", passwords, projects)


@pytest.fixture(scope="module")
def clouds(tmp_path_factory):
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(3) as pool:
        makers = [maker(tmp_path_factory.mktemp(maker.__name__)) for maker in (glance, vitrine, built_in)]
        made = list(pool.map(stack.enter_context, makers))
        yield made
        for cloud in made:
            cloud.warm.close()


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """What the words in braces stand for on every cloud."""
    folder = tmp_path_factory.mktemp("words")
    paths = {name: folder / name for name in ("data", "image.raw", "key", "namespace")}
    paths["data"].write_bytes(b"data " * 1000)
    paths["image.raw"].write_bytes(b"bytes from a web server")
    paths["namespace"].write_text(json.dumps(NAMESPACE))
    subprocess.run(["openssl", "genrsa", "-out", paths["key"], "2048"], check=True, capture_output=True)
    web = sources.Folder(folder)
    hashes = {f"{of}{name}": digest(paths[path], name) for of, path in (("", "data"), ("web_", "image.raw"))
              for name in ("md5", "sha512")}
    yield paths | hashes | {"files": web.url, "nothing": NOTHING}
    web.close()


@pytest.fixture(scope="module")
def walked(clouds, words):
    """What a book gave: for each line the answers of the three clouds."""
    kept = {}

    def go(book):
        lines = walk.read(book)

        def on(cloud):
            began = time.monotonic()
            more = words | dict(zip("abcdefghij", IMAGES[book])) | cloud.projects | {
                "out": cloud.folder / "out", "url": cloud.url}
            found = list(walk.walk(book, lines, cloud.people, more, cloud.settle, cloud.mask))
            print(f"{book} on {cloud.folder.name}: {time.monotonic() - began:.0f} s")
            return found
        if book not in kept:
            # A book that cannot be read to its end is not begun again.
            kept[book] = []
            with ThreadPoolExecutor(3) as pool:
                kept[book] = [(steps[0][0], [answer for _, answer in steps])
                              for steps in zip(*pool.map(on, clouds))]
        assert kept[book], f"{book} broke off"
        return kept[book]
    return go


@pytest.mark.parametrize("book", BOOKS)
def test_no_command_and_no_option_is_left_out(book):
    """The clients' own parsers say what there is."""
    assert walk.missing(book, walk.read(book), ELSEWHERE[book]) == []
    assert set(ELSEWHERE[book]) <= set(walk.offered(book))


@pytest.mark.parametrize("book", BOOKS)
def test_glance_and_vitrine_answer_alike(walked, book):
    """Status, numbers of complaints, and every member of what is printed, but for what differences.toml says."""
    expected = differences.Expected(walk.HERE / "differences.toml")
    told = [f"{line.name}\n    {entry}\n    Glance: {theirs['said']}\n    Vitrine: {ours['said']}"
            for line, (theirs, ours, _) in walked(book)
            for entry in judged(expected, line.name, differences.difference(theirs, ours))]
    assert not told, "\n".join(told)


def judged(expected, name, found):
    left, stale = expected.judge(name, found)
    return [*stale, *(f"{field} = {differences.spelled(pair)}" for field, pair in left.items())]


@pytest.mark.parametrize("book", BOOKS)
def test_the_built_in_identity_makes_no_difference(walked, book):
    """Not one."""
    told = [f"{line.name}\n    {field} = {differences.spelled(pair)}" for line, (_, ours, own) in walked(book)
            for field, pair in differences.difference(ours, own).items()]
    assert not told, "\n".join(told)


@pytest.mark.parametrize("book", BOOKS)
def test_what_should_succeed_succeeds(walked, book):
    """Lines with a `!` fail on Vitrine, the others do not: two clouds that both refuse everything would agree."""
    assert [(line.name, ours) for line, (_, ours, _) in walked(book) if line.fails != bool(ours["status"])] == []


def test_differences_are_told_and_still_there():
    """Each row names lines that exist, and has an entry in docs/differences.md."""
    expected = differences.Expected(walk.HERE / "differences.toml")
    assert expected.unknown({line.name for book in BOOKS for line in walk.read(book)}) == []
    told = re.findall(r"^\| `([a-z0-9-]+)` \|", (ROOT / "docs/differences.md").read_text(), re.MULTILINE)
    assert {row.id for row in expected.rows} <= set(told)
