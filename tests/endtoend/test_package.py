"""The Debian packages: built twice alike, and installed, upgraded, removed and purged on a machine with systemd.

That machine is a copy of this one, which has the libraries, or of the file system that PACKAGE_BASE names: `make
package-walk` goes the same way on a bare Debian. PACKAGE_BEFORE names a package to upgrade from.
"""

import configparser
import json
import os
import pathlib
import re
import subprocess

import pytest

from harness import ROOT, Server, binary, environments, wait_for
from harness.machine import Machine, build

# The second is newer than any package of this version that is built before its release.
OLD, NEW = "0.0.1", "9"
CONFIGURATION = "/etc/vitrine/vitrine.conf"
CONVERSION = """[DEFAULT]
enabled_import_methods = [glance-direct]
[image_import_opts]
image_import_plugins = [image_conversion]
[image_conversion]
output_format = raw
[vitrine]
converter_confinement = required
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Those of two versions."""
    return {version: build(tmp_path_factory.mktemp(version), version) for version in (OLD, NEW)}


@pytest.fixture(scope="module")
def tree(packages, tmp_path_factory):
    """What is in the package of the server."""
    folder = tmp_path_factory.mktemp("tree")
    subprocess.run(["dpkg-deb", "--extract", packages[NEW]["vitrine"], folder], check=True)
    return folder


@pytest.fixture
def machine(tmp_path, packages):
    """A machine with the packages in /srv, not installed."""
    before = os.environ.get("PACKAGE_BEFORE")
    with Machine(tmp_path / "machine", os.environ.get("PACKAGE_BASE", "/")) as running:
        for version, files in packages.items():
            for package, path in files.items():
                running.put(f"/srv/{package}-{version}.deb", path.read_bytes())
        if before:
            running.put(f"/srv/vitrine-{OLD}.deb", pathlib.Path(before).read_bytes())
        yield running


def install(machine, *names):
    return machine.run("dpkg", "--install", *(f"/srv/{name}.deb" for name in names))


def property_of(machine, name):
    """What the service manager knows of the service."""
    return machine.run("systemctl", "show", "vitrine", f"--property={name}", "--value").strip()


def reached(machine, tmp_path):
    """The installed server, as those of other tests are spoken to."""
    server = Server(tmp_path / "reached", port=machine.relay(9292))
    server.data_dir.mkdir()
    server.clouds_yaml.write_text(machine.run("cat", "/var/lib/vitrine/clouds.yaml"))
    return server


def test_two_builds_are_equal(packages, tmp_path):
    """Whatever the zone, the mask, the language and the folder are; and the time is the commit's or the one named."""
    before = os.umask(0o077)
    try:
        again = build(tmp_path / "elsewhere", NEW, TZ="Asia/Tokyo", LC_ALL="C", TMPDIR=str(tmp_path))
    finally:
        os.umask(before)
    for package, path in packages[NEW].items():
        assert again[package].read_bytes() == path.read_bytes(), package
    dated = build(tmp_path / "dated", NEW, SOURCE_DATE_EPOCH="86400")
    listed = subprocess.run(["dpkg-deb", "--contents", dated["vitrine"]], check=True, capture_output=True,
                            text=True).stdout
    assert {line.split()[3] for line in listed.splitlines()} == {"1970-01-02"}


def test_lintian_finds_nothing(packages):
    done = subprocess.run(["lintian", "--allow-root", "--fail-on=error,warning", *packages[NEW].values()],
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_every_command_has_a_page_and_completions(tree):
    """The pages are well formed, and the shells know what the parser knows."""
    folder = tree / "usr/share/man/man1"
    pages = {path.name.removesuffix(".1.gz") for path in folder.iterdir()}
    listed = subprocess.run([binary(), "--help"], check=True, capture_output=True, text=True).stdout
    commands = re.findall(r"^  ([a-z-]+) ", listed.split("Commands:")[1], re.MULTILINE)
    assert {f"vitrine-{name}" for name in commands if name != "help"} < pages and "vitrine-db-sync" in pages
    assert "vitrine-confine" not in pages, "it is the server's own"
    done = subprocess.run(["man", "--warnings", "--local-file", *sorted(folder.iterdir())], capture_output=True,
                          text=True, env=os.environ | {"MANROFFSEQ": "", "MANWIDTH": "120", "LC_ALL": "C.UTF-8"})
    assert (done.returncode, done.stderr) == (0, "")
    bash = tree / "usr/share/bash-completion/completions/vitrine"
    script = (f'. {bash}; COMP_WORDS=(vitrine store rec); COMP_CWORD=2; _vitrine vitrine rec store; '
              'echo "${COMPREPLY[@]}"')
    offered = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True).stdout
    assert offered.split() == ["reconcile"]
    for path in ("zsh/vendor-completions/_vitrine", "fish/vendor_completions.d/vitrine.fish"):
        assert "reconcile" in (tree / "usr/share" / path).read_text()


