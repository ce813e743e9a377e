"""Which moments are kept, and that no stage waits for it."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from pipeline.clock import ManualClock
from pipeline.contracts.candidate import CandidateState
from pipeline.contracts.observation import MOVING, Observation, Region
from pipeline.contracts.values import Box, pack_vector
from pipeline.errors import ConfigError, TransientError
from pipeline.runtime.embeddings import MAX_WAITING, EmbeddingWriter
from pipeline.site import Site
from pipeline.telemetry import Metrics
from tests.support.events import box_at, observation
from tests.support.store import make_candidate
from tests.support.vectors import SPACE, MemoryVectors, unit

SITE = Site.model_validate(
    {
        "site": {"name": "depot", "timezone": "UTC"},
        "cameras": [{"id": "gate", "url": "x.mp4", "zones": {"left": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}}],
        "rules": [{"id": "r", "track": {"enters": "left"}}],
    }
)


class Kept:
    """A writer over a store in memory, and what it counts."""

    def __init__(self) -> None:
        self.store = MemoryVectors()
        self.metrics = Metrics()
        self.clock = ManualClock(observation(0).captured_at)
        self.writer = EmbeddingWriter(self.store, lambda: SPACE, SITE, self.metrics, self.clock)

    def num_lost(self) -> float:
        """As the metrics tell."""
        labels = {"stage": "embeddings", "reason": "lost"}
        return self.metrics.registry.get_sample_value("sightline_invalid_items_total", labels) or 0.0


@pytest.fixture
def kept() -> Kept:
    return Kept()


def seen(at_seconds: float, *regions: Region, camera: str = "gate", is_encoded: bool = True) -> Observation:
    embedding = unit(1, at_seconds) if is_encoded else None
    return observation(at_seconds, *regions, camera_id=camera, embedding=embedding)


def test_one_moment_a_camera_and_second_is_kept(kept: Kept) -> None:
    """The first of each second, of each camera; nothing where no encoder looked."""
    for one in (seen(0.2), seen(0.6), seen(1.1), seen(0.4, camera="yard"), seen(5, is_encoded=False)):
        kept.writer.note(one, ())
    kept.writer.keep()
    kept.writer.note(seen(1.9), ())
    kept.writer.keep()
    told = [(one.camera_id, one.captured_at) for one in kept.store.kept]
    assert told == [(one.camera_id, one.captured_at) for one in (seen(0.2), seen(1.1), seen(0.4, camera="yard"))]


def test_a_moment_knows_its_things_and_zones(kept: Kept) -> None:
    """A zone holds what has its foot in it; motion alone is no label."""
    width = seen(0).width
    person = Region(box_at((width * 0.25, 200), 70), "person", 0.8, 1)
    car = Region(box_at((width * 0.8, 200), 70), "car", 0.8, 2)
    kept.writer.note(seen(0, person, Region(Box(0, 0, 5, 5), MOVING, 1.0)), ())
    kept.writer.note(seen(1, car), ())
    kept.writer.keep()
    assert [(set(one.labels), set(one.zones)) for one in kept.store.kept] == [({"person"}, {"left"}), ({"car"}, set())]


def test_a_candidates_peak_is_kept_as_it_opens_and_as_it_ends(kept: Kept) -> None:
    """Beside its frame's own moment, under its id, in the space that it was seen in; not at each update."""
    candidate = make_candidate(embedding=pack_vector(unit(3, 4)), models={"encoder": "other"}, picture_size=(640, 480))
    states = (CandidateState.OPENED, CandidateState.UPDATED, CandidateState.CLOSED)
    told = [candidate.model_copy(update={"state": state}) for state in states]
    kept.writer.note(seen(0), [told[0], make_candidate()])
    kept.writer.note(seen(0.1), told[1:])
    kept.writer.keep()
    moment, *peaks = kept.store.kept
    assert (moment.incident_id, moment.model_id) == ("", SPACE)
    assert [(peak.incident_id, peak.model_id) for peak in peaks] == [(candidate.id, "other")] * 2
    assert peaks[0].captured_at == candidate.key_frames[0].captured_at
    assert peaks[0].vector == pytest.approx(unit(3, 4), abs=1e-3)
    assert (peaks[0].labels, peaks[0].zones) == ({"person"}, {"left"})


def test_a_store_that_is_away_makes_moments_late_and_a_long_time_loses_the_oldest(kept: Kept) -> None:
    """`note` returns whatever the store does; what is lost is counted."""
    kept.store.fault = TransientError("away")
    for second in range(MAX_WAITING + 3):
        kept.writer.note(seen(second), ())
        if second == 10:
            kept.writer.keep()
    kept.store.fault = None
    kept.writer.keep()
    assert kept.num_lost() == 3
    assert len(kept.store.kept) == MAX_WAITING
    assert kept.store.kept[0].captured_at == seen(3).captured_at


def test_a_place_that_can_never_work_ends_no_run(kept: Kept) -> None:
    """What cannot be kept is counted as lost; the writer goes on."""
    kept.store.fault = ConfigError("a file where a folder should be")
    kept.writer.note(seen(0), ())
    kept.writer.keep()
    assert kept.num_lost() == 1


def test_what_has_no_direction_is_not_kept(kept: Kept) -> None:
    """Nothing is near to zeros or to what is no number."""
    for second, vector in enumerate(([0, 0], [np.nan, 1], [np.inf, 1])):
        kept.writer.note(observation(second, camera_id="gate", embedding=np.array(vector, np.float32)), ())
    kept.writer.keep()
    assert kept.store.kept == []


def test_the_store_is_seen_to_every_ten_minutes(kept: Kept) -> None:
    """Not at each write."""
    for _ in range(3):
        kept.clock.advance(300)
        kept.writer.keep()
    assert kept.store.num_upkeeps == 1


def test_what_was_noted_last_is_written_at_the_end(kept: Kept) -> None:
    """Though the writer was told to stop."""
    stop = threading.Event()
    stop.set()
    kept.writer.note(seen(0), ())
    kept.writer.run(stop)
    assert len(kept.store.kept) == 1
