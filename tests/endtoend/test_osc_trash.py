"""`openstack image trash`, the plug-in's commands for deleted images."""

import pytest

from harness import Server

CONFIG = """
[vitrine]
trash_days = 7
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cloud")
    (folder / "glance-api.conf").write_text(CONFIG)
    with Server(folder / "data", arguments=["--config-file", folder / "glance-api.conf"]) as running:
        yield running


def active(server, name):
    image = server.create(name=name)
    server.put(image, b"data").expect(204)
    return image


def test_a_deleted_image_comes_back(openstack):
    """Two images of one name are deleted; one comes back as it was, the other goes for good."""
    first, second = (active(openstack.server, "twin") for _ in range(2))
    openstack("image", "delete", first, second)
    rows = openstack.json("image", "trash", "list")
    assert {row["ID"]: (row["Name"], row["Size"]) for row in rows} == {first: ("twin", 4), second: ("twin", 4)}
    assert all(row["Deleted At"] < row["Expires At"] for row in rows)
    openstack("image", "trash", "restore", first)
    assert openstack.server.download(first) == b"data"
    told = openstack.refused("image", "trash", "purge", second, first)
    assert f"Failed to purge image '{first}': " in told and "1 of 2 images failed to purge." in told
    assert openstack.json("image", "trash", "list") == []
    assert "(HTTP 404)" in openstack.refused("image", "trash", "restore", second)
