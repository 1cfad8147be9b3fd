"""Faults, one after another, each with its time in the record."""

import errno
import functools
import signal
import threading
import time

from harness import databases, faults

from .client import Failed, Idle
from .operations.data import QUEUED

# What a failing disk may make of answers: no room, something is broken, try again, or an answer that breaks off.
DISK = (413, 500, 503, None)
# What a database that stands still may: nothing waits for it for long.
DATABASE = (503, None)
STOP_S = 2
# How long the server may take until it is well after a fault.
RECOVERY_S = 60


class Trouble(threading.Thread):
    """Makes faults in a random order until it is stopped, each kind before one comes again, and each once at least.
    `client` is one of its own, which sees whether all is well again; the window of a fault lasts until then."""

    def __init__(self, ground, client, chance, gap):
        super().__init__(daemon=True)
        self.ground, self.client, self.chance, self.gap = ground, client, chance, gap
        self.record = client.record
        self.stopped = threading.Event()

    def kinds(self):
        found = [functools.partial(self.disk_fails, "the disk is full", errno.ENOSPC, faults.ROOM),
                 functools.partial(self.disk_fails, "the disk is broken", errno.EIO, faults.ANY),
                 self.is_told_to_read_its_configuration, self.stands_still]
        if self.ground.database.kind != databases.SQLITE:
            found.append(self.database_stands_still)
        return found

    def shuffled(self):
        return self.chance.sample(self.kinds(), len(self.kinds()))

    def run(self):
        order, had_all = self.shuffled(), False
        while not self.stopped.wait(self.chance.uniform(self.gap / 2, self.gap)) or not had_all:
            order.pop()()
            if not order:
                order, had_all = self.shuffled(), True

    def stop(self):
        self.stopped.set()
        self.join()

    def disk_fails(self, name, error, which):
        with self.record.fault(name, DISK):
            self.ground.disk.fail(1, error, which, more=1 << 40)
            time.sleep(self.chance.uniform(1, 3))
            self.ground.disk.count(0)
            self.is_well()

    def is_told_to_read_its_configuration(self):
        with self.record.fault("SIGHUP"):
            self.ground.process.send_signal(signal.SIGHUP)
            time.sleep(0.5)

    def stands_still(self):
        with self.record.fault("the server stands still"):
            stop(self.ground.process.send_signal)

    def database_stands_still(self):
        with self.record.fault("the database stands still", DATABASE):
            stop(self.ground.database.server.signal)
            self.is_well()

    def is_well(self):
        """Waits until an upload to the store on the failing disk succeeds."""
        deadline = time.monotonic() + RECOVERY_S
        while time.monotonic() < deadline:
            try:
                self.upload()
                return
            except (Failed, Idle):
                time.sleep(0.2)
        self.client.lie(f"the server is not well {RECOVERY_S} s after a fault")

    def upload(self):
        client = self.client
        image = client.ask("POST", "/v2/images", expect=201, body=QUEUED | {"name": "probe"}).json["id"]
        client.mess.append(("DELETE", "/v2/images/{id}", (image,), ""))
        client.mess.append(("DELETE", "/ext/v1/trash/{id}", (image,), ""))
        client.ask("PUT", "/v2/images/{id}/file", image, expect=204, body=b"data",
                   headers={"X-Image-Meta-Store": "two"})
        client.tidy_all()


def stop(signalled):
    """A process stands still for a while."""
    signalled(signal.SIGSTOP)
    try:
        time.sleep(STOP_S)
    finally:
        signalled(signal.SIGCONT)
