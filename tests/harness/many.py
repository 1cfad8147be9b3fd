"""Databases with many images: a Glance's own tables, filled by SQL as fast as the database takes rows.

The drivers of databases are in the environment `glance`.
"""

import contextlib
import os
import pathlib
import random
import sqlite3
import subprocess
import sys
import uuid

from . import databases, environments

BATCH = 2000
COLUMNS = {
    "images": "id name size status created_at updated_at deleted_at deleted disk_format container_format checksum "
              "owner min_disk min_ram protected virtual_size visibility os_hidden os_hash_algo os_hash_value",
    "image_properties": "image_id name value created_at updated_at deleted_at deleted",
    "image_tags": "image_id value created_at updated_at deleted_at deleted",
    "image_members": "image_id member can_share status created_at updated_at deleted_at deleted",
    "image_locations": "image_id value meta_data status created_at updated_at deleted_at deleted",
}


# Properties of each image. By chance, a quarter have "value 1" in the first, and one in 1,000 "value 20" in the second.
PROPERTIES = 4
# Who the first image is shared with.
MEMBERS = 25


def in_environment():
    """Starts the script again by the interpreter of the environment `glance`, unless that runs it."""
    python = environments.venv("glance") / "bin/python"
    if pathlib.Path(sys.prefix) != python.parent.parent:
        os.execv(python, [str(python), *sys.argv])


def images(count, folder, projects=500, mine=None):
    """Yields {table: rows} for batches of images of so many projects.

    `mine` is one of the projects; one image in 50 or so is shared with it. The rows of what hangs on an image end with
    when it was made, changed and deleted, and whether.
    """
    chance = random.Random(1)
    owners = [uuid.UUID(int=chance.getrandbits(128)).hex for _ in range(projects)]
    owners[0] = mine or owners[0]
    for first in range(0, count, BATCH):
        found = {table: [] for table in COLUMNS}
        for number in range(first, min(first + BATCH, count)):
            add(found, number, folder, owners, chance)
        yield found


def add(found, number, folder, owners, chance):
    """The rows of one image."""
    image = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    month, day = 1 + number % 12, 1 + number % 28
    # Where times are text, Glance writes and compares them in this form.
    at = f"2024-{month:02}-{day:02} {number % 24:02}:{number % 60:02}:{number % 59:02}.000000"
    gone = number % 20 == 7
    end = (at, at, at if gone else None, gone)
    visibility = chance.choices(["public", "shared", "private", "community"], [1, 40, 58, 1])[0]
    owner = chance.choice(owners)
    if number == 0:
        visibility, owner = "shared", owners[0]
    found["images"].append((
        image, f"image {number} «日本»", number, "deleted" if gone else "active", *end, "qcow2", "bare",
        image.replace("-", ""), owner, 0, 0, number % 7 == 0, 1 << 30, visibility, False,
        "sha512", image.replace("-", "") * 4))
    values = [f"value {chance.randrange(4)}", f"value {chance.randrange(1000)}"]
    values += [f"value {n} of {number}" for n in range(len(values), PROPERTIES)]
    found["image_properties"] += [(image, f"property_{n}", value, *end) for n, value in enumerate(values)]
    found["image_tags"] += [(image, tag, *end) for tag in ("first", f"tag {chance.randrange(1000)}")]
    found["image_locations"].append((
        image, f"file://{folder}/{image}", '{"store": "fast"}', "deleted" if gone else "active", *end))
    members = []
    if number == 0:
        members = [f"{n:032x}" for n in range(MEMBERS)]
    elif visibility == "shared" and owner != owners[0] and number % 20 == 0:
        members = [owners[0]]
    elif number % 5 == 0:
        members = [chance.choice(owners)]
    found["image_members"] += [(image, member, False, "accepted", *end) for member in members]


class Place:
    """A database and what connects to it; in a server of its kind, or the one that this process shares."""

    def __init__(self, kind, path, server=None):
        self.kind, self.path = kind, path
        if kind == databases.SQLITE:
            self.url, self.mark = f"sqlite:///{path}", "?"
        else:
            self.database = (server or getattr(databases, kind)()).create()
            self.url, self.mark = self.database.url, "%s"

    @contextlib.contextmanager
    def connect(self):
        connection = sqlite3.connect(self.path) if self.kind == databases.SQLITE else self.database.connect()
        with contextlib.closing(connection):
            yield connection

    @property
    def alchemy(self):
        """The URL as SQLAlchemy spells it."""
        return self.url.replace("mysql:", "mysql+pymysql:").replace("postgresql:", "postgresql+psycopg:")

    def fill(self, count, folder, **more):
        """Writes `images`, into a database that `db_sync` has made."""
        with self.connect() as connection:
            cursor = connection.cursor()
            for found in images(count, folder, **more):
                if self.kind != databases.SQLITE:
                    cursor.execute("BEGIN")
                for table, rows in found.items():
                    self.insert(cursor, table, rows)
                cursor.execute("COMMIT")

    def insert(self, cursor, table, rows):
        names = COLUMNS[table].split()
        if self.kind == databases.POSTGRESQL:
            with cursor.copy(f"COPY {table} ({', '.join(names)}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        elif rows:
            marks = ", ".join([self.mark] * len(names))
            cursor.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)

    def settle(self):
        """Has the server look at what was written, as it would by itself after a while."""
        statements = {databases.POSTGRESQL: "VACUUM ANALYZE",
                      databases.MARIADB: f"ANALYZE TABLE {', '.join(COLUMNS)}"}
        if self.kind in statements:
            with self.connect() as connection:
                connection.cursor().execute(statements[self.kind])

    @contextlib.contextmanager
    def reader(self):
        """What answers queries, on one connection."""
        with self.connect() as connection:
            cursor = connection.cursor()

            def rows(sql, values=()):
                cursor.execute(sql.replace("?", self.mark), tuple(values))
                return [tuple(row) for row in cursor.fetchall()]
            yield rows


def synced(place, work, name):
    """Makes Glance's tables in a database."""
    conf = work / f"{name}.conf"
    conf.write_text(f"[database]\nconnection = {place.alchemy}\n")
    manage = environments.venv("glance") / "bin/glance-manage"
    subprocess.run([manage, "--config-file", conf, "db_sync"], check=True, capture_output=True)
