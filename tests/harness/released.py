"""The schemas of former versions, each with a few rows of every table, as SQL of each database.

`tests/data/schemas/VERSION/` has a dump for each kind of database and what the API said of its rows. VERSION is that of
the schema: its latest migration. A release adds the folder of its own:

    PYTHONPATH=tests VITRINE=target/debug/vitrine python -m harness.released [VERSION …]

Without a version it writes the present one; a former one is made from it by the migrations' own way back, and so only
as long as these are true.
"""

import json
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile

from . import Server, databases, places

ROOT = places.ROOT / "tests/data/schemas"
MIGRATIONS = {databases.SQLITE: "sqlite", databases.POSTGRESQL: "postgres", databases.MARIADB: "mysql"}
# What the tables of servers and of those who move in hold is of one moment.
EMPTY = {"nodes"}
# What no call of the API leaves behind.
MORE = [
    "INSERT INTO moved_in (source, state) VALUES ('mysql://db/glance', '{}')",
    "INSERT INTO purged_images (id, purged_at) VALUES ('00000000-0000-4000-8000-000000000001', 1577836800000000)",
    "INSERT INTO quota_accounts (project_id) VALUES ('a project')",
    "INSERT INTO sealing_keys (generation, secret, created_at) VALUES (1, 'AAAA', 1577836800000000)",
    "INSERT INTO node_reference (folder, node_reference_url) VALUES ('a folder', 'http://node')",
    "INSERT INTO cached_images (image_id, node_reference_id, size, hits, content, last_accessed, last_modified) "
    "SELECT '00000000-0000-4000-8000-000000000001', node_reference_id, 4, 1, 'x', 1, 1 FROM node_reference",
    "INSERT INTO identity_limits (id, service_id, resource_name, limit_value) "
    "SELECT 'limit', MIN(id), 'image_size_total', 100 FROM identity_services",
    "INSERT INTO identity_app_credentials (id, name, user_id, project_id, secret_hash, unrestricted, created_at) "
    "SELECT 'credential', 'c', MIN(u.id), MIN(p.id), 'x', FALSE, 1 FROM identity_users u, identity_projects p",
    "INSERT INTO identity_app_credential_roles (app_credential_id, role_id) "
    "SELECT 'credential', MIN(id) FROM identity_roles",
    "INSERT INTO identity_regions (id, description) SELECT 'another', 'x'",
    "INSERT INTO metadef_seed (id, seeded_at) SELECT 1, 1 WHERE NOT EXISTS (SELECT 1 FROM metadef_seed)",
]
# The catalogue is long and the same everywhere; secrets are nobody's business.
LESS = [
    *(f"DELETE FROM {table} WHERE namespace_id NOT IN (SELECT id FROM metadef_namespaces WHERE namespace = 'OS::Kept')"
      for table in ("metadef_namespace_resource_types", "metadef_objects", "metadef_properties", "metadef_tags")),
    "DELETE FROM metadef_namespaces WHERE namespace <> 'OS::Kept'",
    "DELETE FROM metadef_resource_types WHERE id NOT IN "
    "(SELECT resource_type_id FROM metadef_namespace_resource_types)",
    "UPDATE identity_keys SET private_key = 'x'", "UPDATE identity_users SET password_hash = 'x'",
]
PATHS = ["/v2/images?limit=100&sort=name:asc", "/v2/images?os_hidden=true", "/v2/tasks?sort_key=created_at",
         "/v2/metadefs/namespaces/OS::Kept", "/v2/metadefs/namespaces?limit=10"]


# Nobody has a role where nobody logs in.
RULES = ["get_images", "get_image", "get_members", "get_member", "tasks_api_access", "get_task", "get_tasks",
         "get_metadef_namespace", "get_metadef_namespaces", "get_metadef_properties", "get_metadef_objects",
         "get_metadef_tags", "list_metadef_resource_types", "add_image", "modify_image", "delete_image"]


def unguarded(folder, database):
    """A server on a database whose passwords nobody knows any more: it asks for none."""
    (folder / "vitrine.conf").write_text("[paste_deploy]\nflavor =\n")
    (folder / "policy.yaml").write_text(json.dumps(dict.fromkeys(RULES, "")))
    return Server(folder / "data", database=database, anonymous=True,
                  arguments=["--config-file", folder / "vitrine.conf"])


def versions():
    """Versions whose schema is kept, the oldest first."""
    return sorted(folder.name for folder in ROOT.iterdir() if folder.is_dir())


def answers(server):
    """What the API says of what the dump has: each answer by its path."""
    said = {path: server.request("GET", path).expect(200).json for path in PATHS}
    for image in said[PATHS[0]]["images"]:
        for path in (f"/v2/images/{image['id']}", f"/v2/images/{image['id']}/members"):
            answer = server.request("GET", path)
            said[path] = answer.json if answer.status == 200 else answer.status
    return said


