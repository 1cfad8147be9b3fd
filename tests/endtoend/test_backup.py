"""`vitrine db backup | restore`: all rows, from each kind of database to another, and what is refused."""

import json
import sqlite3
import subprocess

import pytest

from harness import Server, binary, databases

SPECIAL = "Nāme 日本 'quoted' \"twice\" \\n"


def vitrine(*words, status=0):
    """Runs a command; returns what it said."""
    done = subprocess.run([binary(), *map(str, words)], capture_output=True, text=True, timeout=120)
    assert done.returncode == status, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def empty(kind):
    """A database without a table."""
    return databases.Embedded() if kind == databases.SQLITE else getattr(databases, kind)().create()


def restored(kind, folder, file):
    """(folder, database) that hold what is in a backup."""
    folder.mkdir()
    database = empty(kind)
    vitrine("db", "restore", file, "--data-dir", folder, *database.arguments)
    return folder, database


def fill(server):
    """Images of every kind, with what hangs on them; returns the id of one."""
    image = server.create(name=SPECIAL, visibility="shared", tags=["b", "a "], empty="", ключ=SPECIAL)
    server.put(image, b"data").expect(204)
    for project in ("one", "two"):
        server.request("POST", f"/v2/images/{image}/members", {"member": project}).expect(200)
    server.request("DELETE", f"/v2/images/{image}/members/one").expect(204)
    server.create(name="hidden", os_hidden=True, protected=True)
    gone = server.create()
    server.request("DELETE", f"/v2/images/{gone}").expect(204)
    for number in range(30):
        server.create(name=f"image {number}", number=str(number))
    admin, _ = server.login("vitrine-admin")
    namespace = {"namespace": "Own", "description": SPECIAL}
    server.request("POST", "/v2/metadefs/namespaces", namespace, token=admin).expect(201)
    return image


def seen(server, image):
    """What clients see: of lists, of one image, of definitions; and what the identity knows."""
    admin, _ = server.login("vitrine-admin")
    paths = ("/v2/images?limit=1000&sort=id:asc", "/v2/images?os_hidden=true", f"/v2/images/{image}",
             f"/v2/images/{image}/members", "/v2/metadefs/namespaces?limit=1000&sort_key=created_at",
             "/v2/metadefs/namespaces/Own", "/identity/v3/users", "/identity/v3/projects",
             "/identity/v3/role_assignments")
    answers = [server.request("GET", path, token=admin).expect(200).json for path in paths]
    return json.loads(json.dumps(answers).replace(server.url, ""))


def test_rows_travel_round_all_databases(tmp_path):
    """From SQLite to PostgreSQL, MariaDB and back: clients see the same, the file is its owner's alone, and new rows
    are numbered after the old ones. Each backup is made while the server runs."""
    folder, database = tmp_path / "first", databases.Embedded()
    with Server(folder, database=database) as server:
        image = fill(server)
        before, clouds, images = seen(server, image), server.clouds_yaml.read_text(), folder / "images"
        file = tmp_path / "0.backup"
        server.command("db", "backup", file)
        assert "is there already" in server.command("db", "backup", file, status=1)
    assert file.stat().st_mode & 0o777 == 0o600
    for turn, kind in enumerate((databases.POSTGRESQL, databases.MARIADB, databases.SQLITE), 1):
        folder, database = restored(kind, tmp_path / kind, file)
        (folder / "clouds.yaml").write_text(clouds)
        (folder / "images").symlink_to(images)
        with Server(folder, database=database) as server:
            text = server.clouds_yaml.read_text()
            server.clouds_yaml.write_text("".join(
                f"{line.split('http')[0]}{server.url}/identity/v3\n" if "auth_url" in line else f"{line}\n"
                for line in text.splitlines()))
            assert seen(server, image) == before
            assert server.download(image) == b"data"
            file = tmp_path / f"{turn}.backup"
            server.command("db", "backup", file)
            admin, _ = server.login("vitrine-admin")
            server.request("POST", "/v2/metadefs/namespaces", {"namespace": "New"}, token=admin).expect(201)
            server.create(name="new")


def test_every_table_is_in_it(server, tmp_path):
    """All tables of the schema, but the list of running nodes and that of migrations."""
    file = tmp_path / "backup"
    server.command("db", "backup", file)
    lines = subprocess.run(["zstd", "-dc", file], check=True, capture_output=True, text=True).stdout.splitlines()
    tables = {line["table"] for line in map(json.loads, lines) if isinstance(line, dict) and "table" in line}
    if server.database.kind == databases.SQLITE:
        rows = server.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    else:
        own = "current_schema()" if server.database.kind == databases.POSTGRESQL else "DATABASE()"
        rows = server.rows(f"SELECT table_name FROM information_schema.tables WHERE table_schema = {own}")
    others = {"nodes", "notice_readers", "staging_places", "__diesel_schema_migrations"}
    assert tables | others == {name for (name,) in rows}


@pytest.mark.parametrize("kind", databases.KINDS)
def test_what_cannot_be_restored_is_refused(tmp_path, server, kind):
    """A file cut short, changed, of something else or of a newer version; and a database that has rows. Nothing is left
    half restored."""
    file = tmp_path / "backup"
    server.command("db", "backup", file)
    folder, database = tmp_path / "data", empty(kind)
    folder.mkdir()
    place = ("--data-dir", folder, *database.arguments)
    text = subprocess.run(["zstd", "-dc", file], check=True, capture_output=True, text=True).stdout

    def altered(change):
        path = tmp_path / str(len(list(tmp_path.iterdir())))
        path.write_bytes(subprocess.run(["zstd", "-c"], input=change(text).encode(), check=True,
                                        capture_output=True).stdout)
        return path

    cut = tmp_path / "cut"
    cut.write_bytes(file.read_bytes()[:-20])
    for broken, why in (
        (altered(lambda text: text.replace('"schema":"2026', '"schema":"9026')), "newer version"),
        (cut, ""), (altered(lambda text: "{}\n"), "no backup"),
        (altered(lambda text: text.rsplit("\n", 2)[0]), "cut short"),
        (altered(lambda text: text.replace('"identity_roles":', '"identity_rolls":')), "does not hold the rows"),
        (altered(lambda text: text.replace('{"table":"jobs"', '{"table":"jibs"')), "nothing is known of the table"),
    ):
        assert why in vitrine("db", "restore", broken, *place, status=1)
    vitrine("db", "restore", file, *place)
    assert "has rows already" in vitrine("db", "restore", file, *place, status=1)


def test_nothing_is_restored_into_glances_database(server, tmp_path):
    """Its tables have names of ours; it stays as it is, without a table of ours."""
    file, foreign = tmp_path / "backup", tmp_path / "glance.sqlite"
    server.command("db", "backup", file)
    with sqlite3.connect(foreign) as glance:
        glance.execute("CREATE TABLE alembic_version (version_num TEXT)")
    assert "Glance's own database" in vitrine("db", "restore", file, "--database", f"sqlite:///{foreign}", status=1)
    with sqlite3.connect(foreign) as glance:
        assert glance.execute("SELECT name FROM sqlite_master").fetchall() == [("alembic_version",)]
