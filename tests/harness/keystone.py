"""A server that asks a real Keystone who its callers are."""

import contextlib
import json
import subprocess

from . import places, process
from .server import Server

SCRIPT = places.ROOT / "tests/peers/keystone"
# Of the person of tests/peers/personas.py whose name the service has.
PASSWORD = "a-password-for-tests"
TRUSTING = f"""
[keystone_authtoken]
www_authenticate_uri = {{url}}
auth_url = {{url}}
auth_type = password
username = glance
password = {PASSWORD}
project_name = service
user_domain_name = Default
project_domain_name = Default
[paste_deploy]
flavor = keystone
"""


class Trusting:
    """The server, the clouds.yaml of those whom its Keystone knows, the ids of projects by their names, its URL."""

    def __init__(self, server, folder, url):
        self.server, self.folder, self.clouds_yaml, self.url = server, folder, folder / "clouds.yaml", url
        self.projects = json.loads((folder / "personas.json").read_text())["projects"]

    def token(self, persona):
        """A fresh token of one of them."""
        argv = [SCRIPT, "token", "--dir", self.folder, "--persona", persona]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout.split()[-1]

    def stop_keystone(self):
        subprocess.run([SCRIPT, "down", "--dir", self.folder], check=True, timeout=60)


@contextlib.contextmanager
def trusting(folder, settings=""):
    """Yields a `Trusting`; `settings` are added to the configuration of its server."""
    port, place = process.free_port(), folder / "keystone"
    done = subprocess.run([SCRIPT, "up", "--dir", place, "--image", f"http://127.0.0.1:{port}"], text=True,
                          stdout=subprocess.PIPE, timeout=600, check=True)
    url = done.stdout.split()[-1]
    try:
        conf = folder / "glance-api.conf"
        conf.write_text(TRUSTING.format(url=url) + settings)
        with Server(folder / "data", port, arguments=["--config-file", conf]) as running:
            yield Trusting(running, place, url)
    finally:
        subprocess.run([SCRIPT, "down", "--dir", place], check=True, timeout=60)
