"""What the Terraform provider for OpenStack does with images, by gophercloud: its calls in its order, twice over.

tests/clients/go is the provider without Terraform. Each test applies a configuration, and then plans it again, which
must change nothing.
"""

import bz2
import gzip
import json
import os
import re
import uuid

import pytest

from harness import Server, digest, gophercloud, keystone, sources
from harness.keystone import PASSWORD

CONFIG = """
[import_filtering_opts]
allowed_ports = []
allowed_networks = ['127.0.0.0/8']
"""
IMAGES = "/v2/images"
# What an apply asks for once the data is sent: that the image is active, its checksum, and all that is shown.
SEEN = ["GET {}"] * 3
# More than a page of a list.
MANY = 27


class Cloud:
    """A server, and people of it who each keep a state of their own."""

    def __init__(self, folder, server, auth_url, people, projects):
        self.folder, self.server, self.auth_url = folder, server, auth_url
        self.people, self.projects = people, projects
        self.program = gophercloud.built()

    def terraform(self, person):
        """A fresh state of the owner, of whom an image is shared with, or of the administrator."""
        return gophercloud.Terraform(self.program, self.folder / f"{uuid.uuid4()}.json", self.auth_url,
                                     *self.people[person])


def built_in(folder):
    """With the identity service that is built in."""
    (folder / "glance-api.conf").write_text(CONFIG)
    server = Server(folder / "data", arguments=["--config-file", folder / "glance-api.conf"])
    with server:
        administrator = server.connect("vitrine-admin")
        project = administrator.identity.create_project(name="neighbours", domain_id="default")
        user = administrator.identity.create_user(name="neighbour", password=PASSWORD, domain_id="default")
        role = administrator.identity.find_role("member", ignore_missing=False)
        administrator.identity.assign_project_role_to_user(project, user, role)
        auths = {person: server.connect(cloud).config.config["auth"]
                 for person, cloud in (("owner", "vitrine"), ("admin", "vitrine-admin"))}
        people = {person: (auth["username"], auth["password"], auth["project_name"]) for person, auth in auths.items()}
        people["neighbour"] = ("neighbour", PASSWORD, "neighbours")
        projects = {"owner": server.connect().current_project_id, "neighbour": project.id}
        yield Cloud(folder, server, f"{server.url}/identity/v3", people, projects)


def with_keystone(folder):
    """With a real Keystone."""
    with keystone.trusting(folder, CONFIG) as trusting:
        people = {"owner": ("member", PASSWORD, "alpha"), "neighbour": ("imember", PASSWORD, "gamma"),
                  "admin": ("admin", PASSWORD, "admin")}
        projects = {"owner": trusting.projects["alpha"], "neighbour": trusting.projects["gamma"]}
        yield Cloud(folder, trusting.server, trusting.url, people, projects)


@pytest.fixture(scope="module", params=[built_in, with_keystone], ids=["built-in", "keystone"])
def cloud(request, tmp_path_factory):
    yield from request.param(tmp_path_factory.mktemp("cloud"))


@pytest.fixture
def owner(cloud):
    return cloud.terraform("owner")


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "image.raw"
    path.write_bytes(os.urandom(100_000))
    return path


@pytest.fixture
def web(tmp_path):
    source = sources.Folder(tmp_path)
    yield source
    source.close()


def image(resource="one", /, **config):
    """A resource as people write it."""
    usual = {"name": f"image {resource}", "disk_format": "raw", "container_format": "bare"}
    return {"kind": "image", "name": resource, "config": usual | config}


def path_of(values):
    return f"{IMAGES}/{values['id']}"


def settled(terraform, resources, sources=()):
    """A second plan changes nothing, and only looks; returns what is there."""
    told = terraform("plan", resources, sources)
    assert told["changes"] == []
    assert all(call.startswith("GET ") for call in told["calls"])
    return told["values"]


def destroyed(terraform, resources):
    """Everything is deleted, what came last first, and nothing is kept of it."""
    kept = json.loads(terraform.state.read_text())
    places = [kept[block["name"]]["seen"]["id"].replace("/", "/members/") for block in reversed(resources)]
    told = terraform("destroy", resources)
    assert [call for call in told["calls"] if call.startswith("DELETE")] == [
        f"DELETE {IMAGES}/{place}" for place in places]
    assert terraform("plan", resources)["changes"] == [
        {"name": block["name"], "action": "create", "fields": []} for block in resources]


