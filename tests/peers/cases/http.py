"""Versions, routing, methods, error bodies, request ids, CORS, health."""

from cases import OCTETS, Case, Image, request

VERSION_PATHS = [
    "/", "/versions", "/versions/", "/versions/x", "/v1", "/v1/images", "/v3", "/foo", "/v2.99",
    "/v2.99/images", "/V2/images", "//v2/images?limit=0", "/v2//images?limit=0", "/v2", "/v2/",
    "/v2x", "/v2.19/images", "/V2.1",
] + [f"/v2.{minor}/images?limit=0" for minor in range(20)]

ACCEPTS = ["", "*/*", "text/*", "text/html", "text/plain", "application/json", "application/*",
           "application/json, */*", "application/json;q=0.9, text/html;q=0.5",
           "application/json;q=0.5, text/html;q=0.9", "application/xml",
           "application/json; charset=utf-8", "nonsense"]

# Path and the methods it has; every other method is tried.
ROUTES = {
    "/v2/schemas/image": "GET", "/v2/schemas/images": "GET", "/v2/schemas/member": "GET",
    "/v2/schemas/members": "GET", "/v2/schemas/task": "GET", "/v2/schemas/tasks": "GET",
    "/v2/schemas/metadefs/namespace": "GET", "/v2/images": "GET POST",
    "/v2/images/{image}": "GET PATCH DELETE", "/v2/images/{image}/tasks": "GET",
    "/v2/images/{image}/import": "POST", "/v2/stores/fast/{image}": "DELETE",
    "/v2/images/{image}/actions/deactivate": "POST",
    "/v2/images/{image}/actions/reactivate": "POST",
    "/v2/images/{image}/file": "GET PUT", "/v2/images/{image}/stage": "PUT",
    "/v2/images/{image}/locations": "POST GET", "/v2/images/{image}/tags/t": "PUT DELETE",
    "/v2/images/{image}/members": "GET POST",
    "/v2/images/{image}/members/{gamma}": "GET PUT DELETE", "/v2/tasks": "GET POST",
    "/v2/tasks/{new}": "GET DELETE", "/v2/info/import": "GET", "/v2/info/stores": "GET",
    "/v2/info/stores/detail": "GET", "/v2/info/usage": "GET", "/v2/cache": "GET DELETE",
    "/v2/cache/{image}": "DELETE PUT", "/v2/cache/clean": "POST", "/v2/cache/prune": "POST",
    "/v2/metadefs/resource_types": "GET", "/v2/metadefs/namespaces": "GET POST",
    "/v2/metadefs/namespaces/n": "GET PUT DELETE",
    "/v2/metadefs/namespaces/n/resource_types": "GET POST",
    "/v2/metadefs/namespaces/n/resource_types/r": "DELETE",
    "/v2/metadefs/namespaces/n/properties": "GET POST DELETE",
    "/v2/metadefs/namespaces/n/properties/p": "GET PUT DELETE",
    "/v2/metadefs/namespaces/n/objects": "GET POST DELETE",
    "/v2/metadefs/namespaces/n/objects/o": "GET PUT DELETE",
    "/v2/metadefs/namespaces/n/tags": "GET POST DELETE",
    "/v2/metadefs/namespaces/n/tags/t": "GET POST PUT DELETE",
}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

UNKNOWN = ["/v2/nothing", "/v2/images/", "/v2/images/{image}/", "/v2/images/{image}/nothing",
           "/v2/images/{image}/actions", "/v2/images/{image}/actions/explode",
           "/v2/images/{image}/tags", "/v2/images/{image}/tags/", "/v2/images/{image}/tags/a%2Fb",
           "/v2/images/{image}%2Ffile", "/v2/images/..", "/v2/images/{image}/../{image}",
           "/v2/images/%00", "/v2/images/" + "a" * 37, "/v2/images/not-an-id", "/v2/schemas",
           "/v2/schemas/nothing", "/v2/schemas/metadefs", "/v2/info", "/v2/stores/fast",
           "/v2/stores/none/{image}", "/v2/shared-images/x", "/v2/members"]

NO_BODY = ["GET /v2/images/{image}", "DELETE /v2/images/{image}", "GET /v2/images/{image}/file",
           "GET /v2/images/{image}/tasks", "POST /v2/images/{image}/actions/deactivate",
           "PUT /v2/images/{image}/tags/t", "DELETE /v2/images/{image}/tags/t",
           "GET /v2/images/{image}/members", "GET /v2/images/{image}/members/{gamma}",
           "DELETE /v2/images/{image}/members/{gamma}", "DELETE /v2/stores/fast/{image}",
           "GET /v2/info/import", "GET /v2/info/stores", "GET /v2/info/stores/detail",
           "GET /v2/info/usage", "GET /v2/schemas/image", "GET /v2/schemas/task",
           "GET /v2/images?limit=0", "GET /v2/images/{image}/locations"]

ORIGIN = {"Origin": "http://dashboard.example"}


