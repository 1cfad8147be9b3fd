"""The commands beside `serve`: on each database while a server runs; and `config check` foretells what `serve` does."""

import json
import socket
import subprocess

import pytest

from harness import Server, binary, databases, doctor, wait_for

NOWHERE = "http://169.254.0.1/"


def vitrine(*words, status):
    """Runs a command that needs no server; returns what it said."""
    done = subprocess.run([binary(), *map(str, words)], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(params=databases.KINDS)
def server(request, tmp_path):
    """With room for imports to fail in: no address may be imported from unless it is named."""
    config = tmp_path / "glance-api.conf"
    config.write_text("[import_filtering_opts]\nallowed_ports = []\nallowed_networks = ['169.254.0.0/16']\n"
                      "[vitrine]\nimport_connect_timeout = 1\n")
    with Server(tmp_path / "data", arguments=["--config-file", config],
                database=databases.fresh(request.param)) as running:
        yield running


def test_definitions_are_loaded_and_exported(server, tmp_path):
    """What `metadefs` says it did is what the API lists."""
    server.command("metadefs", "unload")
    said = server.command("metadefs", "load")
    folder = tmp_path / "exported"
    server.command("metadefs", "export", folder)
    names = {json.loads(path.read_text())["namespace"] for path in folder.iterdir()}
    assert said == f"{len(names)} namespaces: {len(names)} added\n" and names
    admin, _ = server.login("vitrine-admin")
    listed = server.request("GET", "/v2/metadefs/namespaces?limit=1000", token=admin).expect(200).json
    assert {row["namespace"] for row in listed["namespaces"]} == names


def test_a_store_is_held_against_the_ledger(server):
    """0 while they agree, 2 when they do not; files without a row are deleted on request, lost data is told."""
    image = server.create()
    server.put(image, b"data").expect(204)
    assert server.command("store", "reconcile").splitlines()[-1].endswith(": 1 files, 1 rows")
    (server.images_dir / "stranger").write_bytes(b"x")
    assert "no row: stranger" in server.command("store", "reconcile", status=2)
    assert "no row: stranger (deleted)" in server.command("store", "reconcile", "--delete")
    assert sorted(path.name for path in server.images_dir.iterdir() if path.is_file()) == [image]
    (server.images_dir / image).unlink()
    assert f"no file: {image} of image {image}" in server.command("store", "reconcile", status=2)


def test_jobs_are_shown_and_repeated(server):
    """A failed import is listed with its reason and asked for anew; the new job is another and fails as well."""
    image = server.create()
    server.begin_import(image, {"name": "web-download", "uri": NOWHERE})
    failed = server.finished_import(image)
    assert failed["status"] == "failure"
    assert server.command("jobs", "list", "--status", "success") == ""
    (line,) = server.command("jobs", "list", "--status", "failure").splitlines()
    assert line.startswith(failed["id"]) and image in line and failed["message"] in line
    shown = json.loads(server.command("jobs", "show", failed["id"]))
    assert (shown["image_id"], shown["status"]) == (image, "failure")
    assert "there is nothing to stop" in server.command("jobs", "cancel", failed["id"], status=1)
    assert "there is no job" in server.command("jobs", "show", image, status=1)
    server.command("jobs", "retry", failed["id"])
    wait_for("the second try is over",
             lambda: len(server.command("jobs", "list", "--status", "failure").splitlines()) == 2)


@pytest.mark.parametrize("words", [
    ("jobs", "list"), ("keys", "list"), ("keys", "rotate"), ("nodes",), ("metadefs", "load"), ("metadefs", "unload"),
    ("store", "reconcile"), ("store", "adopt"), ("cache", "list"), ("db", "sync"), ("db", "check"), ("db", "version"),
], ids=" ".join)
def test_a_mistyped_folder_is_not_made(tmp_path, words):
    """A command that finds no data there names the folder and makes nothing, neither folder nor database."""
    config, nowhere = tmp_path / "glance-api.conf", tmp_path / "nowhere"
    config.write_text(f"[DEFAULT]\nimage_cache_dir = {tmp_path / 'cache'}\n")
    said = vitrine(*words, "--data-dir", nowhere, "--config-file", config, status=1)
    assert said.startswith("vitrine: there is no ") and str(nowhere) in said and len(said.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == [config]


def test_what_is_not_there_is_named(tmp_path):
    """What an argument names and nobody knows is an error in one line, and nothing has happened."""
    config = tmp_path / "glance-api.conf"
    config.write_text(f"[DEFAULT]\nimage_cache_dir = {tmp_path / 'cache'}\n")
    unknown = "6d2d6b5e-0d22-4b9a-9d1a-3a0a2b1e4c9d"
    with Server(tmp_path / "data", arguments=["--config-file", config], database=databases.Embedded()) as server:
        for words, reason in [
            (("jobs", "list", "--status", "done"), "status"),
            (("jobs", "show", unknown), f"there is no job {unknown}"),
            (("jobs", "cancel", unknown), f"there is no job {unknown}"),
            (("jobs", "retry", unknown), f"there is no job {unknown}"),
            (("cache", "queue", unknown), unknown),
            (("store", "reconcile", "--store", "elsewhere"), "no such store"),
            (("store", "adopt", "--from", "file"), "the store file is configured"),
        ]:
            said = server.command(*words, status=1)
            assert said.startswith("vitrine: ") and reason in said and len(said.splitlines()) == 1, (words, said)
        assert server.command("jobs", "list") == "" and server.command("cache", "list") == ""


def test_the_sample_is_a_configuration(tmp_path):
    """It has every option at its default, so that nothing is to be said about it, and a server starts with it."""
    sample = tmp_path / "sample.conf"
    sample.write_text(vitrine("config", "sample", status=0))
    assert vitrine("config", "check", "--strict", "--config-file", sample, status=0) == "no errors, no warnings\n"
    with Server(tmp_path / "data", arguments=["--config-file", sample]) as server:
        server.create()


@pytest.mark.parametrize(("section", "text"), [("DEFAULT", "image_size_cap = many"),
                                               ("DEFAULT", "metadata_encryption_key = 0123456789abcde"),
                                               ("database", "mysql_enable_ndb = true")],
                         ids=["bad", "short", "refused"])
def test_what_a_check_calls_an_error_stops_the_start(tmp_path, section, text):
    """Both name file, line and option, in the same words, and no secret."""
    config = tmp_path / "glance-api.conf"
    config.write_text(f"[{section}]\n{text}\n")
    (error, count) = vitrine("config", "check", "--config-file", config, status=1).splitlines()
    assert count == "1 error, no warnings" and f"{config}:2: [{section}] {text.split()[0]}: " in error
    assert "0123456789abcde" not in error
    said = vitrine("serve", "--data-dir", tmp_path / "data", "--bind", "127.0.0.1:0", "--config-file", config, status=1)
    assert error.partition(": ")[2] in said and not (tmp_path / "data").exists()


def test_locations_that_the_key_does_not_decrypt_are_named(tmp_path):
    """Nothing is wrong with the key that a server wrote them with; with another one the check names each location, and
    the log of a server says at its start how many there are."""
    config, data = tmp_path / "glance-api.conf", tmp_path / "data"
    config.write_text("[DEFAULT]\nmetadata_encryption_key = 0123456789abcdef\n")
    with Server(data, arguments=["--config-file", config]) as server:
        image = server.create()
        server.put(image, b"data").expect(204)
        assert server.command("check").endswith("everything agrees\n")
        (row,) = server.rows("SELECT id, url FROM image_locations")
        assert "://" not in row[1]
        config.write_text("[DEFAULT]\nmetadata_encryption_key = fedcba9876543210\n")
        said = server.command("check", status=2)
        assert f"location {row[0]} of image {image}: its URL cannot be decrypted" in said
        assert "1 of 1 locations cannot be decrypted" not in server.log.read_text()
        assert ("locations-sealed", "failure") in doctor.only("database", server, code=1)
        server.kill()
        server.start()
        assert "1 of 1 locations cannot be decrypted" in server.log.read_text()


def test_what_a_check_warns_of_stands_in_the_log(tmp_path):
    """A warning fails a strict check only, and the server that starts nevertheless says it, too."""
    config = tmp_path / "glance-api.conf"
    config.write_text("[DEFAULT]\nno_such = 1\n")
    warning, _ = vitrine("config", "check", "--config-file", config, status=0).splitlines()
    assert vitrine("config", "check", "--strict", "--config-file", config, status=1).startswith(warning)
    (found,) = json.loads(vitrine("config", "check", "--json", "--config-file", config, status=0))["warnings"]
    assert (found["origin"], found["option"], found["topic"]) == (f"{config}:2", "no_such", "unknown")
    with Server(tmp_path / "data", arguments=["--config-file", config]) as server:
        assert found["reason"] in server.log.read_text()


def test_rules_are_looked_at(tmp_path):
    """The sample is a file of rules, faults in one are told, and an answer is explained by what was compared."""
    rules, config = tmp_path / "policy.yaml", tmp_path / "glance-api.conf"
    config.write_text(f"[oslo_policy]\npolicy_file = {rules}\n")
    place = ("--config-file", config)
    rules.write_text(vitrine("policy", "sample", status=0))
    assert vitrine("policy", "check", *place, status=0) == ""
    assert '# default\n"delete_image"' in vitrine("policy", "show", *place, status=0)
    ask = ("policy", "explain", "delete_image", "--roles", "member", "--project", "p", *place)
    assert "delete_image: allowed" in vitrine(*ask, "--target", "project_id=p", status=0)
    said = vitrine(*ask, "--target", "project_id=q", status=1)
    assert "delete_image: denied" in said and "(caller: p; target: q)" in said
    rules.write_text('"delete_image": "role:"\n"no_such_rule": "@"\n')
    assert "no_such_rule" in vitrine("policy", "check", *place, status=0)
    rules.write_text("[")
    assert "error: " in vitrine("policy", "check", *place, status=1)


def test_stores_are_tried_where_the_command_runs(tmp_path):
    """Each configured store with its state, room, latency and errors; 2 when one is not well, or hangs."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = tmp_path / "glance-api.conf"
        config.write_text(
            "[DEFAULT]\nenabled_backends = disk:file, web:http, far:s3\n[glance_store]\ndefault_backend = disk\n"
            f"[disk]\nfilesystem_store_datadir = {tmp_path}/images\n"
            f"[far]\ns3_store_host = http://127.0.0.1:{silent.getsockname()[1]}\ns3_store_access_key = a\n"
            "s3_store_secret_key = b\ns3_store_bucket = c\n")
        words = ["stores", "--config-file", config, "--data-dir", tmp_path, "--timeout", 8]
        told = json.loads(vitrine(*words, "--json", status=2))["stores"]
        assert [(store["id"], store["type"], store["state"]) for store in told] == [
            ("disk", "file", "well"), ("web", "http", "well"), ("far", "s3", "sick")]
        assert 0 < told[0]["free"] <= told[0]["total"] and told[0]["latency"]["median_ms"] > 0
        assert told[2]["errors"] == 1 and told[2]["last_error"]["reason"] == "it did not answer within 8 s"
        lines = vitrine(*words, status=2).splitlines()
        assert lines[0].split() == ["STORE", "TYPE", "STATE", "ROOM", "LATENCY", "ERRORS", "LAST", "ERROR"]
        assert lines[1].startswith("disk   file  well   ") and lines[3].startswith("far    s3    sick   -")
    config.write_text(config.read_text().replace(", far:s3", ""))
    vitrine(*words, status=0)
