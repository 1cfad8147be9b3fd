"""Validated tokens in a real memcached: what one node has had validated by Keystone, another one finds there, and so
does a service with keystonemiddleware."""

import contextlib
import json
import subprocess

import pytest

from harness import ROOT, Server, environments, free_port, keystone, process
from harness.doctor import only

SETTINGS = """
[keystone_authtoken]
memcached_servers = 127.0.0.1:{port}
memcache_security_strategy = {strategy}
memcache_secret_key = {secret}
memcache_pool_dead_retry = 1
memcache_pool_socket_timeout = 20
"""
SECRET = "a secret of all nodes"
STRATEGIES = ["None", "MAC", "ENCRYPT"]


class Memcached:
    """A server, until it is killed."""

    def __init__(self, folder):
        self.port = free_port()
        argv = ["memcached", "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-u", "nobody", "-vv"]
        log = folder / "memcached.log"
        self.process = process.start("memcached", argv, log, lambda: "server listening" in log.read_text())

    def kill(self):
        self.process.kill()
        self.process.wait()

    def middleware(self, verb, strategy, secret, *lines):
        """What keystonemiddleware's cache says."""
        argv = [environments.venv("glance") / "bin/python", ROOT / "tests/peers/token_cache.py", verb, str(self.port),
                strategy, secret]
        done = subprocess.run(argv, input="\n".join(lines), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def memcached(tmp_path):
    running = Memcached(tmp_path)
    yield running
    running.kill()


def settings(memcached, strategy, secret=SECRET):
    return SETTINGS.format(port=memcached.port, strategy=strategy, secret=secret)


@contextlib.contextmanager
def node(trusting, name, text):
    """One more server that asks the same Keystone, with other settings of memcached."""
    folder = trusting.folder.parent
    conf = folder / f"{name}.conf"
    conf.write_text(keystone.TRUSTING.format(url=trusting.url) + text)
    with Server(folder / name, arguments=["--config-file", conf]) as running:
        yield running


def status(server, token):
    return server.request("GET", "/v2/images", token=token).status


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nodes_and_keystonemiddleware_share_tokens(memcached, tmp_path, strategy):
    """With Keystone away, a node knows the tokens that another node or keystonemiddleware has brought; no others."""
    with keystone.trusting(tmp_path, settings(memcached, strategy)) as trusting:
        ours, theirs, unknown, mallory = (trusting.token("member") for _ in range(4))
        assert json.loads(memcached.middleware("get", strategy, SECRET, ours)) is None
        assert status(trusting.server, ours) == 200
        found = json.loads(memcached.middleware("get", strategy, SECRET, ours))
        assert found["token"]["project"]["id"] in trusting.projects.values() and found["token"]["expires_at"]
        # What keystonemiddleware keeps is what Keystone has answered.
        del found["token"]["vitrine_validated_at"]
        memcached.middleware("set", strategy, SECRET, theirs, json.dumps(found))
        memcached.middleware("set", strategy, "another secret", mallory, json.dumps(found))
        with node(trusting, "second", settings(memcached, strategy)) as second:
            trusting.stop_keystone()
            assert status(second, ours) == 200
            assert status(second, theirs) == 200
            assert status(second, unknown) == 503
            # Without a protection whoever writes to the memcached is believed, as by keystonemiddleware.
            assert status(second, mallory) == (200 if strategy == "None" else 503)
            log = second.log_tail(400) + trusting.server.log_tail(400)
            assert ("whoever can write to the memcached servers" in log) == (strategy == "None")
            assert SECRET not in log and ours not in log


def test_a_memcached_that_is_away_costs_nothing_but_questions(memcached, tmp_path):
    """Killed, its nodes ask Keystone, and the log says so once."""
    with keystone.trusting(tmp_path, settings(memcached, "ENCRYPT")) as trusting:
        assert status(trusting.server, trusting.token("member")) == 200
        memcached.kill()
        assert [status(trusting.server, trusting.token("member")) for _ in range(3)] == [200] * 3
        assert "memcached fails and is left alone" in trusting.server.log_tail(400)


def test_a_protection_needs_its_secret(memcached, tmp_path):
    """The server does not start with one that would protect nothing, and says which option is missing."""
    conf = tmp_path / "glance-api.conf"
    conf.write_text(keystone.TRUSTING.format(url="http://127.0.0.1:1/v3") + settings(memcached, "MAC", ""))
    server = Server(tmp_path / "data", arguments=["--config-file", conf])
    with pytest.raises(process.StartError, match="memcache_secret_key"):
        server.start()


def test_the_doctor_asks_each_server(memcached, tmp_path):
    """One that does not answer is found, whether or not Keystone does and another memcached is well."""
    conf = tmp_path / "doctor.conf"
    place = (tmp_path / "data", ["--config-file", conf])
    unreachable = ("keystone-unreachable", "failure")
    text = keystone.TRUSTING.format(url=f"http://127.0.0.1:{free_port()}") + settings(memcached, "MAC")
    conf.write_text(text)
    assert only("identity", place, code=1) == {unreachable}
    conf.write_text(text.replace("memcached_servers = ", f"memcached_servers = 127.0.0.1:{free_port()},"))
    assert only("identity", place, code=1) == {unreachable, ("memcached-silent", "warning")}
