"""Many clients at everything, with faults, for a moment; and that what judges such a run sees what is wrong.

`make soak` does it for an hour.
"""

import copy
import pathlib

import pytest

from harness import chaos, databases
from soak import course, judge, table

SECONDS, CLIENTS, RATE = 40, 50, 20


def test_all_is_well_after_a_moment_of_everything(tmp_path: pathlib.Path):
    """No answer is a 5xx but by an injected fault, no invariant is broken, nothing is lost, descriptors are those of
    before, and `/metrics` agrees with what clients counted. Nothing is demanded of memory, of which so short a time
    says nothing."""
    seed = chaos.seeded().getrandbits(32)
    record = course.run(tmp_path, databases.mortal(databases.default_kind()), SECONDS, seed, CLIENTS, RATE)
    wrong = judge.breaches(record)
    text = "\n".join(table.lines(record, wrong))
    print(text)
    assert not wrong, text
    kinds = {window["name"] for window in record["windows"]}
    assert {"the disk is full", "the disk is broken", "the server stands still", "SIGHUP"} <= kinds


# Records that a judge is given: one of a long run in which all is well, and what is done to it.

FILE = "/v2/images/{id}/file"
REQUESTS, BYTES = "vitrine_http_requests_total", "vitrine_http_bytes_total"
CLAIMED, ENDED, KNOWN = "vitrine_jobs_claimed_total", "vitrine_jobs_total", "vitrine_jobs_known"
IMPORT = "api_image_import"


def sample(at, descriptors=60, resident=200_000, anonymous=90_000):
    return {"at": at, "descriptors": descriptors, "resident": resident, "anonymous": anonymous, "threads": 30}


def long_run():
    """An hour in which each route was asked once, and a few downloads, imports and faults were."""
    asked = sorted(judge.coverage.wanted() - {(FILE, "GET")})
    return {
        "seconds": 3600, "seed": 1, "clients": 50, "rate": 20, "database": "sqlite", "late": 0,
        "operations": {"download": {"count": 72_000, "failed": 1, "p50_ms": 5.0, "p99_ms": 50.0}},
        "answers": [*([route, method, 200, 1] for route, method in asked),
                    [FILE, "GET", 200, 7], [FILE, "GET", 503, 1]],
        "unseen": [[FILE, "GET", 2]], "bytes": [[FILE, "out", 7000, 9000]],
        "jobs": {IMPORT: [3, 4]}, "lookups": [7, 10],
        "surprises": [{"began": 10.5, "ended": 10.6, "operation": "download", "method": "GET", "route": FILE,
                       "status": 503, "what": "no room"}],
        "windows": [{"name": "the disk is full", "began": 10, "ended": 12, "may": [413, 503, None]},
                    {"name": "SIGHUP", "began": 100, "ended": 101, "may": []}],
        "lies": [], "samples": [sample(at) for at in range(0, 3600, 10)],
        "rest": {"before": {"socket": 5, "database vitrine.sqlite": 8},
                 "after": {"socket": 5, "database vitrine.sqlite": 10}},
        "rows": [[IMPORT, "success", 4, 3], [IMPORT, "failure", 1, 1]],
        "figures": [
            *([REQUESTS, {"route": route, "method": method, "status": "200"}, 1.0] for route, method in asked),
            [REQUESTS, {"route": FILE, "method": "GET", "status": "200"}, 8.0],
            [REQUESTS, {"route": FILE, "method": "GET", "status": "503"}, 1.0],
            [REQUESTS, {"route": FILE, "method": "GET", "status": "none"}, 1.0],
            [BYTES, {"route": FILE, "direction": "out"}, 8100.0],
            [CLAIMED, {"kind": IMPORT}, 5.0],
            [ENDED, {"kind": IMPORT, "outcome": "done"}, 3.0], [ENDED, {"kind": IMPORT, "outcome": "postponed"}, 1.0],
            [ENDED, {"kind": IMPORT, "outcome": "failed"}, 1.0],
            [KNOWN, {"kind": IMPORT, "state": "done"}, 3.0], [KNOWN, {"kind": IMPORT, "state": "failed"}, 1.0],
            ["vitrine_database_pool", {"what": "limit"}, 10.0],
            ["vitrine_cache_lookups_total", {"result": "hit"}, 6.0],
            ["vitrine_cache_lookups_total", {"result": "miss"}, 2.0]]}


