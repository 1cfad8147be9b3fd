"""Faults of the disk below a program: the n-th call fails, or what was not synced is lost.

The shim is faults.c, compiled once by gcc. `Disk.env` is what a program is started with; what happens to it is read and
said through a file that both have mapped.
"""

import contextlib
import ctypes
import errno
import hashlib
import mmap
import os
import pathlib
import struct
import subprocess
import time

from .places import CACHE

SOURCE = pathlib.Path(__file__).with_name("faults.c")
# struct control.
SEEN, LEFT, MORE, ERROR, WHICH, FAILED = 0, 8, 16, 24, 28, 32
SIZE = 40
# Calls that may need room, and all others.
ROOM, ANY = 1, 3
FULL, BROKEN = errno.ENOSPC, errno.EIO
# What has no content of its own to lose: SQLite makes it anew.
VOLATILE = ("-shm",)


def library():
    """The shim, compiled if it has changed."""
    source = SOURCE.read_bytes()
    path = CACHE / f"faults-{hashlib.sha256(source).hexdigest()[:12]}.so"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        subprocess.run(["gcc", "-O1", "-fPIC", "-shared", "-o", part, SOURCE, "-ldl"], check=True)
        part.rename(path)
    return path


class Disk:
    """The folders of one program, as it is made to see them. With `is_lossy`, `cut` takes away what was not synced."""

    def __init__(self, folder, below, is_lossy=False):
        self.below = [pathlib.Path(path) for path in below]
        folder.mkdir()
        self.shadow = folder / "shadow" if is_lossy else None
        control = folder / "control"
        control.write_bytes(bytes(SIZE))
        with open(control, "r+b") as file:
            self.control = mmap.mmap(file.fileno(), SIZE)
        self.env = {"LD_PRELOAD": str(library()), "FAULTS_CONTROL": str(control),
                    "FAULTS_BELOW": ":".join(map(str, self.below)), "FAULTS_SHADOW": str(self.shadow or "")}

    def _read(self, at):
        return struct.unpack_from("q", self.control, at)[0]

    def count(self, which):
        """From now on these calls are counted, and none of them fails."""
        struct.pack_into("qqq", self.control, SEEN, 0, 0, 0)
        struct.pack_into("iiq", self.control, ERROR, 0, which, 0)

    def fail(self, number, error, which=ANY, more=0):
        """The call of that number, from 1, fails, and so do the next ones after it."""
        self.count(which)
        struct.pack_into("i", self.control, ERROR, error)
        struct.pack_into("qq", self.control, LEFT, number, more)

    @property
    def seen(self):
        return self._read(SEEN)

    @property
    def failed(self):
        """How many calls have failed since they were counted anew."""
        return self._read(FAILED)

    # Cuts of the power.

    def folders(self):
        return [pathlib.Path(top) for below in self.below for top, _, _ in os.walk(below)]

    def sync(self):
        """What is there now stays, whatever happens; of a program that is not writing."""
        self.shadow.mkdir(exist_ok=True)
        # What the kernel stamps files with is some milliseconds old.
        began = time.time() - 1
        for folder in self.folders():
            lines = []
            for entry in os.scandir(folder):
                # The copies of images that have just been deleted leave the cache in their own time.
                with contextlib.suppress(FileNotFoundError):
                    if entry.is_file(follow_symlinks=False):
                        key, content = key_of(entry.path), pathlib.Path(entry.path).read_bytes()
                        self._keep(key, content)
                        lines.append(f"{key} {entry.name}\n")
            self._keep(key_of(folder), "".join(lines).encode())
        for entry in os.scandir(self.shadow):
            # What the program itself remembers meanwhile stays; a name with a dot is what it is about to.
            if not entry.name.startswith(".") and entry.stat().st_mtime < began:
                os.unlink(entry)

    def _keep(self, key, content):
        part = self.shadow / f".test-{key}"
        part.write_bytes(content)
        part.replace(self.shadow / key)

    def cut(self, chance):
        """What a cut of the power leaves when the program, which is dead, had not synced it: of each change of a name
        and of each file's bytes, `chance` says whether it came to the disk. Returns how many did not."""
        lost, wanted, held = 0, {}, {}
        names = {folder: (self._durable_names(folder), names_in(folder)) for folder in self.folders()}
        keys = {key for pair in names.values() for entries in pair for key in entries.values()}
        # What is said of one file comes to the disk as one: so does a file that is linked elsewhere and then unlinked.
        kept = {key: chance.random() < 0.5 for key in sorted(keys)}
        for folder, (durable, current) in names.items():
            for name in sorted(durable.keys() | current.keys()):
                before, after = durable.get(name), current.get(name)
                if name.endswith(VOLATILE):
                    before = after = None
                key = after if before == after or kept[after or before] else before
                lost += key != after
                if key:
                    wanted.setdefault(key, []).append(folder / name)
                if after:
                    held[after] = (folder / name).read_bytes()
        for folder, (_, current) in names.items():
            for name in current:
                (folder / name).unlink()
        for key in sorted(wanted):
            synced = self.shadow / key
            content = synced.read_bytes() if synced.exists() else b""
            if key in held and chance.random() < 0.5:
                content = held[key]
            lost += key in held and content != held[key]
            first, *others = wanted[key]
            first.write_bytes(content)
            for path in others:
                os.link(first, path)
        return lost

    def _durable_names(self, folder):
        listing = self.shadow / key_of(folder)
        if not listing.exists():
            return {}
        pairs = (line.split(" ", 1) for line in listing.read_text().splitlines())
        return {name: key for key, name in pairs}


def names_in(folder):
    """{name: key} of the files of a folder."""
    return {entry.name: key_of(entry.path) for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)}


def key_of(path):
    """Which file it is, as faults.c says it: its number and the time of its birth."""
    buffer = ctypes.create_string_buffer(256)
    # AT_FDCWD, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME
    if ctypes.CDLL(None).statx(-100, os.fsencode(path), 0x100, 0x900, buffer):
        raise FileNotFoundError(path)
    number, = struct.unpack_from("Q", buffer, 32)
    seconds, nanoseconds = struct.unpack_from("qI", buffer, 80)
    return f"{number}-{seconds}-{nanoseconds}"
