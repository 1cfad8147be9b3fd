"""`openstack` and `glance`, imported once and forked for each command. Most of the time of a command goes by while they
are imported.

What is run is what the program itself runs. `serve` is the other end, which reads a line of JSON for each command and
writes its exit code.
"""

import atexit
import functools
import importlib
import json
import logging
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading

# A command that takes longer is killed.
LIMIT_S = 300
START = "import sys; sys.path.append(sys.argv.pop()); import warm; warm.serve()"


class Warm:
    """Runs commands one at a time, of a program that was started with these variables besides the usual ones."""

    def __init__(self, variables):
        self.one_at_a_time = threading.Lock()
        argv = [sys.executable, "-c", START, pathlib.Path(__file__).parent]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=os.environ | variables)

    def run(self, arguments, env, stdin=os.devnull, program="openstack"):
        """As `subprocess.run`; `stdin` is the path of a file."""
        with tempfile.TemporaryDirectory() as folder:
            out, err = (pathlib.Path(folder, name) for name in ("out", "err"))
            order = {"program": program, "argv": arguments, "env": env,
                     "places": [str(place) for place in (stdin, out, err)]}
            with self.one_at_a_time:
                self.process.stdin.write(json.dumps(order) + "\n")
                self.process.stdin.flush()
                code = int(self.process.stdout.readline())
            return subprocess.CompletedProcess(arguments, code, out.read_bytes().decode(), err.read_bytes().decode())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


@functools.cache
def shared():
    """One for everything that needs no variables."""
    made = Warm({})
    atexit.register(made.close)
    return made


def serve():
    # What commands import only when they run.
    import openstack.connection
    import openstack.image.v2._proxy  # noqa: F401
    from openstackclient import shell

    orders, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    redirect([os.devnull] * 3)
    sys.argv[0] = "openstack"
    # On the way to any command all of them are imported.
    shell.main(["help", "image", "list"])
    logging.getLogger("").handlers.clear()
    for order in map(json.loads, orders):
        main = functools.partial(shell.main, order["argv"])
        if order["program"] == "glance":
            main = importlib.import_module("glanceclient.shell").main
        child = os.fork()
        if not child:
            carry_out(main, **order)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=answers, flush=True)


def redirect(places):
    """The standard input, output and error are these files from now on."""
    for number, place in enumerate(places):
        opened = os.open(place, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)


def carry_out(main, program, argv, env, places):
    signal.alarm(LIMIT_S)
    redirect(places)
    sys.argv = [program, *argv]
    os.environ.clear()
    os.environ.update(env)
    code = 1
    try:
        code = main() or 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Nothing of the process that was forked is to end twice.
        os._exit(code)
