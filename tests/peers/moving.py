"""A real Glance and Vitrine that take turns at one port, with one configuration, each with a database of its own."""

import contextlib
import sqlite3
import subprocess
import sys

import image_service
import peer
import personas
from harness import ROOT, binary, client, databases, free_port

KEY = "0123456789abcdef0123456789abcdef"


class Cloud:
    """A Keystone, and an image service at one port: Glance first, then Vitrine."""

    def __init__(self, folder, catalog=()):
        """`catalog` are other services, as `keystone up` takes them."""
        self.folder, self.port, self.tokens = folder, free_port(), {}
        keystone = [sys.executable, ROOT / "tests/peers/keystone"]
        self.keystone = subprocess.run(
            [*keystone, "up", "--dir", folder / "keystone",
             *[word for service in (f"http://127.0.0.1:{self.port}", *catalog) for word in ("--image", service)]],
            check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1]
        self.down = [*keystone, "down", "--dir", folder / "keystone"]
        self.conf = folder / "etc/glance-api.conf"

    def token(self, persona):
        if persona not in self.tokens:
            status, headers, _ = client.call("POST", f"{self.keystone}/auth/tokens", personas.token_request(persona))
            assert status == 201
            self.tokens[persona] = headers["X-Subject-Token"]
        return self.tokens[persona]

    def ask(self, method, path, body=None, persona="member", headers=None):
        return client.request(self.port, method, path, body,
                              {"X-Auth-Token": self.token(persona)} | (headers or {}), timeout_s=60)

    def create(self, persona="member", data=None, store=None, **fields):
        body = {"name": "image", "disk_format": "raw", "container_format": "bare"} | fields
        image = self.ask("POST", "/v2/images", body, persona).expect(201).json["id"]
        if data is not None:
            headers = {"Content-Type": "application/octet-stream"} | ({"X-Image-Meta-Store": store} if store else {})
            self.ask("PUT", f"/v2/images/{image}/file", data, persona, headers).expect(204)
        return image

    def patch(self, image, *operations, persona="admin"):
        self.ask("PATCH", f"/v2/images/{image}", list(operations), persona,
                 {"Content-Type": "application/openstack-images-v2.1-json-patch"}).expect(200)


def vitrine(*words, status=0):
    done = subprocess.run([binary(), *map(str, words)], capture_output=True, text=True, timeout=120)
    assert done.returncode == status, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@contextlib.contextmanager
def wide_characters(kind):
    """MariaDB's `utf8`, which is the character set that Glance's tables ask for, is the whole of UTF-8 meanwhile."""
    if kind != databases.MARIADB:
        yield
        return
    with databases.mariadb().connect("mysql") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.old_mode")
        (before,) = cursor.fetchone()
        cursor.execute("SET GLOBAL old_mode = ''")
        try:
            yield
        finally:
            cursor.execute("SET GLOBAL old_mode = %s", (before,))


class Moving:
    """A Glance with a database of one kind, and Vitrine with one of another."""

    def __init__(self, folder, theirs, ours, options=(), catalog=()):
        self.folder, self.theirs, self.cloud, self.made = folder, theirs, Cloud(folder, catalog), {}
        self.options = [f"metadata_encryption_key={KEY}", *options]
        (folder / "own").mkdir()
        self.ours = databases.fresh(ours)
        if ours == databases.SQLITE:
            # As it is made by the first start.
            vitrine("db", "sync", "--data-dir", folder / "own")

    def empty(self, name):
        """The URL, as SQLAlchemy has it, of a database without a table."""
        if self.theirs == databases.SQLITE:
            return f"sqlite:///{self.folder}/{name}.db"
        made = getattr(databases, self.theirs)().create()
        url = made.url.replace("mysql:", "mysql+pymysql:").replace("postgresql:", "postgresql+psycopg:")
        self.made[url] = made
        return url

    def rows(self, url, sql):
        """The rows that a query of such a database gives."""
        if url in self.made:
            return self.made[url].rows(None, sql, ())
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return connection.execute(sql).fetchall()

    def configure(self, url):
        """The configuration of a Glance with this database."""
        return image_service.write_conf(self.folder, f"http://127.0.0.1:{self.cloud.port}", self.cloud.keystone, url,
                                        [f"database.connection={url}", *self.options])

    def manage(self, url, *words):
        """Runs glance-manage on a database."""
        conf = self.configure(url)
        with wide_characters(self.theirs):
            peer.run([peer.venv("glance") / "bin/glance-manage", "--config-file", conf, *words],
                     self.folder / "sync.log")

    def start_glance(self, url):
        image_service.start_glance(self.folder, self.cloud.port, self.cloud.keystone,
                                   [f"database.connection={url}", *self.options])

    def start_vitrine(self):
        conf = self.folder / "etc/vitrine.conf"
        conf.write_text("".join(line for line in self.cloud.conf.read_text().splitlines(True)
                                if not line.startswith("connection")))
        argv = [binary(), "serve", "--config-file", conf, "--data-dir", self.folder / "own",
                "--bind", f"127.0.0.1:{self.cloud.port}", *self.ours.arguments]
        peer.start("vitrine", self.folder, argv, f"http://127.0.0.1:{self.cloud.port}/versions")

    def stop(self):
        image_service.stop(self.folder)

    def command(self, *words, status=0):
        """Runs a command of Vitrine on its database, with Glance's configuration."""
        own = self.folder / "etc/moving.conf"
        own.write_text("".join(line for line in self.cloud.conf.read_text().splitlines(True)
                               if not line.startswith("connection")))
        place = ("--config-file", own, *self.ours.arguments, "--data-dir", self.folder / "own")
        return vitrine(*words, *place, status=status)

    def files(self):
        """The data: names of all files in the stores, and what is staged."""
        return sorted(str(path.relative_to(self.folder)) for place in ("stores/*", "staging")
                      for path in self.folder.glob(f"{place}/[!.]*"))

    def close(self):
        self.stop()
        subprocess.run(self.cloud.down, check=True)