def test_a_local_file(owner, cloud, data):
    """Created, uploaded, verified, read again, found as it was left, and deleted, each by the provider's own calls."""
    given = image(local_file_path=str(data), min_disk_gb=2, min_ram_mb=64, tags=["b", "a"],
                  properties={"os_distro": "debian", "key": "value"})
    told = owner("apply", [given])
    one = told["values"]["one"]
    assert told["changes"] == [{"name": "one", "action": "create", "fields": []}]
    assert told["login"][0].startswith("POST ") and told["login"][0].endswith("/v3/auth/tokens")
    assert told["calls"] == [f"POST {IMAGES}", f"PUT {path_of(one)}/file", *[c.format(path_of(one)) for c in SEEN]]
    assert (one["checksum"], one["size_bytes"]) == (digest(data, "md5"), 100_000)
    assert one["properties"].items() >= {"os_distro": "debian", "key": "value", "os_hash_algo": "sha512",
                                         "os_hash_value": digest(data, "sha512")}.items()
    assert (one["status"], one["visibility"], one["hidden"], one["protected"]) == ("active", "private", False, False)
    assert (one["owner"], sorted(one["tags"])) == (cloud.projects["owner"], ["a", "b"])
    assert (one["file"], one["schema"]) == (f"{path_of(one)}/file", "/v2/schemas/image")
    assert (one["min_disk_gb"], one["min_ram_mb"]) == (2, 64)
    assert settled(owner, [given])["one"] == one
    told = owner("destroy", [given])
    assert told["calls"] == [f"GET {path_of(one)}", f"DELETE {path_of(one)}"]


def test_an_image_with_an_id_of_ones_own(owner, data):
    """A wish for an id is granted, and remains granted."""
    chosen = str(uuid.uuid4())
    given = image(local_file_path=str(data), image_id=chosen)
    assert owner("apply", [given])["values"]["one"]["id"] == chosen
    settled(owner, [given])
    destroyed(owner, [given])


@pytest.mark.parametrize("pack, suffix", [(bytes, "raw"), (gzip.compress, "raw.gz"), (bz2.compress, "raw.bz2")])
def test_image_source_url(owner, data, web, tmp_path, pack, suffix):
    """The provider downloads, decompresses and uploads; the next image of the same URL needs no download."""
    packed, cache = tmp_path / f"packed.{suffix}", tmp_path / "cache"
    packed.write_bytes(pack(data.read_bytes()))
    cache.mkdir()
    given = [image(name, image_source_url=f"{web.url}/{packed.name}", image_cache_path=str(cache),
                   decompress=pack is not bytes, verify_checksum=True) for name in ("one", "two")]
    told = owner("apply", given)
    one, two = told["values"]["one"], told["values"]["two"]
    assert one["checksum"] == two["checksum"] == digest(data, "md5")
    assert told["calls"] == [
        f"POST {IMAGES}", f"GET /{packed.name}", f"PUT {path_of(one)}/file", *[c.format(path_of(one)) for c in SEEN],
        f"POST {IMAGES}", f"PUT {path_of(two)}/file", *[c.format(path_of(two)) for c in SEEN]]
    assert web.asked == 1
    settled(owner, given)
    destroyed(owner, given)


def test_web_download(owner, data, web):
    """The service downloads; on its way the image has no state that the provider does not know."""
    given = image(image_source_url=f"{web.url}/{data.name}", web_download=True, properties={"key": "value"})
    told = owner("apply", [given])
    one = told["values"]["one"]
    assert told["calls"] == [f"POST {IMAGES}", f"POST {path_of(one)}/import", *[c.format(path_of(one)) for c in SEEN]]
    assert (one["status"], one["checksum"], one["size_bytes"]) == ("active", digest(data, "md5"), 100_000)
    settled(owner, [given])
    destroyed(owner, [given])


