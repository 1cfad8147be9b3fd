"""Where things lie."""

import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# What is made once and kept: environments, bootstrapped databases of reference servers, logs of runs.
CACHE = ROOT / ".cache"


def binary():
    """The server under test: the one that VITRINE names, which `make test` sets, or the debug build."""
    return pathlib.Path(os.environ.get("VITRINE", ROOT / "target/debug/vitrine")).resolve()
