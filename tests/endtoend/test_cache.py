"""The image cache through the clients that operators use, and through SIGKILL while it fills."""

import functools
import http.client
import os
import random
import threading
import time

import pytest

from harness import PATIENCE_S, Server, Tool, chaos, glance_client, sha512, table, wait_for

CONFIGURATION = """\
[DEFAULT]
image_cache_dir = {folder}/cache
worker_self_reference_url = http://node-one:9292
"""
ROUNDS = chaos.either(4, 25)


def configured(folder):
    """A server with a cache below `folder`, not started."""
    conf = folder / "glance-api.conf"
    conf.write_text(CONFIGURATION.format(folder=folder))
    return Server(folder / "data", arguments=["--config-file", conf])


@pytest.fixture(scope="module")
def caching(tmp_path_factory):
    with configured(tmp_path_factory.mktemp("caching")) as running:
        yield running


@pytest.fixture(scope="module")
def cache_dir(caching):
    return caching.data_dir.parent / "cache"


@pytest.fixture(scope="module")
def image(caching):
    """An active image, which the clients find by its name."""
    image = caching.create(name="often-used")
    caching.put(image, b"data" * 1000).expect(204)
    return image


@pytest.fixture(scope="module")
def glance(caching):
    return glance_client(caching, "vitrine-admin")


def states(listing):
    """{image: "cached" or "queued"} of a printed table."""
    return {row[0]: row[1] for row in table(listing)[1:]}


def test_the_glance_client(glance, caching, image, cache_dir):
    assert states(glance("cache-list")) == {}
    glance("cache-queue", image)
    wait_for("cached", lambda: states(glance("cache-list")) == {image: "cached"})
    assert (cache_dir / image).read_bytes() == b"data" * 1000
    assert "http://node-one:9292" in glance("cache-nodes-list", image)
    glance("cache-clean")
    glance("cache-prune")
    assert states(glance("cache-list")) == {image: "cached"}
    glance("cache-delete", image)
    assert states(glance("cache-list")) == {} and not (cache_dir / image).exists()
    for target in ("cache", "queue", "both"):
        caching.download(image)
        wait_for("cached", (cache_dir / image).exists)
        glance("cache-clear", "--target", target)
        assert (cache_dir / image).exists() == (target == "queue")
    # It says so and succeeds all the same.
    assert "404" in glance.run("cache-queue", "00000000-0000-4000-8000-000000000000").stderr


def test_the_openstack_client(caching, image, cache_dir):
    openstack = Tool("openstack", caching, "vitrine-admin")
    openstack("cached", "image", "queue", "often-used")
    wait_for("cached", (cache_dir / image).exists)
    (row,) = wait_for("listed", lambda: [row for row in openstack.json("cached", "image", "list")
                                         if row["State"] == "cached"])
    assert (row["ID"], row["Size"]) == (image, 4000)
    written = time.strftime("%Y-%m-%d", time.gmtime((cache_dir / image).stat().st_mtime))
    assert row["Last Modified (UTC)"][:10] == written, "times are UTC, wherever the server stands"
    openstack("cached", "image", "delete", "often-used")
    assert openstack.json("cached", "image", "list") == []
    openstack("cached", "image", "queue", "often-used")
    wait_for("cached", (cache_dir / image).exists)
    openstack("cached", "image", "clear", "--queue")
    assert (cache_dir / image).exists()
    openstack("cached", "image", "clear")
    assert openstack.json("cached", "image", "list") == [] and not (cache_dir / image).exists()
    # A user is no operator.
    demo = Tool("openstack", caching)
    assert "403" in demo.refused("cached", "image", "list")


def test_the_terminal(caching, image, cache_dir):
    vitrine = functools.partial(caching.command, "cache")

    vitrine("queue", image)
    # A running server sees what another process asks for.
    wait_for("cached", lambda: f"{image}  cached" in vitrine("list"))
    vitrine("queue", "00000000-0000-4000-8000-000000000000", status=1)
    vitrine("delete", image)
    assert vitrine("list") == "" and not (cache_dir / image).exists()
    caching.download(image)
    wait_for("cached", lambda: image in vitrine("list"))
    assert vitrine("prune") == "0 images with 0 bytes had to go\n"
    (cache_dir / "invalid" / image).write_bytes(b"x")
    vitrine("clean")
    assert not (cache_dir / "invalid" / image).exists()
    assert vitrine("clear") == "1 images were cached, 0 waited\n"
    assert caching.download(image) == b"data" * 1000


def test_a_full_disk_does_not_disturb_downloads(tmp_path):
    conf = tmp_path / "glance-api.conf"
    data_dir = tmp_path / "data"
    conf.write_text(f"[DEFAULT]\nimage_cache_dir = {data_dir}/cache\n")
    with Server(data_dir, tmpfs={"cache": 8 << 20}, arguments=["--config-file", conf]) as server:
        cache_dir = server.seen(data_dir / "cache")
        large, small = server.create(), server.create()
        server.put(large, random.Random(1).randbytes(12 << 20)).expect(204)
        server.put(small, b"small" * 1000).expect(204)
        for _ in range(2):
            assert server.download(large) == random.Random(1).randbytes(12 << 20)
            wait_for("given up", lambda: not files(cache_dir, "incomplete"))
        assert files(cache_dir) == files(cache_dir, "invalid") == set()
        assert server.download(small) == b"small" * 1000
        wait_for("cached", lambda: files(cache_dir) == {small} and records(server) == {small: 5000})


