"""`vitrine doctor`: nothing is found on a service that is well, and whatever is broken is found by its name."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from harness import ROOT, Server, binary, databases, free_port
from harness.doctor import argv, credentials, environment, findings, images, only, run

PAGE = ROOT / "docs/troubleshooting.md"
# What the first start leaves, until somebody chooses a password.
INITIAL = ("identity", "initial-password", "note")
NOT_TRIED = ("endpoint", "upload-not-tried", "note")


# What says something of the machine and of what else is done on it, not of the service.
MACHINE = {"disk-full", "disk-files-full", "store-full", "store-slow", "database-slow"}


def test_a_service_that_is_well(each_server):
    """On each database nothing is found but what an operator chose to leave, the trial upload comes back, and nothing
    is left of it."""
    def found(*words, **options):
        return {one for one in findings(each_server, *words, **options) if one[1] not in MACHINE}

    assert found() == {INITIAL, NOT_TRIED}
    assert found(env=credentials(each_server)) == {INITIAL}
    assert found("--os-token", each_server.token(), "--upload-size", 1) == {INITIAL}
    assert images(each_server) == []


def test_proxies_of_the_environment(server):
    """The addresses of this machine are no business of theirs."""
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), f"http://127.0.0.1:{free_port()}")
    assert only("server", server, env=proxies) == set()
    assert only("endpoint", server, env=proxies) == {("upload-not-tried", "note")}


def test_nobody_reads_the_report(server):
    """As in `doctor | head`: nothing is complained of, and the trial ends as it would have."""
    words = argv(server, "--upload-size", 1)
    with subprocess.Popen(words, env=environment(credentials(server)), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:
        process.stdout.close()
        complaint = process.stderr.read()
        assert (process.wait(60), complaint) == (1, "")
    assert images(server) == []


@pytest.mark.parametrize("check", ["identity", "endpoint"])
def test_what_hangs_can_be_interrupted(tmp_path, check):
    """A file that never gives anything, as on a share whose server is away, keeps nobody from ending it."""
    with Server(tmp_path / "data", database=databases.Embedded()) as server:
        file = server.data_dir / "clouds.yaml"
        file.unlink()
        os.mkfifo(file)
        words = argv(server, "--only", check)
        process = subprocess.Popen(words, env=environment(credentials(server)), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        # It is opened when it is being read.
        with process, file.open("w"):
            process.send_signal(signal.SIGINT)
            _, complaint = process.communicate(timeout=30)
        assert (process.returncode, complaint) == (130, "vitrine: interrupted\n")


def test_the_text(server):
    """Each check has its title, findings their ids, and nothing colours what is no terminal."""
    done = run(server, "--only", "identity", "--only", "clocks")
    assert done.returncode == 0 and "\x1b" not in done.stdout and done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        "Clocks and nodes (clocks)", "Identity (identity)", "no failures, no warnings, 1 note"]
    note, remedy = lines[lines.index("Identity (identity)") + 2:-1]
    assert note.startswith("  note    the administrator still has") and note.endswith(" [initial-password]")
    assert remedy.startswith("      ->  ") and "openstack" in remedy


def test_warnings_fail_where_that_is_asked_for(tmp_path):
    """A warning alone is no failure but with --strict, and a check that does not exist is refused."""
    config = tmp_path / "vitrine.conf"
    config.write_text("[DEFAULT]\nno_such_option = 1\n")
    place = (tmp_path / "data", ["--config-file", config])
    assert only("configuration", place) == {("config-warning", "warning")}
    assert only("configuration", place, "--strict", code=1) == {("config-warning", "warning")}
    assert run(place, "--only", "nothing").returncode == 2


def test_a_configuration_that_cannot_be_used(tmp_path):
    """Its errors are told, and that the rest was not looked at."""
    config = tmp_path / "vitrine.conf"
    config.write_text("[DEFAULT]\nbind_port = many\n")
    found = findings((tmp_path / "data", ["--config-file", config]), code=1)
    assert ("configuration", "config-error", "failure") in found
    assert ("database", "not-looked-at", "note") in found


def test_nobody_has_started_a_server_yet(tmp_path):
    """On an empty machine there are notes, and nothing is made by looking."""
    found = findings((tmp_path / "data", []))
    assert {severity for _, _, severity in found} == {"note"}
    assert {("files", "data-folder-missing", "note"), ("database", "database-missing", "note"),
            ("stores", "store-not-made", "note"), ("endpoint", "endpoint-unknown", "note")} <= found
    assert not (tmp_path / "data").exists()


# The machine.

@pytest.fixture
def open_folder():
    """A folder that every user may look into, as no folder of pytest is."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="vitrine-doctor-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_secret_that_everybody_can_read(open_folder):
    """A file with a password is found, one that few can read is not."""
    config, data = open_folder / "vitrine.conf", open_folder / "data"
    config.write_text("[keystone_authtoken]\npassword = secret\n")
    data.mkdir(mode=0o700)
    place = (data, ["--config-file", config])
    config.chmod(0o644)
    assert only("files", place) == {("secret-world-readable", "warning")}
    config.chmod(0o640)
    assert only("files", place) == set()
    data.chmod(0o755)
    assert only("files", place) == {("data-folder-open", "warning")}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_folder_of_another_user(tmp_path):
    (tmp_path / "data").mkdir(mode=0o700)
    shutil.chown(tmp_path / "data", "nobody")
    assert only("files", (tmp_path / "data", [])) == {("another-user", "warning")}


