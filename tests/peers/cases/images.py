"""POST /v2/images: what is taken, what is refused, and in which order."""

from cases import Case, Image, request

LONG = "x" * 256

GOOD = {
    "nothing": {},
    "name": {"name": "n"}, "name null": {"name": None}, "name empty": {"name": ""},
    "name 255": {"name": "x" * 255}, "name non-ASCII": {"name": "bïld 圖"},
    "min": {"min_disk": 3, "min_ram": 2147483647}, "min 3.0": {"min_disk": 3.0},
    "hidden": {"os_hidden": True}, "protected": {"protected": True},
    "tags": {"tags": ["a", "b", "a", ""]}, "tag 255": {"tags": ["x" * 255]},
    "property": {"colour": "red"}, "property blank": {" ": "x", "": "y"},
    "property 255": {"x" * 255: "v"}, "property 65000": {"long": "v" * 65000},
    "kernel null": {"kernel_id": None},
    "kernel": {"kernel_id": "12345678-aaaa-BBBB-cccc-123456789abc"},
    "key policy": {"cinder_encryption_key_deletion_policy": "do_not_delete"},
    "image_id": {"image_id": "x"}, "member": {"member": "x"}, "base": {"base": "x"},
    "context": {"context": "x"}, "is_public": {"is_public": "x"},
    "owner own": {"owner": "{alpha}"},
} | {f"container {v}": {"container_format": v}
     for v in (None, "ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")} \
  | {f"disk {v}": {"disk_format": v}
     for v in (None, "ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso",
               "ploop")} \
  | {f"visibility {v}": {"visibility": v} for v in ("shared", "private", "community")}

BAD = {
    "id no uuid": {"id": "x"}, "id short": {"id": "1234"}, "id null": {"id": None},
    "id number": {"id": 5}, "id newline": {"id": "12345678-aaaa-bbbb-cccc-123456789abc\n"},
    "name 256": {"name": LONG}, "name number": {"name": 5}, "name astral": {"name": "😀"},
    "visibility unknown": {"visibility": "secret"}, "visibility null": {"visibility": None},
    "visibility public": {"visibility": "public"},
    "protected text": {"protected": "true"}, "protected null": {"protected": None},
    "hidden text": {"os_hidden": "yes"}, "hidden number": {"os_hidden": 1},
    "owner other": {"owner": "{beta}"}, "owner 256": {"owner": LONG}, "owner number": {"owner": 1},
    "owner null": {"owner": None}, "owner empty": {"owner": ""},
    "container unknown": {"container_format": "box"}, "container empty": {"container_format": ""},
    "disk unknown": {"disk_format": "floppy"}, "disk gpt": {"disk_format": "gpt"},
    "disk luks": {"disk_format": "luks"}, "disk case": {"disk_format": "RAW"},
    "min negative": {"min_disk": -1}, "min ram negative": {"min_ram": -1},
    "min big": {"min_disk": 2147483648}, "min text": {"min_ram": "1"}, "min true": {"min_ram": True},
    "min null": {"min_disk": None}, "min half": {"min_disk": 1.5},
    "tags text": {"tags": "a"}, "tags null": {"tags": None}, "tag number": {"tags": [1]},
    "tag 256": {"tags": [LONG]}, "tag astral": {"tags": ["😀"]},
    "tags 129": {"tags": [f"t{n}" for n in range(129)]}, "tags 129 equal": {"tags": ["t"] * 129},
    "property number": {"colour": 1}, "property null": {"colour": None},
    "property true": {"colour": True}, "property array": {"colour": []},
    "property object": {"colour": {}}, "property name 256": {LONG: "v"},
    "property astral value": {"colour": "😀"}, "property astral name": {"😀": "v"},
    "properties 129": {f"p{n}": "v" for n in range(129)},
    "kernel no uuid": {"kernel_id": "x"}, "kernel newline": {
        "kernel_id": "12345678-aaaa-bbbb-cccc-123456789abc\n"},
    "key policy unknown": {"cinder_encryption_key_deletion_policy": "x"},
    "expected_hash no hash": {"expected_hash": "x"},
    "size and type": {"size": "x", "status": "active"},
} | {f"read-only {key}": {key: value} for key, value in {
    "size": 1, "virtual_size": 1, "status": "active", "checksum": "a" * 32,
    "os_hash_algo": "sha512", "os_hash_value": "a" * 128, "created_at": "2020-01-01T00:00:00Z",
    "updated_at": "2020-01-01T00:00:00Z", "direct_url": "x", "self": "x", "file": "x",
    "schema": "x", "stores": "fast", "locations": [], "location": "x", "deleted": "x",
    "deleted_at": "x", "os_glance_x": "x", "os_glancefoo": "x", "os_glance": "x"}.items()} \
  | {f"read-only wrong type {key}": {key: 1} for key in (
      "checksum", "created_at", "self", "direct_url", "locations", "deleted", "os_glance_x")}

