"""The deprecated tasks API: what is made, listed and shown."""

from cases import Case, Image, request

URL = "{files}/image.raw"
IMPORT = {"import_from": URL, "import_from_format": "raw", "image_properties": {
    "name": "by a task", "disk_format": "raw", "container_format": "bare"}}

OVA = {"import_from": URL, "import_from_format": "ova", "image_properties": {"container_format": "ova"}}

BODIES = {
    "absent": b"", "malformed": b"{", "array": [], "text": "x", "null": None, "empty": {},
    "type absent": {"input": {}}, "input absent": {"type": "import"}, "input text": {"type": "import", "input": "x"},
    "input null": {"type": "import", "input": None}, "input empty": {"type": "import", "input": {}},
    "type of an import": {"type": "api_image_import", "input": {}},
    "type of a location": {"type": "location_import", "input": {}},
    "type unknown": {"type": "export", "input": IMPORT}, "type null": {"type": None, "input": IMPORT},
    "more members": {"type": "import", "input": {}, "x": 1}, "owner": {"type": "import", "input": {}, "owner": 5},
    "status": {"type": "import", "input": {}, "status": "done"}, "ova": {"type": "import", "input": OVA},
} | {f"from {uri}": {"type": "import", "input": IMPORT | {"import_from": uri}} for uri in (
    None, "", "x", "file:///etc/passwd", "filesystem:///x", "ftp://x/y", "http://192.0.2.1/x", "http://127.0.0.1:x/")}

QUERIES = [
    "owner=nobody", "limit=0", "limit=-1", "limit=x", "limit=", "marker=x", "marker=", "marker={new}",
    "sort_key=created_at&owner=nobody", "sort_key=status&owner=nobody", "sort_key=foo", "sort_key=",
    "sort_dir=asc&owner=nobody", "sort_dir=up", "sort_dir=", "status=pending&owner=nobody",
    "status=success&owner=nobody", "status=foo", "status=", "type=", "type=import&owner=nobody", "type=foo",
    "type=api_image_import&owner=nobody", "foo=x&owner=nobody", "limit=2&owner=nobody", "owner=nobody&owner=somebody"]


def cases():
    for name, body in BODIES.items():
        for caller in ("admin", "member"):
            yield Case(f"tasks/create {name} {caller}", (request(caller, "POST /v2/tasks", body),))
    for query in QUERIES:
        yield Case(f"tasks/list {query}", (request("admin", f"GET /v2/tasks?{query}"),))
    for name, line in (("show", "GET /v2/tasks/{new}"), ("show no id", "GET /v2/tasks/x"),
                       ("delete", "DELETE /v2/tasks/{new}"), ("delete no id", "DELETE /v2/tasks/x"),
                       ("put", "PUT /v2/tasks/{new}"), ("body", "GET /v2/tasks?owner=nobody")):
        yield Case(f"tasks/{name}", (request("admin", line, b"x" if name == "body" else None),))
    copy = {"method": {"name": "copy-image"}, "stores": ["cheap"]}
    yield Case("tasks/of an import", (
        request("admin", "POST /v2/images/{image}/import", copy),
        request("admin", "GET /v2/images/{image}/tasks", settle=("active",), keep={"task": "/tasks/0/id"}),
        *(request(caller, "GET /v2/tasks/{task}") for caller in ("admin", "member")),
        request("admin", "DELETE /v2/tasks/{task}"),
        *(request("admin", f"GET /v2/tasks?image_id={{image}}&{query}") for query in (
            "", "limit=1", "limit=5", "sort_dir=asc", "status=success", "status=failure", "owner={alpha}",
            "type=import", "marker={task}"))), Image())
    yield Case("tasks/import", (
        request("admin", "POST /v2/tasks", {"type": "import", "input": IMPORT}, keep={"task": "/id"}),
        request("admin", "GET /v2/tasks/{task}", until=("success", "failure"), keep={"made": "/result/image_id"}),
        request("admin", "GET /v2/images/{made}"), request("admin", "GET /v2/images/{made}/file")))
    for name, lacking in (("format", "import_from_format"), ("properties", "image_properties")):
        given = {key: value for key, value in IMPORT.items() if key != lacking}
        yield Case(f"tasks/import without {name}", (
            request("admin", "POST /v2/tasks", {"type": "import", "input": given}, keep={"task": "/id"}),
            request("admin", "GET /v2/tasks/{task}", until=("success", "failure"))))
    yield Case("tasks/import of an absent file", (
        request("admin", "POST /v2/tasks", {"type": "import", "input": IMPORT | {"import_from": "{files}/absent"}},
                keep={"task": "/id"}),
        request("admin", "GET /v2/tasks/{task}", until=("success", "failure"))))
