"""Disk images as users have them, made by the tools that make them: sfdisk, mke2fs, qemu-img."""

import json
import os
import pathlib
import struct
import subprocess

MIB = 1 << 20
# Debian's package `ipxe`: a small image that boots from CD and from USB.
ISO = pathlib.Path("/usr/lib/ipxe/ipxe.iso")
ENV = os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}


def run(*argv, **options):
    done = subprocess.run([str(a) for a in argv], env=ENV, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


def qemu_img(*arguments):
    return run("qemu-img", *arguments)


def virtual_size(path, driver=None):
    """Bytes that the guest sees, as qemu-img reads them."""
    which = ["-f", driver] if driver else []
    return json.loads(qemu_img("info", "--output", "json", *which, path))["virtual-size"]


def partitioned(path, size=64 * MIB, label="dos"):
    """A raw disk with one partition, and on it an ext4 file system with files. Needs no root."""
    content = path.parent / f"{path.name}.content"
    (content / "etc").mkdir(parents=True)
    (content / "etc/hostname").write_text("vitrine\n")
    # Something that neither compresses to nothing nor is all zeros.
    (content / "noise").write_bytes(os.urandom(3 * MIB) + b"text " * 100_000)
    path.touch()
    os.truncate(path, size)
    run("sfdisk", "--quiet", "--label", label, path, input="start=2048, type=L\n")
    # The second copy of a GPT stands behind the partition.
    blocks = (size - 2 * MIB) // 4096
    run("mkfs.ext4", "-q", "-F", "-b", "4096", "-d", content, "-E", f"offset={MIB}", path, str(blocks))
    return path


def convert(source, target, form, *options):
    """`source` in another format; options as qemu-img takes them."""
    qemu_img("convert", "-f", "raw", "-O", form, *options, source, target)
    return target


def qcow2_header(size_bytes, clusters, backing=b""):
    """The first bytes of a qcow2 (version 2) whose tables follow, a cluster of 64 KiB each; with a backing file, its
    name stands at 512."""
    place = 512 if backing else 0
    return struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, place, len(backing), 16, size_bytes, 0,
                       1, clusters[0] << 16, clusters[1] << 16, 1, 0, 0).ljust(place, b"\0") + backing


def empty_qcow2(size_bytes=MIB):
    """An empty qcow2 of four clusters that qemu-img finds no fault with."""
    table = struct.pack(">Q", 2 << 16)
    counts = struct.pack(">4H", 1, 1, 1, 1)
    return b"".join(part.ljust(1 << 16, b"\0") for part in (qcow2_header(size_bytes, (3, 1)), table, counts, b""))


def backed_qcow2(backing):
    """A qcow2 of a few clusters that wants to be read on top of another file."""
    return qcow2_header(MIB, (1, 2), backing.encode()).ljust(1 << 18, b"\0")
