"""Three nodes behind HAProxy, on MariaDB, with clients at work; and then nodes are killed, stopped for longer than
their word counts, or restarted, and the database is killed or stopped. Whatever happens, what clients were told holds,
nothing is half visible, and nothing is left over.

Which fault comes when follows from one seed, which is printed; KILL_SEED repeats it.
"""

import collections
import pathlib
import signal
import time

import pytest

from harness import balancers, chaos, cluster, databases, invariants, story, world

ROUNDS = 2
CLIENTS = 6
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


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    made = world.Source(tmp_path_factory.mktemp("source"))
    yield made
    made.close()


def test_sec_41_nothing_is_lost_whichever_node_dies(tmp_path: pathlib.Path, source):
    """After each fault, at rest: what clients were told, and every invariant of database and stores."""
    chance, done = chaos.seeded(), collections.Counter()
    database = databases.mortal(databases.MARIADB)
    with cluster.Cluster(tmp_path, database, more=MORE) as nodes, balancers.Haproxy(nodes.nodes) as front:
        tale, order = Story(chance, source, nodes, front), []
        for number in chaos.rounds(ROUNDS):
            order = order or chance.sample(tale.faults(), len(tale.faults()))
            fault = order.pop()
            done[fault.__name__] += 1
            try:
                tale.round(fault)
            except BaseException as broken:
                logs = "\n".join(node.log_tail(20) for node in nodes.nodes)
                raise AssertionError(f"round {number}, {fault.__name__}: {broken}\n{logs}") from broken
    print(dict(done), dict(tale.longest), sep="\n")
    print(dict(sorted(tale.answers.items())))
    assert tale.answers["upload", 204] and tale.answers["import", 202], "the faults came too early to prove anything"
