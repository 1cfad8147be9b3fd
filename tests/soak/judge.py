"""What is wrong with the record of a run. Each rule takes a record, as `Record.made` has it, and yields breaches."""

import collections
import statistics

from . import coverage
from .watch import DATABASE

# What memory and descriptors may grow by while the load is the same, and from how many seconds on that is judged: less
# says nothing, for caches and pools fill first.
GROWTH, LONG_S = 0.05, 600
# The beginning that is left out of it, of the whole, and at least so many seconds.
WARM_SHARE, WARM_S = 0.1, 60
# Descriptors that a sample may have more or fewer of, by the connections that happen to be open.
FEW = 5
# Jobs that one claim takes at most (`[wsgi] task_pool_threads`).
CLAIMED_AT_ONCE = 16
# From the start the file of SQLite is open once more than its log, which each connection has open.
BESIDE_POOL = 1
# For how long what has waited during a fault may still stand in the way of what comes after it.
AFTERMATH_S = 1
# How much of the planned operations has to be done.
DONE = 0.95


def breaches(record):
    """Everything that is wrong; empty when nothing is."""
    return [breach for rule in RULES for breach in rule(record)]


def surprises(record):
    """Only a fault excuses an answer that was not expected, and only those that it may cause."""
    for one in record["surprises"]:
        if not any(window["began"] <= one["ended"] and one["began"] <= window["ended"] + AFTERMATH_S
                   and one["status"] in window["may"] for window in record["windows"]):
            yield (f"{one['operation']}: {one['method']} {one['route']} answered {one['status']} "
                   f"{one['began']:.1f} s after the beginning, outside of every fault: {one['what']}")


def lies(record):
    """What clients found to be untrue, and invariants that are broken."""
    yield from record["lies"]


def figures(record, name, *labels):
    """{values of these labels: sum} of one figure."""
    found = collections.Counter()
    for figure, labelled, value in record["figures"]:
        if figure == name:
            found[tuple(labelled.get(label) for label in labels)] += round(value)
    return found


def requests(record):
    """Each answer that was seen is counted, and nothing else but requests whose answer nobody saw."""
    counted = figures(record, "vitrine_http_requests_total", "route", "method", "status")
    seen = {(route, method, str(status)): count for route, method, status, count in record["answers"]}
    unseen = {(route, method): count for route, method, count in record["unseen"]}
    surplus = collections.Counter()
    for key in sorted(counted.keys() | seen.keys(), key=str):
        more = counted.get(key, 0) - seen.get(key, 0)
        if more < 0:
            yield f"requests {key}: counted {counted.get(key, 0)}, clients saw {seen[key]}"
        surplus[key[:2]] += max(more, 0)
    for key, more in surplus.items():
        if more > unseen.get(key, 0):
            yield (f"requests {key}: {more} more are counted than were answered; "
                   f"{unseen.get(key, 0)} answers were not seen")


def volumes(record):
    """Bytes that were counted are those of the bodies that clients sent and received."""
    counted = figures(record, "vitrine_http_bytes_total", "route", "direction")
    bounds = {(route, direction): (least, most) for route, direction, least, most in record["bytes"]}
    for key in sorted(counted.keys() | bounds.keys()):
        least, most = bounds.get(key, (0, 0))
        if not least <= counted.get(key, 0) <= most:
            yield f"bytes {key}: counted {counted.get(key, 0)}, clients say {least} to {most}"


