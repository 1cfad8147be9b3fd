"""The vocabulary of the side-by-side cases, and the list of all of them.

A case is a name, the image it needs (if any), and one or more requests, each of which is compared.
In paths, headers and bodies these words in braces are replaced:

  {image}                the image of the case
  {new}                  an id that no image has yet
  {alpha} {beta} ...     ids of projects
  {ds0} {ds1} ...        images of the listing data set
  {files}                URL of a small web server with image.raw
  {own words}            what an earlier request of the case kept of its answer
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Image:
    """An image that a case starts from; equal ones are shared by cases that do not change them.

    status: queued, active, deactivated, uploading (staged) or deleted.
    member: status of project gamma's membership, or "" for none.
    fields: further members of the create body, as a tuple of pairs.
    """

    status: str = "active"
    visibility: str = "private"
    member: str = ""
    protected: bool = False
    fields: tuple = ()
    data: bytes = b"some bytes, no format"
    stores: tuple = ()


@dataclass(frozen=True)
class Request:
    """One request. `caller` is a persona, None for nobody; `data` is sent as JSON unless bytes."""

    caller: str | None
    method: str
    path: str
    data: object = None
    headers: dict = field(default_factory=dict)
    chunked: bool = False
    # True if Glance changes the image although it refuses.
    spoils: bool = False
    # Before comparing, wait until {image} has one of these states (asynchronous work).
    settle: tuple = ()
    # Ask again until the member `status` of the answer is one of these.
    until: tuple = ()
    # Words that the rest of the case may use: {word: JSON pointer into the answer}.
    keep: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    name: str
    steps: tuple
    image: Image | None = None
    listing: bool = False
    # The configuration of the services, one of image_service.SETUPS.
    setup: str = ""


PATCH_V21 = "application/openstack-images-v2.1-json-patch"
PATCH_V20 = "application/openstack-images-v2.0-json-patch"
OCTETS = {"Content-Type": "application/octet-stream"}


def request(caller, line, data=None, headers=None, **more):
    """request("member", "GET /v2/images/{image}")"""
    method, _, path = line.partition(" ")
    assert method.isalpha() and path.startswith("/"), line
    return Request(caller, method, path, data, headers or {}, **more)


def patch(caller, *operations, media_type=PATCH_V21, **more):
    return request(caller, "PATCH /v2/images/{image}", list(operations),
                   {"Content-Type": media_type}, **more)


def add(path, value):
    return {"op": "add", "path": path, "value": value}


def replace(path, value):
    return {"op": "replace", "path": path, "value": value}


def remove(path):
    return {"op": "remove", "path": path}


def show(caller="member"):
    return request(caller, "GET /v2/images/{image}")


def everything():
    """All cases, in the order in which they run."""
    from cases import (cache, data, http, images, imports, listing, locations, members, metadefs,
                       metadefs_edges, patching, rbac, schemas, setups, tasks)
    found = []
    for module in (http, schemas, images, listing, patching, data, locations, members, imports, tasks,
                   metadefs, metadefs_edges, rbac, cache, setups):
        found.extend(module.cases())
    names = [case.name for case in found]
    twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()
    assert not twice, f"two cases have one name: {sorted(twice)}"
    return found
