"""TLS to the database: a server is believed by its certificate, and by the name in it where the URL asks for that."""

import dataclasses
import pathlib
import subprocess

import pytest

from harness import binary, certificates, databases, process

# The name and the address by which a server is reached, and what another may be called.
HERE, ELSEWHERE = "127.0.0.1", "db.example"
WORDS = {databases.POSTGRESQL: ("certificate verify failed", "does not match host name"),
         databases.MARIADB: ("certificate", "Validation of SSL server certificate failed")}


@dataclasses.dataclass
class Secured:
    """A database behind TLS, the authority that vouches for it, and one that does not."""

    kind: str
    database: databases.Database
    right: certificates.Authority
    wrong: certificates.Authority
    folder: pathlib.Path

    def url(self, authority, name_matters):
        mode, check = ("verify-full", "true") if name_matters else ("verify-ca", "false")
        options = (f"sslmode={mode}&sslrootcert={authority.file}" if self.kind == databases.POSTGRESQL
                   else f"ssl_ca={authority.file}&ssl_verify_cert=true&ssl_verify_identity={check}")
        return f"{self.database.url}?{options}"

    def reached(self, url):
        """(whether a command reaches the database, what it says)."""
        config = self.folder / "vitrine.conf"
        config.write_text(f"[database]\nconnection = {url}\nmax_retries = 1\n")
        done = subprocess.run([binary(), "db", "version", "--config-file", config], capture_output=True, text=True,
                              timeout=process.PATIENCE_S)
        return done.returncode == 0, done.stderr + done.stdout


def secured(kind, folder, names):
    right, wrong = (certificates.Authority(folder, name) for name in ("right", "wrong"))
    made = databases.Postgresql if kind == databases.POSTGRESQL else databases.Mariadb

    def certificate(place):
        authority = place / "authority.pem"
        authority.write_bytes(right.file.read_bytes())
        return *right.issue(place, "server", names), authority

    private = made(certificate=certificate)
    return Secured(kind, private.create(), right, wrong, folder)


@pytest.fixture(scope="module", params=[databases.POSTGRESQL, databases.MARIADB])
def here(request, tmp_path_factory):
    """A server whose certificate has its address."""
    return secured(request.param, tmp_path_factory.mktemp("here"), [HERE])


@pytest.fixture(scope="module", params=[databases.POSTGRESQL, databases.MARIADB])
def elsewhere(request, tmp_path_factory):
    """A server whose certificate is another's."""
    return secured(request.param, tmp_path_factory.mktemp("elsewhere"), [ELSEWHERE])


def test_the_right_authority_and_name(here):
    assert here.reached(here.url(here.right, name_matters=True)) == (True, "none\n")


@pytest.mark.parametrize("name_matters", [False, True])
def test_the_wrong_authority(here, name_matters):
    reached, said = here.reached(here.url(here.wrong, name_matters))
    assert not reached and WORDS[here.kind][0] in said, said


def test_the_name_of_another(elsewhere):
    """It is refused where the name matters, and believed where the authority alone counts."""
    reached, said = elsewhere.reached(elsewhere.url(elsewhere.right, name_matters=True))
    assert not reached and WORDS[elsewhere.kind][1] in said, said
    assert elsewhere.reached(elsewhere.url(elsewhere.right, name_matters=False)) == (True, "none\n")


def test_an_authority_of_an_option_file(tmp_path):
    """Where a file of MySQL's clients names the authority, the name in the certificate counts too, unless the URL says
    that it does not."""
    other = secured(databases.MARIADB, tmp_path, [ELSEWHERE])
    options = tmp_path / "my.cnf"
    options.write_text(f"[client]\nssl-ca={other.right.file}\nssl=1\n")
    url = f"{other.database.url}?read_default_file={options}"
    reached, said = other.reached(url)
    assert not reached and WORDS[databases.MARIADB][1] in said, said
    assert other.reached(f"{url}&ssl_verify_identity=false") == (True, "none\n")


@pytest.mark.parametrize("kind", [databases.POSTGRESQL, databases.MARIADB])
def test_a_server_without_tls(tmp_path, kind):
    """Nothing is sent in the clear to a server that offers nothing else."""
    authority = certificates.Authority(tmp_path, "right")
    database = (databases.postgresql if kind == databases.POSTGRESQL else databases.mariadb)().create()
    plain = Secured(kind, database, authority, authority, tmp_path)
    assert plain.reached(plain.database.url)[0]
    reached, said = plain.reached(plain.url(authority, name_matters=False))
    assert not reached and ("SSL" in said or "TLS" in said), said


def test_a_certificate_of_ours(tmp_path):
    """A MariaDB that asks who we are is shown `ssl_cert`, and refuses who shows none."""
    ours = secured(databases.MARIADB, tmp_path, [HERE])
    server = ours.database.server
    server.run(*server.client, "CREATE USER 'known'@'127.0.0.1' REQUIRE X509; GRANT ALL ON *.* TO 'known'@'127.0.0.1'")
    url = ours.url(ours.right, name_matters=True).replace("vitrine@", "known@")
    assert not ours.reached(url)[0]
    certificate, key = ours.right.issue(tmp_path, "client")
    assert ours.reached(f"{url}&ssl_cert={certificate}&ssl_key={key}") == (True, "none\n")
