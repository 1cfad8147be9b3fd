"""Metadata definitions through `openstack image metadef` and `glance md-*`: every command that they offer."""

import json
import re
import sys

import pytest

from harness import Tool, fields, glance_client, table

IMAGE = "OS::Glance::Image"

# glanceclient 4 gives its header a boolean, which its own code cannot send. Everything else is the real client.
GLANCE_THAT_APPENDS = """
import sys
from glanceclient import shell
from glanceclient.common import http
encode = http.encode_headers
http.encode_headers = lambda headers: encode({k: str(v) if v is True else v for k, v in headers.items()})
sys.exit(shell.main())
"""


class Walker:
    """A client that remembers which of its commands were run. `offered` are all that it has of one kind."""

    def __init__(self, tool, offered):
        self.tool, self.offered, self.walked = tool, offered, set()

    def note(self, arguments):
        line = " ".join(map(str, arguments)) + " "
        self.walked |= {command for command in self.offered if line.startswith(command + " ")}

    def __call__(self, *arguments):
        self.note(arguments)
        return self.tool(*arguments)

    def json(self, *arguments):
        return json.loads(self(*arguments, "-f", "json"))

    def fields(self, *arguments):
        return fields(self(*arguments))

    def column(self, *arguments):
        """The first column of a printed list, without its heading."""
        return [row[0] for row in table(self(*arguments))[1:]]

    def refused(self, *arguments):
        self.note(arguments)
        return self.tool.refused(*arguments)


def openstack_walker(server, cloud):
    tool = Tool("openstack", server, cloud)
    offered = set(re.findall(r"^ *(image metadef .*)$", tool("help", "image", "metadef"), re.MULTILINE))
    assert len(offered) >= 21, offered
    return Walker(tool, offered)


def glance_walker(server, cloud):
    tool = glance_client(server, cloud)
    offered = set(re.findall(r"^ +(md-[a-z-]+)", tool("help"), re.MULTILINE))
    assert len(offered) >= 30, offered
    return Walker(tool, offered)


def test_every_openstack_command(server):
    """Create, list, show, change and delete of each kind, by an admin."""
    openstack = openstack_walker(server, "vitrine-admin")
    openstack_namespaces(openstack)
    openstack_objects(openstack)
    openstack_properties(openstack)
    openstack_associations(openstack)
    assert openstack.walked == openstack.offered


def openstack_namespaces(openstack):
    namespace = ("image", "metadef", "namespace")
    created = openstack.json(*namespace, "create", "cli", "--display-name", "By the client", "--description", "d",
                             "--public", "--protected")
    assert created["owner"] and created["created_at"] == created["updated_at"]
    shown = openstack.json(*namespace, "show", "cli")
    assert shown | {"tags": []} == created and shown["visibility"] == "public" and shown["protected"] is True
    assert (shown["display_name"], shown["description"]) == ("By the client", "d")
    assert "409" in openstack.refused(*namespace, "create", "cli")
    assert "403" in openstack.refused(*namespace, "delete", "cli")

    # What `set` does not name returns to its default: the client sends no more than it was given.
    openstack(*namespace, "set", "cli", "--display-name", "Set", "--public", "--tag", "a", "--tag", "b c")
    shown = openstack.json(*namespace, "show", "cli")
    assert shown["display_name"] == "Set" and shown["protected"] is False and "description" not in shown
    assert sorted(tag["name"] for tag in shown["tags"]) == ["a", "b c"]
    openstack(*namespace, "unset", "cli", "--tag", "a")
    assert openstack.json(*namespace, "show", "cli")["tags"] == [{"name": "b c"}]
    openstack(*namespace, "unset", "cli", "--all-tags")
    assert openstack.json(*namespace, "show", "cli").get("tags", []) == []

    def names(*filters):
        return [row["namespace"] for row in openstack.json(*namespace, "list", *filters)]

    assert names()[0] == "cli" and len(names()) > 30, "the newest comes first, and all pages are read"
    assert "cli" in names("--visibility", "public") and "cli" not in names("--visibility", "private")
    assert names("--resource-types", "OS::Trove::Instance") == ["OS::Software::DBMS"]
    openstack(*namespace, "create", "cli-two", "--private", "--unprotected")
    openstack(*namespace, "delete", "cli", "cli-two")
    assert "404" in openstack.refused(*namespace, "show", "cli")
    assert not {"cli", "cli-two"} & set(names())


