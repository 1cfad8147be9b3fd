"""What there is to ask, by the document of the API."""

import re

from harness.places import ROOT

DOCUMENT = ROOT / "api-ref"
PATH, METHOD = re.compile(r"^  (/[^:]*):"), re.compile(r"^    (get|head|post|put|patch|delete):")
# The identity service is asked for what clients of images ask it.
IDENTITY, OF_IDENTITY = "/identity", {("/identity/v3/auth/tokens", "GET"), ("/identity/v3/auth/tokens", "POST"),
                                      ("/identity/v3/projects", "GET")}
# What needs more than a soak has: services of others, configurations, objects that somebody lost.
LEFT_OUT = {
    ("/v2/images/{id}/hash", "POST"): "every image here has its hashes",
    ("/v2/images/{id}/locations", "POST"): "for what is in a store before its image",
    ("/v2/tasks/{id}", "DELETE"): "always refused",
    **{(f"/v2/{kind}_images{rest}", method): "these come with a flavor that asks a Keystone"
       for kind in ("cached", "queued") for rest in ("", "/{id}") for method in ("GET", "PUT", "DELETE")},
    ("/ext/v1/stores/{store}/objects/adopt", "POST"): "nothing is there that nobody has",
    ("/ext/v1/stores/{store}/quarantine/{id}/restore", "POST"): "as above",
    ("/ext/v1/stores/{store}/quarantine/{id}/purge", "POST"): "as above",
    **{(f"/ext/v1/{route}", method): "tests/endtoend/test_uploads.py kills and cuts these"
       for route, methods in {"images/{id}/uploads": "GET POST", "uploads/{id}": "GET HEAD PATCH DELETE",
                              "uploads/{id}/parts/{number}": "PUT", "uploads/{id}/complete": "POST"}.items()
       for method in methods.split()},
    ("/ext/v1/rescue-image", "GET"): "no family here has the name that it takes, so that it is asked for and not there",
    ("/ext/v1/jobs/{id}/retry", "POST"): "whether a job fails that can be retried is left to chance",
    ("/ext/v1/jobs/{id}/cancel", "POST"): "whether one waits is as well",
}
# As the figures of the server spell it. What is answered before any route is looked for has none.
NO_ROUTE = {"/", "/versions"}
SPELT = dict.fromkeys(NO_ROUTE, "none") | {
    "/v2/schemas/{name}": "/v2/schemas/{name:image|images|member|members|task|tasks}"}


def label(route):
    """The route as figures have it."""
    return SPELT.get(route, route)


def wanted():
    """{(route, method)} that a long run asks for."""
    found = set()
    for part in sorted(DOCUMENT.glob("*.yaml")):
        path = None
        for line in part.read_text().splitlines():
            if match := PATH.match(line):
                path = match[1].strip('"')
            elif path and (match := METHOD.match(line)):
                found.add((label(path), match[1].upper()))
    found = {one for one in found if not one[0].startswith(IDENTITY) or one in OF_IDENTITY}
    return found - LEFT_OUT.keys()
