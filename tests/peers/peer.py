"""What the reference servers share: their environments, their processes, a small HTTP client.

Only the standard library is used, so that these scripts run before any environment exists.
"""

import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = ROOT / ".cache"


def venv(name):
    """The folder of the environment `name`, built when it is missing."""
    done = subprocess.run([HERE / "venv.sh", name], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"the environment {name} could not be built")
    return pathlib.Path(done.stdout.strip())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def digest_of(*parts):
    """A short name for everything that a cached folder was made from (paths are read)."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, pathlib.Path) else str(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:12]


@contextmanager
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


def run(argv, log, **kwargs):
    """Runs a command to its end; its output goes to `log`, the last lines of it to a failure."""
    with open(log, "a") as out:
        code = subprocess.run(argv, stdout=out, stderr=subprocess.STDOUT, **kwargs).returncode
    if code:
        tail(log)
        sys.exit(f"{pathlib.Path(argv[0]).name} {argv[1]} ended with {code}, see {log}")


def tail(log, lines=15):
    print("".join(open(log, errors="replace").readlines()[-lines:]), file=sys.stderr)


def start(name, folder, argv, ready_url, env=None, timeout_s=60):
    """Starts a server in the background and returns when `ready_url` answers anything."""
    pid_file = folder / f"{name}.pid"
    if alive(pid_file):
        sys.exit(f"{name} already runs, see {pid_file}")
    log = folder / f"{name}.log"
    with open(log, "a") as out:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, start_new_session=True,
                                   cwd=folder, env=os.environ | (env or {}))
    pid_file.write_text(f"{process.pid}\n")
    deadline = time.monotonic() + timeout_s
    while True:
        if process.poll() is not None:
            tail(log)
            sys.exit(f"{name} ended with {process.returncode} while starting, see {log}")
        if answers(ready_url):
            return process.pid
        if time.monotonic() > deadline:
            stop(name, folder)
            tail(log)
            sys.exit(f"{name} did not answer {ready_url} within {timeout_s} s, see {log}")
        time.sleep(0.05)


def answers(url):
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
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return None
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, IndexError):
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


def call(method, url, body=None, headers=None):
    """One JSON request; returns (status, headers, parsed body or None)."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    if data:
        request.add_header("Content-Type", "application/json")
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        text = answer.read()
    try:
        return answer.status, answer.headers, json.loads(text) if text else None
    except ValueError:
        return answer.status, answer.headers, None


def must(method, url, body=None, headers=None):
    """As `call`, but anything other than success ends the script."""
    status, answer_headers, parsed = call(method, url, body, headers)
    if status >= 300:
        sys.exit(f"{method} {url} answered {status}: {parsed}")
    return answer_headers, parsed