def openstack_objects(openstack):
    an_object = ("image", "metadef", "object")
    openstack("image", "metadef", "namespace", "create", "cli")
    created = openstack.json(*an_object, "create", "one", "--namespace", "cli")
    assert (created["name"], created["namespace_name"]) == ("one", "cli")
    shown = openstack.json(*an_object, "show", "cli", "one")
    assert shown["properties"] == {} and shown["required"] == []
    assert "409" in openstack.refused(*an_object, "create", "one", "--namespace", "cli")
    openstack(*an_object, "update", "cli", "one", "--name", "other")
    openstack(*an_object, "create", "two", "--namespace", "cli")
    openstack(*an_object, "create", "three", "--namespace", "cli")
    assert [row["name"] for row in openstack.json(*an_object, "list", "cli")] == ["other", "three", "two"]
    openstack(*an_object, "delete", "cli", "two", "three")
    assert [row["name"] for row in openstack.json(*an_object, "list", "cli")] == ["other"]
    openstack(*an_object, "delete", "cli")
    assert openstack.json(*an_object, "list", "cli") == []
    assert "404" in openstack.refused(*an_object, "show", "cli", "other")
    openstack("image", "metadef", "namespace", "delete", "cli")
    # The client makes objects without properties only; the catalogue has others.
    shown = openstack.json(*an_object, "property", "show", "OS::Compute::Quota", "CPU Limits", "quota:cpu_period")
    assert (shown["type"], shown["minimum"], shown["maximum"]) == ("integer", 1000, 1000000)
    assert shown["name"] == "quota:cpu_period" and shown["description"]


def openstack_properties(openstack):
    a_property = ("image", "metadef", "property")
    openstack("image", "metadef", "namespace", "create", "cli")
    schema = {"description": "d", "operators": ["<or>"], "default": 3, "minimum": 1, "maximum": 9}
    created = openstack.json(*a_property, "create", "cli", "--name", "size", "--title", "Size", "--type", "integer",
                             "--schema", json.dumps(schema))
    wanted = schema | {"name": "size", "title": "Size", "type": "integer", "default": "3"}
    assert created == wanted and openstack.json(*a_property, "show", "cli", "size") == wanted
    openstack(*a_property, "set", "cli", "size", "--name", "width", "--title", "Width", "--type", "number",
              "--schema", '{"maximum": 10, "enum": ["1", "2"]}')
    shown = openstack.json(*a_property, "show", "cli", "width")
    assert shown == wanted | {"name": "width", "title": "Width", "type": "number", "maximum": 10, "enum": ["1", "2"]}
    assert "404" in openstack.refused(*a_property, "show", "cli", "size")
    items = {"items": {"type": "string", "enum": ["x"]}}
    openstack(*a_property, "create", "cli", "--name", "list", "--title", "List", "--type", "array", "--schema",
              json.dumps(items))
    assert openstack.json(*a_property, "show", "cli", "list")["items"] == items["items"]
    listed = openstack.json(*a_property, "list", "cli")
    assert listed == [{"name": "list", "title": "List", "type": "array"},
                      {"name": "width", "title": "Width", "type": "number"}]
    openstack(*a_property, "delete", "cli", "width")
    assert [row["name"] for row in openstack.json(*a_property, "list", "cli")] == ["list"]
    assert "404" in openstack.refused(*a_property, "delete", "cli", "width")
    openstack(*a_property, "delete", "cli")
    assert openstack.json(*a_property, "list", "cli") == []
    openstack("image", "metadef", "namespace", "delete", "cli")


def openstack_associations(openstack):
    association = ("image", "metadef", "resource", "type", "association")
    namespace = ("image", "metadef", "namespace")
    before = openstack.json("image", "metadef", "resource", "type", "list")
    assert {"Name": IMAGE} in before and {"Name": "OS::Nova::Flavor"} in before
    openstack(*namespace, "create", "cli", "--protected")
    created = openstack.json(*association, "create", "cli", IMAGE, "--properties-target", "image")
    assert (created["name"], created["properties_target"], created["prefix"]) == (IMAGE, "image", None)
    assert "409" in openstack.refused(*association, "create", "cli", IMAGE)
    openstack(*association, "create", "cli", "OS::Nova::Flavor")
    rows = openstack.json(*association, "list", "cli")
    assert sorted(row["Name"] for row in rows) == [IMAGE, "OS::Nova::Flavor"]
    shown = openstack.json(*namespace, "show", "cli")["resource_type_associations"]
    assert sorted(shown) == [IMAGE, "OS::Nova::Flavor"]
    assert "403" in openstack.refused(*association, "delete", "cli", IMAGE)
    # Lifts the protection, dissociates, protects again.
    openstack(*association, "delete", "cli", IMAGE, "--force")
    assert openstack.json(*association, "list", "cli") == [{"Name": "OS::Nova::Flavor"}]
    assert openstack.json(*namespace, "show", "cli")["protected"] is True
    openstack(*namespace, "set", "cli", "--unprotected")
    openstack(*namespace, "delete", "cli")
    assert openstack.json("image", "metadef", "resource", "type", "list") == before


