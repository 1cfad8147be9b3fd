"""`make bench` on next to nothing: what it takes does not matter here, but every row has its figures and both services
give the same answers."""

import json
import subprocess
import sys

from harness import ROOT, binary, databases

FLOORS = {"openssl md5", "openssl sha512", "openssl sha256", "write to the page cache", "receive and discard",
          "nginx, sendfile on, one client", "nginx, sendfile on, four clients", "nginx, sendfile off, one client",
          "nginx, sendfile off, four clients"}
KEYS = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at")
ROWS = {"download, one client", "download, four at once", "upload, one client", "upload, one client, time",
        "eight uploads", "memory, eight up and eight down", "stage and glance-direct import", "copy to another store",
        "import with conversion, qcow2 to raw", "show, token known", "show, a new token each", "members of an image",
        "create and delete", "start to the first answer", "start, CPU", "list: first page",
        "list: from a marker deep inside", "list: by a property of a quarter", "list: by a property of one in 1,000",
        "list: by a tag of all", "list: by a tag of one in 1,000", "list: by ten ids (in:)", "list: by size",
        "list: by name", "list: public ones", "list: shared with the caller", "list: page of 1,000",
        "list: page of 1,000 from a marker", *(f"list: by {key}, ascending" for key in KEYS)}


def test_each_row_has_figures_of_both_and_answers_agree(tmp_path):
    kind, found = databases.default_kind(), tmp_path / "found.json"
    done = subprocess.run([sys.executable, ROOT / "benches/compare", "--smoke", "--database", kind, "--json", found,
                           "--binary", binary(), "--folder", tmp_path], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{done.stdout[-5000:]}{done.stderr[-5000:]}"
    said = json.loads(found.read_text())
    assert {row["work"] for row in said["rows"]} == ROWS
    for row in said["rows"]:
        for service in ("Glance", "Vitrine"):
            assert len(row[service]["rounds"]) == 1 and row[service]["median"] >= 0, row
            assert row["work"] in done.stdout
    assert said["floors"].keys() == FLOORS | (set() if kind == databases.SQLITE else {"SELECT 1, of the database"})
    assert said["differing"] == []
