"""The commands that look at what a run has kept: `incidents`, `why`, `replay-dead-letters`."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.app.stores import open_stores
from pipeline.cli.program import app
from pipeline.contracts.alert import Delivery
from pipeline.contracts.decision import NO_RULE, Gate
from pipeline.contracts.incident import ChangeKind, IncidentChange, IncidentStatus, Link
from pipeline.settings import Settings
from tests.support.cli import START, count, hostile_report, incident

SITE = """
site: {name: depot, timezone: Europe/Berlin}
cameras:
  - {id: yard, url: x.mp4, zones: {fence: [[0, 0], [1, 0], [1, 1]]}}
rules:
  - {id: loitering, track: {inside: fence, longer_than: 45s}}
  - {id: entry, track: {enters: fence}}
"""
LOITERING = incident(3.0, status=IncidentStatus.CONFIRMED, report=hostile_report("a \x1b[31mman"))
ENTRY = incident(90.0, rule="entry", fact="something entered fence")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A data folder with two incidents, a dead delivery and some decisions."""
    (tmp_path / "site.yaml").write_text(SITE)
    stores = open_stores(Settings(data_dir=tmp_path))
    dead = Delivery(
        id=f"{LOITERING.id}.1.guards",
        incident_id=LOITERING.id,
        change_sequence=1,
        channel="guards",
        created_at=START,
        next_attempt_at=START,
    )
    for seen, kind, owed in ((LOITERING, ChangeKind.CONFIRMED, [dead]), (ENTRY, ChangeKind.UNVERIFIED, [])):
        change = IncidentChange(
            sequence=1, kind=kind, at=seen.opened_at, incident=seen.model_copy(update={"last_change": 1})
        )
        assert stores.incidents.commit(change, owed)
    assert stores.outbox.claim_due("test", START, 60.0) is not None
    stores.outbox.mark_dead(dead.id, "test", "answered 500", START)
    too_short = count(Gate.PREDICATE, "not long enough", max_value=12.0, min_value=0.0, threshold=45.0)
    stores.decisions.add([count(Gate.SAMPLING, "motion", passed=True, rule=NO_RULE, count=50)])
    stores.decisions.add([count(Gate.PREDICATE, "nothing entered", rule="entry", count=50), too_short])
    stores.close()
    return tmp_path


