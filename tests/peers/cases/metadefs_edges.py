"""Metadata definitions at their edges: sorting and paging, names that are hard to spell, renames, odd JSON."""

from cases import Case, request
from cases.metadefs import ASTRAL, GONE, LEAST, NS, OWN, admin, around, made

SORT_KEYS = ["namespace", "display_name", "description", "owner", "visibility", "protected", "created_at",
             "updated_at", "id"]
LIMITS = ["1.5", "1e3", "%201", "0x1", "99999999999999999999", "true", "-0", "1000", "1001"]
# Members of this kind go into the body of a part, and come back in the path of the next request.
NAMES = {"blank": "a b", "dots": "..a", "dot": ".", "colons": "A::B", "percent": "50%25", "plus": "a+b",
         "question": "a?b", "hash": "a#b", "quotes": "a'b\"c", "comma": "a,b", "semicolon": "a;b=c", "umlaut": "ä",
         "leading blank": " a", "trailing blank": "a ", "tab": "a\tb", "line feed": "a\nb", "case": "O1",
         "exactly 80": "y" * 80, "80 umlauts": "ä" * 80, "number": "1", "null": "null"}
PATHS = {" ": "%20", "%": "%25", "?": "%3F", "#": "%23", '"': "%22", "ä": "%C3%A4", ";": "%3B", "\t": "%09",
         "\n": "%0A"}
DEFAULTS = [-0.0, 1e15, 1e16, 1e-5, 123456789012345678, -1, 0, "None", "é" * 3, "\\u0041", " ", "a\nb", [], {}, [[]],
            1e308, True]
BOUNDS = [{"minimum": 2 ** 53}, {"maximum": -(2 ** 62)}, {"minLength": 0}, {"maxLength": 2 ** 31},
          {"minItems": -1}, {"maxItems": 1.0}, {"minimum": "1"}, {"minimum": None}, {"maxLength": None},
          {"additionalItems": None}, {"uniqueItems": "true"}, {"items": {"type": "string", "enum": [1]}},
          {"items": []}, {"operators": None}, {"enum": None}, {"enum": "a"}, {"enum": ["a", "a"]},
          {"pattern": ""}, {"pattern": None}, {"title": "x" * 300}, {"description": "x" * 3000},
          {"minimum": 9, "maximum": 1}, {"type": "array"}, {"type": "object"}, {"type": ["string"]}]
RAW = {
    "twice": b'{"name": "a", "name": "b"}', "blanks": b' \n{"name": "a"}\t', "trailer": b'{"name": "a"} x',
    "mark": b'\xef\xbb\xbf{"name": "a"}', "utf-16": '{"name": "a"}'.encode("utf-16"),
    "not a number": b'{"name": "a", "description": NaN}', "comment": b'{"name": "a" /* b */}',
    "comma": b'{"name": "a",}', "apostrophes": b"{'name': 'a'}", "surrogate": b'{"name": "\\ud800"}',
    "escape": b'{"name": "\\x41"}', "true": b"true", "deep": b'{"name": "a", "properties": ' + b'{"p": ' * 50 + b"1"
    + b"}" * 51,
}
NAMESPACES = [
    {"description": "x" * 500}, {"description": "ä" * 500}, {"display_name": ""}, {"display_name": "ä" * 80},
    {"display_name": None}, {"visibility": ""}, {"visibility": "PUBLIC"}, {"protected": 1}, {"protected": None},
    {"owner": ""}, {"owner": 5}, {"owner": "x" * 255}, {"properties": None}, {"properties": []},
    {"properties": {"": LEAST}}, {"properties": {"x" * 81: LEAST}}, {"objects": {}}, {"objects": ["a"]},
    {"objects": [{"name": "o", "properties": {"p": LEAST | {"default": 7}}}]},
    {"objects": [{"name": "o", "required": ["a,b", "c"]}]}, {"objects": [{"name": "o", "description": ""}]},
    {"tags": [{"name": ""}]}, {"tags": [{"name": "x" * 81}]}, {"tags": [{"name": "A"}, {"name": "a"}]},
    {"resource_type_associations": [{"name": ""}]}, {"resource_type_associations": [{"name": "x" * 81}]},
    {"resource_type_associations": [{"name": "R::{new}", "prefix": ""}]},
    {"resource_type_associations": [{"name": "R::{new}", "properties_target": "scheduler_hints"}]},
    {"resource_type_associations": {}}, {"resource_type_associations": [{"name": "R::{new}", "created_at": "x"}]},
]
MEDIA_TYPES = ["text/plain", "application/xml", "application/json; charset=latin-1", "application/octet-stream", ""]


