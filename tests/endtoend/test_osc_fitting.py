"""`openstack image fitting list` and `lint`, the plug-in's commands for images and the machines that they want."""

import pytest

from harness import Server, plugin


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("cloud") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def openstack(cloud, plugin_path, warm):
    return plugin.Extended(cloud, plugin_path, warm)


def names(openstack, *arguments):
    return [row["Name"] for row in openstack.json("image", "fitting", "list", *arguments)]


def test_images_are_listed_that_fit(openstack):
    """Each option is a part of the flavor; without any all images are listed, page after page."""
    server = openstack.server
    server.create(name="large", min_ram=4096, min_disk=40)
    server.create(name="small", architecture="x86_64", hw_firmware_type="uefi")
    server.create(name="arm", architecture="aarch64", max_ram="2048")
    server.create(name="tools", hw_rescue_device="cdrom")
    assert names(openstack) == ["arm", "large", "small", "tools"]
    assert names(openstack, "--limit", "2", "--sort", "name:desc") == ["tools", "small"]
    assert names(openstack, "--ram", "4095") == ["small", "tools"]
    assert names(openstack, "--disk", "39") == ["arm", "small", "tools"]
    assert names(openstack, "--ram", "2048", "--disk", "20", "--arch", "arm64") == ["arm", "tools"]
    assert names(openstack, "--firmware", "uefi", "--status", "queued") == ["small"]
    assert names(openstack, "--rescue") == ["tools"]
    assert names(openstack, "--rescue", "--name", "small") == []
    assert "\"x86_46\"" in openstack.refused("image", "fitting", "list", "--arch", "x86_46")


def test_what_needs_attention_is_listed(openstack, admin):
    """The mark of a reconciliation, which administrators can set as well."""
    server = openstack.server
    server.create(name="whole")
    marked = server.create(name="damaged")
    admin("image", "set", "--property", "needs_attention=missing in store file", marked)
    assert [row["ID"] for row in admin.json("image", "fitting", "list", "--needs-attention")] == [marked]


def test_an_image_is_shown_by_its_short_name(openstack):
    """That of the user's project, and of no other; nothing bears a name that nobody has given."""
    server = openstack.server
    image = server.create(name="Debian 12", image_slug="debian-12", tags=["a", "b"])
    shown = openstack.json("image", "slug", "show", "debian-12")
    assert (shown["id"], shown["name"], shown["tags"]) == (image, "Debian 12", ["a", "b"])
    assert openstack.json("image", "slug", "show", "debian-12", "--project", shown["owner"])["id"] == image
    assert "(HTTP 404)" in openstack.refused("image", "slug", "show", "debian-12", "--project", "0" * 32)
    assert "(HTTP 404)" in openstack.refused("image", "slug", "show", "debian-13")


def test_what_is_odd_is_told(openstack):
    """A value that no hypervisor knows, and properties that go ill together; nothing of an image that is in order."""
    server = openstack.server
    server.create(name="odd", hw_rescue_device="foo", min_ram=1024, max_ram="512")
    rows = openstack.json("image", "lint", "odd")
    assert [(row["Property"], row["Value"], row["Reason"]) for row in rows] == [
        ("hw_rescue_device", "foo", "unknown-value"), ("max_ram", "512", "below-min-ram")]
    assert "cdrom, disk, floppy" in rows[0]["Message"]
    server.create(name="fine", hw_rescue_device="disk")
    assert openstack.json("image", "lint", "fine") == []
    assert "No Image found for nothing" in openstack.refused("image", "lint", "nothing")
