"""Commands that are watched: they may neither be silent for long nor take for ever, and leave nothing running."""

import collections
import ctypes
import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time

# Of prctl(2): orphans among our descendants become our children, so that none is out of reach.
PR_SET_CHILD_SUBREAPER = 36
LAST_LINES = 60


def run(argv, cwd, env, silence_s, limit_s):
    """Runs a command and shows its output as it comes; returns (exit code, output).

    One that is silent for `silence_s` or runs for `limit_s` is ended, with all that it started, after its last lines
    and what runs of it have been shown; its code is then 124. What it leaves running at its end is ended too.
    """
    adopt_orphans(True)
    before = descendants()
    command = subprocess.Popen(argv, cwd=cwd, env=env, text=True, errors="replace", stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    lines = queue.SimpleQueue()
    threading.Thread(target=read, args=(command.stdout, lines), daemon=True).start()
    said, fault = follow(command, lines, silence_s, limit_s)
    if fault:
        show(argv, said, fault)
    end(descendants() - before)
    code = command.wait()
    adopt_orphans(False)
    return (124 if fault else code), "".join(said)


def read(stream, lines):
    for line in stream:
        lines.put(line)
    lines.put(None)


def follow(command, lines, silence_s, limit_s):
    """(lines, what was wrong or None): shows lines until the command has ended or patience has."""
    said, began = [], time.monotonic()
    heard = began
    while True:
        has_ended = command.poll() is not None
        try:
            line = lines.get(timeout=1)
        except queue.Empty:
            # Something that it left running may hold the pipe open.
            if has_ended:
                return said, None
        else:
            if line is None:
                # Nothing more will be said; it may still have to end.
                continue
            heard = time.monotonic()
            said.append(line)
            sys.stdout.write(line)
            sys.stdout.flush()
        if time.monotonic() - heard > silence_s:
            return said, f"said nothing for {silence_s} s"
        if time.monotonic() - began > limit_s:
            return said, f"ran for {limit_s} s"


def show(argv, said, fault):
    """What whoever looks into a hang wants to see."""
    print(f"\n{argv[0]} {fault} and is ended. Its last lines:")
    print("".join(f"  {line}" for line in collections.deque(said, LAST_LINES)).rstrip())
    print("What runs of it (state, seconds, command):")
    for pid in sorted(descendants()):
        subprocess.run(["ps", "--no-headers", "-o", "pid,ppid,stat,etimes,args", "-p", str(pid)], check=False)
    sys.stdout.flush()


def adopt_orphans(wanted):
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)


def descendants():
    """Numbers of all processes below this one."""
    children = collections.defaultdict(list)
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
            except (OSError, IndexError):
                continue
            children[int(parent)].append(int(entry.name))
    found, todo = set(), [os.getpid()]
    while todo:
        for child in children[todo.pop()]:
            found.add(child)
            todo.append(child)
    return found


def end(pids):
    """Ends processes that were left behind: asks first, so that servers of databases tidy up, then does not ask."""
    for number, patience_s in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + patience_s
        while pids and time.monotonic() < deadline:
            reap()
            pids = {pid for pid in pids if pathlib.Path(f"/proc/{pid}").exists()}
            time.sleep(0.05)


def reap():
    """Takes note of adopted children that have ended."""
    for pid in descendants():
        try:
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        if state[0] == "Z" and int(state[1]) == os.getpid():
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue
