"""What a run came to, to be read."""

import collections

from . import judge


def lines(record, breaches):
    """The lines of the table, with what is wrong at the end."""
    yield f"{'operation':34}{'count':>8}{'failed':>8}{'p50 ms':>10}{'p99 ms':>10}"
    for kind, one in record["operations"].items():
        yield f"{kind:34}{one['count']:8}{one['failed']:8}{one['p50_ms']:10}{one['p99_ms']:10}"
    done = sum(one["count"] for one in record["operations"].values())
    failed = sum(one["failed"] for one in record["operations"].values())
    yield f"{'all':34}{done:8}{failed:8}   late {record['late']}"
    yield ""
    yield "faults: " + counts(window["name"] for window in record["windows"])
    statuses = collections.Counter()
    for _, _, status, count in record["answers"]:
        statuses[status] += count
    yield "answers: " + ", ".join(f"{status} {count}" for status, count in sorted(statuses.items()))
    yield "answers that only a fault excuses: " + (
        counts(f"{one['operation']} {one['status']}" for one in record["surprises"]) or "none")
    unseen = ", ".join(f"{count} of {method} {route}" for route, method, count in record["unseen"])
    yield f"answers that nobody saw: {unseen or 'none'}"
    yield from watched(record)
    yield f"seed {record['seed']}, {record['database']}, {record['clients']} clients, {record['seconds']} s"
    yield from (f"WRONG  {breach}" for breach in breaches)
    yield "nothing is wrong" if not breaches else f"wrong: {len(breaches)}; repeat it by SEED={record['seed']}"


def counts(names):
    return ", ".join(f"{name} {count}" for name, count in sorted(collections.Counter(names).items()))


def watched(record):
    """Memory, descriptors and threads from the first quarter to the last."""
    is_long = record["seconds"] >= judge.LONG_S
    for what, unit in (("resident", 1024), ("anonymous", 1024), ("descriptors", 1), ("threads", 1)):
        values = [sample[what] for sample in record["samples"]]
        line = f"{what:14} from {values[0] / unit:.0f} to {values[-1] / unit:.0f}, at most {max(values) / unit:.0f}"
        if is_long:
            first, last = judge.quarters(record, what)
            line += f"; medians of the first and last quarter {first / unit:.1f} and {last / unit:.1f}, " \
                    f"{100 * judge.growth(record, what):+.1f} %"
        yield line + (" MiB" if unit > 1 else "")
    before, after = (sum(record["rest"][when].values()) for when in ("before", "after"))
    yield f"descriptors at rest: {before} before, {after} after"
