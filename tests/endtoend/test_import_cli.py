"""Imports through the `openstack` and `glance` command line clients, with two and with three stores."""

import functools
import gzip
import json

import pytest

from harness import Server, Tool, digest, fields, glance_client, sources, table, wait_for

CONFIG = """
[DEFAULT]
enabled_backends = {backends}, web:http
enabled_import_methods = ['glance-direct', 'web-download', 'copy-image', 'glance-download']
[glance_store]
default_backend = fast
[fast]
store_description = on flash
weight = 10
filesystem_store_datadir = {folder}/fast
[cheap]
filesystem_store_datadir = {folder}/cheap
[deep]
filesystem_store_datadir = {folder}/deep
[os_glance_staging_store]
filesystem_store_datadir = {folder}/staging
[image_import_opts]
image_import_plugins = ['image_decompression']
[import_filtering_opts]
allowed_ports = []
allowed_networks = ['127.0.0.0/8']
"""
# Another region, whose users are those of the first.
REMOTE = """
[keystone_authtoken]
www_authenticate_uri = {identity}
auth_url = {identity}
auth_type = password
username = admin
password = {password}
project_name = admin
user_domain_id = default
project_domain_id = default
[paste_deploy]
flavor = keystone
"""
ADMIN = "vitrine-admin"


@pytest.fixture(scope="module", params=[2, 3], ids=["two-stores", "three-stores"])
def cloud(request, tmp_path_factory):
    """A server with so many stores that can be written to, and a read-only one."""
    folder = tmp_path_factory.mktemp("stores")
    names = ["fast", "cheap", "deep"][:request.param]
    config = folder / "glance-api.conf"
    config.write_text(CONFIG.format(folder=folder, backends=", ".join(f"{name}:file" for name in names)))
    with Server(folder / "data", arguments=["--config-file", str(config)]) as running:
        running.stores = list(names)
        yield running


@pytest.fixture(scope="module")
def web(qcow2, workshop):
    """The URL of a web server with the disk, as it is and compressed."""
    packed = workshop / "disk.qcow2.gz"
    packed.write_bytes(gzip.compress(qcow2.read_bytes()))
    server = sources.Folder(workshop)
    yield server.url
    server.close()


@pytest.fixture(scope="module")
def openstack(cloud):
    return Tool("openstack", cloud)


@pytest.fixture(scope="module")
def admin(cloud):
    return Tool("openstack", cloud, ADMIN)


@pytest.fixture(scope="module")
def glance(cloud):
    return glance_client(cloud)


def settled(openstack, image, status="active"):
    """What `image show` says once nothing works on the image any more."""
    def ended():
        shown = openstack.json("image", "show", image)
        return None if "os_glance_import_task" in shown["properties"] else shown
    shown = wait_for(f"the import of {image} is over", ended)
    tasks = openstack.server.request("GET", f"/v2/images/{image}/tasks").json["tasks"]
    assert shown["status"] == status, [task["message"] for task in tasks]
    return shown


def create(openstack, *options):
    return openstack.json("image", "create", "--disk-format", "qcow2", "--container-format", "bare", *options,
                          "imported")["id"]


def holds(openstack, cloud, image, file, stores):
    """The image is that file, in exactly these stores, the heaviest named first, and every store has its bytes."""
    shown = settled(openstack, image)
    assert shown["properties"]["stores"] == ",".join(stores), shown
    assert shown["checksum"] == digest(file, "md5")
    assert shown["properties"]["os_hash_value"] == digest(file, "sha512")
    for store in stores:
        assert digest(cloud.data_dir.parent / store / image, "sha512") == digest(file, "sha512")
    assert shown["properties"].get("os_glance_failed_import", "") == ""
    return shown


def test_what_there_is_to_import_with(openstack, admin, glance, cloud):
    listed = openstack.json("image", "stores", "list")
    assert sorted(row["ID"] for row in listed) == sorted([*cloud.stores, "web"])
    assert [row["ID"] for row in listed if row["Default"] is True] == ["fast"]
    assert "403" in openstack.refused("image", "stores", "list", "--detail")
    detailed = {row["ID"]: row for row in admin.json("image", "stores", "list", "--detail")}
    assert detailed["fast"]["Properties"]["data_dir"] == str(cloud.data_dir.parent / "fast")
    methods = ["copy-image", "glance-direct", "glance-download", "web-download"]
    assert sorted(openstack.json("image", "import", "info")["import-methods"]) == methods
    assert "import-methods" in glance("import-info")
    assert '"read-only": "true"' in glance("stores-info")


