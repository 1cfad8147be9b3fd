"""Every role on every call in every visibility: the role matrix."""

import dataclasses

from cases import OCTETS, Case, Image, add, patch, remove, replace, request
from personas import CALLERS

VISIBILITIES = ("private", "shared", "community", "public")
OLD = [{"url": "{files}/image.raw", "metadata": {}}]

# Name: (what the image of project alpha is like, the request of one caller).
OPERATIONS = {
    "image.show": ({}, lambda c: request(c, "GET /v2/images/{image}")),
    "image.patch.name": ({}, lambda c: patch(c, replace("/name", "other"))),
    "image.patch.addprop": ({}, lambda c: patch(c, add("/colour", "red"))),
    "image.patch.empty": ({}, lambda c: patch(c)),
    "image.patch.vis=public": ({}, lambda c: patch(c, replace("/visibility", "public"))),
    "image.patch.vis=community": ({}, lambda c: patch(c, replace("/visibility", "community"))),
    "image.patch.vis=shared": ({}, lambda c: patch(c, replace("/visibility", "shared"))),
    "image.patch.vis=private": ({}, lambda c: patch(c, replace("/visibility", "private"))),
    "image.patch.owner": ({}, lambda c: patch(c, replace("/owner", "{beta}"))),
    "image.patch.addowner": ({}, lambda c: dataclasses.replace(
        patch(c, add("/owner", "{beta}")), spoils=True)),
    "image.patch.protected": ({}, lambda c: patch(c, replace("/protected", False))),
    "image.patch.hidden": ({}, lambda c: patch(c, replace("/os_hidden", True))),
    "image.patch.tags": ({}, lambda c: patch(c, replace("/tags", ["a", "b"]))),
    "image.patch.loc.add": ({}, lambda c: patch(c, add("/locations/-", OLD[0]))),
    "image.patch.loc.replace": ({}, lambda c: patch(c, replace("/locations", OLD))),
    "image.patch.loc.remove": ({}, lambda c: patch(c, remove("/locations/0"))),
    "image.delete": ({}, lambda c: request(c, "DELETE /v2/images/{image}")),
    "image.delete(protected)": ({"protected": True},
                                lambda c: request(c, "DELETE /v2/images/{image}")),
    "image.download": ({}, lambda c: request(c, "GET /v2/images/{image}/file")),
    "image.upload": ({"status": "queued"}, lambda c: request(
        c, "PUT /v2/images/{image}/file", b"data", OCTETS)),
    "image.upload(active)": ({}, lambda c: request(
        c, "PUT /v2/images/{image}/file", b"data", OCTETS)),
    "image.stage": ({"status": "queued"}, lambda c: request(
        c, "PUT /v2/images/{image}/stage", b"data", OCTETS)),
    "image.import.direct": ({"status": "uploading"}, lambda c: request(
        c, "POST /v2/images/{image}/import", {"method": {"name": "glance-direct"}})),
    "image.import.copy": ({}, lambda c: request(
        c, "POST /v2/images/{image}/import",
        {"method": {"name": "copy-image"}, "stores": ["cheap"]})),
    "image.deactivate": ({}, lambda c: request(c, "POST /v2/images/{image}/actions/deactivate")),
    "image.reactivate": ({}, lambda c: request(c, "POST /v2/images/{image}/actions/reactivate")),
    "image.tag.put": ({}, lambda c: request(c, "PUT /v2/images/{image}/tags/t")),
    "image.tag.delete(absent)": ({}, lambda c: request(c, "DELETE /v2/images/{image}/tags/t")),
    "image.tag.delete": ({"fields": (("tags", ("t",)),)},
                         lambda c: request(c, "DELETE /v2/images/{image}/tags/t")),
    "image.tasks": ({}, lambda c: request(c, "GET /v2/images/{image}/tasks")),
    "image.show(deactivated)": ({"status": "deactivated"},
                                lambda c: request(c, "GET /v2/images/{image}")),
    "image.download(deactivated)": ({"status": "deactivated"},
                                    lambda c: request(c, "GET /v2/images/{image}/file")),
    "image.reactivate(deactivated)": ({"status": "deactivated"}, lambda c: request(
        c, "POST /v2/images/{image}/actions/reactivate")),
    "image.delete(deactivated)": ({"status": "deactivated"},
                                  lambda c: request(c, "DELETE /v2/images/{image}")),
    "image.patch(deactivated)": ({"status": "deactivated"},
                                 lambda c: patch(c, replace("/name", "other"))),
    "members.list": ({}, lambda c: request(c, "GET /v2/images/{image}/members")),
    "members.add": ({}, lambda c: request(c, "POST /v2/images/{image}/members",
                                          {"member": "{beta}"})),
    "members.show": ({}, lambda c: request(c, "GET /v2/images/{image}/members/{gamma}")),
    "members.update": ({}, lambda c: request(c, "PUT /v2/images/{image}/members/{gamma}",
                                             {"status": "rejected"})),
    "members.delete": ({}, lambda c: request(c, "DELETE /v2/images/{image}/members/{gamma}")),
    "locations.get": ({}, lambda c: request(c, "GET /v2/images/{image}/locations")),
    "locations.post": ({"status": "queued"}, lambda c: request(
        c, "POST /v2/images/{image}/locations", {"url": "{files}/image.raw"})),
    "store.delete(1 copy)": ({}, lambda c: request(c, "DELETE /v2/stores/fast/{image}")),
    "store.delete(2 copies)": ({"stores": ("cheap",)},
                               lambda c: request(c, "DELETE /v2/stores/cheap/{image}")),
    "cache.queue": ({}, lambda c: request(c, "PUT /v2/cache/{image}")),
    "cache.delete": ({}, lambda c: request(c, "DELETE /v2/cache/{image}")),
    "show.unknown": ({}, lambda c: request(c, "GET /v2/images/{new}")),
    "show.deleted": ({"status": "deleted"}, lambda c: request(c, "GET /v2/images/{image}")),
}

