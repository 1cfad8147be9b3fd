"""The programs of Glance that deployment tools call, as links to one binary: the same arguments and exit codes."""

import json
import os
import signal
import subprocess

import pytest

from harness import Server, binary, databases, environments, free_port, process, wait_for

NAMES = ("glance-api", "glance-cache-cleaner", "glance-cache-manage", "glance-cache-prefetcher", "glance-cache-pruner",
         "glance-manage", "glance-replicator", "glance-scrubber", "glance-status", "glance-wsgi-api")
# What roles and operators call `glance-manage` with, in an order in which each finds what the one before left.
MANAGE = ([], ["db"], ["db_check"], ["db_sync"], ["db_check"], ["db", "sync", "5"], ["db_sync", "5"], ["db", "expand"],
          ["db", "migrate"], ["db", "contract"], ["db_expand"], ["db_migrate"], ["db_contract"], ["db_version"],
          ["db", "purge"], ["db", "purge", "--age_in_days", "0", "--max_rows", "-1"],
          ["db", "purge", "--age_in_days", "-1"], ["db", "purge", "--age_in_days", "x"],
          ["db", "purge", "--max_rows", "-2"],
          ["db", "purge", "30"], ["db", "purge", "30", "-1"], ["db", "purge", "x"], ["db", "sync", "glance"],
          ["db", "purge", "--age_in_days", "100000"], ["db_purge"], ["db", "purge_images_table", "--max_rows", "5"],
          ["db", "load_metadefs", "--prefer_new"], ["db", "load_metadefs", "--path", "/nowhere"],
          ["db", "unload_metadefs"],
          ["db_unload_metadefs"], ["db", "nonsense"], ["nonsense"])


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A folder with a link for each name."""
    folder = tmp_path_factory.mktemp("bin")
    subprocess.run([binary(), "links", folder], check=True, capture_output=True, timeout=60)
    return folder


def run(program, *words, status=0, env=None):
    """Runs a program; returns what it printed and complained about."""
    done = subprocess.run([str(word) for word in (program, *words)], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, env=os.environ | (env or {}))
    assert done.returncode == status, f"{program} {words}: {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def configured(folder, database=None, **sections):
    """A configuration with a file store in `folder`, and the database named."""
    url = database.url if database else f"sqlite:///{folder}/glance.sqlite"
    text = f"[database]\nconnection = {url}\n"
    sections.setdefault("glance_store", f"filesystem_store_datadir = {folder}/images")
    sections.setdefault("vitrine", f"data_dir = {folder}/own")
    path = folder / "glance-api.conf"
    path.write_text(text + "".join(f"[{name}]\n{lines}\n" for name, lines in sections.items()))
    return path


def test_every_name_is_a_program(programs):
    """The links are all there are, each knows itself, and making them again changes nothing."""
    assert sorted(path.name for path in programs.iterdir()) == sorted(NAMES)
    for name in NAMES:
        assert f"Usage: {name}" in run(programs / name, "--help")
    assert run(binary(), "links", programs) == ""


def test_glance_manage_ends_as_glances_does(programs, tmp_path):
    """Every call, in both spellings, ends with the exit code with which Glance's own ends."""
    codes = {}
    for name, program in (("vitrine", programs), ("glance", environments.venv("glance") / "bin")):
        folder = tmp_path / name
        folder.mkdir()
        path = configured(folder) if name == "vitrine" else folder / "glance.conf"
        if name == "glance":
            path.write_text(f"[database]\nconnection = sqlite:///{folder}/glance.sqlite\n")
        codes[name] = [(" ".join(words), subprocess.run(
            [program / "glance-manage", *(["--config-file", path] if words else []), *words], capture_output=True,
            timeout=120).returncode) for words in MANAGE]
    assert codes["vitrine"] == codes["glance"]


