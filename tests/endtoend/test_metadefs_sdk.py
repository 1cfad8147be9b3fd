"""Metadata definitions through openstacksdk, as Horizon and people's scripts use them."""

import openstack
import pytest

IMAGE = "OS::Glance::Image"
MISSING = openstack.exceptions.NotFoundException
TAKEN = openstack.exceptions.ConflictException
REFUSED = openstack.exceptions.ForbiddenException


@pytest.fixture(scope="module")
def image(server):
    return server.connect("vitrine-admin").image


@pytest.fixture
def namespace(image):
    made = image.create_metadef_namespace(namespace="sdk", display_name="By the SDK", visibility="public")
    yield made
    image.delete_metadef_namespace(made, ignore_missing=False)


def test_namespaces(image):
    made = image.create_metadef_namespace(namespace="sdk-1", description="d", visibility="public", is_protected=True)
    assert (made.namespace, made.is_protected, made.created_at) == ("sdk-1", True, made.updated_at)
    with pytest.raises(TAKEN):
        image.create_metadef_namespace(namespace="sdk-1")
    with pytest.raises(REFUSED):
        image.delete_metadef_namespace("sdk-1")
    changed = image.update_metadef_namespace("sdk-1", namespace="sdk-2", description="e", is_protected=False)
    assert (changed.namespace, changed.description) == ("sdk-2", "e")
    shown = image.get_metadef_namespace("sdk-2")
    assert (shown.owner, shown.created_at, shown.visibility) == (made.owner, made.created_at, "private")
    image.delete_metadef_namespace("sdk-2")
    for name in ("sdk-1", "sdk-2"):
        with pytest.raises(MISSING):
            image.get_metadef_namespace(name)


def test_lists_are_read_page_by_page(image):
    """Pages of any size give the same namespaces in the same order, each of them once."""
    whole = [n.namespace for n in image.metadef_namespaces()]
    assert len(whole) == len(set(whole)) > 30
    for size in (1, 7, 100):
        assert [n.namespace for n in image.metadef_namespaces(limit=size)] == whole
    by_name = [n.namespace for n in image.metadef_namespaces(limit=4, sort_key="namespace", sort_dir="asc")]
    assert by_name == sorted(whole)
    flavors = list(image.metadef_namespaces(resource_types="OS::Nova::Flavor", limit=5))
    assert len(flavors) > 10
    assert all("OS::Nova::Flavor" in [a["name"] for a in n.resource_type_associations] for n in flavors)
    seen = {n.namespace for n in image.metadef_namespaces(visibility="public")}
    kept = {n.namespace for n in image.metadef_namespaces(visibility="private")}
    assert seen | kept == set(whole) and kept == {"OS::OperatingSystem", "OS::Glance::CommonImageProperties"}


def test_tags(image, namespace):
    def names():
        # Without the resource: where the server names no tags, it shows those that were added last.
        return sorted(tag["name"] for tag in image.get("/metadefs/namespaces/sdk/tags").json()["tags"])

    image.add_tag_to_metadef_namespace(namespace, "a")
    image.add_tag_to_metadef_namespace(namespace, "b c")
    assert names() == ["a", "b c"]
    namespace.set_tags(image, ["d", "e"])
    assert names() == ["d", "e"]
    namespace.set_tags(image, ["f"], append=True)
    assert names() == ["d", "e", "f"]
    with pytest.raises(TAKEN):
        namespace.set_tags(image, ["g", "d"], append=True)
    assert names() == ["d", "e", "f"], "all or none"
    image.remove_tag_from_metadef_namespace(namespace, "e")
    assert names() == ["d", "f"]
    with pytest.raises(MISSING):
        image.remove_tag_from_metadef_namespace(namespace, "e")
    image.remove_tags_from_metadef_namespace(namespace)
    assert names() == []


def test_objects(image, namespace):
    properties = {"a": {"title": "A", "type": "integer", "default": 1}, "b": {"title": "B", "type": "boolean"}}
    made = image.create_metadef_object(namespace, name="o", description="d", required=["a"], properties=properties)
    assert (made.name, made.description, made.required) == ("o", "d", ["a"])
    shown = image.get_metadef_object("o", namespace)
    assert shown.properties == properties | {"a": properties["a"] | {"default": "1"}}
    assert shown.created_at == made.created_at and shown.required == ["a"]
    with pytest.raises(TAKEN):
        image.create_metadef_object(namespace, name="o")
    changed = image.update_metadef_object("o", namespace, name="o2", description="e")
    assert (changed.name, changed.description) == ("o2", "e")
    image.create_metadef_object(namespace, name="o3")
    assert sorted(o.name for o in image.metadef_objects(namespace)) == ["o2", "o3"]
    image.delete_metadef_object("o2", namespace)
    with pytest.raises(MISSING):
        image.get_metadef_object("o2", namespace)
    image.delete_all_metadef_objects(namespace)
    assert list(image.metadef_objects(namespace)) == []


