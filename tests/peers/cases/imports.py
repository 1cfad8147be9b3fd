"""POST /v2/images/{id}/import: bodies, states, stores, and what a job leaves behind."""

from cases import Case, Image, request, show

QUEUED = Image(status="queued")
STAGED = Image(status="uploading")
URL = "{files}/image.raw"
WEB = {"name": "web-download", "uri": URL}
DIRECT = {"name": "glance-direct"}
COPY = {"name": "copy-image"}
REMOTE = {"name": "glance-download", "glance_region": "RegionOne", "glance_image_id": "{new}"}
FINAL = ("queued", "active", "deactivated", "uploading")

BODIES = {
    "absent": b"", "malformed": b"{", "not UTF-8": b'{"a": "\xff"}', "text": "x", "number": 5, "null": None,
    "array": [], "empty": {}, "method null": {"method": None}, "method text": {"method": "web-download"},
    "method array": {"method": []}, "method empty": {"method": {}}, "name null": {"method": {"name": None}},
    "name number": {"method": {"name": 5}}, "name empty": {"method": {"name": ""}},
    "name unknown": {"method": {"name": "by-post"}}, "name case": {"method": {"name": "Web-Download"}},
    "uri absent": {"method": {"name": "web-download"}},
} | {f"uri {uri}": {"method": {"name": "web-download", "uri": uri}} for uri in (
    None, "", 5, "x", "/etc/passwd", "file:///etc/passwd", "ftp://127.0.0.1/x", "http:///x", "http://192.0.2.1/x",
    "http://127.1/x", "http://2130706433/x", "http://0x7f000001/x", "http://127.0.0.1:x/x",
    "http://127.0.0.1:70000/x", "HTTP://192.0.2.1/x", "http://[::1]/x", "http://user@192.0.2.1/x")} | {
    f"all_stores {value!r}": {"method": WEB, "all_stores": value} for value in (None, 1, "true", [])} | {
    f"all_stores_must_succeed {value!r}": {"method": WEB, "all_stores_must_succeed": value}
    for value in (None, 0, "false")} | {
    f"stores {value!r}": {"method": WEB, "stores": value}
    for value in ([], ["none"], ["cheap", "none"], "cheap", {"cheap": 1}, 5, [None], [5], ["CHEAP"],
                  ["os_glance_staging_store"], ["web"])} | {
    "stores and all": {"method": WEB, "stores": ["cheap"], "all_stores": True},
    "region absent": {"method": {"name": "glance-download", "glance_image_id": "{new}"}},
    "remote id absent": {"method": {"name": "glance-download", "glance_region": "RegionOne"}},
    "remote id text": {"method": REMOTE | {"glance_image_id": "x"}},
    "remote id null": {"method": REMOTE | {"glance_image_id": None}},
}

# What a job does with a queued image: body, headers.
DOWNLOADS = {
    "default": ({}, {}), "header": ({}, {"X-Image-Meta-Store": "cheap"}),
    "one": ({"stores": ["cheap"]}, {}), "two": ({"stores": ["cheap", "spare"]}, {}),
    "two turned": ({"stores": ["spare", "cheap"]}, {}), "all": ({"all_stores": True}, {}),
    "all may fail": ({"all_stores": True, "all_stores_must_succeed": False}, {}),
    "none of all": ({"all_stores": False}, {}), "more members": ({"allow_failure": True, "x": 1}, {}),
}


def start(caller, method, body=None, headers=None):
    return request(caller, "POST /v2/images/{image}/import", {"method": method} | (body or {}), headers)


def settled(caller="member"):
    return request(caller, "GET /v2/images/{image}", settle=FINAL)


def outcome():
    """What can be seen of an import that is over."""
    return (settled(), request("member", "GET /v2/images/{image}/tasks"),
            request("admin", "GET /v2/images/{image}/locations"), request("member", "GET /v2/images/{image}/file"))