def test_few_descriptors(tmp_path):
    """Without a server the limit of the shell counts, with one that of the server."""
    few, enough = ["prlimit", "--nofile=400:400"], ["prlimit", "--nofile=4096:4096"]
    place = (tmp_path / "data", [])
    assert only("descriptors", place, prefix=few) == {("descriptors-few", "warning")}
    assert only("descriptors", place, prefix=enough) == set()
    with Server(tmp_path / "data", database=databases.Embedded()) as server:
        assert only("descriptors", server, prefix=few) == set()
        subprocess.run(["prlimit", f"--pid={server.process.pid}", "--nofile=400:400"], check=True)
        assert only("descriptors", server, prefix=enough) == {("descriptors-few", "warning")}


def test_a_full_disk(tmp_path):
    """A small file system is full for a server, whatever it holds."""
    with Server(tmp_path / "data", tmpfs={"staging": 8 << 20}, database=databases.Embedded()) as server:
        inside = ["nsenter", "--mount", f"--target={server.process.pid}"]
        assert only("disk", server, prefix=inside) == {("disk-full", "warning")}
        assert only("disk", server) == set()


def test_a_converter_that_is_missing(tmp_path):
    """It is looked for where disks are converted, in the confinement in which it runs."""
    config = tmp_path / "vitrine.conf"
    config.write_text("[image_import_opts]\nimage_import_plugins = image_conversion\n")
    place = (tmp_path / "data", ["--config-file", config])
    assert only("converter", place) == set()
    missing = {"PATH": str(tmp_path)}
    assert only("converter", place, env=missing, code=1) == {("converter-missing", "failure")}


# The database.

@pytest.mark.parametrize("kind", [databases.POSTGRESQL, databases.MARIADB])
def test_databases_that_do_not_answer(tmp_path, kind):
    """One that is dead and one that hangs are told from one that answers, in bounded time."""
    database = databases.mortal(kind)
    place, unreachable = (tmp_path / "data", database.arguments), {("database-unreachable", "failure")}
    assert only("database", place) == set()
    database.server.signal(signal.SIGSTOP)
    began = time.monotonic()
    assert only("database", place, code=1) == unreachable
    assert time.monotonic() - began < 90
    database.server.signal(signal.SIGCONT)
    database.server.kill()
    assert only("database", place, code=1) == unreachable
    # Others are not looked at for that.
    assert only("clocks", place) == {("not-looked-at", "note")}


@pytest.mark.parametrize("kind", [databases.POSTGRESQL, databases.MARIADB])
def test_a_schema_that_is_old(tmp_path, kind):
    database = (databases.postgresql() if kind == databases.POSTGRESQL else databases.mariadb()).create()
    place = (tmp_path / "data", database.arguments)
    assert only("database", place, code=1) == {("schema-old", "failure")}
    databases.prepare(database)
    assert only("database", place) == set()


def test_a_database_that_allows_few_connections(tmp_path):
    """The pool of one node is more than it allows."""
    database = databases.Postgresql(more={"max_connections": 20}).create()
    databases.prepare(database)
    config = tmp_path / "vitrine.conf"
    place = (tmp_path / "data", [*database.arguments, "--config-file", config])
    for overflow, found in ((15, set()), (16, {("database-connections", "warning")})):
        config.write_text(f"[database]\nmax_pool_size = 5\nmax_overflow = {overflow}\n")
        assert only("database", place) == found


