"""Bad requests, each with the refusal that it has to get."""

import uuid

from harness.tokens import DOMAIN

from ..client import PATCH
from .table import operation

NONE = str(uuid.UUID(int=1, version=4))
ONE = "/v2/images/{id}"
# (method, route, names, query, body, headers, status)
BAD = [
    ("GET", ONE, (NONE,), "", None, {}, 404),
    ("GET", "/v2/images/{id}/file", (NONE,), "", None, {}, 404),
    ("DELETE", ONE, (NONE,), "", None, {}, 404),
    ("PUT", "/v2/images/{id}/file", (NONE,), "", b"data", {}, 404),
    ("PUT", "/v2/images/{id}/file", (NONE,), "", b"data", {"Content-Type": "text/plain"}, 415),
    ("POST", "/v2/images", (), "", {"disk_format": "none-such"}, {}, 400),
    ("POST", "/v2/images", (), "", b"{", {"Content-Type": "application/json"}, 400),
    ("POST", "/v2/images", (), "", {"status": "active"}, {}, 403),
    ("PATCH", ONE, (NONE,), "", b"[]", {"Content-Type": "application/json"}, 415),
    ("PATCH", ONE, (NONE,), "", b'[{"op":"replace","path":"/name","value":"x"}]', {"Content-Type": PATCH}, 404),
    ("GET", "/v2/images", (), "?limit=-1", None, {}, 400),
    ("GET", "/v2/images", (), "?sort_key=none-such", None, {}, 400),
    ("GET", "/v2/images", (), f"?marker={NONE}", None, {}, 400),
    ("BREW", "/v2/images", (), "", None, {}, 405),
    ("PUT", "/v2/images", (), "", None, {}, 405),
    ("GET", "/v2/metadefs/namespaces/{ns}", ("none-such",), "", None, {}, 404),
    ("POST", "/v2/images/{id}/import", (NONE,), "", {"method": {"name": "glance-direct"}}, {}, 404),
    ("GET", "/ext/v1/events", (), "?colour=red", None, {}, 400),
    ("GET", "/ext/v1/bundles/{id}", (NONE,), "", None, {}, 404),
    ("GET", "/ext/v1/jobs/{id}", (NONE,), "", None, {}, 404),
    ("POST", "/ext/v1/trash/{id}/restore", (NONE,), "", None, {}, 404),
    ("GET", "/ext/v1/usage/report", (), "?from=yesterday&to=2030-01-01", None, {}, 400),
    ("GET", "/ext/v1/families/{owner}/{name}", ("nobody", "none-such"), "", None, {}, 404),
    ("GET", "/ext/v1/images/by-slug/{slug}", ("none-such",), "", None, {}, 404),
]
# What a stranger may not.
LOCKED = ["/v2/images", "/v2/info/stores", "/v2/tasks", "/ext/v1/images", "/ext/v1/jobs", "/v2/metadefs/namespaces"]


@operation(4)
def bad_request(client):
    method, route, names, query, body, headers, status = client.random.choice(BAD)
    client.ask(method, route, *names, query=query, body=body, headers=headers, expect=status)


@operation(1)
def without_a_token(client):
    client.ask("GET", client.random.choice(LOCKED), user=False, expect=401)


@operation(0.5)
def with_a_wrong_password(client):
    """Of a user that nobody is, and another one each time: whoever fails too often is locked out for a while."""
    login = client.user.login()
    login["auth"]["identity"]["password"]["user"] = {"name": client.word(), "password": "x", "domain": DOMAIN}
    client.ask("POST", "/identity/v3/auth/tokens", user=False, expect=401, body=login)
