"""Signed images and keys of volumes, side by side with a real Glance: both ask the same Keystone and Barbican."""

import base64
import itertools
import subprocess
import sys

import pytest

from harness import ROOT, binary, client, free_port, wait_for

sys.path.append(str(ROOT / "tests/peers"))

import image_service
import peer
import personas

DATA, OTHER = b"the data of an image" * 5000, b"the data of an imagf" * 5000
OPTIONS = ["key_manager.backend=barbican", "barbican.auth_endpoint={keystone}",
           "barbican.barbican_region_name=RegionOne", "barbican.barbican_endpoint_type=internal"]
HASHES = ("SHA-224", "SHA-256", "SHA-384", "SHA-512")
# Of each type of key, what `openssl genpkey` is told. DSA wants parameters first.
KEYS = {"RSA-PSS": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "DSA": ["-paramfile", "dsa.pem"],
        **{f"ECC_{curve}": ["-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve.lower()}"]
           for curve in ("SECP384R1", "SECP521R1", "SECT409K1", "SECT409R1", "SECT571K1", "SECT571R1")}}
# The library of the real Glance has no binary curves any more; cursive refuses what Vitrine takes.
BINARY = [kind for kind in KEYS if "SECT" in kind]
NAMES = ("img_signature", "img_signature_hash_method", "img_signature_key_type", "img_signature_certificate_uuid")


class Cloud:
    """Keystone, Barbican, and both image services; what a member of project alpha keeps and sends."""

    def __init__(self, folder):
        self.folder, self.ports = folder, {"glance": free_port(), "vitrine": free_port()}
        self.barbican = f"http://127.0.0.1:{free_port()}"
        self.keys = folder / "keys"
        self.keys.mkdir()
        self.openssl("genpkey", "-genparam", "-algorithm", "DSA", "-pkeyopt", "dsa_paramgen_bits:2048",
                     "-out", "dsa.pem")
        (self.keys / "data").write_bytes(DATA)

    def peer(self, name, *words):
        done = subprocess.run([ROOT / "tests/peers" / name, *words], text=True, stdout=subprocess.PIPE, timeout=600)
        assert done.returncode == 0
        return done.stdout.strip()

    def start(self):
        self.keystone = self.peer("keystone", "up", "--dir", self.folder / "keystone",
                                  "--image", f"http://127.0.0.1:{self.ports['vitrine']}",
                                  "--image", f"key-manager={self.barbican}")
        (self.folder / "barbican").mkdir()
        self.peer("barbican", "up", "--dir", self.folder / "barbican", "--port", self.barbican.rsplit(":", 1)[1],
                  "--keystone", self.keystone)
        image_service.start_glance(self.folder / "glance", self.ports["glance"], self.keystone, OPTIONS)
        image_service.start_vitrine(self.folder / "vitrine", self.ports["vitrine"], self.keystone, binary(), OPTIONS)

    def stop(self):
        for name in ("glance", "vitrine"):
            image_service.stop(self.folder / name)
        peer.stop("barbican", self.folder / "barbican")
        peer.stop("keystone", self.folder / "keystone")

    def login(self, persona="member"):
        answer, _ = client.must("POST", f"{self.keystone}/auth/tokens", personas.token_request(persona))
        return answer["X-Subject-Token"]

    def openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.keys, check=True, capture_output=True, timeout=120)

    def keep(self, kind, payload, token=None):
        """Stores a secret in Barbican; its id."""
        body = {"name": kind, "secret_type": kind, "payload": base64.b64encode(payload).decode(),
                "payload_content_type": "application/octet-stream", "payload_content_encoding": "base64"}
        _, made = client.must("POST", f"{self.barbican}/v1/secrets", body, {"X-Auth-Token": token or self.login()})
        return made["secret_ref"].rsplit("/", 1)[1]

    def secret(self, key):
        """The status with which Barbican answers for a secret."""
        return client.call("GET", f"{self.barbican}/v1/secrets/{key}", None,
                           {"X-Auth-Token": self.login(), "Accept": "application/json"})[0]

    def certificate(self, kind):
        """Makes a key and a certificate for it, which Barbican keeps; its id."""
        self.openssl("genpkey", *KEYS[kind], "-out", f"{kind}.key")
        self.openssl("req", "-x509", "-new", "-key", f"{kind}.key", "-days", "2", "-subj", "/CN=publisher",
                     "-out", f"{kind}.pem")
        return self.keep("certificate", (self.keys / f"{kind}.pem").read_bytes())

    def sign(self, kind, method):
        """The signature of the data, in base64."""
        pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:max"] if kind == "RSA-PSS" else []
        name = method.lower().replace("-", "")
        self.openssl("dgst", f"-{name}", "-sign", f"{kind}.key", *pss, "-out", "signature", "data")
        return base64.b64encode((self.keys / "signature").read_bytes()).decode()

    def ask(self, service, method, path, body=None, headers=None):
        kind = {"Content-Type": "application/octet-stream"} if isinstance(body, bytes) else {}
        return client.request(self.ports[service], method, f"/v2/images{path}", body,
                              {"X-Auth-Token": self.token} | kind | (headers or {}))

    def create(self, service, **fields):
        body = {"name": "signed", "disk_format": "raw", "container_format": "bare"} | fields
        return self.ask(service, "POST", "", body).expect(201).json["id"]

    def show(self, service, image):
        shown = self.ask(service, "GET", f"/{image}").expect(200).json
        return shown["status"], shown["size"]

    def uploaded(self, service, data, **fields):
        """What becomes of an upload: its status, the image's, and its size."""
        image = self.create(service, **fields)
        status = self.ask(service, "PUT", f"/{image}/file", data).status
        return status, *self.show(service, image)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    made = Cloud(tmp_path_factory.mktemp("signed"))
    try:
        made.start()
        made.token = made.login()
        made.certificates = {kind: made.certificate(kind) for kind in KEYS}
        yield made
    finally:
        made.stop()