def test_nodes_that_differ(tmp_path):
    """Two nodes with different settings on one database, and one whose clock is ahead."""
    database = databases.fresh(databases.POSTGRESQL)
    config = tmp_path / "vitrine.conf"
    config.write_text("[vitrine]\nlease_seconds = 300\n")
    with Server(tmp_path / "a", database=database) as one:
        assert only("clocks", one) == set()
        with Server(tmp_path / "b", database=database, arguments=["--config-file", config]) as two:
            found = only("clocks", two)
            assert ("nodes-differ", "warning") in found and len(found) == 1
            two.kill()
            with database.connect() as connection:
                connection.execute("UPDATE nodes SET seen_at = seen_at + 500000000, "
                                   "lease_until = lease_until + 500000000 WHERE bind = %s", [f"127.0.0.1:{two.port}"])
            found = only("clocks", one, code=1)
            assert found == {("nodes-differ", "warning"), ("clock-wrong", "failure")}


# Stores.

def test_a_store_whose_mark_is_gone(tmp_path):
    """A folder without its mark, one with another's, and one in whose place there is an empty one, as below a mount
    point where nothing is mounted; nothing is made there by looking."""
    with Server(tmp_path / "data", database=databases.Embedded()) as server:
        server.put(server.create(), b"data").expect(204)
        server.command("store", "claim", "file")
        assert only("stores", server) == set()
        folder = tmp_path / "data/images"
        mark = (folder / ".store-id").read_text()
        (folder / ".store-id").unlink()
        assert only("stores", server, code=1) == {("store-mark-missing", "failure")}
        (folder / ".store-id").write_text("another's")
        assert only("stores", server, code=1) == {("store-of-another", "failure")}
        (folder / ".store-id").write_text(mark)
        folder.rename(tmp_path / "away")
        folder.mkdir()
        assert only("stores", server, code=1) == {("store-gone", "failure")}
        assert list(folder.iterdir()) == []
        folder.rmdir()
        assert only("stores", server, code=1) == {("store-gone", "failure")}
        assert not folder.exists()
        (tmp_path / "away").rename(folder)
        assert only("stores", server) == set()


def test_two_stores_in_one_place(tmp_path):
    """Stores in one folder, in a folder of another, and beside it."""
    config = tmp_path / "vitrine.conf"
    shared, nested = {("places-shared", "failure")}, {("places-nested", "warning")}
    for second, found, code in (("a", shared, 1), ("a/b", nested, 0), ("ab", set(), 0)):
        config.write_text("[DEFAULT]\nenabled_backends = one:file, two:file\n[glance_store]\ndefault_backend = one\n"
                          f"[one]\nfilesystem_store_datadir = {tmp_path}/a\n"
                          f"[two]\nfilesystem_store_datadir = {tmp_path}/{second}\n")
        for folder in ("a", second):
            (tmp_path / folder / ".parts").mkdir(parents=True, exist_ok=True)
        place = (tmp_path / "data", ["--config-file", config])
        assert only("stores", place, code=code) == found


# The handbook.

def source():
    """The code of the checks, without their tests."""
    files = sorted((ROOT / "src/cli/doctor").rglob("*.rs"))
    return "\n".join(file.read_text().split("#[cfg(test)]\nmod tests {")[0] for file in files)


def test_the_handbook_has_every_finding():
    """The table of findings names each id that the code has, with its severity, and no other; and each check."""
    text = PAGE.read_text()
    listed = re.findall(r"^\| `([a-z-]+)` \| (failure|warning|note) \|", text, re.MULTILINE)
    coded = re.findall(r'Finding::(failure|warning|note)\(\s*"([a-z-]+)"', source())
    coded += re.findall(r'Self::(note)\("([a-z-]+)"', source())
    assert len(listed) == len(set(listed)) and set(listed) == {(name, severity) for severity, name in coded}
    checks = subprocess.run([binary(), "doctor", "--list"], capture_output=True, text=True, check=True).stdout
    for line in checks.splitlines():
        name, title = line.split(maxsplit=1)
        assert f"| `{name}` | {title} |" in text
