"""The demo: its receiver, its truth, and the whole of it on a short scene."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook
from typer.testing import CliRunner

from pipeline.cli.demo_receiver import DemoReceiver, Received
from pipeline.cli.demo_truth import Planted, demo_rules, planted_in, score
from pipeline.cli.program import app
from pipeline.scenes import open_scene
from tests.support.cli import write_video

ENTRY = Planted("fence-entry", 29.0, 29.0, "somebody enters fence")
LOITERER = Planted("loitering", 44.0, 57.0, "somebody stays")
NEAR_MISS = Planted("loitering", 80.0, 85.0, "somebody stays for 5 s", is_near_miss=True)


def test_what_is_found_in_time_counts_once() -> None:
    """An incident explains one event of its rule, when it opens close to it."""
    result = score([ENTRY, LOITERER, NEAR_MISS], [("fence-entry", 30.1), ("loitering", 44.2)])
    assert result.is_perfect
    assert (result.found, list(result.quiet)) == ({ENTRY: 30.1, LOITERER: 44.2}, [NEAR_MISS])


@pytest.mark.parametrize(
    ("incidents", "missed", "false"),
    [
        ([], [ENTRY], []),
        ([("fence-entry", 35.0)], [ENTRY], [("fence-entry", 35.0)]),
        ([("gate-entry", 29.0)], [ENTRY], [("gate-entry", 29.0)]),
        ([("fence-entry", 29.0), ("fence-entry", 29.5)], [], [("fence-entry", 29.5)]),
    ],
    ids=["nothing", "too late", "another rule", "twice"],
)
def test_what_is_missed_or_extra_is_said(
    incidents: list[tuple[str, float]], missed: list[Planted], false: list[tuple[str, float]]
) -> None:
    """Missed events and unexplained incidents each spoil the score."""
    result = score([ENTRY], incidents)
    assert (list(result.missed), list(result.false), result.is_perfect) == (missed, false, False)


def test_an_alert_on_a_near_miss_is_false() -> None:
    """A near miss that was alerted is neither quiet nor found."""
    result = score([NEAR_MISS], [("loitering", 81.0)])
    assert (list(result.quiet), list(result.false)) == ([], [("loitering", 81.0)])


def test_the_yard_has_something_for_every_rule() -> None:
    """The demo's two minutes show each of its rules at work, and near misses."""
    planted = planted_in(open_scene("yard", seed=1))
    rules = {event.rule_id for event in planted if not event.is_near_miss}
    assert rules == {rule["id"] for rule in demo_rules()}
    assert sum(event.is_near_miss for event in planted) >= 3


def _post(receiver: DemoReceiver, body: bytes, signature: str, at: datetime) -> int:
    headers = {"webhook-id": "m1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}
    try:
        with urllib.request.urlopen(urllib.request.Request(receiver.url, body, headers), timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_the_receiver_takes_what_is_genuine_once() -> None:
    """A message signed with its secret is answered 204, and told once however often it comes."""
    told: list[Received] = []
    now, body = datetime.now(UTC), json.dumps({"type": "t"}).encode()
    with DemoReceiver(told.append) as receiver:
        signature = Webhook(receiver.secret).sign("m1", now, body.decode())
        statuses = [_post(receiver, body, signature, now) for _ in range(2)]
    assert statuses == [204, 204]
    assert [(message.id, message.is_genuine, message.body) for message in told] == [("m1", True, {"type": "t"})]


def test_the_receiver_refuses_a_forgery() -> None:
    """A wrong signature is answered 401 and counted as not genuine."""
    now = datetime.now(UTC)
    with DemoReceiver(lambda _message: None) as receiver:
        assert _post(receiver, b"{}", "v1,AAAA", now) == 401
    assert not receiver.received["m1"].is_genuine


def test_the_demo_works_and_its_example_of_why_too(tmp_path: Path) -> None:
    """A short demo finds what is planted, gets its webhooks, writes the report, and its `why` command answers."""
    result = CliRunner().invoke(app, ["demo", "--no-models", "--seconds", "60", "--data-dir", str(tmp_path)])
    assert result.exit_code == 0, result.stdout + result.stderr
    assert "near miss, no alert" in result.stdout
    assert "MISSED" not in result.stdout
    assert (tmp_path / "report.html").stat().st_size > 10_000
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("  sightline why")]
    asked = CliRunner().invoke(app, line.split()[1:])
    assert asked.exit_code == 0
    assert asked.stdout.splitlines()[0] in result.stdout


def test_the_demo_takes_a_file_of_yours(tmp_path: Path) -> None:
    """With --source, motion in it is told to the demo's receiver."""
    clip = write_video(tmp_path / "walk.mp4")
    result = CliRunner().invoke(app, ["demo", "--source", str(clip), "--data-dir", str(tmp_path / "data")])
    assert result.exit_code == 0
    assert "2 webhooks received, 2 with a good signature" in result.stdout
    assert (tmp_path / "data" / "report.html").exists()
