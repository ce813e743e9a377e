"""`sightline erase`: a receipt of what went and of what remains."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipeline.app.stores import open_stores
from pipeline.cli.program import app
from pipeline.contracts.bus import Topic
from pipeline.contracts.incident import ChangeKind, IncidentChange, IncidentFilter
from pipeline.contracts.learned import Learned, LearnedKind
from pipeline.settings import Settings
from pipeline.transport.codec import contract_record
from pipeline.transport.tail import read_since
from tests.support.broker import running_broker
from tests.support.cli import START, incident
from tests.support.consuming import bus_of

RANGE = ("--camera", "yard", "--from", "2026-07-10T20:14Z", "--to", "2026-07-10T20:24Z")
SEEN = incident(3.0).candidate.model_copy(update={"embedding": "ADw="})
KEPT = incident(3.0).model_copy(update={"last_change": 1, "candidate": SEEN})
CHANGE = IncidentChange(sequence=1, kind=ChangeKind.UNVERIFIED, at=START, incident=KEPT)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A data folder with one incident and its snapshot."""
    stores = open_stores(Settings(data_dir=tmp_path))
    stores.evidence.put(CHANGE.incident.snapshot_uri, b"picture")
    assert stores.incidents.commit(CHANGE, ())
    stores.learned.save([Learned("yard", "", LearnedKind.NORMAL, "clip", START, b"vectors")])
    stores.close()
    return tmp_path


def erase(kept: Path, *arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(app, ["erase", *arguments, "--data-dir", str(kept)], input=answer)


def num_incidents(kept: Path) -> int:
    stores = open_stores(Settings(data_dir=kept), must_exist=True)
    try:
        return len(stores.incidents.find(IncidentFilter()))
    finally:
        stores.close()


def test_the_receipt_says_what_went_and_what_remains(kept: Path) -> None:
    """Kinds, numbers and places; what is in the memory of a running process until when; none of what was erased."""
    result = erase(kept, *RANGE, "--yes")
    assert result.exit_code == 0
    assert "erased        1  picture (evidence)" in result.stdout
    assert "erased        1  incident (database)" in result.stdout
    assert "erased        1  embedding or appearance of what was seen (database)" in result.stdout
    assert "what the camera normally sees" in result.stdout
    assert "memory of a running process" in result.stdout
    assert "stayed in fence" not in result.stdout
    assert num_incidents(kept) == 0


def test_a_person_is_asked_first(kept: Path) -> None:
    """No erases nothing; yes does."""
    assert erase(kept, *RANGE, answer="n\n").exit_code == 1
    assert num_incidents(kept) == 1
    assert erase(kept, *RANGE, answer="y\n").exit_code == 0
    assert num_incidents(kept) == 0


def test_erasing_twice_gives_a_second_receipt_of_zeros(kept: Path) -> None:
    """Both are kept and shown, the newest first."""
    receipts = [json.loads(erase(kept, *RANGE, "--yes", "--json").stdout) for _ in range(2)]
    assert [sum(erased["number"] for erased in receipt["erased"]) for receipt in receipts] == [4, 0]
    listed = json.loads(erase(kept, "--list", "--json").stdout)
    assert [receipt["id"] for receipt in listed] == [receipt["id"] for receipt in reversed(receipts)]


def test_no_receipts_is_said(kept: Path) -> None:
    """Rather than nothing."""
    assert erase(kept, "--list").stdout == "nothing was erased yet\n"


@pytest.mark.parametrize("given", [(), ("--camera", "yard"), RANGE[:4]], ids=lambda given: str(len(given)))
def test_a_camera_and_both_ends_must_be_named(kept: Path, given: tuple[str, ...]) -> None:
    """To leave one out never means everything."""
    result = erase(kept, *given, "--yes")
    assert result.exit_code == 2
    assert "--camera, --from and --to" in result.stderr


def test_a_camera_the_site_does_not_have_is_remarked_on(kept: Path) -> None:
    """It may have been removed since, or be misspelt."""
    (kept / "site.yaml").write_text("site: {name: depot}\ncameras: [{id: gate, url: x.mp4}]\n")
    result = erase(kept, *RANGE, "--yes", "--site", str(kept / "site.yaml"))
    assert "the site file has no camera yard" in result.stderr


@pytest.fixture(scope="module")
def broker_port() -> Iterator[int]:
    """The port of a running broker."""
    with running_broker() as port:
        yield port


def test_incidents_on_the_bus_are_erased_by_their_key(
    kept: Path, broker_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record without a value follows them, so that compaction removes them; for the rest the receipt has dates."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{broker_port}")
    bus = bus_of(broker_port, "sightline")
    publisher = bus.publisher()
    publisher.publish(Topic.INCIDENTS, *contract_record(CHANGE)).result(30)
    publisher.close()
    result = erase(kept, *RANGE, "--yes")
    assert "erased        1  incident (topic sightline.incidents)" in result.stdout
    assert "sightline.frames: Kafka cannot delete by camera" in result.stdout
    *_, last = read_since(bus, Topic.INCIDENTS, datetime(2026, 1, 1, tzinfo=UTC))
    assert (last.key, last.value) == (CHANGE.incident.id, b"")
