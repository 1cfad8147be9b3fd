"""Metadata definitions: what bodies, lists, prefixes and roles get.

Every case makes a namespace of its own, named by {new}, and deletes it at its end; but for the
last ones, which read the catalogue that both services loaded from the same files.
"""

import json
import pathlib

from cases import Case, request
from personas import CALLERS

SCHEMA = pathlib.Path(__file__).resolve().parent.parent.parent.parent / "schema"
NS = "/v2/metadefs/namespaces"
OWN = f"{NS}/md-{{new}}"
LONG = "x" * 81
ASTRAL = "\U0001f600"
LEAST = {"type": "string", "title": "t"}
FULL = {
    "display_name": "D", "description": "d", "visibility": "public", "owner": "{alpha}",
    "resource_type_associations": [
        {"name": "T::{new}", "prefix": "a_", "properties_target": "image"}, {"name": "U::{new}"}],
    "properties": {"z": LEAST, "p": {
        "additionalItems": True, "maxItems": 3, "minItems": 1.0, "uniqueItems": False,
        "items": {"type": "string", "enum": ["a"]}, "confidential": True, "maxLength": 9,
        "minLength": 1, "pattern": "[", "enum": ["a"], "maximum": 5.9, "minimum": -1.5,
        "readonly": False, "default": 8, "operators": ["<in>"], "description": "d", "title": "T",
        "type": "integer"}},
    "objects": [{"name": "o2", "required": ["q"], "description": "x",
                 "properties": {"q": {"type": "boolean", "title": "q", "default": True}}},
                {"name": "o1"}],
    "tags": [{"name": "t2"}, {"name": "t1"}],
}

PROPERTIES = [
    {"foo": 1}, {"type": None}, {"type": "foo"}, {"title": None}, {"title": ""}, {"enum": []},
    {"enum": [1]}, {"enum": [ASTRAL]}, {"required": []}, {"required": ["a"]}, {"default": None},
    {"default": [1]}, {"default": {"a": 1}}, {"default": 1.0}, {"default": 0.1}, {"default": 1e20},
    {"default": 1.5e-7}, {"default": False}, {"default": ""}, {"default": "é"},
    {"default": ASTRAL}, {"minimum": 1.5}, {"minimum": True}, {"minimum": -5}, {"minLength": 2.0},
    {"minLength": -1}, {"operators": []}, {"operators": [1]}, {"items": {}}, {"items": None},
    {"items": {"type": "string"}}, {"items": {"type": None}}, {"items": {"enum": ["a"]}},
    {"items": {"type": "string", "x": 1}}, {"readonly": None}, {"pattern": "["},
    {"description": ASTRAL}, {"pattern": ASTRAL}, {"title": ASTRAL}, {"confidential": True},
    {"name": "zz"}, {"name": LONG}, {"name": ASTRAL}, {"created_at": "x"}, {"self": "x"},
    {"minimum": 2 ** 70}, {"maxLength": 2 ** 70}, {"default": 2 ** 70},
]
NAMESPACES = [
    {"namespace": None}, {"namespace": 5}, {"namespace": LONG}, {"display_name": LONG},
    {"description": "x" * 501}, {"visibility": "shared"}, {"visibility": None},
    {"protected": "true"}, {"owner": None}, {"owner": "x" * 256}, {"owner": ASTRAL}, {"foo": 1},
    {"self": "x"}, {"schema": "x"}, {"created_at": "x"}, {"updated_at": None},
    {"description": ASTRAL}, {"description": ""}, {"tags": None}, {"tags": ["a"]}, {"tags": [{}]},
    {"tags": [{"name": "a", "foo": 1}]}, {"tags": [{"name": "a"}, {"name": "a"}]}, {"tags": []},
    {"tags": [{"name": ASTRAL}]}, {"objects": [{}]}, {"objects": [{"name": "a", "foo": 1}]},
    {"objects": [{"name": "a"}, {"name": "a"}]}, {"objects": [{"name": "a", "self": "x"}]},
    {"objects": []}, {"objects": [{"name": "a", "required": []}]}, {"properties": {}},
    {"resource_type_associations": [{}]}, {"resource_type_associations": []},
    {"resource_type_associations": [{"name": "a", "foo": 1}]},
    {"resource_type_associations": [{"name": "a", "prefix": None}]},
    {"resource_type_associations": [{"name": "a"}, {"name": "a"}]},
]
OBJECTS = [
    {}, {"name": None}, {"name": LONG}, {"name": ASTRAL}, {"foo": 1}, {"self": "x"},
    {"schema": "x"}, {"created_at": "x"}, {"required": ["a", "a"]}, {"required": "a"},
    {"required": [1]}, {"required": []}, {"description": None}, {"description": "x" * 600},
    {"properties": []}, {"properties": {}}, {"properties": {"p": None}}, {"properties": {"p": {}}},
    {"name": "o1"},
]
TAGS = [{}, {"name": "t2"}, {"name": LONG}, {"name": None}, {"name": ASTRAL}, {"name": "t1"},
        {"name": "new"}, {"name": "t1", "created_at": "x"}, {"name": "t1", "foo": 1}]
