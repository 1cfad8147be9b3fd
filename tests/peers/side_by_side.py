#!/usr/bin/python3
"""Compares two image services, request by request: the real Glance and Vitrine.

  side_by_side.py --vitrine BINARY           start Keystone, Glance and Vitrine, compare
  side_by_side.py --glance-twice             two real Glances: any difference is our harness's
  side_by_side.py --left URL --right URL --keystone DIR     compare what already runs
  side_by_side.py --record FILE              keep the real Glance's answers
  side_by_side.py --vitrine BINARY --answers FILE           compare with kept answers
  side_by_side.py --list                     print the names of the cases

Status, body and the headers that clients read must agree; ids, times, hosts and folders are
masked, and of an error body only its shape and code count. A difference that differences.toml
names is expected; every other one is printed and fails the run. --only REGEX picks cases.
"""

import argparse
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
import tomllib
from concurrent.futures import ThreadPoolExecutor

import cases
import image_service
import peer
import personas
from cases import listing
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


def start_services(args):
    """Starts what the arguments ask for; returns (keystone folder, left URL, right URL)."""
    stop_services()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    urls = {}
    ports = {"left": peer.free_port(), "right": peer.free_port()}
    keystone = subprocess.run(
        [peer.HERE / "keystone", "up", "--dir", FOLDER / "keystone", "--image",
         f"http://127.0.0.1:{ports['left']}"],
        stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    if not args.answers:
        urls["left"] = image_service.start_glance(FOLDER / "left", ports["left"], keystone)
    if args.glance_twice:
        urls["right"] = image_service.start_glance(FOLDER / "right", ports["right"], keystone)
    elif args.vitrine:
        # The files that Glance has loaded, so that whole catalogues can be compared.
        urls["right"] = image_service.start_vitrine(
            FOLDER / "right", ports["right"], keystone, args.vitrine,
            metadefs=peer.venv("glance") / "etc/glance/metadefs")
    return FOLDER / "keystone", urls.get("left"), urls.get("right")


def stop_services():
    for name in ("left", "right"):
        image_service.stop(FOLDER / name)
    peer.stop("keystone", FOLDER / "keystone")


def login(keystone):
    """Tokens of all callers, and the words {alpha} and so on."""
    url = (keystone / "keystone.url").read_text().strip()
    tokens = {}
    for name in personas.CALLERS:
        headers, _ = peer.must("POST", f"{url}/auth/tokens", personas.token_request(name))
        tokens[name] = headers["X-Subject-Token"]
    people = json.loads((keystone / "personas.json").read_text())
    words = dict(people["projects"]) | {f"user_{n}": i for n, i in people["users"].items()}
    words |= {f"{name}_token": token for name, token in tokens.items()}
    return tokens, words | {"keystone": url}


# Comparing

class Run:
    """Drives one or two sides through the cases. `kept` is what a recording remembers."""

    def __init__(self, sides, words, kept=None):
        self.sides, self.words, self.kept = sides, words, kept
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


def may_have_changed(step, answer):
    if step.spoils:
        return True
    if step.method in ("GET", "HEAD", "OPTIONS") or not step.path.startswith("/v2/images/"):
        return False
    return answer["status"] not in (401, 403, 404, 405)


def difference(left, right):
    """What differs, one line for each part; nothing when the answers agree."""
    lines = []
    for part in ("status", "headers", "body"):
        one, other = left[part], right[part]
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            for key in [*one, *(key for key in other if key not in one)]:
                if one.get(key, "<absent>") != other.get(key, "<absent>"):
                    lines.append(f"{part} {key}: {short(one.get(key, '<absent>'))} | "
                                 f"{short(other.get(key, '<absent>'))}")
        else:
            lines.append(f"{part}: {short(one)} | {short(other)}")
    return lines


def short(value, limit=300):
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= limit else text[:limit] + "…"


class Expected:
    """differences.toml: what may differ, and why."""

    def __init__(self, path):
        rows = tomllib.loads(path.read_text())
        self.rows = [(row, re.compile(row["cases"]))
                     for row in [*rows.get("difference", []), *rows.get("waiting", [])]]
        self.used = set()
        document = (peer.ROOT / "docs/differences.md").read_text()
        for row, _ in self.rows:
            if "issue" not in row and f"`{row['id']}`" not in document:
                sys.exit(f"docs/differences.md says nothing about {row['id']}")

    def explains(self, name, answer, first):
        """The row for Vitrine's `answer`; `first` is Glance's to the case's first request."""
        for row, pattern in self.rows:
            if (pattern.fullmatch(name)
                    and row.get("status", answer["status"]) == answer["status"]
                    and row.get("after", first["status"]) == first["status"]):
                self.used.add(row["cases"])
                return row
        return None

    def unused(self, seen):
        """Patterns that explained nothing although their cases ran."""
        return [row["cases"] for row, pattern in self.rows if row["cases"] not in self.used
                and any(pattern.fullmatch(name) for name in seen)]


def compare(run, chosen, expected, verbose):
    passed = failed = explained = 0
    seen = []
    for case in chosen:
        first = None
        for name, answers, fault in run.steps(case):
            seen.append(name)
            if fault:
                failed += 1
                print(f"FAILED {name}\n    {fault}", flush=True)
                continue
            if run.kept is not None:
                answers.insert(0, run.kept[name])
            lines = difference(*answers)
            first = first or answers[0]
            if lines and expected and (row := expected.explains(name, answers[1], first)):
                explained += 1
                if verbose:
                    print(f"expected {name}: {row.get('id') or row.get('issue')}")
            elif lines:
                failed += 1
                print(f"FAILED {name}", *lines, sep="\n    ", flush=True)
            else:
                passed += 1
    for pattern in expected.unused(seen) if expected else []:
        failed += 1
        print(f"FAILED differences.toml: nothing differs any more in {pattern}")
    print(f"{passed + explained} passed, {failed} failed "
          f"({len(seen)} requests, {explained} differ as documented)")
    return 1 if failed or not seen else 0


def record(run, chosen, path):
    kept = {}
    for case in chosen:
        for name, answers, fault in run.steps(case):
            if fault:
                sys.exit(f"{name}: {fault}")
            kept[name] = answers[0]
    path.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    print(f"{len(kept)} answers kept in {path}")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vitrine", type=pathlib.Path, metavar="BINARY")
    parser.add_argument("--glance-twice", action="store_true")
    parser.add_argument("--left", metavar="URL")
    parser.add_argument("--right", metavar="URL")
    parser.add_argument("--keystone", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--record", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--answers", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--only", default="", metavar="REGEX")
    parser.add_argument("--skip", metavar="REGEX")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    chosen = [case for case in cases.everything() if re.search(args.only, case.name)
              and not (args.skip and re.search(args.skip, case.name))]
    if args.list:
        print(*(case.name for case in chosen), sep="\n")
        return
    began = time.monotonic()
    running = bool(args.keystone)
    try:
        place = (args.keystone, args.left, args.right) if running else start_services(args)
        keystone, left, right = place
        tokens, words = login(keystone)
        words["files"] = serve_files(FOLDER / "files")
        sides = [Side(name, url, tokens, words)
                 for name, url in (("left", left), ("right", right)) if url]
        kept = json.loads(args.answers.read_text()) if args.answers else None
        run = Run(sides, words, kept)
        if args.record:
            code = record(run, chosen, args.record)
        else:
            expected = None if args.glance_twice else Expected(peer.HERE / "differences.toml")
            code = compare(run, chosen, expected, args.verbose)
        print(f"{time.monotonic() - began:.0f} s")
    finally:
        if not running:
            stop_services()
    sys.exit(code)


if __name__ == "__main__":
    main()