# Calls that need no image: name, request.
PLAIN = {
    "tasks.list": lambda c: request(c, "GET /v2/tasks?owner=nobody"),
    "tasks.show": lambda c: request(c, "GET /v2/tasks/{new}"),
    "tasks.delete": lambda c: request(c, "DELETE /v2/tasks/{new}"),
    "info.import": lambda c: request(c, "GET /v2/info/import"),
    "info.stores": lambda c: request(c, "GET /v2/info/stores"),
    "info.stores.detail": lambda c: request(c, "GET /v2/info/stores/detail"),
    "info.usage": lambda c: request(c, "GET /v2/info/usage"),
    "cache.list": lambda c: request(c, "GET /v2/cache"),
    "cache.clear": lambda c: request(c, "DELETE /v2/cache"),
    "cache.clean": lambda c: request(c, "POST /v2/cache/clean"),
    "cache.prune": lambda c: request(c, "POST /v2/cache/prune"),
    "v1cache.list": lambda c: request(c, "GET /v2/cached_images"),
    "v1queue.list": lambda c: request(c, "GET /v2/queued_images"),
    "schemas.image": lambda c: request(c, "GET /v2/schemas/image"),
    "image.list": lambda c: request(c, "GET /v2/images?name=nobody-has-this"),
}

OWNERS = {"": {}, "(owner=A)": {"owner": "{alpha}"}, "(owner=stranger)": {"owner": "strangers"},
          "(owner=null)": {"owner": None}, "(owner=empty)": {"owner": ""}}


def cases():
    everyone = [*CALLERS, None]
    for operation, (image, step) in OPERATIONS.items():
        for visibility in VISIBILITIES:
            member = "accepted" if visibility == "shared" else ""
            start = Image(**({"visibility": visibility, "member": member} | image))
            if start.status == "deleted":
                start = Image(visibility=visibility, status="deleted")
            for caller in everyone:
                yield Case(f"rbac/{operation}/{visibility}/{caller or 'anonymous'}",
                           (step(caller),), start)
    for operation, step in PLAIN.items():
        for caller in everyone:
            yield Case(f"rbac/{operation}/{caller or 'anonymous'}", (step(caller),))
    for label, owner in OWNERS.items():
        for visibility in (*VISIBILITIES, "default"):
            chosen = {} if visibility == "default" else {"visibility": visibility}
            for caller in everyone:
                yield Case(f"rbac/image.create{label}/{visibility}/{caller or 'anonymous'}", (
                    request(caller, "POST /v2/images", {"id": "{new}"} | chosen | owner),))
    # What a service token changes.
    with_service = {"X-Service-Token": "{service_token}"}
    for caller in ("member", "reader", "omember"):
        for name, line, data in (
                ("show", "GET /v2/images/{image}", None),
                ("download", "GET /v2/images/{image}/file", None),
                ("locations.get", "GET /v2/images/{image}/locations", None)):
            yield Case(f"rbac/with-service-token/{name}/{caller}",
                       (request(caller, line, data, with_service),), Image())
        yield Case(f"rbac/with-service-token/locations.post/{caller}", (
            request(caller, "POST /v2/images/{image}/locations", {"url": "{files}/image.raw"},
                    with_service),), Image(status="queued"))
