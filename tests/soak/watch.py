"""Memory, descriptors and threads of the server, as the kernel has them."""

import collections
import os
import pathlib
import re
import threading
import time

EVERY_S = 2
# How long it may take at the end until what the load had opened is closed.
CLOSING_S = 60
DATABASE = "database"


class Watch(threading.Thread):
    """Adds a sample to the record every other second, until it is stopped."""

    def __init__(self, pid, record):
        super().__init__(daemon=True)
        self.pid, self.record = pid, record
        self.stopped = threading.Event()

    def run(self):
        while not self.stopped.wait(EVERY_S):
            self.record.samples.append({"at": self.record.now()} | sample(self.pid))

    def stop(self):
        self.stopped.set()
        self.join()


def sample(pid):
    """KiB of resident and of anonymous memory, and how many descriptors and threads there are."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    found = dict(re.findall(r"^(VmRSS|RssAnon|Threads):\s+(\d+)", status, re.M))
    return {"resident": int(found["VmRSS"]), "anonymous": int(found["RssAnon"]), "threads": int(found["Threads"]),
            "descriptors": len(os.listdir(f"/proc/{pid}/fd"))}


def descriptors(pid, database_port=None):
    """{kind: how many}: files by their names, sockets, and what else the kernel names. Connections to the database are
    kinds of their own, which begin with `DATABASE`."""
    found = collections.Counter()
    connected = sockets_to(pid, database_port)
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(entry)
        except FileNotFoundError:
            continue
        if target.startswith("/"):
            name = pathlib.Path(target).name
            found[f"{DATABASE} {name}" if name.startswith("vitrine.sqlite") else name] += 1
        elif number := re.match(r"socket:\[(\d+)\]", target):
            found[DATABASE if number[1] in connected else "socket"] += 1
        else:
            found[target] += 1
    return dict(found)


def sockets_to(pid, port):
    """The inodes of connections to a port."""
    if port is None:
        return set()
    lines = pathlib.Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return {field[9] for field in fields if int(field[2].split(":")[1], 16) == port}


def at_rest(pid, database_port, base=None):
    """The descriptors as soon as there are no more of any kind than at another time, or when that does not come. Of
    connections to the database there may be more: they stay open for a while."""
    deadline = time.monotonic() + CLOSING_S
    while True:
        found = descriptors(pid, database_port)
        if base is None or all(count <= base.get(kind, 0) or kind.startswith(DATABASE)
                               for kind, count in found.items()) or time.monotonic() > deadline:
            return found
        time.sleep(0.5)
