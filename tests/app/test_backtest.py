"""One recording through the local runtime: what its rules know to begin with, and what stays apart."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.app.backtest import NOTHING, Known, Take, isolated, run_take
from pipeline.app.backtest_history import History
from pipeline.app.local import Models
from pipeline.app.stores import open_evidence, open_stores
from pipeline.contracts.incident import Review
from pipeline.contracts.learned import Learned, LearnedKind
from pipeline.evaluation.recordings import Recording
from pipeline.events.calibration import Calibration
from pipeline.events.calibration_state import CalibrationState, review_key
from pipeline.events.state_machine import FixedLevels
from pipeline.perception.detector import MotionDetector
from pipeline.perception.vision import LocalVision
from pipeline.settings import Settings
from pipeline.site import Site
from tests.support.cli import START, incident, write_video
from tests.support.events import TinyEncoder
from tests.support.local import Listener, site_of

SITE = """
models: {encoder: some/encoder}
cameras: [{id: yard, url: "walk.mp4"}]
rules:
  - {id: falls, when: a person falls, verify: none}
  - {id: fixed, when: a person falls, verify: none, timing: {threshold: 0.6}}
"""


class SmallEncoder(TinyEncoder):
    """Takes pictures of any size."""

    input_side_px = None


def learned_levels(*reviewed: str) -> bytes:
    """Of six hours, with a false alert or more."""
    subject = Calibration(
        FixedLevels(0.6, 0.4), alerts_per_day=1, after_seconds=6 * 3600, dwell_seconds=1, smoothing_seconds=1
    )
    for minute in range(6 * 60 + 1):
        subject.note(START.timestamp() + 60 * minute, 0.2)
    for name in reviewed:
        subject.reviewed(name, START.timestamp(), 0.7, False)
    return subject.dump()


@pytest.fixture(scope="module")
def take(tmp_path_factory: pytest.TempPathFactory) -> Take:
    """Two seconds of nothing."""
    site = site_of(SITE.replace("walk.mp4", str(write_video(tmp_path_factory.mktemp("clips") / "walk.mp4", seconds=2))))
    return Take("yard/walk", site.cameras[0], START)


def read(take: Take, folder: Path, known: Known = NOTHING) -> tuple[Recording, list[Learned]]:
    """What came of it, and what the run has learned."""
    site: Site = site_of(SITE)
    own = isolated(Settings(), folder)
    detector = MotionDetector(own.perception)
    models = Models(LocalVision(detector, SmallEncoder("falls"), own.perception), None)
    recording = run_take(site, take, own, models, Listener(), threading.Event(), known)
    stores = open_stores(own, must_exist=True)
    found = stores.learned.load("yard")
    stores.close()
    return recording, found


def test_a_rule_goes_on_from_what_was_learned(take: Take, tmp_path: Path) -> None:
    """Given the camera's learned threshold it begins with that; given nothing it begins with the fixed one, and only a
    rule whose threshold is to be learned is said to."""
    fresh, learned = read(take, tmp_path / "fresh")
    (row,) = [one for one in learned if one.kind is LearnedKind.CALIBRATION]
    known = Known((replace(row, body=learned_levels(), updated_at=START),))
    warm, after = read(take, tmp_path / "warm", known)
    (went_on,) = [one for one in after if one.kind is LearnedKind.CALIBRATION]
    assert (fresh.began_fixed, warm.began_fixed) == ({"falls"}, frozenset())
    assert CalibrationState.load(went_on.body).watched_seconds >= 6 * 3600


def test_what_another_version_learned_is_not_taken_on(take: Take, tmp_path: Path) -> None:
    """A threshold learned for other words is none for these."""
    known = Known((Learned("yard", "falls", LearnedKind.CALIBRATION, "other", START, learned_levels()),))
    recording, _ = read(take, tmp_path / "other", known)
    assert recording.began_fixed == {"falls"}


def test_nobody_is_told_the_answer(take: Take) -> None:
    """What people said of an incident is left out, of the reviews and of the threshold, while its own clip is read;
    what they said of others stays, and so does all for any other recording."""
    said = Review(is_right=False, by="ann", at=START)
    own, other = (incident(seconds).model_copy(update={"review": said}) for seconds in (3, 90))
    row = Learned("yard", "loitering", LearnedKind.CALIBRATION, "b", START, learned_levels(own.id, other.id))
    known = Known((row, replace(row, camera_id="gate")), (own, other))
    before = known.before(replace(take, incident=own))
    (left,) = before.learned
    assert before.reviewed == (other,)
    assert set(CalibrationState.load(left.body).reviews) == {review_key(other.id)}
    assert known.before(take) == Known((row,), (own, other))


def test_damaged_state_is_handed_on_as_it_is(take: Take) -> None:
    """Who takes it on refuses it with a reason; here it does no harm."""
    row = Learned("yard", "falls", LearnedKind.CALIBRATION, "b", START, b"not a calibration")
    assert Known((row,)).before(replace(take, incident=incident())).learned == (row,)


@pytest.mark.parametrize(("lasts_seconds", "begins_seconds"), [(2.0, -7.0), (300.0, -40.0)], ids=["short", "long"])
def test_a_clip_begins_where_it_was_cut(
    take: Take, tmp_path: Path, lasts_seconds: float, begins_seconds: float
) -> None:
    """Five seconds before the event began; or, when that is long before it was told, as far back as pictures were
    held: 45 s before the clip's end, 5 s after the opening."""
    opened_at = datetime(2026, 7, 10, 22, 30, tzinfo=UTC)
    kept = incident()
    times = {"opened_at": opened_at, "started_at": opened_at - timedelta(seconds=lasts_seconds)}
    kept = kept.model_copy(update={"candidate": kept.candidate.model_copy(update=times)})
    settings = Settings(data_dir=tmp_path)
    history = History((kept,), open_evidence(settings), settings)
    assert history.take(kept, take.camera).start_at == opened_at + timedelta(seconds=begins_seconds)
