"""No secret is ever written into the log or a trace: flows of every kind at the level of most words, then a search for
each secret that they used."""

import base64
import re
import urllib.parse

import pytest

from harness import Server, certificates, process, sources, tokens
from harness.collector import Collector

CONFIG = """
[DEFAULT]
log_file = {folder}/api.log
debug = true
default_log_levels = root=TRACE
use_json = {json}
enabled_backends = files:file, buckets:s3, containers:swift
transport_url = rabbit://glance:{transport}@127.0.0.1:{closed}/
[glance_store]
default_backend = files
[files]
filesystem_store_datadir = {folder}/files
[buckets]
s3_store_host = http://127.0.0.1:{closed}
s3_store_bucket = images
s3_store_access_key = {access}
s3_store_secret_key = {s3}
[containers]
swift_store_auth_version = 3
swift_store_auth_address = http://127.0.0.1:{closed}/v3
swift_store_user = service:glance
swift_store_key = {swift}
[keystone_authtoken]
password = {keystone}
[import_filtering_opts]
allowed_ports = []
allowed_networks = ['127.0.0.0/8']
[vitrine]
tls_cert_file = {certificate}
tls_key_file = {key}
listen = http://127.0.0.1:{port}, https://127.0.0.1:{secure}
trace_endpoint = {collector}
trace_headers = authorization:{trace}
[profiler]
enabled = true
hmac_keys = {profiler}
"""
KINDS = ("transport", "access", "s3", "swift", "keystone", "wrong", "source", "signature", "unknown", "service",
         "trace", "profiler")


class Talkative(Server):
    """A server that logs everything; `secrets` has what it must not say, by what each is for."""

    def __init__(self, folder, use_json, collector):
        port = process.free_port()
        authority = certificates.Authority(folder, "authority")
        certificate, key = authority.issue(folder, "server", ["127.0.0.1"])
        self.folder = folder
        self.secrets = {kind: f"{kind}Secret{number}Xq7" for number, kind in enumerate(KINDS)}
        config = folder / "vitrine.conf"
        ports = {"port": port, "secure": process.free_port(), "closed": process.free_port()}
        config.write_text(CONFIG.format(folder=folder, certificate=certificate, key=key, json=str(use_json).lower(),
                                        collector=collector.url, **ports, **self.secrets))
        super().__init__(folder / "data", port=port, arguments=["--config-file", config])
        self.secrets["key of TLS"] = key.read_text().splitlines()[1]

    def argv(self):
        argv = super().argv()
        at = argv.index("--bind")
        return argv[:at] + argv[at + 2:]

    def logged(self):
        return (self.folder / "api.log").read_text()


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture(params=[False, True], ids=["text", "json"])
def talkative(request, tmp_path, collector):
    with Talkative(tmp_path, request.param, collector) as server:
        yield server


def log_in(server):
    """Logins that succeed and fail; what came of them is a secret."""
    for cloud in ("vitrine", "vitrine-admin"):
        section = tokens.cloud(server.clouds_yaml.read_text(), cloud)
        server.secrets[f"password of {cloud}"] = section["password"]
        server.secrets[f"token of {cloud}"], _ = server.login(cloud)
    user = {"name": "demo", "password": server.secrets["wrong"], "domain": tokens.DOMAIN}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    server.request("POST", "/identity/v3/auth/tokens", body, token="").expect(401)
    admin = server.secrets["token of vitrine-admin"]
    subject = {"X-Subject-Token": server.secrets["token of vitrine"]}
    server.request("GET", "/identity/v3/auth/tokens", headers=subject, token=admin).expect(200)
    server.request("GET", "/v2/images", token=server.secrets["unknown"]).expect(401)
    server.request("GET", "/v2/images", headers={"X-Service-Token": server.secrets["service"]})
    server.request("DELETE", "/identity/v3/auth/tokens", headers=subject, token=admin).expect(204)


def move_data(server, source):
    """Uploads to stores that are there and that are away, imports from a URL with secrets, downloads, a webhook."""
    image = server.create()
    server.put(image, b"data").expect(204)
    assert server.download(image) == b"data"
    for store in ("buckets", "containers"):
        headers = {"Content-Type": "application/octet-stream", "X-Image-Meta-Store": store}
        answer = server.request("PUT", f"/v2/images/{server.create()}/file", b"data", headers)
        assert answer.status >= 400
    where = urllib.parse.urlsplit(source.url)
    url = f"http://{where.netloc}/disk.raw?signature={server.secrets['signature']}"
    login = url.replace("//", f"//user:{server.secrets['source']}@")
    server.request("POST", f"/v2/images/{server.create()}/import",
                   {"method": {"name": "web-download", "uri": login}}).expect(400)
    for path in (url, url.replace("disk.raw", "absent")):
        image = server.create()
        server.request("POST", f"/v2/images/{image}/import",
                       {"method": {"name": "web-download", "uri": path}}).expect(202)
        server.finished_import(image)
    hook = {"url": f"http://127.0.0.1:{process.free_port()}/?signature={server.secrets['signature']}",
            "events": ["image.create"]}
    made = server.request("POST", "/ext/v1/webhooks", hook)
    if made.status < 300:
        server.secrets["webhook"] = made.json["webhook"]["secret"]
    server.create()


def test_no_secret_is_logged(talkative, collector, tmp_path):
    """Each secret, as it is and as Base64 has it, is absent from all that the server wrote, and from its spans."""
    served = tmp_path / "served"
    served.mkdir()
    (served / "disk.raw").write_bytes(b"x" * 4096)
    log_in(talkative)
    with sources.Folder(served) as source:
        move_data(talkative, source)
    wanted = {"store.write", "webhook", "PUT /v2/images/{id}/file"}
    process.wait_for("spans of each kind", lambda: wanted <= {span.name for span in collector.spans()})
    assert talkative.terminate() == 0
    assert collector.headers[0]["authorization"] == talkative.secrets["trace"]
    traced = "\n".join(body.decode(errors="replace") for body in collector.bodies)
    text = talkative.logged() + talkative.log.read_text() + traced
    assert re.search(r"\bTRACE\b", text) and "access" in text, "the log says too little to prove anything"
    assert "webhook" in talkative.secrets
    leaked = {}
    for what, secret in talkative.secrets.items():
        forms = [secret, urllib.parse.quote(secret), base64.b64encode(secret.encode()).decode().rstrip("=")[:-1],
                 base64.b64encode(f"user:{secret}".encode()).decode().rstrip("=")[:-1]]
        found = [line for line in text.splitlines() if any(form in line for form in forms)]
        if found:
            leaked[what] = found[0][:400]
    assert leaked == {}
