"""A program in the background: started until it answers, looked into, stopped."""

import contextlib
import fcntl
import os
import pathlib
import resource
import socket
import subprocess
import time

from .places import CACHE

# How long anything may take that should take a moment; reached only by a failure.
PATIENCE_S = 120
# Below those that the kernel chooses from, for connections and for whoever binds port 0.
PORTS = range(20_000, 32_000)
TICKS = os.sysconf("SC_CLK_TCK")


class StartError(Exception):
    """A program did not come up; the message ends with the last lines of its log."""


def free_port():
    """A port that nobody has. It is not given out again for long, whichever process of this tree asks, so that it stays
    free until it is used, and also between two uses."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "ports", "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        port = int(file.read() or PORTS.start)
        while True:
            port = PORTS.start + (port + 1 - PORTS.start) % len(PORTS)
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                break
        file.truncate(0)
        file.write(str(port))
        return port


def wait_for(what, condition, timeout_s=PATIENCE_S):
    """Asks until the condition answers something true, and returns that."""
    deadline = time.monotonic() + timeout_s
    while True:
        if result := condition():
            return result
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain: {what}"
        time.sleep(0.02)


def tail(log, lines=20):
    """The last lines of a file."""
    with open(log, errors="replace") as text:
        return "".join(text.readlines()[-lines:])


def start(name, argv, log, is_ready, timeout_s=PATIENCE_S, **options):
    """Starts a program whose output goes to `log`; returns its process when `is_ready` says so.

    `options` are those of Popen. Raises StartError when the program ends first or takes too long.
    """
    with open(log, "a") as out:
        process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, **options)

    def is_up():
        if process.poll() is not None:
            raise StartError(f"{name} ended with {process.returncode} while starting, see {log}\n{tail(log)}")
        return is_ready()

    try:
        wait_for(f"{name} answers", is_up, timeout_s)
    except BaseException as fault:
        process.kill()
        process.wait()
        if isinstance(fault, AssertionError):
            raise StartError(f"{name} did not answer within {timeout_s} s, see {log}\n{tail(log)}") from fault
        raise
    return process


# What the kernel says of a process.

def cpu_seconds(pid):
    """CPU seconds so far, user and system, of all threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(pid):
    """(now, peak since the last reset)."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in status.splitlines() if line.startswith("Vm")}
    return kib["VmRSS"] / 1024, kib["VmHWM"] / 1024


def reset_peak(pid):
    """Begins anew to watch for the peak of memory."""
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def children(pid):
    """The processes that a process has started, and those that they have."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        # Threads come and go.
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *children(child)]
    return found


def runs(pid):
    """Whether a process is there and has not ended."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def cpu_seconds_of_tree(*pids):
    """CPU seconds so far of processes, of all that they have started, and of those of them that have ended."""
    total = 0
    for pid in [one for root in pids for one in (root, *children(root))]:
        # One of them may end meanwhile; then it counts with its parent.
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / TICKS


def cpu_seconds_of(*argv):
    """CPU seconds of one command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