def test_a_web_download_that_is_refused(owner):
    """The image that was made for it is known to the state all the same, so that it can be destroyed."""
    given = image(image_source_url="file:///etc/passwd", web_download=True)
    assert "400" in owner.refused("apply", [given])
    destroyed(owner, [given])


def test_every_change_in_place(owner, cloud, data):
    """Each field by itself and then all at once: one PATCH and one GET, and the id remains."""
    usual = {"local_file_path": str(data), "properties": {"kept": "1", "changed": "1", "gone": "1"}, "tags": ["a"]}
    changes = {"name": "another", "min_disk_gb": 3, "min_ram_mb": 128, "protected": True, "hidden": True,
               "tags": ["b", "c"], "visibility": "community", "verify_checksum": False,
               "properties": {"kept": "1", "changed": "2", "new": "1"}}
    first = owner("apply", [image(**usual)])["values"]["one"]
    # All but verify_checksum are the service's; that one is the provider's alone, and its PATCH is empty.
    for field, value in changes.items():
        told = owner("apply", [image(**usual | {field: value})])
        assert told["changes"] == [{"name": "one", "action": "update", "fields": [field]}]
        assert told["calls"] == [f"GET {path_of(first)}", f"PATCH {path_of(first)}", f"GET {path_of(first)}"]
        usual[field] = value
        settled(owner, [image(**usual)])
    one = settled(owner, [image(**usual)])["one"]
    own = {name: one["properties"].get(name) for name in ("kept", "changed", "gone", "new")}
    assert own == {"kept": "1", "changed": "2", "gone": None, "new": "1"}
    assert (one["name"], one["visibility"], one["hidden"], one["protected"]) == ("another", "community", True, True)
    assert (one["min_disk_gb"], one["min_ram_mb"], sorted(one["tags"])) == (3, 128, ["b", "c"])
    assert (one["id"], one["checksum"], one["created_at"]) == (first["id"], first["checksum"], first["created_at"])

    back = [image(local_file_path=str(data), properties={}, tags=[])]
    told = owner("apply", back)
    assert told["changes"] == [{"name": "one", "action": "update", "fields": sorted(changes)}]
    one = settled(owner, back)["one"]
    assert one["tags"] == [] and {"kept", "changed", "new"}.isdisjoint(one["properties"])
    destroyed(owner, back)


def test_a_protected_image_is_not_destroyed(owner, data):
    """It is refused with 403, remains in the state, and goes once it is unprotected."""
    given = image(local_file_path=str(data), protected=True)
    owner("apply", [given])
    assert "403" in owner.refused("destroy", [given])
    settled(owner, [given])
    given = image(local_file_path=str(data))
    owner("apply", [given])
    destroyed(owner, [given])


def test_only_an_administrator_publishes(owner, cloud, data):
    """A public image is refused to the owner, before anything is made, and found by everyone once it is there."""
    given = image(local_file_path=str(data), visibility="public", name=f"public {uuid.uuid4()}")
    told = owner.tried("apply", [given])
    assert "403" in told["error"] and told["values"] == {}
    admin = cloud.terraform("admin")
    one = admin("apply", [given])["values"]["one"]
    settled(admin, [given])
    wanted = {"kind": "image", "name": "found", "config": {"name": given["config"]["name"], "visibility": "public"}}
    assert owner("plan", [], [wanted])["values"]["found"]["id"] == one["id"]
    destroyed(admin, [given])


def test_what_cannot_change_is_made_anew(owner, data):
    """The old image is deleted and another one created, in this order."""
    old = owner("apply", [image(local_file_path=str(data))])["values"]["one"]
    given = image(local_file_path=str(data), container_format="ovf")
    told = owner("apply", [given])
    new = told["values"]["one"]
    assert told["changes"] == [{"name": "one", "action": "replace", "fields": ["container_format"]}]
    assert told["calls"][:3] == [f"GET {path_of(old)}", f"DELETE {path_of(old)}", f"POST {IMAGES}"]
    assert new["id"] != old["id"] and new["container_format"] == "ovf"
    settled(owner, [given])
    destroyed(owner, [given])


