"""`/metrics` of the built server, what promtool makes of it, and that the alerts and the dashboard ask for figures that
there are."""

import json
import pathlib
import re
import shutil
import subprocess
import urllib.parse

import pytest

from harness import Server, binary, client, process

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALERTS, DASHBOARD = ROOT / "ops/prometheus/alerts.yml", ROOT / "ops/grafana/vitrine.json"
CONFIG = """
[vitrine]
metrics_listen = http://127.0.0.1:{port}
metrics_projects = 1
max_transfers = 7
"""
# What Prometheus makes itself.
OF_PROMETHEUS = {"up"}
PROMETHEUS = """
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files: [{alerts}]
scrape_configs:
  - job_name: vitrine
    static_configs:
      - targets: ["127.0.0.1:{port}"]
"""


class Measured(Server):
    """A server whose figures are read at a place of its own."""

    def __init__(self, folder):
        self.place = process.free_port()
        config = folder / "vitrine.conf"
        config.write_text(CONFIG.format(port=self.place))
        super().__init__(folder / "data", arguments=["--config-file", config])

    def scraped(self):
        return client.request(self.place, "GET", "/metrics").expect(200).body.decode()

    def figure(self, name):
        found = [line.rsplit(" ", 1)[1] for line in self.scraped().splitlines() if line.startswith(f"{name} ")]
        return float(found[0]) if found else None


@pytest.fixture
def measured(tmp_path):
    with Measured(tmp_path) as server:
        yield server


def known():
    """The figures of docs/metrics.md, histograms with their three parts."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", (ROOT / "docs/metrics.md").read_text(), re.M)
    names = {name for name, kind in rows if kind != "histogram"}
    parts = ("bucket", "count", "sum")
    return names | {f"{name}_{part}" for name, kind in rows if kind == "histogram" for part in parts}


def named(expression):
    """The figures that an expression names."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    return set(re.findall(r"\b(?:vitrine|process)_\w+|\bup\b", bare))


def test_the_present_state_is_told(measured):
    """Limits, the pool, the ledger by state and the largest project, no more of them than were asked for."""
    for size in (2000, 1000):
        measured.put(measured.create(), b"x" * size).expect(204)
    expected = {'vitrine_transfers{what="limit"}': 7, 'vitrine_transfers{what="under_way"}': 0,
                'vitrine_blobs{state="live"}': 2, 'vitrine_database_pool{what="there"}': 1}
    assert {name: measured.figure(name) for name in expected} == expected
    (project,) = re.findall(r'^vitrine_project_bytes\{project="\w+"\} (\d+)', measured.scraped(), re.M)
    assert int(project) == 3000
    for name in ('vitrine_connections{what="limit"}', "process_open_fds",
                 "process_max_fds", "process_threads", "process_resident_memory_bytes", "process_cpu_seconds_total"):
        assert measured.figure(name) > 0, name
    build = subprocess.run([binary(), "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    assert measured.figure(f'vitrine_build_info{{version="{build}"}}') == 1


def test_an_upload_under_way_is_told(measured):
    """A transfer counts from its beginning to its end."""
    image = measured.create()
    upload = client.OpenUpload(measured, image)
    upload.send(b"data")
    process.wait_for("it is under way", lambda: measured.figure('vitrine_transfers{what="under_way"}') == 1)
    assert upload.finish().status == 204
    process.wait_for("it has ended", lambda: measured.figure('vitrine_transfers{what="under_way"}') == 0)


def tool(name):
    found = shutil.which(name)
    assert found, f"{name} is missing: install the Debian package prometheus, or run make test"
    return found


def test_promtool_finds_no_fault():
    """The rules for alerts are right."""
    argv = [tool("promtool"), "check", "rules", str(ALERTS)]
    checked = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0 and "12 rules found" in checked.stdout, checked.stdout + checked.stderr


@pytest.fixture
def prometheus(measured, tmp_path):
    """A real Prometheus that scrapes the server each second; asks it and returns what it answers."""
    port, config = process.free_port(), tmp_path / "prometheus.yml"
    config.write_text(PROMETHEUS.format(port=measured.place, alerts=ALERTS))

    def ask(path, **query):
        answer = client.request(port, "GET", f"/api/v1/{path}?{urllib.parse.urlencode(query)}").expect(200)
        assert answer.json["status"] == "success", answer.body
        return answer.json["data"]

    def answers():
        # It listens before it is ready, and says 503 until then.
        try:
            answer = client.request(port, "GET", "/api/v1/query?query=up")
        except OSError:
            return None
        return answer.json["data"]["result"] if answer.status == 200 else None

    running = process.start("prometheus", [tool("prometheus"), "--config.file", config, "--storage.tsdb.path",
                                           tmp_path / "tsdb", "--web.listen-address", f"127.0.0.1:{port}"],
                            tmp_path / "prometheus.log", answers)
    yield ask
    running.kill()
    running.wait()


def test_a_real_prometheus_reads_it(measured, prometheus):
    """What it scraped is what clients did, and it evaluates each alert and each panel without a fault."""
    def value(expression):
        found = prometheus("query", query=expression)["result"]
        return float(found[0]["value"][1]) if found else None

    image = measured.create()
    measured.put(image, b"x" * 5000).expect(204)
    upload = 'vitrine_http_requests_total{job="vitrine",route="/v2/images/{id}/file",method="PUT",status="204"}'
    scraped = {upload: 1, 'up{job="vitrine"}': 1, 'vitrine_store_bytes_total{direction="written"}': 5000,
               'vitrine_http_bytes_total{route="/v2/images/{id}/file",direction="in"}': 5000}
    # A scrape that takes longer than its interval counts as none.
    process.wait_for("the upload is scraped", lambda: {name: value(name) for name in scraped} == scraped)

    def evaluated():
        rules = [rule for group in prometheus("rules")["groups"] for rule in group["rules"]]
        return rules if all(rule["health"] != "unknown" for rule in rules) else None

    rules = process.wait_for("all rules are evaluated", evaluated)
    assert [(rule["name"], rule.get("lastError", "")) for rule in rules if rule["health"] != "ok"] == []
    assert len(rules) == 12 and not any(rule["state"] == "firing" for rule in rules)
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
            prometheus("query", query=expression)


def test_the_documentation_is_that_of_the_code():
    """docs/metrics.md is what the command writes."""
    written = subprocess.run([binary(), "metrics"], capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs/metrics.md").read_text() == written, "write it anew: vitrine metrics > docs/metrics.md"


def test_every_figure_is_documented(measured):
    """Whatever a busy server shows stands in the documentation."""
    measured.put(measured.create(), b"data").expect(204)
    shown = set(re.findall(r"^([a-z_]+)[{ ]", measured.scraped(), re.M))
    assert shown - known() == set() and len(shown) > 20


def test_alerts_and_dashboard_ask_for_what_there_is():
    """Each figure that they name is one that the server has, and each panel and rule names one."""
    rules = re.findall(r"expr: (?:>-\n)?(.*?)\n +(?:for|labels):", ALERTS.read_text(), re.S)
    panels = json.loads(DASHBOARD.read_text())["panels"]
    expressions = [*rules, *(target["expr"] for panel in panels for target in panel["targets"])]
    assert len(rules) == 12 and len(expressions) > 30
    for expression in expressions:
        assert named(expression) and named(expression) <= known() | OF_PROMETHEUS, expression