def test_every_glance_command(server, tmp_path):
    """The same by the older client, which also has tags, prefixes and whole namespaces as files."""
    glance = glance_walker(server, "vitrine-admin")
    glance_namespaces(glance)
    glance_imports(glance, tmp_path)
    glance_parts(glance)
    glance_tags(glance)
    glance_deletes_by_the_namespace(glance)
    assert glance.walked == glance.offered


def glance_namespaces(glance):
    created = glance.fields("md-namespace-create", "md", "--display-name", "By the client", "--description", "d",
                            "--visibility", "public", "--protected", "True")
    assert glance.fields("md-namespace-show", "md") == created
    assert created["protected"] == "True" and created["visibility"] == "public"
    assert "409" in glance.refused("md-namespace-create", "md")
    assert "403" in glance.refused("md-namespace-delete", "md")
    updated = glance.fields("md-namespace-update", "md", "--namespace", "md-2", "--description", "e", "--protected",
                            "False")
    # This client reads before it writes, so that nothing returns to a default.
    changed = {"namespace": "md-2", "description": "e", "protected": "False"}
    assert updated | {"updated_at": ""} == created | changed | {"updated_at": ""}
    assert "404" in glance.refused("md-namespace-show", "md")
    whole = glance.column("md-namespace-list")
    assert whole[0] == "md-2" and len(whole) == len(set(whole)) > 30
    assert glance.column("md-namespace-list", "--page-size", "3") == whole
    assert "md-2" not in glance.column("md-namespace-list", "--visibility", "private")
    found = glance.column("md-namespace-list", "--resource-types", "OS::Trove::Instance")
    assert found == ["OS::Software::DBMS"]
    glance("md-namespace-delete", "md-2")
    assert "404" in glance.refused("md-namespace-delete", "md-2")


def glance_imports(glance, tmp_path):
    """A whole namespace from a file, seen with and without the prefix of a resource type."""
    text = {"title": "T", "type": "string"}
    whole = {
        "namespace": "md", "display_name": "Whole", "visibility": "public", "properties": {"p": text, "q": text},
        "resource_type_associations": [{"name": IMAGE, "prefix": "hw_", "properties_target": "image"},
                                       {"name": "OS::Nova::Server", "properties_target": "metadata"}],
        "objects": [{"name": "o", "required": ["a"], "properties": {"a": text}}], "tags": [{"name": "t"}]}
    path = tmp_path / "namespace.json"
    path.write_text(json.dumps(whole))
    imported = glance.fields("md-namespace-import", "--file", path)
    assert imported["display_name"] == "Whole"
    shown = glance.fields("md-namespace-show", "md", "--max-column-width", "200")
    assert json.loads(shown["properties"]) == ["p", "q"] and json.loads(shown["objects"]) == ["o"]
    assert json.loads(shown["tags"]) == ["t"]
    assert sorted(json.loads(shown["resource_type_associations"])) == [IMAGE, "OS::Nova::Server"]
    prefixed = glance.fields("md-namespace-show", "md", "--resource-type", IMAGE)
    assert json.loads(prefixed["properties"]) == ["hw_p", "hw_q"]
    rows = table(glance("md-namespace-resource-type-list", "md"))
    assert sorted(rows[1:]) == [[IMAGE, "hw_", "image"], ["OS::Nova::Server", "", "metadata"]]
    glance("md-namespace-delete", "md")
    path.write_text('{"namespace": 5}')
    # By the schema that the server gave it, the client finds this before it asks.
    assert "is not of type 'string'" in glance.refused("md-namespace-import", "--file", path)


