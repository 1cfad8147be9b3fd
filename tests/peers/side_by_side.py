#!/usr/bin/python3
"""Compares two image services, request by request: the real Glance and Vitrine.

  side_by_side.py --vitrine BINARY           start Keystone, Glance and Vitrine, compare
  side_by_side.py --vitrine BINARY --store swift            both with Swift as the default store
  side_by_side.py --glance-twice             two real Glances: any difference is our harness's
  side_by_side.py --left URL --right URL --keystone DIR     compare what already runs
  side_by_side.py --record FILE              keep the real Glance's answers
  side_by_side.py --vitrine BINARY --answers FILE           compare with kept answers
  side_by_side.py --list                     print the names of the cases
  side_by_side.py --check                    only hold differences.toml against docs/differences.md

Status, body and the headers that clients read must agree; ids, times, hosts and folders are
masked, and of an error body only its shape and code count. A difference that differences.toml
names with both values is expected. Every other one fails the run and is printed as a row would
spell it; so does a row whose difference is gone. --only REGEX picks cases.
"""

import argparse
import fcntl
import functools
import http.server
import json
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from dataclasses import field as dataclass_field

import differences

import cases
import default_store
import image_service
import peer
import personas
from cases import listing
from harness import ceph
from side import Side, Unprepared, fresh_id

FOLDER = peer.CACHE / "side-by-side"
FINAL = ("queued", "active", "deactivated")


# Servers