# Deaths

def begin_download(server, image, bytes_read):
    """Reads so much of a download and leaves it open."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", f"/v2/images/{image}/file", headers={"X-Auth-Token": server.token()})
    response = connection.getresponse()
    assert response.status == 200
    assert len(response.read(bytes_read)) == bytes_read
    return connection


def records(server):
    return dict(server.rows("SELECT image_id, size FROM cached_images"))


def files(cache_dir, below=""):
    # Files with a dot in front are not images.
    return {entry.name for entry in os.scandir(cache_dir / below)
            if entry.is_file() and not entry.name.startswith(".")}


def test_a_death_in_the_middle_of_filling(tmp_path):
    data = random.Random(1).randbytes(48 << 20)
    cache_dir = tmp_path / "cache"
    with configured(tmp_path) as server:
        image = server.create()
        server.put(image, data).expect(204)
        download = begin_download(server, image, 1 << 20)
        incomplete = cache_dir / "incomplete" / image
        wait_for("it is being filled", lambda: incomplete.exists() and incomplete.stat().st_size)
        assert incomplete.stat().st_size < len(data)
        server.kill()
        download.close()
        assert files(cache_dir) == set() and incomplete.exists()
        server.start()
        assert records(server) == {}
        # What the dead one left blocks nothing, swept away or not.
        assert server.download(image) == data
        wait_for("cached", lambda: records(server) == {image: len(data)})
        assert (cache_dir / image).read_bytes() == data and not incomplete.exists()
        (server.images_dir / image).rename(tmp_path / "away")
        assert server.download(image) == data
        (tmp_path / "away").rename(server.images_dir / image)


class Reader(threading.Thread):
    """Downloads images, and asks for them to be cached and dropped, until the server dies."""

    def __init__(self, server, admin, images, seed):
        super().__init__(daemon=True)
        self.server, self.admin, self.images, self.random = server, admin, images, random.Random(seed)
        self.fault = None

    def run(self):
        try:
            while True:
                image = self.random.choice(list(self.images))
                what = self.random.random()
                if what < 0.6:
                    assert sha512(self.server.download(image)) == self.images[image], "wrong bytes"
                else:
                    method = "PUT" if what < 0.8 else "DELETE"
                    self.server.request(method, f"/v2/cache/{image}", token=self.admin).expect(202, 204)
        except (OSError, http.client.HTTPException):
            pass  # the errors of a server that dies in the middle of an answer
        except Exception as fault:  # noqa: BLE001  shown by the test
            self.fault = fault


def test_deaths_at_random_instants(tmp_path):
    chance = chaos.seeded()
    cache_dir = tmp_path / "cache"
    seen = {"cached": 0, "incomplete": 0, "unrecorded": 0}
    with configured(tmp_path) as server:
        admin, _ = server.login("vitrine-admin")
        images = {}
        for _ in range(6):
            data = chance.randbytes(chance.randrange(1, 6 << 20))
            image = server.create()
            server.put(image, data).expect(204)
            images[image] = sha512(data)
        for number in range(10 * ROUNDS):
            if number >= ROUNDS and seen["cached"] and seen["incomplete"]:
                break
            readers = [Reader(server, admin, images, chance.getrandbits(64)) for _ in range(4)]
            for reader in readers:
                reader.start()
            time.sleep(chance.uniform(0.02, 0.5))
            server.kill()
            for reader in readers:
                reader.join(PATIENCE_S)
                assert not reader.is_alive() and reader.fault is None, reader.fault
            # Whole or absent: at the very moment of death, without anybody tidying up.
            there = files(cache_dir)
            for name in there:
                assert sha512((cache_dir / name).read_bytes()) == images[name], "half a file is shown"
            seen["cached"] += len(there)
            seen["incomplete"] += len(files(cache_dir, "incomplete"))
            server.start()
            seen["unrecorded"] += len(there - set(records(server)))
            wait_for("files and records agree",
                     lambda: set(records(server)) == files(cache_dir) and not files(cache_dir, "incomplete")
                     and not files(cache_dir, "queue"))
            server.request("DELETE", "/v2/cache", token=admin).expect(204)
        for image, wanted in images.items():
            assert sha512(server.download(image)) == wanted
        wait_for("all are cached", lambda: set(records(server)) == set(images) == files(cache_dir))
        assert all(sha512((cache_dir / image).read_bytes()) == images[image] for image in images)
    print(seen)
    assert seen["cached"] and seen["incomplete"], "the deaths came too early or too late to prove anything"