RAW = {"malformed": b"{", "empty": b"", "text": b'"x"', "number": b"5", "null": b"null",
       "true": b"true", "array": b"[]", "array of object": b'[{"name": "x"}]',
       "not UTF-8": b'{"name": "\xff"}', "byte order mark": b"\xef\xbb\xbf{}",
       "two values": b"{} {}", "duplicate key": b'{"name": "a", "name": "b"}',
       "NaN": b'{"min_ram": NaN}', "deep": b"[" * 500 + b"]" * 500,
       "lone surrogate": b'{"name": "\\ud800"}', "NUL": b'{"name": "a\\u0000b"}'}

TYPES = ["", "text/plain", "application/octet-stream", "application/json; charset=utf-8",
         "application/x-www-form-urlencoded"]


def create(name, body, caller="member"):
    return Case(f"create/{name}", (
        request(caller, "POST /v2/images", {"id": "{new}"} | body),
        request("member", "GET /v2/images/{new}"),
        request("admin", "GET /v2/images/{new}")))


def cases():
    for name, body in (GOOD | BAD).items():
        yield create(name, body)
    for name, body in BAD.items():
        if name.startswith(("owner", "visibility", "read-only")):
            yield create(f"{name} by admin", body, "admin")
    for name, body in RAW.items():
        yield Case(f"create/body {name}", (request(
            "member", "POST /v2/images", body, {"Content-Type": "application/json"}),))
        yield Case(f"create/body {name} chunked", (request(
            "member", "POST /v2/images", body, {"Content-Type": "application/json"},
            chunked=True),))
    for value in TYPES:
        yield Case(f"create/type {value or 'absent'}", (request(
            "member", "POST /v2/images?ignored=1", b'{"name": "n"}',
            {"Content-Type": value} if value else {}),))
    yield Case("create/id in use", (
        request("member", "POST /v2/images", {"id": "{image}"}),), Image())
    yield Case("create/id in use by another project", (
        request("omember", "POST /v2/images", {"id": "{image}"}),), Image())
    yield Case("create/id of a deleted image", (
        request("member", "POST /v2/images", {"id": "{image}"}),), Image(status="deleted"))
    yield Case("create/id upper case", (
        request("member", "POST /v2/images", {"id": "ABCDEF01-0000-4000-8000-0123456789AB"}),
        request("member", "GET /v2/images/ABCDEF01-0000-4000-8000-0123456789AB"),
        request("member", "GET /v2/images/abcdef01-0000-4000-8000-0123456789ab"),
        request("member", "DELETE /v2/images/ABCDEF01-0000-4000-8000-0123456789AB")))
    for status in ("queued", "active", "deactivated", "uploading", "deleted"):
        for caller in ("member", "admin", "reader", "omember"):
            yield Case(f"delete/{status} {caller}", (
                request(caller, "DELETE /v2/images/{image}"),
                request("admin", "GET /v2/images/{image}"),
                request("admin", "DELETE /v2/images/{image}")), Image(status=status))
    yield Case("delete/protected, then not", (
        request("admin", "DELETE /v2/images/{image}"),
        request("member", "PATCH /v2/images/{image}",
                [{"op": "replace", "path": "/protected", "value": False}],
                {"Content-Type": "application/openstack-images-v2.1-json-patch"}),
        request("member", "DELETE /v2/images/{image}"),
        request("member", "GET /v2/images/{image}/file")), Image(protected=True))