def cases():
    start = Image(visibility="shared", member="accepted")
    for path in VERSION_PATHS:
        for caller in ("member", None):
            yield Case(f"http/version GET {path} {caller}", (request(caller, f"GET {path}"),))
    for line in ("HEAD /", "HEAD /versions", "POST /", "DELETE /versions", "PUT /v9/x"):
        yield Case(f"http/version {line}", (request(None, line),))
    for path, version in (("/images?limit=0", "v2.3"), ("/images?limit=0", "v9"),
                          ("/v2/images", "v2"), ("/images?limit=0", "v2.18"), ("/", "v2")):
        yield Case(f"http/version {path} by Accept {version}", (request(
            "member", f"GET {path}", None,
            {"Accept": f"application/vnd.openstack.images-{version}"}),))
    for accept in ACCEPTS:
        headers = {"Accept": accept} if accept else {}
        for name, line, caller in (("404", "GET /v2/images/{new}", "member"),
                                   ("401", "GET /v2/images/{new}", None),
                                   ("403", "DELETE /v2/images/{image}", "reader"),
                                   ("405", "PUT /v2/images", "member"),
                                   ("400", "GET /v2/images?limit=x", "member")):
            yield Case(f"http/error {name} as {accept or 'absent'}",
                       (request(caller, line, None, headers),), start)
        yield Case(f"http/success as {accept or 'absent'}",
                   (request("member", "GET /v2/images/{image}", None, headers),), start)
    for path, allowed in ROUTES.items():
        for method in METHODS:
            if method not in allowed.split():
                yield Case(f"http/method {method} {path}",
                           (request("admin", f"{method} {path}"),), start)
    for path in UNKNOWN:
        for method in ("GET", "PUT"):
            yield Case(f"http/unknown {method} {path[:60]}",
                       (request("member", f"{method} {path}"),), start)
        yield Case(f"http/unknown {path[:60]} without a token", (request(None, f"GET {path}"),),
                   start)
    yield Case("http/unknown BREW /v2/nothing", (request("member", "BREW /v2/nothing"),))
    yield Case("http/unknown BREW /v2/images", (request("member", "BREW /v2/images"),))
    for line in NO_BODY:
        yield Case(f"http/body on {line}", (request("member", line, b"x"),), start)
        yield Case(f"http/empty body on {line}",
                   (request("member", line, b"", {"Content-Length": "0"} | OCTETS),), start)
    yield from request_ids(start)
    yield from tokens(start)
    yield from cors(start)
    for method in ("GET", "HEAD", "POST", "DELETE"):
        for accept in ("", "application/json", "text/html", "text/plain", "image/png"):
            yield Case(f"http/health {method} {accept or 'any'}", (request(
                None, f"{method} /healthcheck", None, {"Accept": accept} if accept else {}),))


def request_ids(start):
    for name, value in (("plain", "abc"), ("prefixed", "req-abc"), ("empty", ""),
                        ("64 long", "a" * 64), ("65 long", "a" * 65)):
        yield Case(f"http/request id {name}", (request(
            "member", "GET /v2/images/{image}", None, {"X-Openstack-Request-Id": value}),), start)


def tokens(start):
    for name, headers in (
            ("nonsense", {"X-Auth-Token": "nonsense"}),
            ("empty", {"X-Auth-Token": ""}),
            ("long", {"X-Auth-Token": "a" * 5000}),
            ("storage", {"X-Storage-Token": "{member_token}"}),
            ("storage beside an empty one", {"X-Storage-Token": "{member_token}",
                                             "X-Auth-Token": ""}),
            ("blanks around", {"X-Auth-Token": "  {member_token} "}),
            ("bad service token", {"X-Auth-Token": "{member_token}",
                                   "X-Service-Token": "nonsense"}),
            ("service token without role", {"X-Auth-Token": "{member_token}",
                                            "X-Service-Token": "{reader_token}"}),
            ("good service token", {"X-Auth-Token": "{member_token}",
                                    "X-Service-Token": "{service_token}"}),
            ("forged identity", {"X-Auth-Token": "nonsense", "X-Identity-Status": "Confirmed",
                                 "X-Roles": "admin", "X-Project-Id": "{alpha}",
                                 "X-User-Id": "u"}),
            ("forged roles", {"X-Auth-Token": "{oreader_token}", "X-Roles": "admin",
                              "X-Project-Id": "{alpha}"})):
        for line in ("GET /v2/images/{image}", "DELETE /v2/images/{image}"):
            yield Case(f"http/token {name} {line[:6].strip()}",
                       (request(None, line, None, headers),), start)


def cors(start):
    asks = ORIGIN | {"Access-Control-Request-Method": "PUT",
                     "Access-Control-Request-Headers": "content-type,x-auth-token"}
    yield Case("http/cors preflight", (request(None, "OPTIONS /v2/images/{image}/file", None,
                                               asks),), start)
    yield Case("http/cors simple", (request("member", "GET /v2/images/{image}", None, ORIGIN),),
               start)
    for path in ("/", "/v2/images", "/v2/nothing", "/nothing", "/healthcheck"):
        yield Case(f"http/options {path}", (request(None, f"OPTIONS {path}"),), start)
