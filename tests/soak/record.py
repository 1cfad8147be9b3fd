"""What was asked, answered, sent and received in a run, and what was noticed. The judge sees nothing else of it."""

import collections
import contextlib
import threading
import time

# A cut answer may have been sent to its end.
UNKNOWN_BYTES = 8 << 20


class Record:
    """Collects from all threads; `made` is what is judged, in types that JSON has.

    Times are seconds since the load began.
    """

    def __init__(self, **facts):
        self.facts = facts
        self.lock = threading.Lock()
        self.began = time.monotonic()
        # {operation: its durations}, and how many of them came to no end.
        self.operations, self.failed = collections.defaultdict(list), collections.Counter()
        self.late, self.is_troubled = 0, False
        # By (route, method, status), and by (route, method) where nobody saw the answer.
        self.answers, self.unseen = collections.Counter(), collections.Counter()
        # {(route, direction): [at least, at most]} bytes of bodies.
        self.bytes = collections.defaultdict(lambda: [0, 0])
        # {kind: [at least, at most]} jobs that were begun for clients.
        self.jobs = collections.defaultdict(lambda: [0, 0])
        # Downloads that looked into the cache.
        self.lookups = [0, 0]
        self.surprises, self.windows, self.lies, self.samples = [], [], [], []
        # What is known at the end.
        self.rest, self.rows, self.figures = {}, [], []

    def now(self):
        return time.monotonic() - self.began

    def operation(self, kind, seconds, is_good, is_late):
        with self.lock:
            self.operations[kind].append(seconds)
            self.failed[kind] += not is_good
            self.late += is_late

    def answered(self, route, method, status, sent, received):
        """An answer that came. A body that was refused may not have been read."""
        with self.lock:
            self.answers[route, method, status] += 1
            self._moved(route, "in", sent if status < 300 else 0, sent)
            if method != "HEAD":
                self._moved(route, "out", received, received)

    def broken(self, route, method, sent, received=0, at_most=UNKNOWN_BYTES, status=None):
        """A request whose answer did not come, or not to its end."""
        with self.lock:
            if status:
                self.answers[route, method, status] += 1
            else:
                self.unseen[route, method] += 1
            self._moved(route, "in", 0, sent)
            self._moved(route, "out", received, at_most)

    def _moved(self, route, direction, least, most):
        if most:
            bounds = self.bytes[route, direction]
            bounds[0] += least
            bounds[1] += most

    def may_begin(self, kind):
        """A job is about to be asked for."""
        with self.lock:
            self.jobs[kind][1] += 1

    def has_begun(self, kind):
        """And that was answered."""
        with self.lock:
            self.jobs[kind][0] += 1

    def has_not_begun(self, kind):
        """Or refused."""
        with self.lock:
            self.jobs[kind][1] -= 1

    def asks_for_data(self):
        """A download that may look into the cache."""
        with self.lock:
            self.lookups[1] += 1

    def found_data(self):
        """And that did."""
        with self.lock:
            self.lookups[0] += 1

    def surprise(self, began, operation, method, route, status, what):
        """An answer, or the lack of one (`None`), that only a fault may excuse."""
        with self.lock:
            self.surprises.append({"began": began, "ended": self.now(), "operation": operation, "method": method,
                                   "route": route, "status": status, "what": what})

    def lie(self, what):
        """Something that must not be, whatever has happened."""
        with self.lock:
            self.lies.append(what)

    @contextlib.contextmanager
    def fault(self, name, may=()):
        """A fault while it lasts. While one does that spoils answers, nobody can tell what the server is still about to
        do of what it has refused."""
        began = self.now()
        self.is_troubled = bool(may)
        try:
            yield
        finally:
            self.is_troubled = False
            self.window(name, began, may)

    def window(self, name, began, may=()):
        """A fault that is over, and what it may have made of answers: statuses, and `None` for no answer."""
        with self.lock:
            self.windows.append({"name": name, "began": began, "ended": self.now(), "may": list(may)})

    def made(self):
        """The record of a run that is over."""
        return self.facts | {
            "operations": {kind: {"count": len(times), "failed": self.failed[kind],
                                  "p50_ms": percentile(times, 50), "p99_ms": percentile(times, 99)}
                           for kind, times in sorted(self.operations.items())},
            "late": self.late,
            "answers": [[*key, count] for key, count in sorted(self.answers.items())],
            "unseen": [[*key, count] for key, count in sorted(self.unseen.items())],
            "bytes": [[*key, *bounds] for key, bounds in sorted(self.bytes.items())],
            "jobs": dict(self.jobs), "lookups": self.lookups, "surprises": self.surprises, "windows": self.windows,
            "lies": self.lies, "samples": self.samples, "rest": self.rest, "rows": self.rows, "figures": self.figures,
        }


def percentile(times, share):
    """Milliseconds within which so many per cent were over."""
    ordered = sorted(times)
    return round(1000 * ordered[min(len(ordered) - 1, len(ordered) * share // 100)], 1)
