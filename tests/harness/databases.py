"""The databases to test on: the embedded SQLite, and a private PostgreSQL or MariaDB, started when first asked for.

A private server lies in a folder of its own, listens on loopback, and is not durable: what dies in most tests is
Vitrine, not its database. One that is asked for by `mortal` may be killed, stopped and started again.
VITRINE_DATABASE chooses on which kind a test runs that names none.
"""

import atexit
import contextlib
import functools
import os
import pathlib
import pwd
import shutil
import signal
import sqlite3
import subprocess
import tempfile

from . import process
from .places import binary

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
RUNNING = []
SQLITE, POSTGRESQL, MARIADB = KINDS = ("sqlite", "postgresql", "mariadb")


def default_kind():
    kind = os.environ.get("VITRINE_DATABASE", SQLITE)
    assert kind in KINDS, f"VITRINE_DATABASE is one of {', '.join(KINDS)}, not {kind!r}"
    return kind


def fresh(kind=None):
    """An empty database, brought to the schema of the binary; of the kind that the run is about unless named."""
    kind = kind or default_kind()
    if kind == SQLITE:
        return Embedded()
    database = (postgresql if kind == POSTGRESQL else mariadb)().create()
    prepare(database)
    # As the embedded one has them from its first start.
    subprocess.run([binary(), "metadefs", "load", *database.arguments], check=True, capture_output=True, timeout=120)
    return database


def prepare(database):
    """Brings a database to the schema of the binary."""
    subprocess.run([binary(), "db", "sync", *database.arguments], check=True, capture_output=True, timeout=120)


def mortal(kind):
    """A database like a `fresh` one, in a server that nobody else uses and that loses nothing when it is killed."""
    if kind == SQLITE:
        return Embedded()
    database = (Postgresql if kind == POSTGRESQL else Mariadb)(is_mortal=True).create()
    prepare(database)
    return database


class Embedded:
    """The SQLite file in a server's data folder."""

    kind = SQLITE
    arguments = ()

    def rows(self, data_dir, sql, values):
        connection = sqlite3.connect(f"file:{data_dir / 'vitrine.sqlite'}?mode=ro", uri=True,
                                     timeout=process.PATIENCE_S)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()


class Database:
    """A database in a private server."""

    def __init__(self, server, kind, url, connect):
        self.server, self.kind, self.url, self.connect = server, kind, url, connect
        # What servers and commands are told.
        self.arguments = ("--database", url)

    def rows(self, _data_dir, sql, values):
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(sql.replace("?", "%s"), values)
            return [tuple(row) for row in cursor.fetchall()]


def switch(on):
    return "on" if on else "off"


class Private:
    """A database server of this process, stopped at its end.

    As root, it runs as the user that Debian's package made for it: neither likes to be root.
    """

    def __init__(self, name, user):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"vitrine-{name}-"))
        self.port, self.made = process.free_port(), 0
        self.options = {"cwd": self.folder, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"}}
        if os.geteuid() == 0:
            shutil.chown(self.folder, user)
            account = pwd.getpwnam(user)
            self.options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

    def run(self, *argv):
        done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, **self.options)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"

    def own(self, certificate):
        """The files of a certificate, its key and an authority, which belong to the server."""
        files = certificate(self.folder)
        for file in files:
            file.chmod(0o600)
            if "user" in self.options:
                os.chown(file, self.options["user"], self.options["group"])
        return files

    def serve(self, name, argv, is_ready):
        self.starting = name, argv, f"{self.folder}.log", is_ready
        self.start()
        RUNNING.append(self)

    def start(self):
        """Starts it, for the first time or again."""
        self.process = process.start(*self.starting, **self.options)

    def signal(self, number):
        """Signals the server and all that it has started."""
        for pid in [self.process.pid, *process.children(self.process.pid)]:
            # One of them may have ended meanwhile.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self):
        """SIGKILL for the server and all that it has started, which have ended then: what is left of a PostgreSQL keeps
        the next one from its data."""
        family = [self.process.pid, *process.children(self.process.pid)]
        self.signal(signal.SIGKILL)
        self.process.wait()
        process.wait_for("all of it has ended", lambda: not any(map(process.runs, family)))

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        pathlib.Path(f"{self.folder}.log").unlink()


