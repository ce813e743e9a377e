"""`sightline cluster`, as far as it needs no Ray."""

from __future__ import annotations

import tests.support.quiet_ray  # isort: skip  # noqa: F401

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pipeline.cli.cluster import _refuse_strangers
from pipeline.cli.cluster_watch import IncidentNews, OwnOutput, Seen, settle, show
from pipeline.cli.program import app
from pipeline.contracts.incident import IncidentChange
from pipeline.errors import ConfigError
from pipeline.runtime.serving.ray_cluster import ApplicationState, what_was_raised
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from tests.support.broker import free_port, running_broker
from tests.support.sasl_gate import SaslGate
from tests.support.store import followed, make_candidate, opened, sqlite_url

SITE = """
models: {detector: some/detector}
cameras:
  - {id: yard, url: "synthetic:yard"}
rules:
  - {id: someone, track: {object: any, count_above: 0}}
settings: {bus: {prefix: cli}}
"""


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with running_broker() as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site file in a folder of its own, with no broker in the environment."""
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.setenv("SIGHTLINE_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "site.yaml").write_text(SITE)
    return tmp_path / "site.yaml"


def cluster(*arguments: str | Path) -> tuple[int, str, str]:
    """(exit status, standard output, standard error)."""
    result = CliRunner().invoke(app, ["cluster", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_the_configuration_is_printed_as_yaml(site: Path) -> None:
    """It can be piped into a file; the site file stands in it by its absolute path, or as it is mounted."""
    status, text, _ = cluster("config", "--site", site)
    assert status == 0
    assert {one["args"]["site"] for one in yaml.safe_load(text)["applications"]} == {str(site)}
    mounted = yaml.safe_load(cluster("config", "--site", site, "--mounted-at", "/etc/site.yaml")[1])
    assert mounted["applications"][0]["args"] == {"site": "/etc/site.yaml"}


@pytest.mark.parametrize("command", ["up", "check"])
def test_a_broker_must_be_named(site: Path, command: str) -> None:
    """Both ways to name one are told, before anything is started."""
    status, _, told = cluster(command, "--site", site)
    assert status == {"up": 2, "check": 1}[command]
    assert "set bus.servers in the site file's settings or KAFKA_BOOTSTRAP_SERVERS" in told


def test_what_would_end_with_the_command_cannot_be_left_running(site: Path) -> None:
    """`--detach` is for a Ray cluster that somebody else keeps."""
    status, _, told = cluster("up", "--site", site, "--detach")
    assert status == 2
    assert "--detach needs --address" in told


def test_check_says_what_is_missing(site: Path, broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Topics that nobody made yet, and a database that other machines cannot reach."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", broker)
    status, shown, told = cluster("check", "--site", site)
    assert status == 1
    assert "calls of 32 frames" in shown
    assert "the topic cli.frames is missing" in told
    assert "SQLite is a file of one machine" in told


@pytest.mark.parametrize("command", ["check", "up"])
def test_a_broker_that_demands_a_login_is_one_line(
    site: Path, broker: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It closes the connection without a word; what that may mean is said, and nothing is started."""
    with SaslGate(int(broker.rpartition(":")[2]), free_port(), {}) as gate:
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{gate.port}")
        status, _, told = cluster(command, "--site", site)
    assert status == 1
    (line,) = [line for line in told.splitlines() if "SQLite" not in line]
    assert line.endswith("closes the connection: if it demands a login, set bus.security to sasl_plaintext")


def test_check_refuses_a_configuration_that_was_broken_by_hand(site: Path, tmp_path: Path) -> None:
    """The relation between batches and requests is told, with exit status 2."""
    text = cluster("config", "--site", site)[1]
    (tmp_path / "serve.yaml").write_text(text.replace("max_ongoing_requests: 96", "max_ongoing_requests: 8"))
    status, _, told = cluster("check", "--site", site, "--config", tmp_path / "serve.yaml")
    assert status == 2
    assert "max_ongoing_requests must be at least 96" in told


def test_check_refuses_what_is_no_yaml(site: Path, tmp_path: Path) -> None:
    """A file of anything else has one clear message."""
    (tmp_path / "serve.yaml").write_bytes(b"\xff\xfe{")
    status, _, told = cluster("check", "--site", site, "--config", tmp_path / "serve.yaml")
    assert status == 2
    assert "cannot read" in told


class Applications:
    """A cluster whose applications go through given states, the last for ever."""

    def __init__(self, *states: list[ApplicationState]) -> None:
        self._states = list(states)

    def applications(self) -> list[ApplicationState]:
        return self._states.pop(0) if len(self._states) > 1 else self._states[0]


