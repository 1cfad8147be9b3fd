"""`openstack image media group`, the plug-in's commands for the groups in which images are offered."""


def test_groups_come_and_go(openstack, admin):
    """An administrator makes, renames and deletes groups, and the images follow; customers see the visible groups."""
    made = admin.json("image", "media", "group", "create", "Linux", "--order", "2", "--description", "Penguins")
    assert (made["label"], made["order"]) == ("Linux", 2)
    admin("image", "media", "group", "create", "Drivers", "--hidden")
    assert "(HTTP 403)" in openstack.refused("image", "media", "group", "create", "Mine")
    assert [row["Name"] for row in openstack.json("image", "media", "group", "list")] == ["Linux"]
    assert [row["Name"] for row in openstack.json("image", "media", "group", "list", "--hidden")] == ["Drivers"]
    image = openstack.json("image", "create", "penguin", "--property", "media_group=Linux")["id"]
    shown = admin.json("image", "media", "group", "set", "Linux", "--name", "Free systems", "--visible")
    assert (shown["name"], shown["order"]) == ("Free systems", 2)
    assert openstack.json("image", "show", image)["properties"]["media_group"] == "Free systems"
    assert "(HTTP 409)" in admin.refused("image", "media", "group", "delete", "Free systems")
    admin("image", "media", "group", "delete", "--reassign", "Drivers", "Free systems")
    assert openstack.json("image", "list", "--name", "penguin") == []
    assert [row["ID"] for row in openstack.json("image", "list", "--hidden", "--name", "penguin")] == [image]
    admin("image", "media", "group", "delete", "--clear", "Drivers")
    assert [row["ID"] for row in openstack.json("image", "list", "--name", "penguin")] == [image]
    assert admin.json("image", "media", "group", "list") == []