def encoded(name):
    return "".join(PATHS.get(letter, letter) for letter in name)


def cases():
    yield from lists()
    yield from names()
    yield from renames()
    yield from prefixes()
    yield from bodies()


def lists():
    several = [admin(f"POST {NS}", {
        "namespace": f"md-{{new}}-{n}", "visibility": "public" if n % 2 else "private", "protected": n == 3,
        "owner": ["{alpha}", "{beta}"][n // 3], "display_name": f"d{9 - n}", "description": f"e{n % 3}",
        "resource_type_associations": [{"name": f"T{n % 2}::{{new}}"}]}) for n in range(5)]
    freed = admin(f"PUT {NS}/md-{{new}}-3", {"namespace": "md-{new}-3"})
    removed = [freed, *(admin(f"DELETE {NS}/md-{{new}}-{n}") for n in range(5))]
    both = "resource_types=T0::{new},T1::{new}"
    queries = [
        *(f"{both}&sort_key={key}&sort_dir={way}" for key in SORT_KEYS for way in ("asc", "desc")),
        *(f"{both}&sort_key={key}&sort_dir=asc&limit=2&marker=md-{{new}}-1" for key in SORT_KEYS),
        *(f"{both}&limit={limit}" for limit in LIMITS),
        "resource_types=T0::{new}", "resource_types=T0::{new}&resource_types=T1::{new}", "resource_types=none-{new}",
        "resource_types=T0::{new},T0::{new}", "resource_types=,T0::{new}", "resource_types=%20T0::{new}",
        "resource_types=T0%3A%3A{new}", f"{both}&visibility=public&visibility=private", f"{both}&visibility=PUBLIC",
        f"{both}&sort_dir=ASC", f"{both}&sort_dir=asc", f"{both}&sort_key=namespace", f"{both}&sort_key=Namespace",
        f"{both}&sort=namespace:asc", f"{both}&limit=2&marker=md-{{new}}-4", f"{both}&limit=2&marker=md-{{new}}-0",
        f"{both}&limit=2&marker=MD-{{new}}-4", f"{both}&limit=2&visibility=public&sort_key=namespace",
        f"{both}&limit=2&name=a%26b&x=%C3%A4", f"{both}&protected=true", f"{both}&owner={{alpha}}",
        f"{both}&namespace=md-{{new}}-1"]
    for query in queries:
        asked = (request(caller, f"GET {NS}?{query}") for caller in ("admin", "member"))
        yield Case(f"metadefs/edge list {query}", (*several, *asked, *removed))
    many = {"tags": [{"name": name} for name in ("c", "a", "B", "ä", "b")],
            "objects": [{"name": name} for name in ("c", "a", "B", "ä", "b")],
            "properties": dict.fromkeys(("c", "a", "B", "ä", "b"), LEAST)}
    for kind, ways in (("tags", ("sort_key=name&sort_dir=asc", "sort_key=name", "limit=2", "limit=2&marker=a",
                                 "sort_key=name&sort_dir=asc&limit=2&marker=B", "sort_key=id&sort_dir=asc",
                                 "sort_key=created_at&sort_dir=asc", "sort_key=namespace_id", "limit=1.5",
                                 "marker=A", "marker=%C3%A4", "sort_dir=ASC", "limit=1&limit=2")),
                       ("objects", ("limit=2", "limit=2&marker=a", "sort_dir=ASC", "limit=1.5", "resource_type=x")),
                       ("properties", ("limit=2", "resource_type=x", "resource_type=T::{new}"))):
        for way in ("", *ways):
            yield around(f"edge list {kind} {way}", admin(f"GET {OWN}/{kind}?{way}"), body=many)


def names():
    for label, name in NAMES.items():
        path = encoded(name)
        yield around(
            f"edge name {label}",
            admin(f"POST {OWN}/objects", {"name": name}), admin(f"GET {OWN}/objects/{path}"),
            admin(f"PUT {OWN}/objects/{path}", {"name": name, "description": "d"}),
            admin(f"POST {OWN}/properties", LEAST | {"name": name}), admin(f"GET {OWN}/properties/{path}"),
            admin(f"PUT {OWN}/properties/{path}", LEAST | {"name": name, "title": "u"}),
            admin(f"POST {OWN}/tags/{path}"), admin(f"GET {OWN}/tags/{path}"),
            admin(f"PUT {OWN}/tags/{path}", {"name": "new"}), admin(f"DELETE {OWN}/objects/{path}"),
            admin(f"DELETE {OWN}/properties/{path}"))
        yield Case(f"metadefs/edge namespace {label}", (
            admin(f"POST {NS}", {"namespace": name + "-{new}", "tags": [{"name": "t"}]}),
            admin(f"GET {NS}/{path}-{{new}}"), admin(f"GET {NS}/{path}-{{new}}/tags/t"),
            admin(f"DELETE {NS}/{path}-{{new}}")))
        yield around(f"edge association {label}",
                     admin(f"POST {OWN}/resource_types", {"name": name + "-{new}", "prefix": name}),
                     admin(f"GET {OWN}/resource_types"), admin(f"GET {OWN}?resource_type={path}-{{new}}"),
                     admin(f"DELETE {OWN}/resource_types/{path}-{{new}}"))
    for path in ("/", "/md-{new}/", "/md-{new}/objects/", "/md-{new}/objects/o1/", "/MD-{new}", "/md-{new}/Objects"):
        yield around(f"edge path {path}", admin(f"GET {NS}{path}"))


def renames():
    other = admin(f"POST {NS}", {"namespace": "md-{new}-2", "tags": [{"name": "t"}]})
    gone = admin(f"DELETE {OWN}-2")
    yield around("edge rename to its own name", admin(f"PUT {OWN}", {"namespace": "md-{new}", "display_name": "x"}),
                 admin(f"PUT {OWN}/objects/o1", {"name": "o1", "description": "x"}),
                 admin(f"PUT {OWN}/properties/z", LEAST | {"name": "z", "title": "x"}))
    yield around("edge rename of a tag to its own name", admin(f"PUT {OWN}/tags/t1", {"name": "t1"}))
    yield around("edge rename to a taken name", other, admin(f"PUT {OWN}", {"namespace": "md-{new}-2"}), gone)
    for name in ("x" * 81, "", ASTRAL, None, 5):
        yield around(f"edge rename to {str(name)[:2]!r}", admin(f"PUT {OWN}/tags/t1", {"name": name}),
                     admin(f"PUT {OWN}/objects/o1", {"name": name}),
                     admin(f"PUT {OWN}/properties/z", LEAST | {"name": name}))
    yield Case("metadefs/edge rename keeps what is inside", (
        made({"tags": [{"name": "t"}], "objects": [{"name": "o"}], "properties": {"p": LEAST},
              "resource_type_associations": [{"name": "T::{new}", "prefix": "a_"}]}),
        admin(f"PUT {OWN}", {"namespace": "md-{new}-2", "visibility": "public"}), admin(f"GET {OWN}"),
        admin(f"GET {OWN}-2"), admin(f"GET {OWN}-2/objects/o"), admin(f"GET {OWN}-2/objects"),
        admin(f"GET {OWN}-2/properties/a_p?resource_type=T::{{new}}"), admin(f"GET {OWN}-2/tags/t"),
        admin(f"GET {OWN}-2/resource_types"), gone))
    # Protection holds back deletions, nothing else.
    yield around("edge protected", admin(f"PUT {OWN}", {"namespace": "md-{new}", "protected": True}),
                 admin(f"PUT {OWN}/objects/o1", {"name": "o9"}), admin(f"PUT {OWN}/tags/t1", {"name": "t9"}),
                 admin(f"POST {OWN}/tags", {"tags": [{"name": "only"}]}), admin(f"DELETE {OWN}/tags/only"),
                 admin(f"DELETE {OWN}/tags"), admin(f"DELETE {OWN}/tags/none"), admin(f"DELETE {OWN}/objects/none"),
                 admin(f"DELETE {OWN}/resource_types/none"), admin(f"DELETE {OWN}/resource_types/T::{{new}}"),
                 admin(f"PUT {OWN}", {"namespace": "md-{new}"}))


def prefixes():
    body = {"resource_type_associations": [
                {"name": "T::{new}", "prefix": "a_", "properties_target": "image"},
                {"name": "U::{new}", "prefix": "hw:", "properties_target": "metadata"}, {"name": "V::{new}"}],
            "properties": {"z": LEAST, "a_z": LEAST, "a_": LEAST},
            "objects": [{"name": "o", "required": ["q", "a_q"], "properties": {"q": LEAST, "a_q": LEAST}}]}
    types = ("T", "U", "V", "t")
    yield around("edge prefix", *(admin(f"GET {OWN}?resource_type={name}::{{new}}") for name in types), body=body)
    for name in types:
        yield around(f"edge prefix of a property {name}", *(
            admin(f"GET {OWN}/properties/{path}?resource_type={name}::{{new}}")
            for path in ("z", "a_z", "a_a_z", "hw:z", "hw%3Az", "a_", "a_a_")), body=body)
    for what in ("objects/o", "objects", "properties", "tags", "resource_types"):
        yield around(f"edge prefix of {what}", admin(f"GET {OWN}/{what}?resource_type=T::{{new}}"), body=body)


def bodies():
    for number, default in enumerate(DEFAULTS):
        one = LEAST | {"default": default}
        yield around(f"edge default {number}", admin(f"POST {OWN}/properties", one | {"name": "a"}),
                     admin(f"GET {OWN}/properties/a"))
        yield around(f"edge default in object {number}",
                     admin(f"POST {OWN}/objects", {"name": "a", "properties": {"p": one}}))
    for number, more in enumerate(BOUNDS):
        one = LEAST | more
        yield around(f"edge property {number}", admin(f"POST {OWN}/properties", one | {"name": "a"}))
        yield around(f"edge property in object {number}",
                     admin(f"POST {OWN}/objects", {"name": "a", "properties": {"p": one}}))
    for number, more in enumerate(NAMESPACES):
        yield Case(f"metadefs/edge namespace body {number}", (made(more), admin(f"GET {OWN}"), GONE))
        yield around(f"edge namespace put {number}", admin(f"PUT {OWN}", {"namespace": "md-{new}"} | more))
    for label, raw in RAW.items():
        yield around(f"edge raw {label}", admin(f"POST {OWN}/objects", raw), admin(f"POST {OWN}/properties", raw),
                     admin(f"PUT {OWN}/tags/t1", raw), admin(f"POST {OWN}/resource_types", raw),
                     admin(f"DELETE {OWN}/resource_types/a"), admin(f"DELETE {OWN}/resource_types/b"))
    for media_type in MEDIA_TYPES:
        yield around(f"edge media type {media_type!r}", admin(f"POST {OWN}/objects", b'{"name": "a"}',
                                                              {"Content-Type": media_type}))
    for append in ("true", "false"):
        yield around(f"edge long tags append {append}", admin(
            f"POST {OWN}/tags", {"tags": [{"name": "x" * 81}]}, {"X-Openstack-Append": append}))
    yield around("edge long object", admin(f"POST {OWN}/objects", {"name": "a", "description": "x" * 100_000}))
    yield around("edge many tags", admin(f"POST {OWN}/tags", {"tags": [{"name": f"n{n}"} for n in range(600)]}),
                 admin(f"GET {OWN}/tags?limit=3"))
