"""What other configurations change: one store, small limits, an operator's rules, several http stores."""

import dataclasses

from cases import OCTETS, Case, Image, add, patch, remove, replace, request, show
from cases.data import upload

QUEUED = Image(status="queued")
GOOD = {"url": "{files}/image.raw", "metadata": {}}
WEB = {"name": "web-download", "uri": "{files}/image.raw"}
FILE = "/v2/images/{image}/file"


def cases():
    for setup, module in (("single", single), ("limits", limits), ("rules", rules), ("webs", webs),
                          ("web", only_web)):
        for case in module():
            yield dataclasses.replace(case, name=f"{setup}/{case.name}", setup=setup)


def start(body=None, method=None, headers=None):
    return request("member", "POST /v2/images/{image}/import", {"method": method or WEB} | (body or {}), headers)


def settled(caller="member"):
    return request(caller, "GET /v2/images/{image}", settle=("queued", "active"))


def tasks():
    return request("admin", "GET /v2/images/{image}/tasks")


def single():
    for line in ("GET /", "GET /versions", "GET /v2/info/import", "GET /v2/info/stores", "GET /v2/info/stores/detail",
                 "GET /v2/info/usage", "GET /v2/schemas/image", "GET /v2/cache", "DELETE /v2/cache",
                 "POST /v2/cache/clean", "PUT /v2/cache/{image}", "DELETE /v2/cache/{image}", "DELETE /v2/cache/{new}",
                 "GET /v2/cached_images", "GET /v2/cache/nodes/{image}", "DELETE /v2/stores/fast/{image}",
                 "GET /v2/images/{image}",
                 "GET /v2/images/{image}/locations", f"GET {FILE}", f"GET {FILE}?prefer=fast",
                 "GET /v2.16/images?limit=0", "GET /v2.17/images?limit=0", "GET /v2.18/images?limit=0"):
        yield Case(line, (request("admin", line),), Image())
    yield Case("create", (request("member", "POST /v2/images", {"id": "{new}"}),
                          request("member", "GET /v2/images/{new}")))
    yield Case("create with stores", (request("member", "POST /v2/images", {"stores": "fast"}),))
    for name in ("fast", "none", ""):
        yield Case(f"upload to {name or 'nothing'}", (upload("member", b"data", {"X-Image-Meta-Store": name}), show(),
                                                      request("member", f"GET {FILE}")), QUEUED)
    yield Case("stage", (upload("member", b"data", what="stage"), show()), QUEUED)
    for operation in (add("/locations/-", GOOD), replace("/locations", [GOOD]), remove("/locations/0"),
                      replace("/locations", [])):
        for image in (QUEUED, Image()):
            yield Case(f"{operation['op']} {operation['path']} {len(operation.get('value', 'x'))} {image.status}",
                       (patch("admin", operation), show()), image)
    yield Case("location", (request("member", "POST /v2/images/{image}/locations", {"url": GOOD["url"]}), settled(),
                            request("admin", "GET /v2/images/{image}/locations"),
                            request("member", f"GET {FILE}")), QUEUED)
    for name, body in {"": {}, " to stores": {"stores": ["fast"]}, " to all": {"all_stores": True},
                       " that may fail": {"all_stores_must_succeed": False}}.items():
        yield Case(f"import{name}", (start(body), settled(), tasks(), request("member", f"GET {FILE}")), QUEUED)
    yield Case("import to a header", (start(headers={"X-Image-Meta-Store": "none"}), settled()), QUEUED)
    for name in ("glance-direct", "copy-image", "glance-download"):
        yield Case(f"import {name}", (start(method={"name": name}),), QUEUED)