@pytest.mark.parametrize("kind", databases.KINDS)
def test_a_role_starts_the_service(programs, tmp_path, kind):
    """`glance-manage db_sync`, `db_load_metadefs`, `glance-api` and the check of an upgrade, as roles call them."""
    database = None if kind == databases.SQLITE else getattr(databases, kind)().create()
    port = free_port()
    config = configured(tmp_path, database, DEFAULT=f"bind_host = 127.0.0.1\nbind_port = {port}")
    manage = [programs / "glance-manage", "--config-file", config]
    assert "lacks" in run(*manage, "db_check", status=3)
    status = [programs / "glance-status", "--config-file", config, "upgrade", "check"]
    assert "brought up to date" in run(*status, status=1)
    run(*manage, "db_sync")
    run(*manage, "db_check")
    metadefs = tmp_path / "metadefs"
    metadefs.mkdir()
    (metadefs / "one.json").write_text(json.dumps({"namespace": "One", "visibility": "public"}))
    run(*manage, "db", "unload_metadefs")
    assert "1 namespace: 1 added" in run(*manage, "db_load_metadefs", metadefs)
    assert "1 namespace: 1 merged" in run(*manage, "db_load_metadefs", metadefs, "1")
    assert "Success" in run(*status)
    checks = json.loads(run(*status, "--json").splitlines()[-1])["checks"]
    assert [check["result"] for check in checks] == [0, 0]
    server = Server(tmp_path / "own", port=port)
    server.argv = lambda: [str(programs / "glance-api"), "--config-file", str(config)]
    with server:
        image = server.create()
        server.put(image, b"data").expect(204)
        assert (tmp_path / "images" / image).read_bytes() == b"data"
        admin, _ = server.login("vitrine-admin")
        listed = server.request("GET", "/v2/metadefs/namespaces", token=admin).expect(200).json
        assert [row["namespace"] for row in listed["namespaces"]] == ["One"]
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(process.PATIENCE_S) == 0


def test_an_id_is_never_used_twice(each_server):
    """Purging forgets all of a deleted image but its id: creating one of that id is a conflict for ever."""
    image = each_server.create()
    each_server.request("DELETE", f"/v2/images/{image}").expect(204)
    purge = ("db", "purge", "--images", "--age-in-days", "0", "--max-rows", "-1")
    assert each_server.command(*purge).startswith("images: ")
    assert each_server.rows("SELECT COUNT(*) FROM images WHERE id = ?", image) == [(0,)]
    assert each_server.rows("SELECT COUNT(*) FROM purged_images WHERE id = ?", image) == [(1,)]
    each_server.request("POST", "/v2/images", {"id": image, "name": "again"}).expect(409)


def test_rows_of_old_memberships_are_purged(server):
    """Those that were taken back go, as many as were asked for; what is in force stays."""
    image = server.create(visibility="shared")
    for project in ("one", "two", "three"):
        server.request("POST", f"/v2/images/{image}/members", {"member": project}).expect(200)
    for project in ("one", "two"):
        server.request("DELETE", f"/v2/images/{image}/members/{project}").expect(204)
    purge = ("db", "purge", "--age-in-days", "0", "--max-rows")
    count = "SELECT member FROM image_members WHERE image_id = ? ORDER BY member"
    assert "image_members: 0 rows" in server.command("db", "purge")
    assert "image_members: 1 rows" in server.command(*purge, "1")
    assert "image_members: 1 rows" in server.command(*purge, "-1")
    assert server.rows(count, image) == [("three",)]


