"""openstacksdk, which Ansible, Nodepool and people's own scripts use."""

import filecmp

import openstack
import pytest

from harness import digest


@pytest.fixture(scope="module")
def cloud(each_server):
    """As whoever logs in, on each database."""
    return each_server.connect()


def test_the_life_of_an_image(cloud, qcow2, tmp_path):
    image = cloud.create_image("sdk", filename=str(qcow2), disk_format="qcow2", container_format="bare",
                               wait=True, timeout=60, validate_checksum=True, os_distro="debian")
    # The SDK uploads only what is not there yet, by the hashes that it keeps in properties of its own.
    again = cloud.create_image("sdk", filename=str(qcow2), disk_format="qcow2", container_format="bare",
                               wait=True, timeout=60, validate_checksum=True)
    assert again.id == image.id
    found = cloud.image.find_image("sdk", ignore_missing=False)
    assert found.id == image.id and found.status == "active"
    assert found.hash_value == digest(qcow2, "sha512") and found.checksum == digest(qcow2, "md5")
    assert found.size == qcow2.stat().st_size

    cloud.image.update_image(image.id, name="sdk-2", min_ram=64, os_version="12")
    shown = cloud.image.get_image(image.id)
    assert (shown.name, shown.min_ram, shown.os_version, shown.os_distro) == ("sdk-2", 64, "12", "debian")
    cloud.image.add_tag(image.id, "t")
    assert [i.id for i in cloud.image.images(tag="t")] == [image.id]
    cloud.image.remove_tag(image.id, "t")

    saved = tmp_path / "saved"
    cloud.image.download_image(image.id, output=str(saved))
    assert filecmp.cmp(saved, qcow2, shallow=False)
    with open(tmp_path / "streamed", "wb") as out:
        for chunk in cloud.image.download_image(image.id, stream=True).iter_content(65536):
            out.write(chunk)
    assert filecmp.cmp(tmp_path / "streamed", qcow2, shallow=False)

    cloud.image.deactivate_image(image.id)
    assert cloud.image.get_image(image.id).status == "deactivated"
    cloud.image.reactivate_image(image.id)
    cloud.image.delete_image(image.id)
    with pytest.raises(openstack.exceptions.NotFoundException):
        cloud.image.get_image(image.id)


def test_pages_are_followed(cloud):
    """Three pages of two, by the `next` links, each image once."""
    ids = [cloud.image.create_image(f"page-{n}", disk_format="raw", container_format="bare",
                                    allow_duplicates=True, validate_checksum=False).id for n in range(5)]
    listed = [i.id for i in cloud.image.images(limit=2, sort="created_at:asc") if i.id in ids]
    assert listed == ids
    for image in ids:
        cloud.image.delete_image(image)
