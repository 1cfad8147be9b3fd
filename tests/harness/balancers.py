"""HAProxy and nginx before several nodes, as docs/operating.md has them: what stands there is used as it stands, with
the addresses of the test in the places of those.
"""

import getpass
import pathlib
import re
import shutil
import tempfile

from . import client, process
from .places import ROOT

PAGE = ROOT / "docs/operating.md"
SENDING_PAGE = ROOT / "docs/performance.md"
# The address of a node in the page, and where the balancer listens there.
NODE = re.compile(r"10\.0\.0\.(\d+):9292")
NGINX = """\
daemon off;
user {user};
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off;
{paths}
{block}
}}
"""


def block(language, page=PAGE):
    """The one block of code in that language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return found


class Balancer:
    """One that is up; whoever asks it needs the token of a node's user."""

    page = PAGE

    def __init__(self, name, nodes):
        self.name, self.nodes, self.port = name, nodes, process.free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"vitrine-{name}-"))
        self.log = pathlib.Path(f"{self.folder}.log")
        self.process = None

    def configured(self):
        """The block of the page for these nodes. The page has as many as are here."""
        text = block(self.name, self.page)
        named = list(dict.fromkeys(NODE.findall(text)))
        assert len(named) == len(self.nodes), f"{self.page} has {len(named)} nodes"
        for number, node in zip(named, self.nodes):
            text = text.replace(f"10.0.0.{number}:9292", f"127.0.0.1:{node.port}")
        before, listen, after = re.split(r"(bind :9292|listen 9292)", text)
        return f"{before}{listen.split(' ')[0]} 127.0.0.1:{self.port}{after}"

    def __enter__(self):
        path = shutil.which(self.name, path="/usr/sbin:/usr/local/sbin:/usr/bin")
        assert path, f"{self.name} is missing: install the Debian package, or run make test"
        self.process = process.start(self.name, [path, *self.arguments()], self.log, self._answers)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(process.PATIENCE_S)
        finally:
            self.process.kill()
            shutil.rmtree(self.folder, ignore_errors=True)
            self.log.unlink(missing_ok=True)

    def _answers(self):
        try:
            return client.request(self.port, "GET", "/versions").status == 200
        except OSError:
            return False

    # As a server that clients ask.

    def token(self):
        return self.nodes[0].token()

    def request(self, method, path, body=None, headers=None, token=None, timeout_s=60):
        headers = dict(headers or {}) | {"X-Auth-Token": self.token() if token is None else token}
        return client.request(self.port, method, path, body, headers, timeout_s)


class Haproxy(Balancer):
    """Asks `/healthcheck`."""

    def __init__(self, nodes):
        super().__init__("haproxy", nodes)

    def arguments(self):
        config = self.folder / "haproxy.cfg"
        # Without a bound it takes as many connections as there are descriptors.
        config.write_text(f"global\n    maxconn 500\n{self.configured()}")
        return ["-f", config, "-db"]


class Nginx(Balancer):
    """Asks nobody; learns from connections that are refused."""

    def __init__(self, nodes):
        super().__init__("nginx", nodes)

    def arguments(self):
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"    {kind}_temp_path {self.folder}/{kind};\n" for kind in kinds)
        config = self.folder / "nginx.conf"
        text = NGINX.format(user=getpass.getuser(), folder=self.folder, paths=paths, block=self.configured())
        config.write_text(text)
        return ["-c", config, "-p", self.folder]


class SendingNginx(Nginx):
    """Sends files of its one node by itself."""

    page = SENDING_PAGE

    def configured(self):
        return super().configured().replace("/var/lib/glance/images/", f"{self.nodes[0].images_dir.resolve()}/")
