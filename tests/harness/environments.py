"""What is made once and kept: virtual environments, and folders that take long to fill."""

import contextlib
import fcntl
import hashlib
import pathlib
import shutil
import subprocess
import sys

from .places import CACHE, ROOT


def venv(name):
    """The folder of the environment `name`, built when it is missing."""
    done = subprocess.run([ROOT / "tools/venv", name], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"the environment {name} could not be built")
    return pathlib.Path(done.stdout.strip())


def digest_of(*parts):
    """A short name for everything that a cached folder was made from (paths are read)."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, pathlib.Path) else str(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:12]


@contextlib.contextmanager
def cached_folder(name):
    """Yields (folder, is_new) under a lock; a folder whose making failed is made again."""
    folder = CACHE / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        mark = folder / ".complete"
        is_new = not mark.exists()
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        yield folder, is_new
        mark.touch()
