"""A private RabbitMQ, which tests may kill and start again, and listeners of oslo.messaging."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess

from . import process
from .environments import venv
from .places import ROOT

PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"
# The first bytes of AMQP 0.9.1; a broker that is up answers with what it offers.
GREETING = b"AMQP\x00\x00\x09\x01"


class Rabbit:
    """A broker on a folder of its own, on loopback. It and its helpers have a namespace of processes, and end together.

    `tls` is the files of a certificate, of its key, and of the authority behind it; `settings` are further lines of its
    configuration.
    """

    def __init__(self, folder, tls=None, settings=()):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.port, self.tls_port = process.free_port(), process.free_port()
        self.distribution, self.epmd = process.free_port(), process.free_port()
        self.log = self.folder / "broker.log"
        self.process = None
        lines = ["loopback_users = none", "vm_memory_high_watermark.relative = 0.9", "disk_free_limit.absolute = 1MB",
                 *settings]
        if tls:
            certificate, key, authority = tls
            lines += [f"listeners.ssl.default = 127.0.0.1:{self.tls_port}", f"ssl_options.certfile = {certificate}",
                      f"ssl_options.keyfile = {key}", f"ssl_options.cacertfile = {authority}",
                      "ssl_options.verify = verify_none"]
        (self.folder / "rabbitmq.conf").write_text("\n".join([*lines, ""]))

    @property
    def url(self):
        return f"rabbit://guest:guest@127.0.0.1:{self.port}/"

    def start(self):
        env = os.environ | {
            "HOME": self.folder,
            "RABBITMQ_NODENAME": f"vitrine{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": self.port,
            "RABBITMQ_DIST_PORT": self.distribution,
            "RABBITMQ_MNESIA_BASE": self.folder / "mnesia",
            "RABBITMQ_LOG_BASE": self.folder / "log",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": self.folder / "plugins",
            "RABBITMQ_CONF_ENV_FILE": self.folder / "none",
            "RABBITMQ_CONFIG_FILE": self.folder / "rabbitmq.conf",
            # Two processors are shared with everything else.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none",
            "ERL_EPMD_PORT": self.epmd,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        argv = ["unshare", *user, "--pid", "--fork", "--kill-child", "--mount-proc", PROGRAM]
        self.process = process.start("RabbitMQ", argv, self.log, self._answers, timeout_s=90,
                                     env={name: str(value) for name, value in env.items()})
        return self

    def _answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(GREETING)
                return connection.recv(1) == b"\x01"
        except OSError:
            return False

    def kill(self):
        """As if the machine had lost power."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def signal(self, number):
        """Sends the broker and its helpers a signal."""
        waiting = [self.process.pid]
        while waiting:
            parent = waiting.pop()
            # Some of its helpers live for a moment only.
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                for child in pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
                    waiting.append(int(child))
                    os.kill(int(child), number)

    def freeze(self):
        """It answers nobody, but its connections stay."""
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder / "mnesia", ignore_errors=True)


class Listener:
    """A listener of oslo.messaging in a process of its own, which writes down what it is told."""

    def __init__(self, folder, url, *options):
        self.file = pathlib.Path(folder) / "heard.jsonl"
        self.log = self.file.with_suffix(".log")
        script = ROOT / "tests/harness/oslo_listener.py"
        argv = [venv("glance") / "bin/python", script, url, self.file, *options]
        self.process = process.start("the listener", argv, self.log, self.file.exists)

    def heard(self):
        """Every message so far: priority, publisher, event, payload and metadata."""
        lines = self.file.read_text().splitlines(keepends=True)
        # The last one may still be on its way.
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def events(self):
        return [message["event_type"] for message in self.heard()]

    def hears(self, count, timeout_s=60):
        """The events, once there are so many."""
        process.wait_for(f"{count} events", lambda: len(self.events()) >= count, timeout_s)
        return self.events()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