def glance_parts(glance):
    glance("md-namespace-create", "md")
    associated = glance.fields("md-resource-type-associate", "md", "--name", IMAGE, "--prefix", "hw_",
                               "--properties-target", "image")
    assert (associated["prefix"], associated["properties_target"]) == ("hw_", "image")
    glance("md-resource-type-deassociate", "md", IMAGE)
    assert glance.column("md-namespace-resource-type-list", "md") == []
    assert IMAGE in glance.column("md-resource-type-list")

    schema = {"description": "d", "default": 5, "minimum": 1, "readonly": True, "enum": ["5"]}
    created = glance.fields("md-property-create", "md", "--name", "p", "--title", "T", "--type", "integer", "--schema",
                            json.dumps(schema))
    assert (created["default"], created["minimum"], created["readonly"]) == ("5", "1", "True")
    assert glance.fields("md-property-show", "md", "p") == created
    updated = glance.fields("md-property-update", "md", "p", "--name", "q", "--title", "U", "--schema",
                            '{"type": "string"}')
    assert updated == created | {"name": "q", "title": "U", "type": "string"}
    assert table(glance("md-property-list", "md"))[1:] == [["q", "U", "string"]]
    glance("md-property-delete", "md", "q")
    assert "404" in glance.refused("md-property-show", "md", "q")

    schema = {"description": "d", "required": ["a"], "properties": {"a": {"title": "A", "type": "boolean"}}}
    created = glance.fields("md-object-create", "md", "--name", "o", "--schema", json.dumps(schema))
    assert (created["properties"], created["required"]) == ('["a"]', '["a"]')
    assert glance.fields("md-object-show", "md", "o") == created
    shown = glance.fields("md-object-property-show", "md", "o", "a")
    assert (shown["name"], shown["title"], shown["type"]) == ("a", "A", "boolean")
    updated = glance.fields("md-object-update", "md", "o", "--name", "o2", "--schema", '{"description": "e"}')
    assert (updated["name"], updated["description"], updated["properties"]) == ("o2", "e", '["a"]')
    assert table(glance("md-object-list", "md"))[1:] == [["o2", "e"]]
    glance("md-object-delete", "md", "o2")
    assert glance.column("md-object-list", "md") == []
    glance("md-namespace-delete", "md")


def glance_tags(glance):
    glance("md-namespace-create", "md")
    created = glance.fields("md-tag-create", "md", "--name", "one")
    assert glance.fields("md-tag-show", "md", "one") == created and created["name"] == "one"
    assert "409" in glance.refused("md-tag-create", "md", "--name", "one")
    renamed = glance.fields("md-tag-update", "md", "one", "--name", "two words")
    assert renamed | {"name": "one", "updated_at": ""} == created | {"updated_at": ""}
    assert glance.column("md-tag-list", "md") == ["two words"]
    # Many at once take the place of those that are there, or with --append join them.
    assert glance.column("md-tag-create-multiple", "md", "--names", "a;b,c", "--delim", ";") == ["a", "b,c"]
    assert sorted(glance.column("md-tag-list", "md")) == ["a", "b,c"]
    appending = Walker(Tool("glance", glance.tool.server), ())
    appending.tool.argv = [sys.executable, "-c", GLANCE_THAT_APPENDS]
    appending.tool.env = glance.tool.env
    assert appending.column("md-tag-create-multiple", "md", "--names", "d,e", "--append") == ["d", "e"]
    assert sorted(glance.column("md-tag-list", "md")) == ["a", "b,c", "d", "e"]
    assert "409" in appending.refused("md-tag-create-multiple", "md", "--names", "f,a", "--append")
    assert sorted(glance.column("md-tag-list", "md")) == ["a", "b,c", "d", "e"]
    glance("md-tag-delete", "md", "d")
    assert "404" in glance.refused("md-tag-delete", "md", "d")
    glance("md-namespace-delete", "md")


def glance_deletes_by_the_namespace(glance):
    glance("md-namespace-create", "md")
    kinds = {"properties": "property", "objects": "object", "tags": "tag"}
    for name in ("one", "two"):
        glance("md-property-create", "md", "--name", name, "--title", "T", "--type", "string", "--schema", "{}")
        glance("md-object-create", "md", "--name", name, "--schema", "{}")
        glance("md-tag-create", "md", "--name", name)
    for plural, kind in kinds.items():
        assert sorted(glance.column(f"md-{kind}-list", "md")) == ["one", "two"]
        glance(f"md-namespace-{plural}-delete", "md")
        left = [len(glance.column(f"md-{other}-list", "md")) for other in kinds.values()]
        assert left == [0 if other <= list(kinds).index(plural) else 2 for other in range(3)]
    glance("md-namespace-delete", "md")