class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def serve_files(folder):
    """A web server for locations and downloads; one file of known bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "image.raw").write_bytes(b"bytes from a web server")
    handler = functools.partial(Files, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


@contextmanager
def emptied():
    """Holds the folder of the services, which is empty at first; a second run at the same time ends."""
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{FOLDER}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"another comparison runs in {FOLDER}")
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir()
        yield


@contextmanager
def keystone(args):
    """Yields (folder of a running Keystone, port of the image service in its catalogue)."""
    port = peer.free_port()
    if args.keystone:
        yield args.keystone, port
        return
    folder, catalog = FOLDER / "keystone", [f"http://127.0.0.1:{port}"]
    with emptied(), ExitStack() as gateway:
        try:
            if args.store == "swift":
                swift = peer.free_port()
                catalog.append(f"object-store=http://{ceph.HOST}:{swift}/swift/v1/AUTH_%(tenant_id)s")
            subprocess.run([peer.HERE / "keystone", "up", "--dir", folder,
                            *[word for entry in catalog for word in ("--image", entry)]],
                           stdout=subprocess.DEVNULL, check=True)
            if args.store == "swift":
                url = (folder / "keystone.url").read_text().strip()
                gateway.enter_context(ceph.trusting(url, swift, default_store.SERVICE_USER))
            yield folder, port
        finally:
            peer.stop("keystone", folder)


@contextmanager
def services(args, folder, part, ports):
    """Yields {side: URL} of the services that the arguments ask for, as `part` wants them."""
    if args.keystone:
        yield {side: url for side, url in (("left", args.left), ("right", args.right)) if url}
        return
    url = (folder / "keystone.url").read_text().strip()
    places = {side: FOLDER / part.name / side for side in ports}

    def start(side):
        options = image_service.SETUPS[part.setup]
        if args.store != "file":
            # To each its own: both have images of the same ids.
            options = default_store.kept_in(args.store, options, default_store.settings(args.store, url))
        if side == "right" and args.vitrine:
            # The files that Glance has loaded, so that whole catalogues can be compared.
            return image_service.start_vitrine(
                places[side], ports[side], url, args.vitrine, options,
                metadefs=peer.venv("glance") / "etc/glance/metadefs")
        return image_service.start_glance(places[side], ports[side], url, options)

    wanted = [side for side, asked in (("left", not args.answers),
                                       ("right", args.vitrine or args.glance_twice)) if asked]
    try:
        with ThreadPoolExecutor(2) as pool:
            yield dict(zip(wanted, pool.map(start, wanted)))
    finally:
        for place in places.values():
            image_service.stop(place)


def login(folder):
    """Tokens of all callers, and the words {alpha} and so on."""
    url = (folder / "keystone.url").read_text().strip()
    tokens = {}
    for name in personas.CALLERS:
        headers, _ = peer.must("POST", f"{url}/auth/tokens", personas.token_request(name))
        tokens[name] = headers["X-Subject-Token"]
    people = json.loads((folder / "personas.json").read_text())
    words = dict(people["projects"]) | {f"user_{n}": i for n, i in people["users"].items()}
    words |= {f"{name}_token": token for name, token in tokens.items()}
    return tokens, words | {"keystone": url}


# Comparing

class Run:
    """Drives one or two sides through the cases."""

    def __init__(self, sides, words):
        self.sides, self.words = sides, words
        self.images = {}
        self.dataset = None
        self.pool = ThreadPoolExecutor(len(sides) or 1)

    def both(self, action):
        """Runs `action(side)` on every side at once; returns the results in order."""
        return list(self.pool.map(action, self.sides))

    def words_of(self, case):
        words = dict(self.words, new=fresh_id())
        if case.image:
            if case.image not in self.images:
                self.images[case.image] = self.prepared(case.image)
            words["image"] = self.images[case.image]
        if case.listing:
            if self.dataset is None:
                self.dataset = listing.dataset(self.both, self.words)
            words |= self.dataset
        return words

    def prepared(self, image, tries=4):
        """Makes an image on every side. Glance on SQLite fails now and then while a task of an
        earlier case still writes; a new image is then made on both."""
        while True:
            image_id = fresh_id()
            try:
                self.both(lambda side: side.make(image, image_id))
                return image_id
            except Unprepared:
                tries -= 1
                if not tries:
                    raise
                time.sleep(0.2)

    def steps(self, case):
        """Yields (name of the step, [answer of each side])."""
        try:
            words = self.words_of(case)
        except Unprepared as fault:
            self.images.pop(case.image, None)
            yield case.name, None, str(fault)
            return
        dirty = False
        for side in self.sides:
            side.kept = {}
        for number, step in enumerate(case.steps, 1):
            name = case.name if len(case.steps) == 1 else f"{case.name} #{number}"
            answers = self.both(lambda side: side.perform(step, words))
            dirty = dirty or any(may_have_changed(step, answer) for answer in answers)
            yield name, answers, None
        if dirty:
            self.images.pop(case.image, None)
            if any(step.path.endswith(("/import", "/locations")) for step in case.steps):
                # Work that goes on behind the answer would disturb the next case.
                self.both(lambda side: side.settle(words["image"], FINAL))


CHANGING = ("/v2/images/", "/v2/cache/", "/v2/queued_images/", "/v2/cached_images/")


def may_have_changed(step, answer):
    if step.spoils:
        return True
    # What is queued for the cache is there some time later, also for the next case with the same image.
    if step.method in ("GET", "HEAD", "OPTIONS") or not step.path.startswith(CHANGING):
        return False
    return answer["status"] not in (401, 403, 404, 405)


@dataclass(frozen=True)
class Part:
    """Cases that share their services."""

    name: str
    setup: str
    cases: list


def parts(chosen, count):
    """The chosen cases, by configuration; those of the usual one in `count` parts of like size."""
    found = []
    for setup in sorted({case.setup for case in chosen}):
        some = [case for case in chosen if case.setup == setup]
        many = 1 if setup else count
        total, done, lots = sum(len(case.steps) for case in some), 0, [[] for _ in range(many)]
        for case in some:
            lots[min(done * many // total, many - 1)].append(case)
            done += len(case.steps)
        found += [Part(setup or f"usual-{number}", setup, lot) for number, lot in enumerate(lots, 1) if lot]
    return found


@dataclass
class Tally:
    """What a run has compared, and how it ended."""

    expected: differences.Expected | None
    is_verbose: bool
    names: set = dataclass_field(default_factory=set)
    fields: int = 0
    excused: int = 0
    differing: int = 0
    failed: int = 0
    lock: threading.Lock = dataclass_field(default_factory=threading.Lock)

    def fail(self, name, lines):
        self.failed += 1
        print(f"FAILED {name}", *lines, sep="\n    ", flush=True)

    def add(self, name, answers, fault):
        with self.lock:
            self.names.add(name)
            if fault:
                self.fail(name, [fault])
            else:
                self.judge(name, answers)

    def judge(self, name, answers):
        self.fields += max(differences.count(answer) for answer in answers)
        found = differences.difference(*answers)
        left, stale = self.expected.judge(name, found) if self.expected else (found, [])
        self.excused += len(found) - len(left)
        if left or stale:
            self.fail(name, [*stale, *map(spelled, left.items())])
        elif found:
            self.differing += 1
            if self.is_verbose:
                print(f"expected {name}", *map(spelled, found.items()), sep="\n    ")

    def close(self, is_whole):
        """Says what was compared; returns the exit code."""
        if self.expected and is_whole:
            for row, name in self.expected.unknown(self.names):
                self.fail("differences.toml", [f"{row}: there is no request {name}"])
        print(f"{len(self.names)} answers and {self.fields} fields compared; "
              f"{self.excused} fields of {self.differing} answers differ as documented")
        print(f"{max(len(self.names) - self.failed, 0)} passed, {self.failed} failed")
        return 1 if self.failed or not self.names else 0


def spelled(difference):
    """A difference as a row of differences.toml says it."""
    field, pair = difference
    return f"{field} = {differences.spelled(pair)}"


def perform(args, folder, part, left_port, tally, kept):
    """Starts what a part needs and goes through its cases; `kept` are recorded answers."""
    tokens, words = login(folder)
    words["files"] = serve_files(FOLDER / "files")
    with services(args, folder, part, {"left": left_port, "right": peer.free_port()}) as urls:
        run = Run([Side(name, url, tokens, words) for name, url in urls.items()], words)
        for case in part.cases:
            for name, answers, fault in run.steps(case):
                if args.record:
                    kept[name] = answers[0] if answers else {"fault": fault}
                else:
                    tally.add(name, [kept[name], *answers] if args.answers and answers else answers, fault)
    # Whoever watches knows that it goes on.
    print(f"{part.name}: {len(part.cases)} cases", flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vitrine", type=pathlib.Path, metavar="BINARY")
    parser.add_argument("--glance-twice", action="store_true")
    parser.add_argument("--left", metavar="URL")
    parser.add_argument("--right", metavar="URL")
    parser.add_argument("--keystone", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--record", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--answers", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--store", choices=["file", "swift"], default="file", help="the kind of the default store")
    parser.add_argument("--only", default="", metavar="REGEX")
    parser.add_argument("--skip", metavar="REGEX")
    parser.add_argument("--jobs", type=int, default=2, help="pairs of services at the same time")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true")
    return parser.parse_args()


def rows(store):
    """The rows of differences.toml that hold for a kind of default store; ends the script when the document does not
    tell of them."""
    expected = differences.Expected(peer.HERE / "differences.toml", store)
    document = (peer.ROOT / "docs/differences.md").read_text()
    if faults := differences.undocumented(expected.rows, document):
        sys.exit("\n".join(faults))
    return expected


def main():
    args = arguments()
    chosen = [case for case in cases.everything() if re.search(args.only, case.name)
              and not (args.skip and re.search(args.skip, case.name))]
    if args.keystone:
        chosen = [case for case in chosen if not case.setup]
    if args.list:
        print(*(case.name for case in chosen), sep="\n")
        return
    tally = Tally(None if args.glance_twice or args.record else rows(args.store), args.verbose)
    if args.check:
        return
    began = time.monotonic()
    kept = json.loads(args.answers.read_text()) if args.answers else {}
    # More parts than workers: some cases take longer than others.
    todo = parts(chosen, 1 if args.keystone else 2 * args.jobs)
    with keystone(args) as (folder, port), ThreadPoolExecutor(args.jobs) as pool:
        # The service in the catalogue is the first Glance.
        ports = [port, *(peer.free_port() for _ in todo[1:])]
        list(pool.map(lambda part, port: perform(args, folder, part, port, tally, kept), todo, ports))
    if args.record:
        args.record.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
        print(f"{len(kept)} answers kept in {args.record}")
        return
    code = tally.close(not (args.only or args.skip or args.keystone))
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(code)


if __name__ == "__main__":
    main()