def test_the_bill_names_what_is_in_the_program(tree):
    """Each crate once, with hash and licence; all that is referred to is there; nothing that only tests use."""
    bill = json.loads((tree / "usr/share/doc/vitrine/sbom.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    rows = {row["bom-ref"]: row for row in bill["components"]}
    assert len(rows) == len(bill["components"])
    assert all(row["hashes"] and row["licenses"] for row in rows.values())
    program = bill["metadata"]["component"]["bom-ref"]
    links = {link["ref"]: link["dependsOn"] for link in bill["dependencies"]}
    assert set(links) == {*rows, program} and {of for ofs in links.values() for of in ofs} == set(rows)
    names = {row["name"] for row in rows.values()}
    assert {"actix-web", "diesel", "openssl"} < names and not names & {"criterion", "proptest"}


def test_a_life_on_a_machine(machine, tmp_path):
    """Installed it serves; an upgrade, a removal and a purge keep data; what the administrator changed stays."""
    install(machine, f"vitrine-{OLD}")
    assert property_of(machine, "ActiveState") == "active", "the installation waits until it is ready"
    assert property_of(machine, "StatusText") == "Serving images"
    server = reached(machine, tmp_path)
    image = server.create()
    server.put(image, b"data").expect(204)
    owners = machine.run("stat", "--format=%n %U:%G %a", "/etc/vitrine", CONFIGURATION, "/var/lib/vitrine",
                         f"/var/lib/vitrine/images/{image}")
    assert owners.splitlines() == ["/etc/vitrine root:vitrine 750", f"{CONFIGURATION} root:vitrine 640",
                                   "/var/lib/vitrine vitrine:vitrine 700",
                                   f"/var/lib/vitrine/images/{image} vitrine:vitrine 600"]
    changes = ("echo '# changed' >>", "chmod 600", "chown vitrine")
    machine.run("sh", "-ec", "; ".join(f"{change} {CONFIGURATION}" for change in changes))
    first = property_of(machine, "MainPID")
    install(machine, f"vitrine-{NEW}")
    assert property_of(machine, "MainPID") not in {"0", first}, "the upgrade restarts it"
    assert server.download(image) == b"data"
    assert machine.run("tail", "-n1", CONFIGURATION) == "# changed\n"
    assert machine.run("stat", "--format=%U %a", CONFIGURATION) == "vitrine 600\n"

    machine.run("dpkg", "--remove", "vitrine")
    assert property_of(machine, "ActiveState") == "inactive"
    assert machine.exists(CONFIGURATION) and not machine.exists("/usr/bin/vitrine")
    machine.run("dpkg", "--purge", "vitrine")
    assert not machine.exists("/etc/vitrine")
    assert machine.run("find", "/etc/systemd", "/var/lib/systemd", "-name", "*vitrine*") == ""
    install(machine, f"vitrine-{NEW}")
    assert server.download(image) == b"data", "images outlive a purge"

    machine.run("systemctl", "disable", "--now", "vitrine")
    install(machine, f"vitrine-{NEW}")
    assert (property_of(machine, "ActiveState"), property_of(machine, "UnitFileState")) == ("inactive", "disabled")
    machine.run("debconf-set-selections", data=b"vitrine vitrine/remove-data boolean true\n")
    machine.run("dpkg", "--purge", "vitrine")
    assert not machine.exists("/var/lib/vitrine"), "unless they are to go, too"


def test_the_unit_is_tight_and_its_service_works(machine, tmp_path):
    """The exposure is 2.0 at most; a converter runs in its confinement all the same, and a stuck server is replaced."""
    install(machine, f"vitrine-{NEW}")
    unit = "/lib/systemd/system/vitrine.service"
    assert machine.run("systemd-analyze", "verify", unit) == ""
    machine.run("systemd-analyze", "security", "--offline=true", "--threshold=20", unit)
    machine.put("/etc/vitrine/conf.d/conversion.conf", CONVERSION.encode())
    machine.run("mkdir", "/etc/systemd/system/vitrine.service.d")
    machine.put("/etc/systemd/system/vitrine.service.d/watchdog.conf", b"[Service]\nWatchdogSec=10\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "vitrine")
    disk = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "1M"], check=True)
    server = reached(machine, tmp_path)
    image = server.create(disk_format="qcow2")
    server.put(image, disk.read_bytes(), "stage").expect(204)
    server.begin_import(image, {"name": "glance-direct"})
    assert server.finished_import(image)["status"] == "success"
    assert server.show(image)["disk_format"] == "raw" and server.download(image) == bytes(1 << 20)

    def told():
        return int(property_of(machine, "WatchdogTimestampMonotonic"))
    for _ in range(3):
        before = told()
        wait_for("it says that it is alive", lambda than=before: told() > than)
    machine.run("systemctl", "reload", "vitrine")
    wait_for("it has read its files again", lambda: "SIGHUP: done" in machine.run("journalctl", "--unit", "vitrine"))
    wait_for("it serves again", lambda: property_of(machine, "StatusText") == "Serving images")
    assert (property_of(machine, "NRestarts"), property_of(machine, "ActiveState")) == ("0", "active")
    machine.run("systemctl", "kill", "--signal=STOP", "vitrine")
    wait_for("it is replaced", lambda: property_of(machine, "NRestarts") == "1"
             and property_of(machine, "ActiveState") == "active")
    assert server.download(image) == bytes(1 << 20)
    machine.run("systemctl", "stop", "vitrine")
    assert property_of(machine, "Result") == "success"


def test_glance_names_and_glance_exclude_each_other(machine):
    """Its commands are there with their pages; Debian's packages with the same commands cannot be."""
    install(machine, f"vitrine-{NEW}", f"vitrine-glance-{NEW}")
    assert "Usage: glance-manage" in machine.run("glance-manage", "--help")
    machine.run("test", "-e", "/usr/share/man/man1/glance-manage.1.gz")
    other = "Package: glance-common\nVersion: 2:25\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: x\n"
    machine.run("mkdir", "-p", "/srv/other/DEBIAN")
    machine.put("/srv/other/DEBIAN/control", other.encode())
    machine.run("dpkg-deb", "--build", "/srv/other")
    assert "vitrine-glance conflicts with glance-common" in machine.run("dpkg", "--install", "/srv/other.deb",
                                                                        status=1)


def test_an_image_of_kolla_has_our_commands(machine, packages):
    """The override of its template puts the package into the image, and our names in the place of Glance's."""
    template = ROOT / "ops/kolla-ansible/template-overrides.j2"
    parent = "FROM base\n{% block glance_api_footer %}{% endblock %}\nUSER glance\n"
    render = ("import jinja2, sys; own = open(sys.argv[1]).read(); "
              "loader = jinja2.DictLoader({'parent': sys.argv[2], 'own': own}); "
              "print(jinja2.Environment(loader=loader).get_template('own').render(parent_template='parent'))")
    python = environments.venv("keystone") / "bin/python"
    said = subprocess.run([python, "-c", render, template, parent], check=True, capture_output=True, text=True).stdout
    lines = re.sub(r"\\\n\s*", "", said).split("\n")
    words = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines if line}
    assert list(words) == ["FROM", "ADD", "RUN", "USER"] and words["ADD"] == "additions-archive /"

    location = configparser.ConfigParser()
    location.read(ROOT / "ops/kolla-ansible/kolla-build.conf")
    (section,) = location.sections()
    assert section.startswith("glance-api-additions-") and location[section]["type"] == "local"
    there = f"/additions/{section.removeprefix('glance-api-additions-')}"
    commands = "/var/lib/kolla/venv/bin"
    machine.run("mkdir", "-p", there, commands)
    machine.put(f"{commands}/glance-manage", b"of Glance")
    path = packages[NEW]["vitrine"]
    machine.put(f"{there}/{path.name}", path.read_bytes())
    # There is no network, and all that the package needs is installed.
    machine.run("sh", "-ec", words["RUN"].replace("apt-get update", "true"))
    assert "Usage: glance-manage" in machine.run(f"{commands}/glance-manage", "--help")
    assert not machine.exists("/additions")
    # What Kolla's configuration starts.
    assert machine.run("cat", f"{commands}/uwsgi") == "#!/bin/sh\nexec glance-api\n"
    machine.run("test", "-x", f"{commands}/uwsgi")