BULK = [{}, [], {"tags": []}, {"tags": [{}]}, {"tags": ["a"]}, {"tags": {}}, {"tags": None},
        {"tags": [{"name": "a"}, {"name": "a"}]}, {"tags": [{"name": ASTRAL}]},
        {"tags": [{"name": "a", "foo": 1}]}, {"foo": 1, "tags": []}, {"created_at": 1, "tags": []},
        {"tags": [{"name": "b"}, {"name": "a"}]}, {"tags": [{"name": "t1"}]}]
ASSOCIATIONS = [{}, {"name": LONG}, {"prefix": LONG}, {"properties_target": LONG}, {"foo": 1},
                {"prefix": None}, {"prefix": ""}, {"created_at": "x"}, {"name": "T::{new}"},
                {"prefix": ASTRAL}]
RAW = [b"", b"[]", b"5", b"null", b"{", b'"x"', b"\xff"]
APPEND = ["true", "TRUE", "1", "t", "y", "yes", "on", "false", "0", "", "foo"]

NAMESPACE_QUERIES = [
    "limit=0", "limit=1", "limit=-1", "limit=a", "limit=", "limit=%2B1", "limit=1&limit=2",
    "limit=5000", "marker=none-{new}", "marker=", "sort_key=namespace&sort_dir=asc",
    "sort_key=foo", "sort_key=", "sort_dir=x", "sort_dir=", "visibility=public",
    "visibility=private", "visibility=shared", "visibility=", "foo=a%20b", "marker=md-{new}-1",
    "marker=md-{new}-1&sort_key=namespace&sort_dir=asc", "sort_key=display_name&sort_dir=asc"]
PART_QUERIES = ["limit=0", "limit=-1", "limit=a", "limit=", "limit=1", "marker=none", "marker=t2",
                "sort_key=name&sort_dir=asc", "sort_key=foo", "sort_dir=x", "visibility=shared",
                "visibility=foo", "foo=1"]