def jobs(record):
    """Jobs are those that clients began, attempts that began have ended, and those that are done are known as done.

    A row does not count the attempts that only waited for a store. It counts one too many that nobody made when the
    database stood still while jobs were claimed, and claimed them after all; then the lease has to run out.
    """
    claimed = figures(record, "vitrine_jobs_claimed_total", "kind")
    ended, done, waits = (collections.Counter() for _ in range(3))
    for (kind, outcome), count in figures(record, "vitrine_jobs_total", "kind", "outcome").items():
        ended[kind] += count
        done[kind] += count if outcome == "done" else 0
        waits[kind] += count if outcome == "waits" else 0
    rows, good, attempts = (collections.Counter() for _ in range(3))
    for kind, status, tried, count in record["rows"]:
        rows[kind] += count
        attempts[kind] += tried
        good[kind] += count if status == "success" else 0
    known = figures(record, "vitrine_jobs_known", "kind")
    statements = figures(record, "vitrine_database_statements_total", "statement", "outcome")
    given_up = sum(count for (statement, outcome), count in statements.items()
                   if statement == "job.claim" and outcome != "ok")
    for kind in sorted(record["jobs"].keys() | rows.keys() | ended.keys()):
        least, most = record["jobs"].get(kind, (0, 0))
        if not least <= rows[kind] <= most:
            yield f"jobs {kind}: {rows[kind]} are there, clients began {least} to {most}"
        begun = claimed.get((kind,), 0)
        in_vain = attempts[kind] + waits[kind] - begun
        if not 0 <= in_vain <= CLAIMED_AT_ONCE * given_up:
            yield (f"attempts begun of {kind}: counted {begun}, there are {attempts[kind]} and {waits[kind]} "
                   f"that waited, and {given_up} claims were given up")
        pairs = [("attempts ended", ended[kind], begun), ("jobs done", done[kind], good[kind])]
        if record["seconds"] >= LONG_S:
            # They are counted anew once a minute.
            pairs.append(("jobs known", known.get((kind,), 0), rows[kind]))
        for what, figure, expected in pairs:
            if figure != expected:
                yield f"{what} of {kind}: counted {figure}, there are {expected}"


def downloads(record):
    """Each download has looked into the cache."""
    least, most = record["lookups"]
    counted = sum(figures(record, "vitrine_cache_lookups_total").values())
    if not least <= counted <= most:
        yield f"downloads that looked into the cache: counted {counted}, clients say {least} to {most}"


def quarters(record, what):
    """(median of the first quarter of the samples, that of the last), the warm-up left out."""
    warm = max(WARM_S, WARM_SHARE * record["seconds"])
    values = [sample[what] for sample in record["samples"] if sample["at"] >= warm]
    quarter = max(1, len(values) // 4)
    return statistics.median(values[:quarter]), statistics.median(values[-quarter:])


def growth(record, what):
    """By which share it has grown from the first quarter to the last."""
    first, last = quarters(record, what)
    return last / first - 1


def memory(record):
    """It does not grow."""
    if record["seconds"] >= LONG_S:
        for what in ("resident", "anonymous"):
            if (grown := growth(record, what)) >= GROWTH:
                yield f"{what} memory has grown by {100 * grown:.1f} %"


def descriptors(record):
    """At rest there are no more of any kind than before, but for connections to the database, of which there may be as
    many as the pool may have; under load no more at the end than at the beginning."""
    before, after = record["rest"]["before"], record["rest"]["after"]
    pool = figures(record, "vitrine_database_pool", "what").get(("limit",), 0)
    for kind in sorted(before.keys() | after.keys()):
        most = max(before.get(kind, 0), pool + BESIDE_POOL if kind.startswith(DATABASE) else 0)
        if after.get(kind, 0) > most:
            yield f"descriptors at rest, {kind}: {after[kind]}, before the load {before.get(kind, 0)}"
    if record["seconds"] >= LONG_S:
        first, last = quarters(record, "descriptors")
        if last > first * (1 + GROWTH) + FEW:
            yield f"descriptors under load have grown from {first} to {last}"


def pace(record):
    """The load was what it was said to be."""
    planned = record["rate"] * record["seconds"]
    done = sum(one["count"] for one in record["operations"].values())
    if done < DONE * planned:
        yield f"only {done} of {planned} operations were done"


def breadth(record):
    """A long run has asked everything that there is to ask."""
    if record["seconds"] >= LONG_S:
        asked = {(route, method) for route, method, status, _ in record["answers"] if status < 400}
        for route, method in sorted(coverage.wanted() - asked):
            yield f"{method} {route} was never asked for and answered"


RULES = (surprises, lies, requests, volumes, jobs, downloads, memory, descriptors, pace, breadth)
