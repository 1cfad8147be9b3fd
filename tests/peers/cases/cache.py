"""The image cache: states, bad input, headers, the calls of earlier releases, downloads again and again."""

from cases import Case, Image, request

BODIES = {"empty object": {}, "malformed": b"{", "text": "x", "empty": b""}
TARGETS = ["", "cache", "queue", "CACHE", "Queue", "both", "x", "cache,queue", "cache queue"]
STRANGE = ["not-an-id", "a" * 37, "%00", "%2E%2E", "%C3%A9", "clean", "prune", "nodes"]
LINES = ["GET /v2/cache", "DELETE /v2/cache", "POST /v2/cache/clean", "POST /v2/cache/prune",
         "PUT /v2/cache/{image}", "DELETE /v2/cache/{image}", "GET /v2/cache/nodes/{image}"]


def cases():
    for status in ("queued", "active", "deactivated", "uploading", "deleted"):
        for method in ("PUT", "DELETE"):
            yield Case(f"cache/{method} {status}", (
                request("admin", f"{method} /v2/cache/{{image}}"),
                request("admin", f"{method} /v2/cache/{{image}}")), Image(status=status))
        yield Case(f"cache/nodes {status}", (
            request("admin", "GET /v2/cache/nodes/{image}"),), Image(status=status))
    for caller in ("admin", "member", "reader", "omember", None):
        for method in ("PUT", "DELETE"):
            yield Case(f"cache/{method} unknown {caller}", (
                request(caller, f"{method} /v2/cache/{{new}}"),))
        yield Case(f"cache/nodes unknown {caller}", (request(caller, "GET /v2/cache/nodes/{new}"),))
    for name in STRANGE:
        for method in ("PUT", "DELETE", "GET"):
            yield Case(f"cache/{method} strange {name}", (request("admin", f"{method} /v2/cache/{name}"),))
    for target in TARGETS:
        for caller in ("admin", "member"):
            yield Case(f"cache/clear {target or 'empty'} {caller}", (request(
                caller, "DELETE /v2/cache", None, {"X-Image-Cache-Clear-Target": target}),))
    for line in LINES:
        for name, body in BODIES.items():
            yield Case(f"cache/body {name} on {line}", (request("admin", line, body),), Image())
    yield from old()
    yield from downloads()


def old():
    """The calls that come with the flavour alone."""
    for method in ("GET", "PUT", "DELETE", "POST", "PATCH", "HEAD"):
        for path in ("cached_images", "queued_images", "cached_images/{image}", "queued_images/{image}"):
            for caller in ("admin", "member"):
                yield Case(f"cache/old {method} {path} {caller}", (
                    request(caller, f"{method} /v2/{path}"),), Image())
    for method in ("PUT", "DELETE"):
        yield Case(f"cache/old {method} unknown", (request("admin", f"{method} /v2/queued_images/{{new}}"),))
    yield Case("cache/old delete unknown", (request("admin", "DELETE /v2/cached_images/{new}"),))


def downloads():
    """The first one fills the cache, the others read from it, or the store, as may be."""
    for visibility in ("private", "shared", "public"):
        member = "accepted" if visibility == "shared" else ""
        start = Image(visibility=visibility, member=member)
        for caller in ("admin", "member", "reader", "omember", "imember", "norole", None):
            again = request(caller, "GET /v2/images/{image}/file")
            yield Case(f"cache/download {visibility} {caller}", (
                request("member", "GET /v2/images/{image}/file"), again, again,
                request(caller, "GET /v2/images/{image}/file", None, {"Range": "bytes=1-3"}),
                request(caller, "GET /v2/images/{image}/file", None, {"Range": "bytes=900-"})), start)
    yield Case("cache/download, deactivate, download", (
        request("member", "GET /v2/images/{image}/file"),
        request("admin", "POST /v2/images/{image}/actions/deactivate"),
        request("member", "GET /v2/images/{image}/file"),
        request("admin", "GET /v2/images/{image}/file"),
        request("admin", "POST /v2/images/{image}/actions/reactivate"),
        request("member", "GET /v2/images/{image}/file")), Image())
    yield Case("cache/download, delete, download", (
        request("member", "GET /v2/images/{image}/file"),
        request("member", "DELETE /v2/images/{image}"),
        request("member", "GET /v2/images/{image}/file"),
        request("admin", "DELETE /v2/cache/{image}")), Image())
