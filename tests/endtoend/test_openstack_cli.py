"""The life of an image through the `openstack` command line client."""

import calendar
import filecmp
import json
import time

import pytest

from harness import Tool, digest, disks


@pytest.fixture(scope="module")
def openstack(server):
    return Tool("openstack", server)


def test_a_qcow2_from_create_to_delete(each_server, qcow2, tmp_path):
    """Everything that a user does with one image, on each database, and every number against other tools."""
    openstack = Tool("openstack", each_server)
    created = openstack.json("image", "create", "--disk-format", "qcow2", "--container-format", "bare",
                             "--file", qcow2, "--property", "os_distro=debian", "--tag", "a", "first")
    image = created["id"]
    shown = openstack.json("image", "show", image)
    assert shown["name"] == "first" and shown["status"] == "active"
    assert shown["visibility"] == "shared" and shown["tags"] == ["a"]
    assert shown["size"] == qcow2.stat().st_size
    assert shown["virtual_size"] == disks.virtual_size(qcow2)
    assert shown["checksum"] == digest(qcow2, "md5")
    assert shown["properties"]["os_hash_algo"] == "sha512"
    assert shown["properties"]["os_hash_value"] == digest(qcow2, "sha512")
    assert shown["properties"]["os_distro"] == "debian"

    openstack("image", "set", "--name", "second", "--property", "os_version=12", "--tag", "b",
              "--min-disk", "1", "--min-ram", "64", "--protected", image)
    shown = openstack.json("image", "show", "second")
    assert (shown["id"], shown["min_disk"], shown["min_ram"]) == (image, 1, 64)
    assert sorted(shown["tags"]) == ["a", "b"] and shown["properties"]["os_version"] == "12"
    assert "403" in openstack.refused("image", "delete", image)
    openstack("image", "set", "--unprotected", image)
    openstack("image", "unset", "--tag", "a", "--property", "os_distro", image)
    shown = openstack.json("image", "show", image)
    assert shown["tags"] == ["b"] and "os_distro" not in shown["properties"]

    saved = tmp_path / "saved.qcow2"
    openstack("image", "save", "--file", saved, image)
    assert filecmp.cmp(saved, qcow2, shallow=False)

    openstack("image", "set", "--deactivate", image)
    assert openstack.json("image", "show", image)["status"] == "deactivated"
    openstack("image", "set", "--activate", image)
    openstack("image", "save", "--file", saved, image)
    openstack("image", "delete", image)
    assert "No Image found" in openstack.refused("image", "show", image)


def test_list_long_with_filters(openstack):
    ids = {}
    for name, tag, property in (("list-one", "x", "p=1"), ("list-two", "y", "p=2")):
        ids[name] = openstack.json("image", "create", "--disk-format", "raw", "--container-format", "bare",
                                   "--tag", tag, "--property", property, name)["id"]

    def names(*filters):
        listed = openstack.json("image", "list", "--long", *filters)
        return [row["Name"] for row in listed if row["Name"] in ids]

    assert names("--sort", "name:asc") == ["list-one", "list-two"]
    assert names("--sort", "name:desc") == ["list-two", "list-one"]
    assert names("--name", "list-one") == ["list-one"]
    assert names("--tag", "y") == ["list-two"]
    assert names("--property", "p=2") == ["list-two"]
    assert sorted(names("--status", "queued")) == ["list-one", "list-two"]
    assert names("--status", "active") == []
    assert names("--private") == []
    assert names("--name", "in:list-two,list-none") == ["list-two"]
    row = next(r for r in openstack.json("image", "list", "--long") if r["Name"] == "list-one")
    assert row["ID"] == ids["list-one"] and row["Status"] == "queued" and row["Tags"] == ["x"]
    openstack("image", "delete", *ids.values())


def test_sharing_between_two_projects(server, openstack, qcow2, tmp_path):
    """A second project sees an image once it is shared, in lists once it accepts, and never owns it."""
    admin = Tool("openstack", server, "vitrine-admin")
    project = admin.json("project", "create", "neighbours")["id"]
    admin("user", "create", "--password", "not a secret", "--project", "neighbours", "neighbour")
    admin("role", "add", "--user", "neighbour", "--project", "neighbours", "member")
    clouds = tmp_path / "clouds.yaml"
    auth = {"auth_url": f"{server.url}/identity/v3", "username": "neighbour", "password": "not a secret",
            "project_name": "neighbours", "user_domain_id": "default", "project_domain_id": "default"}
    clouds.write_text(json.dumps({"clouds": {"neighbour": {"auth": auth, "identity_api_version": "3"}}}))
    neighbour = Tool("openstack", server, "neighbour", clouds)

    image = openstack.json("image", "create", "--disk-format", "qcow2", "--container-format", "bare",
                           "--file", qcow2, "shared-one")["id"]
    neighbour.refused("image", "show", image)
    openstack("image", "add", "project", image, project)
    members = openstack.json("image", "member", "list", image)
    assert [(row["Member ID"], row["Status"]) for row in members] == [(project, "pending")]
    assert neighbour.json("image", "show", image)["id"] == image
    assert neighbour.json("image", "list", "--shared") == []
    neighbour("image", "set", "--accept", image)
    assert [row["ID"] for row in neighbour.json("image", "list", "--shared")] == [image]
    saved = tmp_path / "saved"
    neighbour("image", "save", "--file", saved, image)
    assert filecmp.cmp(saved, qcow2, shallow=False)
    assert "403" in neighbour.refused("image", "delete", image)
    assert "403" in neighbour.refused("image", "set", "--name", "mine", image)
    openstack("image", "remove", "project", image, project)
    neighbour.refused("image", "show", image)
    openstack("image", "delete", image)


def test_only_an_admin_publishes(server, openstack):
    image = openstack.json("image", "create", "--disk-format", "raw", "--container-format", "bare", "p")["id"]
    assert "403" in openstack.refused("image", "set", "--public", image)
    Tool("openstack", server, "vitrine-admin")("image", "set", "--public", image)
    assert image in [row["ID"] for row in openstack.json("image", "list", "--public")]
    Tool("openstack", server, "vitrine-admin")("image", "delete", image)


def test_the_time_of_a_change_is_the_clocks(openstack):
    """created_at and updated_at are UTC in whole seconds, as clients parse them."""
    before = int(time.time())
    shown = openstack.json("image", "create", "--disk-format", "raw", "--container-format", "bare", "t")
    created = time.strptime(shown["created_at"], "%Y-%m-%dT%H:%M:%SZ")
    assert before - 1 <= calendar.timegm(created) <= time.time() + 1
    openstack("image", "delete", shown["id"])
