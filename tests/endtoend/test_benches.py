"""Each bench on next to nothing: that it runs to its end and prints its figures, whatever they are; beside other work a
difference may be less than nothing."""

import re
import subprocess
import sys

import pytest

from harness import ROOT, binary

# What is told to each, and lines that it must print with a figure behind them.
BENCHES = {
    "crowd": ("--uploads 3 --downloads 5 --seconds 1 --size-mib 1 --unbounded",
              ["memory, idle", "/healthcheck while they come", "an upload of another project, among"]),
    "import": ("--size-mib 2", ["web-download to both", "glance-direct to both", "copy-image to the other"]),
    "list": ("--images 200 --projects 5",
             ["one image", "first page of 25", "by property", "sorted by name", "page of 1000"]),
    "metadefs": ("--times 1", ["vitrine metadefs load", "the load without its floor:"]),
    "moving": ("--images 60 --glance sqlite --vitrine sqlite",
               ["import-glance", "import-glance once more", "export-glance"]),
    "reconcile": ("--objects 2000", ["2000 objects, 2000 rows: the list, seconds",
                                     "2000 objects, 2000 rows: reconciled, seconds",
                                     "2000 objects, 2000 rows: memory, MiB"]),
    "stores": ("--size-mib 16 --unbounded", ["file", "s3", "swift", "rbd"]),
    "transfer": ("--size-mib 2 --clients 2", ["openssl dgst -md5", "upload", "download", "idle"]),
    "versions": ("--rounds 2 --size-mib 1 --images 20 --requests 2",
                 ["upload of 1 MiB", "list, 25 of 20", "show", "update", "create, delete"]),
}


def test_no_bench_is_forgotten():
    """`compare` has a test of its own, and `pieces` is tried with cargo's tests."""
    assert {path.name for path in (ROOT / "benches").iterdir()} == BENCHES.keys() | {"compare", "pieces"}


@pytest.mark.parametrize("name", BENCHES)
def test_runs(name, tmp_path):
    words, lines = BENCHES[name]
    builds = {"versions": ["--before", binary(), "--after", binary()]}.get(name, ["--binary", binary()])
    folder = [] if name == "stores" else ["--folder", tmp_path]
    done = subprocess.run([sys.executable, ROOT / "benches" / name, *words.split(), *builds, *folder],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
    for line in lines:
        assert re.search(rf"^{re.escape(line)} +-?[\d.]+", done.stdout, re.MULTILINE), f"{line}: {done.stdout}"