# What one caller does, in order, to a namespace of project alpha.
ROLE_STEPS = [
    ("GET", "", None), ("GET", "/objects", None), ("GET", "/objects/o1", None),
    ("GET", "/objects/none", None), ("GET", "/properties", None), ("GET", "/properties/z", None),
    ("GET", "/properties/a_z?resource_type=T::{new}", None), ("GET", "/tags", None),
    ("GET", "/tags/t1", None), ("GET", "/resource_types", None),
    ("POST", "/objects", {"name": "o3"}), ("POST", "/objects", {}),
    ("PUT", "/objects/o3", {"name": "o3"}), ("PUT", "/objects/none", {"name": "x"}),
    ("DELETE", "/objects/o3", None), ("DELETE", "/objects/none", None),
    ("POST", "/properties", LEAST | {"name": "p3"}), ("PUT", "/properties/p3", LEAST | {"name": "p3"}),
    ("DELETE", "/properties/p3", None), ("DELETE", "/properties/none", None),
    ("POST", "/tags/t3", None), ("PUT", "/tags/t3", {"name": "t4"}), ("DELETE", "/tags/t4", None),
    ("DELETE", "/tags/none", None), ("POST", "/tags", {"tags": [{"name": "t5"}]}),
    ("POST", "/resource_types", {"name": "V::{new}"}), ("DELETE", "/resource_types/V::{new}", None),
    ("DELETE", "/resource_types/none", None), ("DELETE", "/objects", None),
    ("DELETE", "/properties", None), ("DELETE", "/tags", None), ("DELETE", "", None),
    ("PUT", "", {"namespace": "md-{new}", "visibility": "public", "owner": "{alpha}"}),
    ("DELETE", "", None),
]


def admin(line, data=None, headers=None):
    return request("admin", line, data, headers)


def made(more=None):
    return admin(f"POST {NS}", {"namespace": "md-{new}"} | (more or {}))


def seen():
    return admin(f"GET {OWN}")


GONE = admin(f"DELETE {OWN}")


def around(name, *steps, body=FULL):
    """A case on a namespace with one of everything."""
    return Case(f"metadefs/{name}", (made(body), *steps, seen(), GONE))


def cases():
    yield from walk()
    yield from bodies()
    yield from lists()
    yield from roles()
    yield from catalogue()


def walk():
    yield around("show", seen(), *(admin(f"GET {OWN}?{query}") for query in (
        "resource_type=T::{new}", "resource_type=U::{new}", "resource_type=None",
        "resource_type=")))
    yield around("show with another query", admin(f"GET {OWN}?foo=1"))
    yield around("create twice", made(FULL))
    yield Case("metadefs/update", (
        made(FULL), admin(f"PUT {OWN}", {"namespace": "md-{new}", "description": ""}), seen(),
        admin(f"PUT {OWN}", {}), admin(f"PUT {OWN}", {"namespace": "md-{new}", "self": "x"}),
        admin(f"PUT {OWN}", {"namespace": "md-{new}"} | FULL), seen(),
        admin(f"PUT {OWN}", {"namespace": "md-{new}-2"} | FULL), seen(),
        admin(f"GET {OWN}-2"), admin(f"DELETE {OWN}-2")))
    yield around("objects", *(admin(f"{line.replace(' ', f' {OWN}/objects', 1)}", data) for line, data in (
        ("POST ", {"name": "n"}), ("GET /n", None),
        ("PUT /n", {"name": "m", "required": ["x"], "description": "", "properties": {
            "k": LEAST | {"default": 1.5, "confidential": True}}}),
        ("GET /n", None), ("GET /m", None), ("PUT /m", {"name": "m"}), ("GET /m", None),
        ("DELETE /m", None), ("DELETE /m", None), ("PUT /m", {"name": "m"}), ("DELETE ", None))))
    yield around("object renamed to another", admin(f"PUT {OWN}/objects/o1", {"name": "o2"}))
    yield around("properties", *(admin(f"GET {OWN}/properties{path}") for path in (
        "", "/p", "/z", "/a_z?resource_type=T::{new}", "/z?resource_type=T::{new}",
        "/z?resource_type=U::{new}", "/z?resource_type=none-{new}", "/z?resource_type=", "/none")),
        admin(f"PUT {OWN}/properties/z", LEAST | {"name": "y", "type": "number"}),
        admin(f"PUT {OWN}/properties/z", LEAST | {"name": "y"}), admin(f"PUT {OWN}/properties/y", {}),
        admin(f"DELETE {OWN}/properties/y"), admin(f"DELETE {OWN}/properties/y"),
        admin(f"DELETE {OWN}/properties"))
    yield around("property with another query", admin(f"GET {OWN}/properties/z?foo=1"))
    yield around("property renamed to another",
                 admin(f"PUT {OWN}/properties/z", LEAST | {"name": "p"}))
    yield around("tags", admin(f"POST {OWN}/tags/a%20b"), admin(f"GET {OWN}/tags/a%20b"),
                 admin(f"POST {OWN}/tags/t1"), admin(f"POST {OWN}/tags/{LONG}"),
                 admin(f"POST {OWN}/tags/x", {"a": 1}), admin(f"DELETE {OWN}/tags/t2"),
                 admin(f"DELETE {OWN}/tags/t2"), admin(f"GET {OWN}/tags"), admin(f"DELETE {OWN}/tags"))
    yield around("tag beyond ASCII", admin(f"POST {OWN}/tags/%C3%A9"), admin(f"GET {OWN}/tags"))
    yield around("associations", admin(f"POST {OWN}/resource_types", {"name": "V::{new}"}),
                 admin(f"GET {OWN}/resource_types"), admin(f"DELETE {OWN}/resource_types/V%3A%3A{{new}}"),
                 admin(f"DELETE {OWN}/resource_types/V::{{new}}"), admin(f"GET {OWN}/resource_types/x"))


