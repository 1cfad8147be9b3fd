"""The same through the `glance` command line client, which checks hashes of its own accord."""

import filecmp

import pytest

from harness import digest, disks, fields, glance_client


@pytest.fixture(scope="module")
def glance(server):
    return glance_client(server)


def test_the_life_of_an_image(glance, workshop, disk, tmp_path):
    compressed = disks.convert(disk, workshop / "glance.qcow2", "qcow2", "-c")
    shown = fields(glance("image-create", "--name", "g", "--disk-format", "qcow2", "--container-format", "bare",
                          "--property", "os_distro=debian"))
    image = shown["id"]
    assert shown["status"] == "queued"
    glance("image-upload", "--file", compressed, image)
    shown = fields(glance("image-show", "--max-column-width", "1000", image))
    assert shown["status"] == "active" and shown["size"] == str(compressed.stat().st_size)
    assert shown["checksum"] == digest(compressed, "md5")
    assert shown["os_hash_value"] == digest(compressed, "sha512")
    assert shown["virtual_size"] == str(disks.virtual_size(compressed))
    # A second upload is refused and changes nothing.
    assert "409" in glance.refused("image-upload", "--file", disk, image)
    saved = tmp_path / "saved"
    glance("image-download", "--file", saved, image)
    assert filecmp.cmp(saved, compressed, shallow=False)

    glance("image-update", "--property", "os_version=12", "--remove-property", "os_distro", "--name", "h", image)
    shown = fields(glance("image-show", "--max-column-width", "1000", image))
    assert (shown["name"], shown["os_version"]) == ("h", "12") and "os_distro" not in shown
    assert image in glance("image-list", "--property-filter", "os_version=12")
    assert image not in glance("image-list", "--property-filter", "os_version=13")
    glance("image-tag-update", image, "t")
    assert "t" in fields(glance("image-show", "--max-column-width", "1000", image))["tags"]
    glance("image-tag-delete", image, "t")

    glance("member-create", image, "0" * 32)
    assert "pending" in glance("member-list", "--image-id", image)
    # Whoever shares cannot accept in another's name.
    glance.refused("member-update", image, "0" * 32, "accepted")
    glance("member-delete", image, "0" * 32)
    assert "0" * 32 not in glance("member-list", "--image-id", image)

    glance("image-deactivate", image)
    # The demo user is no admin: the data of a deactivated image is closed to them.
    assert "403" in glance.refused("image-download", "--file", saved, image)
    glance("image-reactivate", image)
    glance("image-delete", image)
    assert "404" in glance.refused("image-show", image)


def test_create_and_upload_in_one(glance, qcow2):
    shown = fields(glance("image-create", "--name", "one", "--disk-format", "qcow2", "--container-format", "bare",
                          "--file", qcow2))
    assert shown["status"] == "active" and shown["checksum"] == digest(qcow2, "md5")
    glance("image-delete", shown["id"])
