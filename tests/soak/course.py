"""One run from its beginning to its end."""

import random
import time

from harness import invariants

from . import figures, judge
from .client import Client
from .crowd import Crowd, quiet
from .ground import Ground, Origin
from .record import Record
from .trouble import Trouble
from .watch import Watch, at_rest

# The load before the first look at descriptors: pools and caches are filled by more than one request at a time.
WARM_UP_S, WARM_UP_RATE = 5, 40
# Between two faults, of the whole, and in seconds at most.
GAP_SHARE, GAP_S = 0.08, 60
# Until the last line of an answer is counted, and until jobs are counted anew.
COUNTING_S, COUNTING_ANEW_S = 30, 90
# Rules about figures that follow the clients with a delay.
DELAYED = (judge.requests, judge.volumes)


def run(folder, database, seconds, seed, clients, rate):
    """The record of a run, in which nothing is judged yet."""
    record = Record(seconds=seconds, seed=seed, clients=clients, rate=rate, database=database.kind)
    ground, origin = Ground(folder, database), Origin()
    try:
        with ground:
            before = begin(ground, record, origin, clients, seed)
            load(*before, seconds, rate, seed)
            return record.made()
    finally:
        origin.close()


def begin(ground, record, origin, count, seed):
    """Users, clients, the first scrape, and a moment of load."""
    users = ground.users()
    everybody = [Client(number, ground, origin, users, record, seed + number) for number in range(count + 1)]
    *clients, probe = everybody
    base = scrape(ground, record)
    crowd = Crowd(clients, record)
    crowd.work(WARM_UP_RATE, WARM_UP_S)
    if not quiet(ground):
        record.lie("jobs of the first moment come to no end")
    time.sleep(1)
    record.rest["before"] = at_rest(ground.process.pid, ground.database_port)
    return ground, record, crowd, probe, base


def load(ground, record, crowd, probe, base, seconds, rate, seed):
    """The load with its faults, and what is there when all is over."""
    pid = ground.process.pid
    record.began = time.monotonic()
    watch = Watch(pid, record)
    trouble = Trouble(ground, probe, random.Random(seed), min(GAP_S, GAP_SHARE * seconds))
    watch.start()
    trouble.start()
    crowd.work(rate, seconds)
    watch.stop()
    trouble.stop()
    crowd.rest()
    crowd.verify()
    crowd.leave_memory()
    look_at_the_ground(ground, record)
    record.rows = [list(row) for row in ground.rows("SELECT kind, status, sum(attempts), count(*) FROM jobs "
                                                    "GROUP BY kind, status")]
    record.rows = [[kind, status, int(tried), count] for kind, status, tried, count in record.rows]
    record.figures = figures.since(base, counted(ground, record, base))
    record.rest["after"] = at_rest(pid, ground.database_port, record.rest["before"])


def scrape(ground, record):
    """The figures now; that scrape itself is counted by the next one."""
    answer = ground.scraped().expect(200)
    record.answered("/metrics", "GET", 200, 0, len(answer.body))
    return figures.read(answer.body.decode())


def counted(ground, record, base):
    """The figures when they have come to what they should be, or when they do not."""
    long = record.facts["seconds"] >= judge.LONG_S
    deadline = time.monotonic() + (COUNTING_ANEW_S if long else COUNTING_S)
    rules = (*DELAYED, judge.jobs) if long else DELAYED
    while True:
        answer = ground.scraped().expect(200)
        found = figures.read(answer.body.decode())
        # A scrape does not know of itself.
        so_far = record.made() | {"figures": figures.since(base, found)}
        if not any(breach for rule in rules for breach in rule(so_far)) or time.monotonic() > deadline:
            return found
        record.answered("/metrics", "GET", 200, 0, len(answer.body))
        time.sleep(1)


def look_at_the_ground(ground, record):
    """The invariants of a server at rest, and what the service finds itself."""
    try:
        invariants.settled(ground, 120)
        invariants.check(ground, ground.layout)
        ground.command("check", "--all")
    except Exception as fault:  # noqa: BLE001  shown at the end, beside what else is wrong
        record.lie(f"an invariant is broken: {fault!r}")
    if ground.process.poll() is not None:
        record.lie(f"the server has ended with {ground.process.returncode}\n{ground.log_tail(40)}")
