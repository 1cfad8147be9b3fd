"""Metadata definitions: a namespace with everything in it, and its end."""

from .table import operation

SPACES, SPACE = "/v2/metadefs/namespaces", "/v2/metadefs/namespaces/{ns}"
TYPES, TYPE = f"{SPACE}/resource_types", f"{SPACE}/resource_types/{{rt}}"
PART = {"type": "string", "title": "Part", "description": "d"}
# What a namespace has besides: (its list, one of them, how that is made, how it is changed).
PARTS = [
    ("properties", {"name": "part", **PART}, {"name": "part", **PART, "title": "Other"}),
    ("objects", {"name": "part", "properties": {"inner": PART}}, {"name": "part", "description": "other"}),
]


@operation(1.5, admin=True)
def metadefs_of_a_namespace(client):
    name = client.word()
    client.mess.append(("DELETE", SPACE, (name,), ""))
    client.ask("POST", SPACES, expect=201, body={"namespace": name, "visibility": "private"})
    client.ask("GET", SPACE, name)
    for plural, made, changed in PARTS:
        many, one = f"{SPACE}/{plural}", f"{SPACE}/{plural}/{{name}}"
        client.ask("POST", many, name, expect=201, body=made)
        client.ask("GET", many, name)
        client.ask("PUT", one, name, "part", body=changed)
        client.ask("GET", one, name, "part")
        client.ask("DELETE", one, name, "part", expect=204)
        client.ask("DELETE", many, name, expect=204)
    client.ask("PUT", SPACE, name, body={"namespace": name, "description": "other"})
    client.tidy_all()
    client.ask("GET", SPACE, name, expect=404)


@operation(1.5, admin=True)
def metadefs_of_tags_and_types(client):
    name = client.word()
    client.mess.append(("DELETE", SPACE, (name,), ""))
    client.ask("POST", SPACES, expect=201, body={"namespace": name})
    many, one = f"{SPACE}/tags", f"{SPACE}/tags/{{name}}"
    client.ask("POST", many, name, expect=201, body={"tags": [{"name": "a"}, {"name": "b"}]})
    client.ask("POST", one, name, "c", expect=201)
    client.ask("PUT", one, name, "c", body={"name": "d"})
    client.ask("GET", one, name, "d")
    tags = client.ask("GET", many, name).json["tags"]
    client.holds(sorted(tag["name"] for tag in tags) == ["a", "b", "d"], f"the tags of {name} are {tags}")
    client.ask("DELETE", one, name, "d", expect=204)
    client.ask("DELETE", many, name, expect=204)
    client.ask("POST", TYPES, name, expect=201, body={"name": "OS::Glance::Image", "prefix": "x_"})
    client.ask("GET", TYPES, name)
    client.ask("DELETE", TYPE, name, "OS::Glance::Image", expect=204)
    client.tidy_all()