def bodies():
    for number, more in enumerate(NAMESPACES):
        yield Case(f"metadefs/body namespace {number}", (made(more), seen(), GONE))
        yield around(f"body namespace put {number}", admin(f"PUT {OWN}", {"namespace": "md-{new}"} | more))
    for number, more in enumerate(PROPERTIES):
        one = LEAST | {"name": "a"} | more
        yield around(f"body property {number}", admin(f"POST {OWN}/properties", one))
        yield around(f"body property put {number}", admin(f"PUT {OWN}/properties/z", one))
        inner = {"a": LEAST | more}
        yield Case(f"metadefs/body property in namespace {number}",
                   (made({"properties": inner}), seen(), GONE))
        yield around(f"body property in object {number}",
                     admin(f"POST {OWN}/objects", {"name": "a", "properties": inner}))
        yield around(f"body property in object put {number}",
                     admin(f"PUT {OWN}/objects/o1", {"name": "a", "properties": inner}))
    for number, more in enumerate(OBJECTS):
        one = {"name": "a"} | more if more else {}
        yield around(f"body object {number}", admin(f"POST {OWN}/objects", one))
        yield around(f"body object put {number}", admin(f"PUT {OWN}/objects/o1", one))
    for number, body in enumerate(TAGS):
        yield around(f"body tag {number}", admin(f"PUT {OWN}/tags/t1", body))
    for number, body in enumerate(BULK):
        for append in ("true", "false"):
            yield around(f"body tags {number} append {append}",
                         admin(f"POST {OWN}/tags", body, {"X-Openstack-Append": append}))
    for value in APPEND:
        yield around(f"append {value!r}", admin(f"POST {OWN}/tags", {"tags": [{"name": "a"}]},
                                                {"X-Openstack-Append": value}))
    for number, more in enumerate(ASSOCIATIONS):
        one = {"name": "V::{new}"} | more if more else {}
        yield around(f"body association {number}", admin(f"POST {OWN}/resource_types", one))
    for raw in RAW:
        yield around(f"raw {raw!r}", admin(f"POST {NS}", raw), admin(f"PUT {OWN}", raw),
                     admin(f"POST {OWN}/objects", raw), admin(f"PUT {OWN}/objects/o1", raw),
                     admin(f"POST {OWN}/properties", raw), admin(f"PUT {OWN}/properties/z", raw),
                     admin(f"PUT {OWN}/tags/t1", raw), admin(f"POST {OWN}/tags", raw),
                     admin(f"POST {OWN}/resource_types", raw))
    yield around("body where none belongs", *(admin(line, {"a": 1}) for line in (
        f"GET {OWN}", f"DELETE {OWN}", f"GET {OWN}/properties", f"GET {OWN}/resource_types",
        f"GET {OWN}/objects/o1", f"DELETE {OWN}/objects/o1", f"GET {OWN}/tags/t1",
        f"DELETE {OWN}/tags/t1", f"DELETE {OWN}/resource_types/T::{{new}}",
        "GET /v2/metadefs/resource_types", f"GET {OWN}/objects", f"GET {OWN}/tags",
        f"GET {OWN}/properties/z")))


