"""Upload, staging and download: states, sizes, ranges, formats."""

import struct

from cases import OCTETS, Case, Image, request, show

QUEUED = Image(status="queued")
DATA = b"0123456789"
HOLDER = Image(data=DATA)
# An image that is never read as a whole, hence is in no cache: a cached one answers otherwise.
UNREAD = Image(data=b"never read as a whole")


def qcow2(version=2, backing=0, features=0):
    head = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", version, backing, 8 if backing else 0, 16,
                       1 << 20, 0, 1, 3 << 16, 1 << 16, 1, 0, 0)
    if version == 3:
        head += struct.pack(">QQQII", features, 0, 0, 4, 104)
    return head.ljust(4096, b"\0")


def boot_sector(entries):
    return (b"\0" * 446 + b"".join(entries).ljust(64, b"\0") + b"\x55\xaa").ljust(4096, b"\0")


GPT_ENTRY = bytes([0, 0, 2, 0, 0xEE, 255, 255, 255]) + struct.pack("<II", 1, 7)
LINUX_ENTRY = bytes([0x80, 1, 1, 0, 0x83, 2, 2, 2]) + struct.pack("<II", 2048, 100)
ODD_ENTRY = bytes([0x11, 1, 1, 0, 0x83, 2, 2, 2]) + struct.pack("<II", 2048, 100)

ISO = (b"\0" * 32768 + (b"\x01CD001\x01".ljust(80, b"\0") + struct.pack("<I", 20)
                        ).ljust(128, b"\0") + struct.pack("<H", 2048)).ljust(40960, b"\0")

CONTENTS = {
    "empty": b"", "text": b"hello", "4 KiB of nothing": b"\0" * 4096,
    "qcow2": qcow2(), "qcow2 v3": qcow2(3), "qcow2 v1": qcow2(1), "qcow2 v4": qcow2(4),
    "qcow2 backing": qcow2(2, 4000), "qcow2 data file": qcow2(3, 0, 4),
    "qcow2 unknown feature": qcow2(3, 0, 32), "qcow2 short": qcow2()[:32],
    "qed": b"QED\0".ljust(4096, b"\0"), "vhd": b"conectix".ljust(40, b"\0") + struct.pack(
        ">Q", 1 << 20) + b"\0" * 4000,
    "vdi": (b"<<< image >>>".ljust(0x40, b"\0") + struct.pack("<I", 0xBEDA107F)).ljust(
        0x170, b"\0") + struct.pack("<Q", 1 << 20) + b"\0" * 4000,
    "luks 1": b"LUKS\xba\xbe\x00\x01".ljust(104, b"\0") + struct.pack(">I", 2) + b"\0" * 4000,
    "luks 2": b"LUKS\xba\xbe\x00\x02".ljust(4096, b"\0"),
    "mbr": boot_sector([LINUX_ENTRY]), "mbr odd flag": boot_sector([ODD_ENTRY]),
    "mbr empty": boot_sector([]), "gpt": boot_sector([GPT_ENTRY]),
    "gpt and more": boot_sector([GPT_ENTRY, LINUX_ENTRY]), "iso": ISO,
    "iso with mbr": boot_sector([LINUX_ENTRY])[:512] + ISO[512:],
    "vmdk text": b'# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\n'
                 b'RW 100 FLAT "disk-flat.vmdk" 0\n',
}

RANGES = ["bytes=0-4", "bytes=0-", "bytes=5-", "bytes=-3", "bytes=-0", "bytes=-100", "bytes=0-99",
          "bytes=9-9", "bytes=10-", "bytes=10-12", "bytes=5-2", "bytes=0-1,3-4", "bytes=-", "bytes=",
          "bytes", "", "items=0-4", "bytes=a-b", "BYTES=0-4", "bytes = 0 - 4", "bytes=0-4junk",
          "bytes=0", "bytes 0-4", "bytes=99999999999999999999-", " bytes=1-2 "]

CONTENT_RANGES = ["bytes 0-4/10", "bytes 0-4/*", "bytes 2-4/99", "bytes 0-4/5", "bytes 0-12/*",
                  "bytes 0-12/20", "bytes 12-13/20", "bytes 4-2/10", "bytes */10", "bytes */*",
                  "bytes=0-4", "bytes 0-4", "bytes a-b/c", "", "items 0-4/10"]

PREFERS = ["fast", "cheap", "fast,cheap", " cheap , fast ", "none", "fast,none", "", ",", "web"]


def upload(caller, data, headers=None, what="file", **more):
    return request(caller, f"PUT /v2/images/{{image}}/{what}", data, OCTETS | (headers or {}),
                   **more)


