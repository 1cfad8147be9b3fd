"""The OCI image: valid, the same from two builds, and with everything that the server needs to run in it."""

import json
import os
import subprocess
import tarfile

import pytest

from harness import ROOT, Server, binary
from harness.machine import as_root

USER = 10001


def build(target, **env):
    said = subprocess.run([ROOT / "tools/image", "--binary", binary(), "--to", target, "--version", "1.0~test"],
                          check=True, capture_output=True, text=True, env=os.environ | env).stdout
    assert said.split() == [str(target)]
    return target


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return build(tmp_path_factory.mktemp("image") / "vitrine.oci.tar")


@pytest.fixture(scope="module")
def bundle(archive, tmp_path_factory):
    """What a container runtime makes of it: its file system, and how it is run."""
    folder = tmp_path_factory.mktemp("bundle")
    with tarfile.open(archive) as layout:
        layout.extractall(folder / "layout")
    subprocess.run([*as_root(), "umoci", "unpack", "--image", f"{folder}/layout:1.0-test", folder / "bundle"],
                   check=True, capture_output=True)
    yield folder / "bundle/rootfs", json.loads((folder / "bundle/config.json").read_text())
    subprocess.run([*as_root(), "rm", "-rf", folder / "bundle"], check=True)


class Contained(Server):
    """The server of the image, in its file system and with nothing else, as its user."""

    def __init__(self, rootfs, arguments):
        super().__init__(rootfs / "var/lib/vitrine")
        self.rootfs, self.words = rootfs, arguments
        self.log = rootfs.parent / "server.log"

    def argv(self):
        return [*as_root(), "chroot", f"--userspec={USER}:{USER}", str(self.rootfs), *self.words,
                "--bind", f"127.0.0.1:{self.port}"]


def test_two_builds_are_equal(archive, tmp_path):
    before = os.umask(0o077)
    try:
        again = build(tmp_path / "again.tar", TZ="Asia/Tokyo", LC_ALL="C", TMPDIR=str(tmp_path))
    finally:
        os.umask(before)
    assert again.read_bytes() == archive.read_bytes()


def test_other_programs_can_read_it(archive, tmp_path):
    """Every digest is right, and what is said of the image is what it is."""
    copied = f"oci:{tmp_path / 'copy'}:1.0-test"
    subprocess.run(["skopeo", "--insecure-policy", "copy", f"oci-archive:{archive}", copied], check=True,
                   capture_output=True)
    said = subprocess.run(["skopeo", "inspect", "--config", copied], check=True, capture_output=True).stdout
    config = json.loads(said)["config"]
    assert config["User"] == f"{USER}:{USER}"
    assert config["Entrypoint"] == ["/usr/bin/vitrine"] and config["Cmd"][0] == "serve"
    assert set(config["ExposedPorts"]) == {"9292/tcp"} and set(config["Volumes"]) == {"/var/lib/vitrine"}
    assert config["Labels"]["org.opencontainers.image.version"] == "1.0~test"


def test_the_base_is_small_and_has_no_shell(bundle):
    """Libraries, certificates and licences, all of which belong to root; 25 MB of them at most."""
    rootfs, _ = bundle
    files = [path for path in rootfs.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path.name for path in files if path.parent.name in ("bin", "sbin")] == ["vitrine"]
    assert sum(path.stat().st_size for path in files if path.name != "vitrine") < 25e6
    own = {str(path.relative_to(rootfs)) for path in rootfs.rglob("*") if path.lstat().st_uid == USER}
    assert own == {"tmp", "var/lib/vitrine", "var/cache/vitrine"}
    assert {path.lstat().st_uid for path in rootfs.rglob("*")} == {0, USER}
    assert (rootfs / "usr/share/doc/libssl3/copyright").exists()
    assert (rootfs / "usr/share/doc/vitrine/sbom.cdx.json").exists()
    assert "BEGIN CERTIFICATE" in (rootfs / "etc/ssl/certs/ca-certificates.crt").read_text()


def test_it_serves(bundle, archive):
    """With its own configuration, libraries and user; its check of health says so."""
    rootfs, config = bundle
    assert config["process"]["user"] == {"uid": USER, "gid": USER}
    with Contained(rootfs, config["process"]["args"]) as server:
        image = server.create()
        server.put(image, b"data").expect(204)
        assert server.download(image) == b"data"
        assert (rootfs / "var/lib/vitrine/images" / image).stat().st_uid == USER
        with tarfile.open(archive) as layout:
            index = json.load(layout.extractfile("index.json"))
            blobs = {name.split("/")[-1]: name for name in layout.getnames()}

            def blob(descriptor):
                return json.load(layout.extractfile(blobs[descriptor["digest"].removeprefix("sha256:")]))
            (kind, *check) = blob(blob(index["manifests"][0])["config"])["config"]["Healthcheck"]["Test"]
        url = f"{server.url}/healthcheck"
        assert kind == "CMD"
        subprocess.run([*as_root(), "chroot", rootfs, *check, url], check=True)
        assert server.terminate() == 0