def limits():
    for name, tags in {"2": ["a", "b"], "3": ["a", "b", "c"], "equal": ["a", "a", "a"]}.items():
        yield Case(f"create with tags {name}", (request("member", "POST /v2/images", {"tags": tags}),))
        yield Case(f"patch tags {name}", (patch("member", replace("/tags", tags)), show()), QUEUED)
    yield Case("tags", (*(request("member", f"PUT /v2/images/{{image}}/tags/{tag}") for tag in "abcab"), show(),
                        request("member", "DELETE /v2/images/{image}/tags/a"),
                        request("member", "PUT /v2/images/{image}/tags/c"), show()), QUEUED)
    yield Case("members", (*(request("member", "POST /v2/images/{image}/members", {"member": name})
                             for name in ("a", "a", "b", "c", "a")),
                           request("member", "GET /v2/images/{image}/members"),
                           request("member", "DELETE /v2/images/{image}/members/a"),
                           request("member", "POST /v2/images/{image}/members", {"member": "c"})),
               Image(visibility="shared"))
    for count in (2, 3):
        yield Case(f"create with properties {count}", (
            request("member", "POST /v2/images", {f"p{n}": "v" for n in range(count)}),))
    full = Image(status="queued", fields=(("p0", "v"), ("p1", "v")))
    for name, operations in {"add": [add("/p2", "v")], "change": [replace("/p1", "w")],
                             "swap": [remove("/p1"), add("/p2", "v")],
                             "swap late": [add("/p2", "v"), remove("/p1")], "remove": [remove("/p1")]}.items():
        yield Case(f"properties {name}", (patch("member", *operations), show()), full)
    for count in (1, 2, 3):
        yield Case(f"locations {count}", (patch("member", *(
            add("/locations/-", {"url": f"{GOOD['url']}#{n}", "metadata": {}}) for n in range(count))), show()), QUEUED)
    for size in (1000, 1001):
        for what in ("file", "stage"):
            for chunked in (False, True):
                yield Case(f"{what} of {size}{' chunked' if chunked else ''}", (
                    upload("member", b"x" * size, what=what, chunked=chunked), show()), QUEUED)
    for query in ("", "?limit=1", "?limit=3", "?limit=5", "?limit=1001"):
        yield Case(f"list{query}", tuple(request("oreader", f"GET /v2/images{query}") for _ in range(1)))
    yield Case("secure hash off", (request("member", "POST /v2/images/{image}/locations", {"url": GOOD["url"]}),
                                   settled(), request("member", f"GET {FILE}")), QUEUED)
    for algorithm, length in (("sha256", 64), ("sha512", 128), ("md5", 32), ("sha1", 40)):
        yield Case(f"secure hash off, given {algorithm}", (
            request("member", "POST /v2/images/{image}/locations", {"url": GOOD["url"], "validation_data": {
                "os_hash_algo": algorithm, "os_hash_value": "a" * length}}), settled()), QUEUED)
    for status in ("queued", "active", "deactivated"):
        for caller in ("member", "admin"):
            yield Case(f"delayed delete {status} {caller}", (
                request(caller, "DELETE /v2/images/{image}"), show("admin"),
                request(caller, "DELETE /v2/images/{image}"), request("admin", f"GET {FILE}")), Image(status=status))
    yield Case("no methods", (request("member", "POST /v2/images", {}), request("member", "GET /v2/info/import"),
                              start(), upload("member", b"x", what="stage")), QUEUED)
    yield from storage()


def storage():
    """The quota of a project that has nothing yet: three images, then no more."""
    def made(word, size, **more):
        body = {"disk_format": "raw", "container_format": "bare", "visibility": "private"}
        return (request("omember", "POST /v2/images", body, keep={word: "/id"}),
                request("omember", f"PUT /v2/images/{{{word}}}/file", b"x" * size, OCTETS, **more),
                request("omember", f"GET /v2/images/{{{word}}}"))
    yield Case("storage", (*made("one", 1000), *made("two", 1000), *made("three", 900), *made("four", 101),
                           *made("five", 100, chunked=True), *made("six", 1), *made("seven", 1, chunked=True),
                           *made("eight", 0), *(request("omember", f"GET /v2/images/{{one}}/file{query}")
                                                for query in ("?prefer=fast", ""))))


