"""Every command and option of `openstack` and `glance` that concerns images, against the real Glance and Vitrine.

Each book in tests/clients/cli is walked through on three clouds at the same time: a Glance and a Vitrine with a real
Keystone each, and a Vitrine with its built-in identity. What the clients print and how they end must agree; the
exceptions are in tests/clients/cli/differences.toml, in the form of tests/peers/differences.toml.
"""

import functools
import json
import re
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import ROOT, digest, sources
from harness.warm import Warm

sys.path.append(str(ROOT / "tests/peers"))
sys.path.append(str(ROOT / "tests/clients/cli"))

import clouds
import differences
import walk

BOOKS = ("openstack", "glance")
# What no line can try, and why.
ELSEWHERE = {
    "openstack": {("image create", "--volume"): "Cinder makes the image", ("image create", "--force"): "as above"},
    "glance": {},
}
NOTHING = str(uuid.uuid4())
# The ids that each book gives its images, which no cloud gives again.
IMAGES = {book: [str(uuid.uuid4()) for _ in range(10)] for book in BOOKS}
KNOWN = {NOTHING, *(image for images in IMAGES.values() for image in images)}
NAMESPACE = {"namespace": "Imported", "display_name": "I", "visibility": "public", "protected": False,
             "properties": {"p": {"title": "P", "type": "string"}}, "tags": [{"name": "t"}],
             "objects": [{"name": "o", "properties": {"q": {"title": "Q", "type": "integer"}}}]}


@pytest.fixture(scope="module")
def each_cloud(tmp_path_factory):
    """Each with the people who use it, whose commands one process of its own runs."""
    with clouds.all_three(tmp_path_factory.mktemp) as made:
        for cloud in made:
            cloud.warm = Warm({})
            cloud.people = {name: walk.Person(cloud.warm, cloud.folder / "homes" / name, cloud.auth_url, name,
                                              cloud.passwords[name], project)
                            for name, project in clouds.PEOPLE.items()}
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
def walked(each_cloud, words):
    """What a book gave: for each line the answers of the three clouds."""
    kept = {}

    def go(book):
        lines = walk.read(book)

        def on(cloud):
            began = time.monotonic()
            more = words | dict(zip("abcdefghij", IMAGES[book])) | cloud.projects | {
                "out": cloud.folder / "out", "url": cloud.url}
            found = list(walk.walk(book, lines, cloud.people, more, cloud.settle,
                                   functools.partial(cloud.mask, known=KNOWN)))
            print(f"{book} on {cloud.folder.name}: {time.monotonic() - began:.0f} s")
            return found
        if book not in kept:
            # A book that cannot be read to its end is not begun again.
            kept[book] = []
            with ThreadPoolExecutor(3) as pool:
                kept[book] = [(steps[0][0], [answer for _, answer in steps])
                              for steps in zip(*pool.map(on, each_cloud))]
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
