"""`openstack image storage create` and `image placement`, the plug-in's commands for stores that come and go."""

import pytest

from harness import Server, plugin, wait_for

CONFIG = """
[DEFAULT]
enabled_backends = disk:file
[glance_store]
default_backend = disk
[disk]
filesystem_store_datadir = {folder}/disk
[vitrine]
storage_folders = {folder}/storages
"""


@pytest.fixture
def storages(tmp_path):
    folder = tmp_path / "storages"
    folder.mkdir()
    return folder


@pytest.fixture
def admin(tmp_path, storages, plugin_path, warm):
    config = tmp_path / "glance-api.conf"
    config.write_text(CONFIG.format(folder=tmp_path))
    with Server(tmp_path / "data", arguments=["--config-file", config]) as running:
        yield plugin.Extended(running, plugin_path, warm, "vitrine-admin")


@pytest.fixture
def openstack_of(plugin_path, warm):
    return lambda admin: plugin.Extended(admin.server, plugin_path, warm)


def test_a_store_comes_and_goes(admin, storages):
    """What was tried is added, is used like any store, is disabled, and goes when nothing is left in it."""
    place = storages / "nfs1"
    new = ["image", "storage", "create", "nfs1", "--type", "file", "--option", f"datadir={place}", "--weight", "3"]
    assert "(HTTP 400)" in admin.refused(*new)
    place.mkdir()
    planned = admin.json(*new, "--dry-run")
    assert (planned["id"], planned["weight"], planned["place"]) == ("nfs1", 3, f"file://{place}/")
    assert [row["ID"] for row in admin.json("image", "storage", "list")] == ["disk"]
    made = admin.json(*new, "--host", "hv1", "--role", "iso", "--role", "stock")
    assert (made["managed"], made["hosts"], made["roles"]) == (True, ["hv1"], ["iso", "stock"])
    data = storages / "data"
    data.write_bytes(b"data")
    image = admin.json("image", "create", "--file", str(data), "--property", "source_host=hv1", "mine")["id"]
    assert (place / image).read_bytes() == b"data"
    rows = {row["ID"]: row for row in admin.json("image", "storage", "list", "--long")}
    assert (rows["nfs1"]["Images"], rows["nfs1"]["Hosts"], rows["disk"]["Managed"]) == (1, ["hv1"], False)

    changed = admin.json("image", "storage", "set", "nfs1", "--disable", "--no-hosts", "--zone", "hall-2")
    assert (changed["read_only"], changed["hosts"], changed["zones"]) == (True, [], ["hall-2"])
    for option, rule in ((("--in-use-delete", "refuse"), "refuse"), (("--no-in-use-delete",), None)):
        assert admin.json("image", "storage", "set", "nfs1", *option)["in_use_delete"] == rule
    assert admin.json("image", "storage", "set", "nfs1", "--enable", "--dry-run")["read_only"] is False
    assert admin.json("image", "storage", "show", "nfs1")["read_only"] is True
    told = admin.refused("image", "storage", "delete", "nfs1")
    assert "Failed to delete storage 'nfs1': " in told and "1 locations" in told
    assert "(HTTP 409)" in admin.refused("image", "storage", "set", "disk", "--disable")
    admin("image", "delete", image)
    token, _ = admin.server.login("vitrine-admin")
    path = "/ext/v1/stores/nfs1?dry_run=true"
    wait_for("the data is gone", lambda: admin.server.request("DELETE", path, token=token).status == 200)
    admin("image", "storage", "delete", "--dry-run", "nfs1")
    admin("image", "storage", "delete", "nfs1")
    assert [row["ID"] for row in admin.json("image", "storage", "list")] == ["disk"]


def test_rules_say_where_images_go(admin, storages, openstack_of):
    """Rules are tried, act on what is uploaded, and go; customers are told nothing of them."""
    for name in ("one", "two"):
        (storages / name).mkdir()
        admin("image", "storage", "create", name, "--type", "file", "--option", f"datadir={storages / name}")
    made = admin.json("image", "placement", "create", "one", "--image-type", "snapshot", "--image-type", "backup",
                      "--description", "captures")
    assert (made["store"], made["position"], made["when"]) == ("one", 0, {"image_type": ["snapshot", "backup"]})
    other = admin.json("image", "placement", "create", "two", "--disk-format", "iso")
    rows = admin.json("image", "placement", "list")
    assert [(row["Position"], row["Store"]) for row in rows] == [(0, "one"), (10, "two")]
    tried = admin.json("image", "placement", "try", "--image-type", "backup")
    assert (tried["store"], tried["because"], tried["rule_id"]) == ("one", "rule", made["id"])
    data = storages / "data"
    data.write_bytes(b"data")
    image = admin.json("image", "create", "--file", str(data), "--property", "image_type=snapshot", "mine")["id"]
    assert (storages / "one" / image).read_bytes() == b"data"
    changed = admin.json("image", "placement", "set", made["id"], "--store", "two", "--position", "20")
    assert (changed["store"], changed["description"]) == ("two", "captures")
    assert admin.json("image", "placement", "try", "--image", "mine")["store"] == "two"
    assert admin.json("image", "placement", "show", other["id"])["when"] == {"disk_format": ["iso"]}
    assert "(HTTP 409)" in admin.refused("image", "storage", "delete", "two")
    assert "(HTTP 403)" in openstack_of(admin).refused("image", "placement", "list")
    told = admin.refused("image", "placement", "delete", made["id"], other["id"], "nothing")
    assert "1 of 3 rules failed to delete." in told
    assert admin.json("image", "placement", "list") == []