def lists():
    several = [admin(f"POST {NS}", {
        "namespace": f"md-{{new}}-{n}", "visibility": "public" if n % 2 else "private",
        "owner": "{beta}", "display_name": f"d{9 - n}",
        "resource_type_associations": [{"name": "T::{new}"}]}) for n in range(4)]
    removed = [admin(f"DELETE {OWN}-{n}") for n in range(4)]
    for query in NAMESPACE_QUERIES:
        for caller in ("admin", "member", "omember"):
            # Without the filter, the catalogues of the services would differ.
            line = f"GET {NS}?resource_types=none,T::{{new}}&{query}"
            yield Case(f"metadefs/list {query} {caller}", (*several, request(caller, line), *removed))
    yield Case("metadefs/list hidden marker", (
        *several, request("member", f"GET {NS}?marker=md-{{new}}-0"), *removed))
    for query in PART_QUERIES:
        for kind in ("objects", "properties", "tags"):
            yield around(f"list {kind} {query}", admin(f"GET {OWN}/{kind}?{query}"))


def roles():
    for visibility in ("private", "public"):
        for protected in (False, True):
            for caller in CALLERS:
                steps = (request(caller, f"{method} {OWN}{path}", data)
                         for method, path, data in ROLE_STEPS)
                start = made(FULL | {"visibility": visibility, "protected": protected})
                freed = admin(f"PUT {OWN}", {"namespace": "md-{new}"})
                name = f"metadefs/role {visibility}{' protected' if protected else ''} {caller}"
                yield Case(name, (start, *steps, freed, GONE))
    for caller in (*CALLERS, None):
        yield Case(f"metadefs/role create {caller or 'anonymous'}", (
            request(caller, f"POST {NS}", {"namespace": "md-{new}"}),
            request(caller, f"POST {NS}", {}), request(caller, f"GET {NS}?resource_types=none"),
            request(caller, f"GET {NS}?marker=none-{{new}}"), request(caller, f"GET {OWN}"), GONE))


def catalogue():
    """What the files of Glance come out as. Those that only Vitrine has are absent on both."""
    types = ("OS::Cinder::Volume", "OS::Glance::Image", "OS::Nova::Flavor", "OS::Nova::Server")
    by_name = "sort_key=namespace&sort_dir=asc"
    for caller in ("admin", "reader"):
        for query in ("limit=100", "limit=10", "limit=5&marker=OS::Compute::Hypervisor",
                      "limit=4&visibility=public", "limit=100&visibility=public", "limit=100&visibility=private",
                      "limit=3&resource_types=OS::Nova::Flavor,OS::Trove::Instance",
                      *(f"limit=100&resource_types={name}" for name in types)):
            yield Case(f"metadefs/catalogue list {query} {caller}",
                       (request(caller, f"GET {NS}?{query}&{by_name}"),))
        for path in sorted((SCHEMA / "metadefs").iterdir()):
            namespace = json.loads(path.read_text())["namespace"]
            below = ("", "/properties", "/objects", "/tags", "/resource_types",
                     *(f"?resource_type={name}" for name in types))
            yield Case(f"metadefs/catalogue {namespace} {caller}", tuple(
                request(caller, f"GET {NS}/{namespace}{part}") for part in below))