def cases():
    for status in ("queued", "active", "deactivated", "uploading", "deleted"):
        for what in ("file", "stage"):
            for caller in ("member", "admin", "reader", "omember"):
                yield Case(f"data/{what} {status} {caller}",
                           (upload(caller, DATA, what=what), show("admin")),
                           Image(status=status))
        for caller in ("member", "admin", "reader"):
            yield Case(f"data/download {status} {caller}",
                       (request(caller, "GET /v2/images/{image}/file"),),
                       Image(status=status, data=DATA))
    for what in ("file", "stage"):
        yield from uploads(what)
    for name, content in CONTENTS.items():
        for disk in ("raw", "qcow2", "vmdk", "vdi", "vhd", "iso", "ami"):
            fields = (("disk_format", disk),)
            yield Case(f"format/{name} as {disk}", (
                upload("member", content), show(),
                request("member", "GET /v2/images/{image}/file"),
                upload("member", b"second try")), Image(status="queued", fields=fields))
        yield Case(f"format/{name} in ovf", (upload("member", content), show()), Image(
            status="queued", fields=(("disk_format", "qcow2"), ("container_format", "ovf"))))
    yield from downloads()


def uploads(what):
    both = ("disk_format", ...), ("container_format", ...)
    for name, fields in (("none", both), ("disk", both[1:]), ("container", both[:1])):
        yield Case(f"data/{what} with formats {name}", (upload("member", DATA, what=what), show()),
                   Image(status="queued", fields=fields))
    for name, headers in {
        "x-size right": {"x-openstack-image-size": "10"},
        "x-size small": {"x-openstack-image-size": "5"},
        "x-size large": {"x-openstack-image-size": "50"},
        "x-size 0": {"x-openstack-image-size": "0"},
        "x-size negative": {"x-openstack-image-size": "-1"},
        "x-size text": {"x-openstack-image-size": "ten"},
        "x-size empty": {"x-openstack-image-size": ""},
        "store": {"X-Image-Meta-Store": "cheap"}, "store unknown": {"X-Image-Meta-Store": "none"},
        "store read-only": {"X-Image-Meta-Store": "web"},
        "store empty": {"X-Image-Meta-Store": ""},
        "store reserved": {"X-Image-Meta-Store": "os_glance_staging_store"},
    }.items():
        for chunked in (False, True):
            yield Case(f"data/{what} {name}{' chunked' if chunked else ''}",
                       (upload("member", DATA, headers, what, chunked=chunked), show(),
                        request("member", "GET /v2/images/{image}/file")), QUEUED)
    for kind in ("", "text/plain", "application/json", "application/octet-stream; charset=x",
                 "APPLICATION/OCTET-STREAM", "application/x-octet-stream"):
        yield Case(f"data/{what} type {kind or 'absent'}", (request(
            "member", f"PUT /v2/images/{{image}}/{what}", DATA,
            {"Content-Type": kind} if kind else {}), show()), QUEUED)
        yield Case(f"data/{what} type {kind or 'absent'} of nothing", (request(
            "member", f"PUT /v2/images/{{new}}/{what}", DATA,
            {"Content-Type": kind} if kind else {}),), QUEUED)
    for size in (0, 1, 70000):
        for chunked in (False, True):
            yield Case(f"data/{what} {size} bytes{' chunked' if chunked else ''}", (
                upload("member", b"z" * size, what=what, chunked=chunked), show(),
                request("member", "GET /v2/images/{image}/file")), QUEUED)
    for name, value in (("right", "sha256:84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"),
                        ("wrong", "sha256:" + "a" * 64)):
        yield Case(f"data/{what} expected_hash {name}", (upload("member", DATA, what=what), show()), Image(
            status="queued", fields=(("expected_hash", value),)))
    yield Case(f"data/{what} twice", (upload("member", DATA, what=what),
                                      upload("member", DATA, what=what), show()), QUEUED)
    yield Case(f"data/{what} then delete", (
        upload("member", DATA, what=what), request("member", "DELETE /v2/images/{image}"),
        request("member", "GET /v2/images/{image}/file"), upload("member", DATA, what=what)),
        QUEUED)


def downloads():
    for value in RANGES:
        yield Case(f"range/{value!r}", (request(
            "member", "GET /v2/images/{image}/file", None, {"Range": value}),),
            HOLDER if value else UNREAD)
    for value in CONTENT_RANGES:
        yield Case(f"range/content {value!r}", (request(
            "member", "GET /v2/images/{image}/file", None, {"Content-Range": value}),),
            HOLDER if value else UNREAD)
    yield Case("range/both", (request("member", "GET /v2/images/{image}/file", None, {
        "Range": "bytes=1-2", "Content-Range": "bytes 3-4/10"}),), HOLDER)
    for value in ("bytes=0-", "bytes=-5", "bytes=0-0"):
        yield Case(f"range/empty image {value}", (request(
            "member", "GET /v2/images/{image}/file", None, {"Range": value}),), Image(data=b""))
        yield Case(f"range/queued image {value}", (request(
            "member", "GET /v2/images/{image}/file", None, {"Range": value}),), QUEUED)
    yield Case("range/empty image whole", (request("member", "GET /v2/images/{image}/file"),),
               Image(data=b""))
    for value in PREFERS:
        for caller in ("member", "reader"):
            yield Case(f"data/prefer {value!r} {caller}", (request(
                caller, "GET /v2/images/{image}/file?prefer=" + value.replace(" ", "%20")),),
                HOLDER)
