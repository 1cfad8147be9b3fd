"""PATCH /v2/images/{id}: media types, paths, operations, read-only attributes, locations."""

from cases import PATCH_V20, PATCH_V21, Case, Image, add, patch, remove, replace, request, show

MEDIA_TYPES = {
    "v2.1": PATCH_V21, "v2.0": PATCH_V20, "v2.1 charset": PATCH_V21 + "; charset=utf-8",
    "json": "application/json", "json-patch": "application/json-patch+json",
    "octets": "application/octet-stream", "v2.2": "application/openstack-images-v2.2-json-patch",
    "upper case": PATCH_V21.upper(), "absent": "",
}

RAW = {"empty": b"", "malformed": b"[", "object": b"{}", "text": b'"x"', "null": b"null",
       "array of text": b'["x"]', "array of null": b"[null]", "not UTF-8": b'["\xff"]',
       "nested array": b"[[]]"}

PATHS = ["", "/", "name", "//name", "/name/", "/a//b", "/x/  /y", "/a/b", "/tags/-", "/tags/0",
         "/ name ", "/a~0b", "/a~1b", "/a~2b", "/a~", "/~01", "/x/x", "/x" * 5, "/locations/-/x",
         "/" + "x" * 255, "/" + "x" * 256, "/colour", "/Name", "/NAME", "/bïld", "/😀"]

BAD_OPERATIONS = {
    "test": {"op": "test", "path": "/name", "value": "x"},
    "move": {"op": "move", "from": "/name", "path": "/x"},
    "copy": {"op": "copy", "from": "/name", "path": "/x"},
    "unknown": {"op": "explode", "path": "/name"},
    "op absent": {"path": "/name", "value": "x"},
    "op null": {"op": None, "path": "/name"},
    "op number": {"op": 1, "path": "/name"},
    "path absent": {"op": "add", "value": "x"},
    "path null": {"op": "add", "path": None, "value": "x"},
    "path number": {"op": "add", "path": 5, "value": "x"},
    "value absent add": {"op": "add", "path": "/colour"},
    "value absent replace": {"op": "replace", "path": "/name"},
    "v2.0 in v2.1": {"add": "/colour", "value": "x"},
    "more members": {"op": "add", "path": "/colour", "value": "x", "more": 1},
    "empty object": {},
}

READ_ONLY = ["id", "created_at", "updated_at", "status", "checksum", "size", "virtual_size",
             "direct_url", "self", "file", "schema", "os_hash_algo", "os_hash_value", "location",
             "deleted", "deleted_at", "os_glance_x", "os_glancefoo", "os_glance_import_task",
             "stores"]

# Names that mean something to Glance's own objects.
INTERNAL = ["image_id", "member", "extra_properties", "base", "context", "repo"]

VALUES = {
    "name": ["n", "", None, "x" * 255, "x" * 256, 5, True, [], {}, "😀", "圖"],
    "visibility": ["shared", "private", "community", "secret", None, 1],
    "protected": [True, False, "true", None, 1], "os_hidden": [True, False, "false", None],
    "owner": ["{alpha}", "{beta}", None, "", "x" * 256, 1],
    "container_format": ["ovf", "box", None, ""], "disk_format": ["qcow2", "floppy", None, "raw"],
    "min_disk": [0, 5, -1, 2147483647, 2147483648, "1", None, 1.5, 2.0, True],
    "min_ram": [1, -1, None], "tags": [[], ["a", "a"], ["x" * 256], "a", None, [1], ["😀"],
                                       [f"t{n}" for n in range(129)]],
    "colour": ["red", "", None, 1, True, [], {}, "😀", "v" * 65000],
    "kernel_id": [None, "x", "12345678-aaaa-bbbb-cccc-123456789abc"],
}


def operation(media_type, op, path, value=None):
    if media_type == PATCH_V21:
        return {"op": op, "path": path} | ({} if op == "remove" else {"value": value})
    return {op: path} | ({} if op == "remove" else {"value": value})