def fill(server):
    """Images in every status that rests, with all that may hang on them, and a namespace with all that it may have."""
    patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    for number, (name, fields, data) in enumerate([
            ("active", {"visibility": "shared", "os_distro": "Ünïcode", "tags": ["a", "b'c"]}, b"data"),
            ("community", {"visibility": "community", "min_disk": 3, "min_ram": 4}, b"more data"),
            ("deactivated", {"visibility": "private"}, b"x"), ("hidden", {"os_hidden": True, "protected": True}, b"y"),
            ("queued", {}, None), ("deleted", {}, b"gone")]):
        image = f"00000000-0000-4000-8000-00000000010{number}"
        server.create(id=image, name=name, **fields)
        if data:
            server.put(image, data).expect(204)
    first = "00000000-0000-4000-8000-000000000100"
    server.request("POST", f"/v2/images/{first}/members", {"member": "another project"}).expect(200)
    server.request("PATCH", f"/v2/images/{first}", [{"op": "add", "path": "/quoted", "value": "it's \"so\""}],
                   patch).expect(200)
    server.request("POST", f"/v2/images/{first[:-1]}2/actions/deactivate", b"").expect(204)
    server.request("DELETE", f"/v2/images/{first[:-1]}5").expect(204)
    imported = server.create(id=f"{first[:-1]}6", name="imported")
    server.put(imported, b"staged", "stage").expect(204)
    server.begin_import(imported, {"name": "glance-direct"})
    assert server.finished_import(imported)["status"] == "success"
    admin, _ = server.login("vitrine-admin")
    place = "/v2/metadefs/namespaces"
    server.request("POST", place, {"namespace": "OS::Kept", "visibility": "public", "properties": {
        "p": {"title": "P", "type": "string"}}, "objects": [{"name": "o", "properties": {}}],
        "tags": [{"name": "t"}], "resource_type_associations": [{"name": "OS::Nova::Server", "prefix": "x_"}]
    }, token=admin).expect(201)
    server.request("DELETE", "/identity/v3/auth/tokens", headers={"X-Subject-Token": admin}, token=admin).expect(204)


def statements(kind, folder, suffix="up"):
    """(version, SQL) of each migration, in order."""
    found = sorted((places.ROOT / "migrations" / MIGRATIONS[kind]).iterdir())
    return [(folder.name.split("_")[0].replace("-", ""), (folder / f"{suffix}.sql").read_text()) for folder in found]


def run(database, kind, data_dir, text):
    """Runs a script on a database."""
    if kind == databases.SQLITE:
        with sqlite3.connect(data_dir / "vitrine.sqlite") as connection:
            connection.executescript(text)
    elif kind == databases.POSTGRESQL:
        with database.connect() as connection:
            connection.execute(text)
    else:
        client = [*database.server.client[:-1], database.url.rsplit("/", 1)[1]]
        done = subprocess.run(client, input=text, text=True, capture_output=True, **database.server.options)
        assert done.returncode == 0, done.stderr


def dump(database, kind, data_dir):
    """A database as SQL."""
    if kind == databases.SQLITE:
        with sqlite3.connect(data_dir / "vitrine.sqlite") as connection:
            return "\n".join(connection.iterdump()) + "\n"
    name = database.url.rsplit("/", 1)[1]
    if kind == databases.POSTGRESQL:
        program = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin/pg_dump"))
        argv = [program, "--inserts", "--no-owner", "--no-privileges", "--host=127.0.0.1",
                f"--port={database.server.port}", "--username=vitrine", name]
    else:
        argv = ["mariadb-dump", *database.server.client[1:-1], "--skip-comments", "--skip-dump-date",
                "--skip-add-locks", "--skip-disable-keys", "--skip-add-drop-table", "--skip-extended-insert",
                "--default-character-set=utf8mb4", name]
    text = subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True).stdout
    # What psql reads and the server does not, and what only some releases of a server know.
    lines = [line for line in text.splitlines() if not line.startswith(("\\", "--", "/*M!999999"))]
    settings = r"SET (transaction_timeout|row_security)|SELECT pg_catalog.set_config"
    lines = [line for line in lines if not re.match(settings, line)]
    return re.sub(r"\n{2,}", "\n", "\n".join(lines)) + "\n"


def keep(kind, wanted, folder):
    """Writes the dumps of a kind for the versions wanted; answers what the API said."""
    database, data_dir = databases.fresh(kind), folder / "data"
    with Server(data_dir, database=database) as server:
        fill(server)
        assert server.terminate() == 0
    run(database, kind, data_dir, ";\n".join(LESS) + ";\n")
    with unguarded(folder, database) as server:
        said = answers(server)
        assert server.terminate() == 0
    run(database, kind, data_dir, ";\n".join(MORE) + ";\n")
    text = dump(database, kind, data_dir)
    tables = set(re.findall(r"CREATE TABLE [`\"]?(?:public\.)?(\w+)", text)) - EMPTY - {"sqlite_sequence"}
    empty = [table for table in tables if not re.search(rf"INSERT INTO [`\"]?(?:public\.)?{table}\b", text)]
    assert not empty, f"{kind}: no rows of {empty}"
    ways_back = list(reversed(statements(kind, folder, "down")))
    for version in sorted(wanted, reverse=True):
        while ways_back[0][0] > version:
            newer, back = ways_back.pop(0)
            run(database, kind, data_dir,
                f"{back}\n;DELETE FROM __diesel_schema_migrations WHERE version = '{newer}';")
        (ROOT / version).mkdir(parents=True, exist_ok=True)
        text = dump(database, kind, data_dir).replace(str(data_dir), "/srv/vitrine")
        (ROOT / version / f"{kind}.sql").write_text(text)
    return said


def main(wanted):
    wanted = wanted or [statements(databases.SQLITE, None)[-1][0]]
    for kind in databases.KINDS:
        with tempfile.TemporaryDirectory() as folder:
            said = keep(kind, wanted, pathlib.Path(folder))
            for version in wanted:
                (ROOT / version / f"{kind}.json").write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
