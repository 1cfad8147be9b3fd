"""Three nodes behind HAProxy, on MariaDB, with clients at work; and then nodes are killed, stopped for longer than
their word counts, or restarted, and the database is killed or stopped; and, where images are in S3 and RBD, the daemons
of Ceph. Whatever happens, what clients were told holds, nothing is half visible, and nothing is left over.

Which fault comes when follows from one seed, which is printed; KILL_SEED repeats it.
"""

import collections
import contextlib
import pathlib
import signal
import time

import pytest

from harness import DOUBTFUL, balancers, chaos, cluster, databases, invariants, remote, story, world

ROUNDS = 2
STORE_ROUNDS = 2
CLIENTS = 6
# No request takes longer, whatever does not answer behind it; more where other tests run beside.
REQUEST_S = chaos.either(55, 30)
IMAGES_KEPT = 12
# Imports convert, so that nodes have children when they die.
MORE = "[image_import_opts]\nimage_import_plugins = ['image_conversion']"


class Story(story.Story):
    """The nodes, their balancer and their database."""

    def __init__(self, chance, source, nodes, front):
        super().__init__(chance, source, front)
        self.nodes, self.server = nodes, nodes.database.server

    # Faults. Those that they stop are going on at the end; the dead stay dead.

    def a_node_dies(self):
        self.chance.choice(self.nodes.nodes).kill()

    def two_nodes_die(self):
        for node in self.chance.sample(self.nodes.nodes, 2):
            node.kill()
            time.sleep(self.chance.uniform(0, 0.5))

    def a_node_stops(self):
        """And wakes up when others have taken over what it had."""
        node = self.chance.choice(self.nodes.nodes)
        node.process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(self.chance.uniform(0.5, 2 * world.LEASE_S))
        finally:
            node.process.send_signal(signal.SIGCONT)

    def a_node_is_restarted(self):
        assert self.chance.choice(self.nodes.nodes).terminate(world.SETTLE_S) == 0

    def the_database_dies(self):
        self.server.kill()
        time.sleep(self.chance.uniform(0, 1))
        self.server.start()
        self.serves_again("after the death of the database")

    def the_database_stops(self):
        self.server.signal(signal.SIGSTOP)
        try:
            time.sleep(self.chance.uniform(0.3, 4))
        finally:
            self.server.signal(signal.SIGCONT)
        self.serves_again("after a stop of the database")

    def everything_dies(self):
        self.server.kill()
        for node in self.nodes.nodes:
            node.kill()
        self.server.start()

    def faults(self):
        return [self.a_node_dies, self.two_nodes_die, self.a_node_stops, self.a_node_is_restarted,
                self.the_database_dies, self.the_database_stops, self.everything_dies]

    def round(self, fault):
        self.work(CLIENTS)
        fault()
        # The others go on for a while.
        time.sleep(self.chance.uniform(0, 1))
        self.rest()
        for node in self.nodes.nodes:
            if node.process.poll() is not None:
                node.start()
        self.serves_again("after all")
        first = self.nodes.nodes[0]
        invariants.settled(first, world.SETTLE_S)
        invariants.check(first, self.nodes.layout)
        self.check_images(IMAGES_KEPT)
        invariants.settled(first, world.SETTLE_S)


class StoresStory(Story):
    """The same in stores that fail as well."""

    def a_daemon_dies(self):
        """And comes back: the gateway of S3, or what keeps the data, or what knows where it is."""
        name = self.chance.choice(remote.DAEMONS)
        self.nodes.stores.ceph.signal(name, signal.SIGKILL)
        time.sleep(self.chance.uniform(0, 2))
        self.nodes.stores.start(name)
        self.nodes.stores.serves()

    def a_daemon_stops(self):
        name = self.chance.choice(remote.DAEMONS)
        self.nodes.stores.ceph.signal(name, signal.SIGSTOP)
        try:
            time.sleep(self.chance.uniform(0.3, 6))
        finally:
            self.nodes.stores.ceph.signal(name, signal.SIGCONT)
        self.nodes.stores.serves()

    def a_node_and_a_daemon_die(self):
        self.a_node_dies()
        self.a_daemon_dies()

    def the_database_and_a_daemon_stop(self):
        self.server.signal(signal.SIGSTOP)
        try:
            self.a_daemon_stops()
        finally:
            self.server.signal(signal.SIGCONT)
        self.serves_again("after a stop of the database")

    def faults(self):
        return [self.a_daemon_dies, self.a_daemon_stops, self.a_node_and_a_daemon_die,
                self.the_database_and_a_daemon_stop, self.the_database_dies, self.a_node_dies]

    def rest(self):
        super().rest()
        slow = {step: ms for step, ms in self.longest.items() if step.startswith("request ") and ms > 1000 * REQUEST_S}
        assert not slow, f"requests that took too long, in ms: {slow}"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    made = world.Source(tmp_path_factory.mktemp("source"))
    yield made
    made.close()


def tell(tale, rounds):
    """Goes through the faults in a random order, again and again."""
    order, done = [], collections.Counter()
    for number in chaos.rounds(rounds):
        order = order or tale.chance.sample(tale.faults(), len(tale.faults()))
        fault = order.pop()
        done[fault.__name__] += 1
        try:
            tale.round(fault)
        except BaseException as broken:
            logs = "\n".join(node.log_tail(20) for node in tale.nodes.nodes)
            raise AssertionError(f"round {number}, {fault.__name__}: {broken}\n{logs}") from broken
    print(dict(done), dict(tale.longest), sep="\n")
    print(dict(sorted(tale.answers.items())))
    assert tale.was_told()


def test_sec_41_nothing_is_lost_whichever_node_dies(tmp_path: pathlib.Path, source):
    """After each fault, at rest: what clients were told, and every invariant of database and stores."""
    chance, database = chaos.seeded(), databases.mortal(databases.MARIADB)
    with cluster.Cluster(tmp_path, database, more=MORE, env=DOUBTFUL) as nodes, \
            balancers.Haproxy(nodes.nodes) as front:
        tell(Story(chance, source, nodes, front), ROUNDS)


def test_sec_41_nothing_is_lost_whichever_store_dies(tmp_path: pathlib.Path, source):
    """The same with S3 and RBD, whose daemons die and stop, and with MariaDB; no request takes for ever. The slice has
    one node."""
    chance, database = chaos.seeded(), databases.mortal(databases.MARIADB)

    def read(name):
        # A blob is named after its image.
        return nodes.nodes[0].request("GET", f"/v2/images/{name[:36]}/file?prefer=one").expect(200).body

    with contextlib.closing(remote.Stores(tmp_path, read)) as stores, \
            cluster.Cluster(tmp_path, database, chaos.either(1, 3), more=MORE, stores=stores, env=DOUBTFUL) as nodes, \
            balancers.Haproxy(nodes.nodes) if chaos.IS_WHOLE else contextlib.nullcontext(nodes.nodes[0]) as front:
        tell(StoresStory(chance, source, nodes, front), STORE_ROUNDS)