def sightline(*arguments: object) -> tuple[int, str, str]:
    """(exit status, standard output, standard error) of a command."""
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_lists_incidents_newest_first_in_the_sites_time(kept: Path) -> None:
    """A row for each incident, at the site's wall-clock time."""
    status, shown, _ = sightline("incidents", "list", "--data-dir", kept, "--site", kept / "site.yaml")
    assert status == 0
    assert [line[:19] for line in shown.splitlines()[1:]] == ["2026-07-10 22:15:30", "2026-07-10 22:14:03"]
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("filters", "rules"),
    [
        (("--rule", "entry"), ["entry"]),
        (("--status", "confirmed"), ["loitering"]),
        (("--camera", "gate"), []),
        (("--since", "2026-07-10T20:15"), ["entry"]),
        (("--until", "2026-07-10T20:15"), ["loitering"]),
        (("--limit", "1"), ["entry"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_filters_narrow_the_list(kept: Path, filters: tuple[str, ...], rules: list[str]) -> None:
    """Each filter leaves what it names; as JSON, for scripts."""
    _, shown, _ = sightline("incidents", "list", "--data-dir", kept, "--json", *filters)
    assert [found["rule_id"] for found in json.loads(shown)] == rules


def test_shows_all_of_one_incident_by_the_beginning_of_its_id(kept: Path) -> None:
    """Life, facts, verdict, evidence and deliveries are there; the model's words cannot steer the terminal."""
    status, shown, _ = sightline("incidents", "show", LOITERING.id[:8], "--data-dir", kept)
    assert status == 0
    for words in ("stayed in fence for 47 s", "confirmed (93% yes) by test-vlm", "snapshot.jpg", "dead, 1 attempts"):
        assert words in shown
    assert "\x1b" not in shown


def test_shows_one_incident_as_json(kept: Path) -> None:
    """The same for a script."""
    _, shown, _ = sightline("incidents", "show", LOITERING.id, "--data-dir", kept, "--json")
    answer = json.loads(shown)
    assert answer["incident"]["id"] == LOITERING.id
    assert [change["kind"] for change in answer["changes"]] == ["confirmed"]
    assert answer["deliveries"][0]["last_error"] == "answered 500"


def test_shows_what_happened_again_and_what_is_linked(kept: Path) -> None:
    """How often and until when it was met again, and the incident of the other camera, on both."""
    again = {"repeats": 3, "repeated_at": START + timedelta(minutes=5)}
    seen = incident(200.0)
    busy = seen.model_copy(update={"candidate": seen.candidate.model_copy(update=again), "last_change": 1})
    stores = open_stores(Settings(data_dir=kept))
    change = IncidentChange(sequence=1, kind=ChangeKind.UNVERIFIED, at=busy.opened_at, incident=busy)
    assert stores.incidents.commit(change, ())
    stores.incidents.link([Link(busy.id, ENTRY.id, 12.0, 0.97)])
    stores.close()
    _, shown, _ = sightline("incidents", "show", busy.id, "--data-dir", kept)
    assert "again 3 times until" in shown
    assert "97% alike, 12 s apart" in shown
    assert ENTRY.id in shown
    _, other, _ = sightline("incidents", "show", ENTRY.id, "--data-dir", kept, "--json")
    assert [link["other_id"] for link in json.loads(other)["links"]] == [busy.id]


def test_an_unknown_incident_is_wrong_usage(kept: Path) -> None:
    """One message and exit status 2."""
    status, _, problem = sightline("incidents", "show", "zzz", "--data-dir", kept)
    assert status == 2
    assert "no incident 'zzz'" in problem


def test_acknowledging_is_kept(kept: Path) -> None:
    """Who has seen it, and the note, are part of the incident's life."""
    status, _, _ = sightline("incidents", "ack", ENTRY.id, "--by", "kim", "--note", "the gardener", "--data-dir", kept)
    _, shown, _ = sightline("incidents", "show", ENTRY.id, "--data-dir", kept)
    assert status == 0
    assert "acknowledged" in shown
    assert "the gardener" in shown


def test_why_answers_first_and_then_shows_the_gates(kept: Path) -> None:
    """The first line is the sentence; the gates follow in their order with numbers and thresholds."""
    site = kept / "site.yaml"
    status, shown, _ = sightline(
        *("why", "--camera", "yard", "--at", "2026-07-10T22:14", "--rule", "entry", "--data-dir", kept, "--site", site)
    )
    assert status == 0
    lines = shown.splitlines()
    assert lines[0] == "No alert for entry at 22:14: nothing entered fence."
    gates = [line.split()[0] for line in lines[2:] if line.strip()]
    assert gates == ["sampling", "predicate"]


def test_why_tells_of_the_incidents_of_that_time(kept: Path) -> None:
    """An alert is answered with its facts, and listed."""
    _, shown, _ = sightline("why", "--camera", "yard", "--at", "2026-07-10T20:14:30", "--data-dir", kept, "--json")
    answer = json.loads(shown)
    assert answer["answers"][0] == "No alert for entry at 20:14: nothing entered."
    assert answer["answers"][1].startswith("loitering opened an incident at 20:14:03: moving 7 stayed")
    assert [found["id"] for found in answer["incidents"]] == [LOITERING.id]
    assert [gate["gate"] for gate in answer["gates"]] == ["sampling", "predicate", "predicate"]


def test_why_knows_which_minutes_an_incident_was_open(kept: Path) -> None:
    """The next minute, without any decision, is answered as unwatched."""
    _, shown, _ = sightline("why", "--camera", "yard", "--at", "2026-07-10T20:20", "--data-dir", kept)
    assert "nothing is known of yard then" in shown


@pytest.mark.parametrize(
    ("names", "hint"),
    [(("--camera", "yrd"), "did you mean yard?"), (("--camera", "yard", "--rule", "entri"), "did you mean entry?")],
    ids=["camera", "rule"],
)
def test_why_refuses_names_that_the_site_does_not_have(kept: Path, names: tuple[str, ...], hint: str) -> None:
    """With a site file, a misspelt camera or rule is not answered with silence."""
    status, _, problem = sightline("why", *names, "--at", "now", "--data-dir", kept, "--site", kept / "site.yaml")
    assert status == 2
    assert hint in problem


def test_dead_letters_are_listed_and_replayed(kept: Path) -> None:
    """--list changes nothing; --all makes them pending again; then there are none."""
    listed = sightline("replay-dead-letters", "--list", "--data-dir", kept)
    replayed = sightline("replay-dead-letters", "--all", "--data-dir", kept)
    left = sightline("replay-dead-letters", "--list", "--data-dir", kept, "--json")
    assert "answered 500" in listed[1]
    assert "1 delivery will be sent again" in replayed[1]
    assert json.loads(left[1]) == []


def test_an_unknown_dead_letter_is_a_failure(kept: Path) -> None:
    """--id with an id that is not dead says 0 and exits with 1; saying nothing to do is wrong usage."""
    assert sightline("replay-dead-letters", "--id", "x", "--data-dir", kept)[0] == 1
    assert sightline("replay-dead-letters", "--data-dir", kept)[0] == 2


def test_a_folder_without_data_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Looking makes no database."""
    status, _, problem = sightline("incidents", "list", "--data-dir", tmp_path / "none")
    assert status == 2
    assert "no Sightline data" in problem
    assert not (tmp_path / "none").exists()


def test_an_alert_is_judged(kept: Path) -> None:
    """Confirm and reject keep a person's word with the incident; the last one counts."""
    status, output, _ = sightline("incidents", "reject", LOITERING.id[:6], "--by", "ann", "--data-dir", kept)
    assert (status, "reviewed" in output) == (0, True)
    sightline("incidents", "confirm", LOITERING.id, "--by", "bob", "--note", "it was him", "--data-dir", kept)
    _, shown, _ = sightline("incidents", "show", LOITERING.id, "--data-dir", kept, "--json")
    review = json.loads(shown)["incident"]["review"]
    assert (review["is_right"], review["by"], review["note"]) == (True, "bob", "it was him")


def test_the_precision_of_rules_is_shown(kept: Path) -> None:
    """By rule, of what was reviewed."""
    sightline("incidents", "reject", LOITERING.id, "--by", "ann", "--data-dir", kept)
    _, output, _ = sightline("incidents", "precision", "--data-dir", kept, "--json")
    rows = {row["rule"]: (row["incidents"], row["right"], row["wrong"], row["precision"]) for row in json.loads(output)}
    assert rows == {"loitering": (1, 0, 1, 0.0), "entry": (1, 0, 0, None)}
    _, table, _ = sightline("incidents", "precision", "--data-dir", kept, "--by-camera")
    assert "yard" in table


def test_the_reliability_of_verdicts_is_shown(kept: Path) -> None:
    """Of what a model said and a person reviewed; without such, that is said."""
    _, nothing, _ = sightline("incidents", "precision", "--verdicts", "--data-dir", kept)
    assert "no verdict has been reviewed" in nothing
    sightline("incidents", "reject", LOITERING.id, "--by", "ann", "--data-dir", kept)
    _, output, _ = sightline("incidents", "precision", "--verdicts", "--data-dir", kept, "--json")
    (row,) = json.loads(output)
    assert (row["rule_id"], row["num_verdicts"], row["num_right"]) == ("loitering", 1, 0)
    _, table, _ = sightline("incidents", "precision", "--verdicts", "--data-dir", kept)
    assert "80%–100%: 0% of 1" in table


def test_trouble_with_a_camera_is_not_judged(kept: Path) -> None:
    """What is measured needs no opinion: the way out is to acknowledge it."""
    stores = open_stores(Settings(data_dir=kept))
    trouble = incident(200.0, rule="camera-health")
    fact = trouble.candidate.facts[0].model_copy(update={"kind": "black"})
    trouble = trouble.model_copy(update={"candidate": trouble.candidate.model_copy(update={"facts": (fact,)})})
    trouble = trouble.model_copy(update={"last_change": 1})
    change = IncidentChange(sequence=1, kind=ChangeKind.UNVERIFIED, at=trouble.opened_at, incident=trouble)
    assert stores.incidents.commit(change, [])
    stores.close()
    status, _, problem = sightline("incidents", "reject", trouble.id, "--data-dir", kept)
    assert (status, "use ack" in problem) == (2, True)