def test_drift_is_seen_and_mended(owner, cloud, data):
    """What somebody else changed is changed back; what somebody else deleted is created anew."""
    given = image(local_file_path=str(data), properties={"key": "value"})
    one = owner("apply", [given])["values"]["one"]
    admin = cloud.terraform("admin")
    same = [{**given, "config": given["config"] | {"image_id": one["id"]}}]
    admin.state.write_text(owner.state.read_text())
    admin("apply", [{**given, "config": given["config"] | {"name": "drifted", "properties": {}}}])
    told = owner("apply", [given])
    assert told["changes"] == [{"name": "one", "action": "update", "fields": ["name", "properties"]}]
    settled(owner, [given])
    admin("destroy", same)
    told = owner("apply", [given])
    assert told["changes"] == [{"name": "one", "action": "create", "fields": []}]
    assert told["calls"][0] == f"GET {path_of(one)}" and told["values"]["one"]["id"] != one["id"]
    settled(owner, [given])
    destroyed(owner, [given])


def test_access_and_acceptance(owner, cloud, data):
    """One shares, the other accepts, rejects and gives up, and the first takes back; each as its resource does it."""
    member = cloud.projects["neighbour"]
    given = [image(local_file_path=str(data), visibility="shared"),
             {"kind": "access", "name": "given", "config": {"image_id": "${one.id}", "member_id": member}}]
    told = owner("apply", given)
    one, members = told["values"]["one"], f"{path_of(told['values']['one'])}/members"
    assert told["calls"][-2:] == [f"POST {members}", f"GET {members}/{member}"]
    shared = settled(owner, given)["given"]
    assert (shared["status"], shared["schema"]) == ("pending", "/v2/schemas/member")

    neighbour = cloud.terraform("neighbour")
    taken = {"kind": "access_accept", "name": "taken", "config": {"image_id": one["id"], "status": "accepted"}}
    told = neighbour("apply", [taken])
    # Who the member is, is found out.
    assert told["calls"] == [f"GET {members}", f"PUT {members}/{member}", f"GET {members}/{member}"]
    accepted = settled(neighbour, [taken])["taken"]
    assert (accepted["status"], accepted["member_id"], accepted["image_id"]) == ("accepted", member, one["id"])
    found = {"kind": "ids", "name": "found", "config": {"visibility": "shared", "member_status": "accepted"}}
    assert one["id"] in neighbour("plan", [taken], [found])["values"]["found"]["ids"]
    taken["config"]["status"] = "rejected"
    assert neighbour("apply", [taken])["calls"] == [
        f"GET {members}/{member}", f"PUT {members}/{member}", f"GET {members}/{member}"]
    assert settled(neighbour, [taken])["taken"]["status"] == "rejected"
    # Whoever shares does not ask for a status, and so nothing is to be changed back.
    assert settled(owner, given)["given"]["status"] == "rejected"
    assert neighbour("destroy", [taken])["calls"] == [f"GET {members}/{member}", f"PUT {members}/{member}"]
    assert owner("destroy", given)["calls"] == [
        f"GET {members}/{member}", f"GET {path_of(one)}", f"DELETE {members}/{member}", f"DELETE {path_of(one)}"]


def test_who_shares_does_not_accept(owner, cloud, data):
    """A status is refused to the owner after the member was added; an administrator sets it."""
    member = cloud.projects["neighbour"]
    shared = image(local_file_path=str(data), visibility="shared")
    given = {"kind": "access", "name": "given",
             "config": {"image_id": "${one.id}", "member_id": member, "status": "accepted"}}
    told = owner.tried("apply", [shared, given])
    assert "403" in told["error"] and told["values"]["given"]["member_id"] == member
    one = told["values"]["one"]
    admin = cloud.terraform("admin")
    again = {"kind": "access", "name": "given", "config": given["config"] | {"image_id": one["id"]}}
    assert "409" in admin.refused("apply", [again])
    owner("destroy", [given])
    told = admin("apply", [again])
    members = f"{path_of(one)}/members"
    assert told["calls"] == [f"POST {members}", f"PUT {members}/{member}", f"GET {members}/{member}"]
    assert settled(admin, [again])["given"]["status"] == "accepted"
    destroyed(admin, [again])
    destroyed(owner, [shared])


