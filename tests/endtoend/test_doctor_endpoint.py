"""What `vitrine doctor` finds out about Keystone, its catalogue, and proxies on the way from clients to the service."""

import contextlib
import email.utils
import http.server
import json
import signal
import subprocess
import threading
import time

import pytest

from harness import Server, balancers, client, databases, free_port, wait_for
from harness.doctor import argv, credentials, environment, images, only

CONF = """\
[keystone_authtoken]
auth_url = {url}
auth_type = password
username = glance
password = secret
project_name = service
user_domain_name = Default
project_domain_name = Default
[paste_deploy]
flavor = keystone
"""


# Keystone.

class Keystone(http.server.ThreadingHTTPServer):
    """One whose clock is so many seconds ahead, with image endpoints at these URLs by their interfaces."""

    daemon_threads = True

    def __init__(self, ahead=0, endpoints=None, status=201):
        super().__init__(("127.0.0.1", 0), Answering)
        self.ahead, self.endpoints, self.answer = ahead, endpoints or {}, status
        self.url = f"http://127.0.0.1:{self.server_port}/v3"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        endpoints = [{"interface": interface, "region": "RegionOne", "url": url}
                     for interface, url in self.server.endpoints.items()]
        body = json.dumps({"token": {"catalog": [{"type": "image", "endpoints": endpoints}]}}).encode()
        self.send_response_only(self.server.answer)
        self.send_header("Date", email.utils.formatdate(time.time() + self.server.ahead, usegmt=True))
        self.send_header("X-Subject-Token", "token")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def trusting(folder, url):
    """A place that asks this Keystone."""
    config = folder / "trusting.conf"
    config.write_text(CONF.format(url=url))
    return (folder / "data", ["--config-file", config])


def test_a_keystone_that_is_away(tmp_path):
    place = trusting(tmp_path, f"http://127.0.0.1:{free_port()}/v3")
    assert only("identity", place, code=1) == {("keystone-unreachable", "failure")}


def test_a_keystone_that_refuses(tmp_path):
    with Keystone(status=401) as keystone:
        assert only("identity", trusting(tmp_path, keystone.url), code=1) == {("login-refused", "failure")}


@pytest.mark.parametrize("ahead, found", [
    (0, set()), (30, {("clock-off", "warning")}), (-30, {("clock-off", "warning")}),
    (120, {("clock-wrong", "failure")}), (-120, {("clock-wrong", "failure")})])
def test_the_clock_of_keystone(tmp_path, server, ahead, found):
    with Keystone(ahead, {"public": server.url}) as keystone:
        code = int(abs(ahead) > 60)
        assert only("identity", trusting(tmp_path, keystone.url), code=code) == found


def test_endpoints_that_lead_nowhere(tmp_path, server):
    """Each endpoint of the catalogue is asked; a version at its end is none of its name."""
    with Keystone() as keystone:
        assert only("identity", trusting(tmp_path, keystone.url)) == {("endpoint-missing", "warning")}
        keystone.endpoints = {"public": f"{server.url}/v2/", "internal": f"http://127.0.0.1:{free_port()}"}
        assert only("identity", trusting(tmp_path, keystone.url)) == {("endpoint-dead", "warning")}
        keystone.endpoints["internal"] = keystone.url
        assert only("identity", trusting(tmp_path, keystone.url)) == {("endpoint-dead", "warning")}
        keystone.endpoints["internal"] = server.url
        assert only("identity", trusting(tmp_path, keystone.url)) == set()


# The way to the service.

class Proxy(balancers.Nginx):
    """nginx as the handbook has it, but for some directives; `None` leaves one out, and `port` is where it leads."""

    GOOD = {"client_max_body_size": "0", "proxy_http_version": "1.1", "proxy_set_header": "Host $http_host",
            "proxy_request_buffering": "off", "proxy_buffering": "off"}

    def __init__(self, server, port=None, **directives):
        super().__init__([server])
        self.to, self.directives = port or server.port, self.GOOD | directives

    def configured(self):
        lines = "".join(f"{name} {value};\n" for name, value in self.directives.items() if value is not None)
        return (f"server {{ listen 127.0.0.1:{self.port};\n{lines}"
                f"location / {{ proxy_pass http://127.0.0.1:{self.to}; }} }}")

    def _answers(self):
        with contextlib.suppress(OSError):
            return bool(client.request(self.port, "GET", "/versions"))
        return False


