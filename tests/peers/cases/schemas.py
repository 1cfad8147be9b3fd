"""Schemas, as every kind of caller sees them."""

from cases import Case, request

NAMES = ["image", "images", "member", "members", "task", "tasks"] + [
    f"metadefs/{name}" for name in (
        "namespace", "namespaces", "object", "objects", "property", "properties",
        "resource_type", "resource_types", "tag", "tags")]


def cases():
    for name in NAMES:
        for caller in ("admin", "norole", None):
            yield Case(f"schemas/{name} {caller}", (request(caller, f"GET /v2/schemas/{name}"),))
