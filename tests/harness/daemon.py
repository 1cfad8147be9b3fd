"""Programs that outlive the script that started them: each has a folder, and in it a log and a file with its number.

A script that uses them ends with a sentence when one does not start.
"""

import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

from . import process


def run(argv, log, **options):
    """Runs a command to its end; its output goes to `log`, the last lines of it to a failure."""
    with open(log, "a") as out:
        code = subprocess.run(argv, stdout=out, stderr=subprocess.STDOUT, **options).returncode
    if code:
        sys.exit(f"{process.tail(log)}\n{pathlib.Path(argv[0]).name} {argv[1]} ended with {code}, see {log}")


def start(name, folder, argv, ready_url, env=None, timeout_s=60):
    """Starts a server and returns when `ready_url` answers anything."""
    pid_file = folder / f"{name}.pid"
    if alive(pid_file):
        sys.exit(f"{name} already runs, see {pid_file}")
    try:
        started = process.start(name, argv, folder / f"{name}.log", lambda: answers(ready_url), timeout_s,
                                start_new_session=True, cwd=folder, env=os.environ | (env or {}))
    except process.StartError as fault:
        sys.exit(str(fault))
    pid_file.write_text(f"{started.pid}\n")
    return started.pid


def answers(url):
    """Whether somebody answers there, whatever it is."""
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def alive(pid_file):
    """The process id in the file if that process runs, else None."""
    try:
        pid = int(pid_file.read_text())
        os.kill(pid, 0)
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ValueError, ProcessLookupError, IndexError):
        return None
    return None if state == "Z" else pid


def stop(name, folder, timeout_s=10):
    """Stops the server whose pid file is in `folder`; a server that is gone is no error."""
    pid_file = folder / f"{name}.pid"
    deadline = time.monotonic() + timeout_s
    wanted = signal.SIGTERM
    while pid := alive(pid_file):
        if wanted:
            try:
                os.kill(pid, wanted)
            except ProcessLookupError:
                break
            wanted = None
        if time.monotonic() > deadline:
            wanted, deadline = signal.SIGKILL, time.monotonic() + timeout_s
        time.sleep(0.05)
    pid_file.unlink(missing_ok=True)