WAYS = {
    "as it should be": ({}, [], set()),
    "body limit": ({"client_max_body_size": "1m"}, [], {("body-limit", "failure")}),
    "body limit, buffered": ({"client_max_body_size": "1m", "proxy_request_buffering": "on"}, [],
                             {("body-limit", "failure"), ("proxy-buffers", "warning")}),
    "another host": ({"proxy_set_header": "Host backend.internal"}, [], {("links-wrong", "failure")}),
    "buffers": ({"proxy_request_buffering": "on"}, [], {("proxy-buffers", "warning")}),
    "HTTP/1.0": ({"proxy_http_version": "1.0"}, [], {("proxy-buffers", "warning")}),
    "a header is dropped": ({"proxy_hide_header": "Content-MD5"}, [], {("header-dropped", "warning")}),
    "no ranges": ({"proxy_set_header": "Host $http_host; proxy_set_header Range ''"}, [],
                  {("range-ignored", "warning")}),
    "impatient": ({"client_body_timeout": "1s"}, ["--upload-pause", 4], {("proxy-timeout", "failure")}),
}


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    """A server that proxies stand before."""
    with Server(tmp_path_factory.mktemp("behind") / "data", database=databases.Embedded()) as running:
        yield running


@pytest.mark.parametrize("way", WAYS)
def test_what_proxies_do(behind, way):
    """Each fault of a proxy has its name, and whatever happens the image is gone."""
    directives, words, found = WAYS[way]
    with Proxy(behind, **directives) as proxy:
        code = int(any(severity == "failure" for _, severity in found))
        url = f"http://127.0.0.1:{proxy.port}"
        words = ["--endpoint", url, "--upload-size", 8, *words]
        told = only("endpoint", behind, *words, env=credentials(behind), code=code)
    assert told == found
    assert images(behind) == []


def test_a_proxy_without_a_server(behind):
    with Proxy(behind, port=free_port()) as proxy:
        words = ["--endpoint", f"http://127.0.0.1:{proxy.port}"]
        assert only("endpoint", behind, *words, code=1) == {("endpoint-not-ours", "failure")}
    assert only("endpoint", behind, *words, code=1) == {("endpoint-unreachable", "failure")}


def test_an_endpoint_of_another_service(tmp_path, behind):
    """The image is not in the database of the configuration."""
    with Server(tmp_path / "data", database=databases.Embedded()) as other:
        told = only("endpoint", behind, "--endpoint", other.url, env=credentials(other), code=1)
        assert told == {("endpoint-elsewhere", "failure")}
        assert images(other) == []


def test_credentials_of_nobody(behind):
    env = {"OS_AUTH_URL": f"{behind.url}/identity/v3", "OS_USERNAME": "demo", "OS_PASSWORD": "wrong",
           "OS_USER_DOMAIN_ID": "default", "OS_PROJECT_NAME": "demo", "OS_PROJECT_DOMAIN_ID": "default"}
    assert only("endpoint", behind, env=env, code=1) == {("login-refused", "failure")}
    assert only("endpoint", behind, "--os-token", "wrong", code=1) == {("create-refused", "failure")}
    assert only("endpoint", behind, env=credentials(behind) | {"OS_CLOUD": "none"}, code=1) == {
        ("credentials-unreadable", "failure")}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_trial_leaves_nothing(behind, number):
    """Whoever ends it in the middle of the upload finds no image afterwards, in the trash neither."""
    words = argv(behind, "--only", "endpoint", "--upload-pause", 600)
    with subprocess.Popen(words, env=environment(credentials(behind)), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:
        wait_for("the upload is under way", lambda: [one for one in images(behind) if one["status"] == "saving"])
        process.send_signal(number)
        _, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (130, "vitrine: interrupted\n")
    assert images(behind) == []
    assert behind.request("GET", "/ext/v1/trash").expect(200).json["images"] == []


def test_the_trash_is_left_too(tmp_path):
    """Where deleted images go into the trash, that of the trial does not stay there."""
    config = tmp_path / "vitrine.conf"
    config.write_text("[vitrine]\ntrash_days = 1\n")
    with Server(tmp_path / "data", arguments=["--config-file", config], database=databases.Embedded()) as server:
        admin = credentials(server) | {"OS_CLOUD": "vitrine-admin"}
        assert only("endpoint", server, "--upload-size", 1, env=admin) == set()
        token, _ = server.login("vitrine-admin")
        assert server.request("GET", "/ext/v1/trash", token=token).expect(200).json["images"] == []