def test_a_file_is_staged_and_imported(openstack, cloud, qcow2):
    """`create --import` in one call, and the two calls that it stands for."""
    image = openstack.json("image", "create", "--disk-format", "qcow2", "--container-format", "bare", "--import",
                           "--file", qcow2, "imported")["id"]
    holds(openstack, cloud, image, qcow2, ["fast"])
    other = create(openstack)
    assert "glance-direct" in openstack.refused("image", "import", other)
    openstack("image", "stage", "--file", qcow2, other)
    assert openstack.json("image", "show", other)["status"] == "uploading"
    openstack("image", "import", "--all-stores", other)
    holds(openstack, cloud, other, qcow2, cloud.stores)
    openstack("image", "delete", image, other)


def test_a_web_server_is_imported_from(openstack, cloud, web, qcow2):
    """Into the default store, into a chosen one, into all; compressed data is unpacked on the way."""
    cases = [("disk.qcow2", [], ["fast"]), ("disk.qcow2", ["--store", "cheap", "--"], ["cheap"]),
             ("disk.qcow2.gz", ["--all-stores"], cloud.stores),
             ("disk.qcow2", ["--all-stores", "--disallow-failure"], cloud.stores),
             ("disk.qcow2", ["--store", "cheap", "fast", "--"], ["fast", "cheap"])]
    for file, options, stores in cases:
        image = create(openstack)
        openstack("image", "import", "--method", "web-download", "--uri", f"{web}/{file}", *options, image)
        holds(openstack, cloud, image, qcow2, stores)
        openstack("image", "delete", image)


def test_an_image_is_copied_to_further_stores(openstack, admin, glance, cloud, web, qcow2):
    image = create(openstack)
    openstack("image", "import", "--method", "web-download", "--uri", f"{web}/disk.qcow2", image)
    holds(openstack, cloud, image, qcow2, ["fast"])
    admin("image", "import", "--method", "copy-image", "--store", "cheap", "--", image)
    holds(openstack, cloud, image, qcow2, ["fast", "cheap"])
    admin("image", "import", "--method", "copy-image", "--all-stores", image)
    holds(openstack, cloud, image, qcow2, cloud.stores)
    # Nothing is missing any more, so that nothing is started.
    tasks = admin.json("image", "task", "list")
    admin("image", "import", "--method", "copy-image", "--all-stores", image)
    assert admin.json("image", "task", "list") == tasks
    assert "403" in glance.refused("stores-delete", "--store", "cheap", image)
    glance_client(cloud, ADMIN)("stores-delete", "--store", "cheap", image)
    holds(openstack, cloud, image, qcow2, [store for store in cloud.stores if store != "cheap"])
    wait_for("the data is gone from the store", lambda: not (cloud.data_dir.parent / "cheap" / image).exists())
    openstack("image", "delete", image)


def test_tasks_tell_what_was_done_and_what_failed(openstack, admin, glance, web, qcow2):
    image = create(openstack, "--property", "expected_hash=sha256:" + "0" * 64)
    for uri, why in ((f"{web}/nothing", "404"), (f"{web}/disk.qcow2", "hash-mismatch")):
        openstack("image", "import", "--method", "web-download", "--uri", uri, image)
        settled(openstack, image, "queued")
        assert why in glance("image-tasks", image)
    openstack("image", "set", "--property", f"expected_hash=sha256:{digest(qcow2, 'sha256')}", image)
    openstack("image", "import", "--method", "web-download", "--uri", f"{web}/disk.qcow2", image)
    settled(openstack, image)
    told = [status for _, status, _ in table(glance("image-tasks", image))[1:]]
    assert sorted(filter(None, told)) == ["failure", "failure", "success"]
    newest = admin.json("image", "task", "list")[0]
    shown = admin.json("image", "task", "show", newest["ID"])
    assert (shown["type"], shown["status"]) == ("api_image_import", "success")
    assert shown["result"] == {"image_id": image} and shown["input"]["image_id"] == image
    assert "403" in openstack.refused("image", "task", "list")
    openstack("image", "delete", image)


