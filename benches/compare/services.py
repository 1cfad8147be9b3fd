"""The two services that are compared: started from one configuration, on one disk, each with a database of its own in
one server; and what the kernel says of what they take."""

import contextlib
import pathlib
import resource
import shutil
import subprocess
import threading
import time
from typing import NamedTuple

import image_service
from harness import client, daemon, databases, environments, process
from harness.places import ROOT

HERE = pathlib.Path(__file__).resolve().parent
# On top of what the suites of the reference servers use: no image cache, and URLs of stores are not shown.
USUAL = ("paste_deploy.flavor=keystone", "image_cache_dir=", "show_image_direct_url=", "show_multiple_locations=")


class Spent(NamedTuple):
    """What some work took: CPU seconds of the service and of the database, seconds, CPU seconds of others in them, and
    how much work it was."""

    server: float
    database: float
    wall: float
    others: float
    work: float

    @property
    def cpu(self):
        return (self.server + self.database) / self.work


class Service:
    """One service. A subclass says its `name`, its command, and how its database is made."""

    def __init__(self, folder, cloud, place, around):
        """`around` tells the CPU seconds of what else belongs to the comparison, while a service is measured."""
        self.folder, self.cloud, self.place, self.around = folder, cloud, place, around
        self.port, self.process = process.free_port(), None
        self.log = pathlib.Path(f"{folder}.log")
        folder.mkdir()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def configured(self, options=()):
        """Writes the configuration; the path of its main file."""
        return image_service.write_conf(self.folder, self.url, self.cloud.keystone, self.connection,
                                        [*USUAL, *options])

    def start(self, options=()):
        conf = self.configured(options)
        self.process = process.start(self.name, self.argv(conf), self.log,
                                     lambda: daemon.answers(f"{self.url}/versions"), timeout_s=120,
                                     cwd=self.folder, env=self.environment(conf))

    def stop(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(process.PATIENCE_S)
            except subprocess.TimeoutExpired:
                for pid in [*process.children(self.process.pid), self.process.pid]:
                    with contextlib.suppress(ProcessLookupError):
                        subprocess.run(["kill", "-9", str(pid)], check=False)
                self.process.wait()
            self.process = None

    def started(self, options=()):
        """Stops it and starts it again; what it took until the first answer."""
        self.stop()
        conf = self.configured(options)
        with self.measured() as meter, open(self.log, "a") as log:
            self.process = subprocess.Popen([str(word) for word in self.argv(conf)], cwd=self.folder, stdout=log,
                                            stderr=subprocess.STDOUT, env=self.environment(conf))
            self.await_answer()
        return meter.spent(1)

    def await_answer(self):
        """Returns as soon as it answers, to the millisecond."""
        deadline = time.monotonic() + 120
        while True:
            try:
                client.request(self.port, "GET", "/versions")
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise process.StartError(f"{self.name} does not start:\n{process.tail(self.log)}") from None
                time.sleep(0.001)

    def environment(self, conf):
        return None

    def ask(self, persona="member", token=None):
        """A connection on which a persona asks it."""
        return client.Kept(self.port, token or self.cloud.token(persona))

    def measured(self):
        """A context that measures what is done in it."""
        return Meter(self)

    def cpu(self):
        return process.cpu_seconds_of_tree(self.process.pid) if self.process else 0

    def database_cpu(self):
        return 0 if self.place.kind == databases.SQLITE else process.cpu_seconds_of_tree(
            self.place.database.server.process.pid)

    def memory_mib(self):
        """What all of its processes have, what they share counted once."""
        total = 0
        for pid in [self.process.pid, *process.children(self.process.pid)]:
            with contextlib.suppress(OSError):
                lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total / 1024


class Glance(Service):
    name = "Glance"

    def __init__(self, *where, processes):
        super().__init__(*where)
        self.processes, self.venv = processes, environments.venv("glance")
        self.connection = self.place.alchemy
        conf = self.configured()
        shutil.copy(self.venv / "etc/glance/glance-api-paste.ini", conf.parent)
        subprocess.run([self.venv / "bin/glance-manage", "--config-file", conf, "db_sync"], check=True,
                       capture_output=True)

    def environment(self, conf):
        (packages,) = self.venv.glob("lib/python3*/site-packages")
        return {"PATH": f"{self.venv}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                # Under uwsgi, Python does not tell its children where it has its packages.
                "PYTHONPATH": str(packages), "OS_GLANCE_CONFIG_DIR": str(conf.parent)}

    def argv(self, _conf):
        """As deployments of OpenStack configure uwsgi, less its log of requests."""
        return [self.venv / "bin/pyuwsgi", "--http-socket", f"127.0.0.1:{self.port}", "--master", "--die-on-term",
                "--processes", self.processes, "--lazy-apps", "--enable-threads", "--thunder-lock",
                "--http-chunked-input", "--http-auto-chunked", "--buffer-size", 65535, "--socket-timeout", 600,
                "--add-header", "Connection: close", "--disable-logging", "--need-app",
                "--pythonpath", ROOT / "tests/peers", "--wsgi-file", HERE / "application.py"]


class Vitrine(Service):
    name = "Vitrine"

    def __init__(self, *where, binary):
        super().__init__(*where)
        self.binary = pathlib.Path(binary).resolve()
        self.connection = self.place.url
        self.command("db", "sync")

    def command(self, *words):
        conf = self.configured()
        subprocess.run([self.binary, *words, "--config-file", conf, "--data-dir", self.folder / "data"], check=True,
                       capture_output=True)

    def argv(self, conf):
        return [self.binary, "serve", "--config-file", conf, "--data-dir", self.folder / "data",
                "--bind", f"127.0.0.1:{self.port}"]


def busy():
    """CPU seconds, so far, of everything on this machine."""
    user, nice, system, _, _, irq, softirq = map(int, pathlib.Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / process.TICKS


def own():
    """CPU seconds, so far, of this process and of those it has waited for: the clients."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


class Meter:
    """Measures what a service and its database take while the context lasts."""

    def __init__(self, service):
        self.service = service

    def now(self):
        service = self.service
        server, database = service.cpu(), service.database_cpu()
        return server, database, time.monotonic(), busy() - own() - server - database - service.around(service)

    def __enter__(self):
        self.before = self.now()
        return self

    def __exit__(self, *_):
        self.after = self.now()

    def spent(self, work):
        return Spent(*(max(0.0, one - other) for one, other in zip(self.after, self.before)), work)


class Peak:
    """Watches the memory of a service while the context lasts; `mib` is the most that was seen."""

    def __init__(self, service):
        self.service, self.mib, self.over = service, 0.0, threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.over.wait(0.05):
            self.mib = max(self.mib, self.service.memory_mib())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
