"""Everything at once, and then something dies: uploads, staging, imports with conversion, copies, a cache, deletions by
several clients; the node is killed, the database is killed or stopped, the disk is full or broken for a while, the
power is cut. Whatever happens, what clients were told holds, nothing is half visible, and nothing is left over.

On each database. Which fault comes when follows from one seed, which is printed; KILL_SEED repeats it. How soon a
server is ready and its jobs go on is printed as well.
"""

import collections
import errno
import functools
import pathlib
import signal
import time

import pytest

from harness import chaos, databases, faults, invariants, story, world

ROUNDS = 6
CLIENTS = 4
IMAGES_KEPT = 12


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    made = world.Source(tmp_path_factory.mktemp("source"))
    yield made
    made.close()


class Story(story.Story):
    """One node on a disk and a database that fail, its clients, and what they were told."""

    def __init__(self, folder, kind, source, chance):
        self.database = databases.mortal(kind)
        self.node = world.Node(folder, self.database, is_lossy=True)
        self.disk = self.node.disk
        super().__init__(chance, source, self.node)

    # Faults. Each leaves the node dead or alive; the database lives.

    def node_dies(self):
        self.node.kill()

    def power_fails(self):
        self.node.kill()
        self.rest()
        lost = self.disk.cut(self.chance)
        self.longest["lost to a cut of the power"] += lost

    def disk_fails(self, error, which):
        self.disk.fail(self.chance.randrange(1, 200), error, which, more=self.chance.choice([0, 0, 3, 1 << 40]))
        time.sleep(self.chance.uniform(0.2, 1))
        self.longest["calls that failed"] += self.disk.failed
        self.disk.count(0)

    def database_dies(self):
        self.database.server.kill()
        time.sleep(self.chance.uniform(0, 1))
        self.database.server.start()
        self.serves_again("after the death of the database")

    def database_stops(self):
        self.database.server.signal(signal.SIGSTOP)
        try:
            time.sleep(self.chance.uniform(0.3, 1.5))
        finally:
            self.database.server.signal(signal.SIGCONT)
        self.serves_again("after a stop of the database")

    def faults(self):
        found = [self.node_dies, self.node_dies, self.power_fails,
                 functools.partial(self.disk_fails, errno.ENOSPC, faults.ROOM),
                 functools.partial(self.disk_fails, errno.EIO, faults.ANY)]
        if self.database.kind != databases.SQLITE:
            found += [self.database_dies, self.database_stops]
        return found

    def round(self, fault):
        # What is being written now would be taken for what the disk has.
        invariants.cache_at_rest(self.node, self.node.layout)
        self.disk.sync()
        self.work(CLIENTS)
        fault()
        self.rest()
        if self.node.process.poll() is not None:
            # Whoever died before that held no lease that ends later.
            ended = time.time_ns() // 1000 + world.LEASE_S * 1_000_000
            began = time.monotonic()
            self.node.start()
            self.longest["ready"] = max(self.longest["ready"], round(1000 * (time.monotonic() - began)))
            self.took("jobs resumed", lambda: self.node.rows(
                "SELECT count(*) FROM jobs WHERE status = 'processing' AND lease_until <= ?", ended) == [(0,)])
        self.node.settle()
        self.node.check()
        self.check_images(IMAGES_KEPT)
        self.node.settle()


@pytest.mark.parametrize("kind", databases.KINDS)
def test_sec_41_nothing_is_lost_whatever_dies(tmp_path: pathlib.Path, kind, source):
    """After each fault, at rest: what clients were told, and every invariant of database, stores and cache."""
    chance = chaos.seeded()
    tale = Story(tmp_path, kind, source, chance)
    done = collections.Counter()
    with tale.node:
        tale.node.token()
        # Each kind of fault comes, in an order of its own.
        order = []
        for number in chaos.rounds(ROUNDS):
            order = order or chance.sample(tale.faults(), len(tale.faults()))
            fault = order.pop()
            done[getattr(fault, "func", fault).__name__] += 1
            try:
                tale.round(fault)
            except BaseException as broken:
                raise AssertionError(f"round {number}, {fault}: {broken}\n{tale.node.log_tail(40)}") from broken
    print(dict(done), dict(tale.longest), sep="\n")
    print(dict(sorted(tale.answers.items())))
    assert tale.was_told()
