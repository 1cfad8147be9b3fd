"""Disk images as they come from other tools: what is recorded about them, and which are refused."""

import filecmp
import os
import subprocess

import pytest

from harness import digest, disks

MIB = disks.MIB


@pytest.fixture(scope="module")
def cloud(server):
    return server.connect()


def upload(cloud, path, disk_format):
    """Creates an image from a file; returns (image, refusal or None)."""
    image = cloud.image.create_image("real", disk_format=disk_format, container_format="bare",
                                     allow_duplicates=True, validate_checksum=False)
    with open(path, "rb") as data:
        answer = cloud.image.put(f"/images/{image.id}/file", data=data,
                                 headers={"Content-Type": "application/octet-stream", "Accept": ""})
    return cloud.image.get_image(image.id), answer


def check_kept(cloud, path, disk_format, virtual_size, folder):
    """The image is active, its numbers are right, and it comes back byte for byte."""
    image, answer = upload(cloud, path, disk_format)
    assert answer.status_code == 204, answer.text
    assert image.status == "active" and image.size == path.stat().st_size
    assert image.checksum == digest(path, "md5") and image.hash_value == digest(path, "sha512")
    assert image.virtual_size == virtual_size
    saved = folder / "saved"
    cloud.image.download_image(image.id, output=str(saved))
    assert filecmp.cmp(saved, path, shallow=False)
    saved.unlink()
    cloud.image.delete_image(image.id)


def check_refused(cloud, path, disk_format):
    """415, and the image waits for other data; returns the reason."""
    image, answer = upload(cloud, path, disk_format)
    assert answer.status_code == 415, (answer.status_code, answer.text)
    assert image.status == "queued" and image.size is None and image.checksum is None
    cloud.image.delete_image(image.id)
    return answer.text


def test_a_bootable_iso(cloud, tmp_path):
    # The size of the volume, as its descriptor in sector 16 says (ECMA-119, 8.4.8); not the file's.
    descriptor = disks.ISO.read_bytes()[16 * 2048:17 * 2048]
    sectors, sector = int.from_bytes(descriptor[80:84], "little"), int.from_bytes(descriptor[128:130], "little")
    check_kept(cloud, disks.ISO, "iso", sectors * sector, tmp_path)


def test_an_iso_is_no_qcow2(cloud):
    assert "iso" in check_refused(cloud, disks.ISO, "qcow2")


def test_a_raw_disk(cloud, disk, tmp_path):
    check_kept(cloud, disk, "raw", disk.stat().st_size, tmp_path)


def test_a_raw_disk_with_gpt(cloud, workshop, tmp_path):
    path = disks.partitioned(workshop / "gpt.raw", 16 * MIB, "gpt")
    check_kept(cloud, path, "raw", 16 * MIB, tmp_path)


# Every format and subformat that qemu-img writes and Glance takes.
KEPT = [
    ("qcow2", "qcow2", ["-o", "compat=0.10"]),
    ("qcow2", "qcow2", ["-o", "compat=1.1"]),
    ("qcow2", "qcow2", ["-c"]),
    ("qcow2", "qcow2", ["-c", "-o", "compression_type=zstd"]),
    ("qcow2", "qcow2", ["-o", "cluster_size=4096,refcount_bits=1"]),
    ("qcow2", "qcow2", ["-o", "preallocation=metadata"]),
    ("vdi", "vdi", ["-o", "static=off"]),
    ("vdi", "vdi", ["-o", "static=on"]),
    ("vhdx", "vhdx", ["-o", "subformat=dynamic"]),
    ("vhdx", "vhdx", ["-o", "subformat=fixed"]),
    ("vhd", "vpc", ["-o", "subformat=dynamic"]),
    ("vmdk", "vmdk", ["-o", "subformat=monolithicSparse"]),
    ("vmdk", "vmdk", ["-o", "subformat=streamOptimized"]),
]


@pytest.mark.parametrize("disk_format, driver, options", KEPT, ids=lambda value: "".join(value))
def test_a_disk_in_each_format(cloud, disk, tmp_path, disk_format, driver, options):
    path = disks.convert(disk, tmp_path / "image", driver, *options)
    check_kept(cloud, path, disk_format, disks.virtual_size(path, driver), tmp_path)


