"""`openstack image attach`, `detach` and `limit`, the plug-in's commands for what projects are given and may have."""


def test_an_image_is_given_to_a_project(openstack, admin):
    """The project has it without accepting it, until it is taken back; only administrators give."""
    image = admin.json("image", "create", "--disk-format", "raw", "--container-format", "bare", "given")["id"]
    _, project = openstack.server.login()
    given = admin.json("image", "attach", "given", "demo")
    assert (given["image_id"], given["project_id"], given["status"]) == (image, project, "accepted")
    assert [row["ID"] for row in openstack.json("image", "list", "--shared", "--name", "given")] == [image]
    assert "(HTTP 403)" in openstack.refused("image", "detach", image, "demo")
    admin("image", "detach", image, project)
    assert admin.json("image", "member", "list", image) == []


def test_a_project_has_what_it_may(openstack, admin):
    """An administrator says so; the project sees its limits and is told why it has reached them."""
    openstack.server.create()
    before = openstack.json("image", "limit", "show")
    assert (before["enabled"], before["image_count_total"]) == (True, None)
    admin("image", "limit", "set", "--project", "demo", "--images", str(before["image_count_total_used"]),
          "--private-images", "0")
    shown = openstack.json("image", "limit", "show")
    assert (shown["image_count_total"], shown["private_images"]) == (before["image_count_total_used"], 0)
    assert "image_count_total" in openstack.refused("image", "create", "refused")
    numbers = ("--max-tags", "1", "--max-properties", "2", "--max-members", "3", "--max-locations", "4")
    sizes = ("--image-size-cap", "1000", "--max-virtual-size", "2000", "--create-rate", "500")
    admin("image", "limit", "set", "--project", "demo", *numbers, *sizes)
    shown = openstack.json("image", "limit", "show")
    assert [shown[name] for name in ("max_tags", "max_properties", "max_members", "max_locations")] == [1, 2, 3, 4]
    assert [shown[name] for name in ("image_size_cap", "max_virtual_size", "create_rate")] == [1000, 2000, 500]
    assert "number of allowed image tags" in openstack.refused("image", "create", "--tag", "a", "--tag", "b", "refused")
    admin("image", "limit", "set", "--project", "demo", "--disable", "--sentence", "Ask the desk.")
    assert "Ask the desk." in openstack.refused("image", "create", "refused")
    assert "(HTTP 403)" in openstack.refused("image", "limit", "unset")
    admin("image", "limit", "unset", "--project", "demo")
    assert openstack.json("image", "limit", "show") == before