def cases():
    queued = Image(status="queued", fields=(("colour", "blue"), ("shape", "round")))
    active = Image(fields=(("colour", "blue"),))
    for name, value in MEDIA_TYPES.items():
        headers = {"Content-Type": value} if value else {}
        body = b'[{"op": "add", "path": "/colour", "value": "red"}]'
        yield Case(f"patch/type {name}",
                   (request("member", "PATCH /v2/images/{image}", body, headers), show()), queued)
    for name, body in RAW.items():
        for label, media_type in (("v2.1", PATCH_V21), ("v2.0", PATCH_V20)):
            yield Case(f"patch/body {name} {label}", (request(
                "member", "PATCH /v2/images/{image}", body, {"Content-Type": media_type}),), queued)
    for path in PATHS:
        for op in ("add", "replace", "remove"):
            yield Case(f"patch/path {op} {path[:40]!r} {len(path)}",
                       (patch("member", operation(PATCH_V21, op, path, "v")), show()), queued)
    for name, entry in BAD_OPERATIONS.items():
        yield Case(f"patch/operation {name}", (patch("member", entry), show()), queued)
        yield Case(f"patch/operation {name} v2.0",
                   (patch("member", entry, media_type=PATCH_V20), show()), queued)
    for key in READ_ONLY:
        for op in ("add", "replace", "remove"):
            for caller in ("member", "admin"):
                yield Case(f"patch/read-only {op} {key} {caller}",
                           (patch(caller, operation(PATCH_V21, op, f"/{key}", "x")), show()),
                           active)
    for key, values in VALUES.items():
        for number, value in enumerate(values):
            for op in ("add", "replace"):
                yield Case(f"patch/value {op} {key} {str(value)[:20]!r} {number}",
                           (patch("member", operation(PATCH_V21, op, f"/{key}", value), spoils=key == "owner"),
                            show("admin")), queued)
            yield Case(f"patch/value active {key} {str(value)[:20]!r} {number}",
                       (patch("admin", replace(f"/{key}", value)), show("admin")), active)
    for key in INTERNAL:
        for op in ("add", "replace", "remove"):
            yield Case(f"patch/internal {op} {key}",
                       (patch("member", operation(PATCH_V21, op, f"/{key}", "x")), show()), queued)
    for media_type, label in ((PATCH_V21, "v2.1"), (PATCH_V20, "v2.0")):
        for op in ("add", "replace", "remove"):
            for target in ("name", "colour", "absent", "tags", "protected", "min_ram"):
                value = {"tags": ["z"], "protected": True, "min_ram": 7}.get(target, "v")
                yield Case(f"patch/semantics {label} {op} {target}", (
                    patch("member", operation(media_type, op, f"/{target}", value),
                          media_type=media_type), show()), queued)
    yield from sequences(queued, active)
    yield from orders(queued, active)


def sequences(queued, active):
    for name, operations in {
        "later sees earlier": [add("/a", "1"), replace("/a", "2"), add("/b", "x"), remove("/b")],
        "last fails": [replace("/name", "changed"), remove("/absent")],
        "forbidden last": [replace("/name", "changed"), replace("/status", "active")],
        "remove twice": [remove("/colour"), remove("/colour")],
        "remove then replace": [remove("/colour"), replace("/colour", "x")],
        "replace removed": [remove("/colour"), add("/colour", "x")],
        "empty": [],
        "no change": [replace("/name", "an image")],
        "129 properties": [add(f"/p{n}", "v") for n in range(129)],
        "name and tags": [replace("/name", "x"), replace("/tags", ["q"]), add("/z", "z")],
    }.items():
        yield Case(f"patch/sequence {name}", (patch("member", *operations), show()), queued)
    yield Case("patch/give away by add", (patch("member", add("/owner", "{beta}"), spoils=True),
                                          show("admin")), queued)
    yield Case("patch/shared and back", (
        patch("member", replace("/visibility", "private")),
        request("imember", "GET /v2/images/{image}"),
        patch("member", replace("/visibility", "shared")),
        request("imember", "GET /v2/images/{image}")),
        Image(visibility="shared", member="accepted"))
    yield Case("patch/leave public", (patch("member", replace("/visibility", "private")), show()),
               Image(visibility="public"))
    yield Case("patch/formats when active", (
        patch("member", replace("/disk_format", "raw")),
        patch("member", replace("/container_format", "bare")),
        patch("member", replace("/container_format", None))), active)


def orders(queued, active):
    """Which of two faults is answered."""
    for name, step in {
        "415 before 404": request("member", "PATCH /v2/images/{new}", [],
                                  {"Content-Type": "text/plain"}),
        "400 before 404": request("member", "PATCH /v2/images/{new}", {},
                                  {"Content-Type": PATCH_V21}),
        "403 before 404": request("member", "PATCH /v2/images/{new}", [replace("/size", 1)],
                                  {"Content-Type": PATCH_V21}),
        "404 alone": request("member", "PATCH /v2/images/{new}", [replace("/name", "x")],
                             {"Content-Type": PATCH_V21}),
        "404 of empty": request("member", "PATCH /v2/images/{new}", [],
                                {"Content-Type": PATCH_V21}),
        "403 before 400": patch("member", replace("/size", 1), {"op": "explode"}),
        "400 before 403": patch("member", {"op": "explode"}, replace("/size", 1)),
        "bad value of a stranger": patch("omember", replace("/name", 5)),
        "conflict of a reader": patch("reader", remove("/absent")),
    }.items():
        yield Case(f"patch/order {name}", (step,), active)
