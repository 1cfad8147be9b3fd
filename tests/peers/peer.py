"""What the scripts of the reference servers take from the harness, under the names that they use."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from harness.client import call, must  # noqa: E402
from harness.daemon import alive, run, start, stop  # noqa: E402
from harness.environments import cached_folder, digest_of, venv  # noqa: E402
from harness.places import CACHE, ROOT  # noqa: E402
from harness.process import free_port  # noqa: E402

__all__ = ["CACHE", "HERE", "ROOT", "alive", "cached_folder", "call", "digest_of", "free_port", "must", "run", "start",
           "stop", "venv"]