def test_the_cache_is_managed_from_outside(programs, server, tmp_path):
    """`glance-cache-manage` queues, lists and deletes with the password of an administrator, not of a member; another
    server stands in for Keystone. The tools for cron run beside it."""
    def login(cloud):
        auth = server.connect(cloud).config.config["auth"]
        return {f"OS_{name.upper()}": auth[name] for name in ("auth_url", "username", "password", "project_name")}

    own = login("vitrine-admin")
    keystone = "".join(f"{name[3:].lower()} = {value}\n" for name, value in own.items())
    config = configured(tmp_path, DEFAULT=f"image_cache_dir = {tmp_path}/cache",
                        paste_deploy="flavor = keystone+cachemanagement",
                        keystone_authtoken=f"auth_type = password\n{keystone}"
                                           "user_domain_id = default\nproject_domain_id = default\n")
    with Server(tmp_path / "own", arguments=["--config-file", config], database=databases.Embedded()) as cached:
        cached.login, cached._token = server.login, server.token()
        image = cached.create()
        cached.put(image, b"data").expect(204)
        cached.download(image)

        def manage(*words, env=own, status=0):
            return run(programs / "glance-cache-manage", "-H", "127.0.0.1", "-p", cached.port, *words, env=env,
                       status=status)

        assert "Not authorized" in manage("list-cached", env=login("vitrine"), status=1)
        assert "401" in manage("list-cached", env={"OS_TOKEN": "invented"}, status=1)
        wait_for("it is cached", lambda: f"| {image} |" in manage("list-cached"))
        said = manage("list-cached")
        assert "Found 1 cached images..." in said and "Hits" in said
        manage("delete-cached-image", image)  # Nobody says yes.
        assert image in manage("list-cached")
        manage("--force", "delete-cached-image", image)
        assert manage("list-cached") == "No cached images.\n"
        assert manage("-f", "-v", "queue-image", image) == "Done: queue the image\n"
        assert "is not a valid UUID" in manage("-f", "queue-image", "x", status=1)
        assert "Unknown command" in manage("nonsense", status=1)
        for tool in ("cleaner", "pruner", "prefetcher"):
            run(programs / f"glance-cache-{tool}", "--config-file", config)
        assert "nothing to do" in run(programs / "glance-scrubber", "--config-file", config)
        assert "cannot be restored" in run(programs / "glance-scrubber", "--config-file", config, "--restore", image,
                                           status=1)


def test_images_are_replicated(programs, tmp_path):
    """Dumped, loaded and copied from one server to another; compared before and after."""
    with Server(tmp_path / "a", database=databases.Embedded()) as a, \
            Server(tmp_path / "b", database=databases.Embedded()) as b:
        a._token, b._token = (server.login("vitrine-admin")[0] for server in (a, b))
        config = tmp_path / "empty.conf"
        config.write_text("")
        image = a.create(name="öne", note="x/~y", tags=["t"])
        a.put(image, b"data" * 1000).expect(204)
        hidden = a.create(name="hidden", os_hidden=True)
        a.put(hidden, b"more").expect(204)
        a.create(name="empty")

        def replicator(*words):
            return run(programs / "glance-replicator", "--config-file", config, *words, "--sourcetoken", a.token(),
                       "--targettoken", a.token() if words[0] == "size" else b.token())

        places = [f"127.0.0.1:{server.port}" for server in (a, b)]
        assert "4004 bytes (3.9 KiB) across 2 images" in replicator("size", places[0])
        folder = tmp_path / "dump"
        folder.mkdir()
        replicator("dump", places[0], folder)
        assert (folder / f"{image}.img").read_bytes() == b"data" * 1000
        assert f"{image}: missing from the destination" in replicator("compare", *places)
        replicator("load", places[1], folder)
        assert replicator("compare", *places) == ""
        assert b.download(image) == b"data" * 1000 and b.show(image)["name"] == "öne" and b.show(hidden)["os_hidden"]
        a.patch(image, {"op": "replace", "path": "/name", "value": "new"},
                {"op": "add", "path": "/a~1b", "value": "c"}).expect(200)
        assert f"{image}: field name differs" in replicator("compare", *places)
        third = a.create(name="third")
        a.put(third, b"3").expect(204)
        replicator("livecopy", *places)
        assert replicator("compare", *places) == ""
        assert b.download(third) == b"3" and b.show(image)["a/b"] == "c"
        assert replicator("livecopy", *places) == ""