def figure(record, name, value, **labels):
    """Has a figure say something else."""
    for row in record["figures"]:
        if row[0] == name and labels.items() <= row[1].items():
            row[2] = value
            return
    record["figures"].append([name, labels, value])


def ramp(what, start, factor):
    """Grows evenly by so much from the first sample to the last."""
    return lambda record: [one.update({what: start * (1 + (factor - 1) * number / len(record["samples"]))})
                           for number, one in enumerate(record["samples"])]


def failure(status, began, ended):
    return lambda record: record["surprises"].append(
        {"began": began, "ended": ended, "operation": "upload", "method": "PUT", "route": FILE, "status": status,
         "what": "?"})


def lookups(value):
    return lambda record: figure(record, "vitrine_cache_lookups_total", value, result="hit")


def status(value, code):
    return lambda record: figure(record, REQUESTS, value, route=FILE, method="GET", status=code)


# What was done to the record, and how the judge begins to say so.
DOCTORED = {
    "an image is lost": (lambda record: record["lies"].append("show: 5bd0 is lost"), "show: 5bd0 is lost"),
    "an invariant is broken": (lambda record: record["lies"].append("an invariant is broken: ledger"), "an invariant"),
    "a 500 outside of every fault": (failure(500, 500, 501), "upload: PUT /v2/images/{id}/file answered 500"),
    "a 500 in a fault that makes none": (failure(500, 10.5, 11), "upload: PUT /v2/images/{id}/file answered 500"),
    "a 503 while it obeys SIGHUP": (failure(503, 100.2, 100.5), "upload: PUT /v2/images/{id}/file answered 503"),
    "a 503 before the disk was full": (failure(503, 9, 9.9), "upload: PUT /v2/images/{id}/file answered 503"),
    "a hangup that nobody caused": (failure(None, 500, 501), "upload: PUT /v2/images/{id}/file answered None"),
    "an answer that is not counted": (status(6.0, "200"), "requests ('/v2/images/{id}/file', 'GET', '200')"),
    "more than was asked for": (status(9.0, "200"), "requests ('/v2/images/{id}/file', 'GET'): 3 more"),
    "another status": (status(1.0, "500"), "requests ('/v2/images/{id}/file', 'GET'): 3 more"),
    "a route that nobody asked for": (
        lambda record: figure(record, REQUESTS, 1.0, route="/v2/x", method="GET", status="200"), "requests ('/v2/x'"),
    "bytes that nobody received": (
        lambda record: figure(record, BYTES, 9001.0, route=FILE, direction="out"), "bytes ('/v2/images/{id}/file'"),
    "bytes that are not counted": (
        lambda record: figure(record, BYTES, 6999.0, route=FILE, direction="out"), "bytes ('/v2/images/{id}/file'"),
    "a job that nobody began": (
        lambda record: record["rows"].append([IMPORT, "failure", 0, 1]), "jobs api_image_import: 5 are there"),
    "a job that is gone": (lambda record: record.update(jobs={IMPORT: [5, 5]}), "jobs api_image_import: 4 are there"),
    "an attempt that is not counted": (
        lambda record: figure(record, CLAIMED, 4.0, kind=IMPORT), "attempts begun of api_image_import: counted 4"),
    "an attempt that does not end": (
        lambda record: figure(record, ENDED, 0.0, kind=IMPORT, outcome="postponed"), "attempts ended of"),
    "a job that is done and was not": (
        lambda record: figure(record, ENDED, 2.0, kind=IMPORT, outcome="done"), "attempts ended of"),
    "a job that is not known": (
        lambda record: figure(record, KNOWN, 2.0, kind=IMPORT, state="done"), "jobs known of api_image_import"),
    "a download that passed the cache by": (lookups(4.0), "downloads that looked into the cache: counted 6"),
    "a look into the cache of nobody": (lookups(9.0), "downloads that looked into the cache: counted 11"),
    "memory that grows": (ramp("anonymous", 90_000, 1.1), "anonymous memory has grown by"),
    "more pages in use": (ramp("resident", 200_000, 1.1), "resident memory has grown by"),
    "descriptors that stay open": (
        lambda record: record["rest"]["after"].update(socket=6), "descriptors at rest, socket: 6, before the load 5"),
    "another file that stays open": (
        lambda record: record["rest"]["after"].update({"5bd0": 1}), "descriptors at rest, 5bd0: 1"),
    "more connections to the database than there may be": (
        lambda record: record["rest"]["after"].update({"database vitrine.sqlite": 12}),
        "descriptors at rest, database vitrine.sqlite: 12"),
    "descriptors that grow": (ramp("descriptors", 60, 1.5), "descriptors under load have grown"),
    "a load that was none": (
        lambda record: record["operations"]["download"].update(count=60_000), "only 60000 of 72000 operations"),
    "a route that was left out": (
        lambda record: (record["answers"].pop(0), record["figures"].pop(0)), "GET /ext/v1 was never"),
}


