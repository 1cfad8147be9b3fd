"""`openstack image bundle`, the plug-in's commands for whole servers."""


def test_bundles_come_and_go(openstack, tmp_path):
    """Images become a bundle that Nova would boot; disks go only with it, or after it was taken apart."""
    data = tmp_path / "disk"
    data.write_bytes(b"disk")
    create = ("image", "create", "--file", str(data), "--disk-format", "raw", "--container-format", "bare")
    root, more = (openstack.json(*create, name)["id"] for name in ("root", "more"))
    made = openstack.json("image", "bundle", "create", "erp", "--boot", root, "--disk", f"{more}:100")
    assert [(one["image_id"], one["volume_size"]) for one in made["disks"]] == [(root, 1), (more, 100)]
    assert openstack.json("image", "show", made["id"])["properties"]["image_kind"] == "full"
    [row] = openstack.json("image", "bundle", "list", "--name", "erp")
    assert (row["ID"], row["Disks"]) == (made["id"], f"{root}:1, {more}:100")
    assert openstack.json("image", "bundle", "show", made["id"])["total_size"] == 8
    assert "409" in openstack.refused("image", "delete", root)
    openstack("image", "bundle", "delete", "--keep-disks", made["id"])
    again = openstack.json("image", "bundle", "create", "erp", "--boot", root, "--disk", more)
    openstack("image", "bundle", "delete", again["id"])
    assert openstack.json("image", "list") == []
