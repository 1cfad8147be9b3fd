"""Where things lie."""

import contextlib
import os
import pathlib
import shutil
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# What is made once and kept: environments, bootstrapped databases of reference servers, logs of runs.
CACHE = ROOT / ".cache"


def binary():
    """The server under test: the one that VITRINE names, which `make test` sets, or the debug build."""
    return pathlib.Path(os.environ.get("VITRINE", ROOT / "target/debug/vitrine")).resolve()


@contextlib.contextmanager
def scratch(name, folder=None):
    """A folder that goes with the context; in `folder`, or else in target/, where there is room for large files."""
    parent = pathlib.Path(folder or ROOT / "target")
    parent.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
    try:
        yield work
    finally:
        shutil.rmtree(work)