def test_glance_creates_via_import(openstack, glance, cloud, web, qcow2):
    """All in one: create, stage or name the source, import."""
    common = ["image-create-via-import", "--disk-format", "qcow2", "--container-format", "bare", "--name", "via"]
    cases = [(["--file", qcow2], ["fast"]), (["--file", qcow2, "--stores", "cheap,fast"], ["fast", "cheap"]),
             (["--file", qcow2, "--all-stores", "True"], cloud.stores),
             (["--import-method", "web-download", "--uri", f"{web}/disk.qcow2", "--store", "cheap"], ["cheap"])]
    for options, stores in cases:
        image = fields(glance(*common, *options))["id"]
        holds(openstack, cloud, image, qcow2, stores)
        openstack("image", "delete", image)
    image = create(openstack)
    glance("image-stage", "--file", qcow2, image)
    glance("image-import", "--import-method", "glance-direct", "--stores", "cheap", image)
    holds(openstack, cloud, image, qcow2, ["cheap"])
    openstack("image", "delete", image)


def test_the_task_api_imports_too(openstack, cloud, web, qcow2):
    """Deprecated in Glance, and still what some scripts use."""
    tool = glance_client(cloud, ADMIN)
    given = {"import_from": f"{web}/disk.qcow2", "import_from_format": "qcow2",
             "image_properties": {"name": "by-task", "disk_format": "qcow2", "container_format": "bare"}}
    made = tool("task-create", "--type", "import", "--input", json.dumps(given))
    task = fields(made)["id"]
    wait_for("the task is over", lambda: fields(tool("task-show", task))["status"] == "success")
    assert task in tool("task-list")
    admin = Tool("openstack", cloud, ADMIN)
    image = admin.json("image", "list", "--name", "by-task")[0]["ID"]
    assert admin.json("image", "show", image)["checksum"] == digest(qcow2, "md5")
    admin("image", "delete", image)


def test_the_operator_sees_stops_and_repeats_jobs(openstack, cloud, web, qcow2):
    jobs = functools.partial(cloud.command, "jobs")
    image = create(openstack)
    missing = f"{web}/later.qcow2"
    openstack("image", "import", "--method", "web-download", "--uri", missing, image)
    settled(openstack, image, "queued")
    job = next(line.split()[0] for line in jobs("list", "--status", "failure").splitlines() if image in line)
    assert json.loads(jobs("show", job))["input"]["import_req"]["method"]["uri"] == missing
    assert "there is nothing to stop" in jobs("cancel", job, status=1)
    later = qcow2.with_name("later.qcow2")
    later.write_bytes(qcow2.read_bytes())
    assert job in jobs("retry", job)
    holds(openstack, cloud, image, qcow2, ["fast"])
    later.unlink()
    openstack("image", "delete", image)


def test_another_region_is_imported_from(openstack, admin, cloud, qcow2, tmp_path):
    """`glance-download`, found in the catalogue, with the caller's own token."""
    config = tmp_path / "remote.conf"
    identity = f"{cloud.url}/identity/v3"
    auth = cloud.connect(ADMIN).config.config["auth"]
    config.write_text(REMOTE.format(identity=identity, password=auth["password"]))
    with Server(tmp_path / "remote", arguments=["--config-file", str(config)]) as remote:
        region, service = "RegionTwo", admin.json("service", "list")
        service = next(row["ID"] for row in service if row["Type"] == "image")
        admin("region", "create", region)
        endpoint = admin.json("endpoint", "create", "--region", region, service, "public", remote.url)["id"]
        clouds = tmp_path / "clouds.yaml"
        clouds.write_text(cloud.clouds_yaml.read_text().replace("RegionOne", region))
        elsewhere = Tool("openstack", cloud, clouds_yaml=clouds)
        source = elsewhere.json("image", "create", "--disk-format", "qcow2", "--container-format", "bare", "--file",
                                qcow2, "--property", "hw_disk_bus=scsi", "--property", "mine=1", "over-there")["id"]
        image = create(openstack)
        openstack("image", "import", "--method", "glance-download", "--remote-region", region, "--remote-image",
                  source, "--remote-service-interface", "public", image)
        shown = holds(openstack, cloud, image, qcow2, ["fast"])
        assert shown["properties"]["hw_disk_bus"] == "scsi" and "mine" not in shown["properties"]
        openstack("image", "delete", image)
        admin("endpoint", "delete", endpoint)
        admin("region", "delete", region)
