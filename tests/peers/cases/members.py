"""Members, tags, actions: states and bad input beside the roles of the matrix."""

from cases import Case, Image, request

SHARED = Image(visibility="shared", member="pending")

BODIES = {"absent": b"", "malformed": b"{", "text": b'"x"', "array": b"[]", "null": b"null",
          "empty": {}, "member empty": {"member": ""}, "member null": {"member": None},
          "member 0": {"member": 0}, "member false": {"member": False},
          "member number": {"member": 5}, "member true": {"member": True},
          "member object": {"member": {"a": 1}}, "member array": {"member": ["a"]},
          "member 255": {"member": "x" * 255}, "member 256": {"member": "x" * 256},
          "member astral": {"member": "😀"}, "member text": {"member": "a project"},
          "member and more": {"member": "a project", "status": "accepted"},
          "owner itself": {"member": "{alpha}"}, "again": {"member": "{gamma}"}}

STATUSES = ["pending", "accepted", "rejected", "Accepted", "", None, 1, "killed", []]

TAGS = ["t", "T", "a%20b", "a+b", "%C3%A9", "%E5%9C%96", "%F0%9F%98%80", "%FF", "a%00b", "x" * 255,
        "x" * 256, "%2E%2E", "a.b", "a;b", "%25", "already", "a%3Fb", "a%23b"]


def cases():
    for name, body in BODIES.items():
        yield Case(f"members/add {name}", (
            request("member", "POST /v2/images/{image}/members", body),
            request("member", "GET /v2/images/{image}/members")), SHARED)
        yield Case(f"members/add {name} to nothing", (
            request("member", "POST /v2/images/{new}/members", body),), SHARED)
    for status in STATUSES:
        for caller in ("imember", "member", "admin", "reader", "omember"):
            yield Case(f"members/set {status!r} {caller}", (
                request(caller, "PUT /v2/images/{image}/members/{gamma}", {"status": status}),
                request("admin", "GET /v2/images/{image}/members/{gamma}")), SHARED)
    for name, body in {"absent": b"", "malformed": b"{", "empty": {}, "array": [], "text": "x",
                       "more": {"status": "accepted", "x": 1}}.items():
        yield Case(f"members/set body {name}", (
            request("imember", "PUT /v2/images/{image}/members/{gamma}", body),), SHARED)
    for caller in ("admin", "member", "imember", "omember"):
        for method, data in (("GET", None), ("PUT", {"status": "accepted"}), ("DELETE", None)):
            for who in ("{beta}", "nobody", "x" * 300):
                yield Case(f"members/absent {method} {who[:9]} {caller}", (request(
                    caller, f"{method} /v2/images/{{image}}/members/{who}", data),), SHARED)
    for member in ("pending", "accepted", "rejected"):
        start = Image(visibility="shared", member=member)
        yield Case(f"members/{member} member sees", (
            request("imember", "GET /v2/images/{image}"),
            request("imember", "GET /v2/images/{image}/file"),
            request("imember", "GET /v2/images/{image}/members"),
            request("imember", "GET /v2/images/{image}/members/{gamma}"),
            request("imember", "DELETE /v2/images/{image}/members/{gamma}")), start)
    yield Case("members/removed and added again", (
        request("imember", "PUT /v2/images/{image}/members/{gamma}", {"status": "accepted"}),
        request("member", "DELETE /v2/images/{image}/members/{gamma}"),
        request("imember", "GET /v2/images/{image}"),
        request("member", "DELETE /v2/images/{image}/members/{gamma}"),
        request("member", "POST /v2/images/{image}/members", {"member": "{gamma}"}),
        request("imember", "GET /v2/images/{image}")), SHARED)
    yield from tags()
    yield from actions()


def tags():
    start = Image(fields=(("tags", ("already",)),))
    for tag in TAGS:
        for method in ("PUT", "DELETE"):
            yield Case(f"tags/{method} {tag[:20]}{len(tag)}", (
                request("member", f"{method} /v2/images/{{image}}/tags/{tag}"),
                request("member", "GET /v2/images/{image}")), start)
    full = Image(fields=(("tags", tuple(f"t{n}" for n in range(128))),))
    yield Case("tags/at the limit", (
        request("member", "PUT /v2/images/{image}/tags/t5"),
        request("member", "PUT /v2/images/{image}/tags/new"),
        request("member", "DELETE /v2/images/{image}/tags/t5"),
        request("member", "PUT /v2/images/{image}/tags/new")), full)
    for status in ("queued", "deactivated", "uploading", "deleted"):
        yield Case(f"tags/PUT {status}", (
            request("member", "PUT /v2/images/{image}/tags/t"),
            request("member", "DELETE /v2/images/{image}/tags/t")), Image(status=status))


def actions():
    for status in ("queued", "active", "deactivated", "uploading", "deleted"):
        for action in ("deactivate", "reactivate"):
            for caller in ("member", "admin", "reader", "omember"):
                yield Case(f"actions/{action} {status} {caller}", (
                    request(caller, f"POST /v2/images/{{image}}/actions/{action}"),
                    request("member", "GET /v2/images/{image}"),
                    request("admin", "GET /v2/images/{image}")), Image(status=status))