def cases():
    for name, body in BODIES.items():
        yield Case(f"import/body {name}", (request("member", "POST /v2/images/{image}/import", body),), QUEUED)
    for name, method in (("web", WEB), ("direct", DIRECT), ("copy", COPY), ("remote", REMOTE)):
        for status in ("queued", "active", "deactivated", "uploading", "deleted"):
            for caller in ("member", "admin", "reader", "omember"):
                yield Case(f"import/{name} {status} {caller}", (start(caller, method),), Image(status=status))
        yield Case(f"import/{name} without an image", (
            request("member", "POST /v2/images/{new}/import", {"method": method}),))
    for name, headers, body in (
            ("unknown", {"X-Image-Meta-Store": "none"}, {}), ("read-only", {"X-Image-Meta-Store": "web"}, {}),
            ("empty", {"X-Image-Meta-Store": ""}, {}),
            ("and stores", {"X-Image-Meta-Store": "cheap"}, {"stores": ["spare"]}),
            ("and all", {"X-Image-Meta-Store": "cheap"}, {"all_stores": True})):
        yield Case(f"import/header {name}", (start("member", WEB, body, headers),), QUEUED)
    for name, fields in (("none", (("disk_format", ...), ("container_format", ...))), ("disk", (
            ("container_format", ...),)), ("container", (("disk_format", ...),))):
        for status, method in (("queued", WEB), ("uploading", DIRECT)):
            yield Case(f"import/{status} with formats {name}", (start("member", method), show()),
                       Image(status=status, fields=fields))
    yield from jobs()
    yield from copies()


def jobs():
    for name, (body, headers) in DOWNLOADS.items():
        yield Case(f"import/job web {name}", (start("member", WEB, body, headers), *outcome()), QUEUED)
        yield Case(f"import/job direct {name}", (start("member", DIRECT, body, headers), *outcome()), STAGED)
    for name, fields in {"in ovf": (("container_format", "ovf"),), "as qcow2": (("disk_format", "qcow2"),),
                         "as ami": (("disk_format", "ami"), ("container_format", "ami"))}.items():
        yield Case(f"import/job web {name}", (start("member", WEB), *outcome()),
                   Image(status="queued", fields=fields))
        yield Case(f"import/job direct {name}", (start("member", DIRECT), *outcome()),
                   Image(status="uploading", fields=fields))
    yield Case("import/job web absent file", (
        start("member", {"name": "web-download", "uri": "{files}/absent"}), *outcome()), QUEUED)
    yield Case("import/job after a refused deletion", (
        request("member", "DELETE /v2/images/{image}"), start("member", DIRECT), *outcome()),
        Image(status="uploading", protected=True))
    yield Case("import/job twice", (start("member", WEB), settled(), start("member", WEB), settled()), QUEUED)
    yield Case("import/job, then delete", (
        start("member", WEB), settled(), request("member", "DELETE /v2/images/{image}"),
        request("member", "GET /v2/images/{image}/tasks")), QUEUED)


def copies():
    held = Image(stores=("cheap",))
    for name, body in {"held": {"stores": ["fast"]}, "held and new": {"stores": ["cheap", "spare"]},
                       "unknown": {"stores": ["none"]}, "read-only": {"stores": ["web"]}}.items():
        yield Case(f"import/copy {name}", (start("admin", COPY, body), settled("admin")), held)
    yield Case("import/copy default", (start("admin", COPY), settled("admin")), held)
    for name, body in {"one": {"stores": ["spare"]}, "all": {"all_stores": True},
                       "all may fail": {"all_stores": True, "all_stores_must_succeed": False}}.items():
        yield Case(f"import/copy {name}", (start("admin", COPY, body), *outcome()), held)
    yield Case("import/copy all again", (
        start("admin", COPY, {"all_stores": True}), settled(), start("admin", COPY, {"all_stores": True}),
        *outcome()), Image())
    # By weight: fast, spare, cheap. Tasks come in the order in which they were made.
    yield Case("import/copies one by one", (
        start("admin", COPY, {"stores": ["cheap"]}), *outcome(), start("admin", COPY, {"stores": ["spare"]}),
        *outcome(), request("admin", "GET /v2/images/{image}/tasks"),
        request("omember", "GET /v2/images/{image}/tasks"), request("reader", "GET /v2/images/{image}/tasks"),
        request("admin", "DELETE /v2/stores/fast/{image}"), *outcome(),
        request("admin", "DELETE /v2/stores/none/{image}"), request("member", "DELETE /v2/stores/spare/{image}"),
        request("admin", "DELETE /v2/stores/fast/{image}"), request("admin", "DELETE /v2/stores/cheap/{image}"),
        request("admin", "DELETE /v2/stores/spare/{image}"), settled()), Image())