def test_properties(image, namespace):
    schema = {"type": "string", "title": "T", "description": "d", "operators": ["<in>"], "default": "x",
              "enum": ["x", "y"], "pattern": "^[xy]$", "min_length": 1, "max_length": 9, "is_readonly": True}
    image.create_metadef_property(namespace, name="p", **schema)
    shown = image.get_metadef_property("p", namespace)
    assert {key: getattr(shown, key) for key in schema} == schema
    listed = {"type": "array", "title": "L", "items": {"type": "string"}, "require_unique_items": True, "min_items": 1,
              "max_items": 3, "allow_additional_items": False}
    image.create_metadef_property(namespace, name="list", **listed)
    found = {p.name: p for p in image.metadef_properties(namespace)}
    assert set(found) == {"p", "list"}
    assert {key: getattr(found["list"], key) for key in listed} == listed
    with pytest.raises(TAKEN):
        image.create_metadef_property(namespace, name="p", type="string", title="again")
    image.update_metadef_property("p", namespace, name="q", type="number", title="U", minimum=-1, maximum=1)
    shown = image.get_metadef_property("q", namespace)
    assert (shown.type, shown.title, shown.minimum, shown.maximum, shown.enum) == ("number", "U", -1, 1, None)
    image.delete_metadef_property("q", namespace, ignore_missing=False)
    with pytest.raises(MISSING):
        image.delete_metadef_property("q", namespace, ignore_missing=False)
    image.delete_all_metadef_properties(namespace)
    assert list(image.metadef_properties(namespace)) == []


def test_resource_types(image, namespace):
    before = {t.name for t in image.metadef_resource_types()}
    assert {IMAGE, "OS::Cinder::Volume", "OS::Nova::Aggregate", "OS::Nova::Flavor", "OS::Nova::Server",
            "OS::Trove::Instance"} <= before
    made = image.create_metadef_resource_type_association(namespace, name=IMAGE, prefix="hw_",
                                                          properties_target="image")
    assert (made.prefix, made.properties_target) == ("hw_", "image")
    image.create_metadef_resource_type_association(namespace, name="OS::Nova::Server", properties_target="metadata")
    with pytest.raises(TAKEN):
        image.create_metadef_resource_type_association(namespace, name=IMAGE)
    found = {a.name: (a.prefix, a.properties_target) for a in image.metadef_resource_type_associations(namespace)}
    assert found == {IMAGE: ("hw_", "image"), "OS::Nova::Server": (None, "metadata")}
    image.delete_metadef_resource_type_association(IMAGE, namespace, ignore_missing=False)
    assert [a.name for a in image.metadef_resource_type_associations(namespace)] == ["OS::Nova::Server"]
    with pytest.raises(MISSING):
        image.delete_metadef_resource_type_association(IMAGE, namespace, ignore_missing=False)
    assert {t.name for t in image.metadef_resource_types()} == before


def test_schemas(image):
    """What clients build their forms and their own checks from."""
    for kind, plural in (("namespace", "namespaces"), ("object", "objects"), ("property", "properties"),
                         ("tag", "tags"), ("resource_type", "resource_types")):
        one = getattr(image, f"get_metadef_{kind}_schema")()
        many = getattr(image, f"get_metadef_{plural}_schema")()
        assert "name" in one.properties or "namespace" in one.properties, kind
        assert one.additional_properties is False and one.required, kind
        listed = many.properties[many.name if kind == "resource_type" else plural]
        assert listed["type"] == ("object" if kind == "property" else "array"), kind


def test_a_member_reads_only(server, image, namespace):
    image.add_tag_to_metadef_namespace(namespace, "t")
    member = server.connect().image
    assert [tag["name"] for tag in member.get_metadef_namespace("sdk").tags] == ["t"]
    for write in (lambda: member.create_metadef_namespace(namespace="mine"),
                  lambda: member.update_metadef_namespace("sdk", description="x"),
                  lambda: member.delete_metadef_namespace("sdk"),
                  lambda: member.add_tag_to_metadef_namespace("sdk", "x"),
                  lambda: member.remove_tags_from_metadef_namespace("sdk"),
                  lambda: member.create_metadef_object("sdk", name="x"),
                  lambda: member.create_metadef_property("sdk", name="x", title="x", type="string"),
                  lambda: member.create_metadef_resource_type_association("sdk", name="x")):
        with pytest.raises(REFUSED):
            write()
