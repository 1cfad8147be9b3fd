"""The n-th call to the disk fails, for every n until a flow needs no more: once, because the disk is full or because it
is broken. Whatever the client is told, nothing is half there; and the same call succeeds when the disk does.

`make test` tries some of the calls of each flow, of which a seed says which; `make chaos` tries all of them.
"""

import collections
import errno
import random

import pytest

from harness import chaos, databases, faults, invariants, load, wait_for, world

# Of each flow and each error.
CALLS = chaos.either(2, 10_000)
# {what is wrong: its error, the calls that it meets, what a client may be told instead of success}: that there is no
# room, that it may try again, that something is broken here.
ERRORS = {"full": (errno.ENOSPC, faults.ROOM, {413, 503}), "broken": (errno.EIO, faults.ANY, {500, 503})}


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with world.Node(tmp_path_factory.mktemp("node"), databases.fresh()) as running:
        running.token()
        yield running


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    made = world.Source(tmp_path_factory.mktemp("source"))
    yield made
    made.close()


class Flow:
    """One thing that clients do; its image is made, and what comes before is done, while the disk is whole."""

    def __init__(self, node, source, disk_format="raw"):
        self.node, self.source = node, source
        self.data = random.Random(1).randbytes(300_000)
        self.image = node.create(disk_format=disk_format)
        self.prepare()
        node.settle()

    def prepare(self):
        pass

    def is_done(self):
        return self.node.show(self.image)["status"] == "active"


class Upload(Flow):
    def act(self):
        return self.node.put(self.image, self.data).status


class Stage(Flow):
    def act(self):
        return self.node.put(self.image, self.data, "stage").status

    def is_done(self):
        return self.node.show(self.image)["status"] == "uploading"


class Import(Flow):
    def __init__(self, node, source):
        super().__init__(node, source, "qcow2")

    def act(self):
        answer = self.node.request("POST", f"/v2/images/{self.image}/import",
                                   {"method": {"name": "web-download", "uri": self.source.url}, "all_stores": True})
        if answer.status == 202:
            # Its end, good or bad, is what the disk may spoil.
            wait_for("the import is over", self.is_over, world.SETTLE_S)
        return answer.status

    def is_over(self):
        answer = self.node.request("GET", f"/v2/images/{self.image}/tasks")
        return answer.status == 200 and all(task["status"] in ("success", "failure") for task in answer.json["tasks"])


class Copy(Flow):
    def prepare(self):
        self.node.put(self.image, self.data).expect(204)

    def act(self):
        answer = self.node.request("POST", f"/v2/images/{self.image}/import",
                                   {"method": {"name": "copy-image"}, "stores": ["two"]})
        if answer.status == 202:
            wait_for("the copy is over", lambda: Import.is_over(self), world.SETTLE_S)
        return answer.status

    def is_done(self):
        return self.node.show(self.image)["stores"] == "one,two"


class Download(Copy):
    """The first one, which fills the cache."""

    def act(self):
        try:
            answer = self.node.request("GET", f"/v2/images/{self.image}/file")
        except load.DEATH:
            # Broken off in the middle, as it should be when the data cannot be read.
            return 503
        assert answer.status != 200 or answer.body == self.data, "other bytes than those of the image"
        incomplete = self.node.layout.cache / "incomplete"
        wait_for("the cache is filled, or given up", lambda: not invariants.files(incomplete))
        return answer.status

    def is_done(self):
        return True


class Delete(Copy):
    def act(self):
        return self.node.request("DELETE", f"/v2/images/{self.image}").status

    def is_done(self):
        return self.node.request("GET", f"/v2/images/{self.image}").status == 404


def calls_of(node, source, kind, which):
    """How many calls of the disk one flow makes, its aftermath included."""
    flow = kind(node, source)
    node.disk.count(which)
    assert flow.act() < 300
    node.settle()
    return node.disk.seen


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("kind", [Upload, Stage, Import, Copy, Download, Delete])
def test_sec_41_a_call_that_fails_leaves_nothing(node, source, kind, error):
    """One call fails; afterwards every invariant holds, and with a disk that is whole the client gets what it wants."""
    chance, told = chaos.seeded(), collections.Counter()
    number, which, refusals = ERRORS[error]
    calls = calls_of(node, source, kind, which)
    for call in sorted(chance.sample(range(1, calls + 1), min(CALLS, calls))):
        flow = kind(node, source)
        node.disk.fail(call, number, which)
        status = flow.act()
        told[status] += 1
        assert node.process.poll() is None, f"call {call}: the server is dead"
        node.disk.count(0)
        assert status < 300 or status in refusals, f"call {call}: {status}\n{node.log_tail()}"
        node.settle()
        node.check()
        if not flow.is_done():
            assert flow.act() < 300, f"call {call}: it does not succeed afterwards either"
            node.settle()
            assert flow.is_done(), f"call {call}: it is not done afterwards either"
        if kind is not Delete:
            node.request("DELETE", f"/v2/images/{flow.image}").expect(204)
    print(f"{kind.__name__}, {error}: {calls} calls, answers {dict(told)}")