TAKEN, REFUSED = (204, "active", len(DATA)), (400, "queued", None)


@pytest.mark.parametrize("kind", KEYS)
def test_signatures_of_each_key_are_verified(cloud, kind):
    """Over each hash: signed data is taken, other data refused, by both services alike where Glance's library has the
    curve; what it has not it refuses, and Vitrine verifies."""
    for method in HASHES:
        fields = dict(zip(NAMES, (cloud.sign(kind, method), method, kind, cloud.certificates[kind])))
        for data, expected in ((DATA, TAKEN), (OTHER, REFUSED)):
            assert cloud.uploaded("vitrine", data, **fields) == expected, method
            theirs = REFUSED if kind in BINARY else expected
            assert cloud.uploaded("glance", data, **fields) == theirs, method


def test_both_take_and_refuse_alike(cloud):
    """What is wrong in other ways is refused, and an incomplete signature is none."""
    own = cloud.certificates["RSA-PSS"]
    good = dict(zip(NAMES, (cloud.sign("RSA-PSS", "SHA-256"), "SHA-256", "RSA-PSS", own)))
    foreign = cloud.keep("certificate", (cloud.keys / "RSA-PSS.pem").read_bytes(), cloud.login("omember"))
    opaque = cloud.keep("opaque", b"nothing")
    short = good["img_signature"][:-4]
    cases = [{"img_signature": value} for value in ("", "x", "!!", short, "\n".join(good["img_signature"]))]
    cases += [{"img_signature_hash_method": value} for value in ("MD5", "sha256", "SHA-512")]
    cases += [{"img_signature_key_type": value} for value in ("RSA", "DSA", "ECC_SECP384R1", "ECC_SECP256R1")]
    cases += [{"img_signature_certificate_uuid": value} for value in (
        foreign, opaque, "00000000-0000-4000-8000-000000000000", own.replace("-", ""),
        f"https://elsewhere/v1/secrets/{own}")]
    for case in cases:
        results = {service: cloud.uploaded(service, DATA, **good | case) for service in cloud.ports}
        assert results["vitrine"] == results["glance"], case
        assert results["vitrine"] in (TAKEN, REFUSED), case
    for count in range(4):
        for names in itertools.combinations(NAMES, count):
            fields = {name: good[name] for name in names}
            for service in cloud.ports:
                assert cloud.uploaded(service, OTHER, **fields) == TAKEN, (service, names)


def test_imports_are_verified(cloud):
    """What is staged and imported is taken or refused as an upload is; of what is refused nothing stays. The real
    Glance leaves such an image `importing`, as after any import that fails."""
    fields = dict(zip(NAMES, (cloud.sign("DSA", "SHA-384"), "SHA-384", "DSA", cloud.certificates["DSA"])))
    for data, ends, left in ((DATA, "success", "active"), (OTHER, "failure", "queued")):
        for service in cloud.ports:
            image = cloud.create(service, **fields)
            cloud.ask(service, "PUT", f"/{image}/stage", data).expect(204)
            cloud.ask(service, "POST", f"/{image}/import", {"method": {"name": "glance-direct"}}).expect(202)

            def task(service=service, image=image):
                return cloud.ask(service, "GET", f"/{image}/tasks").expect(200).json["tasks"][0]["status"]
            wait_for("the import is over", lambda task=task: task() in ("success", "failure"))
            assert task() == ends, service
            if service == "vitrine":
                assert cloud.show(service, image) == (left, len(data) if left == "active" else None)
    staging = cloud.folder / "vitrine/staging"
    wait_for("staged data is removed", lambda: not list(staging.glob("[!.]*")))


def test_keys_go_with_their_images(cloud):
    """The key of an encrypted volume is deleted with the image where it says so, and stays otherwise."""
    for policy, left in (("on_image_deletion", 404), ("do_not_delete", 200), (None, 200)):
        for service in cloud.ports:
            key = cloud.keep("symmetric", b"0123456789abcdef")
            fields = {"cinder_encryption_key_id": key}
            if policy:
                fields["cinder_encryption_key_deletion_policy"] = policy
            image = cloud.create(service, **fields)
            cloud.ask(service, "DELETE", f"/{image}").expect(204)
            assert cloud.secret(key) == left, (service, policy)


def test_sec_24_without_barbican_nothing_is_taken(cloud):
    """While Barbican is away signed data is refused, by both alike; the log says why, and has no token."""
    fields = dict(zip(NAMES, (cloud.sign("DSA", "SHA-256"), "SHA-256", "DSA", cloud.certificates["DSA"])))
    peer.stop("barbican", cloud.folder / "barbican")
    for service in cloud.ports:
        assert cloud.uploaded(service, DATA, **fields) == REFUSED, service
    log = (cloud.folder / "vitrine/vitrine.log").read_text()
    assert "does not answer" in log and cloud.token not in log
