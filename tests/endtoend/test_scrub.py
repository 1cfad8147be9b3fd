"""The scrubber of running servers, and whether a server answers."""

import contextlib
import pathlib
import subprocess

import pytest

from harness import Server, binary, databases, free_port, wait_for

STORES = """[DEFAULT]
enabled_backends = one:file, two:file
enabled_import_methods = [copy-image]
[glance_store]
default_backend = one
[one]
filesystem_store_datadir = {folder}/one
[two]
filesystem_store_datadir = {folder}/two
[oslo_policy]
policy_file = {folder}/policy.yaml
"""
BACKGROUND = "[vitrine]\nscrub_mib_per_second = 100\n"


@pytest.fixture
def server(tmp_path):
    """With two stores."""
    config = tmp_path / "glance-api.conf"
    config.write_text(STORES.format(folder=tmp_path))
    (tmp_path / "policy.yaml").write_text('"copy_image": ""\n')
    with Server(tmp_path / "data", arguments=["--config-file", config], database=databases.Embedded()) as running:
        yield running


def copies(server, folder):
    """The files of data in a folder of a store."""
    return {path for path in pathlib.Path(folder).iterdir() if path.is_file() and not path.name.startswith(".")}


def in_two_stores(server, tmp_path, data):
    """Images with these data, each with a file of its own in both stores."""
    images = []
    for one in data:
        image = server.create()
        server.put(image, one).expect(204)
        server.begin_import(image, {"name": "copy-image"}, stores=["two"])
        assert server.finished_import(image)["status"] == "success"
        copy = tmp_path / "two" / image
        copy.unlink()
        copy.write_bytes(one)
        images.append(image)
    return images


def flip(path, bit):
    """Replaces a file by one that differs in one bit."""
    data = bytearray(path.read_bytes())
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    path.unlink()
    path.write_bytes(data)


def test_a_server_repairs_by_itself(server, tmp_path):
    """What was damaged while it was down is whole soon after its start, and the damaged files are gone."""
    data = [b"%d" % number * 1000 for number in range(5)]
    images = in_two_stores(server, tmp_path, data)
    assert server.terminate() == 0
    for number, image in enumerate(images):
        flip(tmp_path / ("one", "two")[number % 2] / image, number * 77)
    with open(tmp_path / "glance-api.conf", "a") as config:
        config.write(BACKGROUND)
    server.start()

    def whole():
        # One that is being replaced may go between its being listed and read.
        with contextlib.suppress(FileNotFoundError):
            return all(sorted(path.read_bytes() for path in copies(server, tmp_path / store)) == sorted(data)
                       for store in ("one", "two"))
    wait_for("every copy is whole", whole)
    assert [server.download(image) for image in images] == data
    assert server.log.read_text().count("was replaced by another store's copy") == len(images)
    assert server.command("scrub").splitlines() == ["10 copies read, 0 MiB: 0 repaired, 0 left"]
    assert server.command("check", "--all").splitlines()[-1] == "everything agrees"


def test_a_scrub_beside_a_server(server, tmp_path):
    """The command repairs while the server serves, which then deletes what was damaged."""
    image, other = in_two_stores(server, tmp_path, [b"data" * 500, b"other" * 500])
    flip(tmp_path / "one" / image, 4321)
    said = server.command("scrub", "--no-repair", "--image", image, "--image", other, status=2)
    assert f"image {image} in one: damaged" in said and other not in said
    assert "0 repaired, 1 left" in said and (tmp_path / "one" / image).exists()
    assert f"image {image} in one: repaired\n4 copies read, 0 MiB: 1 repaired, 0 left\n" == server.command("scrub")
    wait_for("the damaged file is gone", lambda: not (tmp_path / "one" / image).exists())
    (path,) = copies(server, tmp_path / "one") - {tmp_path / "one" / other}
    assert path.read_bytes() == b"data" * 500
    (tmp_path / "two" / image).unlink()
    assert server.download(image) == b"data" * 500


def test_health(server):
    """0 while the server answers that it is well, 1 otherwise."""
    def health(port):
        return subprocess.run([binary(), "health", f"http://127.0.0.1:{port}/healthcheck"], capture_output=True,
                              text=True)
    assert health(server.port).returncode == 0
    nobody = health(free_port())
    assert nobody.returncode == 1 and nobody.stderr.startswith("vitrine: http://127.0.0.1:")
    wrong = subprocess.run([binary(), "health", f"{server.url}/v2/images"], capture_output=True, text=True)
    assert wrong.returncode == 1 and "the server answered 401" in wrong.stderr