class Postgresql(Private):
    def __init__(self, is_mortal=False, certificate=None, more=None):
        """`certificate` makes in a folder the files of a certificate, its key, and the authority for clients; `more`
        are settings of the server."""
        super().__init__("postgresql", "postgres")
        programs = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        data = self.folder / "data"
        self.run(programs / "initdb", "-D", data, "-U", "vitrine", "-A", "trust", "-N", "-E", "UTF8",
                 "--locale=C.UTF-8")
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder,
                    "max_connections": 300, "fsync": "off", "synchronous_commit": switch(is_mortal),
                    "full_page_writes": switch(is_mortal)}
        if certificate:
            files = zip(("ssl_cert_file", "ssl_key_file", "ssl_ca_file"), self.own(certificate), strict=True)
            settings |= {"ssl": "on"} | dict(files)
        settings |= more or {}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        probe = [programs / "pg_isready", "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
        self.serve("postgres", [programs / "postgres", "-D", data, *words],
                   lambda: subprocess.run(probe).returncode == 0)
        self.createdb = [programs / "createdb", "--host=127.0.0.1", f"--port={self.port}", "--username=vitrine"]

    def connect(self, name):
        import psycopg
        return psycopg.connect(host="127.0.0.1", port=self.port, user="vitrine", dbname=name, autocommit=True)

    def create(self):
        self.made += 1
        name = f"test{self.made}"
        self.run(*self.createdb, name)
        return Database(self, POSTGRESQL, f"postgresql://vitrine@127.0.0.1:{self.port}/{name}",
                        functools.partial(self.connect, name))

    def stop(self):
        # Killed, it would leave its children and their shared memory to end by themselves.
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(process.PATIENCE_S)
        super().stop()


class Mariadb(Private):
    def __init__(self, is_mortal=False, certificate=None, more=None):
        super().__init__("mariadb", "mysql")
        data = self.folder / "data"
        self.run("mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db",
                 "--auth-root-authentication-method=normal", "--innodb-flush-log-at-trx-commit=0")
        settings = {"datadir": data, "socket": self.folder / "socket", "port": self.port,
                    "bind-address": "127.0.0.1", "max-connections": 300,
                    # What the kernel has been given outlives the death of the server.
                    "innodb-flush-log-at-trx-commit": 2 if is_mortal else 0, "innodb-doublewrite": int(is_mortal),
                    "innodb-buffer-pool-size": "64M", "skip-name-resolve": 1}
        if certificate:
            settings |= dict(zip(("ssl-cert", "ssl-key", "ssl-ca"), self.own(certificate), strict=True))
        settings |= more or {}
        # Over its socket, where the account of the installation is known.
        self.client = ["mariadb", "--no-defaults", f"--socket={settings['socket']}", "--user=root", "--execute"]
        server = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/libexec")
        assert server, "mariadbd is missing: install the Debian package mariadb-server, or run make test"
        self.serve("mariadbd", [server, "--no-defaults", *(f"--{name}={value}" for name, value in settings.items())],
                   lambda: subprocess.run([*self.client, "SELECT 1"], **QUIET).returncode == 0)
        self.run(*self.client, "CREATE USER 'vitrine'@'127.0.0.1'; GRANT ALL ON *.* TO 'vitrine'@'127.0.0.1'")

    def connect(self, name):
        import pymysql
        return pymysql.connect(host="127.0.0.1", port=self.port, user="vitrine", database=name, autocommit=True)

    def create(self):
        self.made += 1
        name = f"test{self.made}"
        self.run(*self.client, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return Database(self, MARIADB, f"mysql://vitrine@127.0.0.1:{self.port}/{name}",
                        functools.partial(self.connect, name))


@atexit.register
def stop_all():
    """Stops the private servers of this process; a runner whose workers end without ado calls it."""
    while RUNNING:
        RUNNING.pop().stop()


@functools.cache
def postgresql():
    return Postgresql()


@functools.cache
def mariadb():
    return Mariadb()
