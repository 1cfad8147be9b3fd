"""A small Ceph on loopback: a monitor, one OSD that keeps everything in memory, and a gateway for S3 and Swift.

It is shared by all who ask for it (`shared()`), outlives them, and lies in `.cache/ceph`; `tests/peers/ceph down` ends
it and forgets what it held. Whoever wants to kill a gateway starts one of their own (`gateway`), which serves the same
data. Debian's packages of Ceph are needed, as `make test` installs them.

What took long to find out: clients that get no answer wait for ever, so each call here has a limit of time; nothing in
/etc/ceph and no CEPH_ARGS of the caller may be looked at; without a manager, pools have to be told not to look for one.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import uuid

from . import daemon, process
from .places import CACHE

FOLDER = pathlib.Path(os.environ.get("VITRINE_CEPH", CACHE / "ceph"))
HOST = "127.0.0.1"
# Whom the monitor knows, and what they may do.
KEYS = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *"},
    "client.gateway": {"mon": "allow rwx", "osd": "allow rwx"},
    "client.glance": {"mon": "profile rbd", "osd": "profile rbd pool=images, profile rbd-read-only pool=volumes"},
}
POOLS = ("images", "volumes")
S3_USER = {"access_key": "VITRINEACCESS0000001", "secret_key": "vitrine/secret+0000001vitrine/secret+001"}
SWIFT_USER = {"user": "glance:swift", "key": "vitrineswiftkey0001"}
CONF = """\
[global]
fsid = {fsid}
mon initial members = a
mon host = [v2:{host}:{mon},v1:{host}:{mon_old}]
public addr = {host}
ms bind ipv6 = false
keyring = {folder}/$name.keyring
run dir = {folder}
pid file =
admin socket =
log file = {folder}/$name.log
crash dir = {folder}/crash
debug default = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
# An OSD without replicas that was stopped for longer than this part of 20 s never answers reads again.
osd pool default read lease ratio = 30
mon allow pool size one = true
mon allow pool delete = true
mon warn on pool no redundancy = false
mon warn on insecure global id reclaim allowed = false
auth allow insecure global id reclaim = false
mon max pg per osd = 1000
mon data avail crit = 1
mon data avail warn = 1
[client]
log file =
[client.admin]
keyring = {folder}/client.admin.keyring
[mon]
mon data = {folder}/mon
paxos propose interval = 0.05
paxos min wait = 0.01
[osd]
osd data = {folder}/osd
osd objectstore = {kind}
memstore device bytes = {room}
bluestore block create = true
bluestore block size = {room}
bluestore fsck on mount = false
osd client watch timeout = 5
osd class load list = *
osd class default list = *
osd fast shutdown = false
osd scrub load threshold = 0.01
[client.gateway]
rgw enable apis = s3, swift, swift_auth, admin
rgw swift account in url = true
# With it, what one gateway changes waits for all others, of which some are stopped on purpose.
rgw cache enabled = false
rgw thread pool size = 32
rgw enable usage log = false
rgw enable ops log = false
rgw gc obj min wait = 5
rgw gc processor period = 5
"""


class Ceph:
    """One in a folder, for `room_gib` GiB of data; its OSD keeps that in memory, or on disk where the OSD is to survive
    being killed."""

    def __init__(self, folder, is_durable=True, has_gateway=True, room_gib=3):
        self.folder, self.is_durable, self.has_gateway = pathlib.Path(folder), is_durable, has_gateway
        self.room_gib = room_gib
        self.conf = self.folder / "ceph.conf"

    def environment(self):
        """Without what the caller's own Ceph may have left in it."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CEPH_")}
        return clean | {"CEPH_CONF": str(self.conf)}

    def run(self, *argv, timeout_s=60):
        """What a command of Ceph's prints."""
        done = subprocess.run([str(word) for word in argv], env=self.environment(), capture_output=True, text=True,
                              timeout=timeout_s)
        if done.returncode:
            sys.exit(f"{argv}: {done.stdout}{done.stderr}")
        return done.stdout

    def admin(self, *words):
        return self.run("ceph", "-c", self.conf, "--connect-timeout", "20", *words)

    def serve(self, name, *argv):
        """Starts a daemon of Ceph's and takes note of its number."""
        with open(self.folder / f"{name}.out", "a") as out:
            started = subprocess.Popen([*argv, "-c", str(self.conf), "-f"], stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=subprocess.STDOUT, env=self.environment(), start_new_session=True)
        (self.folder / f"{name}.pid").write_text(f"{started.pid}\n")
        return started

    def is_up(self):
        names = ("mon", "osd", *(["gateway"] if self.has_gateway else []))
        return all(daemon.alive(self.folder / f"{name}.pid") for name in names)

    def make(self, room):
        """A new cluster, which serves nothing yet."""
        self.folder.mkdir(parents=True)
        for name in ("mon", "osd", "crash"):
            (self.folder / name).mkdir()
        port = process.free_port()
        fsid = str(uuid.uuid4())
        self.conf.write_text(CONF.format(folder=self.folder, host=HOST, fsid=fsid, mon=port,
                                         mon_old=process.free_port(), room=room,
                                         kind="bluestore" if self.is_durable else "memstore"))
        seed = self.folder / "seed.keyring"
        for who, caps in KEYS.items():
            own = seed if who == "mon." else self.folder / f"{who}.keyring"
            words = [word for place, what in caps.items() for word in ("--cap", place, what)]
            self.run("ceph-authtool", "--create-keyring", own, "--gen-key", "-n", who, *words)
            if own != seed:
                self.run("ceph-authtool", seed, "--import-keyring", own)
        addresses = f"[v2:{HOST}:{port},v1:{HOST}:{self.conf_value('mon host').rsplit(':', 1)[1]}"
        monmap = self.folder / "monmap"
        self.run("monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", addresses,
                 "--enable-all-features", monmap)
        self.run("ceph-mon", "-c", self.conf, "-i", "a", "--mkfs", "--monmap", monmap, "--keyring", seed)
        shutil.copy(seed, self.folder / "mon/keyring")

    def conf_value(self, name):
        lines = self.conf.read_text().splitlines()
        return next(line.split(" = ", 1)[1] for line in lines if line.startswith(f"{name} = "))

    def up(self):
        """Starts it all, on nothing."""
        missing = [tool for tool in ("ceph-mon", "ceph-osd", "radosgw", "ceph") if not shutil.which(tool)]
        if missing:
            sys.exit(f"{', '.join(missing)} of Ceph are missing: run make test, or install ceph-mon ceph-osd radosgw "
                     "ceph-common")
        self.down()
        self.make(self.room_gib << 30)
        self.mon()
        osd = str(uuid.uuid4())
        self.admin("osd", "new", osd, "0")
        self.run("ceph-osd", "-c", self.conf, "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.osd()
        process.wait_for("the OSD is up", lambda: "1 up" in self.admin("osd", "stat"), 60)
        for pool in POOLS:
            self.admin("osd", "pool", "create", pool, "8")
            self.admin("osd", "pool", "application", "enable", pool, "rbd")
        told = {
            "conf": str(self.conf),
            "fsid": self.conf_value("fsid"),
            "rbd": {"user": "glance", "keyring": str(self.folder / "client.glance.keyring"), "pools": POOLS},
        }
        if self.has_gateway:
            told |= self.gateways()
        (self.folder / "told.json").write_text(json.dumps(told, indent=1))

    def mon(self):
        """Starts the monitor, also again after it was killed."""
        self.serve("mon", "ceph-mon", "-i", "a")

    def osd(self):
        """Starts the OSD, also again after it was killed."""
        self.serve("osd", "ceph-osd", "-i", "0")

    def signal(self, name, number):
        """Sends a signal to a daemon."""
        os.kill(daemon.alive(self.folder / f"{name}.pid"), number)

    def gateways(self):
        """Starts the gateway and makes its users; what there is to know of it."""
        port = process.free_port()
        self.gateway("gateway", port)
        tool = ("radosgw-admin", "-c", self.conf, "-n", "client.gateway")
        self.run(*tool, "user", "create", "--uid=glance", "--display-name=glance",
                 f"--access-key={S3_USER['access_key']}", f"--secret-key={S3_USER['secret_key']}")
        self.run(*tool, "subuser", "create", "--uid=glance", f"--subuser={SWIFT_USER['user']}", "--access=full",
                 "--key-type=swift", f"--secret-key={SWIFT_USER['key']}")
        endpoint = f"http://{HOST}:{port}"
        return {
            "s3": {"endpoint": endpoint, "region": "default", **S3_USER},
            "swift": {"auth_url": f"{endpoint}/auth/v1.0", **SWIFT_USER},
        }

    def gateway(self, name, port):
        """Starts a gateway on a port; returns its process when it answers."""
        # The first one makes the pools, which takes longest.
        started = self.serve(name, "radosgw", "-n", "client.gateway", f"--rgw-frontends=beast endpoint={HOST}:{port}",
                             f"--log-file={self.folder}/{name}.log")
        process.wait_for("the gateway answers", lambda: daemon.answers(f"http://{HOST}:{port}/"), 90)
        return started

    @contextlib.contextmanager
    def trusting(self, keystone, port, admin, **more):
        """A gateway on a port, which believes the tokens of a Keystone while this is entered; `admin` are the options
        of the user by which it asks there, each without `rgw_keystone_admin_`, and `more` further ones without
        `rgw_keystone_`."""
        self.shared()
        options = {"url": keystone.removesuffix("/v3"), "api-version": 3, "implicit-tenants": "true",
                   "accepted-roles": "admin, member, service"}
        options |= {f"admin-{name}": value for name, value in admin.items()} | more
        started = self.serve(f"keystone-{port}", "radosgw", "-n", "client.gateway",
                             f"--rgw-frontends=beast endpoint={HOST}:{port}",
                             *[f"--rgw-keystone-{name}={value}" for name, value in options.items()])
        try:
            process.wait_for("the gateway answers", lambda: daemon.answers(f"http://{HOST}:{port}/"), 60)
            yield
        finally:
            started.kill()
            started.wait()

    def objects(self, bucket):
        """{name: bytes} of what is in a bucket, unfinished uploads and their parts included."""
        listed = json.loads(self.run("radosgw-admin", "-c", self.conf, "-n", "client.gateway", "bucket", "list",
                                f"--bucket={bucket}"))
        return {entry["name"]: entry["meta"]["size"] for entry in listed}

    @contextlib.contextmanager
    def lock(self):
        CACHE.mkdir(parents=True, exist_ok=True)
        with open(f"{self.folder}.lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def shared(self):
        """The one that everybody shares, started by whoever comes first; what there is to know of it."""
        with self.lock():
            if not self.is_up():
                self.up()
            return json.loads((self.folder / "told.json").read_text())

    def down(self):
        """Ends it and forgets all that it held."""
        for pid_file in self.folder.glob("*.pid"):
            if pid := daemon.alive(pid_file):
                # There is nothing to keep.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                process.wait_for(f"{pid_file.name} ends", lambda file=pid_file: not daemon.alive(file))
        shutil.rmtree(self.folder, ignore_errors=True)


# The one that the environment names; what this module can do, it does with that.
OWN = "VITRINE_CEPH" in os.environ
SHARED = Ceph(FOLDER, OWN, has_gateway=not OWN or "VITRINE_CEPH_GATEWAY" in os.environ,
              room_gib=int(os.environ.get("VITRINE_CEPH_GIB", "3")))
admin = SHARED.admin
down = SHARED.down
environment = SHARED.environment
gateway = SHARED.gateway
lock = SHARED.lock
objects = SHARED.objects
osd = SHARED.osd
run = SHARED.run
serve = SHARED.serve
shared = SHARED.shared
trusting = SHARED.trusting
