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
# One that a test has to itself, in another folder: it has no gateway, and its OSD keeps its data when it is killed.
OWN = "VITRINE_CEPH" in os.environ
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


def environment():
    """Without what the caller's own Ceph may have left in it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CEPH_")}
    return clean | {"CEPH_CONF": str(FOLDER / "ceph.conf")}


def run(*argv, timeout_s=60):
    """What a command of Ceph's prints."""
    done = subprocess.run([str(word) for word in argv], env=environment(), capture_output=True, text=True,
                          timeout=timeout_s)
    if done.returncode:
        sys.exit(f"{argv}: {done.stdout}{done.stderr}")
    return done.stdout


def admin(*words):
    return run("ceph", "-c", FOLDER / "ceph.conf", "--connect-timeout", "20", *words)


def serve(name, *argv):
    """Starts a daemon of Ceph's and takes note of its number."""
    with open(FOLDER / f"{name}.out", "a") as out:
        started = subprocess.Popen([*argv, "-c", str(FOLDER / "ceph.conf"), "-f"], stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, env=environment(), start_new_session=True)
    (FOLDER / f"{name}.pid").write_text(f"{started.pid}\n")
    return started


def is_up():
    return all(daemon.alive(FOLDER / f"{name}.pid") for name in ("mon", "osd", "gateway")[:2 if OWN else 3])


def make(room):
    """A new cluster, which serves nothing yet."""
    FOLDER.mkdir(parents=True)
    for name in ("mon", "osd", "crash"):
        (FOLDER / name).mkdir()
    port = process.free_port()
    fsid = str(uuid.uuid4())
    (FOLDER / "ceph.conf").write_text(CONF.format(folder=FOLDER, host=HOST, fsid=fsid, mon=port,
                                                  mon_old=process.free_port(), room=room,
                                                  kind="bluestore" if OWN else "memstore"))
    seed = FOLDER / "seed.keyring"
    for who, caps in KEYS.items():
        own = seed if who == "mon." else FOLDER / f"{who}.keyring"
        words = [word for place, what in caps.items() for word in ("--cap", place, what)]
        run("ceph-authtool", "--create-keyring", own, "--gen-key", "-n", who, *words)
        if own != seed:
            run("ceph-authtool", seed, "--import-keyring", own)
    addresses = f"[v2:{HOST}:{port},v1:{HOST}:{conf_value('mon host').rsplit(':', 1)[1]}"
    run("monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", addresses, "--enable-all-features",
        FOLDER / "monmap")
    run("ceph-mon", "-c", FOLDER / "ceph.conf", "-i", "a", "--mkfs", "--monmap", FOLDER / "monmap", "--keyring", seed)
    shutil.copy(seed, FOLDER / "mon/keyring")


def conf_value(name):
    lines = (FOLDER / "ceph.conf").read_text().splitlines()
    return next(line.split(" = ", 1)[1] for line in lines if line.startswith(f"{name} = "))


def up(room="3G"):
    """Starts it all, on nothing."""
    missing = [tool for tool in ("ceph-mon", "ceph-osd", "radosgw", "ceph") if not shutil.which(tool)]
    if missing:
        sys.exit(f"{', '.join(missing)} of Ceph are missing: run make test, or install ceph-mon ceph-osd radosgw "
                 "ceph-common")
    down()
    make(int(room[:-1]) << 30)
    serve("mon", "ceph-mon", "-i", "a")
    osd = str(uuid.uuid4())
    admin("osd", "new", osd, "0")
    run("ceph-osd", "-c", FOLDER / "ceph.conf", "-i", "0", "--mkfs", "--osd-uuid", osd)
    serve("osd", "ceph-osd", "-i", "0")
    process.wait_for("the OSD is up", lambda: "1 up" in admin("osd", "stat"), 60)
    for pool in POOLS:
        admin("osd", "pool", "create", pool, "8")
        admin("osd", "pool", "application", "enable", pool, "rbd")
    told = {
        "conf": str(FOLDER / "ceph.conf"),
        "fsid": conf_value("fsid"),
        "rbd": {"user": "glance", "keyring": str(FOLDER / "client.glance.keyring"), "pools": POOLS},
    }
    if not OWN:
        told |= gateways()
    (FOLDER / "told.json").write_text(json.dumps(told, indent=1))


def osd():
    """Starts the OSD again, after it was killed."""
    serve("osd", "ceph-osd", "-i", "0")


def gateways():
    """Starts the gateway and makes its users; what there is to know of it."""
    port = process.free_port()
    gateway("gateway", port)
    tool = ("radosgw-admin", "-c", FOLDER / "ceph.conf", "-n", "client.gateway")
    run(*tool, "user", "create", "--uid=glance", "--display-name=glance",
        f"--access-key={S3_USER['access_key']}", f"--secret-key={S3_USER['secret_key']}")
    run(*tool, "subuser", "create", "--uid=glance", f"--subuser={SWIFT_USER['user']}", "--access=full",
        "--key-type=swift", f"--secret-key={SWIFT_USER['key']}")
    endpoint = f"http://{HOST}:{port}"
    return {
        "s3": {"endpoint": endpoint, "region": "default", **S3_USER},
        "swift": {"auth_url": f"{endpoint}/auth/v1.0", **SWIFT_USER},
    }


def gateway(name, port):
    """Starts a gateway on a port; returns its process when it answers."""
    # The first one makes the pools, which takes longest.
    started = serve(name, "radosgw", "-n", "client.gateway", f"--rgw-frontends=beast endpoint={HOST}:{port}",
                    f"--log-file={FOLDER}/{name}.log")
    process.wait_for("the gateway answers", lambda: daemon.answers(f"http://{HOST}:{port}/"), 90)
    return started


@contextlib.contextmanager
def trusting(keystone, port, admin):
    """A gateway on a port, which believes the tokens of a Keystone while this is entered; `admin` are the options of
    the user by which it asks there, each without `rgw_keystone_admin_`."""
    shared()
    options = {"url": keystone.removesuffix("/v3"), "api-version": 3, "implicit-tenants": "true",
               "accepted-roles": "admin, member, service"} | {f"admin-{name}": value for name, value in admin.items()}
    started = serve(f"keystone-{port}", "radosgw", "-n", "client.gateway",
                    f"--rgw-frontends=beast endpoint={HOST}:{port}",
                    *[f"--rgw-keystone-{name}={value}" for name, value in options.items()])
    try:
        process.wait_for("the gateway answers", lambda: daemon.answers(f"http://{HOST}:{port}/"), 60)
        yield
    finally:
        started.kill()
        started.wait()


def objects(bucket):
    """The names in a bucket, those of unfinished uploads and their parts included."""
    listed = json.loads(run("radosgw-admin", "-c", FOLDER / "ceph.conf", "-n", "client.gateway", "bucket", "list",
                            f"--bucket={bucket}"))
    return [entry["name"] for entry in listed]


@contextlib.contextmanager
def lock():
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(f"{FOLDER}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def shared():
    """The one that everybody shares, started by whoever comes first; what there is to know of it."""
    with lock():
        if not is_up():
            up()
        return json.loads((FOLDER / "told.json").read_text())


def down():
    """Ends it and forgets all that it held."""
    for pid_file in FOLDER.glob("*.pid"):
        if pid := daemon.alive(pid_file):
            # There is nothing to keep.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            process.wait_for(f"{pid_file.name} ends", lambda file=pid_file: not daemon.alive(file))
    shutil.rmtree(pathlib.Path(FOLDER), ignore_errors=True)