def rules():
    shared = Image(visibility="shared", member="pending")
    everyone = ("admin", "manager", "member", "reader", "imember", "ireader", "omember")
    for caller in everyone:
        yield Case(f"members {caller}", (
            request(caller, "GET /v2/images/{image}/members"),
            request(caller, "GET /v2/images/{image}/members/{gamma}"),
            request(caller, "PUT /v2/images/{image}/members/{gamma}", {"status": "accepted"}),
            request(caller, "POST /v2/images/{image}/members", {"member": "another"}),
            request("admin", "GET /v2/images/{image}/members"),
            request(caller, "GET /v2/images/{image}/members"),
            request(caller, "DELETE /v2/images/{image}/members/{gamma}")), shared)
        for line in ("GET /v2/tasks", "GET /v2/tasks/{new}", "GET /v2/info/stores/detail",
                     "POST /v2/images/{image}/actions/deactivate", "DELETE /v2/stores/fast/{image}",
                     f"GET {FILE}", f"GET {FILE}?prefer=fast", "GET /v2/images/{image}"):
            yield Case(f"{line} {caller}", (request(caller, line),), Image())
        yield Case(f"POST /v2/tasks {caller}", (request(caller, "POST /v2/tasks", b"{"),))
        for visibility in ("public", "community", "shared"):
            yield Case(f"to {visibility} {caller}", (patch(caller, replace("/visibility", visibility)),
                                                     request(caller, f"GET {FILE}")), Image())
        yield Case(f"rename {caller}", (patch(caller, replace("/name", "no")), patch(caller, replace("/name", "yes"))),
                   Image(status="queued", fields=(("name", "no"),)))
        for name in ("open_a", "fixed_a", "secret_a", "seen_a", "other_a", "xopen_a", "os_glancing"):
            yield Case(f"create {name} {caller}", (
                request(caller, "POST /v2/images", {"id": "{new}", name: "v"}), request(caller, "GET /v2/images/{new}"),
                request("admin", "GET /v2/images/{new}")))
    held = Image(status="queued", fields=(("fixed_a", "v"), ("open_a", "v"), ("secret_a", "v"), ("seen_a", "v")))
    for caller in ("admin", "manager", "member", "reader"):
        yield Case(f"see {caller}", (show(caller),), held)
        for name in ("open_a", "fixed_a", "secret_a", "seen_a", "other_a"):
            for operation in (add(f"/{name}", "w"), replace(f"/{name}", "w"), remove(f"/{name}")):
                yield Case(f"{operation['op']} {name} {caller}", (patch(caller, operation), show(caller),
                                                                  show("admin")), held)
    yield Case("import", (start(), settled(), tasks()), QUEUED)


def webs():
    for line in ("GET /v2/info/stores", "GET /v2/info/stores/detail"):
        yield Case(line, (request("admin", line),))
    yield Case("create", (request("member", "POST /v2/images", {}),))
    for image in (QUEUED, Image()):
        yield Case(f"add {image.status}", (patch("member", add("/locations/-", GOOD)), show(),
                                           request("member", f"GET {FILE}")), image)
    for name in ("web", "mirror"):
        yield Case(f"add to {name}", (patch("member", add("/locations/-", GOOD | {"metadata": {"store": name}})),
                                      show(), request("member", f"GET {FILE}?prefer={name}")), QUEUED)
        yield Case(f"upload to {name}", (upload("member", b"data", {"X-Image-Meta-Store": name}), show()), QUEUED)
        yield Case(f"remove from {name}", (patch("member", add("/locations/-", GOOD)), show(),
                                           request("admin", f"DELETE /v2/stores/{name}/{{image}}"), show()), Image())
    yield Case("import to all", (start({"all_stores": True}), settled()), QUEUED)
    yield Case("location", (request("member", "POST /v2/images/{image}/locations", {"url": GOOD["url"]}), settled(),
                            request("admin", "GET /v2/images/{image}/locations"),
                            request("member", f"GET {FILE}")), QUEUED)


def only_web():
    for line in ("GET /v2/info/stores", "GET /v2/info/stores/detail"):
        yield Case(line, (request("admin", line),))
    yield Case("upload", (upload("member", b"data"), show(), upload("member", b"data", {"X-Image-Meta-Store": "fast"}),
                          show()), QUEUED)
    yield Case("add", (patch("member", add("/locations/-", GOOD)), show(), request("member", f"GET {FILE}"),
                       request("member", "DELETE /v2/images/{image}")), QUEUED)
    yield Case("import", (start(), settled()), QUEUED)
    yield Case("import to fast", (start({"stores": ["fast"]}), settled()), QUEUED)
