"""Clouds to compare: a Glance and a Vitrine with a real Keystone each, and a Vitrine with its built-in identity.

All are configured alike, and the same people work in them.
"""

import contextlib
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import image_service
import peer
import side
from harness import Server, binary, free_port, keystone, wait_for

# The projects that they work in.
PEOPLE = {"member": "alpha", "imember": "gamma", "admin": "admin"}
FINAL = ("active", "queued", "success", "failure")


class Cloud:
    """An image service, and the people who use it."""

    def __init__(self, folder, url, auth_url, passwords, projects):
        self.folder, self.url, self.auth_url = folder, url, auth_url
        self.passwords, self.projects = passwords, projects

    def token(self, person="admin"):
        user = {"name": person, "password": self.passwords[person], "domain": {"id": "default"}}
        scope = {"project": {"name": PEOPLE[person], "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        return peer.must("POST", f"{self.auth_url}/auth/tokens", body)[0]["X-Subject-Token"]

    def settle(self, kind, name):
        """Waits until the work on an image, or of a task, is over."""
        headers = {"X-Auth-Token": self.token()}

        def done():
            _, seen = peer.must("GET", f"{self.url}/v2/{kind}s/{name}", None, headers)
            return seen["status"] in FINAL and not seen.get("os_glance_import_task")
        wait_for(f"{name} is settled", done)

    def mask(self, value, known=()):
        """What a client printed, without what is another one on each cloud; ids that are `known` are not."""
        if isinstance(value, dict):
            return {self.mask(key, known): "<user>" if key == "user_id" else self.mask(entry, known)
                    for key, entry in value.items()}
        if isinstance(value, list):
            return [self.mask(entry, known) for entry in value]
        if not isinstance(value, str):
            return value
        value = side.STORE_URL.sub("file://<folder>/", value).replace(self.url.split("//")[1], "<host>")
        for name, project in self.projects.items():
            value = value.replace(project, f"<{name}>")
        value = side.TIME_OF_DATABASE.sub("<time>", side.TIME.sub("<time>", value))
        value = value.replace(str(self.folder), "<folder>")
        return side.UUID.sub(lambda found: found[0] if found[0] in known else "<uuid>", value)


@contextlib.contextmanager
def glance(folder, options=()):
    def start(place, port, url):
        return image_service.start_glance(place, port, url, options)
    with with_keystone(folder, start) as made:
        yield made


@contextlib.contextmanager
def vitrine(folder, options=()):
    def start(place, port, url):
        return image_service.start_vitrine(place, port, url, binary(), options, metadefs=catalogue())
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
def built_in(folder, options=()):
    """The same configuration without a Keystone, and the same people in the identity that is built in."""
    port = free_port()
    url, service = f"http://127.0.0.1:{port}", folder / "service"
    without = [f"keystone_authtoken.{option}=" for option in image_service.DEFAULTS["keystone_authtoken"]]
    without += ["paste_deploy.flavor=", "database.connection="]
    conf = image_service.write_conf(service, url, "", "none", [*without, *options])
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


@contextlib.contextmanager
def all_three(folder_of, options=()):
    """Yields them in that order, in folders that `folder_of` gives for their names."""
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(3) as pool:
        def start(maker):
            return stack.enter_context(maker(folder_of(maker.__name__), options))
        yield list(pool.map(start, (glance, vitrine, built_in)))
