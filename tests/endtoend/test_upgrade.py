"""Upgrades from the schema of each former version, while a node of that version is still at work.

An old binary cannot be kept, so what its nodes say to the database is said here: the statements of an upload and of a
change as the version in question spelled them, over and over while `expand` and `migrate` run.
"""

import contextlib
import json
import sqlite3
import threading
import uuid

import pytest

from harness import databases, process, released, wait_for

NOW = 1_577_836_800_000_000
# Versions whose nodes must be stopped before the upgrade: the schema after them is not one that they work on.
STOPPED = {"20261121000010"}


class Embedded(databases.Embedded):
    """The file of SQLite, made from a dump."""

    def __init__(self, data_dir):
        self.file = data_dir / "vitrine.sqlite"
        data_dir.mkdir()

    def connect(self):
        return contextlib.closing(sqlite3.connect(self.file, isolation_level=None, timeout=process.PATIENCE_S))


class OldNode(threading.Thread):
    """A node of the version before: it makes images, reads and changes them, until it is told to stop."""

    def __init__(self, database):
        super().__init__()
        self.database, self.stopped, self.fault, self.written = database, threading.Event(), None, {}

    def run(self):
        try:
            with self.database.connect() as connection:
                cursor = connection.cursor()
                # Often enough to be in the way, and not so often that there is much to look at afterwards.
                while not self.stopped.wait(0.02):
                    self.round(lambda sql, *values: self.say(cursor, sql, values), cursor)
        except Exception as fault:  # noqa: BLE001  shown by the test
            self.fault = fault

    def say(self, cursor, sql, values):
        cursor.execute(sql if self.database.kind == databases.SQLITE else sql.replace("?", "%s"), values)

    def round(self, say, cursor):
        image, name = str(uuid.uuid4()), f"old {len(self.written)}"
        say("BEGIN")
        say("INSERT INTO images (id, revision, name, owner, visibility, status, min_disk, min_ram, protected, "
            "os_hidden, deleted, created_at, updated_at) "
            "VALUES (?, 1, ?, 'old', 'shared', 'queued', 0, 0, FALSE, FALSE, FALSE, ?, ?)", image, name, NOW, NOW)
        say("INSERT INTO image_properties (image_id, name, value, position) VALUES (?, 'p', ?, 0)", image, name)
        say("INSERT INTO image_tags (image_id, value) VALUES (?, 't')", image)
        say("INSERT INTO events (kind, image_id, project_id, request_id, changes, created_at) "
            "VALUES ('image.create', ?, 'old', 'req-old', '[]', ?)", image, NOW)
        say("COMMIT")
        say("BEGIN")
        say("INSERT INTO blobs (id, image_id, store, name, state, holder, lease_until, delete_after, attempts, "
            "created_at, updated_at, reserved) VALUES (?, ?, 'file', ?, 'live', 'old', 0, 0, 0, ?, ?, 0)",
            image, image, image, NOW, NOW)
        say("INSERT INTO image_locations (id, image_id, position, url, metadata, store, blob_id) "
            "VALUES (?, ?, 0, ?, '{}', 'file', ?)", image, image, f"file:///srv/vitrine/images/{image}", image)
        say("UPDATE images SET revision = 2, status = 'active', size = 4, disk_format = 'raw', "
            "container_format = 'bare' WHERE id = ? AND revision = 1", image)
        assert cursor.rowcount == 1
        say("COMMIT")
        say("SELECT i.name, p.value FROM images i JOIN image_properties p ON p.image_id = i.id WHERE i.id = ?", image)
        assert [tuple(row) for row in cursor.fetchall()] == [(name, name)]
        self.written[image] = name


def restored(version, kind, folder):
    """A database as that version left it."""
    if kind == databases.SQLITE:
        database = Embedded(folder / "data")
    else:
        database = (databases.postgresql if kind == databases.POSTGRESQL else databases.mariadb)().create()
    text = (released.ROOT / version / f"{kind}.sql").read_text()
    released.run(database, kind, folder / "data", text)
    return database


@contextlib.contextmanager
def at_work(database, version):
    """A node of that version, if it may be at work."""
    node = OldNode(database)
    if version in STOPPED:
        yield node
        return
    node.start()
    try:
        wait_for("the old node works", lambda: node.written or node.fault)
        yield node
        done = len(node.written)
        wait_for("it still works", lambda: len(node.written) > done or node.fault)
    finally:
        node.stopped.set()
        node.join(process.PATIENCE_S)
    assert node.fault is None, node.fault


@pytest.mark.parametrize("kind", databases.KINDS)
@pytest.mark.parametrize("version", released.versions())
def test_an_upgrade_loses_nothing(tmp_path, version, kind):
    """What the former version had, and what its nodes write meanwhile, is there; the API says the same of it."""
    database = restored(version, kind, tmp_path)
    server = released.unguarded(tmp_path, database)
    with at_work(database, version) as node:
        server.command("db", "expand")
        server.command("db", "migrate")
    expected = json.loads((released.ROOT / version / f"{kind}.json").read_text())
    with server:
        for image, name in node.written.items():
            shown = server.show(image)
            assert (shown["name"], shown["p"], shown["tags"], shown["status"]) == (name, name, ["t"], "active")
            server.request("DELETE", f"/v2/images/{image}").expect(204)
        assert released.answers(server) == expected
    server.command("db", "contract")
    assert server.command("db", "check") == "the database schema is up to date\n"
    with server:
        assert released.answers(server) == expected
