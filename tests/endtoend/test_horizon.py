"""The real Horizon on a real Glance and on Vitrine: people log in by its form and do what its panels offer.

Each of three clouds has one: a Glance and a Vitrine with a real Keystone each, and a Vitrine with its built-in
identity. What Horizon answers, and what its pages say, must be the same on each.
"""

import contextlib
import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import ROOT, daemon, environments, free_port, process, sources, wait_for

sys.path.append(str(ROOT / "tests/peers"))
sys.path.append(str(ROOT / "tests/clients/horizon"))

import book
import browser
import clouds
import differences

import peer
import side

DASHBOARD = ROOT / "tests/peers/dashboard"
# For how long it may start, on a machine that does much else.
START_S = 60


class Walk:
    """Goes through the book on one cloud, in browsers of its people, and keeps what was answered."""

    def __init__(self, horizon, cloud, words):
        self.horizon, self.cloud = horizon, cloud
        self.words = words | cloud.projects | {"service": cloud.url}
        self.people, self.answers = {}, {}

    def go(self, steps):
        for step in steps:
            found = getattr(self, step.verb, self.call)(step, self.filled(step.path), self.filled(step.body))
            for name, pointer in step.keep.items():
                self.words[name] = side.member(json.dumps(found["body"]), pointer) or f"no {name}"
            if step.settle:
                self.settle(self.words[step.settle])
            self.answers[step.name] = self.masked(found)

    # What a step may be, beside a call of a script

    def call(self, step, path, body):
        person = self.people[step.person]
        if path.startswith(self.cloud.url):
            status, _, seen = peer.call(step.verb, path, body, {"X-Auth-Token": self.cloud.token(step.person)})
            return {"status": status, "headers": {}, "body": seen}
        return person.call(step.verb, path, body)

    def log_in(self, step, path, body):
        password = (body or {}).get("password", self.cloud.passwords[step.person])
        self.people[step.person] = browser.Browser(self.horizon, step.person, password)
        return self.people[step.person].first

    def upload(self, step, path, body):
        return self.people[step.person].call("POST", path, body, step.file)

    def until_active(self, step, path, body):
        """A search for an image that a thread of Horizon's still uploads."""
        def found():
            answer = self.people[step.person].call("GET", path)
            return answer["body"]["items"][0]["status"] == "active" and answer
        return wait_for(f"{step.name} is active", found)

    def page(self, step, path, body):
        return self.people[step.person].page(path)

    def submit(self, step, path, body):
        return self.people[step.person].submit(path, body, step.file)

    def submit_for_upload(self, step, path, body):
        found = self.people[step.person].submit(path, body, by_script=True)
        self.words |= {"upload_url": found["headers"]["X-File-Upload-URL"], "token": found["headers"]["X-Auth-Token"]}
        return found

    def press(self, step, path, body):
        return self.people[step.person].submit(path, {"action": body})

    def leave(self, step, path, body):
        """By the button above every page."""
        return self.people[step.person].submit(path, {}, on=book.PROJECT)

    def preflight(self, step, path, body):
        asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type,x-auth-token"}
        return browser.cross("OPTIONS", path, (body or {}).get("origin", self.horizon), asked)

    def send(self, step, path, body):
        """The bytes of an image, from the browser to the image service."""
        token = (body or {}).get("token", self.words["token"])
        headers = {"Content-Type": "application/octet-stream", "X-Auth-Token": token}
        return browser.cross("PUT", path, self.horizon, headers, step.file)

    # Words

    def filled(self, value):
        if isinstance(value, dict):
            return {key: self.filled(entry) for key, entry in value.items()}
        if isinstance(value, str):
            return re.sub(r"\{(\w+)\}", lambda found: str(self.words.get(found[1], found[0])), value)
        return value

    def masked(self, value):
        """An answer without what is another on each cloud; ids have the names that the book gives them."""
        if isinstance(value, dict):
            return {self.masked(key): self.masked(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [self.masked(entry) for entry in value]
        if isinstance(value, str):
            for name, word in self.words.items():
                if len(word) >= side.SHORTEST_MASKED:
                    value = value.replace(word, f"<{name}>")
            value = self.cloud.mask(value.replace(self.horizon, "<horizon>"))
        return value

    def settle(self, image):
        headers = {"X-Auth-Token": self.cloud.token()}
        wait_for(f"{image} is active", lambda: peer.must(
            "GET", f"{self.cloud.url}/v2/images/{image}", None, headers)[1]["status"] == "active")


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """What was answered on each of the three clouds."""
    folder = tmp_path_factory.mktemp("horizon")
    (folder / "image").write_bytes(b"i" * 400)
    ports = [free_port() for _ in range(3)]
    web = sources.Folder(folder)

    def walk(cloud, port):
        walking = Walk(f"http://127.0.0.1:{port}", cloud, {"files": web.url})
        for mode, steps in book.BOOKS.items():
            with horizon(folder, cloud, port, mode):
                walking.go(steps)
        return walking.answers
    origins = ",".join(f"http://127.0.0.1:{port}" for port in ports)
    try:
        with clouds.all_three(tmp_path_factory.mktemp, [*book.OPTIONS, f"cors.allowed_origin={origins}"]) as made, \
                ThreadPoolExecutor(3) as pool:
            yield list(pool.map(walk, made, ports))
    finally:
        web.close()


@contextlib.contextmanager
def horizon(folder, cloud, port, mode):
    """One for each cloud: threads of a Horizon share what its tables were searched for."""
    argv = [environments.venv("horizon") / "bin/python", DASHBOARD / "serve.py", port]
    running = process.start("Horizon", argv, folder / f"{cloud.folder.name}.log",
                            lambda: daemon.answers(f"http://127.0.0.1:{port}/auth/login/"), START_S,
                            # Otherwise the classes of a cell of a table have another order in each process.
                            env=os.environ | {"KEYSTONE": cloud.auth_url, "UPLOADS": mode, "PYTHONHASHSEED": "0"})
    try:
        yield
    finally:
        running.kill()
        running.wait()


def test_glance_and_vitrine_answer_alike(walked):
    """Horizon's answers and pages, member by member and line by line, but for the words of errors."""
    theirs, ours, _ = walked
    assert told(theirs, ours) == ""


def test_the_built_in_identity_makes_no_difference(walked):
    """Not one."""
    _, ours, own = walked
    assert told(ours, own) == ""


def told(left, right):
    assert left.keys() == right.keys()
    return "\n".join(f"{name}: {field} = {differences.spelled(pair, 4000)}" for name, answer in left.items()
                     for field, pair in differences.difference(answer, right[name]).items())


def test_what_should_succeed_succeeds(walked):
    """Each step with the status that the book says, on each cloud: clouds that all refuse everything would agree."""
    wanted = {step.name: step.status for steps in book.BOOKS.values() for step in steps}
    for answers in walked:
        assert {name: answer["status"] for name, answer in answers.items()} == wanted
