"""Rules, runbooks and dashboards, held against what the program exports."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from prometheus_client.parser import text_string_to_metric_families

from pipeline.cli.program import app
from pipeline.telemetry import Metrics
from tests.conftest import IN_CI, ROOT
from tests.support.broker import free_port
from tests.support.local import run_site, site_of
from tests.support.promql import labels_grouped, metrics_named, values_matched

HERE = Path(__file__).parent
OBSERVABILITY = ROOT / "deployments" / "observability"
RULES_FILE = OBSERVABILITY / "rules" / "sightline.yaml"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES_FILE.read_text())["groups"] for rule in group["rules"]
]
DASHBOARDS = sorted((OBSERVABILITY / "dashboards").glob("*.json"))
RUNBOOKS = (ROOT / "docs" / "operations" / "runbooks.md").read_text()


_SITE = """
cameras: [{id: yard, url: "synthetic:yard?seed=1&seconds=20", zones: {left: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}}]
rules: [{id: inside, track: {object: any, inside: left}}]
"""


def expressions() -> list[tuple[str, str]]:
    """Every expression with where it stands."""
    found = [(rule["alert"], rule["expr"]) for rule in RULES]
    for path in DASHBOARDS:
        board = json.loads(path.read_text())
        found += [(f"{board['title']}: {p['title']}", t["expr"]) for p in board["panels"] for t in p["targets"]]
        found += [(path.name, v["query"]["query"]) for v in board["templating"]["list"] if v["type"] == "query"]
    return found


@pytest.fixture(scope="module")
def exported() -> dict[str, set[str]]:
    """Sample name to labels, as Prometheus would read them from a port of the program, every metric used once."""
    metrics = Metrics()
    for metric in vars(metrics).values():
        if names := getattr(metric, "_labelnames", ()):
            metric.labels(*names)
    port = free_port()
    metrics.serve("127.0.0.1", port)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {sample.name: set(sample.labels) for sample in samples}


@pytest.fixture(scope="module")
def promtool() -> str:
    """The program of Debian's package `prometheus`."""
    found = shutil.which("promtool")
    if found is None and not IN_CI:
        pytest.skip("needs promtool: apt-get install prometheus")
    assert found is not None, "CI needs promtool: apt-get install prometheus"
    return found


def run(*command: str | Path) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_rules(promtool: str) -> None:
    """`promtool check rules` reads all of them."""
    assert f"{len(RULES)} rules found" in run(promtool, "check", "rules", RULES_FILE)


def test_prometheus_takes_its_configuration(promtool: str, tmp_path: Path) -> None:
    """`promtool check config` takes the file that the compose file mounts."""
    run(promtool, "check", "config", "--syntax-only", OBSERVABILITY / "prometheus.yml")


def test_the_rules_fire_when_they_should_and_only_then(promtool: str, tmp_path: Path) -> None:
    """`promtool test rules` on series made for it: each rule with what it tells, and with what must not set it off."""
    text = (HERE / "rules.test.yaml").read_text().replace("RULES", str(RULES_FILE))
    (tmp_path / "rules.test.yaml").write_text(text)
    assert "SUCCESS" in run(promtool, "test", "rules", tmp_path / "rules.test.yaml")


def test_every_rule_is_set_off_once() -> None:
    """No rule is without a case in which it fires."""
    cases = yaml.safe_load((HERE / "rules.test.yaml").read_text())["tests"]
    fired = {one["alertname"] for case in cases for one in case["alert_rule_test"] if one["exp_alerts"]}
    assert fired == {rule["alert"] for rule in RULES}


def test_every_rule_has_a_runbook_and_every_runbook_a_rule() -> None:
    """A paragraph of at least 100 characters under the rule's name, which the rule links."""
    parts = re.split(r"^## ", RUNBOOKS, flags=re.MULTILINE)[1:]
    paragraphs = {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in parts}
    assert sorted(paragraphs) == sorted(rule["alert"] for rule in RULES)
    assert all(len(text) > 100 for text in paragraphs.values())
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"docs/operations/runbooks.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}


def test_runbooks_name_commands_that_exist() -> None:
    """Every `sightline …` in them is a command of the program."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for words in re.findall(r"`sightline\s+([^`]+)`", RUNBOOKS):
        first, *rest = words.split()
        assert first in commands, words
        below = getattr(commands[first], "commands", None)
        assert not below or not rest or rest[0] in below, words


def test_everything_asked_for_is_exported(exported: dict[str, set[str]]) -> None:
    """Every metric in a rule or dashboard is one the program exports, with every label that is matched or summed by."""
    problems = []
    for where, expression in expressions():
        named = metrics_named(expression)
        assert named, where
        for name, labels in named.items():
            missing = labels - exported.get(name, set())
            if name not in exported or missing:
                problems.append(f"{where}: {name} {missing}")
        known = set().union(*(exported.get(name, set()) for name in named))
        if unknown := labels_grouped(expression) - known:
            problems.append(f"{where}: by {unknown}")
    assert problems == []


def test_queries_are_read_as_prometheus_reads_them() -> None:
    """Metrics, the labels they are matched and summed by, and the words they are compared with."""
    query = 'sum by (camera, le) (rate(sightline_a_total{reason=~"bus away|dead", x!="$y"}[5m])) / sightline_b > 1'
    assert metrics_named(query) == {"sightline_a_total": {"reason", "x"}, "sightline_b": set()}
    assert labels_grouped(query) == {"camera", "le"}
    assert values_matched(query) == {"bus away", "dead"}


def test_label_values_are_words_of_the_program() -> None:
    """A reason, state or outcome that is asked for stands in the code: a misspelt one would never match."""
    code = "".join(file.read_text() for file in (ROOT / "pipeline").rglob("*.py"))
    asked = {value for _, expression in expressions() for value in values_matched(expression)}
    assert asked >= {"bus away", "dead", "unverified", "removed"}
    assert {value for value in asked if f'"{value}"' not in code} == set()


def test_a_run_exports_what_alarms_need(tmp_path: Path) -> None:
    """After twenty seconds of a rendered scene the series of cameras, lateness, alerts and deliveries are there."""
    metrics = Metrics()
    run_site(site_of(_SITE), tmp_path, metrics=metrics)
    seen = {sample.name for family in metrics.registry.collect() for sample in family.samples}
    assert seen >= {
        "sightline_camera_up",
        "sightline_frame_age_seconds",
        "sightline_frames_read_total",
        "sightline_frames_sampled_total",
        "sightline_frames_skipped_total",
        "sightline_candidates_total",
        "sightline_alert_seconds_bucket",
        "sightline_deliveries_by_state",
        "sightline_breaker_state",
    }


def test_everything_exported_can_be_looked_at(exported: dict[str, set[str]]) -> None:
    """No metric is exported that no rule and no dashboard shows."""
    shown = {name for _, expression in expressions() for name in metrics_named(expression)}
    families = {re.sub(r"_(total|created|bucket|sum|count)$", "", name) for name in exported}
    assert families - {re.sub(r"_(total|bucket)$", "", name) for name in shown} == set()


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_can_be_imported(path: Path) -> None:
    """Its identity is fixed, its panels have ids of their own and do not overlap, its data source can be chosen."""
    board = json.loads(path.read_text())
    places = [panel["gridPos"] for panel in board["panels"]]
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert board["uid"] == path.stem
    assert len({panel["id"] for panel in board["panels"]}) == len(places)
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {"${datasource}"}
