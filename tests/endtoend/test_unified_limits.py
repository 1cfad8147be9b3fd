"""Limits of projects (`use_keystone_limits`) set by `openstack registered limit` and `openstack limit`, in the built-in
identity and in a real Keystone, and what `openstack image create` is told of them."""

import subprocess

import pytest

from harness import ROOT, Server, Tool, free_port

MIB = 1 << 20
KEYSTONE = ROOT / "tests/peers/keystone"
# Limits count from one command to the next.
BUILTIN = """
[DEFAULT]
use_keystone_limits = true
"""
TRUSTING = """
[DEFAULT]
use_keystone_limits = true
[vitrine]
limits_cache_seconds = 0
[keystone_authtoken]
www_authenticate_uri = {url}
auth_url = {url}
auth_type = password
username = glance
password = a-password-for-tests
project_name = service
user_domain_name = Default
project_domain_name = Default
[oslo_limit]
auth_url = {url}
auth_type = password
username = sysreader
password = a-password-for-tests
user_domain_name = Default
system_scope = all
endpoint_service_type = image
endpoint_region_name = RegionOne
endpoint_interface = public
[paste_deploy]
flavor = keystone
"""
ALL = ("image_size_total", "image_stage_total", "image_count_total", "image_count_uploading")


@pytest.fixture
def builtin(tmp_path):
    """A server with its own identity, one of its projects, and a user and an administrator of it."""
    (tmp_path / "glance-api.conf").write_text(BUILTIN)
    with Server(tmp_path / "data", arguments=["--config-file", tmp_path / "glance-api.conf"]) as running:
        yield running, "demo", Tool("openstack", running), Tool("openstack", running, "vitrine-admin")


@pytest.fixture
def keystone(tmp_path):
    """The same with a real Keystone."""
    port, place = free_port(), tmp_path / "keystone"
    done = subprocess.run([KEYSTONE, "up", "--dir", place, "--image", f"http://127.0.0.1:{port}"], text=True,
                          stdout=subprocess.PIPE, timeout=600, check=True)
    (tmp_path / "glance-api.conf").write_text(TRUSTING.format(url=done.stdout.split()[-1]))
    with Server(tmp_path / "data", port, arguments=["--config-file", tmp_path / "glance-api.conf"]) as running:
        member, admin = (Tool("openstack", running, name, place / "clouds.yaml") for name in ("member", "admin"))
        yield running, "alpha", member, admin
    subprocess.run([KEYSTONE, "down", "--dir", place], check=True, timeout=60)


@pytest.fixture(params=["builtin", "keystone"])
def cloud(request):
    return request.getfixturevalue(request.param)


def upload(server, token):
    """What the server says of an upload of two MiB that it refuses."""
    fields = {"disk_format": "raw", "container_format": "bare"}
    image = server.request("POST", "/v2/images", fields, token=token).expect(201).json["id"]
    answer = server.request("PUT", f"/v2/images/{image}/file", b"\1" * (2 * MIB),
                            {"Content-Type": "application/octet-stream"}, token=token)
    return answer.expect(413).body.decode()


def test_limits_are_set_and_enforced(cloud, tmp_path):
    """An operator's commands from the first limit to the last, and a user who meets each of them."""
    server, project, member, admin = cloud
    disk = tmp_path / "disk.raw"
    disk.write_bytes(b"\1" * (2 * MIB))

    def create(name):
        return ["image", "create", "--disk-format", "raw", "--container-format", "bare", "--file", disk, name]

    token = member("token", "issue", "-f", "value", "-c", "id").strip()
    # Nothing is registered, so nothing may be had.
    assert "image_count_total" in member.refused(*create("first"))
    registered = {}
    for name in ALL:
        made = admin.json("registered", "limit", "create", "--service", "image", "--region", "RegionOne",
                          "--default-limit", "1", name)
        registered[name] = made["id"]
        assert (made["resource_name"], made["default_limit"]) == (name, 1)
    assert {row["Resource Name"] for row in admin.json("registered", "limit", "list")} == set(ALL)
    # Of a refused upload the client shows the status alone.
    assert "413" in member.refused(*create("first"))
    refusal = upload(server, token)
    assert "image_size_total" in refusal and "requests 2" in refusal, refusal

    limit = admin.json("limit", "create", "--project", project, "--service", "image", "--region", "RegionOne",
                       "--resource-limit", "2", "image_size_total")["id"]
    for image in member("image", "list", "-f", "value", "-c", "ID").split():
        member("image", "delete", image)
    assert member.json(*create("first"))["size"] == 2 * MIB
    assert "image_count_total" in member.refused(*create("second"))
    admin("registered", "limit", "set", "--default-limit", "5", registered["image_count_total"])
    assert "413" in member.refused(*create("second"))
    admin("limit", "set", "--resource-limit", "4", limit)
    assert admin.json("limit", "show", limit)["resource_limit"] == 4
    assert member.json(*create("third"))["size"] == 2 * MIB

    usage = server.request("GET", "/v2/info/usage", token=token).expect(200).json["usage"]
    assert usage["image_size_total"] == {"usage": 4, "limit": 4}
    assert usage["image_count_total"]["limit"] == 5

    assert [row["ID"] for row in admin.json("limit", "list", "--service", "image")] == [limit]
    assert "403" in admin.refused("registered", "limit", "delete", registered["image_size_total"])
    admin("limit", "delete", limit)
    usage = server.request("GET", "/v2/info/usage", token=token).expect(200).json["usage"]
    assert usage["image_size_total"] == {"usage": 4, "limit": 1}
    admin("registered", "limit", "delete", *registered.values())
    assert admin.json("registered", "limit", "list") == []