def test_a_parallels_disk_is_no_ploop_inspected(cloud, disk, tmp_path):
    """Glance names ploop but cannot look into it: kept as it is, its virtual size unknown."""
    path = disks.convert(disk, tmp_path / "image", "parallels")
    check_kept(cloud, path, "ploop", None, tmp_path)


def test_a_qcow2_with_a_backing_file(cloud, disk, tmp_path):
    path = tmp_path / "overlay.qcow2"
    disks.qemu_img("create", "-q", "-f", "qcow2", "-b", disk, "-F", "raw", path)
    assert "backing file" in check_refused(cloud, path, "qcow2")


def test_a_qcow2_with_a_data_file(cloud, disk, tmp_path):
    path = disks.convert(disk, tmp_path / "image.qcow2", "qcow2", "-o", f"data_file={tmp_path}/outside")
    assert "data in another file" in check_refused(cloud, path, "qcow2")


def test_a_qcow2_with_features_that_glance_does_not_know(cloud, disk, tmp_path):
    path = disks.convert(disk, tmp_path / "image", "qcow2", "-o", "extended_l2=on,cluster_size=131072")
    assert "features" in check_refused(cloud, path, "qcow2")


@pytest.mark.parametrize("subformat", ["monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"])
def test_a_vmdk_in_several_files(cloud, disk, tmp_path, subformat):
    """The file that names the others: its data is elsewhere."""
    path = disks.convert(disk, tmp_path / "image.vmdk", "vmdk", "-o", f"subformat={subformat}")
    check_refused(cloud, path, "vmdk")


def test_a_qcow2_cut_short_in_its_header(cloud, qcow2, tmp_path):
    path = tmp_path / "cut.qcow2"
    path.write_bytes(qcow2.read_bytes()[:60])
    check_refused(cloud, path, "qcow2")


def test_a_qed_disk_is_refused_by_any_name(cloud, disk, tmp_path):
    """Glance has no inspector that finds QED safe."""
    path = disks.convert(disk, tmp_path / "image.qed", "qed")
    check_refused(cloud, path, "raw")
    check_refused(cloud, path, "qcow2")


def test_an_empty_file(cloud, tmp_path):
    """Nothing is an image too: Nova snapshots volumes so. But it is no qcow2."""
    path = tmp_path / "empty"
    path.touch()
    image, answer = upload(cloud, path, "raw")
    assert answer.status_code == 204 and image.status == "active" and image.size == 0
    assert image.checksum == digest(path, "md5") and image.hash_value == digest(path, "sha512")
    assert cloud.image.download_image(image.id).content == b""
    cloud.image.delete_image(image.id)
    check_refused(cloud, path, "qcow2")


def test_a_sparse_raw_disk_of_three_gibibytes(server, cloud, workshop):
    """Larger than 32 bits count, and than memory should hold."""
    path = workshop / "large.raw"
    path.touch()
    os.truncate(path, 3 << 30)
    with open(path, "r+b") as file:
        for at in (0, (1 << 31) - 3, (3 << 30) - 7):
            file.seek(at)
            file.write(b"vitrine")
    image, answer = upload(cloud, path, "raw")
    assert answer.status_code == 204, answer.text
    assert image.size == image.virtual_size == 3 << 30
    assert image.hash_value == digest(path, "sha512")
    # The end, by a range; the whole by the tool that compares hashes.
    tail = cloud.image.get(f"/images/{image.id}/file", headers={"Range": "bytes=-7"})
    assert tail.status_code == 206 and tail.content == b"vitrine"
    stored = subprocess.run(["cmp", path, server.images_dir / image.id], capture_output=True, text=True)
    assert stored.returncode == 0, stored.stdout
    cloud.image.delete_image(image.id)
    path.unlink()


def test_a_wrong_declaration_is_named(cloud, qcow2):
    """What a user reads says what the data is and what was declared."""
    reason = check_refused(cloud, qcow2, "vmdk")
    assert "qcow2" in reason and "vmdk" in reason