def test_a_judge_lets_pass_what_is_well():
    """So that what it refuses is refused for what was done to it."""
    assert judge.breaches(long_run()) == []


@pytest.mark.parametrize("what", DOCTORED)
def test_a_judge_sees_what_is_wrong(what):
    """Each doctored record is refused, and nothing else is said of it than what was done."""
    doctor, expected = DOCTORED[what]
    record = copy.deepcopy(long_run())
    doctor(record)
    wrong = judge.breaches(record)
    assert wrong and wrong[0].startswith(expected), wrong
    assert len(wrong) <= 2, wrong


def test_a_claim_that_was_given_up_may_have_claimed():
    """A database that stands still may do it all the same: then a row counts an attempt that nobody made."""
    record = long_run()
    figure(record, CLAIMED, 4.0, kind=IMPORT)
    figure(record, ENDED, 0.0, kind=IMPORT, outcome="postponed")
    assert judge.breaches(record) != []
    statement = {"statement": "job.claim", "outcome": "abandoned"}
    record["figures"].append(["vitrine_database_statements_total", statement, 1.0])
    assert judge.breaches(record) == []


def test_an_attempt_that_only_waited_is_in_no_row():
    """It is in the figures only, and there it is said to have waited."""
    record = long_run()
    figure(record, CLAIMED, 6.0, kind=IMPORT)
    record["figures"].append([ENDED, {"kind": IMPORT, "outcome": "waits"}, 1.0])
    assert judge.breaches(record) == []


def test_a_short_run_says_nothing_of_memory():
    """Caches and pools fill in the first minutes; growth counts from ten minutes on."""
    record = long_run() | {"seconds": 599}
    ramp("anonymous", 90_000, 2)(record)
    ramp("descriptors", 60, 2)(record)
    assert judge.breaches(record) == []
    assert judge.breaches(record | {"seconds": 600}) != []


def test_the_table_names_what_is_wrong():
    """Its last line is the seed that repeats the run."""
    record = long_run()
    record["lies"].append("5bd0 is lost")
    lines = list(table.lines(record, judge.breaches(record)))
    assert "WRONG  5bd0 is lost" in lines and lines[-1] == "wrong: 1; repeat it by SEED=1"
    assert list(table.lines(long_run(), []))[-1] == "nothing is wrong"