RUNS = ApplicationState("watchers", "RUNNING", {"RUNNING": 2})
STARTS = ApplicationState("encoder", "DEPLOYING", {"STARTING": 1})


def settled(*states: list[ApplicationState]) -> int:
    return settle(Applications(*states), ["watchers", "encoder"], threading.Event())  # type: ignore[arg-type]


def test_it_waits_until_all_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Each step is told once."""
    encoder = ApplicationState("encoder", "RUNNING", {"RUNNING": 1})
    assert settled([RUNS, STARTS], [RUNS, STARTS], [RUNS, encoder]) == 0
    assert capsys.readouterr().err.split("\n") == ["watchers   runs", "encoder    starts", "encoder    runs", ""]


def test_a_wrong_configuration_ends_with_2_and_says_what_the_others_do(capsys: pytest.CaptureFixture[str]) -> None:
    """At its first replica: Ray would try it twice more."""
    wrong = ApplicationState("encoder", "DEPLOYING", {}, "models.encoder: no such folder", is_misconfigured=True)
    assert settled([RUNS, STARTS], [RUNS, wrong]) == 2
    told = capsys.readouterr().err
    assert "error: encoder cannot run: models.encoder: no such folder" in told
    assert "the others: watchers runs" in told


def test_another_failure_ends_with_1() -> None:
    """An import that fails is no mistake of the site file."""
    failed = ApplicationState("encoder", "DEPLOY_FAILED", {}, "ModuleNotFoundError: No module named 'torch'")
    assert settled([RUNS, failed]) == 1


def test_the_reason_is_found_below_the_tracebacks() -> None:
    """Serve quotes Ray, which quotes Python: what was raised stands last, perhaps over several lines."""
    message = (
        "The deployment failed to start 3 times in a row. Error:\nray::ServeReplica (pid=1)\n"
        '  File "replica.py", line 1928\nRuntimeError: Traceback (most recent call last):\n'
        "pipeline.errors.SiteFileError: site.yaml: line 2: a\nsite.yaml: line 3: b"
    )
    assert what_was_raised(message) == ("SiteFileError", "site.yaml: line 2: a\nsite.yaml: line 3: b")
    assert what_was_raised("x\nModuleNotFoundError: No module named 'torch'")[1] == (
        "ModuleNotFoundError: No module named 'torch'"
    )
    assert what_was_raised("1 replica waits for a GPU") == ("", "1 replica waits for a GPU")


def test_rays_lines_do_not_reach_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """A script reads incidents there, and nothing else."""

    class Shown:
        def changed(self, change: IncidentChange) -> None:
            print("an incident")

    with OwnOutput(Shown()) as output:  # type: ignore[arg-type]
        print("(raylet) a worker ran out of memory")
        print("(raylet) Task ServeController.listen_for_change failed")
        output.changed(None)  # type: ignore[arg-type]
    captured = capsys.readouterr()
    assert captured.out == "an incident\n"
    assert captured.err == "(raylet) a worker ran out of memory\n"


def test_only_what_is_new_is_news(tmp_path: Path) -> None:
    """Changes stored before it was made are not told; later ones are, once."""
    database = Database(sqlite_url(tmp_path))
    database.migrate()
    store = SqlIncidentStore(database)
    old, new = opened(make_candidate(camera_id="gate")), opened(make_candidate(camera_id="yard"))
    store.commit(old, [])
    news = IncidentNews(store)
    store.commit(followed(old), [])
    store.commit(new, [])
    assert {change.id for change in news.read()} == {followed(old).id, new.id}
    assert list(news.read()) == []
    database.close()


def test_a_table_shows_how_far_each_stage_is_behind(capsys: pytest.CaptureFixture[str]) -> None:
    """With what the database still owes."""
    behind = {"watchers": {"oldest_age_seconds": 1.25, "lag": 40.0}}
    show(Seen((RUNS, STARTS), behind, 3, {"pending": 1, "dead": 2}))
    shown = capsys.readouterr().out
    assert "watchers     runs    2         1.2 s   40" in shown
    assert "owed: 3 verdicts, 1 delivery (2 given up)" in shown


def test_the_applications_of_others_are_left_alone() -> None:
    """Serve has one configuration a cluster: ours would end theirs."""
    with pytest.raises(ConfigError, match="also serves chatbot"):
        _refuse_strangers(Applications([RUNS, ApplicationState("chatbot", "RUNNING")]))  # type: ignore[arg-type]
