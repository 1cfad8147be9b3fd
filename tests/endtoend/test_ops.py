"""The examples in ops/: the chart renders to what Kubernetes takes, and to a configuration that the server takes.

Debian has no Helm, so that the templates are rendered here, with the few actions that they are written in.
"""

import hashlib
import json
import re
import subprocess
import tomllib

import pytest
import yaml

from harness import ROOT, binary

CHART = ROOT / "ops/helm/vitrine"
ACTION = re.compile(r"(\s*)\{\{(-?)\s*(.*?)\s*(-?)\}\}(\n[ \t]*)?", re.DOTALL)


class Template:
    """A template in the part of Go's language that the chart uses: paths, pipes, `range` over a map, and `with`."""

    def __init__(self, text):
        self.pieces = []
        at = 0
        for action in ACTION.finditer(text):
            before, left, words, right, after = action.groups()
            self.pieces += [text[at:action.start()] + ("" if left else before), words.split()]
            at = action.end() if right else action.end() - len(after or "")
        self.rest = text[at:]

    def render(self, root):
        done, end = self._until(0, root, root, {})
        assert end == len(self.pieces), "an end too many"
        return done + self.rest

    def _until(self, at, root, dot, names):
        """The text of the pieces from a place to the end of their block, and the place after it."""
        text = ""
        while at < len(self.pieces):
            piece = self.pieces[at]
            if isinstance(piece, str):
                text, at = text + piece, at + 1
            elif piece == ["end"]:
                return text, at
            elif piece[0] == "range":
                key, value = piece[1].rstrip(","), piece[2]
                for one in sorted(self._value(piece[4], root, dot, names).items()):
                    inner, end = self._until(at + 1, root, one[1], names | dict(zip((key, value), one)))
                    text += inner
                at = end + 1
            elif piece[0] == "with":
                found = self._value(piece[1], root, dot, names)
                inner, end = self._until(at + 1, root, found, names)
                text, at = text + (inner if found else ""), end + 1
            else:
                text, at = text + str(self._piped(piece, root, dot, names)), at + 1
        return text, at

    def _piped(self, words, root, dot, names):
        first, *pipes = " ".join(words).split(" | ")
        value = self._value(first, root, dot, names)
        for pipe in pipes:
            match pipe.split():
                case ["quote"]:
                    value = json.dumps(str(value))
                case ["toJson"]:
                    value = json.dumps(value, sort_keys=True)
                case ["sha256sum"]:
                    value = hashlib.sha256(value.encode()).hexdigest()
                case ["default", other]:
                    value = value or self._value(other, root, dot, names)
                case unknown:
                    raise ValueError(f"the chart uses {unknown}")
        return value

    @staticmethod
    def _value(path, root, dot, names):
        if path.startswith("$"):
            return names[path]
        if path == ".":
            return dot
        for name in path.removeprefix(".").split("."):
            root = root[name]
        return root


def rendered(**values):
    """{kind: object} of the chart with some values in place of its own."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    root = {"Values": yaml.safe_load((CHART / "values.yaml").read_text()) | values, "Release": {"Name": "images"},
            "Chart": {"AppVersion": chart["appVersion"]}}
    objects = [yaml.safe_load(Template(path.read_text()).render(root))
               for path in sorted((CHART / "templates").glob("*.yaml"))]
    return {one["kind"]: one for one in objects}


def test_the_chart_has_the_version_of_the_program():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    assert (chart["apiVersion"], chart["version"], chart["appVersion"]) == ("v2", version, version)


def test_what_is_rendered_fits_together():
    """Names, labels, ports and volumes that one object says are what another means by them."""
    objects = rendered()
    pods, service = objects["StatefulSet"]["spec"], objects["Service"]["spec"]
    spec = pods["template"]["spec"]
    (container,) = spec["containers"]
    assert pods["selector"]["matchLabels"] == service["selector"] == pods["template"]["metadata"]["labels"]
    assert pods["serviceName"] == objects["Service"]["metadata"]["name"]
    ports = {port["name"] for port in container["ports"]}
    probes = [container[f"{kind}Probe"] for kind in ("liveness", "readiness")]
    named = [probe[how]["port"] for probe in probes for how in ("httpGet", "tcpSocket") if how in probe]
    assert {*named, *(port["targetPort"] for port in service["ports"])} == ports == {"http"}
    volumes = {one["name"] for one in spec["volumes"]}
    claims = {one["metadata"]["name"] for one in pods["volumeClaimTemplates"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes | claims
    secret = next(one["secret"] for one in spec["volumes"] if "secret" in one)
    assert secret["secretName"] == objects["Secret"]["metadata"]["name"]


def test_a_pod_has_few_rights_and_time_to_stop():
    """The user is the image's; a stop may take as long as the server's own limits."""
    spec = rendered()["StatefulSet"]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    image = (ROOT / "tools/image").read_text()
    user = int(re.search(r"^USER = (\d+)", image, re.MULTILINE).group(1))
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] == user
    rights = container["securityContext"]
    assert rights["readOnlyRootFilesystem"] and not rights["allowPrivilegeEscalation"]
    assert rights["capabilities"] == {"drop": ["ALL"]}
    written = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert written == {f"/{path}" for path in re.search(r"^OWN = \((.*)\)", image, re.MULTILINE).group(1)
                       .replace('"', "").split(", ")}
    sample = subprocess.run([binary(), "config", "sample"], check=True, capture_output=True, text=True).stdout
    limits = (re.search(rf"^#{name} = (\d+)", sample, re.MULTILINE).group(1)
              for name in ("drain_seconds", "graceful_shutdown_timeout"))
    assert spec["terminationGracePeriodSeconds"] > sum(map(int, limits))


def test_values_are_heeded(tmp_path):
    """A configuration reaches the server as it was written, and replaces pods when it changes."""
    text = "[DEFAULT]\npublic_endpoint = https://images.example\n[vitrine]\ngzip = true\n"
    before = rendered()["StatefulSet"]["spec"]["template"]["metadata"]["annotations"]
    objects = rendered(replicas=3, configuration={"20-own.conf": text, "10-empty.conf": ""},
                       image={"repository": "mirror/vitrine", "tag": "7"},
                       volume={"size": "1Ti", "storageClassName": "fast"})
    pods = objects["StatefulSet"]["spec"]
    assert pods["replicas"] == 3 and pods["template"]["spec"]["containers"][0]["image"] == "mirror/vitrine:7"
    claim = pods["volumeClaimTemplates"][0]["spec"]
    assert (claim["storageClassName"], claim["resources"]["requests"]["storage"]) == ("fast", "1Ti")
    assert pods["template"]["metadata"]["annotations"] != before
    assert objects["Secret"]["stringData"] == {"10-empty.conf": "", "20-own.conf": text}


@pytest.mark.parametrize("place", ["packaging/image/vitrine.conf", "packaging/debian/vitrine.conf"])
def test_the_server_takes_the_configuration(tmp_path, place):
    """What is shipped together with what the chart adds by itself, without a warning."""
    for name, text in rendered()["Secret"]["stringData"].items():
        (tmp_path / name).write_text(text)
    done = subprocess.run([binary(), "config", "check", "--strict", "--config-file", ROOT / place,
                           "--config-dir", tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