@pytest.fixture
def several(owner, tmp_path):
    """Three images of one tag, their sizes 1000, 2000 and 3000; yields the tag and their values."""
    tag, given = f"t-{uuid.uuid4()}", []
    for number in (1, 2, 3):
        path = tmp_path / f"{number}.raw"
        path.write_bytes(bytes(1000 * number))
        given.append(image(f"i{number}", local_file_path=str(path), name=f"{tag} {'cab'[number - 1]}", tags=[tag],
                           properties={"parity": "odd" if number % 2 else "even"}, hidden=number == 3))
    yield tag, owner("apply", given)["values"], given
    destroyed(owner, given)


def test_data_sources(owner, several):
    """Each argument of both data sources asks the service as the provider does, and finds what it should."""
    tag, made, given = several
    one, two, three = (made[f"i{number}"]["id"] for number in (1, 2, 3))
    # The arguments of a source, and the answer.
    asked = {
        "by name": ("image", {"name": f"{tag} c"}, one),
        "by size_min": ("image", {"size_min": 1500}, two),
        "by size_max": ("image", {"size_max": 1500}, one),
        "hidden": ("image", {"hidden": True}, three),
        "most recent": ("image", {"most_recent": True, "name_regex": " c$"}, one),
        "by properties": ("image", {"properties": {"parity": "even"}}, two),
        "by regex": ("image", {"name_regex": "[ab]$"}, two),
        "sorted": ("ids", {}, [two, one]),
        "sorted down": ("ids", {"sort": "name:desc"}, [one, two]),
        "sorted by two": ("ids", {"sort": "disk_format:asc,name:desc"}, [one, two]),
        "ids by properties": ("ids", {"properties": {"parity": "odd"}}, [one]),
        "ids by regex": ("ids", {"name_regex": "^nothing"}, []),
        "ids by owner": ("ids", {"owner": "0" * 32}, []),
        "ids by formats": ("ids", {"disk_format": "raw", "container_format": "bare"}, [two, one]),
        "ids by another format": ("ids", {"disk_format": "in:qcow2,iso"}, []),
        "ids by visibility": ("ids", {"visibility": "private"}, [two, one]),
        "ids by two tags": ("ids", {"tags": ["no such tag"]}, []),
    }
    wanted = [{"kind": kind, "name": name, "config": {"tag": tag} | config}
              for name, (kind, config, _) in asked.items()]
    told = owner("plan", given, wanted)
    found = {name: value["ids"] if asked[name][0] == "ids" else value["id"]
             for name, value in told["values"].items() if name in asked}
    assert found == {name: answer for name, (_, _, answer) in asked.items()}
    assert f"GET {IMAGES}?name={tag}+c&sort=name%3Aasc&status=active&tag={tag}" in told["calls"]
    assert f"GET {IMAGES}?sort=name%3Aasc&status=active&tag={tag}&size_min=1500" in told["calls"]
    assert told["changes"] == []
    # The image as a source and as a resource is the same.
    assert told["values"]["by name"] == told["values"]["i1"]
    assert owner.refused("plan", [], [wanted[0] | {"config": {"tag": tag}}]).endswith("more than one result")
    assert owner.refused("plan", [], [wanted[0] | {"config": {"name": "nobody's"}}]).endswith("no results")


def test_pages_are_followed(owner, tmp_path):
    """A data source sees more images than a page has, each once and in order."""
    path, tag = tmp_path / "image.raw", f"t-{uuid.uuid4()}"
    path.write_bytes(b"x")
    given = [image(f"n{number:02}", local_file_path=str(path), tags=[tag]) for number in range(MANY)]
    made = owner("apply", given)["values"]
    told = owner("plan", [], [{"kind": "ids", "name": "found", "config": {"tag": tag}}])
    assert told["values"]["found"]["ids"] == [made[f"n{number:02}"]["id"] for number in range(MANY)]
    lists = [call for call in told["calls"] if call.startswith(f"GET {IMAGES}?")]
    assert len(lists) == 2 and re.search(r"[?&]marker=", lists[1])
    destroyed(owner, given)
