"""A store that keeps disks as raw, as the `openstack` and `glance` command line clients see it."""

import tarfile

import pytest

from harness import ROOT, Server, Tool, digest, fields, glance_client, wait_for

CONFIG = """
[DEFAULT]
enabled_backends = blocks:file, plain:file
[glance_store]
default_backend = blocks
[blocks]
vitrine_disk_format = raw
filesystem_store_datadir = {folder}/blocks
[plain]
filesystem_store_datadir = {folder}/plain
[os_glance_staging_store]
filesystem_store_datadir = {folder}/staging
[image_import_opts]
image_import_plugins = ['ovf_process']
[vitrine]
conversion_wait = 60
"""
QCOW2 = ["--disk-format", "qcow2", "--container-format", "bare"]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    folder = tmp_path_factory.mktemp("formats")
    config = folder / "glance-api.conf"
    config.write_text(CONFIG.format(folder=folder))
    with Server(folder / "data", arguments=["--config-file", str(config)]) as running:
        yield running


@pytest.fixture(scope="module")
def openstack(cloud):
    return Tool("openstack", cloud)


def keeps(openstack, cloud, image, disk, disk_format="raw", store="blocks"):
    """The image is that file, and says so."""
    def ended():
        shown = openstack.json("image", "show", image)
        return shown if shown["status"] == "active" else None
    shown = wait_for(f"{image} is active", ended)
    assert (shown["disk_format"], shown["size"]) == (disk_format, disk.stat().st_size), shown
    assert shown["checksum"] == digest(disk, "md5")
    assert shown["properties"]["os_hash_value"] == digest(disk, "sha512")
    assert shown["properties"]["stores"] == store
    assert digest(cloud.data_dir.parent / store / image, "sha512") == digest(disk, "sha512")
    openstack("image", "delete", image)


def test_an_upload_is_converted(openstack, cloud, disk, qcow2, tmp_path):
    """The client is answered when the image is active, and downloads what is stored."""
    created = openstack.json("image", "create", *QCOW2, "--file", qcow2, "uploaded")
    assert (created["status"], created["disk_format"]) == ("active", "raw"), created
    openstack("image", "save", "--file", tmp_path / "saved", created["id"])
    assert digest(tmp_path / "saved", "sha512") == digest(disk, "sha512")
    keeps(openstack, cloud, created["id"], disk)


def test_raw_and_other_stores_are_left_alone(openstack, cloud, disk, qcow2):
    raw = openstack.json("image", "create", "--disk-format", "raw", "--container-format", "bare", "--file", disk, "raw")
    keeps(openstack, cloud, raw["id"], disk)
    glance = glance_client(cloud)
    made = glance("image-create", *QCOW2, "--name", "plain", "--store", "plain", "--file", qcow2)
    keeps(openstack, cloud, fields(made)["id"], qcow2, "qcow2", "plain")


def test_an_import_is_converted(openstack, cloud, disk, qcow2):
    image = openstack.json("image", "create", *QCOW2, "--import", "--file", qcow2, "imported")["id"]
    keeps(openstack, cloud, image, disk)


def test_what_is_not_qcow2_is_refused(openstack, disk):
    told = openstack.refused("image", "create", *QCOW2, "--file", disk, "wrong")
    assert "415" in told and "/file" in told, told


def test_an_appliance_becomes_its_disk(openstack, cloud, disk, qcow2, tmp_path):
    """The disk of an OVA that is imported is converted for its store; one that is uploaded is kept whole."""
    archive = tmp_path / "appliance.ova"
    with tarfile.open(archive, "w", format=tarfile.USTAR_FORMAT) as tar:
        tar.add(ROOT / "tests/data/ovf/appliance.ovf", "appliance.ovf")
        tar.add(qcow2, "disk.vmdk")
    ova = ["--disk-format", "vmdk", "--container-format", "ova"]
    imported = openstack.json("image", "create", *ova, "--import", "--file", archive, "imported")["id"]
    wait_for("it is active", lambda: openstack.json("image", "show", imported)["status"] == "active")
    shown = openstack.json("image", "show", imported)
    assert (shown["container_format"], shown["min_disk"], shown["min_ram"]) == ("bare", 3, 1536)
    assert (shown["properties"]["hw_disk_bus"], shown["properties"]["os_distro"]) == ("scsi", "ubuntu")
    keeps(openstack, cloud, imported, disk)
    uploaded = openstack.json("image", "create", *ova, "--file", archive, "uploaded")["id"]
    keeps(openstack, cloud, uploaded, archive, "vmdk")