@pytest.fixture
def populated(server, tmp_path):
    """A public namespace with one of everything, and a private one, both of the admin's project."""
    admin = glance_client(server, "vitrine-admin")
    text = {"title": "T", "type": "string"}
    for name, visibility in (("seen", "public"), ("unseen", "private")):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({
            "namespace": name, "visibility": visibility, "properties": {"p": text}, "tags": [{"name": "t"}],
            "objects": [{"name": "o", "properties": {"a": text}}],
            "resource_type_associations": [{"name": IMAGE, "prefix": "hw_"}]}))
        admin("md-namespace-import", "--file", path)
    yield
    admin("md-namespace-delete", "seen")
    admin("md-namespace-delete", "unseen")


def test_a_member_reads_and_does_not_write(server, populated):
    """Every read works on what is public, every write is refused, and what is private is absent."""
    openstack, glance = Tool("openstack", server), glance_client(server)
    names = [row["namespace"] for row in openstack.json("image", "metadef", "namespace", "list")]
    assert "seen" in names and not {"unseen", "OS::OperatingSystem"} & set(names)
    before = openstack.json("image", "metadef", "namespace", "show", "seen")
    assert before["tags"] == [{"name": "t"}] and before["resource_type_associations"] == [IMAGE]
    shown = fields(glance("md-namespace-show", "seen", "--resource-type", IMAGE))
    assert (shown["properties"], shown["objects"], shown["tags"]) == ('["hw_p"]', '["o"]', '["t"]')
    for command in ("md-property-show seen p", "md-property-list seen", "md-object-show seen o",
                    "md-object-property-show seen o a", "md-object-list seen", "md-tag-show seen t", "md-tag-list seen",
                    "md-namespace-resource-type-list seen", "md-resource-type-list"):
        assert table(glance(*command.split()))[1:], command

    writes = [
        "md-namespace-create mine", "md-namespace-update seen --description x", "md-namespace-delete seen",
        "md-resource-type-associate seen --name X::Y", f"md-resource-type-deassociate seen {IMAGE}",
        "md-property-create seen --name x --title x --type string --schema {}", "md-property-update seen p --title x",
        "md-property-delete seen p", "md-namespace-properties-delete seen",
        "md-object-create seen --name x --schema {}",
        "md-object-update seen o --name x", "md-object-delete seen o", "md-namespace-objects-delete seen",
        "md-tag-create seen --name x", "md-tag-create-multiple seen --names x", "md-tag-update seen t --name x",
        "md-tag-delete seen t", "md-namespace-tags-delete seen"]
    for command in writes:
        assert "403" in glance.refused(*command.split()), command
    for command in ("namespace create mine", "namespace set seen --public", "namespace delete seen",
                    "object create x --namespace seen", "object update seen o --name x", "object delete seen o",
                    "object delete seen", "property delete seen p", "property delete seen",
                    "property create seen --name x --title x --type string --schema {}",
                    "property set seen p --title x", "resource type association create seen X::Y",
                    f"resource type association delete seen {IMAGE}"):
        assert "403" in openstack.refused("image", "metadef", *command.split()), command
    assert openstack.json("image", "metadef", "namespace", "show", "seen") == before

    for command in ("md-namespace-show unseen", "md-object-list unseen", "md-property-show unseen p",
                    "md-tag-list unseen", "md-namespace-delete unseen", "md-tag-create unseen --name x"):
        assert "404" in glance.refused(*command.split()), command


def test_a_private_namespace_is_seen_by_its_project(server):
    """Owners read what an admin made for them, and it stays as the admin made it."""
    admin, owner = glance_client(server, "vitrine-admin"), glance_client(server)
    project = server.connect().current_project_id
    admin("md-namespace-create", "ours", "--owner", project, "--visibility", "private")
    assert fields(owner("md-namespace-show", "ours"))["owner"] == project
    assert [row[0] for row in table(owner("md-namespace-list", "--visibility", "private"))[1:]] == ["ours"]
    assert "403" in owner.refused("md-namespace-delete", "ours")
    admin("md-namespace-delete", "ours")
